//! How long connections, or round trips over an echo, take: `ping`.
//!
//! A name is looked up once; each of its addresses has a thread and a sum of its own.

mod check;
mod report;
mod stats;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};

use crate::addr::Endpoint;
use crate::error::{Error, Exit, Phase, Result};
use crate::event::{ConnId, Event, Sink};
use crate::net::conn::{Conn, Incoming};
use crate::net::dial::{CONN, Dial};
use crate::net::options::Options;
use crate::net::proxy;
use crate::net::resolve::{Budget, Purpose, resolve};
use crate::net::socket::Kind;
use crate::net::tls::ClientTls;
use crate::net::via::Via;
use crate::sys::{Stop, poll};
use crate::text::visible_line;
use crate::work::handler::stdio::exit;

pub use check::FailIf;
pub use stats::Stats;

/// The flag that limits a probe.
const FLAG: &str = "--connect-timeout";

/// How many probes without an answer are remembered, so that a late one is known.
const REMEMBERED: usize = 1024;

/// A piece of what is told while it goes on.
#[derive(Debug, Clone)]
pub enum Line {
    /// A line of the report.
    Report(String),
    /// How it stands.
    Live(String),
}

/// What to measure, and how.
pub struct Ping<'a> {
    /// Where.
    pub endpoint: &'a Endpoint,
    /// What stands in between.
    pub via: &'a Via,
    /// Options to set on each connection.
    pub options: &'a Options,
    /// How many probes of each address.
    pub count: Option<u64>,
    /// From the start of one to the start of the next.
    pub interval: Duration,
    /// Measure round trips of so many bytes over one connection, and not connections.
    pub echo: Option<usize>,
    /// How long a probe may take.
    pub patience: Duration,
    /// Secures each connection.
    pub tls: Option<&'a ClientTls>,
    /// Is told.
    pub sink: &'a dyn Sink,
    /// Ends it.
    pub stop: &'a Stop,
    /// Takes the report as it comes; says whether anybody reads on.
    pub tell: &'a (dyn Fn(Line) -> Result<bool> + Sync),
}

/// A probe that was answered.
#[derive(Debug, Clone, Copy, Default)]
struct Answer {
    /// How long the connection took, if one was made for it.
    connect: Option<Duration>,
    /// How long its handshake took, if there was one.
    tls: Option<Duration>,
    /// From the first byte sent to the first one back.
    first_byte: Option<Duration>,
    /// How many came back.
    bytes: Option<usize>,
    /// What is measured.
    took: Duration,
}

/// The probes of one address.
#[derive(Debug)]
pub struct Series {
    /// The address.
    pub endpoint: Endpoint,
    /// Their sum.
    pub stats: Stats,
    /// Why the last that was not answered was not.
    last: Option<Error>,
}

/// What came of all of them.
#[derive(Debug)]
pub struct Outcome {
    /// As it was typed.
    endpoint: Endpoint,
    /// For each address.
    pub series: Vec<Series>,
    /// Nobody read the report any more.
    left: bool,
}

/// Is not told of the connections: a probe says it all.
struct Nobody<'a> {
    sink: &'a dyn Sink,
    connect: Mutex<Option<Duration>>,
    tls: Mutex<Option<Duration>>,
}

impl Nobody<'_> {
    fn took(&self, took: Duration) {
        *self.connect.lock().unwrap_or_else(PoisonError::into_inner) = Some(took);
    }
}

impl Sink for Nobody<'_> {
    fn emit(&self, conn: Option<ConnId>, event: &Event<'_>) {
        match event {
            // Without what we do around it.
            Event::Attempt { took, .. } => self.took(*took),
            Event::Proxy { connect, took, .. } => {
                self.took(*connect + *took);
                self.sink.emit(conn, event);
            }
            Event::Tls { took, .. } => *self.tls.lock().unwrap_or_else(PoisonError::into_inner) = Some(*took),
            Event::Connected { .. } => {}
            event => self.sink.emit(conn, event),
        }
    }
}

/// What the threads share.
#[derive(Default)]
struct Shared {
    left: AtomicBool,
    broken: Mutex<Option<Error>>,
}

/// What one address is probed through.
struct Prober<'a> {
    ping: &'a Ping<'a>,
    target: &'a Endpoint,
    held: Option<Conn>,
    /// Datagrams whose answer may yet come.
    unanswered: Vec<u64>,
}

