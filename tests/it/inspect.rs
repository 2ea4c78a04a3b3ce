//! `sockkit inspect`: against sockets of the test's own.

use std::fs;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::time::Instant;

use libtest_mimic::Trial;
use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Ctx, Exit, Netns, Out, Pty, connect, listener, poll_until, trials};

pub(crate) fn tests() -> Vec<Trial> {
    trials!["inspect";
        a_listener_is_shown_with_its_process,
        a_queue_fills_and_overflows [Root],
        a_connection_is_shown_from_both_ends,
        ipv6_addresses_can_be_pasted [Ipv6],
        udp_sockets_are_shown,
        unix_sockets_are_shown,
        names_cannot_drive_the_terminal,
        filters_are_combined,
        filters_that_do_not_parse_are_shown,
        json_has_everything,
        more_is_told_when_asked,
        a_namespace_has_its_own_sockets [Root],
        other_users_see_less [Root, Setpriv],
        watching_goes_on_until_it_is_interrupted,
        a_terminal_is_repainted,
        a_reader_may_leave,
        the_order_stays,
        ten_thousand_sockets [Root, Prlimit],
    ]
}

fn inspect(t: &Ctx, args: &[&str]) -> Exit {
    t.sockkit(&["inspect"]).args(args).run(b"")
}

/// The rows of the table, each in words; the process is several.
fn rows(exit: &Exit) -> Vec<Vec<String>> {
    let text = exit.stdout.text();
    let row = |line: &str| line.split_whitespace().map(str::to_owned).collect();
    text.lines().skip(1).filter(|line| !line.starts_with("host: ")).map(row).collect()
}

