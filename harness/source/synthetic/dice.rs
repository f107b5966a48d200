//! Seeded chance, in integers only: the same draws on every machine.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A stream of draws that follows from one seed.
pub struct Dice(ChaCha8Rng);

/// Another seed, from a seed and a label: the SplitMix64 generator (Steele, Lea and Flood, 2014), `label` steps on.
pub fn mix(seed: u64, label: u64) -> u64 {
    let mut z = seed.wrapping_add(label.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Another seed, from a seed and a text.
pub fn mix_text(seed: u64, text: &str) -> u64 {
    text.bytes()
        .fold(mix(seed, text.len() as u64), |seed, byte| {
            mix(seed, byte.into())
        })
}

impl Dice {
    pub fn new(seed: u64) -> Dice {
        // The key is spread out here, so that no other crate decides what a seed means.
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

    /// One of `0..n`, all as likely; 0 when `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.u64()) * u128::from(n)) >> 64) as u64
    }

    /// One of `0..n`, small ones far more often: the product of three even draws, which
    /// spreads about as word counts do.
    pub fn skewed(&mut self, n: u32) -> usize {
        let draw = self.u64();
        let [a, b, c] = [draw & 0xffff, (draw >> 16) & 0xffff, (draw >> 32) & 0xffff];
        ((((a * b) >> 16) * c * u64::from(n)) >> 32) as usize
    }

    /// True `percent` times in a hundred.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }

    /// A size about `median`, spread as file sizes are: the exponent is a sum of four even draws of `octaves`
    /// octaves each, so nearly a bell, and most sizes are within a factor of 2^octaves of the median.
    pub fn size(&mut self, median: u64, octaves: u64) -> u64 {
        let exponent: u64 = (0..4).map(|_| self.below(16 * octaves + 1)).sum();
        // Sixteenths of an octave, a straight line within each octave.
        ((median * (16 + exponent % 16)) << (exponent / 16)) >> (4 + 2 * octaves)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_means_the_same_draws_for_ever() {
        let mut dice = Dice::new(7);
        let draws = [dice.u64(), dice.below(1000), dice.size(4096, 3)];
        assert_eq!(draws, [7387829322293334546, 774, 1024]);
    }

    #[test]
    fn draws_below_a_bound_stay_below_it_and_reach_all_of_it() {
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
