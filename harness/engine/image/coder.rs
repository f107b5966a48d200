//! The arithmetic coder of the script, and the adaptive models before it. Integers only: the same on every machine.
//!
//! A binary arithmetic coder as in Mahoney's lpaq (32-bit interval, top bytes leave as soon as they agree), with
//! 16-bit probabilities. Several contexts vote on each bit; a small mixer learns whom to trust.

use std::sync::LazyLock;

/// log2 of the number of slots in the table that all contexts share.
const TABLE_BITS: u32 = 20;
/// Contexts that may vote on one bit.
const MOST_CONTEXTS: usize = 10;
/// Sets of mixer weights: a caller's `set` is taken modulo this.
const SETS: usize = 256;
/// Bytes that a reader may be asked for beyond the end: an honest stream needs fewer than four.
const SLACK_BYTES: usize = 8;

/// Which way the coder works. One function codes a field in both directions, so that they cannot differ.
enum Way {
    Writing(Vec<u8>),
    Reading {
        coded: Vec<u8>,
        at: usize,
        word: u32,
    },
}

/// A stream of bits, each coded with what the contexts expect of it.
pub struct Coder {
    way: Way,
    low: u32,
    high: u32,
    model: Model,
}

impl Coder {
    pub fn writing() -> Coder {
        Coder::going(Way::Writing(Vec::new()))
    }

    pub fn reading(coded: Vec<u8>) -> Coder {
        let mut coder = Coder::going(Way::Reading {
            coded,
            at: 0,
            word: 0,
        });
        for _ in 0..4 {
            coder.take_byte();
        }
        coder
    }

    fn going(way: Way) -> Coder {
        Coder {
            way,
            low: 0,
            high: u32::MAX,
            model: Model::new(),
        }
    }

    pub fn is_writing(&self) -> bool {
        matches!(self.way, Way::Writing(_))
    }

    /// Whether a reader has gone beyond the end of its stream, so that what it reads is made up.
    pub fn ran_out(&self) -> bool {
        match &self.way {
            Way::Writing(_) => false,
            Way::Reading { coded, at, .. } => *at > coded.len() + SLACK_BYTES,
        }
    }

    /// One bit: the given one when writing, the one found when reading. `contexts` are what may foretell it (hashes),
    /// `set` chooses the mixer's weights.
    pub fn bit(&mut self, set: u32, contexts: &[u32], bit: bool) -> bool {
        let chance = self.model.predict(set, contexts);
        let range = self.high - self.low;
        let middle = self.low + ((u64::from(range) * u64::from(chance)) >> 16) as u32;
        let bit = match &self.way {
            Way::Writing(_) => bit,
            Way::Reading { word, .. } => *word <= middle,
        };
        if bit {
            self.high = middle;
        } else {
            self.low = middle + 1;
        }
        self.model.learn(bit);
        while (self.low ^ self.high) >> 24 == 0 {
            if let Way::Writing(out) = &mut self.way {
                out.push((self.high >> 24) as u8);
            } else {
                self.take_byte();
            }
            self.low <<= 8;
            self.high = self.high << 8 | 255;
        }
        bit
    }

    fn take_byte(&mut self) {
        if let Way::Reading { coded, at, word } = &mut self.way {
            let byte = coded.get(*at).copied().unwrap_or(0);
            *word = *word << 8 | u32::from(byte);
            *at += 1;
        }
    }

    /// The coded stream. A reader takes zeros for what follows it, so it ends with as few bytes as name a number
    /// in the interval.
    pub fn finish(self) -> Vec<u8> {
        let Way::Writing(mut out) = self.way else {
            return Vec::new();
        };
        for bytes in 0..=4_u32 {
            let below = u32::MAX.checked_shr(8 * bytes).unwrap_or(0);
            let number = if bytes == 0 {
                0
            } else {
                match self.low.checked_add(below) {
                    Some(sum) => sum & !below,
                    None => continue,
                }
            };
            if self.low <= number && number <= self.high {
                out.extend(&number.to_be_bytes()[..bytes as usize]);
                break;
            }
        }
        while out.last() == Some(&0) {
            out.pop();
        }
        out
    }
}

