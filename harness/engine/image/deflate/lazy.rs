//! The lazy search of levels 4 to 9 in RFC 1951's reference programs, and where its blocks end.
//!
//! zlib 1.2.x/1.3 and gzip 1.x differ in where a block ends: zlib after 16,383 symbols, gzip after 32,767 or when a
//! check every 4,096 symbols says that a block with few matches compresses well.

use super::block::Block;
use super::chains::{Chains, NOWHERE, WINDOW, common};
use super::{HELD_BYTES, Program, Style, trees};

const MIN_MATCH: usize = 3;
const MAX_MATCH: usize = 258;
/// How far ahead the search wants to see before it decides.
const AHEAD: usize = MAX_MATCH + MIN_MATCH + 1;
const FARTHEST: usize = WINDOW - AHEAD;
/// A match of three bytes from farther back costs more than three literals.
const TOO_FAR: usize = 4096;

/// How hard the search tries: as in zlib's table of configurations.
struct Search {
    good: usize,
    lazy: usize,
    nice: usize,
    chain: u32,
}

impl Search {
    fn at(level: u8) -> Search {
        let (good, lazy, nice, chain) = match level {
            ..=4 => (4, 4, 16, 16),
            5 => (8, 16, 32, 32),
            6 => (8, 16, 128, 128),
            7 => (8, 32, 128, 256),
            8 => (32, 128, 258, 1024),
            _ => (32, 258, 258, 4096),
        };
        Search {
            good,
            lazy,
            nice,
            chain,
        }
    }
}

/// The search over contents that come in pieces. All places count from the first byte still held.
pub struct Lazy {
    program: Program,
    search: Search,
    /// Bits of a hash of three bytes, and how far each byte moves it.
    hash_bits: u32,
    hash_shift: u32,
    chains: Chains,
    input: Vec<u8>,
    /// Bytes let go before those held: a multiple of the window.
    gone: usize,
    at: usize,
    end: usize,
    block_start: usize,
    length: usize,
    start: usize,
    literal_waits: bool,
    /// No match is looked for behind this place.
    last_search: usize,
    /// The first place that was too near the end of a part to be noted in its chain.
    left_out: usize,
    pub block: Block,
}

impl Lazy {
    pub fn new(style: Style) -> Lazy {
        let hash_bits = if style.program == Program::ZlibLarge {
            16
        } else {
            15
        };
        Lazy {
            program: style.program,
            search: Search::at(style.level),
            hash_bits,
            hash_shift: hash_bits.div_ceil(3),
            chains: Chains::new(hash_bits),
            input: Vec::new(),
            gone: 0,
            at: 0,
            end: 0,
            block_start: 0,
            length: MIN_MATCH - 1,
            start: 0,
            literal_waits: false,
            last_search: usize::MAX,
            left_out: 0,
            block: Block::new(),
        }
    }

    pub fn feed(&mut self, more: &[u8]) {
        self.forget();
        self.input.extend_from_slice(more);
        self.end += more.len();
        while self.left_out < self.at && self.left_out + MIN_MATCH <= self.end {
            self.insert(self.left_out);
            self.left_out += 1;
        }
        while self.end - self.at >= AHEAD {
            self.step();
        }
        self.left_out = self.left_out.max(self.at);
    }

    pub fn finish(&mut self) {
        if self.program == Program::Gzip {
            self.end_buffer();
        }
        self.search_all();
        self.end_block(true);
    }

    /// Ends a part: nothing before here is searched for what is behind, nor written in one block with it.
    pub fn end_part(&mut self) {
        self.search_all();
        if self.block.symbols() > 0 {
            self.end_block(false);
        }
        self.length = MIN_MATCH - 1;
        self.left_out = self.end.saturating_sub(MIN_MATCH - 1);
    }

    fn search_all(&mut self) {
        while self.at < self.end {
            self.step();
        }
        if self.literal_waits {
            self.block.literal(self.input[self.at - 1]);
            self.literal_waits = false;
        }
    }

    /// The end of gzip's buffer of two windows: where the contents reach far into it, the last bytes are not searched
    /// for. Its search looks beyond the contents: there are two zeros, then what the buffer held a window ago.
    fn end_buffer(&mut self) {
        // The buffer moves on by a window when it runs out, at the end of the contents too.
        let (at, end) = (self.gone + self.at, self.gone + self.end);
        let moves = (at / WINDOW).saturating_sub(1);
        let mut buffer = moves * WINDOW;
        if at - buffer >= WINDOW + FARTHEST {
            buffer += WINDOW;
        }
        self.last_search = buffer + WINDOW + FARTHEST - self.gone;
        for place in end..end + MAX_MATCH + MIN_MATCH {
            let filled = match place - buffer < WINDOW {
                true => buffer >= 2 * WINDOW,
                false => buffer >= WINDOW,
            };
            let stale = match place < end + MIN_MATCH - 1 || !filled {
                true => 0,
                false => self.input[place - WINDOW - self.gone],
            };
            self.input.push(stale);
        }
    }

