//! A server of datagrams: each peer is a session, all of them on one socket.
//!
//! Most often a session has its message handed over and answers it in its own time. An echo does nothing that could
//! take time, so its messages are answered where they are received, on behalf of their sessions.

use std::collections::HashMap;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::ops::Range;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use socket2::{SockAddr, Socket};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{Semaphore, mpsc};

use crate::addr::Endpoint;
use crate::error::{Error, Exit, Phase, Result};
use crate::event::Event;
use crate::net::bind::Datagrams;
use crate::net::conn::{endpoint_of, make_room};
use crate::net::socket::{Family, Shape};
use crate::sys::{self, Packets};
use crate::work::link::{Link, Message, Peer, Shared, Unread};
use crate::work::serve::Serve;
use crate::work::sessions::{Question, Sessions};
use crate::work::stopping::at;

/// Messages that wait for one datagram peer's session, and bytes that wait for all of them together; more are
/// dropped, as a full socket buffer would.
const INBOX: usize = 256;
const INBOXES: usize = 16 << 20;
/// The silence after which a datagram peer's session is over: of a server that keeps open, and of one that does
/// not. Without an end of its own, a session would last for ever.
const QUIET: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(1));
/// Room for the largest datagram of IP, in bytes.
const DATAGRAM: usize = 64 << 10;
/// So many are received, most often in one call, before anything else has its turn.
const IN_A_ROW: usize = 32;

/// A peer's session, as seen by who receives for it.
struct Session {
    inbox: mpsc::Sender<Message>,
    link: Arc<Link>,
}

/// The peers of one socket.
struct Peers<'a> {
    server: &'a mut Serve,
    socket: Arc<AsyncFd<Socket>>,
    shape: Shape,
    local: Endpoint,
    shared: Arc<Shared>,
    sessions: Sessions<SockAddr>,
    by_address: HashMap<SockAddr, Session>,
    unread: mpsc::UnboundedSender<Unread>,
    /// Room for what waits for all of them.
    room: Arc<Semaphore>,
    quiet: Duration,
    /// It was said that there are as many as there may be.
    full: bool,
}

impl Peers<'_> {
    fn is_counted_out(&self) -> bool {
        self.server.count.is_some_and(|count| self.sessions.begun >= count)
    }

    /// Takes messages that were received.
    fn take(&mut self, packets: &mut Packets, count: usize) {
        let mut nth = 0;
        while nth < count {
            nth += self.answer(packets, nth..count);
            if nth < count {
                let bytes = packets.bytes(nth);
                // Even an empty message takes some memory.
                let size = u32::try_from(bytes.len().max(64)).unwrap_or(u32::MAX);
                if let Ok(room) = self.room.clone().try_acquire_many_owned(size) {
                    let message = Message { bytes: bytes.to_vec(), _room: room };
                    self.hand_over(message, packets.from(nth), packets.to(nth));
                }
                nth += 1;
            }
        }
    }

    /// Sends back the first of these, and says how many: as many as can be answered at once and in their order.
    fn answer(&self, packets: &mut Packets, which: Range<usize>) -> usize {
        if !self.server.handler.is_faithful_echo() {
            return 0;
        }
        let link = |nth| {
            let session = self.by_address.get(&packets.from(nth))?;
            // Whoever came before is served before.
            (session.inbox.capacity() == INBOX && session.link.is_up_to_date()).then_some(&*session.link)
        };
        let links: Vec<&Link> = which.clone().map_while(link).collect();
        if links.is_empty() {
            return 0;
        }
        let sent = packets.send_back(&*self.socket, which.start..which.start + links.len());
        for (link, nth) in links[..sent].iter().zip(which) {
            link.answered(packets.bytes(nth));
        }
        sent
    }

    /// Gives a message to the session of its peer, which may be a new one.
    fn hand_over(&mut self, mut message: Message, from: SockAddr, to: Option<(IpAddr, u32)>) {
        if let Some(session) = self.by_address.get(&from) {
            match session.inbox.try_send(message) {
                // Busy: dropped.
                Ok(()) | Err(mpsc::error::TrySendError::Full(_)) => return,
                // Its session is just ending; this begins the next one.
                Err(mpsc::error::TrySendError::Closed(unread)) => message = unread,
            }
        }
        if self.is_counted_out() {
            return;
        }
        let most = self.server.max_conns;
        if self.sessions.len() >= most {
            if !std::mem::replace(&mut self.full, true) {
                let message = format!("{most} sessions at once (--max-conns): other peers get no answer");
                self.server.door.sink.emit(None, &Event::Warning { message: &message });
            }
            return;
        }
        let peer = endpoint_of(&from, self.shape);
        let Some(id) = self.server.door.welcome(&self.local, &peer) else { return };
        let (inbox, receiver) = mpsc::channel(INBOX);
        let _ = inbox.try_send(message);
        let wire = Peer {
            socket: self.socket.clone(),
            to: from.clone(),
            from: to,
            inbox: Mutex::new(receiver),
            unread: self.unread.clone(),
            quiet: self.quiet,
            local: self.local.clone(),
            peer,
            shape: self.shape,
            waits: false.into(),
        };
        let link = Arc::new(Link::datagrams(wire, id, self.shared.clone()));
        self.by_address.insert(from.clone(), Session { inbox, link: link.clone() });
        self.sessions.begin(from, &self.server.handler, link, self.server.keep_open);
    }
}

