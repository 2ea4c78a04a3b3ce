//! The real thing, both ways round: every netcat there is, socat, Python and curl.

use std::fs::{self, File};

use libtest_mimic::Trial;

use crate::support::{Cmd, Ctx, Data, In, Out, Proc, trials};

pub(crate) fn tests() -> Vec<Trial> {
    trials!["peers";
        nc_openbsd_as_client [NcOpenbsd],
        nc_openbsd_as_server [NcOpenbsd],
        nc_openbsd_udp [NcOpenbsd],
        nc_openbsd_unix [NcOpenbsd],
        nc_traditional_as_client [NcTraditional],
        nc_traditional_as_server [NcTraditional],
        ncat_as_client [Ncat],
        ncat_as_server [Ncat],
        ncat_udp [Ncat],
        ncat_unix [Ncat],
        socat_as_client [Socat],
        socat_as_server [Socat],
        socat_udp [Socat],
        socat_unix [Socat],
        socat_unix_datagram_and_seqpacket [Socat],
        busybox_as_client [Busybox],
        busybox_as_server [Busybox],
        python_as_client [Python3],
        python_as_server [Python3],
        curl_of_a_shell_handler [Curl],
        curl_of_a_reply [Curl],
        curl_over_a_unix_socket [Curl],
        curl_uploads_to_a_program [Curl],
        connect_speaks_http_to_python [Python3],
        r49_nc_traditional_sends_all [NcTraditional],
        r49_busybox_sends_all [Busybox],
    ]
}

const LEN: usize = 3 << 20;
const SENT: Data = Data::new(50);
const BACK: Data = Data::new(51);

/// A file with the first [`LEN`] bytes of the stream, open for reading.
fn file(t: &Ctx, data: Data) -> In {
    let path = t.path("data");
    fs::write(&path, data.bytes(LEN)).unwrap();
    In::Fd(File::open(path).unwrap().into())
}

/// What a netcat does with the end of its stdin.
#[derive(Clone, Copy, PartialEq)]
enum Fin {
    /// Sends FIN and reads on, as asked by its flags.
    Sends,
    /// Keeps its write side open until it quits.
    Keeps,
}

/// Plays every case of a netcat as the client of `listen`: `peer` makes its command line from host and port.
fn as_client(t: &Ctx, fin: Fin, peer: impl Fn(&str, &str) -> Cmd) {
    let dial = |server: &Proc| peer("127.0.0.1", &server.port().to_string());
    // Text, typed on both sides.
    let mut server = t.listen(&["127.0.0.1:0"]).piped().server();
    let mut client = dial(&server).piped().spawn();
    client.write("grüß dich\n".as_bytes());
    server.stdout.wait_for("grüß dich\n");
    server.write(b"hello\n");
    client.stdout.wait_for("hello\n");
    server.close_stdin();
    drop(client);
    server.wait();
    // Binary, from us to it.
    let mut server = t.listen(&["127.0.0.1:0"]).stdin(file(t, BACK)).server();
    let mut client = dial(&server).piped().stdout(Out::Check(BACK)).spawn();
    if fin == Fin::Sends {
        client.close_stdin();
    }
    client.wait().stdout_len(LEN as u64);
    drop(client);
    server.wait().code(0);
    // Binary, from it to us.
    let mut server = t.listen(&["--recv-only", "127.0.0.1:0"]).stdout(Out::Check(SENT)).server();
    let mut client = dial(&server).stdin(file(t, SENT)).spawn();
    server.wait().code(0).stdout_len(LEN as u64);
    client.wait();
    if fin == Fin::Sends {
        // It sends all and half-closes; the answer to that comes back to it.
        let mut server = t.listen(&["--sh", "wc -c", "127.0.0.1:0"]).server();
        dial(&server).stdin(file(t, SENT)).spawn().wait().stdout(format!("{LEN}\n"));
        server.wait().code(0);
    }
}

