//! The other side of the room: gives a name, sends what is typed, takes apart what is said, and comes back when the
//! connection is lost.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};

use super::says::{ASK_NAME, ASK_PASSWORD, Said};
use crate::error::{Error, Exit, Phase, Result, words};
use crate::event::{Event, Payload, Side};
use crate::net::conn::{Conn, Incoming};
use crate::net::dial::{CONN, Dial};
use crate::sys::poll;
use crate::text::visible_line;
use crate::work::handler::stdio::stopped;

/// The pause before the connection is tried again: the first, and the longest it grows to.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// Who was in a room for so long begins with the first pause again.
const SETTLED: Duration = Duration::from_secs(10);
/// So much of what is typed may wait to be sent, in bytes.
const TYPED: usize = 64 << 10;
/// No line of a room is longer, in bytes: what comes beyond is shown as if one ended there.
const LONGEST: usize = 1 << 20;

/// Whom the room is shown to.
pub trait Face {
    /// A line of the room, safe for a terminal; `history` when it was said before we came. Says whether there is
    /// still somebody to show it to.
    ///
    /// # Errors
    /// When it cannot be shown.
    fn said(&mut self, said: &Said<'_>, history: bool) -> Result<bool>;

    /// Something of our own: the connection was lost, or is there again.
    fn note(&mut self, text: &str);

    /// The room asks for something that only the person knows; what is typed next answers it. Says whether there is
    /// anybody who could.
    fn asked(&mut self, prompt: &str) -> bool;
}

/// See the module.
pub struct Join<'a> {
    /// How to get there.
    pub dial: Dial<'a>,
    /// The name to have.
    pub name: Option<String>,
    /// Said when the room asks for it.
    pub password: Option<Vec<u8>>,
    /// Whether to come back when the connection is lost.
    pub reconnect: bool,
    /// What is typed, or piped in, as lines.
    pub input: BorrowedFd<'a>,
}

/// What lasts over several connections.
#[derive(Default)]
struct Typing {
    /// Waits to be sent.
    bytes: Vec<u8>,
    /// There will be no more.
    ended: bool,
    /// The person has said that it leaves.
    leaves: bool,
}

/// How one connection came to its end.
enum End {
    /// As it should.
    Finished,
    /// The program is to stop.
    Stopped,
    /// The other side ended, or it broke.
    Lost(Option<Error>),
}

