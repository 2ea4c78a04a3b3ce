//! A peer of a server that has many: the same face for a connection and for a datagram peer.
//!
//! No buffer is held while nothing moves: bytes are received into one that the whole thread shares, and what
//! has to be kept is copied out of it. Measured: 0.9 KiB a connection, against 17 with a buffer each.

mod patience;
mod raw;
mod secure;

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use socket2::{SockAddr, Socket};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::addr::Endpoint;
use crate::course::Course;
use crate::error::{Error, Phase, Result};
use crate::event::{ConnId, Detail, Event, Limit, Payload, Side, Sink};
use crate::net::conn::{Conn, Incoming};
use crate::net::socket::{Kind, Shape};
use crate::sys;
use crate::tls::Secured;
use crate::work::pump::odd;
use crate::work::room::{self, Room};
use crate::work::stopping::{Stopping, at};
use patience::{Late, Patience};

/// The shared buffer: larger than any datagram of IP; a larger UNIX message makes it grow.
const BUFFER: usize = 64 << 10;

/// How long a peer that was told that no more comes may take to end its own side, before the connection is
/// closed over what it still sends: a close with unread bytes is a reset, which can overtake our last answer.
pub(super) const LINGER: Duration = Duration::from_secs(2);

/// How often it is asked whether the peer's kernel has everything.
const ACK_PAUSE: Duration = Duration::from_millis(2);

thread_local! {
    static SHARED: RefCell<Vec<u8>> = RefCell::new(vec![0; BUFFER]);
}

/// See the module. There are as many of them as there are sessions, so what they share is held once.
pub struct Link {
    wire: Wire,
    /// Its number in events.
    pub id: ConnId,
    shared: Arc<Shared>,
    /// When something last moved, in either direction: nanoseconds since [`Shared::begun`]. Kept where it matters.
    progress: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
    hushed: AtomicBool,
    /// The last receive did not take all there was, as far as one can tell.
    more: AtomicBool,
    /// Where the stop of the program wakes whoever receives.
    place: u32,
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

/// What the links of a server have in common.
pub struct Shared {
    /// What ends a session by the clock.
    pub limits: Limits,
    /// The end of the program, as sessions see it.
    pub stopping: Stopping,
    /// Is told.
    pub sink: Arc<dyn Sink>,
    /// Whether sessions go on when the program is to stop, until they end themselves: where what comes next depends on
    /// others, an end of ours would look like one of theirs.
    lasting: bool,
    detail: Detail,
    begun: Instant,
    /// Bytes sent and received by all of them.
    sent: AtomicU64,
    received: AtomicU64,
}

impl Shared {
    /// For links that have moved nothing yet.
    #[must_use]
    pub fn new(limits: Limits, stopping: Stopping, sink: Arc<dyn Sink>) -> Self {
        let (detail, begun) = (sink.detail(), Instant::now());
        Self { limits, stopping, sink, lasting: false, detail, begun, sent: 0.into(), received: 0.into() }
    }

    /// The same for sessions that go on when the program is to stop.
    #[must_use]
    pub fn lasting(self, lasting: bool) -> Self {
        Self { lasting, ..self }
    }

