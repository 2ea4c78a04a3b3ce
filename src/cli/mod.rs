//! Floor 5: arguments to values. The option groups that subcommands share; what each means is said once, here.

mod address;
pub mod cable;
mod caret;
pub mod faults;
pub mod filters;
mod habits;
pub mod handlers;
pub mod privilege;
mod route;
mod script;
mod serving;
pub mod socket_options;
pub mod tls;
mod value;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};

use self::socket_options::SocketOptions;
use self::tls::ClientTlsArgs;
use crate::charset::Charset;
use crate::error::{Error, Result};
use crate::out::{ColorChoice, EventsTarget, OutConfig, Timestamps, Verbosity};
use crate::sys::Stop;
use crate::text::unescape;
use crate::value::parse_duration;
use crate::work::handler::stdio::Show;
use crate::work::link::Limits;
use crate::work::pump::Rules;

pub use address::{ClientAddress, ClientAddresses, PathAddress, PeerAddress, RelayAddresses, ServerAddress};
pub use caret::with_caret;
pub use habits::value_apart;
pub use route::{ProxyArgs, RouteArgs, secret};
pub use script::ScriptArgs;
pub use serving::{ServerArgs, ServingArgs};
pub use value::{banner, count, events_target, file_mode, number, path};

/// The groups of options that every client has.
#[derive(Debug, Clone, Args)]
pub struct ClientArgs {
    /// Security of the connection.
    #[command(flatten)]
    pub tls: ClientTlsArgs,
    /// What it leads through.
    #[command(flatten)]
    pub route: RouteArgs,
    /// Options of its socket.
    #[command(flatten)]
    pub socket: SocketOptions,
    /// What is said.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// What is said, where, and how.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Tell each phase and option, with times; twice: each read and write
    #[arg(short, long, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    verbose: u8,
    /// Say errors only
    #[arg(short, long)]
    quiet: bool,
    /// Write events to stdout as JSON Lines, payload included
    #[arg(long)]
    pub json: bool,
    /// Write the same events to a file or descriptor, and leave stdout to the payload
    #[arg(long, value_name = "FILE|fd:N", value_parser = events_target)]
    events: Option<EventsTarget>,
    /// Write both directions to a file with their times, as JSON Lines, for `sockkit replay`
    #[arg(long, value_name = "FILE", help_heading = "Script", value_parser = value::path())]
    record: Option<PathBuf>,
    /// Show payload of both directions as a hex dump
    #[arg(long, conflicts_with = "json")]
    hex: bool,
    /// Stamp each line that is shown
    #[arg(long, value_name = "KIND", num_args = 0..=1, require_equals = true, default_missing_value = "rfc3339", value_enum)]
    timestamps: Option<TimestampsArg>,
    /// Use colour
    #[arg(long, value_name = "WHEN", default_value = "auto", value_enum)]
    color: ColorArg,
    /// Show control bytes to a terminal as they are
    #[arg(long)]
    pub raw: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum TimestampsArg {
    Rfc3339,
    Delta,
    Unix,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ColorArg {
    Auto,
    Always,
    Never,
}

impl OutputArgs {
    /// How to talk.
    #[must_use]
    pub fn config(&self, command: &str, start: Instant, stop: &Stop) -> OutConfig {
        OutConfig {
            command: command.to_owned(),
            verbosity: match (self.quiet, self.verbose) {
                (true, _) => Verbosity::Quiet,
                (false, 0) => Verbosity::Default,
                (false, 1) => Verbosity::Verbose,
                (false, _) => Verbosity::VeryVerbose,
            },
            json: self.json,
            events: self.events.clone(),
            record: self.record.clone(),
            hex: self.hex,
            stats: false,
            timestamps: self.timestamps.map(|kind| match kind {
                TimestampsArg::Rfc3339 => Timestamps::Rfc3339,
                TimestampsArg::Delta => Timestamps::Delta,
                TimestampsArg::Unix => Timestamps::Unix,
            }),
            color: self.color(),
            start,
            stop: Some(stop.clone()),
        }
    }

    /// `--color`.
    #[must_use]
    pub fn color(&self) -> ColorChoice {
        match self.color {
            ColorArg::Auto => ColorChoice::Auto,
            ColorArg::Always => ColorChoice::Always,
            ColorArg::Never => ColorChoice::Never,
        }
    }

    /// Whether a line may tell how it stands, where there is a terminal: nobody asked for each step.
    #[must_use]
    pub fn steps_untold(&self) -> bool {
        self.verbose == 0
    }

    /// Whether errors only are to be said.
    #[must_use]
    pub fn quiet(&self) -> bool {
        self.quiet
    }

    /// Whether stdout shows a dump instead of payload.
    #[must_use]
    pub fn hex(&self) -> bool {
        self.hex
    }

    /// What of the payload goes to stdout.
    #[must_use]
    pub fn show(&self) -> Show {
        if self.json || self.hex { Show::Nothing } else { Show::Payload }
    }
}

/// Limits by the clock.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Timeouts")]
pub struct TimeoutArgs {
    /// End a connection on which nothing moves in either direction (2s, 500ms, 1m; a bare number is seconds)
    #[arg(short, long, value_name = "DUR", value_parser = parse_duration, allow_negative_numbers = true)]
    pub idle_timeout: Option<Duration>,
    /// End a connection on which nothing is received
    #[arg(long, value_name = "DUR", value_parser = parse_duration, allow_negative_numbers = true)]
    recv_timeout: Option<Duration>,
    /// End a connection on which nothing of what waits can be sent
    #[arg(long, value_name = "DUR", value_parser = parse_duration, allow_negative_numbers = true)]
    send_timeout: Option<Duration>,
    /// End the whole run, with status 124
    #[arg(long, value_name = "DUR", value_parser = parse_duration, allow_negative_numbers = true)]
    pub deadline: Option<Duration>,
}

impl TimeoutArgs {
    /// Those of one session.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits { idle: self.idle_timeout, recv: self.recv_timeout, send: self.send_timeout }
    }

    /// The first of those about one connection that was given.
    #[must_use]
    pub fn given(&self) -> Option<&'static str> {
        first_given(&[
            (self.idle_timeout.is_some(), "--idle-timeout"),
            (self.recv_timeout.is_some(), "--recv-timeout"),
            (self.send_timeout.is_some(), "--send-timeout"),
        ])
    }
}

