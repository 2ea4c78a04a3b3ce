//! A server with many sessions side by side: accept, limit, drain. It takes a bound socket and a handler.
//!
//! One thread: measured, it equals a bare epoll loop at 1,000 connections, and more threads give the same rate
//! at four times the p99.

use std::collections::HashMap;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use socket2::{SockAddr, Socket};
use tokio::io::Interest;
use tokio::sync::{Mutex, Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::error::{Cause, Error, Exit, Phase, Result};
use crate::event::Event;
use crate::net::bind::{Bound, Datagrams, Listener};
use crate::net::conn::{Conn, endpoint_of, make_room};
use crate::net::socket::{Family, Shape};
use crate::sys::{self, Reason, Stop};
use crate::work::door::{Admission, Door, EXHAUSTED_PAUSE};
use crate::work::handler::Handler;
use crate::work::link::{Limits, Link, Message, Peer};
use crate::work::stopping::{Stopping, at};

/// How many sessions at once where nobody said: below the usual limit of 1024 descriptors.
pub const MAX_CONNS: usize = 512;
/// How many where each is a process.
pub const MAX_PROCESSES: usize = 64;
/// How long sessions may take to end once the server is to stop.
const GRACE: Duration = Duration::from_secs(5);
/// Messages that wait for one datagram peer's session, and bytes that wait for all of them together; more are
/// dropped, as a full socket buffer would.
const INBOX: usize = 256;
const INBOXES: usize = 16 << 20;
/// The silence after which a datagram peer's session is over: of a server that keeps open, and of one that does
/// not. Without an end of its own, a session would last for ever.
const QUIET: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(1));
/// Room for the largest datagram of IP, in bytes.
const DATAGRAM: usize = 64 << 10;

/// A server.
pub struct Serve {
    /// The rules of admission.
    pub door: Door,
    /// What is done with each session.
    pub handler: Arc<Handler>,
    /// After so many sessions it ends.
    pub count: Option<u64>,
    /// Whether a failed session is no failure of the server.
    pub keep_open: bool,
    /// At most so many sessions at once; the rest waits in the accept queue.
    pub max_conns: usize,
    /// How long to wait for somebody to come.
    pub accept_timeout: Option<Duration>,
    /// What ends a session by the clock.
    pub limits: Limits,
    /// Ends it.
    pub stop: Stop,
}

/// The sessions under way; each yields its key and how it ended.
type Sessions<K> = JoinSet<(K, Result<()>)>;