fn json(exit: &Exit) -> Vec<Value> {
    exit.stdout.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn me() -> String {
    let name = fs::read_to_string("/proc/self/comm").unwrap();
    format!("{}, pid {}", name.trim_end(), std::process::id())
}

fn a_listener_is_shown_with_its_process(t: &Ctx) {
    let server = t.sockkit(&["echo", "127.0.0.1:0"]).server();
    let exit = inspect(t, &["-l", server.addr()]);
    exit.code(0);
    let pid = server.pid().as_raw_nonzero();
    let text = exit.stdout.text();
    let mut lines = text.lines();
    assert_eq!(
        lines.next().unwrap().split_whitespace().collect::<Vec<_>>(),
        ["PROTO", "QUEUE", "LIMIT", "DROPS", "LOCAL", "PROCESS"]
    );
    let row = lines.next().unwrap();
    assert!(row.starts_with("tcp ") && row.ends_with(&format!("  {}  sockkit, pid {pid}", server.addr())), "{row}");
    assert!(lines.next().unwrap().starts_with("host: ListenOverflows "), "{text}");
    assert_eq!(lines.next(), None);
    // By each of the ways there are to ask for it.
    let port = server.port().to_string();
    for args in [
        &["-lt", port.as_str()][..],
        &["--state", "listen", "--process", &pid.to_string()],
        &["-4", "--process=sockkit", "127.0.0.1", &port],
        &[&format!("tcp://:{port}")],
    ] {
        assert!(inspect(t, args).code(0).stdout.text().contains(server.addr()), "{args:?}");
    }
}

fn a_queue_fills_and_overflows(t: &Ctx) {
    let ns = Netns::new();
    let _server = t.listen(&["--no-accept", "--backlog", "1", "127.0.0.1:2023"]).under(&ns.wrap()).server();
    let queue = || {
        let exit = t.sockkit(&["inspect", "-l"]).under(&ns.wrap()).run(b"");
        let row = rows(exit.code(0)).remove(0);
        (row[1].clone(), row[2].clone(), exit.stdout.text().lines().last().unwrap().to_owned())
    };
    assert_eq!((queue().0.as_str(), queue().1.as_str()), ("0", "1"));
    for expected in ["1", "2"] {
        t.connect(&["-z", "127.0.0.1"]).under(&ns.wrap()).run(b"").code(0);
        assert_eq!(queue().0, expected);
    }
    assert_eq!(queue().2, "host: ListenOverflows 0, ListenDrops 0 since it started");
    t.connect(&["-z", "-w", "300ms", "127.0.0.1"]).under(&ns.wrap()).run(b"").code(7);
    assert!(!queue().2.contains("ListenOverflows 0"), "{}", queue().2);
    let exit = t.sockkit(&["inspect", "--json", "--state=listen"]).under(&ns.wrap()).run(b"");
    let [socket] = &json(&exit)[..] else { panic!("{}", exit.stdout.text()) };
    assert_eq!((&socket["queue"]["waiting"], &socket["queue"]["limit"]), (&2.into(), &1.into()));
    assert!(
        socket["host"]["overflows"].as_u64() >= Some(1) && socket["memory"]["drops"].as_u64() >= Some(1),
        "{socket}"
    );
}

fn a_connection_is_shown_from_both_ends(t: &Ctx) {
    let (server, addr) = listener();
    let client = connect(addr.parse().unwrap());
    let (accepted, peer) = server.accept().unwrap();
    let peer = peer.to_string();
    let exit = inspect(t, &["--state=established", &addr]);
    let rows = rows(exit.code(0));
    let ends: Vec<_> = rows.iter().map(|row| (row[4].as_str(), row[5].as_str())).collect();
    let mut wanted = [(addr.as_str(), peer.as_str()), (peer.as_str(), addr.as_str())];
    wanted.sort_by_key(|(local, _)| local.rsplit_once(':').unwrap().1.parse::<u16>().unwrap());
    assert_eq!(ends, wanted);
    assert!(exit.stdout.text().lines().skip(1).all(|line| line.contains(&me())), "{}", exit.stdout.text());
    // What waits is told, at the end where it waits.
    std::io::Write::write_all(&mut &client, b"hello").unwrap();
    let waiting = poll_until("five bytes", || {
        let all = json(&inspect(t, &["--json", &addr]));
        all.into_iter().find(|socket| socket["peer"] == peer.as_str() && socket["recv_q"] == 5)
    });
    assert_eq!((&waiting["send_q"], &waiting["local"]), (&0.into(), &addr.as_str().into()));
    drop(accepted);
    // The side that was closed with bytes unread is gone, and resets the other.
    poll_until("the end", || inspect(t, &["--state=established", &addr]).stdout.text().is_empty().then_some(()));
}

fn ipv6_addresses_can_be_pasted(t: &Ctx) {
    let server = t.sockkit(&["echo", "[::1]:0"]).server();
    let row = rows(inspect(t, &["-6l", &server.port().to_string()]).code(0)).remove(0);
    assert_eq!(row[4], server.addr());
    t.connect(&["-z", &row[4]]).run(b"").code(0);
    inspect(t, &["-4", "-l", &server.port().to_string()]).code(1).says(&["no socket"]).stdout("");
    // An IPv4 client of a socket for both families.
    let both = TcpListener::bind("[::]:0").unwrap();
    let port = both.local_addr().unwrap().port();
    let Ok(client) = TcpStream::connect(("127.0.0.1", port)) else { return };
    let _accepted = both.accept().unwrap();
    let exit = inspect(t, &["--state=established", &client.local_addr().unwrap().to_string()]);
    assert_eq!(rows(exit.code(0)).len(), 2, "{}", exit.stdout.text());
    let [listening] = &json(&inspect(t, &["--json", "--state=listen", &port.to_string()]))[..] else { panic!() };
    assert_eq!(listening["v6only"], false);
}

fn udp_sockets_are_shown(t: &Ctx) {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let addr = format!("udp://{}", server.local_addr().unwrap());
    let row = rows(inspect(t, &[&addr]).code(0)).remove(0);
    assert_eq!(row[..6], ["udp", "unconnected", "0", "0", &addr, "-"]);
    UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"x", server.local_addr().unwrap()).unwrap();
    let row = poll_until("a datagram", || {
        let row = rows(inspect(t, &["-lu", &addr]).code(0)).remove(0);
        (row[1] != "0B").then_some(row)
    });
    assert!(row[1].ends_with('B') && row[2].ends_with('B') && row[4] == addr, "{row:?}");
    server.connect("127.0.0.1:9").unwrap();
    inspect(t, &["-l", &addr]).code(1);
    assert_eq!(rows(inspect(t, &["-u", &addr]).code(0))[0][5], "udp://127.0.0.1:9");
    inspect(t, &["-t", &addr]).code(1);
}

