//! Moving bytes inside the kernel: splice(2), sendfile(2), and what a socket still holds.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use rustix::net::{RecvFlags, SendFlags};
use rustix::pipe::{PipeFlags, SpliceFlags};
use socket2::Socket;

/// How send(2) is asked not to wait, and for no SIGPIPE.
pub const AT_ONCE: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);

/// How recv(2) is asked for the size of a message that is cut.
pub const WHOLE_SIZE: RecvFlags = RecvFlags::TRUNC;

/// The size asked for with F_SETPIPE_SZ, in bytes: the most an unprivileged process may ask for (pipe(7)),
/// measured 1.8 -> 3.1 GB/s against the default 64 KiB.
const PIPE_SIZE: usize = 1 << 20;

/// Whether [`splice`] and [`sendfile`] are worth a try.
pub const SPLICES: bool = true;

/// Moves up to `len` bytes from `from` to `to`, one of which is a pipe, without copying them through this
/// process. Never waits for a pipe. `Ok(0)` is the end of `from`.
///
/// # Errors
/// `WouldBlock`; `InvalidInput` where one of them cannot do it.
pub fn splice(from: impl AsFd, to: impl AsFd, len: usize) -> io::Result<usize> {
    let (from, to) = (from.as_fd(), to.as_fd());
    let splice = || rustix::pipe::splice(from, None, to, None, len, SpliceFlags::NONBLOCK | SpliceFlags::MOVE);
    Ok(rustix::io::retry_on_intr(splice)?)
}

/// Sends up to `len` bytes of the regular file `from`, at its own offset, which moves on.
///
/// # Errors
/// `WouldBlock`; `InvalidInput` where the file cannot do it.
pub fn sendfile(to: impl AsFd, from: impl AsFd, len: usize) -> io::Result<usize> {
    let (to, from) = (to.as_fd(), from.as_fd());
    Ok(rustix::io::retry_on_intr(|| rustix::fs::sendfile(to, from, None, len))?)
}

/// A pipe of our own, both ends non-blocking and closed on exec, as large as it may be.
///
/// # Errors
/// Those of pipe2(2).
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = rustix::pipe::pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC)?;
    enlarge_pipe(&write);
    Ok((read, write))
}

/// Asks for a larger pipe; one that may not grow stays as it is.
pub fn enlarge_pipe(pipe: impl AsFd) {
    let _ = rustix::pipe::fcntl_setpipe_size(pipe, PIPE_SIZE);
}

/// Bytes that were written to a socket and that its peer has not acknowledged yet: SIOCOUTQ of tcp(7), unix(7).
///
/// # Errors
/// Those of ioctl(2).
pub fn unsent(socket: impl AsFd) -> io::Result<usize> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: SIOCOUTQ (the same number as TIOCOUTQ) writes one int.
    let result = unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), libc::TIOCOUTQ, &mut bytes) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(usize::try_from(bytes).unwrap_or(0)) }
}

/// Whether the 0 that was just received is the end of packets, and not an empty one: the peer has hung up and nothing more
/// is queued.
///
/// # Errors
/// Those of poll(2) and ioctl(2).
pub fn packets_are_over(socket: impl AsFd) -> io::Result<bool> {
    let mut fds = [PollFd::new(&socket, PollFlags::RDHUP)];
    rustix::event::poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?;
    let hung_up = fds[0].revents().intersects(PollFlags::RDHUP | PollFlags::HUP);
    Ok(hung_up && rustix::io::ioctl_fionread(&socket)? == 0)
}

/// Whether it takes connections: SO_ACCEPTCONN of socket(7).
///
/// # Errors
/// Those of getsockopt(2).
pub fn is_listener(socket: &Socket) -> io::Result<bool> {
    socket.is_listener()
}

/// Opens a directory for what is done to names in it; it need not be readable.
///
/// # Errors
/// Those of open(2).
pub fn open_directory(dir: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(dir, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// The device number of stat(2) as the kernel has it inside, and in its tables: MKDEV of include/linux/kdev_t.h.
#[must_use]
pub fn device_in_tables(device: u64) -> Option<u32> {
    Some(rustix::fs::major(device) << 20 | rustix::fs::minor(device))
}

/// Sets close-on-exec on every descriptor from `first` up. Async-signal-safe.
pub fn close_all_on_exec(first: i32) {
    let first_unsigned = libc::c_uint::try_from(first).unwrap_or(3);
    // SAFETY: close_range(2) with CLOSE_RANGE_CLOEXEC (Linux 5.11) changes flags only.
    let done = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            first_unsigned,
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_CLOEXEC as libc::c_uint,
        )
    };
    if done != 0 {
        super::super::posix::close_on_exec_one_by_one(first);
    }
}

/// Gives every signal its default disposition, also the two that glibc keeps for itself and that its own
/// posix_spawn(3) leaves ignored. Async-signal-safe.
pub fn default_signals() {
    /// Signals are numbered 1 to 64, and a set of them has 8 bytes: signal(7), `<asm/signal.h>`.
    const LAST: libc::c_int = 64;
    const SET: libc::size_t = 8;
    // A kernel_sigaction of zeroes is SIG_DFL without flags, on every architecture.
    let default = [0u64; 4];
    for signal in 1..=LAST {
        // SAFETY: rt_sigaction(2) reads the struct, which is as large as the largest; for SIGKILL and SIGSTOP it
        // fails without an effect.
        unsafe {
            libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), std::ptr::null_mut::<libc::c_void>(), SET)
        };
    }
}

/// Opens the pipe or terminal behind a descriptor once more, in non-blocking mode: a file description of our
/// own, whose flags nobody shares (proc(5), /proc/self/fd).
///
/// # Errors
/// Those of open(2): no /proc, or a file of another user.
pub fn reopen_nonblocking(fd: impl AsFd) -> io::Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd());
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}
