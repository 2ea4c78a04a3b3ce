//! What can fail, and the exit code that says so.
//!
//! An [`Error`] is plain facts: the [`Phase`] in which it happened, the address, the system's words and
//! whatever was found out about it since. How that reads to a person is the business of `out::explain`.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::addr::{Endpoint, Host, Inet, Transport, UnixKind};
use crate::course::Course;
use crate::span::Misread;
use crate::tls::Fault;

mod host;
mod numbers;
mod phase;
mod proxy;

pub use host::{Held, Link, NameAnswer, Neighbour, Ports, Resolver, Route, RouteKind, Saw, TimeWait};
pub use numbers::is_unreachable;
pub use phase::Phase;
pub use proxy::{Between, ProxyAnswer, ProxyKind, ProxyPart, TargetFailure};

/// The result of everything that can end the program.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The exit status of a panic, as Rust has it: a bug of this program.
pub const PANICKED: u8 = 101;

/// The exit codes, one per kind of failure, the same in every subcommand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Exit {
    /// Both sides finished as the flags allow.
    Ok,
    /// Any failure without a code of its own.
    Failed,
    /// Flags, address or script do not parse.
    Usage,
    /// An `expect`, or another check, was not met.
    Expectation,
    /// The name does not resolve.
    Resolve,
    /// Every address refused.
    Refused,
    /// No route, host or net unreachable, administratively prohibited, no such UNIX path.
    Unreachable,
    /// No connection in time.
    ConnectTimeout,
    /// Open, then no progress for longer than allowed.
    IdleTimeout,
    /// The peer reset, or the connection broke in mid-session.
    Reset,
    /// Address in use or not one of ours, no such interface, no local port left.
    Bind,
    /// The system forbids it.
    Permission,
    /// Handshake, certificate, a key that does not fit, an end without close_notify.
    Tls,
    /// The proxy said no, or could not be reached itself.
    Proxy,
    /// A handler program failed.
    Child,
    /// The whole-run `--deadline` passed.
    Deadline,
    /// Ended by this signal.
    Signal(u8),
}

impl Exit {
    /// The number that the process exits with.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Expectation => 3,
            Self::Resolve => 4,
            Self::Refused => 5,
            Self::Unreachable => 6,
            Self::ConnectTimeout => 7,
            Self::IdleTimeout => 8,
            Self::Reset => 9,
            Self::Bind => 10,
            Self::Permission => 11,
            Self::Tls => 12,
            Self::Proxy => 13,
            Self::Child => 14,
            Self::Deadline => 124,
            Self::Signal(signal) => 128 + signal,
        }
    }

    /// The name that events carry as `reason`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::Expectation => "expectation",
            Self::Resolve => "resolve",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::ConnectTimeout => "connect-timeout",
            Self::IdleTimeout => "idle-timeout",
            Self::Reset => "reset",
            Self::Bind => "bind",
            Self::Permission => "permission",
            Self::Tls => "tls",
            Self::Proxy => "proxy",
            Self::Child => "child",
            Self::Deadline => "deadline",
            Self::Signal(_) => "signal",
        }
    }

    /// How far an attempt got: of several addresses that fail in different ways, the furthest decides.
    fn furthest(self) -> u8 {
        match self {
            Self::Tls => 7,
            Self::Reset => 6,
            Self::Refused => 5,
            Self::ConnectTimeout => 4,
            Self::Unreachable => 3,
            Self::Permission => 2,
            Self::Bind => 1,
            _ => 0,
        }
    }
}

