//! What came and was not taken yet, and the search for what is expected in it.
//!
//! What a search costs, in bytes looked at, for n bytes that come while it waits:
//!
//! - Text: each byte once, and at most `length - 1` bytes again with each piece that comes: about n.
//! - An expression may match anywhere as long as more comes, so it is run over all that is unread. It runs again
//!   at once when what came since is at least a quarter of what the last run saw, so these runs see 5n at most;
//!   and else no sooner than the last run took, so that however slowly bytes drip, at most half of the time goes
//!   into runs, and a match is late by one run at most. Before a wait fails it runs once more.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};

use memchr::memmem::Finder;
use regex::bytes::{Captures, Regex};

/// What came on one connection and was not taken yet.
#[derive(Debug)]
pub struct Buffer {
    bytes: Vec<u8>,
    /// Where the unread ones begin.
    start: usize,
    /// The lengths of the unread messages, on a socket that has them.
    messages: Option<VecDeque<usize>>,
    /// How many unread bytes there may be.
    limit: usize,
    /// How many were forgotten for want of room.
    forgotten: u64,
}

impl Buffer {
    /// An empty one. With `messages`, what is pushed at once is one message.
    #[must_use]
    pub fn new(limit: usize, messages: bool) -> Self {
        Self { bytes: Vec::new(), start: 0, messages: messages.then(VecDeque::new), limit, forgotten: 0 }
    }

    /// What is unread.
    #[must_use]
    pub fn unread(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// Whether nothing is unread, not even an empty message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.unread().is_empty() && self.messages.as_ref().is_none_or(VecDeque::is_empty)
    }

    /// How many more bytes fit.
    #[must_use]
    pub fn room(&self) -> usize {
        self.limit.saturating_sub(self.unread().len())
    }

    /// How many bytes it forgot for want of room.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Adds what came.
    pub fn push(&mut self, bytes: &[u8]) {
        // Moving what is unread costs as much as what was taken before, so each byte moves once at most.
        if self.start >= self.bytes.len() - self.start {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
        if let Some(messages) = &mut self.messages {
            messages.push_back(bytes.len());
        }
    }

    /// Forgets the oldest unread bytes so that there is room for `more`. Whether it had to.
    pub fn forget_for(&mut self, more: usize) -> bool {
        if self.room() >= more {
            return false;
        }
        // An eighth at a time, so that it is not done for each small piece.
        let many = (more - self.room()).max(self.limit / 8).min(self.unread().len());
        self.take(many);
        self.forgotten += many as u64;
        true
    }

    /// Takes so many bytes.
    pub fn take(&mut self, many: usize) {
        self.start += many;
        if let Some(messages) = &mut self.messages {
            let mut left = many;
            while left > 0
                && let Some(front) = messages.front_mut()
            {
                if *front > left {
                    *front -= left;
                    break;
                }
                left -= *front;
                messages.pop_front();
            }
        }
        if self.start == self.bytes.len() {
            self.bytes.clear();
            self.start = 0;
            if self.bytes.capacity() > 1 << 20 {
                self.bytes.shrink_to(1 << 16);
            }
        }
    }

    /// The length of what `recv` takes next: a message where there are such, else all that is unread.
    #[must_use]
    pub fn next(&self) -> Option<usize> {
        match &self.messages {
            Some(messages) => messages.front().copied(),
            None => Some(self.unread().len()).filter(|bytes| *bytes > 0),
        }
    }

    /// Takes one message, which may be empty; on a stream, all that is unread.
    pub fn take_next(&mut self) {
        match self.next() {
            Some(0) => {
                if let Some(messages) = &mut self.messages {
                    messages.pop_front();
                }
            }
            Some(bytes) => self.take(bytes),
            None => {}
        }
    }

    /// Takes everything.
    pub fn clear(&mut self) {
        self.take(self.unread().len());
        if let Some(messages) = &mut self.messages {
            messages.clear();
        }
    }
}

/// A search in unread bytes to which more are added while it waits.
pub enum Search {
    /// For text.
    Text {
        /// What is looked for.
        finder: Finder<'static>,
        /// So many bytes have been seen.
        seen: usize,
    },
    /// For an expression.
    Regex {
        /// What is looked for.
        regex: Regex,
        /// So many bytes were there at the last run.
        seen: Option<usize>,
        /// When it may run again although little came.
        again: Instant,
    },
}

/// What a look at the unread bytes brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Look {
    /// It is there.
    Found(Range<usize>),
    /// It is not there.
    NotYet,
    /// Not all was looked at: ask again then.
    Later(Instant),
}

impl Search {
    /// Looks for these bytes.
    #[must_use]
    pub fn text(bytes: &[u8]) -> Self {
        Self::Text { finder: Finder::new(bytes).into_owned(), seen: 0 }
    }

    /// Looks for a match.
    #[must_use]
    pub fn regex(regex: Regex) -> Self {
        Self::Regex { regex, seen: None, again: Instant::now() }
    }

