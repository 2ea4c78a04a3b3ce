//! What the kernel's tables and queues hold, the same on every system that has them.

use std::net::{IpAddr, SocketAddr};

pub use crate::course::TcpInfo;
use crate::error::Fact;

/// A closed TCP socket, or a UDP socket without a peer: `enum` in include/net/tcp_states.h.
pub const TCP_CLOSE: u8 = 0x07;
/// A listening TCP socket.
pub const TCP_LISTEN: u8 = 0x0a;

/// Which table of sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// `/proc/net/tcp` and `tcp6`.
    Tcp,
    /// `/proc/net/udp` and `udp6`.
    Udp,
}

/// One line of such a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InetSocket {
    /// Its own address.
    pub local: SocketAddr,
    /// Its peer; all zero where there is none.
    pub remote: SocketAddr,
    /// As in include/net/tcp_states.h.
    pub state: u8,
    /// Bytes that wait to be read; for a listener, connections that wait to be accepted.
    pub waiting: u32,
    /// Of a listener: how many may wait, as the kernel took it from listen(2); `/proc` does not tell.
    pub limit: Option<u32>,
    /// Its inode, 0 where no process has it any more.
    pub inode: u64,
    /// Whether it leaves IPv4 alone (IPV6_V6ONLY, ipv6(7)), where that is known; `/proc` does not tell.
    pub v6only: Option<bool>,
}

/// One error of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IcmpReport {
    /// The error number the kernel made of it.
    pub errno: i32,
    /// Whether an ICMP message brought it. If not, this host itself did: no route, too large for the interface.
    pub icmp: bool,
    /// The ICMP (or ICMPv6) type.
    pub kind: u8,
    /// The code under that type.
    pub code: u8,
    /// Who sent it; absent for local errors.
    pub from: Option<IpAddr>,
    /// For "too large", the MTU of the narrow hop in bytes; else 0.
    pub info: u32,
}

impl IcmpReport {
    /// The same as a fact about a failure on the way to `target`; none for local errors.
    #[must_use]
    pub fn fact(&self, target: IpAddr) -> Option<Fact> {
        let from = self.from.filter(|_| self.icmp)?;
        let from_target = from.to_canonical() == target.to_canonical();
        Some(Fact::Icmp { from: from.to_canonical(), from_target, kind: self.kind, code: self.code })
    }
}
