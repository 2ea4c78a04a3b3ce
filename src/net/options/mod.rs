//! Socket options: what there is ([`TABLE`]), what was chosen ([`Options`]), and what became of it ([`Report`]).
//!
//! Everything about an option is its row of the table: its flag and help, how its value reads and prints, on
//! which sockets and at which moment it is set, how it is read back, and why the kernel may make something else
//! of it. A new option is a new row; flag, check, report and the test that sets it and reads it back follow.

mod free;
mod table;
#[cfg(test)]
mod tests;
mod value;

use std::io;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::addr::Endpoint;
use crate::error::{Error, Exit, Phase, Result, words};
use crate::event::Event;
use crate::net::socket::{Family, Kind, Shape};
use crate::span::Misread;
use crate::sys;

pub use free::{Free, FreeValue};
pub use table::TABLE;
pub use value::{Group, Keepalive, Takes, Value};

/// The backlog of a listener for which none was chosen. Measured: the 5 and 10 of other tools lose clients, or
/// seconds, in a burst of 100.
pub const DEFAULT_BACKLOG: u32 = 4096;

/// When an option is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It is an argument of socket(2): see [`Options::open`].
    Create,
    /// Between socket(2) and bind(2). A client that binds to nothing still has this stage.
    BeforeBind,
    /// Between bind(2) and connect(2) or listen(2). The last one of a datagram server.
    BeforeConnect,
    /// In the place of listen(2): applying this stage makes the socket listen.
    Listen,
    /// On the connected, or the accepted, socket.
    After,
}

/// What the socket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// It connects, or sends first.
    Client,
    /// It listens, or waits for datagrams.
    Listener,
    /// It came from accept(2).
    Accepted,
}

/// The sockets that an option makes sense on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All.
    Any,
    /// Those that listen and accept: streams and packets in order.
    Connections,
    /// Those with IP addresses.
    Ip,
    /// Those with IPv6 addresses.
    Ipv6,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// UNIX sockets.
    Unix,
}

impl Scope {
    /// Whether it takes in such sockets.
    #[must_use]
    pub fn covers(self, shape: Shape) -> bool {
        match self {
            Self::Any => true,
            Self::Connections => shape.kind != Kind::Dgram,
            Self::Ip => shape.is_inet(),
            Self::Ipv6 => shape.family == Family::V6,
            Self::Tcp => shape.is_tcp(),
            Self::Udp => shape.is_udp(),
            Self::Unix => shape.family == Family::Unix,
        }
    }

    fn describe(self) -> &'static str {
        match self {
            Self::Any => "any socket",
            Self::Connections => "sockets that accept connections",
            Self::Ip => "IPv4 and IPv6 sockets",
            Self::Ipv6 => "IPv6",
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Unix => "UNIX sockets",
        }
    }
}

/// A socket, and what is known about it.
#[derive(Debug, Clone, Copy)]
pub struct On<'a> {
    /// The socket.
    pub socket: &'a Socket,
    /// Its family and type.
    pub shape: Shape,
    /// What it is for.
    pub role: Role,
}

impl On<'_> {
    fn v6(&self) -> bool {
        self.shape.family == Family::V6
    }

    /// Whether IPv4 peers reach this IPv6 socket, so that what holds for IPv6 has to be said for IPv4 too.
    fn dual(&self) -> bool {
        self.v6() && !self.socket.only_v6().unwrap_or(true)
    }
}

