//! What a failure is said to come from: each cause is made, in a network of its own where it needs one, and the
//! words of `cause:` and `try:` are those of that cause. Two causes of one error number must read differently.

use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use libtest_mimic::Trial;

use crate::support::{Cmd, Ctx, Exit, Netns, SOON, poll_until, trials};

pub(crate) fn tests() -> Vec<Trial> {
    trials!["faults";
        names_that_do_not_resolve [Root],
        refused_by_the_other_host_or_on_the_way [Root, Nft],
        prohibited_by_the_other_host_or_on_the_way [Root, Nft],
        no_answer [Root, Nft],
        nobody_there_and_no_way_there [Root],
        routes_of_this_host_that_say_no [Root],
        firewall_of_this_host [Root, Nft],
        refused_on_this_host [Root],
        refused_at_an_address_of_this_host [Root],
        refused_udp [Root],
        in_use_by_a_process,
        in_use_by_time_wait,
        in_use_by_a_wildcard,
        privileged_port [Root, Setpriv],
        unix_paths_to_connect_to,
        unix_paths_to_listen_on,
        unix_paths_without_permission [Root, Setpriv],
    ]
}

/// In front of a command: an ordinary user.
const NOBODY: [&str; 4] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

/// The causes of a group of failures, which must all differ in more than numbers.
#[derive(Default)]
struct Causes(Vec<(String, String)>);

impl Causes {
    /// The exit code, and words of the cause and of what to try; case matters.
    #[track_caller]
    fn check(&mut self, exit: &Exit, code: i32, cause: &[&str], tries: &[&str]) {
        exit.code(code).says_not(&["os error", "panicked"]);
        let line = |label: &str| exit.stderr.lines().find_map(|line| line.strip_prefix(label)).unwrap_or_default();
        let (said, advice) = (line("cause: "), [line("try: "), "\n", line(" or: ")].concat());
        for word in cause {
            assert!(said.contains(word), "no {word:?} in the cause of {}", exit.stderr);
        }
        for word in tries {
            assert!(advice.contains(word), "no {word:?} to try in {}", exit.stderr);
        }
        // Digits and addresses out: what is left must tell the causes apart.
        let bare: String = said.chars().filter(|c| !c.is_ascii_digit() && !".:[]".contains(*c)).collect();
        if let Some((_, other)) = self.0.iter().find(|(known, _)| *known == bare) {
            panic!("the same cause for\n{other}\nand\n{}", exit.stderr);
        }
        self.0.push((bare, exit.stderr.clone()));
    }
}

/// `sockkit connect -w 2s ADDR` in the namespace.
fn connect(t: &Ctx, ns: &Netns, args: &[&str]) -> Cmd {
    t.connect(&["-w", "2s"]).args(args).under(&ns.wrap())
}

/// How a name server of ours answers.
#[derive(Clone, Copy)]
enum Answer {
    /// With this RCODE (RFC 1035, section 4.1.1), and no records.
    Code(u8),
    /// With an address for A, with nothing for AAAA.
    OnlyIpv4,
    /// Not at all.
    Silence,
}

/// A name server in a namespace; it ends with the value.
struct NameServer {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl NameServer {
    fn start(ns: &Netns, answer: Answer) -> Self {
        // The one before is closed, but a process that another test just starts may have it until it execs.
        let socket = poll_until("port 53", || ns.within(|| UdpSocket::bind("127.0.0.1:53").ok()));
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut query = [0; 512];
            while !stopped.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut query) else { continue };
                if let Some(packet) = reply(&query[..length], answer) {
                    let _ = socket.send_to(&packet, from);
                }
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// The question again, with QR, RD and RA, and the records.
fn reply(query: &[u8], answer: Answer) -> Option<Vec<u8>> {
    let name = query.get(12..)?.iter().position(|byte| *byte == 0)?;
    let mut packet = query.get(..12 + name + 5)?.to_vec();
    let code = match answer {
        Answer::Code(code) => code,
        Answer::OnlyIpv4 => 0,
        Answer::Silence => return None,
    };
    packet[2..4].copy_from_slice(&[0x81, 0x80 | code]);
    packet[6..12].fill(0);
    if matches!(answer, Answer::OnlyIpv4) && packet.ends_with(&[0, 1, 0, 1]) {
        packet[7] = 1;
        // The name by a pointer to the question, A, IN, a minute, four bytes: 192.0.2.80.
        packet.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 80]);
    }
    Some(packet)
}

