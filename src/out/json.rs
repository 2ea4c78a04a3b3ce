//! Events for programs: JSON Lines, one object an event, as docs/events.md describes.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

use crate::error::words;
use crate::event::{ConnId, Detail, Event, Sink, VERSION};
use crate::text::is_hazard;

/// How writing came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broken {
    /// The reader is gone (EPIPE): it has had enough.
    ReaderLeft,
    /// Anything else, in the system's words: a full disk.
    Failed(String),
}

/// What a complaint calls stdout.
pub(super) const STDOUT: &str = "standard output";

/// Writes every event with its payload to one place, each line whole and at once.
pub struct Json {
    name: String,
    start: Instant,
    inner: Mutex<Inner>,
}

struct Inner {
    out: Box<dyn Write + Send>,
    broken: Option<Broken>,
}

impl Json {
    /// `name` is what a complaint about the place calls it; `start` is the zero of `t`.
    #[must_use]
    pub fn new(out: Box<dyn Write + Send>, name: impl Into<String>, start: Instant) -> Self {
        Self { name: name.into(), start, inner: Mutex::new(Inner { out, broken: None }) }
    }

    /// Whether, and how, writing came to its end. Events after that are dropped.
    #[must_use]
    pub fn broken(&self) -> Option<Broken> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).broken.clone()
    }
}

impl Sink for Json {
    fn is_curious(&self) -> bool {
        true
    }

    fn emit(&self, conn: Option<ConnId>, event: &Event<'_>) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.broken.is_some() {
            return;
        }
        // The time is taken under the lock, so that it never goes back from line to line.
        let line = line(self.start.elapsed(), conn, event);
        if let Err(error) = inner.out.write_all(&line).and_then(|()| inner.out.flush()) {
            let left = error.kind() == io::ErrorKind::BrokenPipe;
            inner.broken = Some(if left { Broken::ReaderLeft } else { Broken::Failed(words(&error)) });
            // `| head -1` on stdout is no error; a log that stops is worth a word.
            if !left || self.name != STDOUT {
                super::mutter(&format!("events stop here: writing {}: {}", self.name, words(&error)));
            }
        }
    }

    fn reader_left(&self) -> bool {
        self.name == STDOUT && self.broken() == Some(Broken::ReaderLeft)
    }

    fn detail(&self) -> Detail {
        Detail::Payload
    }
}

#[derive(Serialize)]
struct Line<'a> {
    v: u32,
    t: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    conn: Option<ConnId>,
    #[serde(flatten)]
    event: &'a Event<'a>,
}

/// The object and its line end.
fn line(t: Duration, conn: Option<ConnId>, event: &Event<'_>) -> Vec<u8> {
    // Whole microseconds; the shortest decimal that reads back as this number then has at most six places.
    #[allow(clippy::cast_precision_loss, reason = "exact for 285 years")]
    let t = t.as_micros() as f64 / 1e6;
    let mut bytes = Vec::with_capacity(256);
    let written = Line { v: VERSION, t, conn, event }.serialize(&mut Serializer::with_formatter(&mut bytes, Printable));
    debug_assert!(written.is_ok(), "every event has a JSON form");
    bytes.push(b'\n');
    bytes
}

/// Compact JSON with plain decimals, and every character escaped that a terminal would act on, for `--json` is also looked at.
/// What it means is the same (RFC 8259, section 7).
pub(super) struct Printable;

impl Formatter for Printable {
    /// Without an exponent, which not every reader of JSON expects.
    fn write_f64<W: ?Sized + Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        let text = value.to_string();
        let point = if text.contains('.') { "" } else { ".0" };
        write!(writer, "{text}{point}")
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut from = 0;
        for (at, c) in fragment.char_indices().filter(|(_, c)| is_hazard(*c)) {
            writer.write_all(&fragment.as_bytes()[from..at])?;
            // All of them are in the Basic Multilingual Plane.
            write!(writer, "\\u{:04x}", u32::from(c))?;
            from = at + c.len_utf8();
        }
        writer.write_all(&fragment.as_bytes()[from..])
    }
}

#[cfg(test)]
mod tests;