/// Plays every case of a netcat as the server of `connect`.
fn as_server(t: &Ctx, fin: Fin, peer: impl Fn() -> Cmd) {
    let dial = |server: &mut Proc| t.connect(&[&format!("127.0.0.1:{}", server.wait_bound("tcp"))]);
    // Text, typed on both sides.
    let mut server = peer().piped().spawn();
    let mut client = dial(&mut server).piped().spawn();
    client.write("grüß dich\n".as_bytes());
    server.stdout.wait_for("grüß dich\n");
    server.write(b"hello\n");
    client.stdout.wait_for("hello\n");
    drop(server);
    // Its death is an end like any other, with nothing in flight.
    client.wait().code(0);
    // Binary, from it to us.
    let mut server = peer().stdin(file(t, BACK)).spawn();
    let mut client = dial(&mut server).piped().stdout(Out::Check(BACK)).spawn();
    // Our stdin stays open: most of them stop sending at the first end they see.
    client.wait().code(0).stdout_len(LEN as u64);
    server.wait();
    // Binary, from us to it.
    let mut server = peer().piped().stdout(Out::Check(SENT)).spawn();
    let mut client = dial(&mut server).stdin(file(t, SENT)).spawn();
    if fin == Fin::Sends {
        server.close_stdin();
    }
    server.wait().stdout_len(LEN as u64);
    drop(server);
    client.wait().code(0);
}

fn nc_openbsd_as_client(t: &Ctx) {
    as_client(t, Fin::Sends, |host, port| t.peer("nc.openbsd", &["-N", host, port]));
}

fn nc_openbsd_as_server(t: &Ctx) {
    as_server(t, Fin::Sends, || t.peer("nc.openbsd", &["-N", "-l", "127.0.0.1", "0"]));
}

fn nc_traditional_as_client(t: &Ctx) {
    as_client(t, Fin::Keeps, |host, port| t.peer("nc.traditional", &["-q", "1", host, port]));
}

fn nc_traditional_as_server(t: &Ctx) {
    as_server(t, Fin::Keeps, || t.peer("nc.traditional", &["-q", "1", "-l", "-s", "127.0.0.1"]));
}

fn ncat_as_client(t: &Ctx) {
    as_client(t, Fin::Sends, |host, port| t.peer("ncat", &[host, port]));
}

fn ncat_as_server(t: &Ctx) {
    as_server(t, Fin::Sends, || t.peer("ncat", &["-l", "127.0.0.1", "0"]));
}

fn socat_as_client(t: &Ctx) {
    as_client(t, Fin::Sends, |host, port| t.peer("socat", &["-t", "9", "STDIO", &format!("TCP:{host}:{port}")]));
}

fn socat_as_server(t: &Ctx) {
    as_server(t, Fin::Sends, || t.peer("socat", &["-t", "9", "STDIO", "TCP-LISTEN:0,bind=127.0.0.1"]));
}

fn busybox_as_client(t: &Ctx) {
    as_client(t, Fin::Sends, |host, port| t.peer("busybox", &["nc", host, port]));
}

fn busybox_as_server(t: &Ctx) {
    as_server(t, Fin::Sends, || t.peer("busybox", &["nc", "-l", "-p", "0"]));
}

// ---- UDP

fn udp_both_ways(t: &Ctx, client: impl Fn(&str) -> Cmd, server: impl Fn() -> Cmd) {
    let mut ours = t.listen(&["-u", "127.0.0.1:0"]).piped().server();
    let mut theirs = client(&ours.port().to_string()).piped().spawn();
    theirs.write(b"ping\n");
    ours.stdout.wait_for("ping\n");
    ours.write(b"pong\n");
    theirs.stdout.wait_for("pong\n");
    drop((ours, theirs));
    let mut theirs = server().piped().spawn();
    let port = theirs.wait_bound("udp");
    let mut ours = t.connect(&["-u", &format!("127.0.0.1:{port}")]).piped().spawn();
    ours.write(b"ping\n");
    theirs.stdout.wait_for("ping\n");
    theirs.write(b"pong\n");
    ours.stdout.wait_for("pong\n");
}

fn nc_openbsd_udp(t: &Ctx) {
    let client = |port: &str| t.peer("nc.openbsd", &["-u", "127.0.0.1", port]);
    udp_both_ways(t, client, || t.peer("nc.openbsd", &["-u", "-l", "127.0.0.1", "0"]));
}