fn unix_sockets_are_shown(t: &Ctx) {
    let path = t.path("socket");
    let server = UnixListener::bind(&path).unwrap();
    let _client = UnixStream::connect(&path).unwrap();
    let addr = format!("unix:{}", path.display());
    let exit = inspect(t, &["-x", &addr]);
    let found = rows(exit.code(0));
    // The listener, and as long as nobody took it, the client, whose peer has the name of the listener or none.
    assert_eq!(found[0][..2], ["unix", "listen"]);
    assert_eq!((found[0][2].as_str(), found[0][4].as_str()), ("1", addr.as_str()));
    let _accepted = server.accept().unwrap();
    let found = rows(inspect(t, &[&addr, "--state=established"]).code(0));
    let ends: Vec<_> = found.iter().map(|row| (row[4].as_str(), row[5].as_str())).collect();
    assert_eq!(ends, [(addr.as_str(), "-"), ("-", addr.as_str())]);
    let all = json(&inspect(t, &["--json", "--state=established", &addr]));
    assert_eq!((&all[0]["peer_inode"], &all[1]["peer_inode"]), (&all[1]["inode"], &all[0]["inode"]));
    // The other types; and a relative name is that of a file here.
    let name = t.path("datagrams");
    let _datagrams = UnixDatagram::bind(&name).unwrap();
    let row = rows(inspect(t, &["-l", "unix-dgram:datagrams"]).code(0)).remove(0);
    assert_eq!((row[0].as_str(), row[4].as_str()), ("unix-dgram", &*format!("unix-dgram:{}", name.display())));
}

fn names_cannot_drive_the_terminal(t: &Ctx) {
    let path = t.path("a\x1b[2J\nb");
    let _server = UnixListener::bind(&path).unwrap();
    for args in [&["-xl"][..], &["-x", "-v"], &["-x", "--json"]] {
        let text = inspect(t, args).code(0).stdout.text();
        assert!(!text.contains('\x1b') && text.contains("[2J"), "{args:?}");
    }
    let row = inspect(t, &["-xl", "--process", &std::process::id().to_string()]).stdout.text();
    let name = format!("{}/a\\x1b[2J\\x0ab", t.dir().display());
    assert!(row.contains(&name), "{row}");
    inspect(t, &[&format!("unix:{name}")]).code(0);
}

fn filters_are_combined(t: &Ctx) {
    let (_server, addr) = listener();
    let client = connect(addr.parse().unwrap());
    let port = addr.rsplit_once(':').unwrap().1;
    let pid = std::process::id().to_string();
    let uid = rustix::process::getuid().as_raw().to_string();
    let found = |args: &[&str]| rows(&inspect(t, &[args, &[addr.as_str()]].concat())).len();
    assert_eq!(found(&["--state=LISTEN,syn-sent"]), 1);
    assert_eq!(found(&["--state=listening", "--state=estab", "--process", &pid]), 2);
    assert_eq!(found(&["--process", &pid, "--user", &uid, "-t", "-4"]), 2);
    for none in
        [&["--process", "1"][..], &["--process", "no-such-program"], &["--user", "4294967294"], &["-u"], &["-x"]]
    {
        assert_eq!(found(none), 0, "{none:?}");
        inspect(t, &[none, &[addr.as_str()]].concat()).code(1).stdout("").says(&["no socket"]);
    }
    // The end of the connection that was not accepted has no process, and is shown all the same.
    let text = inspect(t, &["--state=established", &client.local_addr().unwrap().to_string()]).stdout.text();
    assert!(text.lines().any(|line| line.ends_with("  -")) && text.lines().any(|line| line.ends_with(&me())), "{text}");
    inspect(t, &["localhost", port, "--state=listen"]).code(0);
}

