//! `doctor`: this host's settings, changed ones in a network namespace, and the path to an address.

use std::time::Duration;

use libtest_mimic::Trial;

use crate::support::{Ctx, Exit, Netns, accept, listener, reset, trials, udp};

pub(crate) fn tests() -> Vec<Trial> {
    trials!["doctor";
        this_host,
        every_check_as_json,
        settings_that_bite [Root],
        a_host_without_ipv6 [Root],
        silent_name_server [Root],
        localhost_elsewhere [Root],
        small_mtu [Root],
        firewall_rules [Root, Nft],
        path_to_a_greeting,
        path_to_silence,
        path_to_one_that_closes_at_once,
        path_to_one_that_resets,
        path_to_nobody,
        path_without_a_route [Root],
        path_to_a_neighbour_that_is_not_there [Root],
        path_to_a_name_with_a_dead_address [Root],
        path_by_udp,
        path_to_a_unix_socket,
        path_to_one_that_does_not_accept [Root],
        too_few_descriptors [Prlimit],
        bad_addresses,
    ]
}

fn doctor(t: &Ctx, args: &[&str]) -> Exit {
    t.sockkit(&["doctor"]).args(args).run(b"")
}

/// In a namespace, where it finds what was made there.
fn inside(t: &Ctx, ns: &Netns, args: &[&str]) -> Exit {
    t.sockkit(&["doctor"]).args(args).under(&ns.wrap()).run(b"")
}

/// The row that begins so.
#[track_caller]
fn row(text: &str, begin: &str) -> String {
    let found = text.lines().find(|line| line.starts_with(begin));
    found.unwrap_or_else(|| panic!("no row {begin:?} in:\n{text}")).to_owned()
}

fn this_host(t: &Ctx) {
    let exit = doctor(t, &[]);
    let text = exit.stdout.text();
    assert_eq!(exit.stderr, "");
    let bad = text.lines().any(|line| line.starts_with("bad "));
    exit.code(i32::from(bad)).within(Duration::from_secs(8));
    for name in ["net.core.somaxconn", "open files", "localhost", "clock", "loopback", "firewall"] {
        assert!(text.contains(&format!(" {name}: ")), "{name} is not in:\n{text}");
    }
}

fn every_check_as_json(t: &Ctx) {
    for line in doctor(t, &["--json"]).stdout.text().lines() {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(["ok", "warn", "bad"].contains(&object["status"].as_str().unwrap()), "{line}");
        assert!(object["check"].is_string() && object["value"].is_string(), "{line}");
        assert_eq!(object["status"] == "ok", object.get("advice").is_none(), "{line}");
    }
}

fn settings_that_bite(t: &Ctx) {
    let ns = Netns::new();
    ns.run("sysctl -qw net.core.somaxconn=5 net.ipv4.tcp_syncookies=0 net.ipv4.tcp_timestamps=0");
    ns.run("sysctl -qw net.ipv4.ip_local_port_range='40000 40009'");
    let exit = inside(t, &ns, &[]);
    let text = exit.code(1).stdout.text();
    assert!(row(&text, "bad  net.core.somaxconn: 5 — ").contains("backlog"));
    row(&text, "warn net.ipv4.tcp_syncookies: 0 — ");
    row(&text, "warn net.ipv4.tcp_timestamps: 0 — ");
    row(&text, "warn net.ipv4.ip_local_port_range: 40000 40009, 10 of 10 ");
    row(&text, "warn default route: none — ");
    assert!(text.contains("try: sysctl -w net.core.somaxconn=4096"), "{text}");

    let taken: Vec<_> =
        ns.within(|| (40000..40010).map(|port| std::net::TcpListener::bind(("127.0.0.1", port))).collect());
    assert!(taken.iter().all(Result::is_ok));
    row(&inside(t, &ns, &[]).stdout.text(), "bad  net.ipv4.ip_local_port_range: 40000 40009, 0 of 10 ");
}

fn a_host_without_ipv6(t: &Ctx) {
    let ns = Netns::new();
    ns.run("sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.bindv6only=1");
    ns.run("ip link set lo down");
    let text = inside(t, &ns, &[]).code(1).stdout.text();
    row(&text, "warn IPv6: disabled");
    row(&text, "warn net.ipv6.bindv6only: 1 — ");
    row(&text, "bad  loopback: down — ");
}

