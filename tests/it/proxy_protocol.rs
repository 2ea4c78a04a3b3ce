//! `--proxy-protocol`: headers by hand, and those of haproxy and nginx, both ways.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use libtest_mimic::Trial;

use crate::proxy::start_microsocks;
use crate::support::{
    Ctx, Data, Proc, SOON, accept, connect, let_pass, listener, poll_until, read_all, read_exactly, shut_write,
    stays_silent, trials, unix_connect,
};

pub(crate) fn tests() -> Vec<Trial> {
    trials!["proxy_protocol";
        every_server_takes_headers,
        both_versions_and_what_they_say,
        rules_are_about_the_real_peer,
        only_from_trusted_proxies,
        over_unix_sockets,
        malformed_headers_end_their_client_only,
        headers_in_pieces,
        bytes_behind_the_header_are_kept,
        silent_clients_block_nobody,
        late_headers,
        a_late_header_behind_many_handshakes_costs_no_cpu,
        nothing_leaks,
        handlers_see_the_real_peer,
        scripts_accept_with_headers,
        inherited_connections [Socat],
        what_has_no_headers,
        clients_send_headers,
        the_header_comes_first,
        through_a_proxy_and_with_a_header [Microsocks],
        haproxy_sends [Haproxy],
        haproxy_reads [Haproxy],
        nginx_sends [Nginx],
        nginx_reads [Nginx],
    ]
}

const V1: &[u8] = b"PROXY TCP4 192.0.2.7 198.51.100.9 4711 80\r\n";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    [SIGNATURE, &[command, family], &u16::try_from(block.len()).unwrap().to_be_bytes(), block].concat()
}

fn server(t: &Ctx, line: &[&str]) -> Proc {
    t.sockkit(line).args(&["--proxy-protocol", "accept", "127.0.0.1:0"]).server()
}

fn says(mut conn: &TcpStream, bytes: &[u8]) {
    conn.write_all(bytes).unwrap();
}

fn every_server_takes_headers(t: &Ctx) {
    for line in [
        &["listen", "-k", "--reply", "pong"][..],
        &["listen", "-k", "--greeting", "hi", "--reply", "pong"],
        &["listen", "-k", "--exec", "cat"],
        &["listen", "-k", "--script", "SCRIPT"],
        &["listen", "-k"],
        &["echo"],
        &["time", "--on-connect"],
        &["chat", "serve"],
    ] {
        let script = t.file("script");
        std::fs::write(&script, "send-line pong\n").unwrap();
        let line: Vec<&str> = line.iter().map(|word| if *word == "SCRIPT" { &script } else { *word }).collect();
        let server = server(t, &line);
        let conn = connect(server.socket_addr());
        says(&conn, V1);
        server.stderr.wait_for("accepted 192.0.2.7:4711 on");
        let via = conn.local_addr().unwrap();
        server.stderr.wait_for(&format!("through {via}, to 198.51.100.9:80"));
        says(&conn, b"ping\n");
        if line != ["listen", "-k"] {
            assert_ne!(read_exactly(&conn, 1), b"", "{line:?}");
        }
    }
}

