//! How long a session waits: in one direction, and in both.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::time::Sleep;

use super::{Limits, Link, Wire};
use crate::error::{Error, Phase};
use crate::event::{Event, Limit};

/// The clock of a wait. Boxed, for most sessions have none.
pub(super) struct Patience {
    direction: Limit,
    own: Option<Duration>,
    idle: Option<Duration>,
    quiet: Option<Duration>,
    begun: Instant,
    timer: Pin<Box<Sleep>>,
}

/// How a wait was too long.
pub(super) enum Late {
    /// By this limit.
    Over(Limit, Duration),
    /// A datagram peer has said nothing for so long that its session is over.
    Quiet,
}

impl Link {
    /// Waits until nothing has moved for the idle timeout: for a session in which nobody receives any more.
    pub async fn idle(&self) -> Error {
        // Only the idle timeout: in the direction of the other limits somebody else is waiting.
        let mut patience = self.patience(Limit::Idle).filter(|patience| patience.idle.is_some());
        poll_fn(|cx| match self.late(&mut patience, cx) {
            Some(Late::Over(limit, after)) => Poll::Ready(self.over(limit, after)),
            _ => Poll::Pending,
        })
        .await
    }

    /// The clock of one wait in one direction, where there is a limit to it.
    pub(super) fn patience(&self, direction: Limit) -> Option<Box<Patience>> {
        let Limits { idle, recv, send } = self.shared.limits;
        let own = match direction {
            Limit::Recv => recv,
            Limit::Send => send,
            _ => None,
        };
        let (idle, quiet) = match &self.wire {
            Wire::Connection(_) => (idle, None),
            // Silence is the end of such a session, and no failure.
            Wire::Datagrams(peer) => (None, Some(peer.quiet).filter(|_| direction == Limit::Recv)),
        };
        if own.is_none() && idle.is_none() && quiet.is_none() {
            return None;
        }
        let now = Instant::now();
        Some(Box::new(Patience {
            direction,
            own,
            idle,
            quiet,
            begun: now,
            timer: Box::pin(tokio::time::sleep_until(now.into())),
        }))
    }

    /// Whether it is over: by the limit of the direction; by the idle timeout, when meanwhile the other direction
    /// stood still too; or quiet.
    pub(super) fn late(&self, patience: &mut Option<Box<Patience>>, cx: &mut Context<'_>) -> Option<Late> {
        let patience = patience.as_deref_mut()?;
        loop {
            let moved = self.shared.begun + Duration::from_nanos(self.progress.load(Ordering::Relaxed));
            let over = |limit: Limit, since: Instant, after: Option<Duration>| {
                after.map(|after| (since.checked_add(after), Late::Over(limit, after)))
            };
            // Datagrams may be answered while the session waits.
            let waited = if patience.quiet.is_some() { patience.begun.max(moved) } else { patience.begun };
            let ends = [
                over(patience.direction, waited, patience.own),
                over(Limit::Idle, patience.begun.max(moved), patience.idle),
                patience.quiet.map(|quiet| (waited.checked_add(quiet), Late::Quiet)),
            ];
            let mut ends = ends.into_iter().flatten().filter_map(|(end, late)| Some((end?, late)));
            let (end, late) = ends.by_ref().reduce(|first, other| if other.0 < first.0 { other } else { first })?;
            if end <= Instant::now() {
                return Some(late);
            }
            if patience.timer.deadline() != end.into() {
                patience.timer.as_mut().reset(end.into());
            }
            if patience.timer.as_mut().poll(cx).is_pending() {
                return None;
            }
        }
    }

    /// Tells that the limit passed, and gives the error for it.
    pub(super) fn over(&self, limit: Limit, after: Duration) -> Error {
        let flag = match limit {
            Limit::Recv => "--recv-timeout",
            Limit::Send => "--send-timeout",
            _ => "--idle-timeout",
        };
        self.shared.sink.emit(Some(self.id), &Event::Timeout { limit, after });
        Error::timed_out(Phase::Waiting, Some(self.peer()), flag, after)
    }
}
