//! The messages of a proxy that speaks HTTP: the request CONNECT, and the head of its answer (RFC 9110, RFC 9112).
//! Nothing here does I/O.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::digest::{self, Challenge};

/// The longest head of an answer, in bytes.
pub const HEAD_MAX: usize = 64 << 10;

/// The head of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The status.
    pub status: u16,
    /// What stands behind it on its line.
    pub reason: String,
    /// What `Proxy-Authenticate` says, each with a scheme in front; in order.
    pub challenges: Vec<String>,
}

/// Why it is no head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoHead {
    /// It is not HTTP.
    Foreign,
    /// It has no end within [`HEAD_MAX`] bytes.
    Endless,
}

/// The request. `target` is HOST:PORT, with brackets around an IPv6 address.
#[must_use]
pub fn connect(target: &str, authorization: Option<&str>) -> Vec<u8> {
    let authorization = authorization.map(|value| format!("Proxy-Authorization: {value}\r\n")).unwrap_or_default();
    let agent = concat!("sockkit/", env!("CARGO_PKG_VERSION"));
    format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nUser-Agent: {agent}\r\n{authorization}\r\n").into_bytes()
}

/// Parses the head of an answer from what has come so far: the head and how many bytes it takes, or `None` while more
/// has to come. What follows it is not looked at: it is the tunnel's, or the text of a refusal.
///
/// # Errors
/// What is not HTTP, as soon as that shows, and a head that is too long.
pub fn parse_head(bytes: &[u8]) -> Result<Option<(Head, usize)>, NoHead> {
    const START: &[u8] = b"HTTP/";
    let known = bytes.len().min(START.len());
    if !bytes[..known].eq_ignore_ascii_case(&START[..known]) {
        return Err(NoHead::Foreign);
    }
    // Lines end with CR LF, or with LF alone (RFC 9112, section 2.2).
    let mut end = None;
    let within = &bytes[..bytes.len().min(HEAD_MAX)];
    for at in memchr::memchr_iter(b'\n', within) {
        match within[at + 1..] {
            [b'\n', ..] => end = Some(at + 2),
            [b'\r', b'\n', ..] => end = Some(at + 3),
            _ => continue,
        }
        break;
    }
    let Some(end) = end else {
        return if bytes.len() >= HEAD_MAX { Err(NoHead::Endless) } else { Ok(None) };
    };
    let text = String::from_utf8_lossy(&bytes[..end]);
    let mut lines = text.lines();
    let (status, reason) = status_line(lines.next().unwrap_or_default()).ok_or(NoHead::Foreign)?;
    let mut challenges: Vec<String> = Vec::new();
    let mut in_challenge = false;
    for line in lines {
        if line.starts_with([' ', '\t']) {
            // A line that is folded (RFC 9112, section 5.2).
            if let (true, Some(last)) = (in_challenge, challenges.last_mut()) {
                last.push(' ');
                last.push_str(line.trim());
            }
            continue;
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        in_challenge = name.trim_end().eq_ignore_ascii_case("proxy-authenticate");
        if in_challenge {
            challenges.push(value.trim().to_owned());
        }
    }
    Ok(Some((Head { status, reason, challenges }, end)))
}

/// `HTTP/1.1 200 Connection established`; some servers put two spaces, and some no reason.
fn status_line(line: &str) -> Option<(u16, String)> {
    let (version, rest) = line.split_once([' ', '\t'])?;
    if !version[5..].starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let rest = rest.trim_start();
    let (status, reason) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
    if status.len() != 3 || !status.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((status.parse().ok().filter(|status| *status >= 100)?, reason.trim().to_owned()))
}

/// How we can prove who we are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scheme {
    /// User and password as they are (RFC 7617).
    Basic,
    /// A hash of them (RFC 7616).
    Digest(Challenge),
}

impl Scheme {
    /// As events name it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Digest(_) => "digest",
        }
    }

    /// The value of `Proxy-Authorization`. `None` when the user has a colon, which Basic cannot say.
    #[must_use]
    pub fn authorization(&self, user: &[u8], password: &[u8], target: &str, cnonce: &str) -> Option<String> {
        match self {
            Self::Basic if user.contains(&b':') => None,
            Self::Basic => Some(format!("Basic {}", STANDARD.encode([user, password].join(&b':')))),
            Self::Digest(challenge) => {
                Some(digest::authorization(challenge, user, password, "CONNECT", target, cnonce))
            }
        }
    }
}

/// The best scheme of those that are offered and known here: Digest by SHA-256, by MD5, Basic.
#[must_use]
pub fn choose(challenges: &[String]) -> Option<Scheme> {
    let offered = || challenges.iter().flat_map(|value| digest::split(value));
    let digest = offered()
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("digest"))
        .filter_map(|(_, parameters)| Challenge::parse(&parameters))
        .max_by_key(|challenge| challenge.algorithm.strength());
    let basic = || offered().any(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"));
    digest.map(Scheme::Digest).or_else(|| basic().then_some(Scheme::Basic))
}

/// The schemes that are offered, as a person reads them.
#[must_use]
pub fn offered(challenges: &[String]) -> String {
    let names: Vec<String> =
        challenges.iter().flat_map(|value| digest::split(value)).map(|(scheme, _)| scheme).collect();
    if names.is_empty() { "it does not say how".to_owned() } else { names.join(", ") }
}
