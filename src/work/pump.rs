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

use std::fs::File;
use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};

use crate::error::{Error, Phase, Result};
use crate::event::{ConnId, Detail, Event, Limit, Payload, Side, Sink};
use crate::net::conn::{Conn, Incoming};
use crate::net::socket;
use crate::sys::{Reason, Stop, poll};
use crate::text::Visible;
use crate::work::close_on::CloseOn;
use crate::work::local::{Input, Kind, Output};
use crate::work::splice::{self, SpliceDown};

/// One read, in bytes: measured, 8 KiB / 64 KiB / 256 KiB / 1 MiB give 1.3 / 4.7 / 5.0 / 5.0 GB/s.
const BUFFER: usize = 256 << 10;
/// One read of what becomes a datagram, in bytes: just beyond the largest of UDP.
const MESSAGE: usize = 64 << 10;
/// After the peer's end, how long a silent pipe on stdin is waited for.
const QUIET: Duration = Duration::from_millis(500);
/// When the program is to stop, how long what was read may take to be passed on.
const DRAIN: Duration = Duration::from_millis(500);
/// After the end of stdin, how long after the last datagram the session ends.
const DATAGRAM_LINGER: Duration = Duration::from_secs(1);
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
    pub output: Option<Output<'a>>,
    /// What ends it.
    pub rules: &'a Rules,
    /// Sent before anything else.
    pub greeting: Option<&'a [u8]>,
    /// A message that ends it.
    pub close_on: Option<&'a CloseOn>,
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
        let Pump { conn, id, input, output, rules, greeting, close_on, copy, sink, stop } = self;
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
        let screen =
            output.as_ref().is_some_and(|output| output.kind() == Kind::Terminal && !rules.raw).then(Visible::new);
        let down = match &output {
            Some(output) if !payload_passes_here => SpliceDown::between(conn, output),
            _ => None,
        };
        let sendfile = !payload_passes_here
            && !rules.crlf
            && input.as_ref().is_some_and(|input| splice::can_sendfile(conn, input));
        let mut session = Session {
            up: Up {
                state: if input.is_some() { State::Open } else { State::Closed },
                buffer: greeting.unwrap_or_default().to_vec(),
                pending: 0..greeting.map_or(0, <[u8]>::len),
                sendfile,
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
            id,
            input,
            output,
            rules,
            close_on,
            copy,
            sink,
            stop,
            detail,
            sent: 0,
            received: 0,
            times: Times { input: now, sent: now, received: now, progress: now, input_end: None, peer_end: None },
            output_gone: false,
            draining: None,
            failure: None,
            copy_failure: None,
        };
        let end = match (session.run(), session.copy_failure.take()) {
            (Ok(End::Finished), Some(error)) | (Err(error), _) => End::Failed(error),
            (Ok(end), _) => end,
        };
        Outcome { sent: session.sent, received: session.received, end }
    }
}

/// How far one direction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// More may come from its source.
    Open,
    /// Its source has ended; the rest is on its way.
    Ended,
    /// It is over.
    Closed,
}

/// stdin to the peer.
struct Up {
    state: State,
    buffer: Vec<u8>,
    pending: std::ops::Range<usize>,
    sendfile: bool,
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
    input: Instant,
    sent: Instant,
    received: Instant,
    progress: Instant,
    input_end: Option<Instant>,
    peer_end: Option<Instant>,
}