/// A row of the table: everything about one option.
#[derive(Debug)]
pub struct Opt {
    /// The name of its flag, without the dashes.
    pub name: &'static str,
    /// The kernel's names: level and option. Several where the family decides, or where the value has parts.
    pub constants: &'static [(&'static str, &'static str)],
    /// What it is for, in one line of help.
    pub help: &'static str,
    /// What its value is called in the help; empty for a flag without one.
    pub value_name: &'static str,
    /// What values it takes.
    pub takes: Takes,
    /// What the flag means without a value, for a flag that may go without.
    pub missing: Option<&'static str>,
    /// Values worth offering, the kernel may know more.
    pub known: &'static [&'static str],
    /// Whether it may be given several times, each adding to the others.
    pub repeats: bool,
    /// Options that set the same thing.
    pub conflicts: &'static [&'static str],
    /// The sockets that it makes sense on.
    pub scope: Scope,
    /// Whether it makes no sense on a client.
    pub server_only: bool,
    /// When it is set.
    pub stage: Stage,
    /// Whether an accepted socket has it from its listener. Linux clones a TCP listener with its options, and
    /// makes an accepted UNIX or vsock socket from nothing; what is not inherited is set again after accept(2).
    pub inherited: fn(Shape) -> bool,
    /// Whether the handshake has the last word, so that it is read again afterwards.
    pub settles: bool,
    /// The value that stands when none was chosen.
    pub default: fn(Shape, Role) -> Option<Value>,
    /// Whether this value makes sense on such a socket, and if not, why.
    pub fits: fn(&Value, Shape) -> Result<(), String>,
    /// Sets it.
    pub set: fn(&On<'_>, &Value) -> io::Result<()>,
    /// Reads it. What was asked for tells which one, where the option is not one but many.
    pub get: fn(&On<'_>, Option<&Value>) -> io::Result<Value>,
    /// Why the kernel made this (the second value) of what was asked for (the first), or what else to know of it.
    pub why: fn(&On<'_>, &Value, &Value) -> Option<String>,
    /// Why the kernel refused it, where more is known than its own words.
    pub refused: fn(&Value, &io::Error) -> Option<String>,
    /// Values that are nobody's default, for the test that sets them and reads them back.
    pub samples: &'static [&'static str],
}

impl Opt {
    /// Whether it is ever set on such a socket in this role.
    #[must_use]
    pub fn applies(&self, shape: Shape, role: Role) -> bool {
        self.scope.covers(shape)
            && match role {
                Role::Client => !self.server_only,
                Role::Listener => true,
                Role::Accepted => !self.server_only && shape.kind != Kind::Dgram,
            }
    }

    /// Reads the text of a value; `None` for a flag without one.
    ///
    /// # Errors
    /// When the text is no such value.
    pub fn parse(&self, text: Option<&str>) -> Result<Value, Misread> {
        match text.or(self.missing) {
            Some(text) => self.takes.parse(text),
            None => Err(Misread::new("option", self.name, self.name.len()..self.name.len(), "it needs a value")
                .hint(format!("{}={}", self.name, self.value_name))),
        }
    }

    /// Whether it fits, and if not, why, in plain words: exit 2.
    fn check(&self, value: &Value, shape: Shape, role: Role) -> Result<()> {
        let name = self.name;
        if !self.scope.covers(shape) {
            let of = self.scope.describe();
            return Err(Error::usage(format!("--{name} does not apply to {shape}: it is an option of {of}")));
        }
        if self.server_only && role == Role::Client {
            return Err(Error::usage(format!("--{name} does not apply to a client: it is an option of servers")));
        }
        (self.fits)(value, shape)
            .map_err(|why| Error::usage(format!("--{name} {value} does not apply to {shape}: {why}")))
    }

    /// What to do about it at this moment.
    fn moment(&self, shape: Shape, role: Role, stage: Stage) -> Moment {
        let own = match role {
            Role::Accepted => stage == Stage::After && (self.stage == Stage::After || !(self.inherited)(shape)),
            Role::Client | Role::Listener => stage == self.stage,
        };
        match () {
            () if !self.applies(shape, role) => Moment::No,
            () if own => Moment::Set,
            () if self.settles && stage == Stage::After && role != Role::Listener => Moment::Read,
            () => Moment::No,
        }
    }

    /// Sets it, reads it back, and tells.
    fn apply(&self, on: &On<'_>, value: &Value, set: bool) -> Result<Report> {
        if set {
            (self.set)(on, value).map_err(|error| self.error(value, error))?;
        }
        let asked = value.to_string();
        Ok(match (self.get)(on, Some(value)) {
            Ok(effective) => Report {
                name: self.name,
                asked,
                note: (self.why)(on, value, &effective),
                effective: effective.to_string(),
            },
            Err(error) => Report {
                name: self.name,
                asked,
                effective: "unknown".to_owned(),
                note: Some(format!("it cannot be read back: {}", words(&error))),
            },
        })
    }

    fn error(&self, value: &Value, error: io::Error) -> Error {
        if self.stage == Stage::Listen {
            // listen(2) fails for the address, not for the number.
            return Error::os(Phase::Listening, None, error);
        }
        let mut text = format!("--{} {value}: {}", self.name, words(&error));
        if let Some(more) = (self.refused)(value, &error) {
            text = format!("{text}: {more}");
        }
        // The number decides the exit code, as everywhere; the text names the flag, which the number cannot.
        let exit = Error::os(Phase::Setting, None, error).exit;
        Error::text(exit, Phase::Setting, None, text)
    }
}

enum Moment {
    No,
    Set,
    Read,
}

/// The row of that name: the flag's (`rcvbuf`) or the kernel's (`SO_RCVBUF`, `so-rcvbuf`).
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Opt> {
    let plain = |name: &str| name.to_ascii_lowercase().replace('_', "-");
    let name = plain(name);
    TABLE.iter().find(|opt| opt.name == name).or_else(|| {
        // TCP_NODELAY names one row; IP_TOS names two, and the first is the one of that name.
        TABLE.iter().find(|opt| opt.constants.iter().any(|(_, constant)| plain(constant) == name))
    })
}

/// Reads every option that this socket has, in the order of the table.
#[must_use]
pub fn get(socket: &Socket, shape: Shape, role: Role) -> Vec<(&'static Opt, Value)> {
    let on = On { socket, shape, role };
    TABLE
        .iter()
        .filter(|opt| opt.applies(shape, role))
        .filter_map(|opt| Some((opt, (opt.get)(&on, None).ok()?)))
        .collect()
}

impl Report {
    /// As an event.
    #[must_use]
    pub fn event(&self) -> Event<'_> {
        Event::Option { name: self.name, asked: &self.asked, effective: &self.effective, note: self.note.as_deref() }
    }
}

