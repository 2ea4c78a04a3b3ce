//! The routes, interfaces and rules of this host.

use std::net::TcpListener;

use libtest_mimic::Trial;

use super::lab::{Causes, Road, cause_of, connect, rules};
use crate::support::{Ctx, NOBODY, Netns, trials};

pub(super) fn tests() -> Vec<Trial> {
    trials!["faults";
        routes_that_say_no [Root],
        no_route [Root],
        interfaces_that_are_off [Root],
        addresses_that_are_none_for_a_connection [Root],
        firewall_of_this_host [Root, Nft],
        firewall_of_this_host_on_the_way_out [Root, Nft, Setpriv],
        answers_that_this_host_throws_away [Root, Nft, Setpriv],
    ]
}

fn routes_that_say_no(t: &Ctx) {
    let ns = Netns::new();
    let go = |address: &str| connect(t, &ns, &[address]).run(b"x");
    let mut causes = Causes::of(&ns);
    let none = |version| format!("it has no IPv{version} address but those of its own loopback and links");
    let v4 = &["this host has no route to 192.0.2.1: ", &none(4)];
    causes.check(&go("192.0.2.1:9"), 6, v4, &["ip -br address", "ip route"]);
    let v6 = &["this host has no route to 2001:db8::1: ", &none(6)];
    causes.check(&go("[2001:db8::1]:9"), 6, v6, &["ip -br address", "ip -6 route"]);
    for (version, net, scheme) in [("", "192.0.2.", ""), ("-6 ", "2001:db8::", "[")] {
        let mut causes = Causes::of(&ns);
        let address = |last: u8| match scheme {
            "" => format!("{net}{last}:9"),
            _ => format!("[{net}{last}]:9"),
        };
        for (last, kind, cause) in [
            (2, "prohibit", "a route of this host prohibits connections to "),
            (3, "unreachable", "a route of this host says that "),
            (4, "blackhole", "a route of this host throws packets to "),
        ] {
            ns.run(&format!("ip {version}route add {kind} {net}{last}"));
            let advice = format!("ip {version}route show table all type {kind}");
            let words = format!("(ip route: {kind})");
            causes.check(&go(&address(last)), 6, &[cause, &words], &[&advice]);
            let udp = go(&format!("udp://{}", address(last)));
            udp.code(6).says(&[cause, &words, &advice]);
        }
        ns.run(&format!("ip {version}route add throw {net}5"));
        causes.check(&go(&address(5)), 6, &["this host has no route to"], &["route"]);
        // A rule says the same as a route.
        ns.run(&format!("ip {version}rule add to {net}6 prohibit"));
        go(&address(6)).code(6).says(&["a route of this host prohibits connections to "]);
    }
}

fn no_route(t: &Ctx) {
    let road = Road::new();
    let go = |address: &str| connect(t, &road.us, &[address]).run(b"");
    let mut causes = Causes::of(&road.us);
    road.us.run("ip route del default; ip -6 route del default");
    let v4 = &["no route to 10.2.0.1: it is on none of its IPv4 networks, and there is no default route"];
    causes.check(&go("10.2.0.1:9"), 6, v4, &["ip route"]);
    let v6 = &["no route to fd00:2::1: it is on none of its IPv6 networks"];
    causes.check(&go("[fd00:2::1]:9"), 6, v6, &["ip -6 route"]);
    // One family has no route, the other is silent: the one that got further decides, and both are told.
    road.us.etc("nsswitch.conf", "hosts: files\n");
    road.us.etc("hosts", "2001:db8::1 both.example\n10.1.0.77 both.example\n");
    road.us.run("sysctl -qw net.ipv4.neigh.near.retrans_time_ms=20000");
    let both = t.connect(&["-w", "600ms", "both.example:9"]).under(&road.us.wrap()).run(b"");
    causes.check(&both, 7, &["no machine on the network of near answers for 10.1.0.77"], &["ip neigh"]);
    both.says(&["[2001:db8::1]:9: Network is unreachable", "10.1.0.77:9: no answer within"]);
    let mut causes = Causes::of(&road.us);
    road.us.run("ip -6 address flush dev near scope global");
    let v6 = &["no route to 2001:db8::1: it has no IPv6 address but those of its own loopback and links"];
    causes.check(&go("[2001:db8::1]:9"), 6, v6, &["ip -br address"]);
    let link = go("[fe80::1%lo]:9");
    causes.check(&link, 6, &["fe80::1%lo is an address of the link of lo", "lo never has one"], &["oif lo"]);
}

