//! Addresses: one grammar for every subcommand, read and printed.
//!
//! | form | means |
//! |---|---|
//! | `host:port`, `1.2.3.4:80`, `[::1]:80`, `[fe80::1%eth0]:80`, `localhost:http` | TCP |
//! | `host port` (two words) | the same |
//! | `:80`, `80` | no host: what that means is the command's to say ([`Host::Any`]) |
//! | `host`, `::`, `::1`, `0.0.0.0`, `[::1]` | the default port ([`Reading::port`]) |
//! | `tcp://` `tcp4://` `tcp6://` `udp://` `udp4://` `udp6://` and one of the above | that transport |
//! | `unix:/path`, `unix-dgram:/path`, `unix-seqpacket:/path`, `unix:@name`, `@name` | UNIX sockets |
//! | `vsock:CID:PORT` | vsock; a CID is a number, `any`, `hypervisor`, `local` or `host` |
//! | `fd:N` | a socket that is already open |
//! | `systemd:`, `systemd:NAME` | a socket passed by `LISTEN_FDS` |
//! | `echo:`, `time:` | a built-in peer |
//!
//! Printing and reading are inverse: what [`Endpoint`]'s `Display` writes, [`Endpoint::parse`] reads back as an
//! equal value, whatever flags the value was first read with. Schemes and the words of vsock are
//! case-insensitive; everything printed is one line of printable text.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::span::Misread;

mod guess;
mod inet;
mod parse;
mod show;
#[cfg(test)]
mod tests;
mod unix;

pub use guess::is_slip;

/// The port an address has when it names none, unless `-p/--port` says otherwise.
pub const DEFAULT_PORT: u16 = 2023;

/// `VMADDR_CID_ANY` and `VMADDR_PORT_ANY` of vsock(7), printed as `any`.
pub const VSOCK_ANY: u32 = u32::MAX;

/// The longest UNIX socket path, and the longest abstract name, in bytes.
///
/// `sun_path` has 108 bytes and holds the NUL that ends a path, or begins an abstract name (unix(7)).
pub const UNIX_NAME_MAX: usize = 107;

/// One end of a connection, as typed or as the kernel reports it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// TCP or UDP.
    Inet(Inet),
    /// A UNIX socket.
    Unix(Unix),
    /// A vsock address, vsock(7); [`VSOCK_ANY`] is the wildcard of both fields.
    Vsock {
        /// The context identifier of the machine: 0 hypervisor, 1 local, 2 host.
        cid: u32,
        /// The port there.
        port: u32,
    },
    /// An inherited descriptor, never negative when parsed.
    Fd(i32),
    /// A socket passed by `LISTEN_FDS`: by its name in `LISTEN_FDNAMES`, or the first (sd_listen_fds(3)).
    Systemd(Option<String>),
    /// A peer that sockkit starts itself.
    Builtin(Builtin),
}

/// A TCP or UDP address, its names not yet resolved.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Inet {
    /// TCP or UDP.
    pub transport: Transport,
    /// The only family wanted. `None` where the host is a literal address: that implies it.
    pub family: Option<IpFamily>,
    /// The host.
    pub host: Host,
    /// The port.
    pub port: Port,
}

/// The transports over IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// `tcp://`, or no scheme.
    Tcp,
    /// `udp://`.
    Udp,
}

/// The families of IP addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IpFamily {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// The host of an [`Inet`] address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// None was given: all interfaces for a server, localhost for a client.
    Any,
    /// An IPv4 address, always written as four numbers.
    V4(Ipv4Addr),
    /// An IPv6 address (RFC 4291), IPv4-mapped ones included.
    V6 {
        /// The address.
        addr: Ipv6Addr,
        /// The zone after `%` (RFC 4007): an interface's name, or its index in digits. The `%` stands for itself and
        /// is not percent-encoded as it would be in a URI (RFC 6874).
        scope: Option<String>,
    },
    /// A name for the resolver: at most 253 characters in labels of at most 63 (RFC 1035), as typed.
    Name(String),
}

impl Host {
    /// The address, where it is one; a scope is left out.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::V4(addr) => Some(IpAddr::V4(*addr)),
            Self::V6 { addr, .. } => Some(IpAddr::V6(*addr)),
            Self::Any | Self::Name(_) => None,
        }
    }
}

/// The port of an [`Inet`] address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Port {
    /// A number; 0 lets the kernel choose.
    Number(u16),
    /// A service name for the resolver. It begins with a letter (RFC 6335, narrowed so that `80x` is a mistake).
    Service(String),
}

