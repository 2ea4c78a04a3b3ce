//! Floor 1: the kernel. One face on every system, and the only place with `unsafe` and `cfg(target_os)`.
#![allow(unsafe_code, reason = "this is the one floor that talks to the kernel where no library has the call")]

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod other;

#[cfg(target_os = "linux")]
pub use linux::{proc, sockopt};
#[cfg(not(target_os = "linux"))]
pub use other::{proc, sockopt};
