//! TLS that ends, or begins, at `sockkit relay`.

use std::io::{Read, Write};
use std::time::Duration;

use libtest_mimic::Trial;

use crate::support::{
    Ca, Ctx, Data, In, Proc, accept, connect, listener, read_all, read_exactly, shut_write, stays_silent, trials,
};

pub(crate) fn tests() -> Vec<Trial> {
    trials!["relay_tls";
        terminated,
        originated,
        terminated_and_originated,
        passed_as_it_is,
        half_close_through_tls,
        a_certificate_that_is_not_good_is_no_target,
        openssl_on_both_sides [Openssl],
        flags_that_do_not_fit,
    ]
}

/// A relay with these flags to this target, a good certificate in front.
#[track_caller]
fn relay(t: &Ctx, args: &[&str], target: &str) -> Proc {
    t.sockkit(&["relay"]).args(args).args(&["127.0.0.1:0", target]).server()
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
    let relay = relay(t, &["--tls", "--tls-cert", &ours.cert, "--tls-key", &ours.key], echo.addr());
    there_and_back(t, &relay, &["--tls", "--tls-ca", &ca.pem()]);
}

fn originated(t: &Ctx) {
    let ca = Ca::new(t, "ca");
    let theirs = ca.issue("theirs", &["127.0.0.1"]);
    let echo = t.sockkit(&["echo", "-q", "--tls", "--tls-cert", &theirs.cert, "--tls-key", &theirs.key, "127.0.0.1:0"]);
    let echo = echo.server();
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
    let echo = t.sockkit(&["echo", "-q", "--tls", "--tls-cert", &theirs.cert, "--tls-key", &theirs.key, "127.0.0.1:0"]);
    let echo = echo.server();
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
    let tls = ["--tls", "--tls-cert", &pem.cert, "--tls-key", &pem.key, "--tls-originate", "--tls-ca", &ca.pem()];
    let relay = relay(t, &tls, &format!("127.0.0.1:{port}"));
    let ca = ca.pem();
    let args = ["s_client", "-quiet", "-verify_return_error", "-CAfile", &ca, "-connect", relay.addr()];
    let mut client = t.peer("openssl", &args).piped().spawn();
    client.write(b"backwards\n");
    client.stdout.wait_for("sdrawkcab");
}

fn flags_that_do_not_fit(t: &Ctx) {
    for (args, says) in [
        (&["--tls-ca", "x", "127.0.0.1:0", "127.0.0.1:1"][..], "add --tls-originate"),
        (&["--tls", "127.0.0.1:0", "127.0.0.1:1"], "--tls needs a certificate"),
        (&["--tls-originate", "127.0.0.1:0", "udp://127.0.0.1:1"], "TLS"),
        (&["--tls", "--tls-self-signed", "udp://127.0.0.1:0", "127.0.0.1:1"], "TLS"),
    ] {
        t.sockkit(&["relay"]).args(args).run(b"").code(2).says(&[says]);
    }
}
