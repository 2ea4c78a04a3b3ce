//! One error number, two causes: what is said must differ in more than addresses and numbers.

use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixListener};

use libtest_mimic::Trial;

use super::lab::{Answer, NameServer, Road, bare, cause_of, full, rules, tries_of};
use crate::support::{Ctx, Exit, NOBODY, trials};

pub(super) fn tests() -> Vec<Trial> {
    trials!["faults"; one_number_and_two_causes [Root, Nft, Setpriv] 120]
}

fn one_number_and_two_causes(t: &Ctx) {
    let road = Road::new();
    let us = &road.us;
    road.rules(
        &[
            "tcp dport 1 reject",
            "tcp dport 2 reject with icmp host-prohibited",
            "tcp dport 3 drop",
            "tcp dport 5 reject with icmpx admin-prohibited",
        ],
        &["tcp dport 11 reject", "tcp dport 12 reject with icmp host-prohibited"],
    );
    us.run("ip route add 10.4.0.0/16 via 10.1.0.99");
    us.run("ip route add prohibit 192.0.2.2; ip route add unreachable 192.0.2.3; ip -6 route add prohibit 2001:db8::2");
    us.run("ip route add throw 192.0.2.5; ip route add table local throw 192.0.2.5");
    let _listeners = us.within(|| ["127.0.0.1:80", "0.0.0.0:81"].map(|at| TcpListener::bind(at).unwrap()));
    let _datagrams = us.within(|| UdpSocket::bind("127.0.0.1:53000").unwrap());
    let _full = full(us, "127.0.0.1:82", 0);
    us.etc("nsswitch.conf", "hosts: files dns\n");
    us.etc("hosts", "256.0.0.1 bad.example\n");
    us.etc("resolv.conf", "nameserver 127.0.0.1\nnameserver 127.0.0.2\noptions timeout:1 attempts:1\n");
    rules(us, "output", &["tcp dport 7 reject"]);
    // UNIX paths.
    std::fs::write(t.path("file"), "").unwrap();
    drop(UnixListener::bind(t.path("stale")).unwrap());
    let _stream = UnixListener::bind(t.path("stream")).unwrap();
    let _dgram = UnixDatagram::bind(t.path("dgram")).unwrap();

    let run = |command: &str, args: &[&str]| t.sockkit(&[command]).args(args).under(&us.wrap()).run(b"x");
    let go = |address: &str| run("connect", &["-w", "3s", address]);
    let quick = |address: &str| run("connect", &["-w", "300ms", address]);
    let listen = |address: &str| run("listen", &["--accept-timeout", "10ms", address]);
    let nobody =
        |command: &str, address: &str| t.sockkit(&[command, address]).under(&us.wrap()).under(&NOBODY).run(b"");
    let unix = |name: &str| format!("unix:{}", t.file(name));
    let asked = |answer: Answer, address: &str| {
        let _server = NameServer::start(us, answer);
        go(address)
    };
    // Given up before the kernel gives up asking for the neighbour.
    let patient = || {
        us.run("sysctl -qw net.ipv4.neigh.near.retrans_time_ms=20000");
        quick("10.1.0.78:9")
    };
    let (refused, no_route) = ("Connection refused", "No route to host");
    let (net, denied, in_use) = ("Network is unreachable", "Permission denied", "Address already in use");
    let (again, unknown) = ("Temporary failure in name resolution", "Name or service not known");
    let silent = "no answer within 300ms";
    let pairs: Vec<(&str, Exit, Exit)> = vec![
        // Nothing there, or a firewall there; that one, or one on the way.
        (refused, go("10.2.0.1:9"), go("10.2.0.1:1")),
        (refused, go("10.2.0.1:1"), go("10.2.0.1:11")),
        // On this host: another port, another protocol, our own rule.
        (refused, go("127.0.0.1:79"), go("127.0.0.1:53000")),
        (refused, go("127.0.0.1:9"), go("127.0.0.1:7")),
        (refused, go("[::1]:80"), go("127.0.0.2:80")),
        (refused, go(&unix("stale")), go(&unix("file"))),
        // Nobody there, or no way there.
        (no_route, go("10.1.0.77:9"), go("10.4.0.1:9")),
        (no_route, go("10.1.0.77:9"), go("10.2.0.77:9")),
        (no_route, go("192.0.2.3:9"), go("10.2.0.1:2")),
        (no_route, go("10.2.0.1:2"), go("10.2.0.1:12")),
        (no_route, run("connect", &["--ttl", "1", "10.2.0.1:9"]), go("10.2.0.77:9")),
        (net, go("10.3.0.1:9"), go("224.0.0.1:9")),
        (net, go("10.1.0.255:9"), go("10.3.0.1:9")),
        (denied, go("192.0.2.2:9"), go("[fd00:2::1]:5")),
        (denied, go("udp://10.1.0.255:9"), go("udp://192.0.2.2:9")),
        (denied, nobody("listen", "127.0.0.1:79"), nobody("listen", &unix("new"))),
        (silent, quick("10.2.0.1:3"), quick("127.0.0.1:82")),
        (silent, quick("127.0.0.1:82"), patient()),
        // Taken: so, or by something wider, or left over.
        (in_use, listen("127.0.0.1:80"), listen("127.0.0.1:81")),
        (in_use, listen("0.0.0.0:80"), listen("[::]:80")),
        (in_use, listen(&unix("stale")), listen(&unix("stream"))),
        (in_use, listen(&unix("file")), listen(&unix("stale"))),
        // UNIX.
        ("No such file or directory", go(&unix("none")), go(&unix("no/dir"))),
        ("Protocol wrong type for socket", go(&unix("dgram")), go(&format!("unix-dgram:{}", t.file("stream")))),
        // Names.
        (again, asked(Answer::Code(2), "a.example:80"), asked(Answer::Silence, "a.example:80")),
        (again, asked(Answer::Code(5), "a.example:80"), asked(Answer::Garbage, "a.example:80")),
        (again, go("a.example:80"), asked(Answer::Truncated, "a.example:80")),
        (unknown, asked(Answer::Code(3), "a.example:80"), asked(Answer::Code(3), "bad.example:80")),
        (unknown, asked(Answer::Alias(3), "a.example:80"), asked(Answer::Code(3), "a:80")),
    ];
    assert!(pairs.len() >= 15);
    for (words, one, other) in &pairs {
        for exit in [one, other] {
            assert!(exit.stderr.lines().next().is_some_and(|line| line.contains(words)), "{words}: {}", exit.stderr);
            assert!(!cause_of(exit).is_empty() && !tries_of(exit).is_empty(), "{}", exit.stderr);
        }
        let (one_says, other_says) = (bare(&cause_of(one)), bare(&cause_of(other)));
        assert_ne!(one_says, other_says, "{words}:\n{}\nand\n{}", one.stderr, other.stderr);
    }
}
