//! Finds the blocks of the image that a base contains, with the rules of zsync 0.6.2's client.
//!
//! The client slides over the base byte by byte. Where the rolling checksums and the MD4s of consecutive blocks (as many as
//! the control file requires) match those of blocks of the image, it takes these blocks, for all positions in the image
//! where they match, and continues after them. Directly after a match, a single block is enough. The result depends only on
//! the bytes, so it is exact and includes what the client misses: a block that would match one byte later is not found, nor
//! is the last block of the image on its own.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, Read};
use std::ops::Range;

use md4::{Digest, Md4};

use super::control::{Control, Weak};

/// Bytes of a base that are held at once, without the window.
const PIECE_BYTES: usize = 4 << 20;
/// Size of the filter that rejects most windows, as a power of two: for an image of 350 MB one bit in 200 is set.
const FILTER_BITS: u32 = 24;

/// A search over bases, one after the other.
pub struct Search<'a> {
    control: &'a Control,
    /// Blocks that were found.
    known: BTreeSet<usize>,
    /// Blocks by rolling checksum, in order; blocks that were found are removed.
    places: HashMap<u64, Vec<usize>>,
    filter: Vec<u64>,
    /// The block that would continue the last match, and the first known block after it.
    next: Option<usize>,
    next_known: usize,
}

/// The rolling checksums of the one or two blocks in the window.
type Under = [Weak; 2];

impl<'a> Search<'a> {
    pub fn new(control: &'a Control) -> Search<'a> {
        let mut search = Search {
            control,
            known: BTreeSet::new(),
            places: HashMap::new(),
            filter: vec![0; 1 << (FILTER_BITS - 6)],
            next: None,
            next_known: 0,
        };
        for (block, sums) in control.blocks.windows(control.sequence).enumerate() {
            let mut under = [sums[0].weak; 2];
            under[1] = sums[control.sequence - 1].weak;
            let key = search.key(&under);
            let (word, bit) = slot(key);
            search.filter[word] |= bit;
            search.places.entry(key).or_default().push(block);
        }
        search
    }

    /// Slides over a base, which is padded with zeros of the window's length.
    pub fn feed(&mut self, mut base: impl Read) -> io::Result<()> {
        let block = self.control.block_bytes;
        let window = block * self.control.sequence;
        self.next = None;
        let mut held: Vec<u8> = Vec::new();
        let mut ended = false;
        let mut at = 0;
        let mut under: Option<Under> = None;
        while !ended {
            held.drain(..at);
            at = 0;
            let room = (PIECE_BYTES + 2 * window - held.len()) as u64;
            ended = (&mut base).take(room).read_to_end(&mut held)? == 0;
            if ended {
                held.resize(held.len() + window, 0);
            }
            while at + window < held.len() {
                let sums = under.unwrap_or_else(|| self.sums(&held[at..at + window]));
                let matched = self.look(&held[at..at + window], &sums);
                if matched > 0 {
                    at += matched * block;
                    under = None;
                } else {
                    let mut rolled = sums;
                    for (n, sum) in rolled[..self.control.sequence].iter_mut().enumerate() {
                        let first = at + n * block;
                        sum.roll(held[first], held[first + block], block);
                    }
                    at += 1;
                    under = Some(rolled);
                }
            }
        }
        Ok(())
    }

    /// The runs of adjacent blocks that were not found.
    pub fn missing(&self) -> Vec<Range<usize>> {
        let blocks = 0..self.control.blocks.len();
        let missing: Vec<usize> = blocks.filter(|block| !self.known.contains(block)).collect();
        let runs = missing.chunk_by(|one, next| one + 1 == *next);
        runs.map(|run| run[0]..run[0] + run.len()).collect()
    }

    fn sums(&self, window: &[u8]) -> Under {
        let block = self.control.block_bytes;
        let mut under = [Weak::of(&window[..block]); 2];
        if self.control.sequence == 2 {
            under[1] = Weak::of(&window[block..]);
        }
        under
    }

    /// The number of blocks of the base to skip: 0 if the window matches nothing.
    fn look(&mut self, window: &[u8], under: &Under) -> usize {
        let mut strong = Strong::new(window, self.control);
        if self.control.sequence == 2
            && let Some(next) = self.next.take()
            && self.continues(next, under, &mut strong)
        {
            return 1;
        }
        let key = self.key(under);
        let (word, bit) = slot(key);
        if self.filter[word] & bit == 0 {
            return 0;
        }
        let Some(mut places) = self.places.remove(&key) else {
            return 0;
        };
        self.next = None;
        let mut matched = 0;
        for &block in &places {
            if !self.known.contains(&block) && self.begin(block, &mut strong) {
                matched = self.control.sequence;
            }
        }
        places.retain(|block| !self.known.contains(block));
        if !places.is_empty() {
            self.places.insert(key, places);
        }
        matched
    }

    /// Takes the block that continues the last match, if it is in the window.
    fn continues(&mut self, block: usize, under: &Under, strong: &mut Strong) -> bool {
        if self.control.blocks[block].weak != self.masked(under[0])
            || !strong.is(0, &self.control.blocks[block].strong)
        {
            return false;
        }
        if self.next_known > block + 1 {
            self.next = Some(block + 1);
        }
        self.known.insert(block);
        true
    }

    /// Takes the unknown blocks that start at `block`, if their MD4s match those of the window.
    fn begin(&mut self, block: usize, strong: &mut Strong) -> bool {
        let sequence = self.control.sequence;
        if !(0..sequence).all(|n| strong.is(n, &self.control.blocks[block + n].strong)) {
            return false;
        }
        let next_known = self.known.range(block..).next();
        let next_known = next_known.copied().unwrap_or(self.control.blocks.len());
        let end = block + sequence;
        if next_known > end {
            self.next = Some(end);
            self.next_known = next_known;
        }
        self.known.extend(block..end.min(next_known));
        true
    }

    /// The checksum truncated as in the control file.
    fn masked(&self, weak: Weak) -> Weak {
        Weak {
            first: weak.first & self.control.first_mask,
            ..weak
        }
    }

    fn key(&self, under: &Under) -> u64 {
        let number = |weak: Weak| {
            let weak = self.masked(weak);
            u64::from(weak.first) << 16 | u64::from(weak.second)
        };
        match self.control.sequence {
            1 => number(under[0]),
            _ => number(under[0]) << 32 | number(under[1]),
        }
    }
}

/// Word and bit of a key in the filter (Fibonacci hashing: Knuth, volume 3, section 6.4).
fn slot(key: u64) -> (usize, u64) {
    let hash = key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - FILTER_BITS);
    ((hash >> 6) as usize, 1 << (hash & 63))
}

