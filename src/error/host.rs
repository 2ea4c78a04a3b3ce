//! What this host knows about its own part in a failure: its routes, its neighbours, its ports.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use super::{Cause, Error, Exit, Fact, Phase, Process};
use crate::addr::Endpoint;
use crate::tls::Fault;

/// The way that this host has to an address: rtnetlink(7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// What the routes of this host do with it.
    pub kind: RouteKind,
    /// The router that packets are handed to; none where the address is on a network of this host.
    pub gateway: Option<IpAddr>,
    /// The interface they leave by.
    pub interface: Option<String>,
    /// How that interface stands.
    pub link: Link,
    /// Whether the next hop (the gateway, or the address itself) answers on that link.
    pub neighbour: Neighbour,
}

/// What routes do: the types of ip-route(8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteKind {
    /// Sends packets on.
    Unicast,
    /// Keeps them: the address is one of this host.
    Local,
    /// Sends them to everybody on a network.
    Broadcast,
    /// Sends them to a group.
    Multicast,
    /// Says that the host is unreachable.
    Unreachable,
    /// Says that it is prohibited.
    Prohibit,
    /// Throws them away.
    Blackhole,
    /// There is none.
    None {
        /// An interface that has an address of the same network, and is down.
        down: Option<String>,
        /// Whether an interface has an address of this family that is good beyond its link.
        address: bool,
        /// Whether there is a default route all the same.
        default: bool,
        /// The interfaces that are switched off.
        off: Vec<String>,
    },
}

/// How an interface stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Nothing is known against it.
    Up,
    /// It is switched on, but has no carrier: no cable, or the other end is off.
    NoCarrier,
    /// It is switched off.
    Down,
}

/// What ARP, or neighbour discovery of IPv6, has of an address: ip-neighbour(8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Neighbour {
    /// Nothing, or nothing certain.
    Unknown,
    /// It was asked for, and nobody answers (yet).
    Silent,
    /// It answered just now.
    Reachable,
}

/// The ports that the kernel gives to clients, net.ipv4.ip_local_port_range, and who has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ports {
    /// The first of them.
    pub low: u16,
    /// The last of them.
    pub high: u16,
    /// So many different ones are taken.
    pub taken: usize,
    /// So many of those by connections that only wait out TIME_WAIT.
    pub waiting: usize,
    /// So many by others that no process has any more, and that the kernel still ends.
    pub ending: usize,
    /// Who has most of them, and how many; as far as this user may see.
    pub by: Vec<(Process, usize)>,
}

/// More about a socket that stands in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The user that it belongs to, where that is not the one who asks: by name or number.
    pub other_user: Option<String>,
    /// What it is, where it does not listen: `established`, `fin-wait-2` and the like, as ss(8) calls it.
    pub state: Option<&'static str>,
    /// Whether no process has it any more.
    pub orphan: bool,
}

/// Connections that wait out TIME_WAIT on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeWait {
    /// How many.
    pub connections: usize,
    /// How long the last of them has left, where that is known.
    pub left: Option<Duration>,
}

/// How this host finds names: nsswitch.conf(5), resolv.conf(5), hosts(5).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resolver {
    /// Where it looks, as nsswitch.conf says, if DNS is not among that.
    pub without_dns: Option<String>,
    /// Whether resolv.conf names a server.
    pub servers: bool,
    /// The domains that it tries to complete a name with.
    pub search: Vec<String>,
    /// What the hosts file has for the name.
    pub listed: Vec<String>,
}

/// How a name server took a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameAnswer {
    /// NOERROR with this many addresses.
    Addresses(usize),
    /// NXDOMAIN: the name does not exist.
    NoSuchName,
    /// SERVFAIL: the server could not find out.
    ServerFailure,
    /// REFUSED: the server will not answer us.
    Refused,
    /// Any other RCODE (RFC 1035, section 4.1.1).
    Code(u8),
    /// Nothing came back in time.
    Silence,
    /// The host answered that no name server runs there.
    NoServer,
    /// The question could not be sent: no route to the server.
    Unreachable,
    /// A rule of this host forbids to send the question.
    Forbidden,
    /// What came back is no answer to the question.
    Garbage,
    /// The answer is too large for a datagram, and over TCP there was none.
    Truncated,
    /// The name is an alias (CNAME) that leads to nothing.
    AliasOfNothing,
}

/// What trying an address came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Saw {
    /// Connecting failed with this number.
    Errno(i32),
    /// It was not answered.
    NoAnswer,
    /// The name did not resolve: the `EAI_` code of getaddrinfo(3).
    NoName(i32),
    /// TLS with it failed.
    Tls(Box<Fault>),
    /// It accepted, and closed or reset the connection before a word was said.
    Closes,
}

impl Error {
    /// For one that gave up waiting: what connecting failed with at last, as a failure of its own.
    #[must_use]
    pub fn last_seen(&self) -> Option<Self> {
        let endpoint = self.endpoint.as_ref()?;
        let (what, after) = self.saw()?;
        let mut last = match what {
            Saw::Errno(errno) => Self::os(Phase::Connecting, Some(endpoint), io::Error::from_raw_os_error(*errno)),
            Saw::NoAnswer => Self::timed_out(Phase::Connecting, Some(endpoint), "--timeout", after),
            Saw::NoName(code) => {
                let cause = Cause::Resolver { code: *code, text: String::new() };
                Self::new(Exit::Resolve, Phase::Resolving, Some(endpoint), cause)
            }
            Saw::Tls(fault) => Self::os(Phase::Securing, Some(endpoint), Fault::clone(fault).into()),
            Saw::Closes => return None,
        };
        last.facts.clone_from(&self.facts);
        Some(last)
    }

    /// The same of a connection that was made to us, at this address.
    #[must_use]
    pub fn accepted(self, local: &Endpoint) -> Self {
        self.knowing([Fact::Accepted(local.clone())])
    }

    /// Whether the connection was made to us, as far as that is known.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.facts.iter().any(|fact| match fact {
            Fact::Accepted(_) => true,
            Fact::Course(course) => course.accepted,
            _ => false,
        })
    }

    /// What was seen last of an address, and how long it was waited for.
    #[must_use]
    pub fn saw(&self) -> Option<(&Saw, Duration)> {
        self.facts.iter().find_map(|fact| match fact {
            Fact::Saw { what, after } => Some((what, *after)),
            _ => None,
        })
    }
}
