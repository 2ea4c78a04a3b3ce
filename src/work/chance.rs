//! Chance that can be had again: the same seed does the same to the same bytes of the n-th session.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

/// A seed that nobody can foresee.
#[must_use]
pub fn any_seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Random numbers that can be had again: xorshift64* (Vigna, "An experimental exploration of Marsaglia's xorshift
/// generators, scrambled", 2016).
pub(super) struct Chance(u64);

impl Chance {
    /// For a session, by its number.
    pub(super) fn new(seed: u64, session: u64) -> Self {
        // The finaliser of splitmix64: near seeds and near sessions have nothing in common.
        let mut mixed = seed.wrapping_add(session.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self((mixed ^ (mixed >> 31)).max(1))
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Whether something of this probability comes about.
    pub(super) fn strikes(&mut self, probability: f64) -> bool {
        is_below(self.next(), probability)
    }

    /// Flips a bit of the byte, with this probability.
    pub(super) fn damage(&mut self, byte: &mut u8, probability: f64) {
        let number = self.next();
        // The bit to flip comes from those that are left.
        if is_below(number, probability) {
            *byte ^= 1 << (number & 7);
        }
    }
}

/// 53 bits are what a float from 0 to 1 holds.
fn is_below(number: u64, probability: f64) -> bool {
    ((number >> 11) as f64) < probability * (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn damaged(seed: u64, session: u64, probability: f64) -> Vec<u8> {
        let mut bytes = vec![0x55; 100_000];
        let mut chance = Chance::new(seed, session);
        bytes.iter_mut().for_each(|byte| chance.damage(byte, probability));
        bytes
    }

    #[test]
    fn as_much_is_damaged_as_was_asked_for() {
        for (probability, wanted) in [(0.0, 0..1), (0.01, 800..1200), (0.5, 49_000..51_000), (1.0, 100_000..100_001)] {
            let count = damaged(7, 1, probability).iter().filter(|byte| **byte != 0x55).count();
            assert!(wanted.contains(&count), "{probability}: {count}");
        }
    }

    #[test]
    fn the_same_seed_damages_the_same_bytes() {
        assert_eq!(damaged(0, 1, 0.1), damaged(0, 1, 0.1));
        assert_ne!(damaged(0, 1, 0.1), damaged(1, 1, 0.1));
        assert_ne!(damaged(0, 1, 0.1), damaged(0, 2, 0.1));
    }
}
