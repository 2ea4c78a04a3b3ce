//! What stands at the path of a UNIX socket.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::fs::{Access, AtFlags, CWD};
use rustix::net::SocketAddrUnix;
use socket2::{Domain, Socket, Type};

use super::ports::other_user;
use crate::addr::{Endpoint, Unix, UnixKind, UnixName};
use crate::error::{Fact, Held, UnixPathState};
use crate::sys;
use crate::sys::sockets::{Entry, Protocol, State, Wanted};

/// Looks at the name that failed. `binding` is whether it was to be made (else: used), which decides the
/// permission that was needed.
pub(super) fn state(unix: &Unix, binding: bool, errno: i32, deadline: Instant) -> Vec<Fact> {
    match &unix.name {
        UnixName::Unnamed => Vec::new(),
        // Abstract names are only in the kernel: there is one while a process has it.
        UnixName::Abstract(_) => {
            let named = |entry: &Entry| matches!(&entry.local, Some(Endpoint::Unix(held)) if held.name == unix.name);
            let same = bound(deadline, |entry| named(entry) && entry.protocol == Protocol::Unix(unix.kind));
            // Each type has names of its own there (unix_abstract_hash of net/unix/af_unix.c).
            if same.is_empty() && !binding { bound(deadline, named) } else { same }
        }
        UnixName::Path(path) => at_path(path, unix.kind, binding, errno, deadline),
    }
}

fn at_path(path: &Path, asked: UnixKind, binding: bool, errno: i32, deadline: Instant) -> Vec<Fact> {
    let state = |state| vec![Fact::UnixPath(state)];
    if errno == libc::EACCES
        && let Some(forbidden) = forbidden(path, binding)
    {
        return state(forbidden);
    }
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) if error.raw_os_error() == Some(libc::ELOOP) => {
            return state(UnixPathState::NotASocket("a symbolic link that leads back to itself"));
        }
        Err(_) if fs::symlink_metadata(path).is_ok() => {
            return state(UnixPathState::NotASocket("a symbolic link that leads nowhere"));
        }
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return state(UnixPathState::Missing { deepest: deepest(path) });
        }
        Err(_) => return Vec::new(),
    };
    let kind = found.file_type();
    if !kind.is_socket() {
        return state(UnixPathState::NotASocket(if kind.is_file() {
            "a regular file"
        } else if kind.is_dir() {
            "a directory"
        } else if kind.is_fifo() {
            "a named pipe"
        } else {
            "a device"
        }));
    }
    // By the file, for the table has names as they were bound: relative ones, and not through links.
    let inode = found.ino() as u32;
    let device = sys::device_in_tables(found.dev());
    let last = |name: &UnixName| match name {
        UnixName::Path(held) => held.file_name() == path.file_name(),
        _ => false,
    };
    let named = |entry: &Entry| matches!(&entry.local, Some(Endpoint::Unix(held)) if last(&held.name));
    // Some filesystems (overlayfs) tell another device than the kernel has inside; there the name must do.
    let is_it = |entry: &Entry| match entry.file {
        Some((held, on)) => held == inode && (Some(on) == device || named(entry)),
        None => matches!(&entry.local, Some(Endpoint::Unix(held)) if held.name == UnixName::Path(path.to_owned())),
    };
    let facts = bound(deadline, is_it);
    let not = (errno == libc::EPROTOTYPE).then_some(asked);
    if facts.is_empty() { knock(path, not).map(Fact::UnixPath).into_iter().collect() } else { facts }
}

/// The socket in the kernel's table that has this name, and takes connections or datagrams, or might. Accepted
/// connections carry the name too, also after their listener is gone; they do not count.
fn bound(deadline: Instant, is_it: impl Fn(&Entry) -> bool) -> Vec<Fact> {
    let wanted = Wanted { tcp: false, udp: false, unix: true, v4: false, v6: false, states: u32::MAX, details: false };
    let mut entries = sys::sockets(&wanted).unwrap_or_default();
    entries.retain(|entry| matches!(entry.state, State::Listen | State::Unconnected) || is_datagram(entry));
    entries.retain(is_it);
    entries.sort_by_key(|entry| entry.state != State::Listen);
    let Some(entry) = entries.into_iter().next() else { return Vec::new() };
    let process = sys::owners(&[entry.inode], deadline).remove(&entry.inode);
    let state = match entry.protocol {
        Protocol::Unix(kind) if entry.state == State::Listen || kind == UnixKind::Dgram => {
            UnixPathState::Live { kind: Some(kind), process }
        }
        _ => UnixPathState::Bound { process },
    };
    let mut facts = vec![Fact::UnixPath(state)];
    if let Some(user) = other_user(&entry) {
        facts.push(Fact::Held(Held { other_user: Some(user), state: None, orphan: false }));
    }
    facts.extend(entry.queue.map(|queue| Fact::AcceptQueue { waiting: queue.waiting, limit: Some(queue.limit) }));
    facts
}

fn is_datagram(entry: &Entry) -> bool {
    entry.protocol == Protocol::Unix(UnixKind::Dgram)
}

/// Tries a datagram socket: that tells a server from a left-over file without making a connection to a
/// server of the other kinds, for they answer EPROTOTYPE.
fn knock(path: &Path, not: Option<UnixKind>) -> Option<UnixPathState> {
    let socket = Socket::new(Domain::UNIX, Type::DGRAM, None).ok()?;
    socket.set_nonblocking(true).ok()?;
    match rustix::net::connect(&socket, &SocketAddrUnix::new(path).ok()?) {
        Ok(()) | Err(rustix::io::Errno::AGAIN) => {
            Some(UnixPathState::Live { kind: Some(UnixKind::Dgram), process: None })
        }
        Err(rustix::io::Errno::PROTOTYPE) => {
            // No datagram socket, and not what was tried before: one kind is left.
            let kind = match not {
                Some(UnixKind::Stream) => Some(UnixKind::Seqpacket),
                Some(UnixKind::Seqpacket) => Some(UnixKind::Stream),
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
