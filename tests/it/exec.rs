//! `listen --exec` and `--sh`: what the program gets, and that everything it says arrives.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use libtest_mimic::Trial;

use crate::support::{
    Ctx, Data, SOON, children_of, connect, poll_until, read_all, read_exactly, shut_write, trials, udp, unix_connect,
};

pub(crate) fn tests() -> Vec<Trial> {
    trials!["exec";
        stderr_of_the_program_is_ours,
        r10_failure_of_the_program_is_visible,
        r12_program_has_blocking_descriptors,
        r19_program_has_three_descriptors,
        r20_no_zombies,
        idle_counts_after_the_peers_end_too,
        one_end_is_told_once,
        r21_default_signals_whatever_we_inherited,
        r25_only_our_own_children_are_ended [Setsid],
        r40_no_fork_storm,
        r46_quoting,
        r46_long_command,
        r46_flags_are_not_taken_apart,
        r46_environment_is_each_clients_own,
        r47_a_hundred_clients_complete [] 120,
        r47_output_after_half_close_and_failure,
    ]
}

fn stderr_of_the_program_is_ours(t: &Ctx) {
    let mut server = t.listen(&["--sh", "echo aside >&2; echo payload", "127.0.0.1:0"]).server();
    assert_eq!(read_all(connect(server.socket_addr())), b"payload\n");
    server.wait().code(0).stdout("").says(&["aside"]);
}

fn r10_failure_of_the_program_is_visible(t: &Ctx) {
    for (handler, line, word) in [("--exec", "false", "1"), ("--sh", "exit 7", "7"), ("--sh", "kill -9 $$", "9")] {
        let exit = {
            let mut server = t.listen(&[handler, line, "127.0.0.1:0"]).server();
            let _ = connect(server.socket_addr()).read_to_end(&mut Vec::new());
            server.wait()
        };
        exit.code(14).says(&[word]);
    }
    // One that is not there is told at once, not when a client comes.
    let missing = "/nonexistent/program";
    t.listen(&["--exec", missing, "127.0.0.1:0"]).run(b"").code(14).stdout("").says(&[missing]);
}

fn r12_program_has_blocking_descriptors(t: &Ctx) {
    let server = t.listen(&["--sh", "cat /proc/self/fdinfo/0 /proc/self/fdinfo/1", "127.0.0.1:0"]).server();
    let text = String::from_utf8(read_all(connect(server.socket_addr()))).unwrap();
    let flags: Vec<u32> = text
        .lines()
        .filter_map(|line| line.strip_prefix("flags:"))
        .map(|octal| u32::from_str_radix(octal.trim(), 8).unwrap())
        .collect();
    assert_eq!(flags.len(), 2, "{text}");
    let nonblock = rustix::fs::OFlags::NONBLOCK.bits();
    assert!(flags.iter().all(|f| f & nonblock == 0), "{text}");
}

fn r19_program_has_three_descriptors(t: &Ctx) {
    // The shell stays, so that it is its own descriptors that are listed.
    let server = t.listen(&["-k", "--sh", "read x; ls /proc/$$/fd; true", "127.0.0.1:0"]).server();
    let _other = connect(server.socket_addr());
    let mut stream = connect(server.socket_addr());
    stream.write_all(b"\n").unwrap();
    assert_eq!(String::from_utf8(read_all(&stream)).unwrap(), "0\n1\n2\n");
}

fn r20_no_zombies(t: &Ctx) {
    let server = t.listen(&["-k", "--exec", "true", "127.0.0.1:0"]).server();
    for _ in 0..100 {
        assert_eq!(read_all(connect(server.socket_addr())), b"");
    }
    poll_until("the last child to be waited for", || server.children().is_empty().then_some(()));
}

