//! How a session goes: the phases under `-v`, what the closing lines tell, the question by SIGUSR1, `--stats`.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use libtest_mimic::Trial;
use rustix::process::Signal;

use crate::support::{
    Ctx, Data, Netns, Out, Pty, accept, connect, let_pass, listener, one_bulk_at_a_time, poll_until, read_all,
    read_exactly, reset, shut_write, trials,
};

pub(crate) fn tests() -> Vec<Trial> {
    trials!["course";
        phases_of_a_name [Root],
        phases_of_an_attempt [Root],
        the_first_byte_and_who_ended,
        who_ended_first_and_how,
        stats_without_being_verbose,
        stats_of_a_server_that_has_one_at_a_time,
        sigusr1_asks_a_session,
        sigusr1_asks_a_listener_that_waits,
        sigusr1_asks_a_script_and_the_line_editor,
        sigusr1_at_any_time_kills_nothing,
        r08_sigusr1_loses_nothing [] 120,
        the_backlog_as_an_event [Root],
        the_backlog_at_a_terminal [Root],
    ]
}

fn phases_of_a_name(t: &Ctx) {
    let ns = Netns::new();
    ns.etc("nsswitch.conf", "hosts: files dns\n");
    ns.etc("hosts", "127.0.0.1 localhost here.example\n");
    ns.etc("resolv.conf", "nameserver 127.0.0.1\n");
    let server = t.listen(&["-k", "--reply", "x", "127.0.0.1:2023"]).under(&ns.wrap()).server();
    let exit = t.connect(&["-v", "here.example:2023"]).under(&ns.wrap()).run(b"hello");
    exit.code(0).says(&["resolved here.example to 127.0.0.1:2023 (hosts file) in "]);
    let exit = t.connect(&["--json", "here.example:2023"]).under(&ns.wrap()).run(b"hello");
    let said = exit.code(0).stdout.text();
    assert!(said.contains("\"addresses\":[\"127.0.0.1:2023\"],\"sources\":[\"hosts\"],\"took\":"), "{said}");
    drop(server);
}

fn phases_of_an_attempt(t: &Ctx) {
    let (us, router, them) = (Netns::new(), Netns::new(), Netns::new());
    us.cable("near", &["10.1.0.1/24"], &router, "west", &["10.1.0.254/24"]);
    them.cable("far", &["10.2.0.1/24"], &router, "east", &["10.2.0.254/24"]);
    router.run("sysctl -qw net.ipv4.ip_forward=1");
    us.run("ip route add default via 10.1.0.254");
    them.run("ip route add default via 10.2.0.254");
    let server = t.listen(&["-k", "--discard", "10.2.0.1:2023"]).under(&them.wrap()).server();
    let exit = t.connect(&["-v", "10.2.0.1:2023"]).under(&us.wrap()).run(b"");
    exit.code(0).says(&["tried 10.2.0.1:2023 from 10.1.0.1:", " by near and router 10.1.0.254: connected in "]);
    // A neighbour, and a failure.
    let exit = t.connect(&["-v", "10.1.0.254:2023"]).under(&us.wrap()).run(b"");
    exit.code(5).says(&["tried 10.1.0.254:2023 from 10.1.0.1:", " by near: failed in ", "Connection refused"]);
    let said = t.connect(&["--json", "10.2.0.1:2023"]).under(&us.wrap()).run(b"").stdout.text();
    assert!(said.contains("\"interface\":\"near\",\"via\":\"10.1.0.254\",\"took\":"), "{said}");
    assert!(said.contains("\"result\":\"connected\",\"local\":\"10.1.0.1:"), "{said}");
    drop(server);
}

fn the_first_byte_and_who_ended(t: &Ctx) {
    let (listener, addr) = listener();
    let mut client = t.connect(&["-v", &addr]).piped().spawn();
    let mut peer = accept(&listener);
    let_pass(Duration::from_millis(50));
    peer.write_all(b"hello").unwrap();
    client.stderr.wait_for("first byte after");
    shut_write(&peer);
    client.close_stdin();
    let exit = client.wait();
    exit.code(0).says(&["5 bytes at once", "first byte after", "received 5 bytes in", "rtt ", "segments sent again"]);
    // Nothing of it where nobody asked.
    let mut client = t.connect(&[&addr]).piped().spawn();
    let mut peer = accept(&listener);
    peer.write_all(b"hello").unwrap();
    drop(peer);
    client.wait().code(0).says_not(&["first byte", "rtt", "ended first"]);
}

