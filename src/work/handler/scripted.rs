//! A script in the place of a person: its commands talk, and what comes goes to standard output as it comes.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::stdio::{Sessions, exit, stopped, verdict};
use crate::charset::Charset;
use crate::error::{Error, Exit, Phase, Result};
use crate::event::{ConnId, Sink};
use crate::net::bind::{Bound, Listener};
use crate::net::conn::Conn;
use crate::net::options::Role;
use crate::sys::Stop;
use crate::text::{Direction, Dumps, Visible};
use crate::work::diag;
use crate::work::door::Door;
use crate::work::local::Kind;
pub use crate::work::local::Output;
use crate::work::pump::End;
use crate::work::script::report::Report;
use crate::work::script::run::{Config, Engine, Face, Failure, Released, Verdict};
use crate::work::script::{Command, Script, Statement};

/// How much may wait for a slow reader of standard output before nothing more is received, in bytes.
const WAITING: usize = 1 << 20;

/// The form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportKind {
    /// Test Anything Protocol.
    Tap,
    /// JUnit's XML.
    Junit,
}

/// Where a report goes, and in which form.
#[derive(Debug)]
pub struct ReportTo {
    /// The form.
    pub kind: ReportKind,
    /// The file and its path; without one it is said on standard error.
    pub file: Option<(File, PathBuf)>,
}

impl ReportTo {
    /// Opens the file, so that it is known before anything is done for the report that it can be written. What is in
    /// it stays until then.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn open(kind: ReportKind, path: Option<&Path>) -> Result<Self> {
        let open = |path: &Path| match File::options().write(true).create(true).truncate(false).open(path) {
            Ok(file) => Ok((file, path.to_owned())),
            Err(source) => Err(Error::file("--report", path, &source)),
        };
        Ok(Self { kind, file: path.map(open).transpose()? })
    }

    fn write(mut file: &File, text: &str) -> io::Result<()> {
        if file.metadata()?.is_file() {
            file.rewind()?;
            file.set_len(0)?;
        }
        file.write_all(text.as_bytes())
    }
}

/// See the module.
pub struct Scripted<'s> {
    /// What to run.
    pub script: Script,
    /// How its commands behave.
    pub config: Config,
    /// Where the payload goes, if anywhere.
    pub output: Option<&'s Output<'static>>,
    /// Show control bytes to a terminal as they are.
    pub raw: bool,
    /// A file for the bytes of both directions (`--output`).
    pub copy: Option<File>,
    /// Whether to write down what comes of each command, and where to.
    pub report: Option<ReportTo>,
    /// What the script says (`echo`, `info`): floor 3 does not print.
    pub say: fn(&str),
    /// Is told.
    pub sink: Arc<dyn Sink>,
    /// Ends it.
    pub stop: Stop,
}

/// What goes on with a connection when the script has passed.
pub type Then<'t> = &'t dyn Fn(Handed<'_>) -> End;

/// A connection that is handed on.
pub struct Handed<'d> {
    /// The connection.
    pub conn: Conn,
    /// Its number.
    pub id: ConnId,
    /// Whether we connected, or the peer did.
    pub role: Role,
    /// What went over it before.
    pub before: Option<Released>,
    /// Where more connections can be taken from.
    pub door: Option<(&'d Listener, &'d mut Door)>,
}

impl Handed<'_> {
    /// A connection on which nobody has talked.
    #[must_use]
    pub fn new(conn: Conn, id: ConnId, role: Role) -> Self {
        Self { conn, id, role, before: None, door: None }
    }
}

