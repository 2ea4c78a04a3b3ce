//! Making a connection: every address of a name, raced as RFC 8305 says, within one budget.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use socket2::{SockAddr, Socket};

use crate::addr::{Endpoint, Host, Inet, IpFamily, Port};
use crate::error::{Error, Exit, Fact, Phase, Result, words};
use crate::event::{ConnId, Event, Route, Sink};
use crate::net::bind::{inherited_fd, shape_of, systemd_fd};
use crate::net::conn::{Conn, endpoint_of, peer_of};
use crate::net::options::{Options, Role, Stage};
use crate::net::proxy;
use crate::net::resolve::{Budget, Purpose, Target, resolve};
use crate::net::socket::{Family, Kind};
use crate::net::tls::{self, ClientTls};
use crate::net::via::Via;
use crate::sys::{self, Stop, poll};

/// How long an attempt has the field to itself: "Connection Attempt Delay", RFC 8305, section 5.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// One wait for room in a UNIX accept queue, between two looks at the stop.
const UNIX_WAIT: Duration = Duration::from_millis(100);

/// The pauses of `--retry`: the first, and the longest it grows to.
const RETRY_PAUSE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(500));

/// How long to wait for a connection where nobody said.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The number of the first connection of a client.
pub const CONN: ConnId = 1;

/// How to dial.
pub struct Dial<'a> {
    /// The number that events give to the connection.
    pub conn: ConnId,
    /// Where to.
    pub endpoint: &'a Endpoint,
    /// What stands in between.
    pub via: &'a Via,
    /// The local address to use, if not the kernel's choice.
    pub source: Option<&'a Endpoint>,
    /// Options to set on the way.
    pub options: &'a Options,
    /// For resolving, connecting, proxies and TLS together.
    pub timeout: Duration,
    /// How long to try again when nobody is there.
    pub retry: Option<Duration>,
    /// Secures the connection.
    pub tls: Option<&'a ClientTls>,
    /// Ends every wait.
    pub stop: &'a Stop,
    /// Is told.
    pub sink: &'a dyn Sink,
}

/// One address that is being tried.
struct Attempt<'t> {
    target: &'t Target,
    socket: Socket,
    started: Instant,
    /// Where somebody wants to know.
    way: Option<Way>,
}

/// How packets leave this host.
struct Way {
    local: Option<Endpoint>,
    route: Option<Route>,
}

impl Way {
    /// Of a connection that is being made: after it failed the kernel has forgotten.
    fn of(socket: &Socket, target: &Target) -> Self {
        let local = socket.local_addr().ok().map(|local| endpoint_of(&local, target.shape));
        let named = |local: &Endpoint| !matches!(local, Endpoint::Inet(inet) if inet.port == Port::Number(0));
        let route = target.address.as_socket().and_then(|address| {
            let scope = if let SocketAddr::V6(v6) = address { v6.scope_id() } else { 0 };
            sys::route(address.ip(), scope)
                .ok()
                .map(|hop| Route { interface: hop.interface.and_then(sys::interface_name), via: hop.gateway })
        });
        Self { local: local.filter(named), route }
    }
}

/// What a dial that does not wait comes to.
pub enum Begun {
    /// It is done.
    Connected(Box<Conn>),
    /// When the socket may be written to, [`Dial::finish`] knows.
    Pending(Box<Pending>),
    /// It cannot be done without waiting: [`Dial::dial`] can.
    Elsewhere,
}

/// A connection that is about to come about.
pub struct Pending {
    target: Target,
    socket: Socket,
    started: Instant,
    begun: Instant,
    budget: Budget,
    way: Option<Way>,
}

impl Pending {
    /// When its time is up.
    #[must_use]
    pub fn until(&self) -> Instant {
        self.budget.until
    }
}

impl AsFd for Pending {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Dial<'_> {
    /// Connects. `None` when the program is to end first.
    ///
    /// # Errors
    /// With the exit code of the address that got furthest; each attempt is in the error.
    pub fn dial(&self) -> Result<Option<Conn>> {
        let patience = self.retry.map(|limit| Budget::new(limit, "--retry"));
        let mut pause = RETRY_PAUSE.0;
        loop {
            let error = match self.once() {
                Ok(conn) => return Ok(conn),
                Err(error) => error,
            };
            let Some(patience) = patience else { return Err(error) };
            let worth_it =
                matches!(error.exit, Exit::Refused | Exit::Unreachable | Exit::ConnectTimeout | Exit::Resolve)
                    || proxy::may_pass(&error);
            if !worth_it || Instant::now() >= patience.until {
                return Err(error);
            }
            let next = (Instant::now() + pause).min(patience.until);
            if self.stop.wait(next).map_err(|source| Error::os(Phase::Connecting, Some(self.endpoint), source))? {
                return Ok(None);
            }
            pause = (pause * 2).min(RETRY_PAUSE.1);
        }
    }

