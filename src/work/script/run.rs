//! The engine: runs commands on connections, one after another, in the thread that calls it.
//!
//! Whatever a command waits for, the wait is one poll(2) that also receives and shows what comes on every
//! connection (`wait`), so nothing arrives unseen, and ends when the program is to stop.
//!
//! What holds:
//!
//! - What came stays unread until a command takes it: `recv`, `expect` up to the end of its match, `expect-eof` and
//!   `expect-reset` all of it. What a failed command looked at stays.
//! - While an `expect` waits, unread bytes are bounded by [`Config::buffer`]: of more, those are forgotten in which its
//!   match cannot begin. While a `recv` waits, more is an error. While anything else goes on, the oldest are forgotten, which is said once, so that a peer that sends a lot neither
//!   stops a `send` to it nor uses up memory.
//! - `expect-silence` fails for anything unread too: whether a byte came just before or just after it begins is
//!   nothing that a test may hang on. A FIN or a reset is not silence either.
//! - The end of the peer, or a reset, ends a wait at once: what is unread is looked at once more before it fails.

use std::collections::HashMap;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::report::Report;
use super::slot::{Slot, State};
use super::wait::Watch;
use super::{Command, Part, Place, Script, Setting, Statement, Text, parse_file};
use crate::addr::Endpoint;
use crate::charset::Charset;
use crate::error::{Cause, Error, Exit, Fact, Phase};
use crate::event::{ConnId, Detail, Event, Sink};
use crate::net::bind::Listener;
use crate::net::conn::Conn;
use crate::net::options::{Options, Role};
use crate::net::tls::{ClientSetup, ClientTls, ServerTls};
use crate::net::track::Track;
use crate::net::via::Via;
use crate::sys::{Reason, Stop};
use crate::work::door::Door;

/// How long a command waits where nobody said.
pub const TIMEOUT: Duration = Duration::from_secs(10);
/// How many bytes may be unread, where nobody said.
pub const BUFFER: usize = 16 << 20;
/// How deep scripts may `source` scripts.
const DEPTH: usize = 16;
/// How long the end of a connection waits for the peer to take what was sent.
const CLOSING: Duration = Duration::from_millis(500);

/// How commands behave.
#[derive(Clone)]
pub struct Config {
    /// What ends the text of `send-line`: `set eol`.
    pub eol: Vec<u8>,
    /// In which the text of `send-line` is sent, where that is not UTF-8.
    pub encoding: Option<Charset>,
    /// How long a command waits that says nothing itself: `set timeout`.
    pub timeout: Duration,
    /// How many bytes may be unread on a connection.
    pub buffer: usize,
    /// Go on after a failure, and count.
    pub keep_going: bool,
    /// A pause before each command that sends, but the first.
    pub line_delay: Option<Duration>,
    /// What stands between us and the target of `open`.
    pub via: Via,
    /// Socket options for `open`.
    pub options: Options,
    /// Secures what `open` opens.
    pub tls: Option<Arc<ClientTls>>,
    /// What `starttls` does on a connection that we made, and on one that was made to us.
    pub later: (ClientSetup, Option<Arc<ServerTls>>),
    /// The address that the first connection was made to, whose name `starttls` verifies.
    pub dialled: Option<Endpoint>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            eol: b"\n".to_vec(),
            encoding: None,
            timeout: TIMEOUT,
            buffer: BUFFER,
            keep_going: false,
            line_delay: None,
            via: Via::default(),
            options: Options::new(),
            tls: None,
            later: (ClientSetup::default(), None),
            dialled: None,
        }
    }
}

/// Who shows things. None of its calls may block.
pub trait Face {
    /// What came on a connection, as it comes; a message may be empty.
    fn payload(&mut self, conn: ConnId, bytes: &[u8]);

    /// What was sent.
    fn sent(&mut self, _conn: ConnId, _bytes: &[u8]) {}

    /// An answer of `echo`, `info`, `conns`, `get`, `help` …: whole lines, without the end of the last one.
    fn say(&mut self, text: &str);

    /// `set hex`: payload as a dump from now on.
    fn hex(&mut self, _on: bool) {}

    /// What to wait for (to be writable) before more can be shown; `None` when all has been shown.
    fn blocked(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Whether so much waits to be shown that nothing more should be received.
    fn is_full(&self) -> bool {
        false
    }

    /// Shows what waits to be shown, as far as there is room.
    fn flush(&mut self) {}
}

/// What a command wants of whoever runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flow {
    /// The next command.
    Next,
    /// `quit`.
    Quit,
    /// `history`: the front end has it.
    History,
    /// `save`: to this file.
    Save(PathBuf),
}

