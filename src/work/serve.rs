//! A server with many sessions side by side: accept, limit, drain. It takes a bound socket and a handler.
//!
//! One thread: measured, it equals a bare epoll loop at 1,000 connections, and more threads give the same rate
//! at four times the p99.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{io, panic};

use tokio::io::Interest;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::error::{Error, Exit, Phase, Result};
use crate::event::{ConnId, Event};
use crate::net::bind::{Bound, Listener};
use crate::net::conn::Conn;
use crate::sys::{self, Asked, Reason, Stop};
use crate::work::door::{Admission, Door, EXHAUSTED_PAUSE};
use crate::work::early::Settled;
use crate::work::handler::Handler;
use crate::work::link::{Limits, Link, Shared};
use crate::work::sessions::{Question, Sessions};
use crate::work::stopping::{Stopping, at};

/// How long sessions may take to end once the server is to stop, where nobody said.
pub const GRACE: Duration = Duration::from_secs(5);
/// So many are accepted before those who are there have their turn.
const IN_A_ROW: usize = 8;

/// A server.
pub struct Serve {
    /// The rules of admission.
    pub door: Door,
    /// What is done with each session.
    pub handler: Arc<Handler>,
    /// After so many sessions it ends.
    pub count: Option<u64>,
    /// Whether a failed session is no failure of the server.
    pub keep_open: bool,
    /// At most so many sessions at once; the rest waits in the accept queue.
    pub max_conns: usize,
    /// How long to wait for somebody to come.
    pub accept_timeout: Option<Duration>,
    /// What ends a session by the clock.
    pub limits: Limits,
    /// How long sessions may take to end once the server is to stop.
    pub grace: Duration,
    /// Makes it tell its statistics.
    pub asked: Option<Asked>,
    /// Whether it tells them at its end too.
    pub stats: bool,
    /// Ends it.
    pub stop: Stop,
}

impl Serve {
    /// Serves until its count is reached or it is to stop, on a runtime of its own.
    ///
    /// # Errors
    /// Those of the listener, and without `keep_open` that of its last session.
    pub fn run(mut self, bound: Bound) -> Result<Exit> {
        let runtime = runtime().map_err(|source| Error::os(Phase::Opening, None, source))?;
        runtime.block_on(async {
            let stopped = Stopping::new(&self.stop)?;
            let question = Question::new(self.asked.take())?;
            let shared = Shared::new(self.limits, stopped, self.door.sink.clone());
            let shared = Arc::new(shared.lasting(self.handler.lasts()));
            match bound {
                Bound::Listener(listener) => self.connections(listener, &shared, &question).await,
                Bound::Datagrams(datagrams) => self.datagrams(datagrams, &shared, &question).await,
                Bound::Session(conn) => self.single(conn, &shared).await,
            }
        })
    }

    async fn connections(&mut self, listener: Listener, shared: &Arc<Shared>, question: &Question) -> Result<Exit> {
        let mut sessions = Sessions::new(shared.clone());
        let outcome = self.accept_all(&listener, shared, question, &mut sessions).await;
        // From here on nobody is kept waiting in a queue that is not looked at.
        listener.close();
        self.drain(shared, question, &mut sessions).await;
        outcome?;
        self.verdict(sessions)
    }

