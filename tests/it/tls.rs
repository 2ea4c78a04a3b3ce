//! TLS, against OpenSSL, curl, socat, ncat, stunnel and Python; and every fault that a certificate can have.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use rcgen::date_time_ymd;

use crate::support::{
    Ca, Cmd, Ctx, Data, In, Out, PATIENCE, Pem, Proc, accept, big, connect, free_port, is_big, listener,
    one_bulk_at_a_time, poll_until, read_all, trials,
};

pub(crate) fn tests() -> Vec<Trial> {
    trials!["tls";
        // The gigabytes of SOCKKIT_BIG wait for each other; each has its own limit besides.
        openssl_s_server_takes_all [Openssl] 120 / 900,
        openssl_s_server_sends_all [Openssl] 120 / 900,
        openssl_s_client_both_ways [Openssl] 120 / 900,
        s_client_may_want_to_resume [Openssl],
        a_session_between_ourselves,
        client_certificates_of_ours [Openssl],
        client_certificates_of_theirs [Openssl],
        a_client_without_its_certificate_is_told,
        an_expired_certificate,
        a_certificate_of_tomorrow,
        a_certificate_for_another_name,
        a_certificate_without_names [Openssl],
        a_certificate_for_names_at_an_address,
        a_self_signed_certificate,
        an_issuer_that_nobody_knows,
        a_certificate_of_version_one [Openssl],
        a_certificate_for_clients,
        a_certificate_that_is_too_weak [Openssl],
        a_wildcard,
        what_is_pinned_is_enough,
        insecure_takes_any,
        plain_text_in_the_place_of_tls,
        plain_text_to_a_tls_server,
        tls_versions_that_do_not_meet [Openssl],
        a_handshake_failure_says_what_it_can_be [Openssl],
        what_to_try_names_the_server_as_it_was_typed [Openssl],
        a_server_that_closes_in_the_handshake,
        a_server_that_says_nothing,
        the_client_refuses_and_the_server_is_told,
        alpn_is_agreed_on_or_not,
        files_that_do_not_fit,
        flags_that_do_not_fit,
        r05_no_byte_stays_behind [Python3],
        r06_the_end_is_whole_or_said [Python3],
        a_damaged_record_ends_its_session_only [Python3],
        r06_bulk_and_an_end_at_once 120 / 900,
        r33_a_silent_client_keeps_nobody_waiting,
        r33_one_after_another,
        an_inherited_connection_shakes_hands_first,
        r16_garbage_costs_no_slot,
        servers_of_many_say_why_a_handshake_failed [Openssl],
        a_look_at_the_port_is_no_error,
        a_clients_certificate_that_is_not_good [Openssl],
        r43_nothing_goes_in_the_clear,
        a_stalled_handshake_beside_a_hundred,
        half_close_is_a_close_notify [Python3],
        a_client_that_only_writes [Python3],
        a_goodbye_without_an_end [Python3],
        a_slow_reader_gets_all_and_the_goodbye [Python3],
        every_handler_talks_tls,
        other_servers_talk_tls,
        scripts_open_and_see_it,
        ping_and_wait,
        events_tell_how_it_is_secured,
        programs_are_told_how_it_is_secured [Openssl],
        sslkeylogfile_is_written [Openssl],
        sslkeylogfile_that_cannot_be_written,
        curl_over_tls [Curl],
        socat_over_tls [Socat],
        ncat_over_tls [Ncat],
        stunnel_between [Stunnel],
        unix_sockets_too,
    ]
}

const SENT: Data = Data::new(60);
const BACK: Data = Data::new(61);
const LEN: u64 = 3 << 20;

/// A server's usual certificate: for localhost and loopback, by an authority in `ca.pem`.
pub(crate) fn usual(t: &Ctx) -> (Ca<'_>, Pem) {
    let ca = Ca::new(t, "ca");
    let server = ca.issue("server", &["localhost", "127.0.0.1", "::1"]);
    (ca, server)
}

/// `sockkit SUBCOMMAND --tls …` with that certificate.
pub(crate) fn serve(t: &Ctx, args: &[&str], pem: &Pem) -> Proc {
    t.sockkit(&args[..1]).args(&pem.flags()).args(&args[1..]).args(&["127.0.0.1:0"]).server()
}

/// `sockkit connect --tls --tls-ca ca.pem …`
pub(crate) fn dial(t: &Ctx, ca: &Ca<'_>, args: &[&str]) -> Cmd {
    t.connect(&["--tls", "--tls-ca", &ca.pem()]).args(args)
}

/// `openssl s_server` on a port of its own choice.
fn s_server(t: &Ctx, pem: &Pem, args: &[&str], stdin: In, stdout: Out) -> (Proc, String) {
    // It does not say which port 0 became.
    let mut server = t
        .peer("openssl", &["s_server", "-quiet", "-accept", "0", "-naccept", "1", "-cert", &pem.cert, "-key", &pem.key])
        .args(args)
        .stdin(stdin)
        .stdout(stdout)
        .spawn();
    let port = server.wait_bound("tcp");
    (server, format!("localhost:{port}"))
}

pub(crate) fn file(t: &Ctx, data: Data, len: u64) -> In {
    let path = t.path(&format!("data-{data:?}-{len}"));
    let mut from = data.reader(len);
    std::io::copy(&mut from, &mut std::fs::File::create(&path).unwrap()).unwrap();
    In::Fd(std::fs::File::open(path).unwrap().into())
}

/// So much, or a gigabyte where that is wanted.
fn bulk(len: u64) -> u64 {
    if is_big() { big() } else { len }
}

const VERSIONS: [&str; 2] = ["-tls1_2", "-tls1_3"];

fn openssl_s_server_takes_all(t: &Ctx) {
    let _turn = one_bulk_at_a_time();
    let (ca, server) = usual(t);
    let own = ca.issue("client", &["client.example"]);
    for version in VERSIONS {
        let len = bulk(64 << 20);
        let verify = ["-Verify", "1", "-verify_return_error", "-CAfile", &ca.pem(), version];
        let (mut peer, addr) = s_server(t, &server, &verify, In::Pipe, Out::Check(SENT));
        let own = ["--tls-cert", &own.cert, "--tls-key", &own.key, &addr];
        let mut client = dial(t, &ca, &own).stdin(file(t, SENT, len)).spawn();
        client.wait_within(PATIENCE * 12).code(0);
        // It quits at our close_notify.
        peer.wait().stdout_len(len);
    }
}

fn openssl_s_server_sends_all(t: &Ctx) {
    let _turn = one_bulk_at_a_time();
    let (ca, server) = usual(t);
    for version in VERSIONS {
        let len = bulk(64 << 20);
        // Of its standard input it may send a record and forget the rest; a file that is asked for it sends whole.
        drop(file(t, BACK, len));
        std::fs::rename(t.path(&format!("data-{BACK:?}-{len}")), t.path("page")).unwrap();
        let (_peer, addr) = s_server(t, &server, &["-HTTP", version], In::Null, Out::Keep);
        let mut client = dial(t, &ca, &[&addr]).piped().stdout(Out::Check(BACK)).spawn();
        client.write(b"GET /page HTTP/1.0\r\n\r\n");
        client.wait_within(PATIENCE * 12).code(0).stdout_len(len);
    }
}

fn openssl_s_client_both_ways(t: &Ctx) {
    let _turn = one_bulk_at_a_time();
    let (ca, server) = usual(t);
    let (own, trusted) = (ca.issue("client", &["client.example"]), ca.pem());
    for version in VERSIONS {
        let len = bulk(64 << 20);
        let s_client = |ours: &Proc| {
            t.peer("openssl", &["s_client", "-quiet", "-verify_return_error", "-CAfile", &ca.pem(), version])
                .args(&["-verify_hostname", "localhost", "-cert", &own.cert, "-key", &own.key])
                .args(&["-connect", &format!("127.0.0.1:{}", ours.port())])
        };
        // At its input's end it goes on, and says nothing.
        let args = ["--recv-only", "--tls-client-ca", &trusted, "--idle-timeout", "3s", "127.0.0.1:0"];
        let mut ours = t.listen(&server.flags()).args(&args).stdout(Out::Check(SENT)).server();
        let _peer = s_client(&ours).stdin(file(t, SENT, len)).spawn();
        ours.wait_within(PATIENCE * 12).code(8).stdout_len(len);
        // It ends at our close_notify.
        let ours = t.listen(&server.flags()).args(&["--tls-client-ca", &trusted, "--send-only", "127.0.0.1:0"]);
        let mut ours = ours.stdin(file(t, BACK, len)).server();
        let mut peer = s_client(&ours).piped().stdout(Out::Check(BACK)).spawn();
        peer.wait_within(PATIENCE * 12).stdout_len(len);
        ours.wait_within(PATIENCE * 12).code(0);
    }
}

