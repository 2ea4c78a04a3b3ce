//! The sessions of a server that are under way, and what it can tell about them all.
//!
//! There may be ten thousand that do nothing, so each is one small task: what the links share is held once, and a
//! handler with much to remember boxes its own part.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::JoinSet;

use crate::error::{Cause, Error, Exit, Phase, Result};
use crate::event::Event;
use crate::sys::{self, Asked};
use crate::work::door::Door;
use crate::work::handler::Handler;
use crate::work::link::{Link, Shared};

/// With fewer sessions than this, what they leave behind is not worth a look.
const MANY: usize = 256;

/// See the module. Each has a key, which its end gives back.
pub(super) struct Sessions<K> {
    tasks: JoinSet<(K, Result<()>)>,
    shared: Arc<Shared>,
    /// How many there were in all.
    pub(super) begun: u64,
    /// How the last one failed, if it did.
    pub(super) last_failure: Option<Error>,
    since: Instant,
    /// The most at once since memory was given back.
    most: usize,
    /// There were [`MANY`] since there were none.
    many: bool,
}

impl<K> Sessions<K> {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            tasks: JoinSet::new(),
            shared,
            begun: 0,
            last_failure: None,
            since: Instant::now(),
            most: 0,
            many: false,
        }
    }

    /// How many are under way.
    pub(super) fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Tells how it stands.
    pub(super) fn tell(&self, door: &Door) {
        let (sent, received) = self.shared.totals();
        let stats = Event::Stats {
            sessions: self.tasks.len() as u64,
            total: self.begun,
            sent,
            received,
            denied: door.denied.load(Ordering::Relaxed),
            exhausted: door.exhausted,
            uptime: self.since.elapsed(),
        };
        door.sink.emit(None, &stats);
    }

    /// What thousands leave behind when they go is given back each time that half of them have gone, and after the
    /// last: each of the few who stay keeps some pages from the system, and then the server is as small as it was
    /// before.
    fn give_back(&mut self) {
        let left = self.tasks.len();
        self.many |= self.most >= MANY;
        if self.most >= MANY && left <= self.most / 2 || self.many && left == 0 {
            self.most = left;
            self.many = left > 0;
            sys::trim_heap();
        }
    }
}

impl<K: 'static> Sessions<K> {
    /// Ends those that are left, and says how many there were.
    pub(super) async fn cut_short(&mut self, door: &Door) {
        let message = match self.tasks.len() {
            1 => "1 session did not end in time (--grace) and is cut short".to_owned(),
            left => format!("{left} sessions did not end in time (--grace) and are cut short"),
        };
        door.sink.emit(None, &Event::Warning { message: &message });
        self.tasks.shutdown().await;
    }

    /// Waits for the next end, and gives the key of that session unless it panicked, which is told already. `None`
    /// when there is no session.
    pub(super) async fn next_end(&mut self) -> Option<Option<K>> {
        let done = self.tasks.join_next().await?;
        self.give_back();
        let Ok((key, result)) = done else { return Some(None) };
        self.last_failure = result.err();
        Some(Some(key))
    }
}

impl<K: Send + 'static> Sessions<K> {
    /// Begins one. With `goes_on`, the server outlives its failure.
    pub(super) fn begin<L>(&mut self, key: K, handler: &Arc<Handler>, link: L, goes_on: bool)
    where
        L: Deref<Target = Link> + Send + Sync + 'static,
    {
        self.begun += 1;
        self.tasks.spawn(session(key, handler.clone(), link, goes_on));
        self.most = self.most.max(self.tasks.len());
    }
}

/// Runs one session and says how it ended.
async fn session<K, L>(key: K, handler: Arc<Handler>, link: L, goes_on: bool) -> (K, Result<()>)
where
    L: Deref<Target = Link>,
{
    let begun = Instant::now();
    let result = if link.is_tls() { Box::pin(secured(&handler, &link)).await } else { handler.run(&link).await };
    let (sent, received) = link.totals();
    let reason = result.as_ref().err().map_or(Exit::Ok, |error| error.exit).name();
    if let Err(error) = &result {
        tell_failure(&link, error, goes_on);
    }
    link.sink().emit(Some(link.id), &Event::Closed { reason, sent, received, duration: begun.elapsed(), course: None });
    (key, result)
}

/// The same over TLS: behind the handshake, and until the last of it is with the kernel.
async fn secured(handler: &Handler, link: &Link) -> Result<()> {
    if !link.secure().await? {
        return Ok(());
    }
    let result = handler.run(link).await;
    link.flush().await;
    result
}

/// A session's failure is told when it happens, if the server goes on; else it is what the program ends with.
fn tell_failure(link: &Link, error: &Error, goes_on: bool) {
    // Another connection, which the session needed: why it is not there is a matter of its own.
    let elsewhere = match error.phase {
        Phase::Resolving | Phase::Opening | Phase::Binding | Phase::Connecting => true,
        Phase::Securing => error.endpoint.as_ref().is_some_and(|endpoint| endpoint != link.peer()),
        _ => false,
    };
    if goes_on && elsewhere {
        return link.sink().fail(Some(link.id), error);
    }
    // It may be for us to mend.
    if goes_on && error.exit == Exit::Tls {
        return link.sink().warn(Some(link.id), error);
    }
    match (error.errno(), &error.cause) {
        (Some(libc::ECONNRESET | libc::EPIPE), _) => {
            link.sink().emit(Some(link.id), &Event::Reset { error: &error.cause.to_string() });
        }
        // Told already, by whoever had the clock.
        (_, Cause::TimedOut { .. }) => {}
        _ if goes_on => link.sink().emit(Some(link.id), &Event::Warning { message: &error.to_string() }),
        _ => {}
    }
}

/// The question for statistics, as the runtime waits for it.
pub(super) struct Question(Option<AsyncFd<Asked>>);

impl Question {
    /// Registers it.
    ///
    /// # Errors
    /// When the runtime cannot watch it.
    pub(super) fn new(asked: Option<Asked>) -> Result<Self> {
        let watched = asked.map(|asked| sys::watch(asked, Interest::READABLE)).transpose();
        watched.map(Self).map_err(|source| Error::os(Phase::Waiting, None, source))
    }

    /// Waits until somebody asks.
    pub(super) async fn asked(&self) {
        match &self.0 {
            // An error would come again and again: then nobody can ask any more.
            Some(fd) if fd.async_io(Interest::READABLE, Asked::take).await.is_ok() => {}
            _ => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<A, B, C, D, F: Future>(_: fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_session_is_small() {
        // With the head of its task it is to fit into 256 bytes: a handler that is not boxed, and it does not.
        let size = size_of_future(session::<(), Box<Link>>);
        assert!(size <= 128, "{size} bytes");
        assert!(size_of::<Link>() <= 224, "{} bytes", size_of::<Link>());
    }
}