impl Join<'_> {
    /// Takes part until the input ends, the person leaves, or the program is to stop.
    ///
    /// # Errors
    /// When there is no connection, or it is lost and not to be had again; when the room does not let us in.
    pub fn run(&self, face: &mut dyn Face) -> Result<Exit> {
        let mut typing = Typing::default();
        let mut name = self.name.clone();
        let mut pause = PAUSES.0;
        let mut first = true;
        loop {
            let lost = match self.dial.dial() {
                Ok(None) => return Ok(self.stopped()),
                Err(error) if first => return Err(error),
                Err(error) => Some(error),
                Ok(Some(conn)) => {
                    if !first {
                        face.note("the connection is there again");
                    }
                    let (end, joined) = Visit::new(self, &conn, first).run(face, &mut typing, &mut name)?;
                    first &= joined.is_none();
                    if joined.is_some_and(|joined| joined.elapsed() >= SETTLED) {
                        pause = PAUSES.0;
                    }
                    match end {
                        End::Finished => return Ok(Exit::Ok),
                        End::Stopped => return Ok(self.stopped()),
                        End::Lost(lost) if first || !self.reconnect || typing.ended => {
                            return lost.map_or_else(|| self.turned_away(&conn, joined.is_some()), Err);
                        }
                        End::Lost(lost) => lost,
                    }
                }
            };
            let why = lost.map_or("the other side ended".to_owned(), |error| error.to_string());
            face.note(&format!("the connection is lost ({why}); next try in {}", humantime::format_duration(pause)));
            if let Some(exit) = self.wait(pause, &mut typing)? {
                return Ok(exit);
            }
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    fn stopped(&self) -> Exit {
        stopped(self.dial.stop)
    }

    fn turned_away(&self, conn: &Conn, joined: bool) -> Result<Exit> {
        if joined {
            return Ok(Exit::Ok);
        }
        Err(Error::text(
            Exit::Failed,
            Phase::Receiving,
            Some(conn.peer()),
            "the other side ended before we were in a room",
        ))
    }

    /// Waits before the next try. What is typed meanwhile is kept; some of it ends the program.
    fn wait(&self, pause: Duration, typing: &mut Typing) -> Result<Option<Exit>> {
        let until = Instant::now() + pause;
        while Instant::now() < until {
            let mut fds = vec![PollFd::new(self.dial.stop, PollFlags::IN)];
            if typing.wants() {
                fds.push(PollFd::new(&self.input, PollFlags::IN));
            }
            poll(&mut fds, Some(until)).map_err(|source| Error::os(Phase::Waiting, None, source))?;
            if self.dial.stop.requested().is_some() {
                return Ok(Some(self.stopped()));
            }
            if fds.get(1).is_some_and(|fd| !fd.revents().is_empty()) {
                typing.read(self.input)?;
                if typing.ended || typing.leaves {
                    return Ok(Some(Exit::Ok));
                }
            }
        }
        Ok(None)
    }
}

impl Typing {
    fn wants(&self) -> bool {
        !self.ended && self.bytes.len() < TYPED
    }

    fn read(&mut self, input: BorrowedFd<'_>) -> Result<()> {
        let mut buffer = [0; 16 << 10];
        match rustix::io::read(input, &mut buffer) {
            Ok(0) => self.ended = true,
            Ok(count) => {
                self.bytes.extend_from_slice(&buffer[..count]);
                let quits = |line: &[u8]| line == b"/quit" || line.starts_with(b"/quit ");
                self.leaves |= self.bytes.split(|byte| *byte == b'\n').any(quits);
            }
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            // A terminal that is gone.
            Err(rustix::io::Errno::IO) => self.ended = true,
            Err(error) => return Err(Error::os(Phase::ReadingStdin, None, error.into())),
        }
        Ok(())
    }

    /// The connection broke within a line: its rest must not be taken for one of its own.
    fn forget_begun(&mut self, begun: bool) {
        if begun {
            let end = self.bytes.iter().position(|byte| *byte == b'\n').map_or(self.bytes.len(), |at| at + 1);
            self.bytes.drain(..end);
        }
    }
}

/// One connection.
struct Visit<'a> {
    join: &'a Join<'a>,
    conn: &'a Conn,
    /// Whether we were in the room before, so that a name that is taken is our own.
    again: bool,
    /// The beginning of a line whose end has not come.
    rest: Vec<u8>,
    /// Lines of history that are still to come.
    history: usize,
    joined: Option<Instant>,
    /// Answers of our own that wait to be sent.
    answers: Vec<u8>,
    /// The person is to answer.
    asked: bool,
    /// What was said of us already, and what the room said to that.
    told: (bool, bool),
    notice: String,
    /// Nobody reads what is shown any more.
    unheard: bool,
    sent: u64,
    received: u64,
}

impl<'a> Visit<'a> {
    fn new(join: &'a Join<'a>, conn: &'a Conn, first: bool) -> Self {
        Self {
            join,
            conn,
            again: !first,
            rest: Vec::new(),
            history: 0,
            joined: None,
            answers: Vec::new(),
            asked: false,
            told: (false, false),
            notice: String::new(),
            unheard: false,
            sent: 0,
            received: 0,
        }
    }

    fn emit(&self, event: &Event<'_>) {
        self.join.dial.sink.emit(Some(CONN), event);
    }

