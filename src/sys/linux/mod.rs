//! Linux.

mod bytes;
mod dump;
mod errqueue;
mod family;
#[cfg(any(test, fuzzing))]
mod fuzz;
mod inetdiag;
mod listed;
mod netlink;
mod owners;
mod packet;
mod past;
pub mod proc;
mod procfs;
mod route;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))]
mod sandbox;
pub mod sockopt;
mod unixdiag;

pub use bytes::{
    AT_ONCE, SPLICES, WHOLE_SIZE, close_all_on_exec, default_signals, device_in_tables, enlarge_pipe, is_listener,
    open_directory, packets_are_over, pipe, reopen_nonblocking, sendfile, splice, unsent,
};
pub use dump::{sockets, sockets_on_port};
pub use errqueue::{icmp_error, recverr};
pub use family::{abstract_address, as_vsock, vsock_address, vsock_domain};
#[cfg(any(test, fuzzing))]
pub use fuzz::fuzz;
pub use owners::{Owners, socket_owners};
pub use packet::{Packet, Packets, recv_packet, send_packet, size_of_next, want_packet_info};
pub use past::{answers_lost_on_arrival, is_steered, is_stopped};
pub use proc::listen_counters;
pub use procfs::{inet_receivers, owners, owners_at_a_glance};
pub use route::{Hop, neighbour, route};
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))]
pub use sandbox::confine;
pub use unixdiag::unix_queue;

/// No filter of system calls for this architecture.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
#[must_use]
pub fn confine(_reach: &super::confine::Reach<'_>) -> super::confine::Confined {
    super::confine::Confined {
        landlock: Err("not on this architecture".into()),
        reads: Vec::new(),
        calls: Err("not on this architecture".into()),
    }
}
