//! Forwards each session to a connection of its own: a cable with a screen on it, and with faults on demand.
//!
//! A session has two parties, the client that came and the target that it is connected to, and two directions, up to
//! the target and down to the client. Each direction ends by itself: when the one party has ended what it sends, the
//! other is told so, and the other direction goes on. What breaks one connection breaks the other, after what came
//! before has arrived. Events show what the client sees: `recv` is what it sent, `send` what reached it.
//!
//! Where nobody looks at the bytes they never come into this process, once there are many at a time.

mod faults;
mod lane;
mod pipes;
mod target;

pub use faults::Faults;
pub use target::{Target, is_itself};

use std::collections::HashSet;
use std::pin::pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::addr::Endpoint;
use crate::error::{Error, Exit, Phase, Result};
use crate::event::{ConnId, Event, Side, Sink};
use crate::net::conn::Conn;
use crate::net::socket::Family;
use crate::sys;
use crate::work::link::{LINGER, Limits, Link, Shared};

use lane::{Broke, End, Lane, is_about_a_datagram};
use pipes::Pipes;

/// A datagram target cannot say that it is done: when the client has ended, so long after the last datagram that came.
const LAST_ANSWER: Duration = Duration::from_secs(1);

/// Once it was seen that the target is this relay, so long no connection is made to it.
const CIRCLE: Duration = Duration::from_secs(1);

/// See the module.
pub struct Relay {
    /// The connecting side.
    pub target: Arc<Target>,
    /// What goes wrong on the way to the target.
    pub up: Faults,
    /// What goes wrong on the way to the client.
    pub down: Faults,
    /// What ends a session by the clock.
    pub limits: Limits,
    pipes: Pipes,
    /// What the connections to the target have in common.
    shared: OnceLock<Arc<Shared>>,
    /// Our own addresses towards datagram targets: who comes from there is ourselves.
    own: Mutex<HashSet<Endpoint>>,
    /// When it was last seen that the target is this relay.
    circle: Mutex<Option<Instant>>,
}

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To the target.
    Up,
    /// To the client.
    Down,
}

impl Way {
    /// As events and flags name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Party {
    Client,
    Target,
}

/// How a session ended, and by whose doing.
struct Verdict {
    by: &'static str,
    how: &'static str,
    error: Option<Error>,
}

impl Verdict {
    fn of(party: Party, how: &'static str) -> Self {
        Self { by: if party == Party::Client { "client" } else { "target" }, how, error: None }
    }

    fn ours(how: &'static str) -> Self {
        Self { by: "relay", how, error: None }
    }
}

/// How many pipes at most, where so many descriptors are to be had: the sessions need them more.
fn most_pipes(descriptors: u64) -> usize {
    usize::try_from(descriptors / 16).unwrap_or(usize::MAX).min(64)
}

/// What one has open besides its sessions.
#[must_use]
pub(super) fn own_descriptors(descriptors: u64) -> u64 {
    2 * most_pipes(descriptors) as u64
}

impl Relay {
    /// One without faults. `descriptors` is how many this process may have.
    #[must_use]
    pub fn new(target: Target, limits: Limits, descriptors: u64) -> Self {
        Self {
            target: Arc::new(target),
            up: Faults::default(),
            down: Faults::default(),
            limits,
            pipes: Pipes::new(most_pipes(descriptors)),
            shared: OnceLock::new(),
            own: Mutex::default(),
            circle: Mutex::default(),
        }
    }

