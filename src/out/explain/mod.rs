//! Puts a failure into words: what failed, why, and what to try.
//!
//! Nothing is asked here; the facts come with the [`Error`]. A cause that the facts do not settle is hedged,
//! the most likely one first: a wrong cause is worse than none. What to try is a command to run next,
//! as it can be pasted into a shell.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use crate::addr::{Endpoint, Host, Port, Transport, VSOCK_ANY};
use crate::error::{Cause, Error, Exit, Fact, Phase, Process, Saw};
use crate::event::Event;
use crate::span::picture;
use crate::text::visible_line;

use super::color::{Paint, paint};

mod course;
mod files;
mod held;
mod inet;
mod names;
mod proxy;
mod refused;
mod tls;
mod unix;
mod usable;
mod ways;

/// A failure in words. Every string is one line that is safe to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// `connect failed: connecting, 127.0.0.1:9: Connection refused`.
    pub headline: String,
    /// What belongs under it: the place in what was typed, or what each address answered.
    pub details: Vec<String>,
    /// Why, as far as it is known; hedged where it is not.
    pub cause: Option<String>,
    /// Commands to run next, best first.
    pub r#try: Vec<String>,
    /// The name of the exit code.
    pub reason: &'static str,
}

impl Explained {
    /// The same as an event.
    #[must_use]
    pub fn event(&self) -> Event<'_> {
        Event::Error {
            message: &self.headline,
            reason: self.reason,
            cause: self.cause.as_deref(),
            r#try: &self.r#try,
            details: &self.details,
        }
    }

    /// The lines for stderr, each with its end.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        render(&self.headline, &self.details, self.cause.as_deref(), &self.r#try, color)
    }
}

/// The lines of an error. Strings are made safe here once more, for events come from everywhere.
pub(super) fn render(headline: &str, details: &[String], cause: Option<&str>, tries: &[String], color: bool) -> String {
    let mut text = format!("{} {}\n", paint(color, Paint::Failure, "sockkit:"), visible_line(headline));
    for detail in details {
        let _ = writeln!(text, "  {}", visible_line(detail));
    }
    text + &reasons(cause, tries, color)
}

/// The lines below: why, and what to try.
pub(super) fn reasons(cause: Option<&str>, tries: &[String], color: bool) -> String {
    let mut text = String::new();
    if let Some(cause) = cause {
        let _ = writeln!(text, "{} {}", paint(color, Paint::Label, "cause:"), visible_line(cause));
    }
    for (nth, one) in tries.iter().enumerate() {
        let label = if nth == 0 { paint(color, Paint::Label, "try:") } else { " or:".to_owned() };
        let _ = writeln!(text, "{label} {}", visible_line(one));
    }
    text
}

