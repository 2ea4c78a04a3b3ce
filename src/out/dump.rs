//! `--hex`: the payload of both directions as a hex dump on stdout, in the place of the bytes.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::json::Broken;
use super::stamp::{Stamper, Timestamps};
use crate::error::words;
use crate::event::{ConnId, Detail, Event, Payload, Sink};
use crate::text::{Direction, Dumps};

/// See the module.
pub struct Dump(Mutex<State>);

struct State {
    out: Box<dyn Write + Send>,
    stamper: Stamper,
    dumps: Dumps,
    /// The highest connection number so far: with one connection there is no need to number lines.
    most: ConnId,
    broken: Option<Broken>,
}

impl Dump {
    /// Writes to `out`, which should not buffer.
    #[must_use]
    pub fn new(out: Box<dyn Write + Send>, timestamps: Option<Timestamps>, start: Instant) -> Self {
        let stamper = Stamper::new(timestamps, start);
        Self(Mutex::new(State { out, stamper, dumps: Dumps::default(), most: 0, broken: None }))
    }
}

impl Dump {
    /// Whether, and how, writing came to its end.
    #[must_use]
    pub fn broken(&self) -> Option<Broken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).broken.clone()
    }
}

impl State {
    fn dump(&mut self, conn: ConnId, direction: Direction, data: &[u8]) -> String {
        self.most = self.most.max(conn);
        let mut before = self.stamper.stamp().map_or(String::new(), |stamp| stamp + " ");
        if self.most > 1 {
            let _ = write!(before, "#{conn} ");
        }
        self.dumps.next(conn, direction, data, &before)
    }
}

impl Sink for Dump {
    fn emit(&self, conn: Option<ConnId>, event: &Event<'_>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let conn = conn.unwrap_or_default();
        let text = match event {
            Event::Send(Payload { data: Some(data), .. }) => state.dump(conn, Direction::Sent, data),
            Event::Recv(Payload { data: Some(data), .. }) => state.dump(conn, Direction::Received, data),
            Event::Closed { .. } => {
                state.dumps.forget(conn);
                return;
            }
            _ => return,
        };
        if state.broken.is_some() {
            return;
        }
        // One call for the whole text, with the lock held.
        if let Err(error) = state.out.write_all(text.as_bytes()) {
            let left = error.kind() == io::ErrorKind::BrokenPipe;
            state.broken = Some(if left { Broken::ReaderLeft } else { Broken::Failed(words(&error)) });
            if !left {
                super::mutter(&format!("the dump stops here: writing standard output: {}", words(&error)));
            }
        }
    }

    fn reader_left(&self) -> bool {
        self.broken() == Some(Broken::ReaderLeft)
    }

    fn detail(&self) -> Detail {
        Detail::Payload
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;
    use std::time::Duration;

    #[test]
    fn a_dump_counts_each_direction_of_each_connection() {
        let (mut reader, writer) = io::pipe().unwrap();
        let dump = Dump::new(Box::new(writer), None, Instant::now());
        assert_eq!(dump.detail(), Detail::Payload);
        dump.emit(Some(1), &Event::Send(Payload::of(b"0123456789abcdef!")));
        dump.emit(Some(1), &Event::Recv(Payload::of(b"a")));
        dump.emit(Some(1), &Event::Send(Payload::of(b"\n")));
        dump.emit(Some(2), &Event::Recv(Payload::of(b"")));
        dump.emit(
            Some(1),
            &Event::Closed { reason: "ok", sent: 18, received: 1, duration: Duration::ZERO, course: None },
        );
        assert_eq!(dump.0.lock().unwrap().dumps.connections(), 1, "what is over is forgotten");
        drop(dump);
        let mut written = String::new();
        reader.read_to_string(&mut written).unwrap();
        assert_eq!(
            written.lines().collect::<Vec<_>>(),
            [
                "> 00000000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  |0123456789abcdef|",
                "> 00000010  21                                                |!|",
                "< 00000000  61                                                |a|",
                "> 00000011  0a                                                |.|",
                "#2 < 00000000  (empty)",
            ]
        );
    }

    #[test]
    fn a_reader_that_left_is_noticed() {
        let (reader, writer) = io::pipe().unwrap();
        let dump = Dump::new(Box::new(writer), None, Instant::now());
        drop(reader);
        assert!(!dump.reader_left());
        dump.emit(Some(1), &Event::Recv(Payload::of(b"a")));
        assert!(dump.reader_left());
    }
}
