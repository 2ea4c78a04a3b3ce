//! The fast path: bytes that nobody has to look at stay in the kernel. Where it says that a pair of descriptors
//! cannot do it, the plain lanes of the pump go on, without a word.
//!
//! | what | figure that earned it: 2-core virtual machine, Linux 6.18, CPU of both sides (benches/RESULTS.md) |
//! |---|---|
//! | a file is sent by sendfile(2) | 4.9 GB/s; read and write 4.3, tokio's copy 0.3 |
//! | a receiver splices into its pipe, or through one into a file | 2.5 GB/s, 0.25 CPU s/GB; read and write 1.6, 0.46 |
//! | a pipe is spliced into a UNIX socket | 4.4 GB/s, 0.05 CPU s/GB; read and write 3.0, 0.20 |
//! | a pipe is spliced into TCP | 3.7 GB/s, 0.20 CPU s/GB; read and write 2.9, 0.32 |
//! | ... between two network namespaces | 1.8 GB/s, the sender 0.23 CPU s/GB; read and write 1.8, 0.41 |
//! | within this host the send buffer is 208 KiB: [`Conn::fit_queue`] | a file over TCP 6.2 GB/s, over UNIX 11.5; else 4.7 and 8.2 |
//! | a TCP socket may wait in splice(2) | 2.9 GB/s, 0.24 CPU s/GB; else 1.5, 0.41 |
//!
//! The last: with O_NONBLOCK, tcp_splice_read() of Linux returns after the first batch; without, it goes on for as long as
//! something comes, and only waits where nothing did. It is called after poll(2) saw something, so it does not.
//!
//! What did not help, and is not here: to stay awake before sleeping (the sender took 0.37 CPU s/GB in place of 0.28 and was
//! no faster, with the programs at both ends on the same CPUs), reads of 64 KiB, 128 KiB, 512 KiB or 1 MiB, SO_RCVLOWAT.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use crate::net::conn::{Conn, Incoming};
use crate::sys;
use crate::work::local::{Input, Kind, Output};

/// So many bytes in one call show that there are more where they came from, and that the fast path is worth taking.
pub const MUCH: usize = 64 << 10;
/// How much is moved in one call, in bytes. More is no faster, and keeps the loop from its timers.
const CHUNK: usize = 1 << 20;

/// A pipe of our own, for what is on its way from one descriptor to another.
#[derive(Debug)]
pub struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    /// Bytes in it.
    pub inside: usize,
}

impl Pipe {
    /// An empty one.
    ///
    /// # Errors
    /// Those of pipe2(2).
    pub fn new() -> io::Result<Self> {
        sys::pipe().map(|(read, write)| Self { read, write, inside: 0 })
    }

    /// Moves up to `len` bytes into it.
    ///
    /// # Errors
    /// Those of splice(2); where it is empty, `WouldBlock` is about `from`.
    pub fn fill(&mut self, from: impl AsFd, len: usize) -> io::Result<usize> {
        let moved = sys::splice(from, &self.write, len)?;
        self.inside += moved;
        Ok(moved)
    }

    /// Moves what it holds on, as far as there is room.
    ///
    /// # Errors
    /// Those of splice(2).
    pub fn drain(&mut self, to: impl AsFd) -> io::Result<usize> {
        let moved = sys::splice(&self.read, to, self.inside)?;
        self.inside -= moved;
        Ok(moved)
    }

    /// What it holds, for whoever copies on.
    ///
    /// # Errors
    /// Those of read(2).
    pub fn take_rest(&mut self) -> io::Result<Vec<u8>> {
        let mut rest = vec![0; self.inside];
        let mut filled = 0;
        while filled < rest.len() {
            filled += rustix::io::retry_on_intr(|| rustix::io::read(&self.read, &mut rest[filled..]))?;
        }
        self.inside = 0;
        Ok(rest)
    }
}

/// A receiving lane inside the kernel.
#[derive(Debug)]
pub enum SpliceDown {
    /// Straight into the pipe that the output is.
    Direct {
        /// Whether the last try found that pipe full.
        full: bool,
        /// Whether it had room again after that.
        had_room: bool,
    },
    /// Through a pipe of our own into a file or device.
    Through(Pipe),
}

impl SpliceDown {
    /// A lane from `conn` to `output`, where that can be.
    #[must_use]
    pub fn between(conn: &Conn, output: &Output<'_>) -> Option<Self> {
        if !conn.can_splice() || !output.is_spliceable() {
            return None;
        }
        if output.kind() == Kind::Pipe {
            return Some(Self::Direct { full: false, had_room: false });
        }
        Some(Self::Through(Pipe::new().ok()?))
    }

