//! What waits for one client, and how its session comes by it.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::Waker;

use super::log::Log;

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
    /// `unsent` tells what the kernel still has for it, in bytes.
    fn fell(&mut self, seat: Seat, waker: &Waker, unsent: &dyn Fn() -> usize) -> bool;

    /// Whether nothing waits for a client.
    fn is_drained(&self, seat: Seat) -> bool;

    /// Hands what waits for a client to `write`, and forgets what went.
    ///
    /// # Errors
    /// Those of `write`.
    fn write(&mut self, seat: Seat, write: &mut Write<'_>) -> io::Result<usize>;
}

/// Something that waits.
#[derive(Debug)]
enum Piece {
    /// Held by those who wait for it.
    Own(Arc<[u8]>),
    /// A part of the log.
    Logged(u64, u64),
}

impl Piece {
    fn bytes<'a>(&'a self, log: &'a Log) -> &'a [u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Logged(from, to) => log.part(*from, *to),
        }
    }

    /// What it takes, in bytes.
    fn size(&self) -> usize {
        match self {
            Self::Own(bytes) => bytes.len() + OVERHEAD,
            Self::Logged(from, to) => (to - from) as usize,
        }
    }
}

/// See the module. First come the pieces, then what is in the log behind what was heard of it. So what is said to all
/// costs nothing here, and only what is for one, or for all but one, is a piece.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pieces: VecDeque<Piece>,
    /// Bytes of the first piece that went already. (There may be ten thousand queues that are empty.)
    sent: u32,
    /// What the pieces take.
    size: usize,
    heard: u64,
    /// What went last was not the end of a line.
    within: bool,
}

impl Queue {
    pub(super) fn push(&mut self, bytes: Arc<[u8]>, log: &Log) {
        self.part(log);
        self.add(Piece::Own(bytes));
    }

    fn add(&mut self, piece: Piece) {
        self.size += piece.size();
        self.pieces.push_back(piece);
    }

    /// What comes next is not what comes next in the log.
    pub(super) fn part(&mut self, log: &Log) {
        if self.heard < log.end() {
            self.add(Piece::Logged(self.heard, log.end()));
            self.heard = log.end();
        }
    }

    /// What comes next in the log is from here on.
    pub(super) fn hear_from(&mut self, place: u64) {
        self.heard = place;
    }

    pub(super) fn is_empty(&self, log: &Log) -> bool {
        self.pieces.is_empty() && self.heard == log.end()
    }

    /// Whether it needs nothing of the log.
    pub(super) fn has_heard(&self, log: &Log) -> bool {
        self.needs() == log.end()
    }

    /// The first place in the log that it needs.
    pub(super) fn needs(&self) -> u64 {
        let first =
            self.pieces.iter().find_map(|piece| if let Piece::Logged(from, _) = piece { Some(*from) } else { None });
        first.unwrap_or(self.heard)
    }

    /// What waits, in bytes.
    pub(super) fn size(&self, log: &Log) -> usize {
        self.size + (log.end() - self.heard) as usize
    }

    /// Leaves only the rest of the line that has gone in part.
    pub(super) fn cut(&mut self, log: &Log) {
        let first = self.pieces.front().map_or_else(|| log.part(self.heard, log.end()), |piece| piece.bytes(log));
        let rest = &first[self.sent as usize..];
        let end = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |end| end + 1);
        let rest: Option<Arc<[u8]>> =
            Some(rest[..end].into()).filter(|rest: &Arc<[u8]>| self.within && !rest.is_empty());
        *self = Self { heard: log.end(), within: self.within, ..Self::default() };
        if let Some(rest) = rest {
            self.add(Piece::Own(rest));
        }
    }

    /// Takes along what it needs of a log that it will not see again.
    pub(super) fn take_leave(&mut self, log: &Log) {
        self.part(log);
        self.heard = 0;
        self.size = 0;
        for piece in &mut self.pieces {
            if let Piece::Logged(from, to) = piece {
                *piece = Piece::Own(log.part(*from, *to).into());
            }
            self.size += piece.size();
        }
    }

    /// Hands what waits to `write`, as much as fits in one call, and forgets what went.
    pub(super) fn write(&mut self, log: &Log, write: &mut Write<'_>) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); AT_ONCE];
        let mut count = 0;
        let rest = log.part(self.heard, log.end());
        let all = self.pieces.iter().map(|piece| piece.bytes(log)).chain([rest]);
        let mut from = self.sent as usize;
        for (slice, bytes) in slices.iter_mut().zip(all) {
            *slice = IoSlice::new(&bytes[std::mem::take(&mut from)..]);
            count += 1;
        }
        let mut went = write(&slices[..count])?;
        let all = went;
        if let Some(last) = last_byte(&slices[..count], went) {
            self.within = last != b'\n';
        }
        while let Some(first) = self.pieces.front() {
            let left = first.bytes(log).len() - self.sent as usize;
            if went < left {
                self.sent += went as u32;
                return Ok(all);
            }
            went -= left;
            self.sent = 0;
            self.size -= first.size();
            self.pieces.pop_front();
        }
        self.heard += went as u64;
        // Most queues are empty most of the time.
        self.pieces = VecDeque::new();
        Ok(all)
    }
}