fn interfaces_that_are_off(t: &Ctx) {
    let road = Road::new();
    let go = |address: &str| t.connect(&["-w", "10s", address]).under(&road.us.wrap()).run(b"");
    let mut causes = Causes::of(&road.us);
    road.router.run("ip link set west down");
    let carrier = &["near, the interface towards 10.2.0.1, has no carrier"];
    causes.check(&go("10.2.0.1:9"), 6, carrier, &["ip -br link show dev near"]);
    road.us.run("ip link set near down");
    let off = &["10.1.0.254 is on the network of near, and near is switched off"];
    causes.check(&go("10.1.0.254:9"), 6, off, &["ip link set near up"]);
    let all = &["no route to 10.2.0.1: no interface with an IPv4 address", "and near is switched off"];
    causes.check(&go("10.2.0.1:9"), 6, all, &["ip -br address", "ip link set near up"]);
    // What it says to try helps.
    road.router.run("ip link set west up");
    road.us.run("ip link set near up");
    go("10.1.0.254:9").code(5);
    // A listener behind loopback has room, and no rule of a firewall is to blame.
    let _listener = road.us.within(|| TcpListener::bind("127.0.0.1:80").unwrap());
    road.us.run("ip link set lo down");
    let exit = t.connect(&["-w", "300ms", "127.0.0.1:80"]).under(&road.us.wrap()).run(b"");
    causes.check(&exit, 7, &["lo, the interface towards 127.0.0.1, is switched off"], &["ip link set lo up"]);
}

fn addresses_that_are_none_for_a_connection(t: &Ctx) {
    let road = Road::new();
    let go = |address: &str| connect(t, &road.us, &[address]).run(b"x");
    let mut causes = Causes::of(&road.us);
    let link = go("[fe80::1]:9");
    causes.check(&link, link.code, &["needs the interface that is meant: [fe80::1%eth0]:9"], &["ip -br address"]);
    road.us.run("ip route del default");
    let many = "224.0.0.1 is a multicast address, and TCP talks to one host only";
    causes.check(&go("224.0.0.1:9"), 6, &[many], &["sockkit connect udp://224.0.0.1:9"]);
    let everybody = "10.1.0.255 is the broadcast address of a network of this host, and TCP talks to one host only";
    causes.check(&go("10.1.0.255:9"), 6, &[everybody], &["ip -br address"]);
    let asked = "10.1.0.255 is the broadcast address of a network of this host, and sending to everybody must be asked";
    causes.check(&go("udp://10.1.0.255:9"), 11, &[asked], &["sockkit connect --broadcast udp://10.1.0.255:9"]);
    connect(t, &road.us, &["--broadcast", "udp://10.1.0.255:9"]).run(b"x").code(0);
    causes.check(&go("127.0.0.1:0"), 5, &["nothing can listen on port 0"], &["ss -ltnp"]);
    let source = connect(t, &road.us, &["-s", "192.0.2.9", "127.0.0.1:9"]).run(b"");
    causes.check(&source, 10, &["192.0.2.9 is not an address of this host; it has 127.0.0.1"], &["ip -br address"]);
    source.says_not(&["sockkit listen"]);
    // Without IPv6 there is not even loopback of it.
    road.us.run("sysctl -qw net.ipv6.conf.all.disable_ipv6=1");
    causes.check(&go("[::1]:9"), 10, &["no IPv6 address at all: IPv6 is switched off"], &["127.0.0.1:9"]);
}

