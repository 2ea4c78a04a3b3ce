//! Any other system: the portable part of each face, and "not on this system" for the rest.

use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd;
use std::time::Instant;

use super::tables::{IcmpReport, InetSocket, Table, UnixSocket};
use crate::error::Process;

/// No table of sockets to read.
#[must_use]
pub fn inet_sockets(_table: Table, _port: u16, _deadline: Instant) -> Vec<InetSocket> {
    Vec::new()
}

/// No table of sockets to read.
#[must_use]
pub fn unix_sockets(_name: &[u8], _deadline: Instant) -> Vec<UnixSocket> {
    Vec::new()
}

/// No table of descriptors to read.
#[must_use]
pub fn owners(_inodes: &[u64], _deadline: Instant) -> HashMap<u64, Process> {
    HashMap::new()
}

/// No settings to read.
#[must_use]
pub fn sysctl(_name: &str) -> Option<String> {
    None
}

/// No error queue to switch on.
///
/// # Errors
/// Always.
pub fn recverr(_fd: impl AsFd, _v6: bool, _on: bool) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// No error queue to read.
///
/// # Errors
/// None.
pub fn icmp_error(_fd: impl AsFd) -> io::Result<Option<IcmpReport>> {
    Ok(None)
}
