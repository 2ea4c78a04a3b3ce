//! What another host says, and what is said on the way there, or not at all.

use std::net::TcpListener;

use libtest_mimic::Trial;

use super::lab::{Causes, Road, connect, full};
use crate::support::{Ctx, SOON, one_bulk_at_a_time, trials};

pub(super) fn tests() -> Vec<Trial> {
    trials!["faults";
        refused_by_the_other_host_or_on_the_way [Root, Nft],
        prohibited_by_the_other_host_or_on_the_way [Root, Nft],
        unreachable_says_the_other_host_or_one_on_the_way [Root, Nft],
        dropped [Root, Nft],
        not_accepted [Root] 60 / 600,
        nobody_there_and_no_way_there [Root],
        the_hop_that_drops [Root, Nft],
    ]
}

fn refused_by_the_other_host_or_on_the_way(t: &Ctx) {
    let road = Road::new();
    road.rules(&["meta l4proto { tcp, udp } th dport 1 reject"], &["meta l4proto { tcp, udp } th dport 11 reject"]);
    for (them, router, closed, on) in
        [("10.2.0.1", "10.1.0.254", "10.2.0.1", "10.2.0.1"), ("[fd00:2::1]", "fd00:1::fe", "fd00:2::1", "fd00:2::1")]
    {
        let mut causes = Causes::of(&road.us);
        let go = |port: u16| connect(t, &road.us, &[&format!("{them}:{port}")]).run(b"");
        let udp = |port: u16| connect(t, &road.us, &[&format!("udp://{them}:{port}")]).run(b"x");
        let nothing = format!("{closed} answered, but nothing listens on port 9 there");
        causes.check(&go(9), 5, &[&nothing], &["ss -ltnp", &format!("# on {on}")]);
        let rejected = format!("a firewall on {closed} rejects port 1 (ICMP port unreachable");
        causes.check(&go(1), 5, &[&rejected], &[&format!("sockkit doctor {}", quoted(them, 1))]);
        let routed = format!("{router}, a router or firewall on the way and not {closed}");
        causes.check(&go(11), 5, &[&routed], &["sockkit doctor"]);
        // One of UDP answers by ICMP with nobody there, too.
        let nothing = format!("{closed} answered that nothing receives on its UDP port 9");
        causes.check(&udp(9), 5, &[&nothing, "a firewall there may say so too"], &["ss -lunp"]);
        let routed = udp(11);
        routed.code(5).says(&[router, "a router or firewall on the way", "sockkit doctor"]);
    }
    // What listens on this host is nobody's neighbour there.
    let _ours = road.us.within(|| TcpListener::bind("0.0.0.0:10").unwrap());
    connect(t, &road.us, &["10.2.0.1:9"]).run(b"").code(5).says_not(&["0.0.0.0:10", "near it"]);
}

/// An address with brackets is quoted for the shell.
fn quoted(host: &str, port: u16) -> String {
    if host.contains('[') { format!("'{host}:{port}'") } else { format!("{host}:{port}") }
}

fn prohibited_by_the_other_host_or_on_the_way(t: &Ctx) {
    let road = Road::new();
    road.rules(
        &[
            "meta l4proto { tcp, udp } th dport 2 reject with icmpx admin-prohibited",
            "tcp dport 3 reject with icmp host-prohibited",
        ],
        &[
            "meta l4proto { tcp, udp } th dport 12 reject with icmpx admin-prohibited",
            "tcp dport 13 reject with icmp net-prohibited",
        ],
    );
    let mut causes = Causes::of(&road.us);
    for (port, cause) in [
        (2, "the firewall of 10.2.0.1 prohibits it (ICMP administratively prohibited)"),
        (3, "the firewall of 10.2.0.1 prohibits it (ICMP host administratively prohibited)"),
        (12, "10.1.0.254, a firewall on the way, prohibits it (ICMP administratively prohibited)"),
        (13, "10.1.0.254, a firewall on the way, prohibits it (ICMP network administratively prohibited)"),
    ] {
        let exit = connect(t, &road.us, &[&format!("10.2.0.1:{port}")]).run(b"");
        causes.check(&exit, 6, &[cause], &[&format!("sockkit doctor 10.2.0.1:{port}")]);
    }
    let mut causes = Causes::of(&road.us);
    for (port, cause) in
        [(2, "the firewall of fd00:2::1 prohibits it"), (12, "fd00:1::fe, a firewall on the way, prohibits it")]
    {
        let exit = connect(t, &road.us, &[&format!("[fd00:2::1]:{port}")]).run(b"");
        causes.check(&exit, 6, &[cause, "(ICMP administratively prohibited)"], &["sockkit doctor"]);
        let exit = connect(t, &road.us, &[&format!("udp://[fd00:2::1]:{port}")]).run(b"x");
        exit.code(6).says(&[cause, "sockkit doctor 'udp://[fd00:2::1]:"]);
        let exit = connect(t, &road.us, &[&format!("udp://10.2.0.1:{port}")]).run(b"x");
        exit.code(6).says(&["prohibits it (ICMP administratively prohibited)", "sockkit doctor udp://10.2.0.1:"]);
    }
}

