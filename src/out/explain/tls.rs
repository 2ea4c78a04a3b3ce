//! What can be wrong with TLS: certificates, versions, and peers that speak something else.

use crate::addr::Endpoint;
use crate::error::Phase;
use crate::tls::{Certificate, Fault, Flaw, Plain};

use super::{Case, Why, word};

pub(super) fn why(case: &Case<'_>, fault: &Fault) -> Option<Why> {
    Some(match fault {
        Fault::Certificate { flaw, name, chain } => certificate(case, flaw, name.as_deref(), chain),
        Fault::Alert { name, .. } => return alert(case, name),
        Fault::NotTls { looks, said } => not_tls(case, *looks, said),
        Fault::Gone { heard, .. } => gone(case, *heard),
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
        .try_(secured(case, "").replace("  ", " ")),
        Fault::NoProtocol => Why::new("--tls-alpn lists the protocols that are taken, and the client offers others only"),
        Fault::Other(_) => return None,
    })
}

/// The address that the same is tried at again: the peer of a server is nobody to connect to.
fn address(case: &Case<'_>) -> String {
    if is_client(case) { case.word() } else { "ADDR".to_owned() }
}

fn is_client(case: &Case<'_>) -> bool {
    case.is_client() || matches!(case.command, "chat join" | "replay" | "relay" | "doctor")
}

/// The command with one more flag.
fn secured(case: &Case<'_>, flag: &str) -> String {
    if is_client(case) {
        format!("sockkit {} --tls {flag} {}", case.client(), case.word())
    } else {
        format!("sockkit {} --tls {flag} …", case.command)
    }
}

fn s_client(case: &Case<'_>) -> String {
    match case.endpoint {
        Endpoint::Inet(_) => format!("openssl s_client -connect {} -showcerts", case.word()),
        _ => format!("sockkit connect -v --tls --tls-insecure -z {}", case.word()),
    }
}

fn certificate(case: &Case<'_>, flaw: &Flaw, name: Option<&str>, chain: &[Certificate]) -> Why {
    let own = chain.first();
    let pin = own.map(|own| secured(case, &format!("--tls-pin {}", own.sha256)));
    let pinned = |why: Why| if let Some(pin) = pin.clone().filter(|_| name.is_some()) { why.try_(pin) } else { why };
    match flaw {
        Flaw::Expired => pinned(Why::new(
            "whoever runs the server let it run out, most likely; or the clock of this host is ahead",
        ))
        .try_("date -u"),
        Flaw::NotYetValid => {
            Why::new("the clock of this host is behind, most likely; or the certificate was made for later").try_("date -u")
        }
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
            let issuer = chain.last().map(|last| last.issuer.clone()).unwrap_or_default();
            let missing = "the server forgot to send the certificates between its own and one that is trusted";
            let cause = if name.is_none() {
                format!("--tls-client-ca does not list {issuer}")
            } else {
                format!("{issuer} is an authority of its own, which this host does not know; or {missing}")
            };
            let why = Why::new(cause);
            if name.is_none() { why } else { why.try_(secured(case, "--tls-ca CA.pem")).try_(s_client(case)) }
        }
        Flaw::WrongPurpose => Why::new("it was made for the other side: a client's certificate for a server, or the reverse"),
        Flaw::VersionOne => pinned(Why::new(
            "it was most likely made by `openssl x509 -req` without -extfile; with a subjectAltName it is of version 3",
        ))
        .try_("openssl x509 -req -in REQ.pem -CA CA.pem -CAkey CA.key -extfile <(echo subjectAltName=DNS:NAME) …"),
        Flaw::NotThePinned => Why::new(
            "the server has another certificate than when its fingerprint was taken: a new one, or somebody is on the way",
        )
        .try_(s_client(case)),
        Flaw::BadSignature => Why::new("the certificate, or the key that the server has to it, is not the right one"),
        Flaw::Other(_) => Why::new("the verifier does not take it").try_(s_client(case)),
    }
}

/// RFC 8446, section 6.2.
fn alert(case: &Case<'_>, name: &str) -> Option<Why> {
    let we_are_client = is_client(case);
    let with_cert = || secured(case, "--tls-cert CERT.pem --tls-key KEY.pem");
    Some(match name {
        "certificate_required" => {
            Why::new("the server wants a certificate of the client, and none was given").try_(with_cert())
        }
        "handshake_failure" if we_are_client => Why::new(
            "the server found nothing that both sides know (suites, curves, signatures), or wants a certificate of the client",
        )
        .try_(with_cert())
        .try_(s_client(case)),
        "handshake_failure" => Why::new("the client found nothing that both sides know (suites, curves, signatures)"),
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
            Plain::Http => Why::new(format!("an HTTP client came without TLS{said}")).try_("curl -k https://ADDR/"),
            _ => Why::new(format!("a client came that speaks no TLS{said}"))
                .try_("sockkit connect --tls --tls-insecure ADDR"),
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

/// The handshake did not come to an end in time.
pub(super) fn stalled(case: &Case<'_>, longer: String) -> Why {
    if !is_client(case) || case.error.phase != Phase::Securing {
        return Why::new("the client took the connection, and did not do its part of the handshake");
    }
    Why::new(
        "the server took the connection and said nothing, or not all: most likely it speaks something else and waits for \
         us to begin, or wants STARTTLS",
    )
    .try_(format!("sockkit {} {}", case.client(), case.word()))
    .try_(longer)
}