/// Why a command came to nothing.
#[derive(Debug)]
pub enum Failure {
    /// It failed; the error knows the line.
    Failed(Error),
    /// The program is to stop.
    Stopped(Reason),
    /// Whoever runs it said that it is to end: [`Engine::interrupted_by`].
    Interrupted,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// What a script came to.
#[derive(Debug)]
pub enum Verdict {
    /// All of it worked.
    Passed,
    /// The first failure; with `keep_going`, how many there were, each of which the sink was told.
    Failed(Error),
    /// The program is to stop.
    Stopped(Reason),
}

/// What ended [`Engine::idle`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idle {
    /// The descriptor is ready.
    Woken,
    /// A connection changed its [`State`].
    Changed,
    /// The program is to stop.
    Stopped(Reason),
}

/// See the module.
pub struct Engine<'a> {
    pub(super) config: Config,
    pub(super) face: &'a mut dyn Face,
    pub(super) sink: Arc<dyn Sink>,
    pub(super) stop: Stop,
    pub(super) interrupt: Option<BorrowedFd<'a>>,
    pub(super) door: Option<(&'a Listener, &'a mut Door)>,
    pub(super) slots: Vec<Slot>,
    pub(super) current: Option<ConnId>,
    pub(super) next: ConnId,
    /// What the groups of the last match captured, by number and by name.
    pub(super) captures: HashMap<String, Vec<u8>>,
    pub(super) chunk: Vec<u8>,
    pub(super) detail: Detail,
    /// The scripts that are being run, the outermost first, each with where it stands in the file system.
    sources: Vec<PathBuf>,
    report: Option<Report>,
    pub(super) began_sending: bool,
    run: u64,
    failures: u64,
}

impl<'a> Engine<'a> {
    /// An engine without connections.
    #[must_use]
    pub fn new(config: Config, face: &'a mut dyn Face, sink: Arc<dyn Sink>, stop: Stop) -> Self {
        Self {
            detail: sink.detail(),
            config,
            face,
            sink,
            stop,
            interrupt: None,
            door: None,
            slots: Vec::new(),
            current: None,
            next: 1,
            captures: HashMap::new(),
            chunk: Vec::new(),
            sources: Vec::new(),
            report: None,
            began_sending: false,
            run: 0,
            failures: 0,
        }
    }

    /// Takes a connection that is open, which becomes the current one.
    pub fn adopt(&mut self, conn: Conn, id: ConnId, role: Role) {
        // What is over is kept only while it is the current one.
        self.slots.retain(|slot| slot.conn.is_some());
        self.slots.push(Slot::new(id, conn, role, self.config.buffer));
        self.current = Some(id);
        self.next = self.next.max(id + 1);
    }

    /// Counts on from what went over the current connection before.
    pub fn resume(&mut self, before: Released) {
        if let Some(slot) = self.slots.iter_mut().find(|slot| Some(slot.id) == self.current) {
            (slot.track, slot.sent, slot.received) = (before.track, before.sent, before.received);
        }
    }

    /// `accept` takes from this listener.
    pub fn with_listener(&mut self, listener: &'a Listener, door: &'a mut Door) {
        self.door = Some((listener, door));
    }

    /// A command that waits ends when this can be read. Whoever gave it reads it.
    pub fn interrupted_by(&mut self, fd: BorrowedFd<'a>) {
        self.interrupt = Some(fd);
    }

    /// Writes down what comes of each command.
    pub fn keep_report(&mut self) {
        self.report = Some(Report::default());
    }

    /// What was written down.
    pub fn take_report(&mut self) -> Option<Report> {
        self.report.take()
    }

    /// How commands behave.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The connection that commands are about; it may be over.
    #[must_use]
    pub fn current(&self) -> Option<&Slot> {
        self.slots.iter().find(|slot| Some(slot.id) == self.current)
    }

    /// All connections that are open, and the current one.
    #[must_use]
    pub fn conns(&self) -> &[Slot] {
        &self.slots
    }

