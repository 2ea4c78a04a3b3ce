//! Who has a port of this host, and who has one next to it.

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::Instant;

use crate::addr::{Endpoint, Host, Inet, Port, Transport, is_slip};
use crate::error::{Fact, Held, Ports, Process, TimeWait};
use crate::sys::sockets::{Entry, State, Wanted};
use crate::sys::{self, InetSocket, Table};
use crate::work::inspect::Users;

/// More holders than this are not worth a line.
const MOST: usize = 4;
/// So many of the ports nearest to one that refused.
const NEAREST: usize = 3;

/// The address as numbers; none where the host or the port is still a name. No host is every address.
pub(super) fn numeric(inet: &Inet) -> Option<(IpAddr, u16)> {
    let Port::Number(port) = inet.port else { return None };
    let ip = match &inet.host {
        Host::Any => std::net::Ipv6Addr::UNSPECIFIED.into(),
        host => host.ip()?.to_canonical(),
    };
    Some((ip, port))
}

/// Whether a client that connects to `ip` stays on this host; with the addresses of this host where they were
/// needed to tell.
fn local(ip: IpAddr) -> Option<Vec<Fact>> {
    if ip.is_loopback() || ip.is_unspecified() {
        return Some(Vec::new());
    }
    let ours = sys::local_addresses().ok()?;
    ours.iter().any(|our| our.to_canonical() == ip).then(|| vec![Fact::LocalAddresses(ours)])
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

/// Whether a client that connects to `asked` comes to the socket, ports aside; unknown for an IPv6 wildcard of
/// which it is not known whether it takes IPv4.
fn takes(asked: IpAddr, socket: &InetSocket) -> Option<bool> {
    let bound = socket.local.ip();
    let held = bound.to_canonical();
    if asked.is_ipv4() && bound.is_ipv6() && bound.is_unspecified() {
        return socket.v6only.map(|only| !only);
    }
    // A client takes "every address" for loopback.
    let same = asked == held || held.is_unspecified() || asked.is_unspecified() && held.is_loopback();
    Some(asked.is_ipv4() == held.is_ipv4() && same)
}

/// What a socket has to do with a failure.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// It has the address that was asked for.
    There,
    /// It has the same port, at another address or of another family.
    SamePort,
    /// It has the same address, and a port near that one.
    SameAddress,
}

fn facts(sockets: &[(Transport, InetSocket, Part)], asked: u16, deadline: Instant) -> Vec<Fact> {
    // To find processes is most of what all this costs: a port that has nothing to do with the one that was asked for
    // is not worth it.
    let worth_it = |(_, socket, part): &&(Transport, InetSocket, Part)| {
        socket.inode != 0 && (*part != Part::SameAddress || is_slip(asked, socket.local.port()))
    };
    let inodes: Vec<u64> = sockets.iter().filter(worth_it).map(|(_, socket, _)| socket.inode).collect();
    // Who is in the way must be known; who is only near is not worth waiting for.
    let owners = if inodes.is_empty() {
        Default::default()
    } else if sockets.iter().any(|(_, _, part)| *part == Part::There) {
        sys::owners(&inodes, deadline)
    } else {
        sys::owners_at_a_glance(&inodes, deadline)
    };
    sockets
        .iter()
        .map(|(transport, socket, part)| {
            let local = Endpoint::from_socket_addr(*transport, socket.local);
            let process = owners.get(&socket.inode).cloned();
            match part {
                Part::SameAddress => Fact::Neighbour { local, process },
                Part::There | Part::SamePort => Fact::Holder { local, process, overlaps: *part == Part::There },
            }
        })
        .collect()
}

/// The address could not be had (EADDRINUSE): by whom.
pub(super) fn in_use(inet: &Inet, deadline: Instant) -> Vec<Fact> {
    let Some((asked, port)) = numeric(inet) else { return Vec::new() };
    if port == 0 {
        return client_ports(inet.transport, deadline).map(Fact::Ports).into_iter().collect();
    }
    let all = sys::sockets_on_port(table(inet.transport), port, deadline).unwrap_or_default();
    let overlaps = |entry: &Entry| {
        let held = ip(entry);
        held.is_some_and(|held| {
            // One that leaves IPv4 alone is not in the way of it.
            same_family_overlap(asked, held) || dual_stack_overlap(asked, held) && entry.v6only != Some(true)
        })
    };
    let (waiting, mut holders): (Vec<Entry>, Vec<Entry>) =
        all.into_iter().filter(overlaps).partition(|entry| entry.state == State::TimeWait);
    let receives = |entry: &Entry| match inet.transport {
        Transport::Udp => true,
        Transport::Tcp => entry.state == State::Listen,
    };
    // A connection holds its port only where no listener does; and a sure overlap makes an unsure one needless.
    if holders.iter().any(receives) {
        holders.retain(receives);
    }
    let sure = |entry: &Entry| ip(entry).is_some_and(|held| same_family_overlap(asked, held));
    if holders.iter().any(sure) {
        holders.retain(sure);
    }
    holders.truncate(MOST);
    let inodes: Vec<u64> = holders.iter().map(|entry| entry.inode).filter(|inode| *inode != 0).collect();
    let owners = if inodes.is_empty() { Default::default() } else { sys::owners(&inodes, deadline) };
    let mut found: Vec<Fact> = holders
        .iter()
        .filter_map(|entry| {
            let process = owners.get(&entry.inode).cloned();
            Some(Fact::Holder { local: entry.local.clone()?, process, overlaps: true })
        })
        .collect();
    if let Some(first) = holders.first() {
        found.push(Fact::Held(held(first, receives(first))));
    }
    if !waiting.is_empty() {
        let left = waiting.iter().filter_map(|entry| entry.timer).map(|timer| timer.after).max();
        found.push(Fact::TimeWait(TimeWait { connections: waiting.len(), left }));
    }
    found
}

