//! `--proxy`: real proxies, and scripted ones for what real ones do only on bad days.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::thread::JoinHandle;
use std::time::Duration;

use libtest_mimic::Trial;

use crate::support::{
    Ctx, Data, In, Need, PATIENCE, Proc, SOON, accept, connect, listener, on_path, read_all, read_exactly,
    stays_silent, trials,
};

pub(crate) fn tests() -> Vec<Trial> {
    trials!["proxy";
        microsocks [Microsocks],
        microsocks_with_a_login [Microsocks],
        tinyproxy [Tinyproxy],
        tinyproxy_with_a_login [Tinyproxy],
        ssh_dynamic_forwarding [Sshd],
        digest [Python3],
        bulk_both_ways [Microsocks],
        r42_bytes_behind_the_reply,
        r42_replies_byte_by_byte,
        r42_bound_address_of_any_kind,
        r42_short_replies,
        r42_long_names_and_logins,
        r39_endless_answers,
        every_reply_code_has_its_words,
        nothing_is_sent_before_the_way_is_open,
        names_are_resolved_where_the_scheme_says,
        one_budget,
        a_proxy_that_is_not_there,
        other_addresses_of_the_target,
        retry_waits_for_proxy_and_target,
        env,
        secrets_are_not_shown,
        where_logins_come_from,
        what_no_proxy_leads_to,
        ping_through_a_proxy,
        wait_through_a_proxy,
        wait_gone_is_about_the_target,
        wait_does_not_try_passwords,
        chat_through_a_proxy,
        scripts_through_a_proxy,
        replay_through_a_proxy,
        a_relay_through_a_proxy,
        events_and_verbose,
    ]
}

/// A proxy of the test's own that serves one connection.
pub(crate) fn scripted(serve: impl FnOnce(TcpStream) + Send + 'static) -> (String, JoinHandle<()>) {
    let (listener, addr) = listener();
    (addr, std::thread::spawn(move || serve(accept(&listener))))
}

const GRANTED5: &[u8] = &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0];

/// Takes greeting and request of SOCKS 5, and gives the address as asked for: kind and bytes.
pub(crate) fn take_socks5(conn: &mut TcpStream) -> Vec<u8> {
    assert_eq!(read_exactly(&mut *conn, 3), [5, 1, 0]);
    conn.write_all(&[5, 0]).unwrap();
    let head = read_exactly(&mut *conn, 4);
    assert_eq!(head[..3], [5, 1, 0]);
    let mut address = vec![head[3]];
    if head[3] == 3 {
        address.extend(read_exactly(&mut *conn, 1));
    }
    let more = match head[3] {
        1 => 4,
        4 => 16,
        _ => usize::from(address[1]),
    };
    address.extend(read_exactly(&mut *conn, more + 2));
    address
}

fn take_http(conn: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.extend(read_exactly(&mut *conn, 1));
    }
    String::from_utf8(head).unwrap()
}

pub(crate) fn take_socks4(conn: &mut TcpStream, strings: usize) -> Vec<u8> {
    let mut request = read_exactly(&mut *conn, 8);
    for _ in 0..strings {
        loop {
            let byte = read_exactly(&mut *conn, 1)[0];
            request.push(byte);
            if byte == 0 {
                break;
            }
        }
    }
    request
}

/// Takes the request of this scheme; of SOCKS 4a, one for an address and not for a name.
pub(crate) fn take(scheme: &str, conn: &mut TcpStream) {
    match scheme {
        "socks5" | "socks5h" => drop(take_socks5(conn)),
        "socks4" | "socks4a" => drop(take_socks4(conn, 1)),
        _ => drop(take_http(conn)),
    }
}

/// The schemes, each with a proxy that takes the request and then says this.
fn each_scheme(reply: impl Fn(&str) -> Vec<u8>, said: impl Fn(&str, String)) {
    for scheme in ["socks5", "socks5h", "socks4", "socks4a", "http"] {
        let answer = reply(scheme);
        let name = scheme.to_owned();
        let (addr, served) = scripted(move |mut conn| {
            take(&name, &mut conn);
            conn.write_all(&answer).unwrap();
            conn.shutdown(Shutdown::Write).unwrap();
            read_all(&conn);
        });
        said(scheme, addr);
        served.join().unwrap();
    }
}

/// What a proxy says of success.
pub(crate) fn granted(scheme: &str) -> Vec<u8> {
    match scheme {
        "socks5" | "socks5h" => GRANTED5.to_vec(),
        "socks4" | "socks4a" => vec![0, 90, 0, 0, 0, 0, 0, 0],
        _ => b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n".to_vec(),
    }
}

/// A real proxy, waited for.
pub(crate) struct Real {
    _process: Proc,
    pub(crate) addr: String,
}

pub(crate) fn start_microsocks(t: &Ctx, login: &[&str]) -> Real {
    let mut process = t.peer("microsocks", &["-i", "127.0.0.1", "-p", "0"]).args(login).spawn();
    let addr = format!("127.0.0.1:{}", process.wait_bound("tcp"));
    Real { _process: process, addr }
}

pub(crate) fn start_tinyproxy(t: &Ctx, lines: &str) -> Real {
    // It takes no port 0; on an address of its own nobody else has this one.
    let (host, port) = (t.loopback(), 8888);
    let config = format!("Port {port}\nListen {host}\nMaxClients 20\nLogLevel Critical\n{lines}\n");
    let path = t.file("tinyproxy.conf");
    std::fs::write(&path, config).unwrap();
    let mut process = t.peer("tinyproxy", &["-d", "-c", &path]).spawn();
    process.wait_bound("tcp");
    Real { _process: process, addr: format!("{host}:{port}") }
}