fn s_client_may_want_to_resume(t: &Ctx) {
    let (ca, server) = usual(t);
    let ours = serve(t, &["echo"], &server);
    for version in VERSIONS {
        let peer = t.peer("openssl", &["s_client", "-reconnect", "-CAfile", &ca.pem(), version]);
        let exit = peer.args(&["-connect", &format!("127.0.0.1:{}", ours.port())]).run(b"Q\n");
        assert!(exit.stdout.text().contains("Verify return code: 0 (ok)"), "{}", exit.stdout.text());
    }
    dial(t, &ca, &[ours.addr()]).run(b"still there").code(0).stdout("still there");
}

fn a_session_between_ourselves(t: &Ctx) {
    let (ca, server) = usual(t);
    for min in ["1.2", "1.3"] {
        let ours = serve(t, &["echo", "--tls-min", min], &server);
        let exit = dial(t, &ca, &["-v", ours.addr()]).stdin(file(t, SENT, LEN)).stdout(Out::Check(SENT)).spawn().wait();
        exit.code(0).stdout_len(LEN);
        let told = exit.stderr.clone();
        for word in ["TLSv1.3, TLS_AES_256_GCM_SHA384, X25519", "verified by ca: CN=server", "by CN=ca", "days left"] {
            assert!(told.contains(word), "{word}: {told}");
        }
    }
}

fn client_certificates_of_ours(t: &Ctx) {
    let (ca, server) = usual(t);
    let own = ca.issue("client", &["client.example"]);
    for version in VERSIONS {
        let verify = ["-Verify", "1", "-verify_return_error", "-CAfile", &ca.pem(), version];
        let (mut peer, addr) = s_server(t, &server, &verify, In::Pipe, Out::Keep);
        dial(t, &ca, &["--tls-cert", &own.cert, "--tls-key", &own.key, &addr]).run(b"me\n").code(0);
        peer.wait().stdout("me\n");
        // Without one, and with one of somebody else's.
        let (_peer, addr) = s_server(t, &server, &verify, In::Pipe, Out::Keep);
        let exit = dial(t, &ca, &[&addr]).run(b"me\n");
        exit.code(12);
        exit.says(&["wants a certificate of the client"]);
        let stranger = Ca::new(t, "stranger").issue("stranger-client", &["client.example"]);
        let (_peer, addr) = s_server(t, &server, &verify, In::Pipe, Out::Keep);
        let exit = dial(t, &ca, &["--tls-cert", &stranger.cert, "--tls-key", &stranger.key, &addr]).run(b"me\n");
        exit.code(12);
        exit.says(&["the server does not accept our certificate"]);
    }
}

fn client_certificates_of_theirs(t: &Ctx) {
    let (ca, server) = usual(t);
    let own = ca.issue("client", &["client.example"]);
    let stranger = Ca::new(t, "stranger").issue("stranger-client", &["client.example"]);
    let ours = serve(t, &["echo", "-v", "--tls-client-ca", &ca.pem()], &server);
    let s_client = |pem: &Pem| {
        let peer = t.peer("openssl", &["s_client", "-quiet", "-ign_eof", "-cert", &pem.cert, "-key", &pem.key]);
        peer.args(&["-connect", &format!("127.0.0.1:{}", ours.port())])
    };
    let mut peer = s_client(&own).piped().spawn();
    peer.write(b"hello\n");
    peer.stdout.wait_for("hello\n");
    ours.stderr.wait_for("verified by ca: CN=client");
    s_client(&stranger).run(b"hello\n");
    ours.stderr.wait_for("was issued by somebody who is not trusted: CN=stranger");
}

fn a_client_without_its_certificate_is_told(t: &Ctx) {
    let (ca, server) = usual(t);
    let own = ca.issue("client", &["client.example"]);
    let ours = serve(t, &["echo", "--tls-client-ca", &ca.pem()], &server);
    let exit = dial(t, &ca, &[ours.addr()]).run(b"me\n");
    exit.code(12);
    exit.says(&["alert certificate_required"]);
    ours.stderr.wait_for("the client showed no certificate");
    dial(t, &ca, &["--tls-cert", &own.cert, "--tls-key", &own.key, ours.addr()]).run(b"me\n").code(0).stdout("me\n");
}

/// A server with this certificate is refused, with these words; and not a byte of payload is sent to it.
fn refused(t: &Ctx, pem: &Pem, flags: &[&str], addr: impl Fn(u16) -> String, words: &[&str]) {
    let ours = serve(t, &["echo"], pem);
    let exit = t.connect(&["--tls"]).args(flags).args(&[addr(ours.port())]).run(b"secret\n");
    exit.code(12);
    for word in words {
        exit.says(&[word]);
    }
    exit.stdout("");
    ours.stderr.wait_for("closed (tls): sent 0 bytes, received 0 bytes");
}

fn localhost(port: u16) -> String {
    format!("localhost:{port}")
}

fn an_expired_certificate(t: &Ctx) {
    let ca = Ca::new(t, "ca");
    let pem = ca.issue_with("old", &["localhost"], |params| params.not_after = date_time_ymd(2021, 1, 1));
    refused(
        t,
        &pem,
        &["--tls-ca", &ca.pem()],
        localhost,
        &[
            "the certificate has expired",
            "it was good until 2021-01-01 00:00:00 UTC",
            "whoever runs the server let it run out",
        ],
    );
}

fn a_certificate_of_tomorrow(t: &Ctx) {
    let ca = Ca::new(t, "ca");
    let pem = ca.issue_with("new", &["localhost"], |params| params.not_before = date_time_ymd(2080, 1, 1));
    refused(
        t,
        &pem,
        &["--tls-ca", &ca.pem()],
        localhost,
        &[
            "the certificate is not valid yet: it will be good from 2080-01-01 00:00:00 UTC",
            "the clock of this host is behind",
        ],
    );
}

fn a_certificate_for_another_name(t: &Ctx) {
    let ca = Ca::new(t, "ca");
    let pem = ca.issue("other", &["www.example.org", "example.org"]);
    refused(
        t,
        &pem,
        &["--tls-ca", &ca.pem()],
        localhost,
        &[
            "the certificate is not for localhost: it is for www.example.org, example.org",
            "--tls-server-name www.example.org localhost:",
        ],
    );
    // What is proposed helps.
    let ours = serve(t, &["echo"], &pem);
    let name = ["--tls-server-name", "www.example.org", ours.addr()];
    dial(t, &ca, &name).run(b"hello").code(0).stdout("hello");
}

pub(crate) fn openssl(t: &Ctx, line: &str) {
    let words: Vec<&str> = line.split_whitespace().collect();
    t.peer("openssl", &words).spawn().wait().code(0);
}

fn a_certificate_without_names(t: &Ctx) {
    let (cert, key) = (t.file("bare.pem"), t.file("bare.key"));
    openssl(t, &format!("req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -keyout {key} -out {cert}"));
    // It is an authority's as well, and trusted as that it is.
    let pem = Pem { cert, key };
    refused(
        t,
        &pem,
        &["--tls-ca", &pem.cert],
        localhost,
        &["the certificate has no names (subjectAltName)", "common name"],
    );
}

fn a_certificate_for_names_at_an_address(t: &Ctx) {
    let ca = Ca::new(t, "ca");
    let pem = ca.issue("names", &["localhost"]);
    refused(
        t,
        &pem,
        &["--tls-ca", &ca.pem()],
        |port| format!("127.0.0.1:{port}"),
        &[
            "the certificate is not for the IP address 127.0.0.1: it is for localhost",
            "--tls-server-name localhost 127.0.0.1:",
        ],
    );
}

fn a_self_signed_certificate(t: &Ctx) {
    let pem = Pem::self_signed(t, "self", &["localhost"]);
    let other = Ca::new(t, "ca");
    refused(t, &pem, &["--tls-ca", &other.pem()], localhost, &["the certificate is self-signed", "--tls-pin "]);
    // Trusted by name, it is.
    let ours = serve(t, &["echo"], &pem);
    t.connect(&["--tls", "--tls-ca", &pem.cert, &localhost(ours.port())]).run(b"hello").code(0).stdout("hello");
}

fn an_issuer_that_nobody_knows(t: &Ctx) {
    let (_ca, pem) = usual(t);
    let other = Ca::new(t, "other");
    let words = ["was issued by somebody who is not trusted: CN=ca", "--tls-ca CA.pem"];
    refused(t, &pem, &["--tls-ca", &other.pem()], localhost, &words);
}

