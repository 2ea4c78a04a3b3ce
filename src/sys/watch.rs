//! Descriptors that the runtime waits for.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// What may be watched: it has one descriptor, the same all its life, which it owns or borrows.
///
/// This is what `AsyncFd` has to be promised and what `AsFd` alone does not say.
pub trait Watched: AsFd + AsRawFd {}

impl Watched for std::os::fd::BorrowedFd<'_> {}
impl Watched for std::os::fd::OwnedFd {}
impl Watched for socket2::Socket {}
impl Watched for super::Asked {}
impl Watched for super::Stop {}

/// Hands a descriptor to the runtime.
///
/// # Errors
/// When it cannot be watched: EPERM for a regular file, ENOSPC beyond `fs.epoll.max_user_watches`.
pub fn watch<T: Watched>(fd: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    // SAFETY: by `Watched`, the descriptor stays open and the same for as long as the value lives.
    unsafe { AsyncFd::register_with_interest(fd, interest) }.map_err(Into::into)
}

/// Hands a connected stream to the runtime.
///
/// # Errors
/// As of [`watch`].
pub fn watch_stream<T: Watched>(fd: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    #[cfg(all(target_os = "linux", not(portable)))]
    let interest = interest | Interest::PRIORITY;
    watch(fd, interest)
}

/// Whether a read from such a stream that did not fill its buffer took all there was, so that one more, which would
/// say so, can be saved: epoll(7), question 9. Not where urgent data wait, for a read stops in front of them: tcp(7).
pub fn short_read_drains<T: Watched>(stream: &AsyncFd<T>) -> bool {
    #[cfg(all(target_os = "linux", not(portable)))]
    let drains = stream.try_io(Interest::PRIORITY, |_| Ok(())).is_err();
    #[cfg(any(not(target_os = "linux"), portable))]
    let drains = {
        let _ = stream;
        false
    };
    drains
}
