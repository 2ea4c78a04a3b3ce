//! `sockkit wait`.

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;
use regex::bytes::Regex;

use super::{Context, Runnable};
use crate::addr::Endpoint;
use crate::cli::{ClientAddresses, ClientArgs, OutputArgs, banner};
use crate::error::{Error, Exit, Result};
use crate::out::Progress;
use crate::value::parse_duration;
use crate::work::handler::find_program;
use crate::work::handler::stdio::{exit, stopped};
use crate::work::wait::{Wait as Work, Waited};

/// The arguments of `sockkit wait`.
#[derive(Debug, Args)]
#[command(
    after_help = "A connection counts when the peer does not close it at once: it is watched for 10 ms, or as long as two handshakes take.\nUDP counts when it answers an empty datagram; at an address of this host, when it is not refused.\nWithout --interval the pause between tries grows from 1 ms to 250 ms, at an address of this host to 5 ms."
)]
pub(super) struct Wait {
    #[command(flatten)]
    addresses: ClientAddresses,
    /// Then run this in the place of sockkit
    #[arg(value_name = "CMD", last = true, help_heading = None::<&str>)]
    command: Vec<OsString>,
    /// Give up after this time, with status 124; 0: try each address once
    #[arg(long, value_name = "DUR", default_value = "30s", help_heading = "Timeouts", value_parser = parse_duration, allow_negative_numbers = true)]
    timeout: Duration,
    /// How long one try may take, resolving and the banner included
    #[arg(short = 'w', long, value_name = "DUR", default_value = "3s", help_heading = "Timeouts", value_parser = parse_duration, allow_negative_numbers = true)]
    connect_timeout: Duration,
    /// Wait until nobody accepts there any more: refused, unreachable, no answer, or no such name
    #[arg(long, help_heading = "Waiting", conflicts_with = "banner")]
    gone: bool,
    /// Wait until the first bytes that come match this regular expression
    #[arg(long, help_heading = "Waiting", value_name = "REGEX", value_parser = banner, allow_hyphen_values = true)]
    banner: Option<Regex>,
    /// It has to stay so for this time, without one try that says otherwise
    #[arg(long, help_heading = "Waiting", value_name = "DUR", value_parser = parse_duration, allow_negative_numbers = true)]
    stable: Option<Duration>,
    /// One of the addresses is enough
    #[arg(long, help_heading = "Waiting")]
    any: bool,
    /// From one try to the next
    #[arg(long, help_heading = "Waiting", value_name = "DUR", value_parser = parse_duration, allow_negative_numbers = true)]
    interval: Option<Duration>,
    #[command(flatten)]
    client: ClientArgs,
}

impl Runnable for Wait {
    const NAME: &'static str = "wait";
    const ABOUT: &'static str = "Wait until addresses accept connections, or stop accepting; then run a command";

    fn output(&self) -> Option<&OutputArgs> {
        Some(&self.client.output)
    }

    fn next(&self) -> Option<&[OsString]> {
        (!self.command.is_empty()).then_some(&self.command)
    }

    fn run(&self, context: &Context) -> Result<Exit> {
        let endpoints = self.addresses.endpoints()?;
        let open =
            |endpoint: &&Endpoint| matches!(endpoint, Endpoint::Fd(_) | Endpoint::Systemd(_) | Endpoint::Builtin(_));
        if let Some(endpoint) = endpoints.iter().find(open) {
            return Err(Error::usage(format!(
                "{endpoint} is no address that others come to serve: there is nothing to wait for"
            )));
        }
        // One that is not there is told now, and not after the wait.
        if let Some(program) = self.command.first() {
            find_program(program)?;
        }
        let progress =
            (self.client.output.steps_untold() && !self.client.output.quiet()).then(Progress::at_a_terminal).flatten();
        let draw = progress.as_ref().map(|progress| |text: &str| progress.draw(text));
        let tls = self.client.tls.client()?;
        let waited = Work {
            endpoints: &endpoints,
            via: &self.client.route.via(&*context.sink)?,
            options: &self.client.socket.options(),
            tls: tls.as_ref(),
            gone: self.gone,
            any: self.any,
            banner: self.banner.as_ref(),
            stable: self.stable,
            interval: self.interval,
            patience: self.connect_timeout,
            timeout: self.timeout,
            sink: &*context.sink,
            stop: &context.stop,
            progress: draw.as_ref().map(|draw| draw as &(dyn Fn(&str) + Sync)),
        }
        .wait()?;
        Ok(match waited {
            // Asked to end at the last moment, it does not begin another program.
            Waited::Met => stopped(&context.stop),
            Waited::Stopped(reason) => exit(reason),
        })
    }
}