fn both_versions_and_what_they_say(t: &Ctx) {
    let v4 = [192, 0, 2, 7, 198, 51, 100, 9, 0x12, 0x67, 0, 80];
    let v6 = [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[1], &[0xfe; 16], &[0, 1, 0, 2]].concat();
    let mut paths = vec![0; 216];
    paths[..6].copy_from_slice(b"/tmp/x");
    for (header, peer) in [
        (V1.to_vec(), Some("192.0.2.7:4711")),
        (b"PROXY TCP6 2001:db8::1 ::1 1 2\r\n".to_vec(), Some("[2001:db8::1]:1")),
        (b"PROXY UNKNOWN\r\n".to_vec(), None),
        (b"PROXY UNKNOWN what ever\r\n".to_vec(), None),
        (v2(0x21, 0x11, &v4), Some("192.0.2.7:4711")),
        (v2(0x21, 0x12, &v4), Some("udp://192.0.2.7:4711")),
        (v2(0x21, 0x21, &v6), Some("[2001:db8::1]:1")),
        (v2(0x21, 0x31, &paths), Some("unix:/tmp/x")),
        (v2(0x21, 0x31, &[0; 216]), Some("unix:")),
        (v2(0x20, 0x00, b""), None),
        (v2(0x20, 0x11, &v4), None),
        (v2(0x21, 0x00, &[7; 300]), None),
        // With TLVs behind the addresses.
        (v2(0x21, 0x11, &[&v4[..], &[4, 0, 2, 0, 0, 0xee, 0, 1, 9]].concat()), Some("192.0.2.7:4711")),
    ] {
        let events = t.file("events");
        let mut server = server(t, &["listen", "--events", &events]);
        let conn = connect(server.socket_addr());
        let own = conn.local_addr().unwrap().to_string();
        says(&conn, &header);
        says(&conn, b"payload");
        shut_write(&conn);
        server.wait().code(0).stdout("payload");
        let events = std::fs::read_to_string(&events).unwrap();
        let accepted = events.lines().find(|line| line.contains("\"accepted\"")).unwrap();
        let accepted: serde_json::Value = serde_json::from_str(accepted).unwrap();
        assert_eq!(accepted["peer"], peer.unwrap_or(&own), "{accepted}");
        assert_eq!(accepted.get("via").is_some(), peer.is_some(), "{accepted}");
    }
}

fn rules_are_about_the_real_peer(t: &Ctx) {
    for (flag, net, let_in) in [
        ("--allow", "192.0.2.0/24", true),
        ("--allow", "127.0.0.0/8", false),
        ("--deny", "192.0.2.7", false),
        ("--deny", "127.0.0.1", true),
    ] {
        let server = server(t, &["echo", flag, net]);
        let conn = connect(server.socket_addr());
        says(&conn, &[V1, b"ping"].concat());
        if let_in {
            assert_eq!(read_exactly(&conn, 4), b"ping");
        } else {
            server.stderr.wait_for("denied 192.0.2.7:4711");
            let _ = (&conn).read(&mut [0; 1]);
        }
    }
    // Who names no address is in no network.
    let server = server(t, &["echo", "--allow", "0.0.0.0/0"]);
    says(&connect(server.socket_addr()), &v2(0x21, 0x31, &[0; 216]));
    server.stderr.wait_for("denied unix:: not in --allow");
    // LOCAL is the proxy's own.
    let conn = connect(server.socket_addr());
    says(&conn, &[v2(0x20, 0, b""), b"ping".to_vec()].concat());
    assert_eq!(read_exactly(&conn, 4), b"ping");
}

fn only_from_trusted_proxies(t: &Ctx) {
    let server = server(t, &["echo", "--proxy-protocol-from", "192.0.2.0/24,10.0.0.0/8"]);
    says(&connect(server.socket_addr()), V1);
    server.stderr.wait_for("not in --proxy-protocol-from");
    let trusting = crate::proxy_protocol::server(t, &["echo", "--proxy-protocol-from", "127.0.0.0/8"]);
    let conn = connect(trusting.socket_addr());
    says(&conn, &[V1, b"ping"].concat());
    assert_eq!(read_exactly(&conn, 4), b"ping");
    t.sockkit(&["echo", "--proxy-protocol-from", "10.0.0.0/8", ":0"]).run(b"").code(2);
    t.sockkit(&["echo", "--proxy-protocol-timeout", "1s", ":0"]).run(b"").code(2);
}

fn over_unix_sockets(t: &Ctx) {
    let path = t.path("socket");
    let address = format!("unix:{}", path.display());
    let server = t.sockkit(&["echo", "--proxy-protocol", "accept", "--allow", "192.0.2.0/24", &address]).server();
    let mut conn = unix_connect(&path);
    conn.write_all(&[V1, b"ping"].concat()).unwrap();
    assert_eq!(read_exactly(&conn, 4), b"ping");
    server.stderr.wait_for("accepted 192.0.2.7:4711 on");
    server.stderr.wait_for("through a proxy, to 198.51.100.9:80");
    let mut other = unix_connect(&path);
    other.write_all(b"PROXY UNKNOWN\r\nping").unwrap();
    server.stderr.wait_for("not in --allow");
}