/// One context's experience: a probability of a 1 in 22 bits, and how often it was asked in 10.
#[derive(Clone, Copy)]
struct Slot(u32);

impl Slot {
    const FRESH: Slot = Slot(1 << 31);

    fn chance(self) -> u32 {
        self.0 >> 20
    }

    fn times(self) -> u32 {
        self.0 & 1023
    }

    /// Moves towards `bit` by 1/(n + 1.5), in the end by 1/`limit`.
    fn learn(&mut self, bit: bool, limit: u32) {
        let times = self.times();
        let p = i64::from(self.0 >> 10);
        let target = if bit { (1 << 22) - 1 } else { 0 };
        let step = (target - p) * 2 / i64::from(2 * times + 3);
        let p = (p + step).clamp(0, (1 << 22) - 1) as u32;
        self.0 = p << 10 | (times + 1).min(limit);
    }
}

struct Model {
    slots: Vec<Slot>,
    weights: Vec<[i32; MOST_CONTEXTS * 2]>,
    used: usize,
    set: usize,
    at: [usize; MOST_CONTEXTS],
    inputs: [i32; MOST_CONTEXTS * 2],
    said: i32,
}

impl Model {
    fn new() -> Model {
        Model {
            slots: vec![Slot::FRESH; 1 << TABLE_BITS],
            weights: vec![[0; MOST_CONTEXTS * 2]; SETS * MOST_CONTEXTS],
            used: 0,
            set: 0,
            at: [0; MOST_CONTEXTS],
            inputs: [0; MOST_CONTEXTS * 2],
            said: 0,
        }
    }

    /// Probability of a 1 in 16 bits, never 0 or 65536.
    fn predict(&mut self, set: u32, contexts: &[u32]) -> u32 {
        let curves = &*CURVES;
        self.used = contexts.len().min(MOST_CONTEXTS);
        // Weights are kept apart by the number of contexts too, so that a fresh set starts with an even vote.
        self.set = (set as usize % SETS) * MOST_CONTEXTS + self.used - 1;
        let weights = &mut self.weights[self.set];
        if weights[0] == 0 {
            let even = (65536 * 13 / 10) / self.used as i32;
            weights[..2 * self.used].fill(even / 2);
            weights[0] |= 1;
        }
        let mut sum: i64 = 0;
        for (k, context) in contexts.iter().take(MOST_CONTEXTS).enumerate() {
            let mixed = (context.wrapping_add(k as u32)).wrapping_mul(0x9E37_79B1);
            let mixed = (mixed ^ mixed >> 15).wrapping_mul(0x85EB_CA6B);
            let at = (mixed >> (32 - TABLE_BITS)) as usize;
            self.at[k] = at;
            let slot = self.slots[at];
            let stretched = curves.stretch(slot.chance());
            // What a slot says counts by how much it has seen: the second input is silent until it is sure.
            self.inputs[2 * k] = stretched;
            self.inputs[2 * k + 1] = if slot.times() == 0 {
                0
            } else {
                (slot.chance() as i32 - 2048) * slot.times().min(16) as i32 / 16
            };
            sum += i64::from(weights[2 * k]) * i64::from(self.inputs[2 * k])
                + i64::from(weights[2 * k + 1]) * i64::from(self.inputs[2 * k + 1]);
        }
        let dot = (sum >> 16).clamp(-2047 * 16, 2047 * 16) as i32;
        self.said = curves.squash(dot);
        self.said.clamp(1, 65535) as u32
    }

    fn learn(&mut self, bit: bool) {
        let error = (if bit { 65535 } else { 0 }) - self.said;
        let weights = &mut self.weights[self.set];
        for (weight, input) in weights.iter_mut().zip(&self.inputs).take(2 * self.used) {
            let step = (i64::from(*input) * i64::from(error) * 3) >> 14;
            *weight = (i64::from(*weight) + step).clamp(-(1 << 22), 1 << 22) as i32;
        }
        for at in &self.at[..self.used] {
            self.slots[*at].learn(bit, 510);
        }
    }
}