impl Serve {
    /// Serves until its count is reached or it is to stop, on a runtime of its own.
    ///
    /// # Errors
    /// Those of the listener, and without `keep_open` that of its last session.
    pub fn run(mut self, bound: Bound) -> Result<Exit> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(|source| Error::os(Phase::Opening, None, source))?;
        runtime.block_on(async {
            match bound {
                Bound::Listener(listener) => self.connections(listener).await,
                Bound::Datagrams(datagrams) => self.datagrams(datagrams).await,
                Bound::Session(conn) => self.single(conn).await,
            }
        })
    }

    async fn connections(&mut self, listener: Listener) -> Result<Exit> {
        let stopped = Stopping::new(&self.stop)?;
        let mut sessions = Sessions::new();
        let mut tally = Tally::default();
        let outcome = self.accept_all(&listener, &stopped, &mut sessions, &mut tally).await;
        // From here on nobody is kept waiting in a queue that is not looked at.
        listener.close();
        self.drain(&stopped, &mut sessions, &mut tally).await;
        outcome?;
        self.verdict(tally)
    }

    async fn accept_all(
        &mut self,
        listener: &Listener,
        stopped: &Stopping,
        sessions: &mut Sessions<()>,
        tally: &mut Tally,
    ) -> Result<()> {
        let os = |source| Error::os(Phase::Accepting, Some(listener.local()), source);
        let incoming = sys::watch(listener.as_fd(), Interest::READABLE).map_err(os)?;
        let mut begun = 0;
        let mut last_came = Instant::now();
        let mut exhausted = false;
        while self.count.is_none_or(|count| begun < count) {
            let room = sessions.len() < self.max_conns && !exhausted;
            let patience = self.accept_timeout.filter(|_| sessions.is_empty());
            tokio::select! {
                biased;
                () = stopped.wait() => return Ok(()),
                Some(done) = sessions.join_next(), if !sessions.is_empty() => {
                    tally.count(done.ok().map(|((), result)| result));
                    exhausted = false;
                    // While there was a session, nobody was missed.
                    last_came = Instant::now();
                }
                ready = incoming.readable(), if room => {
                    let mut ready = ready.map_err(os)?;
                    match self.door.accept(listener)? {
                        Admission::Session(id, conn) => {
                            begun += 1;
                            last_came = Instant::now();
                            let link = Link::connection(conn, id, self.limits, stopped.clone(), self.door.sink.clone())?;
                            let (handler, stopped, goes_on) = (self.handler.clone(), stopped.clone(), self.keep_open);
                            sessions.spawn(async move { ((), session(&handler, link, &stopped, goes_on).await) });
                        }
                        Admission::Gone => {}
                        Admission::Nobody => ready.clear_ready(),
                        Admission::Exhausted => exhausted = true,
                    }
                }
                () = tokio::time::sleep(EXHAUSTED_PAUSE), if exhausted => exhausted = false,
                () = at(patience.and_then(|patience| last_came.checked_add(patience))) => {
                    return Err(self.door.nobody_came(listener.local(), patience.unwrap_or_default()));
                }
            }
        }
        Ok(())
    }

    async fn single(&mut self, conn: Conn) -> Result<Exit> {
        let mut tally = Tally::default();
        if let Some((id, conn)) = self.door.admit(conn) {
            let stopped = Stopping::new(&self.stop)?;
            let link = Link::connection(conn, id, self.limits, stopped.clone(), self.door.sink.clone())?;
            tally.count(Some(session(&self.handler, link, &stopped, false).await));
        }
        self.verdict(tally)
    }

    /// Lets the sessions that are under way end: all the time they need when the count was reached, the grace
    /// period once the program is to stop.
    async fn drain<K: 'static>(&self, stopped: &Stopping, sessions: &mut Sessions<K>, tally: &mut Tally) {
        let mut until = None;
        while !sessions.is_empty() {
            tokio::select! {
                biased;
                () = stopped.wait(), if until.is_none() => until = Instant::now().checked_add(GRACE),
                Some(done) = sessions.join_next() => tally.count(done.ok().map(|(_, result)| result)),
                () = at(until) => return sessions.shutdown().await,
            }
        }
    }

    fn verdict(&self, tally: Tally) -> Result<Exit> {
        match (self.stop.requested(), tally.last_failure) {
            (Some(Reason::Signal(signal)), _) => Ok(Exit::Signal(signal)),
            (Some(Reason::Deadline), _) => Ok(Exit::Deadline),
            (None, Some(failure)) if !self.keep_open => Err(failure),
            _ => Ok(Exit::Ok),
        }
    }

    async fn datagrams(&mut self, datagrams: Datagrams) -> Result<Exit> {
        let Datagrams { socket, shape, own: _, local, file } = datagrams;
        let os = |source| Error::os(Phase::Receiving, Some(&local), source);
        let stopped = Stopping::new(&self.stop)?;
        let socket = Arc::new(sys::watch(socket, Interest::READABLE | Interest::WRITABLE).map_err(os)?);
        let mut sessions = Sessions::new();
        let mut tally = Tally::default();
        let mut inboxes: HashMap<SockAddr, mpsc::Sender<Message>> = HashMap::new();
        let room = Arc::new(Semaphore::new(INBOXES));
        let mut buffer = vec![0; DATAGRAM];
        let mut begun = 0;
        let mut full = false;
        let came = Instant::now();
        let quiet = self.limits.idle.unwrap_or(if self.keep_open { QUIET.0 } else { QUIET.1 });
        loop {
            let counted_out = self.count.is_some_and(|count| begun >= count);
            if counted_out && sessions.is_empty() {
                break;
            }
            let patience = self.accept_timeout.filter(|_| begun == 0);
            let packet = tokio::select! {
                biased;
                () = stopped.wait() => break,
                Some(done) = sessions.join_next(), if !sessions.is_empty() => {
                    if let Ok((key, _)) = &done {
                        inboxes.remove(key);
                    }
                    tally.count(done.ok().map(|(_, result)| result));
                    full = false;
                    continue;
                }
                packet = socket.async_io(Interest::READABLE, |socket| receive(socket, shape, &mut buffer)) => packet,
                () = at(patience.and_then(|patience| came.checked_add(patience))) => {
                    return Err(self.door.nobody_came(&local, patience.unwrap_or_default()));
                }
            };
            let packet = match packet {
                Ok(packet) => packet,
                // An error that came back for an answer to a peer that is gone; the others are still there.
                Err(error) if error.raw_os_error() == Some(libc::ECONNREFUSED) => continue,
                Err(source) => return Err(os(source)),
            };
            // Even an empty message takes some memory.
            let size = u32::try_from(packet.bytes.max(64)).unwrap_or(u32::MAX);
            let Ok(room) = room.clone().try_acquire_many_owned(size) else { continue };
            let mut message = Message { bytes: buffer[..packet.bytes.min(buffer.len())].to_vec(), _room: room };
            if let Some(inbox) = inboxes.get(&packet.from) {
                match inbox.try_send(message) {
                    // Busy: dropped.
                    Ok(()) | Err(mpsc::error::TrySendError::Full(_)) => continue,
                    // Its session is just ending; this begins the next one.
                    Err(mpsc::error::TrySendError::Closed(unread)) => message = unread,
                }
            }
            if counted_out {
                continue;
            }
            if sessions.len() >= self.max_conns {
                if !std::mem::replace(&mut full, true) {
                    let message =
                        format!("{} sessions at once (--max-conns): other peers get no answer", self.max_conns);
                    self.door.sink.emit(None, &Event::Warning { message: &message });
                }
                continue;
            }
            let peer = endpoint_of(&packet.from, shape);
            let Some(id) = self.door.welcome(&local, &peer) else { continue };
            begun += 1;
            let (sender, receiver) = mpsc::channel(INBOX);
            let _ = sender.try_send(message);
            inboxes.insert(packet.from.clone(), sender);
            let wire = Peer {
                socket: socket.clone(),
                to: packet.from.clone(),
                from: packet.to,
                inbox: Mutex::new(receiver),
                quiet,
            };
            let link = Link::datagrams(
                wire,
                id,
                (local.clone(), peer),
                shape,
                self.limits,
                stopped.clone(),
                self.door.sink.clone(),
            );
            let (handler, stopped, goes_on) = (self.handler.clone(), stopped.clone(), self.keep_open);
            sessions.spawn(async move { (packet.from, session(&handler, link, &stopped, goes_on).await) });
        }
        // Without senders, each session sees its peer's end.
        inboxes.clear();
        self.drain(&stopped, &mut sessions, &mut tally).await;
        drop(file);
        self.verdict(tally)
    }
}