fn malformed_headers_end_their_client_only(t: &Ctx) {
    let server = server(t, &["echo"]);
    for (header, words) in [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), "no PROXY protocol header: it begins with \"GET /"),
        (b"\x16\x03\x01\x02".to_vec(), "no PROXY protocol header: it begins with \"\\x16"),
        (b"PROXY TCP4 192.0.2.7 198.51.100.9 4711 80\n".to_vec(), "does not end with CR LF"),
        (b"PROXY TCP4 192.0.2.7 198.51.100.9 4711 80800\r\n".to_vec(), "a port that is none"),
        (b"PROXY TCP4 192.0.2.700 198.51.100.9 4711 80\r\n".to_vec(), "an address that is none"),
        ([b"PROXY UNKNOWN ".to_vec(), vec![b'x'; 200]].concat(), "no end within 107 bytes"),
        (v2(0x31, 0x11, &[0; 12]), "a version that is not 2"),
        (v2(0x22, 0x11, &[0; 12]), "a command"),
        (v2(0x21, 0x51, &[0; 12]), "an unknown address family"),
        (v2(0x21, 0x1f, &[0; 12]), "an unknown transport protocol"),
        (v2(0x21, 0x21, &[0; 12]), "shorter than its addresses"),
    ] {
        let conn = connect(server.socket_addr());
        let who = conn.local_addr().unwrap();
        says(&conn, &header);
        server.stderr.wait_for(&format!("denied {who}:"));
        assert!(server.stderr.text().contains(words), "{words}: {}", server.stderr.text());
        // It was closed, by a reset where bytes were left unread.
        let mut rest = Vec::new();
        let _ = (&conn).read_to_end(&mut rest);
        assert_eq!(rest, b"");
        let good = connect(server.socket_addr());
        says(&good, &[V1, b"ping"].concat());
        assert_eq!(read_exactly(&good, 4), b"ping");
    }
    for (part, words) in
        [(&b""[..], "closed without"), (&V1[..20], "closed in the middle"), (&SIGNATURE[..5], "in the middle")]
    {
        let conn = connect(server.socket_addr());
        let who = conn.local_addr().unwrap();
        says(&conn, part);
        drop(conn);
        server.stderr.wait_for(&format!("denied {who}: it closed"));
        assert!(server.stderr.text().contains(words));
    }
}

fn headers_in_pieces(t: &Ctx) {
    for header in [V1.to_vec(), v2(0x21, 0x11, &[1; 12]), v2(0x20, 0, &[0; 40])] {
        let server = server(t, &["echo"]);
        let conn = connect(server.socket_addr());
        conn.set_nodelay(true).unwrap();
        for byte in &header {
            says(&conn, &[*byte]);
            // So that each is a segment of its own.
            std::thread::sleep(Duration::from_millis(2));
        }
        says(&conn, b"ping");
        assert_eq!(read_exactly(&conn, 4), b"ping");
    }
}

fn bytes_behind_the_header_are_kept(t: &Ctx) {
    let payload = Data::new(5).bytes(300_000);
    for header in [V1.to_vec(), v2(0x21, 0x11, &[1; 12])] {
        let mut server = server(t, &["listen"]);
        let conn = connect(server.socket_addr());
        says(&conn, &[&header[..], &payload].concat());
        shut_write(&conn);
        server.wait().code(0).stdout(&payload);
    }
}