/// Talks with a server of the test's own through the proxy, and gives what happened to the server's side.
fn talks(t: &Ctx, url: &str, target: impl Fn(&str) -> String) {
    let (server, addr) = listener();
    let mut client = t.connect(&["--proxy", url, &target(&addr)]).piped().spawn();
    let mut conn = accept(&server);
    conn.write_all(b"220 banner\r\n").unwrap();
    client.stdout.wait_for("220 banner");
    client.write(b"question\n");
    assert_eq!(read_exactly(&mut conn, 9), b"question\n");
    conn.write_all(b"answer\n").unwrap();
    client.stdout.wait_for("answer");
    drop(conn);
    client.close_stdin();
    client.wait().code(0).stdout("220 banner\r\nanswer\n").says(&["connected to", "through"]);
}

fn as_is(addr: &str) -> String {
    addr.to_owned()
}

fn by_name(addr: &str) -> String {
    addr.replace("127.0.0.1", "localhost")
}

/// A loopback port nobody listens on.
pub(crate) fn closed(t: &Ctx) -> String {
    TcpListener::bind((t.loopback(), 0)).unwrap().local_addr().unwrap().to_string()
}

fn microsocks(t: &Ctx) {
    let proxy = start_microsocks(t, &[]);
    for scheme in ["socks5", "socks5h"] {
        let url = format!("{scheme}://{}", proxy.addr);
        talks(t, &url, as_is);
        t.connect(&["-z", "--proxy", &url, &closed(t)]).run(b"").code(13).says(&[
            "SOCKS5 reply 5",
            "refused",
            "the proxy works",
        ]);
        // As a user of curl would have it: a login that is not asked for does no harm.
        talks(t, &url.replace("//", "//bob:secret@"), as_is);
    }
    let nowhere = t.connect(&["-z", "--proxy", &format!("socks5h://{}", proxy.addr), "nosuch.invalid:80"]).run(b"");
    nowhere.code(13).says(&["nosuch.invalid:80", "SOCKS5 reply"]);
}

fn microsocks_with_a_login(t: &Ctx) {
    let proxy = start_microsocks(t, &["-u", "bob", "-P", "se cr@t:x"]);
    talks(t, &format!("socks5://bob:se%20cr%40t%3Ax@{}", proxy.addr), as_is);
    let z = |url: String| t.connect(&["-z", "--proxy", &url, "127.0.0.1:1"]).run(b"");
    z(format!("socks5://{}", proxy.addr)).code(13).says(&["it wants a user and a password", "SOCKKIT_PROXY_PASSWORD"]);
    z(format!("socks5://bob:wrong@{}", proxy.addr))
        .code(13)
        .says(&["does not accept the user and the password"])
        .says_not(&["wrong"]);
}

fn tinyproxy(t: &Ctx) {
    let proxy = start_tinyproxy(t, "");
    let url = format!("http://{}", proxy.addr);
    talks(t, &url, as_is);
    talks(t, &url, by_name);
    t.connect(&["-z", "--proxy", &url, &closed(t)])
        .run(b"")
        .code(13)
        .says(&["HTTP 500 Unable to connect", "could not connect to"]);
    drop(proxy);
    let proxy = start_tinyproxy(t, "ConnectPort 443");
    let url = format!("http://{}", proxy.addr);
    t.connect(&["-z", "--proxy", &url, "127.0.0.1:25"])
        .run(b"")
        .code(13)
        .says(&["its rules do not allow 127.0.0.1:25", "HTTP 403"]);
}

fn tinyproxy_with_a_login(t: &Ctx) {
    let proxy = start_tinyproxy(t, "BasicAuth bob secret");
    talks(t, &format!("http://bob:secret@{}", proxy.addr), as_is);
    let z = |url: String| t.connect(&["-z", "--proxy", &url, "127.0.0.1:1"]).run(b"");
    z(format!("http://{}", proxy.addr)).code(13).says(&["it wants a user and a password (Basic)"]);
    z(format!("http://bob:wrong@{}", proxy.addr)).code(13).says(&["does not accept the user and the password"]);
}

fn ssh_dynamic_forwarding(t: &Ctx) {
    let keys = t.file("key");
    for (file, kind) in [("key", "ed25519"), ("host", "ed25519")] {
        t.peer("ssh-keygen", &["-q", "-t", kind, "-N", "", "-f", &t.file(file)]).run(b"").code(0);
    }
    // Where it separates privileges, which root's sshd insists on.
    let _ = std::fs::create_dir("/run/sshd");
    let (host, port) = (t.loopback(), 2222);
    let config = format!(
        "ListenAddress {host}:{port}\nHostKey {}\nAuthorizedKeysFile {keys}.pub\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nPidFile none\n",
        t.file("host")
    );
    std::fs::write(t.path("sshd_config"), config).unwrap();
    std::fs::set_permissions(t.path("host"), std::fs::Permissions::from_mode(0o600)).unwrap();
    // It has to be named by its whole path, to start itself again.
    let sshd = on_path("sshd").expect("asked for");
    let mut server = t.peer(sshd.to_str().unwrap(), &["-D", "-e", "-f", &t.file("sshd_config")]).spawn();
    server.wait_bound("tcp");
    let socks = t.loopback();
    let forward = format!("{socks}:1080");
    let port = port.to_string();
    let host = host.to_string();
    let mut client = t
        .peer("ssh", &["-F", "none", "-N", "-D", &forward, "-i", &keys, "-p", &port])
        .args(&["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes"])
        .args(&["-o", "ExitOnForwardFailure=yes", &host])
        .spawn();
    client.wait_bound("tcp");
    for scheme in ["socks5", "socks5h", "socks4", "socks4a"] {
        let url = format!("{scheme}://{forward}");
        talks(t, &url, as_is);
        // It says yes before it tries the target, so of two addresses found here the second would never be asked for.
        if scheme != "socks5" {
            talks(t, &url, by_name);
        }
    }
    // It keeps the end of one direction apart from the end of the other, so a pipe through it ends as without.
    let echo = t.sockkit(&["echo", "127.0.0.1:0"]).server();
    t.connect(&["--proxy", &format!("socks5://{forward}"), echo.addr()]).run(b"whole\n").code(0).stdout("whole\n");
}

