//! The path to an address, layer by layer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};

use super::Check;
use super::hops::hops;
use crate::addr::Endpoint;
use crate::error::{Error, Exit, Fact, Neighbour, Phase, Result, Route, RouteKind, Saw};
use crate::event::Sink;
use crate::net::conn::{Conn, Incoming};
use crate::net::dial::{CONN, Dial};
use crate::net::options::Options;
use crate::net::resolve::{Budget, Purpose, Target, resolve};
use crate::net::socket::{Family, Kind};
use crate::net::via::Via;
use crate::sys::proc::mtu;
use crate::sys::{self, Stop, poll};
use crate::work::check;
use crate::work::diag::way_to;

/// How long the peer may take to say something by itself, and to end after us.
const SILENCE: Duration = Duration::from_secs(1);
/// An end this soon is no answer to anything.
const AT_ONCE: Duration = Duration::from_millis(100);
/// So many of the first bytes are shown.
const SHOWN: usize = 60;

/// A walk to an address.
pub struct Walk<'a> {
    /// Where to.
    pub endpoint: &'a Endpoint,
    /// For resolving, and for each address.
    pub timeout: Duration,
    /// Ends every wait.
    pub stop: &'a Stop,
    /// Is told of what the layers below do.
    pub sink: &'a dyn Sink,
}

