//! Names that do not resolve.

use libtest_mimic::Trial;

use super::lab::{Answer, Causes, NameServer, rules};
use crate::support::{Ctx, Netns, trials};

pub(super) fn tests() -> Vec<Trial> {
    trials!["faults";
        name_servers_that_fail [Root],
        name_servers_that_are_not_asked [Root, Nft],
        short_names [Root],
        the_hosts_file [Root],
        no_localhost [Root],
    ]
}

/// Where names are looked up as a test says.
fn host(resolv_conf: &str) -> Netns {
    let ns = Netns::new();
    ns.etc("nsswitch.conf", "hosts: files dns\n");
    ns.etc("hosts", "127.0.0.1 localhost\n");
    ns.etc("resolv.conf", resolv_conf);
    ns
}

const LOCAL: &str = "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n";
const NAME: &str = "some.example:80";

fn name_servers_that_fail(t: &Ctx) {
    let ns = host(LOCAL);
    let ask = |args: &[&str]| t.connect(&["-w", "6s"]).args(args).under(&ns.wrap()).run(b"");
    let mut causes = Causes::of(&ns);
    causes.check(
        &ask(&[NAME]),
        4,
        &["no name server runs at 127.0.0.1", "/etc/resolv.conf"],
        &["cat /etc/resolv.conf"],
    );
    let v4 = Answer::Addresses(Some([192, 0, 2, 80]), None);
    let v6 = Answer::Addresses(None, Some([0xfd; 16]));
    for (answer, args, cause, advice) in [
        (Answer::Code(3), &[NAME][..], "some.example does not exist, says name server 127.0.0.1 (NXDOMAIN)", "getent"),
        (Answer::Code(2), &[NAME], "name server 127.0.0.1 could not find out (SERVFAIL)", "cat /etc/resolv.conf"),
        (Answer::Code(5), &[NAME], "name server 127.0.0.1 refuses to answer this host (REFUSED)", "resolv.conf"),
        (Answer::Code(4), &[NAME], "name server 127.0.0.1 answered: it does not answer such questions (NOTIMP)", "cat"),
        (Answer::Code(1), &[NAME], "name server 127.0.0.1 answered: it could not read the question (FORMERR)", "cat"),
        (Answer::Code(0), &[NAME], "some.example exists, but has no address", "getent ahosts some.example"),
        (Answer::Alias(3), &[NAME], "some.example is an alias (CNAME), and the name that it leads to", "cat"),
        (v4, &["-6", NAME], "some.example has addresses, but no IPv6 one", "connect some.example:80"),
        (Answer::Truncated, &[NAME], "is too large for one datagram, and over TCP it gives none", "-z 127.0.0.1:53"),
        (Answer::Garbage, &[NAME], "what name server 127.0.0.1 sends back is no answer", "cat /etc/resolv.conf"),
        (Answer::Silence, &[NAME], "no answer from name server 127.0.0.1", "cat /etc/resolv.conf"),
    ] {
        let _server = NameServer::start(&ns, answer);
        causes.check(&ask(args), 4, &[cause], &[advice]);
    }
    {
        let _server = NameServer::start(&ns, v6);
        ask(&["-4", NAME]).code(4).says(&["some.example has addresses, but no IPv4 one", "connect some.example:80"]);
    }
    // The time that we were given runs out first.
    let _server = NameServer::start(&ns, Answer::Silence);
    let short = t.connect(&["-w", "300ms", NAME]).under(&ns.wrap()).run(b"");
    causes.check(&short, 4, &["no answer from name server 127.0.0.1: it is slow, or it is down"], &["resolv.conf"]);
    let waits = t.sockkit(&["wait", "--timeout", "4s", NAME]).under(&ns.wrap()).run(b"");
    waits.code(124).says(&["cause: no answer from name server 127.0.0.1", "try: "]);
    // The service is looked up here, not there.
    causes.check(&ask(&["127.0.0.1:nosuch"]), 4, &["nosuch is no service"], &["getent services nosuch"]);
}