/// Runs one session and says how it ended.
async fn session(handler: &Handler, link: Link, stop: &Stopping, goes_on: bool) -> Result<()> {
    let begun = Instant::now();
    let result = handler.run(&link, stop).await;
    let (sent, received) = link.totals();
    let reason = result.as_ref().err().map_or(Exit::Ok, |error| error.exit).name();
    if let Err(error) = &result {
        tell_failure(&link, error, goes_on);
    }
    link.sink().emit(Some(link.id), &Event::Closed { reason, sent, received, duration: begun.elapsed() });
    result
}

/// A session's failure is told when it happens, if the server goes on; else it is what the program ends with.
fn tell_failure(link: &Link, error: &Error, goes_on: bool) {
    match (error.errno(), &error.cause) {
        (Some(libc::ECONNRESET | libc::EPIPE), _) => {
            link.sink().emit(Some(link.id), &Event::Reset { error: &error.cause.to_string() });
        }
        // Told already, by whoever had the clock.
        (_, Cause::TimedOut { .. }) => {}
        _ if goes_on => link.sink().emit(Some(link.id), &Event::Warning { message: &error.to_string() }),
        _ => {}
    }
}

fn receive(socket: &Socket, shape: Shape, buffer: &mut Vec<u8>) -> std::io::Result<sys::Packet> {
    if shape.family == Family::Unix {
        make_room(socket, buffer)?;
    }
    sys::recv_packet(socket, buffer)
}

/// How the sessions ended so far.
#[derive(Default)]
struct Tally {
    last_failure: Option<Error>,
}

impl Tally {
    fn count(&mut self, result: Option<Result<()>>) {
        self.last_failure = result.and_then(Result::err);
    }
}