/// What the closing line of a client says that does this.
fn closing(t: &Ctx, args: &[&str], input: Option<&[u8]>, peer: impl FnOnce(TcpStream)) -> String {
    let (listener, addr) = listener();
    let mut client = t.connect(&["-v"]).args(args).args(&[&addr]).piped().spawn();
    let stream = accept(&listener);
    client.stderr.wait_for("connected to");
    if let Some(input) = input {
        client.write(input);
        client.close_stdin();
    }
    peer(stream);
    let stderr = client.wait().stderr;
    stderr.lines().find(|line| line.contains("] closed")).unwrap_or_else(|| panic!("{stderr}")).to_owned()
}

#[track_caller]
fn has(line: &str, words: &str) {
    assert!(line.contains(words), "{words:?} is not in {line:?}");
}

fn who_ended_first_and_how(t: &Ctx) {
    let peer_first = closing(t, &[], None, |mut peer| peer.write_all(b"bye").unwrap());
    has(&peer_first, "; the peer ended first (FIN)");
    let we_first = closing(t, &[], Some(b"hello"), |peer| {
        assert_eq!(read_all(&peer), b"hello");
    });
    has(&we_first, "; we ended first (FIN)");
    let reset_by_peer = closing(t, &[], None, |mut peer| {
        peer.write_all(b"x").unwrap();
        let_pass(Duration::from_millis(50));
        reset(peer);
    });
    has(&reset_by_peer, "closed (reset): ");
    has(&reset_by_peer, "; the peer reset it (RST)");
    let by_the_clock = closing(t, &["-i", "200ms"], None, |peer| let_pass_with(peer, 600));
    has(&by_the_clock, "closed (idle-timeout): ");
    has(&by_the_clock, "; we ended first (FIN)");
    // Its FIN was there before ours, although we read it later.
    let (listener, addr) = listener();
    let mut client = t.connect(&["-v", "--stay", &addr]).piped().spawn();
    let peer = accept(&listener);
    shut_write(&peer);
    client.stderr.wait_for("end of input from the peer");
    client.write(b"late");
    client.close_stdin();
    assert_eq!(read_all(&peer), b"late");
    client.wait().code(0).says(&["; the peer ended first (FIN)"]);
}

fn let_pass_with(peer: TcpStream, milliseconds: u64) {
    let_pass(Duration::from_millis(milliseconds));
    drop(peer);
}

fn stats_without_being_verbose(t: &Ctx) {
    let exit = t.connect(&["--stats", "echo:"]).run(b"hello");
    exit.code(0).stdout("hello").says(&[
        "; we ended first (FIN)",
        "\n  first byte after ",
        "rtt ",
        "segments sent again",
    ]);
    exit.says_not(&["tried", "resolved"]);
    // Scripts and the line editor have the same.
    let exit = t.connect(&["--stats", "--send", "x", "--expect", "x", "echo:"]).run(b"");
    exit.code(0).says(&["ended first (FIN)", "first byte after "]);
    let exit = t.connect(&["--stats", "-I", "echo:"]).run(b"hello\n");
    exit.code(0).says(&["first byte after "]);
    let said = t.connect(&["--json", "echo:"]).run(b"hello").stdout.text();
    let closed = said.lines().find(|line| line.contains("\"event\":\"closed\"")).unwrap();
    for key in ["\"ended_by\":\"local\",\"how\":\"fin\"", "\"first_byte\":", "\"rtt\":", "\"retransmits\":0"] {
        has(closed, key);
    }
    assert_eq!(said.matches("first_byte").count(), 2, "the first that came and the last line: {said}");
}

