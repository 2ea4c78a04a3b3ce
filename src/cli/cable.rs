//! The faults of `relay`, each for one direction or for both: an option group of its own.

use std::time::Duration;

use clap::Args;

use super::faults::{ending, piece, seed, seed_of};
use crate::event::Sink;
use crate::span::Misread;
use crate::value::{Rate, parse_duration, parse_probability, parse_rate, parse_size, within};
use crate::work::relay::Faults;

/// What the cable does wrong on purpose. All of them can be combined.
#[derive(Debug, Args)]
#[command(
    next_help_heading = "Faults, on purpose: VALUE for both directions, up=VALUE to the target, down=VALUE to the client"
)]
pub struct Cable {
    /// What comes, comes so much later
    #[arg(long, value_name = "DUR", value_parser = delay, allow_negative_numbers = true)]
    delay: Vec<Sides<Duration>>,
    /// Pass no more than so many bytes in so much time: 10k/s, 1k/100ms
    #[arg(long, value_name = "BYTES/DUR", value_parser = rate, allow_negative_numbers = true)]
    rate: Vec<Sides<Rate>>,
    /// Pass on in pieces of N bytes, each written on its own; of a datagram or packet, each one of its own
    #[arg(long, value_name = "SIZE", value_parser = chunk, allow_negative_numbers = true)]
    chunk: Vec<Sides<usize>>,
    /// Lose each message, of a stream each byte, with this probability, 0 to 1
    #[arg(long, value_name = "P", value_parser = probability, allow_negative_numbers = true)]
    drop: Vec<Sides<f64>>,
    /// Flip a bit of each byte with this probability, 0 to 1
    #[arg(long, value_name = "P", value_parser = probability, allow_negative_numbers = true)]
    corrupt: Vec<Sides<f64>>,
    /// Reset both connections (RST) when N bytes have passed, and have arrived
    #[arg(long, value_name = "SIZE", value_parser = size, allow_negative_numbers = true)]
    reset_after: Vec<Sides<u64>>,
    /// Close both connections (FIN) when N bytes have passed
    #[arg(long, value_name = "SIZE", value_parser = size, allow_negative_numbers = true)]
    close_after: Vec<Sides<u64>>,
    /// Drop and damage the same bytes as another run with this seed (-v tells it where none is given)
    #[arg(long, value_name = "N", value_parser = seed, allow_negative_numbers = true)]
    seed: Option<u64>,
}

/// A value for each direction.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Sides<T> {
    up: Option<T>,
    down: Option<T>,
}

/// `VALUE` for both, `up=VALUE`, `down=VALUE`, and several of these with commas between them.
fn sides<T: Copy>(text: &str, parse: impl Fn(&str) -> Result<T, Misread>) -> Result<Sides<T>, Misread> {
    let mut sides = Sides { up: None, down: None };
    let mut offset = 0;
    for part in text.split(',') {
        let (way, value) = match part.split_once('=') {
            Some((way @ ("up" | "down"), value)) => (Some(way), value),
            Some((way, _)) => {
                let at = offset..offset + way.len();
                let message = "a direction is up, to the target, or down, to the client";
                return Err(Misread::new("direction", text, at, message).hint("up=").hint("down="));
            }
            None => (None, part),
        };
        let begin = offset + part.len() - value.len();
        let value = parse(value).map_err(|misread| within(misread, text, begin))?;
        for (name, side) in [("up", &mut sides.up), ("down", &mut sides.down)] {
            if way.is_none_or(|way| way == name) && side.replace(value).is_some() {
                let at = offset..offset + part.len();
                return Err(Misread::new("direction", text, at, format!("{name} has a value already")));
            }
        }
        offset += part.len() + 1;
    }
    Ok(sides)
}

fn delay(text: &str) -> Result<Sides<Duration>, Misread> {
    sides(text, parse_duration)
}

fn rate(text: &str) -> Result<Sides<Rate>, Misread> {
    sides(text, parse_rate)
}

fn chunk(text: &str) -> Result<Sides<usize>, Misread> {
    sides(text, piece)
}

fn probability(text: &str) -> Result<Sides<f64>, Misread> {
    sides(text, parse_probability)
}

fn size(text: &str) -> Result<Sides<u64>, Misread> {
    sides(text, parse_size)
}

/// The last one that was given for a direction.
fn last<T: Copy>(given: &[Sides<T>], up: bool) -> Option<T> {
    given.iter().rev().find_map(|sides| if up { sides.up } else { sides.down })
}

impl Cable {
    /// Up and down.
    pub fn faults(&self, sink: &dyn Sink) -> (Faults, Faults) {
        let mut faults = [true, false].map(|up| Faults {
            delay: last(&self.delay, up),
            rate: last(&self.rate, up),
            chunk: last(&self.chunk, up),
            drop: last(&self.drop, up),
            corrupt: last(&self.corrupt, up),
            ending: ending(last(&self.reset_after, up), last(&self.close_after, up)),
            seed: 0,
        });
        if faults.iter().any(Faults::is_chancy) {
            let seed = seed_of(self.seed, sink);
            faults.iter_mut().for_each(|faults| faults.seed = seed);
        }
        let [up, down] = faults;
        (up, down)
    }

    /// Whether `--seed` was given, and nothing that it could be about.
    #[must_use]
    pub fn has_idle_seed(&self) -> bool {
        self.seed.is_some() && self.drop.is_empty() && self.corrupt.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions() {
        let ms = |millis| Some(Duration::from_millis(millis));
        for (text, up, down) in [
            ("50ms", ms(50), ms(50)),
            ("up=50ms", ms(50), None),
            ("down=1", None, ms(1000)),
            ("up=50ms,down=1m 30s", ms(50), ms(90_000)),
        ] {
            assert_eq!(delay(text), Ok(Sides { up, down }), "{text}");
        }
        for (text, at) in [
            ("", 0..0),
            ("up=", 3..3),
            ("left=1", 0..4),
            ("up=1,up=2", 5..9),
            ("1,down=2", 2..8),
            ("up=1,down=2x", 11..12),
            ("up=1,", 5..5),
            ("UP=1", 0..2),
        ] {
            assert_eq!(delay(text).unwrap_err().at, at, "{text}");
        }
        assert_eq!(last(&[delay("1").unwrap(), delay("up=2").unwrap()], true), ms(2000));
        assert_eq!(last(&[delay("1").unwrap(), delay("up=2").unwrap()], false), ms(1000));
    }
}
