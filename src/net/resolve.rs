//! Names to addresses, within a time limit.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use socket2::SockAddr;

use crate::addr::{Endpoint, Host, Inet, IpFamily, Port, Transport, Unix, UnixName};
use crate::error::{Cause, Error, Exit, Phase, Result};
use crate::event::{Event, Sink};
use crate::net::conn::{Conn, inet_endpoint};
use crate::net::socket::{Family, Kind, Shape};
use crate::net::sources::Files;
use crate::sys::{self, Hints, LookupError, Stop};

/// What an address is for: it decides what `:80` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To connect to: no host means this host.
    Client,
    /// To listen on: no host means every interface.
    Server,
}

/// An address that a socket can take.
#[derive(Debug, Clone)]
pub struct Target {
    /// As the kernel takes it.
    pub address: SockAddr,
    /// The socket it needs.
    pub shape: Shape,
    /// As a person reads it.
    pub endpoint: Endpoint,
}

/// A limit on waiting, and where it came from.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// When it is used up.
    pub until: Instant,
    /// How long it was.
    pub limit: Duration,
    /// The flag that set it.
    pub flag: &'static str,
}

impl Budget {
    /// A budget that starts now.
    #[must_use]
    pub fn new(limit: Duration, flag: &'static str) -> Self {
        let now = Instant::now();
        // A limit beyond what the clock can hold is no limit: a century will do.
        let until = now.checked_add(limit).unwrap_or(now + Duration::from_secs(100 * 365 * 86_400));
        Self { until, limit, flag }
    }

    /// Waits until there is something to do with a connection. `false` when the program is to stop first. `about` is
    /// whom an error names.
    ///
    /// # Errors
    /// Those of poll(2); when it is used up, whatever else there would be to do.
    pub fn wait(
        self,
        conn: &Conn,
        events: PollFlags,
        stop: &Stop,
        phase: Phase,
        about: Option<&Endpoint>,
    ) -> Result<bool> {
        let mut fds = [PollFd::new(conn, events), PollFd::new(stop, PollFlags::IN)];
        sys::poll(&mut fds, Some(self.until)).map_err(|source| Error::os(phase, about, source))?;
        if stop.requested().is_some() {
            return Ok(false);
        }
        if Instant::now() >= self.until {
            return Err(Error::timed_out(phase, about, self.flag, self.limit));
        }
        Ok(true)
    }

    /// Sends all of it. `false` when the program is to stop first; the rest as of [`Budget::wait`].
    ///
    /// # Errors
    /// Those of sendmsg(2), and of [`Budget::wait`].
    pub fn send(
        self,
        conn: &Conn,
        mut bytes: &[u8],
        stop: &Stop,
        phase: Phase,
        about: Option<&Endpoint>,
    ) -> Result<bool> {
        while !bytes.is_empty() {
            match conn.send(bytes) {
                Ok(sent) => bytes = &bytes[sent..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if !self.wait(conn, PollFlags::OUT, stop, phase, about)? {
                        return Ok(false);
                    }
                }
                Err(source) => return Err(Error::os(phase, about, source)),
            }
        }
        Ok(true)
    }
}

/// Turns an endpoint into addresses, in the order in which to try them (RFC 6724, as getaddrinfo(3) sorts).
///
/// Only a name waits for anything; `stop` ends that wait with an empty list.
///
/// # Errors
/// [`Exit::Resolve`] for a name or service without an address, also when the budget is used up;
/// [`Exit::Bind`] for a scope that is no interface of this host.
pub fn resolve(
    endpoint: &Endpoint,
    purpose: Purpose,
    budget: Option<Budget>,
    stop: &Stop,
    sink: &dyn Sink,
) -> Result<Vec<Target>> {
    match endpoint {
        Endpoint::Inet(inet) => resolve_inet(endpoint, inet, purpose, budget, stop, sink),
        Endpoint::Unix(unix) => Ok(vec![unix_target(endpoint, unix)?]),
        Endpoint::Vsock { cid, port } => Ok(vec![Target {
            address: sys::vsock_address(*cid, *port)
                .map_err(|source| Error::os(Phase::Arguments, Some(endpoint), source))?,
            shape: Shape { family: Family::Vsock, kind: Kind::Stream },
            endpoint: endpoint.clone(),
        }]),
        Endpoint::Fd(_) | Endpoint::Systemd(_) | Endpoint::Builtin(_) => {
            Err(Error::usage(format!("{endpoint} is a socket already: it has no address to look up")))
        }
    }
}

