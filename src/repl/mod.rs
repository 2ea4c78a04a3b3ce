//! A person at a connection: a line that is typed is sent, a line that begins with `/` is a command of the script
//! language, and what comes is shown above the line being typed.
//!
//! This thread runs the engine, which receives and shows while nothing is typed; another one reads lines (`editor`,
//! or `plain` without a terminal) and hands them over, one at a time.

pub mod chat;
mod complete;
mod editor;
mod face;
mod history;
mod keys;
mod plain;
mod printer;
mod prompt;
mod record;

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::complete::Known;
use self::face::{Kept, Screen};
use self::keys::INTERRUPT;
use self::prompt::prompt;
use self::record::Record;
use crate::error::{Error, Exit, Phase, Result};
use crate::event::{ConnId, Sink};
use crate::net::bind::Bound;
use crate::net::options::Role;
use crate::net::socket::Kind;
use crate::sys::{Reason, Stop};
use crate::work::diag;
use crate::work::door::Door;
use crate::work::handler::scripted::{Handed, Output};
use crate::work::handler::stdio::{Show, stopped, verdict};
use crate::work::pump::End;
use crate::work::script::run::{Config, Engine, Face, Failure, Flow, Idle};
use crate::work::script::slot::State;
use crate::work::script::{self, Command, Half, Part, Place, Statement, Text, needs_more, parse_command};

/// What errors call what was typed.
const TYPED: &str = "typed";

/// After the end of input, how long a datagram peer is waited for that says nothing: datagrams have no end.
const QUIET: Duration = Duration::from_secs(1);

/// What talking through a line editor needs.
pub struct Repl<'a> {
    /// How commands behave.
    pub config: Config,
    /// Sent first, to whoever connects.
    pub greeting: Option<&'a [u8]>,
    /// What of the payload is shown.
    pub show: Show,
    /// Show control bytes to a terminal as they are.
    pub raw: bool,
    /// A file for the bytes of both directions (`--output`).
    pub copy: Option<&'a File>,
    /// Is told.
    pub sink: Arc<dyn Sink>,
    /// Ends it.
    pub stop: Stop,
}

/// What a person does.
enum Typed {
    /// A line; several, where they were pasted, or a quote was open.
    Line(String),
    /// A line that is not UTF-8.
    Bytes(Vec<u8>),
    /// Ctrl-D, or the end of standard input.
    End,
    /// Ctrl-C; whether there was nothing typed.
    Interrupt { empty: bool },
    /// Nothing more can be read.
    Failed(String),
}

/// Where lines come from.
trait Front {
    /// What was typed, if anything was.
    fn typed(&mut self) -> Option<Typed>;
    /// It was dealt with: the next one may be read.
    fn go_on(&mut self);
    /// How things are: the prompt, and what can be completed.
    fn situation(&mut self, prompt: String, known: Known);
    /// Whether the interrupt that came was made by the front itself.
    fn is_own_interrupt(&mut self) -> bool;
    /// Says something, in whole lines.
    fn note(&mut self, text: &str);
    /// What was typed, the oldest first.
    fn history(&self) -> Vec<String>;
}

/// Whether it goes on.
enum Next {
    On,
    /// What was typed together with it is not run any more.
    Dropped,
    Leave(End),
}