/// The logistic function and its inverse, in integers (as in paq8: squash by interpolation in a table).
struct Curves {
    /// squash(x) for x = -2047..=2047 in steps of 1/256, as 16-bit probabilities.
    squash: Vec<u16>,
    /// stretch(p) for a 12-bit p, in 1/256.
    stretch: Vec<i16>,
}

static CURVES: LazyLock<Curves> = LazyLock::new(Curves::new);

impl Curves {
    fn new() -> Curves {
        // 65536 / (1 + e^-x) for x = -8..=8 in steps of 1/2, rounded: written down, so that no machine computes it.
        const KNOTS: [u32; 33] = [
            22, 36, 60, 98, 162, 267, 439, 720, 1179, 1921, 3108, 4971, 7812, 11955, 17625, 24743,
            32768, 40793, 47911, 53581, 57724, 60565, 62428, 63615, 64357, 64816, 65097, 65269,
            65374, 65438, 65476, 65500, 65514,
        ];
        let squash: Vec<u16> = (-2047..=2047_i32)
            .map(|x| {
                let place = x + 2048;
                let (knot, rest) = ((place >> 7) as usize, (place & 127) as u32);
                ((KNOTS[knot] * (128 - rest) + KNOTS[(knot + 1).min(32)] * rest) >> 7) as u16
            })
            .collect();
        let mut stretch = vec![2047_i16; 4096];
        let mut filled = 0;
        for (index, p) in squash.iter().enumerate() {
            let p = usize::from(*p >> 4);
            if filled <= p {
                stretch[filled..=p].fill(index as i16 - 2047);
                filled = p + 1;
            }
        }
        Curves { squash, stretch }
    }

    fn stretch(&self, chance: u32) -> i32 {
        i32::from(self.stretch[chance as usize & 4095])
    }

    /// A 16-bit probability. Beyond the table it goes on towards certainty: long runs must be nearly free.
    fn squash(&self, x: i32) -> i32 {
        if x > 2047 {
            return 65535 - (22 >> ((x - 2047) >> 8).min(5));
        }
        if x < -2047 {
            return 22 >> ((-2047 - x) >> 8).min(5);
        }
        i32::from(self.squash[(x + 2047) as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let bits: Vec<bool> = (0..20_000_u32)
            .map(|n| n.wrapping_mul(0x9E37_79B1) >> 28 > (n >> 11))
            .collect();
        let mut writer = Coder::writing();
        for (n, bit) in bits.iter().enumerate() {
            writer.bit(3, &[n as u32 & 7, 1000 + (n as u32 >> 11)], *bit);
        }
        let coded = writer.finish();
        let mut reader = Coder::reading(coded);
        for (n, bit) in bits.iter().enumerate() {
            let read = reader.bit(3, &[n as u32 & 7, 1000 + (n as u32 >> 11)], false);
            assert_eq!(read, *bit, "bit {n}");
        }
        assert!(!reader.ran_out());
    }

    #[test]
    fn what_always_comes_costs_next_to_nothing() {
        let mut writer = Coder::writing();
        for _ in 0..100_000 {
            writer.bit(0, &[7, 8], true);
        }
        assert!(writer.finish().len() < 40);
    }

    #[test]
    fn every_short_stream_ends_where_a_reader_finds_it() {
        for length in 0..200_u32 {
            for seed in 0..40_u32 {
                let bit =
                    |n: u32| (n + 1).wrapping_mul(seed.wrapping_mul(2_654_435_761) | 1) >> 31 == 1;
                let mut writer = Coder::writing();
                (0..length).for_each(|n| {
                    writer.bit(0, &[n & 3], bit(n));
                });
                let mut reader = Coder::reading(writer.finish());
                for n in 0..length {
                    assert_eq!(reader.bit(0, &[n & 3], false), bit(n));
                }
            }
        }
    }
}