fn r21_default_signals_whatever_we_inherited(t: &Ctx) {
    let line = "grep -E 'Sig(Ign|Blk)' /proc/self/status";
    let mut server = t
        .listen(&["--exec", line, "127.0.0.1:0"])
        .under(&["env", "--ignore-signal=CHLD", "--ignore-signal=PIPE", "--block-signal=TERM"])
        .server();
    let text = String::from_utf8(read_all(connect(server.socket_addr()))).unwrap();
    let masks: Vec<u64> =
        text.lines().map(|l| u64::from_str_radix(l.split_whitespace().last().unwrap(), 16).unwrap()).collect();
    assert_eq!(masks.len(), 2, "{text}");
    assert!(masks.iter().all(|mask| *mask == 0), "{text}");
    // Waiting works, though the parent had SIGCHLD ignored.
    server.wait().code(0);
}

fn r25_only_our_own_children_are_ended(t: &Ctx) {
    let script = "mkfifo ready; \"$0\" listen -k --sh 'exec sleep 30' --ready-fd 9 127.0.0.1:0 9>ready &
        read addr <ready; exec 3<>/dev/null; echo \"$addr\"; read go; kill $!; wait $!; echo alive $?";
    let mut shell = t.peer("setsid", &["sh", "-c", script, env!("CARGO_BIN_EXE_sockkit")]).piped().spawn();
    shell.stdout.wait_for("\n");
    let addr: SocketAddr = shell.stdout.text().trim().parse().unwrap();
    let stream = connect(addr);
    let server = poll_until("the server", || shell.children().first().copied());
    let children = poll_until("its child", || Some(children_of(server)).filter(|c| !c.is_empty()));
    shell.write(b"go\n");
    assert!(shell.wait().code(0).stdout.text().ends_with("alive 143\n"));
    // The program it started has ended with it.
    poll_until("the child to end", || {
        let state = |pid: i32| std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        children.iter().all(|&pid| !state(pid).contains("sleep")).then_some(())
    });
    drop(stream);
}

fn r40_no_fork_storm(t: &Ctx) {
    let server = t.listen(&["-q", "-u", "-k", "--exec", "sleep 0.2", "127.0.0.1:0"]).server();
    let mut most = 0;
    for n in 0..500 {
        udp().send_to(b"x", server.socket_addr()).unwrap();
        if n % 100 == 0 {
            most = most.max(server.children().len());
        }
    }
    most = most.max(server.children().len());
    assert!(most <= 512, "{most} processes at once");
    assert!(server.is_running());
    poll_until("the storm to pass", || server.children().is_empty().then_some(()));
}

fn r46_quoting(t: &Ctx) {
    for (line, wanted) in [
        ("printf <%s> a  b", "<a><b>"),
        ("printf <%s> 'a  b'", "<a  b>"),
        ("printf <%s> \"a 'b' c\"", "<a 'b' c>"),
        ("printf <%s> a\\ b ''", "<a b><>"),
        // No shell is asked.
        ("printf <%s> $HOME * ; | >x", "<$HOME><*><;><|><>x>"),
    ] {
        let mut server = t.listen(&["--exec", line, "127.0.0.1:0"]).server();
        let got = String::from_utf8(read_all(connect(server.socket_addr()))).unwrap();
        assert_eq!(got, wanted, "{line}");
        server.wait().code(0);
    }
    for bad in ["", "  ", "printf 'open"] {
        t.listen(&["--exec", bad, "127.0.0.1:0"]).run(b"").code(2);
    }
}

fn r46_long_command(t: &Ctx) {
    let long = format!("printf %s {}", "x".repeat(64 << 10));
    let server = t.listen(&["--exec", &long, "127.0.0.1:0"]).server();
    assert_eq!(read_all(connect(server.socket_addr())).len(), 64 << 10);
}

fn r46_flags_are_not_taken_apart(t: &Ctx) {
    // Once read as `-v -e rbose`, which ran a program of that name.
    t.listen(&["-verbose"]).run(b"").code(2);
}

