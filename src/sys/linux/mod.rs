//! Linux.

mod bytes;
mod packet;
pub mod proc;
pub mod sockopt;

pub use bytes::{close_all_on_exec, enlarge_pipe, pipe, reopen_nonblocking, sendfile, splice, unsent};
pub use packet::{Packet, recv_packet, send_packet, want_packet_info};
