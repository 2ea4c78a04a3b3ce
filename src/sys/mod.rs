//! Floor 1: the kernel. One face on every system, and the only place with `unsafe` and `cfg(target_os)`.
#![allow(unsafe_code, reason = "this is the one floor that talks to the kernel where no library has the call")]

mod clock;
pub mod confine;
mod descriptor;
mod group;
mod heap;
mod interfaces;
mod posix;
mod signal;
pub mod sockets;
mod start;
mod stop;
mod tables;
mod terminal;
mod thread;
mod user;
mod watch;

#[cfg(all(target_os = "linux", not(portable)))]
mod linux;
#[cfg(all(target_os = "linux", not(portable)))]
pub use linux::*;

#[cfg(any(not(target_os = "linux"), portable))]
mod other;
#[cfg(any(not(target_os = "linux"), portable))]
pub use other::*;

pub use clock::{Local, from_local, local_time};
pub use descriptor::{duplicate, has_room};
pub use group::Group;
pub use heap::trim_heap;
pub use interfaces::{InterfaceAddress, addresses_of_interfaces, every_address, local_addresses};
pub use posix::*;
pub use signal::Asked;
#[cfg(own_start)]
pub use start::start;
pub use stop::{Reason, Stop, poll};
pub use tables::{IcmpReport, InetSocket, TCP_CLOSE, TCP_LISTEN, Table, TcpInfo};
pub use terminal::TerminalModes;
pub use thread::OneThread;
pub use user::{User, become_user, change_root, group_named, user_named, user_numbered};
pub use watch::{Watched, short_read_drains, watch, watch_stream};
