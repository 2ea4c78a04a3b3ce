//! A question to a time server, and how its clock stands to ours: `time --query`.
//!
//! Over a connection a server either speaks first (RFC 867, RFC 868) or answers messages (the tutorials'); which one
//! it is shows when it says nothing for a while. A datagram is answered in either case.

use std::io;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::event::{PollFd, PollFlags};

use crate::error::{Error, Exit, Phase, Result};
use crate::event::{ConnId, Event, Payload, Side, Sink};
use crate::net::conn::{Conn, Incoming};
use crate::net::socket::Kind;
use crate::sys::{Stop, poll};
use crate::text::visible_line;
use crate::work::clock::{Format, Reading, rfc3339};

/// How long a server may take to speak first. One that is further away than this gives it time for takes three
/// times as long as its handshake did.
const SPEAKS_FIRST: Duration = Duration::from_millis(300);
/// After the first bytes of an answer, the silence that ends it where nothing else does.
const ENDS: Duration = Duration::from_millis(200);
/// When a datagram is sent once more, for it may have been lost.
const AGAIN: Duration = Duration::from_secs(1);
/// The longest answer that is looked at, in bytes.
const LONGEST: usize = 4096;
/// What is said to a server that waits for a message. Without a line end: some send it back in the middle.
const QUESTION: &[u8] = b"sockkit";

/// How to ask.
pub struct Ask<'a> {
    /// The form of the answer; without, whichever fits.
    pub format: Option<Format>,
    /// How long to wait for it.
    pub patience: Duration,
    /// The flag that says so.
    pub flag: &'static str,
    /// When the connection was begun.
    pub begun: Instant,
    /// Is told.
    pub sink: &'a dyn Sink,
    /// Ends every wait.
    pub stop: &'a Stop,
}

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    /// What the server said.
    pub reading: Reading,
    /// How far its clock is ahead of ours, in seconds; negative: behind.
    pub offset: f64,
    /// How far that may be wrong, in seconds.
    pub uncertainty: f64,
    /// From the question to the first byte of the answer; the question to a server that speaks first is to connect.
    pub round_trip: Duration,
}

/// The first bytes of an answer and what followed them.
struct Said {
    bytes: Vec<u8>,
    came: Instant,
    at: SystemTime,
    /// Whether the peer ended.
    over: bool,
}

