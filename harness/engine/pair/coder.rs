//! The binary arithmetic coder: one bit at a time, each with a probability.
//!
//! Version 2, frozen. Carryless, as in the lpaq family by Matt Mahoney, with 64-bit bounds: a bit of
//! probability 65535/65536 costs 0.00002 bits, so that long runs of good predictions are nearly free.

use anyhow::{Result, ensure};

use super::cost::{Costs, Part};

/// Codes bits: an encoder writes the bit it is given, a decoder ignores it and returns the one it reads.
///
/// Models are written once, over this trait, so that both directions cannot differ.
pub trait Coder {
    const ENCODES: bool;

    /// Codes `bit`, whose probability of being 1 is `p1 / 65536`; `p1` is 1 to 65535.
    fn bit(&mut self, bit: bool, p1: u32) -> bool;

    /// Says what the next bits tell of.
    fn book(&mut self, _: Part) {}

    /// Whether a decoder has read well past its input, which no encoder's output leads to.
    fn is_overrun(&self) -> bool;
}

/// The bounds of the interval that the bits so far have selected.
struct Interval {
    low: u64,
    high: u64,
}

impl Interval {
    const WHOLE: Self = Self {
        low: 0,
        high: u64::MAX,
    };

    /// The last value of the part for a 1. It is at least `low` and below `high`.
    fn split(&self, p1: u32) -> u64 {
        let range = self.high - self.low;
        let p1 = u64::from(p1);
        self.low + (range >> 16) * p1 + (((range & 0xffff) * p1) >> 16)
    }

    fn narrow(&mut self, bit: bool, middle: u64) {
        match bit {
            true => self.high = middle,
            false => self.low = middle + 1,
        }
    }

    fn is_settled(&self) -> bool {
        (self.low ^ self.high) >> 56 == 0
    }

    fn shift(&mut self) {
        self.low <<= 8;
        self.high = self.high << 8 | 0xff;
    }

    /// The fewest bytes that, followed by zeros, are inside the interval.
    fn last_bytes(&self) -> Vec<u8> {
        for count in 0..8 {
            let kept = match count {
                0 => 0,
                _ => self.high & (u64::MAX << (64 - 8 * count)),
            };
            if kept >= self.low {
                return kept.to_be_bytes()[..count].to_vec();
            }
        }
        self.high.to_be_bytes().to_vec()
    }
}

/// Writes bits.
pub struct BitWriter {
    interval: Interval,
    bytes: Vec<u8>,
    pub costs: Costs,
}

impl BitWriter {
    pub fn new() -> Self {
        Self {
            interval: Interval::WHOLE,
            bytes: Vec::new(),
            costs: Costs::new(),
        }
    }

    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.extend(self.interval.last_bytes());
        self.bytes
    }
}

impl Coder for BitWriter {
    const ENCODES: bool = true;

    fn book(&mut self, part: Part) {
        self.costs.book(part);
    }

    #[inline]
    fn bit(&mut self, bit: bool, p1: u32) -> bool {
        self.costs.add(bit, p1);
        let middle = self.interval.split(p1);
        self.interval.narrow(bit, middle);
        while self.interval.is_settled() {
            self.bytes.push((self.interval.high >> 56) as u8);
            self.interval.shift();
        }
        bit
    }

    fn is_overrun(&self) -> bool {
        false
    }
}

/// Reads bits; zeros follow the end of its input.
pub struct BitReader<'a> {
    interval: Interval,
    value: u64,
    bytes: &'a [u8],
    /// Bytes taken into `value`, those past the end counted.
    taken: usize,
}

impl<'a> BitReader<'a> {
    /// Bytes taken so far, as far as there were any.
    pub fn taken(&self) -> usize {
        self.taken.saturating_sub(8).min(self.bytes.len())
    }

    pub fn new(bytes: &'a [u8]) -> Self {
        let mut reader = Self {
            interval: Interval::WHOLE,
            value: 0,
            bytes,
            taken: 0,
        };
        for _ in 0..8 {
            reader.take();
        }
        reader
    }

    fn take(&mut self) {
        let byte = self.bytes.get(self.taken).copied().unwrap_or(0);
        self.value = self.value << 8 | u64::from(byte);
        self.taken = self.taken.saturating_add(1);
    }

    /// Fails unless the input is exactly what the writer of these bits would have made.
    pub fn finish(self) -> Result<()> {
        let settled = self.taken - 8;
        let last = self.interval.last_bytes();
        ensure!(
            self.bytes.get(settled..) == Some(&last[..]),
            "the coded bits do not end where their stream ends"
        );
        Ok(())
    }
}

impl Coder for BitReader<'_> {
    const ENCODES: bool = false;

    #[inline]
    fn bit(&mut self, _: bool, p1: u32) -> bool {
        let middle = self.interval.split(p1);
        let bit = self.value <= middle;
        self.interval.narrow(bit, middle);
        while self.interval.is_settled() {
            self.interval.shift();
            self.take();
        }
        bit
    }

    fn is_overrun(&self) -> bool {
        self.taken > self.bytes.len() + 8
    }
}
