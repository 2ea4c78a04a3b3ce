//! What a proxy had to do with a failure.

use std::fmt;

use super::{Error, Fact};
use crate::addr::Endpoint;
use crate::text::{count_of_bytes, visible_line};

/// What a proxy speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProxyKind {
    /// SOCKS version 4, which knows IPv4 addresses only.
    Socks4,
    /// The same with names, which the proxy resolves.
    Socks4a,
    /// SOCKS version 5 (RFC 1928), with names resolved here.
    Socks5,
    /// The same with names resolved by the proxy.
    Socks5h,
    /// HTTP, by its method CONNECT (RFC 9110, section 9.3.6).
    Http,
}

impl ProxyKind {
    /// All of them, as the scheme of `--proxy` names them.
    pub const ALL: [Self; 5] = [Self::Socks5, Self::Socks5h, Self::Socks4, Self::Socks4a, Self::Http];

    /// The scheme.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Socks4 => "socks4",
            Self::Socks4a => "socks4a",
            Self::Socks5 => "socks5",
            Self::Socks5h => "socks5h",
            Self::Http => "http",
        }
    }

    /// Whether names are turned into addresses by us, and not by the proxy.
    #[must_use]
    pub fn resolves_here(self) -> bool {
        matches!(self, Self::Socks4 | Self::Socks5)
    }
}

impl fmt::Display for ProxyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A proxy that a connection goes through: what is between us and the peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Between {
    /// What it speaks.
    pub kind: ProxyKind,
    /// The proxy, as it was given.
    pub proxy: Endpoint,
}

impl Error {
    /// The same of a connection that this proxy leads to.
    #[must_use]
    pub fn beyond(self, proxy: Option<&Between>) -> Self {
        self.knowing(proxy.map(|between| Fact::Between(Box::new(between.clone()))))
    }

    /// The proxy that leads to the peer, where one does.
    #[must_use]
    pub fn between(&self) -> Option<&Between> {
        self.facts.iter().find_map(|fact| match fact {
            Fact::Between(between) => Some(&**between),
            Fact::Course(course) => course.between.as_ref(),
            _ => None,
        })
    }
}

/// A failure on the way through a proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyPart {
    /// What it speaks.
    pub kind: ProxyKind,
    /// The proxy, as it was given.
    pub proxy: Endpoint,
    /// Where it was to lead.
    pub target: Endpoint,
    /// What it said; `None` when it was not reached, or said nothing.
    pub answer: Option<ProxyAnswer>,
}

/// What a proxy answered instead of success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProxyAnswer {
    /// A reply code of SOCKS version 5: RFC 1928, section 6.
    Socks5(u8),
    /// A result code of SOCKS version 4.
    Socks4(u8),
    /// A status of HTTP and its reason, which may be empty.
    Http(u16, String),
    /// It wants a user and a password, and there are none; these are the ways it knows to give them.
    LoginWanted(String),
    /// The user and the password are not what it wants.
    LoginRefused,
    /// It knows no way of ours to give a user and a password; these are its own.
    NoCommonLogin(String),
    /// It speaks something else; these are the first bytes of it.
    Foreign(Vec<u8>),
    /// It ended the connection in the middle of its answer, after so many bytes.
    Ended(usize),
    /// Its answer has no end within so many bytes.
    Endless(usize),
}

impl ProxyAnswer {
    /// What the answer says of the target, where it says that the target is the reason.
    #[must_use]
    pub fn about_target(&self) -> Option<TargetFailure> {
        Some(match self {
            Self::Socks5(3) => TargetFailure::NetworkUnreachable,
            Self::Socks5(4) => TargetFailure::HostUnreachable,
            Self::Socks5(5) => TargetFailure::Refused,
            Self::Socks5(6) | Self::Http(504, _) => TargetFailure::NoAnswer,
            Self::Http(500 | 502 | 503, _) | Self::Socks4(91) | Self::Socks5(1) => TargetFailure::Unknown,
            _ => return None,
        })
    }

    /// The answer in words, about this target.
    #[must_use]
    pub fn words(&self, target: &Endpoint) -> String {
        match self {
            Self::Socks5(code) => {
                let text = match code {
                    1 => format!("it says that it failed for {target}, and not why"),
                    2 => format!("its rules do not allow {target}"),
                    3 => format!("it has no route to the network of {target}"),
                    4 => format!("it cannot reach the host of {target}"),
                    5 => format!("{target} refused the connection from it"),
                    6 => format!("its packets to {target} were too long on the way (TTL expired)"),
                    7 => "it does not support the command CONNECT".to_owned(),
                    8 => format!("it does not support the kind of address that {target} is"),
                    _ => format!("it did not open the way to {target}, by a code that RFC 1928 does not have"),
                };
                format!("{text} (SOCKS5 reply {code})")
            }
            Self::Socks4(code) => {
                let text = match code {
                    91 => format!("it rejected the request for {target}, or failed: SOCKS4 does not tell which"),
                    92 => "it wants an ident server (RFC 1413) on this host, and found none".to_owned(),
                    93 => "the ident server of this host names another user".to_owned(),
                    _ => format!("it did not open the way to {target}, by a code that SOCKS4 does not have"),
                };
                format!("{text} (SOCKS4 reply {code})")
            }
            Self::Http(status, reason) => {
                let text = match status {
                    403 => format!("its rules do not allow {target}"),
                    502 => format!("it could not connect to {target}"),
                    503 => format!("it cannot open the way to {target} now"),
                    504 => format!("{target} did not answer it in time"),
                    400 => "it does not take the request".to_owned(),
                    404 | 405 | 501 => "it does not know the method CONNECT".to_owned(),
                    429 => "it has had too many requests".to_owned(),
                    301..=308 => "it answers with a redirection, as a web server does".to_owned(),
                    500..=599 => format!("it failed, or could not connect to {target}"),
                    _ => format!("it did not open the way to {target}"),
                };
                let reason = if reason.is_empty() { String::new() } else { format!(" {}", visible_line(reason)) };
                format!("{text} (HTTP {status}{reason})")
            }
            Self::LoginWanted(how) => format!("it wants a user and a password ({how})"),
            Self::LoginRefused => "it does not accept the user and the password".to_owned(),
            Self::NoCommonLogin(ways) => format!("it wants a login of a kind that is not known here ({ways})"),
            Self::Foreign(bytes) => {
                format!("its answer is of another protocol: \"{}\"", visible_line(bytes))
            }
            Self::Ended(0) => "it closed the connection without an answer".to_owned(),
            Self::Ended(bytes) => {
                let bytes = count_of_bytes(*bytes as u64);
                format!("it closed the connection in the middle of its answer, after {bytes}")
            }
            Self::Endless(bytes) => format!("its answer has no end within {bytes} bytes"),
        }
    }
}

/// What a proxy says about the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetFailure {
    /// It refused.
    Refused,
    /// No route to its network.
    NetworkUnreachable,
    /// Its host cannot be reached.
    HostUnreachable,
    /// It was silent for as long as the proxy waits.
    NoAnswer,
    /// It could not be connected to, for a reason that the protocol does not tell.
    Unknown,
}
