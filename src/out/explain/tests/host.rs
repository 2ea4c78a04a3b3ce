//! What this host knows about its own routes, ports and sockets, and how that changes the words.

use std::time::Duration;

use super::{bare, held, icmp, live, os, ours, reads_as_written_down, server, timed_out};
use crate::addr::UnixKind;
use crate::error::{
    Error, Fact, Held, Link, NameAnswer, Neighbour, Phase, Ports, Process, Resolver, Route, RouteKind, TimeWait,
    UnixPathState,
};
use crate::out::explain::explain;

fn route(gateway: Option<&str>, link: Link, neighbour: Neighbour) -> Fact {
    let gateway = gateway.map(|gateway| gateway.parse().unwrap());
    Fact::Route(Route { kind: RouteKind::Unicast, gateway, interface: Some("eth0".to_owned()), link, neighbour })
}

fn says(kind: RouteKind) -> Fact {
    Fact::Route(Route { kind, gateway: None, interface: None, link: Link::Up, neighbour: Neighbour::Unknown })
}

fn none(down: Option<&str>, address: bool) -> Fact {
    says(RouteKind::None { down: down.map(str::to_owned), address, default: false, off: Vec::new() })
}

fn more(other_user: Option<&str>, state: Option<&'static str>, orphan: bool) -> Fact {
    Fact::Held(Held { other_user: other_user.map(str::to_owned), state, orphan })
}

fn ports(taken: usize, waiting: usize) -> Fact {
    let by = vec![(Process { pid: 12, program: "ab".to_owned() }, taken - waiting)];
    Fact::Ports(Ports { low: 40_000, high: 40_003, taken, waiting, ending: 0, by })
}