fn name_servers_that_are_not_asked(t: &Ctx) {
    let ns = host("nameserver 192.0.2.53\noptions timeout:1 attempts:1\n");
    let ask = |causes: &mut Causes, cause: &[&str], advice: &str| {
        let exit = t.connect(&["-w", "6s", NAME]).under(&ns.wrap()).run(b"");
        causes.check(&exit, 4, cause, &[advice]);
    };
    let mut causes = Causes::of(&ns);
    ask(&mut causes, &["name server 192.0.2.53 cannot be reached", "no route"], "ip route");
    ns.run("ip link set lo up; ip route add 192.0.2.0/24 dev lo");
    rules(&ns, "output", &["udp dport 53 drop"]);
    ask(&mut causes, &["own firewall (output chain)", "forbids asking name server 192.0.2.53"], "nft list ruleset");
    ns.run("nft flush ruleset");
    ns.etc("resolv.conf", "search example\n");
    ask(&mut causes, &["/etc/resolv.conf names no name server", "127.0.0.1 is asked"], "cat /etc/resolv.conf");
    ns.etc("nsswitch.conf", "hosts: files\n");
    ask(&mut causes, &["/etc/nsswitch.conf keeps this host from asking DNS (hosts: files)"], "grep hosts:");
    // Of several, each says what it says.
    ns.etc("nsswitch.conf", "hosts: files dns\n");
    ns.etc("resolv.conf", "nameserver 127.0.0.1\nnameserver 127.0.0.2\noptions timeout:1 attempts:1\n");
    let _server = NameServer::start(&ns, Answer::Code(2));
    ask(&mut causes, &["name server 127.0.0.1 could not find out"], "cat");
    let both = t.connect(&["-w", "6s", NAME]).under(&ns.wrap()).run(b"");
    both.code(4).says(&["name server 127.0.0.1: failed", "name server 127.0.0.2: no name server runs there"]);
}

fn short_names(t: &Ctx) {
    let ns = host(LOCAL);
    let _server = NameServer::start(&ns, Answer::OnlyUnder("corp.example"));
    let ask = |name: &str| t.connect(&["-w", "6s", name]).under(&ns.wrap()).run(b"");
    let mut causes = Causes::of(&ns);
    let none = &["db does not exist, says name server 127.0.0.1", "has no search domain to complete it with"];
    causes.check(&ask("db:80"), 4, none, &["getent ahosts db"]);
    ns.etc("resolv.conf", &format!("search lab.example\n{LOCAL}"));
    causes.check(&ask("db:80"), 4, &["nor does it with lab.example of /etc/resolv.conf"], &["getent ahosts db"]);
    ns.etc("resolv.conf", &format!("search corp.example\n{LOCAL}"));
    // It resolves now, and what is wrong is something else.
    causes.check(&ask("db:80"), 5, &["nothing listens on 127.0.0.1:80"], &["sockkit listen"]);
}

fn the_hosts_file(t: &Ctx) {
    let ns = host(LOCAL);
    ns.etc("hosts", "127.0.0.1 localhost\n256.1.1.1 bad.example\n192.0.2.1 four.example\n127.0.1.1 myself\n");
    let _server = NameServer::start(&ns, Answer::Code(3));
    let ask = |args: &[&str]| t.connect(&["-w", "6s"]).args(args).under(&ns.wrap()).run(b"");
    let mut causes = Causes::of(&ns);
    let bad = &["/etc/hosts has bad.example, but with 256.1.1.1, which is no IP address"];
    causes.check(&ask(&["bad.example:80"]), 4, bad, &["grep -n bad.example /etc/hosts"]);
    let four = &["/etc/hosts has four.example with 192.0.2.1 only", "IPv6"];
    causes.check(&ask(&["-6", "four.example:80"]), 4, four, &["grep -n four.example /etc/hosts"]);
    // Debian's habit: a server on 127.0.0.1 is not reached by the name of the host.
    let _server = ns.within(|| std::net::TcpListener::bind("127.0.0.1:80").unwrap());
    let own = &["nothing listens on 127.0.1.1:80, but 127.0.0.1:80 does ("];
    causes.check(&ask(&["myself:80"]), 5, own, &["sockkit connect 127.0.0.1:80"]);
}

fn no_localhost(t: &Ctx) {
    let ns = host(LOCAL);
    ns.etc("hosts", "");
    let _server = NameServer::start(&ns, Answer::Code(3));
    let ask = |args: &[&str]| t.connect(&["-w", "6s"]).args(args).under(&ns.wrap()).run(b"");
    let mut causes = Causes::of(&ns);
    causes.check(&ask(&["localhost:80"]), 4, &["/etc/hosts of this host has no localhost"], &["cat /etc/hosts"]);
    // Where no name was typed, none needs to be known.
    causes.check(&ask(&[":80"]), 5, &["nothing listens on [::1]:80 or 127.0.0.1:80"], &["sockkit listen :80"]);
    causes.check(&ask(&["-4", ":80"]), 5, &["nothing listens on 127.0.0.1:80"], &["sockkit listen 127.0.0.1:80"]);
}