/// Explains what is odd although nothing failed.
#[must_use]
pub fn explain_oddity(command: &str, odd: &Error) -> Explained {
    let Explained { cause, r#try, reason, .. } = explain(command, odd);
    let text = match &odd.cause {
        Cause::Text(text) => text.clone(),
        // A failure that the program goes on after.
        _ => odd.to_string(),
    };
    let headline = visible_line(&text).into_owned();
    Explained { headline, details: Vec::new(), cause, r#try, reason }
}

/// Explains a failure of `command` (the subcommand).
#[must_use]
pub fn explain(command: &str, error: &Error) -> Explained {
    let safe = |text: &str| visible_line(text).into_owned();
    let mut explained = Explained {
        headline: safe(&format!("{command} failed: {error}")),
        details: Vec::new(),
        cause: None,
        r#try: Vec::new(),
        reason: error.exit.name(),
    };
    match &error.cause {
        Cause::Misread(misread) => {
            // The picture is the indented part of what it prints.
            let picture = misread.to_string();
            let mut lines = picture.lines();
            explained.headline = safe(lines.next().unwrap_or_default());
            explained.details = lines.take_while(|line| line.starts_with("  ")).map(|line| safe(&line[2..])).collect();
            if misread.what != "script"
                && let Some((script, line)) = error.facts.iter().find_map(|fact| match fact {
                    Fact::Line { script, line, .. } => Some((script, line)),
                    _ => None,
                })
            {
                explained.headline = safe(&format!("{script}:{line}: {}", explained.headline));
            }
            explained.r#try = misread.hints.iter().map(|hint| safe(hint)).collect();
            return explained;
        }
        // Nothing was tried yet that could have failed.
        Cause::Text(text) if error.phase == Phase::Arguments => explained.headline = safe(text),
        Cause::Expected { details, .. } => explained.details = details.iter().map(|line| safe(line)).collect(),
        Cause::Attempts(attempts) => {
            explained.details = attempts.iter().map(|attempt| safe(&answer(attempt))).collect();
        }
        _ => {}
    }
    let why = why(command, error, false);
    if let (Cause::Attempts(attempts), Some(why)) = (&error.cause, &why) {
        others(command, error, attempts, &why.cause, &mut explained.details);
    }
    explained.details.extend(scripted(error));
    let servers = names::answers(error);
    if servers.len() > 1 {
        explained.details.extend(servers);
    }
    if let Some(why) = why {
        let why = match error.between() {
            Some(between) => proxy::beyond(why, between),
            None => why,
        };
        explained.cause = Some(safe(&why.cause));
        explained.r#try = why.tries.iter().map(|one| safe(one)).collect();
    }
    explained
}

/// The line of a script with its command marked, and what came in the place of what it expected.
fn scripted(error: &Error) -> Vec<String> {
    let mut details = Vec::new();
    for fact in &error.facts {
        match fact {
            Fact::Line { text, at, .. } => {
                let picture = picture(text, at);
                details.extend(picture.lines().map(|line| line.strip_prefix("  ").unwrap_or(line).to_owned()));
            }
            Fact::Came { bytes: 0, .. } => details.push("came: nothing".to_owned()),
            Fact::Came { bytes, last } if *bytes > last.len() => {
                let last_count = last.len();
                details.push(format!("came: {bytes} bytes; the last {last_count}: \"{}\"", visible_line(last)));
            }
            Fact::Came { last, .. } => details.push(format!("came: \"{}\"", visible_line(last))),
            _ => {}
        }
    }
    details
}

/// `[::1]:80: Connection refused`.
fn answer(attempt: &Error) -> String {
    let whole = attempt.to_string();
    let phase = attempt.phase.to_string();
    let rest = whole.strip_prefix(&phase).unwrap_or(&whole);
    rest.trim_start_matches([',', ':']).trim_start().to_owned()
}

/// Of several attempts the one that the exit code is taken from, and of those one about which something is known.
fn deciding(error: &Error) -> &Error {
    match &error.cause {
        Cause::Attempts(attempts) => {
            let fitting = || attempts.iter().filter(|attempt| attempt.exit == error.exit);
            fitting().find(|attempt| !attempt.facts.is_empty()).or(fitting().next()).map_or(error, deciding)
        }
        _ => error,
    }
}

/// Why the others failed, where that is something else than `whole`, for which it all did.
fn others(command: &str, error: &Error, attempts: &[Error], whole: &str, details: &mut [String]) {
    let decided = deciding(error);
    let together = error.endpoint.as_ref().is_some_and(|whole| refused::everywhere(command, whole, attempts).is_some());
    for (attempt, detail) in attempts.iter().zip(details).filter(|_| !together) {
        // Where nothing was found out, the system's words say as much.
        let known = !attempt.facts.is_empty() && attempt.proxy().is_none();
        if let Some(why) = why(command, attempt, false).filter(|_| known)
            && !std::ptr::eq(attempt, decided)
            && why.cause != whole
        {
            detail.push_str(&visible_line(&format!(": {}", why.cause)));
        }
    }
}

/// A cause and what to try.
struct Why {
    cause: String,
    tries: Vec<String>,
}

impl Why {
    fn new(cause: impl Into<String>) -> Self {
        Self { cause: cause.into(), tries: Vec::new() }
    }

    fn try_(mut self, command: impl Into<String>) -> Self {
        self.tries.push(command.into());
        self
    }
}

/// What a failure is about, taken apart.
struct Case<'a> {
    command: &'a str,
    error: &'a Error,
    endpoint: &'a Endpoint,
}

impl Case<'_> {
    fn ip(&self) -> Option<IpAddr> {
        self.endpoint.ip()
    }

    fn port(&self) -> Option<u16> {
        match self.endpoint {
            Endpoint::Inet(inet) => match inet.port {
                Port::Number(number) => Some(number),
                Port::Service(_) => None,
            },
            _ => None,
        }
    }

    fn host(&self) -> String {
        match self.endpoint {
            Endpoint::Inet(inet) => match &inet.host {
                Host::Any => "every address".to_owned(),
                Host::V4(addr) => addr.to_string(),
                Host::V6 { addr, scope: None } => addr.to_string(),
                Host::V6 { addr, scope: Some(scope) } => format!("{addr}%{scope}"),
                Host::Name(name) => name.clone(),
            },
            other => other.to_string(),
        }
    }

    /// The address that it was to come from.
    fn source(&self) -> Option<IpAddr> {
        self.facts().iter().find_map(|fact| match fact {
            Fact::From { source, .. } => *source,
            _ => None,
        })
    }

    fn is_udp(&self) -> bool {
        matches!(self.endpoint, Endpoint::Inet(inet) if inet.transport == Transport::Udp)
    }

    fn is_v6(&self) -> bool {
        matches!(self.ip(), Some(IpAddr::V6(_)))
    }

    fn is_loopback(&self) -> bool {
        // Where a proxy leads to it, the address is one of the proxy's world.
        self.error.between().is_none()
            && self.ip().is_some_and(|ip| ip.to_canonical().is_loopback() || ip.is_unspecified())
    }

    /// Whether it is an address of this host, as far as that is known.
    fn is_here(&self) -> bool {
        let ours = |ip: IpAddr| {
            let known = |fact: &Fact| matches!(fact, Fact::LocalAddresses(list) if list.contains(&ip));
            self.error.between().is_none() && self.facts().iter().any(known)
        };
        self.is_loopback() || self.ip().is_some_and(ours)
    }

    /// The other end.
    fn peer(&self) -> String {
        self.endpoint.as_peer()
    }

    /// Who came to the peer.
    fn comer(&self) -> &'static str {
        if self.error.between().is_some() { "the proxy" } else { "this host" }
    }

    /// The address as a word of a shell.
    fn word(&self) -> String {
        word(&self.endpoint.to_string())
    }

    /// The address with which the same is run again. What a session of a server fails about is its peer, and
    /// that is no address to serve.
    fn again(&self) -> String {
        let typed = self.facts().iter().find_map(|fact| match fact {
            Fact::Typed(endpoint) => Some(endpoint),
            _ => None,
        });
        match (typed, self.error.phase) {
            (Some(endpoint), _) => word(&endpoint.to_string()),
            (None, Phase::Waiting | Phase::Receiving | Phase::Sending) if !self.is_client() => "…".to_owned(),
            _ => self.word(),
        }
    }

    /// The subcommand, where it is one that opens connections; else the one that does nothing but.
    fn client(&self) -> &str {
        client(self.command)
    }

    /// Whether the local address is only the one that a client wants to come from.
    fn is_client(&self) -> bool {
        matches!(self.command, "connect" | "ping" | "wait")
    }

    /// The command that takes another local address.
    fn bind(&self, address: &str) -> String {
        if self.is_client() {
            format!("sockkit {} --source {} …", self.command, word(address))
        } else {
            format!("sockkit {} {}", self.server(), word(address))
        }
    }

    /// The subcommand, where it is one that serves.
    fn server(&self) -> &str {
        match self.command {
            "echo" | "time" | "chat serve" => self.command,
            _ => "listen",
        }
    }

    /// The command that shows who has the port; with `-p` the processes, which only root sees of all users.
    fn sockets(&self) -> String {
        let letter = if self.is_udp() { 'u' } else { 't' };
        match self.port() {
            Some(port) => format!("ss -l{letter}np 'sport = :{port}'"),
            None => format!("ss -l{letter}np"),
        }
    }

    fn ping(&self) -> String {
        format!("ping -c 3 {}", word(&self.host()))
    }

    /// How many wait in the accept queue of the server, and how many may, where that is known.
    fn accept_queue(&self) -> Option<(u32, Option<u32>)> {
        self.facts().iter().find_map(|fact| match fact {
            Fact::AcceptQueue { waiting, limit } => Some((*waiting, *limit)),
            _ => None,
        })
    }

    fn facts(&self) -> &[Fact] {
        &self.error.facts
    }
}