fn silent_clients_block_nobody(t: &Ctx) {
    for line in [&["listen"][..], &["listen", "-k"], &["listen", "-k", "--reply", "x"], &["echo"], &["chat", "serve"]] {
        let server = server(t, &[line, &["--proxy-protocol-timeout", "20s"]].concat());
        let silent: Vec<TcpStream> = (0..20).map(|_| connect(server.socket_addr())).collect();
        says(&silent[3], &V1[..10]);
        let begun = std::time::Instant::now();
        let good = connect(server.socket_addr());
        says(&good, V1);
        server.stderr.wait_for("accepted 192.0.2.7:4711");
        assert!(begun.elapsed() < SOON * 2, "{:?}", begun.elapsed());
        // One of them thinks again, where there are more sessions.
        if line.len() > 1 && line[1] == "-k" && line.len() > 2 {
            says(&silent[7], b"PROXY TCP4 192.0.2.8 198.51.100.9 1 2\r\n");
            server.stderr.wait_for("accepted 192.0.2.8:1");
        }
    }
}

fn late_headers(t: &Ctx) {
    for line in [&["listen"][..], &["echo"]] {
        let server = server(t, &[line, &["--proxy-protocol-timeout", "300ms"]].concat());
        let silent = connect(server.socket_addr());
        let dribble = connect(server.socket_addr());
        says(&dribble, &V1[..20]);
        for conn in [&silent, &dribble] {
            let who = conn.local_addr().unwrap();
            let words = format!("denied {who}: no whole PROXY protocol header within 300ms (--proxy-protocol-timeout)");
            server.stderr.wait_for(&words);
            let _ = (&*conn).read(&mut [0; 1]);
        }
        says(&connect(server.socket_addr()), V1);
        server.stderr.wait_for("accepted 192.0.2.7:4711");
    }
}

fn a_late_header_behind_many_handshakes_costs_no_cpu(t: &Ctx) {
    let tls = ["listen", "-k", "--tls", "--tls-self-signed", "--tls-handshake-timeout", "60s"];
    let server = server(t, &[&tls[..], &["--proxy-protocol-timeout", "500ms"]].concat());
    let _silent = connect(server.socket_addr());
    // As many as are waited for at once; none of them goes on.
    let _stuck: Vec<TcpStream> = (0..64)
        .map(|_| {
            let conn = connect(server.socket_addr());
            says(&conn, V1);
            conn
        })
        .collect();
    poll_until("64 handshakes", || {
        (server.stderr.text().matches("accepted 192.0.2.7:4711").count() == 64).then_some(())
    });
    let_pass(Duration::from_millis(500));
    let before = server.cpu();
    let_pass(Duration::from_secs(1));
    let used = server.cpu() - before;
    assert!(used < Duration::from_millis(100), "{used:?} of CPU in 1 s");
}

fn nothing_leaks(t: &Ctx) {
    let server = server(t, &["echo", "-m", "4", "-q", "--proxy-protocol-timeout", "300ms"]);
    let ping = || {
        let conn = connect(server.socket_addr());
        says(&conn, &[V1, b"ping"].concat());
        assert_eq!(read_exactly(&conn, 4), b"ping");
    };
    ping();
    let before = server.fds();
    for round in 0..300 {
        let conn = connect(server.socket_addr());
        match round % 3 {
            0 => says(&conn, b"GET / HTTP/1.1\r\n\r\n"),
            1 => says(&conn, &V1[..7]),
            _ => {}
        }
    }
    // All four places are there again.
    let held: Vec<TcpStream> = (0..4)
        .map(|_| {
            let conn = connect(server.socket_addr());
            says(&conn, &[V1, b"ping"].concat());
            assert_eq!(read_exactly(&conn, 4), b"ping");
            conn
        })
        .collect();
    let fifth = connect(server.socket_addr());
    says(&fifth, &[V1, b"ping"].concat());
    stays_silent(&fifth, Duration::from_millis(200));
    drop(held);
    assert_eq!(read_exactly(&fifth, 4), b"ping");
    drop(fifth);
    poll_until("descriptors as before", || (server.fds() <= before).then_some(()));
}