/// What ends a session.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "EOF")]
pub struct EofArgs {
    /// Send only: write nothing that comes, take no notice of the peer's end
    #[arg(long, conflicts_with_all = ["recv_only", "stay"])]
    pub send_only: bool,
    /// Receive only: read nothing from stdin, keep our side open until the peer ends
    #[arg(long, conflicts_with = "stay")]
    pub recv_only: bool,
    /// At the end of stdin, do not tell the peer (no FIN)
    #[arg(long)]
    no_shutdown: bool,
    /// After the end of stdin, go on for so long at the most (nc's -q)
    #[arg(long, value_name = "DUR", value_parser = parse_duration, allow_negative_numbers = true)]
    linger_after_eof: Option<Duration>,
    /// When the peer ends, go on until stdin ends
    #[arg(long)]
    stay: bool,
}

impl EofArgs {
    /// The first of these flags that was given.
    #[must_use]
    pub fn given(&self) -> Option<&'static str> {
        first_given(&[
            (self.send_only, "--send-only"),
            (self.recv_only, "--recv-only"),
            (self.no_shutdown, "--no-shutdown"),
            (self.linger_after_eof.is_some(), "--linger-after-eof"),
            (self.stay, "--stay"),
        ])
    }
}

/// What is done with text on its way.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Text")]
pub struct TextArgs {
    /// Send CR LF for each LF of stdin
    #[arg(long)]
    crlf: bool,
    /// What ends each line typed in the REPL
    #[arg(long, value_name = "EOL", default_value = "lf", value_enum)]
    pub eol: Eol,
    /// The encoding of what is typed, and of what is shown on a terminal: latin1, gbk, ... [default: utf-8]
    #[arg(long, value_name = "NAME", value_parser = Charset::named, conflicts_with = "raw")]
    pub encoding: Option<Charset>,
    /// Copy the bytes of both directions to a file as they pass
    #[arg(long, value_name = "FILE", value_parser = value::path())]
    output: Option<PathBuf>,
    /// Add to the end of that file
    #[arg(long, requires = "output")]
    append: bool,
}

/// What ends a typed line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Eol {
    /// LF, as on Unix.
    Lf,
    /// CR LF, as SMTP and HTTP want it.
    Crlf,
    /// Nothing, as the tutorials' servers want it.
    None,
}

impl Eol {
    /// The bytes.
    #[must_use]
    pub fn bytes(self) -> &'static [u8] {
        match self {
            Self::Lf => b"\n",
            Self::Crlf => b"\r\n",
            Self::None => b"",
        }
    }
}

impl TextArgs {
    /// The first of these flags that was given.
    #[must_use]
    pub fn given(&self) -> Option<&'static str> {
        first_given(&[
            (self.crlf, "--crlf"),
            (self.eol != Eol::Lf, "--eol"),
            (self.encoding.is_some(), "--encoding"),
            (self.output.is_some(), "--output"),
        ])
    }

    /// Opens `--output`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn copy(&self) -> Result<Option<std::fs::File>> {
        let Some(path) = &self.output else { return Ok(None) };
        let file =
            std::fs::OpenOptions::new().create(true).write(true).append(self.append).truncate(!self.append).open(path);
        file.map(Some).map_err(|source| Error::file("--output", path, &source))
    }
}

/// The rules of a session, from the groups that have a part in them.
#[must_use]
pub fn rules(eof: &EofArgs, timeouts: &TimeoutArgs, text: &TextArgs, output: &OutputArgs) -> Rules {
    Rules {
        send_only: eof.send_only,
        recv_only: eof.recv_only,
        no_shutdown: eof.no_shutdown,
        linger: eof.linger_after_eof,
        stay: eof.stay,
        keep_open: false,
        crlf: text.crlf,
        encoding: text.encoding,
        raw: output.raw,
        idle: timeouts.idle_timeout,
        recv: timeouts.recv_timeout,
        send: timeouts.send_timeout,
    }
}

/// The first of these flags that was given.
fn first_given(flags: &[(bool, &'static str)]) -> Option<&'static str> {
    flags.iter().find_map(|(given, flag)| given.then_some(*flag))
}

/// A text argument with backslash escapes.
///
/// # Errors
/// Exit 2, with the place of the escape that is none.
pub fn text_argument(text: &OsString) -> Result<Vec<u8>> {
    use std::os::unix::ffi::OsStrExt as _;
    match text.to_str() {
        Some(text) => Ok(unescape(text)?),
        // Not UTF-8, so it has no meaning to us beyond its bytes.
        None => Ok(text.as_bytes().to_owned()),
    }
}