fn ncat_udp(t: &Ctx) {
    let client = |port: &str| t.peer("ncat", &["-u", "127.0.0.1", port]);
    udp_both_ways(t, client, || t.peer("ncat", &["-u", "-l", "127.0.0.1", "0"]));
}

fn socat_udp(t: &Ctx) {
    let client = |port: &str| t.peer("socat", &["STDIO", &format!("UDP:127.0.0.1:{port}")]);
    udp_both_ways(t, client, || t.peer("socat", &["STDIO", "UDP-LISTEN:0,bind=127.0.0.1"]));
}

// ---- UNIX

fn unix_both_ways(t: &Ctx, client: impl Fn(&str) -> Cmd, server: impl Fn(&str) -> Cmd) {
    let mut ours = t.listen(&["--sh", "cat; echo seen", &format!("unix:{}", t.file("ours"))]).server();
    client(&t.file("ours")).run(b"through a path ").stdout("through a path seen\n");
    ours.wait().code(0);
    let mut theirs = server(&t.file("theirs")).piped().spawn();
    theirs.wait_bound_unix(&t.path("theirs"));
    let mut ours = t.connect(&[&format!("unix:{}", t.file("theirs"))]).piped().spawn();
    ours.write(b"ping");
    theirs.stdout.wait_for("ping");
    theirs.write(b"pong");
    ours.stdout.wait_for("pong");
    theirs.close_stdin();
    ours.close_stdin();
    ours.wait().code(0);
}

fn nc_openbsd_unix(t: &Ctx) {
    let client = |path: &str| t.peer("nc.openbsd", &["-N", "-U", path]);
    unix_both_ways(t, client, |path| t.peer("nc.openbsd", &["-N", "-l", "-U", path]));
}

fn ncat_unix(t: &Ctx) {
    unix_both_ways(t, |path| t.peer("ncat", &["-U", path]), |path| t.peer("ncat", &["-l", "-U", path]));
}

fn socat_unix(t: &Ctx) {
    let client = |path: &str| t.peer("socat", &["-t", "9", "STDIO", &format!("UNIX-CONNECT:{path}")]);
    unix_both_ways(t, client, |path| t.peer("socat", &["-t", "9", "STDIO", &format!("UNIX-LISTEN:{path}")]));
}

fn socat_unix_datagram_and_seqpacket(t: &Ctx) {
    let server = t.listen(&["-k", "--reply", "pong", &format!("unix-dgram:{}", t.file("d"))]).server();
    let bound = format!("UNIX-SENDTO:{},bind={}", t.file("d"), t.file("client"));
    let mut client = t.peer("socat", &["STDIO", &bound]).piped().spawn();
    client.write(b"ping");
    client.stdout.wait_for("pong");
    drop(server);
    let server = t.listen(&["--reply", "pong", &format!("unix-seqpacket:{}", t.file("q"))]).server();
    let mut client = t.peer("socat", &["STDIO", &format!("UNIX-CONNECT:{},type=5", t.file("q"))]).piped().spawn();
    client.write(b"ping");
    client.stdout.wait_for("pong");
    drop(server);
}

// ---- Python

const PYTHON_CLIENT: &str = "
import socket, sys, hashlib
s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
data = open('data', 'rb').read()
s.sendall(data)
s.shutdown(socket.SHUT_WR)
got = s.makefile('rb').read()
print(len(got), got == data)
";

const PYTHON_SERVER: &str = "
import socket, sys
l = socket.create_server(('127.0.0.1', 0))
s, who = l.accept()
data = s.makefile('rb').read()
s.sendall(data)
s.close()
";

fn python_as_client(t: &Ctx) {
    drop(file(t, SENT));
    let mut server = t.listen(&["--exec", "cat", "127.0.0.1:0"]).server();
    let port = server.port().to_string();
    t.peer("python3", &["-c", PYTHON_CLIENT, &port]).run(b"").code(0).stdout(format!("{LEN} True\n"));
    server.wait().code(0);
}

fn python_as_server(t: &Ctx) {
    let mut server = t.peer("python3", &["-c", PYTHON_SERVER]).spawn();
    let addr = format!("127.0.0.1:{}", server.wait_bound("tcp"));
    let mut client = t.connect(&[&addr]).stdin(file(t, SENT)).stdout(Out::Check(SENT)).spawn();
    client.wait().code(0).stdout_len(LEN as u64);
    server.wait().code(0);
}

