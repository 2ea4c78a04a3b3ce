//! The shape of a sandbox, the same on every system; what there is of it is the system's.

use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

/// What a server still has to reach once it serves, beside what it has open.
#[derive(Debug, Default, Clone, Copy)]
pub struct Reach<'a> {
    /// A directory in which it makes files.
    pub writes: Option<&'a Path>,
    /// A directory from which it removes its socket file.
    pub removes: Option<BorrowedFd<'a>>,
    /// Where it connects to.
    pub connects: Option<&'a Connects>,
}

/// Where a process connects to that is confined. Where that fails, it still asks the kernel why: files below `/proc`
/// can be read.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Connects {
    /// The TCP ports, those of name servers among them; no others, where the kernel can tell them apart.
    pub ports: Vec<u16>,
    /// The TCP port that it binds before, 0 for any.
    pub from: Option<u16>,
    /// Whether names are looked up, by whatever files that takes: those below `/etc`, where they lead to, and the
    /// libraries of the C library's name service.
    pub names: bool,
}

/// What holds from now on; the words where something does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confined {
    /// No file but those of the [`Reach`]: the version of Landlock's ABI.
    pub landlock: Result<u32, String>,
    /// The directories below which files can be read.
    pub reads: Vec<PathBuf>,
    /// No other system calls than so many.
    pub calls: Result<usize, String>,
}
