//! Refused on this host, and what listens near.

use std::net::{TcpListener, UdpSocket};

use libtest_mimic::Trial;

use super::lab::{Causes, connect};
use crate::support::{Ctx, Netns, trials};

pub(super) fn tests() -> Vec<Trial> {
    trials!["faults";
        refused_on_this_host [Root],
        refused_at_an_address_of_this_host [Root],
        refused_in_one_family [Root],
        refused_udp [Root],
    ]
}

fn refused_on_this_host(t: &Ctx) {
    let ns = Netns::new();
    let mut causes = Causes::of(&ns);
    let go = |args: &[&str]| connect(t, &ns, args).run(b"");
    causes.check(
        &go(&["127.0.0.1:8081"]),
        5,
        &["nothing listens on 127.0.0.1:8081"],
        &["sockkit listen 127.0.0.1:8081"],
    );
    let listen = |address: &'static str| ns.within(move || TcpListener::bind(address).unwrap());
    let us = format!("pid {})", std::process::id());
    let far = listen("127.0.0.1:22");
    let exit = go(&["127.0.0.1:8081"]);
    // Who that is, nobody asked.
    causes.check(&exit, 5, &["; on other ports, 127.0.0.1:22 does"], &["sockkit listen 127.0.0.1:8081"]);
    exit.says_not(&[&us]);
    let _one_off = listen("127.0.0.1:8080");
    let exit = go(&["127.0.0.1:8081"]);
    causes.check(
        &exit,
        5,
        &["127.0.0.1:8081; near it, 127.0.0.1:8080 does (", &us],
        &["sockkit connect 127.0.0.1:8080"],
    );
    let transposed = go(&["127.0.0.1:8008"]);
    transposed.code(5).says(&["near it, 127.0.0.1:8080 does", "try: sockkit connect 127.0.0.1:8080"]);
    go(&["127.0.0.1:80"]).code(5).says(&["near it, 127.0.0.1:8080 does"]);
    // Another address of loopback has nothing but what is bound to every address.
    let other = go(&["127.0.0.2:8081"]);
    other.code(5).says(&["nothing listens on 127.0.0.2:8081"]).says_not(&["8080"]);
    let _wildcard = listen("0.0.0.0:8082");
    go(&["127.0.0.2:8081"]).code(5).says(&["near it, 0.0.0.0:8082 does", "try: sockkit connect 127.0.0.2:8082"]);
    drop(far);
    // The same port in the other family, and near ones of this: both.
    let both = go(&["[::1]:8080"]);
    causes.check(&both, 5, &["nothing listens on [::1]:8080, but 127.0.0.1:8080 does ("], &["connect 127.0.0.1:8080"]);
    both.says_not(&["near it"]);
    let _both = listen("[::]:8090");
    let exit = go(&["[::1]:8091"]);
    exit.code(5).says(&["near it, [::]:8090 does", "try: sockkit connect '[::1]:8090'"]);
    // Every address of a name.
    ns.etc("hosts", "127.0.0.1 localhost\n::1 localhost\n");
    go(&["localhost:8091"]).code(5).says(&["nothing listens on", "near them", "[::]:8090"]);
}

fn refused_at_an_address_of_this_host(t: &Ctx) {
    let ns = Netns::new();
    ns.run("ip address add 10.9.0.1/32 dev lo");
    let go = |args: &[&str]| connect(t, &ns, args).run(b"x");
    let mut causes = Causes::of(&ns);
    let exit = go(&["10.9.0.1:8081"]);
    causes.check(&exit, 5, &["nothing listens on 10.9.0.1:8081"], &["sockkit listen 10.9.0.1:8081"]);
    exit.says_not(&["firewall", "answered"]);
    let _elsewhere = ns.within(|| TcpListener::bind("127.0.0.1:8081").unwrap());
    causes.check(&go(&["10.9.0.1:8081"]), 5, &[", but 127.0.0.1:8081 does ("], &["connect 127.0.0.1:8081"]);
    go(&["udp://10.9.0.1:9"]).code(5).says(&["nothing listens on udp://10.9.0.1:9"]);
}

fn refused_in_one_family(t: &Ctx) {
    let ns = Netns::new();
    ns.etc("nsswitch.conf", "hosts: files\n");
    ns.etc("hosts", "127.0.0.1 localhost\n");
    let go = |args: &[&str]| connect(t, &ns, args).run(b"");
    let mut causes = Causes::of(&ns);
    // A wildcard of IPv6 that leaves IPv4 alone.
    let _six = ns.within(|| {
        let socket = socket2::Socket::new(socket2::Domain::IPV6, socket2::Type::STREAM, None).unwrap();
        socket.set_only_v6(true).unwrap();
        socket.bind(&"[::]:80".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
        socket.listen(1).unwrap();
        socket
    });
    let only = &["nothing listens on 127.0.0.1:80, but [::]:80 does ("];
    causes.check(&go(&["localhost:80"]), 5, only, &["sockkit connect '[::1]:80'"]);
    let _four = ns.within(|| TcpListener::bind("0.0.0.0:81").unwrap());
    causes.check(&go(&["[::1]:81"]), 5, &["nothing listens on [::1]:81, but 0.0.0.0:81 does ("], &["127.0.0.1:81"]);
    // What it says to try works.
    connect(t, &ns, &["-z", "[::1]:80"]).run(b"").code(0);
    connect(t, &ns, &["-z", "127.0.0.1:81"]).run(b"").code(0);
}

fn refused_udp(t: &Ctx) {
    let ns = Netns::new();
    let go = |args: &[&str]| connect(t, &ns, args).run(b"x");
    let mut causes = Causes::of(&ns);
    causes.check(&go(&["udp://127.0.0.1:35"]), 5, &["nothing listens on udp://127.0.0.1:35"], &["ss -lunp"]);
    let _server = ns.within(|| UdpSocket::bind("127.0.0.1:53").unwrap());
    let near = &["nothing listens on udp://127.0.0.1:35; near it, udp://127.0.0.1:53 does ("];
    causes.check(&go(&["udp://127.0.0.1:35"]), 5, near, &["sockkit connect udp://127.0.0.1:53"]);
    let tcp = &["nothing listens on 127.0.0.1:53, but udp://127.0.0.1:53 does ("];
    causes.check(&go(&["127.0.0.1:53"]), 5, tcp, &["sockkit connect udp://127.0.0.1:53"]);
}