fn handlers_see_the_real_peer(t: &Ctx) {
    let server = server(t, &["listen", "-k", "--sh", "echo $SOCKKIT_PEER_ADDR $SOCKKIT_PEER_PORT $SOCKKIT_PROTO"]);
    let conn = connect(server.socket_addr());
    says(&conn, V1);
    assert_eq!(read_all(&conn), b"192.0.2.7 4711 tcp\n");
    let conn = connect(server.socket_addr());
    says(&conn, &v2(0x21, 0x21, &[[1; 16], [2; 16]].concat().into_iter().chain([0, 5, 0, 6]).collect::<Vec<u8>>()));
    assert_eq!(read_all(&conn), b"101:101:101:101:101:101:101:101 5 tcp\n");
}

fn scripts_accept_with_headers(t: &Ctx) {
    let script = t.file("script.sk");
    std::fs::write(&script, "expect one\naccept within 9s\nexpect two\nsend-line done\n").unwrap();
    let mut server = server(t, &["listen", "--script", &script]);
    let _silent = connect(server.socket_addr());
    let one = connect(server.socket_addr());
    says(&one, &[V1, b"one"].concat());
    server.stderr.wait_for("accepted 192.0.2.7:4711");
    let two = connect(server.socket_addr());
    says(&two, b"PROXY TCP4 192.0.2.8 198.51.100.9 1 2\r\ntwo");
    assert_eq!(read_exactly(&two, 5), b"done\n");
    server.stderr.wait_for("accepted 192.0.2.8:1");
    drop((one, two));
    server.wait().code(0);
}

fn inherited_connections(t: &Ctx) {
    // socat accepts, and hands the connection on as inetd(8) does.
    let program = env!("CARGO_BIN_EXE_sockkit");
    let (host, script) = (t.loopback(), t.file("run"));
    let line = format!("exec {program} listen --proxy-protocol accept --sh 'echo $SOCKKIT_PEER_ADDR' fd:0\n");
    std::fs::write(&script, line).unwrap();
    let listen = format!("TCP-LISTEN:4000,bind={host},reuseaddr");
    let mut socat = t.peer("socat", &[&listen, &format!("EXEC:sh {script},nofork")]).spawn();
    socat.wait_bound("tcp");
    let conn = connect(format!("{host}:4000").parse().unwrap());
    says(&conn, V1);
    assert_eq!(read_all(&conn), b"192.0.2.7\n");
}

fn what_has_no_headers(t: &Ctx) {
    for address in ["udp://127.0.0.1:0", "unix-dgram:./x", "unix-seqpacket:./y"] {
        let exit = t.sockkit(&["echo", "--proxy-protocol", "accept", address]).run(b"");
        exit.code(2).says(&["--proxy-protocol is about connections that are streams"]);
    }
    t.connect(&["--proxy-protocol", "v1", "udp://127.0.0.1:9"])
        .run(b"")
        .code(2)
        .says(&["--proxy-protocol is about streams"]);
    t.connect(&["--proxy-protocol", "v3", "127.0.0.1:9"]).run(b"").code(2);
    t.connect(&["--proxy-protocol", "v1", "--proxy-protocol-source", "example.org:80", "127.0.0.1:9"])
        .run(b"")
        .code(2)
        .says(&["a header has room for IP addresses"]);
    t.sockkit(&["listen", "--proxy-protocol", "v1", ":0"]).run(b"").code(2);
}