impl Scripted<'_> {
    /// Runs the script on one connection, and writes the report.
    ///
    /// # Errors
    /// When the report cannot be written.
    pub fn run(&self, conn: Conn, id: ConnId, then: Option<Then<'_>>) -> Result<End> {
        let mut report = Report::default();
        let end = self.session(conn, id, Role::Client, None, &mut report, then);
        self.write(&report)?;
        Ok(end)
    }

    fn session<'d>(
        &self,
        conn: Conn,
        id: ConnId,
        role: Role,
        mut door: Option<(&'d Listener, &'d mut Door)>,
        report: &mut Report,
        then: Option<Then<'_>>,
    ) -> End {
        let mut screen = Screen::new(self.output, self.raw, self.copy.as_ref(), self.say).encoded(self.config.encoding);
        let mut engine = Engine::new(self.config.clone(), &mut screen, self.sink.clone(), self.stop.clone());
        engine.adopt(conn, id, role);
        if let Some((listener, door)) = &mut door {
            engine.with_listener(listener, door);
        }
        if self.report.is_some() {
            engine.keep_report();
        }
        let verdict = engine.run(&self.script);
        if let Some(own) = engine.take_report() {
            report.append(own);
        }
        let mut released = None;
        if then.is_some() && matches!(verdict, Verdict::Passed) {
            released = engine.release();
        }
        let finished = engine.finish();
        let failure = screen.failure.take();
        let end = match (verdict, finished) {
            (Verdict::Stopped(reason), _) | (_, Err(Failure::Stopped(reason))) => End::Stopped(reason),
            (Verdict::Failed(error), _) | (_, Err(Failure::Failed(error))) => End::Failed(error),
            (Verdict::Passed, _) => match failure {
                Some(error) => End::Failed(error),
                None => End::Finished,
            },
        };
        match (end, released, then) {
            (End::Finished, Some((id, conn, before)), Some(then)) => {
                then(Handed { conn, id, role, before: Some(before), door })
            }
            (end, ..) => end,
        }
    }

    /// Runs the script for one session after another.
    ///
    /// # Errors
    /// Those of the listener and of the report; of the session, where there is to be just one.
    pub fn serve(&self, bound: Bound, mut door: Door, sessions: Sessions, then: Option<Then<'_>>) -> Result<Exit> {
        let mut report = Report::default();
        let outcome = match bound {
            Bound::Listener(listener) => self.serve_connections(listener, &mut door, sessions, &mut report, then),
            Bound::Session(conn) => match door.take(conn, &self.stop)? {
                Some((id, conn)) => verdict(self.session(conn, id, Role::Accepted, None, &mut report, then)),
                None => Ok(stopped(&self.stop)),
            },
            Bound::Datagrams(datagrams) => {
                let (conn, file) = door.answering(datagrams)?;
                let end = self.session(conn, 1, Role::Listener, None, &mut report, then);
                drop(file);
                verdict(end)
            }
        };
        self.write(&report)?;
        outcome
    }

    fn serve_connections(
        &self,
        listener: Listener,
        door: &mut Door,
        sessions: Sessions,
        report: &mut Report,
        then: Option<Then<'_>>,
    ) -> Result<Exit> {
        let accepts = self.script.statements.iter().any(may_accept);
        let mut listener = Some(listener);
        let last = if sessions.keep_open { sessions.count } else { Some(1) };
        let mut begun = 0;
        while let Some(open) = &listener {
            let Some((id, conn)) = door.wait(open, sessions.accept_timeout, &self.stop, sessions.keep_open)? else {
                return Ok(stopped(&self.stop));
            };
            begun += 1;
            let is_last = last.is_some_and(|last| begun >= last);
            if is_last && !accepts && then.is_none() {
                // The next client is refused at once, instead of waiting in a queue that nobody looks at.
                listener = None;
            }
            let lent = listener.as_ref().map(|listener| (listener, &mut *door));
            match self.session(conn, id, Role::Accepted, lent, report, then) {
                End::Finished => {}
                End::OutputClosed => return Ok(Exit::Ok),
                End::Stopped(reason) => return Ok(exit(reason)),
                End::Failed(error) if !sessions.keep_open || error.phase == Phase::WritingStdout => return Err(error),
                End::Failed(mut error) => {
                    diag::enrich(&mut error);
                    self.sink.fail(Some(id), &error);
                }
            }
            if is_last {
                break;
            }
        }
        Ok(Exit::Ok)
    }

    fn write(&self, report: &Report) -> Result<()> {
        let Some(ReportTo { kind, file }) = &self.report else { return Ok(()) };
        let text = match kind {
            ReportKind::Tap => report.tap(),
            ReportKind::Junit => report.junit(),
        };
        let Some((file, path)) = file else {
            (self.say)(&text);
            return Ok(());
        };
        ReportTo::write(file, &text).map_err(|source| Error::file("--report", path, &source))
    }
}

