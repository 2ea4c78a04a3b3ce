//! Floor 5: arguments to values. The option groups that subcommands share; what each means is said once, here.

pub mod cable;
mod caret;
pub mod faults;
pub mod filters;
mod habits;
pub mod privilege;
mod route;
mod script;
pub mod socket_options;
pub mod tls;
mod value;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};

use crate::acl::{Acl, Cidr};
use crate::addr::{DEFAULT_PORT, Endpoint, IpFamily, Reading};
use crate::error::{Error, Result};
use crate::out::{ColorChoice, EventsTarget, OutConfig, Timestamps, Verbosity};
use crate::sys::Stop;
use crate::text::unescape;
use crate::value::parse_duration;
use crate::work::early::Headers;
use crate::work::handler::stdio::Show;
use crate::work::link::Limits;
use crate::work::pump::Rules;

use self::privilege::PrivilegeArgs;

pub use caret::with_caret;
pub use habits::value_apart;
pub use route::{ProxyArgs, RouteArgs, secret};
pub use script::ScriptArgs;
pub use value::{banner, count, events_target, file_mode, number, path};

/// How long a PROXY protocol header may take to come where nobody said. The specification asks for at least 3 s, the
/// first retransmission of a lost segment.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// The addresses of servers: none is the default port on loopback.
#[derive(Debug, Clone, Args)]
pub struct ServerAddress {
    /// What to bind: HOST:PORT, PORT, unix:PATH, @NAME, vsock:CID:PORT, fd:N, systemd:[NAME]; udp://... for UDP [default: loopback on port 2023]
    #[arg(value_name = "ADDR", num_args = 0..=2)]
    addr: Vec<OsString>,
    #[command(flatten)]
    reading: ReadingArgs,
}

/// The address of a client.
#[derive(Debug, Clone, Args)]
pub struct ClientAddress {
    /// Where to connect: HOST:PORT, HOST PORT, unix:PATH, @NAME, vsock:CID:PORT, fd:N; udp://... for UDP; echo: or time: for a built-in peer
    #[arg(value_name = "ADDR", num_args = 1..=2, required = true)]
    addr: Vec<OsString>,
    #[command(flatten)]
    reading: ReadingArgs,
}

/// An address that may be left out.
#[derive(Debug, Clone, Args)]
pub struct PathAddress {
    /// Walk the path to this address, layer by layer: HOST:PORT, HOST PORT, unix:PATH, vsock:CID:PORT; udp://... for UDP
    #[arg(value_name = "ADDR", num_args = 0..=2)]
    addr: Vec<OsString>,
    #[command(flatten)]
    reading: ReadingArgs,
}

impl PathAddress {
    /// The address, if there is one.
    ///
    /// # Errors
    /// Exit 2, with the place in the address.
    pub fn endpoint(&self) -> Result<Option<Endpoint>> {
        if self.addr.is_empty() {
            return Ok(None);
        }
        Ok(Some(Endpoint::parse(&self.addr, &self.reading.reading())?))
    }
}

/// The two addresses of a relay.
#[derive(Debug, Clone, Args)]
pub struct RelayAddresses {
    /// What to bind: HOST:PORT, PORT, unix:PATH, @NAME, vsock:CID:PORT, fd:N, systemd:[NAME]; udp://... for UDP
    listen: OsString,
    /// Where to connect for each who comes: HOST:PORT, unix:PATH, @NAME, vsock:CID:PORT, fd:N; udp://... for UDP; echo: or time: for a built-in peer
    connect: OsString,
    #[command(flatten)]
    reading: ReadingArgs,
}

impl RelayAddresses {
    /// The address to bind.
    #[must_use]
    pub fn listen(&self) -> ServerAddress {
        ServerAddress { addr: vec![self.listen.clone()], reading: self.reading.clone() }
    }

    fn client(&self) -> ClientAddress {
        ClientAddress { addr: vec![self.connect.clone()], reading: self.reading.clone() }
    }

    /// The address to connect to.
    ///
    /// # Errors
    /// Exit 2, with the place in the address.
    pub fn connect(&self) -> Result<Endpoint> {
        self.client().endpoint()
    }

    /// As [`ClientAddress::source`].
    ///
    /// # Errors
    /// Exit 2, with the place in the address.
    pub fn source(&self, text: &OsString) -> Result<Endpoint> {
        self.client().source(text)
    }
}

/// The address of a client of a server of our own kind: none is where that binds without one.
#[derive(Debug, Clone, Args)]
pub struct PeerAddress {
    /// Where to connect: HOST:PORT, HOST PORT, unix:PATH, @NAME, vsock:CID:PORT, fd:N [default: loopback on port 2023]
    #[arg(value_name = "ADDR", num_args = 0..=2)]
    addr: Vec<OsString>,
    #[command(flatten)]
    reading: ReadingArgs,
}