fn clients_send_headers(t: &Ctx) {
    let taken = |args: &[&str]| {
        let (listener, addr) = listener();
        let mut client = t.connect(args).args(&[&addr]).piped().spawn();
        let conn = accept(&listener);
        client.write(b"payload");
        client.close_stdin();
        let all = read_all(&conn);
        let peer = conn.peer_addr().unwrap();
        drop(conn);
        client.wait().code(0);
        (all, peer.port(), addr.rsplit_once(':').unwrap().1.parse::<u16>().unwrap())
    };
    let (all, from, to) = taken(&["--proxy-protocol", "v1"]);
    assert_eq!(String::from_utf8(all).unwrap(), format!("PROXY TCP4 127.0.0.1 127.0.0.1 {from} {to}\r\npayload"));
    let (all, from, to) = taken(&["--proxy-protocol", "v2"]);
    let block = [&[127, 0, 0, 1, 127, 0, 0, 1][..], &from.to_be_bytes(), &to.to_be_bytes()].concat();
    assert_eq!(all, [v2(0x21, 0x11, &block), b"payload".to_vec()].concat());
    let (all, _, to) = taken(&["--proxy-protocol", "v1", "--proxy-protocol-source", "192.0.2.7:4711"]);
    assert_eq!(String::from_utf8(all).unwrap(), format!("PROXY TCP4 192.0.2.7 127.0.0.1 4711 {to}\r\npayload"));
    let (all, _, to) = taken(&["--proxy-protocol", "v1", "--proxy-protocol-source", "[2001:db8::1]:9"]);
    let text = String::from_utf8(all).unwrap();
    assert_eq!(text, format!("PROXY TCP6 2001:db8::1 ::ffff:127.0.0.1 9 {to}\r\npayload"));
    // The others that connect.
    let echo = server(t, &["echo"]);
    let with = |line: &[&str]| t.sockkit(line).args(&["--proxy-protocol", "v2", echo.addr()]).run(b"");
    with(&["ping", "-c", "2", "--interval", "0", "--echo"]).code(0);
    with(&["wait", "--timeout", "5s"]).code(0);
    with(&["connect", "-z"]).code(0);
    with(&["connect", "-v", "--send", "x", "--expect", "x"])
        .code(0)
        .says(&["option proxy-protocol: v2 (from 127.0.0.1:"]);
    let room = server(t, &["chat", "serve"]);
    let one = t.sockkit(&["chat", "join", "--name", "one", "--proxy-protocol", "v1", room.addr()]).piped().spawn();
    one.stdout.wait_for("one");
    let path = t.file("socket");
    let unix = t.sockkit(&["echo", "--proxy-protocol", "accept", &format!("unix:{path}")]).server();
    for version in ["v1", "v2"] {
        let exit = t.connect(&["--proxy-protocol", version, unix.addr()]).run(b"over unix");
        exit.code(0).stdout("over unix");
    }
}

fn the_header_comes_first(t: &Ctx) {
    // It is there before anything was typed: a server that speaks after it need not wait.
    let (listener, addr) = listener();
    let mut client = t.connect(&["--proxy-protocol", "v1", &addr]).piped().spawn();
    let conn = accept(&listener);
    assert_eq!(read_exactly(&conn, 6), b"PROXY ");
    drop(conn);
    client.close_stdin();
    client.wait();
}

fn through_a_proxy_and_with_a_header(t: &Ctx) {
    let proxy = start_microsocks(t, &[]);
    let url = format!("socks5://{}", proxy.addr);
    let echo = server(t, &["echo"]);
    let line = ["--proxy", &url, "--proxy-protocol", "v2", "--proxy-protocol-source", "192.0.2.7:4711"];
    t.connect(&line).args(&["--send", "x", "--expect", "x", echo.addr()]).run(b"").code(0);
    echo.stderr.wait_for("accepted 192.0.2.7:4711");
}

/// haproxy on an address of the test's own, in front of `backend`.
pub(crate) fn haproxy(t: &Ctx, bind: &str, server: &str) -> (Proc, String) {
    let addr = format!("{}:4444", t.loopback());
    let config = format!(
        "global\n  maxconn 100\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 20s\n  timeout server 20s\nfrontend f\n  bind {addr} {bind}\n  default_backend b\nbackend b\n  server s {server}\n"
    );
    let path = t.file("haproxy.cfg");
    std::fs::write(&path, config).unwrap();
    let mut process = t.peer("haproxy", &["-db", "-f", &path]).spawn();
    process.wait_bound("tcp");
    (process, addr)
}