// ---- HTTP

fn curl(t: &Ctx, args: &[&str]) -> Cmd {
    // Whatever proxy the environment has is not for loopback.
    t.peer("curl", &["-sS", "--noproxy", "*", "--max-time", "9"]).args(args)
}

fn curl_of_a_shell_handler(t: &Ctx) {
    let line = r#"read -r method path rest; while read -r header && [ "${#header}" -gt 1 ]; do :; done
        printf 'HTTP/1.0 200 OK\r\n\r\n%s of %s for %s' "$method" "$path" "$SOCKKIT_PEER_ADDR""#;
    let server = t.listen(&["-k", "--sh", line, "127.0.0.1:0"]).server();
    for path in ["/one", "/two"] {
        let url = format!("http://127.0.0.1:{}{path}", server.port());
        curl(t, &[&url]).run(b"").code(0).stdout(format!("GET of {path} for 127.0.0.1"));
    }
}

fn curl_of_a_reply(t: &Ctx) {
    let reply = r"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nyes";
    let server = t.listen(&["-k", "--reply", reply, "127.0.0.1:0"]).server();
    for _ in 0..3 {
        curl(t, &[&format!("http://127.0.0.1:{}/", server.port())]).run(b"").code(0).stdout("yes");
    }
}

fn curl_over_a_unix_socket(t: &Ctx) {
    let reply = r"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nyes";
    let _server = t.listen(&["-k", "--reply", reply, &format!("unix:{}", t.file("s"))]).server();
    curl(t, &["--unix-socket", &t.file("s"), "http://any/"]).run(b"").code(0).stdout("yes");
}

fn curl_uploads_to_a_program(t: &Ctx) {
    drop(file(t, SENT));
    // The body has no end but the length that was told.
    let line = r#"while read -r header && [ "${#header}" -gt 1 ]; do :; done
        n=$(head -c "$LEN" | wc -c); printf 'HTTP/1.0 200 OK\r\n\r\n%s' "$n""#;
    let server = t.listen(&["--sh", line, "127.0.0.1:0"]).env("LEN", LEN.to_string()).server();
    let url = format!("http://127.0.0.1:{}/", server.port());
    curl(t, &["-H", "Expect:", "--data-binary", "@data", &url]).run(b"").code(0).stdout(LEN.to_string());
}

fn connect_speaks_http_to_python(t: &Ctx) {
    fs::write(t.path("page"), "the page").unwrap();
    let mut server = t.peer("python3", &["-m", "http.server", "--bind", "127.0.0.1", "0"]).spawn();
    let addr = format!("127.0.0.1:{}", server.wait_bound("tcp"));
    let exit = t.connect(&["--crlf", &addr]).run(b"GET /page HTTP/1.0\n\n");
    let text = exit.code(0).stdout.text();
    assert!(text.starts_with("HTTP/1.0 200") && text.ends_with("\r\n\r\nthe page"), "{text}");
}

// ---- rows of the list of historical failures

/// Peers that quit at the first end they see sent 8 MiB to a receiver that has nothing to say.
fn sends_all(t: &Ctx, peer: impl Fn(&str) -> Cmd) {
    let len = 8 << 20;
    for round in 0..5 {
        fs::write(t.path("data"), SENT.bytes(len)).unwrap();
        let mut server = t.listen(&["--recv-only", "127.0.0.1:0"]).stdout(Out::Check(SENT)).server();
        let data = In::Fd(File::open(t.path("data")).unwrap().into());
        let mut client = peer(&server.port().to_string()).stdin(data).spawn();
        server.wait().code(0).stdout_len(len as u64);
        assert!(client.wait().code < 128, "round {round}");
    }
}

fn r49_nc_traditional_sends_all(t: &Ctx) {
    sends_all(t, |port| t.peer("nc.traditional", &["-q", "0", "127.0.0.1", port]));
}

fn r49_busybox_sends_all(t: &Ctx) {
    sends_all(t, |port| t.peer("busybox", &["nc", "127.0.0.1", port]));
}
