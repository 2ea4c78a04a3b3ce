//! Families of addresses that this system does not have.

use std::io;

use socket2::{Domain, SockAddr};

/// No vsock(7).
///
/// # Errors
/// Always `Unsupported`.
pub fn vsock_domain() -> io::Result<Domain> {
    Err(none("vsock"))
}

/// No vsock(7).
///
/// # Errors
/// Always `Unsupported`.
pub fn vsock_address(_cid: u32, _port: u32) -> io::Result<SockAddr> {
    Err(none("vsock"))
}

/// None is one of vsock(7).
#[must_use]
pub fn as_vsock(_address: &SockAddr) -> Option<(u32, u32)> {
    None
}

/// No abstract namespace: unix(7) of Linux has it.
///
/// # Errors
/// Always `Unsupported`.
pub fn abstract_address(_name: &[u8]) -> io::Result<SockAddr> {
    Err(none("abstract UNIX sockets"))
}

fn none(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, format!("there is no such thing as {what} on this system"))
}
