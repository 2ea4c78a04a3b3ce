//! Finds out why something failed: asks the kernel, `/proc` and the name servers, once it has failed.
//!
//! An errno says little: "connection refused" is a server that is not running, one that listens on another
//! address, a left-over socket file or a firewall. [`enrich`] adds the facts that tell such causes apart;
//! `out::explain` puts them into words.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::addr::{Endpoint, Host, Inet};
use crate::error::{Cause, Error, Exit, Fact, Phase, RouteKind};
use crate::sys;

mod names;
mod paths;
mod ports;
mod ways;

pub use names::{ask, ask_all, name_servers};
pub use ports::client_ports;
pub use ways::{default_interfaces, way_to};

/// For everything on this host, whatever its size or load. It takes a few milliseconds but where all of `/proc`
/// has to be gone through, or where the processors are busy with something else.
const BUDGET: Duration = Duration::from_millis(500);
/// The same where an address is taken: who has it is all there is to tell, and nobody waits by a clock.
const HOLDER_BUDGET: Duration = Duration::from_secs(2);
/// For each name server, all asked side by side.
const PATIENCE: Duration = Duration::from_secs(2);
/// What the diagnosis may take even where the time for the run is used up.
const REMAINDER: Duration = Duration::from_millis(200);
/// The codes of getaddrinfo(3) where a name server has more to tell. `EAI_NODATA` and `EAI_ADDRFAMILY` are
/// obsolete (RFC 3493) and not in every libc, but glibc still answers with them.
const WORTH_ASKING: [i32; 5] = [libc::EAI_AGAIN, libc::EAI_FAIL, libc::EAI_NONAME, -5, -9];

/// Gathers facts about a failure and adds them to it. Blocks for at most half a second; where a name
/// did not resolve, for the two seconds that a silent name server is given. Never fails: it knows more or
/// it does not.
pub fn enrich(error: &mut Error) {
    enrich_within(error, Duration::MAX);
}

/// The same in what is left of the time that a person gave the whole; a fifth of a second where that is less.
pub fn enrich_within(error: &mut Error, left: Duration) {
    enrich_by(error, &Ways::within(left));
}

/// Where to look, and for how long.
struct Ways<'a> {
    resolv_conf: &'a Path,
    /// For what this host knows.
    deadline: Instant,
    /// For each name server.
    patience: Duration,
}

impl Ways<'static> {
    fn within(left: Duration) -> Self {
        let left = left.max(REMAINDER);
        Self {
            resolv_conf: Path::new("/etc/resolv.conf"),
            deadline: Instant::now() + BUDGET.min(left),
            patience: PATIENCE.min(left),
        }
    }
}

fn enrich_by(error: &mut Error, ways: &Ways<'_>) {
    if let Cause::Attempts(attempts) = &mut error.cause {
        for attempt in attempts {
            enrich_by(attempt, ways);
        }
        return;
    }
    let mut found = facts(error, ways);
    // EACCES of UDP is most often a broadcast that was not asked for; this is none.
    let prohibited = |fact: &Fact| matches!(fact, Fact::Route(route) if route.kind == RouteKind::Prohibit);
    if error.errno() == Some(libc::EACCES) && found.iter().any(prohibited) {
        error.exit = Exit::Unreachable;
    }
    found.extend(our_own_icmp(error));
    for fact in found {
        match error.facts.iter_mut().find(|known| is_same(known, &fact)) {
            Some(known @ (Fact::Holder { process: None, .. } | Fact::Neighbour { process: None, .. })) => *known = fact,
            Some(_) => {}
            None => error.facts.push(fact),
        }
    }
}

/// Whether two facts are about one thing: of a socket, the process is found in time or not.
fn is_same(one: &Fact, other: &Fact) -> bool {
    match (one, other) {
        (Fact::Holder { local, overlaps, .. }, Fact::Holder { local: theirs, overlaps: in_the_way, .. }) => {
            local == theirs && overlaps == in_the_way
        }
        (Fact::Neighbour { local, .. }, Fact::Neighbour { local: theirs, .. }) => local == theirs,
        _ => one == other,
    }
}

