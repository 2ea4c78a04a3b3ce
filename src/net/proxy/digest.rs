//! Digest access authentication (RFC 7616), as a client needs it: a challenge in, an answer out. No I/O, no chance.

use md5::{Digest as _, Md5};
use sha2::{Sha256, Sha512_256};

use crate::text::hex;

/// Which hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    /// RFC 1321; what is meant where nothing is said.
    Md5,
    /// FIPS 180-4.
    Sha256,
    /// FIPS 180-4, section 6.7.
    Sha512_256,
}

/// The hash, and whether nonces have a part in the first of them (`-sess`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Algorithm {
    /// The hash.
    pub hash: Hash,
    /// `-sess`.
    pub session: bool,
}

impl Algorithm {
    fn parse(name: &str) -> Option<Self> {
        let lower = name.to_ascii_lowercase();
        let (name, session) = lower.strip_suffix("-sess").map_or((lower.as_str(), false), |name| (name, true));
        let hash = match name {
            "md5" => Hash::Md5,
            "sha-256" => Hash::Sha256,
            "sha-512-256" => Hash::Sha512_256,
            _ => return None,
        };
        Some(Self { hash, session })
    }

    fn name(self) -> String {
        let name = match self.hash {
            Hash::Md5 => "MD5",
            Hash::Sha256 => "SHA-256",
            Hash::Sha512_256 => "SHA-512-256",
        };
        format!("{name}{}", if self.session { "-sess" } else { "" })
    }

    /// More is better.
    #[must_use]
    pub fn strength(self) -> u8 {
        match self.hash {
            Hash::Md5 => 0,
            Hash::Sha256 => 1,
            Hash::Sha512_256 => 2,
        }
    }

    fn hex(self, parts: &[&[u8]]) -> String {
        let bytes = parts.join(&b':');
        let hash: Vec<u8> = match self.hash {
            Hash::Md5 => Md5::digest(&bytes).to_vec(),
            Hash::Sha256 => Sha256::digest(&bytes).to_vec(),
            Hash::Sha512_256 => Sha512_256::digest(&bytes).to_vec(),
        };
        hex(&hash)
    }
}

/// What a server asks to be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// How.
    pub algorithm: Algorithm,
    realm: String,
    nonce: String,
    opaque: Option<String>,
    /// Whether the answer is to have a count and a nonce of ours (`qop=auth`); before RFC 2617 it had none.
    counted: bool,
    named: bool,
}

impl Challenge {
    /// Reads the parameters of a challenge. `None` for one that cannot be answered: by another hash, without a nonce, or
    /// with a hash over the body (`auth-int`) as the only choice.
    #[must_use]
    pub fn parse(parameters: &[(String, String)]) -> Option<Self> {
        let get = |wanted: &str| {
            parameters.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.clone())
        };
        let algorithm = get("algorithm");
        let counted = match get("qop") {
            None => false,
            Some(ways) if ways.split(',').any(|way| way.trim().eq_ignore_ascii_case("auth")) => true,
            Some(_) => return None,
        };
        Some(Self {
            named: algorithm.is_some(),
            algorithm: Algorithm::parse(algorithm.as_deref().unwrap_or("MD5"))?,
            realm: get("realm").unwrap_or_default(),
            nonce: get("nonce")?,
            opaque: get("opaque"),
            counted,
        })
    }
}

/// The value of `Authorization` for the first request with this nonce. `cnonce` is any text that nobody can foresee.
#[must_use]
pub fn authorization(
    challenge: &Challenge,
    user: &[u8],
    password: &[u8],
    method: &str,
    uri: &str,
    cnonce: &str,
) -> String {
    const COUNT: &str = "00000001";
    let Challenge { algorithm, realm, nonce, opaque, counted, named, .. } = challenge;
    let (realm, nonce_bytes) = (realm.as_str(), nonce.as_bytes());
    let mut secret = algorithm.hex(&[user, realm.as_bytes(), password]);
    if algorithm.session {
        secret = algorithm.hex(&[secret.as_bytes(), nonce_bytes, cnonce.as_bytes()]);
    }
    let request = algorithm.hex(&[method.as_bytes(), uri.as_bytes()]);
    let (secret, request) = (secret.as_bytes(), request.as_bytes());
    let response = if *counted {
        algorithm.hex(&[secret, nonce_bytes, COUNT.as_bytes(), cnonce.as_bytes(), b"auth", request])
    } else {
        algorithm.hex(&[secret, nonce_bytes, request])
    };
    let user = quoted(&String::from_utf8_lossy(user));
    let mut out = format!(
        "Digest username={user}, realm={}, nonce={}, uri={}, response=\"{response}\"",
        quoted(realm),
        quoted(nonce),
        quoted(uri)
    );
    if *named {
        out.push_str(&format!(", algorithm={}", algorithm.name()));
    }
    if let Some(opaque) = opaque {
        out.push_str(&format!(", opaque={}", quoted(opaque)));
    }
    if *counted {
        out.push_str(&format!(", qop=auth, nc={COUNT}, cnonce={}", quoted(cnonce)));
    } else if algorithm.session {
        out.push_str(&format!(", cnonce={}", quoted(cnonce)));
    }
    out
}

fn quoted(text: &str) -> String {
    let plain: String = text
        .chars()
        .filter(|c| !c.is_control())
        .flat_map(|c| if matches!(c, '"' | '\\') { vec!['\\', c] } else { vec![c] })
        .collect();
    format!("\"{plain}\"")
}

/// Takes apart a value of `WWW-Authenticate` or `Proxy-Authenticate`, which may hold several challenges: the scheme of
/// each, and its parameters. What is not of that form is passed over.
#[must_use]
pub fn split(value: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut found: Vec<(String, Vec<(String, String)>)> = Vec::new();
    let mut rest = value;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let end = rest.find([' ', '\t', ',', '=']).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        if word.is_empty() {
            // A stray `=`, or the end.
            match rest.chars().next() {
                Some(c) => rest = &rest[c.len_utf8()..],
                None => return found,
            }
            continue;
        }
        let after = behind.trim_start_matches([' ', '\t']);
        // `Negotiate YII==` has a token with `=` at its end, and no name.
        let is_parameter =
            after.strip_prefix('=').is_some_and(|value| !value.starts_with(['=', ',']) && !value.is_empty());
        match (is_parameter, found.last_mut()) {
            (true, Some((_, parameters))) => {
                let (text, behind) = take_value(after[1..].trim_start_matches([' ', '\t']));
                parameters.push((word.to_owned(), text));
                rest = behind;
            }
            (true, None) => rest = take_value(&after[1..]).1,
            (false, _) if after.starts_with('=') => rest = after.trim_start_matches('='),
            (false, _) => {
                found.push((word.to_owned(), Vec::new()));
                rest = behind;
            }
        }
    }
}

/// A token or a quoted string, and what stands behind it.
fn take_value(text: &str) -> (String, &str) {
    let Some(inner) = text.strip_prefix('"') else {
        let end = text.find([' ', '\t', ',']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut out = String::new();
    let mut chars = inner.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (out, &inner[at + 1..]),
            '\\' => out.extend(chars.next().map(|(_, c)| c)),
            c => out.push(c),
        }
    }
    (out, "")
}