    async fn accept_all(
        &mut self,
        listener: &Listener,
        shared: &Arc<Shared>,
        question: &Question,
        sessions: &mut Sessions<()>,
    ) -> Result<()> {
        let os = |source| Error::os(Phase::Accepting, Some(listener.local()), source);
        let incoming = sys::watch(listener.as_fd(), Interest::READABLE).map_err(os)?;
        // Answers are whole when they are written, so nothing is gained by waiting for more.
        let nodelay = listener.shape().is_tcp() && self.door.options.value("nodelay").is_none();
        let mut last_came = Instant::now();
        let mut exhausted = false;
        let mut in_a_row = 0;
        // Those whose PROXY protocol header is still to come. Each has a place, but is no session yet.
        let mut early = JoinSet::new();
        while self.count.is_none_or(|count| sessions.begun < count) {
            let room = sessions.len() + early.len() < self.max_conns && !exhausted;
            let patience = self.accept_timeout.filter(|_| sessions.len() == 0);
            tokio::select! {
                biased;
                () = shared.stopping.wait() => return Ok(()),
                Some(_) = sessions.next_end() => {
                    exhausted = false;
                    // While there was a session, nobody was missed.
                    last_came = Instant::now();
                }
                () = question.asked() => sessions.tell(&self.door),
                Some(settled) = early.join_next() => {
                    let settled: Option<(Conn, Settled)> = settled.ok().flatten();
                    if let Some((id, conn)) = settled.and_then(|(conn, settled)| self.door.settle(conn, settled)) {
                        last_came = Instant::now();
                        self.begin(conn, id, nodelay, shared, sessions);
                    }
                }
                ready = incoming.readable(), if room => {
                    let mut ready = ready.map_err(os)?;
                    match self.door.accept(listener)? {
                        Admission::Session(id, conn) => {
                            last_came = Instant::now();
                            self.begin(conn, id, nodelay, shared, sessions);
                        }
                        Admission::Early(one) => drop(early.spawn(one.settle())),
                        Admission::Gone => {}
                        Admission::Nobody => ready.clear_ready(),
                        Admission::Exhausted => exhausted = true,
                    }
                    in_a_row = (in_a_row + 1) % IN_A_ROW;
                    if in_a_row == 0 {
                        tokio::task::yield_now().await;
                    }
                }
                () = tokio::time::sleep(EXHAUSTED_PAUSE), if exhausted => exhausted = false,
                () = at(patience.and_then(|patience| last_came.checked_add(patience))) => {
                    return Err(self.door.nobody_came(listener.local(), patience.unwrap_or_default()));
                }
            }
        }
        Ok(())
    }

    fn begin(&self, conn: Conn, id: ConnId, nodelay: bool, shared: &Arc<Shared>, sessions: &mut Sessions<()>) {
        if nodelay && conn.shape().is_tcp() {
            let _ = conn.socket().set_tcp_nodelay(true);
        }
        match Link::connection(conn, id, shared.clone()) {
            Ok(link) => sessions.begin((), &self.handler, Box::new(link), self.keep_open),
            // It is that one's loss, as when accept(2) fails for one.
            Err(error) => shared.sink.emit(Some(id), &Event::Warning { message: &error.to_string() }),
        }
    }

    async fn single(&mut self, conn: Conn, shared: &Arc<Shared>) -> Result<Exit> {
        let mut sessions = Sessions::new(shared.clone());
        if let Some((id, conn)) = self.door.greet(conn, &self.stop)? {
            let link = Box::new(Link::connection(conn, id, shared.clone())?);
            sessions.begin((), &self.handler, link, false);
            while sessions.next_end().await.is_some() {}
        }
        self.verdict(sessions)
    }

    /// Lets the sessions that are under way end: all the time they need when the count was reached, the grace
    /// period once the program is to stop.
    pub(super) async fn drain<K: 'static>(&self, shared: &Shared, question: &Question, sessions: &mut Sessions<K>) {
        let mut until = None;
        while sessions.len() > 0 {
            tokio::select! {
                biased;
                () = shared.stopping.wait(), if until.is_none() => until = Instant::now().checked_add(self.grace),
                () = question.asked() => sessions.tell(&self.door),
                Some(_) = sessions.next_end() => {}
                () = at(until) => return sessions.cut_short(&self.door).await,
            }
        }
    }

    pub(super) fn verdict<K>(&self, sessions: Sessions<K>) -> Result<Exit> {
        if self.stats {
            sessions.tell(&self.door);
        }
        match (self.stop.requested(), sessions.last_failure) {
            (Some(Reason::Signal(signal)), _) => Ok(Exit::Signal(signal)),
            (Some(Reason::Deadline), _) => Ok(Exit::Deadline),
            (None, Some(failure)) if !self.keep_open => Err(failure),
            _ => Ok(Exit::Ok),
        }
    }
}

/// A runtime on this thread.
fn runtime() -> io::Result<Runtime> {
    let build = || tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
    // What it needs for children it makes at once, and panics without a descriptor for it.
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let built = panic::catch_unwind(build);
    panic::set_hook(hook);
    built.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map_or("the runtime does not start", String::as_str);
        Err(UnixStream::pair().err().unwrap_or_else(|| io::Error::other(text.to_owned())))
    })
}
