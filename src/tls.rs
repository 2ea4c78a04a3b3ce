//! What is known about TLS: certificates, how a connection is secured, and what can be wrong with it. Plain facts;
//! `net::tls` finds them out.

use std::fmt;
use std::time::SystemTime;

use serde::{Serialize, Serializer};

/// One certificate of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Certificate {
    /// Whom it is for (RFC 4514).
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// The names it is good for: its subjectAltName, DNS names and IP addresses.
    pub names: Vec<String>,
    /// Good from.
    #[serde(serialize_with = "moment")]
    pub not_before: SystemTime,
    /// Good until.
    #[serde(serialize_with = "moment")]
    pub not_after: SystemTime,
    /// Whole days until then; negative when it has passed.
    pub days_left: i64,
    /// SHA-256 of the whole certificate (DER), in hexadecimal: what `--tls-pin` takes.
    pub sha256: String,
    /// Whether subject and issuer are the same.
    pub self_signed: bool,
}

impl Certificate {
    /// In a line: subject, names, days left.
    #[must_use]
    pub fn line(&self) -> String {
        let names = if self.names.is_empty() { String::new() } else { format!(", for {}", self.names.join(", ")) };
        let signed = if self.self_signed { "self-signed".to_owned() } else { format!("by {}", self.issuer) };
        let left = match self.days_left {
            left @ ..0 => format!("expired {} ago", days(-left)),
            left => format!("{} left", days(left)),
        };
        format!("{}{names}; {signed}; {left}", self.subject)
    }
}

/// `1 day`, `20 days`.
fn days(count: i64) -> String {
    if count == 1 { "1 day".to_owned() } else { format!("{count} days") }
}

/// A connection that is secured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Secured {
    /// `"client"` or `"server"`: our side of the handshake.
    pub role: &'static str,
    /// `"TLSv1.3"`.
    pub version: &'static str,
    /// The suite as IANA names it: `"TLS_AES_256_GCM_SHA384"`.
    pub suite: String,
    /// The key exchange: `"X25519"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The protocol that was agreed on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpn: Option<String>,
    /// The name that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// What the peer's certificate was held against: `"ca"`, `"pin"`, or `"nothing"` (`--tls-insecure`, or a client
    /// that was not asked for one).
    pub verified: &'static str,
    /// The peer's certificates, its own first.
    pub chain: Vec<Certificate>,
}

/// What is wrong with a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flaw {
    /// It was good until [`Certificate::not_after`].
    Expired,
    /// It will be good from [`Certificate::not_before`].
    NotYetValid,
    /// It is for other names.
    WrongName,
    /// It is its own issuer, and not one of those that are trusted.
    SelfSigned,
    /// Whoever signed it is not trusted, or the chain to somebody who is has a gap.
    UnknownIssuer,
    /// It is not for servers (or clients).
    WrongPurpose,
    /// X.509 version 1, which can have no names.
    VersionOne,
    /// Its key is too small, or its signature by an algorithm that is not safe any more: what it is.
    Weak(String),
    /// A signature in the chain is wrong.
    BadSignature,
    /// It is not the one of `--tls-pin`.
    NotThePinned,
    /// Something else, in the verifier's words.
    Other(String),
}

/// What the other side speaks, in place of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plain {
    /// An answer of an HTTP server, or a request of a client.
    Http,
    /// `SSH-2.0-`.
    Ssh,
    /// `220 … SMTP`.
    Smtp,
    /// `220 …`.
    Ftp,
    /// `+OK`.
    Pop3,
    /// `* OK`.
    Imap,
    /// The greeting packet of MySQL or MariaDB.
    MySql,
    /// XML of XMPP.
    Xmpp,
    /// The options of telnet.
    Telnet,
    /// `RFB 003`.
    Vnc,
    /// Something else.
    Unknown,
}

