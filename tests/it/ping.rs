//! `ping`: connections, echoes, datagrams; what is told of them, and how it ends.

use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use rustix::process::Signal;

use crate::support::{Cmd, Ctx, Netns, PATIENCE, Pty, accept, listener, trials, udp};

pub(crate) fn tests() -> Vec<Trial> {
    trials!["ping";
        connections,
        connections_to_unix_sockets,
        nobody_there,
        echoes_over_a_stream,
        echoes_of_every_kind_of_socket,
        echoes_that_are_large,
        an_echo_that_is_none,
        an_echo_that_ends,
        an_echo_that_is_late,
        udp_open_closed_and_silent,
        udp_that_is_dropped [Root, Nft],
        tcp_that_is_dropped [Root, Nft],
        each_address_of_a_name [Root, Ipv6],
        conditions,
        interrupted,
        deadline,
        a_reader_that_leaves,
        events,
        histogram,
        live_at_a_terminal,
        what_does_not_fit,
    ]
}

fn ping(t: &Ctx, args: &[&str]) -> Cmd {
    t.sockkit(&["ping", "--interval", "0"]).args(args)
}

/// An address at which nobody listens.
fn closed(t: &Ctx) -> String {
    TcpListener::bind((t.loopback(), 0)).unwrap().local_addr().unwrap().to_string()
}

fn connections(t: &Ctx) {
    let (_listener, address) = listener();
    let exit = ping(t, &["-c", "3", &address]).run(b"");
    let said = exit.code(0).stdout.text();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 5, "{said}");
    for (nth, line) in lines[..3].iter().enumerate() {
        assert!(line.starts_with(&format!("{address}: seq {}, connect ", nth + 1)), "{said}");
    }
    assert_eq!(lines[3], format!("{address}: 3 probes, 3 answered, 0.0 % lost"));
    for word in ["min ", "avg ", "p50 ", "p90 ", "p99 ", "max ", "stddev "] {
        assert!(lines[4].contains(word), "{said}");
    }
    assert_eq!(exit.stderr, "");
    assert_eq!(ping(t, &["-q", "-c", "3", &address]).run(b"").code(0).stdout.text().lines().count(), 2);
}

fn connections_to_unix_sockets(t: &Ctx) {
    let path = t.file("socket");
    let _listener = UnixListener::bind(&path).unwrap();
    let said = ping(t, &["-c", "2", &format!("unix:{path}")]).run(b"").code(0).stdout.text();
    assert!(said.contains("seq 2, connect ") && said.contains("2 answered"), "{said}");
}

fn nobody_there(t: &Ctx) {
    let address = closed(t);
    let exit = ping(t, &["-c", "2", &address]).run(b"");
    exit.code(5).says(&["ping failed: connecting", "cause:"]);
    assert!(exit.stdout.text().contains("seq 2: Connection refused, after"));
    assert!(exit.stdout.text().contains("2 probes, 0 answered, 100.0 % lost"));
    ping(t, &["-c", "1", &format!("unix:{}", t.file("none"))]).run(b"").code(6);
    ping(t, &["-c", "1", "no-such-name.invalid:1"]).run(b"").code(4);
}

fn echoes_over_a_stream(t: &Ctx) {
    let server = t.sockkit(&["echo", "127.0.0.1:0"]).server();
    let said = ping(t, &["-c", "3", "--echo", "--size", "100", server.addr()]).run(b"").code(0).stdout.text();
    assert!(said.contains("seq 1, connect ") && said.contains("seq 2, first byte "), "{said}");
    assert_eq!(said.matches("100 bytes back in").count(), 3, "{said}");
    // All over one connection.
    assert_eq!(server.stderr.text().matches("accepted").count(), 1);
    ping(t, &["-c", "3", "--echo", "echo:"]).run(b"").code(0);
}

fn echoes_of_every_kind_of_socket(t: &Ctx) {
    for scheme in ["unix", "unix-dgram", "unix-seqpacket"] {
        let address = format!("{scheme}:{}", t.file(scheme));
        let _server = t.sockkit(&["echo", &address]).server();
        let said = ping(t, &["-c", "3", "--echo", &address]).run(b"").code(0).stdout.text();
        assert!(said.contains("3 answered"), "{said}");
    }
    let server = t.sockkit(&["echo", "udp://127.0.0.1:0"]).server();
    for size in ["0", "1", "64", "1400"] {
        let said = ping(t, &["-c", "3", "--echo", "--size", size, server.addr()]).run(b"").code(0).stdout.text();
        assert!(said.contains("3 answered"), "{said}");
    }
}