impl Walk<'_> {
    /// Goes as far as it can, and tells each layer.
    ///
    /// # Errors
    /// That of the layer at which it ended; of several addresses, the one that got furthest.
    pub fn walk(&self, tell: &mut dyn FnMut(Check)) -> Result<()> {
        if matches!(self.endpoint, Endpoint::Fd(_) | Endpoint::Systemd(_)) {
            return Err(Error::usage(format!("{}: a socket that is open already has no path to walk", self.endpoint)));
        }
        tell(Check::ok("address", self.endpoint.to_string()));
        let start = Instant::now();
        let budget = Budget::new(self.timeout, "--connect-timeout");
        let targets = resolve(self.endpoint, Purpose::Client, Some(budget), self.stop, self.sink)?;
        if targets.len() > 1 || targets.first().is_some_and(|target| target.endpoint != *self.endpoint) {
            let found: Vec<String> = targets.iter().map(|target| target.endpoint.to_string()).collect();
            tell(Check::ok("resolve", format!("{} ({})", found.join(", "), millis(start.elapsed()))));
        }
        let (mut reached, mut failures) = (None, Vec::new());
        for target in &targets {
            if self.stop.requested().is_some() {
                return Ok(());
            }
            match self.attempt(target, tell) {
                Ok(Some(conn)) => reached = reached.or(Some(conn)),
                Ok(None) => return Ok(()),
                Err(error) => failures.push((target, error)),
            }
        }
        let Some(mut conn) = reached else {
            let errors = failures.into_iter().map(|(_, error)| error).collect();
            return Err(Error::attempts(self.endpoint, errors));
        };
        for (target, error) in failures {
            let check = Check::ok(format!("connect {}", target.endpoint), error.to_string());
            let told = format!("sockkit doctor {}", shell_words::quote(&target.endpoint.to_string()));
            tell(check.warn("clients that try this address first lose time, or fail").try_(told));
        }
        self.talk(&mut conn, tell)
    }

    /// One address, as far as a connection.
    fn attempt(&self, target: &Target, tell: &mut dyn FnMut(Check)) -> Result<Option<Conn>> {
        let to = target.address.as_socket().filter(|_| matches!(target.shape.family, Family::V4 | Family::V6));
        if let Some(to) = to {
            tell(route(target, to)?);
        }
        let options = Options::default();
        let dial = Dial {
            conn: CONN,
            endpoint: &target.endpoint,
            via: Via::STRAIGHT,
            source: None,
            options: &options,
            timeout: self.timeout,
            retry: None,
            tls: None,
            stop: self.stop,
            sink: self.sink,
        };
        let start = Instant::now();
        let dialed = dial.dial();
        let took = start.elapsed();
        if to.is_some() {
            neighbour(target, dialed.is_err()).into_iter().for_each(&mut *tell);
        }
        if let (Some(to), Err(error)) = (to, &dialed)
            && is_lost(error)
            && leaves(target)
        {
            hops(target, to, self.stop).into_iter().for_each(&mut *tell);
        }
        let conn = dialed?;
        if let Some(conn) = &conn {
            let rtt = sys::sockopt::tcp_info(conn.socket()).ok().filter(|_| target.shape.is_tcp());
            let rtt = rtt.map(|info| format!(", round trip {}", millis(info.rtt))).unwrap_or_default();
            let what = if target.shape.kind == Kind::Dgram { "no handshake in datagrams" } else { "connected" };
            tell(Check::ok(format!("connect {}", target.endpoint), format!("{what} in {}{rtt}", millis(took))));
        }
        Ok(conn)
    }

    /// What the peer does once it is reached.
    fn talk(&self, conn: &mut Conn, tell: &mut dyn FnMut(Check)) -> Result<()> {
        let shape = conn.shape();
        if shape.is_udp() {
            return match check::check(conn, Some(SILENCE), self.stop) {
                Ok(_) => {
                    tell(Check::ok("answer", "an empty datagram was answered"));
                    Ok(())
                }
                Err(error) if error.exit == Exit::ConnectTimeout => {
                    let check = Check::ok("answer", "none to an empty datagram within 1 s, and no error either");
                    tell(check.warn("the port is open and has nothing to say to that, or a firewall drops it: they look alike from here"));
                    Ok(())
                }
                Err(error) => Err(error),
            };
        }
        if shape.kind == Kind::Dgram {
            return Ok(());
        }
        if self.first_bytes(conn, tell)? {
            self.close(conn, tell)?;
        }
        Ok(())
    }

    /// What the peer says by itself. Whether it is still there.
    fn first_bytes(&self, conn: &mut Conn, tell: &mut dyn FnMut(Check)) -> Result<bool> {
        let start = Instant::now();
        let mut buffer = vec![0; 4096];
        let received = self.receive(conn, &mut buffer, start + SILENCE).map_err(|mut error| {
            if error.exit == Exit::Reset && start.elapsed() < AT_ONCE {
                error.facts.push(Fact::Saw { what: Saw::Closes, after: start.elapsed() });
            }
            error
        })?;
        match received {
            None => {
                let check = Check::ok("first bytes", "none within 1 s: it waits for us to speak first");
                tell(if self.stop.requested().is_some() { return Ok(false) } else { check });
            }
            Some(Incoming::Bytes(bytes)) => {
                let text = String::from_utf8_lossy(&buffer[..bytes.min(SHOWN)]).into_owned();
                let more = if bytes > SHOWN { "..." } else { "" };
                let took = millis(start.elapsed());
                tell(Check::ok("first bytes", format!("{bytes} after {took}: \"{}{more}\"", text.trim_end())));
            }
            Some(Incoming::Eof) if start.elapsed() < AT_ONCE => {
                let check = Check::ok("first bytes", "none: it took the connection and closed it at once");
                tell(
                    check.warn(
                        "a proxy or load balancer in front with nothing behind it, or a service that turns us away",
                    ),
                );
                return Ok(false);
            }
            Some(Incoming::Eof) => {
                let check = Check::ok("first bytes", format!("none: it closed after {}", millis(start.elapsed())));
                tell(check.warn("it does not wait for what a client has to say"));
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// How it takes our end.
    fn close(&self, conn: &mut Conn, tell: &mut dyn FnMut(Check)) -> Result<()> {
        conn.shutdown_write().map_err(|source| conn.failed(Phase::Sending, source))?;
        let start = Instant::now();
        let mut buffer = vec![0; 64 << 10];
        loop {
            match self.receive(conn, &mut buffer, start + SILENCE) {
                Ok(Some(Incoming::Bytes(_))) if start.elapsed() < SILENCE => {}
                Ok(Some(Incoming::Eof)) => {
                    tell(Check::ok("close", format!("it ended {} after us", millis(start.elapsed()))));
                    return Ok(());
                }
                Ok(_) => {
                    let value = "it keeps its side open for 1 s and more after our end";
                    tell(Check::ok("close", format!("{value} (--linger-after-eof bounds the wait)")));
                    return Ok(());
                }
                Err(error) if error.exit == Exit::Reset => {
                    let check = Check::ok("close", "it answers our end with a reset");
                    tell(check.warn("what it still had to send may be lost; --no-shutdown keeps our end back"));
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// What comes until then, if anything does.
    fn receive(&self, conn: &mut Conn, buffer: &mut Vec<u8>, until: Instant) -> Result<Option<Incoming>> {
        loop {
            match conn.recv(buffer) {
                Ok(incoming) => return Ok(Some(incoming)),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(source) => return Err(conn.failed(Phase::Receiving, source)),
            }
            if Instant::now() >= until || self.stop.requested().is_some() {
                return Ok(None);
            }
            let mut fds = [PollFd::new(&*conn, PollFlags::IN), PollFd::new(self.stop, PollFlags::IN)];
            let polled = poll(&mut fds, Some(until));
            polled.map_err(|source| Error::os(Phase::Waiting, Some(self.endpoint), source))?;
        }
    }
}

/// The way the kernel would send: a UDP socket that is connected sends nothing, and has been given a source.
fn route(target: &Target, to: SocketAddr) -> Result<Check> {
    let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let os = |source| Error::os(Phase::Connecting, Some(&target.endpoint), source);
    let socket = UdpSocket::bind((any, 0)).map_err(os)?;
    socket.connect(to).map_err(os)?;
    let source = socket.local_addr().map_err(os)?.ip();
    let all = sys::addresses_of_interfaces().unwrap_or_default();
    let name = format!("route to {}", to.ip());
    if all.iter().any(|(_, ip)| ip.to_canonical() == to.ip().to_canonical()) || to.ip().is_loopback() {
        return Ok(Check::ok(name, format!("on this host, from {source}")));
    }
    let interface = all.iter().find(|(_, ip)| *ip == source).map(|(name, _)| name.as_str());
    let through = interface.map(|name| format!(" through {name}")).unwrap_or_default();
    let mtu = interface.and_then(mtu).map(|mtu| format!(", MTU {mtu}")).unwrap_or_default();
    let gateway = way(target).and_then(|way| way.gateway);
    let by = gateway.map_or_else(|| ", on its own network".to_owned(), |gateway| format!(", by the router {gateway}"));
    Ok(Check::ok(name, format!("from {source}{through}{by}{mtu}")))
}

fn way(target: &Target) -> Option<Route> {
    match &target.endpoint {
        Endpoint::Inet(inet) => way_to(inet),
        _ => None,
    }
}

/// Whether the next hop answers: the address itself, or the router towards it.
fn neighbour(target: &Target, failed: bool) -> Option<Check> {
    let Route { gateway, interface: Some(interface), neighbour, .. } = way(target)? else { return None };
    let (next, what) = match gateway {
        Some(gateway) => (gateway, "router"),
        None => (target.address.as_socket()?.ip(), "neighbour"),
    };
    let by = if next.is_ipv4() { "ARP" } else { "neighbour discovery" };
    let name = format!("{what} {next}");
    match neighbour {
        Neighbour::Reachable => Some(Check::ok(name, format!("answers to {by} on {interface}"))),
        Neighbour::Silent if failed => Some(
            Check::ok(name, format!("no answer to {by} on {interface}"))
                .bad(match gateway {
                    Some(_) => "the router is down, or the route names a wrong one",
                    None => "no host with this address is up on that network, or it is another network",
                })
                .try_(format!("ip neigh show {next} dev {interface}")),
        ),
        _ => None,
    }
}

/// Whether packets to it leave this host: there are no hops within, and none behind a rule of its own.
fn leaves(target: &Target) -> bool {
    let local = way(target).is_some_and(|way| way.kind == RouteKind::Local);
    let stopped = target.address.as_socket().filter(|_| target.shape.is_tcp()).and_then(sys::is_stopped);
    !local && stopped != Some(true)
}

/// Whether what was sent got lost on the way, so that it is worth asking where.
fn is_lost(error: &Error) -> bool {
    let beyond = |fact: &Fact| match fact {
        Fact::Icmp { from, .. } => sys::local_addresses().is_ok_and(|ours| !ours.contains(from)),
        _ => false,
    };
    error.exit == Exit::ConnectTimeout || error.exit == Exit::Unreachable && error.facts.iter().any(beyond)
}

fn millis(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}
