//! `--record` and `sockkit replay`.

use libtest_mimic::Trial;

use crate::support::{Ctx, let_pass, trials};

pub(crate) fn tests() -> Vec<Trial> {
    trials!["replay";
        a_recorded_session_passes_again,
        what_comes_back_otherwise_is_shown,
        either_side_can_be_played,
        a_record_keeps_its_times,
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

fn bad_records_are_usage_errors(t: &Ctx) {
    let file = t.file("record");
    std::fs::write(&file, "{\"v\":1}\n").unwrap();
    t.sockkit(&["replay", &file, "127.0.0.1:1"]).run(b"").code(2).says(&[":1: "]);
    t.sockkit(&["replay", "/nonexistent", "127.0.0.1:1"]).run(b"").code(1).says(&["/nonexistent"]);
    t.sockkit(&["replay", &file]).run(b"").code(2);
    t.sockkit(&["replay", "--speed=-1", &file, "127.0.0.1:1"]).run(b"").code(2);
}
