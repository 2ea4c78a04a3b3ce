//! What can be wrong with TLS: certificates, versions, and peers that speak something else.

use crate::addr::{Endpoint, Port};
use crate::error::Fact;
use crate::tls::{Certificate, Fault, Flaw, Plain};

use super::{Case, Why, word};

pub(super) fn why(case: &Case<'_>, fault: &Fault) -> Option<Why> {
    Some(match fault {
        Fault::Certificate { flaw, chain, .. } if !is_client(case) => clients_certificate(case, flaw, chain),
        Fault::Certificate { flaw, name, chain } => certificate(case, flaw, name.as_deref(), chain),
        Fault::Alert { name, first, .. } => return alert(case, name, *first),
        Fault::NotTls { looks, said } => not_tls(case, *looks, said),
        Fault::Gone { heard, .. } => gone(case, *heard),
        Fault::Truncated if case.error.between().is_some() => Why::new(
            "the proxy ends both directions when we end ours, as not few do; or the peer, or somebody on the way, broke off in \
             the middle; or its program closes its end without the goodbye of TLS",
        )
        .try_(secured(case, "--no-shutdown"))
        .try_(secured(case, "--tls-allow-truncation")),
        Fault::Truncated => Why::new(
            "either the peer, or somebody on the way, broke off in the middle; or its program closes its end without \
             the goodbye of TLS, as not few do",
        )
        .try_(secured(case, "--tls-allow-truncation")),
        Fault::Incompatible(what) => incompatible(case, what),
        Fault::NoClientCertificate => Why::new(
            "--tls-client-ca asks every client for a certificate, and this one has none, or none of a kind that was asked for",
        )
        .try_(format!("sockkit connect --tls --tls-cert CERT.pem --tls-key KEY.pem {}", address(case))),
        Fault::NoStartTls { .. } => Why::new(
            "it is not set up for TLS, or it is another protocol that it speaks; some have a port of their own for TLS",
        )
        .try_(format!("sockkit {} {}", case.client(), case.word()))
        .try_(secured(case, "")),
        Fault::NoProtocol => Why::new("--tls-alpn lists the protocols that are taken, and the client offers others only"),
        Fault::Other(text) => other(case, text),
    })
}

/// The address that the same is tried at again: the peer of a server is nobody to connect to.
fn address(case: &Case<'_>) -> String {
    let own = case.facts().iter().find_map(|fact| match fact {
        Fact::Accepted(local) => Some(local),
        _ => None,
    });
    match own {
        Some(local) => word(&local.to_string()),
        None if is_client(case) => case.word(),
        None => "ADDR".to_owned(),
    }
}

/// Whether in the handshake we are the client: a relay is both.
fn is_client(case: &Case<'_>) -> bool {
    !case.error.is_accepted()
}

/// The address of the server as it was typed, whose name is what is verified, and not the one that it resolved to.
fn target(case: &Case<'_>) -> String {
    let typed = case.facts().iter().find_map(|fact| match fact {
        Fact::Typed(typed @ Endpoint::Inet(inet)) if Some(&inet.port) == inet_port(case) => Some(typed),
        _ => None,
    });
    typed.map_or_else(|| case.word(), |typed| word(&typed.to_string()))
}

fn inet_port<'a>(case: &Case<'a>) -> Option<&'a Port> {
    match case.endpoint {
        Endpoint::Inet(inet) => Some(&inet.port),
        _ => None,
    }
}

/// The command with TLS, and one more flag if there is one.
fn secured(case: &Case<'_>, flag: &str) -> String {
    let gap = if flag.is_empty() { "" } else { " " };
    if is_client(case) {
        format!("sockkit {} --tls{gap}{flag} {}", case.client(), target(case))
    } else {
        format!("sockkit {} --tls{gap}{flag} …", case.command)
    }
}

fn s_client(case: &Case<'_>) -> String {
    match case.endpoint {
        Endpoint::Inet(_) if case.error.between().is_none() => {
            format!("openssl s_client -connect {} -showcerts", target(case))
        }
        _ => format!("sockkit connect -v --tls --tls-insecure -z {}", case.word()),
    }
}

const UNCLEAR: &str = "the verifier does not take it";

/// The clock, or the certificate.
fn not_yet() -> Why {
    Why::new("the clock of this host is behind, most likely; or the certificate was made for later").try_("date -u")
}

