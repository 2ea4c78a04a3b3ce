//! Any option of the kernel: `LEVEL:NAME=VALUE`.

use std::fmt;
use std::io;

use socket2::Socket;

use super::{Scope, table};
use crate::span::Misread;
use crate::sys::sockopt::{self, KNOWN};

/// An option of any level, as setsockopt(2) takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Free {
    /// The level's number.
    pub level: i32,
    /// The option's number within the level.
    pub name: i32,
    /// Its value.
    pub value: FreeValue,
    /// Which sockets have it.
    pub scope: Scope,
    /// Level and name as they were typed, to be printed again.
    label: String,
}

/// What setsockopt(2) gets for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FreeValue {
    /// An int.
    Int(i32),
    /// Bytes as they stand.
    Bytes(Vec<u8>),
    /// A name.
    Text(String),
}

/// How much of a value is read back: more than any option of a plain kind has.
const LIMIT: usize = 256;

/// The options whose value is a name.
const TEXT: &[&str] = &["SO_BINDTODEVICE", "TCP_CONGESTION", "TCP_ULP"];

/// The levels: what they may be called, their number, which sockets have them, how their options begin.
const LEVELS: &[(&[&str], i32, Scope, &str)] = &[
    (&["socket", "SOL_SOCKET"], libc::SOL_SOCKET, Scope::Any, "SO_"),
    // unix(7): for historical reasons its options are those of SOL_SOCKET.
    (&["unix", "SOL_UNIX"], libc::SOL_SOCKET, Scope::Unix, "SO_"),
    (&["ip", "SOL_IP", "IPPROTO_IP"], libc::IPPROTO_IP, Scope::Ip, "IP_"),
    (&["ipv6", "SOL_IPV6", "IPPROTO_IPV6"], libc::IPPROTO_IPV6, Scope::Ipv6, "IPV6_"),
    (&["tcp", "SOL_TCP", "IPPROTO_TCP"], libc::IPPROTO_TCP, Scope::Tcp, "TCP_"),
    (&["udp", "SOL_UDP", "IPPROTO_UDP"], libc::IPPROTO_UDP, Scope::Udp, "UDP_"),
];

pub(super) fn parse(text: &str) -> Result<Free, Misread> {
    let misread = |at, message: &str| Misread::new("socket option", text, at, message);
    let form = "socket:SO_PRIORITY=6";
    let (label, value) =
        text.split_once('=').ok_or_else(|| misread(text.len()..text.len(), "the value is missing").hint(form))?;
    let (level_text, name_text) = label
        .split_once(':')
        .ok_or_else(|| misread(0..label.len(), "a level and a colon belong in front").hint(form))?;

    let named = LEVELS.iter().find(|(names, ..)| names.iter().any(|name| name.eq_ignore_ascii_case(level_text)));
    let (level, scope, prefix) = match (named, level_text.parse::<i32>()) {
        (Some((_, level, scope, prefix)), _) => (*level, *scope, *prefix),
        (None, Ok(level)) => match LEVELS.iter().find(|(_, known, ..)| *known == level) {
            Some((_, _, scope, prefix)) => (level, *scope, *prefix),
            None => (level, Scope::Any, ""),
        },
        (None, Err(_)) => {
            let message = "the level is socket, ip, ipv6, tcp, udp, unix or a number";
            return Err(misread(0..level_text.len(), message).hint(form));
        }
    };

    let place = level_text.len() + 1..label.len();
    let upper = name_text.to_ascii_uppercase();
    let number = name_text.parse::<i32>().ok().filter(|number| *number >= 0);
    let known = KNOWN.iter().filter(|(known, ..)| *known == level).find(|(_, name, known)| {
        *name == upper || name.strip_prefix(prefix) == Some(&*upper) || Some(*known) == number
    });
    let (name, full) = match (known, number) {
        (Some((_, full, name)), _) => (*name, *full),
        (None, Some(name)) => (name, ""),
        (None, None) => {
            let message = "no option of this level is known by this name; its number works too";
            let bare = upper.strip_prefix(prefix).unwrap_or(&upper).to_owned();
            let near = KNOWN.iter().filter(|(known, name, _)| {
                let other = name.strip_prefix(prefix).unwrap_or(name);
                *known == level && !bare.is_empty() && (other.contains(&bare) || bare.contains(other))
            });
            return Err(near.take(3).fold(misread(place, message), |misread, (_, name, _)| {
                misread.hint(format!("{level_text}:{name}={value}"))
            }));
        }
    };

    let place = label.len() + 1..text.len();
    let value = if value.is_empty() {
        return Err(misread(place, "the value is missing"));
    } else if let Some(hex) = value.strip_prefix("hex:") {
        FreeValue::Bytes(bytes(hex).ok_or_else(|| {
            misread(place.start + 4..place.end, "two hexadecimal digits a byte belong here")
                .hint(format!("{label}=hex:01000000"))
        })?)
    } else if TEXT.contains(&full) {
        match value.find(char::is_control) {
            Some(at) => return Err(misread(place.start + at..place.end, "no control character is in a name")),
            None => FreeValue::Text(value.to_owned()),
        }
    } else {
        let message = "it is a whole number that fits into 32 bits, decimal or 0x, or hex: and bytes";
        FreeValue::Int(int(value).ok_or_else(|| misread(place, message))?)
    };
    Ok(Free { level, name, value, scope, label: label.to_owned() })
}

