//! The pump: two directions between our side and one peer, each with its own end.
//!
//! Nothing is lost, reordered or held back: each direction moves as fast as its own two ends allow, and a
//! slow one never stops the other. One thread, one poll(2); when nothing moves, no CPU is used.
//!
//! What ends a session (each row has a test in tests/it/pump.rs):
//!
//! | what happens | then | unless |
//! |---|---|---|
//! | stdin ends | what was read is sent, then FIN; reading goes on until the peer ends | `--no-shutdown`: no FIN |
//! | | ... at most for `--linger-after-eof`, by the clock | |
//! | | datagrams, which have no end: until 1 s after the last one received | a server nobody spoke to waits |
//! | | `--send-only`: until all of it is acknowledged | |
//! | the peer ends | what came is written; a file on stdin is sent to its end, a pipe for as long as it keeps giving | |
//! | | ... silent for 500 ms (a terminal: at once): the session ends | `--stay`, `--send-only`: wait for stdin's end |
//! | | `--recv-only`: the session ends; until then our side stays open | |
//! | stdout is closed | the session ends, without an error; with nothing to write to it, as if the peer had ended | |
//! | the connection breaks | what came is written, then the error | |
//! | the program is to stop | what was read is passed on, at most for 500 ms | |

mod course;
mod lanes;
mod rules;

use std::fs::File;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};

use crate::charset::Charset;
use crate::course::Course;
use crate::error::{Error, Phase, Result};
use crate::event::{ConnId, Detail, Sink};
use crate::net::conn::Conn;
use crate::net::socket;
use crate::net::track::Track;
use crate::sys::{Reason, Stop, poll};
use crate::text::Visible;
use crate::work::close_on::CloseOn;
use crate::work::local::{Input, Kind, Output};
use crate::work::splice::{self, SpliceDown, SpliceUp};
pub use course::odd;
use lanes::Flow;

/// The pause before a datagram is tried again that poll(2) tells nothing about.
const AGAIN: Duration = Duration::from_millis(10);
/// How often the kernel is asked whether all was acknowledged: nothing tells it by itself.
const ACKNOWLEDGED: Duration = Duration::from_millis(5);

/// What ends a session, and how it is limited. See the table above.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Nothing that comes is written; the peer's end does not end the session.
    pub send_only: bool,
    /// Nothing is sent; our side stays open until the peer ends.
    pub recv_only: bool,
    /// No FIN at the end of stdin.
    pub no_shutdown: bool,
    /// The most the session goes on after the end of stdin.
    pub linger: Option<Duration>,
    /// The peer's end does not end the session.
    pub stay: bool,
    /// A datagram server takes datagrams until it is stopped (`--keep-open`).
    pub keep_open: bool,
    /// Send CR LF where stdin has LF alone.
    pub crlf: bool,
    /// The encoding of what is typed at a terminal, and of what is shown on one; UTF-8 where it is none.
    pub encoding: Option<Charset>,
    /// Show control bytes to a terminal as they are.
    pub raw: bool,
    /// No progress in either direction.
    pub idle: Option<Duration>,
    /// Nothing received.
    pub recv: Option<Duration>,
    /// Nothing of what waits could be sent.
    pub send: Option<Duration>,
}

/// How a session ended.
#[derive(Debug)]
pub enum End {
    /// As the rules say.
    Finished,
    /// Nobody reads our stdout any more. No error: `| head -1` is a fine way to end.
    OutputClosed,
    /// The program is to stop.
    Stopped(Reason),
    /// Something failed.
    Failed(Error),
}

/// What a session came to.
#[derive(Debug)]
pub struct Outcome {
    /// Bytes sent.
    pub sent: u64,
    /// Bytes received.
    pub received: u64,
    /// How it went.
    pub course: Course,
    /// How it ended.
    pub end: End,
}

/// One session to be pumped.
pub struct Pump<'a> {
    /// The peer.
    pub conn: &'a mut Conn,
    /// Its number in events.
    pub id: ConnId,
    /// What is sent.
    pub input: Option<Input<'a>>,
    /// Where to write what comes; without one it is only told as events.
    pub output: Option<&'a Output<'a>>,
    /// What ends it.
    pub rules: &'a Rules,
    /// Sent before anything else.
    pub greeting: Option<&'a [u8]>,
    /// A message that ends it.
    pub close_on: Option<&'a CloseOn>,
    /// What is remembered of it.
    pub track: Track,
    /// A file that gets the bytes of both directions as they pass (`--output`).
    pub copy: Option<&'a File>,
    /// Is told.
    pub sink: &'a dyn Sink,
    /// Ends it.
    pub stop: &'a Stop,
}

