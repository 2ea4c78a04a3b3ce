//! A peer of a server that has many: the same face for a connection and for a datagram peer.
//!
//! No buffer is held while nothing moves: bytes are received into one that the whole thread shares, and what
//! has to be kept is copied out of it. Measured: 0.9 KiB a connection, against 17 with a buffer each.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use socket2::{SockAddr, Socket};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{Mutex, OwnedSemaphorePermit, mpsc};

use crate::addr::Endpoint;
use crate::error::{Error, Phase, Result};
use crate::event::{ConnId, Detail, Event, Limit, Payload, Side, Sink};
use crate::net::conn::{Conn, Incoming};
use crate::net::socket::Shape;
use crate::sys;
use crate::work::stopping::{Stopping, at};

/// The shared buffer: larger than any datagram of IP; a larger UNIX message makes it grow.
const BUFFER: usize = 64 << 10;

/// How long a peer that was told that no more comes may take to end its own side, before the connection is
/// closed over what it still sends: a close with unread bytes is a reset, which can overtake our last answer.
const LINGER: Duration = Duration::from_secs(2);

thread_local! {
    static SHARED: RefCell<Vec<u8>> = RefCell::new(vec![0; BUFFER]);
}

/// See the module.
pub struct Link {
    wire: Wire,
    /// Its number in events.
    pub id: ConnId,
    local: Endpoint,
    peer: Endpoint,
    shape: Shape,
    limits: Limits,
    /// When something last moved, in either direction.
    progress: std::sync::Mutex<Instant>,
    stopping: Stopping,
    sink: Arc<dyn Sink>,
    detail: Detail,
    sent: AtomicU64,
    received: AtomicU64,
    hushed: AtomicBool,
}

/// Limits on waiting, as the flags of the same names say.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// Nothing moves in either direction.
    pub idle: Option<Duration>,
    /// Nothing comes.
    pub recv: Option<Duration>,
    /// Nothing of what waits can be sent.
    pub send: Option<Duration>,
}

enum Wire {
    Connection(AsyncFd<Conn>),
    Datagrams(Peer),
}

/// One of the peers of a datagram socket.
pub struct Peer {
    /// The socket that all of them share.
    pub socket: Arc<AsyncFd<Socket>>,
    /// Where answers go.
    pub to: SockAddr,
    /// The address of ours that the peer wrote to.
    pub from: Option<(IpAddr, u32)>,
    /// What the peer sent, in order. It ends when the server does.
    pub inbox: Mutex<mpsc::Receiver<Message>>,
    /// After so much silence the session is over.
    pub quiet: Duration,
}

/// A datagram that waits for its session, and the room that it takes of what all of them may.
pub struct Message {
    /// What was received.
    pub bytes: Vec<u8>,
    /// Given back when the message has been looked at.
    pub _room: OwnedSemaphorePermit,
}

/// What came, lent for as long as it takes to look at it.
pub enum Got<'a> {
    /// Bytes of a stream, or one message.
    Bytes(&'a [u8]),
    /// The peer ended what it sends, or has to be treated so: a datagram peer that has been silent for long, or
    /// the program is to stop.
    Eof,
}

impl Link {
    /// A connection that was accepted.
    ///
    /// # Errors
    /// When the runtime cannot watch it.
    pub fn connection(conn: Conn, id: ConnId, limits: Limits, stopping: Stopping, sink: Arc<dyn Sink>) -> Result<Self> {
        let (local, peer, shape) = (conn.local().clone(), conn.peer().clone(), conn.shape());
        let fd = sys::watch(conn, Interest::READABLE | Interest::WRITABLE)
            .map_err(|source| Error::os(Phase::Accepting, Some(&peer), source))?;
        Ok(Self {
            limits,
            progress: Instant::now().into(),
            stopping,
            id,
            local,
            peer,
            shape,
            detail: sink.detail(),
            sink,
            wire: Wire::Connection(fd),
            sent: 0.into(),
            received: 0.into(),
            hushed: false.into(),
        })
    }