fn echoes_that_are_large(t: &Ctx) {
    let server = t.sockkit(&["echo", "127.0.0.1:0"]).server();
    let mut pinging = ping(t, &["-w", "30s", "-c", "2", "--echo", "--size", "8m", server.addr()]).spawn();
    // Each may take its 30 s; an unoptimized program takes seconds to make what it sends, and more on a busy machine.
    let said = pinging.wait_within(PATIENCE * 5).code(0).stdout.text();
    assert_eq!(said.matches("8388608 bytes back in").count(), 2, "{said}");
}

fn an_echo_that_is_none(t: &Ctx) {
    let server = t.listen(&["-k", "--reply", "pong\\n", "127.0.0.1:0"]).server();
    let exit = ping(t, &["-c", "2", "--echo", server.addr()]).run(b"");
    exit.code(3).says(&["what came back is not what was sent, from byte 1 on", "sent \"ping 2 ", "came \"pong"]);
    let server = t.sockkit(&["echo", "--corrupt", "1", "udp://127.0.0.1:0"]).server();
    ping(t, &["-c", "1", "--echo", server.addr()]).run(b"").code(3).says(&["not what was sent"]);
}

fn an_echo_that_ends(t: &Ctx) {
    let (listener, address) = listener();
    let mut pinging = ping(t, &["-c", "2", "--echo", "--size", "10", &address]).spawn();
    let mut stream = accept(&listener);
    let mut said = [0; 10];
    stream.read_exact(&mut said).unwrap();
    drop(stream);
    pinging.stdout.wait_for("seq 1: it closed the connection after 0 of 10 bytes");
    // The next probe is over a connection of its own.
    let mut stream = accept(&listener);
    stream.read_exact(&mut said).unwrap();
    stream.write_all(&said).unwrap();
    let exit = pinging.wait();
    assert!(exit.code(0).stdout.text().contains("2 probes, 1 answered, 50.0 % lost"));
}

fn an_echo_that_is_late(t: &Ctx) {
    let socket = udp();
    let address = format!("udp://{}", socket.local_addr().unwrap());
    let mut pinging = ping(t, &["-w", "200ms", "-c", "2", "--echo", &address]).spawn();
    let mut first = [0; 100];
    let (length, from) = socket.recv_from(&mut first).unwrap();
    pinging.stdout.wait_for("seq 1: no answer within 200ms");
    let mut second = [0; 100];
    let (same, _) = socket.recv_from(&mut second).unwrap();
    assert_eq!(length, same);
    // The answer to the first is none to the second.
    socket.send_to(&first[..length], from).unwrap();
    socket.send_to(&second[..length], from).unwrap();
    let exit = pinging.wait();
    assert!(exit.code(0).stdout.text().contains("2 probes, 1 answered"));
}

fn udp_open_closed_and_silent(t: &Ctx) {
    let server = t.sockkit(&["echo", "udp://127.0.0.1:0"]).server();
    let said = ping(t, &["-c", "2", server.addr()]).run(b"").code(0).stdout.text();
    assert_eq!(said.matches("0 bytes back in").count(), 2, "{said}");
    let silent = UdpSocket::bind((t.loopback(), 0)).unwrap();
    let address = format!("udp://{}", silent.local_addr().unwrap());
    let begun = Instant::now();
    let exit = ping(t, &["-w", "100ms", "-c", "2", &address]).run(b"");
    exit.code(7).says(&["no answer within 100ms"]);
    assert!(begun.elapsed() >= Duration::from_millis(200));
    drop(silent);
    let exit = ping(t, &["-c", "2", &address]).run(b"");
    assert!(exit.code(5).stdout.text().contains("seq 2: Connection refused"));
}

fn udp_that_is_dropped(t: &Ctx) {
    let ns = Netns::new();
    ns.run("nft 'add table t; add chain t c { type filter hook input priority 0; }; add rule t c udp dport 53 drop'");
    let run = |args: &[&str]| ping(t, &["-w", "100ms", "-c", "1"]).args(args).under(&ns.wrap()).run(b"");
    run(&["udp://127.0.0.1:53"]).code(7);
    run(&["udp://127.0.0.1:54"]).code(5);
    run(&["--echo", "udp://127.0.0.1:53"]).code(7);
}

fn tcp_that_is_dropped(t: &Ctx) {
    let ns = Netns::new();
    ns.run("nft 'add table t; add chain t c { type filter hook input priority 0; }; add rule t c tcp dport 80 drop'");
    let exit = ping(t, &["-w", "100ms", "-c", "2", "127.0.0.1:80"]).under(&ns.wrap()).run(b"");
    assert!(exit.code(7).stdout.text().contains("2 probes, 0 answered"));
}

fn each_address_of_a_name(t: &Ctx) {
    let ns = Netns::new();
    let _listener = ns.within(|| TcpListener::bind("127.0.0.1:80").unwrap());
    let exit = ping(t, &["-c", "2", "both.test:80"]).hosts("127.0.0.1 both.test\n::1 both.test\n").under(&ns.wrap());
    let said = exit.run(b"").code(0).stdout.text();
    for words in ["both.test:80: resolved to ", "127.0.0.1:80: 2 probes, 2 answered", "[::1]:80: 2 probes, 0 answered"]
    {
        assert!(said.contains(words), "{said}");
    }
}

