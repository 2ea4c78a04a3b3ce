//! Values of options: what there is, how it reads, how it prints. What prints reads back as the same value.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use super::free::{self, Free};
use crate::span::Misread;
use crate::value::{parse_duration, parse_number, parse_size, print_duration, within};

/// What values an option takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// Nothing: the flag alone says it.
    Flag,
    /// `yes` or `no`.
    YesNo,
    /// A whole number in this range.
    Number(u32, u32),
    /// A size in bytes, up to this.
    Size(u64),
    /// A duration up to this.
    Duration(Duration),
    /// A name of at most this many bytes.
    Name(usize),
    /// A code point of DiffServ, by name or number.
    Dscp,
    /// `IDLE[,INTVL[,CNT]]`.
    Keepalive,
    /// `GROUP[%IF]`.
    Group,
    /// `LEVEL:NAME=VALUE`.
    Free,
}

/// A value of an option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// On or off.
    Switch(bool),
    /// A plain number.
    Number(u32),
    /// Bytes.
    Size(u64),
    /// A duration.
    Duration(Duration),
    /// A name.
    Name(String),
    /// A code point of DiffServ, 0 to 63.
    Dscp(u8),
    /// Keepalive that is on, and its parts.
    Keepalive(Keepalive),
    /// A multicast group.
    Group(Group),
    /// Any option at all.
    Free(Free),
    /// What the kernel says of an option that was never set.
    Unset,
}

/// When to probe a silent connection (tcp(7)); the system's defaults (`net.ipv4.tcp_keepalive_*`) for what is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Keepalive {
    /// How long a connection is silent before the first probe: `TCP_KEEPIDLE`, whole seconds.
    pub idle: Option<Duration>,
    /// How long between probes: `TCP_KEEPINTVL`, whole seconds.
    pub interval: Option<Duration>,
    /// How many unanswered probes end the connection: `TCP_KEEPCNT`.
    pub count: Option<u32>,
}

/// A multicast group to receive from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its address.
    pub address: IpAddr,
    /// The interface, by name or index; without it the kernel goes by its routes.
    pub interface: Option<String>,
}

/// The longest idle time and interval that the kernel takes, in seconds: MAX_TCP_KEEPIDLE of linux/tcp.h.
const MAX_KEEPALIVE: u64 = 32767;
/// The most probes that the kernel takes: MAX_TCP_KEEPCNT of linux/tcp.h.
const MAX_PROBES: u64 = 127;

/// The names of DiffServ code points: RFC 2474 (cs), 2597 (af), 3246 (ef), 5865 (va), 8622 (le).
const DSCP: &[(&str, u8)] = &[
    ("be", 0),
    ("le", 1),
    ("cs0", 0),
    ("cs1", 8),
    ("cs2", 16),
    ("cs3", 24),
    ("cs4", 32),
    ("cs5", 40),
    ("cs6", 48),
    ("cs7", 56),
    ("af11", 10),
    ("af12", 12),
    ("af13", 14),
    ("af21", 18),
    ("af22", 20),
    ("af23", 22),
    ("af31", 26),
    ("af32", 28),
    ("af33", 30),
    ("af41", 34),
    ("af42", 36),
    ("af43", 38),
    ("va", 44),
    ("ef", 46),
];

impl Takes {
    /// Reads a value.
    ///
    /// # Errors
    /// When the text is no such value.
    pub fn parse(self, text: &str) -> Result<Value, Misread> {
        match self {
            Self::Flag | Self::YesNo => switch(text)
                .map(Value::Switch)
                .ok_or_else(|| Misread::new("choice", text, 0..text.len(), "it is yes or no").hint("yes").hint("no")),
            Self::Number(min, max) => {
                let number = parse_number("number", text, min.into()..=max.into())?;
                Ok(Value::Number(u32::try_from(number).unwrap_or(max)))
            }
            Self::Size(max) => match parse_size(text)? {
                size if size > max => {
                    Err(Misread::new("size", text, 0..text.len(), format!("the kernel takes at most {max} bytes")))
                }
                size => Ok(Value::Size(size)),
            },
            Self::Duration(max) => match parse_duration(text)? {
                duration if duration > max => {
                    let max = print_duration(max);
                    Err(Misread::new("duration", text, 0..text.len(), format!("the kernel takes at most {max}")))
                }
                duration => Ok(Value::Duration(duration)),
            },
            Self::Name(max) => name(text, max).map(Value::Name),
            Self::Dscp => dscp(text).map(Value::Dscp),
            Self::Keepalive => match switch(text) {
                Some(true) => Ok(Value::Keepalive(Keepalive::default())),
                Some(false) => Ok(Value::Switch(false)),
                None => keepalive(text).map(Value::Keepalive),
            },
            Self::Group => group(text).map(Value::Group),
            Self::Free => free::parse(text).map(Value::Free),
        }
    }

    /// The values that can be listed, for completion.
    #[must_use]
    pub fn choices(self) -> Vec<&'static str> {
        match self {
            Self::YesNo => vec!["yes", "no"],
            Self::Dscp => DSCP.iter().map(|(name, _)| *name).collect(),
            _ => Vec::new(),
        }
    }
}

fn switch(text: &str) -> Option<bool> {
    match text {
        "yes" | "on" | "true" => Some(true),
        "no" | "off" | "false" => Some(false),
        _ => None,
    }
}

