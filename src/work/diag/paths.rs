//! What stands at the path of a UNIX socket.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::fs::{Access, AtFlags, CWD};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::addr::{Unix, UnixKind, UnixName};
use crate::error::UnixPathState;
use crate::sys;

/// Looks at the name that failed. `binding` is whether it was to be made (else: used), which decides the
/// permission that was needed; `wrong_kind` whether it failed for its type (EPROTOTYPE).
pub(super) fn state(unix: &Unix, binding: bool, wrong_kind: bool, deadline: Instant) -> Option<UnixPathState> {
    match &unix.name {
        UnixName::Unnamed => None,
        // Abstract names are only in the kernel: there is one while a process has it.
        UnixName::Abstract(name) => {
            // As the table prints them.
            let shown = name.iter().map(|&byte| if byte == 0 { b'@' } else { byte });
            live(&std::iter::once(b'@').chain(shown).collect::<Vec<u8>>(), deadline)
        }
        UnixName::Path(path) => at_path(path, wrong_kind.then_some(unix.kind), binding, deadline),
    }
}

fn at_path(path: &Path, not: Option<UnixKind>, binding: bool, deadline: Instant) -> Option<UnixPathState> {
    if let Some(forbidden) = forbidden(path, binding) {
        return Some(forbidden);
    }
    let kind = match fs::metadata(path) {
        Ok(found) => found.file_type(),
        Err(_) if fs::symlink_metadata(path).is_ok() => {
            return Some(UnixPathState::NotASocket("a symbolic link that leads nowhere"));
        }
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Some(UnixPathState::Missing { deepest: deepest(path) });
        }
        Err(_) => return None,
    };
    if !kind.is_socket() {
        return Some(UnixPathState::NotASocket(if kind.is_file() {
            "a regular file"
        } else if kind.is_dir() {
            "a directory"
        } else if kind.is_fifo() {
            "a named pipe"
        } else {
            "a device"
        }));
    }
    // The table has names as they were bound, so a relative one or one through a link is not found in it.
    let mut found = live(path.as_os_str().as_bytes(), deadline);
    if found.is_none()
        && let Ok(whole) = fs::canonicalize(path)
    {
        found = live(whole.as_os_str().as_bytes(), deadline);
    }
    found.or_else(|| knock(path, not))
}

/// The socket of that name in the kernel's table that takes connections or datagrams. Accepted connections
/// carry the name too, also after their listener is gone; they do not count.
fn live(name: &[u8], deadline: Instant) -> Option<UnixPathState> {
    let socket = sys::unix_sockets(name, deadline).into_iter().find(|s| s.listens || s.kind == "dgram")?;
    let process = sys::owners(&[socket.inode], deadline).remove(&socket.inode);
    Some(UnixPathState::Live { kind: Some(socket.kind), process })
}

/// Tries a datagram socket: that tells a server from a left-over file without making a connection to a
/// server of the other kinds, for they answer EPROTOTYPE.
fn knock(path: &Path, not: Option<UnixKind>) -> Option<UnixPathState> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None).ok()?;
    match rustix::net::connect(&socket, &SocketAddrUnix::new(path).ok()?) {
        Ok(()) | Err(rustix::io::Errno::AGAIN) => Some(UnixPathState::Live { kind: Some("dgram"), process: None }),
        Err(rustix::io::Errno::PROTOTYPE) => {
            // No datagram socket, and not what was tried before: one kind is left.
            let kind = match not {
                Some(UnixKind::Stream) => Some("seqpacket"),
                Some(UnixKind::Seqpacket) => Some("stream"),
                Some(UnixKind::Dgram) | None => None,
            };
            Some(UnixPathState::Live { kind, process: None })
        }
        Err(rustix::io::Errno::CONNREFUSED) => Some(UnixPathState::Stale),
        Err(_) => None,
    }
}

/// The deepest directory on the way that exists.
fn deepest(path: &Path) -> PathBuf {
    let up = path.ancestors().skip(1).find(|up| up.is_dir());
    match up {
        Some(up) if !up.as_os_str().is_empty() => up.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// The first thing on the way that says no: a directory that may not be searched, then a directory that may
/// not be written (binding) or a socket that may not (connecting: unix(7)).
fn forbidden(path: &Path, binding: bool) -> Option<UnixPathState> {
    let mut up: Vec<&Path> = path.ancestors().skip(1).filter(|up| !up.as_os_str().is_empty()).collect();
    up.reverse();
    let parent = up.last().copied().unwrap_or(Path::new("."));
    let needs = up.iter().map(|dir| (*dir, Access::EXEC_OK)).chain(if binding {
        Some((parent, Access::WRITE_OK))
    } else {
        fs::metadata(path).is_ok_and(|found| found.file_type().is_socket()).then_some((path, Access::WRITE_OK))
    });
    for (at, access) in needs {
        // With the rights the process acts with, not those of who started it.
        if rustix::fs::accessat(CWD, at, access, AtFlags::EACCESS) == Err(rustix::io::Errno::ACCESS) {
            let found = fs::metadata(at).ok()?;
            // A file that stands where a directory should is no question of permission.
            if access == Access::EXEC_OK && !found.is_dir() {
                return None;
            }
            return Some(UnixPathState::Forbidden {
                at: at.to_owned(),
                mode: found.mode() & 0o7777,
                owner: found.uid(),
            });
        }
    }
    None
}