impl Repl<'_> {
    /// Waits for somebody, where the server is one for connections, and talks.
    ///
    /// # Errors
    /// Those of the listener.
    pub fn serve(&self, bound: Bound, mut door: Door, accept_timeout: Option<Duration>) -> Result<Exit> {
        match bound {
            Bound::Listener(listener) => {
                let Some((id, conn)) = door.wait(&listener, accept_timeout, &self.stop, false)? else {
                    return Ok(stopped(&self.stop));
                };
                let door = Some((&listener, &mut door));
                verdict(self.talk(Handed { conn, id, role: Role::Accepted, before: None, door }))
            }
            Bound::Datagrams(datagrams) => {
                let (conn, file) = door.answering(datagrams)?;
                let end = self.talk(Handed { conn, id: 1, role: Role::Listener, before: None, door: None });
                drop(file);
                verdict(end)
            }
            Bound::Session(conn) => match door.take(conn, &self.stop)? {
                Some((id, conn)) => verdict(self.talk(Handed::new(conn, id, Role::Accepted))),
                None => Ok(stopped(&self.stop)),
            },
        }
    }

    /// Talks until the person leaves, or the program is to stop.
    pub fn talk(&self, handed: Handed<'_>) -> End {
        self.session(handed).unwrap_or_else(End::Failed)
    }

    fn session(&self, handed: Handed<'_>) -> Result<End> {
        let opening = |source| Error::os(Phase::Opening, None, source);
        let (wake, waker) = UnixStream::pair().map_err(opening)?;
        wake.set_nonblocking(true).map_err(opening)?;
        waker.set_nonblocking(true).map_err(opening)?;
        let record = Rc::new(RefCell::new(Record::default()));
        let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb" || term == "cons25");
        let typed_at = io::stdin().is_terminal();
        let terminal = typed_at && io::stdout().is_terminal() && !dumb;
        let interrupt = if typed_at { Some(self.stop.spare_interrupt().map_err(opening)?) } else { None };

        let stdout = io::stdout();
        let output = (!terminal && self.show == Show::Payload).then(|| Output::new(stdout.as_fd()));
        let (mut front, face): (Box<dyn Front>, Box<dyn Face + '_>) = if terminal {
            let printer = printer::Printer::new();
            let terminal = editor::Terminal::take(&printer, waker).map_err(opening)?;
            let screen = Screen {
                printer,
                show: self.show == Show::Payload,
                raw: self.raw,
                encoding: self.config.encoding,
                copy: self.copy,
                filters: HashMap::new(),
                hex: None,
            };
            (Box::new(terminal), Box::new(screen))
        } else {
            let screen =
                crate::work::handler::scripted::Screen::new(output.as_ref(), self.raw, self.copy, crate::out::say)
                    .encoded(self.config.encoding);
            (Box::new(plain::Plain::take(waker)), Box::new(screen))
        };
        let mut face = Kept { face, record: record.clone() };
        let mut engine = Engine::new(self.config.clone(), &mut face, self.sink.clone(), self.stop.clone());
        let Handed { conn, id, role, before, door } = handed;
        engine.adopt(conn, id, role);
        // A script that ran before has greeted.
        let greeting = self.greeting.filter(|_| before.is_none() && role == Role::Accepted);
        if let Some(before) = before {
            engine.resume(before);
        }
        if let Some((listener, door)) = door {
            engine.with_listener(listener, door);
        }
        if let Some(interrupt) = &interrupt {
            engine.interrupted_by(interrupt.as_fd());
        }
        let mut session = Session {
            repl: self,
            greeting,
            front: &mut *front,
            record,
            first: id,
            states: HashMap::new(),
            addresses: Vec::new(),
            ended: None,
            quiet: None,
            interrupts: 0,
            lines: 0,
            terminal,
        };
        let end = session.run(&mut engine, &wake, interrupt.as_ref());
        // The terminal is given back before the last words.
        drop(front);
        match engine.finish() {
            Err(Failure::Stopped(reason)) if matches!(end, End::Finished) => Ok(End::Stopped(reason)),
            _ => Ok(end),
        }
    }
}

struct Session<'s> {
    repl: &'s Repl<'s>,
    greeting: Option<&'s [u8]>,
    front: &'s mut dyn Front,
    record: Rc<RefCell<Record>>,
    /// The connection with which it began.
    first: ConnId,
    /// How far each connection was when it was last looked at.
    states: HashMap<ConnId, State>,
    addresses: Vec<String>,
    /// The connection whose our side Ctrl-D has ended.
    ended: Option<ConnId>,
    /// Datagrams: until when, unless something comes, and how much had come.
    quiet: Option<u64>,
    /// How often Ctrl-C came in a row, with nothing typed.
    interrupts: u32,
    lines: usize,
    terminal: bool,
}