/// An int, or an unsigned one in the same 32 bits.
fn int(text: &str) -> Option<i32> {
    if let Some(hex) = text.strip_prefix("0x").filter(|hex| !hex.starts_with('+')) {
        return u32::from_str_radix(hex, 16).ok().map(u32::cast_signed);
    }
    let number: i64 = text.parse().ok()?;
    i32::try_from(number).ok().or_else(|| u32::try_from(number).ok().map(u32::cast_signed))
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let whole = !hex.is_empty() && hex.len() <= 2 * LIMIT && hex.len().is_multiple_of(2);
    if !whole || !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).ok()).collect()
}

impl Free {
    pub(super) fn set(&self, socket: &Socket) -> io::Result<()> {
        match &self.value {
            FreeValue::Int(number) => sockopt::set_bytes(socket, self.level, self.name, &number.to_ne_bytes()),
            FreeValue::Bytes(bytes) => sockopt::set_bytes(socket, self.level, self.name, bytes),
            FreeValue::Text(text) => sockopt::set_bytes(socket, self.level, self.name, text.as_bytes()),
        }
    }

    /// Why the kernel refused it, where that is known.
    pub(super) fn why(&self, error: &io::Error) -> Option<String> {
        let is = |level, name| (self.level, self.name) == (level, name);
        if sockopt::TCP_CONGESTION.is_some_and(|name| is(libc::IPPROTO_TCP, name))
            && let Some(why) = table::no_congestion(error)
        {
            return Some(why);
        }
        let why = match error.raw_os_error()? {
            libc::ENOPROTOOPT => "this kernel has no such option, or one that can only be read",
            libc::ENOENT | libc::ENOTCONN if sockopt::TCP_ULP.is_some_and(|name| is(libc::IPPROTO_TCP, name)) => {
                "a protocol on top is for a connection, and --opt is set before there is one; or its module is not loaded"
            }
            libc::ENOTCONN => "it is for a connection, and --opt is set before there is one",
            libc::ENODEV => "there is no network interface of that name",
            libc::EINVAL if matches!(self.value, FreeValue::Bytes(_)) => {
                "the kernel takes no value like this: the structure has another size, or a number in it is out of range"
            }
            libc::EINVAL => "the value is out of range, or the option does not go with the state of a fresh socket",
            libc::EDOM | libc::ERANGE => "the value is out of range",
            libc::EOPNOTSUPP => "this kind of socket does not support it",
            libc::EPERM | libc::EACCES => "it needs CAP_NET_ADMIN or CAP_NET_RAW, as root has them",
            _ => return None,
        };
        Some(why.to_owned())
    }

    /// The same option with the value that it has, in the form in which it was asked for.
    pub(super) fn get(&self, socket: &Socket) -> io::Result<Self> {
        let limit = if matches!(self.value, FreeValue::Int(_)) { size_of::<i32>() } else { LIMIT };
        let bytes = sockopt::get_bytes(socket, self.level, self.name, limit)?;
        let value = match &self.value {
            FreeValue::Int(_) => {
                let mut int = [0; size_of::<i32>()];
                int[..bytes.len()].copy_from_slice(&bytes);
                FreeValue::Int(i32::from_ne_bytes(int))
            }
            FreeValue::Bytes(_) => FreeValue::Bytes(bytes),
            FreeValue::Text(_) => {
                let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
                FreeValue::Text(String::from_utf8_lossy(&bytes[..end]).into_owned())
            }
        };
        Ok(Self { value, ..self.clone() })
    }
}

impl fmt::Display for Free {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=", self.label)?;
        match &self.value {
            FreeValue::Int(number) => write!(f, "{number}"),
            FreeValue::Bytes(bytes) => {
                f.write_str("hex:")?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            FreeValue::Text(text) => f.write_str(text),
        }
    }
}
