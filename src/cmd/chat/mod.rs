//! `sockkit chat`: a room, and taking part in one.

mod join;
mod serve;

use std::io::{BufRead as _, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use clap::{ArgMatches, Command};

use super::{Context, Failure, Subcommand, subcommand};
use crate::addr::{Endpoint, Transport, UnixKind};
use crate::error::{Error, Exit, Phase, Result, words};
use crate::event::Event;

/// The subcommand and those below it.
pub(super) const CHAT: Subcommand =
    Subcommand { name: "chat", about: "A chat room for many people: serve one, or join it", augment, run };

const PARTS: [Subcommand; 2] = [subcommand::<serve::Serve>(), subcommand::<join::Join>()];

/// The longest password, in bytes.
const PASSWORD: u64 = 1024;

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

fn run(matches: &ArgMatches) -> Result<Exit, Failure> {
    let (name, matches) = matches.subcommand().expect("a part is required");
    let part = PARTS.iter().find(|part| word(part) == name).expect("clap knows no others");
    (part.run)(matches)
}

/// The address, if it can be one of a stream.
fn stream(endpoint: Endpoint) -> Result<Endpoint> {
    let fits = match &endpoint {
        Endpoint::Inet(inet) => inet.transport != Transport::Udp,
        Endpoint::Unix(unix) => unix.kind == UnixKind::Stream,
        _ => true,
    };
    if fits { Ok(endpoint) } else { Err(Error::usage(format!("a chat is for streams, which {endpoint} is not"))) }
}

/// The first line of a password file. One that everybody can read is warned of.
fn password(path: &Path, context: &Context) -> Result<Vec<u8>> {
    let failed = |text: &str| {
        Error::text(Exit::Failed, Phase::File, None, format!("--password-file {}: {text}", path.display()))
    };
    let os = |source: std::io::Error| failed(&words(&source));
    let file = std::fs::File::open(path).map_err(os)?;
    let meta = file.metadata().map_err(os)?;
    let mode = meta.permissions().mode() & 0o777;
    if meta.is_file() && mode & 0o004 != 0 {
        let path = path.display();
        let message = format!("everybody can read the password file {path} (mode {mode:04o}): chmod 600 {path}");
        context.sink.emit(None, &Event::Warning { message: &message });
    }
    let mut line = Vec::new();
    std::io::BufReader::new(file.take(PASSWORD)).read_until(b'\n', &mut line).map_err(os)?;
    let text = line.strip_suffix(b"\n").unwrap_or(&line);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    if text.is_empty() {
        return Err(failed("its first line, the password, is empty"));
    }
    Ok(text.to_vec())
}
