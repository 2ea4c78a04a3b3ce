//! Our own side of a session: descriptors that were handed to us, and that we must leave as they are.
//!
//! Their O_NONBLOCK is shared with the shell and every other process that has them, so it is never set. Reads
//! come after poll(2) said that there is something; writes go to a private reopening of the same file where
//! there can be one, and else are kept so small that they do not block.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, OFlags};

use crate::sys;

/// What a descriptor leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file: always ready, has an end.
    File,
    /// A pipe or FIFO.
    Pipe,
    /// A terminal.
    Terminal,
    /// A socket.
    Socket,
    /// Any other device: /dev/null, /dev/zero.
    Device,
}

impl Kind {
    fn of(fd: BorrowedFd<'_>) -> Self {
        if rustix::termios::isatty(fd) {
            return Self::Terminal;
        }
        match rustix::fs::fstat(fd).map(|stat| FileType::from_raw_mode(stat.st_mode)) {
            Ok(FileType::RegularFile) => Self::File,
            Ok(FileType::Fifo) => Self::Pipe,
            Ok(FileType::Socket) => Self::Socket,
            _ => Self::Device,
        }
    }
}

/// The most that is written at once where a write may block: PIPE_BUF of pipe(7), for which a poll that says
/// "writable" promises room.
const SAFE_WRITE: usize = 4096;

/// Where what we send comes from.
#[derive(Debug)]
pub struct Input<'fd> {
    fd: BorrowedFd<'fd>,
    kind: Kind,
}

impl<'fd> Input<'fd> {
    /// Standard input, or what stands for it.
    #[must_use]
    pub fn new(fd: BorrowedFd<'fd>) -> Self {
        Self { fd, kind: Kind::of(fd) }
    }

    /// Asks for room for bulk in a pipe. Not where one read becomes one message.
    pub fn expect_bulk(&self) {
        if self.kind == Kind::Pipe {
            sys::enlarge_pipe(self.fd);
        }
    }

    /// What it leads to.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Reads what is there. Comes after a poll that said so. 0 is the end.
    ///
    /// # Errors
    /// `WouldBlock` when somebody else was quicker on a non-blocking descriptor; those of read(2).
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match rustix::io::read(self.fd, &mut *buffer) {
                Err(rustix::io::Errno::INTR) => {}
                // A terminal whose other side is gone.
                Err(rustix::io::Errno::IO) if self.kind == Kind::Terminal => return Ok(0),
                result => return Ok(result?),
            }
        }
    }
}

impl AsFd for Input<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd
    }
}

/// Where what we receive goes.
#[derive(Debug)]
pub struct Output<'fd> {
    fd: BorrowedFd<'fd>,
    kind: Kind,
    /// The same pipe or terminal opened once more, in non-blocking mode that is ours alone.
    private: Option<OwnedFd>,
    /// Whether the kernel may splice into it: not into a file that appends, splice(2).
    spliceable: bool,
}

impl<'fd> Output<'fd> {
    /// Standard output, or what stands for it.
    #[must_use]
    pub fn new(fd: BorrowedFd<'fd>) -> Self {
        let kind = Kind::of(fd);
        if kind == Kind::Pipe {
            sys::enlarge_pipe(fd);
        }
        let private = match kind {
            Kind::Pipe | Kind::Terminal => sys::reopen_nonblocking(fd).ok(),
            _ => None,
        };
        let appends = rustix::fs::fcntl_getfl(fd).is_ok_and(|flags| flags.contains(OFlags::APPEND));
        let spliceable = match kind {
            Kind::File => !appends,
            Kind::Pipe | Kind::Device => true,
            Kind::Terminal | Kind::Socket => false,
        };
        Self { fd, kind, private, spliceable }
    }

    /// What it leads to.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether the kernel may move bytes into it without us.
    #[must_use]
    pub fn is_spliceable(&self) -> bool {
        self.spliceable
    }

    /// Whether somebody reads it, who may leave: a file has nobody.
    #[must_use]
    pub fn has_reader(&self) -> bool {
        !matches!(self.kind, Kind::File | Kind::Device)
    }

    /// Whether a write is only safe after a poll that said "writable".
    #[must_use]
    pub fn must_poll(&self) -> bool {
        matches!(self.kind, Kind::Pipe | Kind::Terminal) && self.private.is_none()
    }

    /// Writes what there is room for.
    ///
    /// # Errors
    /// `WouldBlock`, `BrokenPipe` when nobody reads any more, and those of write(2).
    pub fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            let written = match (&self.private, self.kind) {
                (Some(private), _) => rustix::io::write(private, bytes),
                (None, Kind::Socket) => rustix::net::send(self.fd, bytes, sys::AT_ONCE),
                (None, Kind::Pipe | Kind::Terminal) => {
                    rustix::io::write(self.fd, &bytes[..bytes.len().min(SAFE_WRITE)])
                }
                (None, Kind::File | Kind::Device) => rustix::io::write(self.fd, bytes),
            };
            match written {
                Err(rustix::io::Errno::INTR) => {}
                result => return Ok(result?),
            }
        }
    }
}

impl AsFd for Output<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_pipe_would_block_and_keeps_its_flags() {
        let (_read, write) = rustix::pipe::pipe().unwrap();
        let output = Output::new(write.as_fd());
        let chunk = vec![0; 1 << 16];
        let mut total = 0;
        let error = loop {
            match output.write(&chunk) {
                Ok(bytes) => total += bytes,
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert!(total >= 1 << 16);
        assert!(!rustix::fs::fcntl_getfl(&write).unwrap().contains(OFlags::NONBLOCK));
    }

    #[test]
    fn a_pipe_without_a_reader_is_broken() {
        let (read, write) = rustix::pipe::pipe().unwrap();
        let output = Output::new(write.as_fd());
        drop(read);
        assert_eq!(output.write(b"x").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