/// Whether it may come to need the listener.
fn may_accept(statement: &Statement) -> bool {
    match &statement.command {
        Command::Accept { .. } | Command::Source(_) => true,
        Command::Repeat { statement, .. } => may_accept(statement),
        _ => false,
    }
}

/// Standard output as a script's face. It never blocks: what there is no room for waits here.
pub struct Screen<'a> {
    output: Option<&'a Output<'a>>,
    copy: Option<&'a File>,
    say: fn(&str),
    /// What waits to be written, from `written` on.
    waiting: Vec<u8>,
    written: usize,
    /// For a terminal: what is safe to show, of each connection by itself.
    visible: Option<HashMap<ConnId, Visible>>,
    encoding: Option<Charset>,
    /// `set hex`.
    hex: Option<Dumps>,
    failure: Option<Error>,
}

impl<'a> Screen<'a> {
    /// Without `output` no payload is shown. `say` gets what commands tell.
    #[must_use]
    pub fn new(output: Option<&'a Output<'a>>, raw: bool, copy: Option<&'a File>, say: fn(&str)) -> Self {
        let terminal = output.as_ref().is_some_and(|output| output.kind() == Kind::Terminal) && !raw;
        Self {
            output,
            copy,
            say,
            waiting: Vec::new(),
            written: 0,
            visible: terminal.then(HashMap::new),
            encoding: None,
            hex: None,
            failure: None,
        }
    }

    /// The same for text in another encoding.
    #[must_use]
    pub fn encoded(self, encoding: Option<Charset>) -> Self {
        Self { encoding, ..self }
    }

    fn show(&mut self, bytes: &[u8]) {
        let Some(output) = self.output else { return };
        let at_once = !output.must_poll();
        self.waiting.extend_from_slice(bytes);
        if at_once {
            self.flush();
        }
    }

    fn dump(&mut self, conn: ConnId, direction: Direction, bytes: &[u8]) {
        let Some(dumps) = &mut self.hex else { return };
        let text = dumps.next(conn, direction, bytes, "");
        self.show(text.as_bytes());
    }

    fn keep_copy(&mut self, bytes: &[u8]) {
        let Some(mut copy) = self.copy else { return };
        if let Err(source) = copy.write_all(bytes) {
            self.copy = None;
            self.failure.get_or_insert(Error::file("--output", Path::new(""), &source));
        }
    }
}

impl Face for Screen<'_> {
    fn payload(&mut self, conn: ConnId, bytes: &[u8]) {
        self.keep_copy(bytes);
        if self.output.is_none() {
            return;
        }
        if self.hex.is_some() {
            self.dump(conn, Direction::Received, bytes);
        } else if let Some(visible) = &mut self.visible {
            let text = visible.entry(conn).or_insert_with(|| Visible::of(self.encoding)).push(bytes);
            self.show(text.as_bytes());
        } else {
            self.show(bytes);
        }
    }

    fn sent(&mut self, conn: ConnId, bytes: &[u8]) {
        self.keep_copy(bytes);
        self.dump(conn, Direction::Sent, bytes);
    }

    fn say(&mut self, text: &str) {
        (self.say)(&format!("{text}\n"));
    }

    fn hex(&mut self, on: bool) {
        self.hex = on.then(|| self.hex.take().unwrap_or_default());
    }

    fn blocked(&self) -> Option<BorrowedFd<'_>> {
        let output = self.output?;
        (self.written < self.waiting.len()).then(|| output.as_fd())
    }

    fn is_full(&self) -> bool {
        self.waiting.len() - self.written > WAITING
    }

    fn flush(&mut self) {
        let Some(output) = self.output else { return };
        while self.written < self.waiting.len() {
            match output.write(&self.waiting[self.written..]) {
                Ok(bytes) => self.written += bytes,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    // A reader that left is no failure; the script's own verdict counts.
                    if !matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) {
                        self.failure.get_or_insert(Error::os(Phase::WritingStdout, None, error));
                    }
                    self.waiting.clear();
                    self.written = 0;
                    self.output = None;
                    return;
                }
            }
            if output.must_poll() {
                break;
            }
        }
        if self.written == self.waiting.len() {
            self.waiting.clear();
            self.written = 0;
        } else if self.written > WAITING {
            self.waiting.drain(..self.written);
            self.written = 0;
        }
    }
}
