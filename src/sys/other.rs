//! Any other system: the portable part of each face, and "not on this system" for the rest.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::time::Instant;

mod bytes;
mod family;
mod packet;

use super::confine::{Confined, Reach};
use super::sockets::{Entry, ListenCounters, Wanted};
use super::tables::{IcmpReport, InetSocket, Table};
use crate::error::{Neighbour, Process, RouteKind};

pub use bytes::{
    AT_ONCE, KNOWS_UNSENT, SPLICES, WHOLE_SIZE, close_all_on_exec, default_signals, device_in_tables, enlarge_pipe,
    is_listener, open_directory, packets_are_over, pipe, reopen_nonblocking, sendfile, splice, unsent,
};
pub use family::{abstract_address, as_vsock, vsock_address, vsock_domain};
pub use packet::{Packet, Packets, recv_packet, send_packet, size_of_next, want_packet_info};

/// Whether the kernel's tables and settings can be read. Where not, nothing follows from what they do not have.
pub const TELLS: bool = false;

fn unsupported<T>() -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "not on this system"))
}

/// Not told.
///
/// # Errors
/// Always `Unsupported`.
pub fn unix_queue(_listener: impl AsFd) -> io::Result<(u32, u32)> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system does not tell the queue of a listener"))
}

/// No table of sockets to read.
#[must_use]
pub fn inet_receivers(_table: Table, _deadline: Instant) -> Vec<InetSocket> {
    Vec::new()
}

/// No table of sockets to read.
///
/// # Errors
/// Always `Unsupported`.
pub fn sockets_on_port(_table: Table, _port: u16, _deadline: Instant) -> io::Result<Vec<Entry>> {
    unsupported()
}

/// What a route does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// What the route does.
    pub kind: RouteKind,
    /// The router that packets are handed to.
    pub gateway: Option<IpAddr>,
    /// The index of the interface they leave by.
    pub interface: Option<u32>,
}

/// No routes to look up.
///
/// # Errors
/// Always `Unsupported`.
pub fn route(_to: IpAddr, _scope: u32) -> io::Result<Hop> {
    unsupported()
}

/// No neighbours to look up.
#[must_use]
pub fn neighbour(_address: IpAddr, _interface: u32) -> Neighbour {
    Neighbour::Unknown
}

/// No way to see packets.
#[must_use]
pub fn answers_lost_on_arrival(_to: std::net::SocketAddr, _until: Instant) -> Option<u32> {
    None
}

/// Nothing to be told by.
#[must_use]
pub fn is_stopped(_to: std::net::SocketAddr) -> Option<bool> {
    None
}

/// Nobody asks about the way.
#[must_use]
pub fn is_steered(_socket: &socket2::Socket) -> bool {
    false
}

/// No table of descriptors to read.
#[must_use]
pub fn owners(_inodes: &[u64], _deadline: Instant) -> HashMap<u64, Process> {
    HashMap::new()
}

/// No table of descriptors to read.
#[must_use]
pub fn owners_at_a_glance(_inodes: &[u64], _deadline: Instant) -> HashMap<u64, Process> {
    HashMap::new()
}

/// No table of sockets to read.
///
/// # Errors
/// Always `Unsupported`.
pub fn sockets(_wanted: &Wanted) -> io::Result<Vec<Entry>> {
    unsupported()
}

/// No table of descriptors to read.
#[derive(Debug, Default)]
pub struct Owners(());

impl Owners {
    /// Nobody known.
    pub fn of(&mut self, _inode: u64) -> Vec<Process> {
        Vec::new()
    }
}

/// No table of descriptors to read.
#[must_use]
pub fn socket_owners(_deadline: Instant) -> Owners {
    Owners(())
}

/// No counters.
#[must_use]
pub fn listen_counters() -> Option<ListenCounters> {
    None
}

/// No error queue to switch on.
///
/// # Errors
/// Always.
pub fn recverr(_fd: impl AsFd, _v6: bool, _on: bool) -> io::Result<()> {
    unsupported()
}

/// No error queue to read.
///
/// # Errors
/// None.
pub fn icmp_error(_fd: impl AsFd) -> io::Result<Option<IcmpReport>> {
    Ok(None)
}

