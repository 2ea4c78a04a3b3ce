//! Echo: RFC 862, faithful to the byte and to the border of each message; or, on purpose, not.
//!
//! Every fault is something that clients meet in the wild and that is hard to have when one wants it: a server that
//! is slow, hangs, dribbles, dies in the middle or sends rubbish. They are combined in this order: what came is
//! (after `delay`) corrupted, cut to what `ending` leaves, and sent in pieces (`chunk`) as fast as `drip` allows.

use std::time::{Duration, Instant};

use crate::error::Result;
use crate::net::socket::Kind;
use crate::value::Rate;
use crate::work::chance::Chance;
use crate::work::link::{Got, Link};

/// See the module. The default has no fault.
#[derive(Debug, Clone, Default)]
pub struct Echo {
    /// Waits so long before each answer.
    pub delay: Option<Duration>,
    /// Answers in pieces of so many bytes, each a write of its own; where there are messages, a message of its own.
    pub chunk: Option<usize>,
    /// Answers no faster. On a stream, in pieces of at most this rate's bytes; a message stays whole, and what comes
    /// after it waits.
    pub drip: Option<Rate>,
    /// Ends the session after so many bytes of answer.
    pub ending: Option<Ending>,
    /// Does not answer.
    pub stall: Option<Stall>,
    /// Damages what it answers.
    pub corrupt: Option<Corrupt>,
}

/// How a session is ended before its time.
#[derive(Debug, Clone, Copy)]
pub struct Ending {
    /// After so many bytes of answer, or so many that would have been answered but for [`Stall`].
    pub after: u64,
    /// By a reset (RST), and not by an end (FIN).
    pub reset: bool,
}

/// How it hangs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stall {
    /// It reads what comes and drops it; the peer's end is still answered by an end.
    Answers,
    /// It reads nothing, so that the peer can at last send no more, and takes no notice of its end. Datagrams are
    /// dropped.
    Reads,
}

/// One bit of a byte is flipped, by chance.
#[derive(Debug, Clone, Copy)]
pub struct Corrupt {
    /// How likely it is for each byte, from 0 to 1.
    pub probability: f64,
    /// The same seed damages the same bytes of the n-th session.
    pub seed: u64,
}

/// What is still to be done about what came.
enum Left {
    /// This did not go back at once.
    Bytes(Vec<u8>),
    /// It was the end.
    End,
}

/// What is left after as much has gone back as there is room for.
fn echo_now(link: &Link, bytes: &[u8]) -> Result<Option<Left>> {
    Ok(match link.send_now(bytes)? {
        Some(sent) if sent == bytes.len() => None,
        sent => Some(Left::Bytes(bytes[sent.unwrap_or(0)..].to_vec())),
    })
}

/// Without faults. Most often there is room for the answer: then it is sent from where it was received to. What
/// there is no room for is kept, and until it is gone nothing more is read: so a peer that does not read costs one
/// read's worth of memory.
pub(super) async fn faithful(link: &Link) -> Result<()> {
    loop {
        // Awaited where it is made: a future that is moved first takes its place twice.
        let left = link
            .recv_until(|got| match got {
                Got::Bytes(bytes) => echo_now(link, bytes).transpose(),
                Got::Eof => Some(Ok(Left::End)),
            })
            .await??;
        match left {
            Left::Bytes(bytes) => link.send(&bytes).await?,
            Left::End => return link.finish(),
        }
    }
}

impl Echo {
    /// Whether it has no fault.
    #[must_use]
    pub fn is_faithful(&self) -> bool {
        matches!(self, Self { delay: None, chunk: None, drip: None, ending: None, stall: None, corrupt: None })
    }

    pub(super) async fn run(&self, link: &Link) -> Result<()> {
        let mut session = Session {
            echo: self,
            link,
            left: self.ending.map(|ending| ending.after),
            chance: self.corrupt.map(|corrupt| Chance::new(corrupt.seed, link.id)),
            not_before: Instant::now(),
        };
        if session.is_over().await {
            return Ok(());
        }
        if self.stall == Some(Stall::Reads) && link.shape().kind != Kind::Dgram {
            return link.gone().await;
        }
        loop {
            let message = link.recv(|got| match got {
                Got::Bytes(bytes) => Some(bytes.to_vec()),
                Got::Eof => None,
            });
            let Some(message) = message.await? else { return link.finish() };
            session.answer(message).await?;
            if session.is_over().await {
                return Ok(());
            }
        }
    }
}

struct Session<'a> {
    echo: &'a Echo,
    link: &'a Link,
    /// Bytes of answer until it ends.
    left: Option<u64>,
    chance: Option<Chance>,
    /// When the next piece may go.
    not_before: Instant,
}

impl Session<'_> {
    async fn answer(&mut self, mut message: Vec<u8>) -> Result<()> {
        if let Some(left) = &mut self.left {
            message.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= message.len() as u64;
        }
        if self.echo.stall.is_some() {
            return Ok(());
        }
        if let Some(delay) = self.echo.delay {
            self.link.stopping().pause(delay).await;
        }
        if let (Some(corrupt), Some(chance)) = (self.echo.corrupt, &mut self.chance) {
            message.iter_mut().for_each(|byte| chance.damage(byte, corrupt.probability));
        }
        let stream = self.link.shape().kind == Kind::Stream;
        let dripped = self.echo.drip.filter(|_| stream).map(|rate| usize::try_from(rate.bytes).unwrap_or(usize::MAX));
        let size = [self.echo.chunk, dripped].into_iter().flatten().min().unwrap_or(usize::MAX);
        if message.is_empty() {
            // It has no piece, and is a message all the same.
            return self.link.send(&message).await;
        }
        for piece in message.chunks(size) {
            if let Some(rate) = self.echo.drip {
                self.link.stopping().pause(self.not_before.saturating_duration_since(Instant::now())).await;
                let cost = rate.per.mul_f64(piece.len() as f64 / rate.bytes as f64);
                self.not_before = Instant::now().checked_add(cost).unwrap_or(self.not_before);
            }
            self.link.send(piece).await?;
        }
        Ok(())
    }

    /// Ends the session when it is time.
    async fn is_over(&self) -> bool {
        let (Some(ending), Some(0)) = (self.echo.ending, self.left) else { return false };
        if ending.reset {
            self.link.reset().await;
        } else {
            self.link.close().await;
        }
        true
    }
}
