//! The least that a server can do: one thread, level-triggered epoll, no checks, no names, no limits.

use std::os::fd::{AsRawFd, OwnedFd};

use crate::os::{self, Addr, Epoll};

const BUFFER: usize = 64 << 10;
const LISTENER: usize = usize::MAX;

/// Clients by their descriptors, which are small numbers.
struct Clients<T>(Vec<Option<(OwnedFd, T)>>);

impl<T> Clients<T> {
    fn insert(&mut self, fd: OwnedFd, value: T) {
        let at = fd.as_raw_fd() as usize;
        if self.0.len() <= at {
            self.0.resize_with(at + 1, || None);
        }
        self.0[at] = Some((fd, value));
    }
}

fn take_all(listener: &OwnedFd, tcp: bool, epoll: &Epoll, mut each: impl FnMut(OwnedFd)) {
    while let Ok(fd) = os::accept(listener.as_raw_fd()) {
        if tcp {
            os::set(&fd, libc::IPPROTO_TCP, libc::TCP_NODELAY, 1);
        }
        epoll.add(fd.as_raw_fd(), fd.as_raw_fd() as usize);
        each(fd);
    }
}

/// Sends back what comes. A client that does not read is closed: those that measure do.
pub fn echo(addr: &Addr) {
    os::raise_limit();
    let listener = addr.serve();
    let (epoll, mut events, mut buffer) = (Epoll::new(), Vec::new(), vec![0; BUFFER]);
    let mut clients = Clients::<()>(Vec::new());
    epoll.add(listener.as_raw_fd(), LISTENER);
    loop {
        for (key, _) in epoll.wait(&mut events, -1) {
            if key == LISTENER {
                take_all(&listener, matches!(addr, Addr::Tcp(_)), &epoll, |fd| clients.insert(fd, ()));
                continue;
            }
            match os::read(key as i32, &mut buffer) {
                Ok(count) if count > 0 => {
                    if os::write(key as i32, &buffer[..count]).ok() != Some(count) {
                        clients.0[key] = None;
                    }
                }
                Err(error) if os::is_full(&error) => {}
                _ => clients.0[key] = None,
            }
        }
    }
}

/// What one client sends, every other gets.
pub fn broadcast(addr: &Addr) {
    os::raise_limit();
    let listener = addr.serve();
    let (epoll, mut events, mut buffer) = (Epoll::new(), Vec::new(), vec![0; BUFFER]);
    let mut clients = Clients::<Vec<u8>>(Vec::new());
    epoll.add(listener.as_raw_fd(), LISTENER);
    loop {
        for (key, room) in epoll.wait(&mut events, -1) {
            if key == LISTENER {
                take_all(&listener, matches!(addr, Addr::Tcp(_)), &epoll, |fd| clients.insert(fd, Vec::new()));
                continue;
            }
            if room && let Some((fd, waiting)) = &mut clients.0[key] {
                if let Ok(sent) = os::write(fd.as_raw_fd(), waiting) {
                    waiting.drain(..sent);
                }
                if waiting.is_empty() {
                    epoll.watch_out(fd.as_raw_fd(), key, false);
                }
            }
            match os::read(key as i32, &mut buffer) {
                Ok(count) if count > 0 => {
                    for (other, client) in clients.0.iter_mut().enumerate() {
                        let Some((fd, waiting)) = client else { continue };
                        if other == key {
                            continue;
                        }
                        let sent = if waiting.is_empty() {
                            os::write(fd.as_raw_fd(), &buffer[..count]).unwrap_or(0)
                        } else {
                            0
                        };
                        if sent < count {
                            if waiting.is_empty() {
                                epoll.watch_out(fd.as_raw_fd(), other, true);
                            }
                            waiting.extend_from_slice(&buffer[sent..count]);
                        }
                    }
                }
                Err(error) if os::is_full(&error) => {}
                _ => clients.0[key] = None,
            }
        }
    }
}

/// Sends datagrams back, many in a call. With `polls` it waits as one does who has something else to wait for.
pub fn udp(addr: &Addr, polls: bool) {
    let fd = addr.serve();
    crate::udp::grow(&fd);
    let (epoll, mut events) = (Epoll::new(), Vec::new());
    if polls {
        epoll.add(fd.as_raw_fd(), 0);
    } else {
        // SAFETY: takes no pointer.
        unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, 0) };
    }
    let mut batch = crate::udp::Batch::new(64, 2048, true);
    loop {
        if polls {
            drop(epoll.wait(&mut events, -1));
        }
        let count = batch.receive(&fd, libc::MSG_WAITFORONE);
        let mut sent = 0;
        while sent < count {
            sent += batch.send(&fd, sent..count).max(1);
        }
    }
}