fn held(entry: &Entry, receives: bool) -> Held {
    Held { other_user: other_user(entry), state: (!receives).then(|| entry.state.name()), orphan: entry.inode == 0 }
}

/// Who made it, where that is somebody else.
pub(super) fn other_user(entry: &Entry) -> Option<String> {
    let ours = rustix::process::geteuid().as_raw();
    let other = entry.uid.filter(|uid| *uid != ours)?;
    Some(Users::read().name(other).map_or_else(|| other.to_string(), str::to_owned))
}

fn ip(entry: &Entry) -> Option<IpAddr> {
    Some(entry.local.as_ref()?.ip()?.to_canonical())
}

/// The ports that the kernel gives to clients, and who has them. None where it does not tell.
#[must_use]
pub fn client_ports(transport: Transport, deadline: Instant) -> Option<Ports> {
    let range = sys::proc::sysctl("net.ipv4.ip_local_port_range")?;
    let (low, high) = range.split_once(' ')?;
    let (low, high): (u16, u16) = (low.parse().ok()?, high.parse().ok()?);
    let tcp = transport == Transport::Tcp;
    let wanted = Wanted { tcp, udp: !tcp, unix: false, v4: true, v6: true, states: u32::MAX, details: false };
    let port = |entry: &Entry| match &entry.local {
        Some(Endpoint::Inet(Inet { port: Port::Number(port), .. })) => Some(*port),
        _ => None,
    };
    let mut entries = sys::sockets(&wanted).ok()?;
    entries.retain(|entry| port(entry).is_some_and(|port| (low..=high).contains(&port)));
    let distinct = |fits: &dyn Fn(&Entry) -> bool| {
        entries.iter().filter(|entry| fits(entry)).filter_map(port).collect::<HashSet<_>>().len()
    };
    let waits = |entry: &Entry| entry.state == State::TimeWait;
    let (taken, waiting) = (distinct(&|_| true), distinct(&waits));
    let ending = distinct(&|entry| entry.inode == 0 && !waits(entry));
    let inodes: HashSet<u64> = entries.iter().map(|entry| entry.inode).filter(|inode| *inode != 0).collect();
    let mut owners = if inodes.is_empty() { Default::default() } else { sys::socket_owners(deadline) };
    let mut by: Vec<(Process, usize)> = Vec::new();
    for process in inodes.iter().filter_map(|inode| owners.of(*inode).into_iter().next()) {
        match by.iter_mut().find(|(known, _)| *known == process) {
            Some((_, sockets)) => *sockets += 1,
            None => by.push((process, 1)),
        }
    }
    by.sort_by_key(|(process, sockets)| (std::cmp::Reverse(*sockets), process.pid));
    by.truncate(NEAREST);
    Some(Ports { low, high, taken, waiting, ending, by })
}

/// The port refused (ECONNREFUSED): who receives there after all, who on the same port elsewhere, and which ports
/// of the same address are nearest. Nothing for an address that is not of this host.
pub(super) fn around(inet: &Inet, deadline: Instant) -> Vec<Fact> {
    let Some((asked, port)) = numeric(inet) else { return Vec::new() };
    let Some(ours) = local(asked) else { return Vec::new() };
    let receivers = |transport| sys::inet_receivers(table(transport), deadline);
    let (same, others): (Vec<_>, Vec<_>) =
        receivers(inet.transport).into_iter().partition(|socket| socket.local.port() == port);
    let mut found: Vec<_> = same
        .into_iter()
        .map(|socket| {
            let part = if takes(asked, &socket) == Some(true) { Part::There } else { Part::SamePort };
            (inet.transport, socket, part)
        })
        .collect();
    if found.is_empty() {
        let other = if inet.transport == Transport::Tcp { Transport::Udp } else { Transport::Tcp };
        let same = receivers(other).into_iter().filter(|socket| socket.local.port() == port);
        found.extend(same.map(|socket| (other, socket, Part::SamePort)));
    }
    found.sort_by_key(|(_, _, part)| *part != Part::There);
    found.truncate(MOST);
    // Where something is there after all, nobody mistook the port.
    if found.first().is_none_or(|(_, _, part)| *part != Part::There) {
        let near = nearest(asked, port, others);
        found.extend(near.into_iter().map(|socket| (inet.transport, socket, Part::SameAddress)));
    }
    let mut found = facts(&found, port, deadline);
    found.extend(ours);
    found
}

