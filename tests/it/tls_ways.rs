//! TLS by way of something: proxies, PROXY protocol headers in front of it, both.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use libtest_mimic::Trial;

use crate::proxy::{
    Real, closed, granted, scripted, start_microsocks, start_microsocks_or_scripted, start_tinyproxy, take_socks4,
    take_socks5,
};
use crate::proxy_protocol::haproxy;
use crate::support::{
    Ca, Ctx, Data, In, Out, Pem, Proc, SOON, accept, connect, listener, one_bulk_at_a_time, read_all, read_exactly,
    stays_silent, trials,
};
use crate::tls::{dial, file, serve, usual};

pub(crate) fn tests() -> Vec<Trial> {
    trials!["tls_ways";
        through_microsocks [Microsocks],
        through_tinyproxy [Tinyproxy],
        through_each_kind_of_proxy,
        the_handshake_begins_when_the_way_is_open,
        a_proxy_that_breaks_off_in_the_handshake,
        one_budget_for_proxy_and_handshake,
        a_certificate_is_verified_by_the_name_of_the_target,
        ping_and_wait_through_a_proxy,
        starttls_through_a_proxy [Python3],
        a_proxy_that_knows_no_half_close [Microsocks],
        what_to_try_goes_by_way_of_the_proxy,
        the_header_comes_before_tls,
        every_server_takes_a_header_before_tls,
        tls_in_the_place_of_a_header,
        a_header_and_then_silence,
        haproxy_in_front_passes_tls [Haproxy],
        haproxy_in_front_begins_tls [Haproxy],
        haproxy_takes_a_header_and_tls [Haproxy],
        a_proxy_a_header_and_tls,
    ]
}

const UP: Data = Data::new(90);
const DOWN: Data = Data::new(91);
const LEN: u64 = 3 << 20;

/// All of it to a server, and all of it from one, by a client with these flags. Each way by itself: many a proxy ends
/// both when one ends.
fn both_ways(t: &Ctx, ca: &Ca<'_>, pem: &Pem, flags: &[&str], target: impl Fn(u16) -> String) {
    let _turn = one_bulk_at_a_time();
    let args = ["--recv-only", "127.0.0.1:0"];
    let mut ours = t.listen(&pem.flags()).args(&args).stdout(Out::Check(UP)).server();
    let to = target(ours.port());
    dial(t, ca, flags).args(&["--send-only", &to]).stdin(file(t, UP, LEN)).spawn().wait().code(0);
    ours.wait().code(0).stdout_len(LEN);
    let mut ours = t.listen(&pem.flags()).args(&["--send-only", "127.0.0.1:0"]).stdin(file(t, DOWN, LEN)).server();
    let to = target(ours.port());
    let mut client =
        dial(t, ca, flags).args(&["-v", "--recv-only", &to]).stdin(In::Pipe).stdout(Out::Check(DOWN)).spawn();
    client.wait().code(0).stdout_len(LEN).says(&["through", "TLSv1.3", "verified by ca: CN=server"]);
    ours.wait().code(0);
}