/// Something that was found out about a failure, from the kernel, `/proc` or a name server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A socket of this host that stands in the way, or stands near.
    Holder {
        /// Its own local address.
        local: Endpoint,
        /// Its process, where this user may see it.
        process: Option<Process>,
        /// Whether it is in the way (the address asked for) or merely near (same port, other address or family).
        overlaps: bool,
    },
    /// A socket of this host that receives at the address asked for, but on another port: one of those nearest.
    Neighbour {
        /// Its own local address.
        local: Endpoint,
        /// Its process, where this user may see it.
        process: Option<Process>,
    },
    /// Connections on the port that are only waiting out TIME_WAIT.
    TimeWait(TimeWait),
    /// More about the socket before it, which is in the way.
    Held(Held),
    /// SO_REUSEPORT was asked for, and did not help.
    ReusePort,
    /// The ports that clients are given, and who has them.
    Ports(Ports),
    /// The way that this host has to the address.
    Route(Route),
    /// How this host finds names.
    Resolver(Resolver),
    /// What was seen last of an address that was waited for.
    Saw {
        /// What that was.
        what: Saw,
        /// How long it was waited for.
        after: Duration,
    },
    /// What one name server said when asked again, directly.
    NameServer {
        /// Who was asked.
        server: SocketAddr,
        /// What it said.
        answer: NameAnswer,
    },
    /// An ICMP error that came back, from the socket's error queue.
    Icmp {
        /// Who sent it.
        from: IpAddr,
        /// Whether that is the target itself.
        from_target: bool,
        /// The ICMP (or ICMPv6) type.
        kind: u8,
        /// The code under that type.
        code: u8,
    },
    /// The addresses that this host does have.
    LocalAddresses(Vec<IpAddr>),
    /// What stands at a UNIX socket's path.
    UnixPath(UnixPathState),
    /// A kernel setting that has a part in it.
    Sysctl {
        /// As `sysctl` names it.
        name: &'static str,
        /// Its value now.
        value: String,
    },
    /// The address as it was typed, where the failure is about another: a peer's, or that of a built-in one.
    Typed(Endpoint),
    /// The local firewall or another local rule answered, not the network.
    LocalPolicy,
    /// What was asked of our own end (--source, --interface; neither, where it was --mark alone).
    From {
        /// The address that it was to have.
        source: Option<IpAddr>,
        /// The interface that it was to keep to.
        interface: Option<String>,
    },
    /// The rules of this host let packets to there out.
    LetOut,
    /// Answers do reach this host, and a rule of its own throws them away.
    AnswersLost {
        /// The interface that they came by.
        interface: String,
        /// Whether that was the reverse path filter (rp_filter of ip-sysctl.rst): answers to them would leave by another.
        reverse_path: bool,
    },
    /// A file, and the number with which it could not be used.
    File {
        /// Which one.
        path: PathBuf,
        /// The error number.
        errno: i32,
    },
    /// So many clients came, and were turned away.
    TurnedAway(u64),
    /// How many descriptors this process may have open (RLIMIT_NOFILE, getrlimit(2)).
    Descriptors {
        /// The soft limit.
        limit: u64,
    },
    /// The command of a script that failed.
    Line {
        /// The script's name.
        script: String,
        /// The line, from 1.
        line: usize,
        /// That line's text.
        text: String,
        /// The command's bytes in that text.
        at: std::ops::Range<usize>,
    },
    /// What came in the place of what a script expected, that no command had taken.
    Came {
        /// How many bytes.
        bytes: usize,
        /// The last of them.
        last: Vec<u8>,
    },
    /// A proxy was to be gone through. Where it was not reached, the failure is about the proxy's own address.
    Proxy(Box<ProxyPart>),
    /// The connection was made to us, at this address: in its handshake we are the server.
    Accepted(Endpoint),
    /// The connection goes through a proxy, which did its part.
    Between(Box<Between>),
    /// How the session went that failed.
    Course(Box<Course>),
    /// A listener of this host has connections that it has not accepted.
    AcceptQueue {
        /// How many.
        waiting: u32,
        /// How many may, as the kernel took it from listen(2), where it tells; it takes one more than that.
        limit: Option<u32>,
    },
}

/// A process of this host.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Process {
    /// Its process ID.
    pub pid: u32,
    /// The name of its program.
    pub program: String,
}

/// What stands at the path of a UNIX socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnixPathState {
    /// Nothing, and this is the deepest directory that exists.
    Missing {
        /// The deepest directory on the way that does exist.
        deepest: PathBuf,
    },
    /// Something that is no socket: "a regular file", "a directory".
    NotASocket(&'static str),
    /// A socket file without a process behind it.
    Stale,
    /// A socket file that a process has bound, and does not listen on.
    Bound {
        /// Its process, where this user may see it.
        process: Option<Process>,
    },
    /// A socket file that a process serves.
    Live {
        /// The kind it serves, where that could be told.
        kind: Option<UnixKind>,
        /// Its process, where this user may see it.
        process: Option<Process>,
    },
    /// There, but this user may not use it, or not go there.
    Forbidden {
        /// The file or directory that says no.
        at: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// The user that owns it.
        owner: u32,
    },
}

