//! The shape of a sandbox, the same on every system; what there is of it is the system's.

use std::os::fd::BorrowedFd;
use std::path::Path;

/// What a server still has to reach once it serves, beside what it has open.
#[derive(Debug, Default, Clone, Copy)]
pub struct Reach<'a> {
    /// A directory in which it makes files.
    pub writes: Option<&'a Path>,
    /// A directory from which it removes its socket file.
    pub removes: Option<BorrowedFd<'a>>,
}

/// What holds from now on; the words where something does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confined {
    /// No file but those of the [`Reach`]: the version of Landlock's ABI.
    pub landlock: Result<u32, String>,
    /// No other system calls than so many.
    pub calls: Result<usize, String>,
}