fn a_certificate_of_version_one(t: &Ctx) {
    let ca = Ca::new(t, "ca");
    let (csr, key, cert) = (t.file("v1.csr"), t.file("v1.key"), t.file("v1.pem"));
    openssl(t, &format!("req -new -newkey rsa:2048 -nodes -subj /CN=localhost -keyout {key} -out {csr}"));
    openssl(
        t,
        &format!("x509 -req -in {csr} -CA {} -CAkey {} -CAcreateserial -out {cert}", ca.pem(), t.file("ca.key")),
    );
    let pem = Pem { cert, key };
    let (_peer, addr) = s_server(t, &pem, &[], In::Pipe, Out::Keep);
    let exit = dial(t, &ca, &[&addr]).run(b"secret");
    exit.code(12).says(&["X.509 version 1", "-extfile"]);
    let exit = t.listen(&pem.flags()).args(&["127.0.0.1:0"]).spawn().wait();
    exit.code(12).says(&["X.509 version 1"]);
}

fn a_certificate_for_clients(t: &Ctx) {
    let ca = Ca::new(t, "ca");
    let pem = ca.issue_with("client", &["localhost"], |params| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    });
    refused(t, &pem, &["--tls-ca", &ca.pem()], localhost, &["not made for this side of a connection"]);
}

fn a_wildcard(t: &Ctx) {
    let ca = Ca::new(t, "ca");
    let pem = ca.issue("wild", &["*.example.org"]);
    let ours = serve(t, &["echo"], &pem);
    let named = |name: &str| dial(t, &ca, &["--tls-server-name", name, ours.addr()]).run(b"hello");
    named("www.example.org").code(0).stdout("hello");
    named("a.b.example.org").code(12);
    named("example.org").code(12).says(&["it is for *.example.org"]);
}

fn what_is_pinned_is_enough(t: &Ctx) {
    let ours = t.sockkit(&["echo", "--tls", "--tls-self-signed", "127.0.0.1:0"]).server();
    ours.stderr.wait_for("SHA-256 ");
    let pin = poll_until("a fingerprint", || {
        let text = ours.stderr.text();
        let pin = text.split("SHA-256 ").nth(1)?.get(..64)?.to_owned();
        Some(pin)
    });
    let colons: Vec<String> =
        pin.to_uppercase().as_bytes().chunks(2).map(|two| String::from_utf8_lossy(two).into()).collect();
    for form in [pin.clone(), colons.join(":")] {
        let exit = t.connect(&["-v", "--tls", "--tls-pin", &form, ours.addr()]).run(b"hello");
        exit.code(0).stdout("hello").says(&["verified by pin: CN=sockkit self-signed"]);
    }
    let other = "0".repeat(64);
    let exit = t.connect(&["--tls", "--tls-pin", &other, ours.addr()]).run(b"secret");
    exit.code(12).stdout("").says(&[&format!("it has {pin}")]).says(&["somebody is on the way"]);
}

fn insecure_takes_any(t: &Ctx) {
    let ours = t.sockkit(&["echo", "--tls", "--tls-self-signed", "127.0.0.1:0"]).server();
    let exit = t.connect(&["-v", "--tls", "--tls-insecure", ours.addr()]).run(b"hello");
    exit.code(0).stdout("hello").says(&["not verified: CN=sockkit self-signed"]);
}

fn plain_text_in_the_place_of_tls(t: &Ctx) {
    for (greeting, words) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], ["but plain HTTP", "443"]),
        (b"<!DOCTYPE HTML>\n<html lang=\"en\">\n", ["but plain HTTP", "443"]),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", ["but plain SSH", "said \"SSH-2.0-OpenSSH_9.2p1\""]),
        (b"220 mail.example.org ESMTP Postfix\r\n", ["but plain SMTP", "--starttls smtp 127.0.0.1:"]),
        (b"220 (vsFTPd 3.0.3)\r\n", ["but plain FTP", "--starttls ftp 127.0.0.1:"]),
        (b"+OK Dovecot ready.\r\n", ["but plain POP3", "--starttls pop3"]),
        (b"* OK [CAPABILITY IMAP4rev1] ready\r\n", ["but plain IMAP", "--starttls imap"]),
        (b"\x4a\x00\x00\x00\x0a8.0.36\x00", ["but plain MySQL", "--starttls mysql"]),
        (b"anything at all\n", ["speaks no TLS", "said \"anything at all\""]),
    ] {
        let (listener, addr) = listener();
        let mut client = t.connect(&["--tls", &addr]).spawn();
        let mut peer = accept(&listener);
        peer.write_all(greeting).unwrap();
        let exit = client.wait();
        exit.code(12);
        for word in words {
            exit.says(&[word]);
        }
        // What it got was a record of TLS, and nothing else.
        assert_eq!(read_all(peer)[0], 0x16);
    }
}

fn plain_text_to_a_tls_server(t: &Ctx) {
    let (ca, pem) = usual(t);
    let ours = serve(t, &["echo"], &pem);
    let mut http = connect(ours.socket_addr());
    http.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    ours.stderr.wait_for("the other side speaks no TLS, but plain HTTP");
    let mut other = connect(ours.socket_addr());
    other.write_all(b"hello\n").unwrap();
    ours.stderr.wait_for("the other side speaks no TLS\n");
    dial(t, &ca, &[ours.addr()]).run(b"hello").code(0).stdout("hello");
    // One that takes a single connection ends with it.
    let mut single = t.listen(&pem.flags()).args(&["127.0.0.1:0"]).server();
    connect(single.socket_addr()).write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    single.wait().code(12).says(&["an HTTP client came without TLS"]);
}

fn tls_versions_that_do_not_meet(t: &Ctx) {
    let (ca, server) = usual(t);
    let (_peer, addr) = s_server(t, &server, &["-tls1_2"], In::Pipe, Out::Keep);
    let exit = dial(t, &ca, &["--tls-min", "1.3", &addr]).run(b"x");
    exit.code(12);
    exit.says(&["alert protocol_version"]).says(&["--tls-min 1.3"]);
    let (_peer, addr) = s_server(t, &server, &["-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"], In::Pipe, Out::Keep);
    let exit = dial(t, &ca, &[&addr]).run(b"x");
    exit.code(12);
    exit.says(&["protocol_version"]);
    let ours = serve(t, &["echo", "--tls-min", "1.3"], &server);
    let port = format!("127.0.0.1:{}", ours.port());
    t.peer("openssl", &["s_client", "-tls1_2", "-connect", &port]).run(b"");
    ours.stderr.wait_for("the client offers no version of TLS that is spoken here");
    let ours = serve(t, &["echo"], &server);
    let port = format!("127.0.0.1:{}", ours.port());
    t.peer("openssl", &["s_client", "-tls1_2", "-cipher", "AES128-SHA", "-connect", &port]).run(b"");
    ours.stderr.wait_for("no common ground");
}

/// One alert for several things: what came before it tells which.
fn a_handshake_failure_says_what_it_can_be(t: &Ctx) {
    let (ca, server) = usual(t);
    for unfit in [
        &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"][..],
        &["-tls1_3", "-ciphersuites", "TLS_AES_128_CCM_SHA256"],
        &["-tls1_3", "-groups", "secp521r1"],
    ] {
        let (_peer, addr) = s_server(t, &server, unfit, In::Pipe, Out::Keep);
        let exit = dial(t, &ca, &[&addr]).run(b"secret");
        exit.code(12).says(&["alert handshake_failure", "of the suites, curves and signatures that we offer"]);
        exit.says_not(&["wants a certificate"]);
    }
    let verify = ["-Verify", "1", "-verify_return_error", "-CAfile", &ca.pem(), "-tls1_2"];
    let (_peer, addr) = s_server(t, &server, &verify, In::Pipe, Out::Keep);
    let exit = dial(t, &ca, &[&addr]).run(b"secret");
    exit.code(12).says(&["alert handshake_failure", "wants a certificate of the client", "--tls-cert CERT.pem"]);
    exit.says_not(&["suites"]);
    // The peer of ours that has no TLS at all, and sends back what it gets.
    let echo = t.sockkit(&["echo", "-q", "127.0.0.1:0"]).server();
    let exit = dial(t, &ca, &[echo.addr()]).run(b"secret");
    exit.code(12).stdout("").says(&["our own words came back", &format!("try: sockkit connect {}", echo.addr())]);
}

fn what_to_try_names_the_server_as_it_was_typed(t: &Ctx) {
    let (ca, server) = usual(t);
    let verify = ["-Verify", "1", "-verify_return_error", "-CAfile", &ca.pem(), "-tls1_3"];
    let (_peer, addr) = s_server(t, &server, &verify, In::Pipe, Out::Keep);
    // It is told in the session, which is one with an address; but the certificate is for the name.
    let exit = dial(t, &ca, &[&addr]).run(b"");
    exit.code(12).says(&[&format!("try: sockkit connect --tls --tls-cert CERT.pem --tls-key KEY.pem {addr}")]);
}

