//! Local addresses and ports that cannot be had, and descriptors.

use std::net::{TcpListener, UdpSocket};

use libtest_mimic::Trial;

use super::lab::{Causes, Road, connect, connections};
use crate::support::{Ctx, NOBODY, Netns, poll_until, trials};

pub(super) fn tests() -> Vec<Trial> {
    trials!["faults";
        in_use_by_a_process,
        in_use_by_time_wait,
        in_use_by_a_wildcard,
        in_use_by_the_other_family [Root],
        in_use_by_another_user [Root, Setpriv],
        in_use_by_a_connection [Root],
        not_shared [Root, Setpriv],
        local_ports_used_up [Root],
        privileged_port [Root, Setpriv],
        not_an_address_of_this_host [Root],
        descriptors_used_up [Prlimit],
    ]
}

fn in_use_by_a_process(t: &Ctx) {
    for scheme in ["", "udp://"] {
        let server = t.listen(&["-k", "--discard", &format!("{scheme}127.0.0.1:0")]).server();
        let holder = format!("{} is held by sockkit, pid {}", server.addr(), server.pid());
        let exit = t.listen(&[server.addr()]).run(b"");
        let mut causes = Causes::default();
        let advice = format!("sockkit listen {scheme}127.0.0.1:0");
        causes.check(&exit, 10, &[&holder], &[&advice, &format!("ps -fp {}", server.pid())]);
    }
}

