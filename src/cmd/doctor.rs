//! `sockkit doctor`.

use std::time::Duration;

use clap::Args;

use super::{Context, Runnable};
use crate::cli::PathAddress;
use crate::error::{Error, Exit, Phase, Result};
use crate::net::dial::CONNECT_TIMEOUT;
use crate::out::{explain, print};
use crate::value::parse_duration;
use crate::work::builtin;
use crate::work::diag;
use crate::work::doctor::{Check, Status, Walk, host};

/// The arguments of `sockkit doctor`.
#[derive(Debug, Args)]
#[command(
    after_help = "Without ADDR it looks this host over, and exits 1 when something is bad. With ADDR it walks the path to it, stops\nwhere that ends, and exits with the code of that failure."
)]
pub(super) struct Doctor {
    #[command(flatten)]
    address: PathAddress,
    /// For resolving, and for each address: give up after this time [default: 10s]
    #[arg(short = 'w', long, value_name = "DUR", help_heading = "Timeouts", value_parser = parse_duration, allow_negative_numbers = true)]
    connect_timeout: Option<Duration>,
    /// Print one JSON object for each check
    #[arg(long, help_heading = "Output")]
    json: bool,
}

impl Runnable for Doctor {
    const NAME: &'static str = "doctor";
    const ABOUT: &'static str = "Look this host over for settings that bite, or walk the path to an address";

    fn run(&self, context: &Context) -> Result<Exit> {
        let endpoint = self.address.endpoint()?;
        let mut worst = Status::Ok;
        let mut written = Ok(Exit::Ok);
        let mut tell = |check: Check| {
            worst = worst.max(check.status);
            // Whoever reads has left, or the disk is full: there is no use in going on telling.
            if written.is_ok() {
                written = self.show(&check);
            }
        };
        let exit = match endpoint {
            None => {
                host(&context.stop, &*context.sink, &mut tell);
                if worst == Status::Bad { Exit::Failed } else { Exit::Ok }
            }
            Some(endpoint) => {
                let endpoint = builtin::reachable(endpoint)?;
                let timeout = self.connect_timeout.unwrap_or(CONNECT_TIMEOUT);
                let walk = Walk { endpoint: &endpoint, timeout, stop: &context.stop, sink: &*context.sink };
                match walk.walk(&mut tell) {
                    Ok(()) if context.stop.requested().is_none() => {
                        tell(verdict(&endpoint.to_string()));
                        Exit::Ok
                    }
                    Ok(()) => Exit::Ok,
                    Err(error) if error.exit == Exit::Usage => return Err(error),
                    Err(mut error) => {
                        diag::enrich(&mut error);
                        tell(failure(&error));
                        error.exit
                    }
                }
            }
        };
        written?;
        Ok(context.stop.requested().map_or(exit, crate::work::handler::stdio::exit))
    }
}

impl Doctor {
    fn show(&self, check: &Check) -> Result<Exit> {
        let text = match self.json {
            true => serde_json::to_string(check).unwrap_or_default(),
            false => check.to_string(),
        };
        print(format!("{text}\n").as_bytes())
    }
}

fn verdict(address: &str) -> Check {
    Check::ok("verdict", format!("{address} can be reached"))
        .try_(format!("sockkit connect {}", shell_words::quote(address)))
}

/// Where it ended, in the words in which any failure is told.
fn failure(error: &Error) -> Check {
    let told = explain(Doctor::NAME, error).for_this_host();
    let layer = match error.phase {
        Phase::Resolving => "resolve",
        Phase::Connecting | Phase::Opening => "connect",
        Phase::Sending | Phase::Receiving | Phase::Waiting => "first bytes",
        _ => "verdict",
    };
    let mut value = told.headline.trim_start_matches("doctor failed: ").to_owned();
    for detail in &told.details {
        value.push_str("; ");
        value.push_str(detail.trim());
    }
    let mut check = Check::ok(layer, value);
    check.status = Status::Bad;
    check.advice = told.cause;
    check.r#try = told.r#try;
    check
}