fn r46_environment_is_each_clients_own(t: &Ctx) {
    let line = "read x; echo $SOCKKIT_PROTO $SOCKKIT_PEER_ADDR:$SOCKKIT_PEER_PORT $SOCKKIT_LOCAL_ADDR:$SOCKKIT_LOCAL_PORT $SOCKKIT_CONN";
    let server = t.listen(&["-k", "--sh", line, "127.0.0.1:0"]).env("SOCKKIT_PEER_ADDR", "stale").server();
    let mut streams = [connect(server.socket_addr()), connect(server.socket_addr())];
    let mut numbers = Vec::new();
    for stream in &mut streams {
        stream.write_all(b"\n").unwrap();
        let text = String::from_utf8(read_all(&*stream)).unwrap();
        let field: Vec<&str> = text.split_whitespace().collect();
        let (peer, local) = (stream.local_addr().unwrap().to_string(), server.socket_addr().to_string());
        assert_eq!((field[1], field[2]), (&*peer, &*local), "{text}");
        assert!(field[0].eq_ignore_ascii_case("tcp"), "{text}");
        numbers.push(field[3].to_owned());
    }
    assert_ne!(numbers[0], numbers[1], "each connection has its number");
    let addr = format!("unix:{}", t.file("s"));
    let server = t.listen(&["--sh", "echo $SOCKKIT_PROTO $SOCKKIT_LOCAL_ADDR", &addr]).server();
    let text = String::from_utf8(read_all(unix_connect(&t.path("s")))).unwrap();
    assert!(text.to_lowercase().starts_with("unix") && text.contains(&t.file("s")), "{text}");
    drop(server);
}

fn r47_a_hundred_clients_complete(t: &Ctx) {
    let server = t.listen(&["-q", "-k", "--exec", "cat", "127.0.0.1:0"]).server();
    let addr = server.socket_addr();
    let next = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..25 {
            scope.spawn(|| {
                while next.fetch_add(1, Ordering::Relaxed) < 100 {
                    let bytes = Data::new(47).bytes(64_000);
                    let mut stream = connect(addr);
                    stream.write_all(&bytes).unwrap();
                    shut_write(&stream);
                    assert!(read_all(&stream) == bytes, "not all of it came back");
                }
            });
        }
    });
}

fn r47_output_after_half_close_and_failure(t: &Ctx) {
    let mut server = t.listen(&["--sh", "cat; sleep 0.5; echo response; exit 3", "127.0.0.1:0"]).server();
    let mut stream = connect(server.socket_addr());
    stream.write_all(b"question ").unwrap();
    assert_eq!(read_exactly(&stream, 9), b"question ");
    shut_write(&stream);
    assert_eq!(read_all(&stream), b"response\n");
    server.wait().code(14).within(SOON).says(&["3"]);
    // A program that never reads is not killed before it has said everything.
    let mut server = t.listen(&["--sh", "head -c 1000000 /dev/zero", "127.0.0.1:0"]).server();
    let stream = connect(server.socket_addr());
    shut_write(&stream);
    assert_eq!(read_all(&stream).len(), 1_000_000);
    server.wait_within(Duration::from_secs(5)).code(0);
}

fn idle_counts_after_the_peers_end_too(t: &Ctx) {
    let server = t.listen(&["-k", "-i", "500ms", "--sh", "exec sleep 61", "127.0.0.1:0"]).server();
    let stream = connect(server.socket_addr());
    shut_write(&stream);
    assert_eq!(read_all(&stream), b"");
    server.stderr.wait_for("closed (idle-timeout)");
    poll_until("the program to be gone", || server.children().is_empty().then_some(()));
}

fn one_end_is_told_once(t: &Ctx) {
    let server = t.listen(&["--json", "--sh", "cat", "127.0.0.1:0"]);
    let mut server = server.server();
    let mut stream = connect(server.socket_addr());
    stream.write_all(b"hi").unwrap();
    shut_write(&stream);
    assert_eq!(read_all(&stream), b"hi");
    let events = server.wait().code(0).stdout.text();
    assert_eq!(events.matches("\"shutdown\"").count(), 1, "{events}");
}