    /// A peer that was heard on a datagram socket.
    #[must_use]
    pub fn datagrams(
        wire: Peer,
        id: ConnId,
        (local, peer): (Endpoint, Endpoint),
        shape: Shape,
        limits: Limits,
        stopping: Stopping,
        sink: Arc<dyn Sink>,
    ) -> Self {
        Self {
            // Silence is the end of such a session, and no failure.
            limits: Limits { idle: None, ..limits },
            progress: Instant::now().into(),
            stopping,
            id,
            local,
            peer,
            shape,
            detail: sink.detail(),
            sink,
            wire: Wire::Datagrams(wire),
            sent: 0.into(),
            received: 0.into(),
            hushed: false.into(),
        }
    }

    /// Our address.
    #[must_use]
    pub fn local(&self) -> &Endpoint {
        &self.local
    }

    /// The peer's address.
    #[must_use]
    pub fn peer(&self) -> &Endpoint {
        &self.peer
    }

    /// Family and type.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Who is told what happens.
    #[must_use]
    pub fn sink(&self) -> &dyn Sink {
        &*self.sink
    }

    /// Bytes sent and received so far.
    #[must_use]
    pub fn totals(&self) -> (u64, u64) {
        (self.sent.load(Ordering::Relaxed), self.received.load(Ordering::Relaxed))
    }

