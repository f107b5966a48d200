//! A block of a deflate stream: symbols gathered and counted, and the three forms they can be written in.

use super::bits::Bits;
use super::codes::{
    Code, DISTANCE_CODES, DISTANCE_EXTRA, END_OF_BLOCK, LENGTH_CODES, ORDER, distance_code,
    extra_of_distance, extra_of_length, length_code,
};

/// A symbol: a literal when the distance is 0.
#[derive(Clone, Copy)]
struct Symbol {
    distance: u16,
    /// A literal, or a length less 3.
    value: u8,
}

/// The block being gathered and the bits not yet taken.
pub struct Block {
    symbols: Vec<Symbol>,
    pub lengths: [u32; LENGTH_CODES],
    pub distances: [u32; DISTANCE_CODES],
    copies: usize,
    pub bits: Bits,
}

impl Block {
    pub fn new() -> Block {
        let mut block = Block {
            symbols: Vec::new(),
            lengths: [0; LENGTH_CODES],
            distances: [0; DISTANCE_CODES],
            copies: 0,
            bits: Bits::default(),
        };
        block.clear();
        block
    }

    pub fn clear(&mut self) {
        self.symbols.clear();
        self.lengths.fill(0);
        self.lengths[END_OF_BLOCK] = 1;
        self.distances.fill(0);
        self.copies = 0;
    }

    pub fn symbols(&self) -> usize {
        self.symbols.len()
    }

    pub fn copies(&self) -> usize {
        self.copies
    }

    pub fn literal(&mut self, byte: u8) {
        self.lengths[usize::from(byte)] += 1;
        self.symbols.push(Symbol {
            distance: 0,
            value: byte,
        });
    }

    /// `length` is 3 to 258, `distance` 1 to 32768.
    pub fn copy(&mut self, length: usize, distance: usize) {
        self.lengths[END_OF_BLOCK + 1 + length_code(length).0] += 1;
        self.distances[distance_code(distance).0] += 1;
        self.copies += 1;
        self.symbols.push(Symbol {
            distance: distance as u16,
            value: (length - 3) as u8,
        });
    }

    /// GNU gzip's guess at what the block will take: a byte a symbol, and the distances.
    pub fn estimate_bytes(&self) -> usize {
        let distances = self.distances.iter().zip(DISTANCE_EXTRA);
        let bits: usize = distances
            .map(|(count, extra)| *count as usize * (5 + usize::from(extra)))
            .sum();
        (self.symbols.len() * 8 + bits) >> 3
    }

    /// The bits of all symbols under these codes.
    pub fn size(&self, literals: &Code, distances: &Code) -> u64 {
        literals.size(&self.lengths, &extra_of_length)
            + distances.size(&self.distances, &extra_of_distance)
    }

    pub fn put_fixed(&mut self, last: bool) {
        self.bits.put(1 << 1 | u32::from(last), 3);
        self.put_symbols(&Code::fixed_literals(), &Code::fixed_distances());
    }

    pub fn put_dynamic(&mut self, literals: &Code, distances: &Code, trees: &Trees, last: bool) {
        self.bits.put(2 << 1 | u32::from(last), 3);
        trees.put(literals, distances, &mut self.bits);
        self.put_symbols(literals, distances);
    }

    fn put_symbols(&mut self, literals: &Code, distances: &Code) {
        for symbol in &self.symbols {
            if symbol.distance == 0 {
                literals.put(usize::from(symbol.value), &mut self.bits);
                continue;
            }
            let (code, offset, extra) = length_code(usize::from(symbol.value) + 3);
            literals.put_with(END_OF_BLOCK + 1 + code, offset, extra, &mut self.bits);
            let (code, offset, extra) = distance_code(usize::from(symbol.distance));
            distances.put_with(code, offset, extra, &mut self.bits);
        }
        literals.put(END_OF_BLOCK, &mut self.bits);
    }
}

/// A run of code lengths: a length or 16 to 18, with the run's bits and how many.
pub type Run = (usize, u32, u32);

/// How often each symbol comes in runs.
pub fn count_runs(runs: &[Run]) -> [u32; 19] {
    let mut counts = [0; 19];
    runs.iter().for_each(|(symbol, _, _)| counts[*symbol] += 1);
    counts
}

/// The two codes of a block, written as runs of lengths under a third code.
pub struct Trees {
    runs: Vec<Run>,
    code: Code,
    written: usize,
    /// What they take, without the block's first three bits.
    pub bits: u64,
}

impl Trees {
    /// The runs under a code built from their counts.
    pub fn of(runs: Vec<Run>, code: Code) -> Trees {
        let extra = |symbol: usize| [2, 3, 7].get(symbol.wrapping_sub(16)).copied().unwrap_or(0);
        let written = (4..=19)
            .rev()
            .find(|n| *n == 4 || code.lengths[ORDER[n - 1]] > 0)
            .unwrap_or(4);
        let bits = code.size(&count_runs(&runs), &extra) + 3 * written as u64 + 5 + 5 + 4;
        Trees {
            runs,
            code,
            written,
            bits,
        }
    }

    fn put(&self, literals: &Code, distances: &Code, to: &mut Bits) {
        to.put(literals.last() as u32 + 1 - 257, 5);
        to.put(distances.last() as u32, 5);
        to.put(self.written as u32 - 4, 4);
        for place in &ORDER[..self.written] {
            to.put(u32::from(self.code.lengths[*place]), 3);
        }
        for (symbol, run, bits) in &self.runs {
            self.code.put_with(*symbol, *run, *bits, to);
        }
    }
}
