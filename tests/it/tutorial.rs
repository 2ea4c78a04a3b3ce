//! The four programs that every socket tutorial begins with, sockkit on each side of each.

use std::io::Write;

use libtest_mimic::Trial;

use crate::support::{Ctx, Proc, connect, read_all, read_exactly, trials};

pub(crate) fn tests() -> Vec<Trial> {
    trials!["tutorial";
        client_of_the_server_that_closes_at_once [Python3],
        client_of_the_server_that_acknowledges [Python3],
        client_of_the_server_that_greets [Python3],
        client_of_the_time_server [Python3],
        server_that_closes_at_once [Python3],
        server_that_acknowledges [Python3],
        server_that_acknowledges_without_case_or_newline,
        server_that_greets [Python3],
        time_server [Python3],
    ]
}

/// Starts a server of the tutorials; it tells its port on stderr.
fn program(t: &Ctx, file: &str) -> (Proc, String) {
    let server = t.python(file, &[]).env("PYTHONDONTWRITEBYTECODE", "1").spawn();
    server.stderr.wait_for("\n");
    let addr = format!("127.0.0.1:{}", server.stderr.text().trim());
    (server, addr)
}

/// Runs a client of the tutorials against a server of ours.
fn client(t: &Ctx, file: &str, server: &Proc, typed: &[u8]) -> String {
    let client = t.python(file, &[&server.port().to_string()]).env("PYTHONDONTWRITEBYTECODE", "1");
    let exit = client.run(typed);
    exit.code(0).stdout.text()
}

fn client_of_the_server_that_closes_at_once(t: &Ctx) {
    let (mut server, addr) = program(t, "close_server.py");
    let mut client = t.connect(&[&addr]).piped().spawn();
    // Stdin stays open and silent: the peer's end alone must end it.
    client.wait().code(0).stdout("");
    assert!(server.wait().code(0).stdout.text().starts_with("connected from ('127.0.0.1'"));
}

fn client_of_the_server_that_acknowledges(t: &Ctx) {
    let (mut server, addr) = program(t, "ack_server.py");
    let mut client = t.connect(&[&addr]).piped().spawn();
    for (nth, message) in ["hello", "你好", "close"].into_iter().enumerate() {
        client.write(message.as_bytes());
        client.stdout.wait_len("收到消息".len() * (nth + 1));
    }
    client.wait().code(0).stdout("收到消息收到消息收到消息");
    server.wait().code(0).stdout("client: hello\nclient: 你好\nclient: close\n");
}

fn client_of_the_server_that_greets(t: &Ctx) {
    let (mut server, addr) = program(t, "greet_server.py");
    let mut client = t.connect(&[&addr]).piped().spawn();
    client.stdout.wait_for("Can I help you?");
    client.write(b"a cup of tea");
    client.stdout.wait_for("ok: a cup of tea");
    client.write(b"bye");
    client.wait().code(0).stdout("Can I help you?ok: a cup of tea");
    server.wait().code(0);
}

fn client_of_the_time_server(t: &Ctx) {
    let (_server, addr) = program(t, "time_server.py");
    let mut client = t.connect(&[&addr]).piped().spawn();
    client.write(b"hello");
    client.stdout.wait_for("[hello] ");
    client.write("再见".as_bytes());
    client.stdout.wait_for("[再见] ");
    client.close_stdin();
    let said = client.wait().code(0).stdout.text();
    // ctime is always 24 characters.
    assert_eq!(said.chars().count(), "[hello] ".len() + 24 + "[再见] ".chars().count() + 24, "{said:?}");
}

fn server_that_closes_at_once(t: &Ctx) {
    let mut server = t.listen(&["--close", "127.0.0.1:0"]).server();
    assert_eq!(client(t, "close_client.py", &server, b""), "received b''\n");
    // Who came is said, on stderr: stdout is for payload alone.
    server.wait().code(0).stdout("").says(&["127.0.0.1:"]);
}

fn server_that_acknowledges(t: &Ctx) {
    let mut server = t.listen(&["--reply", "收到消息", "--close-on", "close", "127.0.0.1:0"]).server();
    let said = client(t, "ack_client.py", &server, b"");
    assert_eq!(said, "收到消息\n收到消息\n收到消息\nthen b''\n");
    server.wait().code(0);
}

fn server_that_acknowledges_without_case_or_newline(t: &Ctx) {
    for message in ["CLOSE", "close\n", "Close\r\n"] {
        let mut server = t.listen(&["--reply", "ok", "--close-on", "close", "127.0.0.1:0"]).server();
        let mut stream = connect(server.socket_addr());
        stream.write_all(message.as_bytes()).unwrap();
        assert_eq!(read_all(&stream), b"ok", "{message:?}");
        server.wait().code(0);
    }
    // A message that only contains the word does not end it.
    let server = t.listen(&["--reply", "ok", "--close-on", "close", "127.0.0.1:0"]).server();
    let mut stream = connect(server.socket_addr());
    for message in ["closed", "not close", " close"] {
        stream.write_all(message.as_bytes()).unwrap();
        assert_eq!(read_exactly(&stream, 2), b"ok", "{message:?}");
    }
}

fn server_that_greets(t: &Ctx) {
    let args = ["--greeting", "Can I help you?", "--reply", "certainly", "--close-on", "bye", "127.0.0.1:0"];
    let mut server = t.listen(&args).server();
    let said = client(t, "greet_client.py", &server, b"");
    // The last answer and the end may or may not come in one read.
    assert_eq!(said, "Can I help you?\ncertainly\nthen b'certainly'\n");
    server.wait().code(0);
}

fn time_server(t: &Ctx) {
    let server = t.sockkit(&["time", "127.0.0.1:0"]).server();
    let said = client(t, "time_client.py", &server, "hello\n再见\n\n".as_bytes());
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 2, "{said:?}");
    assert!(lines[0].starts_with("[hello] ") && lines[1].starts_with("[再见] "), "{said:?}");
    assert!(lines.iter().all(|line| line.chars().rev().nth(23).is_some()), "{said:?}");
    // It serves on, whoever leaves.
    let again = client(t, "time_client.py", &server, b"again\n\n");
    assert!(again.starts_with("[again] "), "{again:?}");
}