    /// Bytes that all links together sent and received so far.
    #[must_use]
    pub fn totals(&self) -> (u64, u64) {
        (self.sent.load(Ordering::Relaxed), self.received.load(Ordering::Relaxed))
    }
}

enum Wire {
    Connection(AsyncFd<Conn>),
    // Seldom, and much larger.
    Datagrams(Box<Peer>),
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
    /// Takes what is left in the inbox at the end of the session: it begins the next one.
    pub unread: mpsc::UnboundedSender<Unread>,
    /// After so much silence the session is over.
    pub quiet: Duration,
    /// Our address.
    pub local: Endpoint,
    /// The peer's.
    pub peer: Endpoint,
    /// Family and type of the socket.
    pub shape: Shape,
    /// An answer waits for room.
    pub waits: AtomicBool,
}

/// A datagram that came to a session and was not looked at: the message, who sent it, and where to.
pub type Unread = (Message, SockAddr, Option<(IpAddr, u32)>);

impl Drop for Peer {
    fn drop(&mut self) {
        let inbox = self.inbox.get_mut().unwrap_or_else(PoisonError::into_inner);
        while let Ok(message) = inbox.try_recv() {
            let _ = self.unread.send((message, self.to.clone(), self.from));
        }
    }
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
    pub fn connection(conn: Conn, id: ConnId, shared: Arc<Shared>) -> Result<Self> {
        let peer = conn.peer().clone();
        let interest = room::interest(&conn);
        let watched = match conn.shape().kind {
            Kind::Stream => sys::watch_stream(conn, interest),
            _ => sys::watch(conn, interest),
        };
        let fd = watched.map_err(|source| Error::os(Phase::Accepting, Some(&peer), source))?;
        Ok(Self::new(Wire::Connection(fd), id, shared))
    }

    /// A peer that was heard on a datagram socket.
    #[must_use]
    pub fn datagrams(wire: Peer, id: ConnId, shared: Arc<Shared>) -> Self {
        Self::new(Wire::Datagrams(Box::new(wire)), id, shared)
    }

    fn new(wire: Wire, id: ConnId, shared: Arc<Shared>) -> Self {
        Self {
            wire,
            id,
            place: shared.stopping.place(),
            shared,
            progress: 0.into(),
            sent: 0.into(),
            received: 0.into(),
            hushed: false.into(),
            more: false.into(),
        }
    }

    /// Our address.
    #[must_use]
    pub fn local(&self) -> &Endpoint {
        match &self.wire {
            Wire::Connection(fd) => fd.get_ref().local(),
            Wire::Datagrams(peer) => &peer.local,
        }
    }

    /// The peer's address.
    #[must_use]
    pub fn peer(&self) -> &Endpoint {
        match &self.wire {
            Wire::Connection(fd) => fd.get_ref().peer(),
            Wire::Datagrams(peer) => &peer.peer,
        }
    }

    /// Family and type.
    #[must_use]
    pub fn shape(&self) -> Shape {
        match &self.wire {
            Wire::Connection(fd) => fd.get_ref().shape(),
            Wire::Datagrams(peer) => peer.shape,
        }
    }

    /// Whether it is, or is to be, secured.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        matches!(&self.wire, Wire::Connection(fd) if fd.get_ref().is_tls())
    }

    /// How it is secured, once it is.
    #[must_use]
    pub fn secured(&self) -> Option<Secured> {
        match &self.wire {
            Wire::Connection(fd) => fd.get_ref().secured().map(|(secured, _)| secured),
            Wire::Datagrams(_) => None,
        }
    }

    /// What was sent and the peer's kernel has not taken yet (UNIX: the peer), in bytes, as far as that can be told.
    #[must_use]
    pub fn unsent(&self) -> usize {
        match &self.wire {
            Wire::Connection(fd) => sys::unsent(fd.get_ref()).unwrap_or(0),
            Wire::Datagrams(_) => 0,
        }
    }

    /// The end of the program, as this session sees it.
    #[must_use]
    pub fn stopping(&self) -> &Stopping {
        &self.shared.stopping
    }

    /// Who is told what happens.
    #[must_use]
    pub fn sink(&self) -> &dyn Sink {
        &*self.shared.sink
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
        let mut look = Some(look);
        self.recv_until(move |got| look.take().map(|look| look(got))).await
    }