/// The addresses of a client that looks at several.
#[derive(Debug, Clone, Args)]
pub struct ClientAddresses {
    /// Where to connect: HOST:PORT, HOST PORT (where these two are all), unix:PATH, @NAME, vsock:CID:PORT; udp://... for UDP
    #[arg(value_name = "ADDR", num_args = 1.., required = true)]
    addr: Vec<OsString>,
    #[command(flatten)]
    reading: ReadingArgs,
}

impl ClientAddresses {
    /// The addresses. Of two words the second may be the port of the first, as with nc.
    ///
    /// # Errors
    /// Exit 2, with the place in the address.
    pub fn endpoints(&self) -> Result<Vec<Endpoint>> {
        let reading = self.reading.reading();
        let digits = |word: &OsString| word.to_str().is_some_and(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
        let bare = |word: &OsString| word.to_str().is_some_and(|word| !word.contains([':', '@', '/']));
        if let [host, port] = &self.addr[..]
            && digits(port)
            && bare(host)
            && !digits(host)
        {
            return Ok(vec![Endpoint::parse(&self.addr, &reading)?]);
        }
        self.addr.iter().map(|word| Ok(Endpoint::parse(std::slice::from_ref(word), &reading)?)).collect()
    }
}

/// What an address may leave open.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Address")]
pub struct ReadingArgs {
    /// The port of an address without one
    #[arg(short, long, value_name = "PORT", default_value_t = DEFAULT_PORT, value_parser = value::port, allow_negative_numbers = true)]
    port: u16,
    /// IPv4 only
    #[arg(short = '4', conflicts_with = "v6")]
    v4: bool,
    /// IPv6 only
    #[arg(short = '6')]
    v6: bool,
    /// UDP instead of TCP
    #[arg(short, long)]
    udp: bool,
}

impl ReadingArgs {
    fn reading(&self) -> Reading {
        let family = match (self.v4, self.v6) {
            (true, _) => Some(IpFamily::V4),
            (_, true) => Some(IpFamily::V6),
            _ => None,
        };
        Reading { port: self.port, family, udp: self.udp }
    }
}

/// An address, or loopback.
fn or_loopback(addr: &[OsString], reading: Reading) -> Result<Endpoint> {
    if addr.is_empty() {
        let loopback = if reading.family == Some(IpFamily::V6) { "::1" } else { "127.0.0.1" };
        return Ok(Endpoint::parse(&[loopback.into()], &reading)?);
    }
    Ok(Endpoint::parse(addr, &reading)?)
}

impl ServerAddress {
    /// The address to bind.
    ///
    /// # Errors
    /// Exit 2, with the place in the address.
    pub fn endpoint(&self) -> Result<Endpoint> {
        or_loopback(&self.addr, self.reading.reading())
    }
}

impl PeerAddress {
    /// The address to connect to.
    ///
    /// # Errors
    /// Exit 2, with the place in the address.
    pub fn endpoint(&self) -> Result<Endpoint> {
        or_loopback(&self.addr, self.reading.reading())
    }
}

impl ClientAddress {
    /// The address to connect to.
    ///
    /// # Errors
    /// Exit 2, with the place in the address.
    pub fn endpoint(&self) -> Result<Endpoint> {
        Ok(Endpoint::parse(&self.addr, &self.reading.reading())?)
    }

    /// Reads a local address in the same way, but for its port, which is the kernel's choice if not given.
    ///
    /// # Errors
    /// Exit 2, with the place in the address.
    pub fn source(&self, text: &OsString) -> Result<Endpoint> {
        let endpoint = Endpoint::parse(std::slice::from_ref(text), &Reading { port: 0, ..self.reading.reading() })?;
        if !matches!(endpoint, Endpoint::Inet(_)) {
            return Err(Error::usage(format!("--source takes HOST[:PORT], not {endpoint}")));
        }
        Ok(endpoint)
    }
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
}

impl TimeoutArgs {
    /// The first of those about one connection that was given.
    #[must_use]
    pub fn given(&self) -> Option<&'static str> {
        [
            (self.idle_timeout.is_some(), "--idle-timeout"),
            (self.recv_timeout.is_some(), "--recv-timeout"),
            (self.send_timeout.is_some(), "--send-timeout"),
        ]
        .into_iter()
        .find_map(|(given, flag)| given.then_some(flag))
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
        [
            (self.send_only, "--send-only"),
            (self.recv_only, "--recv-only"),
            (self.no_shutdown, "--no-shutdown"),
            (self.linger_after_eof.is_some(), "--linger-after-eof"),
            (self.stay, "--stay"),
        ]
        .into_iter()
        .find_map(|(given, flag)| given.then_some(flag))
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
        [(self.crlf, "--crlf"), (self.eol != Eol::Lf, "--eol"), (self.output.is_some(), "--output")]
            .into_iter()
            .find_map(|(given, flag)| given.then_some(flag))
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
        raw: output.raw,
        idle: timeouts.idle_timeout,
        recv: timeouts.recv_timeout,
        send: timeouts.send_timeout,
    }
}

