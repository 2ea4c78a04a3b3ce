//! Waiting until addresses accept, or until they stop: `wait`.
//!
//! Each address has a thread that tries, judges what it saw, and pauses; the pause grows from a millisecond. What is
//! seen of a connection is judged by what follows it: one that the peer ends at once, without a word, is that of a
//! proxy with nothing behind it more often than that of a service.

use std::io;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use regex::bytes::Regex;
use rustix::event::{PollFd, PollFlags};

use crate::addr::{Endpoint, Host, Inet, Transport};
use crate::error::{Cause, Error, Exit, Fact, Phase, ProxyAnswer, Result, Saw, TargetFailure, words};
use crate::event::{ConnId, Detail, Event, Sink};
use crate::net::conn::{Conn, Incoming};
use crate::net::dial::{CONN, Dial, own_end};
use crate::net::options::Options;
use crate::net::proxy::{self, Proxy};
use crate::net::socket::Kind;
use crate::net::tls::ClientTls;
use crate::net::via::Via;
use crate::sys::{self, Reason, Stop, poll};
use crate::text::visible_line;

/// The first pause between two tries.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
/// What the pause grows to, at an address of this host, where a try costs next to nothing, and at any other.
const LONGEST_PAUSE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(250));
/// How long a connection is watched for its end; or as long as two handshakes, where those take longer.
const WATCH: Duration = Duration::from_millis(10);
/// The same once a connection was seen to end at once: what stands in front of a service that starts takes its time
/// to find out that there is none.
const WARY_WATCH: Duration = Duration::from_millis(250);
/// The longest that two handshakes are taken for.
const LONGEST_WATCH: Duration = Duration::from_secs(1);
/// How long this host may take to say that a UDP port is closed.
const UDP_HERE: Duration = Duration::from_millis(20);
/// How much of a banner is looked at, in bytes.
const LONGEST_BANNER: usize = 64 << 10;
/// How often the progress is told.
const TICK: Duration = Duration::from_millis(200);

/// What to wait for, and how.
pub struct Wait<'a> {
    /// The addresses.
    pub endpoints: &'a [Endpoint],
    /// What stands in between.
    pub via: &'a Via,
    /// Options to set on each connection.
    pub options: &'a Options,
    /// Wait until nobody accepts there any more.
    pub gone: bool,
    /// One of them is enough.
    pub any: bool,
    /// What the first bytes have to match.
    pub banner: Option<&'a Regex>,
    /// How long it has to stay so.
    pub stable: Option<Duration>,
    /// From one try to the next; without, a pause that grows.
    pub interval: Option<Duration>,
    /// How long one try may take.
    pub patience: Duration,
    /// How long all of it may take; with zero, each address is tried once.
    pub timeout: Duration,
    /// Secures each connection.
    pub tls: Option<&'a ClientTls>,
    /// Is told.
    pub sink: &'a dyn Sink,
    /// Ends it.
    pub stop: &'a Stop,
    /// Is told now and then how it stands.
    pub progress: Option<&'a (dyn Fn(&str) + Sync)>,
}

/// What one try found.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    /// As events name it.
    state: &'static str,
    /// In words, of which the first say the state.
    words: String,
}

impl Seen {
    fn new(state: &'static str, words: impl Into<String>) -> Self {
        Self { state, words: words.into() }
    }
}

/// What is known of an address.
struct Known {
    seen: Option<Seen>,
    /// What the last try failed with.
    saw: Option<Saw>,
    tries: u64,
    met: bool,
}

/// What the threads share.
struct Shared {
    known: Vec<Known>,
    /// Addresses that are still tried.
    left: usize,
    /// What no further try will change.
    fatal: Option<Error>,
}

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// What was waited for is so.
    Met,
    /// The program is to stop first.
    Stopped(Reason),
}

/// Passes on what a try tells, but not that it is connected: that is no news here until it has been watched.
struct Tries<'a>(&'a dyn Sink);