fn unreachable_says_the_other_host_or_one_on_the_way(t: &Ctx) {
    let road = Road::new();
    let kinds = ["net-unreachable", "host-unreachable", "prot-unreachable"];
    let rule = |first: u16| {
        let rule = |(nth, kind): (usize, &&str)| format!("tcp dport {} reject with icmp {kind}", first + nth as u16);
        kinds.iter().enumerate().map(rule).collect::<Vec<_>>()
    };
    let (theirs, forwarded) = (rule(20), rule(30));
    fn words(rules: &[String]) -> Vec<&str> {
        rules.iter().map(String::as_str).collect()
    }
    road.rules(&words(&theirs), &words(&forwarded));
    let mut causes = Causes::of(&road.us);
    for (port, cause) in [
        (20, "10.2.0.1 itself answered \"network unreachable\": most likely its firewall"),
        (21, "10.2.0.1 itself answered \"host unreachable\": most likely its firewall"),
        (22, "10.2.0.1 itself answered \"protocol unreachable\": most likely its firewall"),
        (30, "the router 10.1.0.254 answered that it cannot deliver to 10.2.0.1 (ICMP network unreachable)"),
        (31, "the router 10.1.0.254 answered that it cannot deliver to 10.2.0.1 (ICMP host unreachable)"),
        (32, "the router 10.1.0.254 answered that it cannot deliver to 10.2.0.1 (ICMP protocol unreachable)"),
    ] {
        let exit = connect(t, &road.us, &[&format!("10.2.0.1:{port}")]).run(b"");
        causes.check(&exit, 6, &[cause, "firewall"], &[&format!("sockkit doctor 10.2.0.1:{port}")]);
    }
}

fn dropped(t: &Ctx) {
    let road = Road::new();
    road.rules(&["meta l4proto { tcp, udp } th dport 4 drop"], &["tcp dport 14 reject with icmpx no-route"]);
    super::lab::rules(&road.router, "input", &["tcp dport 4 drop"]);
    let mut causes = Causes::of(&road.us);
    let wait = |args: &[&str]| t.connect(&["-w", "500ms"]).args(args).under(&road.us.wrap()).run(b"");
    let dropped = wait(&["10.2.0.1:4"]);
    let far = &["nothing came back from 10.2.0.1: most likely a firewall", "or the host is down"];
    causes.check(&dropped, 7, far, &["sockkit doctor 10.2.0.1:4", "--connect-timeout"]);
    dropped.within(SOON);
    // On a network of ours it is known whether the host is there.
    let near = &["10.1.0.254 is up (it answers to ARP on near), but not on this port: most likely its firewall"];
    causes.check(&wait(&["10.1.0.254:4"]), 7, near, &["sockkit doctor 10.1.0.254:4"]);
    let six = wait(&["[fd00:1::fe]:4"]);
    causes.check(&six, 7, &["fd00:1::fe is up (it answers to neighbour discovery on near)"], &["sockkit doctor"]);
    let udp = &["a port that is open but says nothing looks the same as a firewall that drops"];
    causes.check(&wait(&["-z", "udp://10.2.0.1:4"]), 7, udp, &["sockkit doctor udp://10.2.0.1:4"]);
    // A firewall may say what it likes.
    let odd = wait(&["10.2.0.1:14"]);
    causes.check(&odd, 6, &["10.1.0.254 answered that it cannot deliver to 10.2.0.1", "firewall"], &["sockkit doctor"]);
    let hops = wait(&["--ttl", "1", "10.2.0.1:9"]);
    causes.check(&hops, 6, &["run out of hops at 10.1.0.254", "--ttl"], &["sockkit doctor"]);
}

fn not_accepted(t: &Ctx) {
    // Our own pid is looked for in 200 ms, among all that this process has open.
    let _turn = one_bulk_at_a_time();
    let road = Road::new();
    let mut causes = Causes::of(&road.us);
    let wait = |args: &[&str]| t.connect(&["-w", "500ms"]).args(args).under(&road.us.wrap()).run(b"");
    let us = format!("pid {}", std::process::id());
    let _none = full(&road.us, "127.0.0.1:2000", 0);
    let one = &["127.0.0.1:2000 (", &us, "its accept queue is full: 1 connection in it, with a backlog of 0"];
    causes.check(&wait(&["127.0.0.1:2000"]), 7, one, &["ss -ltnp 'sport = :2000'"]);
    let _three = full(&road.us, "10.1.0.1:2001", 2);
    let three = &["10.1.0.1:2001 (", "its accept queue is full: 3 connections in it, with a backlog of 2"];
    causes.check(&wait(&["10.1.0.1:2001"]), 7, three, &["ss -ltnp 'sport = :2001'"]);
    // The same on another host looks like anything.
    let _theirs = full(&road.them, "10.2.0.1:2002", 0);
    let far = &["nothing came back from 10.2.0.1", "or the server's accept queue is full"];
    causes.check(&wait(&["10.2.0.1:2002"]), 7, far, &["sockkit doctor 10.2.0.1:2002"]);
}