/// See [`Case::client`].
fn client(command: &str) -> &str {
    match command {
        "ping" | "wait" => command,
        _ => "connect",
    }
}

/// A string as one word of a shell.
fn word(text: &str) -> String {
    // Brackets are a pattern, and where no file matches some shells (zsh, fish) run nothing.
    let plain = |c: char| c.is_ascii_alphanumeric() || ":./@%_-+,=".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text.to_owned() } else { shell_words::quote(text).into_owned() }
}

fn name_of(process: &Process) -> String {
    format!("{}, pid {}", visible_line(&process.program), process.pid)
}

/// `127.0.0.1:80 (nginx, pid 12)`.
fn holder(local: &Endpoint, process: Option<&Process>) -> String {
    match process {
        Some(process) => format!("{local} ({})", name_of(process)),
        None => local.to_string(),
    }
}

/// `1 connection`, `2 connections`.
fn connections(count: usize) -> String {
    if count == 1 { "1 connection".to_owned() } else { format!("{count} connections") }
}

/// `a`, `a and b`, `a, b and c`.
fn list(items: &[String], and: &str) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [front @ .., last] => format!("{} {and} {last}", front.join(", ")),
    }
}

/// Why it failed. With `there`, as of any address, and not of a proxy's.
fn why(command: &str, error: &Error, there: bool) -> Option<Why> {
    if let Some(part) = error.proxy().filter(|_| !there) {
        return proxy::why(command, error, part);
    }
    if let (Cause::Expected { .. }, Some(last)) = (&error.cause, error.last_seen()) {
        return why(command, &last, there);
    }
    if let (Some(endpoint), Some((Saw::Closes, _))) = (&error.endpoint, error.saw()) {
        return Some(course::closes(&Case { command, error, endpoint }));
    }
    if let (Cause::Attempts(attempts), Some(whole)) = (&error.cause, &error.endpoint) {
        return refused::everywhere(command, whole, attempts).or_else(|| why(command, deciding(error), there));
    }
    if let Some((path, errno)) = error.facts.iter().find_map(|fact| match fact {
        Fact::File { path, errno } => Some((path, *errno)),
        _ => None,
    }) {
        return files::why(path, errno);
    }
    if let Some(errno) = error.errno()
        && let Some(why) = files::standard(command, error.phase, errno).or_else(|| anywhere(command, error, errno))
    {
        return Some(why);
    }
    let endpoint = error.endpoint.as_ref()?;
    let case = Case { command, error, endpoint };
    if let Some(why) = course::of(error).and_then(|course| course::why(&case, course)) {
        return Some(why);
    }
    match (&error.cause, endpoint) {
        (Cause::Resolver { code, .. }, _) => Some(names::why(&case, Some(*code))),
        (Cause::TimedOut { .. }, _) if error.phase == Phase::Resolving => Some(names::why(&case, None)),
        (Cause::TimedOut { limit, after }, _) => Some(out_of_time(&case, limit, *after)),
        (Cause::Tls(fault), _) => tls::why(&case, fault),
        (Cause::Os(_), Endpoint::Unix(unix)) => unix::why(&case, unix, error.errno()?),
        (Cause::Os(_), Endpoint::Inet(_)) => inet::why(&case, error.errno()?),
        (Cause::Os(_), Endpoint::Vsock { cid, port }) => vsock(&case, *cid, *port, error.errno()?),
        _ => None,
    }
}