/// Why, in the words of whoever said it.
#[derive(Debug)]
pub enum Cause {
    /// The system said no.
    Os(io::Error),
    /// What was typed does not parse.
    Misread(Misread),
    /// The resolver said no: the `EAI_` code of getaddrinfo(3) and its text.
    Resolver {
        /// The code, negative on Linux.
        code: i32,
        /// gai_strerror(3) of it.
        text: String,
    },
    /// TLS: see there.
    Tls(Box<Fault>),
    /// A time limit passed.
    TimedOut {
        /// The flag that set it: `"--connect-timeout"`.
        limit: &'static str,
        /// How long it was.
        after: Duration,
    },
    /// Something was expected and did not come: what, and below it what came instead.
    Expected {
        /// In one line.
        what: String,
        /// More lines.
        details: Vec<String>,
    },
    /// Several addresses were tried, and this is what each answered, in the order they were tried.
    Attempts(Vec<Error>),
    /// Anything else, in plain words.
    Text(String),
}

/// A failure with everything that is known about it.
///
/// Boxed, for it is part of every result, and results are moved at every step of every session.
#[derive(Debug)]
pub struct Error(Box<Inner>);

impl Deref for Error {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl DerefMut for Error {
    fn deref_mut(&mut self) -> &mut Inner {
        &mut self.0
    }
}

/// What is in an [`Error`].
#[derive(Debug)]
pub struct Inner {
    /// The code it ends with.
    pub exit: Exit,
    /// What was being done.
    pub phase: Phase,
    /// Where, if it has an address.
    pub endpoint: Option<Endpoint>,
    /// Why.
    pub cause: Cause,
    /// What was found out afterwards.
    pub facts: Vec<Fact>,
}

impl Error {
    /// One of which no more is known yet.
    #[must_use]
    pub fn new(exit: Exit, phase: Phase, endpoint: Option<&Endpoint>, cause: Cause) -> Self {
        Self(Box::new(Inner { exit, phase, endpoint: endpoint.cloned(), cause, facts: Vec::new() }))
    }

    /// The system said no. The exit code follows from the phase and the error number.
    #[must_use]
    pub fn os(phase: Phase, endpoint: Option<&Endpoint>, source: io::Error) -> Self {
        let exit = exit_of(phase, endpoint, &source);
        let cause = match source.get_ref().and_then(|inner| inner.downcast_ref::<Fault>()) {
            Some(fault) => Cause::Tls(Box::new(fault.clone())),
            None => Cause::Os(source),
        };
        Self::new(exit, phase, endpoint, cause)
    }

    /// What was asked for cannot be, in plain words: exit 2.
    #[must_use]
    pub fn usage(text: impl Into<String>) -> Self {
        Self::text(Exit::Usage, Phase::Arguments, None, text)
    }

    /// A failure that no system call reported.
    #[must_use]
    pub fn text(exit: Exit, phase: Phase, endpoint: Option<&Endpoint>, text: impl Into<String>) -> Self {
        Self::new(exit, phase, endpoint, Cause::Text(text.into()))
    }

    /// A file cannot be used. Either may be empty: what is said before its path, which is the flag that named it, most
    /// often; and the path, where no more is known of it than that flag, for it is open already.
    #[must_use]
    pub fn file(named_by: &str, path: &Path, source: &io::Error) -> Self {
        let exit = if source.kind() == io::ErrorKind::PermissionDenied { Exit::Permission } else { Exit::Failed };
        let fact = source.raw_os_error().map(|errno| Fact::File { path: path.into(), errno });
        let between = if named_by.is_empty() || path.as_os_str().is_empty() { "" } else { " " };
        let text = format!("{named_by}{between}{}: {}", path.display(), words(source));
        Self::text(exit, Phase::File, None, text).knowing(fact)
    }

    /// What was expected did not come.
    #[must_use]
    pub fn expected(phase: Phase, endpoint: Option<&Endpoint>, what: String, details: Vec<String>) -> Self {
        let cause = Cause::Expected { what, details };
        Self::new(Exit::Expectation, phase, endpoint, cause)
    }