impl Ask<'_> {
    /// Asks. `None` when the program is to stop first.
    ///
    /// # Errors
    /// Exit 1 for an answer that is no time, or none before the end; exit 8 for none in time, 7 over UDP; those of
    /// the connection.
    pub fn ask(&self, mut conn: Conn, id: ConnId) -> Result<Option<Answer>> {
        let mut moved = (0, 0);
        let answer = self.question(&mut conn, id, &mut moved);
        let reason = answer.as_ref().err().map_or(Exit::Ok, |error| error.exit).name();
        let closed =
            Event::Closed { reason, sent: moved.0, received: moved.1, duration: self.begun.elapsed(), course: None };
        self.sink.emit(Some(id), &closed);
        answer
    }

    fn question(&self, conn: &mut Conn, id: ConnId, moved: &mut (u64, u64)) -> Result<Option<Answer>> {
        let handshake = self.begun.elapsed();
        let until = Instant::now() + self.patience;
        // One that speaks first may have taken the connection before we knew of it: to connect was the question.
        let mut asked = self.begun;
        let mut said = None;
        if conn.has_end() {
            let first = (Instant::now() + SPEAKS_FIRST.max(handshake * 3)).min(until);
            said = self.listen(conn, id, first, &mut moved.1)?;
        }
        if said.is_none() && self.stop.requested().is_none() && Instant::now() < until {
            asked = Instant::now();
            loop {
                conn.send(QUESTION).map_err(|source| Error::os(Phase::Sending, Some(conn.peer()), source))?;
                moved.0 += QUESTION.len() as u64;
                self.sink.emit(Some(id), &Event::Send(Payload::of(QUESTION)));
                let next = if conn.has_end() { until } else { until.min(Instant::now() + AGAIN) };
                said = self.listen(conn, id, next, &mut moved.1)?;
                if said.is_some() || self.stop.requested().is_some() || Instant::now() >= until {
                    break;
                }
            }
        }
        if self.stop.requested().is_some() {
            return Ok(None);
        }
        let Some(said) = said else {
            let phase = if conn.has_end() { Phase::Receiving } else { Phase::Connecting };
            return Err(Error::timed_out(phase, Some(conn.peer()), self.flag, self.patience));
        };
        self.judge(conn, &said, asked).map(Some)
    }

    fn judge(&self, conn: &Conn, said: &Said, asked: Instant) -> Result<Answer> {
        let Some(reading) = self.read(said) else {
            let wanted = self.format.map_or("no time that we know a form of".to_owned(), |f| format!("no {f} time"));
            let text = match (said.bytes.is_empty(), said.over) {
                (true, true) => "it closed without an answer".to_owned(),
                (true, false) => format!("{wanted}: an empty message"),
                _ => format!("{wanted}: {}", show(&said.bytes)),
            };
            return Err(Error::text(Exit::Failed, Phase::Receiving, Some(conn.peer()), text));
        };
        let round_trip = said.came.saturating_duration_since(asked);
        let nanos = |time: Duration| i128::try_from(time.as_nanos()).unwrap_or(i128::MAX);
        let ours = nanos(said.at.duration_since(UNIX_EPOCH).unwrap_or_default()) - nanos(round_trip / 2);
        let theirs = reading.nanos + nanos(reading.precision / 2);
        Ok(Answer {
            reading,
            offset: (theirs - ours) as f64 / 1e9,
            uncertainty: (round_trip + reading.precision).as_secs_f64() / 2.0,
            round_trip,
        })
    }

    fn read(&self, said: &Said) -> Option<Reading> {
        match self.format {
            Some(format) => format.read(&said.bytes, said.at),
            None => Format::guess(&said.bytes, said.at),
        }
    }

    /// Waits for an answer until then. A message is one; on a stream it may come in pieces.
    fn listen(&self, conn: &mut Conn, id: ConnId, until: Instant, received: &mut u64) -> Result<Option<Said>> {
        let os = |conn: &Conn, source| Error::os(Phase::Receiving, Some(conn.peer()), source);
        let mut buffer = vec![0; 64 << 10];
        let mut said: Option<Said> = None;
        loop {
            let until = if said.is_some() { Instant::now() + ENDS } else { until };
            let mut fds = [PollFd::new(&*conn, PollFlags::IN), PollFd::new(self.stop, PollFlags::IN)];
            let ready = poll(&mut fds, Some(until)).map_err(|source| os(conn, source))?;
            if !ready || self.stop.requested().is_some() {
                return Ok(said);
            }
            let (came, at) = (Instant::now(), SystemTime::now());
            let incoming = match conn.recv(&mut buffer) {
                Ok(incoming) => incoming,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                // A server that sends, closes and had something unread resets: what it said is still said.
                Err(_) if said.is_some() => return Ok(said),
                Err(source) => return Err(os(conn, source)),
            };
            let said = said.get_or_insert(Said { bytes: Vec::new(), came, at, over: false });
            match incoming {
                Incoming::Eof => {
                    said.over = true;
                    self.sink.emit(Some(id), &Event::Eof { side: Side::Peer });
                }
                Incoming::Bytes(bytes) => {
                    self.sink.emit(Some(id), &Event::Recv(Payload::of(&buffer[..bytes])));
                    said.bytes.extend_from_slice(&buffer[..bytes]);
                    *received += bytes as u64;
                }
            }
            let whole = conn.shape().kind != Kind::Stream || said.bytes.ends_with(b"\n");
            if said.over || whole && self.read(said).is_some() || said.bytes.len() > LONGEST || !conn.has_end() {
                return Ok(Some(Said { bytes: std::mem::take(&mut said.bytes), ..*said }));
            }
        }
    }
}

/// What the server said, as far as a line has room for it.
fn show(said: &[u8]) -> String {
    const MOST: usize = 200;
    let cut = if said.len() > MOST { "..." } else { "" };
    match std::str::from_utf8(said) {
        Ok(text) => {
            let text: String = text.chars().take(MOST).collect();
            format!("it said \"{}\"{cut}", visible_line(&text))
        }
        Err(_) => {
            let hex: Vec<String> = said.iter().take(MOST / 3).map(|byte| format!("{byte:02x}")).collect();
            format!("it said the {} bytes {}{cut}", said.len(), hex.join(" "))
        }
    }
}

impl Answer {
    /// Tells it as an event, and gives it in words: a line each for the time, the offset and the round trip.
    #[must_use]
    pub fn report(&self, sink: &dyn Sink, id: ConnId) -> String {
        let Self { reading, offset, uncertainty, round_trip } = *self;
        let server = rfc3339(reading.nanos);
        let format = reading.format.name();
        sink.emit(Some(id), &Event::Time { server: &server, format, offset, uncertainty, round_trip });
        let zone = if reading.our_zone { ", read in our time zone" } else { "" };
        let verdict = match offset {
            _ if offset.abs() <= uncertainty => "the clocks agree, as far as this can tell",
            0.0.. => "the server is ahead",
            _ => "the server is behind",
        };
        let millis = round_trip.as_secs_f64() * 1e3;
        format!(
            "time {server} ({format}{zone})\noffset {offset:+.3} s, give or take {uncertainty:.3} s: {verdict}\nround trip {millis:.3} ms\n"
        )
    }
}
