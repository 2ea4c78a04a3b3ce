//! What a cable does wrong on purpose, in one direction.
//!
//! They are combined in this order: of what came, some is dropped, some of the rest is damaged, it is cut to what
//! `ending` leaves, comes later by `delay`, and goes on in pieces (`chunk`) as fast as `rate` allows. What chance
//! decides, it decides for each byte (dropping messages: for each message), so how the bytes were cut into reads
//! changes nothing.

use std::time::{Duration, Instant};

use crate::value::Rate;
use crate::work::chance::Chance;
use crate::work::handler::Ending;
use crate::work::link::Link;

use super::Way;

/// How much may be under way between one end and the other while it is delayed, in bytes: beyond it nothing more is
/// read.
pub(super) const IN_FLIGHT: usize = 4 << 20;

/// At a limited rate, a piece of a stream is as much as may pass in this time.
const BEAT: Duration = Duration::from_millis(20);

/// See the module. The default has no fault.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// What comes, comes so much later.
    pub delay: Option<Duration>,
    /// No faster. Of messages each passes whole, and the next one waits for what it cost.
    pub rate: Option<Rate>,
    /// In pieces of so many bytes, each a write of its own; where there are messages, a message of its own.
    pub chunk: Option<usize>,
    /// How likely it is for each byte of a stream, or each message, to be lost, from 0 to 1.
    pub drop: Option<f64>,
    /// How likely it is for each byte to have a bit flipped, from 0 to 1.
    pub corrupt: Option<f64>,
    /// Ends the session when so many bytes have passed.
    pub ending: Option<Ending>,
    /// The same seed drops and damages the same bytes of the n-th session.
    pub seed: u64,
}

impl Faults {
    /// Whether there is none.
    #[must_use]
    pub fn is_none(&self) -> bool {
        matches!(self, Self { delay: None, rate: None, chunk: None, drop: None, corrupt: None, ending: None, seed: _ })
    }

    /// Whether chance has a part in it.
    #[must_use]
    pub fn is_chancy(&self) -> bool {
        self.drop.is_some() || self.corrupt.is_some()
    }
}

/// The faults of one direction of one session, as it goes on.
pub(super) struct Damage<'f> {
    faults: &'f Faults,
    drops: Chance,
    flips: Chance,
    /// Bytes until it ends.
    left: Option<u64>,
}

/// What was done to a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Done {
    /// Bytes that were dropped.
    pub(super) dropped: u64,
    /// Bytes that were damaged.
    pub(super) flipped: u64,
    /// Whether the message as such is gone: of a stream, whether nothing is left.
    pub(super) gone: bool,
}

impl<'f> Damage<'f> {
    pub(super) fn new(faults: &'f Faults, way: Way, session: u64) -> Self {
        // Four sequences that have nothing in common, so that one fault changes nothing about another.
        let seed = |nth: u64| {
            let nth = nth + 2 * u64::from(way == Way::Down);
            faults.seed.wrapping_add(nth.wrapping_mul(0x2545_f491_4f6c_dd1d))
        };
        Self {
            faults,
            drops: Chance::new(seed(0), session),
            flips: Chance::new(seed(1), session),
            left: faults.ending.map(|ending| ending.after),
        }
    }

    /// Does it to what one read brought.
    pub(super) fn to(&mut self, bytes: &mut Vec<u8>, is_message: bool) -> Done {
        let mut done = Done { dropped: 0, flipped: 0, gone: false };
        if let Some(probability) = self.faults.drop {
            let before = bytes.len();
            if !is_message {
                bytes.retain(|_| !self.drops.strikes(probability));
            } else if self.drops.strikes(probability) {
                bytes.clear();
                done.gone = true;
            }
            done.dropped = (before - bytes.len()) as u64;
        }
        if let Some(probability) = self.faults.corrupt {
            for byte in bytes.iter_mut() {
                let before = *byte;
                self.flips.damage(byte, probability);
                done.flipped += u64::from(*byte != before);
            }
        }
        if let Some(left) = &mut self.left {
            bytes.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= bytes.len() as u64;
        }
        done.gone |= !is_message && bytes.is_empty();
        done
    }

