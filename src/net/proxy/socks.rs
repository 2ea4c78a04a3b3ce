//! The messages of SOCKS: version 5 (RFC 1928, RFC 1929), version 4 and 4A. Nothing here does I/O: requests are
//! bytes, and answers are parsed from what has come so far.
//!
//! A parser answers with the value and how many bytes it took, with `None` while more has to come, and with
//! [`Foreign`] for what is no SOCKS.

use std::net::{IpAddr, Ipv4Addr};

/// The methods of RFC 1928, section 3.
pub mod method {
    /// No authentication.
    pub const NONE: u8 = 0;
    /// GSSAPI (RFC 1961).
    pub const GSSAPI: u8 = 1;
    /// User and password (RFC 1929).
    pub const LOGIN: u8 = 2;
    /// None of those that were offered.
    pub const UNACCEPTABLE: u8 = 0xff;
}

/// What a request names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// An address.
    Ip(IpAddr),
    /// A name that the proxy is to resolve, of at most 255 bytes.
    Name(String),
}

/// Not SOCKS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Foreign;

/// What a parser finds: a value and how many bytes it took, or `None` while more has to come.
pub type Parsed<T> = Result<Option<(T, usize)>, Foreign>;

/// The first message: which methods we know.
#[must_use]
pub fn greeting5(login: bool) -> Vec<u8> {
    if login { vec![5, 2, method::NONE, method::LOGIN] } else { vec![5, 1, method::NONE] }
}

/// The answer to it: the method that is to be used.
///
/// # Errors
/// Another protocol.
pub fn parse_method5(bytes: &[u8]) -> Parsed<u8> {
    match bytes {
        [] | [5] => Ok(None),
        [5, method, ..] => Ok(Some((*method, 2))),
        _ => Err(Foreign),
    }
}

/// User and password: RFC 1929. Each has at most 255 bytes.
#[must_use]
pub fn login5(user: &[u8], password: &[u8]) -> Vec<u8> {
    let mut out = vec![1];
    for text in [user, password] {
        out.push(length(text));
        out.extend_from_slice(&text[..usize::from(length(text))]);
    }
    out
}

/// The answer to it: 0 is success. Its version is not looked at, for some servers say 5 and not 1.
///
/// # Errors
/// None: every two bytes are an answer.
pub fn parse_login5(bytes: &[u8]) -> Parsed<u8> {
    Ok(bytes.get(1).map(|status| (*status, 2)))
}

/// The request to connect.
#[must_use]
pub fn connect5(address: &Address, port: u16) -> Vec<u8> {
    let mut out = vec![5, 1, 0];
    match address {
        Address::Ip(IpAddr::V4(ip)) => {
            out.push(1);
            out.extend_from_slice(&ip.octets());
        }
        Address::Ip(IpAddr::V6(ip)) => {
            out.push(4);
            out.extend_from_slice(&ip.octets());
        }
        Address::Name(name) => {
            out.extend_from_slice(&[3, length(name.as_bytes())]);
            out.extend_from_slice(&name.as_bytes()[..usize::from(length(name.as_bytes()))]);
        }
    }
    out.extend_from_slice(&port.to_be_bytes());
    out
}

/// The answer to it: the reply code, 0 for success. A failure is known by its code alone, for some servers send no
/// more of it; of a success all is waited for, the address with it, which may be a name.
///
/// # Errors
/// Another protocol, or a kind of address that there is not.
pub fn parse_reply5(bytes: &[u8]) -> Parsed<u8> {
    let (code, rest) = match bytes {
        [] | [5] => return Ok(None),
        [5, code, rest @ ..] => (*code, rest),
        _ => return Err(Foreign),
    };
    let address = match rest {
        [_, 1, ..] => 4,
        [_, 4, ..] => 16,
        [_, 3, length, ..] => 1 + usize::from(*length),
        [] | [_] | [_, 3] => return Ok((code != 0).then_some((code, bytes.len()))),
        _ if code != 0 => return Ok(Some((code, bytes.len()))),
        _ => return Err(Foreign),
    };
    let whole = 4 + address + 2;
    if bytes.len() >= whole {
        return Ok(Some((code, whole)));
    }
    Ok((code != 0).then_some((code, bytes.len())))
}

/// The request of version 4; with a name, that of 4A.
#[must_use]
pub fn connect4(address: &Address, port: u16, user: &[u8]) -> Vec<u8> {
    let mut out = vec![4, 1];
    out.extend_from_slice(&port.to_be_bytes());
    // An address of 0.0.0.x says that the name follows.
    let ip = match address {
        Address::Ip(IpAddr::V4(ip)) => *ip,
        _ => Ipv4Addr::new(0, 0, 0, 1),
    };
    out.extend_from_slice(&ip.octets());
    out.extend_from_slice(user);
    out.push(0);
    if let Address::Name(name) = address {
        out.extend_from_slice(name.as_bytes());
        out.push(0);
    }
    out
}

/// The answer to it: the result code, 90 for success. Its first byte is 0, but some servers say 4.
///
/// # Errors
/// Another protocol.
pub fn parse_reply4(bytes: &[u8]) -> Parsed<u8> {
    match bytes {
        [] => Ok(None),
        [0 | 4] => Ok(None),
        [0 | 4, 90, ..] => Ok((bytes.len() >= 8).then_some((90, 8))),
        [0 | 4, code, ..] => Ok(Some((*code, bytes.len().min(8)))),
        _ => Err(Foreign),
    }
}

fn length(text: &[u8]) -> u8 {
    u8::try_from(text.len()).unwrap_or(u8::MAX)
}
