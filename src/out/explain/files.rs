//! Why a file, or standard input or output, cannot be used.

use std::path::Path;

use crate::error::Phase;

use super::{Why, word};

/// A file that was named.
pub(super) fn why(path: &Path, errno: i32) -> Option<Why> {
    let name = path.to_string_lossy();
    if name.is_empty() {
        return full(errno);
    }
    let dir = path.parent().map_or("/".into(), Path::to_string_lossy);
    let dir = if dir.is_empty() { ".".into() } else { dir };
    Some(match errno {
        libc::ENOENT => Why::new(format!("there is no {name}, or not the directory {dir} that it should be in"))
            .try_(format!("ls -l {}", word(&dir))),
        libc::ENOTDIR | libc::ELOOP => Why::new(format!("a part of {name} is no directory, or a link that leads nowhere"))
            .try_(format!("namei -l {}", word(&name))),
        libc::EISDIR => Why::new(format!("{name} is a directory, where a file is wanted"))
            .try_(format!("ls -l {}", word(&name))),
        libc::EACCES | libc::EPERM => Why::new(format!(
            "the mode of {name}, or of a directory on the way to it, does not let this user do that (or a sandbox does not)"
        ))
        .try_(format!("namei -l {}", word(&name))),
        libc::EROFS => Why::new(format!("{name} is on a filesystem that is mounted to be read only"))
            .try_(format!("findmnt -T {}", word(&dir))),
        libc::ENXIO => Why::new(format!("{name} is a socket, or a device or pipe with nothing behind it"))
            .try_(format!("ls -ld {}", word(&name))),
        errno => return full(errno),
    })
}

/// Standard input and output, and files that are open already.
pub(super) fn standard(command: &str, phase: Phase, errno: i32) -> Option<Why> {
    match (phase, errno) {
        (Phase::ReadingStdin, libc::EISDIR) => Some(
            Why::new("standard input is a directory, and there is nothing to read in one")
                .try_(format!("sockkit {command} … < FILE")),
        ),
        (Phase::ReadingStdin, libc::EBADF) => Some(
            Why::new("standard input is closed, or was opened for writing only")
                .try_(format!("sockkit {command} … < /dev/null")),
        ),
        (Phase::WritingStdout, libc::EBADF) => Some(
            Why::new("standard output is closed, or was opened for reading only")
                .try_(format!("sockkit {command} … > FILE")),
        ),
        (Phase::ReadingStdin | Phase::WritingStdout, libc::EIO) => {
            Some(Why::new("the terminal is gone, or belongs to another job; or the disk behind it fails").try_("dmesg"))
        }
        (Phase::WritingStdout | Phase::File, errno) => full(errno),
        _ => None,
    }
}

/// No more may be written.
fn full(errno: i32) -> Option<Why> {
    Some(match errno {
        libc::ENOSPC => Why::new("the disk that it is written to is full").try_("df -h"),
        libc::EDQUOT => Why::new("your quota on the disk that it is written to is used up").try_("quota"),
        libc::EFBIG => Why::new("the file is as large as this process, or the filesystem, lets one be (ulimit -f)")
            .try_("ulimit -f"),
        _ => return None,
    })
}