    fn once(&self) -> Result<Option<Conn>> {
        let started = Instant::now();
        if self.tls.is_some() {
            tls::fits(self.endpoint)?;
        }
        let budget = Budget::new(self.timeout, "--connect-timeout");
        let mut via = None;
        let conn = match (self.via.proxy_to(self.endpoint), self.endpoint) {
            (Some(proxy), _) => proxy::open(self, proxy, budget)?.map(|through| {
                via = Some(through.via);
                through.conn
            }),
            (None, Endpoint::Fd(fd)) => Some(self.inherited(inherited_fd(*fd, self.endpoint)?.into())?),
            (None, Endpoint::Systemd(name)) => {
                Some(self.inherited(systemd_fd(name.as_deref(), self.endpoint)?.into())?)
            }
            (None, _) => self.reach(budget)?,
        };
        let Some(mut conn) = conn else { return Ok(None) };
        if let Some(announce) = &self.via.announce
            && !announce.send(&conn, budget, self.stop, self.sink)?
        {
            return Ok(None);
        }
        let (local, peer, took) = (conn.local(), conn.peer(), started.elapsed());
        self.sink.emit(Some(self.conn), &Event::Connected { local, peer, via: via.as_ref(), took });
        if let Some(tls) = self.tls
            && !tls.secure(&mut conn, self.conn, self.endpoint, budget, self.stop, self.sink)?
        {
            return Ok(None);
        }
        Ok(Some(conn))
    }

    /// Connects straight to the address. `None` when the program is to end first.
    pub(super) fn reach(&self, budget: Budget) -> Result<Option<Conn>> {
        let targets = resolve(self.endpoint, Purpose::Client, Some(budget), self.stop, self.sink)?;
        self.race(&interleave(targets), budget)
    }

    /// Begins to connect, without ever waiting.
    ///
    /// # Errors
    /// As [`Dial::dial`].
    pub fn begin(&self) -> Result<Begun> {
        let begun = Instant::now();
        let literal = matches!(
            self.endpoint,
            Endpoint::Inet(Inet { host: Host::V4(_) | Host::V6 { .. }, port: Port::Number(_), .. })
                | Endpoint::Unix(_)
                | Endpoint::Vsock { .. }
        );
        // A handshake is waited for too.
        if !literal || self.retry.is_some() || self.tls.is_some() || !self.via.is_straight() {
            return Ok(Begun::Elsewhere);
        }
        let budget = Budget::new(self.timeout, "--connect-timeout");
        let targets = resolve(self.endpoint, Purpose::Client, Some(budget), self.stop, self.sink)?;
        let Ok([target]) = <[Target; 1]>::try_from(targets) else { return Ok(Begun::Elsewhere) };
        if target.shape.family == Family::Unix {
            let attempt = self.open(&target)?;
            let os = |source| Error::os(Phase::Connecting, Some(&target.endpoint), source);
            attempt.socket.set_nonblocking(true).map_err(os)?;
            return match attempt.socket.connect(&target.address) {
                Ok(()) => self.connected(self.won(attempt, &[])?, begun),
                // Its queue is full.
                Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => Ok(Begun::Elsewhere),
                Err(source) => Err(self.lost(&attempt, source)),
            };
        }
        match self.start(&target, budget)? {
            Started::Connected(attempt) => self.connected(self.won(attempt, &[])?, begun),
            Started::Pending(Attempt { socket, started, way, .. }) => {
                Ok(Begun::Pending(Box::new(Pending { target, socket, started, begun, budget, way })))
            }
            Started::Stopped => Ok(Begun::Elsewhere),
        }
    }

    /// Makes a connection of one that has come about or failed by now.
    ///
    /// # Errors
    /// As [`Dial::dial`]; when it is still pending, that its time is up.
    pub fn finish(&self, pending: Pending) -> Result<Begun> {
        let Pending { target, socket, started, begun, budget, way } = pending;
        let attempt = Attempt { target: &target, socket, started, way };
        match outcome(&attempt) {
            None => self.connected(self.won(attempt, &[])?, begun),
            // There is no peer yet, and no error.
            Some(error) if error.raw_os_error() == Some(libc::ENOTCONN) => {
                self.tell(&attempt, "failed", Some("no answer"));
                Err(self.late(&target.endpoint, budget))
            }
            Some(source) => Err(self.lost(&attempt, source)),
        }
    }

