//! The door of a server: who comes in, one at a time, and what is said about it.
//!
//! It never waits itself. The stdio handler waits with poll(2), the others with the runtime, so that all
//! servers share the same rules of admission.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};

use crate::acl::Acl;
use crate::addr::{Endpoint, Host, Inet};
use crate::error::{Error, Exit, Fact, Phase, Result, words};
use crate::event::{ConnId, Event, Limit, Sink};
use crate::net::bind::{AcceptError, Datagrams, Listener, SocketFile};
use crate::net::conn::Conn;
use crate::net::options::{Options, Role, Stage};
use crate::net::proxy_protocol::Header;
use crate::net::tls::{self, ServerTls, Step};
use crate::sys::{Stop, poll};
use crate::work::early::{Early, Headers, Settled};
use crate::work::tally::Tally;

/// How long to wait after a lack of descriptors or memory, unless a session ends before.
pub const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// After so long without it, a lack of descriptors or memory is told anew.
const RELIEF: Duration = Duration::from_secs(10);

/// As many connections may wait for their headers where one session follows another.
const MOST_EARLY: usize = 256;

/// Numbers connections and turns away those that may not come.
pub struct Door {
    /// Who may come.
    pub acl: Acl,
    /// Options for accepted sockets.
    pub options: Options,
    /// Whether every connection begins with a PROXY protocol header.
    headers: Option<Headers>,
    /// Those whose header is still to come, where one session follows another.
    early: Vec<Early>,
    /// Is told.
    pub sink: Arc<dyn Sink>,
    /// How many were turned away.
    pub denied: AtomicU64,
    /// How many times somebody had to wait for lack of descriptors or memory.
    pub exhausted: u64,
    /// Whom to ask, while nobody is there, how it went so far.
    pub tally: Option<Arc<Tally>>,
    next: ConnId,
    exhaustion: Exhaustion,
    tls: Option<Arc<ServerTls>>,
    /// Whose handshakes are under way, where sessions come one after another.
    coming: Vec<Coming>,
}

/// Somebody whose handshake is under way.
struct Coming {
    id: ConnId,
    conn: Conn,
    begun: Instant,
    until: Instant,
    wants: PollFlags,
}

/// As many handshakes are under way at once, at the most; others wait in the accept queue.
const HANDSHAKES: usize = 64;

/// When descriptors or memory were lacking last.
#[derive(Default)]
pub(super) struct Exhaustion(Option<Instant>);

impl Exhaustion {
    /// They are lacking now. Whether that is to be told: once for each time it happens, however long it lasts. While
    /// it does, each session that ends lets one more in, which is no end of it.
    pub(super) fn is_news(&mut self) -> bool {
        self.0.replace(Instant::now()).is_none_or(|last| last.elapsed() > RELIEF)
    }
}

/// What an attempt to accept brought.
pub enum Admission {
    /// A connection and its number.
    Session(ConnId, Conn),
    /// A connection whose header is still to come.
    Early(Early),
    /// Somebody came and is gone again: denied, or lost on the way. Try again at once.
    Gone,
    /// Nobody waits.
    Nobody,
    /// No descriptor or memory left: wait a little, or for a session to end.
    Exhausted,
}

impl Door {
    /// A door that nobody has come through yet.
    #[must_use]
    pub fn new(acl: Acl, options: Options, sink: Arc<dyn Sink>) -> Self {
        Self {
            acl,
            options,
            headers: None,
            early: Vec::new(),
            sink,
            denied: 0.into(),
            exhausted: 0,
            tally: None,
            next: 1,
            exhaustion: Exhaustion::default(),
            tls: None,
            coming: Vec::new(),
        }
    }

    /// The same, where connections are secured. What comes in is then [`Conn::is_handshaking`].
    #[must_use]
    pub fn secured(self, tls: Option<Arc<ServerTls>>) -> Self {
        Self { tls, ..self }
    }

    /// Asks every connection for a PROXY protocol header, where there is a rule for it.
    #[must_use]
    pub fn with_headers(self, headers: Option<Headers>) -> Self {
        Self { headers, ..self }
    }

    /// Gives the next connection at least this number: others were made in between.
    pub fn number_from(&mut self, next: ConnId) {
        self.next = self.next.max(next);
    }