fn a_server_that_closes_in_the_handshake(t: &Ctx) {
    let (listener, addr) = listener();
    let mut client = t.connect(&["--tls", &addr]).spawn();
    let mut peer = accept(&listener);
    peer.read_exact(&mut [0; 5]).unwrap();
    // With unread bytes it would be a reset.
    drop(peer);
    client.wait().code(12).says(&["in the middle of it"]).says(&["did not answer in TLS"]);
    let mut client = t.connect(&["--tls", &addr]).spawn();
    let mut peer = accept(&listener);
    let mut hello = [0; 5];
    peer.read_exact(&mut hello).unwrap();
    let rest = usize::from(u16::from_be_bytes([hello[3], hello[4]]));
    peer.read_exact(&mut vec![0; rest]).unwrap();
    drop(peer);
    client.wait().code(12).says(&["the peer closed the connection in the middle of it"]);
}

fn a_server_that_says_nothing(t: &Ctx) {
    let (listener, addr) = listener();
    let began = Instant::now();
    let mut client = t.connect(&["--tls", "-w", "500ms", &addr]).spawn();
    let _peer = accept(&listener);
    let exit = client.wait();
    exit.code(12);
    exit.says(&["did not come to an end within 500ms (--connect-timeout)"]).says(&["wants STARTTLS"]);
    assert!(began.elapsed() >= Duration::from_millis(500));
}

fn the_client_refuses_and_the_server_is_told(t: &Ctx) {
    let (_ca, pem) = usual(t);
    let other = Ca::new(t, "other");
    let mut single = t.listen(&pem.flags()).args(&["127.0.0.1:0"]).server();
    dial(t, &other, &[&localhost(single.port())]).run(b"x").code(12);
    single.wait().code(12).says(&["alert unknown_ca"]).says(&["the client does not accept our certificate"]);
}

fn alpn_is_agreed_on_or_not(t: &Ctx) {
    let (ca, pem) = usual(t);
    let ours = serve(t, &["echo", "--tls-alpn", "two,one"], &pem);
    let exit = dial(t, &ca, &["-v", "--tls-alpn", "one,two", ours.addr()]).run(b"x");
    exit.code(0);
    exit.says(&["ALPN two"]);
    let exit = dial(t, &ca, &["--tls-alpn", "three", ours.addr()]).run(b"x");
    exit.code(12);
    exit.says(&["alert no_application_protocol"]);
    ours.stderr.wait_for("offered no protocol (ALPN) of ours");
}

fn files_that_do_not_fit(t: &Ctx) {
    let (ca, pem) = usual(t);
    let other = ca.issue("other", &["localhost"]);
    let listen = |cert: &str, key: &str| {
        t.listen(&["--tls", "--tls-cert", cert, "--tls-key", key, "127.0.0.1:0"]).spawn().wait()
    };
    listen(&pem.cert, &other.key).code(12).says(&["does not fit the certificate"]);
    listen(&pem.cert, "/nonexistent").code(12).says(&["--tls-key /nonexistent: No such file or directory"]);
    listen(&pem.key, &pem.key).code(12).says(&["there is no certificate in it"]);
    listen(&pem.cert, &pem.cert).code(12).says(&["there is no key in it"]);
    std::fs::write(t.path("cut.pem"), &std::fs::read(&pem.cert).unwrap()[..100]).unwrap();
    listen(&t.file("cut.pem"), &pem.key).code(12).says(&["damaged"]);
    let sealed = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    std::fs::write(t.path("sealed.key"), sealed).unwrap();
    listen(&pem.cert, &t.file("sealed.key")).code(12).says(&["the key is encrypted"]);
    // Both in one file, as ncat and socat have it.
    let both = std::fs::read_to_string(&pem.cert).unwrap() + &std::fs::read_to_string(&pem.key).unwrap();
    std::fs::write(t.path("both.pem"), both).unwrap();
    let ours = t.sockkit(&["echo", "--tls", "--tls-cert", &t.file("both.pem"), "127.0.0.1:0"]).server();
    dial(t, &ca, &[ours.addr()]).run(b"hello").code(0).stdout("hello");
    t.connect(&["--tls", "--tls-ca", &pem.key, ours.addr()]).run(b"").code(12).says(&["--tls-ca"]);
    t.connect(&["--tls", "--tls-cert", &pem.cert, "--tls-key", &other.key, ours.addr()])
        .run(b"")
        .code(12)
        .says(&["does not fit the certificate"]);
}

fn flags_that_do_not_fit(t: &Ctx) {
    let no = |args: &[&str], words: &str| {
        t.sockkit(args).spawn().wait().code(2).says(&[words]);
    };
    no(&["connect", "--tls", "udp://127.0.0.1:1"], "TLS needs a byte stream");
    no(&["connect", "--tls", "unix-dgram:/x"], "TLS needs a byte stream");
    no(&["connect", "--tls", "echo:"], "speaks no TLS");
    no(&["connect", "--tls-ca", "x", "127.0.0.1:1"], "--tls-ca is about TLS: add --tls");
    no(&["connect", "--tls", "--tls-key", "x", "127.0.0.1:1"], "add --tls-cert");
    no(&["connect", "--tls", "--tls-pin", "abc", "127.0.0.1:1"], "64 hexadecimal digits");
    no(
        &["connect", "--tls", "--tls-insecure", "--tls-server-name", "a b", "127.0.0.1:1"],
        "no name that a certificate",
    );
    no(&["connect", "--tls", "--tls-insecure", "--tls-ca", "x", "127.0.0.1:1"], "cannot be used with");
    no(&["listen", "--tls", "127.0.0.1:0"], "--tls needs a certificate");
    no(&["listen", "--tls-self-signed", "127.0.0.1:0"], "add --tls");
    no(&["echo", "--tls", "--tls-self-signed", "-u", "127.0.0.1:0"], "TLS needs a byte stream");
    no(&["time", "--query", "--tls-client-ca", "x", "127.0.0.1:1"], "is for a server");
}

fn python(t: &Ctx, pem: &Pem, what: &str, version: &str) -> (Proc, String) {
    let server = t.python("tls.py", &["server", &pem.cert, &pem.key, what, version]).spawn();
    let addr = localhost(server.printed_port());
    (server, addr)
}

fn r05_no_byte_stays_behind(t: &Ctx) {
    let (ca, pem) = usual(t);
    for version in ["1.2", "1.3"] {
        let (_peer, addr) = python(t, &pem, "record", version);
        let client = dial(t, &ca, &[&addr]).piped().spawn();
        client.stdout.wait_for("ab");
        assert_eq!(client.stdout.bytes().len(), 16385);
        // A script, whose buffer is smaller than a record.
        let (_peer, addr) = python(t, &pem, "record", version);
        let exit = dial(t, &ca, &["--expect", "ab", &addr]).run(b"");
        exit.code(0);
    }
}

fn r06_the_end_is_whole_or_said(t: &Ctx) {
    let (ca, pem) = usual(t);
    for version in ["1.2", "1.3"] {
        let (_peer, addr) = python(t, &pem, "truncate", version);
        let exit = dial(t, &ca, &["--recv-only", &addr]).spawn().wait();
        exit.code(12);
        exit.stdout("all that came\n").says(&["without a close_notify"]).says(&["--tls-allow-truncation"]);
        let (_peer, addr) = python(t, &pem, "truncate", version);
        let exit = dial(t, &ca, &["--tls-allow-truncation", "--recv-only", &addr]).spawn().wait();
        exit.code(0);
        exit.stdout("all that came\n");
    }
}

fn a_damaged_record_ends_its_session_only(t: &Ctx) {
    let (ca, pem) = usual(t);
    let echo = serve(t, &["echo"], &pem);
    for version in ["1.2", "1.3"] {
        // One alert answers it, and nothing behind that: RFC 8446, section 6.2.
        let (mut peer, addr) = python(t, &pem, "damage", version);
        let exit = dial(t, &ca, &["--recv-only", &addr]).spawn().wait();
        exit.code(12).stdout("all that came\n").says(&["cannot decrypt", "somebody between changes bytes"]);
        assert_eq!(peer.wait().code(0).stdout.text().lines().nth(1), Some("1"));
        let mut ours = t.listen(&pem.flags()).args(&["--recv-only", "127.0.0.1:0"]).server();
        let client = |port: u16| t.python("tls.py", &["client", "127.0.0.1", &port.to_string(), "damage", version]);
        client(ours.port()).spawn().wait().code(0).stdout("1\n");
        ours.wait().code(12).stdout("all that came\n").says(&["cannot decrypt"]);
        // What came before it may have been answered.
        client(echo.port()).spawn().wait().code(0);
        echo.stderr.wait_for("cannot decrypt");
    }
    dial(t, &ca, &[echo.addr()]).run(b"hello").code(0).stdout("hello");
    assert!(!echo.stderr.text().contains("panicked"), "{}", echo.stderr.text());
}

