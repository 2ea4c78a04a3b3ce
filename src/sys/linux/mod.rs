//! Linux.

mod bytes;
mod errqueue;
mod packet;
pub mod proc;
mod procfs;
pub mod sockopt;
mod unixdiag;

pub use bytes::{close_all_on_exec, enlarge_pipe, pipe, reopen_nonblocking, sendfile, splice, unsent};
pub use errqueue::{IcmpReport, icmp_error, recverr};
pub use proc::listen_overflows;
pub use packet::{Packet, recv_packet, send_packet, want_packet_info};
pub use unixdiag::unix_queue;
pub use procfs::{InetSocket, TCP_LISTEN, TCP_TIME_WAIT, Table, UnixSocket, inet_sockets, owners, sysctl, unix_sockets};
