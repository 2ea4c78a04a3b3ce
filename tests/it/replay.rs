//! `--record` and `sockkit replay`.

use libtest_mimic::Trial;

use crate::proxy::start_microsocks_or_scripted;
use crate::support::{Ctx, let_pass, trials};

pub(crate) fn tests() -> Vec<Trial> {
    trials!["replay";
        a_recorded_session_passes_again,
        what_comes_back_otherwise_is_shown,
        either_side_can_be_played,
        each_session_has_a_number,
        a_record_keeps_its_times,
        a_session_that_its_own_side_ended,
        bad_records_are_usage_errors,
    ]
}

fn record(t: &Ctx, input: &[u8]) -> String {
    let file = t.file("record");
    t.connect(&["--record", &file, "echo:"]).run(input).code(0);
    file
}

fn a_recorded_session_passes_again(t: &Ctx) {
    let file = record(t, b"hello\n\xff\xfe\n");
    let server = t.sockkit(&["echo", "127.0.0.1:0"]).server();
    t.sockkit(&["replay", &file, server.addr(), "--speed", "0"]).run(b"").code(0).stdout("");
}

fn what_comes_back_otherwise_is_shown(t: &Ctx) {
    let file = record(t, b"hello\n");
    let server = t.listen(&["-k", "--reply", "help!\\n", "127.0.0.1:0"]).server();
    let exit = t.sockkit(&["replay", "--speed=0", &file, server.addr()]).run(b"");
    exit.code(3).says(&["byte 3 ", "68 65 6c 6c 6f", "68 65 6c 70 21"]);
    // Nothing comes at all.
    let silent = t.listen(&["-k", "--discard", "127.0.0.1:0"]).server();
    let exit = t.sockkit(&["replay", "--speed=0", "--timeout=300ms", &file, silent.addr()]).run(b"");
    exit.code(3).says(&["byte 0 "]);
}

fn either_side_can_be_played(t: &Ctx) {
    let file = record(t, b"both sides\n");
    let mut server = t.sockkit(&["replay", "--speed=0", &file, "--listen", "127.0.0.1:0"]).spawn();
    server.stderr.wait_for("listening on ");
    let said = server.stderr.text();
    let addr = said.split("listening on ").nth(1).unwrap().split(',').next().unwrap().to_owned();
    t.sockkit(&["replay", "--speed=0", &file, &addr]).run(b"").code(0);
    server.wait().code(0);
}

fn each_session_has_a_number(t: &Ctx) {
    let file = t.file("record");
    let mut recorded = t.listen(&["-k", "--count=2", "--reply", "pong\\n", "--record", &file, "127.0.0.1:0"]).server();
    for _ in 0..2 {
        t.connect(&[recorded.addr()]).run(b"ping\n").code(0).stdout("pong\n");
    }
    recorded.wait().code(0);
    let server = t.listen(&["-k", "--reply", "pong\\n", "127.0.0.1:0"]).server();
    let again = t.file("again");
    t.sockkit(&["replay", "--speed=0", "--record", &again, &file, server.addr()]).run(b"").code(0);
    let text = std::fs::read_to_string(&again).unwrap();
    let connected: Vec<_> = text.lines().filter(|line| line.contains("\"event\":\"connected\"")).collect();
    for (number, line) in (1..).zip(&connected) {
        assert!(line.contains(&format!("\"conn\":{number},")), "{text}");
    }
    assert_eq!(connected.len(), 2, "{text}");
    // So what it recorded of them is a record too.
    t.sockkit(&["replay", "--speed=0", &again, server.addr()]).run(b"").code(0);
}

