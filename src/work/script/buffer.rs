//! What came and was not taken yet.

use std::collections::VecDeque;

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

    /// Forgets all unread bytes but the last, so many; how many that were.
    pub fn forget_but(&mut self, kept: usize) -> usize {
        let many = self.unread().len().saturating_sub(kept);
        self.take(many);
        self.forgotten += many as u64;
        many
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

#[cfg(test)]
mod tests {
    use super::*;

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
