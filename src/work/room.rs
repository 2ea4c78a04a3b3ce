//! Room to write: how a session waits for it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::Sleep;

use crate::net::conn::Conn;
use crate::net::socket::Family;
use crate::sys;

/// How often a full socket is tried that cannot be watched.
const NAP: Duration = Duration::from_millis(5);

/// What waits for room in a UNIX socket.
pub(super) enum Room {
    /// The same socket under another number, for the runtime takes each number once.
    Watched(AsyncFd<OwnedFd>),
    /// There is no other number to be had: it is tried again.
    Nap(Pin<Box<Sleep>>),
}

/// What the runtime is to say of a connection: that something came, and at once also that there is room. Not of a UNIX
/// socket, which says so each time that its peer takes something, and wakes us for nothing: measured, 10.0 us a round
/// trip instead of 7.3. A TCP socket says so only to somebody who found it full.
pub(super) fn interest(conn: &Conn) -> Interest {
    if conn.shape().family == Family::Unix { Interest::READABLE } else { Interest::READABLE | Interest::WRITABLE }
}

/// Sends as soon as there is room.
pub(super) fn poll_write<T>(
    fd: &AsyncFd<Conn>,
    room: &mut Option<Box<Room>>,
    cx: &mut Context<'_>,
    send: &mut dyn FnMut(&Conn) -> io::Result<T>,
) -> Poll<io::Result<T>> {
    if interest(fd.get_ref()).is_writable() {
        loop {
            if let Ok(sent) = ready!(fd.poll_write_ready(cx))?.try_io(|fd| send(fd.get_ref())) {
                return Poll::Ready(sent);
            }
        }
    }
    loop {
        match room.as_deref_mut() {
            Some(Room::Watched(socket)) => {
                if let Ok(sent) = ready!(socket.poll_write_ready(cx))?.try_io(|_| send(fd.get_ref())) {
                    return Poll::Ready(sent);
                }
                continue;
            }
            Some(Room::Nap(sleep)) => ready!(sleep.as_mut().poll(cx)),
            None => {}
        }
        match send(fd.get_ref()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            sent => return Poll::Ready(sent),
        }
        let socket = fd.get_ref().socket().as_fd().try_clone_to_owned();
        *room = Some(Box::new(match socket.and_then(|socket| sys::watch(socket, Interest::WRITABLE)) {
            Ok(socket) => Room::Watched(socket),
            Err(_) => Room::Nap(Box::pin(tokio::time::sleep(NAP))),
        }));
    }
}
