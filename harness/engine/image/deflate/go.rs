//! Deflate as the standard library of Go writes it: `compress/flate`, at levels 2 to 9.
//!
//! Its search has a window of its own, two windows long, which moves on by one when it is full and searched. A match
//! never starts before it, so the reach is a little shorter just after it moved. The window here fills as it does when
//! the contents are written at once, or by 32 KiB as `io.Copy` does it.

use super::block::Block;
use super::chains::{Chains, NOWHERE, WINDOW, common};
use super::{HELD_BYTES, go_codes};

const MIN_MATCH: usize = 4;
const MAX_MATCH: usize = 258;
/// How far ahead the search wants to see before it decides.
const AHEAD: usize = MAX_MATCH + MIN_MATCH;
/// A match of four bytes is not taken from farther back.
const TOO_FAR: usize = 4096;
const BLOCK_SYMBOLS: usize = 1 << 14;
const HASH_BITS: u32 = 17;

/// How hard the search tries: as in Go's table of levels.
struct Search {
    /// Only after a match shorter than this is a longer one looked for at the next byte.
    lazy: usize,
    nice: usize,
    chain: u32,
    /// Levels 2 and 3 take what they find first; the bytes of longer matches than this they do not note.
    quick: Option<usize>,
}

impl Search {
    fn at(level: u8) -> Search {
        let (lazy, nice, chain, quick) = match level {
            ..=2 => (0, 16, 8, Some(5)),
            3 => (0, 32, 32, Some(6)),
            4 => (4, 16, 16, None),
            5 => (16, 32, 32, None),
            6 => (16, 128, 128, None),
            7 => (32, 128, 256, None),
            8 => (128, 258, 1024, None),
            _ => (258, 258, 4096, None),
        };
        Search {
            lazy,
            nice,
            chain,
            quick,
        }
    }
}

/// The search over contents that come in pieces. All places count from the first byte still held; in the chains, which
/// know no 0, each is one higher.
pub struct Go {
    search: Search,
    chains: Chains,
    input: Vec<u8>,
    at: usize,
    /// Where Go's window starts.
    window: usize,
    /// Nothing when the window has moved beyond it: such a block is never stored.
    block_start: Option<usize>,
    length: usize,
    distance: usize,
    literal_waits: bool,
    block: Block,
}

impl Go {
    pub fn new(level: u8) -> Go {
        Go {
            search: Search::at(level),
            chains: Chains::new(HASH_BITS),
            input: Vec::new(),
            at: 0,
            window: 0,
            block_start: Some(0),
            length: MIN_MATCH - 1,
            distance: 0,
            literal_waits: false,
            block: Block::new(),
        }
    }

    pub fn feed(&mut self, mut more: &[u8]) {
        self.forget();
        while !more.is_empty() {
            if self.input.len() == self.window + 2 * WINDOW {
                self.move_window();
            }
            let room = self.window + 2 * WINDOW - self.input.len();
            let (now, later) = more.split_at(more.len().min(room));
            self.input.extend_from_slice(now);
            more = later;
            while self.input.len() - self.at >= AHEAD {
                self.step();
            }
        }
    }

    /// The last block is an empty stored one.
    pub fn finish(&mut self) {
        while self.at < self.input.len() {
            self.step();
        }
        if self.literal_waits {
            self.block.literal(self.input[self.at - 1]);
        }
        if self.block.symbols() > 0 {
            self.end_block(self.at);
        }
        self.block.bits.put_stored(&[], true);
    }

    pub fn take_bytes(&mut self) -> Vec<u8> {
        self.block.bits.take_bytes()
    }

    fn move_window(&mut self) {
        self.window += WINDOW;
        self.block_start = self.block_start.filter(|start| *start >= self.window);
    }

    fn forget(&mut self) {
        let bytes = self.window;
        if bytes <= HELD_BYTES {
            return;
        }
        self.input.drain(..bytes);
        self.chains.forget(bytes);
        self.at -= bytes;
        self.window = 0;
        self.block_start = self.block_start.map(|start| start - bytes);
    }

    /// Notes that four bytes start at `at`; where bytes with the same hash started last.
    fn insert(&mut self, at: usize) -> u32 {
        let Some(four) = self.input[at..].first_chunk::<MIN_MATCH>() else {
            return NOWHERE;
        };
        let hash =
            u32::from_be_bytes(*four).wrapping_mul(go_codes::HASH_FACTOR) >> (32 - HASH_BITS);
        self.chains.insert(hash as usize, at as u32 + 1)
    }

    fn step(&mut self) {
        match self.search.quick {
            Some(longest_noted) => self.quick_step(longest_noted),
            None => self.lazy_step(),
        }
    }

    fn quick_step(&mut self, longest_noted: usize) {
        let last = self.insert(self.at);
        let (length, distance) = self.longest(last);
        if length < MIN_MATCH {
            self.block.literal(self.input[self.at]);
            self.at += 1;
        } else {
            self.block.copy(length, distance);
            if length <= longest_noted {
                self.insert_from(self.at + 1, self.at + length);
            }
            self.at += length;
        }
        self.end_full_block();
    }

    /// A match is taken only when none at the next byte is longer.
    fn lazy_step(&mut self) {
        let last = self.insert(self.at);
        let (earlier_length, earlier_distance) = (self.length, self.distance);
        let ahead = self.input.len() - self.at;
        (self.length, self.distance) = match ahead > earlier_length {
            true if earlier_length < self.search.lazy => self.longest(last),
            _ => (MIN_MATCH - 1, 0),
        };
        if earlier_length >= MIN_MATCH && self.length <= earlier_length {
            self.block.copy(earlier_length, earlier_distance);
            let end = self.at - 1 + earlier_length;
            self.insert_from(self.at + 1, end);
            self.at = end;
            self.literal_waits = false;
            self.length = MIN_MATCH - 1;
            self.end_full_block();
        } else {
            if self.literal_waits {
                self.block.literal(self.input[self.at - 1]);
                self.end_full_block();
            }
            self.literal_waits = true;
            self.at += 1;
        }
    }

    fn insert_from(&mut self, from: usize, to: usize) {
        (from..to).for_each(|at| {
            self.insert(at);
        });
    }

    /// The longest match at this place, the nearest of those: its length, below four when there is none, and distance.
    fn longest(&self, mut candidate: u32) -> (usize, usize) {
        let scan = &self.input[self.at..];
        let scan = &scan[..scan.len().min(MAX_MATCH)];
        let nice = self.search.nice.min(scan.len());
        let farthest = self.at.saturating_sub(WINDOW);
        let limit = farthest.max(self.window) as u32;
        let mut best = (MIN_MATCH - 1, 0);
        for _ in 0..self.search.chain {
            if candidate <= limit {
                break;
            }
            let start = candidate as usize - 1;
            let other = &self.input[start..start + scan.len()];
            if other[best.0] == scan[best.0] {
                let (length, distance) = (common(other, scan), self.at - start);
                if length > best.0 && (length > MIN_MATCH || distance <= TOO_FAR) {
                    best = (length, distance);
                    if length >= nice {
                        break;
                    }
                }
            }
            // The farthest place's link is that of this one by now.
            if start + WINDOW == self.at {
                break;
            }
            candidate = self.chains.before(candidate);
        }
        best
    }

    fn end_full_block(&mut self) {
        if self.block.symbols() == BLOCK_SYMBOLS {
            self.end_block(self.at);
        }
    }

    fn end_block(&mut self, end: usize) {
        let contents = self.block_start.map(|start| &self.input[start..end]);
        go_codes::end(&mut self.block, contents);
        self.block_start = Some(end);
    }
}