    /// A time limit passed.
    #[must_use]
    pub fn timed_out(phase: Phase, endpoint: Option<&Endpoint>, limit: &'static str, after: Duration) -> Self {
        let exit = match phase {
            Phase::Resolving => Exit::Resolve,
            Phase::Connecting | Phase::Accepting => Exit::ConnectTimeout,
            Phase::Securing => Exit::Tls,
            Phase::Proxying => Exit::Proxy,
            _ => Exit::IdleTimeout,
        };
        Self::new(exit, phase, endpoint, Cause::TimedOut { limit, after })
    }

    /// Every address failed. The code is that of the one that got furthest; a single failure stays itself.
    ///
    /// # Panics
    /// When `attempts` is empty: somebody failed at nothing.
    #[must_use]
    pub fn attempts(endpoint: &Endpoint, mut attempts: Vec<Self>) -> Self {
        if attempts.len() == 1 {
            return attempts.remove(0);
        }
        let furthest = attempts.iter().max_by_key(|attempt| attempt.exit.furthest()).expect("at least one attempt");
        Self::new(furthest.exit, furthest.phase, Some(endpoint), Cause::Attempts(attempts))
    }

    /// The same, about this address.
    #[must_use]
    pub fn at(mut self, endpoint: &Endpoint) -> Self {
        self.endpoint = Some(endpoint.clone());
        self
    }

    /// The same with this exit code.
    #[must_use]
    pub fn exiting(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// The same with what was found out besides.
    #[must_use]
    pub fn knowing(mut self, facts: impl IntoIterator<Item = Fact>) -> Self {
        self.facts.extend(facts);
        self
    }

    /// The proxy that has a part in it.
    #[must_use]
    pub fn proxy(&self) -> Option<&ProxyPart> {
        self.facts.iter().find_map(|fact| match fact {
            Fact::Proxy(part) => Some(&**part),
            _ => None,
        })
    }

    /// How many clients came, and were turned away.
    #[must_use]
    pub fn turned_away(&self) -> u64 {
        let turned_away = |fact: &Fact| if let Fact::TurnedAway(clients) = fact { Some(*clients) } else { None };
        self.facts.iter().find_map(turned_away).unwrap_or(0)
    }

    /// The error number, where the system gave one.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        match &self.cause {
            Cause::Os(source) => source.raw_os_error(),
            _ => None,
        }
    }
}

impl From<Misread> for Error {
    fn from(misread: Misread) -> Self {
        Self::new(Exit::Usage, Phase::Arguments, None, Cause::Misread(misread))
    }
}

/// One line, without the cause and the hint that `out::explain` adds.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fact in &self.facts {
            if let Fact::Line { script, line, .. } = fact {
                write!(f, "{script}:{line}: ")?;
            }
        }
        match (self.phase, self.proxy()) {
            (Phase::Connecting, Some(_)) => f.write_str("connecting to the proxy")?,
            (Phase::Resolving, Some(_)) => f.write_str("resolving the proxy's name")?,
            (phase, _) => write!(f, "{phase}")?,
        }
        if let Some(endpoint) = self.endpoint.as_ref().filter(|endpoint| !endpoint.is_unnamed()) {
            write!(f, ", {endpoint}")?;
        }
        write!(f, ": {}", self.answer())
    }
}

impl Error {
    /// What came instead of success, without phase and address.
    fn answer(&self) -> String {
        match &self.cause {
            // What a time limit means depends on what was waited for.
            Cause::TimedOut { limit, after } => {
                let after = humantime::format_duration(*after);
                match (self.phase, *limit) {
                    (_, "--deadline") => format!("the whole run may take {after} ({limit})"),
                    (Phase::Securing, _) => format!("it did not come to an end within {after} ({limit})"),
                    (Phase::Resolving | Phase::Connecting | Phase::Proxying, _) => {
                        format!("no answer within {after} ({limit})")
                    }
                    (Phase::Accepting, _) => match self.turned_away() {
                        0 => format!("nobody came within {after} ({limit})"),
                        _ => format!("nobody was let in within {after} ({limit})"),
                    },
                    (Phase::Receiving, _) | (_, "--recv-timeout") => format!("nothing came for {after} ({limit})"),
                    (Phase::Sending, _) | (_, "--send-timeout") => {
                        format!("the peer took nothing for {after} ({limit})")
                    }
                    _ => self.cause.to_string(),
                }
            }
            cause => cause.to_string(),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Os(source) => f.write_str(&words(source)),
            Self::Misread(misread) => write!(f, "{misread}"),
            Self::Expected { what, .. } => f.write_str(what),
            Self::Tls(fault) => write!(f, "{fault}"),
            Self::Resolver { text, .. } | Self::Text(text) => f.write_str(text),
            Self::TimedOut { limit, after } => {
                write!(f, "no progress for {} ({limit})", humantime::format_duration(*after))
            }
            Self::Attempts(attempts) => {
                let first = attempts.first().map(Error::answer).unwrap_or_default();
                if attempts.iter().all(|attempt| attempt.answer() == first) {
                    write!(f, "{first} (all {} addresses)", attempts.len())
                } else {
                    write!(f, "all {} addresses failed", attempts.len())
                }
            }
        }
    }
}

