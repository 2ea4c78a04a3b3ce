//! The PROXY protocol, versions 1 and 2 (doc/proxy-protocol.txt of HAProxy): who stands behind a connection that a
//! proxy makes, in front of all that the connection carries. Nothing here does I/O.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

use crate::addr::{Endpoint, Inet, Port, Transport, Unix, UnixKind, UnixName};
use crate::text::visible_line;

#[cfg(test)]
mod tests;

/// The longest line of version 1, with its end, in bytes.
pub const LINE_MAX: usize = 107;

/// What version 2 begins with.
pub const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// What version 1 begins with.
const WORD: &[u8] = b"PROXY ";

/// The head of version 2 without its addresses.
const FIXED: usize = 16;

/// `sun_path`, in bytes.
const SUN_PATH: usize = 108;

/// The versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

/// What a header says of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Header {
    /// Nothing that is not known: the proxy itself is the peer (LOCAL), or it does not say who is (UNKNOWN, UNSPEC).
    Own,
    /// It is made for somebody else.
    Relayed {
        /// Who.
        peer: Endpoint,
        /// Where they connected to.
        destination: Endpoint,
    },
}

/// Why it is no header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bad {
    /// It begins otherwise; these are its first bytes.
    Other(Vec<u8>),
    /// It is one, with a mistake.
    Malformed(&'static str),
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(bytes) => write!(f, "no PROXY protocol header: it begins with \"{}\"", visible_line(bytes)),
            Self::Malformed(what) => write!(f, "a malformed PROXY protocol header: {what}"),
        }
    }
}

/// Reads a header from what has come so far: the header and how many bytes it takes, or `None` while more has to come,
/// which is never more than [`LINE_MAX`] bytes of version 1, or what version 2 says of its length (at most 64 KiB).
///
/// # Errors
/// What is none, as soon as that shows.
pub fn parse(bytes: &[u8]) -> Result<Option<(Header, usize)>, Bad> {
    let begins = |with: &[u8]| {
        let known = bytes.len().min(with.len());
        bytes[..known] == with[..known]
    };
    if begins(WORD) {
        return parse_line(bytes);
    }
    if begins(&SIGNATURE) {
        return parse_binary(bytes);
    }
    Err(Bad::Other(bytes[..bytes.len().min(40)].to_vec()))
}

fn parse_line(bytes: &[u8]) -> Result<Option<(Header, usize)>, Bad> {
    let bad = |what| Err(Bad::Malformed(what));
    let Some(end) = bytes.iter().take(LINE_MAX).position(|byte| *byte == b'\n') else {
        return if bytes.len() >= LINE_MAX { bad("its line has no end within 107 bytes") } else { Ok(None) };
    };
    let Some(line) = bytes[..end].strip_suffix(b"\r") else { return bad("its line does not end with CR LF") };
    let Ok(line) = std::str::from_utf8(line) else { return bad("its line is not text") };
    let taken = end + 1;
    let words: Vec<&str> = line.split(' ').collect();
    let family = words.get(1).copied().unwrap_or_default();
    if family == "UNKNOWN" {
        // What follows is to be ignored.
        return Ok(Some((Header::Own, taken)));
    }
    if !matches!(family, "TCP4" | "TCP6") {
        return bad("a family that is none of TCP4, TCP6 and UNKNOWN");
    }
    let [_, _, source, destination, source_port, destination_port] = words[..] else {
        return bad("not two addresses and two ports");
    };
    let ip = |text: &str| -> Option<IpAddr> {
        if family == "TCP4" {
            text.parse::<Ipv4Addr>().ok().map(Into::into)
        } else {
            text.parse::<Ipv6Addr>().ok().map(Into::into)
        }
    };
    let port = |text: &str| -> Option<u16> {
        let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
        text.parse().ok().filter(|_| plain)
    };
    let (Some(source), Some(destination)) = (ip(source), ip(destination)) else {
        return bad("an address that is none of its family");
    };
    let (Some(source_port), Some(destination_port)) = (port(source_port), port(destination_port)) else {
        return bad("a port that is none");
    };
    let header = Header::Relayed {
        peer: inet(Transport::Tcp, source, source_port),
        destination: inet(Transport::Tcp, destination, destination_port),
    };
    Ok(Some((header, taken)))
}