fn names_that_do_not_resolve(t: &Ctx) {
    let ns = Netns::new();
    ns.etc("nsswitch.conf", "hosts: files dns\n");
    ns.etc("hosts", "127.0.0.1 localhost\n");
    let server = |address| ns.etc("resolv.conf", &format!("nameserver {address}\noptions timeout:1 attempts:1\n"));
    let ask = |args: &[&str]| t.connect(&["-w", "5s"]).args(args).under(&ns.wrap()).run(b"");
    let mut causes = Causes::default();
    let name = "some.example:80";
    server("127.0.0.1");
    causes.check(
        &ask(&[name]),
        4,
        &["no name server runs at 127.0.0.1", "/etc/resolv.conf"],
        &["cat /etc/resolv.conf"],
    );
    for (answer, args, cause, advice) in [
        (Answer::Code(3), &[name][..], "some.example does not exist, says name server 127.0.0.1 (NXDOMAIN)", "getent"),
        (Answer::Code(2), &[name], "name server 127.0.0.1 could not find out (SERVFAIL)", "dig +trace some.example"),
        (Answer::Code(5), &[name], "name server 127.0.0.1 refuses to answer this host (REFUSED)", "resolv.conf"),
        (Answer::Code(0), &[name], "some.example exists, but has no address", "some.example"),
        (Answer::OnlyIpv4, &["-6", name], "some.example has addresses, but no IPv6 one", "connect some.example:80"),
        (Answer::Silence, &[name], "no answer from name server 127.0.0.1", "ping -c 3 127.0.0.1"),
    ] {
        let _server = NameServer::start(&ns, answer);
        causes.check(&ask(args), 4, &[cause], &[advice]);
    }
    server("192.0.2.53");
    causes.check(&ask(&[name]), 4, &["name server 192.0.2.53 cannot be reached"], &["ip route"]);
    // The service is looked up here, not there.
    causes.check(&ask(&["127.0.0.1:nosuch"]), 4, &["nosuch is no service"], &["getent services nosuch"]);
}

/// Us at 10.1.0.1, a router at 10.1.0.254 and 10.2.0.254, another host at 10.2.0.1; the same with fd00:1:: and
/// fd00:2::. The other host's and the router's rules go by TCP and UDP port.
struct Road {
    us: Netns,
    router: Netns,
    _them: Netns,
}

