//! The time before a line.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// `--timestamps`: what stands before each line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Timestamps {
    /// Date and time in UTC (RFC 3339), to the microsecond.
    #[default]
    Rfc3339,
    /// Seconds since the line before, the first since the start.
    Delta,
    /// Seconds since 1970.
    Unix,
}

/// Stamps the lines of one stream.
#[derive(Debug)]
pub(super) struct Stamper {
    kind: Option<Timestamps>,
    start: Instant,
    /// When the line before was written, since the start.
    last: Duration,
}

impl Stamper {
    pub(super) fn new(kind: Option<Timestamps>, start: Instant) -> Self {
        Self { kind, start, last: Duration::ZERO }
    }

    /// The time now, if there is to be one.
    pub(super) fn stamp(&mut self) -> Option<String> {
        let now = self.start.elapsed();
        let since = now.saturating_sub(std::mem::replace(&mut self.last, now));
        self.kind.map(|kind| match kind {
            Timestamps::Rfc3339 => humantime::format_rfc3339_micros(SystemTime::now()).to_string(),
            Timestamps::Delta => format!("+{}.{:06}", since.as_secs(), since.subsec_micros()),
            Timestamps::Unix => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                format!("{}.{:06}", now.as_secs(), now.subsec_micros())
            }
        })
    }

    /// Seconds since the start.
    pub(super) fn since_start(&self) -> String {
        format!("[{}.{:06}]", self.last.as_secs(), self.last.subsec_micros())
    }
}
