//! A question by signal: SIGUSR1 makes a descriptor readable.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;

/// Readable since the last [`Asked::take`] when SIGUSR1 has come since. Several in between are one.
#[derive(Debug)]
pub struct Asked(UnixStream);

impl Asked {
    /// From here on SIGUSR1 does not end the process, but asks.
    ///
    /// # Errors
    /// Those of socketpair(2) and sigaction(2).
    pub fn by_signal() -> io::Result<Self> {
        let (ask, asked) = UnixStream::pair()?;
        asked.set_nonblocking(true)?;
        signal_hook::low_level::pipe::register(signal_hook::consts::SIGUSR1, ask)?;
        Ok(Self(asked))
    }

    /// Takes note.
    ///
    /// # Errors
    /// `WouldBlock` when nobody asked; those of read(2).
    pub fn take(&self) -> io::Result<()> {
        rustix::io::read(&self.0, &mut [0; 64])?;
        Ok(())
    }
}

impl AsFd for Asked {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Asked {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