impl Session<'_> {
    fn run(&mut self, engine: &mut Engine<'_>, wake: &UnixStream, interrupt: Option<&UnixStream>) -> End {
        self.look(engine);
        if let Some(greeting) = self.greeting
            && let Next::Leave(end) = self.step(&script::greeting(greeting), engine)
        {
            return end;
        }
        self.front.go_on();
        loop {
            if let Next::Leave(end) = self.look(engine) {
                return end;
            }
            if let Some(received) = self.quiet.take() {
                return self.wait_for_quiet(engine, received);
            }
            match engine.idle(wake.as_fd()) {
                Ok(Idle::Stopped(reason)) => return End::Stopped(reason),
                Ok(Idle::Changed) => continue,
                Ok(Idle::Woken) => {}
                Err(source) => return End::Failed(Error::os(Phase::Waiting, None, source)),
            }
            drain(wake);
            let mut typed = self.front.typed();
            if interrupt.is_some_and(drain) && !self.front.is_own_interrupt() && typed.is_none() {
                // It came between two lines, or there is no editor to take it.
                match self.interrupted(true) {
                    Next::Leave(end) => return end,
                    _ => continue,
                }
            }
            while let Some(what) = typed {
                let next = match what {
                    Typed::Line(text) => self.line(&text, engine, interrupt),
                    Typed::Bytes(bytes) => self.bytes(bytes, engine),
                    Typed::End => self.end(engine),
                    Typed::Interrupt { empty } => self.interrupted(empty),
                    Typed::Failed(text) => self.failed(text),
                };
                if let Next::Leave(end) = next {
                    return end;
                }
                // The next prompt is the one that holds now.
                if let Next::Leave(end) = self.look(engine) {
                    return end;
                }
                self.front.go_on();
                typed = self.front.typed();
            }
        }
    }

    /// Says what has changed, and tells the front how things are.
    fn look(&mut self, engine: &Engine<'_>) -> Next {
        let mut known = Known::default();
        for slot in engine.conns() {
            let state = slot.state();
            let before = self.states.insert(slot.id, state);
            if before.is_none() {
                let address = slot.peer().to_string();
                if slot.role == Role::Client && !self.addresses.contains(&address) {
                    self.addresses.push(address);
                }
                if slot.shape.kind != Kind::Stream {
                    self.record.borrow_mut().has_messages(slot.id);
                }
            }
            known.conns.push(slot.id);
            if before == Some(state) {
                continue;
            }
            let peer_ended = |state| matches!(state, State::HalfClosed(true) | State::Ended);
            let number = if engine.conns().len() > 1 { format!("#{} ", slot.id) } else { String::new() };
            if peer_ended(state) && !before.is_some_and(peer_ended) {
                self.record.borrow_mut().ended(slot.id, false);
                self.note(&format!("[{number}the peer has ended]"));
            } else if state == State::Reset
                && let Some(why) = slot.broken()
                && !slot.was_reset_by_us()
            {
                self.record.borrow_mut().ended(slot.id, true);
                self.note(&format!("[{number}the connection broke: {why}]"));
            }
        }
        let next = self.may_leave(engine);
        if matches!(next, Next::On) {
            known.addresses.clone_from(&self.addresses);
            self.front.situation(prompt(engine), known);
        }
        next
    }

    /// Who has pressed Ctrl-D waits for the peer's last words, and no longer.
    fn may_leave(&self, engine: &Engine<'_>) -> Next {
        let Some(ended) = self.ended else { return Next::On };
        let Some(slot) = engine.conns().iter().find(|slot| slot.id == ended) else { return Next::Leave(End::Finished) };
        match slot.state() {
            State::Ended | State::Closed => Next::Leave(End::Finished),
            State::Reset => {
                let why = slot.broken().unwrap_or_default().to_owned();
                Next::Leave(End::Failed(Error::text(Exit::Reset, Phase::Receiving, Some(slot.peer()), why)))
            }
            _ => Next::On,
        }
    }

    fn note(&mut self, text: &str) {
        if self.terminal {
            self.front.note(text);
        }
    }

    fn line(&mut self, text: &str, engine: &mut Engine<'_>, interrupt: Option<&UnixStream>) -> Next {
        self.interrupts = 0;
        let (units, _) = units(text);
        for unit in units {
            self.lines += 1;
            // An interrupt from before is not meant for this one.
            if let Some(interrupt) = interrupt {
                drain(interrupt);
                let _ = self.front.is_own_interrupt();
            }
            match self.unit(&unit, engine) {
                Next::On => {}
                Next::Dropped => {
                    if let Some(interrupt) = interrupt {
                        drain(interrupt);
                    }
                    break;
                }
                leave @ Next::Leave(_) => return leave,
            }
        }
        Next::On
    }

    fn unit(&mut self, unit: &str, engine: &mut Engine<'_>) -> Next {
        let statement = if is_command(unit) {
            match parse_command(TYPED, self.lines, &unit[1..]) {
                Ok(Some(statement)) => statement,
                Ok(None) => {
                    self.note("[/help lists the commands; // sends a line that begins with /]");
                    return Next::On;
                }
                Err(error) => {
                    self.complain(engine, error.into());
                    return Next::On;
                }
            }
        } else {
            let text = unit.strip_prefix('/').unwrap_or(unit);
            return self.bytes(text.as_bytes().to_vec(), engine);
        };
        self.step(&statement, engine)
    }

    /// Sends a line.
    fn bytes(&mut self, bytes: Vec<u8>, engine: &mut Engine<'_>) -> Next {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let statement = self.statement(Command::SendLine(Text(vec![Part::Bytes(bytes)])), text);
        self.step(&statement, engine)
    }

    /// A command that was not typed as one.
    fn statement(&self, command: Command, text: String) -> Statement {
        let place = Place { script: TYPED.to_owned(), line: self.lines, at: 0..text.len(), text };
        Statement { command, place }
    }

    fn step(&mut self, statement: &Statement, engine: &mut Engine<'_>) -> Next {
        let before = engine.current().map(|slot| slot.id);
        let eol = matches!(statement.command, Command::SendLine(_)).then(|| engine.config().eol.clone());
        self.record.borrow_mut().begin(eol.as_deref());
        let outcome = engine.step(statement);
        match outcome {
            Ok(flow) => {
                let after = engine.current().map(|slot| slot.id);
                let text = statement.place.text.get(statement.place.at.clone()).unwrap_or_default();
                self.record.borrow_mut().passed(&statement.command, text, before, after);
                match flow {
                    Flow::Next => {}
                    Flow::Quit => return Next::Leave(End::Finished),
                    Flow::History => {
                        let history = self.front.history();
                        self.front.note(&history.join("\n"));
                    }
                    Flow::Save(path) => {
                        if let Err(error) = self.save(&path, engine) {
                            self.complain(engine, error);
                        }
                    }
                }
            }
            Err(Failure::Failed(error)) => self.complain(engine, error),
            Err(Failure::Interrupted) => {
                self.note("[interrupted]");
                return Next::Dropped;
            }
            Err(Failure::Stopped(reason)) => return Next::Leave(End::Stopped(reason)),
        }
        Next::On
    }

    /// A failure is told, and nothing ends.
    fn complain(&self, engine: &Engine<'_>, mut error: Error) {
        diag::enrich(&mut error);
        self.repl.sink.fail(engine.current().map(|slot| slot.id), &error);
    }

    fn save(&mut self, path: &Path, engine: &Engine<'_>) -> Result<()> {
        let role = engine.conns().iter().find(|slot| slot.id == self.first).map(|slot| slot.role);
        let command = if role.is_none_or(|role| role == Role::Client) { "connect" } else { "listen" };
        let title = format!("A session, to be run again with: sockkit {command} --script FILE ADDRESS");
        let script = self.record.borrow().script(&title, Some(self.first), &self.repl.config.eol);
        std::fs::write(path, script).map_err(|source| Error::file("", path, &source))?;
        self.note(&format!("[saved to {}]", crate::text::visible_line(&path.display().to_string())));
        Ok(())
    }

    /// Ctrl-D: our side ends. A second time, or when there is nothing to end, it leaves.
    fn end(&mut self, engine: &mut Engine<'_>) -> Next {
        self.interrupts = 0;
        let Some(slot) = engine.current() else { return Next::Leave(End::Finished) };
        let (id, received, kind) = (slot.id, slot.received, slot.shape.kind);
        match slot.state() {
            State::Open if kind == Kind::Dgram => {
                if self.terminal {
                    return Next::Leave(End::Finished);
                }
                self.quiet = Some(received);
                Next::On
            }
            State::Open => {
                let statement = self.statement(Command::Shutdown(Half::Write), "shutdown write".to_owned());
                self.ended = Some(id);
                let next = self.step(&statement, engine);
                self.note("[our side has ended; Ctrl-D again leaves]");
                next
            }
            // Its end was asked for by a command; a pipe that ends waits for the peer all the same.
            State::HalfClosed(false) if !self.terminal && self.ended.is_none() => {
                self.ended = Some(id);
                Next::On
            }
            _ => Next::Leave(End::Finished),
        }
    }

    fn interrupted(&mut self, empty: bool) -> Next {
        self.interrupts = if empty { self.interrupts + 1 } else { 0 };
        match self.interrupts {
            0 => {}
            1 => self.front.note("[Ctrl-C again leaves; Ctrl-D ends our side]"),
            _ => return Next::Leave(End::Stopped(Reason::Signal(INTERRUPT))),
        }
        Next::On
    }

    /// A terminal that is gone most often sends a signal too, which says it better.
    fn failed(&self, text: String) -> Next {
        let _ = self.repl.stop.wait(Instant::now() + Duration::from_millis(200));
        Next::Leave(match self.repl.stop.requested() {
            Some(reason) => End::Stopped(reason),
            None => End::Failed(Error::text(Exit::Failed, Phase::ReadingStdin, None, text)),
        })
    }

    /// Standard input has ended, and datagrams have no end: the last word is what nothing follows for a while.
    fn wait_for_quiet(&mut self, engine: &mut Engine<'_>, mut received: u64) -> End {
        let wait = self.statement(Command::Sleep(QUIET), String::new());
        loop {
            match engine.step(&wait) {
                Err(Failure::Stopped(reason)) => return End::Stopped(reason),
                Err(Failure::Failed(error)) => return End::Failed(error),
                _ => {}
            }
            let now = engine.current().map_or(received, |slot| slot.received);
            if std::mem::replace(&mut received, now) == now {
                return End::Finished;
            }
        }
    }
}

