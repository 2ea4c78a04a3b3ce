//! Moving bytes: what the kernel of another system does not do without us is left to read(2) and write(2).

use std::io;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::net::{RecvFlags, SendFlags};
use socket2::Socket;

/// How send(2) is asked not to wait. SIGPIPE is ignored anyway, since the start.
pub const AT_ONCE: SendFlags = SendFlags::DONTWAIT;

/// No way to ask recv(2) for the size of a message that is cut.
pub const WHOLE_SIZE: RecvFlags = RecvFlags::empty();

/// Whether [`splice`] and [`sendfile`] are worth a try.
pub const SPLICES: bool = false;

/// None here.
///
/// # Errors
/// Always `InvalidInput`: this way is not open, and the plain one is.
pub fn splice(_from: impl AsFd, _to: impl AsFd, _len: usize) -> io::Result<usize> {
    Err(io::ErrorKind::InvalidInput.into())
}

/// None here.
///
/// # Errors
/// Always `InvalidInput`: this way is not open, and the plain one is.
pub fn sendfile(_to: impl AsFd, _from: impl AsFd, _len: usize) -> io::Result<usize> {
    Err(io::ErrorKind::InvalidInput.into())
}

/// A pipe of our own, both ends non-blocking and closed on exec.
///
/// # Errors
/// Those of pipe(2) and fcntl(2).
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = io::pipe()?;
    let ends = (OwnedFd::from(read), OwnedFd::from(write));
    rustix::io::ioctl_fionbio(&ends.0, true)?;
    rustix::io::ioctl_fionbio(&ends.1, true)?;
    Ok(ends)
}

/// A pipe has the size that the system gives it.
pub fn enlarge_pipe(_pipe: impl AsFd) {}

/// Not known.
///
/// # Errors
/// Always `Unsupported`.
pub fn unsent(_socket: impl AsFd) -> io::Result<usize> {
    super::unsupported()
}

/// Whether the 0 that was just received is the end of packets: always, for an empty packet looks the same.
///
/// # Errors
/// None.
pub fn packets_are_over(_socket: impl AsFd) -> io::Result<bool> {
    Ok(true)
}

/// Whether it takes connections: SO_ACCEPTCONN of getsockopt(2).
///
/// # Errors
/// Those of getsockopt(2): ENOPROTOOPT where the system does not tell.
pub fn is_listener(socket: &Socket) -> io::Result<bool> {
    let mut accepts: libc::c_int = 0;
    let mut length = size_of_val(&accepts) as libc::socklen_t;
    // SAFETY: one int of the given size is written.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ACCEPTCONN,
            (&raw mut accepts).cast(),
            &raw mut length,
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(accepts != 0) }
}

/// Opens a directory for what is done to names in it; it must be readable.
///
/// # Errors
/// Those of open(2).
pub fn open_directory(dir: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(dir, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// No table has devices.
#[must_use]
pub fn device_in_tables(_device: u64) -> Option<u32> {
    None
}

/// Sets close-on-exec on every descriptor from `first` up. Async-signal-safe.
pub fn close_all_on_exec(first: i32) {
    super::super::posix::close_on_exec_one_by_one(first);
}

/// Gives every signal its default disposition. Async-signal-safe.
pub fn default_signals() {
    /// Signals are numbered 1 to 31 by those who began with it; for numbers beyond, FreeBSD has 128.
    const LAST: libc::c_int = 128;
    for signal in 1..=LAST {
        // SAFETY: no handler is set; for SIGKILL, SIGSTOP and numbers that are none it fails without an effect.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// No pipe and no terminal is opened once more: what `/dev/fd` opens shares its flags with the descriptor.
///
/// # Errors
/// Always `Unsupported`.
pub fn reopen_nonblocking(_fd: impl AsFd) -> io::Result<OwnedFd> {
    super::unsupported()
}