    /// Runs one session to its end.
    ///
    /// # Errors
    /// When the target cannot be reached; when one of the two breaks; when a time limit passes.
    pub async fn run(&self, client: &Link) -> Result<()> {
        // Until it is known to have ended well, the client is not to believe that it did.
        let mut client_guard = Abort { link: client, armed: true };
        if self.is_ours(client.peer()) || self.is_circle() {
            return Err(self.leads_back(client));
        }
        let Some(conn) = self.target.connect(client.id, client.stopping()).await? else { return Ok(()) };
        let _own = Own::new(self, &conn);
        if conn.peer() == client.local() && !conn.peer().is_unnamed() {
            // The connection that was just made is about to come in here, and must not make the next one.
            *self.circle.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            return Err(self.leads_back(client));
        }
        if conn.shape().is_udp() {
            // What was sent before and came to nothing is told by the socket itself.
            let _ = sys::recverr(conn.socket(), conn.shape().family == Family::V6, false);
        }
        if conn.shape().is_tcp() && self.target.options.value("nodelay").is_none() {
            // Whether to wait for more is for those to say who send.
            let _ = conn.socket().set_tcp_nodelay(true);
        }
        let target = Link::connection(conn, client.id, self.shared(client))?;
        let mut target_guard = Abort { link: &target, armed: true };
        let verdict = self.forward(client, &target).await;
        if target.is_tls() && verdict.error.is_none() {
            target.flush().await;
        }
        let (up, down) = (target.totals().0, client.totals().0);
        if verdict.how != "reset" && verdict.how != "error" {
            client_guard.armed = false;
            target_guard.armed = false;
        }
        let relayed = Event::Relayed { target: target.peer(), up, down, by: verdict.by, how: verdict.how };
        client.sink().emit(Some(client.id), &relayed);
        verdict.error.map_or(Ok(()), Err)
    }

    fn shared(&self, client: &Link) -> Arc<Shared> {
        let new = || {
            let limits = Limits { send: self.limits.send, ..Limits::default() };
            let sink = Arc::new(Beyond(self.target.sink.clone()));
            Arc::new(Shared::new(limits, client.stopping().clone(), sink).lasting(true))
        };
        self.shared.get_or_init(new).clone()
    }

    fn is_ours(&self, peer: &Endpoint) -> bool {
        self.own.lock().unwrap_or_else(PoisonError::into_inner).contains(peer)
    }

    fn is_circle(&self) -> bool {
        let circle = self.circle.lock().unwrap_or_else(PoisonError::into_inner);
        circle.is_some_and(|seen| seen.elapsed() < CIRCLE)
    }

    fn leads_back(&self, client: &Link) -> Error {
        let text = format!("it leads back to this relay, which listens on {}", client.local());
        Error::text(Exit::Failed, Phase::Connecting, Some(&self.target.endpoint), text)
    }

