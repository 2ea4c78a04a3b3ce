//! Standard input and output: the only handler that writes payload to stdout. One session at a time.

use std::cell::OnceCell;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::addr::Endpoint;
use crate::course::Course;
use crate::error::{Error, Exit, Fact, Phase, Result};
use crate::event::{ConnId, Event, Limit, Sink};
use crate::net::bind::{Bound, Datagrams, Listener};
use crate::net::conn::{Conn, endpoint_of};
use crate::net::socket::Shape;
use crate::net::track::Track;
use crate::sys::{Reason, Stop};
use crate::work::close_on::CloseOn;
use crate::work::diag;
use crate::work::door::Door;
use crate::work::handler::Needs;
use crate::work::local::{Input, Output};
use crate::work::pump::{End, Outcome, Pump, Rules};
use crate::work::script::run::Released;

/// What goes to stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// The payload.
    Payload,
    /// Nothing: the payload is told as events, in another form (`--json`, `--hex`).
    Nothing,
}

/// See the module.
pub struct Stdio {
    /// What ends a session.
    pub rules: Rules,
    /// Sent at the start of a session.
    pub greeting: Option<Vec<u8>>,
    /// A message that ends a session.
    pub close_on: Option<CloseOn>,
    /// A file for the bytes of both directions (`--output`).
    pub copy: Option<File>,
    /// What goes to stdout.
    pub show: Show,
    /// Whether peers come to us.
    pub accepts: bool,
    /// Where the payload goes, once that is known.
    pub output: OnceCell<Output<'static>>,
    /// Is told.
    pub sink: Arc<dyn Sink>,
    /// Ends it.
    pub stop: Stop,
}

/// How many sessions, and how long to wait for each.
#[derive(Debug, Clone, Copy)]
pub struct Sessions {
    /// Whether to go on after the first.
    pub keep_open: bool,
    /// After so many it ends.
    pub count: Option<u64>,
    /// How long to wait for somebody to come.
    pub accept_timeout: Option<Duration>,
}