/// What a system without `/proc` tells about this host: nothing.
pub mod proc {
    /// No kernel settings by name.
    #[must_use]
    pub fn sysctl(_name: &str) -> Option<String> {
        None
    }

    /// No tables.
    #[must_use]
    pub fn net_table(_name: &str) -> Option<String> {
        None
    }

    /// Not known.
    #[must_use]
    pub fn mtu(_interface: &str) -> Option<u32> {
        None
    }

    /// Not known.
    #[must_use]
    pub fn clock_is_synchronised() -> Option<bool> {
        None
    }

    /// Not counted.
    #[must_use]
    pub fn reverse_path_drops() -> Option<u64> {
        None
    }

    /// No list of interfaces.
    #[must_use]
    pub fn interfaces() -> Vec<String> {
        Vec::new()
    }
}

/// Socket options that this system does not have.
pub mod sockopt {
    use std::io;
    use std::os::fd::AsFd;
    use std::time::Duration;

    use socket2::{Protocol, Socket};

    use crate::sys::TcpInfo;

    macro_rules! none {
        ($($name:ident($($type:ty),*) -> $result:ty;)+) => {
            $(
                /// Not on this system.
                ///
                /// # Errors
                /// Always `Unsupported`.
                pub fn $name($(_: $type),*) -> io::Result<$result> {
                    crate::sys::other::unsupported()
                }
            )+
        };
    }

    none! {
        set_bytes(impl AsFd, i32, i32, &[u8]) -> ();
        get_bytes(impl AsFd, i32, i32, usize) -> Vec<u8>;
        tcp_info(impl AsFd) -> TcpInfo;
        mptcp(&Socket) -> bool;
        is_sndbuf_set(&Socket) -> bool;
        mark(&Socket) -> u32;
        set_mark(&Socket, u32) -> ();
        device(&Socket) -> Option<String>;
        bind_device(&Socket, &str) -> ();
        user_timeout(&Socket) -> Duration;
        set_user_timeout(&Socket, Duration) -> ();
        congestion(&Socket) -> String;
        set_congestion(&Socket, &str) -> ();
        quickack(&Socket) -> bool;
        set_quickack(&Socket, bool) -> ();
        bind_without_port(&Socket) -> ();
        freebind(&Socket, bool) -> bool;
        set_freebind(&Socket, bool, bool) -> ();
        transparent(&Socket, bool) -> bool;
        set_transparent(&Socket, bool, bool) -> ();
        fastopen_queue(&Socket) -> u32;
        set_fastopen_queue(&Socket, u32) -> ();
        fastopen_connect(&Socket) -> bool;
        set_fastopen_connect(&Socket, bool) -> ();
        defer_accept(&Socket) -> Duration;
        set_defer_accept(&Socket, Duration) -> ();
    }

    /// Not told.
    ///
    /// # Errors
    /// Always `Unsupported`.
    pub fn tcp_info_listen(fd: impl AsFd) -> io::Result<(u32, u32)> {
        crate::sys::unix_queue(fd)
    }

    /// The index of a network interface, for the calls that do not take its name.
    ///
    /// # Errors
    /// `ENODEV` when there is none of that name.
    pub fn interface_index(_socket: &Socket, name: &str) -> io::Result<u32> {
        crate::sys::interface_index(name)
    }

    /// No Multipath TCP.
    #[must_use]
    pub fn mptcp_protocol() -> Option<Protocol> {
        None
    }

    /// No such option.
    pub const TCP_CONGESTION: Option<i32> = None;

    /// No such option.
    pub const TCP_ULP: Option<i32> = None;

    /// No names.
    pub const KNOWN: &[(i32, &str, i32)] = &[];
}

/// No sock_diag.
#[cfg(any(test, fuzzing))]
pub fn fuzz(_: &[u8]) {}

/// No sandbox.
#[must_use]
pub fn confine(_reach: &Reach<'_>) -> Confined {
    let none = "not on this system";
    Confined { landlock: Err(none.into()), reads: Vec::new(), calls: Err(none.into()) }
}