/// The address and type of a UNIX socket, unix(7).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Unix {
    /// The socket type.
    pub kind: UnixKind,
    /// The address.
    pub name: UnixName,
}

/// The types of UNIX sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnixKind {
    /// `unix:`, SOCK_STREAM.
    Stream,
    /// `unix-dgram:`, SOCK_DGRAM.
    Dgram,
    /// `unix-seqpacket:`, SOCK_SEQPACKET.
    Seqpacket,
}

/// The three kinds of addresses that unix(7) knows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum UnixName {
    /// A path. As parsed: not empty, at most [`UNIX_NAME_MAX`] bytes, without NUL, and beginning with neither `@` nor
    /// `//`. Such paths print as `./@…` and `/…`, which name the same file.
    Path(PathBuf),
    /// The bytes of an abstract name without its leading NUL. As parsed: not empty, at most [`UNIX_NAME_MAX`].
    Abstract(Vec<u8>),
    /// Not bound. Only the kernel reports this; it prints as `unix:`, which does not parse.
    Unnamed,
}

/// The built-in peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Builtin {
    /// `echo:`, an echo server.
    Echo,
    /// `time:`, a time server.
    Time,
}

/// The flags that fill in what an address leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reading {
    /// `-p/--port`: the port of an IP address that names none.
    pub port: u16,
    /// `-4` or `-6`: the only family wanted. It contradicts every address that is not of IP.
    pub family: Option<IpFamily>,
    /// `-u/--udp`: UDP where no scheme says so. It contradicts every address but those of UDP and `unix-dgram:`.
    pub udp: bool,
}

impl Default for Reading {
    fn default() -> Self {
        Self { port: DEFAULT_PORT, family: None, udp: false }
    }
}

impl Endpoint {
    /// Reads an address of one word, or of two: a host and a port.
    ///
    /// In the name of a UNIX socket `\\` is a backslash, `\xNN` a byte, and any other backslash stands for itself.
    /// Only there may the words hold bytes that are not UTF-8.
    ///
    /// # Errors
    ///
    /// Text that is no address, or one that `reading` contradicts (`-6` and an IPv4 address). Every hint of the error
    /// parses with the same `reading`; the text of two words is shown with a space between them.
    pub fn parse(words: &[OsString], reading: &Reading) -> Result<Self, Misread> {
        parse::parse(words, reading)
    }

    /// Whether it stands for datagrams, as far as that shows in an address.
    #[must_use]
    pub fn is_datagram(&self) -> bool {
        match self {
            Self::Inet(inet) => inet.transport == Transport::Udp,
            Self::Unix(unix) => unix.kind == UnixKind::Dgram,
            _ => false,
        }
    }

    /// Whether it is the socket of a UNIX client, which has no address that would be worth showing.
    #[must_use]
    pub fn is_unnamed(&self) -> bool {
        matches!(self, Self::Unix(Unix { name: UnixName::Unnamed, .. }))
    }

    /// How a sentence calls the other end.
    #[must_use]
    pub fn as_peer(&self) -> String {
        if self.is_unnamed() { "the peer".to_owned() } else { self.to_string() }
    }

    /// Its IP address, where it has one and not a name.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Inet(inet) => inet.host.ip(),
            _ => None,
        }
    }

    /// The address of a socket as the kernel reports it. A scope is kept as the index of its interface.
    #[must_use]
    pub fn from_socket_addr(transport: Transport, addr: SocketAddr) -> Self {
        let host = match addr {
            SocketAddr::V4(v4) => Host::V4(*v4.ip()),
            SocketAddr::V6(v6) => {
                Host::V6 { addr: *v6.ip(), scope: (v6.scope_id() != 0).then(|| v6.scope_id().to_string()) }
            }
        };
        Self::Inet(Inet { transport, family: None, host, port: Port::Number(addr.port()) })
    }
}

/// Reads one word with no flags given: [`Endpoint::parse`] with [`Reading::default`].
impl FromStr for Endpoint {
    type Err = Misread;

    fn from_str(text: &str) -> Result<Self, Misread> {
        Self::parse(&[OsString::from(text)], &Reading::default())
    }
}

/// As the string that `Display` prints.
impl Serialize for Endpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Whether a character has no picture of its own, or changes that of others: the controls, the marks of direction,
/// the separators of lines, and the spaces without width. The joiners U+200C and U+200D are letters' business.
fn invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}