fn a_certificate_that_is_too_weak(t: &Ctx) {
    let ca = Ca::new(t, "ca");
    let make = |name: &str, bits: u32, hash: &str| {
        let (csr, key, cert) = (t.file("weak.csr"), t.file(&format!("{name}.key")), t.file(&format!("{name}.pem")));
        std::fs::write(t.path("ext"), "subjectAltName=DNS:localhost").unwrap();
        openssl(t, &format!("req -new -newkey rsa:{bits} -nodes -subj /CN={name} -keyout {key} -out {csr}"));
        let by = format!("-CA {} -CAkey {} -CAcreateserial -extfile {}", ca.pem(), t.file("ca.key"), t.file("ext"));
        openssl(t, &format!("x509 -req -{hash} -in {csr} {by} -out {cert}"));
        Pem { cert, key }
    };
    let small = make("small", 1024, "sha256");
    for (pem, words) in [
        (&small, "the certificate is too weak: its RSA key has 1024 bits, and 2048 is the least"),
        (&make("old", 2048, "sha1"), "the certificate is too weak: it is signed by SHA-1 and ECDSA"),
    ] {
        let (_peer, addr) = s_server(t, pem, &["-cipher", "DEFAULT:@SECLEVEL=0"], In::Pipe, Out::Keep);
        let exit = dial(t, &ca, &[&addr]).run(b"secret");
        exit.code(12).stdout("").says(&[words, "it has to be made anew"]);
    }
    let exit = t.listen(&small.flags()).args(&["127.0.0.1:0"]).spawn().wait();
    exit.code(12).says(&["RSA has to have 2048 bits or more"]);
}

fn r06_bulk_and_an_end_at_once(t: &Ctx) {
    let _turn = one_bulk_at_a_time();
    let (ca, pem) = usual(t);
    let len = bulk(200 << 20);
    let mut ours = t.listen(&pem.flags()).args(&["--recv-only", "127.0.0.1:0"]).stdout(Out::Check(SENT)).server();
    dial(t, &ca, &["--send-only", ours.addr()]).stdin(file(t, SENT, len)).spawn().wait_within(PATIENCE * 12).code(0);
    ours.wait_within(PATIENCE * 12).code(0).stdout_len(len);
}

fn r33_a_silent_client_keeps_nobody_waiting(t: &Ctx) {
    let (ca, pem) = usual(t);
    let ours = serve(t, &["echo", "--tls-handshake-timeout", "1s"], &pem);
    let silent = connect(ours.socket_addr());
    dial(t, &ca, &[ours.addr()]).run(b"hello").code(0).stdout("hello");
    // It is dropped in the end, and the one that talks is not.
    assert_eq!(read_all(&silent), b"");
    ours.stderr.wait_for("did not come to an end within 1s (--tls-handshake-timeout)");
}

fn r33_one_after_another(t: &Ctx) {
    let (ca, pem) = usual(t);
    let mut ours = t
        .listen(&pem.flags())
        .args(&["-k", "--count", "2", "--tls-handshake-timeout", "1s", "127.0.0.1:0"])
        .piped()
        .server();
    let silent = connect(ours.socket_addr());
    let mut garbage = connect(ours.socket_addr());
    garbage.write_all(b"\0\0\0\0\0\0\0\0").unwrap();
    dial(t, &ca, &["--send-only", ours.addr()]).run(b"one\n").code(0);
    ours.stdout.wait_for("one\n");
    assert_eq!(read_all(&silent), b"");
    dial(t, &ca, &["--send-only", ours.addr()]).run(b"two\n").code(0);
    ours.stdout.wait_for("two\n");
    ours.close_stdin();
    ours.stderr.wait_for("speaks no TLS");
    ours.stderr.wait_for("--tls-handshake-timeout");
}