fn firewall_of_this_host(t: &Ctx) {
    let ns = Netns::new();
    rules(
        &ns,
        "output",
        &["meta l4proto { tcp, udp } th dport 9 drop", "tcp dport 8 reject", "tcp dport 7 reject with tcp reset"],
    );
    let mut causes = Causes::of(&ns);
    let go = |args: &[&str]| t.connect(&["-w", "500ms"]).args(args).under(&ns.wrap()).run(b"x");
    causes.check(&go(&["udp://127.0.0.1:9"]), 11, &["before anything leaves", "firewall"], &["nft list ruleset"]);
    causes.check(&go(&["127.0.0.1:9"]), 7, &["firewall", "drops"], &["nft list ruleset"]);
    causes.check(&go(&["127.0.0.1:8"]), 5, &["this host's own firewall rejects it"], &["nft list ruleset"]);
    ns.run("nft 'add rule inet t output tcp dport 5 reject with icmp type prot-unreachable'");
    go(&["127.0.0.1:5"]).code(6).says(&["this host's own firewall rejects it (ICMP protocol unreachable"]);
    // With a listener behind the rule.
    let _listeners = ns.within(|| [7, 8, 9].map(|port| TcpListener::bind(("127.0.0.1", port)).unwrap()));
    let us = std::process::id().to_string();
    let mut causes = Causes::of(&ns);
    causes.check(&go(&["127.0.0.1:9"]), 7, &[&us, "has room in its accept queue (0 of 128)", "firewall"], &["nft"]);
    causes.check(&go(&["127.0.0.1:8"]), 5, &["this host's own firewall rejects it"], &["nft list ruleset"]);
    causes.check(&go(&["127.0.0.1:7"]), 5, &[&us, "listens there now", "firewall"], &["nft list ruleset"]);
    // A wildcard of IPv6 that takes IPv4 is there, too.
    let _both = ns.within(|| TcpListener::bind("[::]:6").unwrap());
    ns.run("nft 'add rule inet t output meta nfproto ipv4 tcp dport 6 reject with tcp reset'");
    go(&["127.0.0.1:6"]).code(5).says(&["[::]:6", "listens there now"]);
}

/// A road on which all have found their neighbours, which takes its time on a busy machine.
fn known(t: &Ctx) -> Road {
    let road = Road::new();
    for at in ["10.2.0.1:1", "[fd00:2::1]:1"] {
        t.connect(&["-w", "20s", at]).under(&road.us.wrap()).run(b"").code(5);
    }
    road
}