fn stats_of_a_server_that_has_one_at_a_time(t: &Ctx) {
    // Its own input stays open, so that it is not the first to end.
    let mut once = t.listen(&["--stats", "127.0.0.1:0"]).piped().server();
    t.connect(&[once.addr()]).run(b"hello");
    let once = once.wait();
    once.code(0).stdout("hello").says(&[
        "received 5 bytes",
        "; the peer ended first (FIN)",
        "first byte after",
        "0 sessions now, 1 in all; sent 0 bytes, received 5 bytes; up ",
    ]);
    let mut many = t.listen(&["--stats", "-k", "--count", "2", "127.0.0.1:0"]).server();
    for input in [&b"one"[..], b"three"] {
        t.connect(&[many.addr()]).run(input);
    }
    many.wait().code(0).says(&["0 sessions now, 2 in all; sent 0 bytes, received 8 bytes"]);
    let mut script = t.listen(&["--stats", "--expect", "one", "--send", "two", "127.0.0.1:0"]).server();
    t.connect(&[script.addr()]).run(b"one");
    script.wait().code(0).says(&["1 in all; sent 3 bytes, received 3 bytes", "first byte after"]);
}

fn sigusr1_asks_a_session(t: &Ctx) {
    for (args, server) in [(&["connect"][..], false), (&["listen"], true), (&["listen", "-k"], true)] {
        let (listener, addr) = listener();
        let mut proc = t.sockkit(args).args(&[if server { "127.0.0.1:0" } else { &addr }]).piped();
        if server {
            let mut proc = proc.server();
            let mut peer = connect(proc.socket_addr());
            peer.write_all(b"hello").unwrap();
            proc.stdout.wait_for("hello");
            proc.signal(Signal::USR1);
            proc.stderr.wait_for("open for ");
            proc.stderr.wait_for("sent 0 bytes, received 5 bytes");
            proc.stderr.wait_for("rtt ");
            proc.write(b"still here");
            assert_eq!(read_exactly(&peer, 10), b"still here");
        } else {
            proc = proc.args(&["--json"]);
            let mut proc = proc.spawn();
            let mut peer = accept(&listener);
            peer.write_all(b"hello").unwrap();
            proc.stdout.wait_for("hello");
            for asked in 1..=3 {
                proc.signal(Signal::USR1);
                poll_until("an answer", || {
                    (proc.stdout.text().matches("\"conn\":1,\"event\":\"stats\",\"sent\":0,\"received\":5").count()
                        == asked)
                        .then_some(())
                });
            }
            drop(peer);
            proc.close_stdin();
            proc.wait().code(0);
        }
    }
}

fn sigusr1_asks_a_listener_that_waits(t: &Ctx) {
    let mut server = t.listen(&["-k", "127.0.0.1:0"]).server();
    server.signal(Signal::USR1);
    server.stderr.wait_for("0 sessions now, 0 in all");
    t.connect(&[server.addr()]).run(b"hello");
    server.stderr.wait_for("closed");
    server.signal(Signal::USR1);
    server.stderr.wait_for("0 sessions now, 1 in all; sent 0 bytes, received 5 bytes");
    server.signal(Signal::TERM);
    server.wait().code(143);
    let server = t.listen(&["--no-accept", "127.0.0.1:0"]).server();
    server.stderr.wait_for("0 waiting");
    server.signal(Signal::USR1);
    poll_until("the queue again", || (server.stderr.text().matches("0 waiting").count() == 2).then_some(()));
}

fn sigusr1_asks_a_script_and_the_line_editor(t: &Ctx) {
    let (listener, addr) = listener();
    let mut script = t.connect(&["--send", "hello", "--expect", "bye", &addr]).spawn();
    let mut peer = accept(&listener);
    assert_eq!(read_exactly(&peer, 5), b"hello");
    script.signal(Signal::USR1);
    script.stderr.wait_for("sent 5 bytes, received 0 bytes");
    peer.write_all(b"bye").unwrap();
    script.wait().code(0);
    let mut editor = t.connect(&["-I", &addr]).piped().spawn();
    let mut peer = accept(&listener);
    peer.write_all(b"hello\n").unwrap();
    editor.stdout.wait_for("hello");
    editor.signal(Signal::USR1);
    editor.stderr.wait_for("sent 0 bytes, received 6 bytes");
    editor.write(b"/quit\n");
    editor.wait().code(0);
}

