//! One direction of a session.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::error::{Error, is_unreachable};
use crate::event::{Detail, Event};
use crate::net::socket::Kind;
use crate::work::handler::Ending;
use crate::work::link::{Got, Link};
use crate::work::splice::{MUCH, Pipe, is_unsupported};

use super::faults::{Damage, Faults, IN_FLIGHT, Pace, tell};
use super::pipes::{Lent, Pipes};
use super::{Party, Way};

/// What one splice moves at the most, in bytes. Of 128, 256 and 512 KiB none is faster, and each takes more CPU time.
const CHUNK: usize = 1 << 20;
/// A pipe was worth taking when it moved as many bytes before there were no more.
const ENOUGH: usize = 16 << 10;
/// After moving this many bytes in one go, the others have their turn.
const TURN: usize = 1 << 20;
/// A stream that goes into messages is cut into pieces of this many bytes: what socat makes of it, and what fits into
/// a datagram of any kind.
const MESSAGE: usize = 8 << 10;

/// See the module.
pub(super) struct Lane<'s> {
    pub(super) way: Way,
    pub(super) client: &'s Link,
    pub(super) target: &'s Link,
    pub(super) pipes: &'s Pipes,
    pub(super) faults: &'s Faults,
    /// Whether it was said that something was lost.
    pub(super) lost: AtomicBool,
}

/// How a direction came to its end.
#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    /// The party that sends has ended.
    Eof,
    /// By a fault.
    Cut(Ending),
}

/// A party's connection failed.
#[derive(Debug)]
pub(super) struct Broke {
    /// Whose.
    pub(super) party: Party,
    /// How.
    pub(super) error: Error,
}

type Outcome<T> = Result<T, Broke>;

/// What became of a read that did not just go on.
enum Left {
    /// It did, and it was much.
    Much,
    /// This did not go on at once, of so many bytes.
    Bytes(Vec<u8>, usize),
    /// It was the end.
    End,
}

/// What became of a piece on its way through a pipe.
enum Moved {
    Bytes,
    /// There is too little for a pipe, or the end, or no pipe.
    Little,
    /// This socket cannot do it.
    Unable,
}

/// What is on its way in a delayed direction.
struct Item {
    due: Instant,
    what: What,
    _room: OwnedSemaphorePermit,
}

enum What {
    Bytes(Vec<u8>),
    End(Outcome<End>),
}

