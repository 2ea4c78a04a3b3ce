//! Pipes for bytes that nobody looks at: socket, pipe, socket, and never through this process.
//!
//! A pipe is taken when there is something to move and given back when it is empty, so a session that waits has none.
//! Only a reader that does not read keeps one, with what it has not taken yet. There are few of them: who gets none
//! copies.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use crate::sys;

/// Empty pipes that are kept for the next one who needs one.
const SPARE: usize = 4;

/// See the module.
pub(super) struct Pipes {
    most: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    spare: Vec<Ends>,
    lent: usize,
}

struct Ends {
    read: OwnedFd,
    write: OwnedFd,
}

impl Pipes {
    /// At most so many at once.
    pub(super) fn new(most: usize) -> Self {
        Self { most, state: Mutex::default() }
    }

    /// One, if there is one to be had.
    pub(super) fn lend(&self) -> Option<Pipe<'_>> {
        let mut state = self.state();
        if state.lent >= self.most {
            return None;
        }
        let ends = match state.spare.pop() {
            Some(ends) => ends,
            None => sys::pipe().ok().map(|(read, write)| Ends { read, write })?,
        };
        state.lent += 1;
        Some(Pipe { pool: self, ends: Some(ends), inside: 0 })
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A pipe on loan.
pub(super) struct Pipe<'p> {
    pool: &'p Pipes,
    ends: Option<Ends>,
    /// Bytes in it.
    pub(super) inside: usize,
}

impl Pipe<'_> {
    fn ends(&self) -> &Ends {
        self.ends.as_ref().expect("a pipe that was not given back")
    }

    /// Moves up to `len` bytes from a socket into it.
    ///
    /// # Errors
    /// Those of splice(2); `WouldBlock` of one that is empty is about the socket.
    pub(super) fn fill(&mut self, from: impl std::os::fd::AsFd, len: usize) -> io::Result<usize> {
        let moved = sys::splice(from, &self.ends().write, len)?;
        self.inside += moved;
        Ok(moved)
    }

    /// Moves what it holds into a socket, as far as that takes it.
    ///
    /// # Errors
    /// Those of splice(2).
    pub(super) fn drain(&mut self, to: impl std::os::fd::AsFd) -> io::Result<usize> {
        let moved = sys::splice(&self.ends().read, to, self.inside)?;
        self.inside -= moved;
        Ok(moved)
    }

    /// What it holds, for whoever copies on.
    ///
    /// # Errors
    /// Those of read(2).
    pub(super) fn take_rest(&mut self) -> io::Result<Vec<u8>> {
        let mut rest = vec![0; self.inside];
        let mut filled = 0;
        while filled < rest.len() {
            filled += rustix::io::read(&self.ends().read, &mut rest[filled..])?;
        }
        self.inside = 0;
        Ok(rest)
    }
}

impl Drop for Pipe<'_> {
    fn drop(&mut self) {
        let mut state = self.pool.state();
        state.lent -= 1;
        // One with something in it is not clean any more.
        if self.inside == 0 && state.spare.len() < SPARE {
            state.spare.extend(self.ends.take());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;

    #[test]
    fn there_are_so_many_and_no_more() {
        let pipes = Pipes::new(2);
        let (one, two) = (pipes.lend(), pipes.lend());
        assert!(one.is_some() && two.is_some() && pipes.lend().is_none());
        drop(one);
        assert!(pipes.lend().is_some());
    }

    #[test]
    fn what_is_left_in_one_is_nobody_elses() {
        let pipes = Pipes::new(1);
        let (mut here, there) = UnixStream::pair().unwrap();
        here.write_all(b"secret").unwrap();
        let mut pipe = pipes.lend().unwrap();
        assert_eq!(pipe.fill(&there, 100).unwrap(), 6);
        drop(pipe);
        let (out, mut sink) = UnixStream::pair().unwrap();
        here.write_all(b"mine").unwrap();
        let mut pipe = pipes.lend().unwrap();
        pipe.fill(&there, 100).unwrap();
        assert_eq!(pipe.drain(&out).unwrap(), 4);
        let mut got = [0; 4];
        sink.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"mine");
    }

    #[test]
    fn the_rest_can_be_had_as_bytes() {
        let pipes = Pipes::new(1);
        let (mut here, there) = UnixStream::pair().unwrap();
        here.write_all(b"rest").unwrap();
        let mut pipe = pipes.lend().unwrap();
        pipe.fill(&there, 100).unwrap();
        assert_eq!((pipe.take_rest().unwrap(), pipe.inside), (b"rest".to_vec(), 0));
    }
}