fn silent_name_server(t: &Ctx) {
    let ns = Netns::new();
    ns.etc("resolv.conf", "nameserver 127.0.0.53\n");
    let text = inside(t, &ns, &[]).code(1).stdout.text();
    row(&text, "bad  name server 127.0.0.53: no server runs there — ");
    // One that is there and says nothing.
    let _silent = ns.within(|| std::net::UdpSocket::bind("127.0.0.53:53").unwrap());
    let text = inside(t, &ns, &[]).code(1).stdout.text();
    row(&text, "bad  name server 127.0.0.53: no answer within 2 s — ");
    ns.etc("resolv.conf", "# none\n");
    row(&inside(t, &ns, &[]).stdout.text(), "warn name servers: none in ");
}

fn localhost_elsewhere(t: &Ctx) {
    let ns = Netns::new();
    for (hosts, wanted) in [
        ("10.1.2.3 localhost\n", "bad  localhost: 10.1.2.3 — "),
        ("127.0.1.1 localhost\n", "warn localhost: 127.0.1.1 — "),
        ("127.0.0.1 localhost\n", "ok   localhost: 127.0.0.1"),
    ] {
        ns.etc("hosts", hosts);
        row(&inside(t, &ns, &[]).stdout.text(), wanted);
    }
}

fn small_mtu(t: &Ctx) {
    let (ns, other) = (Netns::new(), Netns::new());
    ns.cable("eth0", &["10.9.0.1/24"], &other, "eth0", &["10.9.0.2/24"]);
    ns.run("ip route add default via 10.9.0.2; ip link set eth0 mtu 1400");
    row(&inside(t, &ns, &[]).stdout.text(), "warn default route IPv4: eth0, MTU 1400 — ");
    ns.run("ip link set eth0 mtu 1500");
    row(&inside(t, &ns, &[]).stdout.text(), "ok   default route IPv4: eth0, MTU 1500");
}

fn firewall_rules(t: &Ctx) {
    let ns = Netns::new();
    row(&inside(t, &ns, &[]).stdout.text(), "ok   firewall: nft has no rule");
    ns.run("nft add table inet f; nft add chain inet f in '{ type filter hook input priority 0; }'");
    ns.run("nft add rule inet f in tcp dport 80 drop");
    row(&inside(t, &ns, &[]).stdout.text(), "warn firewall: nft has 1 rule");
}

fn path_to_a_greeting(t: &Ctx) {
    let server = t.listen(&["-k", "--greeting", "220 ready\\r\\n", "--reply", "ok", "127.0.0.1:0"]).server();
    let text = doctor(t, &[server.addr()]).code(0).stdout.text();
    row(&text, &format!("ok   address: {}", server.addr()));
    row(&text, "ok   route to 127.0.0.1: on this host");
    row(&text, &format!("ok   connect {}: connected in ", server.addr()));
    assert!(row(&text, "ok   first bytes: 11 after ").ends_with("\"220 ready\""), "{text}");
    row(&text, "ok   close: it ended ");
    row(&text, "ok   verdict: ");
    for line in doctor(t, &["--json", server.addr()]).code(0).stdout.text().lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
}

fn path_to_silence(t: &Ctx) {
    let (listener, addr) = listener();
    let text = doctor(t, &[&addr]).code(0).stdout.text();
    row(&text, "ok   first bytes: none within 1 s");
    row(&text, "ok   close: it keeps its side open");
    drop(listener);
}

fn path_to_one_that_closes_at_once(t: &Ctx) {
    let server = t.listen(&["-k", "--close", "127.0.0.1:0"]).server();
    let text = doctor(t, &[server.addr()]).code(0).stdout.text();
    assert!(row(&text, "warn first bytes: none: it ").contains("closed"), "{text}");
}

fn path_to_one_that_resets(t: &Ctx) {
    let (listener, addr) = listener();
    let walk = t.sockkit(&["doctor", &addr]).spawn();
    reset(accept(&listener));
    let mut walk = walk;
    let exit = walk.wait();
    let text = exit.code(9).stdout.text();
    assert!(row(&text, "bad  ").contains("at once: most likely a proxy"), "{text}");
    assert!(text.contains("try: "), "{text}");
}

fn path_to_nobody(t: &Ctx) {
    let (listener, addr) = listener();
    drop(listener);
    let exit = doctor(t, &[&addr]);
    let text = exit.code(5).stdout.text();
    row(&text, "ok   route to 127.0.0.1: ");
    assert!(row(&text, "bad  connect: ").contains("nothing listens"), "{text}");
    assert!(text.contains("try: "), "{text}");
    assert!(!text.contains("verdict"), "{text}");
}

