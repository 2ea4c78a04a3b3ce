//! The addresses of this host: getifaddrs(3), which every UNIX has.

use std::ffi::CStr;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ptr;

/// The flag that tells at once when the carrier is gone; IFF_RUNNING follows up to a second later (netdevice(7)).
#[cfg(target_os = "linux")]
const CARRIER: Option<libc::c_int> = Some(libc::IFF_LOWER_UP);
#[cfg(not(target_os = "linux"))]
const CARRIER: Option<libc::c_int> = None;

/// An address of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceAddress {
    /// The interface.
    pub name: String,
    /// Its address; none for the entry that each interface has of its own.
    pub address: Option<IpAddr>,
    /// How many bits of it are the network's.
    pub bits: u32,
    /// Whether the interface is switched on.
    pub up: bool,
    /// Whether it is also ready: it has a carrier.
    pub running: bool,
}

impl InterfaceAddress {
    /// Whether `ip` is of the same network.
    #[must_use]
    pub fn has(&self, ip: IpAddr) -> bool {
        match (self.address, ip.to_canonical()) {
            (Some(IpAddr::V4(own)), IpAddr::V4(ip)) => {
                let shift = 32 - self.bits.clamp(1, 32);
                u32::from(own) >> shift == u32::from(ip) >> shift
            }
            (Some(IpAddr::V6(own)), IpAddr::V6(ip)) => {
                let shift = 128 - self.bits.clamp(1, 128);
                u128::from(own) >> shift == u128::from(ip) >> shift
            }
            _ => false,
        }
    }
}

/// The IP addresses of all interfaces that are up, each once, in the system's order.
///
/// # Errors
/// Those of getifaddrs(3).
pub fn local_addresses() -> io::Result<Vec<IpAddr>> {
    let mut addresses = Vec::new();
    for (_, address) in addresses_of_interfaces()? {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    Ok(addresses)
}

/// The same with the name of each one's interface; an address may be on several.
///
/// # Errors
/// Those of getifaddrs(3).
pub fn addresses_of_interfaces() -> io::Result<Vec<(String, IpAddr)>> {
    let all = every_address()?.into_iter().filter(|entry| entry.up);
    Ok(all.filter_map(|entry| Some((entry.name, entry.address?))).collect())
}

/// Every address of every interface, those that are down too, and an entry for each interface by itself.
///
/// # Errors
/// Those of getifaddrs(3).
pub fn every_address() -> io::Result<Vec<InterfaceAddress>> {
    let mut first: *mut libc::ifaddrs = ptr::null_mut();
    // SAFETY: the pointer is to a local that receives the head of the list.
    if unsafe { libc::getifaddrs(&raw mut first) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut addresses = Vec::new();
    let mut next = first;
    while !next.is_null() {
        // SAFETY: the list is well formed until freeifaddrs.
        unsafe {
            let entry = &*next;
            next = entry.ifa_next;
            let has = |flag: libc::c_int| entry.ifa_flags & flag as libc::c_uint != 0;
            addresses.push(InterfaceAddress {
                name: CStr::from_ptr(entry.ifa_name).to_string_lossy().into_owned(),
                address: ip_of(entry.ifa_addr),
                bits: match ip_of(entry.ifa_netmask) {
                    Some(IpAddr::V4(mask)) => u32::from(mask).count_ones(),
                    Some(IpAddr::V6(mask)) => u128::from(mask).count_ones(),
                    None => 0,
                },
                up: has(libc::IFF_UP),
                running: has(libc::IFF_RUNNING) && CARRIER.is_none_or(has),
            });
        }
    }
    // SAFETY: `first` came from getifaddrs and is freed once; nothing borrowed from it is left.
    unsafe { libc::freeifaddrs(first) };
    Ok(addresses)
}

/// # Safety
/// It is null, or points to a socket address of the size that its family has.
unsafe fn ip_of(address: *const libc::sockaddr) -> Option<IpAddr> {
    if address.is_null() {
        return None;
    }
    // SAFETY: promised by the caller; unaligned reads need no alignment.
    unsafe {
        match i32::from((*address).sa_family) {
            libc::AF_INET => {
                let address = address.cast::<libc::sockaddr_in>().read_unaligned();
                Some(IpAddr::V4(Ipv4Addr::from(address.sin_addr.s_addr.to_ne_bytes())))
            }
            libc::AF_INET6 => {
                let address = address.cast::<libc::sockaddr_in6>().read_unaligned();
                Some(IpAddr::V6(Ipv6Addr::from(address.sin6_addr.s6_addr)))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_one_of_ours() {
        assert!(local_addresses().unwrap().contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)));
    }

    #[test]
    fn the_network_of_an_address_is_known() {
        let all = every_address().unwrap();
        let lo = all.iter().find(|entry| entry.address == Some(Ipv4Addr::LOCALHOST.into())).unwrap();
        assert_eq!((lo.bits, lo.up, lo.running), (8, true, true));
        for (ip, has) in [("127.9.9.9", true), ("128.0.0.1", false), ("::1", false), ("::ffff:127.0.0.2", true)] {
            assert_eq!(lo.has(ip.parse().unwrap()), has, "{ip}");
        }
        let v6 = InterfaceAddress { address: Some("2001:db8::1".parse().unwrap()), bits: 64, ..lo.clone() };
        assert!(v6.has("2001:db8::2".parse().unwrap()) && !v6.has("2001:db8:0:1::2".parse().unwrap()));
    }
}