    /// Looks at what is unread; only ever more may be there than at the last look. With `last`, at all of it.
    pub fn look(&mut self, unread: &[u8], last: bool) -> Look {
        match self {
            Self::Text { finder, seen } => {
                let length = finder.needle().len();
                let from = (*seen + 1).saturating_sub(length).min(unread.len());
                *seen = unread.len();
                match finder.find(&unread[from..]) {
                    Some(at) => Look::Found(from + at..from + at + length),
                    None => Look::NotYet,
                }
            }
            Self::Regex { regex, seen, again } => {
                let before = seen.unwrap_or(0);
                if *seen == Some(unread.len()) {
                    return Look::NotYet;
                }
                let much = seen.is_none() || unread.len() - before >= before / 4;
                let now = Instant::now();
                if !last && !much && now < *again {
                    return Look::Later(*again);
                }
                *seen = Some(unread.len());
                let found = regex.find(unread).map(|found| found.range());
                *again = Instant::now() + now.elapsed().max(Duration::from_micros(10));
                found.map_or(Look::NotYet, Look::Found)
            }
        }
    }

    /// The groups of the match that [`Search::look`] found at `at`.
    #[must_use]
    pub fn groups<'b>(&self, unread: &'b [u8], at: &Range<usize>) -> Option<Captures<'b>> {
        match self {
            Self::Text { .. } => None,
            Self::Regex { regex, .. } => regex.captures_at(unread, at.start),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regex(pattern: &str) -> Search {
        Search::regex(Regex::new(pattern).unwrap())
    }

    #[test]
    fn text_is_found_however_it_is_cut() {
        let all = b"xxabcabdyy";
        for cut in 0..=all.len() {
            let mut search = Search::text(b"abcabd");
            let first = search.look(&all[..cut], false);
            let found = if cut >= 8 { first } else { search.look(all, false) };
            assert_eq!(found, Look::Found(2..8), "{cut}");
        }
        assert_eq!(Search::text(b"").look(b"", false), Look::Found(0..0));
    }

    #[test]
    fn an_expression_is_found_at_the_last_look_at_the_latest() {
        let mut search = regex("b+c");
        assert_eq!(search.look(b"aaaaaaaaaa", false), Look::NotYet);
        let look = search.look(b"aaaaaaaaaab", false);
        assert!(matches!(look, Look::Later(_) | Look::NotYet), "{look:?}");
        assert_eq!(search.look(b"aaaaaaaaaabbc", true), Look::Found(10..13));
        let groups = search.groups(b"aaaaaaaaaabbc", &(10..13)).unwrap();
        assert_eq!(&groups[0], b"bbc");
    }

    #[test]
    fn an_expression_that_never_matches_does_not_cost_the_square() {
        let mut search = regex("never");
        let all = vec![b'x'; 1 << 20];
        let mut runs = 0;
        for end in (1 << 10..=1 << 20).step_by(1 << 10) {
            // Always too soon, unless much came.
            if let Search::Regex { again, .. } = &mut search {
                *again = Instant::now() + Duration::from_secs(60);
            }
            runs += usize::from(search.look(&all[..end], false) == Look::NotYet);
        }
        assert!(runs < 50, "{runs} runs for 1024 pieces");
    }

    #[test]
    fn what_was_taken_is_gone_and_the_rest_stays() {
        let mut buffer = Buffer::new(100, false);
        buffer.push(b"one two");
        buffer.take(4);
        buffer.push(b" three");
        assert_eq!(buffer.unread(), b"two three");
        assert_eq!((buffer.next(), buffer.room()), (Some(9), 91));
        buffer.take_next();
        assert!(buffer.is_empty() && buffer.next().is_none());
    }

    #[test]
    fn messages_keep_their_bounds() {
        let mut buffer = Buffer::new(100, true);
        for message in [&b"abc"[..], b"", b"de"] {
            buffer.push(message);
        }
        buffer.take(1);
        assert_eq!(buffer.next(), Some(2));
        buffer.take_next();
        assert_eq!(buffer.next(), Some(0), "an empty message is one");
        assert!(!buffer.is_empty());
        buffer.take_next();
        assert_eq!((buffer.next(), buffer.unread()), (Some(2), &b"de"[..]));
        buffer.push(b"f");
        buffer.take(3);
        assert!(buffer.is_empty());
    }

    #[test]
    fn the_oldest_is_forgotten_and_memory_stays_bounded() {
        let mut buffer = Buffer::new(1 << 16, false);
        for nth in 0..4096u32 {
            buffer.forget_for(1 << 10);
            buffer.push(&[nth.to_le_bytes()[0]; 1 << 10]);
            assert!(buffer.unread().len() <= 1 << 16);
        }
        assert!(buffer.bytes.capacity() <= 1 << 18, "{}", buffer.bytes.capacity());
        assert!(buffer.forgotten() > 4000 << 10 && buffer.unread().ends_with(&[255; 10]));
    }
}