fn name(text: &str, max: usize) -> Result<String, Misread> {
    let misread = |at, message: String| Err(Misread::new("name", text, at, message));
    if text.is_empty() {
        return misread(0..0, "it is empty".to_owned());
    }
    if let Some((at, odd)) = text.char_indices().find(|(_, c)| c.is_control() || c.is_whitespace() || *c == '/') {
        return misread(at..at + odd.len_utf8(), "no space, slash or control character is in a name".to_owned());
    }
    if text.len() > max {
        return misread(0..text.len(), format!("a name has at most {max} bytes"));
    }
    Ok(text.to_owned())
}

fn dscp(text: &str) -> Result<u8, Misread> {
    if let Some((_, code)) = DSCP.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)) {
        return Ok(*code);
    }
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return parse_number("DSCP", text, 0..=63).map(|code| u8::try_from(code).unwrap_or(63));
    }
    let message = "it is a name (be, le, cs0 to cs7, af11 to af43, va, ef) or a number from 0 to 63";
    Err(Misread::new("DSCP", text, 0..text.len(), message))
}

fn keepalive(text: &str) -> Result<Keepalive, Misread> {
    let mut keepalive = Keepalive::default();
    let mut at = 0;
    for (nth, part) in text.split(',').enumerate() {
        let here = at..at + part.len();
        let misread = |message: &str| Misread::new("keepalive", text, here.clone(), message);
        let seconds = || match parse_duration(part).map_err(|misread| within(misread, text, at))? {
            duration if duration.is_zero() || duration > Duration::from_secs(MAX_KEEPALIVE) => {
                Err(misread("the kernel takes from 1 to 32767 seconds"))
            }
            duration => Ok(Some(duration)),
        };
        match nth {
            0 => keepalive.idle = seconds()?,
            1 => keepalive.interval = seconds()?,
            2 => {
                let count = parse_number("number of probes", part, 1..=MAX_PROBES)
                    .map_err(|misread| within(misread, text, at))?;
                keepalive.count = u32::try_from(count).ok();
            }
            _ => return Err(misread("there are three parts: IDLE,INTVL,CNT").hint("60,10,3")),
        }
        at = here.end + 1;
    }
    Ok(keepalive)
}

fn group(text: &str) -> Result<Group, Misread> {
    let (address, interface) = match text.split_once('%') {
        Some((address, interface)) => (address, Some(interface)),
        None => (text, None),
    };
    let misread = |message: &str| {
        Misread::new("multicast group", text, 0..address.len(), message).hint("239.1.2.3").hint("ff02::fb%eth0")
    };
    let address: IpAddr = address.parse().map_err(|_| misread("an IP address belongs here"))?;
    if !address.is_multicast() {
        return Err(misread("not a multicast address; those are 224.0.0.0/4 and ff00::/8"));
    }
    let interface = interface
        .map(|interface| name(interface, 15).map_err(|misread| within(misread, text, text.len() - interface.len())))
        .transpose()?;
    Ok(Group { address, interface })
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Switch(on) => f.write_str(if *on { "yes" } else { "no" }),
            Self::Number(number) => write!(f, "{number}"),
            Self::Size(bytes) => write!(f, "{bytes}"),
            Self::Duration(duration) => f.write_str(&print_duration(*duration)),
            Self::Name(name) => f.write_str(name),
            Self::Dscp(code) => match DSCP.iter().find(|(_, known)| known == code) {
                Some((name, _)) => f.write_str(name),
                None => write!(f, "{code}"),
            },
            Self::Keepalive(Keepalive { idle: None, .. }) => f.write_str("yes"),
            Self::Keepalive(Keepalive { idle, interval, count }) => {
                let durations = [*idle, *interval].into_iter().flatten().map(print_duration);
                let parts: Vec<String> = durations.chain(count.map(|count| count.to_string())).collect();
                f.write_str(&parts.join(","))
            }
            Self::Group(Group { address, interface: None }) => write!(f, "{address}"),
            Self::Group(Group { address, interface: Some(interface) }) => write!(f, "{address}%{interface}"),
            Self::Free(free) => write!(f, "{free}"),
            Self::Unset => f.write_str("none"),
        }
    }
}

/// What a row makes of its value. A value of another option is a mistake of the program, and `EINVAL` as the kernel
/// would say it.
impl Value {
    pub(super) fn switch(&self) -> io::Result<bool> {
        match self {
            Self::Switch(on) => Ok(*on),
            _ => wrong(),
        }
    }

    pub(super) fn number(&self) -> io::Result<u32> {
        match self {
            Self::Number(number) => Ok(*number),
            _ => wrong(),
        }
    }

    pub(super) fn size(&self) -> io::Result<usize> {
        match self {
            Self::Size(bytes) => usize::try_from(*bytes).or_else(|_| wrong()),
            _ => wrong(),
        }
    }

    pub(super) fn duration(&self) -> io::Result<Duration> {
        match self {
            Self::Duration(duration) => Ok(*duration),
            _ => wrong(),
        }
    }

    pub(super) fn name(&self) -> io::Result<&str> {
        match self {
            Self::Name(name) => Ok(name),
            _ => wrong(),
        }
    }

    pub(super) fn dscp(&self) -> io::Result<u8> {
        match self {
            Self::Dscp(code) => Ok(*code),
            _ => wrong(),
        }
    }

    pub(super) fn group(&self) -> io::Result<&Group> {
        match self {
            Self::Group(group) => Ok(group),
            _ => wrong(),
        }
    }

    pub(super) fn free(&self) -> io::Result<&Free> {
        match self {
            Self::Free(free) => Ok(free),
            _ => wrong(),
        }
    }
}

fn wrong<T>() -> io::Result<T> {
    Err(io::Error::from_raw_os_error(libc::EINVAL))
}