/// What became of an option, as `Event::Option` tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The name of its flag.
    pub name: &'static str,
    /// What was asked for.
    pub asked: String,
    /// What the kernel made of it.
    pub effective: String,
    /// Why they differ, or what else to know.
    pub note: Option<String>,
}

/// The options that were chosen, to be set on any number of sockets.
#[derive(Debug, Clone, Default)]
pub struct Options {
    chosen: Vec<Chosen>,
}

#[derive(Debug, Clone)]
struct Chosen {
    opt: &'static Opt,
    value: Value,
}

impl Options {
    /// None chosen; what the table has by default still applies.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Chooses a value. It replaces an earlier one, unless the option repeats.
    ///
    /// # Errors
    /// Exit 2 when there is no such option, or when it conflicts with one chosen before.
    pub fn choose(&mut self, name: &str, value: Value) -> Result<()> {
        let opt = by_name(name).ok_or_else(|| Error::usage(format!("there is no socket option {name}")))?;
        if let Some(rival) = self.chosen.iter().find(|chosen| opt.conflicts.contains(&chosen.opt.name)) {
            return Err(Error::usage(format!(
                "--{} cannot be used with --{}: both set the same thing",
                opt.name, rival.opt.name
            )));
        }
        self.chosen.retain(|chosen| chosen.opt.name != opt.name || opt.repeats);
        self.chosen.push(Chosen { opt, value });
        Ok(())
    }

    /// Chooses the value that this text says; `None` for a flag without one.
    ///
    /// # Errors
    /// As [`Options::choose`], and exit 2 when the text is no value of this option.
    pub fn parse(&mut self, name: &str, text: Option<&str>) -> Result<()> {
        let opt = by_name(name).ok_or_else(|| Error::usage(format!("there is no socket option {name}")))?;
        self.choose(opt.name, opt.parse(text)?)
    }