fn parse_binary(bytes: &[u8]) -> Result<Option<(Header, usize)>, Bad> {
    let bad = |what| Err(Bad::Malformed(what));
    let at = |nth: usize| bytes.get(nth).copied();
    // Each byte is judged as it comes: who sends nonsense is not waited for.
    let command = match at(12) {
        None => return Ok(None),
        Some(byte) if byte >> 4 != 2 => return bad("a version that is not 2"),
        Some(byte) if byte & 0xf > 1 => return bad("a command that is none of LOCAL and PROXY"),
        Some(byte) => byte & 0xf,
    };
    let (family, protocol) = match at(13) {
        None => return Ok(None),
        // Of a connection of the proxy's own the family is to be ignored.
        Some(_) if command == 0 => (0, 0),
        Some(byte) if byte >> 4 > 3 => return bad("an unknown address family"),
        Some(byte) if byte & 0xf > 2 => return bad("an unknown transport protocol"),
        Some(byte) => (byte >> 4, byte & 0xf),
    };
    let (Some(high), Some(low)) = (at(14), at(15)) else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes([high, low]));
    let own = command == 0 || family == 0 || protocol == 0;
    let needed = match family {
        _ if own => 0,
        1 => 12,
        2 => 36,
        _ => 2 * SUN_PATH,
    };
    if length < needed {
        return bad("shorter than its addresses");
    }
    let taken = FIXED + length;
    let Some(block) = bytes.get(FIXED..taken) else { return Ok(None) };
    if own {
        return Ok(Some((Header::Own, taken)));
    }
    let transport = if protocol == 1 { Transport::Tcp } else { Transport::Udp };
    let (peer, destination) = match family {
        1 | 2 => {
            let size = (needed - 4) / 2;
            let ip = |bytes: &[u8]| match <[u8; 4]>::try_from(bytes) {
                Ok(four) => IpAddr::from(four),
                Err(_) => IpAddr::from(<[u8; 16]>::try_from(bytes).unwrap_or_default()),
            };
            let port = |at: usize| u16::from_be_bytes([block[at], block[at + 1]]);
            (
                inet(transport, ip(&block[..size]), port(2 * size)),
                inet(transport, ip(&block[size..2 * size]), port(2 * size + 2)),
            )
        }
        _ => {
            let kind = if protocol == 1 { UnixKind::Stream } else { UnixKind::Dgram };
            (unix(kind, &block[..SUN_PATH]), unix(kind, &block[SUN_PATH..2 * SUN_PATH]))
        }
    };
    // What is left are TLVs, which are passed over.
    Ok(Some((Header::Relayed { peer, destination }, taken)))
}

/// As the kernel would name it: an IPv4-mapped address is the IPv4 address.
fn inet(transport: Transport, ip: IpAddr, port: u16) -> Endpoint {
    Endpoint::from_socket_addr(transport, SocketAddr::new(ip.to_canonical(), port))
}

/// The name in a `sun_path`: what is in front of its NULs, or for an abstract name what is behind the first.
fn unix(kind: UnixKind, bytes: &[u8]) -> Endpoint {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let name = match bytes[..end] {
        [] => UnixName::Unnamed,
        [0, ref name @ ..] => UnixName::Abstract(name.to_vec()),
        [..] => {
            let path = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
            UnixName::Path(PathBuf::from(std::ffi::OsString::from_vec(path.to_vec())))
        }
    };
    Endpoint::Unix(Unix { kind, name })
}

/// The header for a connection from `source` to `destination`. Addresses of two families are sent as IPv6; what the
/// version has no words for (names, UDP and UNIX sockets in version 1, vsock) as unknown.
#[must_use]
pub fn header(version: Version, source: &Endpoint, destination: &Endpoint) -> Vec<u8> {
    let pair = socket_addr(source).zip(socket_addr(destination)).map(|(source, destination)| {
        if source.is_ipv4() == destination.is_ipv4() {
            return (source, destination);
        }
        let wide = |address: SocketAddr| match address {
            SocketAddr::V4(v4) => SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port()),
            SocketAddr::V6(_) => address,
        };
        (wide(source), wide(destination))
    });
    let udp = matches!(source, Endpoint::Inet(Inet { transport: Transport::Udp, .. }));
    match (version, pair) {
        (Version::V1, Some((source, destination))) if !udp => {
            let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
            let (from, to) = (source.ip(), destination.ip());
            format!("PROXY {family} {from} {to} {} {}\r\n", source.port(), destination.port()).into_bytes()
        }
        (Version::V1, _) => b"PROXY UNKNOWN\r\n".to_vec(),
        (Version::V2, Some((source, destination))) => {
            let octets = |ip: IpAddr| match ip {
                IpAddr::V4(ip) => ip.octets().to_vec(),
                IpAddr::V6(ip) => ip.octets().to_vec(),
            };
            let ports = [source.port().to_be_bytes(), destination.port().to_be_bytes()].concat();
            let block = [octets(source.ip()), octets(destination.ip()), ports].concat();
            let family = if source.is_ipv4() { 0x10 } else { 0x20 };
            binary(family | if udp { 2 } else { 1 }, &block)
        }
        (Version::V2, None) => match (source, destination) {
            (Endpoint::Unix(source), Endpoint::Unix(destination)) => {
                let protocol = if source.kind == UnixKind::Dgram { 2 } else { 1 };
                binary(0x30 | protocol, &[sun_path(&source.name), sun_path(&destination.name)].concat())
            }
            _ => binary(0, &[]),
        },
    }
}

fn binary(family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap_or(u16::MAX).to_be_bytes();
    [&SIGNATURE[..], &[0x21, family], &length, block].concat()
}

fn sun_path(name: &UnixName) -> Vec<u8> {
    let mut bytes = match name {
        UnixName::Path(path) => path.as_os_str().as_bytes().to_vec(),
        UnixName::Abstract(name) => [&[0], &name[..]].concat(),
        UnixName::Unnamed => Vec::new(),
    };
    bytes.resize(SUN_PATH, 0);
    bytes
}

fn socket_addr(endpoint: &Endpoint) -> Option<SocketAddr> {
    let Endpoint::Inet(Inet { host, port: Port::Number(port), .. }) = endpoint else { return None };
    Some(SocketAddr::new(host.ip()?, *port))
}