/// The last of so many bytes.
fn last_byte(slices: &[IoSlice<'_>], mut count: usize) -> Option<u8> {
    for slice in slices {
        if count <= slice.len() {
            return count.checked_sub(1).map(|last| slice[last]);
        }
        count -= slice.len();
    }
    None
}

#[cfg(test)]
impl Queue {
    /// All of it, as text.
    pub(super) fn drain(&mut self, log: &Log) -> String {
        let mut out = Vec::new();
        while !self.is_empty(log) {
            let mut write = |slices: &[IoSlice<'_>]| {
                out.extend(slices.iter().flat_map(|slice| slice.iter().copied()));
                Ok(slices.iter().map(|slice| slice.len()).sum())
            };
            self.write(log, &mut write).unwrap();
        }
        String::from_utf8(out).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_may_stop_anywhere() {
        let (mut queue, mut log) = (Queue::default(), Log::new());
        let mut wanted = Vec::new();
        for nth in 0..200 {
            let piece = format!("piece {nth};");
            if nth % 7 == 6 {
                // From itself.
                queue.part(&log);
                log.push(b"not for it");
                queue.hear_from(log.end());
                continue;
            }
            wanted.extend_from_slice(piece.as_bytes());
            if nth % 3 == 0 {
                queue.push(piece.into_bytes().into(), &log);
            } else {
                log.push(piece.as_bytes());
            }
        }
        let mut got = Vec::new();
        for step in (0..40).cycle() {
            assert_eq!(queue.is_empty(&log), got.len() == wanted.len());
            if queue.is_empty(&log) {
                break;
            }
            let mut write = |slices: &[IoSlice<'_>]| {
                let all: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).take(step).collect();
                got.extend_from_slice(&all);
                Ok(all.len())
            };
            queue.write(&log, &mut write).unwrap();
            log.forget(queue.needs());
            if step == 20 && got.len() > 1000 {
                // Into another room, and back.
                queue.take_leave(&log);
                queue.hear_from(log.end());
            }
        }
        assert_eq!(String::from_utf8_lossy(&got), String::from_utf8_lossy(&wanted));
        assert_eq!((queue.size(&log), queue.pieces.capacity()), (0, 0));
    }

    #[test]
    fn a_cut_keeps_the_rest_of_a_line_that_has_begun() {
        for logged in [true, false] {
            let (mut queue, mut log) = (Queue::default(), Log::new());
            let lines = [&b"first\n"[..], b"second\n"];
            let add = |queue: &mut Queue, log: &mut Log| {
                for line in lines {
                    if logged { log.push(line) } else { queue.push(line.into(), log) }
                }
            };
            add(&mut queue, &mut log);
            queue.write(&log, &mut |_| Ok(2)).unwrap();
            queue.cut(&log);
            assert_eq!(queue.drain(&log), "rst\n");
            add(&mut queue, &mut log);
            queue.write(&log, &mut |_| Ok(6)).unwrap();
            queue.cut(&log);
            assert_eq!((queue.drain(&log), queue.size(&log)), (String::new(), 0));
        }
    }
}