fn conditions(t: &Ctx) {
    let (_listener, address) = listener();
    let run = |conditions: &[&str]| {
        let conditions: Vec<&str> = conditions.iter().flat_map(|condition| ["--fail-if", condition]).collect();
        ping(t, &["-c", "3", &address]).args(&conditions).run(b"")
    };
    run(&["max>10s", "loss>0%"]).code(0);
    let exit = run(&["max>10s", "p99.9>0s", "loss<=0"]);
    exit.code(3).says(&["p99.9 is ", "(--fail-if 'p99.9>0s')", "loss is 0.0 % (--fail-if 'loss<=0')"]);
    exit.says_not(&["max is"]);
    run(&["p98>5ms"]).code(2).says(&["  p98>5ms\n  ^^^\n"]);
    run(&["p99>5 parsecs"]).code(2).says(&["not a unit of time", "^"]);
    ping(t, &["-c", "1", "--fail-if", "loss>5%", &closed(t)]).run(b"").code(3).says(&["loss is 100.0 %"]);
    ping(t, &["-c", "1", "--fail-if", "max>0", &closed(t)]).run(b"").code(5);
}

fn interrupted(t: &Ctx) {
    let (_listener, address) = listener();
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let mut pinging = t.sockkit(&["ping", &address]).spawn();
        pinging.stdout.wait_for("seq 1");
        pinging.signal(signal);
        let said = pinging.wait().code(code).stdout.text();
        assert!(said.contains("1 answered") && said.contains("ms: min"), "{said}");
    }
}

fn deadline(t: &Ctx) {
    let (_listener, address) = listener();
    let exit = t.sockkit(&["ping", "--deadline", "100ms", &address]).run(b"");
    assert!(exit.code(124).stdout.text().contains("1 probe, 1 answered"));
}

fn a_reader_that_leaves(t: &Ctx) {
    let (_listener, address) = listener();
    let line = format!("\"$0\" ping --interval 1ms {address} | head -n 1; echo ${{PIPESTATUS[0]}}");
    let said = t.peer("bash", &["-c", &line, env!("CARGO_BIN_EXE_sockkit")]).run(b"").code(0).stdout.text();
    assert!(said.ends_with("\n0\n") && said.starts_with(&address), "{said}");
}

fn events(t: &Ctx) {
    let server = t.sockkit(&["echo", "127.0.0.1:0"]).server();
    let said = ping(t, &["--json", "-c", "2", "--echo", server.addr()]).run(b"").code(0).stdout.text();
    let events: Vec<serde_json::Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["start", "probe", "probe", "latency", "end"]);
    assert!(events[1]["connect"].is_f64() && events[1]["first_byte"].is_f64() && events[2]["connect"].is_null());
    assert_eq!((&events[3]["probes"], &events[3]["answered"]), (&2.into(), &2.into()));
    let said = ping(t, &["--json", "-c", "1", &closed(t)]).run(b"").code(5).stdout.text();
    assert!(
        said.contains("\"answered\":false,\"error\":\"Connection refused\"") && !said.contains("\"min\""),
        "{said}"
    );
}

fn histogram(t: &Ctx) {
    let (_listener, address) = listener();
    let said = ping(t, &["-q", "-c", "20", "--histogram", &address]).run(b"").code(0).stdout.text();
    let rows = said.lines().filter_map(|line| line.rsplit_once("| ")).map(|(_, count)| count.parse::<u64>().unwrap());
    assert_eq!(rows.sum::<u64>(), 20, "{said}");
    assert!(!ping(t, &["-c", "2", &address]).run(b"").stdout.text().contains('|'));
}

fn live_at_a_terminal(t: &Ctx) {
    let pty = Pty::open();
    let (_listener, address) = listener();
    let mut pinging = t.sockkit(&["ping", "-q", &address]).stderr(pty.side()).env("TERM", "xterm").spawn();
    pty.screen.wait_for(&format!("\r\x1b[K{address}: 1 of 1 answered, avg "));
    pinging.signal(Signal::INT);
    assert!(pinging.wait().code(130).stdout.text().contains("1 answered"));
}

fn what_does_not_fit(t: &Ctx) {
    for args in [
        &["echo:"][..],
        &["fd:0"],
        &["--size", "5", "127.0.0.1:1"],
        &["--echo", "--size", "65m", "127.0.0.1:1"],
        &["--echo", "--size", "0", "127.0.0.1:1"],
        &["-c", "0", "127.0.0.1:1"],
        &["--interval", "-1s", "127.0.0.1:1"],
    ] {
        ping(t, args).run(b"").code(2);
    }
}
