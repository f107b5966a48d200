//! Deflate as Go writes it at level 1, its fastest: a search in the manner of Snappy, over blocks of 65,535 bytes.
//!
//! It knows one place for each hash. Where it finds nothing it takes longer and longer steps.

use super::block::Block;
use super::chains::common;
use super::go_codes;

const BLOCK_BYTES: usize = 65_535;
const FARTHEST: usize = 1 << 15;
const MAX_MATCH: usize = 258;
const MIN_MATCH: usize = 4;
const HASH_BITS: u32 = 14;
/// No search starts this near the end of a block.
const MARGIN: usize = 15;
/// The end of the contents, when it is shorter than this, is not searched.
const SEARCHED: usize = 128;
/// The end of the contents, when it is no longer than this, is stored.
const STORED: usize = 16;

/// Four bytes and where they start: one more than their place from the first byte held, or 0.
#[derive(Clone, Copy)]
struct Seen {
    bytes: u32,
    place: u32,
}

pub struct GoFast {
    seen: Vec<Seen>,
    /// The block before and this one, which starts at `start`.
    input: Vec<u8>,
    start: usize,
    block: Block,
}

impl GoFast {
    pub fn new() -> GoFast {
        let nothing = Seen { bytes: 0, place: 0 };
        GoFast {
            seen: vec![nothing; 1 << HASH_BITS],
            input: Vec::new(),
            start: 0,
            block: Block::new(),
        }
    }

    pub fn feed(&mut self, mut more: &[u8]) {
        while !more.is_empty() {
            let room = self.start + BLOCK_BYTES - self.input.len();
            let (now, later) = more.split_at(more.len().min(room));
            self.input.extend_from_slice(now);
            more = later;
            if now.len() == room {
                self.end_block();
            }
        }
    }

    /// The last block is an empty stored one.
    pub fn finish(&mut self) {
        let left = self.input.len() - self.start;
        if left >= SEARCHED {
            self.end_block();
        } else if left > STORED {
            self.literals(self.start, self.input.len());
            go_codes::end_fast(&mut self.block, &self.input[self.start..]);
        } else if left > 0 {
            let contents = &self.input[self.start..];
            self.block.bits.put_stored(contents, false);
        }
        self.block.bits.put_stored(&[], true);
    }

    pub fn take_bytes(&mut self) -> Vec<u8> {
        self.block.bits.take_bytes()
    }

    fn end_block(&mut self) {
        self.search();
        // Matches that save less than a sixteenth are not worth it.
        let contents = self.input.len() - self.start;
        if self.block.symbols() > contents - contents / 16 {
            self.block.clear();
            self.literals(self.start, self.input.len());
        }
        go_codes::end_fast(&mut self.block, &self.input[self.start..]);
        self.input.drain(..self.start);
        for seen in &mut self.seen {
            seen.place = seen.place.saturating_sub(self.start as u32);
        }
        self.start = self.input.len();
    }

    fn search(&mut self) {
        let end = self.input.len();
        let (mut at, mut written) = (self.start, self.start);
        while let Some((found, candidate)) = self.next_match(at) {
            self.literals(written, found);
            at = found;
            let mut candidate = Some(candidate);
            while let Some(from) = candidate {
                let (other, scan) = (&self.input[from..], &self.input[at..]);
                let length = common(other, &scan[..scan.len().min(MAX_MATCH)]);
                self.block.copy(length, at - from);
                at += length;
                written = at;
                if at >= end - MARGIN {
                    return self.literals(written, end);
                }
                self.note(at - 1);
                candidate = self.note(at);
            }
            at += 1;
        }
        self.literals(written, end);
    }

    /// The next place from `at` on that has a match, and where that starts. Each 32 places looked at make the step
    /// longer by one.
    fn next_match(&mut self, mut at: usize) -> Option<(usize, usize)> {
        let mut looked = 32;
        loop {
            let step = looked >> 5;
            looked += step;
            if at + step > self.input.len() - MARGIN {
                return None;
            }
            if let Some(candidate) = self.note(at) {
                return Some((at, candidate));
            }
            at += step;
        }
    }

    /// Notes that four bytes start at `at`; where the same ones started, if they were the last of their hash.
    fn note(&mut self, at: usize) -> Option<usize> {
        let four = self.input[at..].first_chunk::<MIN_MATCH>()?;
        let bytes = u32::from_le_bytes(*four);
        let hash = bytes.wrapping_mul(go_codes::HASH_FACTOR) >> (32 - HASH_BITS);
        let place = at as u32 + 1;
        let last = std::mem::replace(&mut self.seen[hash as usize], Seen { bytes, place });
        let near = last.place > 0 && (place - last.place) as usize <= FARTHEST;
        (near && last.bytes == bytes).then(|| last.place as usize - 1)
    }

    fn literals(&mut self, from: usize, to: usize) {
        for byte in &self.input[from..to] {
            self.block.literal(*byte);
        }
    }
}