fn in_use_by_time_wait(t: &Ctx) {
    let host = t.loopback();
    let listener = TcpListener::bind((host, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let client = std::net::TcpStream::connect(address).unwrap();
    // The side that ends first is the one that waits.
    drop(listener.accept().unwrap());
    drop(client);
    drop(listener);
    let address = address.to_string();
    let mut causes = Causes::default();
    // The state changes a moment after the last FIN.
    let exit = poll_until("TIME_WAIT", || {
        let exit = t.listen(&["--reuseaddr=no", "--accept-timeout", "10ms", &address]).run(b"");
        exit.stderr.contains("TIME_WAIT").then_some(exit)
    });
    let words = &["nothing listens there, but 1 connection that ended waits out TIME_WAIT", "SO_REUSEADDR is not set"];
    causes.check(&exit, 10, words, &[&format!("sockkit listen --reuseaddr {address}"), "ss -tan state time-wait"]);
    // What it says to try works.
    t.listen(&["--reuseaddr", "--accept-timeout", "10ms", &address]).run(b"").code(7);
}

fn in_use_by_a_wildcard(t: &Ctx) {
    let us = format!("pid {}", std::process::id());
    for (wildcard, scheme) in [("0.0.0.0:0", ""), ("[::]:0", ""), ("0.0.0.0:0", "udp://")] {
        let mut udp = None;
        let mut tcp = None;
        let bound = if scheme.is_empty() {
            let Ok(listener) = TcpListener::bind(wildcard) else { continue };
            tcp.insert(listener).local_addr().unwrap()
        } else {
            udp.insert(UdpSocket::bind(wildcard).unwrap()).local_addr().unwrap()
        };
        let exit = t.listen(&[&format!("{scheme}127.0.0.1:{}", bound.port())]).run(b"");
        exit.code(10).says(&[
            &format!("cause: {scheme}{bound}, which takes "),
            "is held by",
            &us,
            "try: sockkit listen",
        ]);
    }
}

fn in_use_by_the_other_family(t: &Ctx) {
    let ns = Netns::new();
    let mut causes = Causes::of(&ns);
    let listen = |args: &[&str]| t.listen(&["--accept-timeout", "10ms"]).args(args).under(&ns.wrap()).run(b"");
    let us = format!("pid {}", std::process::id());
    let _four = ns.within(|| TcpListener::bind("127.0.0.1:80").unwrap());
    let dual = &["127.0.0.1:80 is held by ", &us, "and [::] takes IPv4 as well, unless --v6only"];
    causes.check(&listen(&[":80"]), 10, dual, &["sockkit listen --v6only '[::]:80'"]);
    // What it says to try works.
    listen(&["--v6only", "[::]:80"]).code(7);
    let _six = ns.within(|| TcpListener::bind("[::]:81").unwrap());
    let six = &["[::]:81, which takes IPv4 as well, is held by ", &us];
    causes.check(&listen(&["127.0.0.1:81"]), 10, six, &["sockkit listen 127.0.0.1:0"]);
    let every = &["127.0.0.1:80 is held by ", "and 0.0.0.0 means every address of this host, that one too"];
    causes.check(&listen(&["0.0.0.0:80"]), 10, every, &["sockkit listen 0.0.0.0:0"]);
}

fn in_use_by_another_user(t: &Ctx) {
    let ns = Netns::new();
    let _server = ns.within(|| TcpListener::bind("127.0.0.1:8080").unwrap());
    let exit = t.listen(&["127.0.0.1:8080"]).under(&ns.wrap()).under(&NOBODY).run(b"");
    let hidden = &["127.0.0.1:8080 is held by a process of the user root, which is hidden from this one"];
    Causes::of(&ns).check(&exit, 10, hidden, &["sudo ss -ltnp 'sport = :8080'", "sockkit listen 127.0.0.1:0"]);
}

fn in_use_by_a_connection(t: &Ctx) {
    let road = Road::new();
    let server = road.them.within(|| TcpListener::bind("10.2.0.1:80").unwrap());
    let client = connections(&road.us, "10.2.0.1:80", 1).pop().unwrap();
    let (theirs, _) = server.accept().unwrap();
    let local = client.local_addr().unwrap().to_string();
    let listen = || t.listen(&[&local]).under(&road.us.wrap()).run(b"");
    let mut causes = Causes::of(&road.us);
    let us = format!("pid {} (established)", std::process::id());
    causes.check(
        &listen(),
        10,
        &[&format!("{local} is held by a connection of "), &us],
        &["sockkit listen 10.1.0.1:0"],
    );
    // Ours is closed, theirs is not: it is the kernel's now.
    drop(client);
    let exit = poll_until("FIN-WAIT-2", || Some(listen()).filter(|exit| exit.stderr.contains("fin-wait-2")));
    causes.check(&exit, 10, &["a connection that no process has any more", "(fin-wait-2)"], &["ss -tanp"]);
    drop(theirs);
    let exit = poll_until("TIME_WAIT", || Some(listen()).filter(|exit| !exit.stderr.contains("fin-wait-2")));
    // With SO_REUSEADDR, which servers have, that is not in the way.
    exit.code(exit.code).says_not(&["is held by"]);
}

/// SO_REUSEPORT that does not help.
fn not_shared(t: &Ctx) {
    let ns = Netns::new();
    let listen = |args: &[&str]| t.listen(args).under(&ns.wrap());
    let plain = listen(&["-k", "--discard", "127.0.0.1:0"]).server();
    let theirs = "127.0.0.1:8004";
    let _theirs = listen(&["-k", "--discard", "--reuseport", theirs]).under(&NOBODY).spawn();
    poll_until("their server", || ns.within(|| std::net::TcpStream::connect(theirs).ok()));
    let both = listen(&["-k", "--discard", "--reuseport", "127.0.0.1:0"]).server();
    let mut causes = Causes::of(&ns);
    let did_not = &["--reuseport shares a port only with sockets that asked for it too, and that one did not"];
    causes.check(&listen(&["--reuseport", plain.addr()]).run(b""), 10, did_not, &["sockkit listen 127.0.0.1:0"]);
    let another = &["--reuseport shares a port with sockets of the same user only, and that one is nobody's"];
    causes.check(&listen(&["--reuseport", theirs]).run(b""), 10, another, &["sockkit listen 127.0.0.1:0"]);
    listen(&["--reuseport", "--accept-timeout", "10ms", both.addr()]).run(b"").code(7);
}

fn local_ports_used_up(t: &Ctx) {
    let road = Road::new();
    let server = road.them.within(|| TcpListener::bind("10.2.0.1:80").unwrap());
    road.us.run("sysctl -qw net.ipv4.ip_local_port_range='40000 40003'");
    let clients = connections(&road.us, "10.2.0.1:80", 4);
    let us = format!("pid {}", std::process::id());
    let mut causes = Causes::of(&road.us);
    let range = "no local port is left: net.ipv4.ip_local_port_range is 40000-40003, and 4 of those 4 have TCP sockets";
    let widen = "sysctl -w net.ipv4.ip_local_port_range='32768 60999'";
    let full = connect(t, &road.us, &["10.2.0.1:80"]).run(b"");
    causes.check(&full, 10, &[range, ": 4 of ", &us], &["ss -tanp 'sport >= :40000 and sport <= :40003'", widen]);
    // The same to a server that takes port 0, and to a client that says where it comes from.
    t.listen(&["0.0.0.0:0"]).under(&road.us.wrap()).run(b"").code(10).says(&[range, &us]);
    connect(t, &road.us, &["-s", "10.1.0.1", "10.2.0.1:80"]).run(b"").code(10).says(&[range, &us]);
    // To another peer the same ports do.
    connect(t, &road.us, &["-s", "10.1.0.1", "10.2.0.1:81"]).run(b"").code(5);
    // They end before their peer does, and wait.
    drop(clients);
    let ending = poll_until("FIN-WAIT-2", || {
        let exit = connect(t, &road.us, &["10.2.0.1:80"]).run(b"");
        exit.stderr.contains("4 that no process has any more").then_some(exit)
    });
    causes.check(&ending, 10, &[range], &[widen]);
    for _ in 0..4 {
        drop(server.accept().unwrap());
    }
    let gone = poll_until("TIME_WAIT", || {
        let exit = connect(t, &road.us, &["10.2.0.1:80"]).run(b"");
        exit.stderr.contains("4 that only wait out TIME_WAIT").then_some(exit)
    });
    causes.check(&gone, 10, &[range], &[widen]);
    let _sockets = road.us.within(|| [(); 4].map(|()| UdpSocket::bind("0.0.0.0:0").unwrap()));
    let udp = connect(t, &road.us, &["udp://10.2.0.1:9"]).run(b"x");
    causes.check(&udp, 10, &["4 of those 4 have UDP sockets: 4 of ", &us], &["ss -uanp", widen]);
    // What it says to try works.
    road.us.run(widen);
    connect(t, &road.us, &["-z", "10.2.0.1:80"]).run(b"").code(0);
}

fn privileged_port(t: &Ctx) {
    let ns = Netns::new();
    let listen =
        |address: &str| t.listen(&["--accept-timeout", "10ms", address]).under(&ns.wrap()).under(&NOBODY).run(b"");
    ns.run("sysctl -qw net.ipv4.ip_unprivileged_port_start=1024");
    let cause = &["ports below 1024 need root or CAP_NET_BIND_SERVICE (net.ipv4.ip_unprivileged_port_start is 1024)"];
    Causes::of(&ns).check(&listen("127.0.0.1:80"), 11, cause, &["sockkit listen 127.0.0.1:8080"]);
    // The limit is a setting, either way.
    ns.run("sysctl -qw net.ipv4.ip_unprivileged_port_start=3000");
    let cause = &["ports below 3000 need root", "net.ipv4.ip_unprivileged_port_start is 3000"];
    Causes::of(&ns).check(&listen("udp://127.0.0.1:2999"), 11, cause, &["sudo sockkit listen udp://127.0.0.1:2999"]);
    let source = t.connect(&["-s", ":2000", "127.0.0.1:9"]).under(&ns.wrap()).under(&NOBODY).run(b"");
    Causes::of(&ns).check(&source, 11, cause, &["sockkit connect --source"]);
    ns.run("sysctl -qw net.ipv4.ip_unprivileged_port_start=80");
    listen("127.0.0.1:80").code(7);
}

fn not_an_address_of_this_host(t: &Ctx) {
    let ns = Netns::new();
    let listen = |address: &str| t.listen(&["--accept-timeout", "10ms", address]).under(&ns.wrap()).run(b"");
    let mut causes = Causes::of(&ns);
    let tcp = &["192.0.2.1 is not an address of this host; it has 127.0.0.1 and ::1"];
    causes.check(&listen("192.0.2.1:80"), 10, tcp, &["sockkit listen :80", "sockkit listen --freebind 192.0.2.1:80"]);
    let none = listen("[fe80::1%nosuch]:80");
    none.code(10).says(&["nosuch"]);
    ns.run("sysctl -qw net.ipv6.conf.all.disable_ipv6=1");
    let off = &["this host has no IPv6 address at all: IPv6 is switched off"];
    causes.check(&listen("[::1]:80"), 10, off, &["sockkit listen 127.0.0.1:80"]);
}

fn descriptors_used_up(t: &Ctx) {
    // Some of what a test starts with may be open in the child, too; three are always.
    let exit = t.connect(&["127.0.0.1:9"]).under(&["prlimit", "--nofile=4"]).run(b"");
    Causes::default().check(
        &exit,
        1,
        &["this process has open the 4 descriptors it may have (ulimit -n)"],
        &["ulimit -n 16"],
    );
}
