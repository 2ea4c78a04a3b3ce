//! A connection as those take it who move bytes without receiving them: the fast path of a relay, and the ends that
//! it passes on.

use std::future::poll_fn;
use std::io;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::io::Interest;

use super::{ACK_PAUSE, LINGER, Late, Link, Wait, Wire};
use crate::error::{Error, Phase, Result};
use crate::event::{Detail, Limit};
use crate::net::conn::Conn;
use crate::work::room;

impl Link {
    /// Has `put` called when a connection may be written to, until it does not answer `WouldBlock`.
    ///
    /// # Errors
    /// As of [`Link::send`].
    pub(in crate::work) async fn put<R>(&self, mut put: impl FnMut(&Conn) -> io::Result<R>) -> Result<R> {
        let mut wait = Wait::default();
        poll_fn(move |cx| self.poll_put(cx, &mut wait, &mut put)).await
    }

    /// The same, once.
    pub(super) fn poll_put<R>(
        &self,
        cx: &mut Context<'_>,
        wait: &mut Wait,
        put: &mut dyn FnMut(&Conn) -> io::Result<R>,
    ) -> Poll<Result<R>> {
        let Wire::Connection(fd) = &self.wire else {
            return Poll::Ready(Err(self.broken(Phase::Sending, io::ErrorKind::Unsupported.into())));
        };
        let Poll::Ready(done) = room::poll_write(fd, &mut wait.room, cx, put) else {
            if !std::mem::replace(&mut wait.begun, true) {
                wait.patience = self.patience(Limit::Send);
            }
            return match self.late(&mut wait.patience, cx) {
                Some(Late::Over(limit, after)) => Poll::Ready(Err(self.over(limit, after))),
                _ => Poll::Pending,
            };
        };
        *wait = Wait::default();
        Poll::Ready(done.map_err(|source| self.broken(Phase::Sending, source)))
    }

    /// Has `take` called when a connection has something to read, until it does not answer `WouldBlock`.
    ///
    /// # Errors
    /// As of [`Link::recv`].
    pub(in crate::work) async fn take<R>(&self, mut take: impl FnMut(&Conn) -> io::Result<R>) -> Result<R> {
        let Wire::Connection(fd) = &self.wire else {
            return Err(self.broken(Phase::Receiving, io::ErrorKind::Unsupported.into()));
        };
        let mut patience = self.patience(Limit::Recv);
        poll_fn(|cx| {
            loop {
                let Poll::Ready(ready) = fd.poll_read_ready(cx) else {
                    return match self.late(&mut patience, cx) {
                        Some(Late::Over(limit, after)) => Poll::Ready(Err(self.over(limit, after))),
                        _ => Poll::Pending,
                    };
                };
                match ready.map(|mut guard| guard.try_io(|fd| take(fd.get_ref()))) {
                    Ok(Ok(Ok(done))) => return Poll::Ready(Ok(done)),
                    Ok(Err(_)) => {}
                    Ok(Ok(Err(source))) | Err(source) => {
                        return Poll::Ready(Err(self.broken(Phase::Receiving, source)));
                    }
                }
            }
        })
        .await
    }

    /// Bytes were sent that nobody looks at.
    pub(in crate::work) fn counted_sent(&self, bytes: usize) {
        self.moved();
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
        self.shared.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Bytes were received that nobody looks at.
    pub(in crate::work) fn counted_received(&self, bytes: usize) {
        self.moved();
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
        self.shared.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Whether the kernel may move its bytes, with nobody to look at them.
    pub(in crate::work) fn can_splice(&self) -> bool {
        matches!(&self.wire, Wire::Connection(fd) if fd.get_ref().can_splice())
            && self.shared.detail < Detail::Transfers
    }

    /// See [`Conn::fit_queue`].
    pub(in crate::work) fn fit_queue(&self) {
        if let Wire::Connection(fd) = &self.wire {
            fd.get_ref().fit_queue();
        }
    }

    /// Whether what the peer sends can come to an end.
    pub(in crate::work) fn has_end(&self) -> bool {
        matches!(&self.wire, Wire::Connection(fd) if fd.get_ref().has_end())
    }

    /// On close, send a reset (RST) at once.
    pub(in crate::work) fn reset_on_close(&self) {
        if let Wire::Connection(fd) = &self.wire {
            let _ = fd.get_ref().reset_on_close();
        }
    }

    /// Waits until everything that was sent has arrived at the peer's kernel, at most a little while.
    pub(in crate::work) async fn settle(&self) {
        let Wire::Connection(fd) = &self.wire else { return };
        let until = Instant::now() + LINGER;
        // Nothing tells when the last byte is acknowledged.
        while !fd.get_ref().is_all_acknowledged() && Instant::now() < until {
            tokio::time::sleep(ACK_PAUSE).await;
        }
    }

    /// Waits until the connection is broken, for when nobody receives any more: a reset is seen, an end is not.
    pub(in crate::work) async fn broke(&self) -> Error {
        loop {
            let Wire::Connection(fd) = &self.wire else { std::future::pending().await };
            match fd.ready(Interest::ERROR).await {
                Ok(mut guard) => match fd.get_ref().socket().take_error() {
                    Ok(Some(source)) | Err(source) => return self.broken(Phase::Receiving, source),
                    Ok(None) => guard.clear_ready(),
                },
                Err(source) => return self.broken(Phase::Waiting, source),
            }
        }
    }
}
