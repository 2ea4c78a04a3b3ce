//! Counts the sessions of a server that has one at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::error::Error;
use crate::event::{ConnId, Detail, Event, Sink};
use crate::sys::Stop;

/// Hands every event on, and counts.
pub struct Tally {
    sink: Arc<dyn Sink>,
    since: Instant,
    begun: AtomicU64,
    over: AtomicU64,
    denied: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
}

impl Tally {
    /// From here on.
    #[must_use]
    pub fn new(sink: Arc<dyn Sink>) -> Self {
        let none = || AtomicU64::new(0);
        Self {
            sink,
            since: Instant::now(),
            begun: none(),
            over: none(),
            denied: none(),
            sent: none(),
            received: none(),
        }
    }

    /// Tells what it came to so far.
    pub fn tell(&self) {
        let [begun, over, denied, sent, received] =
            [&self.begun, &self.over, &self.denied, &self.sent, &self.received].map(|all| all.load(Ordering::Relaxed));
        let stats = Event::Stats {
            sessions: begun.saturating_sub(over),
            total: begun,
            sent,
            received,
            denied,
            exhausted: 0,
            uptime: self.since.elapsed(),
        };
        self.sink.emit(None, &stats);
    }

    /// The same if somebody asked by SIGUSR1.
    pub fn answer(&self, stop: &Stop) {
        if let Some(Ok(())) = stop.asked().map(|asked| asked.take()) {
            self.tell();
        }
    }
}

impl Sink for Tally {
    fn emit(&self, conn: Option<ConnId>, event: &Event<'_>) {
        match event {
            Event::Accepted { .. } => self.begun.fetch_add(1, Ordering::Relaxed),
            Event::Denied { .. } => self.denied.fetch_add(1, Ordering::Relaxed),
            Event::Closed { sent, received, .. } => {
                self.sent.fetch_add(*sent, Ordering::Relaxed);
                self.received.fetch_add(*received, Ordering::Relaxed);
                self.over.fetch_add(1, Ordering::Relaxed)
            }
            _ => 0,
        };
        self.sink.emit(conn, event);
    }

    fn fail(&self, conn: Option<ConnId>, error: &Error) {
        self.sink.fail(conn, error);
    }

    fn warn(&self, conn: Option<ConnId>, odd: &Error) {
        self.sink.warn(conn, odd);
    }

    fn is_curious(&self) -> bool {
        self.sink.is_curious()
    }

    fn reader_left(&self) -> bool {
        self.sink.reader_left()
    }

    fn detail(&self) -> Detail {
        self.sink.detail()
    }
}