    /// Drops input that no match and no stored block can reach any more.
    fn forget(&mut self) {
        let needed = self.at.saturating_sub(WINDOW).min(self.block_start);
        if needed <= HELD_BYTES {
            return;
        }
        let bytes = needed - needed % WINDOW;
        self.input.drain(..bytes);
        self.chains.forget(bytes);
        self.gone += bytes;
        self.at -= bytes;
        self.end -= bytes;
        self.block_start -= bytes;
        // A start that was let go belongs to a match that is written or dropped.
        self.start = self.start.saturating_sub(bytes);
        self.left_out = self.left_out.saturating_sub(bytes);
    }

    /// Notes that three bytes start at `at`; where bytes with the same hash started last.
    fn insert(&mut self, at: usize) -> u32 {
        let Some(three) = self.input.get(at..at + MIN_MATCH) else {
            return NOWHERE;
        };
        let hash = three.iter().fold(0_usize, |hash, byte| {
            hash << self.hash_shift ^ usize::from(*byte)
        }) & ((1 << self.hash_bits) - 1);
        // Position 0 of the contents is zlib's word for none too, so nothing ever matches there.
        self.chains.insert(hash, at as u32)
    }

    /// One move of the lazy search: a match is taken only when none at the next byte is longer.
    fn step(&mut self) {
        let ahead = self.end - self.at;
        let last = self.insert(self.at);
        let (earlier_length, earlier_start) = (self.length, self.start);
        self.length = MIN_MATCH - 1;
        let near = last != NOWHERE && self.at - last as usize <= FARTHEST;
        if near && earlier_length < self.search.lazy && self.at <= self.last_search {
            self.length = self.longest(last, earlier_length).min(ahead);
            if self.length == MIN_MATCH && self.at - self.start > TOO_FAR {
                self.length = MIN_MATCH - 1;
            }
        }
        if earlier_length >= MIN_MATCH && self.length <= earlier_length {
            self.block.copy(earlier_length, self.at - 1 - earlier_start);
            let full = self.block_is_full();
            for skipped in 1..earlier_length - 1 {
                self.insert(self.at + skipped);
            }
            self.at += earlier_length - 1;
            self.literal_waits = false;
            self.length = MIN_MATCH - 1;
            if full {
                self.end_block(false);
            }
        } else {
            if self.literal_waits {
                self.block.literal(self.input[self.at - 1]);
                if self.block_is_full() {
                    self.end_block(false);
                }
            }
            self.literal_waits = true;
            self.at += 1;
        }
    }

    fn block_is_full(&self) -> bool {
        let symbols = self.block.symbols();
        match self.program {
            Program::ZlibLarge => symbols == 0x7FFF,
            Program::Gzip => {
                let covered = self.at - self.block_start;
                symbols == 0x7FFF
                    || symbols.is_multiple_of(4096)
                        && self.block.copies() < symbols / 2
                        && self.block.estimate_bytes() < covered / 2
            }
            _ => symbols == 0x3FFF,
        }
    }

    /// The longest match at this place that beats `best`: its length, and its start in `self.start`.
    fn longest(&mut self, mut candidate: u32, mut best: usize) -> usize {
        let ahead = self.end - self.at;
        let scan = &self.input[self.at..];
        let limit = self.at.saturating_sub(FARTHEST) as u32;
        let mut chain = self.search.chain;
        if best >= self.search.good {
            chain >>= 2;
        }
        let nice = match self.program {
            Program::Gzip => self.search.nice,
            _ => self.search.nice.min(ahead),
        };
        // Near the end a match of zlib's cannot be longer than what is left.
        let most = scan.len().min(MAX_MATCH);
        loop {
            let other = &self.input[candidate as usize..];
            if best < most
                && other[best] == scan[best]
                && other[best - 1] == scan[best - 1]
                && other[..2] == scan[..2]
            {
                let length = common(&other[..most], &scan[..most]);
                if length > best {
                    self.start = candidate as usize;
                    best = length;
                    if length >= nice {
                        break;
                    }
                }
            }
            candidate = self.chains.before(candidate);
            chain -= 1;
            if candidate <= limit || chain == 0 {
                break;
            }
        }
        best
    }

    fn end_block(&mut self, last: bool) {
        let contents = &self.input[self.block_start..self.at];
        trees::end(&mut self.block, contents, last);
        self.block_start = self.at;
    }
}
