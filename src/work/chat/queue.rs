//! What waits for one client, and how its session comes by it.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::Waker;

/// So many pieces go in one call. More gain nothing: the kernel's own limit is 1024 (`IOV_MAX`).
const AT_ONCE: usize = 64;

/// What a piece costs beside its bytes, which all who wait for it share.
pub(super) const OVERHEAD: usize = 32;

/// The place of a client among the others.
pub(super) type Seat = usize;

/// Writes of these slices what there is room for, as writev(2) does.
pub(super) type Write<'a> = dyn FnMut(&[IoSlice<'_>]) -> io::Result<usize> + 'a;

/// What a writer may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Something waits.
    Write,
    /// Nothing waits.
    Wait,
    /// The client fell behind, and was dropped.
    Fell,
}

/// Those who are served side by side, as their sessions see them.
pub(super) trait Seats: Send {
    /// A client leaves the others. What waits for it may still be written.
    fn leave(&mut self, seat: Seat);

    /// Nothing more is written to a client, and its place may be taken.
    fn free(&mut self, seat: Seat);

    /// What the writer of a client may do; where it has to wait, it is woken.
    fn turn(&mut self, seat: Seat, waker: &Waker) -> Turn;

    /// Whether a client fell behind while something was being written to it; if not, it is woken when it does.
    fn fell(&mut self, seat: Seat, waker: &Waker) -> bool;

    /// Whether nothing waits for a client.
    fn is_drained(&self, seat: Seat) -> bool;

    /// Hands what waits for a client to `write`, and forgets what went.
    ///
    /// # Errors
    /// Those of `write`.
    fn write(&mut self, seat: Seat, write: &mut Write<'_>) -> io::Result<usize>;
}

/// See the module. A piece is made once, however many wait for it.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pieces: VecDeque<Arc<[u8]>>,
    /// Bytes of the first piece that went already.
    sent: usize,
    /// What all of it takes.
    size: usize,
}

impl Queue {
    pub(super) fn push(&mut self, piece: Arc<[u8]>) {
        self.size += piece.len() + OVERHEAD;
        self.pieces.push_back(piece);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// What it takes, in bytes.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Leaves only the piece that has gone in part: what comes behind it begins a line.
    pub(super) fn cut(&mut self) {
        self.pieces.truncate(usize::from(self.sent > 0));
        self.pieces.shrink_to_fit();
        self.size = self.pieces.iter().map(|piece| piece.len() + OVERHEAD).sum();
    }

    /// Hands what waits to `write`, as much as fits in one call, and forgets what went.
    pub(super) fn write(&mut self, write: &mut Write<'_>) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); AT_ONCE];
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
            let from = if count == 0 { self.sent } else { 0 };
            *slice = IoSlice::new(&piece[from..]);
            count += 1;
        }
        let went = write(&slices[..count])?;
        self.sent += went;
        while let Some(first) = self.pieces.front()
            && self.sent >= first.len()
        {
            self.sent -= first.len();
            self.size -= first.len() + OVERHEAD;
            self.pieces.pop_front();
        }
        // Most queues are empty most of the time.
        if self.pieces.is_empty() {
            self.pieces = VecDeque::new();
        }
        Ok(went)
    }
}

#[cfg(test)]
impl Queue {
    /// All of it, as text.
    pub(super) fn drain(&mut self) -> String {
        let mut out = Vec::new();
        while !self.is_empty() {
            let mut write = |slices: &[IoSlice<'_>]| {
                out.extend(slices.iter().flat_map(|slice| slice.iter().copied()));
                Ok(slices.iter().map(|slice| slice.len()).sum())
            };
            self.write(&mut write).unwrap();
        }
        String::from_utf8(out).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_may_stop_anywhere() {
        let mut queue = Queue::default();
        let mut wanted = Vec::new();
        for nth in 0..200 {
            let piece = format!("piece {nth};");
            wanted.extend_from_slice(piece.as_bytes());
            queue.push(piece.into_bytes().into());
        }
        let mut got = Vec::new();
        for step in (1..40).cycle() {
            if queue.is_empty() {
                break;
            }
            let mut write = |slices: &[IoSlice<'_>]| {
                let all: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).take(step).collect();
                got.extend_from_slice(&all);
                Ok(all.len())
            };
            queue.write(&mut write).unwrap();
        }
        assert_eq!(String::from_utf8_lossy(&got), String::from_utf8_lossy(&wanted));
        assert_eq!((queue.size(), queue.pieces.capacity()), (0, 0));
    }

    #[test]
    fn a_cut_keeps_what_has_begun() {
        let mut queue = Queue::default();
        queue.push((*b"first\n").into());
        queue.push((*b"second\n").into());
        queue.write(&mut |_| Ok(2)).unwrap();
        queue.cut();
        assert_eq!(queue.drain(), "rst\n");
        queue.push((*b"third\n").into());
        queue.cut();
        assert_eq!((queue.drain(), queue.size()), (String::new(), 0));
    }
}