impl Pump<'_> {
    /// Runs the session to its end.
    #[must_use]
    pub fn run(self) -> Outcome {
        let Pump { conn, id, input, output, rules, greeting, close_on, track, copy, sink, stop } = self;
        let detail = sink.detail();
        let payload_passes_here = detail == Detail::Payload || copy.is_some() || close_on.is_some();
        let now = Instant::now();
        let input = if rules.recv_only { None } else { input };
        if let Some(input) = &input
            && conn.shape().kind == socket::Kind::Stream
        {
            input.expect_bulk();
        }
        let output = if rules.send_only { None } else { output };
        let screen = output
            .as_ref()
            .is_some_and(|output| output.kind() == Kind::Terminal && !rules.raw)
            .then(|| Visible::of(rules.encoding));
        let typed = rules.encoding.filter(|_| input.as_ref().is_some_and(|input| input.kind() == Kind::Terminal));
        let down = match &output {
            Some(output) if !payload_passes_here => SpliceDown::between(conn, output),
            _ => None,
        };
        let up = match &input {
            Some(input) if !payload_passes_here && !rules.crlf && typed.is_none() => SpliceUp::between(conn, input),
            _ => None,
        };
        let splice_waits = splice::wait_on(conn, down.as_ref());
        let mut session = Session {
            up: Up {
                state: if input.is_some() { State::Open } else { State::Closed },
                buffer: greeting.unwrap_or_default().to_vec(),
                raw: Vec::new(),
                typed,
                pending: 0..greeting.map_or(0, <[u8]>::len),
                again: None,
                splice: None,
                fast: up,
                is_much: false,
                last_was_cr: false,
            },
            down: Down {
                state: State::Open,
                buffer: Vec::new(),
                shown: Vec::new(),
                pending: 0..0,
                splice: down,
                screen,
            },
            conn,
            splice_waits,
            id,
            input,
            output,
            rules,
            close_on,
            track,
            copy,
            sink,
            stop,
            detail,
            sent: 0,
            received: 0,
            times: Times { input: now, sent: now, received: now, progress: now, input_end: None, peer_end: None },
            output_gone: false,
            draining: None,
            at_stop: None,
            failure: None,
            copy_failure: None,
        };
        let mut end = match (session.run(), session.copy_failure.take()) {
            (Ok(End::Finished), Some(error)) | (Err(error), _) => End::Failed(error),
            (Ok(end), _) => end,
        };
        let mut course = session.last_course();
        if let Some(at_stop) = session.at_stop.take() {
            // Its own end has nothing to do with how it stood.
            course = Course { sent: course.sent, received: course.received, ..*at_stop };
        }
        course::account(&mut end, &course, id, session.conn.peer(), rules, sink);
        let (sent, received) = (session.sent, session.received);
        if session.splice_waits {
            let _ = session.conn.let_splice_wait(false);
        }
        Outcome { sent, received, course, end }
    }
}

/// How far one direction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// More may come from its source.
    Open,
    /// Its source has ended; the rest is on its way.
    Ended,
    /// Its source has not ended, and no more is taken from it, for the program is to stop; the rest is on its way.
    Cut,
    /// It is over.
    Closed,
}

/// stdin to the peer.
struct Up {
    state: State,
    buffer: Vec<u8>,
    /// What was read, before `--crlf`.
    raw: Vec<u8>,
    /// What was typed is sent in this encoding.
    typed: Option<Charset>,
    pending: std::ops::Range<usize>,
    /// When to try again to send a datagram for which poll(2) does not know when there is room.
    again: Option<Instant>,
    splice: Option<SpliceUp>,
    /// The fast lane for when much is sent; what is little is looked at.
    fast: Option<SpliceUp>,
    /// Whether much was sent in one call.
    is_much: bool,
    /// For `--crlf`: a CR that ended one read belongs to an LF that begins the next.
    last_was_cr: bool,
}

/// The peer to stdout.
struct Down {
    state: State,
    buffer: Vec<u8>,
    /// What a terminal gets in place of the bytes.
    shown: Vec<u8>,
    pending: std::ops::Range<usize>,
    splice: Option<SpliceDown>,
    screen: Option<Visible>,
}

struct Times {
    /// Since when we wait for stdin: the last thing it gave, or the moment the socket took it and had room again.
    input: Instant,
    sent: Instant,
    /// Since when we wait for the peer: the last thing it sent, or the moment stdout took it and had room again.
    received: Instant,
    progress: Instant,
    input_end: Option<Instant>,
    peer_end: Option<Instant>,
}

