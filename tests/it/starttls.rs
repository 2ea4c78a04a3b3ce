//! STARTTLS: real servers of mail and of a database, and one for each protocol that says exactly what a test wants.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;

use libtest_mimic::Trial;

use crate::support::{Ca, Ctx, Pem, Proc, accept, free_port, listener, postgres, trials};
use crate::tls::usual;

pub(crate) fn tests() -> Vec<Trial> {
    trials!["starttls";
        a_mail_server [Aiosmtpd],
        a_database [Postgres] 120,
        every_protocol [Python3] 120,
        a_server_that_does_not_want_it [Python3],
        what_is_put_behind_the_consent_is_not_taken [Python3],
        a_server_of_another_protocol,
        a_server_without_an_end,
        a_script_goes_on_in_tls [Python3],
        a_script_of_a_server_goes_on_in_tls,
        what_starttls_cannot_do,
    ]
}

pub(crate) fn scripted(t: &Ctx, pem: &Pem, protocol: &str, how: &str) -> (Proc, String) {
    let server = t.python("starttls.py", &[protocol, &pem.cert, &pem.key, how]).spawn();
    let addr = format!("localhost:{}", server.printed_port());
    (server, addr)
}

fn a_mail_server(t: &Ctx) {
    let (ca, pem) = usual(t);
    let program = "
import ssl, sys
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
import socket
probe = socket.create_server(('127.0.0.1', 0)); port = probe.getsockname()[1]; probe.close()
controller = Controller(Sink(), hostname='127.0.0.1', port=port, tls_context=context, require_starttls=True)
controller.start()
print(port, flush=True)
import time
time.sleep(600)
";
    let server = t.peer("/usr/bin/python3", &["-c", program, &pem.cert, &pem.key]).spawn();
    let addr = format!("localhost:{}", server.printed_port());
    let mail =
        ["--send", "EHLO me\\r\\n", "--expect", "/250 HELP|250 .*\\n/", "--send", "QUIT\\r\\n", "--expect", "221"];
    let exit =
        t.connect(&["-v", "--starttls", "smtp", "--tls-ca", &ca.pem()]).args(&mail).args(&[&addr]).spawn().wait();
    exit.code(0).says(&["TLSv1.3", "verified by ca: CN=server"]);
    t.sockkit(&["ping", "-c", "2", "--interval", "0", "--starttls", "smtp", "--tls-ca", &ca.pem(), &addr])
        .spawn()
        .wait()
        .code(0);
    // The same by hand.
    let script = "expect /^220 .*\\n/\nsend \"EHLO me\\r\\n\"\nexpect /^250.STARTTLS/m\nexpect /^250 .*\\n/m\nsend \"STARTTLS\\r\\n\"\n\
                  expect /^220 .*\\n/m\nstarttls\nsend \"EHLO me\\r\\n\"\nexpect /^250 .*\\n/m\nsend \"QUIT\\r\\n\"\nexpect \"221\"\n";
    std::fs::write(t.path("mail"), script).unwrap();
    let exit = t.connect(&["-v", "--tls-ca", &ca.pem(), "--script", &t.file("mail"), &addr]).spawn().wait();
    exit.code(0).says(&["TLSv1.3"]);
    // Without it the server takes no mail; and a bare handshake is told what to do.
    let exit = t.connect(&["--tls", "--tls-ca", &ca.pem(), &addr]).spawn().wait();
    exit.code(12).says(&["plain SMTP", "--starttls smtp"]);
}