/// Causes that have nothing to do with the address.
fn anywhere(command: &str, error: &Error, errno: i32) -> Option<Why> {
    let phase = error.phase;
    Some(match errno {
        libc::EMFILE => {
            let limit = error.facts.iter().find_map(|fact| match fact {
                Fact::Descriptors { limit } => Some(*limit),
                _ => None,
            });
            let (limit, more) = match limit {
                Some(limit) => (format!("the {limit} descriptors it may have (ulimit -n)"), limit.saturating_mul(4)),
                None => ("as many descriptors as it may (ulimit -n)".to_owned(), 4096),
            };
            let why = Why::new(format!("this process has open {limit}")).try_(format!("ulimit -n {more}"));
            match &error.endpoint {
                Some(endpoint) if phase == Phase::Accepting => {
                    why.try_(format!("sockkit {command} --max-conns 100 {}", word(&endpoint.to_string())))
                }
                _ => why,
            }
        }
        libc::ENFILE => {
            let limit = setting(error, "fs.file-max").map(|value| format!(", {value}")).unwrap_or_default();
            Why::new(format!(
                "all processes of this host together have open as many files as it allows (fs.file-max{limit})"
            ))
            .try_("cat /proc/sys/fs/file-nr")
        }
        libc::ENOMEM | libc::ENOBUFS => {
            Why::new("the kernel has no memory left for sockets, or a send queue of the network device is full")
                .try_("cat /proc/net/sockstat")
        }
        libc::EAFNOSUPPORT if phase == Phase::Opening => {
            let family = match &error.endpoint {
                Some(Endpoint::Inet(_)) => "IPv6",
                Some(Endpoint::Vsock { .. }) => "vsock",
                _ => "that family",
            };
            Why::new(format!("this kernel has no {family}: it is switched off, or its module is not loaded"))
        }
        libc::EPERM if matches!(phase, Phase::Setting | Phase::Opening) => {
            Why::new("the kernel keeps this for processes with CAP_NET_ADMIN or CAP_NET_RAW, as root has them")
                .try_(format!("sudo sockkit {command} …"))
        }
        libc::ENOPROTOOPT if phase == Phase::Setting => {
            Why::new("this kind of socket has no such option, or this kernel is older than the option")
        }
        _ => return None,
    })
}