impl Road {
    fn new() -> Self {
        let (us, router, them) = (Netns::new(), Netns::new(), Netns::new());
        us.cable("near", &["10.1.0.1/24", "fd00:1::1/64"], &router, "west", &["10.1.0.254/24", "fd00:1::fe/64"]);
        them.cable("near", &["10.2.0.1/24", "fd00:2::1/64"], &router, "east", &["10.2.0.254/24", "fd00:2::fe/64"]);
        router.run("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
        // ICMP errors are limited to one a second and peer; here many come at once.
        for ns in [&router, &them] {
            ns.run("sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0");
        }
        // How long nobody answers for an address before it counts as nobody there.
        let hasty = "net.ipv4.neigh.DEV.mcast_solicit=1 net.ipv4.neigh.DEV.retrans_time_ms=100";
        us.run(&format!("sysctl -qw {}", hasty.replace("DEV", "near")));
        router.run(&format!("sysctl -qw {}", hasty.replace("DEV", "east")));
        for (ns, hop) in [(&us, "1"), (&them, "2")] {
            ns.run(&format!("ip route add default via 10.{hop}.0.254; ip -6 route add default via fd00:{hop}::fe"));
        }
        Self { us, router, _them: them }
    }

    /// `rules` for the other host's input, and for what the router forwards.
    fn rules(&self, theirs: &[&str], forwarded: &[&str]) {
        for (ns, hook, rules) in [(&self._them, "input", theirs), (&self.router, "forward", forwarded)] {
            ns.run(&format!(
                "nft add table inet t; nft 'add chain inet t c {{ type filter hook {hook} priority 0; }}'"
            ));
            for rule in rules {
                ns.run(&format!("nft 'add rule inet t c {rule}'"));
            }
        }
    }
}

fn refused_by_the_other_host_or_on_the_way(t: &Ctx) {
    let road = Road::new();
    road.rules(&["tcp dport 1 reject"], &["tcp dport 11 reject"]);
    let mut causes = Causes::default();
    let closed = connect(t, &road.us, &["10.2.0.1:9"]).run(b"");
    causes.check(
        &closed,
        5,
        &["10.2.0.1 answered, but nothing listens on port 9 there"],
        &["ss -ltnp", "# on 10.2.0.1"],
    );
    let rejected = connect(t, &road.us, &["10.2.0.1:1"]).run(b"");
    causes.check(
        &rejected,
        5,
        &["a firewall on 10.2.0.1 rejects port 1 (ICMP port unreachable"],
        &["traceroute -T -p 1"],
    );
    let routed = connect(t, &road.us, &["10.2.0.1:11"]).run(b"");
    causes.check(
        &routed,
        5,
        &["10.1.0.254, a router or firewall on the way and not 10.2.0.1"],
        &["traceroute -T -p 11"],
    );
    let udp = connect(t, &road.us, &["udp://10.2.0.1:9"]).run(b"x");
    causes.check(&udp, 5, &["10.2.0.1 answered that nothing receives on its UDP port 9"], &["ss -lunp"]);
    // The same by IPv6.
    let mut causes = Causes::default();
    let closed = connect(t, &road.us, &["[fd00:2::1]:9"]).run(b"");
    causes.check(&closed, 5, &["fd00:2::1 answered, but nothing listens on port 9 there"], &["ss -ltnp"]);
    let rejected = connect(t, &road.us, &["[fd00:2::1]:1"]).run(b"");
    causes.check(&rejected, 5, &["a firewall on fd00:2::1 rejects port 1 (ICMP port unreachable"], &["traceroute"]);
    let routed = connect(t, &road.us, &["[fd00:2::1]:11"]).run(b"");
    causes.check(&routed, 5, &["fd00:1::fe, a router or firewall on the way and not fd00:2::1"], &["traceroute"]);
    // What listens on this host is nobody's neighbour there.
    let _ours = road.us.within(|| TcpListener::bind("0.0.0.0:10").unwrap());
    connect(t, &road.us, &["10.2.0.1:9"]).run(b"").code(5).says_not(&["0.0.0.0:10", "near it"]);
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
    let mut causes = Causes::default();
    for (port, cause) in [
        (2, "the firewall of 10.2.0.1 prohibits it (ICMP administratively prohibited)"),
        (3, "the firewall of 10.2.0.1 prohibits it (ICMP host administratively prohibited)"),
        (12, "10.1.0.254, a firewall on the way, prohibits it (ICMP administratively prohibited)"),
        (13, "10.1.0.254, a firewall on the way, prohibits it (ICMP network administratively prohibited)"),
    ] {
        let exit = connect(t, &road.us, &[&format!("10.2.0.1:{port}")]).run(b"");
        causes.check(&exit, 6, &[cause], &["traceroute -T", &port.to_string()]);
    }
    let mut causes = Causes::default();
    for (port, cause) in
        [(2, "the firewall of fd00:2::1 prohibits it"), (12, "fd00:1::fe, a firewall on the way, prohibits it")]
    {
        let exit = connect(t, &road.us, &[&format!("[fd00:2::1]:{port}")]).run(b"");
        causes.check(&exit, 6, &[cause, "(ICMP administratively prohibited)"], &["traceroute -T"]);
        let exit = connect(t, &road.us, &[&format!("udp://[fd00:2::1]:{port}")]).run(b"x");
        exit.code(6).says(&[cause, "traceroute -U"]);
        let exit = connect(t, &road.us, &[&format!("udp://10.2.0.1:{port}")]).run(b"x");
        exit.code(6).says(&["prohibits it (ICMP administratively prohibited)", "traceroute -U"]);
    }
}

fn no_answer(t: &Ctx) {
    let road = Road::new();
    road.rules(&["tcp dport 4 drop", "udp dport 4 drop"], &["tcp dport 14 reject with icmpx no-route"]);
    let mut causes = Causes::default();
    let wait = |args: &[&str]| t.connect(&["-w", "500ms"]).args(args).under(&road.us.wrap()).run(b"");
    let dropped = wait(&["10.2.0.1:4"]);
    causes.check(&dropped, 7, &["nothing came back from 10.2.0.1: most likely a firewall"], &["ping -c 3 10.2.0.1"]);
    dropped.says(&["--connect-timeout"]).within(SOON);
    // A firewall may say what it likes.
    let odd = wait(&["10.2.0.1:14"]);
    causes.check(&odd, 6, &["10.1.0.254 answered that it cannot deliver to 10.2.0.1", "firewall"], &["traceroute"]);
    let hops = wait(&["--ttl", "1", "10.2.0.1:9"]);
    causes.check(&hops, 6, &["run out of hops at 10.1.0.254", "--ttl"], &["traceroute"]);
    // A listener of this host that does not accept.
    let _full = road.us.within(|| {
        use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, listen, socket_with};
        // Closed on exec, or the child of a test beside this one would hold it too.
        let flags = SocketFlags::CLOEXEC;
        let listener = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).unwrap();
        bind(&listener, &"127.0.0.1:2000".parse::<std::net::SocketAddr>().unwrap()).unwrap();
        listen(&listener, 0).unwrap();
        let address = std::net::SocketAddr::try_from(getsockname(&listener).unwrap()).unwrap();
        (listener, std::net::TcpStream::connect(address).unwrap())
    });
    let us = std::process::id().to_string();
    let full = wait(&["127.0.0.1:2000"]);
    causes.check(
        &full,
        7,
        &["127.0.0.1:2000", &us, "its accept queue is full: 1 connection in it, with a backlog of 0"],
        &["ss -ltnp"],
    );
}

