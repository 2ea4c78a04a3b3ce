//! The way that this host has to an address, and how it stands.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::time::{Duration, Instant};

use super::ports::numeric;
use crate::addr::{Host, Inet, Transport};
use crate::error::{Fact, Link, Neighbour, Route, RouteKind};
use crate::sys;

/// An answer that did not come before may take as long to be seen; most of the world is nearer.
const ANSWER: Duration = Duration::from_millis(250);

/// The route of an address that was not reached. Nothing where the kernel does not tell.
pub(super) fn way(inet: &Inet) -> Option<Fact> {
    way_to(inet).map(Fact::Route)
}

/// Whether a rule of this host stops handshakes with it before they leave.
pub(super) fn rules(inet: &Inet) -> Option<Fact> {
    Some(if sys::is_stopped(tcp(inet)?)? { Fact::LocalPolicy } else { Fact::LetOut })
}

/// Answers come, and this host throws them away. Tried once more to find out, where packets leave this host.
pub(super) fn deaf(inet: &Inet, way: Option<&Fact>, deadline: Instant) -> Option<Fact> {
    let Some(Fact::Route(Route { kind: RouteKind::Unicast, link: Link::Up, .. })) = way else { return None };
    let dropped = sys::proc::reverse_path_drops();
    let index = sys::answers_lost_on_arrival(tcp(inet)?, deadline.min(Instant::now() + ANSWER))?;
    let interface = sys::interface_name(index)?;
    let reverse_path = dropped.zip(sys::proc::reverse_path_drops()).is_some_and(|(before, after)| after > before);
    Some(Fact::AnswersLost { interface, reverse_path })
}

/// The address of a TCP port.
fn tcp(inet: &Inet) -> Option<SocketAddr> {
    if inet.transport != Transport::Tcp {
        return None;
    }
    let (ip, port) = numeric(inet)?;
    Some(match ip {
        IpAddr::V6(v6) => SocketAddrV6::new(v6, port, 0, index(&inet.host)).into(),
        IpAddr::V4(_) => SocketAddr::new(ip, port),
    })
}

/// The index of the interface that an address is good on; 0 where it names none.
fn index(host: &Host) -> u32 {
    match host {
        Host::V6 { scope: Some(scope), .. } => sys::interface_index(scope).unwrap_or(0),
        _ => 0,
    }
}

/// The route to an address.
#[must_use]
pub fn way_to(inet: &Inet) -> Option<Route> {
    let ip = inet.host.ip()?.to_canonical();
    match sys::route(ip, index(&inet.host)) {
        Ok(hop) => {
            let interface = hop.interface.and_then(sys::interface_name);
            let next = hop.gateway.unwrap_or(ip);
            let asks = matches!(hop.kind, RouteKind::Unicast);
            let neighbour = hop.interface.filter(|_| asks).map(|index| sys::neighbour(next, index));
            Some(Route {
                link: interface.as_deref().map_or(Link::Up, link),
                kind: hop.kind,
                gateway: hop.gateway,
                interface,
                neighbour: neighbour.unwrap_or(Neighbour::Unknown),
            })
        }
        Err(error) if error.raw_os_error() == Some(libc::ENETUNREACH) => Some(no_way(ip)),
        Err(_) => None,
    }
}

fn link(name: &str) -> Link {
    let all = sys::every_address().unwrap_or_default();
    match all.iter().find(|entry| entry.name == name) {
        Some(entry) if !entry.up => Link::Down,
        Some(entry) if !entry.running => Link::NoCarrier,
        _ => Link::Up,
    }
}

/// Whether there is a default route of that family.
fn has_default(v4: bool) -> bool {
    let family = if v4 { "IPv4" } else { "IPv6" };
    default_interfaces().iter().any(|(known, _)| *known == family)
}

/// There is no route: what the host has in its place.
fn no_way(ip: IpAddr) -> Route {
    let all = sys::every_address().unwrap_or_default();
    let down = all.iter().find(|entry| !entry.up && entry.has(ip)).map(|entry| entry.name.clone());
    let wide = |own: IpAddr| match own {
        IpAddr::V4(v4) => ip.is_ipv4() && !v4.is_loopback() && !v4.is_link_local(),
        IpAddr::V6(v6) => ip.is_ipv6() && !v6.is_loopback() && !v6.is_unicast_link_local(),
    };
    let address = all.iter().any(|entry| entry.up && entry.address.is_some_and(wide));
    let mut off: Vec<String> = all.iter().filter(|entry| !entry.up).map(|entry| entry.name.clone()).collect();
    off.sort();
    off.dedup();
    Route {
        kind: RouteKind::None { down, address, off, default: has_default(ip.is_ipv4()) },
        gateway: None,
        interface: None,
        link: Link::Up,
        neighbour: Neighbour::Unknown,
    }
}

/// The interfaces of the default routes, with what family they are of.
#[must_use]
pub fn default_interfaces() -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for line in sys::proc::net_table("route").unwrap_or_default().lines().skip(1) {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        if let [interface, "00000000", _, _, _, _, _, "00000000", ..] = fields[..] {
            found.push(("IPv4", interface.to_owned()));
        }
    }
    for line in sys::proc::net_table("ipv6_route").unwrap_or_default().lines() {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        // RTF_REJECT (include/uapi/linux/route.h) is how "no route" stands in the table.
        if let [to, "00", _, _, _, _, _, _, flags, interface] = fields[..]
            && to.bytes().all(|byte| byte == b'0')
            && u32::from_str_radix(flags, 16).is_ok_and(|flags| flags & 0x200 == 0)
        {
            found.push(("IPv6", interface.to_owned()));
        }
    }
    found.sort();
    found.dedup();
    found
}