impl Weak {
    fn of(block: &[u8]) -> Weak {
        let mut weak = Weak::default();
        for byte in block {
            weak.first = weak.first.wrapping_add(u16::from(*byte));
            weak.second = weak.second.wrapping_add(weak.first);
        }
        weak
    }

    /// Moves the block by one byte: `old` leaves it, `new` enters it.
    fn roll(&mut self, old: u8, new: u8, block_bytes: usize) {
        let (old, new) = (u16::from(old), u16::from(new));
        self.first = self.first.wrapping_add(new).wrapping_sub(old);
        // Modulo 2^16, like everything here.
        let leaving = old.wrapping_mul(block_bytes as u16);
        self.second = self.second.wrapping_add(self.first).wrapping_sub(leaving);
    }
}

/// The MD4s of the blocks in a window, each computed when it is first needed.
struct Strong<'a> {
    window: &'a [u8],
    block_bytes: usize,
    strong_bytes: usize,
    made: [Option<[u8; 16]>; 2],
}

impl<'a> Strong<'a> {
    fn new(window: &'a [u8], control: &Control) -> Strong<'a> {
        Strong {
            window,
            block_bytes: control.block_bytes,
            strong_bytes: control.strong_bytes,
            made: [None; 2],
        }
    }

    /// Whether the MD4 of the n-th block in the window is `strong`, as far as the control file has it.
    fn is(&mut self, n: usize, strong: &[u8; 16]) -> bool {
        let block = &self.window[n * self.block_bytes..][..self.block_bytes];
        let made = self.made[n].get_or_insert_with(|| Md4::digest(block).into());
        made[..self.strong_bytes] == strong[..self.strong_bytes]
    }
}