fn facts(error: &Error, ways: &Ways<'_>) -> Vec<Fact> {
    if let (Cause::Expected { .. }, Some(last)) = (&error.cause, error.last_seen()) {
        // The time is over, and all of it went into asking.
        return facts(&last, &Ways { patience: ways.patience.min(BUDGET), ..*ways });
    }
    let deadline = ways.deadline;
    // Where a proxy leads to is not for this host to look, let alone to send anything.
    let near = |_: &&Endpoint| error.between().is_none() || error.phase == Phase::Resolving;
    match (&error.cause, error.endpoint.as_ref().filter(near)) {
        (Cause::Os(source), endpoint) => {
            let Some(errno) = source.raw_os_error() else { return Vec::new() };
            match endpoint {
                _ if errno == libc::EMFILE => descriptors(),
                _ if errno == libc::ENFILE => sysctl("fs.file-max"),
                Some(Endpoint::Unix(unix)) if error.phase != Phase::Receiving => {
                    let interesting = [
                        libc::ENOENT,
                        libc::ENOTDIR,
                        libc::ECONNREFUSED,
                        libc::EADDRINUSE,
                        libc::EACCES,
                        libc::EPROTOTYPE,
                        libc::ELOOP,
                        libc::EAGAIN,
                    ];
                    if !interesting.contains(&errno) {
                        return Vec::new();
                    }
                    let binding = matches!(error.phase, Phase::Binding | Phase::Listening);
                    paths::state(unix, binding, errno, deadline)
                }
                Some(Endpoint::Inet(inet)) => match errno {
                    libc::ECONNREFUSED => {
                        let mut found = ports::around(inet, deadline);
                        // Of what came by ICMP the sender is known.
                        let told = error.facts.iter().any(|fact| matches!(fact, Fact::Icmp { .. }));
                        let asked = !told && error.phase == Phase::Connecting && goes_alike(error);
                        found.extend(asked.then(|| ways::rules(inet)).flatten());
                        found
                    }
                    // A rule of ours resets as if it were the peer.
                    libc::ECONNRESET if is_ours(error) => ways::rules(inet).into_iter().collect(),
                    libc::EADDRINUSE => ports::in_use(inet, deadline.max(Instant::now() + HOLDER_BUDGET)),
                    libc::ETIMEDOUT if error.phase == Phase::Connecting => no_answer(error, inet, deadline),
                    libc::EADDRNOTAVAIL | libc::EAGAIN if error.phase == Phase::Connecting => {
                        let mut found = local_addresses();
                        found.extend(client_ports(inet.transport, deadline).map(Fact::Ports));
                        found
                    }
                    libc::EADDRNOTAVAIL => local_addresses(),
                    libc::EACCES if matches!(error.phase, Phase::Binding | Phase::Listening) => {
                        sysctl("net.ipv4.ip_unprivileged_port_start")
                    }
                    libc::ETIMEDOUT
                    | libc::EACCES
                    | libc::EINVAL
                    | libc::ENETUNREACH
                    | libc::EHOSTUNREACH
                    | libc::ENETDOWN => ways::way(inet).into_iter().collect(),
                    libc::EPERM if matches!(error.phase, Phase::Connecting | Phase::Sending) => vec![Fact::LocalPolicy],
                    _ => Vec::new(),
                },
                _ => Vec::new(),
            }
        }
        (Cause::TimedOut { .. }, Some(Endpoint::Inet(inet))) if error.phase == Phase::Connecting => {
            no_answer(error, inet, deadline)
        }
        // Of a session that stands still: whether that is for want of a way.
        (Cause::TimedOut { .. }, Some(Endpoint::Inet(inet)))
            if error.facts.iter().any(|fact| matches!(fact, Fact::Course(_))) =>
        {
            let rules = is_ours(error).then(|| ways::rules(inet)).flatten();
            ways::way(inet).into_iter().chain(rules).collect()
        }
        (Cause::TimedOut { .. }, Some(Endpoint::Unix(unix))) if error.phase == Phase::Connecting => {
            paths::state(unix, false, libc::EAGAIN, deadline)
        }
        (Cause::Resolver { code, .. }, Some(Endpoint::Inet(inet))) if WORTH_ASKING.contains(code) => {
            ask_about(&inet.host, ways.resolv_conf, ways.patience)
        }
        (Cause::TimedOut { .. }, Some(Endpoint::Inet(inet))) if error.phase == Phase::Resolving => {
            // The servers have had all of the time that there was.
            ask_about(&inet.host, ways.resolv_conf, ways.patience.min(REMAINDER))
        }
        _ => Vec::new(),
    }
}

/// Whether it was a session that we began, and not in a way of its own: the port of a client is nobody's to ask about.
fn is_ours(error: &Error) -> bool {
    error.facts.iter().any(|fact| matches!(fact, Fact::Course(course) if !course.accepted && !course.steered))
}

/// Whether what is sent to find out goes the way of what failed. Elsewhere it would tell nothing, and is not wanted:
/// who keeps to an interface or marks packets may do so to keep them from all others.
fn goes_alike(error: &Error) -> bool {
    !error.facts.iter().any(|fact| matches!(fact, Fact::From { .. }))
}

/// Nothing came back: from a listener of this host, or from somewhere else.
fn no_answer(error: &Error, inet: &Inet, deadline: Instant) -> Vec<Fact> {
    let mut found = ports::accept_queue(inet, deadline);
    let way = ways::way(inet);
    let rules = goes_alike(error).then(|| ways::rules(inet)).flatten();
    if rules == Some(Fact::LetOut) {
        found.extend(ways::deaf(inet, way.as_ref(), deadline));
    }
    found.extend(rules);
    found.extend(way);
    found
}

fn ask_about(host: &Host, resolv_conf: &Path, patience: Duration) -> Vec<Fact> {
    match host {
        Host::Name(name) => {
            let mut found = ask_all(&name_servers(resolv_conf), name, patience);
            if let Some(etc) = resolv_conf.parent() {
                found.push(Fact::Resolver(names::resolver(etc, name)));
            }
            found
        }
        _ => Vec::new(),
    }
}

/// This host itself may be the one who sent an ICMP error: its firewall did, or it found that nobody answers ARP.
fn our_own_icmp(error: &Error) -> Vec<Fact> {
    let sender = error.facts.iter().find_map(|fact| match fact {
        Fact::Icmp { from, .. } => Some(*from),
        _ => None,
    });
    let Some(sender) = sender else { return Vec::new() };
    match sys::local_addresses() {
        Ok(ours) if ours.contains(&sender) => vec![Fact::LocalAddresses(ours)],
        _ => Vec::new(),
    }
}

fn local_addresses() -> Vec<Fact> {
    sys::local_addresses().map(Fact::LocalAddresses).into_iter().collect()
}

fn sysctl(name: &'static str) -> Vec<Fact> {
    sys::proc::sysctl(name).map(|value| Fact::Sysctl { name, value }).into_iter().collect()
}

fn descriptors() -> Vec<Fact> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit.map(|limit| Fact::Descriptors { limit }).into_iter().collect()
}

#[cfg(test)]
mod tests;
