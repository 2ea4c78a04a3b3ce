//! `sockkit chat serve`.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::{password, stream};
use crate::cli::{OutputArgs, ServerAddress, ServerArgs, number, path};
use crate::cmd::serving;
use crate::cmd::{Context, Runnable};
use crate::error::{Error, Exit, Result};
use crate::value::parse_size;
use crate::work::chat::{Chat, Rules};
use crate::work::handler::Handler;

/// What a line becomes at the most, for each of its bytes, when all of them are shown escaped.
const ESCAPED: u64 = 4;

/// The arguments of `sockkit chat serve`.
#[derive(Debug, Args)]
#[command(mut_arg("raw", |arg| arg.help_heading("Chat").help("Be a plain broker: what one client sends, every other gets, byte for byte, no names")))]
pub(super) struct Serve {
    #[command(flatten)]
    address: ServerAddress,
    #[command(flatten)]
    chat: ChatArgs,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Chat")]
struct ChatArgs {
    /// Tell the last N lines of a room to whoever joins it [default: 0]
    #[arg(long, value_name = "N", value_parser = number::<0, 10_000>, allow_negative_numbers = true, conflicts_with = "raw")]
    history: Option<u64>,
    /// Ask everybody for the password in the first line of this file
    #[arg(long, value_name = "FILE", value_parser = path(), conflicts_with = "raw")]
    password_file: Option<PathBuf>,
    /// Add what is said to the end of this file, as JSON Lines
    #[arg(long, value_name = "FILE", value_parser = path(), conflicts_with = "raw")]
    log: Option<PathBuf>,
    /// The longest name, in characters [default: 32]
    #[arg(long, value_name = "N", value_parser = number::<1, 256>, allow_negative_numbers = true, conflicts_with = "raw")]
    name_limit: Option<u64>,
    /// The longest line, in bytes; a longer one is cut [default: 4k]
    #[arg(long, value_name = "SIZE", value_parser = parse_size, allow_negative_numbers = true, conflicts_with = "raw")]
    line_limit: Option<u64>,
    /// Lines that a client may send a second, on average; more have to wait; 0: any number [default: 20]
    #[arg(long, value_name = "N", value_parser = number::<0, 1_000_000>, allow_negative_numbers = true, conflicts_with = "raw")]
    rate: Option<u64>,
    /// Lines that a client may send at once [default: 40]
    #[arg(long, value_name = "N", value_parser = number::<1, 1_000_000>, allow_negative_numbers = true, conflicts_with = "raw")]
    burst: Option<u64>,
    /// What may wait for a client that does not read, before it is dropped
    #[arg(long, value_name = "SIZE", default_value = "256k", value_parser = parse_size, allow_negative_numbers = true)]
    queue: u64,
}

impl Runnable for Serve {
    const NAME: &'static str = "chat serve";
    const ABOUT: &'static str = "A chat room over plain lines: nc and telnet can join";

    fn output(&self) -> Option<&OutputArgs> {
        Some(&self.server.output)
    }

    fn deadline(&self) -> Option<Duration> {
        self.server.timeouts.deadline
    }

    fn run(&self, context: &Context) -> Result<Exit> {
        let endpoint = stream(self.address.endpoint()?)?;
        let queue = usize::try_from(self.chat.queue).unwrap_or(usize::MAX);
        let chat = if self.server.output.raw { Chat::raw(queue) } else { self.chat.rooms(queue, context)? };
        serving::serve(&endpoint, &self.server, Handler::Chat(chat), true, context)
    }
}

impl ChatArgs {
    fn rooms(&self, queue: usize, context: &Context) -> Result<Chat> {
        let line_limit = self.line_limit.unwrap_or(4096);
        if line_limit == 0 || self.queue / (2 * ESCAPED) < line_limit {
            let text = format!("--line-limit goes from 1 to an eighth of --queue, which is {}", self.queue);
            return Err(Error::usage(text));
        }
        let small = |number: Option<u64>, usual: u32| number.map_or(usual, |n| u32::try_from(n).unwrap_or(u32::MAX));
        let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let rules = Rules {
            name_limit: size(self.name_limit.unwrap_or(32)),
            line_limit: size(line_limit),
            history: size(self.history.unwrap_or(0)),
            password: self.password_file.as_deref().map(|path| password(path, context)).transpose()?,
            rate: small(self.rate, 20),
            burst: small(self.burst, 40),
            queue,
            record: self.log.is_some(),
        };
        Ok(Chat::rooms(rules, self.log.as_deref().map(open).transpose()?))
    }
}

/// What is said is for whoever serves it, and nobody else.
fn open(path: &Path) -> Result<File> {
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map_err(|source| Error::file("--log", path, &source))
}
