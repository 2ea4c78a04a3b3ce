//! Which way packets go from here: rtnetlink(7), as `ip route get` asks.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use super::netlink::{Attributes, HEADER, NLMSG_ERROR, u16_at, u32_at};
use crate::event::Route;

/// `<linux/netlink.h>`, `<linux/rtnetlink.h>`.
const NETLINK_ROUTE: i32 = 0;
const NLM_F_REQUEST: u16 = 1;
const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_VIA: u16 = 18;
/// rtmsg.
const MESSAGE: usize = 12;
/// The kernel answers at once; this is for one that does not answer at all.
const PATIENCE: Duration = Duration::from_millis(100);

/// The interface and the router by which this host reaches an address. `scope` is the index of the interface that the
/// address needs, or 0.
///
/// # Errors
/// Those of the netlink socket; that of the kernel where there is no route; `InvalidData`.
pub fn route_to(address: IpAddr, scope: u32) -> io::Result<Route> {
    let socket = Socket::new(Domain::from(libc::AF_NETLINK), Type::DGRAM, Some(Protocol::from(NETLINK_ROUTE)))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.send(&request(address, scope))?;
    let mut answer = [0; 2048];
    let (_, length) = rustix::net::recv(&socket, &mut answer[..], rustix::net::RecvFlags::empty())?;
    let (interface, via) = read(&answer[..length.min(answer.len())])?;
    Ok(Route { interface: interface.and_then(crate::sys::interface_name), via })
}

/// nlmsghdr, rtmsg (family, length of the destination in bits, and what is not asked), attributes.
fn request(address: IpAddr, scope: u32) -> Vec<u8> {
    let (family, bytes) = match address {
        IpAddr::V4(v4) => (libc::AF_INET, v4.octets().to_vec()),
        IpAddr::V6(v6) => (libc::AF_INET6, v6.octets().to_vec()),
    };
    let mut attributes = Vec::new();
    let mut attribute = |kind: u16, value: &[u8]| {
        attributes.extend((4 + value.len() as u16).to_ne_bytes());
        attributes.extend(kind.to_ne_bytes());
        attributes.extend(value);
    };
    attribute(RTA_DST, &bytes);
    if scope != 0 {
        attribute(RTA_OIF, &scope.to_ne_bytes());
    }
    let mut message = Vec::new();
    message.extend(((HEADER + MESSAGE + attributes.len()) as u32).to_ne_bytes());
    message.extend(RTM_GETROUTE.to_ne_bytes());
    message.extend(NLM_F_REQUEST.to_ne_bytes());
    message.extend([0; 8]);
    message.extend([family as u8, bytes.len() as u8 * 8]);
    message.resize(HEADER + MESSAGE, 0);
    message.extend(attributes);
    message
}

fn read(answer: &[u8]) -> io::Result<(Option<u32>, Option<IpAddr>)> {
    let invalid = || io::Error::from(io::ErrorKind::InvalidData);
    match u16_at(answer, 4) {
        Some(RTM_NEWROUTE) => {}
        Some(NLMSG_ERROR) => {
            let errno = u32_at(answer, HEADER).ok_or_else(invalid)?.cast_signed();
            return Err(io::Error::from_raw_os_error(errno.wrapping_neg()));
        }
        _ => return Err(invalid()),
    }
    let length = u32_at(answer, 0).map_or(0, |length| length as usize);
    let attributes = answer.get(HEADER + MESSAGE..length).ok_or_else(invalid)?;
    let (mut interface, mut via) = (None, None);
    for (kind, value) in Attributes(attributes) {
        match kind {
            RTA_OIF => interface = u32_at(value, 0),
            RTA_GATEWAY => via = ip(value),
            // A router of the other family (RFC 5549): its family comes first.
            RTA_VIA => via = value.get(2..).and_then(ip),
            _ => {}
        }
    }
    Ok((interface, via))
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(v4).into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|v6| Ipv6Addr::from(v6).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_is_reached_by_its_loopback() {
        assert_eq!(
            route_to(Ipv4Addr::LOCALHOST.into(), 0).unwrap(),
            Route { interface: Some("lo".to_owned()), via: None }
        );
    }

    #[test]
    fn an_answer_that_is_cut_off_says_less() {
        let mut answer = vec![0; HEADER + MESSAGE];
        for (kind, value) in [(RTA_OIF, [1, 0, 0, 0]), (RTA_GATEWAY, [10, 0, 0, 1])] {
            answer.extend(8_u16.to_ne_bytes());
            answer.extend(kind.to_ne_bytes());
            answer.extend(value);
        }
        let length = answer.len() as u32;
        answer[..4].copy_from_slice(&length.to_ne_bytes());
        answer[4..6].copy_from_slice(&RTM_NEWROUTE.to_ne_bytes());
        let interface = Some(u32::from_ne_bytes([1, 0, 0, 0]));
        assert_eq!(read(&answer).unwrap(), (interface, Some("10.0.0.1".parse().unwrap())));
        for end in 0..answer.len() {
            assert!(read(&answer[..end]).is_err());
        }
        answer[4..6].copy_from_slice(&NLMSG_ERROR.to_ne_bytes());
        answer[HEADER..HEADER + 4].copy_from_slice(&(-libc::ENETUNREACH).to_ne_bytes());
        assert_eq!(read(&answer).unwrap_err().raw_os_error(), Some(libc::ENETUNREACH));
    }
}
