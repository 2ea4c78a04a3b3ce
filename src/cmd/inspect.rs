//! `sockkit inspect`.

use std::time::{Duration, Instant};

use clap::Args;

use super::{Context, Runnable};
use crate::cli::filters::{FilterArgs, pause};
use crate::error::{Error, Exit, Phase, Result};
use crate::out::{SocketReport, SocketScreen, say};
use crate::sys;
use crate::sys::sockets::Entry;
use crate::value::parse_duration;
use crate::work::handler::stdio::exit;

/// The arguments of `sockkit inspect`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 when a socket was shown, 1 when none is such (as lsof and grep do), 2 for filters \
that do not parse.\nWithout a filter: every socket of this network namespace. PROCESS tells what this user may see; root \
sees all."
)]
pub(super) struct Inspect {
    #[command(flatten)]
    filter: FilterArgs,
    /// Add timers, TCP's measurements, options and memory
    #[arg(short, long, help_heading = "Output")]
    verbose: bool,
    /// One JSON object for each socket, a line each, with all that is known
    #[arg(long, conflicts_with = "verbose", help_heading = "Output")]
    json: bool,
    /// Show them again and again: repainted at a terminal, else one below the other [default: 1s]
    #[arg(long, value_name = "DUR", num_args = 0..=1, require_equals = true, default_missing_value = "1s", value_parser = pause, help_heading = "Output")]
    watch: Option<Duration>,
    /// End the whole run, with status 124
    #[arg(long, value_name = "DUR", value_parser = parse_duration, allow_negative_numbers = true, help_heading = "Timeouts")]
    deadline: Option<Duration>,
}

impl Runnable for Inspect {
    const NAME: &'static str = "inspect";
    const ABOUT: &'static str = "Show the sockets of this host: whose they are, in what state, what waits in them";

    fn deadline(&self) -> Option<Duration> {
        self.deadline
    }

    fn run(&self, context: &Context) -> Result<Exit> {
        let stop = &context.stop;
        let filter = self.filter.filter(self.verbose || self.json, stop, &*context.sink)?;
        let report =
            SocketReport { json: self.json, verbose: self.verbose, listen: self.filter.listen, again: self.watch };
        let mut screen = SocketScreen::new(report, stop);
        loop {
            let now = Instant::now();
            let entries = filter.gather().map_err(|source| Error::os(Phase::Opening, None, source))?;
            let counters =
                if self.filter.listen && filter.wanted.tcp || self.json { sys::listen_counters() } else { None };
            let looks = screen.show(&entries, counters)?;
            if let Some(reason) = stop.requested() {
                return Ok(exit(reason));
            }
            let Some(pause) = self.watch else {
                if entries.is_empty() {
                    say("sockkit: inspect: no socket is such\n");
                } else if !self.json && entries.iter().any(is_hidden) {
                    say("sockkit: inspect: processes of other users are only shown to root\n");
                }
                return Ok(if entries.is_empty() { Exit::Failed } else { Exit::Ok });
            };
            if !looks {
                return Ok(Exit::Ok);
            }
            let over = stop.wait(now + pause).map_err(|source| Error::os(Phase::Waiting, None, source))?;
            if let (true, Some(reason)) = (over, stop.requested()) {
                return Ok(exit(reason));
            }
        }
    }
}

/// Whether it is another user's, and we may not see whose process has it.
fn is_hidden(entry: &Entry) -> bool {
    entry.processes.is_empty() && entry.inode != 0 && {
        let me = rustix::process::geteuid();
        !me.is_root() && entry.uid != Some(me.as_raw())
    }
}