fn nobody_there_and_no_way_there(t: &Ctx) {
    let road = Road::new();
    let mut causes = Causes::default();
    let go = |address: &str| t.connect(&["-w", "10s", address]).under(&road.us.wrap()).run(b"");
    let ours = "no machine on the network of near answers for 10.1.0.77 (ARP)";
    causes.check(&go("10.1.0.77:9"), 6, &["10.1.0.77", ours], &["ip neigh show 10.1.0.77 dev near"]);
    let theirs = "the router 10.1.0.254 answered that it cannot deliver to 10.2.0.77 (ICMP host unreachable)";
    causes.check(&go("10.2.0.77:9"), 6, &[theirs, "the host is down"], &["traceroute -T -p 9 10.2.0.77"]);
    let no_route = "the router 10.1.0.254 answered that it cannot deliver to 10.3.0.1 (ICMP network unreachable)";
    causes.check(&go("10.3.0.1:9"), 6, &[no_route, "it has no route there"], &["traceroute"]);
    let udp = t.connect(&["udp://10.2.0.77:9"]).under(&road.us.wrap()).run(b"x");
    udp.code(6).says(&["the router 10.1.0.254 answered that it cannot deliver to 10.2.0.77"]);
    causes.check(&go("[fd00:3::1]:9"), 6, &["the router fd00:1::fe", "(ICMP no route)"], &["traceroute"]);
}