fn filters_that_do_not_parse_are_shown(t: &Ctx) {
    for (args, says) in [
        (&["--state", "listn"][..], &["listn", "^^^^^", "try: listen"][..]),
        (&["--user", "no such user"], &["^^^^", "/etc/passwd"]),
        (&["--process", ""], &["it is empty"]),
        (&["127.0.0.1:99999"], &["^^^^^"]),
        (&["-6", "127.0.0.1"], &["^^^^^^^^^"]),
        (&["fd:3"], &["fd:3"]),
        (&["--watch=0"], &["^", "10ms"]),
        (&["-l", "--state=listen"], &["cannot be used with"]),
        (&["-x", "-4"], &["cannot be used with"]),
        (&["--json", "-v"], &["cannot be used with"]),
        (&["a", "b", "c"], &["c"]),
    ] {
        inspect(t, args).code(2).stdout("").says(says);
    }
}

fn json_has_everything(t: &Ctx) {
    let (server, addr) = listener();
    let _client = connect(addr.parse().unwrap());
    let _accepted = server.accept().unwrap();
    let _unix = UnixStream::pair().unwrap();
    const DOCUMENT: &str = include_str!("../../docs/inspect.md");
    for socket in json(inspect(t, &["--json"]).code(0)) {
        let object = socket.as_object().unwrap();
        for key in object.keys().chain(object.values().filter_map(Value::as_object).flat_map(|inner| inner.keys())) {
            assert!(DOCUMENT.contains(&format!("\n| `{key}` |")), "{key} is not documented");
        }
        for key in ["v", "t", "protocol", "state", "inode", "processes"] {
            assert!(object.contains_key(key), "{key}: {socket}");
        }
    }
    let all = json(&inspect(t, &["--json", "--state=established", &addr]));
    assert_eq!(all.len(), 2);
    for socket in all {
        assert!(socket["tcp"]["rtt"].as_f64().unwrap() < 10.0, "{socket}");
        assert!(socket["tcp"]["mss"].as_u64().unwrap() > 0 && socket["memory"]["send_limit"].as_u64().unwrap() > 0);
        assert_eq!(socket["processes"][0]["pid"], std::process::id());
        assert!(socket["congestion"].is_string() && socket["uid"] == rustix::process::getuid().as_raw());
    }
}

fn more_is_told_when_asked(t: &Ctx) {
    let (server, addr) = listener();
    let client = connect(addr.parse().unwrap());
    let _accepted = server.accept().unwrap();
    socket2::SockRef::from(&client).set_keepalive(true).unwrap();
    let text = inspect(t, &["-v", &client.local_addr().unwrap().to_string()]).code(0).stdout.text();
    for word in
        ["rtt ", "cwnd ", "mss ", "retransmits 0", "options ", "memory: receive 0 of ", "keepalive timer in ", "inode "]
    {
        assert!(text.contains(word), "{word:?}: {text}");
    }
}

fn a_namespace_has_its_own_sockets(t: &Ctx) {
    let (_server, addr) = listener();
    let ns = Netns::new();
    let exit = t.sockkit(&["inspect", "-t", "-u"]).under(&ns.wrap()).run(b"");
    exit.code(1).stdout("").says(&["no socket"]);
    let inside = ns.within(|| TcpListener::bind("127.0.0.1:0").unwrap());
    let exit = t.sockkit(&["inspect", "-t", "-u"]).under(&ns.wrap()).run(b"");
    assert_eq!(rows(exit.code(0)).len(), 1);
    assert!(exit.stdout.text().contains(&inside.local_addr().unwrap().to_string()));
    assert!(!exit.stdout.text().contains(&addr));
}

fn other_users_see_less(t: &Ctx) {
    let (_server, addr) = listener();
    fs::copy(env!("CARGO_BIN_EXE_sockkit"), t.path("sockkit")).unwrap();
    let run =
        "chmod 755 . sockkit; exec setpriv --reuid=65534 --regid=65534 --clear-groups ./sockkit inspect -l \"$1\"";
    let exit = t.peer("sh", &["-c", run, "sh", &addr]).run(b"");
    exit.code(0).says(&["only shown to root"]);
    assert!(rows(&exit)[0].ends_with(&["user".to_owned(), "root".to_owned()]), "{}", exit.stdout.text());
}