struct Session<'a> {
    conn: &'a mut Conn,
    /// Whether splice(2) may wait on it.
    splice_waits: bool,
    id: ConnId,
    input: Option<Input<'a>>,
    output: Option<&'a Output<'a>>,
    rules: &'a Rules,
    close_on: Option<&'a CloseOn>,
    track: Track,
    copy: Option<&'a File>,
    sink: &'a dyn Sink,
    stop: &'a Stop,
    detail: Detail,
    up: Up,
    down: Down,
    sent: u64,
    received: u64,
    times: Times,
    /// Nobody reads our stdout any more.
    output_gone: bool,
    /// The program is to stop, for this reason, at the latest then.
    draining: Option<(Reason, Instant)>,
    /// How it stood when that was asked for.
    at_stop: Option<Box<Course>>,
    /// Broken; what came before is still written.
    failure: Option<Error>,
    /// `--output` could not be written. What is copied goes on; the error is the session's at its end.
    copy_failure: Option<Error>,
}

/// What poll(2) is to watch, and what it saw.
#[derive(Default)]
struct Ready {
    input: bool,
    readable: bool,
    writable: bool,
    output: bool,
    output_broken: bool,
    /// Somebody asks how it stands.
    asked: bool,
}

impl Session<'_> {
    fn run(&mut self) -> Result<End> {
        loop {
            if let Some(end) = self.end()? {
                return Ok(end);
            }
            if self.sink.reader_left() {
                return Ok(End::OutputClosed);
            }
            let ready = self.wait()?;
            if ready.output_broken {
                self.output_gone = true;
                self.times.peer_end.get_or_insert_with(Instant::now);
            }
            if ready.asked {
                self.tell();
            }
            if ready.input {
                self.read_input()?;
            }
            if ready.writable {
                self.send();
            }
            if ready.output && self.flush()? == Flow::OutputClosed {
                return Ok(End::OutputClosed);
            }
            if ready.readable && self.receive()? == Flow::OutputClosed {
                return Ok(End::OutputClosed);
            }
        }
    }

    /// Waits for whatever can move, or for the next timer.
    fn wait(&mut self) -> Result<Ready> {
        let mut fds = Vec::with_capacity(5);
        let none = PollFlags::empty();
        let wants_input = self.up.state == State::Open && self.up.pending.is_empty() && self.conn.has_peer();
        let blocked = self.has_unwritten();
        let mut conn_flags = none;
        conn_flags.set(PollFlags::IN, self.down.state == State::Open && !blocked);
        // A regular file is always ready, so it is the socket that sets the pace.
        let sendfile = wants_input && matches!(self.up.splice, Some(SpliceUp::File));
        let full = wants_input && matches!(self.up.splice, Some(SpliceUp::Pipe { full: true }));
        let again = self.up.again.filter(|again| *again > Instant::now());
        let sends = full || (!self.up.pending.is_empty() && self.conn.has_peer() && again.is_none());
        conn_flags.set(PollFlags::OUT, sendfile || sends);
        let conn_flags = self.conn.watch(conn_flags);
        let mut places = [None; 4];
        // Without a flag to wait for, a hung-up descriptor would be ready for ever.
        if let Some(input) = self.input.as_ref().filter(|_| wants_input && !sendfile && !full) {
            places[0] = Some(fds.len());
            fds.push(PollFd::new(input, PollFlags::IN));
        }
        if !conn_flags.is_empty() {
            places[1] = Some(fds.len());
            fds.push(PollFd::new(&*self.conn, conn_flags));
        }
        if let Some(output) = self.output.as_ref().filter(|_| blocked || !self.output_gone) {
            places[2] = Some(fds.len());
            fds.push(PollFd::new(output, if blocked { PollFlags::OUT } else { none }));
        }
        if let Some(asked) = self.stop.asked() {
            places[3] = Some(fds.len());
            fds.push(PollFd::new(asked, PollFlags::IN));
        }
        if self.draining.is_none() {
            fds.push(PollFd::new(self.stop, PollFlags::IN));
        }
        let timer = self.limits().map(|(_, _, since, after)| since.checked_add(after)).min().flatten();
        let acknowledged =
            (self.rules.send_only && self.times.input_end.is_some()).then(|| Instant::now() + ACKNOWLEDGED);
        let drained = self.draining.map(|(_, until)| until);
        let until = [timer, self.ends_at(), acknowledged, drained, again].into_iter().flatten().min();
        poll(&mut fds, until).map_err(|source| Error::os(Phase::Waiting, Some(self.conn.peer()), source))?;
        let seen = |place: Option<usize>| place.map_or(none, |place| fds[place].revents());
        let broken = PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL;
        let conn = seen(places[1]);
        let output = seen(places[2]);
        Ok(Ready {
            input: !seen(places[0]).is_empty() || (sendfile && conn.intersects(PollFlags::OUT | broken)),
            readable: conn_flags.contains(PollFlags::IN) && conn.intersects(PollFlags::IN | broken),
            writable: sends && conn.intersects(PollFlags::OUT | broken),
            output: blocked && !output.is_empty(),
            asked: !seen(places[3]).is_empty(),
            output_broken: !blocked && output.intersects(broken),
        })
    }
}