struct Session<'a> {
    conn: &'a mut Conn,
    id: ConnId,
    input: Option<Input<'a>>,
    output: Option<Output<'a>>,
    rules: &'a Rules,
    close_on: Option<&'a CloseOn>,
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

    /// The rules of the table above, and the timers.
    fn end(&mut self) -> Result<Option<End>> {
        let now = Instant::now();
        if self.draining.is_none()
            && let Some(reason) = self.stop.requested()
        {
            self.draining = Some((reason, now + DRAIN));
            if self.up.state == State::Open {
                self.up.state = State::Ended;
            }
        }
        self.close_up(now)?;
        if self.down.state == State::Ended && !self.has_unwritten() {
            self.down.state = State::Closed;
            if self.failure.is_none() {
                self.sink.emit(Some(self.id), &Event::Eof { side: Side::Peer });
            }
        }
        if self.down.state == State::Closed
            && let Some(failure) = self.failure.take()
        {
            return Ok(Some(End::Failed(failure)));
        }
        if let Some((reason, until)) = self.draining {
            let idle = self.up.pending.is_empty() && !self.has_unwritten() && !self.is_readable_now();
            return Ok((idle || now >= until).then_some(End::Stopped(reason)));
        }
        if self.is_finished(now) {
            if self.up.state == State::Open {
                self.sink
                    .emit(Some(self.id), &Event::Warning { message: "the session is over, with stdin still open" });
            }
            return Ok(Some(End::Finished));
        }
        self.check_limits(now)
    }

    /// Once stdin has ended and all of it is sent, the peer is told.
    fn close_up(&mut self, now: Instant) -> Result<()> {
        if self.up.state != State::Ended || !self.up.pending.is_empty() {
            return Ok(());
        }
        self.up.state = State::Closed;
        self.times.input_end = Some(now);
        self.sink.emit(Some(self.id), &Event::Eof { side: Side::Local });
        if !self.rules.no_shutdown && self.conn.has_end() && self.failure.is_none() {
            let os = |source| Error::os(Phase::Sending, Some(self.conn.peer()), source);
            self.conn.shutdown_write().map_err(os)?;
            self.sink.emit(Some(self.id), &Event::Shutdown { direction: "write" });
        }
        Ok(())
    }

    fn is_finished(&self, now: Instant) -> bool {
        if let Some(until) = self.ends_at()
            && now >= until
        {
            return true;
        }
        let input_over = self.up.state == State::Closed && self.up.pending.is_empty();
        if self.rules.send_only && self.times.input_end.is_some() {
            return !self.conn.has_end() || self.down.state == State::Closed || self.conn.is_all_acknowledged();
        }
        if self.down.state != State::Closed {
            return self.output_gone && input_over;
        }
        if input_over {
            return true;
        }
        // The peer has ended, stdin has not.
        self.is_over_for_input() && self.input.as_ref().is_some_and(|input| input.kind() == Kind::Terminal)
    }

    /// Whether the peer's end, or that of whoever read our stdout, is to end a session whose stdin is open.
    fn is_over_for_input(&self) -> bool {
        (self.down.state == State::Closed || self.output_gone) && !self.rules.stay && !self.rules.send_only
    }

    /// When the session ends by the clock if nothing moves.
    fn ends_at(&self) -> Option<Instant> {
        let mut ends = Vec::new();
        if let Some(input_end) = self.times.input_end {
            match self.rules.linger {
                Some(linger) => ends.push(input_end + linger),
                None if !self.conn.has_end() && !self.rules.keep_open && self.conn.has_peer() => {
                    ends.push(input_end.max(self.times.received) + DATAGRAM_LINGER);
                }
                None => {}
            }
        }
        if self.up.state == State::Open
            && self.up.pending.is_empty()
            && self.is_over_for_input()
            && let Some(peer_end) = self.times.peer_end
            && self.input.as_ref().is_some_and(|input| input.kind() != Kind::File)
        {
            ends.push(peer_end.max(self.times.input) + QUIET);
        }
        ends.into_iter().min()
    }

    /// The limits in force now: which, since when, how long.
    fn limits(&self) -> impl Iterator<Item = (Limit, &'static str, Instant, Duration)> {
        // Waiting for the first peer of a datagram server is no session yet.
        let open = self.conn.has_peer();
        let receiving = self.down.state == State::Open && !self.has_unwritten();
        let sending = !self.up.pending.is_empty();
        [
            (Limit::Idle, "--idle-timeout", self.times.progress, self.rules.idle),
            (Limit::Recv, "--recv-timeout", self.times.received, self.rules.recv.filter(|_| receiving)),
            (Limit::Send, "--send-timeout", self.times.sent, self.rules.send.filter(|_| sending)),
        ]
        .into_iter()
        .filter_map(move |(limit, flag, since, after)| Some((limit, flag, since, after.filter(|_| open)?)))
    }

    fn check_limits(&self, now: Instant) -> Result<Option<End>> {
        match self.limits().find(|(_, _, since, after)| now.duration_since(*since) >= *after) {
            None => Ok(None),
            Some((limit, flag, _, after)) => {
                self.sink.emit(Some(self.id), &Event::Timeout { limit, after });
                Err(Error::timed_out(Phase::Waiting, Some(self.conn.peer()), flag, after))
            }
        }
    }

    fn has_unwritten(&self) -> bool {
        !self.down.pending.is_empty()
            || matches!(&self.down.splice, Some(SpliceDown::Through { inside, .. }) if *inside > 0)
    }

    fn is_readable_now(&self) -> bool {
        let mut fds = [PollFd::new(&*self.conn, PollFlags::IN)];
        self.down.state == State::Open && poll(&mut fds, Some(Instant::now())).unwrap_or(false)
    }

    /// Waits for whatever can move, or for the next timer.
    fn wait(&mut self) -> Result<Ready> {
        let mut fds = Vec::with_capacity(4);
        let none = PollFlags::empty();
        let wants_input = self.up.state == State::Open && self.up.pending.is_empty() && self.conn.has_peer();
        let blocked = self.has_unwritten() || self.down.splice.as_ref().is_some_and(SpliceDown::is_blocked);
        let mut conn_flags = none;
        conn_flags.set(PollFlags::IN, self.down.state == State::Open && !blocked);
        // A regular file is always ready, so it is the socket that sets the pace.
        let sendfile = wants_input && self.up.sendfile;
        let sends = !self.up.pending.is_empty() && self.conn.has_peer();
        conn_flags.set(PollFlags::OUT, sendfile || sends);
        let mut places = [None; 3];
        // Without a flag to wait for, a hung-up descriptor would be ready for ever.
        if let Some(input) = self.input.as_ref().filter(|_| wants_input && !sendfile) {
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
        if self.draining.is_none() {
            fds.push(PollFd::new(self.stop, PollFlags::IN));
        }
        let timer = self.limits().map(|(_, _, since, after)| since.checked_add(after)).min().flatten();
        let acknowledged =
            (self.rules.send_only && self.times.input_end.is_some()).then(|| Instant::now() + ACKNOWLEDGED);
        let drained = self.draining.map(|(_, until)| until);
        let until = [timer, self.ends_at(), acknowledged, drained].into_iter().flatten().min();
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
            output_broken: !blocked && output.intersects(broken),
        })
    }

    fn read_input(&mut self) -> Result<()> {
        let Some(input) = &self.input else { return Ok(()) };
        if self.up.sendfile {
            match splice::sendfile(self.conn, input) {
                Ok(0) => self.up.state = State::Ended,
                Ok(bytes) => {
                    let now = Instant::now();
                    self.times.input = now;
                    self.told_sent(bytes, None, now);
                }
                Err(error) if would_block(&error) => {}
                Err(error) if splice::is_unsupported(&error) => self.up.sendfile = false,
                Err(source) => self.sending_failed(source),
            }
            return Ok(());
        }
        if self.up.buffer.len() < BUFFER {
            self.up.buffer.resize(BUFFER, 0);
        }
        // Whatever one read returns is one message; more than the family takes is an error, not two messages.
        let most = if self.conn.shape().kind == socket::Kind::Stream { BUFFER } else { MESSAGE };
        let bytes = match input.read(&mut self.up.buffer[..most]) {
            Ok(0) => {
                self.up.state = State::Ended;
                return Ok(());
            }
            Ok(bytes) => bytes,
            Err(error) if would_block(&error) => return Ok(()),
            Err(source) => return Err(Error::os(Phase::ReadingStdin, None, source)),
        };
        self.times.input = Instant::now();
        self.times.sent = self.times.input;
        self.up.pending = 0..bytes;
        if self.rules.crlf {
            let converted = to_crlf(&self.up.buffer[..bytes], &mut self.up.last_was_cr);
            self.up.pending = 0..converted.len();
            self.up.buffer = converted;
            self.up.buffer.resize(self.up.pending.end.max(BUFFER), 0);
        }
        self.send();
        Ok(())
    }

    /// Sends what was read, as far as there is room.
    fn send(&mut self) {
        while !self.up.pending.is_empty() {
            let bytes = &self.up.buffer[self.up.pending.clone()];
            match self.conn.send(bytes) {
                Ok(sent) => {
                    // A message goes whole or not at all.
                    let sent = if self.conn.shape().kind == socket::Kind::Stream { sent } else { bytes.len() };
                    let start = self.up.pending.start;
                    self.up.pending.start += sent;
                    let data = std::mem::take(&mut self.up.buffer);
                    self.told_sent(sent, Some(&data[start..start + sent]), Instant::now());
                    self.up.buffer = data;
                }
                Err(error) if would_block(&error) => return,
                Err(source) => return self.sending_failed(source),
            }
        }
    }

    /// What the peer sent before it broke is still worth having, so only this direction ends now. A datagram
    /// server outlives a peer that is gone.
    fn sending_failed(&mut self, source: io::Error) {
        if self.conn.is_server() && source.raw_os_error() != Some(libc::EMSGSIZE) {
            let message = format!("{} did not get an answer: {}", self.conn.peer(), crate::error::words(&source));
            self.sink.emit(Some(self.id), &Event::Warning { message: &message });
            self.up.pending = 0..0;
            return;
        }
        if self.failure.is_none() {
            let error = Error::os(Phase::Sending, Some(self.conn.peer()), source);
            self.broken(&error);
            self.failure = Some(error);
        }
        self.up.pending = 0..0;
        self.up.state = State::Closed;
        if !self.conn.has_end() {
            self.down.state = State::Ended;
        }
    }

    fn broken(&self, error: &Error) {
        if matches!(error.errno(), Some(libc::ECONNRESET | libc::EPIPE | libc::ECONNABORTED | libc::ETIMEDOUT)) {
            self.sink.emit(Some(self.id), &Event::Reset { error: &error.cause.to_string() });
        }
    }

    fn told_sent(&mut self, bytes: usize, data: Option<&[u8]>, now: Instant) {
        self.sent += bytes as u64;
        self.times.sent = now;
        self.times.progress = now;
        if self.detail >= Detail::Transfers {
            self.sink.emit(Some(self.id), &Event::Send(Payload { bytes, data }));
        }
        if let Some(data) = data {
            self.keep_copy(data);
        }
    }

    fn told_received(&mut self, bytes: usize, data: Option<&[u8]>) {
        self.received += bytes as u64;
        let now = Instant::now();
        self.times.received = now;
        self.times.progress = now;
        if self.detail >= Detail::Transfers {
            self.sink.emit(Some(self.id), &Event::Recv(Payload { bytes, data }));
        }
        if let Some(data) = data {
            self.keep_copy(data);
        }
    }

    /// A copy that cannot be written is an error at the end; what is copied goes on.
    fn keep_copy(&mut self, data: &[u8]) {
        let Some(mut copy) = self.copy else { return };
        if let Err(source) = copy.write_all(data) {
            self.copy = None;
            let error = Error::text(
                crate::error::Exit::Failed,
                Phase::File,
                None,
                format!("--output: {}", crate::error::words(&source)),
            );
            self.sink.emit(Some(self.id), &Event::Warning { message: &error.to_string() });
            self.copy_failure = Some(error);
        }
    }

    fn receive(&mut self) -> Result<Flow> {
        let outcome = match (&mut self.down.splice, &self.output) {
            (Some(lane), Some(output)) => {
                let direct = matches!(lane, SpliceDown::Direct { .. });
                let outcome = lane.fill(self.conn, output);
                match &outcome {
                    Err(error) if splice::is_unsupported(error) => {
                        self.leave_splice()?;
                        return self.receive();
                    }
                    Err(error) if direct && error.kind() == io::ErrorKind::BrokenPipe => return Ok(Flow::OutputClosed),
                    Ok(Incoming::Bytes(bytes)) => self.told_received(*bytes, None),
                    _ => {}
                }
                outcome
            }
            _ => self.receive_plainly(),
        };
        match outcome {
            Ok(Incoming::Bytes(_)) => return self.flush(),
            Ok(Incoming::Eof) => {
                self.times.peer_end.get_or_insert_with(Instant::now);
                self.down.state = State::Ended;
                self.finish_screen();
                return self.flush();
            }
            Err(error) if would_block(&error) => {}
            Err(source) => {
                let error = Error::os(Phase::Receiving, Some(self.conn.peer()), source);
                self.broken(&error);
                self.failure.get_or_insert(error);
                self.up.pending = 0..0;
                self.up.state = State::Closed;
                self.down.state = State::Ended;
                self.finish_screen();
                return self.flush();
            }
        }
        Ok(Flow::Open)
    }

    fn receive_plainly(&mut self) -> io::Result<Incoming> {
        if self.down.buffer.is_empty() {
            self.down.buffer.resize(BUFFER, 0);
        }
        let mut buffer = std::mem::take(&mut self.down.buffer);
        let outcome = self.conn.recv(&mut buffer);
        if let Ok(Incoming::Bytes(bytes)) = outcome {
            let data = &buffer[..bytes];
            self.told_received(bytes, Some(data));
            if self.close_on.is_some_and(|wanted| wanted.is(data)) {
                // It is the last one that counts: what was read of stdin still goes, then both sides end.
                if self.up.state == State::Open {
                    self.up.state = State::Ended;
                }
                self.times.peer_end.get_or_insert_with(Instant::now);
                self.down.state = State::Ended;
            }
            match (&mut self.down.screen, &self.output) {
                (_, None) => {}
                (Some(screen), _) => {
                    self.down.shown = screen.push(data).into_bytes();
                    self.down.pending = 0..self.down.shown.len();
                }
                (None, _) => self.down.pending = 0..bytes,
            }
        }
        self.down.buffer = buffer;
        outcome
    }

    /// Half a character at the end of all that comes is shown for what it is.
    fn finish_screen(&mut self) {
        if let Some(screen) = &mut self.down.screen {
            self.down.shown.drain(..self.down.pending.start);
            self.down.shown.extend_from_slice(screen.finish().as_bytes());
            self.down.pending = 0..self.down.shown.len();
        }
    }

    /// Writes what came, as far as there is room.
    fn flush(&mut self) -> Result<Flow> {
        let Some(output) = &self.output else { return Ok(Flow::Open) };
        let mut moved = false;
        let outcome = loop {
            if let Some(lane) = &mut self.down.splice {
                if let SpliceDown::Direct { full } = lane {
                    // There is room again: what stopped for it goes on in the next round.
                    *full = false;
                    break Ok(());
                }
                if !lane.is_blocked() {
                    break Ok(());
                }
                match lane.flush(output) {
                    Ok(0) => break Ok(()),
                    Ok(_) => moved = true,
                    Err(error) if splice::is_unsupported(&error) => {
                        self.leave_splice()?;
                        return self.flush();
                    }
                    Err(error) => break Err(error),
                }
                continue;
            }
            if self.down.pending.is_empty() {
                break Ok(());
            }
            let bytes = if self.down.screen.is_some() { &self.down.shown } else { &self.down.buffer };
            match output.write(&bytes[self.down.pending.clone()]) {
                Ok(written) => {
                    self.down.pending.start += written;
                    moved = true;
                    if output.must_poll() {
                        break Ok(());
                    }
                }
                Err(error) => break Err(error),
            }
        };
        if moved {
            self.times.progress = Instant::now();
        }
        match outcome {
            Ok(()) => Ok(Flow::Open),
            Err(error) if would_block(&error) => Ok(Flow::Open),
            Err(error) if is_closed(&error) => Ok(Flow::OutputClosed),
            Err(source) => Err(Error::os(Phase::WritingStdout, None, source)),
        }
    }

    /// The kernel cannot do it for this pair: the plain lane goes on where the fast one is.
    fn leave_splice(&mut self) -> Result<()> {
        if let Some(lane) = self.down.splice.take() {
            self.down.buffer = lane.take_rest().map_err(|source| Error::os(Phase::Receiving, None, source))?;
            self.down.pending = 0..self.down.buffer.len();
            self.down.buffer.resize(self.down.buffer.len().max(BUFFER), 0);
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Open,
    /// Nobody reads our stdout any more, and there was something to write: the session is over.
    OutputClosed,
}

fn would_block(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

/// The reader of our stdout is gone: a pipe says EPIPE, a socket may say that it was reset.
fn is_closed(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

/// LF becomes CR LF; a CR LF that is there already stays, also when a read ends between the two.
fn to_crlf(bytes: &[u8], last_was_cr: &mut bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 8);
    for &byte in bytes {
        if byte == b'\n' && !*last_was_cr {
            out.push(b'\r');
        }
        out.push(byte);
        *last_was_cr = byte == b'\r';
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crlf_is_made_once_whatever_the_reads() {
        let mut state = false;
        let mut out = to_crlf(b"a\r", &mut state);
        out.extend(to_crlf(b"\nb\n\n", &mut state));
        assert_eq!(out, b"a\r\nb\r\n\r\n");
    }
}
