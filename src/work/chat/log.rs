//! What was said in a room and not yet read by all who are in it: held once, however many they are.

use std::collections::VecDeque;
use std::sync::Arc;

use super::queue::{OVERHEAD, Seat};
use super::room::Rules;

/// Memory that is kept for what comes next, in bytes.
const KEPT: usize = 16 << 10;
/// In a room with fewer people, what is said is seldom so much that any should be kept.
const FEW: usize = 16;

/// See the module. Places in it are counted from the beginning of the room, in bytes.
#[derive(Debug)]
pub(super) struct Log {
    bytes: Vec<u8>,
    /// The place of the first byte that is still held.
    start: u64,
}

/// The log of those who are in no room.
pub(super) static NOTHING: Log = Log { bytes: Vec::new(), start: 0 };

impl Log {
    pub(super) fn new() -> Self {
        Self { bytes: Vec::new(), start: 0 }
    }

    /// The place behind the last byte.
    pub(super) fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// What is between two places.
    pub(super) fn part(&self, from: u64, to: u64) -> &[u8] {
        let at = |place: u64| usize::try_from(place - self.start).unwrap_or(usize::MAX);
        &self.bytes[at(from)..at(to)]
    }

    /// Nobody needs what is before this place.
    pub(super) fn forget(&mut self, before: u64) {
        let gone = before.saturating_sub(self.start).min(self.bytes.len() as u64);
        if gone == self.bytes.len() as u64 && self.bytes.capacity() > KEPT {
            self.bytes = Vec::new();
        } else {
            self.bytes.drain(..usize::try_from(gone).unwrap_or(usize::MAX));
        }
        self.start += gone;
    }

    /// Nobody will need room for more soon.
    pub(super) fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
    }
}

/// A room, as far as it does not matter who is in it.
pub(super) struct Room {
    pub(super) members: Vec<Seat>,
    pub(super) log: Log,
    /// How many of the members need nothing of the log.
    pub(super) heard: usize,
    /// Those that wait for something to be said.
    pub(super) idle: Vec<Seat>,
    /// Once the log is longer, it is looked who needs how much of it.
    pub(super) look: usize,
    pub(super) history: VecDeque<Arc<[u8]>>,
    /// What the history takes, in bytes.
    size: usize,
}

impl Room {
    pub(super) fn new(rules: &Rules) -> Self {
        let (members, log, idle, history) = (Vec::new(), Log::new(), Vec::new(), VecDeque::new());
        Self { members, log, heard: 0, idle, look: rules.queue, history, size: 0 }
    }

    /// Once all have heard all of it, nothing is kept.
    pub(super) fn tidy(&mut self) {
        if self.heard == self.members.len() && self.log.len() > 0 {
            self.log.forget(self.log.end());
            if self.members.len() < FEW {
                self.log.shrink();
            }
        }
    }

    /// Keeps a line for those who come later; no more of them than a newcomer can be expected to take at once.
    pub(super) fn remember(&mut self, piece: Arc<[u8]>, rules: &Rules) {
        self.size += piece.len() + OVERHEAD;
        self.history.push_back(piece);
        while self.history.len() > rules.history || self.size > rules.queue / 2 {
            let Some(first) = self.history.pop_front() else { return };
            self.size -= first.len() + OVERHEAD;
        }
    }
}
