//! What is done with a session. One file per handler, and its arm here.

mod echo;
mod exec;
mod reply;
mod save;
pub mod scripted;
pub mod stdio;
mod time;

pub use echo::{Corrupt, Echo, Ending, Stall};
pub use exec::{Program, find_program};
pub use reply::Reply;
pub use save::Save;
pub use time::Time;

use std::path::Path;
use std::time::Duration;

use crate::error::Result;
use crate::work::chat::Chat;
use crate::work::link::{Got, Link};
use crate::work::relay::{Relay, Target, own_descriptors};

/// The most sessions at once where nobody said: never less than the first, for a lack of descriptors is waited out;
/// nor more than the second, were there descriptors for more.
const MOST_SESSIONS: (usize, usize) = (512, 65_536);
/// The same where each is a process.
const MOST_PROCESSES: usize = 64;
/// What a server has open besides its sessions: the standard ones, its listener, what the runtime has, files of
/// events and records; with a margin.
const OWN_DESCRIPTORS: u64 = 32;

/// The handlers of sessions that go on side by side. The one for standard input and output has its own loop.
pub enum Handler {
    /// Sends back what comes.
    Echo(Echo),
    /// Answers each message with the time, or whoever connects.
    Time(Time),
    /// Answers each message with the same text.
    Reply(Reply),
    /// Reads and drops.
    Discard,
    /// Closes at once.
    Close,
    /// Runs a program for each.
    Exec(Program),
    /// Writes each to a file of its own.
    Save(Save),
    /// Takes part in a chat with the others.
    Chat(Chat),
    /// Passes each on to a connection of its own.
    Relay(Box<Relay>),
}

/// What the sessions of a handler reach for beside the connection.
#[derive(Clone, Copy)]
pub enum Needs<'a> {
    /// Nothing that is not open.
    Nothing,
    /// They make files in this directory.
    Files(&'a Path),
    /// They run programs, which may do anything.
    Programs,
    /// They ask the kernel for its tables of sockets.
    Tables,
    /// They connect to this.
    Connections(&'a Target),
    /// Whatever a person or a script asks for.
    Anything,
}

impl Handler {
    /// How many sessions at once where nobody said: as many as there are descriptors for, of `descriptors` in all.
    #[must_use]
    pub fn usual_most(&self, descriptors: u64) -> usize {
        match self {
            Self::Exec(_) => MOST_PROCESSES,
            Self::Relay(_) => self.possible_most(descriptors).min(MOST_SESSIONS.1),
            _ => self.possible_most(descriptors).clamp(MOST_SESSIONS.0, MOST_SESSIONS.1),
        }
    }

    /// How many sessions at once where so many were asked for.
    #[must_use]
    pub fn may_begin(&self, asked: usize, possible: usize) -> usize {
        match self {
            // Without a descriptor left, those who are in get no further: better to keep the rest waiting.
            Self::Relay(_) => asked.min(possible),
            _ => asked,
        }
    }

    /// How many sessions at once so many descriptors are enough for.
    #[must_use]
    pub fn possible_most(&self, descriptors: u64) -> usize {
        let each = match self {
            // Its file; its two pipes and what the runtime waits for it with.
            Self::Save(_) => 2,
            Self::Exec(_) => 4,
            Self::Relay(_) => 2,
            _ => 1,
        };
        let own = match self {
            Self::Relay(_) => OWN_DESCRIPTORS + own_descriptors(descriptors),
            _ => OWN_DESCRIPTORS,
        };
        usize::try_from(descriptors.saturating_sub(own) / each).unwrap_or(usize::MAX).max(1)
    }

    /// After how much silence a datagram peer's session is over, where the handler knows: one that has nothing to
    /// remember about a peer is done with it once it has answered.
    #[must_use]
    pub fn quiet(&self) -> Option<Duration> {
        matches!(self, Self::Time(Time { on_connect: true, .. })).then_some(Duration::ZERO)
    }

    /// Whether each message goes back as it is, and nothing else is done.
    #[must_use]
    pub fn is_faithful_echo(&self) -> bool {
        matches!(self, Self::Echo(echo) if echo.is_faithful())
    }

    /// Whether its sessions go on when the program is to stop, until they end themselves.
    #[must_use]
    pub fn lasts(&self) -> bool {
        matches!(self, Self::Relay(_))
    }

    /// What its sessions reach for beside the connection.
    #[must_use]
    pub fn needs(&self) -> Needs<'_> {
        match self {
            Self::Exec(_) => Needs::Programs,
            Self::Save(save) => Needs::Files(&save.dir),
            Self::Relay(relay) if relay.target.is_single() => Needs::Nothing,
            Self::Relay(relay) => Needs::Connections(&relay.target),
            _ => Needs::Nothing,
        }
    }

    /// Runs one session to its end.
    ///
    /// # Errors
    /// Whatever ends it before its time.
    pub async fn run(&self, link: &Link) -> Result<()> {
        // A future has room for the largest of its parts. Of these there may be thousands that do nothing, so each is
        // in a box of its own size.
        match self {
            Self::Echo(echo) if echo.is_faithful() => Box::pin(echo::faithful(link)).await,
            Self::Echo(echo) => Box::pin(echo.run(link)).await,
            Self::Time(time) => Box::pin(time.run(link)).await,
            Self::Reply(reply) => Box::pin(reply.run(link)).await,
            Self::Discard => Box::pin(discard(link)).await,
            Self::Close => Ok(()),
            Self::Exec(program) => Box::pin(program.run(link, link.stopping())).await,
            Self::Save(save) => Box::pin(save.run(link)).await,
            Self::Chat(chat) => Box::pin(chat.run(link)).await,
            Self::Relay(relay) => Box::pin(relay.run(link)).await,
        }
    }
}

async fn discard(link: &Link) -> Result<()> {
    link.recv_until(|got| matches!(got, Got::Eof).then_some(())).await?;
    link.finish()
}