    /// The chosen value, the first one of an option that repeats.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&Value> {
        let opt = by_name(name)?;
        self.chosen.iter().find(|chosen| chosen.opt.name == opt.name).map(|chosen| &chosen.value)
    }

    /// Sets what was chosen on a socket that somebody else made, as far as it is not too late for it.
    ///
    /// # Errors
    /// As [`Options::apply`]; exit 2 for what has a meaning only before bind(2), or in socket(2).
    pub fn apply_late(&self, socket: &Socket, shape: Shape, role: Role) -> Result<Vec<Report>> {
        const TOO_LATE: [&str; 6] = ["reuseaddr", "reuseport", "v6only", "freebind", "transparent", "mptcp"];
        self.check(shape, role)?;
        let on = On { socket, shape, role };
        let mut reports = Vec::new();
        for Chosen { opt, value } in &self.chosen {
            if TOO_LATE.contains(&opt.name) {
                return Err(Error::usage(format!("--{} comes too late for a socket that is open already", opt.name)));
            }
            reports.push(opt.apply(&on, value, true)?);
        }
        Ok(reports)
    }

    /// Those of them that have a meaning on a socket of this address in this role; what an inherited socket is, shows
    /// later.
    #[must_use]
    pub fn for_role(&self, endpoint: &Endpoint, role: Role) -> Self {
        let shapes = Shape::of(endpoint);
        let applies = |chosen: &&Chosen| {
            let server_only = chosen.opt.server_only && role == Role::Client;
            if shapes.is_empty() { !server_only } else { shapes.iter().any(|shape| chosen.opt.applies(*shape, role)) }
        };
        Self { chosen: self.chosen.iter().filter(applies).cloned().collect() }
    }

    /// The first one that neither of these two has.
    #[must_use]
    pub fn left_out(&self, one: &Self, other: &Self) -> Option<&'static str> {
        let has = |options: &Self, name: &str| options.chosen.iter().any(|chosen| chosen.opt.name == name);
        let names = self.chosen.iter().map(|chosen| chosen.opt.name);
        names.into_iter().find(|name| !has(one, name) && !has(other, name))
    }

    /// How many finished handshakes may wait on this listener, as the kernel took it.
    #[must_use]
    pub fn backlog(&self, socket: &Socket, shape: Shape) -> Option<u32> {
        let on = On { socket, shape, role: Role::Listener };
        let asked = self.value("backlog").cloned().unwrap_or(Value::Number(DEFAULT_BACKLOG));
        by_name("backlog").and_then(|opt| (opt.get)(&on, Some(&asked)).ok()?.number().ok())
    }

    /// How many may wait on a listener, as it was asked for.
    #[must_use]
    pub fn asked_backlog(&self) -> Option<u32> {
        self.value("backlog").map_or(Some(DEFAULT_BACKLOG), |value| value.number().ok())
    }

    /// Whether everything that was chosen makes sense on such a socket. For a server that includes what only its
    /// accepted sockets will have.
    ///
    /// # Errors
    /// Exit 2, for the first one that does not.
    pub fn check(&self, shape: Shape, role: Role) -> Result<()> {
        self.chosen.iter().try_for_each(|chosen| chosen.opt.check(&chosen.value, shape, role))
    }

    /// Opens a socket: socket(2) with the protocol that was chosen. It is closed on exec, and blocking.
    ///
    /// # Errors
    /// Those of socket(2), in the phase of opening.
    pub fn open(&self, shape: Shape) -> Result<Socket> {
        let domain = match shape.family {
            Family::V4 => Domain::IPV4,
            Family::V6 => Domain::IPV6,
            Family::Unix => Domain::UNIX,
            Family::Vsock => sys::vsock_domain().map_err(|error| Error::os(Phase::Opening, None, error))?,
        };
        let kind = match shape.kind {
            Kind::Stream => Type::STREAM,
            Kind::Dgram => Type::DGRAM,
            Kind::Seqpacket => Type::SEQPACKET,
        };
        let mptcp = shape.is_tcp() && self.value("mptcp") == Some(&Value::Switch(true));
        if !mptcp {
            return Socket::new(domain, kind, None).map_err(|error| Error::os(Phase::Opening, None, error));
        }
        let protocol = sys::sockopt::mptcp_protocol()
            .ok_or_else(|| Error::text(Exit::Failed, Phase::Opening, None, "--mptcp: not on this system"))?;
        Socket::new(domain, kind, Some(protocol)).map_err(|error| {
            let setting = match sys::proc::sysctl("net.mptcp.enabled") {
                Some(value) => format!("net.mptcp.enabled = {value}"),
                None => "this kernel was built without it".to_owned(),
            };
            let text = format!("--mptcp: {} ({setting})", words(&error));
            Error::text(Error::os(Phase::Opening, None, error).exit, Phase::Opening, None, text)
        })
    }

    /// Sets what this stage has to set, in the order of the table, and reads it back. [`Stage::Listen`] makes the
    /// socket listen, with the chosen backlog or the default one. What the user did not choose is not reported.
    ///
    /// # Errors
    /// When the kernel refuses one: the text names the flag, and the exit code follows from the error number (11
    /// for want of a privilege, 10 for an interface that there is not). What [`Options::check`] refuses is exit 2.
    pub fn apply(&self, socket: &Socket, shape: Shape, role: Role, stage: Stage) -> Result<Vec<Report>> {
        self.check(shape, role)?;
        let on = On { socket, shape, role };
        let mut reports = Vec::new();
        for opt in TABLE {
            let set = match opt.moment(shape, role, stage) {
                Moment::No => continue,
                Moment::Set => true,
                Moment::Read => false,
            };
            let mut chosen = self.chosen.iter().filter(|chosen| chosen.opt.name == opt.name).peekable();
            if chosen.peek().is_none()
                && set
                && let Some(value) = (opt.default)(shape, role)
            {
                (opt.set)(&on, &value).map_err(|error| opt.error(&value, error))?;
            }
            for Chosen { value, .. } in chosen {
                reports.push(opt.apply(&on, value, set)?);
            }
        }
        Ok(reports)
    }
}

/// Whole seconds, for the options that count in them: rounded up, for rounding down would make half a second none.
fn whole_seconds(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_secs() + u64::from(duration.subsec_nanos() > 0))
}