    /// Whether it waits for room in the output, and not for the peer.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        match self {
            Self::Direct { full, .. } => *full,
            Self::Through(pipe) => pipe.inside > 0,
        }
    }

    /// Takes what the peer sent.
    ///
    /// # Errors
    /// `WouldBlock`; `InvalidInput` where this pair cannot do it, or what comes next cannot be moved so;
    /// `BrokenPipe` when the output is a pipe that nobody reads any more; those of splice(2).
    pub fn fill(&mut self, conn: &Conn, output: &Output<'_>) -> io::Result<Incoming> {
        let moved = match self {
            Self::Direct { full, had_room } => {
                let moved = sys::splice(conn, output, CHUNK);
                // It does not say which of the two it would wait for. The caller asks when the peer is readable,
                // so it is the pipe; once that has room, the peer is waited for again.
                *full = matches!(&moved, Err(error) if error.kind() == io::ErrorKind::WouldBlock);
                if std::mem::take(had_room) && *full {
                    return Err(io::ErrorKind::InvalidInput.into());
                }
                moved?
            }
            // This pipe is empty.
            Self::Through(pipe) => match pipe.fill(conn, CHUNK) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Err(io::ErrorKind::InvalidInput.into());
                }
                moved => moved?,
            },
        };
        match moved {
            0 if conn.is_at_end()? => Ok(Incoming::Eof),
            0 => Err(io::ErrorKind::InvalidInput.into()),
            moved => Ok(Incoming::Bytes(moved)),
        }
    }

    /// Passes on what is in our own pipe.
    ///
    /// # Errors
    /// `InvalidInput` where the output cannot take it so; those of splice(2).
    pub fn flush(&mut self, output: &Output<'_>) -> io::Result<usize> {
        match self {
            Self::Direct { .. } => Ok(0),
            Self::Through(pipe) => pipe.drain(output),
        }
    }

    /// What is left in our own pipe, for the plain lane that goes on.
    ///
    /// # Errors
    /// Those of read(2).
    pub fn take_rest(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Direct { .. } => Ok(Vec::new()),
            Self::Through(mut pipe) => pipe.take_rest(),
        }
    }
}

/// Lets splice(2) wait on a TCP socket that is received from so, and says whether it does: then it is to be undone, at
/// the latest when something is to be sent by [`SpliceUp`], which would wait as well.
#[must_use]
pub fn wait_on(conn: &Conn, down: Option<&SpliceDown>) -> bool {
    conn.shape().is_tcp() && down.is_some() && conn.let_splice_wait(true).is_ok()
}

/// A sending lane inside the kernel.
#[derive(Debug)]
pub enum SpliceUp {
    /// A regular file, by sendfile(2).
    File,
    /// A pipe.
    Pipe {
        /// Whether it waits for room in the socket.
        full: bool,
    },
}

impl SpliceUp {
    /// A lane from `input` to `conn`, where that can be.
    #[must_use]
    pub fn between(conn: &Conn, input: &Input<'_>) -> Option<Self> {
        match input.kind() {
            _ if !conn.can_splice() => None,
            Kind::File => Some(Self::File),
            Kind::Pipe => Some(Self::Pipe { full: false }),
            _ => None,
        }
    }

    /// Whether it is only the socket that it waits for: a file always has more, until it has ended.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        matches!(self, Self::File | Self::Pipe { full: true })
    }

    /// There is room in the socket again. Says whether there was none.
    pub fn has_room(&mut self) -> bool {
        match self {
            Self::File => false,
            Self::Pipe { full } => std::mem::take(full),
        }
    }

    /// Sends a piece. 0 is the end of the input. Comes after a poll that saw something in the pipe, or room for the file.
    ///
    /// # Errors
    /// `WouldBlock`; `InvalidInput` where this pair cannot do it; those of sendfile(2) and splice(2).
    pub fn send(&mut self, conn: &Conn, input: &Input<'_>) -> io::Result<usize> {
        match self {
            Self::File => sys::sendfile(conn, input, CHUNK),
            Self::Pipe { full } => {
                let moved = sys::splice(input, conn, CHUNK);
                // It does not say which of the two it would wait for, but there was something in the pipe.
                *full = matches!(&moved, Err(error) if error.kind() == io::ErrorKind::WouldBlock);
                moved
            }
        }
    }
}

/// Whether an error says that this way is not open here, and the plain one is.
#[must_use]
pub fn is_unsupported(error: &io::Error) -> bool {
    // Our own word for it has no number: splice(2) stops before a byte of urgent data, tcp(7), for ever.
    if error.raw_os_error().is_none() && error.kind() == io::ErrorKind::InvalidInput {
        return true;
    }
    matches!(
        error.raw_os_error(),
        Some(libc::EINVAL | libc::ENOSYS | libc::EOPNOTSUPP | libc::EPERM | libc::ESPIPE | libc::EOVERFLOW)
    )
}