fn is_command(text: &str) -> bool {
    text.starts_with('/') && !text.starts_with("//")
}

/// Splits what was typed, or pasted, into lines and commands; a command goes on in the next line while a quote is
/// open. Whether that is so at the end comes second.
fn units(text: &str) -> (Vec<String>, bool) {
    let mut units = Vec::new();
    let mut open: Option<String> = None;
    // What is pasted ends in a line end, behind which there is no line.
    let text = if text.len() > 1 { text.strip_suffix('\n').unwrap_or(text) } else { text };
    for line in text.split('\n') {
        let unit = match open.take() {
            Some(begun) => format!("{begun}\n{line}"),
            None => line.to_owned(),
        };
        if is_command(&unit) && needs_more(&unit[1..]) {
            open = Some(unit);
        } else {
            units.push(unit);
        }
    }
    let is_open = open.is_some();
    units.extend(open);
    (units, is_open)
}

/// Reads all there is; whether there was anything.
fn drain(mut from: &UnixStream) -> bool {
    let mut any = false;
    while matches!(from.read(&mut [0; 64]), Ok(1..)) {
        any = true;
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_pasted_is_taken_line_by_line() {
        let all = |text: &str| units(text);
        let own = |units: &[&str]| units.iter().map(|unit| (*unit).to_owned()).collect::<Vec<_>>();
        assert_eq!(all("a"), (own(&["a"]), false));
        assert_eq!(all(""), (own(&[""]), false));
        assert_eq!(all("a\n\nb\n"), (own(&["a", "", "b"]), false));
        assert_eq!(all("/send \"a\nb\"\nc"), (own(&["/send \"a\nb\"", "c"]), false));
        assert_eq!(all("x\n/send \"a"), (own(&["x", "/send \"a"]), true));
        assert_eq!(all("say \"a"), (own(&["say \"a"]), false));
        assert_eq!(all("//send \"a"), (own(&["//send \"a"]), false));
    }
}