/// Those that a client reaches at `asked`, nearest port first, one a port.
fn nearest(asked: IpAddr, port: u16, mut sockets: Vec<InetSocket>) -> Vec<InetSocket> {
    sockets.retain(|socket| takes(asked, socket) != Some(false));
    let near = |socket: &InetSocket| (socket.local.port().abs_diff(port), socket.local.port());
    // Of several on one port the one that was bound to the address itself.
    sockets.sort_by_key(|socket| (near(socket), socket.local.ip().is_unspecified(), socket.local.is_ipv6()));
    sockets.dedup_by_key(|socket| socket.local.port());
    sockets.truncate(NEAREST);
    sockets
}

/// No answer from a port of this host: whether its listener has connections waiting that it does not accept.
pub(super) fn accept_queue(inet: &Inet, deadline: Instant) -> Vec<Fact> {
    let Some((asked, port)) = numeric(inet) else { return Vec::new() };
    if inet.transport != Transport::Tcp || local(asked).is_none() {
        return Vec::new();
    }
    let mut listeners = sys::inet_receivers(Table::Tcp, deadline);
    listeners.retain(|socket| socket.local.port() == port && takes(asked, socket) != Some(false));
    // A sure one makes an unsure one needless.
    listeners.sort_by_key(|socket| takes(asked, socket).is_none());
    let Some(listener) = listeners.into_iter().next() else { return Vec::new() };
    let (waiting, limit) = (listener.waiting, listener.limit);
    let mut found = facts(&[(Transport::Tcp, listener, Part::There)], port, deadline);
    found.push(Fact::AcceptQueue { waiting, limit });
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::TCP_LISTEN;

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

    fn socket(local: &str, v6only: Option<bool>) -> InetSocket {
        let local: std::net::SocketAddr = local.parse().unwrap();
        let remote = std::net::SocketAddr::new(local.ip(), 0);
        InetSocket { local, remote, state: TCP_LISTEN, waiting: 0, limit: None, inode: 0, v6only }
    }

    #[test]
    fn who_takes_a_client_in() {
        for (asked, local, v6only, takes_it) in [
            ("127.0.0.1", "127.0.0.1:1", None, Some(true)),
            ("127.0.0.1", "127.0.0.2:1", None, Some(false)),
            ("127.0.0.1", "0.0.0.0:1", None, Some(true)),
            ("127.0.0.1", "[::]:1", Some(false), Some(true)),
            ("127.0.0.1", "[::]:1", Some(true), Some(false)),
            ("127.0.0.1", "[::]:1", None, None),
            ("127.0.0.1", "[::1]:1", Some(false), Some(false)),
            ("127.0.0.1", "[::ffff:127.0.0.1]:1", Some(false), Some(true)),
            ("::1", "0.0.0.0:1", None, Some(false)),
            ("::1", "[::]:1", Some(true), Some(true)),
            ("0.0.0.0", "127.0.0.1:1", None, Some(true)),
            ("0.0.0.0", "192.0.2.1:1", None, Some(false)),
        ] {
            assert_eq!(takes(asked.parse().unwrap(), &socket(local, v6only)), takes_it, "{asked} {local} {v6only:?}");
        }
    }

    #[test]
    fn the_nearest_ports_come_first_and_once() {
        let all = [
            "127.0.0.1:22",
            "0.0.0.0:8080",
            "127.0.0.1:8080",
            "127.0.0.2:8082",
            "127.0.0.1:8084",
            "[::]:8079",
            "[::1]:8083",
            "127.0.0.1:9000",
        ];
        let near = |v6only| {
            let sockets = all.iter().map(|local| socket(local, v6only)).collect();
            nearest("127.0.0.1".parse().unwrap(), 8082, sockets).iter().map(|s| s.local.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(near(Some(true)), ["127.0.0.1:8080", "127.0.0.1:8084", "127.0.0.1:9000"]);
        assert_eq!(near(Some(false)), ["127.0.0.1:8080", "127.0.0.1:8084", "[::]:8079"]);
        assert_eq!(near(None), near(Some(false)));
    }
}
