//! A proxy as it is typed: `socks5://[USER[:PASSWORD]@]HOST[:PORT]`, and who is not to be reached through it.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use percent_encoding::percent_decode_str;

use crate::addr::{Endpoint, Host, Inet, Port, Transport};
use crate::error::{Between, ProxyKind};
use crate::span::Misread;

/// The port that RFC 1928 gives to SOCKS.
const SOCKS_PORT: u16 = 1080;

/// The longest user name, and the longest password, in bytes (RFC 1929).
pub const LOGIN_MAX: usize = 255;

/// A proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// What it speaks.
    pub kind: ProxyKind,
    /// Where it is.
    pub endpoint: Endpoint,
    /// Who we are to it.
    pub login: Option<Login>,
    /// Where it is not to be used.
    pub exempt: Exempt,
}

/// A user, and a password if there is one.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The user.
    pub user: Vec<u8>,
    /// The password.
    pub password: Option<Vec<u8>>,
}

/// The password stays out of it.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = String::from_utf8_lossy(&self.user);
        f.debug_struct("Login").field("user", &user).field("password", &self.password.as_ref().map(|_| "***")).finish()
    }
}

impl Login {
    /// A user and a password that fit into every protocol.
    ///
    /// # Errors
    /// More than [`LOGIN_MAX`] bytes, or control characters, which would end a line of HTTP or a string of SOCKS4.
    pub fn new(user: Vec<u8>, password: Option<Vec<u8>>) -> Result<Self, String> {
        for (what, text) in [("user", Some(&user)), ("password", password.as_ref())] {
            let Some(text) = text else { continue };
            if text.len() > LOGIN_MAX {
                return Err(format!(
                    "the proxy's {what} has {} bytes, and may have at most {LOGIN_MAX} (RFC 1929)",
                    text.len()
                ));
            }
            if text.iter().any(u8::is_ascii_control) {
                return Err(format!("the proxy's {what} has control characters"));
            }
        }
        if user.is_empty() {
            return Err("the proxy's user is empty".to_owned());
        }
        Ok(Self { user, password })
    }
}

impl Proxy {
    /// What is told of it.
    #[must_use]
    pub fn between(&self) -> Between {
        Between { kind: self.kind, proxy: self.endpoint.clone() }
    }

    /// Reads a URL. One without a scheme is of `usual`, where there is one.
    ///
    /// # Errors
    /// Anything else. Passwords are not shown.
    pub fn parse(text: &str, usual: Option<ProxyKind>) -> Result<Self, Misread> {
        let shown = masked(text).unwrap_or_else(|| text.to_owned());
        let misread = |at: std::ops::Range<usize>, message: String| Misread::new("proxy", &shown, at, message);
        let whole = 0..text.len();
        if text.is_empty() {
            return Err(misread(whole, "it is empty".to_owned()).hint("socks5://127.0.0.1:1080"));
        }
        let (kind, authority, begin) = match (split_scheme(text), usual) {
            (Some((scheme, rest)), _) => {
                let kind = ProxyKind::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(scheme));
                let Some(kind) = kind else { return Err(no_such(scheme, &shown, rest)) };
                (kind, rest, scheme.len() + 3)
            }
            (None, Some(kind)) => (kind, text, 0),
            (None, None) => {
                let message = "what it speaks is missing in front of it".to_owned();
                return Err(["socks5", "http"].iter().fold(misread(0..0, message), |misread, scheme| {
                    let hint = format!("{scheme}://{shown}");
                    misread.hint(hint)
                }));
            }
        };
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        // A password that was typed as it is may have an @ in it; a host has none.
        let (login, place, at) = match authority.rsplit_once('@') {
            Some((login, place)) => (Some(login), place, begin + login.len() + 1),
            None => (None, authority, begin),
        };
        let place_range = at..at + place.len();
        if let Some(path) = place.find(['/', '?', '#']) {
            return Err(misread(at + path..at + place.len(), "a proxy has no path".to_owned()));
        }
        if place.is_empty() {
            return Err(misread(place_range, "the host is missing".to_owned()));
        }
        let endpoint = read_place(place, kind).map_err(|error| match error {
            // It points at its place itself.
            Ok(inner) => {
                let at = at + inner.at.start..at + inner.at.end;
                inner
                    .hints
                    .iter()
                    .fold(misread(at, inner.message.clone()), |misread, hint| misread.hint(format!("{kind}://{hint}")))
            }
            Err(message) => {
                let misread = misread(place_range.clone(), message);
                if kind == ProxyKind::Http {
                    misread.hint(format!("{kind}://{place}:3128")).hint(format!("{kind}://{place}:8080"))
                } else {
                    misread
                }
            }
        })?;
        let login = login.map(read_login).transpose();
        let login = login.map_err(|message| misread(begin..at - 1, message))?;
        Ok(Self { kind, endpoint, login, exempt: Exempt::default() })
    }
}

/// The scheme and what is behind it. A password may have `://` in it, where no scheme stands in front.
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    text.split_once("://").filter(|(scheme, _)| !scheme.contains([':', '@']))
}