    /// Runs a script. What it leaves open stays open: [`Engine::finish`] closes it.
    pub fn run(&mut self, script: &Script) -> Verdict {
        if let Ok(path) = std::fs::canonicalize(&script.name) {
            self.sources.push(path);
        }
        let (mut first, mut ended) = (None, Ok(()));
        for statement in &script.statements {
            match self.step(statement) {
                Ok(Flow::Next) => {}
                Ok(Flow::Quit) => break,
                Ok(Flow::History | Flow::Save(_)) => {
                    let text = "there is no typed session here: this is for the line editor";
                    let mut error = Error::text(Exit::Usage, Phase::Scripting, None, text);
                    mark(&mut error, &statement.place);
                    first.get_or_insert(error);
                }
                Err(Failure::Failed(error)) if self.config.keep_going => {
                    self.sink.fail(self.current, &error);
                    first.get_or_insert(error);
                }
                Err(Failure::Failed(error)) => first = Some(error),
                Err(Failure::Stopped(reason)) => ended = Err(Verdict::Stopped(reason)),
                Err(Failure::Interrupted) => break,
            }
            if ended.is_err() || (first.is_some() && !self.config.keep_going) {
                break;
            }
        }
        self.sources.clear();
        match (ended, first) {
            (Err(stopped), _) => stopped,
            (Ok(()), None) => Verdict::Passed,
            (Ok(()), Some(error)) if self.config.keep_going => {
                let (failed, all) = (self.failures.max(1), self.run);
                let text = format!("{failed} of {all} commands failed");
                Verdict::Failed(Error::text(error.exit, Phase::Scripting, None, text))
            }
            (Ok(()), Some(error)) => Verdict::Failed(error),
        }
    }

    /// Runs one command.
    ///
    /// # Errors
    /// When it fails, or the program is to stop.
    pub fn step(&mut self, statement: &Statement) -> Result<Flow, Failure> {
        self.check_stop()?;
        let Statement { command, place } = statement;
        // What these hold is counted by itself.
        if let Command::Repeat { times, statement } = command {
            return self.each((0..*times).map(|_| &**statement));
        }
        let begun = Instant::now();
        let mut result = self.command(command, place);
        // A failure inside of a sourced script was marked and counted there.
        let mut told = false;
        if let Err(Failure::Failed(error)) = &mut result {
            told = is_marked(error);
            mark(error, place);
        }
        let failure = if let Err(Failure::Failed(error)) = &result { Some(error).filter(|_| !told) } else { None };
        self.run += u64::from(!matches!(command, Command::Source(_)) || failure.is_some());
        self.failures += u64::from(failure.is_some());
        if let Some(report) = &mut self.report
            && (failure.is_some() || is_reported(command))
        {
            report.add(place, begun.elapsed(), failure);
        }
        result
    }

    fn command(&mut self, command: &Command, place: &Place) -> Result<Flow, Failure> {
        match command {
            Command::Send(text) => {
                let bytes = self.text(text)?;
                self.send(&bytes)?;
            }
            Command::SendHex(bytes) => self.send(bytes)?,
            Command::SendFile(path) => {
                let path = self.path(path)?;
                self.send_file(&path)?;
            }
            Command::SendLine(text) => {
                let mut bytes = self.text(text)?;
                if let Some(charset) = self.config.encoding {
                    bytes = charset.typed(bytes).map_err(usage)?;
                }
                bytes.extend_from_slice(&self.config.eol);
                self.send(&bytes)?;
            }
            Command::Recv { bytes, within } => self.recv(*bytes, *within)?,
            Command::Expect { pattern, within } => self.expect(pattern, *within, place)?,
            Command::ExpectEof { within } => self.expect_eof(*within, place)?,
            Command::ExpectReset { within } => self.expect_reset(*within, place)?,
            Command::ExpectSilence(length) => self.expect_silence(*length, place)?,
            Command::Sleep(length) => self.sleep(*length)?,
            Command::Shutdown(half) => self.shutdown(*half)?,
            Command::Starttls { within } => self.starttls(*within)?,
            Command::Close => self.close_current()?,
            Command::Reset => self.reset_current()?,
            Command::Open { address, within } => {
                let address = self.text(address)?;
                self.open(&address, *within)?;
            }
            Command::Accept { within } => self.accept(*within)?,
            Command::Use(id) => self.choose(*id)?,
            Command::Set(Setting::Eol(eol)) => self.config.eol.clone_from(eol),
            Command::Set(Setting::Timeout(timeout)) => self.config.timeout = *timeout,
            Command::Set(Setting::Hex(on)) => self.face.hex(*on),
            Command::Set(Setting::Option(name, value)) => self.set_option(name, value.as_deref())?,
            Command::Get(name) => self.get_option(name)?,
            Command::Conns => self.tell_conns(),
            Command::Info => self.tell_info()?,
            Command::Options => self.tell_options()?,
            Command::Stats => self.tell_stats()?,
            Command::Echo(text) => {
                let text = self.text(text)?;
                self.face.say(&String::from_utf8_lossy(&text));
            }
            Command::Help(topic) => self.tell_help(topic.as_deref())?,
            Command::History => return Ok(Flow::History),
            Command::Save(path) => return Ok(Flow::Save(self.path(path)?)),
            Command::Source(path) => {
                let path = self.path(path)?;
                return self.source(&path);
            }
            Command::Repeat { .. } => unreachable!("run by step"),
            Command::Quit => return Ok(Flow::Quit),
        }
        Ok(Flow::Next)
    }

