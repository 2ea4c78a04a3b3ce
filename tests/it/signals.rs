//! Signals: the first one drains, the second one ends, in every state; and the terminal is left as it was.

use std::io::Write;
use std::time::Duration;

use libtest_mimic::Trial;
use rustix::process::Signal;

use crate::support::{
    Ctx, In, Netns, Out, Proc, Pty, SOON, accept, connect, let_pass, listener, poll_until, read_exactly, trials,
};

pub(crate) fn tests() -> Vec<Trial> {
    trials!["signals";
        first_signal_drains,
        second_signal_ends_at_once,
        sigint_from_the_terminal [Setsid],
        hangup_ends_it,
        r13_terminal_modes_are_restored [Setsid],
        r26_waiting_for_a_client,
        r26_idle,
        r26_stdout_blocked,
        r26_events_that_nobody_reads,
        a_second_signal_ends_the_programs_too,
        r26_peer_does_not_read,
        r26_waiting_for_a_program,
        r26_connecting [Root, Nft],
        r26_retrying,
        r26_datagrams,
        r26_listening_on_a_name [Root],
    ]
}

/// The wait for the name of an address to listen on, with a name server that never answers.
fn r26_listening_on_a_name(t: &Ctx) {
    std::fs::write(t.path("resolv.conf"), "nameserver 127.0.0.1\noptions timeout:30\n").unwrap();
    let script = format!(
        "ip link set lo up && mount --bind '{}' /etc/resolv.conf || exit 99
        \"$0\" listen -q -k -u --discard --deadline 4s 127.0.0.1:53 <&- >&- 2>&- & sleep 0.2; exec \"$0\" \"$@\"",
        t.file("resolv.conf")
    );
    let under = ["unshare", "-nm", "sh", "-c", &script];
    let listen = |args: &[&str]| t.listen(args).args(&["no-such-host.invalid:0"]).under(&under).spawn();
    ends(|| {
        let proc = listen(&[]);
        let_pass(Duration::from_millis(700));
        proc
    });
    listen(&["--deadline", "300ms"]).wait().code(124).within(SOON);
}

/// Each of the two signals that ask it to end does so, within a second or little more.
#[track_caller]
fn ends(start: impl Fn() -> Proc) {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let mut proc = start();
        proc.signal(signal);
        proc.wait().code(code).within(SOON);
    }
}

fn first_signal_drains(t: &Ctx) {
    // What came before the signal is still written.
    let mut server = t.listen(&["127.0.0.1:0"]).piped().server();
    let mut stream = connect(server.socket_addr());
    stream.write_all(&[b'x'; 50_000]).unwrap();
    server.stdout.wait_len(1);
    server.signal(Signal::TERM);
    server.wait().code(143).stdout([b'x'; 50_000]);
}

fn second_signal_ends_at_once(t: &Ctx) {
    let mut server =
        t.listen(&["-k", "--sh", "trap '' TERM; echo up; exec sleep 5 2>/dev/null", "127.0.0.1:0"]).server();
    let stream = connect(server.socket_addr());
    assert_eq!(read_exactly(&stream, 3), b"up\n");
    server.signal(Signal::TERM);
    server.signal(Signal::INT);
    let code = server.wait().within(SOON).code;
    assert!([130, 143].contains(&code), "{code}");
}

fn sigint_from_the_terminal(t: &Ctx) {
    let mut pty = Pty::open();
    let (peer, addr) = listener();
    let mut client = t.connect(&["-v", &addr]).stdin(In::Fd(pty.side())).under(&["setsid", "-c"]).spawn();
    let _stream = accept(&peer);
    client.stderr.wait_for("onnected");
    pty.keys("\x03");
    client.wait().code(130).within(SOON);
}

fn hangup_ends_it(t: &Ctx) {
    let mut server = t.listen(&["-k", "127.0.0.1:0"]).piped().server();
    server.signal(Signal::HUP);
    server.wait().code(129).within(SOON);
}

fn r13_terminal_modes_are_restored(t: &Ctx) {
    for how in ["peer ends", "TERM", "Ctrl-D"] {
        let mut pty = Pty::open();
        let before = format!("{:?}", pty.modes());
        let (peer, addr) = listener();
        // Both ends a terminal: the REPL, which takes the terminal over.
        let mut client = t
            .connect(&[&addr])
            .stdin(In::Fd(pty.side()))
            .stdout(Out::Fd(pty.side()))
            .stderr(pty.side())
            .under(&["setsid", "-c"])
            .env("TERM", "xterm")
            .spawn();
        let mut stream = accept(&peer);
        stream.write_all(b"hello there\n").unwrap();
        pty.screen.wait_for("hello there");
        poll_until("the terminal to be taken over", || (format!("{:?}", pty.modes()) != before).then_some(()));
        match how {
            "TERM" => client.signal(Signal::TERM),
            "Ctrl-D" => {
                // The first ends what we send; the second does not wait for the peer's end.
                pty.keys("\x04");
                pty.screen.wait_for("half-closed");
                pty.keys("\x04");
            }
            _ => {
                // It stays when the peer closes, and says so; then the user leaves.
                drop(stream);
                let_pass(Duration::from_millis(300));
                pty.keys("\x04");
            }
        }
        client.wait();
        assert_eq!(format!("{:?}", pty.modes()), before, "{how}");
    }
}

