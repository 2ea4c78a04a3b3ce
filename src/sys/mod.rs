//! Floor 1: the kernel. One face on every system, and the only place with `unsafe` and `cfg(target_os)`.
#![allow(unsafe_code, reason = "this is the one floor that talks to the kernel where no library has the call")]

mod descriptor;
mod interfaces;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod other;
mod tables;

pub use descriptor::duplicate;
pub use interfaces::local_addresses;
#[cfg(target_os = "linux")]
pub use linux::errqueue::{icmp_error, recverr};
#[cfg(target_os = "linux")]
pub use linux::procfs::{inet_sockets, owners, sysctl, unix_sockets};
#[cfg(not(target_os = "linux"))]
pub use other::{icmp_error, inet_sockets, owners, recverr, sysctl, unix_sockets};
pub use tables::{IcmpReport, InetSocket, TCP_LISTEN, TCP_TIME_WAIT, Table, UnixSocket};