    fn source(&mut self, path: &Path) -> Result<Flow, Failure> {
        let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if let Some(at) = self.sources.iter().position(|known| *known == real) {
            let ring: Vec<_> =
                self.sources[at..].iter().chain([&real]).map(|path| path.display().to_string()).collect();
            return Err(usage(format!("a script that sources itself has no end: {}", ring.join(" -> "))).into());
        }
        if self.sources.len() >= DEPTH {
            return Err(usage(format!("scripts may source scripts {DEPTH} deep, no deeper")).into());
        }
        let script = parse_file(path)?;
        self.sources.push(real);
        let outcome = self.each(&script.statements);
        self.sources.pop();
        outcome
    }

    /// Runs commands inside of another, up to the first that does not let the next one follow.
    fn each<'s>(&mut self, statements: impl IntoIterator<Item = &'s Statement>) -> Result<Flow, Failure> {
        for statement in statements {
            match self.step(statement) {
                Ok(Flow::Next) => {}
                Err(Failure::Failed(error)) if self.config.keep_going => self.sink.fail(self.current, &error),
                other => return other,
            }
        }
        Ok(Flow::Next)
    }

    /// Receives, and shows, until `wake` can be read, a connection changes its state, or the program is to stop.
    ///
    /// # Errors
    /// Those of poll(2).
    pub fn idle(&mut self, wake: BorrowedFd<'_>) -> io::Result<Idle> {
        loop {
            match self.turn(None, Watch { wake: Some(wake), ..Watch::default() }) {
                Ok(turn) if turn.changed => return Ok(Idle::Changed),
                Ok(turn) if turn.wake => return Ok(Idle::Woken),
                Ok(_) => {}
                Err(Failure::Stopped(reason)) => return Ok(Idle::Stopped(reason)),
                Err(Failure::Interrupted) => return Ok(Idle::Woken),
                Err(Failure::Failed(error)) => return Err(io::Error::other(error.to_string())),
            }
        }
    }

    /// Closes every connection in order, and shows what is still to be shown.
    ///
    /// # Errors
    /// When the program is to stop, before all was shown.
    pub fn finish(&mut self) -> Result<(), Failure> {
        let open: Vec<ConnId> = self.slots.iter().filter(|slot| slot.conn.is_some()).map(|slot| slot.id).collect();
        let mut outcome = Ok(());
        for id in open {
            if outcome.is_ok() {
                outcome = self.drain(id);
            }
            self.close(id);
        }
        outcome?;
        self.show_all()
    }

    /// Hands the current connection on, with its number and what went over it. What came was shown already.
    pub fn release(&mut self) -> Option<(ConnId, Conn, Released)> {
        let nth = self.slots.iter().position(|slot| Some(slot.id) == self.current)?;
        let slot = &mut self.slots[nth];
        if slot.broken.is_some() {
            return None;
        }
        let conn = slot.conn.take()?;
        let slot = self.slots.remove(nth);
        Some((slot.id, conn, Released { track: slot.track, sent: slot.sent, received: slot.received }))
    }

    /// Says that no more comes, and gives the peer a moment to take what was sent: a close with unread bytes is a
    /// reset, which can overtake our last words.
    pub(super) fn drain(&mut self, id: ConnId) -> Result<(), Failure> {
        let until = Instant::now() + CLOSING;
        let open = self.slots.iter_mut().find(|slot| slot.id == id && slot.broken.is_none());
        if let Some(Slot { conn: Some(conn), track, we_ended: we_ended @ false, .. }) = open
            && conn.has_end()
        {
            track.ending(conn);
            if conn.shutdown_write().is_ok() {
                *we_ended = true;
                self.sink.emit(Some(id), &Event::Shutdown { direction: "write" });
            }
        }
        let mut look = true;
        while let Some(slot) = self.open_slot(id)
            && (look || slot.conn.as_ref().is_some_and(|conn| conn.has_end() && !conn.is_all_acknowledged()))
        {
            if Instant::now() >= until {
                break;
            }
            let pause = if look { Instant::now() } else { (Instant::now() + Duration::from_millis(2)).min(until) };
            look = self.turn(Some(pause), Watch { skip: Some(id), ..Watch::default() })?.moved;
        }
        Ok(())
    }

    fn open_slot(&self, id: ConnId) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.id == id && slot.conn.is_some() && slot.broken.is_none())
    }

    /// Closes a connection and says so.
    pub(super) fn close(&mut self, id: ConnId) {
        let Some(slot) = self.slots.iter_mut().find(|slot| slot.id == id && slot.conn.is_some()) else { return };
        slot.remember_peer();
        let course = slot.conn.as_ref().filter(|_| self.sink.is_curious());
        let course = course.map(|conn| slot.track.last_course(conn, slot.sent, slot.received));
        slot.conn = None;
        slot.closed = Some(Instant::now());
        let reason = slot.broken.as_ref().map_or(Exit::Ok, |(_, exit)| *exit).name();
        let (sent, received, duration) = (slot.sent, slot.received, slot.age());
        self.sink.emit(Some(id), &Event::Closed { reason, sent, received, duration, course: course.as_ref() });
    }

    /// Where the current connection stands in the list.
    pub(super) fn nth(&self) -> Result<usize, Error> {
        let nth = self.slots.iter().position(|slot| Some(slot.id) == self.current);
        nth.ok_or_else(|| Error::text(Exit::Failed, Phase::Scripting, None, "no connection is open"))
    }

    /// The same, for a command that needs it to be open.
    pub(super) fn nth_open(&self) -> Result<usize, Error> {
        let nth = self.nth()?;
        let slot = &self.slots[nth];
        if slot.conn.is_some() {
            return Ok(nth);
        }
        let state = if slot.state() == State::Reset { "was reset" } else { "is closed" };
        let text = format!("the connection {state}; `open` makes another one");
        Err(Error::text(Exit::Failed, Phase::Scripting, Some(slot.peer()), text))
    }

    /// The bytes of a text, with what was captured.
    pub(super) fn text(&self, text: &Text) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        for part in &text.0 {
            match part {
                Part::Bytes(plain) => bytes.extend_from_slice(plain),
                Part::Capture(name) => match self.captures.get(name) {
                    Some(captured) => bytes.extend_from_slice(captured),
                    None if self.captures.is_empty() => {
                        return Err(usage(format!("${{{name}}}: no expression has matched yet")));
                    }
                    None => {
                        let mut known: Vec<&str> = self.captures.keys().map(String::as_str).collect();
                        known.sort_unstable();
                        let known = known.join(", ");
                        return Err(usage(format!(
                            "${{{name}}}: the last expression has no such group; it captured {known}"
                        )));
                    }
                },
            }
        }
        Ok(bytes)
    }

    /// A path of a script, from where the script stands.
    fn path(&self, text: &Text) -> Result<PathBuf, Error> {
        use std::os::unix::ffi::OsStringExt as _;
        let path = PathBuf::from(std::ffi::OsString::from_vec(self.text(text)?));
        match self.sources.last().and_then(|source| source.parent()) {
            Some(base) if path.is_relative() => Ok(base.join(path)),
            _ => Ok(path),
        }
    }
}