fn of_version_one() -> Why {
    Why::new(
        "it was most likely made by `openssl x509 -req` without -extfile; with a subjectAltName it is of version 3",
    )
}

fn too_weak() -> Why {
    Why::new("it was made long ago, or as if it were: it has to be made anew, with another key")
}

const TO_VERSION_THREE: &str =
    "openssl x509 -req -in REQ.pem -CA CA.pem -CAkey CA.key -extfile <(echo subjectAltName=DNS:NAME) …";

/// What a client showed us.
fn clients_certificate(case: &Case<'_>, flaw: &Flaw, chain: &[Certificate]) -> Why {
    match flaw {
        Flaw::Expired => {
            Why::new("the client has let it run out, most likely; or the clock of this host is ahead").try_("date -u")
        }
        Flaw::NotYetValid => not_yet(),
        Flaw::SelfSigned => Why::new("nobody but itself vouches for it, and --tls-client-ca does not list it")
            .try_(secured(case, "--tls-client-ca CERT.pem")),
        Flaw::UnknownIssuer => {
            let issuer = chain.last().map(|last| last.issuer.as_str()).unwrap_or_default();
            Why::new(format!(
                "--tls-client-ca does not list {issuer}; or the client forgot to send the certificates between"
            ))
        }
        Flaw::WrongPurpose => Why::new("it was made for a server"),
        Flaw::VersionOne => of_version_one().try_(TO_VERSION_THREE),
        Flaw::Weak(_) => too_weak(),
        Flaw::BadSignature => Why::new("the certificate, or the key that the client has to it, is not the right one"),
        Flaw::WrongName | Flaw::NotThePinned | Flaw::Other(_) => Why::new(UNCLEAR),
    }
}

/// What a server showed us.
fn certificate(case: &Case<'_>, flaw: &Flaw, name: Option<&str>, chain: &[Certificate]) -> Why {
    let own = chain.first();
    let pinned = |why: Why| match own {
        Some(own) => why.try_(secured(case, &format!("--tls-pin {}", own.sha256))),
        None => why,
    };
    match flaw {
        Flaw::Expired => pinned(Why::new(
            "whoever runs the server let it run out, most likely; or the clock of this host is ahead",
        ))
        .try_("date -u"),
        Flaw::NotYetValid => not_yet(),
        Flaw::WrongName => {
            let names = own.map(|own| own.names.as_slice()).unwrap_or_default();
            if names.is_empty() {
                let text = "it has at most a common name (CN) in its subject, which has not been looked at for years: it \
                            has to be made anew with a subjectAltName";
                return pinned(Why::new(text));
            }
            let cause = match name.is_some_and(|name| name.parse::<std::net::IpAddr>().is_ok()) {
                true => "an address was typed, and the certificate is for names",
                false => "it is the certificate of another server, or it was made without this name",
            };
            let why = Why::new(cause);
            let other = names.iter().find(|name| !name.contains('*'));
            match other {
                Some(other) => why.try_(secured(case, &format!("--tls-server-name {}", word(other)))),
                None => pinned(why),
            }
        }
        Flaw::SelfSigned => pinned(Why::new(
            "nobody but itself vouches for it; if it is the right one, pin it, or trust its file",
        ))
        .try_(secured(case, "--tls-ca CERT.pem")),
        Flaw::UnknownIssuer => {
            let issuer = chain.last().map(|last| last.issuer.as_str()).unwrap_or_default();
            Why::new(format!(
                "{issuer} is an authority of its own, which this host does not know; or the server forgot to send the \
                 certificates between its own and one that is trusted"
            ))
            .try_(secured(case, "--tls-ca CA.pem"))
            .try_(s_client(case))
        }
        Flaw::WrongPurpose => Why::new("it was made for a client"),
        Flaw::VersionOne => pinned(of_version_one()).try_(TO_VERSION_THREE),
        Flaw::NotThePinned => Why::new(
            "the server has another certificate than when its fingerprint was taken: a new one, or somebody is on the way",
        )
        .try_(s_client(case)),
        Flaw::Weak(_) => too_weak().try_(s_client(case)),
        Flaw::BadSignature => Why::new("the certificate, or the key that the server has to it, is not the right one"),
        Flaw::Other(_) => Why::new(UNCLEAR).try_(s_client(case)),
    }
}