/// Why it is no kind of proxy.
fn no_such(scheme: &str, shown: &str, rest: &str) -> Misread {
    let misread = |message: &str| Misread::new("proxy", shown, 0..scheme.len(), message);
    let rest = shown.get(shown.len() - rest.len()..).unwrap_or_default();
    match scheme.to_ascii_lowercase().as_str() {
        "https" => misread("a proxy that is itself reached over TLS is not supported").hint(format!("http://{rest}")),
        "socks" => misread("which version?").hint(format!("socks5://{rest}")).hint(format!("socks4://{rest}")),
        _ => misread("there are socks5, socks5h, socks4, socks4a and http").hint(format!("socks5://{rest}")),
    }
}

/// The host and the port. An error that points at its own place is `Ok`.
fn read_place(place: &str, kind: ProxyKind) -> Result<Endpoint, Result<Misread, String>> {
    let port = |endpoint: &Endpoint| matches!(endpoint, Endpoint::Inet(Inet { port: Port::Number(0), .. }));
    // 0 stands for none: nobody listens there.
    let reading = crate::addr::Reading { port: 0, ..Default::default() };
    let mut endpoint = Endpoint::parse(&[place.into()], &reading).map_err(Ok)?;
    let none = port(&endpoint);
    match &mut endpoint {
        Endpoint::Inet(Inet { host: Host::Any, .. }) => return Err(Err("the host is missing".to_owned())),
        Endpoint::Inet(inet) if inet.transport == Transport::Tcp => {
            if none && kind == ProxyKind::Http {
                return Err(Err("the port is missing: proxies of HTTP have no usual one".to_owned()));
            }
            if none {
                inet.port = Port::Number(SOCKS_PORT);
            }
        }
        _ => return Err(Err("a proxy is reached over TCP: HOST:PORT".to_owned())),
    }
    Ok(endpoint)
}

fn read_login(text: &str) -> Result<Login, String> {
    let decode = |text: &str| -> Vec<u8> { percent_decode_str(text).collect() };
    let (user, password) = match text.split_once(':') {
        Some((user, password)) => (user, Some(decode(password))),
        None => (text, None),
    };
    Login::new(decode(user), password)
}

/// The text of a URL with an asterisk for each byte of its password, if it has one.
#[must_use]
pub fn masked(text: &str) -> Option<String> {
    let begin = split_scheme(text).map_or(0, |(scheme, _)| scheme.len() + 3);
    let end = begin + text[begin..].rfind('@')?;
    let colon = begin + text[begin..end].find(':')?;
    Some(format!("{}{}{}", &text[..=colon], "*".repeat(end - colon - 1), &text[end..]))
}

/// Where a proxy is not to be used: NO_PROXY, as curl(1) reads it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exempt(Vec<Rule>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
    All,
    Net(IpNet),
    /// In lower case, without dots around it; with everything below it.
    Name(String, Option<u16>),
}

impl Exempt {
    /// Reads a list: names (with all that is below them), addresses, networks, `*`; commas or spaces between them.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let rule = |word: &str| {
            if word == "*" {
                return Some(Rule::All);
            }
            let bare = word.strip_prefix('[').and_then(|word| word.strip_suffix(']')).unwrap_or(word);
            if let Ok(ip) = bare.parse::<IpAddr>() {
                return Some(Rule::Net(ip.into()));
            }
            if let Ok(net) = bare.parse::<IpNet>() {
                return Some(Rule::Net(net));
            }
            let (name, port) = match word.rsplit_once(':') {
                Some((name, port)) => (name, Some(port.parse().ok()?)),
                None => (word, None),
            };
            if let (Ok(ip), None) = (name.parse::<IpAddr>(), port) {
                return Some(Rule::Net(ip.into()));
            }
            let name = name.trim_matches('.').to_ascii_lowercase();
            (!name.is_empty()).then_some(Rule::Name(name, port))
        };
        Self(text.split([',', ' ', '\t']).filter(|word| !word.is_empty()).filter_map(rule).collect())
    }

    /// Whether this target is to be reached without the proxy.
    #[must_use]
    pub fn covers(&self, target: &Inet) -> bool {
        let (name, ip) = match &target.host {
            Host::V4(ip) => (ip.to_string(), Some(IpAddr::from(*ip))),
            Host::V6 { addr, .. } => (addr.to_string(), Some(addr.to_canonical())),
            Host::Any => ("localhost".to_owned(), None),
            Host::Name(name) => (name.trim_end_matches('.').to_ascii_lowercase(), None),
        };
        self.0.iter().any(|rule| match rule {
            Rule::All => true,
            Rule::Net(net) => ip.is_some_and(|ip| net.contains(&ip)),
            Rule::Name(rule, port) => {
                let below =
                    name.strip_suffix(rule.as_str()).is_some_and(|front| front.is_empty() || front.ends_with('.'));
                below && port.is_none_or(|port| target.port == Port::Number(port))
            }
        })
    }
}