fn haproxy_sends(t: &Ctx) {
    for option in ["send-proxy", "send-proxy-v2"] {
        let echo = server(t, &["echo"]);
        let (_process, addr) = haproxy(t, "", &format!("{} {option}", echo.addr()));
        let conn = connect(addr.parse().unwrap());
        let who = conn.local_addr().unwrap();
        says(&conn, b"ping");
        assert_eq!(read_exactly(&conn, 4), b"ping");
        echo.stderr.wait_for(&format!("accepted {who} on"));
        echo.stderr.wait_for(&format!(", to {addr}"));
    }
    // Its health checks are its own (LOCAL).
    let events = t.file("events");
    let echo = server(t, &["echo", "--events", &events]);
    let check =
        "\n  option tcp-check\n  tcp-check connect send-proxy\n  tcp-check send ping\n  tcp-check expect string ping";
    let (_process, _) = haproxy(t, "", &format!("{} send-proxy-v2 check inter 100ms{check}", echo.addr()));
    let checked = poll_until("a health check", || {
        std::fs::read_to_string(&events).ok()?.lines().find(|line| line.contains("\"accepted\"")).map(str::to_owned)
    });
    assert!(!checked.contains("\"via\""), "{checked}");
}

fn haproxy_reads(t: &Ctx) {
    // What it was told it tells the next, and that is us again.
    for version in ["v1", "v2"] {
        let echo = server(t, &["echo"]);
        let (_process, addr) = haproxy(t, "accept-proxy", &format!("{} send-proxy-v2", echo.addr()));
        let line = ["--proxy-protocol", version, "--proxy-protocol-source", "192.0.2.7:4711", &addr];
        t.connect(&["--send", "x", "--expect", "x"]).args(&line).run(b"").code(0);
        echo.stderr.wait_for("accepted 192.0.2.7:4711 on");
    }
    // Without a header it lets nobody in.
    let echo = server(t, &["echo"]);
    let (_process, addr) = haproxy(t, "accept-proxy", &format!("{} send-proxy", echo.addr()));
    let exit = t.connect(&["--send", "GET\\n", "--expect", "x within 2s", &addr]).run(b"");
    assert_ne!(exit.code, 0);
}

/// nginx on an address of the test's own, by these lines of its stream module.
fn nginx(t: &Ctx, listen: &str, lines: &str) -> (Proc, String) {
    let addr = format!("{}:4445", t.loopback());
    let module = "/usr/lib/nginx/modules/ngx_stream_module.so";
    let load = if std::path::Path::new(module).is_file() { format!("load_module {module};") } else { String::new() };
    let dir = t.dir().display().to_string();
    let config = format!(
        "{load}\ndaemon off; master_process off; pid {dir}/nginx.pid; error_log stderr;\nevents {{}}\nstream {{ log_format l '$proxy_protocol_addr $proxy_protocol_port'; access_log {dir}/log l; server {{ listen {addr} {listen}; {lines} }} }}\n"
    );
    let path = t.file("nginx.conf");
    std::fs::write(&path, config).unwrap();
    let mut process = t.peer("nginx", &["-p", &dir, "-c", &path, "-e", "stderr"]).spawn();
    process.wait_bound("tcp");
    (process, addr)
}

fn nginx_sends(t: &Ctx) {
    let echo = server(t, &["echo"]);
    let (_process, addr) = nginx(t, "", &format!("proxy_pass {}; proxy_protocol on;", echo.addr()));
    let conn = connect(addr.parse().unwrap());
    let who = conn.local_addr().unwrap();
    says(&conn, b"ping");
    assert_eq!(read_exactly(&conn, 4), b"ping");
    echo.stderr.wait_for(&format!("accepted {who} on"));
}

fn nginx_reads(t: &Ctx) {
    for version in ["v1", "v2"] {
        let (_process, addr) = nginx(t, "proxy_protocol", "return $proxy_protocol_addr:$proxy_protocol_port;");
        let line = ["--proxy-protocol", version, "--proxy-protocol-source", "192.0.2.7:4711", &addr];
        t.connect(&line).run(b"").code(0).stdout("192.0.2.7:4711");
        let line = ["--proxy-protocol", version, "--proxy-protocol-source", "[2001:db8::7]:4711", &addr];
        t.connect(&line).run(b"").code(0).stdout("2001:db8::7:4711");
    }
}
