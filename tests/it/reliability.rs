//! What other tools of this kind got wrong over the years, where no other file of these tests has it: docs/reliability.md
//! lists them all. The numbers are those of its rows.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use rustix::process::Signal;

use crate::listen::is_served_within;
use crate::serving::from;
use crate::support::{
    Ctx, Data, In, Out, Proc, SOON, accept, connect, is_big, let_pass, listener, poll_until, read_all, reset,
    shut_write, trials,
};

pub(crate) fn tests() -> Vec<Trial> {
    trials!["reliability";
        r01_two_hundred_rounds [] 120,
        r01_a_peer_that_is_killed,
        r08_questions_at_a_kilohertz [] 120,
        r14_copies_of_datagrams,
        r16_a_thousand_clients [] 120,
        r18_five_thousand_denied [] 120,
        r22_stdin_closed_in_a_client,
        r26_blocked_in_each_way,
        r28_no_file_can_be_put_in_the_way [Strace],
        r35_a_drop_a_second_against_a_limit,
        r38_servers_idle_without_cpu,
        r40_floods_of_datagrams_and_connections [] 120,
    ]
}

fn r01_two_hundred_rounds(t: &Ctx) {
    let sizes = [0, 1, 4095, 4096, 65537];
    for round in 0..if is_big() { 200 } else { 50 } {
        let (data, len) = (Data::new(round), sizes[round as usize % sizes.len()]);
        let mut server = t.listen(&["127.0.0.1:0"]).server();
        let mut stream = connect(server.socket_addr());
        stream.write_all(&data.bytes(len)).unwrap();
        // By turns closed at once, half-closed, and kept until the listener has ended.
        match round % 3 {
            0 => drop(stream),
            1 => {
                shut_write(&stream);
                drop(stream);
            }
            _ => {
                shut_write(&stream);
                assert_eq!(read_all(&stream), b"");
            }
        }
        server.wait().code(0).stdout(data.bytes(len));
    }
}

fn r01_a_peer_that_is_killed(t: &Ctx) {
    for _ in 0..10 {
        let mut server = t.listen(&["127.0.0.1:0"]).server();
        let zero = fs::File::open("/dev/zero").unwrap();
        let mut client = t.connect(&[server.addr()]).stdin(In::Fd(zero.into())).stdout(Out::Null).spawn();
        server.stdout.wait_len(1 << 16);
        client.signal(Signal::KILL);
        client.wait();
        let exit = server.wait();
        assert!([0, 9].contains(&exit.code), "{}: {}", exit.code, exit.stderr);
        exit.within(SOON);
        assert!(exit.stdout.bytes().iter().all(|byte| *byte == 0));
    }
}

fn r08_questions_at_a_kilohertz(t: &Ctx) {
    let server = t.sockkit(&["echo", "127.0.0.1:0"]).stderr(null()).server();
    let (data, len) = (Data::new(8), 20 << 20);
    let mut stream = connect(server.socket_addr());
    let back = stream.try_clone().unwrap();
    std::thread::scope(|scope| {
        let sending = scope.spawn(move || {
            std::io::copy(&mut data.reader(len), &mut stream).unwrap();
            shut_write(&stream);
        });
        let receiving = scope.spawn(move || crate::support::check_stream(back, data));
        while !sending.is_finished() {
            server.signal(Signal::USR1);
            server.signal(Signal::CHILD);
            let_pass(Duration::from_millis(1));
        }
        assert_eq!(receiving.join().unwrap(), (len, None));
    });
    assert!(server.is_running());
}

fn null() -> std::os::fd::OwnedFd {
    fs::File::options().write(true).open("/dev/null").unwrap().into()
}

fn r14_copies_of_datagrams(t: &Ctx) {
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let addr = format!("udp://{}", peer.local_addr().unwrap());
    let mut client = t.connect(&["--output", &t.file("log"), &addr]).piped().spawn();
    client.write(b"ping");
    let mut buffer = [0; 10];
    let (len, from) = peer.recv_from(&mut buffer).unwrap();
    peer.send_to(b"pong", from).unwrap();
    client.stdout.wait_len(4);
    client.close_stdin();
    client.wait().code(0).stdout("pong");
    assert_eq!((&buffer[..len], fs::read(t.path("log")).unwrap()), (&b"ping"[..], b"pingpong".to_vec()));
}