impl std::error::Error for Error {}

/// The system's words without the number that Rust appends.
#[must_use]
pub fn words(source: &io::Error) -> String {
    let text = source.to_string();
    match text.rfind(" (os error ") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}

/// The table of CLI.md: phase and error number to exit code.
fn exit_of(phase: Phase, endpoint: Option<&Endpoint>, source: &io::Error) -> Exit {
    if phase == Phase::Securing || source.get_ref().is_some_and(|inner| inner.is::<Fault>()) {
        return Exit::Tls;
    }
    let errno = source.raw_os_error().unwrap_or(0);
    let unix = matches!(endpoint, Some(Endpoint::Unix(_)));
    match errno {
        libc::EPERM => Exit::Permission,
        // ICMPv6 "administratively prohibited" arrives as EACCES on a connect; on a UNIX path it is a file mode.
        // On IPv4 UDP it is the missing --broadcast, ip(7).
        libc::EACCES if phase == Phase::Connecting && !unix && !is_udp4(endpoint) => Exit::Unreachable,
        // With UDP it arrives on the next call, whichever that is.
        libc::EACCES if matches!(phase, Phase::Receiving | Phase::Sending) && is_udp6(endpoint) => Exit::Unreachable,
        libc::EACCES => Exit::Permission,
        libc::ECONNREFUSED => Exit::Refused,
        errno if is_unreachable(errno) => Exit::Unreachable,
        // ICMP "protocol unreachable", and "unrecognised next header" of ICMPv6.
        libc::ENOPROTOOPT | libc::EPROTO
            if !unix && matches!(phase, Phase::Connecting | Phase::Receiving | Phase::Sending) =>
        {
            Exit::Unreachable
        }
        // A UDP socket that finds no port for itself.
        libc::EAGAIN if phase == Phase::Connecting && matches!(endpoint, Some(Endpoint::Inet(_))) => Exit::Bind,
        // connect(2) of a route that throws packets away (ip-route(8), blackhole).
        libc::EINVAL if phase == Phase::Connecting && matches!(endpoint, Some(Endpoint::Inet(_))) => Exit::Unreachable,
        libc::ENOENT | libc::ENOTDIR | libc::ELOOP if unix && phase == Phase::Connecting => Exit::Unreachable,
        libc::ETIMEDOUT if phase == Phase::Connecting => Exit::ConnectTimeout,
        libc::ECONNRESET | libc::EPIPE | libc::ECONNABORTED | libc::ETIMEDOUT
            if matches!(phase, Phase::Sending | Phase::Receiving | Phase::Connecting) =>
        {
            Exit::Reset
        }
        // Of vsock it is the other machine that is not there.
        libc::ENODEV if phase == Phase::Connecting && matches!(endpoint, Some(Endpoint::Vsock { .. })) => {
            Exit::Unreachable
        }
        libc::EADDRINUSE | libc::EADDRNOTAVAIL | libc::ENODEV => Exit::Bind,
        libc::ENOENT | libc::ENOTDIR | libc::ELOOP if unix && phase == Phase::Binding => Exit::Bind,
        _ => Exit::Failed,
    }
}

fn is_udp6(endpoint: Option<&Endpoint>) -> bool {
    matches!(endpoint, Some(Endpoint::Inet(Inet { transport: Transport::Udp, host: Host::V6 { .. }, .. })))
}

fn is_udp4(endpoint: Option<&Endpoint>) -> bool {
    matches!(endpoint, Some(Endpoint::Inet(Inet { transport: Transport::Udp, host: Host::V4(_), .. })))
}

#[cfg(test)]
mod tests;