    /// How the session is to end now, if it is.
    pub(super) fn ending(&self) -> Option<Ending> {
        self.faults.ending.filter(|_| self.left == Some(0))
    }
}

/// Sends what is left of it, in its pieces and no faster than it may.
pub(super) struct Pace<'f> {
    faults: &'f Faults,
    /// When the next piece may go.
    not_before: Instant,
}

impl<'f> Pace<'f> {
    pub(super) fn new(faults: &'f Faults) -> Self {
        Self { faults, not_before: Instant::now() }
    }

    /// The size of pieces, of a stream and of messages.
    pub(super) fn piece(&self, is_stream: bool) -> usize {
        let beat = self.faults.rate.filter(|_| is_stream).map(|rate| {
            let bytes = rate.bytes as f64 * BEAT.as_secs_f64() / rate.per.as_secs_f64();
            // Saturates.
            (bytes as usize).max(1)
        });
        [self.faults.chunk, beat].into_iter().flatten().min().unwrap_or(usize::MAX)
    }

    /// Waits until so many bytes may go.
    pub(super) async fn wait(&mut self, bytes: usize) {
        let Some(rate) = self.faults.rate else { return };
        tokio::time::sleep_until(self.not_before.into()).await;
        let cost = rate.per.mul_f64(bytes as f64 / rate.bytes as f64);
        // What a late timer lost is made up for, but no pause before is.
        let now = Instant::now();
        let begun = self.not_before.max(now.checked_sub(BEAT).unwrap_or(now));
        self.not_before = begun.checked_add(cost).unwrap_or(begun);
    }
}

/// Tells what was done.
pub(super) fn tell(client: &Link, way: Way, done: Done) {
    use crate::event::Event;
    let direction = way.name();
    if done.dropped > 0 || done.gone {
        client.sink().emit(Some(client.id), &Event::Fault { direction, fault: "drop", bytes: done.dropped });
    }
    if done.flipped > 0 {
        client.sink().emit(Some(client.id), &Event::Fault { direction, fault: "corrupt", bytes: done.flipped });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(faults: &Faults, way: Way, pieces: usize) -> Vec<u8> {
        let mut damage = Damage::new(faults, way, 1);
        let bytes: Vec<u8> = (0..10_000u32).map(|n| n as u8).collect();
        bytes
            .chunks(pieces)
            .flat_map(|piece| {
                let mut piece = piece.to_vec();
                damage.to(&mut piece, false);
                piece
            })
            .collect()
    }

    #[test]
    fn how_it_is_read_changes_nothing() {
        let ending = Some(Ending { after: 7000, reset: true });
        let faults = Faults { drop: Some(0.1), corrupt: Some(0.1), ending, seed: 7, ..Faults::default() };
        let whole = passed(&faults, Way::Up, 10_000);
        assert_eq!(whole.len(), 7000);
        assert_eq!(whole, passed(&faults, Way::Up, 1));
        assert_eq!(whole, passed(&faults, Way::Up, 777));
        assert_ne!(whole, passed(&faults, Way::Down, 777));
    }

    #[test]
    fn one_fault_changes_nothing_about_another() {
        let drop = Faults { drop: Some(0.1), seed: 7, ..Faults::default() };
        let dropped = passed(&drop, Way::Up, 100);
        let damaged = passed(&Faults { corrupt: Some(0.01), ..drop }, Way::Up, 100);
        assert_eq!(dropped.len(), damaged.len());
        let differ = dropped.iter().zip(&damaged).filter(|(one, other)| one != other).count();
        assert!((50..150).contains(&differ), "{differ}");
    }

    #[test]
    fn messages_are_lost_whole() {
        let faults = Faults { drop: Some(0.5), seed: 7, ..Faults::default() };
        let mut damage = Damage::new(&faults, Way::Up, 1);
        let gone = (0..1000)
            .filter(|_| {
                let mut message = vec![1; 10];
                let done = damage.to(&mut message, true);
                assert_eq!(message.is_empty(), done.gone);
                done.gone
            })
            .count();
        assert!((400..600).contains(&gone), "{gone}");
        let none = Done { dropped: 0, flipped: 0, gone: false };
        assert_eq!(Damage::new(&Faults::default(), Way::Up, 1).to(&mut Vec::new(), true), none);
    }
}