    /// Receives again and again, and lends what comes to `look`, until that gives something; the end is the last that
    /// it is lent.
    ///
    /// Most sessions are here most of the time, so this is kept small: it waits by way of the descriptor's own
    /// waker, of which there is one for each direction, and so for one task. What is answered on the way costs no new
    /// future.
    ///
    /// # Errors
    /// As of [`Link::recv`].
    pub async fn recv_until<R>(&self, mut look: impl FnMut(Got<'_>) -> Option<R>) -> Result<R> {
        loop {
            // Whoever sends faster than it is served takes turns with the others, those included who have just come.
            if self.more.load(Ordering::Relaxed) {
                tokio::task::yield_now().await;
            }
            let mut patience = self.patience(Limit::Recv);
            let found = poll_fn(|cx| {
                // What has come is still taken when the program is to stop; what has not is not waited for.
                while let Poll::Ready(found) = self.poll_recv(cx, &mut look) {
                    if !matches!(found, Ok(None)) || self.more.load(Ordering::Relaxed) {
                        return Poll::Ready(found);
                    }
                    patience = self.patience(Limit::Recv);
                }
                let quiet = match self.late(&mut patience, cx) {
                    Some(Late::Over(limit, after)) => return Poll::Ready(Err(self.over(limit, after))),
                    Some(Late::Quiet) => true,
                    None if !self.shared.lasting && self.shared.stopping.is_over_or_wakes(self.place, cx.waker()) => {
                        false
                    }
                    None => return Poll::Pending,
                };
                if quiet {
                    self.told_received(&Got::Eof);
                }
                Poll::Ready(Ok(look(Got::Eof)))
            });
            if let Some(found) = found.await? {
                return Ok(found);
            }
        }
    }

    fn poll_recv<R>(&self, cx: &mut Context<'_>, look: &mut impl FnMut(Got<'_>) -> R) -> Poll<Result<R>> {
        let mut take = |got: Got<'_>| {
            self.told_received(&got);
            look(got)
        };
        let fd = match &self.wire {
            Wire::Connection(fd) => fd,
            Wire::Datagrams(peer) => {
                let mut inbox = peer.inbox.lock().unwrap_or_else(PoisonError::into_inner);
                let message = ready!(inbox.poll_recv(cx));
                let got = message.as_ref().map_or(Got::Eof, |message| Got::Bytes(&message.bytes));
                return Poll::Ready(Ok(take(got)));
            }
        };
        loop {
            let mut guard = ready!(fd.poll_read_ready(cx)).map_err(|source| self.broken(Phase::Receiving, source))?;
            let mut filled = true;
            let outcome = guard.try_io(|fd| {
                SHARED.with_borrow_mut(|buffer| {
                    Ok(match fd.get_ref().recv_connected(buffer)? {
                        Incoming::Bytes(bytes) => {
                            filled = bytes == buffer.len();
                            take(Got::Bytes(&buffer[..bytes]))
                        }
                        Incoming::Eof => take(Got::Eof),
                    })
                })
            });
            if let Ok(result) = outcome {
                if fd.get_ref().shape().kind == Kind::Stream {
                    // Of TLS, a record came that was shorter; more of them may have.
                    let drained = !filled && !fd.get_ref().is_tls() && sys::short_read_drains(fd);
                    self.more.store(!drained, Ordering::Relaxed);
                    if drained {
                        guard.clear_ready();
                    }
                }
                return Poll::Ready(result.map_err(|source| self.broken(Phase::Receiving, source)));
            }
        }
    }

    /// Sends all of it; of a message, whole or not at all.
    ///
    /// # Errors
    /// When the connection breaks, the peer takes nothing for the send timeout, or nothing moves for the idle timeout.
    pub async fn send(&self, mut bytes: &[u8]) -> Result<()> {
        if let Wire::Datagrams(peer) = &self.wire {
            return self.send_datagram(peer, bytes).await;
        }
        let mut wait = Wait::default();
        poll_fn(move |cx| {
            loop {
                let sent = ready!(self.poll_put(cx, &mut wait, &mut |conn| conn.send(bytes)))?;
                self.told_sent(&bytes[..sent]);
                bytes = &bytes[sent..];
                if bytes.is_empty() {
                    return Poll::Ready(Ok(()));
                }
            }
        })
        .await
    }

    /// Hands `pieces` a way to send bytes that lie in pieces, as many as there is room for, in one call. It is for
    /// connections.
    ///
    /// # Errors
    /// As of [`Link::send`].
    pub fn poll_send_pieces(
        &self,
        cx: &mut Context<'_>,
        wait: &mut Wait,
        mut pieces: impl FnMut(&mut dyn FnMut(&[IoSlice<'_>]) -> io::Result<usize>) -> io::Result<usize>,
    ) -> Poll<Result<()>> {
        let mut send = |conn: &Conn| {
            pieces(&mut |slices| {
                let sent = conn.send_pieces(slices)?;
                self.told_pieces(slices, sent);
                Ok(sent)
            })
        };
        self.poll_put(cx, wait, &mut send).map_ok(drop)
    }

    fn told_pieces(&self, pieces: &[IoSlice<'_>], sent: usize) {
        if self.shared.detail >= Detail::Transfers {
            let bytes: Vec<u8> = pieces.iter().flat_map(|piece| piece.iter().copied()).take(sent).collect();
            return self.told_sent(&bytes);
        }
        self.counted_sent(sent);
    }

    /// Whether what comes is a secret: then its bytes are counted, and not told.
    pub fn hush(&self, on: bool) {
        self.hushed.store(on, Ordering::Relaxed);
    }

    /// All peers share the socket and none may take its waker; but there is most often room.
    async fn send_datagram(&self, peer: &Peer, bytes: &[u8]) -> Result<()> {
        if self.send_now(bytes)?.is_some() {
            return Ok(());
        }
        peer.waits.store(true, Ordering::Relaxed);
        let socket = peer.socket.get_ref();
        let mut send = || sys::send_packet(socket, bytes, Some(&peer.to), peer.from);
        let mut room = None;
        let sent = poll_fn(|cx| room::poll_send(socket, &mut room, cx, &mut send)).await;
        peer.waits.store(false, Ordering::Relaxed);
        sent.map_err(|source| self.broken(Phase::Sending, source))?;
        self.told_sent(bytes);
        Ok(())
    }

    /// Sends what there is room for at once, from wherever it is: the way for an answer that is lent by
    /// [`Link::recv`]. `None` when there is no room.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn send_now(&self, bytes: &[u8]) -> Result<Option<usize>> {
        let sent = match &self.wire {
            Wire::Connection(fd) => fd.get_ref().send(bytes),
            Wire::Datagrams(peer) => sys::send_packet(peer.socket.get_ref(), bytes, Some(&peer.to), peer.from),
        };
        match sent {
            Ok(sent) => {
                self.told_sent(&bytes[..sent]);
                Ok(Some(sent))
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(None),
            Err(source) => Err(self.broken(Phase::Sending, source)),
        }
    }

    /// Whether a datagram may be answered by whoever received it: no other answer waits for room.
    pub(super) fn is_up_to_date(&self) -> bool {
        matches!(&self.wire, Wire::Datagrams(peer) if !peer.waits.load(Ordering::Relaxed))
    }

    /// A datagram was answered with itself.
    pub(super) fn answered(&self, bytes: &[u8]) {
        self.told_received(&Got::Bytes(bytes));
        self.told_sent(bytes);
    }

    /// Tells the peer that no more comes. Datagrams have no such thing.
    ///
    /// # Errors
    /// When it cannot be told, and would wait for it for ever. Whoever closes the connection next need not care.
    pub fn finish(&self) -> Result<()> {
        let Wire::Connection(fd) = &self.wire else { return Ok(()) };
        fd.get_ref().shutdown_write().map_err(|source| self.broken(Phase::Sending, source))?;
        if fd.get_ref().has_end() {
            self.shared.sink.emit(Some(self.id), &Event::Shutdown { direction: "write" });
        }
        Ok(())
    }

    /// Ends our side and lets the peer end its own, for a little while.
    #[must_use]
    pub fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let _ = self.finish();
        self.linger()
    }

    /// Lets the peer end its side, for a little while; what it still sends is dropped.
    ///
    /// Boxed, for it is large and comes at the end of sessions that should be small until then.
    #[must_use]
    pub fn linger(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            if matches!(self.wire, Wire::Connection(_)) {
                let until_eof = async { while let Ok(true) = self.recv(|got| matches!(got, Got::Bytes(_))).await {} };
                let _ = tokio::time::timeout(LINGER, until_eof).await;
            }
        })
    }

    /// Ends the connection by a reset (RST) once the peer's kernel has all that was sent, which a reset would
    /// otherwise overtake. Other sockets than those of TCP have none, and just close.
    pub async fn reset(&self) {
        self.settle().await;
        let Wire::Connection(fd) = &self.wire else { return };
        if fd.get_ref().reset_on_close().is_ok() {
            self.shared.sink.emit(Some(self.id), &Event::Reset { error: "by ourselves, as asked" });
        }
    }

    /// Waits until the connection is broken or closed in both directions, or the program is to stop. What the peer
    /// sends stays unread, so the end of what it sends is not seen; datagrams have no end at all.
    ///
    /// # Errors
    /// When that takes longer than the idle timeout.
    pub async fn gone(&self) -> Result<()> {
        let broken = async {
            let Wire::Connection(fd) = &self.wire else { return std::future::pending().await };
            loop {
                match fd.ready(Interest::WRITABLE).await {
                    // Both halves are closed: EPOLLHUP of epoll_ctl(2).
                    Ok(guard) if guard.ready().is_write_closed() => return Ok(()),
                    Ok(mut guard) => guard.clear_ready(),
                    Err(source) => return Err(self.broken(Phase::Waiting, source)),
                }
            }
        };
        tokio::select! {
            result = broken => result,
            () = self.shared.stopping.wait() => Ok(()),
            () = at(self.shared.limits.idle.and_then(|idle| Instant::now().checked_add(idle))) => {
                Err(self.over(Limit::Idle, self.shared.limits.idle.unwrap_or_default()))
            }
        }
    }

    /// Takes note for the idle timeout.
    fn moved(&self) {
        if self.shared.limits.idle.is_some() || matches!(self.wire, Wire::Datagrams(_)) {
            let nanos = u64::try_from(self.shared.begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.progress.store(nanos, Ordering::Relaxed);
        }
    }

    fn told_sent(&self, bytes: &[u8]) {
        self.counted_sent(bytes.len());
        if self.shared.detail >= Detail::Transfers {
            self.shared.sink.emit(Some(self.id), &Event::Send(Payload::of(bytes)));
        }
    }

    fn told_received(&self, got: &Got<'_>) {
        match got {
            Got::Bytes(bytes) => {
                let before = self.received.load(Ordering::Relaxed);
                self.counted_received(bytes.len());
                // The first byte of a TLS handshake, RFC 8446, section 5.1. A relay takes it to where it belongs.
                if before == 0 && bytes.first() == Some(&22) && !self.shared.lasting {
                    self.look_for_tls(bytes);
                }
                if self.shared.detail >= Detail::Transfers {
                    let data = Some(*bytes).filter(|_| !self.hushed.load(Ordering::Relaxed));
                    self.shared
                        .sink
                        .emit(Some(self.id), &Event::Recv(Payload { bytes: bytes.len(), data, first: None }));
                }
            }
            Got::Eof => self.shared.sink.emit(Some(self.id), &Event::Eof { side: Side::Peer }),
        }
    }

    /// A client that begins a TLS handshake with a server of plain text is worth a word.
    #[cold]
    fn look_for_tls(&self, bytes: &[u8]) {
        let Wire::Connection(_) = &self.wire else { return };
        let course = Course { accepted: true, received: bytes.len() as u64, head: bytes.to_vec(), ..Course::default() };
        if let Some(odd) = odd(&course, self.peer()) {
            self.shared.sink.warn(Some(self.id), &odd);
        }
    }

    fn broken(&self, phase: Phase, source: io::Error) -> Error {
        Error::os(phase, Some(self.peer()), source).accepted(self.local())
    }
}

/// A wait for room to write. Most are over before they have begun.
#[derive(Default)]
pub struct Wait {
    begun: bool,
    patience: Option<Box<Patience>>,
    room: Option<Box<Room>>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.shared.stopping.leave(self.place);
    }
}