    /// Takes the next connection, if one waits.
    ///
    /// # Errors
    /// When the listener is broken. What happens to one connection is no error of the server.
    pub fn accept(&mut self, listener: &Listener) -> Result<Admission> {
        let conn = match listener.accept() {
            Ok(conn) => conn,
            Err(error) => match AcceptError::of(&error) {
                AcceptError::Empty => return Ok(Admission::Nobody),
                AcceptError::Connection => {
                    if error.kind() != ErrorKind::Interrupted {
                        let message = format!("a connection was lost before it was taken: {}", words(&error));
                        self.sink.emit(None, &Event::Warning { message: &message });
                    }
                    return Ok(Admission::Gone);
                }
                AcceptError::Exhausted => {
                    self.exhausted += 1;
                    if self.exhaustion.is_news() {
                        let message = format!("cannot take more connections for now: {}", words(&error));
                        self.sink.emit(None, &Event::Warning { message: &message });
                    }
                    return Ok(Admission::Exhausted);
                }
                AcceptError::Fatal => return Err(Error::os(Phase::Accepting, Some(listener.local()), error)),
            },
        };
        Ok(self.meet(conn))
    }

    /// Takes a connection that has just come, unless its header is still to come.
    fn meet(&mut self, conn: Conn) -> Admission {
        let session = match &self.headers {
            None => self.admit(conn, None),
            Some(headers) => {
                if let Some(rule) = headers.distrusts(conn.peer()) {
                    self.turn_away(conn.peer(), &rule);
                    return Admission::Gone;
                }
                let mut early = Early::new(conn, headers);
                let Some(settled) = early.look() else { return Admission::Early(early) };
                self.settle(early.into_conn(), settled)
            }
        };
        session.map_or(Admission::Gone, |(id, conn)| Admission::Session(id, conn))
    }

    /// The same where one session follows another: those whose headers are still to come are kept, and looked at first.
    ///
    /// # Errors
    /// As of [`Door::accept`].
    pub fn next(&mut self, listener: &Listener) -> Result<Admission> {
        let mut nth = 0;
        while let Some(early) = self.early.get_mut(nth) {
            let Some(settled) = early.look() else {
                nth += 1;
                continue;
            };
            let conn = self.early.remove(nth).into_conn();
            if let Some((id, conn)) = self.settle(conn, settled) {
                return Ok(Admission::Session(id, conn));
            }
        }
        if self.early.len() >= MOST_EARLY {
            return Ok(Admission::Nobody);
        }
        Ok(match self.accept(listener)? {
            Admission::Early(early) => {
                self.early.push(early);
                Admission::Gone
            }
            admission => admission,
        })
    }

    /// What tells that [`Door::next`] may have something new: the listener and those whose headers are still to come.
    #[must_use]
    pub fn watched<'d>(&'d self, listener: &'d Listener) -> Vec<PollFd<'d>> {
        let listener = (self.early.len() < MOST_EARLY).then(|| PollFd::new(listener, PollFlags::IN));
        listener.into_iter().chain(self.early.iter().map(|early| PollFd::new(early, PollFlags::IN))).collect()
    }

    /// When the first of them is late.
    #[must_use]
    pub fn late(&self) -> Option<Instant> {
        self.early.iter().map(|early| early.until).min()
    }

    /// Lets a connection in, or not, now that its header is there, or will not come.
    pub fn settle(&mut self, mut conn: Conn, settled: Settled) -> Option<(ConnId, Conn)> {
        match settled {
            Err(why) => {
                self.turn_away(conn.peer(), &why);
                None
            }
            Ok(Header::Own) => self.admit(conn, None),
            Ok(Header::Relayed { peer, destination }) => {
                let via = conn.peer().clone();
                conn.stands_for(peer);
                self.admit(conn, Some((&via, &destination)))
            }
        }
    }

    /// Looks at a connection that is already there, the only one, and waits for its header if it is to have one.
    /// `None` when it is turned away, or the program is to stop.
    ///
    /// # Errors
    /// Those of poll(2).
    pub fn greet(&mut self, conn: Conn, stop: &Stop) -> Result<Option<(ConnId, Conn)>> {
        let mut early = match self.meet(conn) {
            Admission::Session(id, conn) => return Ok(Some((id, conn))),
            Admission::Early(early) => early,
            _ => return Ok(None),
        };
        loop {
            let mut fds = [PollFd::new(stop, PollFlags::IN), PollFd::new(&early, PollFlags::IN)];
            poll(&mut fds, Some(early.until)).map_err(|source| Error::os(Phase::Accepting, None, source))?;
            if stop.requested().is_some() {
                return Ok(None);
            }
            if let Some(settled) = early.look() {
                return Ok(self.settle(early.into_conn(), settled));
            }
        }
    }