fn unix_target(endpoint: &Endpoint, unix: &Unix) -> Result<Target> {
    let address = match &unix.name {
        UnixName::Path(path) => SockAddr::unix(path),
        UnixName::Abstract(name) => sys::abstract_address(name),
        UnixName::Unnamed => SockAddr::unix(""),
    };
    let address = address.map_err(|source| Error::os(Phase::Arguments, Some(endpoint), source))?;
    Ok(Target { address, shape: Shape { family: Family::Unix, kind: unix.kind.into() }, endpoint: endpoint.clone() })
}

fn resolve_inet(
    endpoint: &Endpoint,
    inet: &Inet,
    purpose: Purpose,
    budget: Option<Budget>,
    stop: &Stop,
    sink: &dyn Sink,
) -> Result<Vec<Target>> {
    let name = match &inet.host {
        Host::V4(_) | Host::V6 { .. } => None,
        Host::Any if purpose == Purpose::Server => None,
        Host::Any => Some("localhost"),
        Host::Name(name) => Some(name.as_str()),
    };
    let Some(name) = name else {
        let port = port_number(endpoint, inet)?;
        return literal(endpoint, inet, port).map(|addresses| targets(inet.transport, addresses));
    };
    let started = Instant::now();
    let hints = Hints {
        family: match inet.family {
            Some(IpFamily::V4) => libc::AF_INET,
            Some(IpFamily::V6) => libc::AF_INET6,
            None => libc::AF_UNSPEC,
        },
        socktype: socktype(inet.transport),
    };
    let service = match &inet.port {
        Port::Number(number) => number.to_string(),
        Port::Service(name) => name.clone(),
    };
    let Some(answer) = lookup_within(name, &service, hints, budget, stop) else {
        if stop.requested().is_some() {
            return Ok(Vec::new());
        }
        let budget = budget.expect("only a budget or a stop ends the wait");
        return Err(Error::timed_out(Phase::Resolving, Some(endpoint), budget.flag, budget.limit));
    };
    let addresses = match answer {
        Ok(addresses) => addresses,
        // No name was typed, so none needs to be known: what localhost means is settled (RFC 6761, section 6.3).
        Err(error) if inet.host == Host::Any && error.code != libc::EAI_SERVICE => {
            let port = port_number(endpoint, inet)?;
            let both = [SocketAddr::from((Ipv6Addr::LOCALHOST, port)), SocketAddr::from((Ipv4Addr::LOCALHOST, port))];
            let asked = |address: &SocketAddr| match inet.family {
                Some(IpFamily::V4) => address.is_ipv4(),
                Some(IpFamily::V6) => address.is_ipv6(),
                None => true,
            };
            both.into_iter().filter(asked).collect()
        }
        Err(error) => return Err(resolver_error(endpoint, error)),
    };
    let targets = targets(inet.transport, addresses);
    let endpoints: Vec<Endpoint> = targets.iter().map(|target| target.endpoint.clone()).collect();
    let took = started.elapsed();
    let (sources, servers) =
        if sink.is_curious() { Files::of_this_host().tell(name, &endpoints) } else { Default::default() };
    sink.emit(None, &Event::Resolve { name, addresses: &endpoints, sources: &sources, servers: &servers, took });
    Ok(targets)
}

/// So many descriptors getaddrinfo(3) of glibc has open at once: a file or a name server, and how it finds them.
const LOOKUP: usize = 4;

