//! Who has a port of this host, and who has one next to it.

use std::net::IpAddr;
use std::time::Instant;

use crate::addr::{Endpoint, Host, Inet, Port, Transport};
use crate::error::Fact;
use crate::sys::{self, InetSocket, TCP_LISTEN, TCP_TIME_WAIT, Table};

/// More holders than this are not worth a line.
const MOST: usize = 4;

/// The address as numbers; none where the host or the port is still a name. No host is every address.
pub(super) fn numeric(inet: &Inet) -> Option<(IpAddr, u16)> {
    let Port::Number(port) = inet.port else { return None };
    let ip = match &inet.host {
        Host::Any => std::net::Ipv6Addr::UNSPECIFIED.into(),
        Host::V4(addr) => IpAddr::V4(*addr),
        Host::V6 { addr, .. } => IpAddr::V6(*addr).to_canonical(),
        Host::Name(_) => return None,
    };
    Some((ip, port))
}

/// Whether a client that connects to `ip` stays on this host.
pub(super) fn is_local(ip: IpAddr) -> bool {
    ip.is_loopback()
        || ip.is_unspecified()
        || sys::local_addresses().is_ok_and(|ours| ours.iter().any(|our| our.to_canonical() == ip))
}

/// Whether one socket's address takes in the other's, as far as two sockets of one family go (ip(7)).
fn same_family_overlap(asked: IpAddr, held: IpAddr) -> bool {
    asked.is_ipv4() == held.is_ipv4() && (asked == held || asked.is_unspecified() || held.is_unspecified())
}

/// Whether an IPv6 wildcard socket may take in the other one, which IPV6_V6ONLY (ipv6(7)) decides; `/proc` does not tell.
fn dual_stack_overlap(asked: IpAddr, held: IpAddr) -> bool {
    asked.is_ipv4() != held.is_ipv4()
        && (asked.is_ipv6() && asked.is_unspecified() || held.is_ipv6() && held.is_unspecified())
}

fn table(transport: Transport) -> Table {
    match transport {
        Transport::Tcp => Table::Tcp,
        Transport::Udp => Table::Udp,
    }
}

/// The sockets that receive on the port: TCP listeners, UDP sockets without a peer.
fn receivers(transport: Transport, port: u16, deadline: Instant) -> Vec<InetSocket> {
    let mut sockets = sys::inet_sockets(table(transport), port, deadline);
    sockets.retain(|socket| match transport {
        Transport::Tcp => socket.state == TCP_LISTEN,
        Transport::Udp => socket.remote.port() == 0,
    });
    sockets
}

fn facts(sockets: &[(Transport, InetSocket, bool)], deadline: Instant) -> Vec<Fact> {
    let sockets = &sockets[..sockets.len().min(MOST)];
    let inodes: Vec<u64> = sockets.iter().map(|(_, socket, _)| socket.inode).filter(|inode| *inode != 0).collect();
    let owners = if inodes.is_empty() { Default::default() } else { sys::owners(&inodes, deadline) };
    sockets
        .iter()
        .map(|(transport, socket, overlaps)| Fact::Holder {
            local: Endpoint::from_socket_addr(*transport, socket.local),
            process: owners.get(&socket.inode).cloned(),
            overlaps: *overlaps,
        })
        .collect()
}

/// The address could not be had (EADDRINUSE): by whom.
pub(super) fn in_use(inet: &Inet, deadline: Instant) -> Vec<Fact> {
    let Some((asked, port)) = numeric(inet) else { return Vec::new() };
    let all = sys::inet_sockets(table(inet.transport), port, deadline);
    let ip = |socket: &InetSocket| socket.local.ip().to_canonical();
    let overlaps =
        |socket: &InetSocket| same_family_overlap(asked, ip(socket)) || dual_stack_overlap(asked, ip(socket));
    let waiting = all.iter().filter(|socket| socket.state == TCP_TIME_WAIT && overlaps(socket)).count();
    let receives = |socket: &InetSocket| inet.transport == Transport::Udp || socket.state == TCP_LISTEN;
    let mut holders: Vec<InetSocket> =
        all.iter().filter(|socket| socket.state != TCP_TIME_WAIT && overlaps(socket)).cloned().collect();
    // A connection holds its port only where no listener does; and a sure overlap makes an unsure one needless.
    if holders.iter().any(receives) {
        holders.retain(receives);
    }
    if holders.iter().any(|socket| same_family_overlap(asked, ip(socket))) {
        holders.retain(|socket| same_family_overlap(asked, ip(socket)));
    }
    let holders: Vec<_> = holders.into_iter().map(|socket| (inet.transport, socket, true)).collect();
    let mut found = facts(&holders, deadline);
    if waiting > 0 {
        found.push(Fact::TimeWait { connections: waiting });
    }
    found
}

/// The port refused (ECONNREFUSED), or gave no answer: who receives there after all, or next to it. Nothing
/// for an address that is not of this host.
pub(super) fn around(inet: &Inet, deadline: Instant) -> Vec<Fact> {
    let Some((asked, port)) = numeric(inet) else { return Vec::new() };
    if !is_local(asked) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for socket in receivers(inet.transport, port, deadline) {
        // A client takes "every address" for loopback. And what an IPv6 wildcard had taken in would not have
        // been refused, so across families it is only near.
        let held = socket.local.ip().to_canonical();
        let overlaps = asked.is_ipv4() == held.is_ipv4()
            && (asked == held || held.is_unspecified() || asked.is_unspecified() && held.is_loopback());
        found.push((inet.transport, socket, overlaps));
    }
    if found.is_empty() {
        let other = if inet.transport == Transport::Tcp { Transport::Udp } else { Transport::Tcp };
        found.extend(receivers(other, port, deadline).into_iter().map(|socket| (other, socket, false)));
    }
    found.sort_by_key(|(_, _, overlaps)| !overlaps);
    facts(&found, deadline)
}

/// No answer from a port of this host: whether its listener has connections waiting that it does not accept.
pub(super) fn accept_queue(inet: &Inet, deadline: Instant) -> Vec<Fact> {
    let Some((asked, port)) = numeric(inet) else { return Vec::new() };
    if inet.transport != Transport::Tcp || !is_local(asked) {
        return Vec::new();
    }
    let mut listeners = receivers(Transport::Tcp, port, deadline);
    listeners.retain(|socket| {
        let held = socket.local.ip().to_canonical();
        same_family_overlap(asked, held) || dual_stack_overlap(asked, held)
    });
    let Some(listener) = listeners.into_iter().next() else { return Vec::new() };
    let waiting = listener.waiting;
    let mut found = facts(&[(Transport::Tcp, listener, true)], deadline);
    found.push(Fact::AcceptQueue { waiting });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_take_in_their_family() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        for (asked, held, sure, maybe) in [
            ("127.0.0.1", "127.0.0.1", true, false),
            ("127.0.0.1", "127.0.0.2", false, false),
            ("127.0.0.1", "0.0.0.0", true, false),
            ("0.0.0.0", "192.0.2.1", true, false),
            ("127.0.0.1", "::", false, true),
            ("::", "127.0.0.1", false, true),
            ("::1", "0.0.0.0", false, false),
            ("::1", "::", true, false),
        ] {
            assert_eq!(same_family_overlap(ip(asked), ip(held)), sure, "{asked} {held}");
            assert_eq!(dual_stack_overlap(ip(asked), ip(held)), maybe, "{asked} {held}");
        }
    }
}