    /// Receives, and lends what came to `look`.
    ///
    /// # Errors
    /// When the connection breaks, nothing comes for the receive timeout, or nothing moves for the idle timeout.
    pub async fn recv<R>(&self, look: impl FnOnce(Got<'_>) -> R) -> Result<R> {
        // What has come is still taken when the program is to stop; what has not is not waited for.
        let mut look = Some(look);
        let mut take = |got: Got<'_>| look.take().map(|look| look(got));
        let result = tokio::select! {
            biased;
            result = self.within(Limit::Recv, self.recv_patiently(&mut take)) => result?,
            () = self.stopping.wait() => None,
        };
        match result {
            Some(result) => Ok(result),
            None => Ok(take(Got::Eof).expect("nothing was taken")),
        }
    }

    async fn recv_patiently<R>(&self, look: &mut impl FnMut(Got<'_>) -> R) -> Result<R> {
        match &self.wire {
            Wire::Connection(fd) => fd
                .async_io(Interest::READABLE, |conn| {
                    SHARED.with_borrow_mut(|buffer| {
                        let got = match conn.recv_connected(buffer)? {
                            Incoming::Bytes(bytes) => Got::Bytes(&buffer[..bytes]),
                            Incoming::Eof => Got::Eof,
                        };
                        self.told_received(&got);
                        Ok(look(got))
                    })
                })
                .await
                .map_err(|source| self.broken(Phase::Receiving, source)),
            Wire::Datagrams(peer) => {
                let mut inbox = peer.inbox.lock().await;
                let message = tokio::time::timeout(peer.quiet, inbox.recv()).await.ok().flatten();
                let got = message.as_ref().map_or(Got::Eof, |message| Got::Bytes(&message.bytes));
                self.told_received(&got);
                Ok(look(got))
            }
        }
    }

    /// Sends all of it; of a message, whole or not at all.
    ///
    /// # Errors
    /// When the connection breaks, the peer takes nothing for the send timeout, or nothing moves for the idle timeout.
    pub async fn send(&self, mut bytes: &[u8]) -> Result<()> {
        loop {
            let sent = self.within(Limit::Send, self.send_some(bytes)).await?;
            self.moved();
            self.sent.fetch_add(sent as u64, Ordering::Relaxed);
            if self.detail >= Detail::Transfers {
                self.sink.emit(Some(self.id), &Event::Send(Payload::of(&bytes[..sent])));
            }
            bytes = &bytes[sent..];
            if bytes.is_empty() {
                return Ok(());
            }
        }
    }

    /// Hands `pieces` a way to send bytes that lie in pieces, as many as there is room for, in one call. It is for
    /// connections.
    ///
    /// # Errors
    /// As of [`Link::send`].
    pub async fn send_pieces(
        &self,
        mut pieces: impl FnMut(&mut dyn FnMut(&[IoSlice<'_>]) -> io::Result<usize>) -> io::Result<usize>,
    ) -> Result<()> {
        let Wire::Connection(fd) = &self.wire else {
            return Err(self.broken(Phase::Sending, io::ErrorKind::Unsupported.into()));
        };
        let mut send = |conn: &Conn| {
            pieces(&mut |slices| {
                let sent = conn.send_pieces(slices)?;
                if self.detail >= Detail::Transfers {
                    let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).take(sent).collect();
                    self.sink.emit(Some(self.id), &Event::Send(Payload::of(&bytes)));
                }
                Ok(sent)
            })
        };
        loop {
            match fd.try_io(Interest::WRITABLE, |conn| send(conn)) {
                Ok(sent) => {
                    self.moved();
                    self.sent.fetch_add(sent as u64, Ordering::Relaxed);
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(source) => return Err(self.broken(Phase::Sending, source)),
            }
            let room = async { fd.writable().await.map(drop).map_err(|source| self.broken(Phase::Sending, source)) };
            // Seldom: room for it is taken only when it comes to it.
            Box::pin(self.within(Limit::Send, room)).await?;
        }
    }

    /// Whether what comes is a secret: then its bytes are counted, and not told.
    pub fn hush(&self, on: bool) {
        self.hushed.store(on, Ordering::Relaxed);
    }

    async fn send_some(&self, bytes: &[u8]) -> Result<usize> {
        match &self.wire {
            Wire::Connection(fd) => fd.async_io(Interest::WRITABLE, |conn| conn.send(bytes)).await,
            Wire::Datagrams(peer) => {
                peer.socket
                    .async_io(Interest::WRITABLE, |socket| sys::send_packet(socket, bytes, Some(&peer.to), peer.from))
                    .await
            }
        }
        .map_err(|source| self.broken(Phase::Sending, source))
    }

    /// Tells the peer that no more comes. Datagrams have no such thing.
    pub fn finish(&self) {
        if let Wire::Connection(fd) = &self.wire
            && fd.get_ref().shutdown_write().is_ok()
            && fd.get_ref().has_end()
        {
            self.sink.emit(Some(self.id), &Event::Shutdown { direction: "write" });
        }
    }

    /// Ends our side and lets the peer end its own, for a little while; what it still sends is dropped.
    pub async fn close(&self) {
        self.finish();
        if matches!(self.wire, Wire::Connection(_)) {
            let until_eof = async { while let Ok(true) = self.recv(|got| matches!(got, Got::Bytes(_))).await {} };
            let _ = tokio::time::timeout(LINGER, until_eof).await;
        }
    }

    fn moved(&self) {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Does the work, which waits for the peer in one direction, within that direction's limit; and gives up when
    /// meanwhile the other one stood still too for the idle timeout.
    async fn within<T>(&self, limit: Limit, work: impl Future<Output = Result<T>>) -> Result<T> {
        let own = if limit == Limit::Recv { self.limits.recv } else { self.limits.send };
        let begun = Instant::now();
        let ends = || {
            let last = *self.progress.lock().unwrap_or_else(PoisonError::into_inner);
            [(limit, begun, own), (Limit::Idle, begun.max(last), self.limits.idle)]
        };
        let mut work = std::pin::pin!(work);
        loop {
            let next = ends().into_iter().filter_map(|(_, since, after)| since.checked_add(after?)).min();
            tokio::select! {
                biased;
                result = &mut work => return result,
                () = at(next) => {}
            }
            let passed = ends().into_iter().find_map(|(limit, since, after)| {
                after.filter(|after| since.elapsed() >= *after).map(|after| (limit, after))
            });
            if let Some((limit, after)) = passed {
                let flag = match limit {
                    Limit::Recv => "--recv-timeout",
                    Limit::Send => "--send-timeout",
                    _ => "--idle-timeout",
                };
                self.sink.emit(Some(self.id), &Event::Timeout { limit, after });
                return Err(Error::timed_out(Phase::Waiting, Some(&self.peer), flag, after));
            }
        }
    }

    fn told_received(&self, got: &Got<'_>) {
        match got {
            Got::Bytes(bytes) => {
                self.moved();
                self.received.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                if self.detail >= Detail::Transfers {
                    let data = Some(*bytes).filter(|_| !self.hushed.load(Ordering::Relaxed));
                    self.sink.emit(Some(self.id), &Event::Recv(Payload { bytes: bytes.len(), data }));
                }
            }
            Got::Eof => self.sink.emit(Some(self.id), &Event::Eof { side: Side::Peer }),
        }
    }

    fn broken(&self, phase: Phase, source: io::Error) -> Error {
        Error::os(phase, Some(&self.peer), source)
    }
}
