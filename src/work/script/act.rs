//! The commands that do something to a connection: send, sleep, shutdown, close, reset, open, accept, use.

use std::fs::File;
use std::io::{self, Read as _};
use std::net::Shutdown;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::time::{Duration, Instant};

use super::Half;
use super::run::{Engine, Failure, usage};
use super::slot::Slot;
use super::wait::{CHUNK, Watch};
use crate::addr::{Endpoint, Reading};
use crate::error::{Error, Exit, Phase};
use crate::event::{ConnId, Detail, Event, Payload};
use crate::net::conn::Conn;
use crate::net::dial::{CONN, Dial};
use crate::net::options::Role;
use crate::net::resolve::Budget;
use crate::net::socket::Kind;
use crate::net::tls::{self, ClientTls};
use crate::work::builtin;
use crate::work::door::{Admission, EXHAUSTED_PAUSE};

impl Engine<'_> {
    /// Sends all of this; on a socket with messages, as one.
    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.delay_line()?;
        self.send_piece(bytes)
    }

    /// `--line-delay`: a pause before each command that sends, but the first.
    fn delay_line(&mut self) -> Result<(), Failure> {
        match self.config.line_delay {
            Some(delay) if std::mem::replace(&mut self.began_sending, true) => self.sleep(delay),
            _ => Ok(()),
        }
    }

    fn send_piece(&mut self, mut bytes: &[u8]) -> Result<(), Failure> {
        let nth = self.nth_open()?;
        let id = self.slots[nth].id;
        if self.slots[nth].we_ended {
            return Err(usage("our side has ended: nothing can be sent after `shutdown write`".to_owned()).into());
        }
        let limit = self.config.timeout;
        let mut until = Instant::now() + limit;
        let mut first = true;
        let mut late = false;
        // An empty message is one.
        while !bytes.is_empty() || (first && self.slot(id).shape.kind != Kind::Stream) {
            let slot = self.slot(id);
            if let Some((text, exit)) = &slot.broken {
                return Err(Error::text(*exit, Phase::Sending, Some(slot.peer()), text.clone()).into());
            }
            let Some(conn) = &slot.conn else { return Err(self.nth_open().map(|_| ()).unwrap_err().into()) };
            let outcome = if conn.has_peer() { conn.send(bytes) } else { Err(io::ErrorKind::WouldBlock.into()) };
            let has_peer = conn.has_peer();
            match outcome {
                Ok(sent) => {
                    // A message goes whole or not at all.
                    let sent = if slot.shape.kind == Kind::Stream { sent } else { bytes.len() };
                    self.told_sent(id, &bytes[..sent]);
                    bytes = &bytes[sent..];
                    first = false;
                    until = Instant::now() + limit;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if late {
                        let text = if has_peer {
                            let rest = bytes.len();
                            format!("the peer took nothing for {}; {rest} bytes are left to send", span(limit))
                        } else {
                            format!("nobody to send to: no datagram came within {}", span(limit))
                        };
                        return Err(Error::text(Exit::IdleTimeout, Phase::Sending, Some(slot.peer()), text).into());
                    }
                    late = Instant::now() >= until;
                    self.turn(Some(until), Watch { out: has_peer.then_some(id), ..Watch::default() })?;
                }
                Err(source) => {
                    let error = Error::os(Phase::Sending, Some(slot.peer()), io_copy(&source));
                    let at = self.slots.iter().position(|slot| slot.id == id).unwrap_or(nth);
                    if source.raw_os_error() != Some(libc::EMSGSIZE) {
                        self.failed(at, Phase::Sending, source);
                    }
                    return Err(error.into());
                }
            }
        }
        Ok(())
    }

    fn told_sent(&mut self, id: ConnId, bytes: &[u8]) {
        if let Some(slot) = self.slots.iter_mut().find(|slot| slot.id == id) {
            slot.sent += bytes.len() as u64;
            slot.track.sent(Some(bytes), Instant::now());
        }
        if self.detail >= Detail::Transfers {
            self.sink.emit(Some(id), &Event::Send(Payload::of(bytes)));
        }
        self.face.sent(id, bytes);
    }

    /// A connection that is known to be there.
    pub(super) fn slot(&self, id: ConnId) -> &Slot {
        self.slots.iter().find(|slot| slot.id == id).expect("connections go only between commands")
    }

    /// Sends a file, piece by piece; where there are messages, as one.
    pub(super) fn send_file(&mut self, path: &Path) -> Result<(), Failure> {
        let nth = self.nth_open()?;
        let stream = self.slots[nth].shape.kind == Kind::Stream;
        let failed = |source: io::Error| Failure::Failed(Error::file("", path, &source));
        if std::fs::metadata(path).map_err(failed)?.is_dir() {
            return Err(failed(io::Error::from_raw_os_error(libc::EISDIR)));
        }
        let mut file = File::open(path).map_err(failed)?;
        self.delay_line()?;
        let mut piece = Vec::new();
        loop {
            piece.clear();
            let most = if stream { CHUNK as u64 } else { 64 << 20 };
            let bytes = (&mut file).take(most).read_to_end(&mut piece).map_err(failed)?;
            if bytes == 0 && stream {
                return Ok(());
            }
            self.send_piece(&piece)?;
            if !stream {
                return Ok(());
            }
        }
    }

    pub(super) fn sleep(&mut self, length: Duration) -> Result<(), Failure> {
        let until = Instant::now() + length;
        while Instant::now() < until {
            self.turn(Some(until), Watch::default())?;
        }
        Ok(())
    }

    pub(super) fn shutdown(&mut self, half: Half) -> Result<(), Failure> {
        let nth = self.nth_open()?;
        let slot = &mut self.slots[nth];
        let Some(conn) = &slot.conn else { return Ok(()) };
        if !conn.has_end() {
            return Err(usage("datagrams have no end: there is nothing to shut down".to_owned()).into());
        }
        let (how, direction) = match half {
            Half::Write => (Shutdown::Write, "write"),
            Half::Read => (Shutdown::Read, "read"),
        };
        let id = slot.id;
        if half == Half::Write {
            slot.track.ending(conn);
        }
        let done = match half {
            Half::Write if conn.is_tls() => conn.shutdown_write(),
            _ => conn.socket().shutdown(how),
        };
        match done {
            // A peer that is gone already hears nothing any more.
            Err(error) if error.kind() != io::ErrorKind::NotConnected => {
                return Err(Error::os(Phase::Scripting, Some(slot.peer()), error).into());
            }
            _ => {}
        }
        // Reading what was shut down for reading gives an end, which is not the peer's.
        match half {
            Half::Write => slot.we_ended = true,
            Half::Read => slot.peer_ended = true,
        }
        self.sink.emit(Some(id), &Event::Shutdown { direction });
        Ok(())
    }

    /// `close`: what came and what is still to be sent is no reason for a reset.
    pub(super) fn close_current(&mut self) -> Result<(), Failure> {
        let nth = self.nth()?;
        let id = self.slots[nth].id;
        if self.slots[nth].conn.is_none() {
            self.nth_open()?;
        }
        self.drain(id)?;
        self.slots[nth].buffer.clear();
        self.close(id);
        Ok(())
    }

    pub(super) fn reset_current(&mut self) -> Result<(), Failure> {
        let nth = self.nth_open()?;
        let slot = &mut self.slots[nth];
        let Some(conn) = &slot.conn else { return Ok(()) };
        conn.reset_on_close().map_err(|source| Error::os(Phase::Setting, Some(slot.peer()), source))?;
        slot.buffer.clear();
        slot.track.reset();
        let id = slot.id;
        self.sink.emit(Some(id), &Event::Reset { error: "reset by us" });
        self.close(id);
        self.slots[nth].broken = Some(("it was reset by us".to_owned(), Exit::Ok));
        Ok(())
    }

    /// Opens a connection in a thread of its own, for names and handshakes wait elsewhere; meanwhile what comes on
    /// the others is received here.
    pub(super) fn open(&mut self, address: &[u8], within: Option<Duration>) -> Result<(), Failure> {
        use std::os::unix::ffi::OsStrExt as _;
        let words: Vec<std::ffi::OsString> = address
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty())
            .map(|word| std::ffi::OsStr::from_bytes(word).to_owned())
            .collect();
        let endpoint = Endpoint::parse(&words, &Reading::default()).map_err(Error::from)?;
        let endpoint = builtin::reachable(endpoint)?;
        let (options, via) = (self.config.options.clone(), self.config.via.clone());
        let (sink, stop) = (self.sink.clone(), self.stop.clone());
        let tls = self.config.tls.clone();
        let (id, timeout) = (self.next, within.unwrap_or(self.config.timeout));
        let dialled = self.beside(|| {
            let dial = Dial {
                conn: id,
                endpoint: &endpoint,
                via: &via,
                source: None,
                options: &options,
                timeout,
                retry: None,
                tls: tls.as_deref(),
                stop: &stop,
                sink: &*sink,
            };
            dial.dial()
        })?;
        match dialled? {
            Some(conn) => {
                self.adopt(conn, id, Role::Client);
                Ok(())
            }
            None => self.check_stop(),
        }
    }

    /// Does what waits elsewhere in a thread of its own; meanwhile what comes on the connections is received here.
    fn beside<T: Send>(&mut self, work: impl FnOnce() -> T + Send) -> Result<T, Failure> {
        let (done, ready) = rustix::pipe::pipe().map_err(|errno| Error::os(Phase::Opening, None, errno.into()))?;
        std::thread::scope(|scope| {
            let thread = scope.spawn(move || {
                let outcome = work();
                drop(ready);
                outcome
            });
            let waited = loop {
                match self.turn(None, Watch { wake: Some(done.as_fd()), ..Watch::default() }) {
                    Ok(turn) if turn.wake => break Ok(()),
                    Ok(_) => {}
                    Err(failure) => break Err(failure),
                }
            };
            let outcome = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            waited.map(|()| outcome)
        })
    }

    /// The handshake of a connection that is prepared for it. It is given back, whatever came of it.
    fn shake(&mut self, mut conn: Conn, id: ConnId, budget: Budget) -> Result<(Conn, Result<bool, Error>), Failure> {
        let (sink, stop, peer) = (self.sink.clone(), self.stop.clone(), conn.peer().clone());
        self.beside(move || {
            let done = tls::handshake(&mut conn, id, &peer, budget, &stop, &*sink);
            (conn, done)
        })
    }

    /// `starttls`: from here on the current connection is secured.
    pub(super) fn starttls(&mut self, within: Option<Duration>) -> Result<(), Failure> {
        let nth = self.nth_open()?;
        let (id, role) = (self.slots[nth].id, self.slots[nth].role);
        let Some(conn) = &mut self.slots[nth].conn else { return Ok(()) };
        if conn.is_tls() {
            return Err(usage("the connection is secured already".to_owned()).into());
        }
        let endpoint = self.config.dialled.clone().filter(|_| id == CONN).unwrap_or_else(|| conn.peer().clone());
        match (role, &self.config.later) {
            (Role::Client, (setup, _)) => ClientTls::new(setup)?.begin(conn, &endpoint)?,
            (_, (_, Some(server))) => server.begin(conn)?,
            (_, (_, None)) => {
                let text = "a certificate is needed to be the server: add --tls-cert FILE, or --tls-self-signed";
                return Err(usage(text.to_owned()).into());
            }
        }
        // What came in the clear is not what the peer says from here on.
        self.slots[nth].buffer.clear();
        let Some(conn) = self.slots[nth].conn.take() else { return Ok(()) };
        let limit = within.unwrap_or(self.config.timeout);
        let (conn, done) = self.shake(conn, id, Budget::new(limit, "within"))?;
        if let Some(slot) = self.slots.iter_mut().find(|slot| slot.id == id) {
            slot.conn = Some(conn);
        }
        if done? { Ok(()) } else { self.check_stop() }
    }

    pub(super) fn accept(&mut self, within: Option<Duration>) -> Result<(), Failure> {
        let limit = within.unwrap_or(self.config.timeout);
        let until = Instant::now() + limit;
        let mut late = false;
        loop {
            let next = self.next;
            let Some((listener, door)) = &mut self.door else {
                return Err(
                    usage("there is no listener to accept from: this is for `sockkit listen`".to_owned()).into()
                );
            };
            door.number_from(next);
            let mut pause = until;
            match door.next(listener)? {
                Admission::Session(id, conn) => {
                    let conn = if conn.is_handshaking() {
                        let budget = Budget::new(conn.handshake_limit(), tls::FLAG);
                        match self.shake(conn, id, budget)? {
                            (conn, Ok(true)) => conn,
                            (_, Ok(false)) => return self.check_stop(),
                            (_, Err(error)) => return Err(error.into()),
                        }
                    } else {
                        conn
                    };
                    self.adopt(conn, id, Role::Accepted);
                    return Ok(());
                }
                Admission::Gone | Admission::Early(_) => continue,
                Admission::Nobody if late => {
                    let text = format!("nobody came within {}", span(limit));
                    return Err(
                        Error::text(Exit::ConnectTimeout, Phase::Accepting, Some(listener.local()), text).into()
                    );
                }
                Admission::Nobody => {}
                Admission::Exhausted => pause = until.min(Instant::now() + EXHAUSTED_PAUSE),
            }
            late = Instant::now() >= until;
            let next = door.late().map_or(pause, |late| pause.min(late));
            self.turn(Some(next), Watch { listener: pause == until, ..Watch::default() })?;
        }
    }

    pub(super) fn choose(&mut self, id: ConnId) -> Result<(), Failure> {
        if self.slots.iter().any(|slot| slot.id == id) {
            self.current = Some(id);
            return Ok(());
        }
        let known: Vec<String> = self.slots.iter().map(|slot| slot.id.to_string()).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Err(usage(format!("there is no connection {id}; there are: {known}")).into())
    }
}

/// As messages say it.
pub(super) fn span(length: Duration) -> String {
    // Finer than a millisecond is noise, but for what is shorter.
    let fine = if length < Duration::from_millis(1) { length.as_micros() } else { length.as_millis() * 1000 };
    humantime::format_duration(Duration::from_micros(u64::try_from(fine).unwrap_or(u64::MAX))).to_string()
}

fn io_copy(source: &io::Error) -> io::Error {
    source.raw_os_error().map_or_else(|| source.kind().into(), io::Error::from_raw_os_error)
}