fn nobody_there_and_no_way_there(t: &Ctx) {
    let road = Road::new();
    road.us.run("ip route add 10.4.0.0/16 via 10.1.0.99");
    let mut causes = Causes::of(&road.us);
    let go = |address: &str| t.connect(&["-w", "10s", address]).under(&road.us.wrap()).run(b"");
    let ours = "no machine on the network of near answers for 10.1.0.77 (ARP)";
    causes.check(&go("10.1.0.77:9"), 6, &[ours], &["ip neigh show 10.1.0.77 dev near"]);
    let gateway = "10.1.0.99, the router of this host towards 10.4.0.1, does not answer to ARP on near";
    causes.check(&go("10.4.0.1:9"), 6, &[gateway], &["ip neigh show 10.1.0.99 dev near", "ip route get 10.4.0.1"]);
    let theirs = "the router 10.1.0.254 answered that it cannot deliver to 10.2.0.77 (ICMP host unreachable)";
    causes.check(&go("10.2.0.77:9"), 6, &[theirs, "the host is down"], &["sockkit doctor 10.2.0.77:9"]);
    let no_route = "the router 10.1.0.254 answered that it cannot deliver to 10.3.0.1 (ICMP network unreachable)";
    causes.check(&go("10.3.0.1:9"), 6, &[no_route, "it has no route there"], &["sockkit doctor"]);
    let udp = t.connect(&["udp://10.2.0.77:9"]).under(&road.us.wrap()).run(b"x");
    udp.code(6).says(&["the router 10.1.0.254 answered that it cannot deliver to 10.2.0.77"]);
    causes.check(&go("[fd00:3::1]:9"), 6, &["the router fd00:1::fe", "(ICMP no route)"], &["sockkit doctor"]);
    let mut causes = Causes::of(&road.us);
    let six = "no machine on the network of near answers for fd00:1::77 (neighbour discovery)";
    causes.check(&go("[fd00:1::77]:9"), 6, &[six], &["ip neigh show fd00:1::77 dev near"]);
    // Given up before the kernel does.
    road.us.run("sysctl -qw net.ipv4.neigh.near.retrans_time_ms=20000");
    let early = t.connect(&["-w", "200ms", "10.1.0.78:9"]).under(&road.us.wrap()).run(b"");
    causes.check(&early, 7, &["no machine on the network of near answers for 10.1.0.78 (ARP)"], &["ip neigh"]);
}

/// What `try:` says of packets that get lost works, and knows more.
fn the_hop_that_drops(t: &Ctx) {
    let road = Road::new();
    road.rules(
        &[
            "meta l4proto { tcp, udp } th dport 4 drop",
            "meta l4proto { tcp, udp } th dport 5 reject with icmpx admin-prohibited",
        ],
        &["meta l4proto { tcp, udp } th dport 14 drop", "tcp dport 15 reject with icmpx no-route"],
    );
    let doctor = |args: &[&str]| t.sockkit(&["doctor", "-w", "300ms"]).args(args).under(&road.us.wrap()).run(b"");
    for (address, code, hops) in [
        ("10.2.0.1:4", 7, "warn hops: 1 10.1.0.254, then nothing"),
        ("[fd00:2::1]:4", 7, "warn hops: 1 fd00:1::fe, then nothing"),
        ("10.2.0.1:5", 6, "ok   hops: 1 10.1.0.254, 2 10.2.0.1 (answers)"),
        ("10.2.0.1:15", 6, "ok   hops: 1 10.1.0.254 (refuses to pass it on)"),
        ("udp://10.2.0.1:5", 6, "ok   hops: 1 10.1.0.254, 2 10.2.0.1 (answers)"),
    ] {
        let exit = doctor(&[address]);
        let said = exit.stdout.text();
        exit.code(code);
        // Packets to a UDP port are lost only once one was sent.
        assert!(said.contains(hops) || address.starts_with("udp"), "{said}");
        assert!(said.contains("through near, by the router "), "{said}");
    }
    let own = doctor(&["10.1.0.254:9"]);
    let said = own.stdout.text();
    assert!(
        said.contains("on its own network") && said.contains("neighbour 10.1.0.254: answers to ARP on near"),
        "{said}"
    );
}