fn setting<'a>(error: &'a Error, wanted: &str) -> Option<&'a str> {
    error.facts.iter().find_map(|fact| match fact {
        Fact::Sysctl { name, value } if *name == wanted => Some(value.as_str()),
        _ => None,
    })
}

/// The same with three times the patience.
fn longer(case: &Case<'_>, verb: &str, limit: &str, after: Duration) -> String {
    let longer = humantime::format_duration(after.max(Duration::from_secs(1)).saturating_mul(3)).to_string();
    // The time that --check waits is its own where no other was given.
    let limit = if limit == "--check" { "--check --connect-timeout" } else { limit };
    format!("sockkit {verb} {limit} {} {}", longer.replace(' ', ""), case.again())
}

/// A time limit of ours passed.
fn out_of_time(case: &Case<'_>, limit: &str, after: Duration) -> Why {
    let longer = |verb: &str| longer(case, verb, limit, after);
    if limit == "--deadline" {
        return Why::new("the work was not done by then").try_(longer(case.command));
    }
    match (case.error.phase, limit) {
        (Phase::Connecting, _) => match case.endpoint {
            Endpoint::Inet(_) => ways::no_answer(case, longer(case.client())),
            Endpoint::Unix(_) => unix::full_queue(case, longer(case.client())),
            // Whether there is a machine of that CID, only its host knows.
            _ => Why::new("nothing answered: no machine with that CID is running, or the queue of the server there is full")
                .try_(longer(case.client())),
        },
        (Phase::Securing, _) => tls::stalled(case, longer(case.client())),
        // It is gone now, so there is nothing to connect to.
        (Phase::Accepting, _) => match case.error.turned_away() {
            0 => Why::new(format!("no client came to {}", case.endpoint)),
            1 => Why::new(format!("the one client that came to {} was turned away (see above, why)", case.endpoint)),
            n => Why::new(format!("the {n} clients that came to {} were all turned away (see above, why)", case.endpoint)),
        }
        .try_(longer(case.command)),
        (Phase::Sending, _) | (_, "--send-timeout") => Why::new(
            "the peer is there but does not read what is sent: its receive window and our send buffer are full",
        )
        .try_(longer(case.command)),
        (Phase::Receiving, _) if case.command == "ping" => Why::new(
            "the connection is open, but what was sent did not come back: most likely this is no echo server, or it is stuck",
        )
        .try_(format!("sockkit ping {}", case.again()))
        .try_(longer(case.command)),
        (Phase::Receiving, _) | (_, "--recv-timeout") => Why::new(
            "the connection is open but the peer is silent: most likely it waits for something from us, or it is stuck",
        )
        .try_(longer(case.command)),
        _ => Why::new("the connection is open, but nothing moved in either direction").try_(longer(case.command)),
    }
}

/// `VMADDR_CID_LOCAL` of vsock(7).
const VSOCK_LOCAL: u32 = 1;

fn vsock(case: &Case<'_>, cid: u32, port: u32, errno: i32) -> Option<Why> {
    Some(match errno {
        // vsock(7): a reset is how the other side says that nothing listens.
        libc::ECONNRESET if case.error.phase == Phase::Connecting => {
            Why::new(format!("nothing listens on vsock port {port} of the machine with CID {cid}"))
                .try_(format!("ss --vsock -lp   # on the machine with CID {cid}"))
        }
        libc::ENODEV | libc::ENETUNREACH | libc::ETIMEDOUT if cid == VSOCK_LOCAL && case.error.phase == Phase::Connecting => {
            Why::new("CID 1 is this machine itself: most likely its loopback transport, the module vsock_loopback, is not loaded")
                .try_("sudo modprobe vsock_loopback")
                .try_("lsmod | grep vsock")
        }
        libc::ENODEV | libc::ENETUNREACH => {
            Why::new(format!("there is no machine with CID {cid} here, or this host has no vsock transport to it"))
                .try_("lsmod | grep vsock")
        }
        libc::EADDRINUSE => Why::new(format!("another process has vsock port {port}")).try_("ss --vsock -lp"),
        libc::EADDRNOTAVAIL => {
            let any = Endpoint::Vsock { cid: VSOCK_ANY, port };
            Why::new(format!("CID {cid} is not that of this machine")).try_(case.bind(&any.to_string()))
        }
        libc::ETIMEDOUT => {
            Why::new(format!("the machine with CID {cid} does not answer: most likely it is not running"))
                .try_(format!("pgrep -af guest-cid={cid}"))
        }
        _ => return None,
    })
}

/// Whether the failure is one of the kinds of `exit`, for the exit code says it where the errno differs.
fn is(case: &Case<'_>, exit: Exit) -> bool {
    case.error.exit == exit
}

#[cfg(test)]
mod tests;