fn r16_a_thousand_clients(t: &Ctx) {
    let server = t.listen(&["-q", "-k", "-m", "2", "--deny", "127.0.0.9", "--exec", "cat", "127.0.0.1:0"]).server();
    for nth in 0..if is_big() { 1000 } else { 300 } {
        let source = Ipv4Addr::new(127, 0, 0, if nth % 4 == 3 { 9 } else { 1 });
        let mut stream = from(source, server.socket_addr());
        // May be turned away by now; it is the count that matters.
        let _ = stream.write_all(b"\x16\x03\x01garbage");
        if nth % 2 == 0 { reset(stream) } else { drop(stream) }
    }
    let is_served = |stream: &TcpStream| is_served_within(stream, Duration::from_millis(500));
    let two = poll_until("two places", || {
        let two = [connect(server.socket_addr()), connect(server.socket_addr())];
        two.iter().all(is_served).then_some(two)
    });
    assert!(!is_served(&connect(server.socket_addr())), "a third place");
    drop(two);
    poll_until("a place that is free again", || is_served(&connect(server.socket_addr())).then_some(()));
}

fn r18_five_thousand_denied(t: &Ctx) {
    let args = ["-k", "--deny", "127.0.0.0/8", "--reply", "pong"];
    let tcp = t.listen(&args).args(&["-q", "127.0.0.1:0"]).server();
    let udp = t.listen(&args).args(&["udp://127.0.0.1:0"]).server();
    let settled = |server: &Proc| {
        assert!(matches!(connect(tcp.socket_addr()).read(&mut [0]), Ok(0) | Err(_)));
        server.fds()
    };
    let socket = crate::support::udp();
    // It has all that it needs once it has turned somebody away.
    socket.send_to(b"ping", udp.socket_addr()).unwrap();
    udp.stderr.wait_for("denied");
    let before = [settled(&tcp), settled(&udp)];
    for _ in 0..if is_big() { 5000 } else { 1000 } {
        drop(connect(tcp.socket_addr()));
        socket.send_to(b"ping", udp.socket_addr()).unwrap();
    }
    poll_until("descriptors as before", || (settled(&tcp) <= before[0] && settled(&udp) <= before[1]).then_some(()));
}

fn r22_stdin_closed_in_a_client(t: &Ctx) {
    for words in ["<&-", "<&- >&-", ">&-", "<&- >&- 2>&-", "2>&-"] {
        let (peer, addr) = listener();
        let mut client = t.connect(&[&addr]).redirect(words).spawn();
        let mut stream = accept(&peer);
        let _ = stream.write_all(b"payload");
        shut_write(&stream);
        // No payload comes back by way of a descriptor that took the socket's number.
        assert_eq!(read_all(&stream), b"", "{words}");
        drop(stream);
        let exit = client.wait();
        assert!(exit.cpu < Duration::from_millis(500), "{words}: {:?} of CPU", exit.cpu);
    }
}

/// Sends until nothing more goes, 64 MiB at most.
fn fill(mut stream: &TcpStream) {
    stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    for _ in 0..1000 {
        if stream.write(&[b'x'; 1 << 16]).is_err() {
            break;
        }
    }
}

fn r26_blocked_in_each_way(t: &Ctx) {
    for signal in [Signal::TERM, Signal::INT] {
        // The peer does not read what each of these answers, and a client of a chat none of what the other says.
        for args in [&["echo"][..], &["listen", "-k", "--exec", "cat"], &["chat", "serve", "--raw"]] {
            let mut server = t.sockkit(args).args(&["--grace", "200ms", "127.0.0.1:0"]).server();
            let (silent, loud) = (connect(server.socket_addr()), connect(server.socket_addr()));
            fill(&silent);
            fill(&loud);
            server.signal(signal);
            let exit = server.wait();
            exit.code(128 + signal.as_raw()).within(Duration::from_secs(4));
        }
    }
}