impl Plain {
    /// What these first bytes look like.
    #[must_use]
    pub fn of(said: &[u8]) -> Self {
        let text = String::from_utf8_lossy(said).to_ascii_uppercase();
        let starts = |start: &str| text.starts_with(start);
        let requests = ["GET ", "POST ", "HEAD ", "PUT ", "OPTIONS ", "CONNECT ", "DELETE ", "PATCH ", "PRI * HTTP/2"];
        match said {
            // HTTP/0.9, as which a server may take what is no request, has no status line.
            _ if starts("<!DOCTYPE HTML") || starts("<HTML") => Self::Http,
            _ if starts("HTTP/") || requests.iter().any(|request| starts(request)) => Self::Http,
            _ if starts("SSH-") => Self::Ssh,
            _ if starts("220") && text.contains("SMTP") => Self::Smtp,
            _ if starts("EHLO") || starts("HELO") => Self::Smtp,
            _ if starts("220") => Self::Ftp,
            _ if starts("+OK") => Self::Pop3,
            _ if starts("* OK") || starts("* PREAUTH") => Self::Imap,
            _ if starts("RFB ") => Self::Vnc,
            _ if starts("<?XML") || starts("<STREAM") => Self::Xmpp,
            // Protocol::HandshakeV10: a length of three bytes, the number 0, the version 10.
            [_, _, 0, 0, 10, ..] => Self::MySql,
            [255, 251..=254, ..] => Self::Telnet,
            _ => Self::Unknown,
        }
    }

    /// `HTTP`.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::Http => "HTTP",
            Self::Ssh => "SSH",
            Self::Smtp => "SMTP",
            Self::Ftp => "FTP (or SMTP)",
            Self::Pop3 => "POP3",
            Self::Imap => "IMAP",
            Self::MySql => "MySQL",
            Self::Xmpp => "XMPP",
            Self::Telnet => "telnet",
            Self::Vnc => "VNC",
            Self::Unknown => return None,
        })
    }
}