    fn run(
        mut self,
        face: &mut dyn Face,
        typing: &mut Typing,
        name: &mut Option<String>,
    ) -> Result<(End, Option<Instant>)> {
        let begun = Instant::now();
        let result = self.talk(face, typing, name);
        let reason = match &result {
            Err(error) | Ok(End::Lost(Some(error))) => error.exit,
            Ok(End::Stopped) => self.join.stopped(),
            Ok(_) => Exit::Ok,
        };
        let (sent, received) = (self.sent, self.received);
        self.emit(&Event::Closed { reason: reason.name(), sent, received, duration: begun.elapsed(), course: None });
        Ok((result?, self.joined))
    }

    fn talk(&mut self, face: &mut dyn Face, typing: &mut Typing, name: &mut Option<String>) -> Result<End> {
        let mut buffer = vec![0; 64 << 10];
        // The last typed byte that was sent did not end its line.
        let mut within = false;
        let mut finished = false;
        let patience = Instant::now().checked_add(self.join.dial.timeout);
        loop {
            let may_type = self.joined.is_some() || self.asked;
            if typing.ended && may_type && typing.bytes.is_empty() && self.answers.is_empty() && !finished {
                finished = true;
                let _ = self.conn.shutdown_write();
                self.emit(&Event::Eof { side: Side::Local });
            }
            let sends = !self.answers.is_empty() || (may_type && !typing.bytes.is_empty());
            let reads = may_type && typing.wants();
            let flags = if sends { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
            let flags = self.conn.watch(flags);
            let mut fds = vec![PollFd::new(self.join.dial.stop, PollFlags::IN), PollFd::new(self.conn, flags)];
            if reads {
                fds.push(PollFd::new(&self.join.input, PollFlags::IN));
            }
            let until = if may_type { None } else { patience };
            let came = poll(&mut fds, until).map_err(|source| Error::os(Phase::Waiting, None, source))?;
            let ready: Vec<PollFlags> = fds.iter().map(PollFd::revents).collect();
            drop(fds);
            if self.join.dial.stop.requested().is_some() {
                return Ok(End::Stopped);
            }
            if !came && !may_type {
                let text = "it asks for no name: is it a chat room?";
                return Err(Error::text(Exit::ConnectTimeout, Phase::Waiting, Some(self.conn.peer()), text));
            }
            if !ready[1].is_empty() {
                match self.conn.recv_connected(&mut buffer) {
                    Ok(Incoming::Bytes(count)) => {
                        self.received += count as u64;
                        self.emit(&Event::Recv(Payload::of(&buffer[..count])));
                        self.take(&buffer[..count], face, name)?;
                        if self.unheard {
                            return Ok(End::Finished);
                        }
                    }
                    Ok(Incoming::Eof) => {
                        self.emit(&Event::Eof { side: Side::Peer });
                        self.show_rest(face)?;
                        let done = finished || (typing.leaves && typing.bytes.is_empty());
                        typing.forget_begun(within);
                        return Ok(if done { End::Finished } else { End::Lost(None) });
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(source) => {
                        self.emit(&Event::Reset { error: &words(&source) });
                        typing.forget_begun(within);
                        return Ok(End::Lost(Some(Error::os(Phase::Receiving, Some(self.conn.peer()), source))));
                    }
                }
            }
            if sends {
                let own = !self.answers.is_empty();
                // The one that waits is asked; after it, whatever is typed waits for the next question.
                let bytes = if own { &self.answers } else { &typing.bytes };
                match self.conn.send(bytes) {
                    Ok(count) => {
                        self.sent += count as u64;
                        // An answer may be a secret.
                        let data = (!own && self.joined.is_some()).then_some(&bytes[..count]);
                        self.emit(&Event::Send(Payload { bytes: count, data, first: None }));
                        if own {
                            self.answers.drain(..count);
                        } else {
                            within = bytes[count - 1] != b'\n';
                            typing.bytes.drain(..count);
                            self.asked &= within;
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(source) if matches!(source.raw_os_error(), Some(libc::EPIPE | libc::ECONNRESET)) => {
                        // What came before that is still to be read.
                        if ready[1].is_empty() {
                            typing.forget_begun(within);
                            return Ok(End::Lost(Some(Error::os(Phase::Sending, Some(self.conn.peer()), source))));
                        }
                    }
                    Err(source) => return Err(Error::os(Phase::Sending, Some(self.conn.peer()), source)),
                }
            }
            if ready.get(2).is_some_and(|flags| !flags.is_empty()) {
                typing.read(self.join.input)?;
            }
        }
    }

    /// Takes bytes of the room apart into lines, and answers what it asks.
    fn take(&mut self, mut bytes: &[u8], face: &mut dyn Face, name: &mut Option<String>) -> Result<()> {
        while let Some(at) = bytes.iter().position(|byte| *byte == b'\n') {
            let mut line = std::mem::take(&mut self.rest);
            line.extend_from_slice(&bytes[..at]);
            bytes = &bytes[at + 1..];
            self.line(&line, face, name)?;
        }
        self.rest.extend_from_slice(bytes);
        if self.rest.len() > LONGEST {
            self.show_rest(face)?;
        }
        if self.joined.is_some() || self.asked {
            Ok(())
        } else if self.rest == ASK_PASSWORD.as_bytes() {
            self.password(face)
        } else if self.rest == ASK_NAME.as_bytes() {
            self.name(face, name.as_deref())
        } else {
            Ok(())
        }
    }

    fn line(&mut self, line: &[u8], face: &mut dyn Face, name: &mut Option<String>) -> Result<()> {
        let shown = visible_line(line.strip_suffix(b"\r").unwrap_or(line));
        let said = Said::of(&shown);
        if let Some(ours) = said.our_name() {
            *name = Some(ours.to_owned());
            self.joined.get_or_insert_with(Instant::now);
            self.asked = false;
        }
        if self.joined.is_none() {
            self.notice = said.text.to_owned();
        }
        let history = self.history > 0 && said.room.is_some();
        self.history = said.history().unwrap_or(self.history - usize::from(history));
        self.unheard |= !face.said(&said, history)?;
        Ok(())
    }

    fn show_rest(&mut self, face: &mut dyn Face) -> Result<()> {
        let rest = std::mem::take(&mut self.rest);
        if rest.is_empty() {
            return Ok(());
        }
        self.unheard |= !face.said(&Said::of(&visible_line(&rest)), false)?;
        Ok(())
    }

    fn password(&mut self, face: &mut dyn Face) -> Result<()> {
        self.rest.clear();
        if let Some(password) = self.join.password.as_ref().filter(|_| !self.told.0) {
            self.told.0 = true;
            self.answers.extend_from_slice(&[password, &b"\n"[..]].concat());
            return Ok(());
        }
        let why = if self.told.0 { "the room does not take the password" } else { "the room asks for a password" };
        self.ask(face, ASK_PASSWORD, &format!("{why} (--password-file)"))
    }

    fn name(&mut self, face: &mut dyn Face, name: Option<&str>) -> Result<()> {
        self.rest.clear();
        let before = std::mem::replace(&mut self.told.1, true);
        match name.filter(|_| !before) {
            Some(name) => self.answers.extend_from_slice(format!("{name}\n").as_bytes()),
            None if !before && !face.asked(ASK_NAME) => self.answers.push(b'\n'),
            None if !before => self.asked = true,
            None => {
                let why = format!("the room does not take the name: {}", self.notice);
                self.ask(face, ASK_NAME, &why)?;
            }
        }
        Ok(())
    }

    fn ask(&mut self, face: &mut dyn Face, prompt: &str, why: &str) -> Result<()> {
        // After a break the room may not have noticed yet that we are gone: then the name is still ours.
        if self.again && prompt == ASK_NAME {
            let _ = self.conn.shutdown_write();
            return Ok(());
        }
        if face.asked(prompt) {
            self.asked = true;
            return Ok(());
        }
        Err(Error::text(Exit::Failed, Phase::Receiving, Some(self.conn.peer()), why))
    }
}
