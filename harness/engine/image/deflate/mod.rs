//! Deflate exactly as zlib and GNU gzip write it, so that a compressed file can be rebuilt from its contents.
//!
//! The search is the lazy one of levels 4 to 9 in RFC 1951's reference programs. zlib 1.2.x/1.3 and gzip 1.x differ in
//! where a block ends: zlib after 16,383 symbols, gzip after 32,767 or when a check every 4,096 symbols says that a
//! block with few matches compresses well. This code is frozen: what it writes is part of the patch format.

use std::io::{self, Write};

mod trees;

use trees::Block;

const MIN_MATCH: usize = 3;
const MAX_MATCH: usize = 258;
const WINDOW: usize = 1 << 15;
/// How far ahead the search wants to see before it decides.
const AHEAD: usize = MAX_MATCH + MIN_MATCH + 1;
const FARTHEST: usize = WINDOW - AHEAD;
/// A match of three bytes from farther back costs more than three literals.
const TOO_FAR: usize = 4096;
const NOWHERE: u32 = u32::MAX;
/// Input held beyond the window before the part that is done is dropped.
const HELD_BYTES: usize = 1 << 20;

/// Which program's deflate, at which level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    pub program: Program,
    /// 4 to 9.
    pub level: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// zlib with its default memory level 8.
    Zlib,
    /// zlib with memory level 9, as some programs ask for.
    ZlibLarge,
    /// GNU gzip's own.
    Gzip,
}

impl Style {
    /// The styles there are; a style's place here is its number in a patch.
    pub const ALL: [Style; 12] = {
        const fn of(program: Program, level: u8) -> Style {
            Style { program, level }
        }
        use Program::{Gzip, Zlib, ZlibLarge};
        [
            of(Gzip, 9),
            of(Zlib, 9),
            of(Zlib, 6),
            of(Gzip, 6),
            of(ZlibLarge, 9),
            of(ZlibLarge, 6),
            of(Zlib, 5),
            of(Zlib, 4),
            of(Zlib, 7),
            of(Zlib, 8),
            of(Gzip, 8),
            of(Gzip, 7),
        ]
    };
}

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

/// A deflate stream being written to `to`.
pub struct Deflate<W> {
    to: W,
    style: Style,
    search: Search,
    /// Bits of a hash of three bytes, and how far each byte moves it.
    hash_bits: u32,
    hash_shift: u32,
    head: Vec<u32>,
    previous: Vec<u32>,
    /// Input from `origin` on, a position in the whole.
    input: Vec<u8>,
    origin: usize,
    at: usize,
    end: usize,
    block_start: usize,
    length: usize,
    start: usize,
    literal_waits: bool,
    /// No match is looked for behind this place.
    last_search: usize,
    block: Block,
}

impl<W: Write> Deflate<W> {
    pub fn new(to: W, style: Style) -> Deflate<W> {
        let hash_bits = if style.program == Program::ZlibLarge {
            16
        } else {
            15
        };
        Deflate {
            to,
            style,
            search: Search::at(style.level),
            hash_bits,
            hash_shift: hash_bits.div_ceil(3),
            head: vec![NOWHERE; 1 << hash_bits],
            previous: vec![NOWHERE; WINDOW],
            input: Vec::new(),
            origin: 0,
            at: 0,
            end: 0,
            block_start: 0,
            length: MIN_MATCH - 1,
            start: 0,
            literal_waits: false,
            last_search: usize::MAX,
            block: Block::new(),
        }
    }

    /// Takes more of the contents. More than 4 GiB in all is an error.
    pub fn feed(&mut self, mut more: &[u8]) -> io::Result<()> {
        while !more.is_empty() {
            let (now, later) = more.split_at(more.len().min(HELD_BYTES));
            self.input.extend_from_slice(now);
            self.end += now.len();
            if self.end >= NOWHERE as usize {
                return Err(io::Error::other("more than 4 GiB to deflate"));
            }
            more = later;
            while self.end - self.at >= AHEAD {
                self.step()?;
            }
            self.forget();
        }
        Ok(())
    }

    /// Ends the stream; returns what was written to.
    pub fn finish(mut self) -> io::Result<W> {
        if self.style.program == Program::Gzip {
            self.end_buffer();
        }
        while self.at < self.end {
            self.step()?;
        }
        if self.literal_waits {
            let literal = self.byte(self.at - 1);
            self.block.literal(literal);
        }
        self.end_block(true)?;
        Ok(self.to)
    }

    /// The end of gzip's buffer of two windows: where the contents reach far into it, the last bytes are not searched
    /// for. Its search looks beyond the contents: there are two zeros, then what the buffer held a window ago.
    fn end_buffer(&mut self) {
        // The buffer moves on by a window when it runs out, at the end of the contents too.
        let moves = (self.at / WINDOW).saturating_sub(1);
        let mut buffer = moves * WINDOW;
        if self.at - buffer >= WINDOW + FARTHEST {
            buffer += WINDOW;
        }
        self.last_search = buffer + WINDOW + FARTHEST;
        for place in self.end..self.end + MAX_MATCH + MIN_MATCH {
            let filled = match place - buffer < WINDOW {
                true => buffer >= 2 * WINDOW,
                false => buffer >= WINDOW,
            };
            let stale = match place < self.end + MIN_MATCH - 1 || !filled {
                true => 0,
                false => self.byte(place - WINDOW),
            };
            self.input.push(stale);
        }
    }