fn watching_goes_on_until_it_is_interrupted(t: &Ctx) {
    // On an address of its own, where no other test has left anything in TIME_WAIT.
    let server = TcpListener::bind((t.loopback(), 0)).unwrap();
    let addr = server.local_addr().unwrap().to_string();
    let mut watch = t.sockkit(&["inspect", "--watch=50ms", &addr]).spawn();
    watch.stdout.wait_for(", every 50ms: 1 socket\nPROTO ");
    let client = connect(addr.parse().unwrap());
    watch.stdout.wait_for(": 3 sockets\n");
    assert!(watch.is_running());
    watch.signal(Signal::INT);
    let exit = watch.wait();
    exit.code(130).says_not(&["sockkit"]);
    assert!(!exit.stdout.text().contains('\x1b'));
    drop((server, client));
    // Nothing is there: no reason to stop.
    let exit = inspect(t, &["--json", "--watch=20ms", "--deadline=200ms", &addr, "--state=listen"]);
    exit.code(124).stdout("");
}

fn a_terminal_is_repainted(t: &Ctx) {
    let path = t.path(&"long".repeat(20));
    let _server = UnixListener::bind(&path).unwrap();
    let pty = Pty::open();
    let name = format!("unix:{}", path.display());
    let mut watch = t.sockkit(&["inspect", "--watch=50ms", &name]).stdout(Out::Fd(pty.side())).spawn();
    pty.screen.wait_for("\x1b[2J\x1b[H");
    pty.screen.wait_for("\x1b[J\x1b[H\x1b[2K");
    watch.signal(Signal::INT);
    watch.wait().code(130);
    let text = pty.screen.text();
    assert!(text.contains('…'), "{text}");
    let longest = text
        .lines()
        .map(|line| line.trim_start_matches(['\x1b', '[', '2', 'J', 'H', 'K']).trim_end())
        .max_by_key(|line| line.chars().count());
    assert!(longest.unwrap().chars().count() <= 100, "{longest:?}");
    // Into a file it is whole.
    assert!(inspect(t, &[&name]).stdout.text().contains(&name));
}

fn a_reader_may_leave(t: &Ctx) {
    let line = format!("'{0}' inspect --watch=10ms | head -1; exit ${{PIPESTATUS[0]}}", env!("CARGO_BIN_EXE_sockkit"));
    t.peer("bash", &["-c", &line]).run(b"").code(0);
}

fn the_order_stays(t: &Ctx) {
    let servers: Vec<_> = (0..40).map(|_| listener()).collect();
    let pid = std::process::id().to_string();
    let locals = || -> Vec<String> {
        let all = rows(&inspect(t, &["-tl", "--process", &pid]));
        let ours = |local: &String| servers.iter().any(|(_, addr)| addr == local);
        all.into_iter().map(|row| row[4].clone()).filter(ours).collect()
    };
    let first = locals();
    assert_eq!(first.len(), servers.len());
    let port = |addr: &String| addr.rsplit_once(':').unwrap().1.parse::<u16>().unwrap();
    assert!(first.is_sorted_by_key(port));
    assert_eq!(first, locals());
}

/// 5,000 connections have two ends each. The promise of 50 ms is for a release build on a quiet machine; this is to
/// notice when it becomes a matter of seconds.
fn ten_thousand_sockets(t: &Ctx) {
    let ns = Netns::new();
    let script = "import socket, sys\ns = socket.socket(); s.bind(('127.0.0.1', 2023)); s.listen(4096)\nheld = []\n\
        for _ in range(5000):\n    c = socket.create_connection(('127.0.0.1', 2023)); held += [c, s.accept()[0]]\n\
        print('ready', flush=True); sys.stdin.read()\n";
    let mut holder =
        t.peer("python3", &["-c", script]).under(&["prlimit", "--nofile=20000"]).under(&ns.wrap()).piped().spawn();
    holder.stdout.wait_for("ready");
    let begin = Instant::now();
    let exit = t.sockkit(&["inspect", "-t"]).under(&ns.wrap()).run(b"");
    let took = begin.elapsed();
    assert_eq!(rows(exit.code(0)).len(), 10_001);
    assert!(took.as_secs() < 5, "{took:?}");
    let exit = t.sockkit(&["inspect", "-t", "--json"]).under(&ns.wrap()).run(b"");
    assert_eq!(json(exit.code(0)).len(), 10_001);
    holder.close_stdin();
    holder.wait();
}