/// RFC 8446, section 6.2.
fn alert(case: &Case<'_>, name: &str, first: bool) -> Option<Why> {
    let we_are_client = is_client(case);
    let with_cert = || secured(case, "--tls-cert CERT.pem --tls-key KEY.pem");
    Some(match name {
        "certificate_required" => {
            Why::new("the server wants a certificate of the client, and none was given").try_(with_cert())
        }
        "handshake_failure" if we_are_client && first => Why::new(
            "of the suites, curves and signatures that we offer the server takes none: it is old, or set up for few",
        )
        .try_(s_client(case)),
        "handshake_failure" if we_are_client => {
            Why::new("the server wants a certificate of the client, most likely, or does not take the one that it got")
                .try_(with_cert())
                .try_(s_client(case))
        }
        "handshake_failure" => Why::new("the client found nothing that both sides know (suites, curves, signatures)"),
        "protocol_version" if !we_are_client => Why::new(
            "the client speaks none of the versions that are spoken here, TLS 1.3 and 1.2 (with --tls-min 1.3 just that)",
        ),
        "protocol_version" => Why::new(
            "the other side speaks none of the versions that were offered, TLS 1.3 and 1.2 (with --tls-min 1.3 just that)",
        )
        .try_(s_client(case)),
        "unknown_ca" | "bad_certificate" | "certificate_unknown" | "unsupported_certificate" if we_are_client => {
            Why::new("the server does not accept our certificate: most likely it trusts another issuer").try_(with_cert())
        }
        "unknown_ca" | "bad_certificate" | "certificate_unknown" | "unsupported_certificate" => Why::new(
            "the client does not accept our certificate: most likely it does not trust its issuer, or asked for another name",
        ),
        "certificate_expired" => Why::new(if we_are_client {
            "our certificate has expired, says the server"
        } else {
            "our certificate has expired, says the client; or its clock is ahead"
        })
        .try_("date -u"),
        "certificate_revoked" => Why::new("our certificate was revoked by its issuer"),
        "access_denied" => Why::new("our certificate is in order, and whoever has it may not come in"),
        "unrecognized_name" => Why::new("the server has no certificate for the name that was asked for")
            .try_(secured(case, "--tls-server-name NAME")),
        "no_application_protocol" => Why::new("the server takes none of the protocols of --tls-alpn"),
        "record_overflow" | "decode_error" | "unexpected_message" | "illegal_parameter" => {
            Why::new("what we sent was not understood: is the other side TLS, and nothing in between that changes bytes?")
        }
        "internal_error" => Why::new("the other side has a failure of its own, which its log may tell"),
        "close_notify" => Why::new("the other side ended before the handshake did"),
        _ => return None,
    })
}

fn not_tls(case: &Case<'_>, looks: Plain, said: &[u8]) -> Why {
    let first = said.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let shown = String::from_utf8_lossy(&first[..first.len().min(60)]).into_owned();
    let said = if shown.is_empty() { String::new() } else { format!("; it said \"{shown}\"") };
    if !is_client(case) {
        return match looks {
            Plain::Http => Why::new(format!("an HTTP client came without TLS{said}"))
                .try_(format!("curl -k https://{}/", address(case))),
            _ => Why::new(format!("a client came that speaks no TLS{said}"))
                .try_(format!("sockkit connect --tls --tls-insecure {}", address(case))),
        };
    }
    let plainly = format!("sockkit {} {}", case.client(), case.word());
    let starttls = |name: &str| format!("sockkit {} --starttls {name} {}", case.client(), case.word());
    match looks {
        Plain::Http => Why::new(format!(
            "an HTTP server without TLS is there; with TLS it has another port, most often 443 or 8443{said}"
        ))
        .try_(plainly),
        Plain::Ssh => {
            Why::new(format!("an SSH server is there, which has an encryption of its own{said}")).try_(plainly)
        }
        Plain::Smtp => {
            Why::new(format!("a mail server is there that begins in the clear{said}")).try_(starttls("smtp"))
        }
        Plain::Ftp => Why::new(format!("a server is there that begins in the clear, FTP or SMTP{said}"))
            .try_(starttls("ftp"))
            .try_(starttls("smtp")),
        Plain::Pop3 => {
            Why::new(format!("a mail server is there that begins in the clear{said}")).try_(starttls("pop3"))
        }
        Plain::Imap => {
            Why::new(format!("a mail server is there that begins in the clear{said}")).try_(starttls("imap"))
        }
        Plain::MySql => {
            Why::new("a MySQL or MariaDB server is there, which begins in the clear").try_(starttls("mysql"))
        }
        Plain::Xmpp => {
            Why::new(format!("an XMPP server is there that begins in the clear{said}")).try_(starttls("xmpp"))
        }
        Plain::Telnet | Plain::Vnc | Plain::Unknown => {
            Why::new(format!("a server is there that speaks something else{said}")).try_(plainly)
        }
    }
}

