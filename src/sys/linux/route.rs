//! Where packets to an address go, and whether the next hop answers: rtnetlink(7).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::netlink::{self, Attributes, HEADER, NLM_F_REQUEST, NLMSG_ERROR, u16_at, u32_at};
use crate::error::{Neighbour, RouteKind};

/// `<linux/netlink.h>`, `<linux/rtnetlink.h>`, `<linux/neighbour.h>`.
const NETLINK_ROUTE: i32 = 0;
const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
const RTM_NEWNEIGH: u16 = 28;
const RTM_GETNEIGH: u16 = 30;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_VIA: u16 = 18;
const NDA_DST: u16 = 1;
/// rtmsg, ndmsg.
const MESSAGE: usize = 12;

/// What the kernel looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// What the route does.
    pub kind: RouteKind,
    /// The router that packets are handed to.
    pub gateway: Option<IpAddr>,
    /// The index of the interface they leave by.
    pub interface: Option<u32>,
}

/// The route to `to`; through the interface with the index `scope` where it is not 0.
///
/// # Errors
/// `ENETUNREACH` where there is none, and those of the netlink socket.
pub fn route(to: IpAddr, scope: u32) -> io::Result<Hop> {
    // rtmsg: family, lengths of destination and source, TOS, table, protocol, scope, type, flags; then attributes.
    let (family, bits) = family_of(to);
    let mut request = vec![family, bits, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    address(&mut request, RTA_DST, to);
    if scope != 0 {
        attribute(&mut request, RTA_OIF, &scope.to_ne_bytes());
    }
    let no = |kind| Ok(Hop { kind, gateway: None, interface: None });
    match ask(RTM_GETROUTE, &request) {
        Ok(answer) => hop(&answer),
        // A route that says no is told by its errno: fib_props of net/ipv4/fib_semantics.c.
        Err(error) => match error.raw_os_error() {
            Some(libc::EHOSTUNREACH) => no(RouteKind::Unreachable),
            Some(libc::EACCES) => no(RouteKind::Prohibit),
            Some(libc::EINVAL) => no(RouteKind::Blackhole),
            _ => Err(error),
        },
    }
}

fn hop(answer: &[u8]) -> io::Result<Hop> {
    let body = answer.get(HEADER..).filter(|_| u16_at(answer, 4) == Some(RTM_NEWROUTE));
    let body = body.filter(|body| body.len() >= MESSAGE).ok_or(io::ErrorKind::InvalidData)?;
    let kind = match body[7] {
        libc::RTN_LOCAL => RouteKind::Local,
        libc::RTN_BROADCAST | libc::RTN_ANYCAST => RouteKind::Broadcast,
        libc::RTN_MULTICAST => RouteKind::Multicast,
        _ => RouteKind::Unicast,
    };
    let mut hop = Hop { kind, gateway: None, interface: None };
    for (attribute, value) in Attributes(&body[MESSAGE..]) {
        match attribute {
            RTA_OIF => hop.interface = u32_at(value, 0),
            RTA_GATEWAY => hop.gateway = ip(value),
            // A gateway of the other family: RFC 5549.
            RTA_VIA => hop.gateway = value.get(2..).and_then(ip),
            _ => {}
        }
    }
    Ok(hop)
}

/// Whether `address` answers on the link of the interface with this index.
#[must_use]
pub fn neighbour(address: IpAddr, interface: u32) -> Neighbour {
    // ndmsg: family, padding, interface, state, flags, type; then attributes.
    let mut request = vec![family_of(address).0, 0, 0, 0];
    request.extend(interface.to_ne_bytes());
    request.extend([0; 4]);
    self::address(&mut request, NDA_DST, address);
    let state = ask(RTM_GETNEIGH, &request)
        .ok()
        .filter(|answer| u16_at(answer, 4) == Some(RTM_NEWNEIGH))
        .and_then(|answer| u16_at(answer.get(HEADER..)?, 8));
    match state {
        Some(libc::NUD_INCOMPLETE | libc::NUD_FAILED) => Neighbour::Silent,
        Some(libc::NUD_REACHABLE) => Neighbour::Reachable,
        _ => Neighbour::Unknown,
    }
}

fn family_of(ip: IpAddr) -> (u8, u8) {
    match ip {
        IpAddr::V4(_) => (libc::AF_INET as u8, 32),
        IpAddr::V6(_) => (libc::AF_INET6 as u8, 128),
    }
}

fn address(request: &mut Vec<u8>, kind: u16, ip: IpAddr) {
    match ip {
        IpAddr::V4(v4) => attribute(request, kind, &v4.octets()),
        IpAddr::V6(v6) => attribute(request, kind, &v6.octets()),
    }
}

fn attribute(request: &mut Vec<u8>, kind: u16, value: &[u8]) {
    request.extend((4 + value.len() as u16).to_ne_bytes());
    request.extend(kind.to_ne_bytes());
    request.extend(value);
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = || Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).into());
    v4().or_else(|| Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into()))
}

/// One question, and its answer with the header.
fn ask(kind: u16, request: &[u8]) -> io::Result<Vec<u8>> {
    let socket = netlink::ask(NETLINK_ROUTE, kind, NLM_F_REQUEST, request)?;
    let mut buffer = [0; 8192];
    let answer = netlink::answer(&socket, &mut buffer)?.to_vec();
    if u16_at(&answer, 4) == Some(NLMSG_ERROR) {
        let errno = u32_at(&answer, HEADER).unwrap_or(0).cast_signed();
        return Err(io::Error::from_raw_os_error(errno.wrapping_neg()));
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_local_and_documentation_is_not() {
        let hop = route(Ipv4Addr::LOCALHOST.into(), 0).unwrap();
        assert_eq!((hop.kind, hop.gateway), (RouteKind::Local, None));
        assert_eq!(crate::sys::interface_name(hop.interface.unwrap()).as_deref(), Some("lo"));
        match route("192.0.2.1".parse().unwrap(), 0) {
            Ok(hop) => assert_ne!(hop.kind, RouteKind::Local),
            Err(error) => assert_eq!(error.raw_os_error(), Some(libc::ENETUNREACH)),
        }
    }

    #[test]
    fn nobody_is_a_neighbour_on_loopback() {
        let lo = crate::sys::interface_index("lo").unwrap();
        assert_eq!(neighbour("192.0.2.1".parse().unwrap(), lo), Neighbour::Unknown);
    }

    #[test]
    fn answers_that_are_cut_off_are_none() {
        let mut request = vec![libc::AF_INET as u8, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        address(&mut request, RTA_DST, Ipv4Addr::LOCALHOST.into());
        let whole = ask(RTM_GETROUTE, &request).unwrap();
        for end in 0..whole.len() {
            let _ = hop(&whole[..end]);
        }
        assert!(hop(&whole[..HEADER + MESSAGE - 1]).is_err());
    }
}
