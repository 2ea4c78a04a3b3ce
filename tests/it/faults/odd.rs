//! What is not met every day: rules of routing, addresses that nobody has, our own end that does not fit, names whose
//! addresses each fail in a way of their own.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;

use libtest_mimic::Trial;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use super::lab::{Causes, Road, connect, full, rules};
use crate::support::{Ctx, Netns, trials};

pub(super) fn tests() -> Vec<Trial> {
    trials!["faults";
        rules_of_routing [Root],
        our_own_end_does_not_fit [Root],
        addresses_that_nobody_has [Root],
        each_address_fails_in_its_own_way [Root, Nft],
        datagrams_that_are_not_taken,
        a_port_that_is_bound_only [Root],
        a_proxy_that_breaks_off,
    ]
}

/// ip-rule(8) says no as a route does, and for more than an address.
fn rules_of_routing(t: &Ctx) {
    let road = Road::new();
    for (version, them) in [("", "10.2.0."), ("-6 ", "fd00:2::")] {
        let at = |last: u8, port: u16| match version {
            "" => format!("{them}{last}:{port}"),
            _ => format!("[{them}{last}]:{port}"),
        };
        let mut causes = Causes::of(&road.us);
        for (last, what) in [(5, "unreachable"), (6, "prohibit"), (7, "blackhole")] {
            road.us.run(&format!("ip {version}rule add to {them}{last} {what}"));
        }
        road.us.run(&format!("ip {version}rule add ipproto tcp dport 999 prohibit"));
        road.us.run(&format!("ip {version}rule add fwmark 7 prohibit"));
        let go = |args: &[&str]| connect(t, &road.us, args).run(b"x");
        let list = format!("ip {version}rule");
        // There is a default route, and so that is not what is missing. IPv6 says the one with the number of the other.
        let no_way = go(&[&at(5, 80)]);
        no_way.code(6).says(&[&list]).says_not(&["there is no default route"]);
        if version.is_empty() {
            causes.check(
                &no_way,
                6,
                &["no route to 10.2.0.5 although it has a default route: a rule (ip rule"],
                &[&list],
            );
        }
        causes.check(&go(&[&at(6, 80)]), 6, &["prohibits connections to", "or a rule does (ip rule)"], &[&list]);
        causes.check(&go(&[&at(7, 80)]), 6, &["throws packets to", "or a rule does (ip rule)"], &[&list]);
        // Of a rule for a port or a mark, the route of the address knows nothing.
        let port = go(&[&at(1, 999)]);
        causes.check(&port, 6, &["or a rule does for this port, mark or source (ip rule)"], &[&list]);
        go(&["--mark", "7", &at(1, 80)]).code(6).says(&["a rule does for this port, mark or source"]);
        go(&[&at(1, 80)]).code(5);
    }
}

fn our_own_end_does_not_fit(t: &Ctx) {
    let road = Road::new();
    let go = |args: &[&str]| t.connect(&["-w", "500ms"]).args(args).under(&road.us.wrap()).run(b"");
    let mut causes = Causes::of(&road.us);
    let four = go(&["-s", "127.0.0.1", "10.2.0.1:80"]);
    let cause = &["10.2.0.1 cannot be reached from 127.0.0.1 (--source): what comes from loopback never leaves"];
    causes.check(&four, 6, cause, &["ip route get 10.2.0.1"]);
    let six = go(&["-s", "::1", "[fd00:2::1]:80"]);
    causes.check(&six, 7, &["what comes from ::1 (--source) never leaves this host"], &["ip -6 route get fd00:2::1"]);
    let kept = go(&["--interface", "lo", "10.2.0.1:80"]);
    let cause = &["may only pass lo (--interface), and the route of this host to 10.2.0.1 leaves by near"];
    causes.check(&kept, 7, cause, &["ip route show dev lo"]);
    // To this host itself loopback is a source as any other.
    go(&["-s", "127.0.0.1", "127.0.0.1:80"]).code(5).says(&["nothing listens on 127.0.0.1:80"]).says_not(&["--source"]);
    go(&["--interface", "near", "10.2.0.1:80"]).code(5).says_not(&["--interface"]);
}

fn addresses_that_nobody_has(t: &Ctx) {
    let road = Road::new();
    road.router.run("ip route add default via 10.2.0.1");
    rules(&road.router, "forward", &["drop"]);
    let go = |at: &str| t.connect(&["-w", "500ms", at]).under(&road.us.wrap()).run(b"x");
    let mut causes = Causes::of(&road.us);
    let reserved = "hardly any host has such an address (reserved, 240.0.0.0/4)";
    causes.check(&go("240.0.0.1:80"), 7, &[reserved], &["ip route get 240.0.0.1"]);
    causes.check(&go("0.1.2.3:80"), 7, &["\"this network\", 0.0.0.0/8"], &["ip route get 0.1.2.3"]);
    causes.check(&go("10.2.0.1:80"), 7, &["nothing came back from 10.2.0.1"], &["sockkit doctor"]);
    let zero = go("udp://10.2.0.1:0");
    causes.check(&zero, zero.code, &["nothing can listen on port 0"], &["ss -lunp"]);
}

