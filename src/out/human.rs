//! Events for people: one line each on stderr.

use std::fmt::Write as _;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::stamp::{Stamper, Timestamps};
use crate::addr::Endpoint;
use crate::event::{ConnId, Detail, Event, Limit, Payload, Route, Side, Sink};
use crate::text::{count_of_bytes as bytes, visible_line};
use crate::tls::{Certificate, Secured};

use super::color::{Paint, paint};
use super::explain::{reasons, render};
use super::progress::Progress;

mod summary;

/// How much is said. It never changes what happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Verbosity {
    /// `-q`: errors only.
    Quiet,
    /// A line when it matters.
    #[default]
    Default,
    /// `-v`: each phase and option, with times.
    Verbose,
    /// `-vv`: each read and write too.
    VeryVerbose,
}

/// Says events to a person.
///
/// Every event is one line (an error may have lines of its own below it), written at once.
/// Strings that came from elsewhere are shown with their controls escaped, so that no event can look like
/// another one, or drive the terminal. Where that fails nobody is told: there is nobody.
pub struct Human {
    verbosity: Verbosity,
    color: bool,
    /// Tell at the end of a session how it went, whatever the verbosity (`--stats`).
    stats: bool,
    /// What changes all the time is drawn over, at a terminal.
    live: Option<Progress>,
    /// The highest connection number so far: with one connection there is no need to number lines.
    connections: AtomicU64,
    state: Mutex<State>,
}

struct State {
    out: Box<dyn Write + Send>,
    stamper: Stamper,
    /// What is drawn over, and stands below the lines.
    drawn: String,
}

impl Human {
    /// Writes to `out`, which should not buffer. `start` is the zero of the times that `-v` shows.
    #[must_use]
    pub fn new(
        out: Box<dyn Write + Send>,
        verbosity: Verbosity,
        timestamps: Option<Timestamps>,
        start: Instant,
    ) -> Self {
        let stamper = Stamper::new(timestamps, start);
        Self {
            verbosity,
            color: false,
            stats: false,
            live: None,
            connections: AtomicU64::new(0),
            state: Mutex::new(State { out, stamper, drawn: String::new() }),
        }
    }

    /// Uses colour. The crate `colored` must agree.
    #[must_use]
    pub fn color(mut self, on: bool) -> Self {
        self.color = on;
        self
    }

    /// Tells at the end of a session how it went, also where it is not verbose.
    #[must_use]
    pub fn stats(mut self, on: bool) -> Self {
        self.stats = on;
        self
    }

    /// Draws what changes all the time in one line of the terminal.
    #[must_use]
    pub fn live(mut self, live: Option<Progress>) -> Self {
        self.live = live;
        self
    }

    fn draw(&self, state: &State) {
        if let Some(live) = self.live.as_ref().filter(|_| !state.drawn.is_empty()) {
            live.draw(&state.drawn);
        }
    }

    /// What stands before the text of a line.
    fn stamp(&self, state: &mut State) -> String {
        let text = match state.stamper.stamp() {
            Some(stamp) => stamp,
            None if self.verbosity >= Verbosity::Verbose => state.stamper.since_start(),
            None => return String::new(),
        };
        paint(self.color, Paint::Dim, &text) + " "
    }
}

