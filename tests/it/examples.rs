//! The scripts under examples/, against real servers.

use std::path::Path;

use libtest_mimic::Trial;

use crate::support::{Ctx, trials};

pub(crate) fn tests() -> Vec<Trial> {
    trials!["examples";
        http [Python3],
        redis [Redis],
        smtp [Python3],
        tutorial_bye,
        tutorial_close,
        tutorial_close_against_python [Python3],
        tutorial_time,
        tutorial_time_against_python [Python3],
    ]
}

/// Runs an example against a server; it passes.
#[track_caller]
fn passes(t: &Ctx, name: &str, addr: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    t.connect(&["--script", path.to_str().unwrap(), addr]).run(b"").code(0);
}

/// A server of tests/peers; it tells its port on stderr.
#[track_caller]
fn passes_against(t: &Ctx, name: &str, program: &str) {
    let server = t.python(program, &[]).env("PYTHONDONTWRITEBYTECODE", "1").spawn();
    server.stderr.wait_for("\n");
    passes(t, name, &format!("127.0.0.1:{}", server.stderr.text().trim()));
}

fn http(t: &Ctx) {
    let mut server = t.peer("python3", &["-u", "-m", "http.server", "--bind", "127.0.0.1", "0"]).spawn();
    let addr = format!("127.0.0.1:{}", server.wait_bound("tcp"));
    passes(t, "http.sk", &addr);
}

fn redis(t: &Ctx) {
    let socket = t.file("redis");
    let server = t.peer("redis-server", &["--port", "0", "--unixsocket", &socket, "--save", ""]).spawn();
    server.stdout.wait_for("eady to accept");
    passes(t, "redis.sk", &format!("unix:{socket}"));
}

fn smtp(t: &Ctx) {
    passes_against(t, "smtp.sk", "smtp_server.py");
}

fn tutorial_bye(t: &Ctx) {
    let args = ["--greeting", "Can I help you?", "--reply", "certainly", "--close-on", "bye", "127.0.0.1:0"];
    passes(t, "tutorial-bye.sk", t.listen(&args).server().addr());
}

fn tutorial_close(t: &Ctx) {
    let server = t.listen(&["--reply", "收到消息", "--close-on", "close", "127.0.0.1:0"]).server();
    passes(t, "tutorial-close.sk", server.addr());
}

fn tutorial_close_against_python(t: &Ctx) {
    passes_against(t, "tutorial-close.sk", "ack_server.py");
}

fn tutorial_time(t: &Ctx) {
    passes(t, "tutorial-time.sk", t.sockkit(&["time", "127.0.0.1:0"]).server().addr());
}

fn tutorial_time_against_python(t: &Ctx) {
    passes_against(t, "tutorial-time.sk", "time_server.py");
}
