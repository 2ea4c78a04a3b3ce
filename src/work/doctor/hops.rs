//! The routers on the way to an address, as far as they answer: what traceroute(8) does, with the very socket that a
//! client would use. Needs no privilege, for the kernel keeps ICMP errors with their sender (ip(7), IP_RECVERR).

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use socket2::Socket;

use super::Check;
use crate::net::options::Options;
use crate::net::resolve::Target;
use crate::net::socket::Family;
use crate::sys::{self, Stop, poll};

/// So many hops are tried, all at once. Few paths have more; what is asked is where one ends.
const MOST: u32 = 24;
/// For the farthest of them to answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// What one hop answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hop {
    /// Nothing (yet).
    Silent,
    /// A router there let the packet's time run out, which is all that it was to do.
    Router(IpAddr),
    /// Somebody there refused to pass it on.
    Refuses(IpAddr),
    /// The address itself answered: it took the connection, or refused it.
    Target,
}

/// Finds out how far packets get. Nothing where not even a socket can be had.
pub(super) fn hops(target: &Target, to: SocketAddr, stop: &Stop) -> Option<Check> {
    let mut probes: Vec<(Socket, Hop)> = (1..=MOST).map_while(|ttl| Some((probe(target, ttl)?, Hop::Silent))).collect();
    if probes.is_empty() {
        return None;
    }
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until && stop.requested().is_none() {
        let open: Vec<usize> = (0..end(&probes)).filter(|nth| probes[*nth].1 == Hop::Silent).collect();
        if open.is_empty() {
            break;
        }
        let events = if target.shape.is_udp() { PollFlags::IN } else { PollFlags::OUT };
        let mut fds: Vec<PollFd<'_>> = open.iter().map(|nth| PollFd::new(&probes[*nth].0, events)).collect();
        fds.push(PollFd::new(stop, PollFlags::IN));
        poll(&mut fds, Some(until)).ok()?;
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(fds);
        for (nth, _) in open.into_iter().zip(ready).filter(|(_, ready)| *ready) {
            let hop = answer(&probes[nth].0, to.ip());
            probes[nth].1 = hop;
        }
    }
    let found: Vec<Hop> = probes[..end(&probes)].iter().map(|(_, hop)| *hop).collect();
    Some(told(&found, to.ip()))
}

/// Behind the first hop that ends the way, no probe says anything new.
fn end(probes: &[(Socket, Hop)]) -> usize {
    let last = probes.iter().position(|(_, hop)| matches!(hop, Hop::Target | Hop::Refuses(_)));
    last.map_or(probes.len(), |last| last + 1)
}

fn probe(target: &Target, ttl: u32) -> Option<Socket> {
    let socket = Options::default().open(target.shape).ok()?;
    let v6 = target.shape.family == Family::V6;
    if v6 { socket.set_unicast_hops_v6(ttl) } else { socket.set_ttl_v4(ttl) }.ok()?;
    sys::recverr(&socket, v6, true).ok()?;
    socket.set_nonblocking(true).ok()?;
    match socket.connect(&target.address) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => return None,
        _ => {}
    }
    if target.shape.is_udp() {
        socket.send(&[]).ok()?;
    }
    Some(socket)
}

fn answer(socket: &Socket, target: IpAddr) -> Hop {
    let error = socket.take_error().ok().flatten();
    let report = sys::icmp_error(socket).ok().flatten().filter(|report| report.icmp);
    match (report.and_then(|report| Some((report, report.from?.to_canonical()))), error) {
        (Some((_, from)), _) if from == target.to_canonical() => Hop::Target,
        // ICMP and ICMPv6 "time exceeded".
        (Some((report, from)), _) if report.kind == if from.is_ipv4() { 11 } else { 3 } => Hop::Router(from),
        (Some((_, from)), _) => Hop::Refuses(from),
        (None, _) => Hop::Target,
    }
}

fn told(hops: &[Hop], target: IpAddr) -> Check {
    let mut hops = hops.to_vec();
    // A router lets the time of a packet run out before it looks whether it may pass.
    if let [.., Hop::Router(router), Hop::Refuses(same)] = hops[..]
        && router == same
    {
        hops.remove(hops.len() - 2);
    }
    let last = hops.iter().rposition(|hop| *hop != Hop::Silent);
    let mut text = String::new();
    for (nth, hop) in hops.iter().enumerate().take(last.map_or(0, |last| last + 1)) {
        let _ = match hop {
            Hop::Silent => write!(text, "{} no answer, ", nth + 1),
            Hop::Router(router) => write!(text, "{} {router}, ", nth + 1),
            Hop::Refuses(router) => write!(text, "{} {router} (refuses to pass it on), ", nth + 1),
            Hop::Target => write!(text, "{} {target} (answers), ", nth + 1),
        };
    }
    let text = text.trim_end_matches(", ");
    match last.map(|last| hops[last]) {
        None => Check::ok("hops", "no router on the way answers")
            .warn("the first one drops them already, or none of them tells"),
        Some(Hop::Router(router)) => Check::ok("hops", format!("{text}, then nothing")).warn(format!(
            "packets to this port get as far as {router}; what comes behind it drops them, or the answers to them"
        )),
        Some(_) => Check::ok("hops", text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_hops_said_is_told() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let told = |hops: &[Hop]| told(hops, ip("192.0.2.1")).to_string();
        let (silent, router) = (Hop::Silent, Hop::Router(ip("10.0.0.1")));
        assert!(told(&[silent; 3]).starts_with("warn hops: no router on the way answers"));
        let lost = told(&[router, silent, Hop::Router(ip("10.0.0.3")), silent]);
        assert!(lost.starts_with("warn hops: 1 10.0.0.1, 2 no answer, 3 10.0.0.3, then nothing"), "{lost}");
        assert!(lost.contains("get as far as 10.0.0.3"));
        assert_eq!(told(&[router, Hop::Target]), "ok   hops: 1 10.0.0.1, 2 192.0.2.1 (answers)");
        assert_eq!(
            told(&[router, Hop::Refuses(ip("10.0.0.2"))]),
            "ok   hops: 1 10.0.0.1, 2 10.0.0.2 (refuses to pass it on)"
        );
        assert_eq!(told(&[router, Hop::Refuses(ip("10.0.0.1"))]), "ok   hops: 1 10.0.0.1 (refuses to pass it on)");
    }
}