fn gone(case: &Case<'_>, heard: bool) -> Why {
    if !is_client(case) {
        return Why::new(if heard {
            "the client gave up: most likely it does not accept our certificate, or its user ended it"
        } else {
            "the client came and went without a word: a look whether somebody is there, most likely"
        });
    }
    if heard {
        return Why::new("the server broke off: it may want a certificate of the client, or have a failure of its own")
            .try_(s_client(case));
    }
    let postgres = case.port() == Some(5432);
    let why = Why::new(
        "the server took the connection and did not answer in TLS: most likely it speaks something else, wants STARTTLS, \
         or nothing stands behind a proxy",
    );
    if postgres {
        why.try_(format!("sockkit {} --starttls postgres {}", case.client(), case.word()))
    } else {
        why.try_(format!("sockkit {} {}", case.client(), case.word())).try_(s_client(case))
    }
}

fn incompatible(case: &Case<'_>, what: &str) -> Why {
    if what.contains("TLS 1.2 only") {
        return Why::new("--tls-min 1.3 asks for more than the server has").try_(secured(case, "--tls-min 1.2"));
    }
    if what.contains("neither") {
        return Why::new("the server is old: TLS 1.0, 1.1 and SSL are broken, and not spoken here")
            .try_(s_client(case));
    }
    Why::new(if is_client(case) {
        "the server is old, or is set up in a way that is not safe any more"
    } else {
        "the client is old (TLS 1.1, or suites and curves that are not safe any more), or --tls-min asks for more than it has"
    })
}

/// What the library has no better word for.
fn other(case: &Case<'_>, text: &str) -> Why {
    if is_client(case) && text.contains("got ClientHello") {
        return Why::new("our own words came back: an echo server without TLS is there, or another client")
            .try_(format!("sockkit {} {}", case.client(), target(case)));
    }
    let why =
        Why::new("it is TLS, and not what may come here: the other side is broken, or somebody between changes bytes");
    if is_client(case) { why.try_(s_client(case)) } else { why }
}

