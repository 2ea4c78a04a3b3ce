//! Pipes for bytes that nobody looks at: socket, pipe, socket, and never through this process.
//!
//! A pipe is taken when there is something to move and given back when it is empty, so a session that waits has none.
//! Only a reader that does not read keeps one, with what it has not taken yet. There are few of them: who gets none
//! copies.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::work::splice::Pipe;

/// Empty pipes that are kept for the next one who needs one.
const SPARE: usize = 4;

/// See the module.
pub(super) struct Pipes {
    most: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    spare: Vec<Pipe>,
    lent: usize,
}

impl Pipes {
    /// At most so many at once.
    pub(super) fn new(most: usize) -> Self {
        Self { most, state: Mutex::default() }
    }

    /// One, if there is one to be had.
    pub(super) fn lend(&self) -> Option<Lent<'_>> {
        let mut state = self.state();
        if state.lent >= self.most {
            return None;
        }
        let pipe = match state.spare.pop() {
            Some(pipe) => pipe,
            None => Pipe::new().ok()?,
        };
        state.lent += 1;
        Some(Lent { pool: self, pipe: Some(pipe) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A pipe on loan.
pub(super) struct Lent<'p> {
    pool: &'p Pipes,
    pipe: Option<Pipe>,
}

impl Deref for Lent<'_> {
    type Target = Pipe;

    fn deref(&self) -> &Pipe {
        self.pipe.as_ref().expect("a pipe that was not given back")
    }
}

impl DerefMut for Lent<'_> {
    fn deref_mut(&mut self) -> &mut Pipe {
        self.pipe.as_mut().expect("a pipe that was not given back")
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let mut state = self.pool.state();
        state.lent -= 1;
        // One with something in it is not clean any more.
        if self.inside == 0 && state.spare.len() < SPARE {
            state.spare.extend(self.pipe.take());
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