fn routes_of_this_host_that_say_no(t: &Ctx) {
    let ns = Netns::new();
    let mut causes = Causes::default();
    let go = |address: &str| connect(t, &ns, &[address]).run(b"");
    causes.check(
        &go("192.0.2.1:9"),
        6,
        &["this host has no route to 192.0.2.1: it has no IPv4 address"],
        &["ip route"],
    );
    causes.check(&go("[2001:db8::1]:9"), 6, &["no route to 2001:db8::1", "IPv6"], &["ip -6 route"]);
    ns.run("ip route add prohibit 192.0.2.2; ip route add unreachable 192.0.2.3; ip route add blackhole 192.0.2.4");
    causes.check(
        &go("192.0.2.2:9"),
        6,
        &["route of this host", "prohibit"],
        &["ip route show table all type prohibit"],
    );
    causes.check(
        &go("192.0.2.3:9"),
        6,
        &["route of this host", "(ip route: unreachable)"],
        &["ip route show table all type unreachable"],
    );
    let blackhole = go("192.0.2.4:9");
    causes.check(&blackhole, blackhole.code, &["(ip route: blackhole)"], &["ip route show table all type blackhole"]);
    let udp = go("udp://192.0.2.2:9");
    udp.code(6).says(&["route of this host prohibits", "ip route show table all type prohibit"]);
    // Addresses that are none for a connection.
    let link = go("[fe80::1]:9");
    causes.check(&link, link.code, &["needs the interface that is meant: [fe80::1%eth0]:9"], &["ip -br address"]);
    let many = "224.0.0.1 is a multicast address, and TCP talks to one host only";
    causes.check(&go("224.0.0.1:9"), 6, &[many], &["sockkit connect udp://224.0.0.1:9"]);
    causes.check(&go("127.0.0.1:0"), 5, &["nothing can listen on port 0"], &["ss -ltnp"]);
    let source = connect(t, &ns, &["-s", "192.0.2.9", "127.0.0.1:9"]).run(b"");
    causes.check(&source, 10, &["192.0.2.9 is not an address of this host; it has 127.0.0.1"], &["ip -br address"]);
    source.says_not(&["sockkit listen"]);
}

fn firewall_of_this_host(t: &Ctx) {
    let ns = Netns::new();
    ns.run("nft add table inet t; nft 'add chain inet t out { type filter hook output priority 0; }'");
    ns.run("nft 'add rule inet t out udp dport 9 drop'; nft 'add rule inet t out tcp dport 9 drop'");
    ns.run("nft 'add rule inet t out tcp dport 8 reject'; nft 'add rule inet t out tcp dport 7 reject with tcp reset'");
    let mut causes = Causes::default();
    let go = |args: &[&str]| t.connect(&["-w", "500ms"]).args(args).under(&ns.wrap()).run(b"x");
    causes.check(&go(&["udp://127.0.0.1:9"]), 11, &["before anything leaves", "firewall"], &["nft list ruleset"]);
    causes.check(&go(&["127.0.0.1:9"]), 7, &["firewall", "drops"], &["nft list ruleset"]);
    causes.check(&go(&["127.0.0.1:8"]), 5, &["this host's own firewall rejects it"], &["nft list ruleset"]);
    // With a listener behind the rule.
    let _listeners = ns.within(|| [7, 8, 9].map(|port| TcpListener::bind(("127.0.0.1", port)).unwrap()));
    let us = std::process::id().to_string();
    let mut causes = Causes::default();
    causes.check(&go(&["127.0.0.1:9"]), 7, &[&us, "has room in its accept queue", "firewall"], &["nft list ruleset"]);
    causes.check(&go(&["127.0.0.1:8"]), 5, &["this host's own firewall rejects it"], &["nft list ruleset"]);
    causes.check(&go(&["127.0.0.1:7"]), 5, &[&us, "listens there now", "firewall"], &["nft list ruleset"]);
    // A wildcard of IPv6 that takes IPv4 is there, too.
    let _both = ns.within(|| TcpListener::bind("[::]:6").unwrap());
    ns.run("nft 'add rule inet t out meta nfproto ipv4 tcp dport 6 reject with tcp reset'");
    go(&["127.0.0.1:6"]).code(5).says(&["[::]:6", "listens there now"]);
}