fn digest(t: &Ctx) {
    for algorithm in ["MD5", "SHA-256", "MD5-sess", "SHA-256-sess"] {
        let mut proxy = t.python("digest_proxy.py", &[algorithm]).spawn();
        let port = proxy.printed_port();
        t.connect(&["-z", "--proxy", &format!("http://bob:wrong@127.0.0.1:{port}"), "127.0.0.1:1"])
            .run(b"")
            .code(13)
            .says(&["does not accept the user and the password"]);
        let echo = t.sockkit(&["echo", "127.0.0.1:0"]).server();
        let url = format!("http://bob:se%3acret@127.0.0.1:{port}");
        let exit = t.connect(&["-v", "--proxy", &url, echo.addr()]).run(b"proved\n");
        exit.code(0).stdout("proved\n").says(&["login digest"]);
        proxy.wait().code(0);
    }
}

fn bulk_both_ways(t: &Ctx) {
    let proxy = start_microsocks(t, &[]);
    let (server, addr) = listener();
    let data = Data::new(77);
    let size = 32 << 20;
    let bytes = data.bytes(size);
    let theirs = bytes.clone();
    let mut client =
        t.connect(&["--no-shutdown", "--proxy", &format!("socks5://{}", proxy.addr), &addr]).stdin(In::Pipe).spawn();
    let mut conn = accept(&server);
    let mut writer = conn.try_clone().unwrap();
    let sent = std::thread::spawn(move || writer.write_all(&theirs).unwrap());
    let mut stdin = client.take_stdin();
    let ours = bytes.clone();
    let typed = std::thread::spawn(move || stdin.write_all(&ours).unwrap());
    let mut offset = 0;
    let mut buffer = vec![0; 1 << 16];
    while offset < size as u64 {
        let count = conn.read(&mut buffer).unwrap();
        data.check(offset, &buffer[..count]).unwrap();
        offset += count as u64;
    }
    sent.join().unwrap();
    typed.join().unwrap();
    drop(conn);
    client.wait().code(0).stdout(bytes);
}

fn r42_bytes_behind_the_reply(t: &Ctx) {
    // Reply, banner and end come in one segment.
    let with_banner = |scheme: &str| [granted(scheme), b"220 banner\r\n".to_vec()].concat();
    each_scheme(with_banner, |scheme, addr| {
        let exit = t.connect(&["--proxy", &format!("{scheme}://{addr}"), "127.0.0.1:80"]).run(b"");
        exit.code(0).stdout("220 banner\r\n");
    });
    // And more of them than one look takes.
    let banner = Data::new(3).bytes(100_000);
    let long = banner.clone();
    each_scheme(
        move |scheme| [granted(scheme), long.clone()].concat(),
        |scheme, addr| {
            t.connect(&["--proxy", &format!("{scheme}://{addr}"), "127.0.0.1:80"]).run(b"").code(0).stdout(&banner);
        },
    );
    // A script sees it too.
    each_scheme(with_banner, |scheme, addr| {
        let url = format!("{scheme}://{addr}");
        t.connect(&["--proxy", &url, "--expect", "220 banner", "127.0.0.1:80"]).run(b"").code(0);
    });
}

fn r42_replies_byte_by_byte(t: &Ctx) {
    for scheme in ["socks5", "socks4", "http"] {
        let (addr, served) = scripted(move |mut conn| {
            conn.set_nodelay(true).unwrap();
            let slowly = |conn: &mut TcpStream, bytes: &[u8]| {
                for byte in bytes {
                    conn.write_all(&[*byte]).unwrap();
                    // So that each is a segment of its own.
                    std::thread::sleep(Duration::from_millis(2));
                }
            };
            match scheme {
                "socks5" => {
                    read_exactly(&mut conn, 3);
                    slowly(&mut conn, &[5, 0]);
                    read_exactly(&mut conn, 10);
                }
                _ => take(scheme, &mut conn),
            }
            slowly(&mut conn, &[granted(scheme), b"banner".to_vec()].concat());
        });
        t.connect(&["--proxy", &format!("{scheme}://{addr}"), "127.0.0.1:80"]).run(b"").code(0).stdout("banner");
        served.join().unwrap();
    }
}

fn r42_bound_address_of_any_kind(t: &Ctx) {
    let name = "n".repeat(255);
    let replies = [
        [&[5, 0, 0, 3, 9][..], b"localhost", &[0, 80]].concat(),
        [&[5, 0, 0, 3, 255][..], name.as_bytes(), &[0, 80]].concat(),
        [&[5, 0, 0, 3, 0][..], &[0, 80]].concat(),
        [&[5, 0, 0, 4][..], &[0xfd; 16], &[0, 80]].concat(),
    ];
    for reply in replies {
        let (addr, served) = scripted(move |mut conn| {
            take_socks5(&mut conn);
            conn.write_all(&[&reply[..], b"banner"].concat()).unwrap();
        });
        t.connect(&["--proxy", &format!("socks5://{addr}"), "127.0.0.1:80"]).run(b"").code(0).stdout("banner");
        served.join().unwrap();
    }
    // Two spaces in the status line, no reason, lines that end with LF, an answer before the answer.
    for reply in [
        "HTTP/1.0  200  OK\r\n\r\n",
        "HTTP/1.1 200\r\n\r\n",
        "HTTP/1.1 200 OK\nX: y\n\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n",
    ] {
        let (addr, served) = scripted(move |mut conn| {
            take_http(&mut conn);
            conn.write_all(format!("{reply}banner").as_bytes()).unwrap();
        });
        t.connect(&["--proxy", &format!("http://{addr}"), "127.0.0.1:80"]).run(b"").code(0).stdout("banner");
        served.join().unwrap();
    }
}

fn r42_short_replies(t: &Ctx) {
    // Every answer, cut at every place: never success, never a hang, and said as what it is.
    for scheme in ["socks5", "socks4", "http"] {
        let whole = granted(scheme);
        for cut in 0..whole.len() {
            let reply = whole[..cut].to_vec();
            let (addr, served) = scripted(move |mut conn| {
                take(scheme, &mut conn);
                conn.write_all(&reply).unwrap();
            });
            let exit = t.connect(&["--proxy", &format!("{scheme}://{addr}"), "127.0.0.1:80"]).run(b"");
            exit.code(13).stdout("").says(&["it closed the connection"]);
            served.join().unwrap();
        }
    }
}