    /// Numbers a connection, unless a rule turns it away, and makes it ready. `relayed`: by whom, and for what address.
    fn admit(&mut self, mut conn: Conn, relayed: Option<(&Endpoint, &Endpoint)>) -> Option<(ConnId, Conn)> {
        let id = self.number(conn.local(), conn.peer(), relayed)?;
        match self.options.apply(conn.socket(), conn.shape(), Role::Accepted, Stage::After) {
            Ok(reports) => {
                for report in reports {
                    self.sink.emit(Some(id), &report.event());
                }
            }
            // The peer may be gone already; that shows soon enough.
            Err(error) => self.sink.emit(Some(id), &Event::Warning { message: &error.to_string() }),
        }
        if let Some(Err(error)) = self.tls.as_ref().map(|tls| tls.begin(&mut conn)) {
            self.sink.fail(Some(id), &error);
            return None;
        }
        Some((id, conn))
    }

    /// The handshake of one that was admitted, to its end. `None` when the program is to stop first.
    ///
    /// # Errors
    /// Exit 12.
    pub fn secure(&self, id: ConnId, mut conn: Conn, stop: &Stop) -> Result<Option<Conn>> {
        let Some(tls) = self.tls.as_ref().filter(|_| conn.is_handshaking()) else { return Ok(Some(conn)) };
        let (peer, begun) = (conn.peer().clone(), Instant::now());
        let done = tls::handshake(&mut conn, id, &peer, tls.budget(), stop, &*self.sink);
        if done.is_err() {
            self.closed(id, begun);
        }
        Ok(done?.then_some(conn))
    }

    /// Takes a connection that is already there, the only one: its header and its handshake are over then. `None` when
    /// it is turned away, or the program is to stop.
    ///
    /// # Errors
    /// As of [`Door::greet`] and [`Door::secure`].
    pub fn take(&mut self, conn: Conn, stop: &Stop) -> Result<Option<(ConnId, Conn)>> {
        let Some((id, conn)) = self.greet(conn, stop)? else { return Ok(None) };
        Ok(self.secure(id, conn, stop)?.map(|conn| (id, conn)))
    }

    /// A conversation over a datagram socket with whoever spoke last, of those who may.
    ///
    /// # Errors
    /// As of [`Conn::answering`].
    pub fn answering(mut self, datagrams: Datagrams) -> Result<(Conn, Option<SocketFile>)> {
        let Datagrams { socket, shape, own, local, file } = datagrams;
        let admit = move |local: &_, peer: &_| self.welcome(local, peer).is_some();
        let conn = Conn::answering(socket, shape, own, admit);
        Ok((conn.map_err(|source| Error::os(Phase::Receiving, Some(&local), source))?, file))
    }

    fn closed(&self, id: ConnId, begun: Instant) {
        let reason = Exit::Tls.name();
        self.sink
            .emit(Some(id), &Event::Closed { reason, sent: 0, received: 0, duration: begun.elapsed(), course: None });
    }

    /// Goes on with all handshakes; the first that is done.
    fn shake(&mut self) -> Option<(ConnId, Conn)> {
        let now = Instant::now();
        let mut nth = 0;
        while let Some(coming) = self.coming.get_mut(nth) {
            let peer = coming.conn.peer();
            let error = match coming.conn.shake() {
                Ok(Step::Done) => {
                    let Coming { id, conn, .. } = self.coming.remove(nth);
                    tls::tell(&conn, id, &*self.sink);
                    return Some((id, conn));
                }
                Ok(step) if now < coming.until => {
                    coming.wants = if step == Step::Read { PollFlags::IN } else { PollFlags::OUT };
                    nth += 1;
                    continue;
                }
                Ok(_) => Error::timed_out(Phase::Securing, Some(peer), tls::FLAG, coming.conn.handshake_limit()),
                Err(source) => Error::os(Phase::Securing, Some(peer), source),
            };
            let Coming { id, conn, begun, .. } = self.coming.remove(nth);
            self.sink.fail(Some(id), &error.accepted(conn.local()));
            self.closed(id, begun);
        }
        None
    }

    /// Numbers a peer, unless a rule turns it away.
    pub fn welcome(&mut self, local: &Endpoint, peer: &Endpoint) -> Option<ConnId> {
        self.number(local, peer, None)
    }

    fn number(&mut self, local: &Endpoint, peer: &Endpoint, relayed: Option<(&Endpoint, &Endpoint)>) -> Option<ConnId> {
        if self.turns_away(peer) {
            return None;
        }
        let id = self.next;
        self.next += 1;
        let (via, destination) = relayed.unzip();
        self.sink.emit(Some(id), &Event::Accepted { local, peer, via, destination });
        Some(id)
    }