fn refused_on_this_host(t: &Ctx) {
    let ns = Netns::new();
    let mut causes = Causes::default();
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
    causes.check(&exit, 5, &["; on other ports, 127.0.0.1:22 does (", &us], &["sockkit listen 127.0.0.1:8081"]);
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
    let mut causes = Causes::default();
    let exit = go(&["10.9.0.1:8081"]);
    causes.check(&exit, 5, &["nothing listens on 10.9.0.1:8081"], &["sockkit listen 10.9.0.1:8081"]);
    exit.says_not(&["firewall", "answered"]);
    let _elsewhere = ns.within(|| TcpListener::bind("127.0.0.1:8081").unwrap());
    causes.check(&go(&["10.9.0.1:8081"]), 5, &[", but 127.0.0.1:8081 does ("], &["connect 127.0.0.1:8081"]);
    go(&["udp://10.9.0.1:9"]).code(5).says(&["nothing listens on udp://10.9.0.1:9"]);
}

fn refused_udp(t: &Ctx) {
    let ns = Netns::new();
    let go = |args: &[&str]| connect(t, &ns, args).run(b"x");
    let mut causes = Causes::default();
    causes.check(&go(&["udp://127.0.0.1:35"]), 5, &["nothing listens on udp://127.0.0.1:35"], &["ss -lunp"]);
    let _server = ns.within(|| UdpSocket::bind("127.0.0.1:53").unwrap());
    let near = &["nothing listens on udp://127.0.0.1:35; near it, udp://127.0.0.1:53 does ("];
    causes.check(&go(&["udp://127.0.0.1:35"]), 5, near, &["sockkit connect udp://127.0.0.1:53"]);
    let tcp = &["nothing listens on 127.0.0.1:53, but udp://127.0.0.1:53 does ("];
    causes.check(&go(&["127.0.0.1:53"]), 5, tcp, &["sockkit connect udp://127.0.0.1:53"]);
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

fn privileged_port(t: &Ctx) {
    let ns = Netns::new();
    ns.run("sysctl -qw net.ipv4.ip_unprivileged_port_start=1024");
    let mut causes = Causes::default();
    let exit = t.listen(&["127.0.0.1:80"]).under(&ns.wrap()).under(&NOBODY).run(b"");
    let cause = &["ports below 1024 need root or CAP_NET_BIND_SERVICE", "net.ipv4.ip_unprivileged_port_start"];
    causes.check(&exit, 11, cause, &["sockkit listen 127.0.0.1:8080"]);
}

fn unix_paths_to_connect_to(t: &Ctx) {
    let go = |path: &str| t.connect(&[path]).run(b"");
    let at = |name: &str| format!("unix:{}", t.file(name));
    let dir = t.file("");
    let dir = dir.trim_end_matches('/');
    let mut causes = Causes::default();
    // ENOENT and ENOTDIR.
    let absent = format!("the directory {dir} is there, but has no absent");
    causes.check(&go(&at("absent")), 6, &[&absent], &["ls -l", "ss -lxp"]);
    let no_dir = format!("there is no directory {dir}/a/b; the deepest one on the way is {dir}");
    causes.check(&go(&at("a/b/s")), 6, &[&no_dir], &["ls -l"]);
    std::fs::write(t.path("file"), "").unwrap();
    causes.check(&go(&at("file/s")), 6, &["is a file and not a directory"], &["ls -l"]);
    // ECONNREFUSED.
    causes.check(&go(&at("file")), 5, &["is a regular file, not a socket"], &["ls -ld"]);
    drop(UnixListener::bind(t.path("stale")).unwrap());
    causes.check(&go(&at("stale")), 5, &["is there, but no process serves it"], &["sockkit listen --unlink"]);
    causes.check(&go("unix:@sockkit no such name"), 5, &["abstract name"], &["sockkit listen"]);
    // EPROTOTYPE.
    let _dgram = UnixDatagram::bind(t.path("dgram")).unwrap();
    let us = format!("pid {}", std::process::id());
    let kind = &["is a datagram socket of ", &us, "not a stream one"];
    causes.check(&go(&at("dgram")), 1, kind, &[&format!("sockkit connect unix-dgram:{dir}/dgram")]);
    let _stream = UnixListener::bind(t.path("stream")).unwrap();
    let exit = go(&format!("unix-dgram:{dir}/stream"));
    causes.check(&exit, 1, &["is a stream socket of ", "not a datagram one"], &[&format!("connect unix:{dir}/stream")]);
    // No errno at all.
    go(&format!("unix:/tmp/{}", "x".repeat(200))).code(2).says(&["107"]);
}

fn unix_paths_to_listen_on(t: &Ctx) {
    let go = |path: &str| t.listen(&[path]).run(b"");
    let at = |name: &str| format!("unix:{}", t.file(name));
    let us = format!("pid {}", std::process::id());
    let mut causes = Causes::default();
    let no_dir = go(&at("a/b/s"));
    causes.check(&no_dir, 10, &["there is no directory", "a/b"], &["mkdir -p"]);
    std::fs::write(t.path("file"), "kept").unwrap();
    causes.check(&go(&at("file/s")), 10, &["is a file and not a directory"], &["ls -l"]);
    // EADDRINUSE.
    causes.check(&go(&at("file")), 10, &["is a regular file, not a socket; it was left alone"], &["ls -ld"]);
    assert_eq!(std::fs::read(t.path("file")).unwrap(), b"kept");
    drop(UnixListener::bind(t.path("stale")).unwrap());
    causes.check(&go(&at("stale")), 10, &["left over", "no process serves it"], &["sockkit listen --unlink"]);
    let _live = UnixListener::bind(t.path("live")).unwrap();
    causes.check(&go(&at("live")), 10, &["is served by ", &us, "left alone"], &["sockkit connect unix:"]);
}

fn unix_paths_without_permission(t: &Ctx) {
    let mode = |name: &str, mode| {
        std::fs::set_permissions(t.path(name), PermissionsExt::from_mode(mode)).unwrap();
    };
    mode("", 0o755);
    std::fs::create_dir(t.path("closed")).unwrap();
    let _inside = UnixListener::bind(t.path("closed/s")).unwrap();
    mode("closed", 0o700);
    let _socket = UnixListener::bind(t.path("s")).unwrap();
    mode("s", 0o600);
    let at = |name: &str| format!("unix:{}", t.file(name));
    let mut causes = Causes::default();
    let go = |command: &str, name: &str| t.sockkit(&[command, &at(name)]).under(&NOBODY).run(b"");
    let write = &["/s belongs to root and has mode 0600, which does not let this user write to it"];
    causes.check(&go("connect", "s"), 11, write, &["ls -ld"]);
    let through = &["/closed belongs to root and has mode 0700, which does not let this user go through it"];
    causes.check(&go("connect", "closed/s"), 11, through, &["ls -ld"]);
    let make = &["has mode 0755, which does not let this user make files in it"];
    causes.check(&go("listen", "new"), 11, make, &["ls -ld"]);
}