impl Lane<'_> {
    pub(super) fn from(&self) -> &Link {
        if self.way == Way::Up { self.client } else { self.target }
    }

    pub(super) fn to(&self) -> &Link {
        if self.way == Way::Up { self.target } else { self.client }
    }

    pub(super) fn sender(&self) -> Party {
        if self.way == Way::Up { Party::Client } else { Party::Target }
    }

    fn receiver(&self) -> Party {
        if self.way == Way::Up { Party::Target } else { Party::Client }
    }

    pub(super) fn not_received(&self, error: Error) -> Broke {
        Broke { party: self.sender(), error }
    }

    pub(super) fn not_sent(&self, error: Error) -> Broke {
        Broke { party: self.receiver(), error }
    }

    fn is_stream(&self, link: &Link) -> bool {
        link.shape().kind == Kind::Stream
    }

    /// Moves what comes, until its end. What comes last has been passed on then, the end has not.
    pub(super) async fn run(&self) -> Outcome<End> {
        if self.faults.is_none() { self.faithful().await.map(|()| End::Eof) } else { self.faulty().await }
    }

    /// Most often there is room for what came: then it is sent from where it was received to. What there is no room
    /// for is kept, and until it is gone nothing more is read.
    async fn faithful(&self) -> Outcome<()> {
        let mut can_splice = self.from().can_splice() && self.to().can_splice();
        let (mut much, mut ever_much) = (false, false);
        loop {
            if much && !std::mem::replace(&mut ever_much, true) {
                self.to().fit_queue();
            }
            if much && can_splice {
                can_splice = self.in_the_kernel().await?;
                much = false;
                continue;
            }
            let mut before = self.to().totals();
            let left = self.from().recv_until(|got| {
                let Got::Bytes(bytes) = got else { return Some(Ok(Left::End)) };
                let left = self.pass(bytes);
                before = self.to().totals();
                left.transpose()
            });
            match self.received(left.await)? {
                Some(Ok(Left::Much)) => much = true,
                Some(Ok(Left::Bytes(bytes, of))) => {
                    much = of >= MUCH;
                    self.send(&bytes).await?;
                }
                Some(Ok(Left::End)) if self.goes_on(before) => {}
                Some(Ok(Left::End)) => return Ok(()),
                Some(Err(error)) => self.lost(error)?,
                None => {}
            }
        }
    }

    /// Sends at once what can be sent so. `None` when that was all, and not much.
    fn pass(&self, bytes: &[u8]) -> crate::error::Result<Option<Left>> {
        let streams = (self.is_stream(self.from()), self.is_stream(self.to()));
        Ok(match streams {
            // A message without bytes is nothing in a stream.
            (false, true) if bytes.is_empty() => None,
            (true, false) if bytes.len() > MESSAGE => Some(Left::Bytes(bytes.to_vec(), bytes.len())),
            _ => match self.to().send_now(bytes)? {
                Some(sent) if sent == bytes.len() => (sent >= MUCH).then_some(Left::Much),
                sent => Some(Left::Bytes(bytes[sent.unwrap_or(0)..].to_vec(), bytes.len())),
            },
        })
    }

    /// Sends all of it.
    async fn send(&self, bytes: &[u8]) -> Outcome<()> {
        let piece = match (self.is_stream(self.from()), self.is_stream(self.to())) {
            (true, false) => MESSAGE,
            (false, true) if bytes.is_empty() => return Ok(()),
            _ => usize::MAX,
        };
        if bytes.is_empty() {
            return self.to().send(bytes).await.or_else(|error| self.lost(error));
        }
        for piece in bytes.chunks(piece) {
            self.to().send(piece).await.or_else(|error| self.lost(error))?;
        }
        Ok(())
    }

    /// A datagram that came to nothing ends nothing: the next one may arrive. It is told once.
    fn lost(&self, error: Error) -> Outcome<()> {
        if !is_about_a_datagram(self.to(), &error) {
            return Err(self.not_sent(error));
        }
        self.tell_lost(&error);
        Ok(())
    }

    /// What came, or `None` when it was the news of a datagram that came to nothing.
    fn received<T>(&self, got: crate::error::Result<T>) -> Outcome<Option<T>> {
        match got {
            Ok(got) => Ok(Some(got)),
            Err(error) if is_about_a_datagram(self.from(), &error) => {
                self.tell_lost(&error);
                Ok(None)
            }
            Err(error) => Err(self.not_received(error)),
        }
    }

    pub(super) fn tell_lost(&self, error: &Error) {
        if !self.lost.swap(true, Ordering::Relaxed) {
            let message = format!("{error}: what is sent there is lost");
            self.client.sink().emit(Some(self.client.id), &Event::Warning { message: &message });
        }
    }

    /// A datagram peer that is silent is there still, while it is sent something; not when the program is to stop.
    fn goes_on(&self, before: (u64, u64)) -> bool {
        !self.from().has_end() && self.to().totals() != before && !self.client.stopping().is_over()
    }

    /// Moves bytes through a pipe for as long as there are many. Says whether it can be done.
    async fn in_the_kernel(&self) -> Outcome<bool> {
        let mut held: Option<Lent<'_>> = None;
        // What was moved since it was last waited for, whether that is worth a pipe, and what was moved since the others
        // had their turn.
        let (mut burst, mut worth_it, mut turn) = (0, true, 0);
        loop {
            let moved = self.from().take(|conn| {
                if !worth_it {
                    return Ok(Moved::Little);
                }
                let pipe = match &mut held {
                    Some(pipe) => pipe,
                    None => match self.pipes.lend() {
                        Some(pipe) => held.insert(pipe),
                        None => return Ok(Moved::Little),
                    },
                };
                match pipe.fill(conn, CHUNK) {
                    Ok(0) => Ok(if conn.is_at_end()? { Moved::Little } else { Moved::Unable }),
                    Ok(bytes) => {
                        burst += bytes;
                        Ok(Moved::Bytes)
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                        held = None;
                        worth_it = std::mem::take(&mut burst) >= ENOUGH;
                        Err(error)
                    }
                    Err(error) if is_unsupported(&error) => Ok(Moved::Unable),
                    Err(error) => Err(error),
                }
            });
            match moved.await.map_err(|error| self.not_received(error))? {
                Moved::Little => return Ok(true),
                Moved::Unable => return Ok(false),
                Moved::Bytes => {}
            }
            let Some(pipe) = &mut held else { continue };
            self.from().counted_received(pipe.inside);
            turn += pipe.inside;
            if !self.out_of(pipe).await? {
                return Ok(false);
            }
            if turn >= TURN {
                turn = 0;
                tokio::task::yield_now().await;
            }
        }
    }

    /// Empties the pipe. Says whether that socket can do it; if not, it has been copied.
    async fn out_of(&self, pipe: &mut Pipe) -> Outcome<bool> {
        while pipe.inside > 0 {
            let sent = self.to().put(|conn| match pipe.drain(conn) {
                Ok(sent) => Ok(Some(sent)),
                Err(error) if is_unsupported(&error) => Ok(None),
                Err(error) => Err(error),
            });
            let Some(sent) = sent.await.map_err(|error| self.not_sent(error))? else {
                let os = |source| Error::os(crate::error::Phase::Sending, Some(self.to().peer()), source);
                let rest = pipe.take_rest().map_err(|source| self.not_sent(os(source)))?;
                self.to().send(&rest).await.map_err(|error| self.not_sent(error))?;
                return Ok(false);
            };
            self.to().counted_sent(sent);
        }
        Ok(true)
    }

    /// One half reads and damages, the other sends when it is time.
    async fn faulty(&self) -> Outcome<End> {
        let (queue, mut items) = mpsc::unbounded_channel::<Item>();
        // Without a delay, one read is sent while the next one is awaited.
        let room = if self.faults.delay.is_some() { IN_FLIGHT } else { 1 };
        let reader = self.read(&queue, Arc::new(Semaphore::new(room)), room);
        let writer = async {
            let mut pace = Pace::new(self.faults);
            loop {
                let Some(Item { due, what, .. }) = items.recv().await else { std::future::pending().await };
                if self.faults.delay.is_some() {
                    tokio::time::sleep_until(due.into()).await;
                }
                match what {
                    What::Bytes(bytes) => self.send_paced(&mut pace, &bytes).await?,
                    What::End(end) => return end,
                }
            }
        };
        // The end of the one is the end of the other.
        tokio::select! {
            end = writer => end,
            never = reader => match never {},
        }
    }

    /// Reads until the end, and waits for the other half to come there.
    async fn read(&self, queue: &mpsc::UnboundedSender<Item>, room: Arc<Semaphore>, most: usize) -> Infallible {
        let mut damage = Damage::new(self.faults, self.way, self.client.id);
        let is_message = !self.is_stream(self.from());
        let tells = self.client.sink().detail() >= Detail::Transfers;
        let delay = self.faults.delay.unwrap_or_default();
        loop {
            let what = match damage.ending() {
                Some(ending) => What::End(Ok(End::Cut(ending))),
                None => {
                    let before = self.to().totals();
                    let bytes = self.from().recv(|got| match got {
                        Got::Bytes(bytes) => Some(bytes.to_vec()),
                        Got::Eof => None,
                    });
                    match self.received(bytes.await) {
                        Err(broke) => What::End(Err(broke)),
                        Ok(None) => continue,
                        Ok(Some(None)) if self.goes_on(before) => continue,
                        Ok(Some(None)) => What::End(Ok(End::Eof)),
                        Ok(Some(Some(mut bytes))) => {
                            let done = damage.to(&mut bytes, is_message);
                            if tells {
                                tell(self.client, self.way, done);
                            }
                            if done.gone {
                                continue;
                            }
                            What::Bytes(bytes)
                        }
                    }
                }
            };
            let due = Instant::now() + delay;
            let (size, is_end) = match &what {
                // Even an empty message takes some memory.
                What::Bytes(bytes) => (bytes.len().clamp(64, IN_FLIGHT).min(most), false),
                What::End(_) => (0, true),
            };
            let permits = room.clone().acquire_many_owned(u32::try_from(size).unwrap_or(u32::MAX)).await;
            let _room = permits.expect("nobody closes it");
            let _ = queue.send(Item { due, what, _room });
            if is_end {
                std::future::pending::<()>().await;
            }
        }
    }

    async fn send_paced(&self, pace: &mut Pace<'_>, bytes: &[u8]) -> Outcome<()> {
        if bytes.is_empty() {
            return self.send(bytes).await;
        }
        for piece in bytes.chunks(pace.piece(self.is_stream(self.to()))) {
            pace.wait(piece.len()).await;
            self.send(piece).await?;
        }
        Ok(())
    }
}

/// Whether an error is about one datagram, and not about the socket: it was refused somewhere on its way, or is too
/// large for it.
pub(super) fn is_about_a_datagram(link: &Link, error: &Error) -> bool {
    let shape = link.shape();
    match error.errno() {
        Some(libc::EMSGSIZE | libc::ENOBUFS) => shape.kind == Kind::Dgram,
        Some(libc::ECONNREFUSED | libc::EACCES | libc::EPERM | libc::EPROTO | libc::ENOPROTOOPT) => shape.is_udp(),
        Some(errno) => shape.is_udp() && is_unreachable(errno),
        None => false,
    }
}