    /// Whether a rule turns this peer away, which is then said.
    #[must_use]
    pub fn turns_away(&self, peer: &Endpoint) -> bool {
        let rule = match ip_of(peer) {
            Some(ip) => self.acl.denies(ip),
            // A header may name a peer without one.
            None => (!self.acl.allow.is_empty()).then(|| "not in --allow".to_owned()),
        };
        if let Some(rule) = &rule {
            self.turn_away(peer, rule);
        }
        rule.is_some()
    }

    fn turn_away(&self, peer: &Endpoint, rule: &str) {
        self.denied.fetch_add(1, Ordering::Relaxed);
        self.sink.emit(None, &Event::Denied { peer, rule });
    }

    /// Waits for the next connection, and for its handshake where there is to be one. `None` when the program is to
    /// stop first. With `goes_on`, handshakes go on side by side, and one that fails is that one's loss.
    ///
    /// # Errors
    /// Exit 7 when nobody came within `patience`; exit 12 for a handshake that failed; those of [`Door::accept`].
    pub fn wait(
        &mut self,
        listener: &Listener,
        patience: Option<Duration>,
        stop: &Stop,
        goes_on: bool,
    ) -> Result<Option<(ConnId, Conn)>> {
        // While a session went on, nobody looked at them.
        let begins = Instant::now();
        self.coming.iter_mut().for_each(|coming| coming.until = begins + coming.conn.handshake_limit());
        let until = patience.and_then(|patience| Instant::now().checked_add(patience));
        loop {
            if stop.requested().is_some() {
                return Ok(None);
            }
            if let Some(done) = self.shake() {
                return Ok(Some(done));
            }
            let mut pause = until.filter(|_| self.coming.is_empty());
            let full = self.coming.len() >= HANDSHAKES;
            let mut exhausted = false;
            match if full { Admission::Nobody } else { self.next(listener)? } {
                Admission::Session(id, conn) if goes_on && conn.is_handshaking() => {
                    let begun = Instant::now();
                    let until = begun + conn.handshake_limit();
                    self.coming.push(Coming { id, conn, begun, until, wants: PollFlags::IN });
                    continue;
                }
                Admission::Session(id, conn) => {
                    return Ok(self.secure(id, conn, stop)?.map(|conn| (id, conn)));
                }
                Admission::Gone | Admission::Early(_) => continue,
                Admission::Nobody => {}
                Admission::Exhausted => exhausted = true,
            }
            if let (Some(until), Some(after)) = (pause, patience)
                && Instant::now() >= until
            {
                return Err(self.nobody_came(listener.local(), after));
            }
            let os = |source| Error::os(Phase::Accepting, Some(listener.local()), source);
            let mut fds = vec![PollFd::new(stop, PollFlags::IN)];
            if exhausted {
                pause = Some(Instant::now() + EXHAUSTED_PAUSE);
            } else if !full {
                fds.extend(self.watched(listener));
                pause = pause.into_iter().chain(self.late()).min();
            }
            fds.extend(self.coming.iter().map(|coming| PollFd::new(&coming.conn, coming.wants)));
            let pause = self.coming.iter().map(|coming| coming.until).chain(pause).min();
            if let (Some(asked), Some(_)) = (stop.asked(), &self.tally) {
                fds.push(PollFd::new(asked, PollFlags::IN));
            }
            poll(&mut fds, pause).map_err(os)?;
            if let Some(tally) = &self.tally {
                tally.answer(stop);
            }
        }
    }

    /// The error for an `--accept-timeout` that passed.
    #[must_use]
    pub fn nobody_came(&self, local: &Endpoint, after: Duration) -> Error {
        self.sink.emit(None, &Event::Timeout { limit: Limit::Accept, after });
        let mut error = Error::timed_out(Phase::Accepting, Some(local), "--accept-timeout", after);
        let denied = self.denied.load(Ordering::Relaxed);
        error.facts.extend((denied > 0).then_some(Fact::TurnedAway(denied)));
        error
    }
}

/// The IP address of a peer that has one.
pub(super) fn ip_of(peer: &Endpoint) -> Option<IpAddr> {
    match peer {
        Endpoint::Inet(Inet { host: Host::V4(address), .. }) => Some((*address).into()),
        Endpoint::Inet(Inet { host: Host::V6 { addr, .. }, .. }) => Some((*addr).into()),
        _ => None,
    }
}