/// Why a connection is not, or no longer, secured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The peer's certificate was not accepted.
    Certificate {
        /// What is wrong with it.
        flaw: Flaw,
        /// The name it was to be for; none of a client's.
        name: Option<String>,
        /// The chain that was shown, as far as it can be read.
        chain: Vec<Certificate>,
    },
    /// The peer ended it with an alert (RFC 8446, section 6).
    Alert {
        /// As the RFC names it: `"unknown_ca"`.
        name: String,
        /// Its number.
        code: u8,
        /// It is the first that was heard of the peer, so it is about what we offered.
        first: bool,
    },
    /// What came was no TLS.
    NotTls {
        /// What it looks like.
        looks: Plain,
        /// The first bytes of it.
        said: Vec<u8>,
    },
    /// The connection ended in the middle of the handshake.
    Gone {
        /// By a reset.
        reset: bool,
        /// After something had come.
        heard: bool,
    },
    /// The connection ended without a close_notify: what came may not be all.
    Truncated,
    /// No version of the protocol, suite or the like that both sides know.
    Incompatible(String),
    /// A client was asked for a certificate and showed none.
    NoClientCertificate,
    /// A server that begins in the clear does not go on in TLS.
    NoStartTls {
        /// What it said.
        said: String,
    },
    /// None of the protocols of ALPN that a client offered is one of ours.
    NoProtocol,
    /// Anything else, in the library's words.
    Other(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate { flaw, name, chain } => flawed(f, flaw, name.as_deref(), chain.first()),
            Self::Alert { name, code, .. } => write!(f, "the peer ended it with the alert {name} ({code})"),
            Self::NotTls { looks, .. } => match looks.name() {
                Some(name) => write!(f, "the other side speaks no TLS, but plain {name}"),
                None => f.write_str("the other side speaks no TLS"),
            },
            Self::Gone { reset: true, .. } => f.write_str("the peer reset the connection in the middle of it"),
            Self::Gone { .. } => f.write_str("the peer closed the connection in the middle of it"),
            Self::Truncated => {
                f.write_str("the connection ended without a close_notify: what came may have been cut short")
            }
            Self::Incompatible(what) => write!(f, "no common ground: {what}"),
            Self::NoClientCertificate => f.write_str("the client showed no certificate"),
            Self::NoStartTls { said } => write!(f, "the server does not go on in TLS: {said}"),
            Self::NoProtocol => f.write_str("the client offered no protocol (ALPN) of ours"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Fault {}

fn flawed(f: &mut fmt::Formatter<'_>, flaw: &Flaw, name: Option<&str>, own: Option<&Certificate>) -> fmt::Result {
    let names = own.map(|own| own.names.join(", ")).unwrap_or_default();
    let issuer = own.map_or("somebody", |own| own.issuer.as_str());
    let is_ip = name.is_some_and(|name| name.parse::<std::net::IpAddr>().is_ok());
    match (flaw, own) {
        (Flaw::Expired, Some(own)) => {
            let since = SystemTime::now().duration_since(own.not_after).map_or(0, |since| since.as_secs() / 86_400);
            let since = if since == 0 { "today".to_owned() } else { format!("{} ago", days(since.cast_signed())) };
            write!(f, "the certificate has expired, {since}: it was good until {}", date(own.not_after))
        }
        (Flaw::NotYetValid, Some(own)) => {
            write!(f, "the certificate is not valid yet: it will be good from {}", date(own.not_before))
        }
        (Flaw::WrongName, _) if names.is_empty() => {
            write!(f, "the certificate has no names (subjectAltName), so not {} either", name.unwrap_or("this one"))
        }
        (Flaw::WrongName, _) if is_ip => {
            write!(f, "the certificate is not for the IP address {}: it is for {names}", name.unwrap_or_default())
        }
        (Flaw::WrongName, _) => write!(f, "the certificate is not for {}: it is for {names}", name.unwrap_or_default()),
        (Flaw::SelfSigned, _) => write!(f, "the certificate is self-signed, and not one that is trusted: {issuer}"),
        (Flaw::UnknownIssuer, _) => write!(f, "the certificate was issued by somebody who is not trusted: {issuer}"),
        (Flaw::WrongPurpose, _) => {
            f.write_str("the certificate is not made for this side of a connection (extendedKeyUsage)")
        }
        (Flaw::VersionOne, _) => {
            f.write_str("the certificate is one of X.509 version 1, which has no names and nothing to check")
        }
        (Flaw::Weak(what), _) => write!(f, "the certificate is too weak: {what}"),
        (Flaw::BadSignature, _) => f.write_str("a signature in the chain of certificates is wrong"),
        (Flaw::NotThePinned, Some(own)) => {
            write!(f, "the certificate is not the one of --tls-pin: it has {}", own.sha256)
        }
        (Flaw::Other(text), _) => write!(f, "the certificate is not accepted: {text}"),
        (Flaw::Expired | Flaw::NotYetValid | Flaw::NotThePinned, None) => {
            f.write_str("the certificate is not accepted, and cannot be read")
        }
    }
}

/// `2026-11-20 00:00:00 UTC`.
fn date(moment: SystemTime) -> String {
    let text = humantime::format_rfc3339_seconds(moment).to_string();
    text.replacen('T', " ", 1).replacen('Z', " UTC", 1)
}

fn moment<S: Serializer>(moment: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_rfc3339_seconds(*moment))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greetings_are_told_apart() {
        for (said, looks) in [
            (&b"HTTP/1.1 400 Bad Request\r\n"[..], Plain::Http),
            (b"GET / HTTP/1.1\r\n", Plain::Http),
            (b"<!DOCTYPE HTML>\n<html lang=\"en\">\n", Plain::Http),
            (b"SSH-2.0-OpenSSH_9.2\r\n", Plain::Ssh),
            (b"220 mail.example.org ESMTP Postfix\r\n", Plain::Smtp),
            (b"220 (vsFTPd 3.0.3)\r\n", Plain::Ftp),
            (b"+OK ready\r\n", Plain::Pop3),
            (b"* OK [CAPABILITY IMAP4rev1] ready\r\n", Plain::Imap),
            (b"\x4a\x00\x00\x00\x0a8.0.36\x00", Plain::MySql),
            (b"\xff\xfd\x18", Plain::Telnet),
            (b"hello", Plain::Unknown),
            (b"", Plain::Unknown),
        ] {
            assert_eq!(Plain::of(said), looks, "{said:?}");
        }
    }
}