fn r42_long_names_and_logins(t: &Ctx) {
    let (server, addr) = listener();
    let long = "u".repeat(300);
    for url in
        [format!("socks5://{long}@{addr}"), format!("socks5://u:{long}@{addr}"), format!("http://u:{long}@{addr}")]
    {
        let exit = t.connect(&["--proxy", &url, "127.0.0.1:80"]).run(b"");
        exit.code(2).says(&["300 bytes, and may have at most 255"]);
    }
    let host = "h".repeat(300);
    t.connect(&["--proxy", &format!("socks5h://{addr}"), &format!("{host}:80")]).run(b"").code(2);
    server.set_nonblocking(true).unwrap();
    assert!(server.accept().is_err(), "nobody was to connect for these");
    // The longest name there is goes through whole.
    let name = [vec!["n".repeat(63); 3], vec!["n".repeat(61)]].concat().join(".");
    let wanted = [&[3, 253][..], name.as_bytes(), &[0, 80]].concat();
    let (addr, served) = scripted(move |mut conn| {
        assert_eq!(take_socks5(&mut conn), wanted);
        conn.write_all(GRANTED5).unwrap();
    });
    t.connect(&["--proxy", &format!("socks5h://{addr}"), &format!("{name}:80")]).run(b"").code(0);
    served.join().unwrap();
}

fn r39_endless_answers(t: &Ctx) {
    for line in ["X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n", "yyyyyyyyyyyyyyyyyyyyyyyy"] {
        let (addr, served) = scripted(move |mut conn| {
            take_http(&mut conn);
            conn.write_all(b"HTTP/1.1 200 OK\r\n").unwrap();
            let chunk = line.repeat(1000);
            while conn.write_all(chunk.as_bytes()).is_ok() {}
        });
        let mut client = t.connect(&["--proxy", &format!("http://{addr}"), "127.0.0.1:80"]).spawn();
        let exit = client.wait();
        exit.code(13).stdout("").says(&["its answer has no end within 65536 bytes"]);
        served.join().unwrap();
    }
    // Interim answers without end.
    let (addr, served) = scripted(move |mut conn| {
        take_http(&mut conn);
        while conn.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").is_ok() {}
    });
    t.connect(&["--proxy", &format!("http://{addr}"), "127.0.0.1:80"]).run(b"").code(13);
    served.join().unwrap();
}