impl Ping<'_> {
    /// Probes until there were enough, or the program is to stop.
    ///
    /// # Errors
    /// A name that does not resolve, and a report that cannot be written.
    pub fn run(&self) -> Result<Outcome> {
        let begun = Instant::now();
        let budget = Budget::new(self.patience, FLAG);
        let targets = if self.via.resolves(self.endpoint) {
            vec![self.endpoint.clone()]
        } else {
            let targets = resolve(self.endpoint, Purpose::Client, Some(budget), self.stop, self.sink)?;
            targets.into_iter().map(|target| target.endpoint).collect()
        };
        let shared = Shared::default();
        if targets.len() > 1 || targets.iter().any(|target| target != self.endpoint) {
            let names: Vec<String> = targets.iter().map(ToString::to_string).collect();
            let took = report::millis(begun.elapsed());
            self.say(&shared, Line::Report(format!("{}: resolved to {} in {took}\n", self.endpoint, names.join(", "))));
        }
        let series = std::thread::scope(|scope| {
            let threads: Vec<_> = targets
                .iter()
                .map(|target| {
                    let shared = &shared;
                    std::thread::Builder::new().spawn_scoped(scope, move || self.follow(target, shared))
                })
                .collect();
            let joined = |thread: io::Result<std::thread::ScopedJoinHandle<'_, Series>>| {
                let thread = thread.map_err(|source| Error::os(Phase::Opening, None, source))?;
                Ok(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            };
            threads.into_iter().map(joined).collect::<Result<Vec<_>>>()
        })?;
        if let Some(error) = shared.broken.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        Ok(Outcome { endpoint: self.endpoint.clone(), series, left: shared.left.into_inner() })
    }

    fn say(&self, shared: &Shared, line: Line) {
        let told = (self.tell)(line);
        if !matches!(told, Ok(true)) || self.sink.reader_left() {
            shared.left.store(true, Ordering::Relaxed);
        }
        if let Err(error) = told {
            shared.broken.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
    }

    fn follow(&self, target: &Endpoint, shared: &Shared) -> Series {
        let mut series = Series { endpoint: target.clone(), stats: Stats::default(), last: None };
        let mut prober = Prober { ping: self, target, held: None, unanswered: Vec::new() };
        let mut next = Instant::now();
        for seq in 1..=self.count.unwrap_or(u64::MAX) {
            let begun = Instant::now();
            let outcome = match prober.probe(seq) {
                Ok(None) => break,
                Ok(Some(answer)) => Ok(answer),
                Err(error) => Err(error),
            };
            let took = outcome.as_ref().map_or_else(|_| begun.elapsed(), |answer| answer.took);
            let words = outcome.as_ref().err().map(|error| report::why(target, error));
            let (connect, tls, first_byte) =
                outcome.as_ref().map_or((None, None, None), |answer| (answer.connect, answer.tls, answer.first_byte));
            let address = target;
            let (answered, error) = (outcome.is_ok(), words.as_deref());
            self.sink.emit(None, &Event::Probe { address, seq, answered, error, connect, tls, first_byte, took });
            let line = report::probe(address, seq, &outcome, took);
            let mut fatal = false;
            match outcome {
                Ok(answer) => series.stats.answered(answer.took),
                Err(error) => {
                    series.stats.lost();
                    fatal = error.exit == Exit::Usage || proxy::is_final(&error);
                    series.last = Some(error);
                }
            }
            self.say(shared, Line::Report(line));
            self.say(shared, Line::Live(report::live(address, &series.stats)));
            // After a probe that took long the next one follows at once, but not all that were missed.
            next = (next + self.interval).max(Instant::now());
            let done = fatal || shared.left.load(Ordering::Relaxed) || self.count == Some(seq);
            if done || self.stop.wait(next).unwrap_or(true) {
                break;
            }
        }
        series
    }
}