    fn connected(&self, conn: Conn, begun: Instant) -> Result<Begun> {
        let connected = Event::Connected { local: conn.local(), peer: conn.peer(), via: None, took: begun.elapsed() };
        self.sink.emit(Some(self.conn), &connected);
        Ok(Begun::Connected(Box::new(conn)))
    }

    fn inherited(&self, socket: Socket) -> Result<Conn> {
        let os = |source| Error::os(Phase::Opening, Some(self.endpoint), source);
        let shape = shape_of(&socket).map_err(os)?;
        if sys::is_listener(&socket).unwrap_or(false) {
            return Err(Error::usage(format!("{} listens: `sockkit listen {0}` takes its connections", self.endpoint)));
        }
        for report in self.options.apply_late(&socket, shape, Role::Client)? {
            self.sink.emit(None, &report.event());
        }
        match Conn::connected(socket, shape, false) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => {
                Err(Error::usage(format!("{} is {shape} that is not connected", self.endpoint)))
            }
            conn => conn.map_err(os),
        }
    }

    /// Starts an attempt when the one before failed or has had its time; the first that connects wins.
    fn race(&self, targets: &[Target], budget: Budget) -> Result<Option<Conn>> {
        let mut waiting = targets.iter();
        let mut pending: Vec<Attempt<'_>> = Vec::new();
        let mut failures: Vec<Error> = Vec::new();
        let mut next_start = Instant::now();
        loop {
            if self.stop.requested().is_some() {
                return Ok(None);
            }
            if pending.is_empty() || Instant::now() >= next_start {
                match waiting.next() {
                    Some(target) => {
                        next_start = Instant::now() + ATTEMPT_DELAY;
                        match self.start(target, budget) {
                            Ok(Started::Connected(attempt)) => return self.won(attempt, &pending).map(Some),
                            Ok(Started::Pending(attempt)) => pending.push(attempt),
                            Ok(Started::Stopped) => return Ok(None),
                            Err(error) => failures.push(error),
                        }
                        continue;
                    }
                    None if pending.is_empty() => return Err(Error::attempts(self.endpoint, failures)),
                    None => {}
                }
            }
            let until = if waiting.len() > 0 { budget.until.min(next_start) } else { budget.until };
            let mut fds: Vec<PollFd<'_>> =
                pending.iter().map(|attempt| PollFd::new(&attempt.socket, PollFlags::OUT)).collect();
            fds.push(PollFd::new(self.stop, PollFlags::IN));
            poll(&mut fds, Some(until)).map_err(|source| Error::os(Phase::Connecting, Some(self.endpoint), source))?;
            let ready = fds.iter().position(|fd| !fd.revents().is_empty());
            drop(fds);
            match ready {
                Some(nth) if nth < pending.len() => {
                    let attempt = pending.swap_remove(nth);
                    match outcome(&attempt) {
                        None => return self.won(attempt, &pending).map(Some),
                        Some(source) => {
                            failures.push(self.lost(&attempt, source));
                            next_start = Instant::now();
                        }
                    }
                }
                Some(_) => return Ok(None),
                None if Instant::now() >= budget.until => {
                    for attempt in &pending {
                        failures.push(self.late(&attempt.target.endpoint, budget));
                        self.tell(attempt, "failed", Some("no answer"));
                    }
                    return Err(Error::attempts(self.endpoint, failures));
                }
                None => {}
            }
        }
    }

    fn open<'t>(&self, target: &'t Target) -> Result<Attempt<'t>> {
        self.options.check(target.shape, Role::Client)?;
        let started = Instant::now();
        let socket = self.options.open(target.shape).map_err(|error| error.at(&target.endpoint))?;
        self.apply(&socket, target, Stage::BeforeBind)?;
        self.bind_source(&socket, target)?;
        self.apply(&socket, target, Stage::BeforeConnect)?;
        Ok(Attempt { target, socket, started, way: None })
    }

    fn start<'t>(&self, target: &'t Target, budget: Budget) -> Result<Started<'t>> {
        let Target { address, shape, endpoint } = target;
        let shape = *shape;
        let os = |source| Error::os(Phase::Connecting, Some(endpoint), source);
        let mut attempt = self.open(target)?;
        if shape.family == Family::Unix {
            return self.connect_unix(attempt, budget);
        }
        attempt.socket.set_nonblocking(true).map_err(os)?;
        if shape.is_inet() {
            // So that an ICMP error says what it was, and who sent it. Best effort.
            let _ = sys::recverr(&attempt.socket, shape.family == Family::V6, true);
        }
        let outcome = attempt.socket.connect(address);
        if self.sink.is_curious() {
            attempt.way = Some(Way::of(&attempt.socket, target));
        }
        match outcome {
            Ok(()) => Ok(Started::Connected(attempt)),
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => Ok(Started::Pending(attempt)),
            Err(source) => Err(self.lost(&attempt, source)),
        }
    }

    /// A UNIX listener with a full queue answers EAGAIN to a connect that may not wait, and nothing tells when
    /// there is room; so this one waits in the kernel, a little at a time.
    fn connect_unix<'t>(&self, attempt: Attempt<'t>, budget: Budget) -> Result<Started<'t>> {
        let endpoint = Some(&attempt.target.endpoint);
        loop {
            let left = budget.until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                self.tell(&attempt, "failed", Some("its accept queue stays full"));
                return Err(Error::timed_out(Phase::Connecting, endpoint, budget.flag, budget.limit));
            }
            // Not below a microsecond: SO_SNDTIMEO takes that for no limit at all.
            let wait = Some(left.clamp(Duration::from_millis(1), UNIX_WAIT));
            attempt.socket.set_write_timeout(wait).map_err(|source| Error::os(Phase::Connecting, endpoint, source))?;
            match attempt.socket.connect(&attempt.target.address) {
                Ok(()) => {
                    attempt
                        .socket
                        .set_write_timeout(None)
                        .map_err(|source| Error::os(Phase::Connecting, endpoint, source))?;
                    return Ok(Started::Connected(attempt));
                }
                Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EINTR)) => {
                    if self.stop.requested().is_some() {
                        return Ok(Started::Stopped);
                    }
                }
                Err(source) => return Err(self.lost(&attempt, source)),
            }
        }
    }

    fn bind_source(&self, socket: &Socket, target: &Target) -> Result<()> {
        let wanted = match self.source {
            Some(source) => {
                // `:4000` is a port of any address; it takes the target's family.
                let mut source = source.clone();
                if let Endpoint::Inet(Inet { host: Host::Any, family, .. }) = &mut source {
                    let of_target = if target.shape.family == Family::V4 { IpFamily::V4 } else { IpFamily::V6 };
                    family.get_or_insert(of_target);
                }
                let sources = resolve(&source, Purpose::Server, None, self.stop, self.sink)?;
                let fits = sources.into_iter().find(|found| found.shape.family == target.shape.family);
                fits.map(|found| found.address)
                    .ok_or_else(|| Error::usage(format!("--source {source} is not an address for {}", target.shape)))?
            }
            // Without a name of its own, no answer finds a UNIX datagram client: unix(7), "autobind".
            None if (target.shape.family, target.shape.kind) == (Family::Unix, Kind::Dgram) => {
                SockAddr::unix("").map_err(|source| Error::os(Phase::Binding, None, source))?
            }
            None => return Ok(()),
        };
        if wanted.as_socket().is_some_and(|wanted| wanted.port() == 0) {
            // The port is then chosen by connect(2), which may share one among peers; bind(2) wants it for itself.
            let _ = sys::sockopt::bind_without_port(socket);
        }
        socket.bind(&wanted).map_err(|source| Error::os(Phase::Binding, self.source.or(Some(&target.endpoint)), source))
    }

    fn won(&self, attempt: Attempt<'_>, others: &[Attempt<'_>]) -> Result<Conn> {
        self.tell(&attempt, "connected", None);
        for other in others {
            self.tell(other, "abandoned", None);
        }
        let Attempt { target, socket, .. } = attempt;
        let os = |source| Error::os(Phase::Connecting, Some(&target.endpoint), source);
        if target.shape.is_tcp() {
            // On a live connection a passing ICMP error must not end it: ip(7), IP_RECVERR. A UDP socket keeps it.
            let _ = sys::recverr(&socket, target.shape.family == Family::V6, false);
        }
        self.apply(&socket, target, Stage::After)?;
        let conn = Conn::connected(socket, target.shape, true).map_err(os)?;
        Ok(conn.sourced(self.source.is_some()))
    }

    fn lost(&self, attempt: &Attempt<'_>, source: io::Error) -> Error {
        self.tell(attempt, "failed", Some(&words(&source)));
        let mut error = Error::os(Phase::Connecting, Some(&attempt.target.endpoint), source);
        error.facts.extend(own_end(self.source, self.options));
        if let Some(target) = attempt.target.address.as_socket()
            && let Ok(Some(report)) = sys::icmp_error(&attempt.socket)
        {
            error.facts.extend(report.fact(target.ip()));
        }
        error
    }

    /// There was no answer in time.
    fn late(&self, target: &Endpoint, budget: Budget) -> Error {
        let mut error = Error::timed_out(Phase::Connecting, Some(target), budget.flag, budget.limit);
        error.facts.extend(own_end(self.source, self.options));
        error
    }

    fn tell(&self, attempt: &Attempt<'_>, result: &'static str, error: Option<&str>) {
        let address = &attempt.target.endpoint;
        let (took, way) = (attempt.started.elapsed(), &attempt.way);
        let local = way.as_ref().and_then(|way| way.local.as_ref());
        let route = way.as_ref().and_then(|way| way.route.clone());
        self.sink.emit(None, &Event::Attempt { address, result, error, local, route, took });
    }

    fn apply(&self, socket: &Socket, target: &Target, stage: Stage) -> Result<()> {
        for report in self.options.apply(socket, target.shape, Role::Client, stage)? {
            self.sink.emit(None, &report.event());
        }
        Ok(())
    }
}