fn sigusr1_at_any_time_kills_nothing(t: &Ctx) {
    // While nothing is connected yet.
    let gone = std::net::TcpListener::bind((t.loopback(), 0)).unwrap().local_addr().unwrap();
    let mut client = t.connect(&["--retry", "20s", &gone.to_string()]).spawn();
    let asked = |client: &crate::support::Proc| {
        let status = std::fs::read_to_string(format!("/proc/{}/status", client.pid().as_raw_nonzero())).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim().to_owned();
        (u64::from_str_radix(&caught, 16).unwrap() >> 9 & 1 == 1).then_some(())
    };
    poll_until("a handler of SIGUSR1", || asked(&client));
    for _ in 0..20 {
        client.signal(Signal::USR1);
    }
    let listener = std::net::TcpListener::bind(gone).unwrap();
    drop(accept(&listener));
    client.wait().code(0);
}

fn r08_sigusr1_loses_nothing(t: &Ctx) {
    let _alone = one_bulk_at_a_time();
    let data = Data::new(8);
    let (listener, addr) = listener();
    let mut client = t.connect(&["--recv-only", &addr]).stdout(Out::Check(data)).spawn();
    let mut peer = accept(&listener);
    let feeder = std::thread::spawn(move || {
        let bytes = data.bytes(64 << 20);
        peer.write_all(&bytes).unwrap();
    });
    let mut asked = 0;
    while client.is_running() {
        client.signal(Signal::USR1);
        asked += 1;
        std::thread::sleep(Duration::from_millis(1));
    }
    feeder.join().unwrap();
    client.wait().code(0).stdout_len(64 << 20);
    assert!(asked > 10, "it was over after {asked}");
}

fn the_backlog_as_an_event(t: &Ctx) {
    let ns = Netns::new();
    ns.run("sysctl -qw net.core.somaxconn=3");
    let server = t.listen(&["--json", "--no-accept", "--backlog", "9", "127.0.0.1:2023"]).under(&ns.wrap()).server();
    server.stdout.wait_for("\"length\":0,\"limit\":3,\"asked\":9,\"cap\":3,\"overflows\":0,\"drops\":0");
    let mut queue: Vec<TcpStream> = ns.within(|| (0..4).map(|_| connect(([127, 0, 0, 1], 2023).into())).collect());
    server.stdout.wait_for("\"length\":4,\"limit\":3");
    server.stdout.wait_for("the queue is full");
    let late = ns.within(|| TcpStream::connect_timeout(&([127, 0, 0, 1], 2023).into(), Duration::from_millis(300)));
    assert!(late.is_err());
    poll_until("a drop", || {
        let text = server.stdout.text();
        let last = text.lines().rfind(|line| line.contains("\"event\":\"queue\""))?.to_owned();
        let event: serde_json::Value = serde_json::from_str(&last).ok()?;
        (event["overflows"].as_u64()? > 0 && event["drops"].as_u64()? >= event["overflows"].as_u64()?).then_some(())
    });
    // Who leaves is still in the queue.
    queue.truncate(2);
    server.stdout.wait_for("\"length\":4,\"limit\":3,\"asked\":9,\"cap\":3,\"left\":2");
}

fn the_backlog_at_a_terminal(t: &Ctx) {
    let ns = Netns::new();
    let pty = Pty::open();
    let seen = pty.screen.clone();
    let server = t
        .listen(&["--no-accept", "--backlog", "1", "127.0.0.1:2023"])
        .under(&ns.wrap())
        .env("TERM", "xterm")
        .stderr(pty.side())
        .server();
    seen.wait_for("accept queue: ░░░░░░░░░░░░░░░░░░░░ 0 waiting, limit 1");
    let _one = ns.within(|| connect(([127, 0, 0, 1], 2023).into()));
    seen.wait_for("\r\x1b[Kaccept queue: ██████████░░░░░░░░░░ 1 waiting");
    let _two = ns.within(|| connect(([127, 0, 0, 1], 2023).into()));
    seen.wait_for("████████████████████ 2 waiting");
    seen.wait_for("the queue is full: further clients get no answer");
    drop(server);
}