impl Sink for Human {
    fn emit(&self, conn: Option<ConnId>, event: &Event<'_>) {
        let most = conn.map_or(0, |conn| self.connections.fetch_max(conn, Ordering::Relaxed).max(conn));
        let number = match conn {
            Some(conn) if most > 1 => format!("#{conn} "),
            _ => String::new(),
        };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let text = match event {
            Event::Error { message, cause, r#try, details, .. } => {
                let message = number + &visible_line(message);
                self.stamp(&mut state) + &render(&message, details, *cause, r#try, self.color)
            }
            Event::Queue { length, limit, .. } if self.live.is_some() => {
                if self.verbosity >= Verbosity::Default {
                    state.drawn = format!("accept queue: {} {length} waiting{}", bar(*length, *limit), queue(event));
                }
                return self.draw(&state);
            }
            Event::Oddity { message, cause, r#try } => {
                if self.verbosity < Verbosity::Default {
                    return;
                }
                let label = paint(self.color, Paint::Warning, "warning:");
                let first = format!("{number}{label} {}\n", visible_line(message));
                self.stamp(&mut state) + &first + &reasons(*cause, r#try, self.color)
            }
            _ => {
                let Some((from, mut text)) = say(event) else { return };
                if self.verbosity < from {
                    return;
                }
                if let Event::Closed { course: Some(course), .. } = event
                    && (self.stats || self.verbosity >= Verbosity::Verbose)
                {
                    text.push_str(&summary::ending(course));
                    let more = summary::more(course);
                    if !more.is_empty() {
                        text = format!("{text}\n  {more}");
                    }
                }
                let text = match text.strip_prefix("warning:") {
                    Some(rest) => paint(self.color, Paint::Warning, "warning:") + rest,
                    None => text,
                };
                format!("{}{number}{text}\n", self.stamp(&mut state))
            }
        };
        // One call for the whole text, with the lock held.
        let _ = state.out.write_all(text.as_bytes());
        self.draw(&state);
    }

    fn is_curious(&self) -> bool {
        self.stats || self.verbosity >= Verbosity::Verbose
    }

    fn detail(&self) -> Detail {
        if self.verbosity >= Verbosity::VeryVerbose { Detail::Transfers } else { Detail::Sessions }
    }
}

/// The words of an event, and from which verbosity on they are said. Errors have a form of their own.
fn say(event: &Event<'_>) -> Option<(Verbosity, String)> {
    use Verbosity::{Default, Verbose, VeryVerbose};
    Some(match event {
        Event::Error { .. } | Event::Oddity { .. } => return None,
        Event::Start { command, version, pid } => {
            (Verbose, format!("sockkit {version}, {}, pid {pid}", visible_line(command)))
        }
        Event::Resolve { name, addresses, sources, servers, took } => (
            Verbose,
            format!("resolved {} to {} in {}", visible_line(name), found(addresses, sources, servers), span(*took)),
        ),
        Event::Attempt { address, result, error, local, route, took } => {
            let mut text = format!("tried {address}");
            if let Some(local) = local {
                let _ = write!(text, "{}", unless_unnamed("from", local));
            }
            if let Some(Route { interface, via }) = route {
                if let Some(interface) = interface {
                    let _ = write!(text, " by {}", visible_line(interface));
                }
                if let Some(via) = via {
                    let _ = write!(text, " and router {via}");
                }
            }
            let _ = write!(text, ": {result} in {}", span(*took));
            if let Some(error) = error {
                let _ = write!(text, ": {}", visible_line(error));
            }
            (Verbose, text)
        }
        Event::Proxy { kind, address, target, login, error, connect, took } => {
            let login = if *login == "none" { String::new() } else { format!(", login {login}") };
            let result = error.map_or("is open".to_owned(), |error| format!("failed: {}", visible_line(error)));
            let (connect, took) = (span(*connect), span(*took));
            (Verbose, format!("proxy {address} ({kind}{login}): {connect} to it, {took} to ask; {target} {result}"))
        }
        Event::Connected { local, peer, via, .. } => {
            let through = via.map_or(String::new(), |via| format!(" through {via}"));
            (Default, format!("connected to {}{}{through}", peer.as_peer(), unless_unnamed("from", local)))
        }
        Event::Listening { local, families, backlog } => {
            let mut text = format!("listening on {local}");
            if let Some(families) = families {
                let _ = write!(text, " ({families})");
            }
            if let Some(backlog) = backlog {
                let _ = write!(text, ", backlog {backlog}");
            }
            (Default, text)
        }
        Event::Accepted { local, peer, via: None, .. } if peer.is_unnamed() => {
            (Default, format!("accepted a connection{}", unless_unnamed("on", local)))
        }
        Event::Accepted { local, peer, via, destination } => {
            let through = via.map_or(String::new(), |via| unless_unnamed("through", via));
            let through = if via.is_some() && through.is_empty() { " through a proxy".to_owned() } else { through };
            let to = destination.map_or(String::new(), |destination| format!(", to {destination}"));
            (Default, format!("accepted {peer}{}{through}{to}", unless_unnamed("on", local)))
        }
        Event::Certificate { certificate, made } => {
            let made = if *made { "made a certificate" } else { "certificate" };
            let text = format!("{made}: {}; SHA-256 {}", visible_line(&certificate.line()), certificate.sha256);
            (if made == "certificate" { Verbose } else { Default }, text)
        }
        Event::Tls { secured, took } => (Verbose, tls(secured, *took)),
        Event::Denied { peer, rule } => (Default, format!("denied {peer}: {}", visible_line(rule))),
        Event::Sandbox { .. } => (Verbose, sandbox(event)),
        Event::Option { name, asked, effective, note } => {
            let mut text = format!("option {}: ", visible_line(name));
            if asked == effective {
                text.push_str(&visible_line(asked));
            } else {
                let _ = write!(text, "asked {}, is {}", visible_line(asked), visible_line(effective));
            }
            if let Some(note) = note {
                let _ = write!(text, " ({})", visible_line(note));
            }
            (Verbose, text)
        }
        Event::Send(payload) => (VeryVerbose, format!("sent {}", bytes(payload.bytes as u64))),
        Event::Recv(Payload { bytes: count, first: Some(first), .. }) => {
            (Verbose, format!("first byte after {}, {} at once", span(*first), bytes(*count as u64)))
        }
        Event::Recv(payload) => (VeryVerbose, format!("received {}", bytes(payload.bytes as u64))),
        Event::Eof { side: Side::Local } => (Verbose, "end of input on our side".to_owned()),
        Event::Eof { side: Side::Peer } => (Verbose, "end of input from the peer".to_owned()),
        Event::Shutdown { direction } => (Verbose, format!("shut down our {direction} side")),
        Event::Reset { error } => (Verbose, format!("the connection broke: {}", visible_line(error))),
        Event::Timeout { limit, after } => {
            let after = humantime::format_duration(*after);
            (
                // The others are said by the error, or the closing line, that follows.
                if *limit == Limit::Deadline { Default } else { Verbose },
                match limit {
                    Limit::Accept => format!("timed out: nobody came in within {after} (--accept-timeout)"),
                    Limit::Idle => format!("timed out: nothing moved for {after} (--idle-timeout)"),
                    Limit::Recv => format!("timed out: nothing came for {after} (--recv-timeout)"),
                    Limit::Send => format!("timed out: the peer took nothing for {after} (--send-timeout)"),
                    Limit::Deadline => format!("timed out: the run may take {after} (--deadline)"),
                },
            )
        }
        Event::Queue { length, .. } => (Default, format!("accept queue: {length} waiting{}", queue(event))),
        Event::Stats { sessions, total, sent, received, denied, exhausted, uptime } => {
            let (sent, received) = (bytes(*sent), bytes(*received));
            let mut text = format!("{sessions} sessions now, {total} in all; sent {sent}, received {received}");
            if *denied > 0 {
                let _ = write!(text, "; denied {denied}");
            }
            if *exhausted > 0 {
                let _ = write!(text, "; out of descriptors or memory {exhausted} times");
            }
            let _ = write!(text, "; up {}", span(*uptime));
            (Default, text)
        }
        Event::SessionStats { sent, received, duration, course } => {
            let mut text = format!(
                "open for {}: sent {}, received {}{}",
                span(*duration),
                bytes(*sent),
                bytes(*received),
                summary::ending(course)
            );
            let more = summary::more(course);
            if !more.is_empty() {
                text = format!("{text}\n  {more}");
            }
            (Default, text)
        }
        // The reports of the commands themselves, which are their payload.
        Event::Time { .. } | Event::Probe { .. } | Event::Latency { .. } => return None,
        Event::Wait { address, detail, tries, took, met: true, .. } => {
            let tries = if *tries == 1 { "1 try".to_owned() } else { format!("{tries} tries") };
            (Default, format!("{address}: {}, after {tries} in {}", visible_line(detail), span(*took)))
        }
        Event::Wait { address, detail, met: false, .. } => (Verbose, format!("{address}: {}", visible_line(detail))),
        Event::Expect { pattern, matched, took, line } => {
            let came = if *matched { "came" } else { "did not come" };
            (Verbose, format!("line {line}: {} {came}, after {}", visible_line(pattern), span(*took)))
        }
        Event::Child { pid, status, signal } => (
            Verbose,
            match (status, signal) {
                (_, Some(signal)) => format!("child {pid} was killed by signal {signal}"),
                (Some(status), None) => format!("child {pid} exited with {status}"),
                (None, None) => format!("child {pid} ended"),
            },
        ),
        Event::Warning { message } => (Default, format!("warning: {}", visible_line(message))),
        Event::Fault { direction, fault, bytes: count } => {
            let did = if *fault == "drop" { "dropped" } else { "damaged" };
            (VeryVerbose, format!("{did} {} on the way {direction}", bytes(*count)))
        }
        Event::Relayed { target, up, down, by, how } => {
            let how = match *how {
                "end" => format!("the {by} ended first"),
                "reset" => format!("the {by} reset it"),
                "error" => format!("the {by}'s connection failed"),
                "silence" => format!("the {by} is silent"),
                "timeout" => "it took too long".to_owned(),
                "fault" => "ended on purpose".to_owned(),
                how => how.to_owned(),
            };
            let to = unless_unnamed("to", target);
            (Default, format!("relayed{to}: up {}, down {}; {how}", bytes(*up), bytes(*down)))
        }
        Event::Closed { reason, sent, received, duration, .. } => {
            let why = if *reason == "ok" { String::new() } else { format!(" ({reason})") };
            let (sent, received) = (bytes(*sent), bytes(*received));
            (Default, format!("closed{why}: sent {sent}, received {received} in {}", span(*duration)))
        }
        Event::End { reason, code } => (Verbose, format!("end: {reason}, exit code {code}")),
    })
}

/// What is given up, and what holds.
fn sandbox(event: &Event<'_>) -> String {
    let Event::Sandbox { landlock, calls, writes, reads, ports, note } = event else { return String::new() };
    let files = landlock.map(|abi| {
        let mut text = String::from("no file is opened");
        if let Some(dir) = writes {
            let _ = write!(text, " but new ones in {}", visible_line(dir));
        }
        if !reads.is_empty() {
            let _ = write!(text, " but to read, below {}", visible_line(&reads.join(", ")));
        }
        // Before, Landlock knew of files only.
        if let Some(ports) = ports.filter(|_| abi >= 4) {
            let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
            let others = if ports.is_empty() { String::new() } else { format!(" but {}", ports.join(", ")) };
            let _ = write!(text, ", no TCP port connected to{others}");
        }
        format!("{text} (Landlock, ABI {abi})")
    });
    let calls = calls.map(|calls| {
        let other = if ports.is_some() { "no file written" } else { "no connection made" };
        format!("no program is started, {other} (seccomp, {calls} calls allowed)")
    });
    let note = note.map(|note| visible_line(note).into_owned());
    let parts: Vec<String> = [files, calls, note].into_iter().flatten().collect();
    format!("sandbox: {}", parts.join("; "))
}

/// `TLSv1.3, TLS_AES_256_GCM_SHA384, X25519, ALPN h2, in 1.50 ms; peer: CN=a, for a; by CN=ca; 9 days left <- CN=ca …`.
fn tls(secured: &Secured, took: Duration) -> String {
    let mut text = format!("{}, {}", secured.version, secured.suite);
    if let Some(group) = &secured.group {
        let _ = write!(text, ", {group}");
    }
    if let Some(alpn) = &secured.alpn {
        let _ = write!(text, ", ALPN {}", visible_line(alpn));
    }
    if let Some(name) = &secured.server_name {
        let _ = write!(text, ", server name {}", visible_line(name));
    }
    let _ = write!(text, ", in {}", span(took));
    if !secured.chain.is_empty() {
        let chain: Vec<String> = secured.chain.iter().map(Certificate::line).collect();
        let verified = match secured.verified {
            "nothing" => "not verified".to_owned(),
            by => format!("verified by {by}"),
        };
        let _ = write!(text, "; {verified}: {}", visible_line(&chain.join(" <- ")));
    }
    text
}

/// How far the queue is filled: it takes one more than the limit.
fn bar(length: u32, limit: u32) -> String {
    const WIDTH: u64 = 20;
    let room = u64::from(limit) + 1;
    let filled = (u64::from(length).min(room) * WIDTH).div_ceil(room);
    (0..WIDTH).map(|at| if at < filled { '█' } else { '░' }).collect()
}

/// What is told of a queue beside its length.
fn queue(event: &Event<'_>) -> String {
    let Event::Queue { limit, asked, cap, left, overflows, drops, .. } = event else { return String::new() };
    let mut text = format!(", limit {limit}");
    if let Some(asked) = asked.filter(|asked| asked != limit) {
        let _ = write!(text, " (asked {asked}");
        if let Some(cap) = cap {
            let _ = write!(text, ", net.core.somaxconn {cap}");
        }
        text.push(')');
    }
    if let Some(left) = left {
        let _ = write!(text, ", {left} of them ended already");
    }
    for (count, name) in [(overflows, "TcpExtListenOverflows"), (drops, "TcpExtListenDrops")] {
        if let Some(count @ 1..) = count {
            let _ = write!(text, ", {name} +{count}");
        }
    }
    text
}

/// `[::1]:80, 127.0.0.1:80 (hosts file)`: the addresses, and where they are from.
fn found(addresses: &[Endpoint], sources: &[&'static str], servers: &[String]) -> String {
    if addresses.is_empty() {
        return "nothing".to_owned();
    }
    let source = |source: &&str| match *source {
        "hosts" => " (hosts file)".to_owned(),
        "dns" if servers.is_empty() => " (DNS)".to_owned(),
        "dns" => format!(" (DNS: {})", servers.join(" or ")),
        _ => String::new(),
    };
    let mut sources = sources.iter().map(source).peekable();
    let mut text = String::new();
    for (nth, address) in addresses.iter().enumerate() {
        let between = if nth > 0 { ", " } else { "" };
        let source = sources.next().unwrap_or_default();
        // Once for a row of them.
        let source = if sources.peek() == Some(&source) { String::new() } else { source };
        let _ = write!(text, "{between}{address}{source}");
    }
    text
}

fn unless_unnamed(word: &str, endpoint: &Endpoint) -> String {
    if endpoint.is_unnamed() { String::new() } else { format!(" {word} {endpoint}") }
}

/// A duration as a person wants it: three digits, or minutes and seconds.
fn span(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 0.01 {
        format!("{:.2} ms", seconds * 1e3)
    } else if seconds < 1.0 {
        format!("{:.0} ms", seconds * 1e3)
    } else if seconds < 60.0 {
        format!("{seconds:.2} s")
    } else {
        humantime::format_duration(Duration::from_secs(duration.as_secs())).to_string()
    }
}

#[cfg(test)]
mod tests;