fn path_without_a_route(t: &Ctx) {
    let ns = Netns::new();
    let text = inside(t, &ns, &["10.1.2.3:80"]).code(6).stdout.text();
    assert!(row(&text, "bad  connect: ").contains("unreachable"), "{text}");
    assert!(!text.contains("ok   route"), "{text}");
}

fn path_to_a_neighbour_that_is_not_there(t: &Ctx) {
    let (ns, other) = (Netns::new(), Netns::new());
    ns.cable("eth0", &["10.9.0.1/24"], &other, "eth0", &["10.9.0.2/24"]);
    let exit = inside(t, &ns, &["10.9.0.77:80"]);
    let text = exit.code(6).stdout.text();
    row(&text, "ok   route to 10.9.0.77: from 10.9.0.1 through eth0");
    row(&text, "bad  neighbour 10.9.0.77: no answer to ARP on eth0 — ");
    row(&text, "bad  connect: ");
}

fn path_to_a_name_with_a_dead_address(t: &Ctx) {
    let (listener, addr) = listener();
    let port = addr.rsplit_once(':').unwrap().1;
    let exit = t.sockkit(&["doctor", &format!("two.test:{port}")]).hosts("127.0.0.1 two.test\n127.0.0.9 two.test\n");
    let text = exit.run(b"").code(0).stdout.text();
    row(&text, "ok   resolve: 127.0.0.");
    row(&text, &format!("ok   connect 127.0.0.1:{port}: "));
    row(&text, &format!("warn connect 127.0.0.9:{port}: "));
    drop(listener);
}

fn path_by_udp(t: &Ctx) {
    let server = t.listen(&["-u", "-k", "--reply", "ok", "127.0.0.1:0"]).server();
    row(&doctor(t, &[server.addr()]).code(0).stdout.text(), "ok   answer: ");
    let silent = udp();
    let port = silent.local_addr().unwrap().port().to_string();
    row(&doctor(t, &["-u", "127.0.0.1", &port]).code(0).stdout.text(), "warn answer: none");
    drop(silent);
    row(&doctor(t, &["-u", "127.0.0.1", &port]).code(5).stdout.text(), "bad  connect: ");
}

fn path_to_a_unix_socket(t: &Ctx) {
    let place = format!("unix:{}", t.file("s"));
    row(&doctor(t, &[&place]).code(6).stdout.text(), "bad  connect: ");
    let _server = t.sockkit(&["echo", &place]).server();
    row(&doctor(t, &[&place]).code(0).stdout.text(), &format!("ok   connect {place}: connected"));
}

fn bad_addresses(t: &Ctx) {
    doctor(t, &["::1:80"]).code(2).stdout("").says(&["try: [::1]:80"]);
    doctor(t, &["fd:0"]).code(2).stdout("").says(&["no path"]);
    doctor(t, &["-w", "x", "host"]).code(2).stdout("");
}

/// Between this host and itself there are no hops.
fn path_to_one_that_does_not_accept(t: &Ctx) {
    let ns = Netns::new();
    let _full = crate::faults::full(&ns, "127.0.0.1:80", 0);
    let exit = inside(t, &ns, &["-w", "300ms", "127.0.0.1:80"]);
    let text = exit.code(7).stdout.text();
    assert!(row(&text, "bad  connect: ").contains("its accept queue is full"), "{text}");
    assert!(!text.contains(" hops:"), "{text}");
}

/// What could not be looked at is not said to be missing.
fn too_few_descriptors(t: &Ctx) {
    let limited = |args: &[&str], limit: &str| t.sockkit(&["doctor"]).args(args).under(&["prlimit", limit]).run(b"");
    for few in ["--nofile=8:8", "--nofile=10:10", "--nofile=12:12"] {
        let exit = limited(&[], few);
        let text = exit.code(1).stdout.text();
        row(&text, "bad  open files: soft limit ");
        row(&text, "bad  descriptors: used up — this process may open too few");
        assert!(!text.contains("IPv6") && !text.contains("localhost") && !text.contains("loopback"), "{text}");
        let exit = limited(&["localhost:1"], few);
        let text = exit.stdout.text();
        assert!(!text.contains("localhost does not exist") && !text.contains("has no localhost"), "{text}");
    }
    let text = limited(&["localhost:1"], "--nofile=8:8").code(1).stdout.text();
    assert!(row(&text, "bad  resolve: ").contains("this process has open the 8 descriptors it may have"), "{text}");
    // As many as it may take it takes.
    let text = limited(&[], "--nofile=8:256").stdout.text();
    row(&text, "bad  open files: soft limit 8, hard limit 256");
    assert!(text.contains(" localhost: ") && text.contains(" IPv6: "), "{text}");
}