impl Prober<'_> {
    /// One probe. `None` when the program is to stop first.
    fn probe(&mut self, seq: u64) -> Result<Option<Answer>> {
        let (mut connect, mut secured) = (None, None);
        let mut conn = match self.held.take() {
            Some(conn) => conn,
            None => {
                let sink = Nobody { sink: self.ping.sink, connect: Mutex::new(None), tls: Mutex::new(None) };
                let begun = Instant::now();
                let dial = Dial {
                    conn: CONN,
                    endpoint: self.target,
                    via: self.ping.via,
                    source: None,
                    options: self.ping.options,
                    timeout: self.ping.patience,
                    retry: None,
                    tls: self.ping.tls,
                    stop: self.ping.stop,
                    sink: &sink,
                };
                let Some(conn) = dial.dial()? else { return Ok(None) };
                let exactly = sink.connect.into_inner().unwrap_or_else(PoisonError::into_inner);
                secured = sink.tls.into_inner().unwrap_or_else(PoisonError::into_inner);
                self.unanswered.clear();
                connect = Some(exactly.unwrap_or_else(|| begun.elapsed()));
                conn
            }
        };
        if conn.shape().is_udp() {
            // No packet was sent for it.
            connect = None;
        }
        match self.ping.echo {
            None if conn.shape().is_udp() => self.ask(&mut conn),
            None => Ok(connect.map(|time| {
                let took = time + secured.unwrap_or_default();
                Answer { connect, tls: secured, took, ..Answer::default() }
            })),
            Some(size) => {
                let answer = self.echo(&mut conn, seq, size);
                // What is late on a stream stands before all that follows.
                let whole = matches!(answer, Ok(Some(_)));
                if whole || conn.shape().kind != Kind::Stream && matches!(&answer, Err(error) if is_silence(error)) {
                    self.held = Some(conn);
                }
                Ok(answer?.map(|answer| Answer { connect, tls: secured, ..answer }))
            }
        }
    }

    /// Waits until the connection has something to say, or takes more; `None` when the program is to stop.
    fn ready(&self, conn: &Conn, wants: PollFlags, until: Instant) -> Result<Option<()>> {
        let mut fds = [PollFd::new(conn, wants), PollFd::new(self.ping.stop, PollFlags::IN)];
        let ready =
            poll(&mut fds, Some(until)).map_err(|source| Error::os(Phase::Waiting, Some(conn.peer()), source))?;
        if self.ping.stop.requested().is_some() {
            return Ok(None);
        }
        if !ready {
            // UDP has no connection: no answer is none to the attempt.
            let phase = if conn.shape().is_udp() { Phase::Connecting } else { Phase::Receiving };
            return Err(Error::timed_out(phase, Some(conn.peer()), FLAG, self.ping.patience));
        }
        Ok(Some(()))
    }

    /// An empty datagram: an answer, a refusal, or silence.
    fn ask(&self, conn: &mut Conn) -> Result<Option<Answer>> {
        let begun = Instant::now();
        conn.send(b"").map_err(|source| conn.failed(Phase::Connecting, source))?;
        let mut buffer = vec![0; 64 << 10];
        loop {
            if self.ready(conn, PollFlags::IN, begun + self.ping.patience)?.is_none() {
                return Ok(None);
            }
            match conn.recv(&mut buffer) {
                Ok(incoming) => {
                    let bytes = if let Incoming::Bytes(bytes) = incoming { bytes } else { 0 };
                    return Ok(Some(Answer { bytes: Some(bytes), took: begun.elapsed(), ..Answer::default() }));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(source) => return Err(conn.failed(Phase::Connecting, source)),
            }
        }
    }

    /// A round trip, with a look at what comes back.
    fn echo(&mut self, conn: &mut Conn, seq: u64, size: usize) -> Result<Option<Answer>> {
        let stream = conn.shape().kind == Kind::Stream;
        let failing = if conn.shape().is_udp() { Phase::Connecting } else { Phase::Receiving };
        let (payload, mut back, mut sent) = (payload(seq, size), Vec::with_capacity(size), 0);
        let mut buffer = vec![0; 64 << 10];
        let begun = Instant::now();
        let (mut first_byte, mut all_sent) = (None, false);
        loop {
            while !all_sent {
                match conn.send(&payload[sent..]) {
                    Ok(bytes) => sent += bytes,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(source) => return Err(conn.failed(if stream { Phase::Sending } else { failing }, source)),
                }
                all_sent = sent == size;
            }
            let wants = if all_sent { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT };
            match self.ready(conn, wants, begun + self.ping.patience) {
                Ok(Some(())) => {}
                Ok(None) => return Ok(None),
                Err(error) => {
                    if self.unanswered.len() == REMEMBERED {
                        self.unanswered.remove(0);
                    }
                    self.unanswered.push(seq);
                    return Err(error);
                }
            }
            let came = match conn.recv(&mut buffer) {
                Ok(Incoming::Bytes(bytes)) => &buffer[..bytes],
                Ok(Incoming::Eof) => {
                    let text = format!("it closed the connection after {} of {size} bytes", back.len());
                    return Err(Error::text(Exit::Reset, Phase::Receiving, Some(conn.peer()), text));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(source) => return Err(conn.failed(failing, source)),
            };
            if !stream && came != payload && self.unanswered.iter().any(|late| came == self::payload(*late, size)) {
                continue;
            }
            first_byte.get_or_insert_with(|| begun.elapsed());
            back.extend_from_slice(came);
            if !payload.starts_with(&back) || !stream && back != payload {
                return Err(not_the_echo(conn.peer(), &payload, &back));
            }
            if back.len() == size {
                let took = begun.elapsed();
                return Ok(Some(Answer { first_byte, bytes: Some(size), took, ..Answer::default() }));
            }
        }
    }
}

/// Nothing came; all other failures are about the connection.
fn is_silence(error: &Error) -> bool {
    matches!(error.cause, crate::error::Cause::TimedOut { .. })
}

fn not_the_echo(peer: &Endpoint, payload: &[u8], back: &[u8]) -> Error {
    const MOST: usize = 60;
    let at = payload.iter().zip(back).position(|(sent, came)| sent != came).unwrap_or(payload.len().min(back.len()));
    let shown = |bytes: &[u8]| format!("\"{}\"", visible_line(&bytes[..bytes.len().min(MOST)]));
    let details = vec![format!("sent {}", shown(payload)), format!("came {}", shown(back))];
    Error::expected(
        Phase::Receiving,
        Some(peer),
        format!("what came back is not what was sent, from byte {at} on"),
        details,
    )
}

/// What is sent: a line, for servers that wait for one, and no two alike.
fn payload(seq: u64, size: usize) -> Vec<u8> {
    let letters = (b'a'..=b'z').cycle().skip(usize::try_from(seq % 26).unwrap_or(0));
    let mut bytes: Vec<u8> = format!("ping {seq} ").into_bytes().into_iter().chain(letters).take(size).collect();
    if size < b"ping 1 ".len() {
        // No room for the number.
        bytes = (b'a'..=b'z').cycle().skip(usize::try_from(seq % 26).unwrap_or(0)).take(size).collect();
    }
    if let Some(last) = bytes.last_mut().filter(|_| size > 1) {
        *last = b'\n';
    }
    bytes
}

impl Outcome {
    /// Tells the sums as events.
    pub fn report(&self, sink: &dyn Sink) {
        for Series { endpoint, stats, .. } in &self.series {
            let (probes, answered) = (stats.probes(), stats.answers());
            let spread = stats.spread();
            sink.emit(None, &Event::Latency { address: endpoint, probes, answered, spread });
        }
    }

    /// Whether somebody reads the report.
    #[must_use]
    pub fn is_read(&self) -> bool {
        !self.left
    }

    /// How the run ends: by what stopped it, else by a condition that is met, else well if anything was answered.
    ///
    /// # Errors
    /// Exit 3 for a condition; else that of the last probe, where none was answered.
    pub fn verdict(self, checks: &[FailIf], stop: &Stop) -> Result<Exit> {
        if let Some(reason) = stop.requested() {
            return Ok(exit(reason));
        }
        if let Some(at) = self.series.iter().position(|series| fatal(series).is_some()) {
            return Err(self.series.into_iter().nth(at).and_then(|series| series.last).expect("it has one"));
        }
        if self.left {
            return Ok(Exit::Ok);
        }
        let only = (self.series.len() == 1).then(|| self.series[0].endpoint.clone());
        let met = |series: &Series| {
            let met = checks.iter().filter_map(|check| check.met(&series.stats));
            let of = if only.is_some() { String::new() } else { format!("{}: ", series.endpoint) };
            met.map(|what| format!("{of}{what}")).collect::<Vec<_>>()
        };
        let mut met: Vec<String> = self.series.iter().flat_map(met).collect();
        if !met.is_empty() {
            let what = met.remove(0);
            return Err(Error::expected(Phase::Expecting, only.as_ref(), what, met));
        }
        let nobody = self.series.iter().all(|series| series.stats.answers() == 0);
        let failures: Vec<Error> = self.series.into_iter().filter_map(|series| series.last).collect();
        if nobody && !failures.is_empty() {
            return Err(Error::attempts(&self.endpoint, failures));
        }
        Ok(Exit::Ok)
    }
}

/// What no further probe would change.
fn fatal(series: &Series) -> Option<&Error> {
    series.last.as_ref().filter(|error| error.exit == Exit::Usage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_lines_that_differ() {
        for size in [2, 5, 7, 8, 16, 64, 1400] {
            let (one, two) = (payload(1, size), payload(2, size));
            assert_eq!((one.len(), two.len()), (size, size));
            assert!(one != two && one.ends_with(b"\n"), "{size}");
        }
        assert_eq!(payload(1, 64), b"ping 1 bcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcde\n");
        assert_ne!(payload(1, 1), payload(2, 1));
        assert!(payload(1, 0).is_empty());
    }
}