impl Sink for Tries<'_> {
    fn emit(&self, conn: Option<ConnId>, event: &Event<'_>) {
        if !matches!(event, Event::Connected { .. } | Event::Tls { .. }) {
            self.0.emit(conn, event);
        }
    }

    fn detail(&self) -> Detail {
        self.0.detail()
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Wait<'_> {
    /// Waits.
    ///
    /// # Errors
    /// Exit 124 when time is up, with what was last seen of each address; exit 2 for what can never be.
    pub fn wait(&self) -> Result<Waited> {
        let os = |source| Error::os(Phase::Waiting, None, source);
        let begun = Instant::now();
        // Ends all tries: the program is to stop, time is up, or there is nothing to wait for any more.
        let over = Stop::new().map_err(os)?;
        let known = self.endpoints.iter().map(|_| Known { seen: None, saw: None, tries: 0, met: false }).collect();
        let shared = Mutex::new(Shared { known, left: self.endpoints.len(), fatal: None });
        std::thread::scope(|scope| {
            let waited = (0..self.endpoints.len()).try_for_each(|nth| {
                let (over, shared) = (&over, &shared);
                std::thread::Builder::new().spawn_scoped(scope, move || self.follow(nth, shared, over)).map(drop)
            });
            let waited = waited.and_then(|()| self.watch_over(&over, &shared, begun));
            over.request();
            waited
        })
        .map_err(os)?;
        self.verdict(shared.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits for the end of the tries, of the time, or of the program.
    fn watch_over(&self, over: &Stop, shared: &Mutex<Shared>, begun: Instant) -> io::Result<()> {
        let time = if self.timeout.is_zero() { self.patience + LONGEST_WATCH } else { self.timeout };
        let until = begun.checked_add(time);
        loop {
            let tick = self.progress.map(|_| Instant::now() + TICK);
            let next = [until, tick].into_iter().flatten().min();
            let mut fds = [PollFd::new(over, PollFlags::IN), PollFd::new(self.stop, PollFlags::IN)];
            if poll(&mut fds, next)? || until.is_some_and(|until| Instant::now() >= until) {
                return Ok(());
            }
            if let Some(progress) = self.progress {
                progress(&self.standing(&lock(shared), begun.elapsed()));
            }
        }
    }

    /// How it stands, in a line.
    fn standing(&self, shared: &Shared, since: Duration) -> String {
        let missing: Vec<String> = self
            .endpoints
            .iter()
            .zip(&shared.known)
            .filter(|(_, known)| !known.met)
            .map(|(endpoint, known)| {
                format!("{endpoint} {}", known.seen.as_ref().map_or("...", |seen| seen.words.as_str()))
            })
            .collect();
        let met = shared.known.iter().filter(|known| known.met).count();
        format!("{} s, {met} of {}: {}", since.as_secs(), shared.known.len(), missing.join("; "))
    }

    fn verdict(&self, shared: Shared) -> Result<Waited> {
        if let Some(error) = shared.fatal {
            return Err(error);
        }
        let mut met = shared.known.iter().map(|known| known.met);
        if if self.any { met.any(|met| met) } else { met.all(|met| met) } {
            return Ok(Waited::Met);
        }
        if let Some(reason) = self.stop.requested() {
            return Ok(Waited::Stopped(reason));
        }
        let last = |(endpoint, known): (&Endpoint, &Known)| {
            let Some(seen) = known.seen.as_ref().map(|seen| &seen.words) else {
                return format!("{endpoint}: no answer to the first try yet");
            };
            let tries = if known.tries == 1 { "try" } else { "tries" };
            format!("{endpoint}: {seen}, after {} {tries}", known.tries)
        };
        let details = self.endpoints.iter().zip(&shared.known).filter(|(_, known)| !known.met).map(last).collect();
        let what = format!("gave up after {} (--timeout); last seen:", humantime::format_duration(self.timeout));
        let only = (self.endpoints.len() == 1).then(|| &self.endpoints[0]);
        let mut error = Error::expected(Phase::Waiting, only, what, details).exiting(Exit::Deadline);
        // Of several, each may have a cause of its own.
        if only.is_some() && !self.gone {
            let known = &shared.known[0];
            let closes = || known.seen.as_ref().filter(|seen| seen.state == "closes").map(|_| Saw::Closes);
            // Of a name it is not known whether it was a name server that did not answer.
            let named = matches!(only, Some(Endpoint::Inet(Inet { host: Host::Name(_), .. })));
            let proxy = self.via.proxy_to(&self.endpoints[0]).map(Proxy::between);
            // Nor, of a try through a proxy, which of the two.
            let about_it = self.banner.is_none() && !named && proxy.is_none();
            let unanswered = || (known.tries == 0 && about_it).then_some(Saw::NoAnswer);
            let saw = closes().or_else(|| known.saw.clone()).or_else(unanswered);
            error.facts.extend(saw.map(|what| Fact::Saw { what, after: self.timeout }));
            error = error.beyond(proxy.as_ref());
            error.facts.extend(own_end(None, self.options));
        }
        Err(error)
    }

    /// Tries one address until it is as it should be.
    fn follow(&self, nth: usize, shared: &Mutex<Shared>, over: &Stop) {
        let endpoint = &self.endpoints[nth];
        let here = self.via.proxy_to(endpoint).is_none() && is_here(endpoint);
        let longest = if here { LONGEST_PAUSE.0 } else { LONGEST_PAUSE.1 };
        let (begun, mut pause) = (Instant::now(), FIRST_PAUSE);
        let mut since: Option<Instant> = None;
        let mut wary = false;
        loop {
            let tried = Instant::now();
            let (seen, saw) = match self.attempt(endpoint, here, wary, over) {
                Ok(Some(seen)) => seen,
                Ok(None) => return,
                Err(error) => {
                    lock(shared).fatal.get_or_insert(error);
                    over.request();
                    return;
                }
            };
            wary |= seen.state == "closes";
            let good = if self.gone { is_gone(&seen) } else { seen.state == "serves" };
            // Of a thing that took time to see it is only known that it is so now.
            since = good.then(|| since.unwrap_or_else(Instant::now));
            let met = since.is_some_and(|since| self.stable.is_none_or(|stable| since.elapsed() >= stable));
            let mut all = lock(shared);
            let known = &mut all.known[nth];
            let news = known.seen.as_ref() != Some(&seen);
            (known.tries, known.met) = (known.tries + 1, met);
            let tries = known.tries;
            known.seen = Some(seen.clone());
            known.saw = saw;
            let done = met || self.timeout.is_zero();
            all.left -= usize::from(done);
            let last = done && all.left == 0 || met && self.any;
            drop(all);
            if met || news && over.requested().is_none() {
                let (state, detail) = (seen.state, seen.words.as_str());
                let event = Event::Wait { address: endpoint, state, detail, tries, took: begun.elapsed(), met };
                self.sink.emit(None, &event);
            }
            if last {
                over.request();
            }
            if done {
                return;
            }
            let mut next = self.interval.map_or_else(|| Instant::now() + pause, |interval| tried + interval);
            if let (Some(since), Some(stable)) = (since, self.stable) {
                next = next.min(since + stable);
            }
            pause = (pause * 2).min(longest);
            if over.wait(next).unwrap_or(true) {
                return;
            }
        }
    }

    /// One try, with what it failed with. `None` when it is over.
    fn attempt(&self, endpoint: &Endpoint, here: bool, wary: bool, over: &Stop) -> Result<Option<(Seen, Option<Saw>)>> {
        let begun = Instant::now();
        let dial = Dial {
            conn: CONN,
            endpoint,
            via: self.via,
            source: None,
            options: self.options,
            timeout: self.patience,
            retry: None,
            tls: self.tls,
            stop: over,
            sink: &Tries(self.sink),
        };
        Ok(match dial.dial() {
            Ok(Some(conn)) => {
                let least = if wary { WARY_WATCH } else { WATCH };
                let seen = self.watch(conn, here, least, begun.elapsed(), over);
                // What was said, or not, until time was up is worth telling.
                let late = over.requested().is_some();
                seen.filter(|seen| !late || seen.state == "mute").map(|seen| (seen, None))
            }
            Ok(None) => None,
            Err(error) if error.exit == Exit::Usage || proxy::is_final(&error) => return Err(error),
            Err(_) if over.requested().is_some() => None,
            Err(error) => Some((failed(endpoint, &error), saw(endpoint, &error))),
        })
    }

    /// What a connection turns out to be.
    fn watch(&self, mut conn: Conn, here: bool, least: Duration, handshake: Duration, over: &Stop) -> Option<Seen> {
        let (udp, kind) = (conn.shape().is_udp(), conn.shape().kind);
        if kind == Kind::Dgram && !udp {
            return Some(Seen::new("serves", "serves"));
        }
        if udp && let Err(source) = conn.send(b"") {
            return Some(failed(&conn.peer().clone(), &conn.failed(Phase::Connecting, source)));
        }
        let time = match (self.banner, udp) {
            (Some(_), _) => self.patience,
            (None, true) => {
                if here {
                    UDP_HERE
                } else {
                    self.patience
                }
            }
            (None, false) => least.max(handshake * 2).min(LONGEST_WATCH),
        };
        let until = Instant::now().checked_add(time);
        let (mut buffer, mut said) = (vec![0; 4096], Vec::new());
        loop {
            let mut fds = [PollFd::new(&conn, PollFlags::IN), PollFd::new(over, PollFlags::IN)];
            let ready = poll(&mut fds, until).unwrap_or(false);
            if over.requested().is_some() {
                return self.banner.map(|_| mute("is open", &said));
            }
            if !ready {
                return Some(match self.banner {
                    Some(_) => mute("is open", &said),
                    None if udp && !here => Seen::new("silent", "no answer: open, or dropped on the way"),
                    None => Seen::new("serves", "serves"),
                });
            }
            match conn.recv(&mut buffer) {
                Ok(Incoming::Bytes(bytes)) => said.extend_from_slice(&buffer[..bytes]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(source) if udp => {
                    return Some(failed(&conn.peer().clone(), &conn.failed(Phase::Connecting, source)));
                }
                // Whoever spoke and then closed has served.
                Ok(Incoming::Eof) | Err(_) if self.banner.is_some() && !said.is_empty() => {
                    return Some(mute("closed", &said));
                }
                Ok(Incoming::Eof) => return Some(Seen::new("closes", "accepts, then closes at once")),
                Err(source) => {
                    return Some(Seen::new("closes", format!("accepts, then breaks off: {}", words(&source))));
                }
            }
            match self.banner {
                None => return Some(Seen::new("serves", "serves")),
                Some(banner) if banner.is_match(&said) => {
                    return Some(Seen::new("serves", format!("serves: it said {}", show(&said))));
                }
                Some(_) if said.len() > LONGEST_BANNER => return Some(mute("is open", &said)),
                Some(_) => {}
            }
        }
    }
}

/// Not the banner that is waited for.
fn mute(how: &str, said: &[u8]) -> Seen {
    let said = if said.is_empty() { "said nothing".to_owned() } else { format!("said {}", show(said)) };
    Seen::new("mute", format!("{how}, but {said}"))
}

/// The beginning of what was said.
fn show(said: &[u8]) -> String {
    const MOST: usize = 60;
    let text = String::from_utf8_lossy(said);
    let first = text.lines().next().unwrap_or_default();
    let shown: String = first.chars().take(MOST).collect();
    let cut = if shown.len() < text.trim_end().len() { "..." } else { "" };
    format!("\"{}\"{cut}", visible_line(&shown))
}

fn failed(endpoint: &Endpoint, error: &Error) -> Seen {
    let text = error.to_string();
    // The phase and the address are known.
    let why = text.strip_prefix(&format!("{}, {endpoint}: ", error.phase)).unwrap_or(&text).to_owned();
    match error.exit {
        Exit::Refused => Seen::new("refused", why),
        Exit::Unreachable => Seen::new("unreachable", why),
        Exit::ConnectTimeout => Seen::new("silent", why),
        Exit::Reset => Seen::new("closes", format!("accepts, then breaks off: {why}")),
        Exit::Resolve if is_no_name(error) => Seen::new("no-name", why),
        Exit::Resolve => Seen::new("unresolved", why),
        Exit::Proxy => Seen::new(behind(error), why),
        _ => Seen::new("failed", why),
    }
}

/// What a proxy says of the address. That the proxy is not there itself says nothing about it.
fn behind(error: &Error) -> &'static str {
    let Some(answer) = error.proxy().and_then(|part| part.answer.as_ref()) else { return "failed" };
    match answer.about_target() {
        Some(TargetFailure::Refused) => "refused",
        Some(TargetFailure::NetworkUnreachable | TargetFailure::HostUnreachable) => "unreachable",
        Some(TargetFailure::NoAnswer) => "silent",
        Some(TargetFailure::Unknown) if matches!(answer, ProxyAnswer::Http(502 | 503, _)) => "unreachable",
        _ => "failed",
    }
}

/// What the explanation of a failure to connect needs to know, where it was about this very address. TLS is with
/// whoever was typed.
fn saw(endpoint: &Endpoint, error: &Error) -> Option<Saw> {
    let about_it = error.phase == Phase::Connecting && error.endpoint.as_ref() == Some(endpoint);
    match &error.cause {
        Cause::Os(_) if about_it => error.errno().map(Saw::Errno),
        Cause::TimedOut { .. } if about_it => Some(Saw::NoAnswer),
        Cause::Resolver { code, .. } => Some(Saw::NoName(*code)),
        Cause::Tls(fault) => Some(Saw::Tls(fault.clone())),
        _ => None,
    }
}

/// That the name does not exist, and not that nobody could be asked.
fn is_no_name(error: &Error) -> bool {
    matches!(error.cause, Cause::Resolver { code: libc::EAI_NONAME, .. })
}

/// Nobody accepts there. That a UNIX socket's queue is full, or that a name server does not answer, is no sign of it.
fn is_gone(seen: &Seen) -> bool {
    match seen.state {
        "refused" | "unreachable" | "no-name" => true,
        "silent" => !seen.words.contains("open, or dropped"),
        _ => false,
    }
}

/// Whether it is on this host, as far as that can be told without asking anybody.
fn is_here(endpoint: &Endpoint) -> bool {
    let Endpoint::Inet(Inet { host, transport: Transport::Tcp | Transport::Udp, .. }) = endpoint else {
        return matches!(endpoint, Endpoint::Unix(_));
    };
    let ip = match host {
        Host::Any => return true,
        Host::Name(name) => return name.eq_ignore_ascii_case("localhost"),
        Host::V4(address) => IpAddr::V4(*address),
        Host::V6 { addr, .. } => IpAddr::V6(*addr),
    };
    let ip = ip.to_canonical();
    ip.is_loopback() || ip.is_unspecified() || sys::local_addresses().is_ok_and(|ours| ours.contains(&ip))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_fits_in_a_line() {
        assert_eq!(show(b"220 ready\r\n"), "\"220 ready\"");
        assert_eq!(show(b"one\ntwo\n"), "\"one\"...");
        assert_eq!(show(&[b'x'; 100]), format!("\"{}\"...", "x".repeat(60)));
        assert!(!show(b"\x1b[2J").contains('\x1b'));
    }

    #[test]
    fn this_host_is_told_from_others() {
        for here in ["127.0.0.1:1", "[::1]:1", "localhost:1", "udp://localhost:1", "unix:/x", "80"] {
            assert!(is_here(&here.parse().unwrap()), "{here}");
        }
        for there in ["192.0.2.1:1", "example.org:1", "[2001:db8::1]:1"] {
            assert!(!is_here(&there.parse().unwrap()), "{there}");
        }
    }

    #[test]
    fn what_is_gone() {
        for (state, gone) in [("refused", true), ("unreachable", true), ("closes", false), ("serves", false)] {
            assert_eq!(is_gone(&Seen::new(state, "")), gone, "{state}");
        }
        assert!(!is_gone(&Seen::new("silent", "no answer: open, or dropped on the way")));
    }
}
