//! When a session ends: the table in the head of the pump, and the limits by the clock.

use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};

use super::{End, Session, State};
use crate::error::{Error, Phase, Result};
use crate::event::{Event, Limit, Side};
use crate::sys::poll;
use crate::work::local::Kind;
use crate::work::splice::{SpliceDown, SpliceUp};

/// After the peer's end, how long a silent pipe on stdin is waited for.
const QUIET: Duration = Duration::from_millis(500);
/// When the program is to stop, how long what was read may take to be passed on.
const DRAIN: Duration = Duration::from_millis(500);
/// After the end of stdin, how long after the last datagram the session ends.
const DATAGRAM_LINGER: Duration = Duration::from_secs(1);

impl Session<'_> {
    /// The rules of the table above, and the timers.
    pub(super) fn end(&mut self) -> Result<Option<End>> {
        let now = Instant::now();
        if self.draining.is_none()
            && let Some(reason) = self.stop.requested()
        {
            self.draining = Some((reason, now + DRAIN));
            self.at_stop = Some(Box::new(self.course()));
            if self.up.state == State::Open {
                self.up.state = State::Cut;
            }
        }
        self.close_up(now)?;
        // The error of one datagram overtakes those that came before it, and no end follows them.
        let failed = self.failure.is_some() && !self.conn.has_end();
        if failed && self.down.state == State::Open && !self.has_unwritten() && !self.is_readable_now() {
            self.down.state = State::Ended;
            self.finish_screen();
        }
        if self.down.state == State::Ended && !self.has_unwritten() {
            self.down.state = State::Closed;
            if self.failure.is_none() {
                self.sink.emit(Some(self.id), &Event::Eof { side: Side::Peer });
            }
        }
        if self.down.state == State::Closed
            && let Some(failure) = self.failure.take()
        {
            return Ok(Some(End::Failed(failure)));
        }
        if let Some((reason, until)) = self.draining {
            let idle = self.up.pending.is_empty() && !self.has_unwritten() && !self.is_readable_now();
            return Ok((idle || now >= until).then_some(End::Stopped(reason)));
        }
        if self.is_finished(now) {
            if self.up.state == State::Open {
                self.sink
                    .emit(Some(self.id), &Event::Warning { message: "the session is over, with stdin still open" });
            }
            return Ok(Some(End::Finished));
        }
        self.check_limits(now)
    }

    /// Once stdin has ended and all of it is sent, the peer is told.
    fn close_up(&mut self, now: Instant) -> Result<()> {
        if !matches!(self.up.state, State::Ended | State::Cut) || !self.up.pending.is_empty() {
            return Ok(());
        }
        if self.up.state == State::Ended {
            self.sink.emit(Some(self.id), &Event::Eof { side: Side::Local });
        }
        self.up.state = State::Closed;
        self.times.input_end = Some(now);
        if !self.rules.no_shutdown && self.conn.has_end() && self.failure.is_none() {
            self.track.ending(self.conn);
            let os = |source| Error::os(Phase::Sending, Some(self.conn.peer()), source);
            self.conn.shutdown_write().map_err(os)?;
            self.sink.emit(Some(self.id), &Event::Shutdown { direction: "write" });
        }
        Ok(())
    }

    fn is_finished(&self, now: Instant) -> bool {
        if let Some(until) = self.ends_at()
            && now >= until
        {
            return true;
        }
        let input_over = self.up.state == State::Closed && self.up.pending.is_empty();
        if self.rules.send_only && self.times.input_end.is_some() {
            return !self.conn.has_end() || self.down.state == State::Closed || self.conn.is_all_acknowledged();
        }
        if self.down.state != State::Closed {
            return self.output_gone && input_over;
        }
        if input_over {
            return true;
        }
        // The peer has ended, stdin has not.
        self.is_over_for_input() && self.input.as_ref().is_some_and(|input| input.kind() == Kind::Terminal)
    }

    /// Whether the peer's end, or that of whoever read our stdout, is to end a session whose stdin is open.
    fn is_over_for_input(&self) -> bool {
        (self.down.state == State::Closed || self.output_gone) && !self.rules.stay && !self.rules.send_only
    }

    /// When the session ends by the clock if nothing moves.
    pub(super) fn ends_at(&self) -> Option<Instant> {
        let mut ends = Vec::new();
        if let Some(input_end) = self.times.input_end {
            match self.rules.linger {
                Some(linger) => ends.push(input_end + linger),
                // What came is written first, however long stdout takes.
                None if !self.conn.has_end()
                    && !self.rules.keep_open
                    && self.conn.has_peer()
                    && !self.has_unwritten() =>
                {
                    ends.push(input_end.max(self.times.received) + DATAGRAM_LINGER);
                }
                None => {}
            }
        }
        if self.up.state == State::Open
            && !self.has_unsent()
            && self.is_over_for_input()
            && let Some(peer_end) = self.times.peer_end
            && self.input.as_ref().is_some_and(|input| input.kind() != Kind::File)
        {
            ends.push(peer_end.max(self.times.input) + QUIET);
        }
        ends.into_iter().min()
    }

    /// The limits in force now: which, since when, how long.
    pub(super) fn limits(&self) -> impl Iterator<Item = (Limit, &'static str, Instant, Duration)> {
        // Waiting for the first peer of a datagram server is no session yet.
        let open = self.conn.has_peer();
        let receiving = self.down.state == State::Open && !self.has_unwritten();
        let sending = self.has_unsent();
        [
            (Limit::Idle, "--idle-timeout", self.times.progress, self.rules.idle),
            (Limit::Recv, "--recv-timeout", self.times.received, self.rules.recv.filter(|_| receiving)),
            (Limit::Send, "--send-timeout", self.times.sent, self.rules.send.filter(|_| sending)),
        ]
        .into_iter()
        .filter_map(move |(limit, flag, since, after)| Some((limit, flag, since, after.filter(|_| open)?)))
    }

    fn check_limits(&self, now: Instant) -> Result<Option<End>> {
        match self.limits().find(|(_, _, since, after)| now.duration_since(*since) >= *after) {
            None => Ok(None),
            Some((limit, flag, _, after)) => {
                self.sink.emit(Some(self.id), &Event::Timeout { limit, after });
                Err(Error::timed_out(Phase::Waiting, Some(self.conn.peer()), flag, after))
            }
        }
    }

    /// Whether something waits for room in the socket.
    pub(super) fn has_unsent(&self) -> bool {
        let blocked = self.up.state == State::Open && self.up.splice.as_ref().is_some_and(SpliceUp::is_blocked);
        !self.up.pending.is_empty() || blocked
    }

    /// Whether something that came waits for room in stdout.
    pub(super) fn has_unwritten(&self) -> bool {
        !self.down.pending.is_empty() || self.down.splice.as_ref().is_some_and(SpliceDown::is_blocked)
    }

    fn is_readable_now(&self) -> bool {
        let mut fds = [PollFd::new(&*self.conn, PollFlags::IN)];
        // Not an error that waits, which a UDP socket shows for as long as nobody asks who sent it.
        let polled = self.down.state == State::Open && poll(&mut fds, Some(Instant::now())).unwrap_or(false);
        polled && fds[0].revents().contains(PollFlags::IN)
    }
}