impl Stdio {
    /// Standard output.
    pub fn stdout(&self) -> &Output<'static> {
        self.output.get_or_init(|| Output::new(rustix::stdio::stdout()))
    }

    /// What sessions reach for beside the connection: nothing, once standard output has been opened once more.
    pub fn needs(&self) -> Needs<'static> {
        let _ = self.stdout();
        Needs::Nothing
    }

    /// Runs one session and says how it ended.
    pub fn session(&self, conn: &mut Conn, id: ConnId) -> End {
        self.session_after(conn, id, Released { track: Track::new(self.accepts), sent: 0, received: 0 })
    }

    /// The same for a connection on which a script has talked before.
    pub fn session_after(&self, conn: &mut Conn, id: ConnId, before: Released) -> End {
        let (stdin, stdout) = (io::stdin(), io::stdout());
        // With fd:0 or fd:1, what comes from the peer is not our input, and what goes to it is not our output.
        let (own_stdin, own_stdout) = (!conn.is_behind(&stdin), !conn.is_behind(&stdout));
        let Released { track, .. } = before;
        let pump = Pump {
            conn,
            id,
            input: own_stdin.then(|| Input::new(stdin.as_fd())),
            output: (self.show == Show::Payload && own_stdout).then(|| self.stdout()),
            rules: &self.rules,
            greeting: self.greeting.as_deref(),
            close_on: self.close_on.as_ref(),
            track,
            copy: self.copy.as_ref(),
            sink: &*self.sink,
            stop: &self.stop,
        };
        let Outcome { sent, received, mut course, end } = pump.run();
        let end = match end {
            End::Stopped(Reason::Deadline) => {
                if let Some(after) = self.stop.overdue() {
                    self.sink.emit(None, &Event::Timeout { limit: Limit::Deadline, after });
                }
                deadline(&self.stop, conn.peer(), course.clone())
            }
            end => end,
        };
        let reason = match &end {
            End::Finished | End::OutputClosed => Exit::Ok,
            End::Stopped(reason) => exit(*reason),
            End::Failed(error) => error.exit,
        };
        let (sent, received) = (before.sent + sent, before.received + received);
        (course.sent, course.received) = (sent, received);
        let duration = course.age;
        let course = Some(&course).filter(|_| self.sink.is_curious());
        self.sink.emit(Some(id), &Event::Closed { reason: reason.name(), sent, received, duration, course });
        end
    }

    /// Serves one session after another.
    ///
    /// # Errors
    /// Those of the listener; of the session, where there is to be just one.
    pub fn serve(
        &self,
        bound: Bound,
        mut door: Door,
        sessions: Sessions,
        session: impl Fn(&mut Conn, ConnId) -> End,
    ) -> Result<Exit> {
        match bound {
            Bound::Listener(listener) => self.serve_connections(listener, door, sessions, session),
            Bound::Datagrams(datagrams) => self.serve_datagrams(datagrams, door, sessions, session),
            Bound::Session(conn) => match door.take(conn, &self.stop)? {
                Some((id, mut conn)) => verdict(session(&mut conn, id)),
                None => Ok(stopped(&self.stop)),
            },
        }
    }

    fn serve_connections(
        &self,
        listener: Listener,
        mut door: Door,
        sessions: Sessions,
        session: impl Fn(&mut Conn, ConnId) -> End,
    ) -> Result<Exit> {
        let mut listener = Some(listener);
        let last = if sessions.keep_open { sessions.count } else { Some(1) };
        let mut begun = 0;
        while let Some(open) = &listener {
            let Some((id, mut conn)) = door.wait(open, sessions.accept_timeout, &self.stop, sessions.keep_open)? else {
                return Ok(stopped(&self.stop));
            };
            begun += 1;
            if last.is_some_and(|last| begun >= last) {
                // The next client is refused at once, instead of waiting in a queue that nobody looks at.
                listener = None;
            }
            match session(&mut conn, id) {
                End::Finished => {}
                End::OutputClosed => return Ok(Exit::Ok),
                End::Stopped(reason) => return Ok(exit(reason)),
                End::Failed(error) if !sessions.keep_open || is_ours(&error) || error.exit == Exit::Deadline => {
                    return Err(error);
                }
                End::Failed(mut error) => {
                    diag::enrich(&mut error);
                    self.sink.fail(Some(id), &error);
                }
            }
        }
        Ok(Exit::Ok)
    }

    fn serve_datagrams(
        &self,
        datagrams: Datagrams,
        door: Door,
        sessions: Sessions,
        session: impl Fn(&mut Conn, ConnId) -> End,
    ) -> Result<Exit> {
        if let Some(patience) = sessions.accept_timeout
            && !self.wait_for_first(&datagrams.socket, datagrams.shape, patience, &door)?
        {
            return Err(door.nobody_came(&datagrams.local, patience));
        }
        let (mut conn, file) = door.answering(datagrams)?;
        let end = session(&mut conn, 1);
        drop(file);
        verdict(end)
    }

    /// Whether a datagram that may came in time, or the program is to stop. Others are dropped.
    fn wait_for_first(&self, socket: &socket2::Socket, shape: Shape, patience: Duration, door: &Door) -> Result<bool> {
        use rustix::event::{PollFd, PollFlags};
        let until = Instant::now().checked_add(patience);
        let receive = |flags| socket.recv_from_with_flags(&mut [], flags | libc::MSG_DONTWAIT);
        loop {
            let mut fds = [PollFd::new(socket, PollFlags::IN), PollFd::new(&self.stop, PollFlags::IN)];
            let came = crate::sys::poll(&mut fds, until).map_err(|source| Error::os(Phase::Waiting, None, source))?;
            if !came || self.stop.requested().is_some() {
                return Ok(came);
            }
            match receive(libc::MSG_PEEK) {
                Ok((_, from)) if door.turns_away(&endpoint_of(&from, shape)) => drop(receive(0)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                _ => return Ok(true),
            }
        }
    }
}

/// The end of a session in which the time for the whole run is up: what it came to is worth an explanation.
#[must_use]
pub fn deadline(stop: &Stop, peer: &Endpoint, course: Course) -> End {
    let after = stop.limit().unwrap_or_default();
    let mut error = Error::timed_out(Phase::Waiting, Some(peer), "--deadline", after);
    error.exit = Exit::Deadline;
    error.facts.push(Fact::Course(Box::new(course)));
    End::Failed(error)
}

/// What the end of the only session means for the program.
///
/// # Errors
/// That of the session.
pub fn verdict(end: End) -> Result<Exit> {
    match end {
        End::Finished | End::OutputClosed => Ok(Exit::Ok),
        End::Stopped(reason) => Ok(exit(reason)),
        End::Failed(error) => Err(error),
    }
}

/// The exit code for being stopped.
#[must_use]
pub fn exit(reason: Reason) -> Exit {
    match reason {
        Reason::Signal(signal) => Exit::Signal(signal),
        Reason::Deadline => Exit::Deadline,
    }
}

/// The exit code of what came to nothing because the program is to stop; well, where nobody asks it to.
#[must_use]
pub fn stopped(stop: &Stop) -> Exit {
    stop.requested().map_or(Exit::Ok, exit)
}

/// Whether it is our own side that failed, which the next session would find no better.
fn is_ours(error: &Error) -> bool {
    matches!(error.phase, Phase::ReadingStdin | Phase::WritingStdout | Phase::File)
}
