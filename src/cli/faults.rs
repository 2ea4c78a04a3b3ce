//! The faults of `echo`, an option group of its own.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::addr::Endpoint;
use crate::error::{Error, Result};
use crate::event::{Event, Sink};
use crate::span::Misread;
use crate::value::{Rate, parse_duration, parse_number, parse_probability, parse_rate, parse_size};
use crate::work::chance::any_seed;
use crate::work::handler::{Corrupt, Echo, Ending, Stall};

/// What it does wrong on purpose. All of them can be combined.
#[derive(Debug, Args)]
#[command(next_help_heading = "Faults, on purpose")]
pub struct Faults {
    /// Wait before each answer
    #[arg(long, value_name = "DUR", value_parser = parse_duration, allow_negative_numbers = true)]
    delay: Option<Duration>,
    /// Answer in pieces of N bytes, each written on its own; of a datagram or packet, each one of its own
    #[arg(long, value_name = "SIZE", value_parser = piece, allow_negative_numbers = true)]
    chunk: Option<usize>,
    /// Answer no faster than so many bytes in so much time: 10/s, 1k/100ms
    #[arg(long, value_name = "BYTES/DUR", value_parser = parse_rate, allow_negative_numbers = true)]
    drip: Option<Rate>,
    /// Reset the connection (RST) when N bytes have been answered, and have arrived (TCP)
    #[arg(long, value_name = "SIZE", value_parser = parse_size, allow_negative_numbers = true)]
    reset_after: Option<u64>,
    /// Close the connection (FIN) when N bytes have been answered
    #[arg(long, value_name = "SIZE", value_parser = parse_size, allow_negative_numbers = true)]
    close_after: Option<u64>,
    /// Hang: answers: read and drop all, never answer; reads: do not even read
    #[arg(long, value_name = "WHAT", num_args = 0..=1, require_equals = true, default_missing_value = "answers", value_enum)]
    stall: Option<StallArg>,
    /// Flip a bit of each byte with this probability, 0 to 1
    #[arg(long, value_name = "P", value_parser = parse_probability, allow_negative_numbers = true)]
    corrupt: Option<f64>,
    /// Damage the same bytes as another run with this seed (-v tells it where none is given)
    #[arg(long, value_name = "N", value_parser = seed, requires = "corrupt", allow_negative_numbers = true)]
    seed: Option<u64>,
    /// Accept nobody, and show the queue fill
    #[arg(long)]
    pub never_accept: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum StallArg {
    Answers,
    Reads,
}

/// A size of which there must be something.
pub(super) fn piece(text: &str) -> Result<usize, Misread> {
    match parse_size(text)? {
        0 => Err(Misread::new("size", text, 0..text.len(), "a piece has at least one byte").hint("1")),
        size => Ok(usize::try_from(size).unwrap_or(usize::MAX)),
    }
}

pub(super) fn seed(text: &str) -> Result<u64, Misread> {
    parse_number("seed", text, 0..=u64::MAX)
}

/// The seed that was given, or any one, which is told: with it the same chances come again.
pub(super) fn seed_of(given: Option<u64>, sink: &dyn Sink) -> u64 {
    given.unwrap_or_else(|| {
        let seed = any_seed();
        let effective = seed.to_string();
        sink.emit(None, &Event::Option { name: "seed", asked: "any", effective: &effective, note: None });
        seed
    })
}

/// Whichever comes first; of two at the same byte, the reset.
pub(super) fn ending(reset_after: Option<u64>, close_after: Option<u64>) -> Option<Ending> {
    let reset = reset_after.map(|after| Ending { after, reset: true });
    let close = close_after.map(|after| Ending { after, reset: false });
    reset.into_iter().chain(close).min_by_key(|ending| ending.after)
}

impl Faults {
    /// What does not fit the address is said before anything is bound.
    ///
    /// # Errors
    /// Exit 2.
    pub fn check(&self, endpoint: &Endpoint) -> Result<()> {
        let datagrams = endpoint.is_datagram();
        if datagrams && (self.close_after.is_some() || self.never_accept) {
            let text = format!("--close-after and --never-accept are about connections, which {endpoint} has not");
            return Err(Error::usage(text));
        }
        let may_reset = matches!(endpoint, Endpoint::Inet(_) | Endpoint::Fd(_) | Endpoint::Systemd(_)) && !datagrams;
        if self.reset_after.is_some() && !may_reset {
            return Err(Error::usage(format!("--reset-after is about TCP connections, which {endpoint} has not")));
        }
        Ok(())
    }

    /// The handler.
    pub fn echo(&self, sink: &dyn Sink) -> Echo {
        let corrupt = self.corrupt.map(|probability| Corrupt { probability, seed: seed_of(self.seed, sink) });
        Echo {
            delay: self.delay,
            chunk: self.chunk,
            drip: self.drip,
            ending: ending(self.reset_after, self.close_after),
            stall: self.stall.map(|stall| match stall {
                StallArg::Answers => Stall::Answers,
                StallArg::Reads => Stall::Reads,
            }),
            corrupt,
        }
    }
}