    fn lane<'s>(&'s self, way: Way, client: &'s Link, target: &'s Link) -> Lane<'s> {
        let faults = if way == Way::Up { &self.up } else { &self.down };
        Lane { way, client, target, pipes: &self.pipes, faults, lost: false.into() }
    }

    /// Both directions, to the end of both.
    async fn forward(&self, client: &Link, target: &Link) -> Verdict {
        let (up_lane, down_lane) = (self.lane(Way::Up, client, target), self.lane(Way::Down, client, target));
        let (mut up, mut down) = (pin!(up_lane.run()), pin!(down_lane.run()));
        let (mut up_ended, mut down_ended) = (false, false);
        // Over TLS the word that no more comes is one more thing to send.
        let (mut up_flushed, mut down_flushed) = (!target.is_tls(), !client.is_tls());
        let mut first = None;
        let mut idle = pin!(client.idle());
        let mut lull = pin!(self.lulled(client, target));
        loop {
            let (way, end) = tokio::select! {
                end = &mut up, if !up_ended => (Way::Up, end),
                end = &mut down, if !down_ended => (Way::Down, end),
                error = client.broke(), if up_ended => (Way::Up, Err(up_lane.not_received(error))),
                error = target.broke(), if down_ended || !target.has_end() => match is_about_a_datagram(target, &error) {
                    true => { up_lane.tell_lost(&error); continue }
                    false => (Way::Down, Err(down_lane.not_received(error))),
                },
                () = target.flush(), if up_ended && !up_flushed => { up_flushed = true; continue }
                () = client.flush(), if down_ended && !down_flushed => { down_flushed = true; continue }
                () = silence(target), if up_ended && !target.has_end() => return Verdict::of(Party::Client, "end"),
                error = &mut idle => return Verdict { error: Some(error), ..Verdict::ours("timeout") },
                () = &mut lull => return Verdict::ours("stop"),
            };
            let lane = if way == Way::Up { &up_lane } else { &down_lane };
            let end = match end {
                Ok(End::Eof) => {
                    if way == Way::Up {
                        up_ended = true;
                    } else {
                        down_ended = true;
                        client.sink().emit(Some(client.id), &Event::Eof { side: Side::Local });
                    }
                    lane.to().finish().map(|()| End::Eof).map_err(|error| lane.not_sent(error))
                }
                end => end,
            };
            match end {
                Ok(End::Eof) => {
                    let by = *first.get_or_insert(lane.sender());
                    if !lane.from().has_end() {
                        // It has been silent for so long that it is gone.
                        return Verdict::of(lane.sender(), "silence");
                    }
                    if up_ended && down_ended {
                        return Verdict::of(by, "end");
                    }
                }
                Ok(End::Cut(ending)) => {
                    if ending.reset {
                        tokio::join!(client.reset(), target.reset());
                    } else {
                        tokio::join!(client.close(), target.close());
                    }
                    return Verdict::ours("fault");
                }
                Err(Broke { party, error }) => {
                    // It takes nothing any more, but what it has sent before is still to arrive.
                    match (party, way) {
                        (Party::Client, Way::Down) if !up_ended => drain(up, client).await,
                        (Party::Target, Way::Up) if !down_ended => drain(down, target).await,
                        _ => {}
                    }
                    let other = if party == Party::Client { target } else { client };
                    other.settle().await;
                    let how = match error.exit {
                        Exit::Reset => "reset",
                        Exit::IdleTimeout => "timeout",
                        _ => "error",
                    };
                    let verdict = Verdict::of(party, how);
                    return Verdict { error: Some(error), ..verdict };
                }
            }
        }
    }

    /// Waits until the program is to stop, and then until nothing has moved for a while.
    async fn lulled(&self, client: &Link, target: &Link) {
        let Some(lull) = self.target.lull else { return std::future::pending().await };
        client.stopping().wait().await;
        let mut before = (client.totals(), target.totals());
        loop {
            tokio::time::sleep(lull).await;
            let now = (client.totals(), target.totals());
            if now == before {
                return;
            }
            before = now;
        }
    }
}

/// Waits until no datagram has come for a while.
async fn silence(target: &Link) {
    let mut before = target.totals();
    let mut since = Instant::now();
    while since.elapsed() < LAST_ANSWER {
        tokio::time::sleep(LAST_ANSWER / 10).await;
        let now = target.totals();
        if now != before {
            (before, since) = (now, Instant::now());
        }
    }
}

/// Lets a direction come to its end, while something moves in it.
async fn drain(mut lane: std::pin::Pin<&mut impl Future<Output = Result<End, Broke>>>, from: &Link) {
    let mut before = from.totals();
    while tokio::time::timeout(LINGER, lane.as_mut()).await.is_err() {
        let now = from.totals();
        if now == before {
            return;
        }
        before = now;
    }
}

/// Ends a connection by a reset when it is dropped: an end that nobody meant must not look like one.
struct Abort<'l> {
    link: &'l Link,
    armed: bool,
}

impl Drop for Abort<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.link.reset_on_close();
        }
    }
}

/// Remembers where one of our own connections comes from, for as long as it lasts.
struct Own<'r> {
    relay: &'r Relay,
    local: Option<Endpoint>,
}

impl<'r> Own<'r> {
    fn new(relay: &'r Relay, conn: &Conn) -> Self {
        let local = conn.shape().is_udp().then(|| conn.local().clone());
        if let Some(local) = &local {
            relay.own.lock().unwrap_or_else(PoisonError::into_inner).insert(local.clone());
        }
        Self { relay, local }
    }
}

impl Drop for Own<'_> {
    fn drop(&mut self) {
        if let Some(local) = &self.local {
            self.relay.own.lock().unwrap_or_else(PoisonError::into_inner).remove(local);
        }
    }
}

/// What happens at the target is told as what happens to the client; only the clocks there are their own.
struct Beyond(Arc<dyn Sink>);

impl Sink for Beyond {
    fn emit(&self, conn: Option<ConnId>, event: &Event<'_>) {
        if matches!(event, Event::Timeout { .. }) {
            self.0.emit(conn, event);
        }
    }
}
