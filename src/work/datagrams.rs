//! A server of datagrams: each peer is a session, all of them on one socket.
//!
//! Most often a session has its message handed over and answers it in its own time. An echo does nothing that could
//! take time, so its messages are answered where they are received, on behalf of their sessions.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::IpAddr;
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
use crate::sys;
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
/// So many are received before anything else has its turn.
const IN_A_ROW: usize = 64;

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

    /// Takes a message that was received.
    fn take(&mut self, bytes: &[u8], from: SockAddr, to: Option<(IpAddr, u32)>) {
        if self.server.handler.is_faithful_echo()
            && let Some(session) = self.by_address.get(&from)
            // Whoever came before is served before.
            && session.inbox.capacity() == INBOX
            && session.link.answer_now(bytes)
        {
            return;
        }
        // Even an empty message takes some memory.
        let size = u32::try_from(bytes.len().max(64)).unwrap_or(u32::MAX);
        let Ok(room) = self.room.clone().try_acquire_many_owned(size) else { return };
        self.hand_over(Message { bytes: bytes.to_vec(), _room: room }, from, to);
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
        let socket = Arc::new(sys::watch(socket, Interest::READABLE | Interest::WRITABLE).map_err(os)?);
        let (unread, mut left) = mpsc::unbounded_channel::<Unread>();
        let mut buffer = vec![0; DATAGRAM];
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
        while !peers.is_counted_out() || peers.sessions.len() > 0 {
            let patience = accept_timeout.filter(|_| peers.sessions.begun == 0);
            tokio::select! {
                biased;
                () = shared.stopping.wait() => break,
                Some(key) = peers.sessions.next_end() => {
                    key.map(|key| peers.by_address.remove(&key));
                    peers.full = false;
                }
                () = question.asked() => peers.sessions.tell(&peers.server.door),
                // Behind the ends, so that the session it was left by is known to be over.
                Some((message, from, to)) = left.recv() => peers.hand_over(message, from, to),
                ready = socket.readable() => {
                    let mut ready = ready.map_err(os)?;
                    for nth in 1.. {
                        if nth > IN_A_ROW {
                            tokio::task::yield_now().await;
                            break;
                        }
                        match receive(socket.get_ref(), shape, &mut buffer) {
                            Ok(packet) => {
                                let bytes = &buffer[..packet.bytes.min(buffer.len())];
                                peers.take(bytes, packet.from, packet.to);
                            }
                            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                                ready.clear_ready();
                                break;
                            }
                            Err(error) if error.kind() == ErrorKind::Interrupted => {}
                            // An error that came back for an answer to a peer that is gone; the others are still there.
                            Err(error) if error.raw_os_error() == Some(libc::ECONNREFUSED) => {}
                            Err(source) => return Err(os(source)),
                        }
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

fn receive(socket: &Socket, shape: Shape, buffer: &mut Vec<u8>) -> io::Result<sys::Packet> {
    if shape.family == Family::Unix {
        make_room(socket, buffer)?;
    }
    sys::recv_packet(socket, buffer)
}