fn cases() -> Vec<(&'static str, Error)> {
    use Link::{Down, NoCarrier, Up};
    use NameAnswer::{AliasOfNothing, Code, Forbidden, Garbage, NoServer, NoSuchName, Silence, Truncated};
    use Neighbour::{Reachable, Silent, Unknown};
    use Phase::{Binding, Connecting, Receiving};
    let silent = |facts: &[Fact]| ("connect", timed_out(Connecting, "192.0.2.1:80", "--connect-timeout", facts));
    let unreachable = |facts: &[Fact]| ("connect", os(Connecting, "192.0.2.1:80", libc::EHOSTUNREACH, facts));
    let own = || [icmp("10.1.2.3", false, 3, 1), ours()];
    let no_route = |fact: Fact| ("connect", os(Connecting, "192.0.2.1:80", libc::ENETUNREACH, &[fact]));
    let in_use = |address: &str, facts: &[Fact]| ("listen", os(Binding, address, libc::EADDRINUSE, facts));
    let known = || Resolver { servers: true, ..Resolver::default() };
    let name = |address: &str, code, answer, resolver| {
        ("connect", super::resolver(address, code, &[server("192.0.2.53", answer), Fact::Resolver(resolver)]))
    };
    let unix = |phase, errno, facts: &[Fact]| ("connect", os(phase, "unix:/run/x.sock", errno, facts));
    let live = |kind| live(kind, None);
    let full = |limit: u32| Fact::AcceptQueue { waiting: 6, limit: Some(limit) };
    vec![
        silent(&[route(None, Up, Silent)]),
        silent(&[route(None, Up, Reachable)]),
        silent(&[route(Some("10.1.2.254"), Up, Silent)]),
        silent(&[route(Some("10.1.2.254"), Up, Reachable)]),
        silent(&[route(None, NoCarrier, Unknown)]),
        silent(&[held("0.0.0.0:80", true, None), full(5)]),
        silent(&[held("0.0.0.0:80", true, None), full(128)]),
        ("ping", timed_out(Connecting, "udp://192.0.2.1:9", "--connect-timeout", &[route(None, Up, Reachable)])),
        ("connect", timed_out(Connecting, "[2001:db8::1]:80", "--connect-timeout", &[route(None, Up, Silent)])),
        unreachable(&[own()[0].clone(), own()[1].clone(), route(None, Up, Silent)]),
        unreachable(&[own()[0].clone(), own()[1].clone(), route(Some("10.1.2.254"), Up, Silent)]),
        unreachable(&[own()[0].clone(), own()[1].clone(), route(Some("10.1.2.254"), Up, Unknown)]),
        unreachable(&[own()[0].clone(), own()[1].clone(), route(None, Up, Reachable)]),
        unreachable(&[route(None, NoCarrier, Unknown)]),
        unreachable(&[route(None, Down, Unknown)]),
        unreachable(&[says(RouteKind::Unreachable)]),
        no_route(none(Some("eth0"), false)),
        no_route(none(None, true)),
        no_route(none(None, false)),
        no_route(says(RouteKind::None { down: None, address: false, default: false, off: vec!["eth0".to_owned()] })),
        ("connect", os(Connecting, "[2001:db8::1]:80", libc::ENETUNREACH, &[none(None, false)])),
        ("connect", os(Connecting, "192.0.2.1:80", libc::EACCES, &[says(RouteKind::Prohibit)])),
        ("connect", os(Connecting, "udp://192.0.2.255:9", libc::EACCES, &[says(RouteKind::Broadcast)])),
        ("connect", os(Connecting, "192.0.2.255:9", libc::ENETUNREACH, &[says(RouteKind::Broadcast)])),
        ("connect", os(Connecting, "192.0.2.1:80", libc::EINVAL, &[says(RouteKind::Blackhole)])),
        ("connect", os(Connecting, "192.0.2.1:80", libc::ENOPROTOOPT, &[icmp("192.0.2.1", true, 3, 2)])),
        ("connect", os(Receiving, "udp://192.0.2.1:80", libc::ENOPROTOOPT, &[icmp("198.51.100.1", false, 3, 2)])),
        // Ports of this host.
        in_use("127.0.0.1:80", &[held("0.0.0.0:80", true, Some((12, "nginx"))), more(None, None, false)]),
        in_use("0.0.0.0:80", &[held("127.0.0.1:80", true, Some((12, "nginx"))), more(None, None, false)]),
        in_use("127.0.0.1:80", &[held("[::]:80", true, Some((12, "nginx"))), more(None, None, false)]),
        in_use("[::]:80", &[held("127.0.0.1:80", true, Some((12, "nginx"))), more(None, None, false)]),
        in_use("127.0.0.1:80", &[held("127.0.0.1:80", true, None), more(Some("www"), None, false)]),
        in_use("127.0.0.1:80", &[held("127.0.0.1:80", true, None), more(None, Some("fin-wait-2"), true)]),
        in_use("127.0.0.1:80", &[held("127.0.0.1:80", true, Some((12, "nc"))), more(None, Some("established"), false)]),
        in_use("127.0.0.1:80", &[held("127.0.0.1:80", true, Some((12, "nginx"))), Fact::ReusePort]),
        in_use("127.0.0.1:80", &[held("127.0.0.1:80", true, None), more(Some("www"), None, false), Fact::ReusePort]),
        in_use(
            "127.0.0.1:81",
            &[Fact::TimeWait(TimeWait { connections: 1, left: Some(Duration::from_millis(42_500)) })],
        ),
        in_use("127.0.0.1:0", &[ports(4, 1)]),
        name("host:80", libc::EAI_NONAME, NoSuchName, Resolver { search: vec!["a.example".to_owned()], ..known() }),
        name("host:80", libc::EAI_NONAME, NoSuchName, known()),
        name("a.example:80", libc::EAI_NONAME, NoSuchName, known()),
        name("a.example:80", libc::EAI_NONAME, AliasOfNothing, known()),
        name("a.example:80", libc::EAI_AGAIN, Garbage, known()),
        name("a.example:80", libc::EAI_AGAIN, Truncated, known()),
        name("a.example:80", libc::EAI_AGAIN, Forbidden, known()),
        name("a.example:80", libc::EAI_AGAIN, Code(9), known()),
        name("a.example:80", libc::EAI_AGAIN, NoServer, known()),
        name("a.example:80", libc::EAI_AGAIN, NoServer, Resolver::default()),
        name("localhost:80", libc::EAI_NONAME, NoSuchName, known()),
        name("a.example:80", libc::EAI_NONAME, Silence, Resolver { without_dns: Some("files".to_owned()), ..known() }),
        name(
            "a.example:80",
            libc::EAI_NONAME,
            NoSuchName,
            Resolver { listed: vec!["256.1.1.1".to_owned()], ..known() },
        ),
        name(
            "tcp6://a.example:80",
            libc::EAI_NONAME,
            NoSuchName,
            Resolver { listed: vec!["192.0.2.1".to_owned()], ..known() },
        ),
        unix(Connecting, libc::ECONNREFUSED, &[Fact::UnixPath(UnixPathState::Bound { process: None })]),
        unix(Connecting, libc::ECONNREFUSED, &[Fact::UnixPath(UnixPathState::Stale)]),
        unix(Binding, libc::EADDRINUSE, &[Fact::UnixPath(UnixPathState::Bound { process: None })]),
        unix(Binding, libc::EADDRINUSE, &[live(None), more(Some("www"), None, false)]),
        unix(
            Connecting,
            libc::EAGAIN,
            &[live(Some(UnixKind::Stream)), Fact::AcceptQueue { waiting: 2, limit: Some(1) }],
        ),
        unix(
            Connecting,
            libc::EAGAIN,
            &[live(Some(UnixKind::Stream)), Fact::AcceptQueue { waiting: 0, limit: Some(1) }],
        ),
        unix(Connecting, libc::ELOOP, &[]),
        ("ping", timed_out(Receiving, "192.0.2.1:80", "--connect-timeout", &[])),
        ("connect", os(Connecting, "192.0.2.1:80", libc::EADDRNOTAVAIL, &[ports(4, 0)])),
        ("connect", os(Connecting, "192.0.2.2:80", libc::EADDRNOTAVAIL, &[ports(3, 0)])),
        ("connect", os(Connecting, "udp://192.0.2.1:80", libc::EAGAIN, &[ports(4, 0)])),
    ]
}

#[test]
fn every_failure_with_what_this_host_knows_reads_as_written_down() {
    let written: String = cases().iter().map(|(command, error)| explain(command, error).render(false) + "\n").collect();
    reads_as_written_down("tests/host.txt", &written);
}

#[test]
fn every_fact_changes_the_words() {
    let mut seen = Vec::new();
    for (command, error) in cases() {
        let cause = bare(&error, explain(command, &error).cause.as_deref().unwrap());
        let of_one_errno = (error.errno(), cause);
        assert!(!seen.contains(&of_one_errno), "{of_one_errno:?}");
        seen.push(of_one_errno);
    }
}
