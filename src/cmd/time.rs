//! `sockkit time`.

use std::time::{Duration, Instant};

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};

use super::serving;
use super::{Context, Runnable};
use crate::cli::tls::TrustArgs;
use crate::cli::{OutputArgs, ProxyArgs, ServerAddress, ServerArgs};
use crate::error::{Error, Exit, Result};
use crate::net::dial::{CONN, CONNECT_TIMEOUT, Dial};
use crate::value::parse_duration;
use crate::work::ask_time::Ask;
use crate::work::clock::Format;
use crate::work::handler::stdio::stopped;
use crate::work::handler::{Handler, Time as Handled};

/// How long to wait for an answer where nobody said.
const PATIENCE: Duration = Duration::from_secs(5);

/// The arguments of `sockkit time`.
#[derive(Debug, Args)]
#[command(
    after_help = "Servers of the old services: sockkit time --on-connect :13    sockkit time --on-connect --format rfc868 :37"
)]
pub(super) struct Time {
    #[command(flatten)]
    address: ServerAddress,
    /// How the time is written; daytime and rfc868 have no place for the message [default: ctime; of --query, whichever fits]
    #[arg(long, value_name = "FORMAT", value_parser = format(), help_heading = "Time")]
    format: Option<Format>,
    /// Tell the time to whoever connects, and close (RFC 867, RFC 868); over UDP, to each datagram
    #[arg(long, help_heading = "Time")]
    on_connect: bool,
    /// Ask the time server at ADDR, and show how its clock stands to ours
    #[arg(long, help_heading = "Time", conflicts_with_all = ["on_connect", "count", "max_conns", "grace", "stats", "allow", "deny", "ready_file", "ready_fd", "unlink", "mode", "accept_timeout", "user", "chroot", "no_sandbox"])]
    query: bool,
    /// Of --query: give up if there is no connection in this time, resolving included [default: 10s]
    #[arg(short = 'w', long, value_name = "DUR", requires = "query", help_heading = "Timeouts", value_parser = parse_duration, allow_negative_numbers = true)]
    connect_timeout: Option<Duration>,
    #[command(flatten)]
    trust: TrustArgs,
    #[command(flatten)]
    proxy: ProxyArgs,
    #[command(flatten)]
    server: ServerArgs,
}

fn format() -> impl clap::builder::TypedValueParser<Value = Format> {
    PossibleValuesParser::new(Format::ALL.map(Format::name))
        .map(|name| Format::ALL.into_iter().find(|format| format.name() == name).unwrap_or_default())
}

impl Runnable for Time {
    const NAME: &'static str = "time";
    const ABOUT: &'static str = "A time server: answers each message with [message] and the time; or asks one";

    fn output(&self) -> Option<&OutputArgs> {
        Some(&self.server.output)
    }

    fn deadline(&self) -> Option<Duration> {
        self.server.timeouts.deadline
    }

    fn run(&self, context: &Context) -> Result<Exit> {
        if self.query {
            return self.ask(context);
        }
        if let Some(flag) = self.proxy.given() {
            return Err(Error::usage(format!("{flag} is for a client: it goes with --query")));
        }
        let time = Handled { format: self.format.unwrap_or_default(), on_connect: self.on_connect };
        let handler = Handler::Time(time);
        serving::serve(&self.address.endpoint()?, &self.server, handler, true, context)
    }
}

impl Time {
    fn ask(&self, context: &Context) -> Result<Exit> {
        let tls = self.server.serving.tls.as_client(&self.trust)?;
        let endpoint = self.address.endpoint()?;
        let (via, options) = (self.proxy.via(&*context.sink)?, self.server.socket.options());
        let timeout = self.connect_timeout.unwrap_or(CONNECT_TIMEOUT);
        let dial = Dial { timeout, tls: tls.as_ref(), ..context.dial(&endpoint, &via, &options) };
        let begun = Instant::now();
        let Some(conn) = dial.dial()? else { return Ok(stopped(&context.stop)) };
        let limits = self.server.timeouts.limits();
        let (patience, flag) = match (limits.recv, limits.idle) {
            (Some(recv), idle) if idle.is_none_or(|idle| recv <= idle) => (recv, "--recv-timeout"),
            (_, Some(idle)) => (idle, "--idle-timeout"),
            _ => (PATIENCE, "--recv-timeout"),
        };
        let ask = Ask { format: self.format, patience, flag, begun, sink: &*context.sink, stop: &context.stop };
        let Some(answer) = ask.ask(conn, CONN)? else { return Ok(stopped(&context.stop)) };
        let report = answer.report(&*context.sink, CONN);
        if self.server.output.json { Ok(Exit::Ok) } else { crate::out::print(report.as_bytes()) }
    }
}