impl Serve {
    /// Serves the peers of a datagram socket.
    pub(super) async fn datagrams(
        &mut self,
        datagrams: Datagrams,
        shared: &Arc<Shared>,
        question: &Question,
    ) -> Result<Exit> {
        let Datagrams { socket, shape, own: _, local, file } = datagrams;
        let place = local.clone();
        let os = |source| Error::os(Phase::Receiving, Some(&place), source);
        let socket = Arc::new(sys::watch(socket, Interest::READABLE).map_err(os)?);
        let (unread, mut left) = mpsc::unbounded_channel::<Unread>();
        // A UNIX message may be larger than any room for many.
        let mut packets = Packets::new(if shape.family == Family::Unix { 1 } else { IN_A_ROW }, DATAGRAM);
        let mut in_a_row = 0;
        let came = Instant::now();
        let usual = if self.keep_open { QUIET.0 } else { QUIET.1 };
        let quiet = self.handler.quiet().or(self.limits.idle).unwrap_or(usual);
        let accept_timeout = self.accept_timeout;
        let mut peers = Peers {
            server: self,
            socket: socket.clone(),
            shape,
            local,
            shared: shared.clone(),
            sessions: Sessions::new(shared.clone()),
            by_address: HashMap::new(),
            unread,
            room: Arc::new(Semaphore::new(INBOXES)),
            quiet,
            full: false,
        };
        let mut stopped = pin!(shared.stopping.wait());
        while !peers.is_counted_out() || peers.sessions.len() > 0 {
            let patience = accept_timeout.filter(|_| peers.sessions.begun == 0);
            tokio::select! {
                biased;
                () = &mut stopped => break,
                Some(key) = peers.sessions.next_end() => {
                    key.map(|key| peers.by_address.remove(&key));
                    peers.full = false;
                }
                () = question.asked() => peers.sessions.tell(&peers.server.door),
                // Behind the ends, so that the session it was left by is known to be over.
                Some((message, from, to)) = left.recv() => peers.hand_over(message, from, to),
                ready = poll_fn(|cx| socket.poll_read_ready(cx)) => {
                    let mut ready = ready.map_err(os)?;
                    match receive(socket.get_ref(), shape, &mut packets) {
                        Ok(count) => {
                            peers.take(&mut packets, count);
                            // Of UNIX datagrams each is received by itself.
                            if count < packets.most() {
                                ready.clear_ready();
                            } else {
                                in_a_row = (in_a_row + 1) % (IN_A_ROW / count);
                                if in_a_row == 0 {
                                    tokio::task::yield_now().await;
                                }
                            }
                        }
                        Err(error) if error.kind() == ErrorKind::WouldBlock => ready.clear_ready(),
                        Err(error) if error.kind() == ErrorKind::Interrupted => {}
                        // An error that came back for an answer to a peer that is gone; the others are still there.
                        Err(error) if error.raw_os_error() == Some(libc::ECONNREFUSED) => {}
                        Err(source) => return Err(os(source)),
                    }
                }
                () = at(patience.and_then(|patience| came.checked_add(patience))) => {
                    return Err(peers.server.door.nobody_came(&place, patience.unwrap_or_default()));
                }
            }
        }
        // Without senders, each session sees its peer's end.
        let Peers { mut sessions, by_address, .. } = peers;
        drop(by_address);
        self.drain(shared, question, &mut sessions).await;
        drop(file);
        self.verdict(sessions)
    }
}

fn receive(socket: &Socket, shape: Shape, packets: &mut Packets) -> io::Result<usize> {
    if shape.family == Family::Unix {
        make_room(socket, packets.room())?;
    }
    packets.receive(socket)
}
