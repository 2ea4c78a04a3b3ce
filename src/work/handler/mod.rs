//! What is done with a session. One file per handler, and its arm here.

mod echo;
mod exec;
mod reply;
mod save;
pub mod stdio;
mod time;

pub use exec::{Program, find_program};
pub use reply::Reply;
pub use save::Save;

use crate::error::Result;
use crate::work::chat::Chat;
use crate::work::link::{Got, Link};
use crate::work::stopping::Stopping;

/// The handlers of sessions that go on side by side. The one for standard input and output has its own loop.
pub enum Handler {
    /// Sends back what comes.
    Echo,
    /// Answers each message with the time.
    Time,
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
}

impl Handler {
    /// Runs one session to its end.
    ///
    /// # Errors
    /// Whatever ends it before its time.
    pub async fn run(&self, link: &Link, stop: &Stopping) -> Result<()> {
        match self {
            Self::Echo => echo::run(link).await,
            Self::Time => time::run(link).await,
            Self::Reply(reply) => reply.run(link).await,
            Self::Discard => {
                while link.recv(|got| matches!(got, Got::Bytes(_))).await? {}
                link.finish();
                Ok(())
            }
            Self::Close => Ok(()),
            Self::Exec(program) => program.run(link, stop).await,
            Self::Save(save) => save.run(link).await,
            // So that its size is not that of every handler.
            Self::Chat(chat) => Box::pin(chat.run(link, stop)).await,
        }
    }
}
