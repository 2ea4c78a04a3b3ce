//! TLS that ends, or begins, at `sockkit relay`.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use libtest_mimic::Trial;
use rustix::process::Signal;
use socket2::{Domain, Socket, Type};

use crate::relay::relay;
use crate::support::{
    Ca, Ctx, Data, In, Proc, accept, connect, listener, read_all, read_exactly, shut_write, stays_silent, trials,
};
use crate::tls::serve;

pub(crate) fn tests() -> Vec<Trial> {
    trials!["relay_tls";
        terminated,
        originated,
        terminated_and_originated,
        passed_as_it_is,
        half_close_through_tls,
        a_certificate_that_is_not_good_is_no_target,
        openssl_on_both_sides [Openssl],
        curl_to_a_web_server [Curl, Openssl],
        a_client_that_speaks_no_tls_ends_alone,
        a_target_that_stalls_is_given_up,
        a_cut_client_is_no_end_for_the_target,
        a_cut_target_is_no_end_for_the_client,
        what_came_before_a_reset_arrives [Python3],
        our_certificate_for_the_target,
        starttls_to_the_target [Python3],
        flags_that_do_not_fit,
    ]
}

/// All of it there and back, by a client with these flags.
#[track_caller]
fn there_and_back(t: &Ctx, relay: &Proc, args: &[&str]) {
    let data = Data::new(4).bytes(3 << 20);
    let client = t.connect(&["-q"]).args(args).args(&[relay.addr()]).run(&data);
    assert!(client.code(0).stdout.bytes() == data);
    relay.stderr.wait_for("up 3145728 bytes, down 3145728 bytes; the client ended first");
}

fn terminated(t: &Ctx) {
    let ca = Ca::new(t, "ca");
    let ours = ca.issue("ours", &["127.0.0.1"]);
    let echo = t.sockkit(&["echo", "-q", "127.0.0.1:0"]).server();
    let relay = relay(t, &ours.flags(), echo.addr());
    there_and_back(t, &relay, &["--tls", "--tls-ca", &ca.pem()]);
}

fn originated(t: &Ctx) {
    let ca = Ca::new(t, "ca");
    let theirs = ca.issue("theirs", &["127.0.0.1"]);
    let echo = serve(t, &["echo", "-q"], &theirs);
    let relay = relay(t, &["--tls-originate", "--tls-ca", &ca.pem()], echo.addr());
    there_and_back(t, &relay, &[]);
    // And nothing of it in the clear.
    let (listener, address) = listener();
    let bare = t.sockkit(&["relay", "--tls-originate", "--tls-insecure", "127.0.0.1:0", &address]).server();
    let mut client = connect(bare.socket_addr());
    client.write_all(b"in the clear").unwrap();
    let target = accept(&listener);
    assert_eq!(read_exactly(&target, 1), [22]);
}