/// As inetd(8) hands it over: whoever talks on it, the handshake comes first, and has its time.
fn an_inherited_connection_shakes_hands_first(t: &Ctx) {
    let (_, pem) = usual(t);
    for how in [&[][..], &["--send", "words"], &["-I"]] {
        let (silent, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let args = [&pem.flags()[..], &["--tls-handshake-timeout", "300ms"], how, &["fd:7"]].concat();
        let ours = t.listen(&args).stdin(In::Fd(theirs.into())).redirect("7<&0 </dev/null").spawn().wait();
        ours.code(12).says(&["--tls-handshake-timeout"]);
        drop(silent);
    }
}

fn r16_garbage_costs_no_slot(t: &Ctx) {
    let (ca, pem) = usual(t);
    let ours = serve(t, &["echo", "-q", "-m", "2"], &pem);
    for nth in 0..300 {
        let mut client = connect(ours.socket_addr());
        let _ = match nth % 4 {
            0 => client.write_all(b"GET / HTTP/1.0\r\n\r\n"),
            1 => client.write_all(&[0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0]),
            2 => client.write_all(&[0x16, 3, 1, 0xff, 0xff]),
            _ => Ok(()),
        };
    }
    // Both places are free again, and there are two.
    let mut clients: Vec<Proc> = (0..2).map(|_| dial(t, &ca, &[ours.addr()]).piped().spawn()).collect();
    for client in &mut clients {
        client.write(b"hello\n");
        client.stdout.wait_for("hello\n");
    }
}

/// What a server says of a failure: its line and what stands below it, without the server's name and who came.
fn told(stderr: &str, headline: &str) -> Option<Vec<String>> {
    let mut lines = stderr.lines().skip_while(|line| !line.contains(headline));
    let (label, first) = lines.next()?.split_once(": the TLS handshake, ")?;
    assert!(label.ends_with(" failed") || label == "warning", "{label}");
    let (_, first) = first.split_once(": ")?;
    let below = lines.take_while(|line| ["cause: ", "try: ", " or: "].iter().any(|label| line.starts_with(label)));
    Some(std::iter::once(first).chain(below).map(str::to_owned).collect())
}

fn servers_of_many_say_why_a_handshake_failed(t: &Ctx) {
    let (ca, pem) = usual(t);
    let other = Ca::new(t, "other");
    let target = t.sockkit(&["echo", "-q", "127.0.0.1:0"]).server();
    std::fs::write(t.path("s"), "expect x\n").unwrap();
    let script = t.file("s");
    // At the same address each, so that the same is said of it.
    let host = t.loopback();
    let asks = ["--tls-client-ca", &ca.pem(), "--tls-alpn", "ours", "--tls-handshake-timeout", "1s"];
    let begin = |line: &[&str], port: &str| {
        let address = format!("{host}:{port}");
        let mut words = vec![address.as_str()];
        if line[0] == "relay" {
            words.push(target.addr());
        }
        t.sockkit(line).args(&pem.flags()).args(&asks).args(&words).server()
    };
    type Fault<'a> = (&'a str, &'a dyn Fn(&str));
    let faults: [Fault<'_>; 5] = [
        ("speaks no TLS, but plain HTTP", &|addr| {
            connect(addr.parse().unwrap()).write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        }),
        ("the client showed no certificate", &|addr| {
            t.peer("openssl", &["s_client", "-connect", addr]).run(b"");
        }),
        ("names no signature algorithms, as one that offers no more than TLS 1.1", &|addr| {
            t.peer("openssl", &["s_client", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0", "-connect", addr]).run(b"");
        }),
        ("the alert unknown_ca", &|addr| {
            dial(t, &other, &["--tls-server-name", "localhost", addr]).run(b"x").code(12);
        }),
        ("it did not come to an end within 1s", &|addr| {
            assert_eq!(read_all(connect(addr.parse().unwrap())), b"");
        }),
    ];
    let servers: [&[&str]; 8] = [
        &["echo"],
        &["time"],
        &["listen", "-k"],
        &["listen", "-k", "--reply", "x"],
        &["listen", "-k", "--exec", "cat"],
        &["listen", "-k", "--script", &script],
        &["chat", "serve"],
        &["relay"],
    ];
    for (headline, come) in faults {
        let mut one_shot = begin(&["listen"], "0");
        let port = one_shot.port().to_string();
        come(one_shot.addr());
        let exit = one_shot.wait();
        let wanted = told(&exit.code(12).stderr, headline).expect("a one-shot server says why");
        assert!(wanted.iter().any(|line| line.starts_with("cause: ")), "{wanted:?}");
        for line in servers {
            let events = t.file("events");
            let line = [line, &["--events", &events]].concat();
            let server = begin(&line, &port);
            come(server.addr());
            server.stderr.wait_for("closed (tls)");
            assert_eq!(told(&server.stderr.text(), headline).as_ref(), Some(&wanted), "{line:?}");
            // The same as an event, and it goes on.
            let told = poll_until("an event", || {
                let events = std::fs::read_to_string(&events).ok()?;
                let told = events.lines().find(|line| line.contains("\"cause\""))?;
                serde_json::from_str::<serde_json::Value>(told).ok()
            });
            assert!(["error", "warning"].contains(&told["event"].as_str().unwrap()), "{told}");
            assert_eq!(told["conn"], 1, "{told}");
            assert_eq!(format!("cause: {}", told["cause"].as_str().unwrap()), wanted[1]);
            come(server.addr());
            server.stderr.wait_for("#2 closed (tls)");
        }
    }
}

fn a_look_at_the_port_is_no_error(t: &Ctx) {
    let (ca, pem) = usual(t);
    let ours = serve(t, &["echo"], &pem);
    t.connect(&["-z", ours.addr()]).run(b"").code(0);
    ours.stderr.wait_for("closed (tls)");
    let said = ours.stderr.text();
    assert!(said.contains("warning: the TLS handshake, ") && !said.contains("failed"), "{said}");
    let quiet = serve(t, &["echo", "-q"], &pem);
    t.connect(&["-z", quiet.addr()]).run(b"").code(0);
    dial(t, &ca, &[quiet.addr()]).run(b"hello").code(0).stdout("hello");
    assert_eq!(quiet.stderr.text(), "");
}

fn a_clients_certificate_that_is_not_good(t: &Ctx) {
    let (ca, pem) = usual(t);
    let ours = serve(t, &["echo", "--tls-client-ca", &ca.pem()], &pem);
    let bad = |client: &Pem, words: &[&str]| {
        for version in VERSIONS {
            let peer = t.peer("openssl", &["s_client", version, "-cert", &client.cert, "-key", &client.key]);
            peer.args(&["-connect", &format!("127.0.0.1:{}", ours.port())]).run(b"");
        }
        for word in words {
            ours.stderr.wait_for(word);
        }
        // Of our own clients, the one that shows it is told.
        let client = ["--tls-cert", &client.cert, "--tls-key", &client.key, ours.addr()];
        dial(t, &ca, &client).run(b"secret").code(12).stdout("");
    };
    bad(
        &ca.issue_with("old", &["me.example"], |params| params.not_after = date_time_ymd(2021, 1, 1)),
        &["the certificate has expired", "the client has let it run out"],
    );
    bad(
        &ca.issue_with("new", &["me.example"], |params| params.not_before = date_time_ymd(2080, 1, 1)),
        &["the certificate is not valid yet: it will be good from 2080-01-01"],
    );
    bad(
        &Pem::self_signed(t, "own", &["me.example"]),
        &["the certificate is self-signed", "try: sockkit echo --tls --tls-client-ca CERT.pem"],
    );
    bad(
        &Ca::new(t, "stranger").issue("stranger-client", &["me.example"]),
        &["issued by somebody who is not trusted: CN=stranger", "--tls-client-ca does not list CN=stranger"],
    );
    bad(
        &ca.issue_with("servers", &["me.example"], |params| {
            params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
        }),
        &["not made for this side of a connection", "it was made for a server"],
    );
    let good = ca.issue("client", &["me.example"]);
    let good = ["--tls-cert", &good.cert, "--tls-key", &good.key, ours.addr()];
    dial(t, &ca, &good).run(b"hello").code(0).stdout("hello");
}

fn r43_nothing_goes_in_the_clear(t: &Ctx) {
    for flags in [&["--send-only"][..], &["--no-shutdown"], &["--send", "secret"], &["-z"]] {
        let (listener, addr) = listener();
        let mut client = t.connect(&["--tls", "-w", "300ms"]).args(flags).args(&[&addr]).piped().spawn();
        let peer = accept(&listener);
        client.write(b"secret\n");
        client.close_stdin();
        client.wait().code(12);
        let got = read_all(peer);
        assert_eq!(got[..2], [0x16, 3]);
        assert!(!got.windows(6).any(|six| six == b"secret"));
    }
}

fn a_stalled_handshake_beside_a_hundred(t: &Ctx) {
    let (ca, pem) = usual(t);
    let ours = serve(t, &["echo", "-q"], &pem);
    let _stalled: Vec<TcpStream> = (0..20)
        .map(|nth| {
            let mut stream = connect(ours.socket_addr());
            stream.write_all(&[0x16, 3, 1, 2, 0][..nth % 6]).unwrap();
            stream
        })
        .collect();
    let mut clients: Vec<Proc> = (0..100).map(|_| dial(t, &ca, &["-q", ours.addr()]).piped().spawn()).collect();
    for client in &mut clients {
        client.write(b"hello\n");
    }
    for client in &mut clients {
        client.stdout.wait_for("hello\n");
    }
    for client in &mut clients {
        client.close_stdin();
        client.wait().code(0).stdout("hello\n");
    }
}

fn half_close_is_a_close_notify(t: &Ctx) {
    let (ca, pem) = usual(t);
    // TLS 1.2 has the peer answer with its own goodbye at once (RFC 5246, 7.2.1): so Python does.
    let (_peer, addr) = python(t, &pem, "answer", "1.3");
    let exit = dial(t, &ca, &[&addr]).run(b"twelve bytes");
    exit.code(0);
    exit.stdout("12 bytes came\n");
    // Between ourselves, by either version.
    for min in ["1.2", "1.3"] {
        let ours = serve(t, &["listen", "--sh", "wc -c", "--tls-min", min], &pem);
        dial(t, &ca, &[ours.addr()]).run(b"twelve bytes").code(0).stdout("12\n");
    }
}

fn a_client_that_only_writes(t: &Ctx) {
    let (_ca, pem) = usual(t);
    for version in ["1.2", "1.3"] {
        let mut ours = t.listen(&pem.flags()).args(&["--recv-only", "127.0.0.1:0"]).server();
        let port = ours.port().to_string();
        t.python("tls.py", &["client", "127.0.0.1", &port, "write-only", version]).spawn().wait().code(0);
        assert_eq!(ours.wait().code(0).stdout.bytes().len(), 1 << 20);
    }
}

fn a_goodbye_without_an_end(t: &Ctx) {
    let (ca, pem) = usual(t);
    let (_peer, addr) = python(t, &pem, "goodbye", "1.3");
    // The session ends with it, although the connection stays.
    dial(t, &ca, &["--recv-only", &addr]).spawn().wait().code(0).stdout("last words\n");
    let (_peer, addr) = python(t, &pem, "goodbye", "1.2");
    dial(t, &ca, &["--expect", "last words\n", &addr]).spawn().wait().code(0);
}

fn a_slow_reader_gets_all_and_the_goodbye(t: &Ctx) {
    let (_ca, pem) = usual(t);
    let len = 30 << 20;
    std::fs::write(t.path("page"), vec![b'x'; len]).unwrap();
    let ours = serve(t, &["listen", "-k", "--sh", &format!("cat '{}'", t.file("page"))], &pem);
    let port = ours.port().to_string();
    let exit = t.python("tls.py", &["client", "127.0.0.1", &port, "slow", "1.3"]).spawn().wait();
    exit.code(0).stdout(format!("{len}"));
}

fn every_handler_talks_tls(t: &Ctx) {
    let (ca, pem) = usual(t);
    let ask = |args: &[&str], input: &[u8]| {
        let mut words = vec!["listen"];
        words.extend(args);
        let mut ours = serve(t, &words, &pem);
        let exit = dial(t, &ca, &[ours.addr()]).run(input);
        exit.code(0);
        ours.wait().code(0);
        exit.stdout.text()
    };
    assert_eq!(ask(&["--reply", "pong\\n"], b"ping\n"), "pong\n");
    assert_eq!(ask(&["--greeting", "hi\\n", "--reply", "x\\n"], b""), "hi\n");
    // To send nothing ends nothing.
    assert_eq!(ask(&["--greeting", "", "--reply", "x\\n"], b"ping\n"), "x\n");
    assert_eq!(ask(&["--discard"], b"ping\n"), "");
    assert_eq!(ask(&["--close"], b""), "");
    assert_eq!(ask(&["--exec", "tr a-z A-Z"], b"ping\n"), "PING\n");
    assert_eq!(ask(&["--sh", "echo $SOCKKIT_PROTO"], b""), "tcp\n");
    assert_eq!(ask(&["--send", "hello ", "--expect", "ping", "--send", "bye"], b"ping\n"), "hello bye");
    let dir = t.file("out");
    assert_eq!(ask(&["--output-dir", &dir], b"kept\n"), "");
    let kept = std::fs::read_dir(&dir).unwrap().next().unwrap().unwrap().path();
    assert_eq!(std::fs::read(kept).unwrap(), b"kept\n");
    // Its own stdin and stdout, and the line editor.
    let mut ours = t.listen(&pem.flags()).args(&["127.0.0.1:0"]).piped().server();
    let mut client = dial(t, &ca, &[ours.addr()]).piped().spawn();
    client.write(b"question\n");
    ours.stdout.wait_for("question\n");
    ours.write(b"answer\n");
    client.stdout.wait_for("answer\n");
    client.close_stdin();
    ours.close_stdin();
    client.wait().code(0);
    ours.wait().code(0);
    let mut ours = t.listen(&pem.flags()).args(&["-I", "127.0.0.1:0"]).piped().server();
    let mut client = dial(t, &ca, &[ours.addr()]).piped().spawn();
    client.write(b"question\n");
    ours.stdout.wait_for("question");
    ours.write(b"answer\n/info\n");
    client.stdout.wait_for("answer\n");
    ours.write(b"/quit\n");
    client.wait();
    ours.wait().code(0);
}

fn other_servers_talk_tls(t: &Ctx) {
    let (ca, pem) = usual(t);
    let time = serve(t, &["time"], &pem);
    let exit = dial(t, &ca, &[time.addr()]).run(b"now\n");
    exit.code(0);
    assert!(exit.stdout.text().starts_with("[now"), "{}", exit.stdout.text());
    t.sockkit(&["time", "--query", "--tls", "--tls-ca", &ca.pem(), time.addr()]).spawn().wait().code(0);
    let chat = t.sockkit(&["chat", "serve"]).args(&pem.flags()).args(&["127.0.0.1:0"]).server();
    let join = |name: &str| {
        t.sockkit(&["chat", "join", "--tls", "--tls-ca", &ca.pem(), "--name", name, chat.addr()]).piped().spawn()
    };
    let (mut anna, bert) = (join("anna"), join("bert"));
    bert.stdout.wait_for("bert");
    anna.stdout.wait_for("bert");
    anna.write(b"hello there\n");
    bert.stdout.wait_for("hello there");
    let raw = t.sockkit(&["chat", "serve", "--raw"]).args(&pem.flags()).args(&["127.0.0.1:0"]).server();
    let mut one = dial(t, &ca, &[raw.addr()]).piped().spawn();
    let two = dial(t, &ca, &["-v", raw.addr()]).piped().spawn();
    two.stderr.wait_for("TLSv1.3");
    one.stderr.wait_for("connected");
    let all = SENT.bytes(1 << 20);
    poll_until("both are in the room", || {
        one.write(b"?");
        (!two.stdout.bytes().is_empty()).then_some(())
    });
    let before = two.stdout.bytes().len();
    one.write(&all);
    poll_until("all of it", || (two.stdout.bytes().len() >= before + all.len()).then_some(()));
}

fn scripts_open_and_see_it(t: &Ctx) {
    let (ca, pem) = usual(t);
    let ours = serve(t, &["echo"], &pem);
    std::fs::write(
        t.path("s"),
        format!("send \"one\"\nexpect \"one\"\nopen {}\nsend \"two\"\nexpect \"two\"\ninfo\nclose\n", ours.addr()),
    )
    .unwrap();
    let exit = dial(t, &ca, &["--script", &t.file("s"), ours.addr()]).run(b"");
    exit.code(0);
    exit.stdout("onetwo").says(&["TLSv1.3"]);
    // A listener's script, and a second connection that it accepts.
    std::fs::write(t.path("l"), "expect \"one\"\naccept\nexpect \"two\"\nsend \"to two\"\n").unwrap();
    let mut ours = t.listen(&pem.flags()).args(&["--script", &t.file("l"), "127.0.0.1:0"]).server();
    let mut one = dial(t, &ca, &[ours.addr()]).piped().spawn();
    one.write(b"one");
    ours.stdout.wait_for("one");
    let exit = dial(t, &ca, &[ours.addr()]).run(b"two");
    exit.code(0);
    exit.stdout("to two");
    one.close_stdin();
    ours.wait().code(0);
}

fn ping_and_wait(t: &Ctx) {
    let (ca, pem) = usual(t);
    let ours = serve(t, &["echo", "-q"], &pem);
    let exit =
        t.sockkit(&["ping", "-c", "2", "--interval", "0", "--tls", "--tls-ca", &ca.pem(), ours.addr()]).spawn().wait();
    assert!(exit.code(0).stdout.text().contains("TLS"), "{}", exit.stdout.text());
    let exit =
        t.sockkit(&["ping", "-c", "2", "--interval", "0", "--echo", "--tls", "--tls-ca", &ca.pem(), ours.addr()]);
    exit.spawn().wait().code(0);
    t.sockkit(&["wait", "--tls", "--tls-ca", &ca.pem(), ours.addr()]).spawn().wait().code(0);
    let other = Ca::new(t, "other");
    let exit = t.sockkit(&["wait", "--timeout", "0", "--tls", "--tls-ca", &other.pem(), ours.addr()]).spawn().wait();
    exit.code(124).says(&[
        "not trusted",
        "cause: ",
        &format!("try: sockkit wait --tls --tls-ca CA.pem {}\n", ours.addr()),
    ]);
    let plain = t.sockkit(&["echo", "127.0.0.1:0"]).server();
    let exit = t.sockkit(&["wait", "--timeout", "0", "--tls", plain.addr()]).spawn().wait();
    exit.code(124).says(&["cause: our own words came back", &format!("try: sockkit wait {}\n", plain.addr())]);
}

fn events_tell_how_it_is_secured(t: &Ctx) {
    let (ca, pem) = usual(t);
    let ours = serve(t, &["echo", "--json"], &pem);
    let exit = dial(t, &ca, &["--json", ours.addr()]).run(b"hello");
    exit.code(0);
    let text = exit.stdout.text();
    let event = text.lines().find(|line| line.contains("\"event\":\"tls\"")).expect("an event");
    let event: serde_json::Value = serde_json::from_str(event).unwrap();
    assert_eq!(event["role"], "client");
    assert_eq!(event["version"], "TLSv1.3");
    assert_eq!(event["verified"], "ca");
    assert_eq!(event["chain"][0]["subject"], "CN=server");
    assert_eq!(event["chain"][0]["names"][0], "localhost");
    assert!(event["chain"][0]["days_left"].as_i64().unwrap() > 1000);
    assert!(event["took"].as_f64().unwrap() > 0.0);
    ours.stdout.wait_for("\"event\":\"certificate\"");
    ours.stdout.wait_for("\"role\":\"server\"");
}

fn programs_are_told_how_it_is_secured(t: &Ctx) {
    let (ca, pem) = usual(t);
    let own = ca.issue("client", &["me.example"]);
    let sha256 = t.peer("openssl", &["x509", "-in", &own.cert, "-noout", "-fingerprint", "-sha256"]).run(b"");
    let sha256 = sha256.stdout.text().trim().rsplit('=').next().unwrap().replace(':', "").to_lowercase();
    let line = ["listen", "-k", "--sh", "env | grep ^SOCKKIT_TLS_ | sort", "--tls-alpn", "one,two"];
    let trusted = ca.pem();
    let line = [&line[..], &["--tls-client-ca", &trusted]].concat();
    let inherited = |cmd: Cmd| {
        ["VERSION", "CIPHER", "SNI", "ALPN", "PEER_SUBJECT", "PEER_SHA256"]
            .iter()
            .fold(cmd, |cmd, name| cmd.env(&format!("SOCKKIT_TLS_{name}"), "of somebody else"))
    };
    let begin = |line: &[&str], tls: &[&str]| inherited(t.sockkit(line)).args(tls).args(&["127.0.0.1:0"]).server();
    let ours = begin(&line, &pem.flags());
    for (version, name, suite) in [
        ("-tls1_3", "TLSv1.3", "TLS_AES_128_GCM_SHA256"),
        ("-tls1_2", "TLSv1.2", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
    ] {
        let to = format!("127.0.0.1:{}", ours.port());
        let peer = t.peer("openssl", &["s_client", "-quiet", version, "-connect", &to, "-servername", "a.example"]);
        let peer = peer.args(&["-ciphersuites", "TLS_AES_128_GCM_SHA256", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"]);
        let peer = peer.args(&["-alpn", "two", "-cert", &own.cert, "-key", &own.key]).run(b"");
        peer.stdout(format!(
            "SOCKKIT_TLS_ALPN=two\nSOCKKIT_TLS_CIPHER={suite}\nSOCKKIT_TLS_PEER_SHA256={sha256}\n\
             SOCKKIT_TLS_PEER_SUBJECT=CN=client\nSOCKKIT_TLS_SNI=a.example\nSOCKKIT_TLS_VERSION={name}\n"
        ));
    }
    // What there is not is not set, whatever we were started with.
    let ours = begin(&["listen", "-k", "--sh", "env | grep ^SOCKKIT_TLS_ | cut -d= -f1 | sort"], &pem.flags());
    let exit = dial(t, &ca, &[ours.addr()]).run(b"");
    exit.code(0).stdout("SOCKKIT_TLS_CIPHER\nSOCKKIT_TLS_VERSION\n");
    let plain = begin(&["listen", "-k", "--sh", "env | grep ^SOCKKIT_TLS_; echo nothing"], &[]);
    t.connect(&[plain.addr()]).run(b"").code(0).stdout("nothing\n");
}

fn sslkeylogfile_is_written(t: &Ctx) {
    let (ca, pem) = usual(t);
    let ours = serve(t, &["echo"], &pem);
    let log = t.file("keys");
    dial(t, &ca, &[ours.addr()]).env("SSLKEYLOGFILE", &log).run(b"x").code(0);
    assert!(std::fs::read_to_string(&log).unwrap().contains("CLIENT_TRAFFIC_SECRET_0 "));
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&log).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    // A second session is added to it, and a server writes the same secrets.
    let servers = t.file("servers-keys");
    let ours = t.sockkit(&["echo"]).args(&pem.flags()).args(&["127.0.0.1:0"]).env("SSLKEYLOGFILE", &servers).server();
    dial(t, &ca, &[ours.addr()]).env("SSLKEYLOGFILE", &log).run(b"x").code(0);
    let (all, servers) = (std::fs::read_to_string(&log).unwrap(), std::fs::read_to_string(&servers).unwrap());
    let secrets = |text: &str| text.lines().filter(|line| line.starts_with("CLIENT_TRAFFIC_SECRET_0 ")).count();
    assert_eq!((secrets(&all), secrets(&servers)), (2, 1));
    assert!(servers.lines().all(|line| all.contains(line)), "{all}\n{servers}");
}

fn sslkeylogfile_that_cannot_be_written(t: &Ctx) {
    let (ca, pem) = usual(t);
    for (file, words) in [
        ("/nonexistent/keys", "SSLKEYLOGFILE /nonexistent/keys: No such file or directory"),
        ("/dev/full", "SSLKEYLOGFILE /dev/full: No space left on device"),
    ] {
        let ours = t.sockkit(&["echo"]).args(&pem.flags()).args(&["127.0.0.1:0"]).env("SSLKEYLOGFILE", file).server();
        for _ in 0..3 {
            let exit = dial(t, &ca, &[ours.addr()]).env("SSLKEYLOGFILE", file).run(b"hello");
            exit.code(0).stdout("hello").says(&["warning: ", words]);
            assert_eq!(exit.stderr.matches("SSLKEYLOGFILE").count(), 1, "{}", exit.stderr);
        }
        ours.stderr.wait_for("#3 closed");
        assert_eq!(ours.stderr.text().matches(words).count(), 1, "{}", ours.stderr.text());
    }
    // Nothing is said of it where there is no TLS.
    let plain = t.sockkit(&["echo", "127.0.0.1:0"]).env("SSLKEYLOGFILE", "/nonexistent/keys").server();
    let exit = t.connect(&[plain.addr()]).env("SSLKEYLOGFILE", "/nonexistent/keys").run(b"x");
    exit.code(0).says_not(&["SSLKEYLOGFILE"]);
}

fn curl_over_tls(t: &Ctx) {
    let (ca, pem) = usual(t);
    let answer = "HTTP/1.1 200 OK\\r\\nContent-Length: 3\\r\\n\\r\\nyes";
    let ours = serve(t, &["listen", "-k", "--reply", answer], &pem);
    let url = format!("https://localhost:{}/", ours.port());
    for version in ["--tlsv1.3", "--tls-max"] {
        let max = if version == "--tls-max" { Some("1.2") } else { None };
        let curl = t.peer("curl", &["-sS", "--http1.1", "--cacert", &ca.pem(), version]).args(max.as_slice());
        curl.args(&[&url]).spawn().wait().code(0).stdout("yes");
    }
    // Many at once, each a program.
    let ours = serve(t, &["listen", "-k", "--sh", "read line; printf 'HTTP/1.0 200 OK\\r\\n\\r\\nhello'"], &pem);
    let url = format!("https://localhost:{}/", ours.port());
    let mut all: Vec<Proc> = (0..10).map(|_| t.peer("curl", &["-sS", "--cacert", &ca.pem(), &url]).spawn()).collect();
    for one in &mut all {
        one.wait().stdout("hello");
    }
}

fn socat_over_tls(t: &Ctx) {
    let (ca, pem) = usual(t);
    let ours = serve(t, &["listen", "--sh", "wc -c"], &pem);
    let to = format!("OPENSSL:localhost:{},cafile={}", ours.port(), ca.pem());
    t.peer("socat", &["-t", "5", "-", &to]).stdin(file(t, SENT, LEN)).spawn().wait().code(0).stdout(format!("{LEN}\n"));
    let listen = format!("OPENSSL-LISTEN:0,bind=127.0.0.1,cert={},key={},verify=0", pem.cert, pem.key);
    let mut peer = t.peer("socat", &[&listen, "EXEC:cat"]).spawn();
    let addr = localhost(peer.wait_bound("tcp"));
    let exit = dial(t, &ca, &[&addr]).stdin(file(t, BACK, LEN)).stdout(Out::Check(BACK)).spawn().wait();
    exit.code(0).stdout_len(LEN);
}

fn ncat_over_tls(t: &Ctx) {
    let (ca, pem) = usual(t);
    // As a client it ends without a close_notify, which is said; what it sent is there.
    for (flags, code) in [(&[][..], 12), (&["--tls-allow-truncation"], 0)] {
        let args = ["--recv-only", "127.0.0.1:0"];
        let mut ours = t.listen(&pem.flags()).args(flags).args(&args).stdout(Out::Check(SENT)).server();
        let port = ours.port().to_string();
        let peer = t.peer("ncat", &["--ssl-verify", "--ssl-trustfile", &ca.pem(), "--send-only", "localhost", &port]);
        peer.stdin(file(t, SENT, LEN)).spawn().wait().code(0);
        ours.wait().code(code).stdout_len(LEN);
    }
    let mut peer = t
        .peer("ncat", &["-l", "127.0.0.1", "0", "--ssl", "--ssl-cert", &pem.cert, "--ssl-key", &pem.key, "--recv-only"])
        .stdout(Out::Check(SENT))
        .spawn();
    let addr = localhost(peer.wait_bound("tcp"));
    dial(t, &ca, &["--send-only", &addr]).stdin(file(t, SENT, LEN)).spawn().wait().code(0);
    peer.wait().stdout_len(LEN);
}

fn stunnel_between(t: &Ctx) {
    let (ca, pem) = usual(t);
    // Of theirs to ours, and of ours to theirs: echo behind one stunnel, a client behind another.
    let plain = t.sockkit(&["echo", "127.0.0.1:0"]).server();
    let secure = serve(t, &["echo"], &pem);
    let (into, out) = (free_port(), free_port());
    let conf = format!(
        "foreground = yes\npid =\n[in]\naccept = 127.0.0.1:{into}\nconnect = {}\ncert = {}\nkey = {}\n\
         [out]\nclient = yes\naccept = 127.0.0.1:{out}\nconnect = {}\nCAfile = {}\nverifyChain = yes\n",
        plain.addr(),
        pem.cert,
        pem.key,
        secure.addr(),
        ca.pem()
    );
    std::fs::write(t.path("stunnel.conf"), conf).unwrap();
    let _stunnel = t.peer("stunnel", &[&t.file("stunnel.conf")]).spawn();
    for port in [into, out] {
        poll_until("stunnel", || TcpStream::connect(("127.0.0.1", port)).ok());
    }
    let exit = dial(t, &ca, &[&localhost(into)]).stdin(file(t, SENT, LEN)).stdout(Out::Check(SENT)).spawn().wait();
    exit.code(0).stdout_len(LEN);
    let exit = t.connect(&[&localhost(out)]).stdin(file(t, BACK, LEN)).stdout(Out::Check(BACK)).spawn().wait();
    exit.code(0).stdout_len(LEN);
}

fn unix_sockets_too(t: &Ctx) {
    let (ca, pem) = usual(t);
    let at = format!("unix:{}", t.file("s"));
    let ours = t.sockkit(&["echo"]).args(&pem.flags()).args(&[&at]).server();
    t.connect(&["--tls", "--tls-ca", &ca.pem(), ours.addr()]).run(b"x").code(2).says(&["--tls-server-name"]);
    dial(t, &ca, &["--tls-server-name", "localhost", ours.addr()]).run(b"hello").code(0).stdout("hello");
}