/// What servers share.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Serving")]
pub struct ServingArgs {
    /// End after N sessions
    #[arg(long, value_name = "N", value_parser = value::count, allow_negative_numbers = true)]
    pub count: Option<u64>,
    /// At most N sessions at once; the rest waits in the backlog [default: what the hard limit of descriptors allows, from 512 to 65536; of programs 64]
    #[arg(short, long, value_name = "N", value_parser = value::at_least_one, allow_negative_numbers = true)]
    pub max_conns: Option<usize>,
    /// Asked to end, give sessions so long to end themselves [default: 5s]
    #[arg(long, value_name = "DUR", value_parser = parse_duration, allow_negative_numbers = true)]
    pub grace: Option<Duration>,
    /// At the end, tell how many sessions and bytes there were; SIGUSR1 asks at any time
    #[arg(long)]
    pub stats: bool,
    /// Security of the connections.
    #[command(flatten)]
    pub tls: tls::ServerTlsArgs,
    /// Let only these networks in: 10.0.0.0/8, ::1 (may be repeated)
    #[arg(long, value_name = "CIDR", num_args = 1, value_delimiter = ',')]
    allow: Vec<Cidr>,
    /// Turn these networks away; beats --allow (may be repeated)
    #[arg(long, value_name = "CIDR", num_args = 1, value_delimiter = ',')]
    deny: Vec<Cidr>,
    /// Every connection begins with a PROXY protocol header (version 1 or 2, as HAProxy and nginx send it), and its peer is the one that the header names; --allow and --deny are then about that one. Any client can say anything there: --proxy-protocol-from says who may
    #[arg(long, value_name = "accept", value_parser = ["accept"])]
    proxy_protocol: Option<String>,
    /// Turn away who has not sent the whole header in this time [default: 5s]
    #[arg(long, value_name = "DUR", requires = "proxy_protocol", help_heading = "Timeouts", value_parser = parse_duration, allow_negative_numbers = true)]
    proxy_protocol_timeout: Option<Duration>,
    /// Let only proxies in these networks connect: 10.0.0.0/8, ::1 (may be repeated)
    #[arg(long, value_name = "CIDR", num_args = 1, value_delimiter = ',', requires = "proxy_protocol")]
    proxy_protocol_from: Vec<Cidr>,
    /// Once listening, write the bound address to this file
    #[arg(long, value_name = "FILE", value_parser = value::path())]
    pub ready_file: Option<PathBuf>,
    /// Once listening, write the bound address to this descriptor, and close it
    #[arg(long, value_name = "N", value_parser = value::descriptor, allow_negative_numbers = true)]
    pub ready_fd: Option<i32>,
    /// Take over a socket file that nobody serves any more
    #[arg(long)]
    pub unlink: bool,
    /// The permission bits of a socket file, from its first instant
    #[arg(long, value_name = "OCTAL", value_parser = file_mode)]
    pub mode: Option<u32>,
    /// Give up if nobody connects in this time
    #[arg(long, value_name = "DUR", help_heading = "Timeouts", value_parser = parse_duration, allow_negative_numbers = true)]
    pub accept_timeout: Option<Duration>,
    /// What it gives up once it is bound.
    #[command(flatten)]
    pub privilege: PrivilegeArgs,
}

impl ServingArgs {
    /// What is about sessions side by side must not look as if it had an effect where there are none.
    ///
    /// # Errors
    /// Exit 2.
    pub fn none_side_by_side(&self) -> Result<()> {
        match self.grace {
            None => Ok(()),
            Some(_) => {
                Err(Error::usage("--grace is about sessions that go on side by side, which there are none of here"))
            }
        }
    }

    /// Whether every connection begins with a PROXY protocol header.
    #[must_use]
    pub fn headers(&self) -> Option<Headers> {
        self.proxy_protocol.as_ref()?;
        let timeout = self.proxy_protocol_timeout.unwrap_or(HEADER_TIMEOUT);
        Some(Headers { timeout, from: self.proxy_protocol_from.clone() })
    }

    /// Who may come.
    #[must_use]
    pub fn acl(&self) -> Acl {
        Acl { allow: self.allow.clone(), deny: self.deny.clone() }
    }
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
