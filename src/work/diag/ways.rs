//! The way that this host has to an address, and how it stands.

use std::net::IpAddr;

use crate::addr::{Host, Inet};
use crate::error::{Fact, Link, Neighbour, Route, RouteKind};
use crate::sys;

/// The route of an address that was not reached. Nothing where the kernel does not tell.
pub(super) fn way(inet: &Inet) -> Option<Fact> {
    way_to(inet).map(Fact::Route)
}

/// The route to an address.
#[must_use]
pub fn way_to(inet: &Inet) -> Option<Route> {
    let (ip, scope) = match &inet.host {
        Host::V4(ip) => (IpAddr::V4(*ip), None),
        Host::V6 { addr, scope } => (IpAddr::V6(*addr).to_canonical(), scope.as_deref()),
        Host::Any | Host::Name(_) => return None,
    };
    let scope = scope.and_then(|name| sys::interface_index(name).ok()).unwrap_or(0);
    match sys::route(ip, scope) {
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
        kind: RouteKind::None { down, address, off },
        gateway: None,
        interface: None,
        link: Link::Up,
        neighbour: Neighbour::Unknown,
    }
}
