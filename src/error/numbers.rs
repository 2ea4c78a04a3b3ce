//! What several error numbers have in common.

/// What Linux makes of the ICMP message "source host isolated": ENONET, which other systems do not have. The number is
/// that of errno.h on all of its architectures but SPARC; elsewhere it is none, or EHOSTDOWN.
const ENONET: i32 = 64;

/// Whether a host or network cannot be reached, by what a router, the next hop or this host itself says.
#[must_use]
pub fn is_unreachable(errno: i32) -> bool {
    matches!(errno, libc::ENETUNREACH | libc::EHOSTUNREACH | libc::ENETDOWN | libc::EHOSTDOWN) || errno == ENONET
}