/// What was asked of our own end, which may have its packets go another way than those of others.
#[must_use]
pub fn own_end(source: Option<&Endpoint>, options: &Options) -> Option<Fact> {
    let source = source.and_then(Endpoint::ip);
    let interface = options.value("interface").map(ToString::to_string);
    let any = source.is_some() || interface.is_some() || options.value("mark").is_some();
    any.then_some(Fact::From { source, interface })
}

enum Started<'t> {
    Connected(Attempt<'t>),
    Pending(Attempt<'t>),
    Stopped,
}

/// How an attempt ended that poll(2) says is over: SO_ERROR, connect(2).
fn outcome(attempt: &Attempt<'_>) -> Option<io::Error> {
    match attempt.socket.take_error() {
        Ok(Some(error)) | Err(error) => Some(error),
        // A loopback connect to a free ephemeral port can meet itself: a simultaneous open of one socket.
        Ok(None) => match (attempt.socket.local_addr(), peer_of(&attempt.socket)) {
            (Ok(local), Ok(peer)) if local == peer => Some(io::Error::from_raw_os_error(libc::ECONNREFUSED)),
            (_, Err(error)) => Some(error),
            _ => None,
        },
    }
}

/// Families in turn, the resolver's first choice first: RFC 8305, section 4.
fn interleave(targets: Vec<Target>) -> Vec<Target> {
    let Some(first) = targets.first().map(|target| target.shape.family) else { return targets };
    let (mut these, mut those): (Vec<_>, Vec<_>) = targets.into_iter().partition(|target| target.shape.family == first);
    these.reverse();
    those.reverse();
    let mut order = Vec::new();
    while !these.is_empty() || !those.is_empty() {
        order.extend(these.pop());
        order.extend(those.pop());
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::Transport;
    use crate::course::Course;
    use crate::net::socket::Shape;

    #[test]
    fn families_take_turns() {
        let target = |text: &str| {
            let endpoint: Endpoint = text.parse().unwrap();
            let family = if text.starts_with('[') { Family::V6 } else { Family::V4 };
            let address: SocketAddr = text.parse().unwrap();
            Target { address: address.into(), shape: Shape { family, kind: Kind::Stream }, endpoint }
        };
        let order = interleave(vec![target("[::1]:1"), target("[::2]:1"), target("[::3]:1"), target("1.1.1.1:1")]);
        let order: Vec<String> = order.iter().map(|target| target.endpoint.to_string()).collect();
        assert_eq!(order, ["[::1]:1", "1.1.1.1:1", "[::2]:1", "[::3]:1"]);
    }

    #[test]
    fn a_connection_knows_whether_its_way_was_chosen() {
        struct Nobody;
        impl Sink for Nobody {
            fn emit(&self, _: Option<ConnId>, _: &Event<'_>) {}
        }
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = &Endpoint::from_socket_addr(Transport::Tcp, listener.local_addr().unwrap());
        let (stop, here) = (&Stop::new().unwrap(), "127.0.0.1:0".parse().unwrap());
        for (source, steered) in [(None, false), (Some(&here), true)] {
            let dial = Dial {
                conn: CONN,
                endpoint,
                via: Via::STRAIGHT,
                source,
                options: &Options::new(),
                timeout: Duration::from_secs(60),
                retry: None,
                tls: None,
                stop,
                sink: &Nobody,
            };
            let conn = dial.dial().unwrap().unwrap();
            let mut course = Course::default();
            conn.examine(&mut course);
            assert_eq!(course.steered, steered);
        }
    }
}