fn r26_waiting_for_a_client(t: &Ctx) {
    for args in [&[][..], &["-k"], &["--exec", "cat"], &["-k", "--exec", "cat"], &["--no-accept"]] {
        ends(|| t.listen(args).args(&["127.0.0.1:0"]).piped().server());
    }
}

fn r26_idle(t: &Ctx) {
    for args in [&[][..], &["-k"], &["-k", "--reply", "pong"]] {
        let streams = std::cell::RefCell::new(Vec::new());
        ends(|| {
            let server = t.listen(args).args(&["127.0.0.1:0"]).piped().server();
            let stream = connect(server.socket_addr());
            server.stderr.wait_for(&stream.local_addr().unwrap().to_string());
            streams.borrow_mut().push(stream);
            server
        });
    }
}

fn r26_stdout_blocked(t: &Ctx) {
    // The reader must stay, or it is a closed pipe.
    let readers = std::cell::RefCell::new(Vec::new());
    ends(|| {
        let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        let (peer, addr) = listener();
        let client = t.connect(&[&addr]).piped().stdout(Out::Fd(writer)).spawn();
        let mut stream = accept(&peer);
        stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
        while stream.write(&[b'x'; 65536]).is_ok() {}
        readers.borrow_mut().push((reader, stream));
        client
    });
}

fn r26_peer_does_not_read(t: &Ctx) {
    let streams = std::cell::RefCell::new(Vec::new());
    ends(|| {
        let zero = std::fs::File::open("/dev/zero").unwrap();
        let (peer, addr) = listener();
        let client = t.connect(&["-v", &addr]).stdin(In::Fd(zero.into())).spawn();
        streams.borrow_mut().push(accept(&peer));
        client.stderr.wait_for("onnected");
        // Until what the kernel takes is full.
        let_pass(Duration::from_millis(200));
        client
    });
}

fn r26_waiting_for_a_program(t: &Ctx) {
    let streams = std::cell::RefCell::new(Vec::new());
    ends(|| {
        let server = t.listen(&["--sh", "echo up; exec sleep 30", "127.0.0.1:0"]).server();
        let stream = connect(server.socket_addr());
        assert_eq!(read_exactly(&stream, 3), b"up\n");
        streams.borrow_mut().push(stream);
        server
    });
}

fn r26_connecting(t: &Ctx) {
    let ns = Netns::new();
    ns.run("nft add table inet t; nft 'add chain inet t in { type filter hook input priority 0; }'");
    ns.run("nft add rule inet t in tcp dport 9 drop");
    ends(|| {
        let client = t.connect(&["-w", "1m", "127.0.0.1:9"]).under(&ns.wrap()).piped().spawn();
        poll_until("a connection in SYN_SENT", || {
            let table = std::fs::read_to_string(format!("/proc/{}/net/tcp", client.pid())).ok()?;
            table.lines().any(|line| line.split_whitespace().nth(3) == Some("02")).then_some(())
        });
        client
    });
}

fn r26_retrying(t: &Ctx) {
    let gone = std::net::TcpListener::bind((t.loopback(), 0)).unwrap().local_addr().unwrap().to_string();
    ends(|| {
        let client = t.connect(&["-v", "--retry", "1m", &gone]).piped().spawn();
        client.stderr.wait_for("efused");
        client
    });
}

fn r26_datagrams(t: &Ctx) {
    ends(|| t.listen(&["-u", "127.0.0.1:0"]).piped().server());
    ends(|| t.listen(&["-u", "-k", "--exec", "cat", "127.0.0.1:0"]).server());
}

fn a_second_signal_ends_the_programs_too(t: &Ctx) {
    let line = "trap '' TERM; echo up; sleep 61 & wait; wait";
    let mut server = t.listen(&["-k", "--sh", line, "127.0.0.1:0"]).server();
    let stream = connect(server.socket_addr());
    assert_eq!(read_exactly(&stream, 3), b"up\n");
    let children = server.children();
    assert!(!children.is_empty());
    server.signal(Signal::TERM);
    // It waits for the program, which takes no notice.
    let_pass(Duration::from_millis(200));
    assert!(server.is_running());
    server.signal(Signal::TERM);
    server.wait().code(143).within(SOON);
    poll_until("the program to be gone", || {
        children.iter().all(|pid| !std::path::Path::new(&format!("/proc/{pid}")).exists()).then_some(())
    });
}

fn r26_events_that_nobody_reads(t: &Ctx) {
    let readers = std::cell::RefCell::new(Vec::new());
    ends(|| {
        let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        let (peer, addr) = listener();
        let client = t.connect(&["--json", &addr]).piped().stdout(Out::Fd(writer)).spawn();
        let mut stream = accept(&peer);
        stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
        while stream.write(&[b'x'; 65536]).is_ok() {}
        readers.borrow_mut().push((reader, stream));
        client
    });
}