fn a_record_keeps_its_times(t: &Ctx) {
    let file = t.file("record");
    let mut client = t.connect(&["--record", &file, "echo:"]).piped().spawn();
    client.write(b"one");
    client.stdout.wait_len(3);
    let_pass(std::time::Duration::from_millis(400));
    client.write(b"two");
    client.stdout.wait_len(6);
    client.close_stdin();
    client.wait().code(0);
    let server = t.sockkit(&["echo", "127.0.0.1:0"]).server();
    // Not sooner than it was; how much later, the machine decides.
    for (speed, least) in [("1", 400), ("4", 100)] {
        let begin = std::time::Instant::now();
        t.sockkit(&["replay", &file, server.addr(), "--speed", speed]).run(b"").code(0);
        let took = begin.elapsed().as_millis();
        assert!(took >= least, "--speed {speed}: {took} ms");
    }
}

/// Who ended first is recorded, also where that is the end of a script and not of standard input.
fn a_session_that_its_own_side_ended(t: &Ctx) {
    use std::time::{Duration, Instant};
    let server = t.sockkit(&["echo", "127.0.0.1:0"]).server();
    let real = start_microsocks_or_scripted(t);
    let proxy = format!("socks5://{}", real.addr);
    let script = t.file("script");
    std::fs::write(&script, "send \"a\\n\"\nexpect \"a\"\nshutdown write\nexpect-eof\n").unwrap();
    let file = t.file("record");
    for made in [
        &["--send", "hi\\n", "--expect", "hi"][..],
        &["--send", "hi\\n"],
        &["--script", &script],
        &["--send", "hi\\n", "--expect", "hi", "--proxy", &proxy],
    ] {
        t.connect(&["--record", &file, server.addr()]).args(made).run(b"").code(0);
        for speed in ["0", "1"] {
            // Some proxies pass on no end but that of both sides: with them, what comes after ours is lost.
            let through = ["--proxy", &proxy];
            let ways = [&[][..], &through];
            for way in ways.into_iter().take(if made.contains(&"--expect") { 2 } else { 1 }) {
                let begin = Instant::now();
                let args = ["replay", &file, server.addr(), "--speed", speed, "--timeout", "60s"];
                t.sockkit(&args).args(way).run(b"").code(0).stdout("");
                assert!(
                    begin.elapsed() < Duration::from_secs(50),
                    "{made:?} {way:?}: it waited for what does not come"
                );
            }
        }
        // The side that it talked to ends after it.
        let mut other = t.sockkit(&["replay", "--speed=0", &file, "--listen", "127.0.0.1:0"]).spawn();
        other.stderr.wait_for("listening on ");
        let said = other.stderr.text();
        let addr = said.split("listening on ").nth(1).unwrap().split(',').next().unwrap().to_owned();
        t.sockkit(&["replay", "--speed=0", &file, &addr]).run(b"").code(0);
        other.wait().code(0);
    }
    // One that the server ended is one that a server has to end.
    let once = t.listen(&["-k", "--reply", "hi\\n", "--close-on", "hi", "127.0.0.1:0"]).server();
    std::fs::write(&script, "send \"hi\\n\"\nexpect \"hi\"\nexpect-eof\n").unwrap();
    t.connect(&["--record", &file, "--script", &script, once.addr()]).run(b"").code(0);
    t.sockkit(&["replay", &file, "--speed=0", once.addr()]).run(b"").code(0);
    let exit = t.sockkit(&["replay", &file, "--speed=0", "--timeout=300ms", server.addr()]).run(b"");
    exit.code(3).says(&["the peer was to end, and did not"]);
}

fn bad_records_are_usage_errors(t: &Ctx) {
    let file = t.file("record");
    std::fs::write(&file, "{\"v\":1}\n").unwrap();
    t.sockkit(&["replay", &file, "127.0.0.1:1"]).run(b"").code(2).says(&[":1: "]);
    t.sockkit(&["replay", "/nonexistent", "127.0.0.1:1"]).run(b"").code(1).says(&["/nonexistent"]);
    t.sockkit(&["replay", &file]).run(b"").code(2);
    t.sockkit(&["replay", "--speed=-1", &file, "127.0.0.1:1"]).run(b"").code(2);
}