fn terminated_and_originated(t: &Ctx) {
    let echo = t.sockkit(&["echo", "-q", "--tls", "--tls-self-signed", "127.0.0.1:0"]).server();
    let args = ["--tls", "--tls-self-signed", "--tls-originate", "--tls-insecure", "--events", &t.file("events")];
    let relay = relay(t, &args, echo.addr());
    there_and_back(t, &relay, &["--tls", "--tls-insecure"]);
    // What passed can be looked at, as what it is.
    let client = t.connect(&["-q", "--tls", "--tls-insecure", relay.addr()]).run(b"look at me");
    client.code(0).stdout("look at me");
    let events = std::fs::read_to_string(t.path("events")).unwrap();
    assert!(events.contains(r#""text":"look at me""#), "not in the events");
}

fn passed_as_it_is(t: &Ctx) {
    let ca = Ca::new(t, "ca");
    let theirs = ca.issue("theirs", &["127.0.0.1"]);
    let echo = serve(t, &["echo", "-q"], &theirs);
    let relay = relay(t, &[], echo.addr());
    let data = Data::new(4).bytes(1 << 20);
    let client = t.connect(&["-q", "--tls", "--tls-ca", &ca.pem(), relay.addr()]).run(&data);
    assert!(client.code(0).stdout.bytes() == data);
    assert!(!relay.stderr.text().contains("warning"), "{}", relay.stderr.text());
}

fn half_close_through_tls(t: &Ctx) {
    // The client's end comes as a close_notify, and goes on as a FIN; and the other way round.
    let (listener, address) = listener();
    let front = relay(t, &["--tls", "--tls-self-signed"], &address);
    let back = relay(t, &["--tls-originate", "--tls-insecure"], front.addr());
    let mut client = connect(back.socket_addr());
    client.write_all(b"request").unwrap();
    shut_write(&client);
    let mut target = accept(&listener);
    assert_eq!(read_all(&target), b"request");
    stays_silent(&client, Duration::from_millis(300));
    target.write_all(b"answer").unwrap();
    drop(target);
    assert_eq!(read_all(&client), b"answer");
    // And a reset is a reset.
    let mut client = connect(back.socket_addr());
    client.write_all(b"x").unwrap();
    let target = accept(&listener);
    assert_eq!(read_exactly(&target, 1), b"x");
    crate::support::reset(target);
    assert!((&client).read(&mut [0; 10]).is_err());
}

fn a_certificate_that_is_not_good_is_no_target(t: &Ctx) {
    let echo = t.sockkit(&["echo", "-q", "--tls", "--tls-self-signed", "127.0.0.1:0"]).server();
    let relay = relay(t, &["--tls-originate"], echo.addr());
    for _ in 0..2 {
        assert!((&connect(relay.socket_addr())).read(&mut [0; 10]).is_err());
    }
    relay.stderr.wait_for("the certificate is self-signed, and not one that is trusted");
    relay.stderr.wait_for("closed (tls)");
}

fn openssl_on_both_sides(t: &Ctx) {
    let ca = Ca::new(t, "ca");
    let pem = ca.issue("pem", &["127.0.0.1"]);
    let args = ["s_server", "-quiet", "-accept", "127.0.0.1:0", "-cert", &pem.cert, "-key", &pem.key, "-rev"];
    let mut server = t.peer("openssl", &args).stdin(In::Pipe).spawn();
    let port = server.wait_bound("tcp");
    let ca = ca.pem();
    let tls = [&pem.flags()[..], &["--tls-originate", "--tls-ca", &ca]].concat();
    let relay = relay(t, &tls, &format!("127.0.0.1:{port}"));
    let args = ["s_client", "-quiet", "-verify_return_error", "-CAfile", &ca, "-connect", relay.addr()];
    let mut client = t.peer("openssl", &args).piped().spawn();
    client.write(b"backwards\n");
    client.stdout.wait_for("sdrawkcab");
}

fn curl_to_a_web_server(t: &Ctx) {
    let ca = Ca::new(t, "ca");
    let pem = ca.issue("pem", &["127.0.0.1"]);
    let args = ["s_server", "-quiet", "-accept", "127.0.0.1:0", "-cert", &pem.cert, "-key", &pem.key, "-www"];
    let mut server = t.peer("openssl", &args).stdin(In::Pipe).spawn();
    let port = server.wait_bound("tcp");
    let ca = ca.pem();
    let tls = [&pem.flags()[..], &["--tls-originate", "--tls-ca", &ca]].concat();
    let relay = relay(t, &tls, &format!("127.0.0.1:{port}"));
    let url = format!("https://{}/", relay.addr());
    let curl = t.peer("curl", &["-sS", "--noproxy", "*", "--max-time", "20", "--cacert", &ca, &url]).run(b"");
    let page = String::from_utf8(curl.code(0).stdout.bytes()).unwrap();
    assert!(page.contains("Ciphers supported"), "{page}");
}

fn a_client_that_speaks_no_tls_ends_alone(t: &Ctx) {
    let ca = Ca::new(t, "ca");
    let ours = ca.issue("ours", &["127.0.0.1"]);
    let (listener, address) = listener();
    let args = [&ours.flags()[..], &["--tls-handshake-timeout", "2s"]].concat();
    let front = relay(t, &args, &address);
    let stalled: Vec<_> = (0..20).map(|_| connect(front.socket_addr())).collect();
    let mut garbage = connect(front.socket_addr());
    garbage.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    front.stderr.wait_for("speaks no TLS");
    // Nobody has connected to the target for those.
    let mut client = t.connect(&["-q", "--tls", "--tls-ca", &ca.pem(), front.addr()]).piped().spawn();
    client.write(b"hello");
    let mut target = accept(&listener);
    assert_eq!(read_exactly(&target, 5), b"hello");
    for stalled in stalled {
        assert_eq!(read_all(&stalled), b"");
    }
    front.stderr.wait_for("--tls-handshake-timeout");
    target.write_all(b"still here").unwrap();
    client.stdout.wait_for("still here");
    assert!(front.is_running());
}

fn a_target_that_stalls_is_given_up(t: &Ctx) {
    let (listener, address) = listener();
    let args = ["--tls-originate", "--tls-insecure", "--connect-timeout", "1s"];
    let mut front = relay(t, &args, &address);
    for _ in 0..2 {
        let client = connect(front.socket_addr());
        let _stalls = accept(&listener);
        assert!((&client).read(&mut [0; 10]).is_err());
    }
    front.stderr.wait_for("the TLS handshake");
    front.stderr.wait_for("--connect-timeout");
    // And one that is under way keeps nobody from ending.
    let mut patient = relay(t, &args[..2], &address);
    let _client = connect(patient.socket_addr());
    let _stalls = accept(&listener);
    patient.signal(Signal::TERM);
    patient.wait_within(Duration::from_secs(8));
    front.signal(Signal::TERM);
    front.wait();
}

fn a_cut_client_is_no_end_for_the_target(t: &Ctx) {
    let (listener, address) = listener();
    let front = relay(t, &["--tls", "--tls-self-signed"], &address);
    let mut client = t.connect(&["-q", "--tls", "--tls-insecure", front.addr()]).piped().spawn();
    client.write(b"half of");
    let target = accept(&listener);
    assert_eq!(read_exactly(&target, 7), b"half of");
    client.signal(Signal::KILL);
    assert!((&target).read(&mut [0; 10]).is_err());
}

fn a_cut_target_is_no_end_for_the_client(t: &Ctx) {
    for allowed in [false, true] {
        let target = t.sockkit(&["echo", "-q", "--tls", "--tls-self-signed", "127.0.0.1:0"]).server();
        let more = if allowed { &["--tls-allow-truncation"][..] } else { &[] };
        let args = [&["--tls-originate", "--tls-insecure"], more].concat();
        let front = relay(t, &args, target.addr());
        let mut client = connect(front.socket_addr());
        client.write_all(b"half of").unwrap();
        assert_eq!(read_exactly(&client, 7), b"half of");
        target.signal(Signal::KILL);
        if allowed {
            assert_eq!(read_all(&client), b"");
        } else {
            assert!((&client).read(&mut [0; 10]).is_err());
            front.stderr.wait_for("without a close_notify");
        }
        assert!(front.is_running());
    }
}

/// The end of the client cannot be told to the target any more, and what that has sent before is still to arrive.
fn what_came_before_a_reset_arrives(t: &Ctx) {
    let ca = Ca::new(t, "ca");
    let pem = ca.issue("pem", &["127.0.0.1"]);
    let mut target = t.python("tls.py", &["server", &pem.cert, &pem.key, "reset"]).spawn();
    let port = target.printed_port();
    let tls = ["--tls-originate", "--tls-ca", &ca.pem(), "--sndbuf", "4k"];
    let relay = relay(t, &tls, &format!("127.0.0.1:{port}"));
    // Most of it waits in the relay, for the client has no room.
    let client = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    client.set_recv_buffer_size(4096).unwrap();
    client.connect(&relay.socket_addr().into()).unwrap();
    let mut client = TcpStream::from(client);
    target.wait().code(0);
    shut_write(&client);
    let mut got = Vec::new();
    let end = client.read_to_end(&mut got).unwrap_err();
    assert_eq!((got.len(), end.kind()), (60_000, ErrorKind::ConnectionReset), "{}", relay.stderr.text());
    relay.stderr.wait_for("the target reset it");
}

fn our_certificate_for_the_target(t: &Ctx) {
    let ca = Ca::new(t, "ca");
    let (ours, theirs) = (ca.issue("ours", &["us"]), ca.issue("theirs", &["127.0.0.1"]));
    let ca = ca.pem();
    let echo = serve(t, &["echo", "-q", "--tls-client-ca", &ca], &theirs);
    let args = ["--tls-originate", "--tls-ca", &ca, "--tls-cert", &ours.cert, "--tls-key", &ours.key];
    there_and_back(t, &relay(t, &args, echo.addr()), &[]);
}

fn starttls_to_the_target(t: &Ctx) {
    let ca = Ca::new(t, "ca");
    let pem = ca.issue("pem", &["127.0.0.1"]);
    let target = t.python("starttls.py", &["smtp", &pem.cert, &pem.key]).spawn();
    let port = target.printed_port();
    let front = relay(t, &["--starttls", "smtp", "--tls-ca", &ca.pem()], &format!("127.0.0.1:{port}"));
    let mut client = connect(front.socket_addr());
    client.write_all(b"behind it\n").unwrap();
    assert_eq!(read_exactly(&client, 10), b"behind it\n");
}

fn flags_that_do_not_fit(t: &Ctx) {
    for (args, says) in [
        (&["--tls-ca", "x", "127.0.0.1:0", "127.0.0.1:1"][..], "add --tls-originate"),
        (&["--tls-min", "1.3", "127.0.0.1:0", "127.0.0.1:1"], "add --tls"),
        (&["--tls-originate", "--tls-self-signed", "127.0.0.1:0", "127.0.0.1:1"], "add --tls"),
        (&["--tls", "127.0.0.1:0", "127.0.0.1:1"], "--tls needs a certificate"),
        (&["--tls-originate", "127.0.0.1:0", "udp://127.0.0.1:1"], "TLS"),
        (&["--tls", "--tls-self-signed", "udp://127.0.0.1:0", "127.0.0.1:1"], "TLS"),
    ] {
        t.sockkit(&["relay"]).args(args).run(b"").code(2).says(&[says]);
    }
}