/// The handshake did not come to an end in time.
pub(super) fn stalled(case: &Case<'_>, longer: String) -> Why {
    if !is_client(case) {
        return Why::new("the client took the connection, and did not do its part of the handshake");
    }
    Why::new(
        "the server took the connection and said nothing, or not all: most likely it speaks something else and waits for \
         us to begin, or wants STARTTLS",
    )
    .try_(format!("sockkit {} {}", case.client(), case.word()))
    .try_(longer)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::super::explain;
    use super::super::tests::reads_as_written_down;
    use super::*;
    use crate::error::{Between, Error, Phase, ProxyKind};

    fn chain(subject: &str, issuer: &str, names: &[&str]) -> Vec<Certificate> {
        let day = Duration::from_secs(86_400);
        vec![Certificate {
            subject: subject.to_owned(),
            issuer: issuer.to_owned(),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            not_before: SystemTime::UNIX_EPOCH + day * 40_000,
            not_after: SystemTime::now() - day * 3 / 2,
            days_left: -2,
            sha256: "ab".repeat(32),
            self_signed: subject == issuer,
        }]
    }

    fn faults() -> Vec<Fault> {
        let flawed = |flaw, name: Option<&str>, names: &[&str]| Fault::Certificate {
            flaw,
            name: name.map(str::to_owned),
            chain: chain("CN=server", "CN=ca", names),
        };
        let host = Some("example.org");
        let mut faults = vec![
            flawed(Flaw::NotYetValid, host, &["example.org"]),
            flawed(Flaw::WrongName, host, &["www.example.org", "*.example.org"]),
            flawed(Flaw::WrongName, host, &["*.example.net"]),
            flawed(Flaw::WrongName, host, &[]),
            flawed(Flaw::WrongName, Some("192.0.2.1"), &["example.org"]),
            flawed(Flaw::SelfSigned, host, &["example.org"]),
            flawed(Flaw::UnknownIssuer, host, &["example.org"]),
            flawed(Flaw::WrongPurpose, host, &["example.org"]),
            flawed(Flaw::VersionOne, host, &[]),
            flawed(Flaw::Weak("its RSA key has 1024 bits, and 2048 is the least".to_owned()), host, &[]),
            flawed(Flaw::BadSignature, host, &["example.org"]),
            flawed(Flaw::NotThePinned, host, &["example.org"]),
            flawed(Flaw::Other("it is odd".to_owned()), host, &[]),
        ];
        for (name, code) in [
            ("handshake_failure", 40),
            ("bad_certificate", 42),
            ("certificate_revoked", 44),
            ("certificate_expired", 45),
            ("unknown_ca", 48),
            ("access_denied", 49),
            ("decode_error", 50),
            ("protocol_version", 70),
            ("internal_error", 80),
            ("unrecognized_name", 112),
            ("certificate_required", 116),
            ("no_application_protocol", 120),
        ] {
            faults.push(Fault::Alert { name: name.to_owned(), code, first: false });
        }
        faults.push(Fault::Alert { name: "handshake_failure".to_owned(), code: 40, first: true });
        for said in [
            &b"HTTP/1.1 400 Bad Request\r\n"[..],
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"220 mail.example.org ESMTP\r\n",
            b"220 (vsFTPd 3.0.3)\r\n",
            b"+OK ready\r\n",
            b"* OK ready\r\n",
            b"\x4a\0\0\0\x0a8.0.36\0",
            b"<?xml version='1.0'?>",
            b"\xff\xfd\x18",
            b"\x1b[2Jhello\r\n",
        ] {
            faults.push(Fault::NotTls { looks: Plain::of(said), said: said.to_vec() });
        }
        for (reset, heard) in [(false, false), (true, false), (false, true), (true, true)] {
            faults.push(Fault::Gone { reset, heard });
        }
        faults.push(Fault::Truncated);
        for text in ["received unexpected handshake message: got ClientHello when expecting ServerHello", "bad MAC"] {
            faults.push(Fault::Other(text.to_owned()));
        }
        for what in ["the server speaks TLS 1.2 only", "the server speaks neither TLS 1.2 nor TLS 1.3", "no suite"] {
            faults.push(Fault::Incompatible(what.to_owned()));
        }
        faults.push(Fault::NoStartTls { said: "502 not set up".to_owned() });
        faults
    }

    fn error(fault: Fault, peer: &str) -> Error {
        Error::os(Phase::Securing, Some(&peer.parse().unwrap()), fault.into())
    }

    fn cases() -> Vec<(&'static str, Error)> {
        let mut cases: Vec<_> =
            faults().into_iter().map(|fault| ("connect", error(fault, "example.org:443"))).collect();
        let late = |peer: &str| {
            Error::timed_out(Phase::Securing, Some(&peer.parse().unwrap()), "--connect-timeout", Duration::from_secs(2))
        };
        cases.push(("connect", late("example.org:443")));
        cases.push(("ping", error(Fault::Gone { reset: false, heard: false }, "192.0.2.1:5432")));
        // Where the session is with an address, the server is still the one that was typed.
        let mut resolved = error(Fault::Truncated, "192.0.2.1:443");
        resolved.facts.push(Fact::Typed("example.org:443".parse().unwrap()));
        cases.push(("connect", resolved));
        // By way of a proxy, nothing is looked at from here.
        let between = Between { kind: ProxyKind::Socks5h, proxy: "127.0.0.1:1080".parse().unwrap() };
        for nth in [1, 5, 6, 11, 26, 36, 40] {
            let fault = faults().swap_remove(nth);
            cases.push(("connect", error(fault, "example.org:443").beyond(Some(&between))));
        }
        // Here we are the server. A relay is both.
        let local = "192.0.2.1:8443".parse().unwrap();
        let of_clients = [
            Flaw::NotYetValid,
            Flaw::SelfSigned,
            Flaw::UnknownIssuer,
            Flaw::WrongPurpose,
            Flaw::VersionOne,
            Flaw::Weak("it is signed by SHA-1 and RSA, which can be forged".to_owned()),
            Flaw::BadSignature,
            Flaw::Other("it is odd".to_owned()),
        ];
        let flawed = |flaw| Fault::Certificate { flaw, name: None, chain: chain("CN=client", "CN=ca", &[]) };
        let old = Fault::Incompatible("the client offers no cipher suite that is spoken here".to_owned());
        let faults = faults().into_iter().filter(|fault| match fault {
            Fault::Certificate { .. } | Fault::NoStartTls { .. } | Fault::Incompatible(_) => false,
            // What only a server says.
            Fault::Alert { code, .. } => !matches!(code, 112 | 116 | 120),
            _ => true,
        });
        let own = [Fault::NoClientCertificate, Fault::NoProtocol, old];
        for fault in own.into_iter().chain(of_clients.map(flawed)).chain(faults) {
            cases.push(("echo", error(fault, "198.51.100.7:50000").accepted(&local)));
        }
        cases.push(("listen", late("198.51.100.7:50000").accepted(&local)));
        let http = Fault::NotTls { looks: Plain::Http, said: b"GET / HTTP/1.1\r\n".to_vec() };
        cases.push(("relay", error(http.clone(), "198.51.100.7:50000").accepted(&local)));
        cases.push(("relay", error(http, "example.org:443")));
        cases
    }

    #[test]
    fn every_fault_reads_as_written_down() {
        let written: String =
            cases().iter().map(|(command, error)| explain(command, error).render(false) + "\n").collect();
        reads_as_written_down("tls.txt", &written);
    }

    #[test]
    fn who_let_it_run_out_depends_on_whose_it_is() {
        // What is said of it changes by the day.
        let fault =
            |name| Fault::Certificate { flaw: Flaw::Expired, name, chain: chain("CN=a", "CN=ca", &["example.org"]) };
        let cause = |command: &str, error: &Error| explain(command, error).cause.unwrap();
        let error_of = |fault| error(fault, "198.51.100.7:50000");
        let theirs = error_of(fault(Some("example.org".to_owned())));
        assert!(cause("connect", &theirs).starts_with("whoever runs the server let it run out"));
        let clients = error_of(fault(None)).accepted(&"192.0.2.1:8443".parse().unwrap());
        assert!(cause("echo", &clients).starts_with("the client has let it run out"));
    }

    #[test]
    fn a_session_within_tls_is_not_told_to_try_it() {
        use crate::course::{Course, Ending};
        use crate::error::Exit;
        use crate::event::Side;
        let peer = "example.org:443".parse().unwrap();
        for (how, secured) in [(Ending::Fin, false), (Ending::Fin, true), (Ending::Reset, false), (Ending::Reset, true)]
        {
            let course = Course { sent: 9, secured, ended_by: Some(Side::Peer), how: Some(how), ..Course::default() };
            let mut error = match how {
                Ending::Fin => Error::text(Exit::Ok, Phase::Receiving, Some(&peer), ""),
                _ => Error::os(Phase::Receiving, Some(&peer), std::io::Error::from_raw_os_error(libc::ECONNRESET)),
            };
            error.facts.push(Fact::Course(Box::new(course)));
            let explained = explain("connect", &error);
            let all = format!("{} {}", explained.cause.expect("a cause"), explained.r#try.join(" "));
            assert_eq!(all.contains("plain text"), !secured, "{all}");
            assert_eq!(all.contains("openssl s_client"), !secured, "{all}");
            assert_eq!(all.contains("something else within TLS") && all.contains(" --tls -"), secured, "{all}");
        }
    }

    #[test]
    fn every_fault_of_a_client_has_words_of_its_own() {
        let mut causes: Vec<String> = Vec::new();
        for fault in faults() {
            // A reset says no more than an end does.
            let again = matches!(fault, Fault::Gone { reset: true, .. });
            let error = error(fault, "example.org:443");
            assert_eq!(error.exit, crate::error::Exit::Tls);
            let explained = explain("connect", &error);
            let whole = format!("{}\n{}", explained.headline, explained.cause.expect("a cause"));
            assert!(again || !causes.contains(&whole), "{whole}");
            causes.push(whole);
        }
    }
}
