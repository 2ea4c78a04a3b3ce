//! Families of addresses that other systems do not have.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use socket2::{Domain, SockAddr};

/// That of vsock(7), for socket(2).
///
/// # Errors
/// None.
pub fn vsock_domain() -> io::Result<Domain> {
    Ok(Domain::VSOCK)
}

/// An address of vsock(7).
///
/// # Errors
/// None.
pub fn vsock_address(cid: u32, port: u32) -> io::Result<SockAddr> {
    Ok(SockAddr::vsock(cid, port))
}

/// Context and port of an address of vsock(7).
#[must_use]
pub fn as_vsock(address: &SockAddr) -> Option<(u32, u32)> {
    address.as_vsock_address()
}

/// A name in the abstract namespace, unix(7).
///
/// # Errors
/// `InvalidInput` for one that is too long.
pub fn abstract_address(name: &[u8]) -> io::Result<SockAddr> {
    let mut bytes = vec![0];
    bytes.extend_from_slice(name);
    SockAddr::unix(Path::new(OsStr::from_bytes(&bytes)))
}

#[cfg(test)]
mod tests {
    use crate::error::is_unreachable;

    #[test]
    #[cfg(not(any(target_arch = "sparc", target_arch = "sparc64")))]
    fn an_isolated_host_is_not_reached() {
        assert!(is_unreachable(libc::ENONET));
    }
}
