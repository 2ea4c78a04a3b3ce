//! What holds a client up: its rate, and the password.

use std::time::{Duration, Instant};

/// A token bucket.
pub(super) struct Bucket {
    pub(super) left: f64,
    at: Instant,
}

impl Bucket {
    pub(super) fn new(burst: u32, now: Instant) -> Self {
        Self { left: burst.into(), at: now }
    }

    /// Whether there is a token now; else how long that takes.
    pub(super) fn fill(&mut self, rate: f64, burst: f64, now: Instant) -> Result<(), Duration> {
        let came = now.saturating_duration_since(self.at).as_secs_f64() * rate;
        let most = burst.max(1.0);
        self.left = (self.left + came).min(most);
        self.at = now;
        if self.left >= 1.0 {
            return Ok(());
        }
        Err(Duration::from_secs_f64((1.0 - self.left) / rate).max(Duration::from_millis(1)))
    }
}

/// Whether two secrets are the same. How long it takes tells only how long the guess is.
pub(super) fn same(secret: &[u8], guess: &[u8]) -> bool {
    let differ = guess.iter().enumerate().fold(secret.len() ^ guess.len(), |differ, (at, byte)| {
        differ | usize::from(byte ^ secret[at % secret.len().max(1)])
    });
    std::hint::black_box(differ) == 0
}