fn r28_no_file_can_be_put_in_the_way(t: &Ctx) {
    let named = ["ready", "events", "copy", "record", "log"];
    for args in [
        &["listen", "--output", "copy", "--record", "record", "--mode", "600", "unix:s"][..],
        &["chat", "serve", "--log", "log", "unix:s2"],
        &["listen", "--output-dir", "dir", "unix:s3"],
        &["connect", "--output", "copy", "--record", "record2", "--retry", "0", "127.0.0.1:1"],
    ] {
        let log = t.file("strace");
        let cmd = t.sockkit(args).args(&["--events", "events"]).under(&[
            "strace",
            "-D",
            "-f",
            "-q",
            "-o",
            &log,
            "-e",
            "trace=open,openat,creat,mknod,mkdir,symlink",
        ]);
        // It ends by itself, and a signal before it has begun would leave strace(1) waiting for it.
        let mut proc = if args[0] == "connect" {
            cmd.spawn()
        } else {
            let proc = cmd.args(&["--ready-file", "ready"]).spawn();
            poll_until("a server", || t.path("ready").exists().then_some(()));
            proc.signal(Signal::TERM);
            proc
        };
        proc.wait();
        poll_until("the end of the log", || {
            let text = fs::read_to_string(&log).unwrap();
            text.lines().last().is_some_and(|line| line.contains("+++")).then_some(())
        });
        for line in fs::read_to_string(&log).unwrap().lines() {
            assert!(!line.contains("/tmp/") || !line.contains("O_CREAT"), "{line}");
            let is_safe = line.contains("O_EXCL") && line.contains("O_NOFOLLOW");
            let was_named =
                named.iter().any(|name| line.contains(&format!("\"{name}")) && !line.contains(&format!("\"{name}.")));
            assert!(!line.contains("O_CREAT") || is_safe || was_named, "{line}");
        }
        let _ = fs::remove_file(t.path("ready"));
    }
}

fn r35_a_drop_a_second_against_a_limit(t: &Ctx) {
    let mut server = t.listen(&["-i", "700ms", "--deadline", "2s", "127.0.0.1:0"]).server();
    let mut stream = connect(server.socket_addr());
    let begin = Instant::now();
    // Each byte is in time for the idle timeout, and all of them together are not for the whole run.
    while begin.elapsed() < Duration::from_secs(10) && server.is_running() {
        match stream.write_all(b".") {
            Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => break,
            outcome => outcome.unwrap(),
        }
        let_pass(Duration::from_millis(250));
    }
    let exit = server.wait();
    exit.code(124).says(&["--deadline"]);
    assert!(exit.stdout.bytes().len() >= 2, "{}", exit.stderr);
}

fn r38_servers_idle_without_cpu(t: &Ctx) {
    let mut held = Vec::new();
    let mut procs = Vec::new();
    for args in [
        &["echo"][..],
        &["time"],
        &["chat", "serve"],
        &["listen", "-k", "--exec", "cat"],
        &["listen", "-k", "--reply", "x"],
    ] {
        let server = t.sockkit(args).args(&["127.0.0.1:0"]).server();
        let addr = server.socket_addr();
        let half = connect(addr);
        shut_write(&half);
        drop(connect(addr));
        reset(connect(addr));
        held.extend([connect(addr), half]);
        procs.push((args, server));
    }
    let_pass(Duration::from_millis(500));
    let before: Vec<Duration> = procs.iter().map(|(_, proc)| proc.cpu()).collect();
    let_pass(Duration::from_secs(2));
    for ((args, proc), before) in procs.iter().zip(before) {
        let used = proc.cpu() - before;
        assert!(used < Duration::from_millis(50), "{args:?}: {used:?} of CPU in 2 s of nothing");
    }
}

fn r40_floods_of_datagrams_and_connections(t: &Ctx) {
    let count = if is_big() { 5000 } else { 1000 };
    let datagrams = t.listen(&["-q", "-u", "-k", "--exec", "sleep 0.1", "127.0.0.1:0"]).server();
    let connections = t.listen(&["-q", "-k", "--exec", "sleep 0.1", "127.0.0.1:0"]).server();
    let mut most = 0;
    let mut streams = Vec::new();
    for nth in 0..count {
        UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"x", datagrams.socket_addr()).unwrap();
        if nth % 10 == 0 {
            streams.push(connect(connections.socket_addr()));
        }
        if nth % 100 == 0 {
            most = most.max(datagrams.children().len()).max(connections.children().len());
        }
    }
    // They may only begin to be served when all of them are there.
    poll_until("a process", || {
        most = most.max(datagrams.children().len()).max(connections.children().len());
        (most > 0).then_some(())
    });
    // 64 is the limit where nobody says another.
    assert!((1..=64).contains(&most), "{most} processes at once");
    drop(streams);
    for server in [&datagrams, &connections] {
        // As long as others come in the place of those that end, it passes.
        let mut children = server.children();
        while !children.is_empty() {
            children = poll_until("the storm to pass", || Some(server.children()).filter(|now| *now != children));
        }
        assert!(server.is_running());
    }
    assert_eq!(read_all(connect(connections.socket_addr())), b"", "it serves again");
}
