//! `sockkit chat`: a room, and taking part in one.

mod join;
mod serve;

use std::path::Path;

use clap::{ArgMatches, Command};

use super::{Context, Failure, Subcommand, subcommand};
use crate::addr::{Endpoint, Unix, UnixKind};
use crate::cli::secret;
use crate::error::{Error, Exit, Result};

/// The subcommand and those below it.
pub(super) const CHAT: Subcommand =
    Subcommand { name: "chat", about: "A chat room for many people: serve one, or join it", augment, run };

const PARTS: [Subcommand; 2] = [subcommand::<serve::Serve>(), subcommand::<join::Join>()];

/// A part is called by the last word of its name.
fn word(part: &Subcommand) -> &'static str {
    part.name.rsplit(' ').next().unwrap_or(part.name)
}

fn augment(command: Command) -> Command {
    let command = command.subcommand_required(true).arg_required_else_help(true);
    PARTS
        .iter()
        .fold(command, |command, part| command.subcommand((part.augment)(Command::new(word(part)).about(part.about))))
}

fn run(matches: &mut ArgMatches) -> Result<Exit, Failure> {
    let (name, mut matches) = matches.remove_subcommand().expect("a part is required");
    let part = PARTS.iter().find(|part| word(part) == name).expect("clap knows no others");
    (part.run)(&mut matches)
}

/// The address, if it can be one of a stream.
fn stream(endpoint: Endpoint) -> Result<Endpoint> {
    let packets = matches!(endpoint, Endpoint::Unix(Unix { kind: UnixKind::Seqpacket, .. }));
    if !packets && !endpoint.is_datagram() {
        Ok(endpoint)
    } else {
        Err(Error::usage(format!("a chat is for streams, which {endpoint} is not")))
    }
}

/// The first line of a password file.
fn password(path: &Path, context: &Context) -> Result<Vec<u8>> {
    secret(path, "--password-file", "the password", &*context.sink)
}