fn a_database(t: &Ctx) {
    let (ca, pem) = usual(t);
    let bin = postgres().expect("asked for");
    let data = t.file("pg");
    std::fs::set_permissions(t.dir(), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::create_dir(&data).unwrap();
    let as_postgres = |program: &str, args: &[&str]| {
        let program = bin.join(program).into_os_string().into_string().unwrap();
        t.peer("runuser", &["-u", "postgres", "--", &program]).args(args)
    };
    let run = |line: &[&str]| {
        t.peer(line[0], &line[1..]).spawn().wait().code(0);
    };
    run(&["chown", "postgres", &data, &pem.key]);
    run(&["chmod", "600", &pem.key]);
    let mut init = as_postgres("initdb", &["-D", &data, "-A", "trust", "-N"]).spawn();
    init.wait_within(crate::support::PATIENCE * 8).code(0);
    let port = free_port().to_string();
    let ssl = ["ssl=on".to_owned(), format!("ssl_cert_file={}", pem.cert), format!("ssl_key_file={}", pem.key)];
    let mut args = vec!["-D", &data, "-h", "127.0.0.1", "-p", &port, "-k", &data];
    for setting in &ssl {
        args.extend(["-c", setting]);
    }
    let _server = as_postgres("postgres", &args).spawn();
    let addr = format!("localhost:{port}");
    t.sockkit(&["wait", "--timeout", "30s", &addr]).spawn().wait_within(crate::support::PATIENCE * 4).code(0);
    let exit = t.connect(&["-zv", "--starttls", "postgres", "--tls-ca", &ca.pem(), &addr]).spawn().wait();
    exit.code(0).says(&["TLSv1.3", "verified by ca: CN=server"]);
    t.sockkit(&["ping", "-c", "2", "--interval", "0", "--starttls", "postgres", "--tls-ca", &ca.pem(), &addr])
        .spawn()
        .wait()
        .code(0);
    // A handshake at once it does not know, and closes.
    t.connect(&["-z", "--tls", "--tls-ca", &ca.pem(), &addr]).spawn().wait().code(12).says(&["did not answer in TLS"]);
}

const PROTOCOLS: [&str; 11] =
    ["smtp", "lmtp", "imap", "pop3", "ftp", "nntp", "sieve", "xmpp", "ldap", "postgres", "mysql"];

fn every_protocol(t: &Ctx) {
    let (ca, pem) = usual(t);
    for protocol in PROTOCOLS {
        let (_server, addr) = scripted(t, &pem, protocol, "");
        let exit = t.connect(&["-v", "--starttls", protocol, "--tls-ca", &ca.pem(), &addr]).run(b"hello\n");
        exit.code(0).stdout("hello\n").says(&["verified by ca"]);
    }
}

fn a_server_that_does_not_want_it(t: &Ctx) {
    let (ca, pem) = usual(t);
    for protocol in PROTOCOLS {
        let (_server, addr) = scripted(t, &pem, protocol, "refuse");
        let exit = t.connect(&["--starttls", protocol, "--tls-ca", &ca.pem(), &addr]).run(b"secret\n");
        exit.code(12).stdout("").says(&["the server does not go on in TLS", "not set up for TLS"]);
    }
}

fn what_is_put_behind_the_consent_is_not_taken(t: &Ctx) {
    let (ca, pem) = usual(t);
    for protocol in ["smtp", "imap", "pop3", "postgres"] {
        let (_server, addr) = scripted(t, &pem, protocol, "inject");
        let exit = t.connect(&["--starttls", protocol, "--tls-ca", &ca.pem(), &addr]).run(b"secret\n");
        exit.code(12).stdout("").says(&["speaks no TLS"]);
    }
}

fn a_server_of_another_protocol(t: &Ctx) {
    for protocol in ["smtp", "imap", "pop3", "ftp", "nntp", "mysql", "xmpp", "ldap", "postgres"] {
        let (listener, addr) = listener();
        let mut client = t.connect(&["--starttls", protocol, "--tls-insecure", "-w", "3s", &addr]).spawn();
        let mut peer = accept(&listener);
        peer.write_all(b"SSH-2.0-OpenSSH_9.2p1\r\n").unwrap();
        drop(std::thread::spawn(move || {
            let _ = peer.read(&mut [0; 4096]);
            std::thread::sleep(std::time::Duration::from_secs(5));
        }));
        client.wait().code(12);
    }
}

fn a_server_without_an_end(t: &Ctx) {
    for protocol in ["smtp", "imap", "xmpp"] {
        let (listener, addr) = listener();
        let mut client = t.connect(&["--starttls", protocol, "--tls-insecure", &addr]).spawn();
        let mut peer = accept(&listener);
        let piece = if protocol == "xmpp" { vec![b'x'; 1 << 16] } else { b"220-more\r\n* more\r\n".repeat(4096) };
        while peer.write_all(&piece).is_ok() {}
        client.wait().code(12).says(&["does not go on in TLS"]);
    }
}

fn a_script_goes_on_in_tls(t: &Ctx) {
    let (ca, pem) = usual(t);
    let (_server, addr) = scripted(t, &pem, "pop3", "");
    let script = "expect /\\+OK.*\\n/\nsend \"STLS\\r\\n\"\nexpect \"+OK\"\nstarttls within 5s\nsend \"hello\"\nexpect \"hello\"\ninfo\n";
    std::fs::write(t.path("s"), script).unwrap();
    let exit = t.connect(&["--tls-ca", &ca.pem(), "--script", &t.file("s"), &addr]).spawn().wait();
    exit.code(0).says(&["TLSv1.3", "CN=server"]);
    // It is verified there as well.
    let (_server, addr) = scripted(t, &pem, "pop3", "");
    let other = Ca::new(t, "other");
    let exit = t.connect(&["--tls-ca", &other.pem(), "--script", &t.file("s"), &addr]).spawn().wait();
    exit.code(12).says(&["not trusted", "starttls"]);
    // And at the line editor.
    let (_server, addr) = scripted(t, &pem, "pop3", "");
    let mut repl = t.connect(&["-I", "--tls-ca", &ca.pem(), "--eol", "crlf", &addr]).piped().spawn();
    repl.stdout.wait_for("+OK ready");
    repl.write(b"STLS\n");
    repl.stdout.wait_for("+OK begin");
    repl.write(b"/starttls\nhello\n");
    repl.stdout.wait_for("hello");
    repl.write(b"/quit\n");
    repl.wait().code(0);
}

fn a_script_of_a_server_goes_on_in_tls(t: &Ctx) {
    let (ca, pem) = usual(t);
    let script = "send \"+OK ready\\r\\n\"\nexpect \"STLS\\r\\n\"\nsend \"+OK begin\\r\\n\"\nstarttls\nexpect \"hello\"\nsend \"and you\"\n";
    std::fs::write(t.path("s"), script).unwrap();
    let certified = ["--tls-cert", &pem.cert, "--tls-key", &pem.key];
    let mut ours = t.listen(&certified).args(&["--script", &t.file("s"), "127.0.0.1:0"]).server();
    let exit = t.connect(&["--starttls", "pop3", "--tls-ca", &ca.pem(), ours.addr()]).run(b"hello");
    exit.code(0).stdout("and you");
    ours.wait().code(0);
    // Without a certificate.
    let mut ours = t.listen(&["--script", &t.file("s"), "127.0.0.1:0"]).server();
    t.connect(&["--starttls", "pop3", "--tls-ca", &ca.pem(), ours.addr()]).run(b"hello").code(12);
    ours.wait().code(2).says(&["a certificate is needed to be the server"]);
}

fn what_starttls_cannot_do(t: &Ctx) {
    let (ca, pem) = usual(t);
    std::fs::write(t.path("s"), "starttls\n").unwrap();
    let ours = t.sockkit(&["echo"]).args(&pem.flags()).args(&["127.0.0.1:0"]).server();
    let exit = t.connect(&["--tls", "--tls-ca", &ca.pem(), "--script", &t.file("s"), ours.addr()]).spawn().wait();
    exit.code(2).says(&["secured already"]);
    t.connect(&["--starttls", "nosuch", "127.0.0.1:1"]).spawn().wait().code(2).says(&["smtp", "postgres"]);
    t.connect(&["--starttls", "smtp", "udp://127.0.0.1:1"]).spawn().wait().code(2).says(&["byte stream"]);
    let (listener, addr) = listener();
    let mut client = t.connect(&["--tls-insecure", "--script", &t.file("s"), &addr]).spawn();
    let mut peer = accept(&listener);
    peer.write_all(b"HTTP/1.1 400 no\r\n").unwrap();
    client.wait().code(12).says(&["plain HTTP"]);
}