/// A SYN that a rule of ours drops looks like one that got lost, and a reset of ours like one from there.
fn firewall_of_this_host_on_the_way_out(t: &Ctx) {
    let road = known(t);
    rules(
        &road.us,
        "output",
        &[
            "tcp dport 4 drop",
            "tcp dport 7 reject with tcp reset",
            "ip daddr 10.1.0.0/24 tcp dport 14 drop",
            "tcp dport 24 ct state new drop",
        ],
    );
    road.rules(&["tcp dport { 5, 8 } drop"], &["tcp dport 6 drop", "tcp dport 9 reject with tcp reset"]);
    let quick = |args: &[&str]| t.connect(&["-w", "500ms"]).args(args).under(&road.us.wrap());
    for (them, near) in [("10.2.0.1", "10.1.0.254"), ("[fd00:2::1]", "[fd00:1::fe]")] {
        let at = |host: &str, port: u16| format!("{host}:{port}");
        let bare = them.trim_matches(['[', ']']);
        let mut causes = Causes::of(&road.us);
        let go = |port: u16| quick(&[&at(them, port)]).run(b"");
        let dropped = format!(
            "a rule of this host's own firewall (output chain) drops the packets before they leave: {bare} never"
        );
        causes.check(&go(4), 7, &[&dropped], &["nft list ruleset"]);
        go(24).code(7).says(&[&dropped]);
        let refused = "a rule of this host's own firewall (output chain) refuses the connection in the name of ";
        causes.check(&go(7), 5, &[refused, bare], &["nft list ruleset"]);
        // The same from others looks the same, but is not.
        causes.check(&go(5), 7, &["nothing came back from", "a firewall there or on the way"], &["sockkit doctor"]);
        go(6).code(7).says(&["a firewall there or on the way"]).says_not(&["this host's own"]);
        causes.check(
            &go(9),
            5,
            &["answered, but nothing listens on port 9", "there or on the way rejects"],
            &["ss -l"],
        );
        // Who may not look says that he does not know.
        for (port, code) in [(4, 7), (5, 7), (7, 5), (9, 5)] {
            let exit = quick(&[&at(them, port)]).under(&NOBODY).run(b"");
            assert!(
                cause_of(exit.code(code)).contains("a firewall there, on the way or on this host"),
                "{}",
                exit.stderr
            );
        }
        if near == "10.1.0.254" {
            quick(&[&at(near, 14)]).run(b"").code(7).says(&["10.1.0.254 never saw them", "nft list ruleset"]);
        }
        // Nothing leaves, so there are no hops to ask.
        let walk = t.sockkit(&["doctor", "-w", "300ms", &at(them, 4)]).under(&road.us.wrap()).run(b"");
        let said = walk.code(7).stdout.text();
        assert!(said.contains("drops the packets before they leave") && !said.contains(" hops:"), "{said}");
    }
    // Of several addresses, each its own.
    road.us.etc("nsswitch.conf", "hosts: files\n");
    road.us.etc("hosts", "10.2.0.1 two.example\nfd00:2::1 two.example\n");
    quick(&["two.example:4"]).run(b"").code(7).says(&[
        "before they leave",
        "[fd00:2::1]:4: no answer",
        "10.2.0.1:4: no answer",
    ]);
    let waits = t.sockkit(&["wait", "--timeout", "400ms", "10.2.0.1:4"]).under(&road.us.wrap()).run(b"");
    waits.code(124).says(&["before they leave"]);
}

fn answers_that_this_host_throws_away(t: &Ctx) {
    let road = known(t);
    let _servers = road.them.within(|| ["0.0.0.0:80", "[::]:81"].map(|at| TcpListener::bind(at).unwrap()));
    rules(&road.us, "input", &["tcp sport { 80, 81, 82 } drop"]);
    let go = |at: &str| t.connect(&["-w", "500ms", at]).under(&road.us.wrap()).run(b"");
    let mut causes = Causes::of(&road.us);
    let input =
        &["10.2.0.1 does answer, by near, but this host throws its answers away: most likely a rule of its own"];
    causes.check(&go("10.2.0.1:80"), 7, input, &["nft list ruleset"]);
    go("[fd00:2::1]:81").code(7).says(&["fd00:2::1 does answer, by near, but this host throws"]);
    // A refusal is an answer, too.
    go("10.2.0.1:82").code(7).says(&["10.2.0.1 does answer, by near"]);
    let blind = t.connect(&["-w", "500ms", "10.2.0.1:80"]).under(&road.us.wrap()).under(&NOBODY).run(b"");
    blind.code(7).says(&["nothing came back from 10.2.0.1", "or on this host"]);
    // They come another way than this host would go, and that is not let in.
    road.us.cable("near2", &["10.5.0.1/24"], &road.router, "west2", &["10.5.0.254/24"]);
    road.us.run("sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.near2.rp_filter=1");
    road.router
        .run("sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.west.rp_filter=0 net.ipv4.conf.west2.rp_filter=0");
    road.router.run("ip route add 10.1.0.1/32 dev west2 via 10.5.0.1");
    let path = &["10.2.0.1 does answer, but its answers come by near2 and are thrown away", "rp_filter"];
    causes.check(&go("10.2.0.1:83"), 7, path, &["ip route get 10.2.0.1", "sysctl net.ipv4.conf.all.rp_filter"]);
}