fn resolver_error(endpoint: &Endpoint, LookupError { code, text }: LookupError) -> Error {
    if !sys::has_room(LOOKUP) {
        return Error::os(Phase::Resolving, Some(endpoint), std::io::Error::from_raw_os_error(libc::EMFILE));
    }
    Error::new(Exit::Resolve, Phase::Resolving, Some(endpoint), Cause::Resolver { code, text })
}

fn socktype(transport: Transport) -> i32 {
    match transport {
        Transport::Tcp => libc::SOCK_STREAM,
        Transport::Udp => libc::SOCK_DGRAM,
    }
}

/// The port's number; a service name is looked up in `/etc/services`, which takes no network.
///
/// # Errors
/// A service that is not there.
pub fn port_number(endpoint: &Endpoint, inet: &Inet) -> Result<u16> {
    match &inet.port {
        Port::Number(number) => Ok(*number),
        Port::Service(name) => {
            let hints = Hints { family: libc::AF_INET, socktype: socktype(inet.transport) };
            match sys::lookup("127.0.0.1", name, hints) {
                Ok(found) => Ok(found.first().map_or(0, SocketAddr::port)),
                Err(mut error) => {
                    // With a literal host only the service can be what is not known, whatever the C library calls it.
                    error.code = libc::EAI_SERVICE;
                    Err(resolver_error(endpoint, error))
                }
            }
        }
    }
}

fn literal(endpoint: &Endpoint, inet: &Inet, port: u16) -> Result<Vec<SocketAddr>> {
    Ok(vec![match (&inet.host, inet.family) {
        (Host::V4(address), _) => SocketAddr::from((*address, port)),
        (Host::V6 { addr, scope }, _) => {
            let scope = match scope {
                Some(name) => sys::interface_index(name)
                    .map_err(|source| Error::os(Phase::Resolving, Some(endpoint), source).exiting(Exit::Bind))?,
                None => 0,
            };
            SocketAddrV6::new(*addr, port, 0, scope).into()
        }
        (Host::Any | Host::Name(_), Some(IpFamily::V4)) => (Ipv4Addr::UNSPECIFIED, port).into(),
        (Host::Any | Host::Name(_), _) => (Ipv6Addr::UNSPECIFIED, port).into(),
    }])
}

fn targets(transport: Transport, addresses: Vec<SocketAddr>) -> Vec<Target> {
    let kind = transport.into();
    addresses
        .into_iter()
        .map(|address| Target {
            shape: Shape { family: if address.is_ipv4() { Family::V4 } else { Family::V6 }, kind },
            endpoint: inet_endpoint(transport, address),
            address: address.into(),
        })
        .collect()
}

/// getaddrinfo(3) cannot be interrupted, so it runs on a thread of its own, which is left behind when the
/// budget is used up or the program is to end.
fn lookup_within(
    name: &str,
    service: &str,
    hints: Hints,
    budget: Option<Budget>,
    stop: &Stop,
) -> Option<Result<Vec<SocketAddr>, LookupError>> {
    let (Ok((done, finished)), (sender, receiver)) = (UnixStream::pair(), mpsc::channel()) else {
        // No descriptor left for the wait: look it up without one.
        return Some(sys::lookup(name, service, hints));
    };
    let (owned_name, owned_service) = (name.to_owned(), service.to_owned());
    let thread = std::thread::Builder::new().spawn(move || {
        let _ = sender.send(sys::lookup(&owned_name, &owned_service, hints));
        drop(finished);
    });
    if thread.is_err() {
        // No thread left either.
        return Some(sys::lookup(name, service, hints));
    }
    let mut fds = [PollFd::new(&done, PollFlags::IN), PollFd::new(stop, PollFlags::IN)];
    let _ = sys::poll(&mut fds, budget.map(|budget| budget.until));
    // An answer that came together with the stop is still an answer; the caller looks at the stop itself.
    receiver.try_recv().ok()
}