    fn byte(&self, at: usize) -> u8 {
        self.input[at - self.origin]
    }

    /// Drops input that no match and no stored block can reach any more.
    fn forget(&mut self) {
        let needed = self
            .at
            .saturating_sub(WINDOW)
            .min(self.block_start)
            .max(self.origin);
        if needed - self.origin > HELD_BYTES {
            self.input.drain(..needed - self.origin);
            self.origin = needed;
        }
    }

    /// Notes that three bytes start at `at`; where bytes with the same hash started last, if in reach of a search.
    fn insert(&mut self, at: usize) -> u32 {
        let from = at - self.origin;
        let Some(three) = self.input.get(from..from + MIN_MATCH) else {
            return NOWHERE;
        };
        let hash = three.iter().fold(0_usize, |hash, byte| {
            hash << self.hash_shift ^ usize::from(*byte)
        }) & ((1 << self.hash_bits) - 1);
        let last = std::mem::replace(&mut self.head[hash], at as u32);
        self.previous[at % WINDOW] = last;
        last
    }

    /// One move of the lazy search: a match is taken only when none at the next byte is longer.
    fn step(&mut self) -> io::Result<()> {
        let ahead = self.end - self.at;
        let last = self.insert(self.at);
        let (earlier_length, earlier_start) = (self.length, self.start);
        self.length = MIN_MATCH - 1;
        // Position 0 is zlib's word for none, so nothing ever matches there.
        let near = last != NOWHERE && last != 0 && self.at - last as usize <= FARTHEST;
        if near && earlier_length < self.search.lazy && self.at <= self.last_search {
            self.length = self.longest(last, earlier_length).min(ahead);
            if self.length == MIN_MATCH && self.at - self.start > TOO_FAR {
                self.length = MIN_MATCH - 1;
            }
        }
        if earlier_length >= MIN_MATCH && self.length <= earlier_length {
            let full = self.match_full(earlier_length, self.at - 1 - earlier_start);
            for skipped in 1..earlier_length - 1 {
                self.insert(self.at + skipped);
            }
            self.at += earlier_length - 1;
            self.literal_waits = false;
            self.length = MIN_MATCH - 1;
            if full {
                self.end_block(false)?;
            }
        } else {
            if self.literal_waits {
                let literal = self.byte(self.at - 1);
                self.block.literal(literal);
                if self.block_is_full() {
                    self.end_block(false)?;
                }
            }
            self.literal_waits = true;
            self.at += 1;
        }
        Ok(())
    }

    fn match_full(&mut self, length: usize, distance: usize) -> bool {
        self.block.copy(length, distance);
        self.block_is_full()
    }

    fn block_is_full(&self) -> bool {
        let symbols = self.block.symbols();
        match self.style.program {
            Program::Zlib => symbols == 0x3FFF,
            Program::ZlibLarge => symbols == 0x7FFF,
            Program::Gzip => {
                let covered = self.at - self.block_start;
                symbols == 0x7FFF
                    || symbols.is_multiple_of(4096)
                        && self.block.copies() < symbols / 2
                        && self.block.estimate_bytes() < covered / 2
            }
        }
    }

    /// The longest match at this position that beats `best`: its length, and its start in `self.start`.
    fn longest(&mut self, mut candidate: u32, mut best: usize) -> usize {
        let ahead = self.end - self.at;
        let here = self.at - self.origin;
        let scan = &self.input[here..];
        let limit = self.at.saturating_sub(FARTHEST) as u32;
        let mut chain = self.search.chain;
        if best >= self.search.good {
            chain >>= 2;
        }
        let nice = match self.style.program {
            Program::Gzip => self.search.nice,
            Program::Zlib | Program::ZlibLarge => self.search.nice.min(ahead),
        };
        // Near the end a match of zlib's cannot be longer than what is left.
        let most = scan.len().min(MAX_MATCH);
        loop {
            let other = &self.input[candidate as usize - self.origin..];
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
            candidate = self.previous[candidate as usize % WINDOW];
            chain -= 1;
            if candidate == NOWHERE || candidate <= limit || chain == 0 {
                break;
            }
        }
        best
    }

    fn end_block(&mut self, last: bool) -> io::Result<()> {
        let range = self.block_start - self.origin..self.at - self.origin;
        self.block.end(&self.input[range], last);
        self.block_start = self.at;
        let done = self.block.take_bytes();
        self.to.write_all(&done)
    }
}

/// How many bytes two texts begin with in common.
fn common(one: &[u8], other: &[u8]) -> usize {
    let words = one.chunks_exact(8).zip(other.chunks_exact(8));
    let same = 8 * words.take_while(|(one, other)| one == other).count();
    let rest = one[same..].iter().zip(&other[same..]);
    same + rest.take_while(|(one, other)| one == other).count()
}
