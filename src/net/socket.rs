//! What kinds of socket there are, for every family.

use std::fmt;

use crate::addr::{Endpoint, Host, IpFamily, Transport, UnixKind};

/// An address family, as socket(2) takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// AF_INET, ip(7).
    V4,
    /// AF_INET6, ipv6(7).
    V6,
    /// AF_UNIX, unix(7).
    Unix,
    /// AF_VSOCK, vsock(7).
    Vsock,
}

/// A socket type, as socket(2) takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// SOCK_STREAM: bytes in order, no boundaries.
    Stream,
    /// SOCK_DGRAM: messages, each on its own.
    Dgram,
    /// SOCK_SEQPACKET: messages in order, with an end.
    Seqpacket,
}

impl From<UnixKind> for Kind {
    fn from(kind: UnixKind) -> Self {
        match kind {
            UnixKind::Stream => Self::Stream,
            UnixKind::Dgram => Self::Dgram,
            UnixKind::Seqpacket => Self::Seqpacket,
        }
    }
}

impl From<Transport> for Kind {
    fn from(transport: Transport) -> Self {
        match transport {
            Transport::Tcp => Self::Stream,
            Transport::Udp => Self::Dgram,
        }
    }
}

/// Family and type together: what decides which options apply and how bytes move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    /// The address family.
    pub family: Family,
    /// The socket type.
    pub kind: Kind,
}

impl Shape {
    /// The shapes that a socket of this address may have; none where only the socket itself tells.
    #[must_use]
    pub fn of(endpoint: &Endpoint) -> Vec<Self> {
        let (families, kind) = match endpoint {
            Endpoint::Inet(inet) => {
                let families = match (&inet.host, inet.family) {
                    (Host::V4(_), _) | (_, Some(IpFamily::V4)) => vec![Family::V4],
                    (Host::V6 { .. }, _) | (_, Some(IpFamily::V6)) => vec![Family::V6],
                    _ => vec![Family::V4, Family::V6],
                };
                (families, inet.transport.into())
            }
            Endpoint::Unix(unix) => (vec![Family::Unix], unix.kind.into()),
            Endpoint::Vsock { .. } => (vec![Family::Vsock], Kind::Stream),
            Endpoint::Builtin(_) => (vec![Family::V4], Kind::Stream),
            Endpoint::Fd(_) | Endpoint::Systemd(_) => (Vec::new(), Kind::Stream),
        };
        families.into_iter().map(|family| Self { family, kind }).collect()
    }

    /// Whether this is TCP (or MPTCP).
    #[must_use]
    pub fn is_tcp(self) -> bool {
        self.is_inet() && self.kind == Kind::Stream
    }

    /// Whether this is UDP.
    #[must_use]
    pub fn is_udp(self) -> bool {
        self.is_inet() && self.kind == Kind::Dgram
    }

    /// Whether it has IP addresses.
    #[must_use]
    pub fn is_inet(self) -> bool {
        matches!(self.family, Family::V4 | Family::V6)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.family, self.kind) {
            (Family::V4, Kind::Stream) => "TCP over IPv4",
            (Family::V6, Kind::Stream) => "TCP over IPv6",
            (Family::V4, Kind::Dgram) => "UDP over IPv4",
            (Family::V6, Kind::Dgram) => "UDP over IPv6",
            (Family::V4, Kind::Seqpacket) => "an IPv4 packet socket",
            (Family::V6, Kind::Seqpacket) => "an IPv6 packet socket",
            (Family::Unix, Kind::Stream) => "a UNIX stream socket",
            (Family::Unix, Kind::Dgram) => "a UNIX datagram socket",
            (Family::Unix, Kind::Seqpacket) => "a UNIX seqpacket socket",
            (Family::Vsock, Kind::Stream) => "a vsock stream socket",
            (Family::Vsock, Kind::Dgram) => "a vsock datagram socket",
            (Family::Vsock, Kind::Seqpacket) => "a vsock seqpacket socket",
        })
    }
}