fn every_reply_code_has_its_words(t: &Ctx) {
    for (code, words) in [
        (1, "failed for 127.0.0.1:80"),
        (2, "its rules do not allow 127.0.0.1:80"),
        (3, "no route to the network"),
        (4, "cannot reach the host"),
        (5, "refused the connection from it"),
        (6, "TTL expired"),
        (7, "does not support the command"),
        (8, "does not support the kind of address"),
        (99, "a code that RFC 1928 does not have"),
    ] {
        let (addr, served) = scripted(move |mut conn| {
            take_socks5(&mut conn);
            conn.write_all(&[5, code, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
        });
        let exit = t.connect(&["--proxy", &format!("socks5://{addr}"), "127.0.0.1:80"]).run(b"");
        exit.code(13).says(&["asking the proxy", words, &format!("(SOCKS5 reply {code})"), "cause:"]);
        served.join().unwrap();
    }
    for (code, words) in [(91, "rejected"), (92, "ident"), (93, "another user")] {
        let (addr, served) = scripted(move |mut conn| {
            take_socks4(&mut conn, 1);
            conn.write_all(&[0, code, 0, 0, 0, 0, 0, 0]).unwrap();
        });
        let exit = t.connect(&["--proxy", &format!("socks4://{addr}"), "127.0.0.1:80"]).run(b"");
        exit.code(13).says(&[words, &format!("(SOCKS4 reply {code})"), "cause:"]);
        served.join().unwrap();
    }
    for (status, words) in [
        ("403 Forbidden", "its rules do not allow"),
        ("407 Proxy Authentication Required", "it wants a user and a password"),
        ("502 Bad Gateway", "it could not connect to 127.0.0.1:80"),
        ("503 Service Unavailable", "cannot open the way"),
        ("504 Gateway Timeout", "did not answer it in time"),
        ("405 Method Not Allowed", "does not know the method CONNECT"),
        ("301 Moved", "redirection"),
    ] {
        let (addr, served) = scripted(move |mut conn| {
            take_http(&mut conn);
            conn.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 3\r\n\r\nbye").as_bytes()).unwrap();
        });
        let exit = t.connect(&["--proxy", &format!("http://{addr}"), "127.0.0.1:80"]).run(b"");
        exit.code(13).stdout("").says(&["asking the proxy", words, "cause:"]);
        served.join().unwrap();
    }
    // Another protocol is named.
    for (scheme, greeting, words) in [
        ("socks5", &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "--proxy http://"),
        ("http", b"\x05\xff", "--proxy socks5://"),
        ("socks5", b"SSH-2.0-OpenSSH_9\r\n", "ssh -D"),
    ] {
        let (addr, served) = scripted(move |mut conn| {
            conn.write_all(greeting).unwrap();
            conn.shutdown(Shutdown::Write).unwrap();
            // It may break off in the middle of ours.
            let _ = conn.read_to_end(&mut Vec::new());
        });
        let exit = t.connect(&["--proxy", &format!("{scheme}://{addr}"), "127.0.0.1:80"]).run(b"");
        exit.code(13).says(&["of another protocol", words]);
        served.join().unwrap();
    }
}

fn nothing_is_sent_before_the_way_is_open(t: &Ctx) {
    for scheme in ["socks5", "socks4", "http"] {
        let (addr, served) = scripted(move |mut conn| {
            take(scheme, &mut conn);
            stays_silent(&conn, Duration::from_millis(300));
            conn.write_all(&granted(scheme)).unwrap();
            assert_eq!(read_exactly(&mut conn, 7), b"payload");
        });
        t.connect(&["--proxy", &format!("{scheme}://{addr}"), "127.0.0.1:80"]).run(b"payload").code(0);
        served.join().unwrap();
    }
    // Refused, it was never sent.
    let (addr, served) = scripted(move |mut conn| {
        take_socks5(&mut conn);
        conn.write_all(&[5, 2, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
        assert_eq!(read_all(&conn), b"");
    });
    t.connect(&["--proxy", &format!("socks5://{addr}"), "127.0.0.1:80"]).run(b"payload").code(13);
    served.join().unwrap();
}

fn names_are_resolved_where_the_scheme_says(t: &Ctx) {
    for (scheme, wanted) in
        [("socks5", vec![1, 127, 0, 0, 1, 0, 80]), ("socks5h", [&[3, 9][..], b"localhost", &[0, 80]].concat())]
    {
        let (addr, served) = scripted(move |mut conn| {
            assert_eq!(take_socks5(&mut conn), wanted);
            conn.write_all(GRANTED5).unwrap();
        });
        let url = format!("{scheme}://{addr}");
        let exit = t.connect(&["-4", "--proxy", &url, "localhost:80"]).run(b"");
        if scheme == "socks5" {
            exit.code(0);
        } else {
            exit.code(2).says(&["so -4 has no say in it"]);
            t.connect(&["--proxy", &url, "localhost:80"]).run(b"").code(0);
        }
        served.join().unwrap();
    }
    for (scheme, wanted) in [
        ("socks4", vec![4, 1, 0, 80, 127, 0, 0, 1, 0]),
        ("socks4a", [&[4, 1, 0, 80, 0, 0, 0, 1, 0][..], b"localhost\0"].concat()),
    ] {
        let (addr, served) = scripted(move |mut conn| {
            assert_eq!(take_socks4(&mut conn, if scheme == "socks4" { 1 } else { 2 }), wanted);
            conn.write_all(&granted(scheme)).unwrap();
        });
        t.connect(&["--proxy", &format!("{scheme}://{addr}"), "localhost:80"]).run(b"").code(0);
        served.join().unwrap();
    }
    for (target, wanted) in
        [("localhost:80", "localhost:80"), ("[::1]:80", "[::1]:80"), ("tcp://127.0.0.1:http", "127.0.0.1:80")]
    {
        let (addr, served) = scripted(move |mut conn| {
            let head = take_http(&mut conn);
            assert!(head.starts_with(&format!("CONNECT {wanted} HTTP/1.1\r\nHost: {wanted}\r\n")), "{head}");
            conn.write_all(&granted("http")).unwrap();
        });
        t.connect(&["--proxy", &format!("http://{addr}"), target]).run(b"").code(0);
        served.join().unwrap();
    }
}

fn one_budget(t: &Ctx) {
    // A proxy that is silent, at each of its steps.
    for steps in 0..2 {
        let (addr, served) = scripted(move |mut conn| {
            if steps == 1 {
                read_exactly(&mut conn, 3);
                conn.write_all(&[5, 0]).unwrap();
            }
            read_all(&conn);
        });
        let exit = t.connect(&["-w", "500ms", "--proxy", &format!("socks5://{addr}"), "127.0.0.1:80"]).run(b"");
        exit.code(13).within(SOON).says(&["asking the proxy", "no answer within 500ms (--connect-timeout)"]);
        served.join().unwrap();
    }
    // One that dribbles does not get more.
    let (addr, served) = scripted(move |mut conn| {
        take_http(&mut conn);
        while conn.write_all(b"H").is_ok() && conn.write_all(b"").is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let url = format!("http://{addr}");
    let mut client = t.connect(&["-w", "1s", "--proxy", &url, "127.0.0.1:80"]).spawn();
    client.wait().code(13);
    served.join().unwrap();
    // Asked to end meanwhile, it ends.
    let (silent, addr) = listener();
    let mut client = t.connect(&["--proxy", &format!("socks5://{addr}"), "127.0.0.1:80"]).spawn();
    let conn = accept(&silent);
    client.signal(rustix::process::Signal::TERM);
    client.wait_within(SOON).code(143);
    drop(conn);
}

fn a_proxy_that_is_not_there(t: &Ctx) {
    let nobody = closed(t);
    let exit = t.connect(&["--proxy", &format!("socks5://{nobody}"), "192.0.2.1:80"]).run(b"");
    exit.code(13).says(&[
        &format!("connecting to the proxy, {nobody}: Connection refused"),
        "it is the proxy itself that cannot be reached, 192.0.2.1:80 was not tried",
        &format!("try: sockkit connect -z {nobody}"),
    ]);
    let exit = t.connect(&["--proxy", "socks5://nosuch.invalid", "192.0.2.1:80"]).run(b"");
    exit.code(13).says(&["resolving the proxy's name, nosuch.invalid:1080"]);
    // The target's own name, where it is resolved here, is no matter of the proxy.
    let (server, addr) = listener();
    let exit = t.connect(&["--proxy", &format!("socks5://{addr}"), "nosuch.invalid:80"]).run(b"");
    exit.code(4).says(&["resolving, nosuch.invalid:80"]);
    server.set_nonblocking(true).unwrap();
    assert!(server.accept().is_err());
}

fn other_addresses_of_the_target(t: &Ctx) {
    // The first is refused to the proxy, the second not.
    let (listener, addr) = listener();
    let served = std::thread::spawn(move || {
        let mut asked = Vec::new();
        for reply in [5, 0] {
            let mut conn = accept(&listener);
            asked.push(take_socks5(&mut conn)[0]);
            conn.write_all(&[5, reply, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
        }
        asked.sort_unstable();
        assert_eq!(asked, [1, 4]);
    });
    let hosts = "127.0.0.1 twice\n::1 twice\n";
    if Need::Root.missing().is_some() {
        // A file of hosts of its own takes a namespace.
        drop(connect(addr.parse().unwrap()));
        let _ = served.join();
        return;
    }
    t.connect(&["--proxy", &format!("socks5://{addr}"), "twice:80"]).hosts(hosts).run(b"").code(0);
    served.join().unwrap();
}

fn retry_waits_for_proxy_and_target(t: &Ctx) {
    let nobody = closed(t);
    let mut client =
        t.connect(&["-z", "--retry", "20s", "--proxy", &format!("socks5://{nobody}"), "127.0.0.1:80"]).spawn();
    std::thread::sleep(Duration::from_millis(50));
    let proxy = TcpListener::bind(&nobody).unwrap();
    for reply in [5, 0] {
        let mut conn = accept(&proxy);
        take_socks5(&mut conn);
        conn.write_all(&[5, reply, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
    }
    client.wait().code(0);
    // What will not pass is not tried again.
    let (addr, served) = scripted(|mut conn| {
        take_socks5(&mut conn);
        conn.write_all(&[5, 2, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
    });
    t.connect(&["-z", "--retry", "20s", "--proxy", &format!("socks5://{addr}"), "127.0.0.1:80"])
        .run(b"")
        .code(13)
        .within(PATIENCE);
    served.join().unwrap();
}

fn env(t: &Ctx) {
    let (server, addr) = listener();
    let taken = std::thread::spawn(move || {
        for _ in 0..4 {
            drop(accept(&server));
        }
    });
    let straight = |cmd: crate::support::Cmd| {
        cmd.run(b"").code(0).says_not(&["through"]);
    };
    let dead = format!("socks5://{}", closed(t));
    // Not asked for, the environment says nothing.
    straight(t.connect(&["-z", &addr]).env("ALL_PROXY", &dead).env("all_proxy", &dead));
    // Asked for, with none there, and with an exception.
    straight(t.connect(&["-z", "--proxy", "env", &addr]));
    straight(
        t.connect(&["-z", "--proxy", "env", &addr]).env("ALL_PROXY", &dead).env("NO_PROXY", "10.0.0.0/8,127.0.0.0/8"),
    );
    straight(t.connect(&["-z", "--proxy", "env", &addr]).env("all_proxy", &dead).env("no_proxy", "*"));
    taken.join().unwrap();
    let env = |name: &str| t.connect(&["-z", "--proxy", "env", "127.0.0.1:80"]).env(name, &dead).run(b"");
    env("ALL_PROXY").code(13).says(&["connecting to the proxy"]);
    env("all_proxy").code(13).says(&["connecting to the proxy"]);
    let bad = t.connect(&["-z", "--proxy", "env", &addr]).env("ALL_PROXY", "socks6://u:secret@h:1").run(b"");
    bad.code(2).says(&["ALL_PROXY: there are socks5"]).says_not(&["secret"]);
    // An explicit proxy has no exceptions.
    t.connect(&["-z", "--proxy", &dead, &addr]).env("NO_PROXY", "*").run(b"").code(13);
}

fn secrets_are_not_shown(t: &Ctx) {
    let secret = "hunter2secret";
    let refuse = || {
        scripted(|mut conn| {
            assert_eq!(read_exactly(&mut conn, 4), [5, 2, 0, 2]);
            conn.write_all(&[5, 2]).unwrap();
            read_exactly(&mut conn, 2 + 3 + 1 + 13);
            conn.write_all(&[1, 1]).unwrap();
        })
    };
    let events = t.file("events");
    for flags in [&["-vv"][..], &["--json"], &["--events", &events], &["--hex"]] {
        let (addr, served) = refuse();
        let url = format!("socks5://bob:{secret}@{addr}");
        let exit = t.connect(flags).args(&["--proxy", &url, "127.0.0.1:80"]).run(b"");
        exit.code(13);
        let all =
            format!("{}{}{}", exit.stdout.text(), exit.stderr, std::fs::read_to_string(&events).unwrap_or_default());
        assert!(!all.contains(secret), "{all}");
        served.join().unwrap();
    }
    // Nor in what is said of a line that does not parse.
    let url = format!("socks5://bob:{secret}@127.0.0.1:1");
    for line in [
        vec!["--bogus", "--proxy", &url, "127.0.0.1:1"],
        vec!["--proxy", &url, "--port", "x", "127.0.0.1:1"],
        vec!["--proxy", &url, "a", "b", "c"],
        vec![&format!("--proxy={url}"), "--bogus", "127.0.0.1:1"],
    ] {
        let exit = t.connect(&line).run(b"");
        exit.code(2).says_not(&[secret]);
    }
}

fn where_logins_come_from(t: &Ctx) {
    let expect = |user: &'static str, password: &'static str| {
        scripted(move |mut conn| {
            assert_eq!(read_exactly(&mut conn, 4), [5, 2, 0, 2]);
            conn.write_all(&[5, 2]).unwrap();
            let wanted =
                [&[1, user.len() as u8][..], user.as_bytes(), &[password.len() as u8], password.as_bytes()].concat();
            assert_eq!(read_exactly(&mut conn, wanted.len()), wanted);
            conn.write_all(&[1, 0]).unwrap();
            read_exactly(&mut conn, 10);
            conn.write_all(GRANTED5).unwrap();
        })
    };
    let go = |user: &'static str,
              password: &'static str,
              prefix: &str,
              set: &dyn Fn(crate::support::Cmd) -> crate::support::Cmd| {
        let (addr, served) = expect(user, password);
        let exit = set(t.connect(&["--proxy", &format!("socks5://{prefix}{addr}"), "127.0.0.1:80"])).run(b"");
        served.join().unwrap();
        exit.code(0);
        exit.stderr
    };
    go("bob", "p", "bob@", &|cmd| cmd.env("SOCKKIT_PROXY_PASSWORD", "p"));
    go("eve", "p", "", &|cmd| cmd.env("SOCKKIT_PROXY_PASSWORD", "p").env("SOCKKIT_PROXY_USER", "eve"));
    // What stands in the URL counts before the environment.
    go("bob", "q", "bob:q@", &|cmd| cmd.env("SOCKKIT_PROXY_PASSWORD", "p").env("SOCKKIT_PROXY_USER", "eve"));
    let file = t.file("login");
    std::fs::write(&file, "ann:a:b\nsecond line\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let said = go("ann", "a:b", "", &|cmd| cmd.args(&["--proxy-user-file", &file]));
    assert!(!said.contains("everybody"), "{said}");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let said = go("ann", "a:b", "", &|cmd| cmd.args(&["--proxy-user-file", &file]));
    assert!(said.contains("everybody can read the password file"), "{said}");
    let z = |flags: &[&str]| t.connect(flags).args(&["127.0.0.1:80"]).run(b"");
    z(&["--proxy", "socks5://bob@127.0.0.1:1", "--proxy-user-file", &file]).code(2).says(&["which?"]);
    z(&["--proxy-user-file", &file]).code(2);
    z(&["--proxy", "socks5://127.0.0.1:1", "--proxy-user-file", "/nowhere"])
        .code(1)
        .says(&["--proxy-user-file /nowhere: No such file"]);
    z(&["--proxy", "socks4://bob:x@127.0.0.1:1"]).code(2).says(&["no password"]);
    let exit =
        t.connect(&["--proxy", "socks5://127.0.0.1:1", "127.0.0.1:80"]).env("SOCKKIT_PROXY_PASSWORD", "x").run(b"");
    exit.code(2).says(&["but no user"]);
}

fn what_no_proxy_leads_to(t: &Ctx) {
    let (server, addr) = listener();
    let (any, four) = (format!("socks5://{addr}"), format!("socks4://{addr}"));
    for (url, target, words) in [
        (&any, "udp://127.0.0.1:53", "is UDP"),
        (&any, "unix:/tmp/x", "is not reached over it"),
        (&any, "vsock:2:80", "is not reached over it"),
        (&any, "fd:0", "is not reached over it"),
        (&any, "[fe80::1%lo]:80", "means nothing to a proxy"),
        (&four, "[::1]:80", "knows no IPv6 addresses"),
    ] {
        t.connect(&["--proxy", url, target]).run(b"").code(2).says(&[words]);
    }
    server.set_nonblocking(true).unwrap();
    assert!(server.accept().is_err());
    t.sockkit(&["time", "--proxy", &any, ":0"]).run(b"").code(2).says(&["--query"]);
}

fn ping_through_a_proxy(t: &Ctx) {
    let proxy = start_microsocks_or_scripted(t);
    let echo = t.sockkit(&["echo", "127.0.0.1:0"]).server();
    let url = format!("socks5://{}", proxy.addr);
    let exit = t.sockkit(&["ping", "-c", "3", "--interval", "0", "--proxy", &url, echo.addr()]).run(b"");
    exit.code(0);
    assert!(exit.stdout.text().contains("3 probes"), "{}", exit.stdout.text());
    let exit = t.sockkit(&["ping", "-c", "3", "--interval", "0", "--echo", "--proxy", &url, echo.addr()]).run(b"");
    exit.code(0);
    let remote = format!("socks5h://{}", proxy.addr);
    // Whichever address the proxy takes for the name.
    let both = t.sockkit(&["echo", ":0"]).server();
    let by_name = format!("localhost:{}", both.socket_addr().port());
    t.sockkit(&["ping", "-c", "2", "--interval", "0", "--proxy", &remote, &by_name]).run(b"").code(0);
    t.sockkit(&["ping", "-c", "2", "--interval", "0", "--proxy", &url, &closed(t)]).run(b"").code(13);
}

/// A SOCKS 5 proxy for any number of connections: microsocks where it is, else the test's own.
pub(crate) fn start_microsocks_or_scripted(t: &Ctx) -> Real {
    if Need::Microsocks.missing().is_none() {
        return start_microsocks(t, &[]);
    }
    let python = t.python("socks5.py", &[]).spawn();
    let addr = format!("127.0.0.1:{}", python.printed_port());
    Real { _process: python, addr }
}

fn wait_through_a_proxy(t: &Ctx) {
    let proxy = start_microsocks_or_scripted(t);
    let url = format!("socks5://{}", proxy.addr);
    let nobody = closed(t);
    let mut wait = t.sockkit(&["wait", "-v", "--timeout", "20s", "--proxy", &url, &nobody]).spawn();
    wait.stderr.wait_for("SOCKS5 reply 5");
    let server = TcpListener::bind(&nobody).unwrap();
    wait.wait().code(0).says(&["serves"]);
    drop(server);
    let exit = t.sockkit(&["wait", "--timeout", "0", "--proxy", &url, &closed(t)]).run(b"");
    exit.code(124).says(&["refused the connection"]);
    // A proxy that does not answer says nothing about the target.
    let (_silent, addr) = listener();
    let url = format!("socks5://{addr}");
    let exit = t.sockkit(&["wait", "--timeout", "300ms", "--proxy", &url, &nobody]).run(b"");
    exit.code(124).says(&["no answer to the first try yet"]).says_not(&["nothing came back from"]);
}

fn wait_gone_is_about_the_target(t: &Ctx) {
    let proxy = start_microsocks_or_scripted(t);
    let nobody = closed(t);
    let exit = t
        .sockkit(&["wait", "--gone", "--timeout", "10s", "--proxy", &format!("socks5://{}", proxy.addr), &nobody])
        .run(b"");
    exit.code(0);
    // A proxy that is gone itself does not tell.
    let dead = format!("socks5://{}", closed(t));
    let exit = t.sockkit(&["wait", "--gone", "--timeout", "300ms", "--proxy", &dead, &nobody]).run(b"");
    exit.code(124).says(&["connecting to the proxy"]);
}

fn wait_does_not_try_passwords(t: &Ctx) {
    let (addr, served) = scripted(|mut conn| {
        read_exactly(&mut conn, 4);
        conn.write_all(&[5, 2]).unwrap();
        read_exactly(&mut conn, 5);
        conn.write_all(&[1, 1]).unwrap();
    });
    let url = format!("socks5://b:x@{addr}");
    t.sockkit(&["wait", "--timeout", "20s", "--proxy", &url, "127.0.0.1:80"]).run(b"").code(13).within(PATIENCE);
    served.join().unwrap();
}

fn chat_through_a_proxy(t: &Ctx) {
    let proxy = start_microsocks_or_scripted(t);
    let room = t.sockkit(&["chat", "serve", "127.0.0.1:0"]).server();
    let url = format!("socks5://{}", proxy.addr);
    let one = t.sockkit(&["chat", "join", "--name", "one", "--proxy", &url, room.addr()]).piped().spawn();
    one.stdout.wait_for("one");
    let mut other = t.sockkit(&["chat", "join", "--name", "other", room.addr()]).piped().spawn();
    one.stdout.wait_for("other");
    other.write(b"hello through it\n");
    one.stdout.wait_for("hello through it");
}

fn scripts_through_a_proxy(t: &Ctx) {
    let proxy = start_microsocks_or_scripted(t);
    let echo = t.sockkit(&["echo", "127.0.0.1:0"]).server();
    let url = format!("socks5://{}", proxy.addr);
    let script = t.file("script.sk");
    let again = echo.addr();
    std::fs::write(&script, format!("send-line one\nexpect one\nopen {again}\nsend-line two\nexpect two\ninfo\n"))
        .unwrap();
    let exit = t.connect(&["-v", "--proxy", &url, "--script", &script, echo.addr()]).run(b"");
    exit.code(0);
    let through = exit.stderr.matches(&format!("through {}", proxy.addr)).count();
    assert_eq!(through, 2, "{}", exit.stderr);
    // The line editor opens the same way.
    let exit =
        t.connect(&["-I", "--proxy", &url, echo.addr()]).run(format!("/open {again}\n/conns\n/quit\n").as_bytes());
    let through = exit.stderr.matches(&format!("through {}", proxy.addr)).count();
    assert_eq!(through, 2, "{}", exit.stderr);
}

fn replay_through_a_proxy(t: &Ctx) {
    let proxy = start_microsocks_or_scripted(t);
    let (server, addr) = listener();
    let record = t.file("record");
    let url = format!("socks5://{}", proxy.addr);
    let plain = t.connect(&["--record", &record, &addr]);
    let again = t.sockkit(&["replay", "--speed", "0", "--proxy", &url, &record, &addr]);
    for client in [plain, again] {
        let mut client = client.piped().spawn();
        accept(&server).write_all(b"banner\n").unwrap();
        client.wait().code(0).says(&["connected to"]);
    }
    t.sockkit(&["replay", "--listen", "--proxy", &url, &record, ":0"]).run(b"").code(2);
}

fn a_relay_through_a_proxy(t: &Ctx) {
    let proxy = start_microsocks_or_scripted(t);
    let echo = t.sockkit(&["echo", "127.0.0.1:0"]).server();
    let url = format!("socks5://{}", proxy.addr);
    let by_name = echo.addr().replace("127.0.0.1", "tcp4://localhost");
    for target in [echo.addr(), &by_name] {
        let relay = t.sockkit(&["relay", "-v", "--proxy", &url, "127.0.0.1:0", target]).server();
        let mut client = connect(relay.socket_addr());
        client.write_all(b"ping").unwrap();
        // Not before: microsocks passes no half-close on.
        assert_eq!(read_exactly(&client, 4), b"ping");
        drop(client);
        relay.stderr.wait_for(&format!("through {}", proxy.addr));
        relay.stderr.wait_for("closed: sent 4 bytes, received 4 bytes");
    }
    // The proxy says no, and the relay goes on.
    let (addr, served) = scripted(|mut conn| {
        take_http(&mut conn);
        conn.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").unwrap();
        conn.shutdown(Shutdown::Write).unwrap();
        read_all(&conn);
    });
    let relay = t.sockkit(&["relay", "--proxy", &format!("http://{addr}"), "127.0.0.1:0", "192.0.2.1:80"]).server();
    t.connect(&[relay.addr()]).run(b"").code(9);
    relay.stderr.wait_for("403 Forbidden");
    served.join().unwrap();
    t.connect(&[relay.addr()]).run(b"").code(9);
    relay.stderr.wait_for("connecting to the proxy");
    for (target, words) in [("udp://127.0.0.1:53", "is UDP"), ("unix:/tmp/x", "is not reached over it")] {
        t.sockkit(&["relay", "--proxy", &url, "127.0.0.1:0", target]).run(b"").code(2).says(&[words]);
    }
}

fn events_and_verbose(t: &Ctx) {
    let (addr, served) = scripted(|mut conn| {
        take_socks5(&mut conn);
        conn.write_all(GRANTED5).unwrap();
    });
    let exit = t.connect(&["--json", "--proxy", &format!("socks5h://{addr}"), "example.org:80"]).run(b"");
    exit.code(0);
    served.join().unwrap();
    let text = exit.stdout.text();
    let events: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let find = |name: &str| events.iter().find(|event| event["event"] == name).unwrap();
    let proxy = find("proxy");
    assert_eq!((&proxy["kind"], &proxy["address"]), (&"socks5h".into(), &addr.clone().into()));
    assert_eq!((&proxy["target"], &proxy["login"]), (&"example.org:80".into(), &"none".into()));
    assert!(proxy["connect"].is_f64() && proxy["took"].is_f64() && proxy.get("error").is_none());
    let connected = find("connected");
    assert_eq!((&connected["peer"], &connected["via"]), (&"example.org:80".into(), &addr.into()));
    let (addr, served) = scripted(|mut conn| {
        take_socks5(&mut conn);
        conn.write_all(&[5, 5, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
    });
    let exit = t.connect(&["-v", "--proxy", &format!("socks5h://{addr}"), "example.org:80"]).run(b"");
    exit.code(13).says(&[&format!("proxy {addr} (socks5h):"), "to it,", "to ask; example.org:80 failed:"]);
    served.join().unwrap();
}
