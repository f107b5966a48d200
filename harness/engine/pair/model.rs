//! Adaptive bits, numbers and bytes: what a direct context learns.
//!
//! Version 2, frozen: every constant here decides bytes.

use super::coder::Coder;

/// A probability that learns: fast at first, then by one part in `LIMIT`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Bit(u32);

/// Observations after which a bit's rate of learning stays the same.
pub const SLOW: u32 = 1000;
pub const QUICK: u32 = 60;

/// 65536 / (n + 1.5): the weight of observation n.
static WEIGHTS: [u32; 1024] = {
    let mut weights = [0; 1024];
    let mut n = 0;
    while n < 1024 {
        weights[n] = 131_072 / (2 * n as u32 + 3);
        n += 1;
    }
    weights
};

impl Bit {
    /// 22 bits of probability, 10 bits of count.
    pub const EVEN: Self = Self(1 << 31);

    /// A mark that is no bit.
    pub fn owned_by(hash: u32) -> Self {
        Self(hash)
    }

    /// The probability of a 1, in 65536ths, 1 to 65535.
    #[inline]
    pub fn p1(self) -> u32 {
        (self.0 >> 16).clamp(1, 65_535)
    }

    /// Observations so far, up to 1023.
    #[inline]
    pub fn count(self) -> u32 {
        self.0 & 1023
    }

    #[inline]
    pub fn learn(&mut self, bit: bool, limit: u32) {
        let count = self.count();
        let p = (self.0 >> 10) as i64;
        let weight = i64::from(WEIGHTS[count as usize]);
        // Rounded outwards, so that both ends are reached.
        let moved = match bit {
            true => p + ((((1 << 22) - 1 - p) * weight + 65_535) >> 16),
            false => p - ((p * weight + 65_535) >> 16),
        };
        let count = if count < limit { count + 1 } else { count };
        self.0 = (moved as u32) << 10 | count;
    }

    #[inline]
    pub fn code<C: Coder>(&mut self, coder: &mut C, bit: bool, limit: u32) -> bool {
        let bit = coder.bit(bit, self.p1());
        self.learn(bit, limit);
        bit
    }
}

/// Codes unsigned numbers: their length in bits, then the bits below the first.
pub struct Number {
    lengths: [Bit; 64],
    tops: Vec<Bit>,
}

impl Number {
    pub fn new() -> Self {
        Self {
            lengths: [Bit::EVEN; 64],
            tops: vec![Bit::EVEN; 33 * 16],
        }
    }

    /// Any `u32`. The three bits below the first are modelled, the others are sent as they are.
    pub fn code<C: Coder>(&mut self, coder: &mut C, value: u32) -> u32 {
        let wanted = 32 - value.leading_zeros();
        let mut node = 1;
        for shift in (0..6).rev() {
            let bit = self.lengths[node].code(coder, wanted >> shift & 1 == 1, QUICK);
            node = node * 2 + usize::from(bit);
        }
        let length = (node as u32 & 63).min(32);
        if length < 2 {
            return length;
        }
        let mut number = 1;
        let mut top = 1;
        for at in (0..length - 1).rev() {
            let bit = value >> at & 1 == 1;
            let bit = match length - 2 - at < 3 {
                true => self.tops[length as usize * 16 + top].code(coder, bit, QUICK),
                false => coder.bit(bit, 32_768),
            };
            top = (top * 2 + usize::from(bit)) & 15;
            number = number << 1 | u32::from(bit);
        }
        number
    }
}

/// Maps signed to unsigned: 0, -1, 1, -2, 2 become 0, 1, 2, 3, 4.
pub fn fold(value: i32) -> u32 {
    ((value << 1) ^ (value >> 31)) as u32
}

/// The inverse of [`fold`].
pub fn unfold(value: u32) -> i32 {
    (value >> 1) as i32 ^ -((value & 1) as i32)
}
