//! Seeded random draws, in integers only, so that they are the same on every machine.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A stream of draws from one seed.
pub struct Dice(ChaCha8Rng);

/// A new seed from a seed and a label: `label` steps of the SplitMix64 generator (Steele, Lea and Flood, 2014).
pub const fn mix(seed: u64, label: u64) -> u64 {
    let mut z = seed.wrapping_add(label.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A new seed from a seed and a text.
pub fn mix_text(seed: u64, text: &str) -> u64 {
    text.bytes()
        .fold(mix(seed, text.len() as u64), |seed, byte| {
            mix(seed, byte.into())
        })
}

/// Bytes without a pattern, the same for the same seed on every machine.
pub fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    Dice::new(seed).bytes(bytes)
}

impl Dice {
    pub fn new(seed: u64) -> Dice {
        // The key is derived here, so that what a seed means does not depend on another crate.
        let mut key = [0; 32];
        for (at, word) in key.chunks_exact_mut(8).enumerate() {
            word.copy_from_slice(&mix(seed, at as u64).to_le_bytes());
        }
        Dice(ChaCha8Rng::from_seed(key))
    }

    pub fn u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    pub fn u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    /// Bytes without a pattern.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.fill(&mut bytes);
        bytes
    }

    /// Uniform in `0..n`, for an index; 0 when `n` is 0.
    pub fn index(&mut self, n: usize) -> usize {
        self.below(n as u64) as usize
    }

    /// Uniform in `0..n`; 0 when `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.u64()) * u128::from(n)) >> 64) as u64
    }

    /// In `0..n`, small numbers far more often: the product of three uniform draws, which is distributed roughly as word
    /// counts are.
    pub fn skewed(&mut self, n: u32) -> usize {
        let draw = self.u64();
        let [a, b, c] = [draw & 0xffff, (draw >> 16) & 0xffff, (draw >> 32) & 0xffff];
        ((((a * b) >> 16) * c * u64::from(n)) >> 32) as usize
    }

    /// True with a probability of `percent`.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.index(from.len())]
    }

    /// A size around `median`, distributed as file sizes are. The exponent is the sum of four uniform draws of `octaves`
    /// octaves each, which is nearly a normal distribution; most sizes are within a factor of 2^octaves of the median.
    pub fn size(&mut self, median: u64, octaves: u64) -> u64 {
        let exponent: u64 = (0..4).map(|_| self.below(16 * octaves + 1)).sum();
        // The exponent is in sixteenths of an octave; within an octave the size is linear.
        ((median * (16 + exponent % 16)) << (exponent / 16)) >> (4 + 2 * octaves)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_draws_forever() {
        let mut dice = Dice::new(7);
        let draws = [dice.u64(), dice.below(1000), dice.size(4096, 3)];
        assert_eq!(draws, [7387829322293334546, 774, 1024]);
    }

    #[test]
    fn draws_below_a_bound_reach_every_number_below_it() {
        let mut dice = Dice::new(1);
        let mut seen = [false; 10];
        for _ in 0..1000 {
            seen[dice.below(10) as usize] = true;
            assert!(dice.skewed(10) < 10);
        }
        assert_eq!(seen, [true; 10]);
        assert_eq!(dice.below(0), 0);
    }

    #[test]
    fn half_of_all_sizes_are_below_the_median() {
        let mut dice = Dice::new(2);
        let mut sizes: Vec<u64> = (0..2001).map(|_| dice.size(4096, 3)).collect();
        sizes.sort_unstable();
        assert!((3600..4700).contains(&sizes[1000]), "{}", sizes[1000]);
        assert!(sizes[2000] > 16 * 4096 && sizes[0] < 4096 / 16);
    }
}