/// What went over a connection before it was handed on.
#[derive(Debug, Clone)]
pub struct Released {
    /// What is remembered of it.
    pub track: Track,
    /// Bytes sent.
    pub sent: u64,
    /// Bytes received.
    pub received: u64,
}

/// A mistake in the script: exit 2.
pub(super) fn usage(text: String) -> Error {
    Error::text(Exit::Usage, Phase::Scripting, None, text)
}

fn is_marked(error: &Error) -> bool {
    error.facts.iter().any(|fact| matches!(fact, Fact::Line { .. }))
}

/// Marks the line, unless a sourced script's own is marked.
fn mark(error: &mut Error, place: &Place) {
    // Here it is no argument of the command line.
    if error.phase == Phase::Arguments && matches!(error.cause, Cause::Text(_)) {
        error.phase = Phase::Scripting;
    }
    if !is_marked(error) {
        let Place { script, line, text, at } = place.clone();
        error.facts.insert(0, Fact::Line { script, line, text, at });
    }
}

/// What can fail is a case of its own in a report; what only tells or sets is not.
fn is_reported(command: &Command) -> bool {
    !matches!(
        command,
        Command::Echo(_)
            | Command::Help(_)
            | Command::History
            | Command::Conns
            | Command::Info
            | Command::Options
            | Command::Stats
            | Command::Use(_)
            | Command::Sleep(_)
            | Command::Source(_)
            | Command::Quit
            | Command::Set(Setting::Eol(_) | Setting::Timeout(_) | Setting::Hex(_))
    )
}
