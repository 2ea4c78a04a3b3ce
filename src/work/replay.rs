//! Plays a recorded session again, and compares what comes back with what was recorded.
//!
//! A record has two sides, whichever of them made it: one that connected and one that accepted. Either can be
//! played. What it sent is sent again, not before all has come that had come by then; what it received is
//! expected, byte for byte, however it is cut into reads.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;
use rustix::event::{PollFd, PollFlags};
use serde::Deserialize;

use crate::error::{Error, Exit, Phase, Result, words};
use crate::event::{ConnId, Event, Payload, Side, Sink};
use crate::net::conn::{Conn, Incoming};
use crate::sys::{Stop, poll};
use crate::text::{Direction, hexdump};

/// The longest record that is read, in bytes.
const LONGEST: u64 = 1 << 30;
/// Bytes of a difference that are shown.
const SHOWN: usize = 64;

/// Which side of a session is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The one that connected.
    Client,
    /// The one that accepted.
    Server,
}

/// A recorded session, seen from the side that is played.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Session {
    steps: Vec<Step>,
}

impl Session {
    /// Bytes that are sent and that are expected.
    #[must_use]
    pub fn sizes(&self) -> (u64, u64) {
        self.steps.iter().fold((0, 0), |(sent, received), step| match &step.what {
            What::Send(bytes) => (sent + bytes.len() as u64, received),
            What::Expect(bytes) => (sent, received + bytes.len() as u64),
            What::Finish | What::ExpectEof => (sent, received),
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    /// Since the session began.
    at: Duration,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    Send(Vec<u8>),
    Expect(Vec<u8>),
    Finish,
    ExpectEof,
}

/// A line of a record, as far as it matters here.
#[derive(Deserialize)]
struct Line {
    t: f64,
    conn: Option<ConnId>,
    event: String,
    text: Option<String>,
    base64: Option<String>,
    side: Option<String>,
    direction: Option<String>,
}

/// Reads a record: its sessions, in the order in which they began.
///
/// # Errors
/// Exit 2 for a file that is no record, with the line; as of [`Error::file`] when it cannot be read.
pub fn read(path: &Path, role: Role) -> Result<Vec<Session>> {
    let name = path.display();
    let os = |source: io::Error| Error::file("", path, &source);
    let size = std::fs::metadata(path).map_err(&os)?.len();
    if size > LONGEST {
        let text = format!("{name}: a record of {size} bytes is larger than the {LONGEST} that are read");
        return Err(Error::text(Exit::Failed, Phase::File, None, text));
    }
    let text = std::fs::read_to_string(path).map_err(os)?;
    parse(&text, role)
        .map_err(|(line, why)| Error::text(Exit::Usage, Phase::File, None, format!("{name}:{line}: {why}")))
}

fn parse(text: &str, role: Role) -> Result<Vec<Session>, (usize, String)> {
    struct Open {
        conn: Option<ConnId>,
        /// Whether the recorder is the side that is played.
        same: bool,
        begun: f64,
        /// Whether the recorder has ended its side.
        ended: bool,
        session: Session,
    }
    let mut sessions: Vec<Open> = Vec::new();
    for (nth, text) in text.lines().enumerate().filter(|(_, text)| !text.trim().is_empty()) {
        let fail = |why: String| (nth + 1, why);
        let line: Line =
            serde_json::from_str(text).map_err(|error| fail(format!("not a line of a record: {error}")))?;
        let began_as = match line.event.as_str() {
            "connected" => Some(Role::Client),
            "accepted" => Some(Role::Server),
            _ => None,
        };
        if let Some(recorder) = began_as {
            let same = recorder == role;
            sessions.push(Open { conn: line.conn, same, begun: line.t, ended: false, session: Session::default() });
            continue;
        }
        let Some(open) = sessions.iter_mut().rev().find(|open| open.conn == line.conn) else { continue };
        let at =
            Duration::try_from_secs_f64((line.t - open.begun).max(0.0)).map_err(|error| fail(error.to_string()))?;
        let (event, side) = (line.event.as_str(), line.side.as_deref().or(line.direction.as_deref()));
        let by_recorder = match (event, side) {
            // Where its input ends, it ends its side; where a script does, there is but that.
            ("eof", Some("local")) | ("shutdown", Some("write")) if !std::mem::replace(&mut open.ended, true) => true,
            ("send", _) => true,
            ("recv", _) | ("eof", Some("peer")) => false,
            _ => continue,
        };
        let ours = by_recorder == open.same;
        let what = if matches!(event, "eof" | "shutdown") {
            if ours { What::Finish } else { What::ExpectEof }
        } else {
            let bytes = match (line.text, line.base64) {
                (Some(text), _) => text.into_bytes(),
                (None, Some(base64)) => base64::engine::general_purpose::STANDARD
                    .decode(base64)
                    .map_err(|error| fail(format!("base64: {error}")))?,
                (None, None) => return Err(fail("payload without text or base64".into())),
            };
            if ours { What::Send(bytes) } else { What::Expect(bytes) }
        };
        open.session.steps.push(Step { at, what });
    }
    if sessions.is_empty() {
        return Err((1, "no session in it".into()));
    }
    Ok(sessions.into_iter().map(|open| open.session).collect())
}

/// Any bytes as a record: it is read, or refused at a line that it has.
///
/// # Panics
/// When something does not hold.
#[cfg(any(test, fuzzing))]
pub fn fuzz(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let sides = [Role::Client, Role::Server].map(|role| parse(text, role));
    match sides {
        [Ok(client), Ok(server)] => {
            assert_eq!(client.len(), server.len());
            for (client, server) in client.iter().zip(&server) {
                let (sent, received) = client.sizes();
                assert_eq!((received, sent), server.sizes(), "what one side sends the other expects");
                assert!(client.steps.len() == server.steps.len() && sent + received <= bytes.len() as u64);
            }
        }
        [Err((line, why)), Err(other)] => {
            assert!(line >= 1 && line <= text.lines().count().max(1), "{line}");
            assert_eq!((line, &why), (other.0, &other.1));
        }
        _ => panic!("a record for one side and not for the other"),
    }
}

/// How to play.
pub struct Replay<'a> {
    /// 0: as fast as it goes; 1: at the recorded times; 2: twice as fast.
    pub speed: f64,
    /// How long to wait for what is expected.
    pub patience: Duration,
    /// Is told.
    pub sink: &'a dyn Sink,
    /// Ends it.
    pub stop: &'a Stop,
}

/// How it went.
#[derive(Debug)]
pub enum Played {
    /// As recorded.
    Same,
    /// Not so: how, and lines that show it.
    Differs(String, Vec<String>),
    /// The program is to stop.
    Stopped,
}

impl Replay<'_> {
    /// Plays one session over a connection.
    ///
    /// # Errors
    /// Those of the connection while there was something to send.
    pub fn play(&self, conn: &mut Conn, id: ConnId, session: &Session) -> Result<Played> {
        let begun = Instant::now();
        let mut came = Vec::new();
        let mut matched = 0;
        let mut ended = false;
        for step in &session.steps {
            if let Some(until) = self.moment(begun, step.at)
                && !matches!(step.what, What::Expect(_) | What::ExpectEof)
            {
                // What comes meanwhile waits in the kernel, as it would for a program that is busy.
                if self.stop.wait(until).map_err(|source| Error::os(Phase::Waiting, None, source))? {
                    return Ok(Played::Stopped);
                }
            }
            match &step.what {
                What::Send(bytes) => self.send(conn, id, bytes)?,
                What::Finish => {
                    let _ = conn.shutdown_write();
                    self.sink.emit(Some(id), &Event::Eof { side: Side::Local });
                }
                What::Expect(bytes) => {
                    while came.len() - matched < bytes.len() && !ended {
                        match self.receive(conn, id, &mut came)? {
                            Wait::Came => {}
                            Wait::Ended => ended = true,
                            Wait::Silence => break,
                            Wait::Stopped => return Ok(Played::Stopped),
                        }
                    }
                    let got = &came[matched..came.len().min(matched + bytes.len())];
                    if got != bytes {
                        return Ok(difference(bytes, got, matched, ended));
                    }
                    matched += bytes.len();
                }
                What::ExpectEof => {
                    while !ended && conn.has_end() {
                        match self.receive(conn, id, &mut came)? {
                            Wait::Came => {}
                            Wait::Ended => ended = true,
                            Wait::Silence => {
                                let why = format!("after {matched} bytes the peer was to end, and did not");
                                return Ok(Played::Differs(why, Vec::new()));
                            }
                            Wait::Stopped => return Ok(Played::Stopped),
                        }
                    }
                }
            }
        }
        if came.len() > matched {
            return Ok(difference(&[], &came[matched..], matched, ended));
        }
        Ok(Played::Same)
    }

    fn moment(&self, begun: Instant, at: Duration) -> Option<Instant> {
        if self.speed <= 0.0 {
            return None;
        }
        let after = Duration::try_from_secs_f64(at.as_secs_f64() / self.speed).ok()?;
        begun.checked_add(after)
    }

    fn send(&self, conn: &Conn, id: ConnId, mut bytes: &[u8]) -> Result<()> {
        let os = |phase| move |source| Error::os(phase, Some(conn.peer()), source);
        loop {
            match conn.send(bytes) {
                Ok(sent) => {
                    self.sink.emit(Some(id), &Event::Send(Payload::of(&bytes[..sent])));
                    bytes = &bytes[sent..];
                    if bytes.is_empty() {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let mut fds = [PollFd::new(conn, PollFlags::OUT), PollFd::new(self.stop, PollFlags::IN)];
                    let room = poll(&mut fds, Instant::now().checked_add(self.patience)).map_err(os(Phase::Waiting))?;
                    if !room {
                        return Err(Error::timed_out(Phase::Sending, Some(conn.peer()), "--timeout", self.patience));
                    }
                    if self.stop.requested().is_some() {
                        return Ok(());
                    }
                }
                Err(source) => return Err(os(Phase::Sending)(source)),
            }
        }
    }

    fn receive(&self, conn: &mut Conn, id: ConnId, came: &mut Vec<u8>) -> Result<Wait> {
        let until = Instant::now().checked_add(self.patience);
        let mut buffer = vec![0; 64 << 10];
        loop {
            let mut fds = [PollFd::new(&*conn, conn.watch(PollFlags::IN)), PollFd::new(self.stop, PollFlags::IN)];
            if !poll(&mut fds, until).map_err(|source| Error::os(Phase::Waiting, Some(conn.peer()), source))? {
                return Ok(Wait::Silence);
            }
            if self.stop.requested().is_some() {
                return Ok(Wait::Stopped);
            }
            match conn.recv(&mut buffer) {
                Ok(Incoming::Bytes(bytes)) => {
                    self.sink.emit(Some(id), &Event::Recv(Payload::of(&buffer[..bytes])));
                    came.extend_from_slice(&buffer[..bytes]);
                    return Ok(Wait::Came);
                }
                Ok(Incoming::Eof) => {
                    self.sink.emit(Some(id), &Event::Eof { side: Side::Peer });
                    return Ok(Wait::Ended);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(source) => {
                    self.sink.emit(Some(id), &Event::Reset { error: &words(&source) });
                    return Ok(Wait::Ended);
                }
            }
        }
    }
}

enum Wait {
    Came,
    Ended,
    Silence,
    Stopped,
}

/// Both sides from a little before the first byte that differs.
fn difference(wanted: &[u8], got: &[u8], before: usize, ended: bool) -> Played {
    let same = wanted.iter().zip(got).take_while(|(wanted, got)| wanted == got).count();
    let from = same.saturating_sub(16) / 16 * 16;
    let mut lines = Vec::new();
    for (sign, bytes) in [('-', wanted), ('+', got)] {
        let shown = &bytes[from.min(bytes.len())..bytes.len().min(from + SHOWN)];
        for line in hexdump((before + from) as u64, shown, Direction::Received) {
            lines.push(format!("{sign} {line}"));
        }
    }
    if got.len() < wanted.len() && same == got.len() {
        let why = if ended { "the peer ended" } else { "nothing more came" };
        lines.push(format!("+ ({why} after {} bytes)", before + got.len()));
    }
    Played::Differs(format!("byte {} of what was received is not as recorded", before + same), lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = r#"
{"v":1,"t":0.5,"conn":1,"event":"connected","local":"127.0.0.1:1","peer":"127.0.0.1:2","took":0.1}
{"v":1,"t":0.75,"conn":1,"event":"send","bytes":3,"text":"hi\n"}
{"v":1,"t":1.5,"conn":1,"event":"recv","bytes":2,"base64":"/+0="}
{"v":1,"t":1.5,"conn":1,"event":"eof","side":"peer"}
"#;

    #[test]
    fn a_record_reads_from_either_side() {
        let step = |millis, what| Step { at: Duration::from_millis(millis), what };
        let client = parse(RECORD, Role::Client).unwrap();
        let bytes = || vec![0xff, 0xed];
        assert_eq!(
            client[0].steps,
            [step(250, What::Send(b"hi\n".to_vec())), step(1000, What::Expect(bytes())), step(1000, What::ExpectEof)]
        );
        let server = parse(RECORD, Role::Server).unwrap();
        assert_eq!(
            server[0].steps,
            [step(250, What::Expect(b"hi\n".to_vec())), step(1000, What::Send(bytes())), step(1000, What::Finish)]
        );
    }

    #[test]
    fn a_side_ends_once_and_by_what_came_first() {
        let record = r#"
{"v":1,"t":0.0,"conn":1,"event":"connected"}
{"v":1,"t":0.1,"conn":1,"event":"shutdown","direction":"read"}
{"v":1,"t":0.2,"conn":1,"event":"EVENT","side":"local"}
{"v":1,"t":0.3,"conn":1,"event":"shutdown","direction":"write"}
{"v":1,"t":0.4,"conn":1,"event":"eof","side":"peer"}
"#;
        let step = |millis, what| Step { at: Duration::from_millis(millis), what };
        let both = parse(&record.replace("EVENT", "eof"), Role::Client).unwrap();
        assert_eq!(both[0].steps, [step(200, What::Finish), step(400, What::ExpectEof)]);
        let only = parse(&record.replace("EVENT", "stats"), Role::Client).unwrap();
        assert_eq!(only[0].steps, [step(300, What::Finish), step(400, What::ExpectEof)]);
        let other = parse(&record.replace("EVENT", "stats"), Role::Server).unwrap();
        assert_eq!(other[0].steps, [step(300, What::ExpectEof), step(400, What::Finish)]);
    }

    #[test]
    fn what_is_no_record_is_told_with_its_line() {
        assert_eq!(parse("\nhello\n", Role::Client).unwrap_err().0, 2);
        assert_eq!(parse("", Role::Client).unwrap_err().0, 1);
        let bad = RECORD.replace("/+0=", "!");
        assert_eq!(parse(&bad, Role::Client).unwrap_err().0, 4);
    }

    #[test]
    fn a_difference_shows_both_sides() {
        let Played::Differs(what, lines) = difference(b"hello world", b"hello there", 100, false) else { panic!() };
        assert!(what.starts_with("byte 106 "), "{what}");
        assert!(lines[0].starts_with("- < ") && lines[1].starts_with("+ < "), "{lines:?}");
        let Played::Differs(_, lines) = difference(b"abc", b"a", 0, true) else { panic!() };
        assert!(lines.iter().any(|line| line.contains("the peer ended after 1 bytes")), "{lines:?}");
    }
}
