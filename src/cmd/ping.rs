//! `sockkit ping`.

use std::io::IsTerminal;
use std::time::Duration;

use clap::Args;

use super::{Context, Runnable};
use crate::addr::Endpoint;
use crate::cli::{ClientAddress, ClientArgs, OutputArgs, count};
use crate::error::{Error, Exit, Result};
use crate::net::tls;
use crate::out::{Progress, print_part};
use crate::span::Misread;
use crate::value::{parse_duration, parse_size};
use crate::work::builtin;
use crate::work::ping::{FailIf, Line, Ping as Work};

/// How much an echo may carry, in bytes.
const LARGEST: u64 = 64 << 20;

/// The arguments of `sockkit ping`.
#[derive(Debug, Args)]
#[command(
    after_help = "TCP and UNIX: how long a connection takes. UDP: whether an empty datagram is answered (0), refused (5) or neither (7).\nThe report goes to stdout. Ctrl-C ends with the sum of it."
)]
pub(super) struct Ping {
    #[command(flatten)]
    address: ClientAddress,
    /// End after N probes of each address
    #[arg(short, long, help_heading = "Probes", value_name = "N", value_parser = count, allow_negative_numbers = true)]
    count: Option<u64>,
    /// From the start of one probe to the start of the next; 0: one after another
    #[arg(long, help_heading = "Probes", value_name = "DUR", default_value = "1s", value_parser = parse_duration, allow_negative_numbers = true)]
    interval: Duration,
    /// Measure round trips over one connection to an echo server, and compare what comes back
    #[arg(long, help_heading = "Probes")]
    echo: bool,
    /// How many bytes an echo carries [default: 64]
    #[arg(long, help_heading = "Probes", value_name = "N", requires = "echo", value_parser = size, allow_negative_numbers = true)]
    size: Option<usize>,
    /// End with status 3 if this is so: 'p99>5ms', 'loss>=1%'; min avg max p50 p90 p95 p99 p99.9 loss (may be repeated)
    #[arg(long, help_heading = "Probes", value_name = "CONDITION", value_parser = FailIf::parse, allow_hyphen_values = true)]
    fail_if: Vec<FailIf>,
    /// Draw a histogram, also without a terminal
    #[arg(long, help_heading = "Probes")]
    histogram: bool,
    /// Give up on a probe after this time
    #[arg(short = 'w', long, value_name = "DUR", default_value = "2s", help_heading = "Timeouts", value_parser = parse_duration, allow_negative_numbers = true)]
    connect_timeout: Duration,
    /// End the whole run, with status 124
    #[arg(long, value_name = "DUR", help_heading = "Timeouts", value_parser = parse_duration, allow_negative_numbers = true)]
    deadline: Option<Duration>,
    #[command(flatten)]
    client: ClientArgs,
}

fn size(text: &str) -> Result<usize, Misread> {
    let bytes = parse_size(text)?;
    if bytes > LARGEST {
        return Err(Misread::new("size", text, 0..text.len(), "an echo carries at most 64m").hint("64m"));
    }
    Ok(usize::try_from(bytes).unwrap_or(usize::MAX))
}

impl Runnable for Ping {
    const NAME: &'static str = "ping";
    const ABOUT: &'static str = "Measure how long connections, or round trips over an echo, take";

    fn output(&self) -> Option<&OutputArgs> {
        Some(&self.client.output)
    }

    fn deadline(&self) -> Option<Duration> {
        self.deadline
    }

    fn address(&self) -> Option<Endpoint> {
        self.address.endpoint().ok()
    }

    fn run(&self, context: &Context) -> Result<Exit> {
        let endpoint = self.address.endpoint()?;
        let size = self.echo.then(|| self.size.unwrap_or(64));
        if size == Some(0) && !endpoint.is_datagram() {
            return Err(Error::usage("--size 0 is an empty datagram: over a connection nothing would come back"));
        }
        if matches!(endpoint, Endpoint::Builtin(_)) && !self.echo {
            return Err(Error::usage(format!("{endpoint} takes one connection: try sockkit ping --echo echo:")));
        }
        let (json, quiet) = (self.client.output.json, self.client.output.quiet());
        let live = (!json && self.client.output.steps_untold()).then(Progress::at_a_terminal).flatten();
        let tell = |line: Line| match (line, &live) {
            (Line::Report(text), _) if !json && !quiet => print_part(text.as_bytes(), &context.stop),
            (Line::Live(text), Some(live)) => {
                live.draw(&text);
                Ok(true)
            }
            _ => Ok(true),
        };
        let tls = self.client.tls.client()?;
        if tls.is_some() {
            tls::fits(&endpoint)?;
        }
        let tls = tls.map(|tls| tls.named(&endpoint)).transpose()?;
        let outcome = Work {
            endpoint: &builtin::reachable(endpoint)?,
            via: &self.client.route.via(&*context.sink)?,
            options: &self.client.socket.options(),
            count: self.count,
            interval: self.interval,
            echo: size,
            patience: self.connect_timeout,
            tls: tls.as_ref(),
            sink: &*context.sink,
            stop: &context.stop,
            tell: &tell,
        }
        .run()?;
        drop(live);
        outcome.report(&*context.sink);
        let histogram = self.histogram || std::io::stdout().is_terminal();
        if !json && outcome.is_read() {
            let text: String = outcome.series.iter().map(|series| series.summary(histogram)).collect();
            print_part(text.as_bytes(), &context.stop)?;
        }
        outcome.verdict(&self.fail_if, &context.stop)
    }
}