fn as_is(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

fn by_name(port: u16) -> String {
    format!("localhost:{port}")
}

fn through_microsocks(t: &Ctx) {
    let (ca, pem) = usual(t);
    let proxy = start_microsocks(t, &["-u", "bob", "-P", "secret"]);
    both_ways(t, &ca, &pem, &["--proxy", &format!("socks5://bob:secret@{}", proxy.addr)], as_is);
    // A name that only the proxy resolves is verified as well.
    both_ways(t, &ca, &pem, &["-4", "--proxy", &format!("socks5://bob:secret@{}", proxy.addr)], by_name);
    let exit = dial(t, &ca, &["--proxy", &format!("socks5://bob:secret@{}", proxy.addr), &closed(t)]).run(b"secret");
    exit.code(13).says(&["SOCKS5 reply 5"]);
}

fn through_tinyproxy(t: &Ctx) {
    let (ca, pem) = usual(t);
    let proxy = start_tinyproxy(t, "BasicAuth bob secret");
    let url = format!("http://bob:secret@{}", proxy.addr);
    both_ways(t, &ca, &pem, &["--proxy", &url], as_is);
    both_ways(t, &ca, &pem, &["--proxy", &url], by_name);
}

/// Copies what comes on one to the other until its end.
fn copy(mut from: TcpStream, mut to: TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}

/// Takes the request of this scheme; that of SOCKS 4a is for a name.
fn take(scheme: &str, conn: &mut TcpStream) {
    match scheme {
        "socks4a" => drop(take_socks4(conn, 2)),
        _ => crate::proxy::take(scheme, conn),
    }
}

/// A proxy of the test's own for one connection, that leads to `target` whatever it is asked for.
fn tunnel(scheme: &'static str, target: &str) -> (String, std::thread::JoinHandle<()>) {
    let target = target.parse().unwrap();
    scripted(move |mut conn| {
        take(scheme, &mut conn);
        let beyond = connect(target);
        conn.write_all(&granted(scheme)).unwrap();
        let (back, forth) = (conn.try_clone().unwrap(), beyond.try_clone().unwrap());
        let up = std::thread::spawn(move || copy(conn, forth));
        copy(beyond, back);
        up.join().unwrap();
    })
}

const SCHEMES: [&str; 5] = ["socks5", "socks5h", "socks4", "socks4a", "http"];

fn through_each_kind_of_proxy(t: &Ctx) {
    let _turn = one_bulk_at_a_time();
    let (ca, pem) = usual(t);
    let ours = serve(t, &["echo"], &pem);
    for scheme in SCHEMES {
        let (addr, served) = tunnel(scheme, ours.addr());
        // No such name is resolved here.
        let target = if matches!(scheme, "socks5" | "socks4") { "127.0.0.1:443" } else { "only.proxy.invalid:443" };
        let name = ["--tls-server-name", "localhost", "--proxy", &format!("{scheme}://{addr}"), target];
        let exit = dial(t, &ca, &name).stdin(file(t, UP, LEN)).stdout(Out::Check(UP)).spawn().wait();
        exit.code(0).stdout_len(LEN);
        served.join().unwrap();
    }
}

fn the_handshake_begins_when_the_way_is_open(t: &Ctx) {
    for scheme in SCHEMES {
        let (addr, served) = scripted(move |mut conn| {
            take(scheme, &mut conn);
            stays_silent(&conn, Duration::from_millis(200));
            conn.write_all(&granted(scheme)).unwrap();
            assert_eq!(read_exactly(&mut conn, 2), [0x16, 3]);
            // Behind its yes, in one go, something that is no TLS.
            conn.write_all(b"HTTP/1.1 400 no\r\n\r\n").unwrap();
            let _ = conn.read_to_end(&mut Vec::new());
        });
        let target = if scheme == "socks4a" || scheme == "socks5h" { "localhost:443" } else { "127.0.0.1:443" };
        let url = format!("{scheme}://{addr}");
        let exit = t.connect(&["--tls", "--tls-insecure", "--proxy", &url, target]).run(b"secret");
        exit.code(12).stdout("").says(&["but plain HTTP", &format!("try: sockkit connect --proxy {url} {target}")]);
        served.join().unwrap();
    }
}

fn a_proxy_that_breaks_off_in_the_handshake(t: &Ctx) {
    for after in [0, 1, 40] {
        let (addr, served) = scripted(move |mut conn| {
            take_socks5(&mut conn);
            conn.write_all(&granted("socks5")).unwrap();
            read_exactly(&mut conn, after);
            conn.shutdown(Shutdown::Write).unwrap();
            let _ = conn.read_to_end(&mut Vec::new());
        });
        let url = format!("socks5://{addr}");
        let exit = t.connect(&["--tls", "--tls-insecure", "--proxy", &url, "127.0.0.1:443"]).run(b"secret");
        exit.code(12).stdout("").says(&["the TLS handshake, 127.0.0.1:443: the peer closed the connection"]);
        served.join().unwrap();
    }
}

fn one_budget_for_proxy_and_handshake(t: &Ctx) {
    let (addr, served) = scripted(|mut conn| {
        take_socks5(&mut conn);
        conn.write_all(&granted("socks5")).unwrap();
        read_all(&conn);
    });
    let line = ["--tls", "--tls-insecure", "-w", "500ms", "--proxy", &format!("socks5://{addr}"), "127.0.0.1:443"];
    let exit = t.connect(&line).run(b"");
    exit.code(12).within(SOON).says(&["the TLS handshake, 127.0.0.1:443", "within 500ms (--connect-timeout)"]);
    served.join().unwrap();
}

fn a_certificate_is_verified_by_the_name_of_the_target(t: &Ctx) {
    let ca = Ca::new(t, "ca");
    let pem = ca.issue("server", &["right.invalid"]);
    let ours = serve(t, &["echo"], &pem);
    for (target, code) in [("right.invalid:443", 0), ("wrong.invalid:443", 12), ("127.0.0.1:443", 12)] {
        let (addr, served) = tunnel("socks5h", ours.addr());
        let exit = dial(t, &ca, &["--proxy", &format!("socks5h://{addr}"), target]).run(b"hello");
        exit.code(code);
        if code != 0 {
            exit.stdout("").says(&["it is for right.invalid", "try: sockkit connect --proxy socks5h://"]);
        }
        served.join().unwrap();
    }
}

fn ping_and_wait_through_a_proxy(t: &Ctx) {
    let (ca, pem) = usual(t);
    let proxy = start_microsocks_or_scripted(t);
    let ours = serve(t, &["echo", "-q"], &pem);
    let (url, trusted) = (format!("socks5://{}", proxy.addr), ca.pem());
    let tls = ["--tls", "--tls-ca", &trusted, "--proxy", &url];
    let exit = t.sockkit(&["ping", "-c", "2", "--interval", "0", "--echo"]).args(&tls).args(&[ours.addr()]).run(b"");
    assert!(exit.code(0).stdout.text().contains("TLS"), "{}", exit.stdout.text());
    t.sockkit(&["wait", "--timeout", "5s"]).args(&tls).args(&[ours.addr()]).run(b"").code(0);
}

fn starttls_through_a_proxy(t: &Ctx) {
    let (ca, pem) = usual(t);
    for protocol in ["smtp", "imap", "postgres", "ldap"] {
        for scheme in ["socks5", "http"] {
            let (_server, target) = crate::starttls::scripted(t, &pem, protocol, "");
            let target = target.replace("localhost", "127.0.0.1");
            let (addr, served) = tunnel(scheme, &target);
            let url = format!("{scheme}://{addr}");
            let exit = dial(t, &ca, &["-v", "--starttls", protocol, "--proxy", &url, &target]).run(b"hello\n");
            exit.code(0).stdout("hello\n").says(&["through", "verified by ca"]);
            served.join().unwrap();
        }
    }
    // And what a server says that does not want it.
    let (_server, target) = crate::starttls::scripted(t, &pem, "smtp", "refuse");
    let target = target.replace("localhost", "127.0.0.1");
    let (addr, served) = tunnel("socks5", &target);
    let url = format!("socks5://{addr}");
    let exit = dial(t, &ca, &["--starttls", "smtp", "--proxy", &url, &target]).run(b"secret\n");
    exit.code(12).stdout("").says(&["does not go on in TLS", &format!("try: sockkit connect --proxy {url} {target}")]);
    served.join().unwrap();
}

fn a_proxy_that_knows_no_half_close(t: &Ctx) {
    let (ca, pem) = usual(t);
    let proxy = start_microsocks(t, &[]);
    let ours = serve(t, &["listen", "-k", "--sh", "cat > /dev/null; exec sleep 60"], &pem);
    let url = format!("socks5://{}", proxy.addr);
    // It ends both directions at our end. Without TLS nobody would know whether there was more; here it is said.
    let exit = dial(t, &ca, &["--proxy", &url, ours.addr()]).run(b"question");
    exit.code(12).says(&["without a close_notify", "the proxy ends both directions", "--no-shutdown"]);
    // With what is proposed, the answer to a question that ends otherwise arrives.
    let ours = serve(t, &["listen", "-k", "--sh", "read line; echo late; exec 1>&-"], &pem);
    let exit = dial(t, &ca, &["--proxy", &url, "--no-shutdown", ours.addr()]).run(b"question\n");
    exit.code(0).stdout("late\n");
}

fn what_to_try_goes_by_way_of_the_proxy(t: &Ctx) {
    // The target is this host's loopback as the proxy sees it, which may be any host: no look at sockets here helps.
    let (listener, target) = listener();
    let closes = std::thread::spawn(move || {
        for _ in 0..2 {
            drop(accept(&listener));
        }
    });
    let Real { addr, .. } = &start_microsocks_or_scripted(t);
    let url = format!("socks5://{addr}");
    let exit = t.connect(&["--proxy", &url, &target]).stdin(In::Pipe).spawn().wait();
    exit.code(0).says(&[
        &format!("{target} closed the connection at once"),
        "does not let the proxy in",
        &format!("try: sockkit wait --proxy {url} --stable 1s {target}"),
    ]);
    exit.says_not(&["ss -l", "doctor", "traceroute"]);
    // Straight, it does.
    let exit = t.connect(&[&target]).stdin(In::Pipe).spawn().wait();
    exit.code(0).says(&["does not let this host in", &format!("try: sockkit wait --stable 1s {target}"), "ss -ltnp"]);
    closes.join().unwrap();
}

const V1: &[u8] = b"PROXY TCP4 192.0.2.7 198.51.100.9 4711 443\r\n";

fn the_header_comes_before_tls(t: &Ctx) {
    for (version, begin) in
        [("v1", &b"PROXY TCP4 127.0.0.1 127.0.0.1 "[..]), ("v2", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c")]
    {
        let (listener, addr) = listener();
        let line = ["--tls", "--tls-insecure", "--proxy-protocol", version, "-w", "5s", &addr];
        let mut client = t.connect(&line).piped().spawn();
        client.write(b"secret");
        let mut conn = accept(&listener);
        assert_eq!(read_exactly(&mut conn, begin.len()), begin);
        match version {
            "v1" => while read_exactly(&mut conn, 1) != b"\n" {},
            _ => drop(read_exactly(&mut conn, 12)),
        }
        assert_eq!(read_exactly(&mut conn, 2), [0x16, 3]);
        conn.shutdown(Shutdown::Write).unwrap();
        let rest = read_all(&conn);
        assert!(!rest.windows(6).any(|six| six == b"secret"));
        client.wait().code(12);
    }
}

/// A server over TLS that takes headers.
fn behind(t: &Ctx, line: &[&str], pem: &Pem) -> Proc {
    serve(t, &[line, &["--proxy-protocol", "accept"]].concat(), pem)
}

fn every_server_takes_a_header_before_tls(t: &Ctx) {
    let _turn = one_bulk_at_a_time();
    let (ca, pem) = usual(t);
    let as_client = ["--proxy-protocol-source", "192.0.2.7:4711"];
    for version in ["v1", "v2"] {
        let by = [&as_client[..], &["--proxy-protocol", version]].concat();
        // One after another, side by side, programs, the room.
        let mut ours = behind(t, &["listen", "--recv-only"], &pem);
        dial(t, &ca, &by).args(&["--send-only", ours.addr()]).run(b"hello").code(0);
        ours.wait().code(0).stdout("hello").says(&["accepted 192.0.2.7:4711 on"]);
        let ours = behind(t, &["echo", "-v", "--allow", "192.0.2.0/24"], &pem);
        let exit = dial(t, &ca, &by).args(&[ours.addr()]).stdin(file(t, UP, LEN)).stdout(Out::Check(UP)).spawn().wait();
        exit.code(0).stdout_len(LEN);
        ours.stderr.wait_for("accepted 192.0.2.7:4711 on");
        ours.stderr.wait_for("TLSv1.3");
        let sh = "echo $SOCKKIT_PEER_ADDR $SOCKKIT_PEER_PORT $SOCKKIT_TLS_VERSION $SOCKKIT_TLS_SNI";
        let ours = behind(t, &["listen", "-k", "--sh", sh], &pem);
        let to = by_name(ours.port());
        dial(t, &ca, &by).args(&["-4", &to]).run(b"").code(0).stdout("192.0.2.7 4711 TLSv1.3 localhost\n");
        let chat =
            t.sockkit(&["chat", "serve", "--proxy-protocol", "accept"]).args(&pem.flags()).args(&["127.0.0.1:0"]);
        let chat = chat.server();
        let join = t.sockkit(&["chat", "join", "--name", "anna", "--tls", "--tls-ca", &ca.pem()]);
        let anna = join.args(&by).args(&[chat.addr()]).piped().spawn();
        anna.stdout.wait_for("anna");
        chat.stderr.wait_for("accepted 192.0.2.7:4711 on");
    }
    // Whom the header names is who is let in, before any handshake.
    let ours = behind(t, &["echo", "--deny", "192.0.2.7"], &pem);
    let line = [&as_client[..], &["--proxy-protocol", "v2", ours.addr()]].concat();
    dial(t, &ca, &line).run(b"x").code(12);
    ours.stderr.wait_for("denied 192.0.2.7:4711");
}

fn tls_in_the_place_of_a_header(t: &Ctx) {
    let (ca, pem) = usual(t);
    let ours = behind(t, &["echo"], &pem);
    dial(t, &ca, &[ours.addr()]).run(b"x").code(12);
    ours.stderr.wait_for("no PROXY protocol header: it begins with \"\\x16\\x03");
    // And the reverse: a header where none is wanted is no TLS.
    let plain = serve(t, &["echo"], &pem);
    dial(t, &ca, &["--proxy-protocol", "v1", plain.addr()]).run(b"x").code(12);
    plain.stderr.wait_for("the other side speaks no TLS");
    // Neither harms who comes next.
    dial(t, &ca, &["--proxy-protocol", "v1", ours.addr()]).run(b"hello").code(0).stdout("hello");
    dial(t, &ca, &[plain.addr()]).run(b"hello").code(0).stdout("hello");
}

fn a_header_and_then_silence(t: &Ctx) {
    let (ca, pem) = usual(t);
    for line in [&["echo"][..], &["listen", "-k", "--recv-only"]] {
        let ours = behind(t, &[line, &["--tls-handshake-timeout", "500ms"]].concat(), &pem);
        let silent: Vec<TcpStream> = [V1, &[V1, &[0x16, 3, 1]].concat()]
            .map(|bytes| {
                let mut conn = connect(ours.socket_addr());
                conn.write_all(bytes).unwrap();
                conn
            })
            .into();
        // Meanwhile others are served.
        let by = ["--proxy-protocol", "v2", "--send-only", ours.addr()];
        dial(t, &ca, &by).run(b"hello").code(0);
        for conn in &silent {
            assert_eq!(read_all(conn), b"");
        }
        ours.stderr.wait_for("192.0.2.7:4711: it did not come to an end within 500ms (--tls-handshake-timeout)");
    }
}

fn haproxy_in_front_passes_tls(t: &Ctx) {
    let _turn = one_bulk_at_a_time();
    let (ca, pem) = usual(t);
    for option in ["send-proxy", "send-proxy-v2"] {
        let events = t.file("events");
        let ours = behind(t, &["echo", "--events", &events], &pem);
        let (_process, addr) = haproxy(t, "", &format!("{} {option}", ours.addr()));
        let named = ["--tls-server-name", "localhost", &addr];
        let exit = dial(t, &ca, &named).stdin(file(t, UP, LEN)).stdout(Out::Check(UP)).spawn().wait();
        exit.code(0).stdout_len(LEN);
        // It is the client that the server sees, and not haproxy.
        let told = std::fs::read_to_string(&events).unwrap();
        let accepted = told.lines().find(|line| line.contains("\"accepted\"")).unwrap();
        let accepted: serde_json::Value = serde_json::from_str(accepted).unwrap();
        assert_eq!(accepted["destination"], addr.as_str(), "{accepted}");
        assert_ne!(accepted["peer"], accepted["via"], "{accepted}");
        assert!(told.contains("\"server_name\":\"localhost\""), "{told}");
    }
}

fn haproxy_in_front_begins_tls(t: &Ctx) {
    let (ca, pem) = usual(t);
    let ours = behind(t, &["echo", "-v"], &pem);
    let option = format!("ssl verify required ca-file {} verifyhost localhost sni str(localhost)", ca.pem());
    let (_process, addr) = haproxy(t, "", &format!("{} send-proxy-v2 {option}", ours.addr()));
    let conn = connect(addr.parse().unwrap());
    let who = conn.local_addr().unwrap();
    (&conn).write_all(b"ping").unwrap();
    assert_eq!(read_exactly(&conn, 4), b"ping");
    ours.stderr.wait_for(&format!("accepted {who} on"));
    ours.stderr.wait_for("server name localhost");
}

fn haproxy_takes_a_header_and_tls(t: &Ctx) {
    let (ca, pem) = usual(t);
    let both = std::fs::read_to_string(&pem.cert).unwrap() + &std::fs::read_to_string(&pem.key).unwrap();
    std::fs::write(t.path("both.pem"), both).unwrap();
    for version in ["v1", "v2"] {
        let echo = t.sockkit(&["echo", "--proxy-protocol", "accept", "127.0.0.1:0"]).server();
        let bind = format!("accept-proxy ssl crt {}", t.file("both.pem"));
        let (_process, addr) = haproxy(t, &bind, &format!("{} send-proxy-v2", echo.addr()));
        let line = ["--proxy-protocol", version, "--proxy-protocol-source", "192.0.2.7:4711"];
        let exit = dial(t, &ca, &line).args(&["--tls-server-name", "localhost", "--send", "x", "--expect", "x", &addr]);
        exit.run(b"").code(0);
        echo.stderr.wait_for("accepted 192.0.2.7:4711 on");
    }
}

fn a_proxy_a_header_and_tls(t: &Ctx) {
    let (ca, pem) = usual(t);
    let ours = behind(t, &["echo"], &pem);
    for scheme in ["socks5", "http"] {
        let (addr, served) = tunnel(scheme, ours.addr());
        let url = format!("{scheme}://{addr}");
        let line =
            ["--proxy", &url, "--proxy-protocol", "v2", "--proxy-protocol-source", "192.0.2.7:4711", ours.addr()];
        dial(t, &ca, &line).run(b"all three").code(0).stdout("all three");
        ours.stderr.wait_for("accepted 192.0.2.7:4711");
        served.join().unwrap();
    }
}