/// What decides has its cause; what is known of the others is told beside each.
fn each_address_fails_in_its_own_way(t: &Ctx) {
    let road = Road::new();
    road.rules(&["tcp dport 82 drop"], &["ip daddr 10.2.0.1 tcp dport 81 reject with icmp admin-prohibited"]);
    road.us.run("ip -6 route del default");
    road.us.etc("nsswitch.conf", "hosts: files\n");
    let many = ["fd00:2::1", "10.1.0.77", "10.2.0.1", "127.0.0.1"].map(|ip| format!("{ip} many.example\n")).concat();
    road.us.etc(
        "hosts",
        &format!("{many}10.2.0.1 two.example\nfd00:2::1 two.example\n127.0.0.1 localhost\n::1 localhost\n"),
    );
    let go = |at: &str| connect(t, &road.us, &[at]).run(b"");
    let exit = go("many.example:81");
    exit.code(5).says(&[
        "  127.0.0.1:81: Connection refused\n",
        "  10.1.0.77:81: No route to host: no machine on the network of near answers for 10.1.0.77 (ARP)",
        "  10.2.0.1:81: No route to host: 10.1.0.254, a firewall on the way, prohibits it (ICMP administratively",
        "  [fd00:2::1]:81: Network is unreachable: this host has no route to fd00:2::1",
        "cause: nothing listens on 127.0.0.1:81",
    ]);
    let exit = go("two.example:82");
    exit.code(7)
        .says(&["cause: nothing came back from 10.2.0.1", "is unreachable: this host has no route to fd00:2::1"]);
    // Where all are one, once is enough.
    let exit = go("localhost:83");
    exit.code(5).says(&["nothing listens on"]);
    assert_eq!(exit.stderr.matches("nothing listens on").count(), 1, "{}", exit.stderr);
}

fn datagrams_that_are_not_taken(t: &Ctx) {
    let mut causes = Causes::default();
    let receiver = UnixDatagram::bind(t.path("receiver")).unwrap();
    let taken = UnixDatagram::bind(t.path("taken")).unwrap();
    taken.connect(t.path("receiver")).unwrap();
    let exit = t.connect(&[&format!("unix-dgram:{}", t.file("taken"))]).run(b"x");
    causes.check(&exit, 11, &["is connected to another one, and takes messages from that alone"], &["ss -xap"]);
    let sender = UnixDatagram::unbound().unwrap();
    sender.set_nonblocking(true).unwrap();
    while sender.send_to(b"x", t.path("receiver")).is_ok() {}
    let address = format!("unix-dgram:{}", t.file("receiver"));
    let exit = t.connect(&["--send-timeout", "300ms", &address]).run(b"x");
    let cause = &["the queue of unix-dgram:", "is full: as many messages wait in it as may (net.unix.max_dgram_qlen)"];
    causes.check(&exit, 8, cause, &["ss -xap"]);
    drop(receiver);
}

fn a_port_that_is_bound_only(t: &Ctx) {
    let ns = Netns::new();
    let _bound = ns.within(|| {
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
        rustix::net::bind(&socket, &"127.0.0.1:80".parse::<std::net::SocketAddr>().unwrap()).unwrap();
        socket
    });
    let exit = t.listen(&["127.0.0.1:80"]).under(&ns.wrap()).run(b"");
    exit.code(10).says_not(&["a connection of"]);
    // Older kernels do not show such sockets.
    if exit.stderr.contains("127.0.0.1:80 is held by") {
        let us = format!("pid {}, which has bound it and does not listen (yet)", std::process::id());
        Causes::of(&ns).check(&exit, 10, &[&us], &["ps -fp"]);
    }
    let _full = full(&ns, "127.0.0.1:81", 0);
    let connection = t.listen(&["127.0.0.1:81"]).under(&ns.wrap()).run(b"");
    connection.code(10).says_not(&["which has bound it"]);
}

/// It was reached, and so that is not what is wrong.
fn a_proxy_that_breaks_off(t: &Ctx) {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = proxy.local_addr().unwrap();
    let served = std::thread::spawn(move || {
        let take = || proxy.accept().unwrap().0;
        // A reset, by what is left unread; an end without a word; another protocol.
        let reset: TcpStream = take();
        (&reset).read_exact(&mut [0]).unwrap();
        drop(reset);
        let ended = take();
        let _ = (&ended).read(&mut [0; 1000]);
        drop(ended);
        let mut other = take();
        let _ = other.read(&mut [0; 1000]);
        other.write_all(b"SSH-2.0-x\r\n").unwrap();
    });
    let url = format!("http://{address}");
    let go = || t.connect(&["--proxy", &url, "192.0.2.1:80"]).run(b"");
    let mut causes = Causes::default();
    let reset = go();
    causes.check(
        &reset,
        13,
        &["the proxy took the connection and broke it off when it was asked for"],
        &["connect -z"],
    );
    reset.says_not(&["cannot be reached"]);
    causes.check(&go(), 13, &["it does not speak HTTP"], &["sockkit connect --hex -v"]);
    causes.check(&go(), 13, &["is an SSH server"], &["sockkit connect --hex -v"]);
    served.join().unwrap();
}
