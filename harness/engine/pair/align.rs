//! Alignment: which bytes of the base each byte of a new file continues.
//!
//! Approximate matching over a suffix array, after Colin Percival's bsdiff ("Naive differences of
//! executable code", 2003). Only the encoder runs it, so nothing here is frozen.

/// `literal` bytes that the base does not have, then `length` bytes copied from `source` in the base.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Op {
    pub literal: u32,
    pub length: u32,
    pub source: u32,
}

/// Bytes looked at to decide whether the current alignment is still good.
const AHEAD: usize = 32;

/// The longest match that is measured exactly.
const LONGEST: usize = 1 << 16;

/// Aligns `new` to `old`. Matches that gain fewer than `gain` bytes are not taken.
///
/// The literals and copies cover `new` except for literals at its end.
pub fn align(old: &[u8], new: &[u8], gain: usize) -> Vec<Op> {
    if old.is_empty() || new.is_empty() {
        return Vec::new();
    }
    Aligner {
        old,
        new,
        index: Index::new(old),
        gain,
        ops: Vec::new(),
        covered: 0,
        last: (0, 0),
        shift: 0,
    }
    .run()
}

/// How far to go behind a match of this length that was not taken. To look at each of its bytes would take time that grows
/// with the square of its length.
fn passed(length: usize) -> usize {
    match length {
        0..LONG => 1,
        _ => length - AHEAD,
    }
}

/// A match that is stepped over at once.
const LONG: usize = 1024;

struct Aligner<'a> {
    old: &'a [u8],
    new: &'a [u8],
    index: Index<'a>,
    gain: usize,
    ops: Vec<Op>,
    /// How much of the new file the ops so far make.
    covered: usize,
    /// Where in the new file and in the old one the current copy starts.
    last: (usize, usize),
    /// The current copy's old position minus its new position.
    shift: isize,
}

impl Aligner<'_> {
    fn run(mut self) -> Vec<Op> {
        let mut scan = 0;
        while scan < self.new.len() {
            let good = self.good_run(scan);
            if good > 0 {
                scan += good;
                continue;
            }
            let found = self.index.longest(self.new, scan, self.shift);
            let better =
                found.filter(|(_, length)| *length > self.same(scan, scan + length) + self.gain);
            match better {
                Some((source, length)) => {
                    self.switch(scan, source);
                    scan += length;
                }
                // Over a long match that gains nothing the current alignment is as good: nothing is missed there.
                None => scan += found.map_or(1, |(_, length)| passed(length)),
            }
        }
        let length = self.forward(self.new.len());
        self.emit(length);
        prune(self.ops, self.old, self.new)
    }

    /// How far the current alignment goes on from `scan` without doubt.
    fn good_run(&self, scan: usize) -> usize {
        let Some(source) = scan.checked_add_signed(self.shift) else {
            return 0;
        };
        if source >= self.old.len() {
            return 0;
        }
        let (new, old) = (&self.new[scan..], &self.old[source..]);
        let exact = common(new, old, usize::MAX);
        if exact >= AHEAD {
            return exact;
        }
        let near = new.iter().zip(old).take(AHEAD).filter(|(a, b)| a == b);
        match near.count() >= AHEAD * 7 / 8 {
            true => exact + 1,
            false => 0,
        }
    }

    /// How many bytes of the range the current alignment has right.
    fn same(&self, from: usize, to: usize) -> usize {
        let pairs = (from..to).filter(|at| {
            let source = at.checked_add_signed(self.shift);
            source.and_then(|source| self.old.get(source)) == Some(&self.new[*at])
        });
        pairs.count()
    }

    /// Ends the current copy in favour of one that has `scan` at `source`.
    fn switch(&mut self, scan: usize, source: usize) {
        let mut forward = self.forward(scan);
        let mut back = self.backward(scan, source);
        let (start, from) = self.last;
        if start + forward + back > scan {
            let overlap = start + forward + back - scan;
            let kept = self.share(
                start + forward - overlap,
                from + forward - overlap,
                source - back,
                overlap,
            );
            forward -= overlap - kept;
            back -= kept;
        }
        self.emit(forward);
        self.last = (scan - back, source - back);
        self.shift = source as isize - scan as isize;
    }

    /// How far the current copy should go, at most to `end`: to where most bytes were right.
    fn forward(&self, end: usize) -> usize {
        let (start, source) = self.last;
        let pairs = self.new[start..end].iter().zip(&self.old[source..]);
        best_prefix(pairs)
    }

    /// How far before `scan` the next copy should start.
    fn backward(&self, scan: usize, source: usize) -> usize {
        let new = self.new[self.last.0..scan].iter().rev();
        let old = self.old[..source].iter().rev();
        best_prefix(new.zip(old))
    }

    /// How many of the `overlap` bytes from `new` the current copy keeps.
    fn share(&self, new: usize, current: usize, next: usize, overlap: usize) -> usize {
        let (mut score, mut best, mut kept) = (0i64, 0i64, 0);
        for at in 0..overlap {
            let byte = self.new[new + at];
            score += i64::from(byte == self.old[current + at]);
            score -= i64::from(byte == self.old[next + at]);
            if score > best {
                (best, kept) = (score, at + 1);
            }
        }
        kept
    }

    fn emit(&mut self, length: usize) {
        if length == 0 {
            return;
        }
        let (start, source) = self.last;
        self.ops.push(Op {
            literal: (start - self.covered) as u32,
            length: length as u32,
            source: source as u32,
        });
        self.covered = start + length;
    }
}

/// Drops copies that take more bits than they save; their bytes become literals.
fn prune(ops: Vec<Op>, old: &[u8], new: &[u8]) -> Vec<Op> {
    let mut kept: Vec<Op> = Vec::with_capacity(ops.len());
    let (mut at, mut end, mut literal) = (0usize, 0usize, 0);
    for op in ops {
        literal += op.literal;
        at += op.literal as usize;
        let (source, length) = (op.source as usize, op.length as usize);
        let pairs = new[at..at + length].iter().zip(&old[source..]);
        let same = pairs.filter(|(new, old)| new == old).count();
        at += length;
        let expected = end + literal as usize;
        let far = source.abs_diff(expected).min(source.abs_diff(end));
        let jump = if far == 0 {
            2
        } else {
            4 + (usize::BITS - far.leading_zeros()) as usize
        };
        let saves = same * LITERAL_TENTHS;
        let costs = (jump + OP_BITS) * 10 + (length - same) * 60;
        if saves <= costs {
            literal += op.length;
            continue;
        }
        kept.push(Op { literal, ..op });
        literal = 0;
        end = source + length;
    }
    kept
}

/// Tenths of a bit that a literal takes, about; and bits for an operation without its jump.
const LITERAL_TENTHS: usize = 33;
const OP_BITS: usize = 9;

/// The length at which the equal pairs outnumber the others by most.
fn best_prefix<'a>(pairs: impl Iterator<Item = (&'a u8, &'a u8)>) -> usize {
    let (mut score, mut best, mut length) = (0i64, 0i64, 0);
    for (at, (new, old)) in pairs.enumerate() {
        score += if new == old { 1 } else { -1 };
        if score > best {
            (best, length) = (score, at + 1);
        }
    }
    length
}

/// Bytes that two slices have in common at their start, at most `limit`.
fn common(a: &[u8], b: &[u8], limit: usize) -> usize {
    let end = a.len().min(b.len()).min(limit);
    let (a, b) = (&a[..end], &b[..end]);
    let mut at = 0;
    for (x, y) in a.chunks_exact(16).zip(b.chunks_exact(16)) {
        if x != y {
            break;
        }
        at += 16;
    }
    while at < end && a[at] == b[at] {
        at += 1;
    }
    at
}

/// A suffix array with a table of where each pair of first bytes starts.
struct Index<'a> {
    text: &'a [u8],
    order: Vec<i32>,
    starts: Vec<u32>,
    seen: Seen,
}

/// The shortest match worth looking for.
const SHORTEST: usize = 8;

/// Which runs of [`SHORTEST`] bytes are in a text, told by one bit each; a few that are not seem to be.
struct Seen {
    bits: Vec<u64>,
    /// A hash less its lowest bits tells the bit.
    shift: u32,
}

/// Bits for each byte of the text: at most one run in four that is not there seems to be.
const BITS_A_BYTE: usize = 4;

impl Seen {
    fn of(text: &[u8]) -> Self {
        let bits = (text.len() * BITS_A_BYTE).next_power_of_two().max(64);
        let mut seen = Self {
            bits: vec![0; bits / 64],
            shift: 64 - bits.trailing_zeros(),
        };
        for gram in text.windows(SHORTEST) {
            let key = gram_hash(gram) >> seen.shift;
            seen.bits[key as usize >> 6] |= 1 << (key & 63);
        }
        seen
    }

    fn may_have(&self, gram: &[u8]) -> bool {
        let key = gram_hash(gram) >> self.shift;
        self.bits[key as usize >> 6] >> (key & 63) & 1 == 1
    }
}

impl<'a> Index<'a> {
    fn new(text: &'a [u8]) -> Self {
        let mut order = vec![0; text.len()];
        cdivsufsort::sort_in_place(text, &mut order);
        let mut starts = vec![0u32; 65_537];
        for pair in text.windows(2) {
            starts[usize::from(pair[0]) << 8 | usize::from(pair[1])] += 1;
        }
        // The last suffix has one byte: it comes before the pairs that start with it.
        starts[usize::from(text[text.len() - 1]) << 8] += 1;
        let mut sum = 0;
        for start in &mut starts {
            let count = *start;
            *start = sum;
            sum += count;
        }
        Self {
            text,
            order,
            starts,
            seen: Seen::of(text),
        }
    }

    /// The longest match of `new[at..]`, and of equal ones the nearest to the alignment `shift`.
    fn longest(&self, new: &[u8], at: usize, shift: isize) -> Option<(usize, usize)> {
        let wanted = &new[at..];
        if !self.seen.may_have(wanted.get(..SHORTEST)?) {
            return None;
        }
        let pair = usize::from(wanted[0]) << 8 | usize::from(wanted[1]);
        let (mut low, mut high) = (self.starts[pair] as usize, self.starts[pair + 1] as usize);
        let (first, end) = (low, high);
        let (mut low_common, mut high_common) = (0, 0);
        while low < high {
            let middle = low + (high - low) / 2;
            let text = &self.text[self.order[middle] as usize..];
            let skip = low_common.min(high_common);
            let same = skip + common(&text[skip..], &wanted[skip..], LONGEST);
            let less = match (text.get(same), wanted.get(same)) {
                (Some(a), Some(b)) => a < b,
                (None, _) => true,
                (Some(_), None) => false,
            };
            match less {
                true => (low, low_common) = (middle + 1, same),
                false => (high, high_common) = (middle, same),
            }
        }
        let length_at = |place: usize| {
            let text = &self.text[self.order[place] as usize..];
            common(text, wanted, LONGEST)
        };
        let below = if low > first { length_at(low - 1) } else { 0 };
        let above = if low < end { length_at(low) } else { 0 };
        let length = below.max(above);
        if length < SHORTEST {
            return None;
        }
        let goal = at as isize + shift;
        let mut best = (i64::MIN, 0, 0);
        let mut consider = |place: usize| {
            let source = self.order[place] as usize;
            let common = common(&self.text[source..], wanted, LONGEST);
            if common + NEARLY < length || common < SHORTEST {
                return false;
            }
            let distance = (source as isize - goal).unsigned_abs();
            let far = i64::from(usize::BITS - distance.leading_zeros());
            let worth = common as i64 * BYTE_BITS - far;
            if worth > best.0 {
                best = (worth, source, common);
            }
            true
        };
        for place in (first..low).rev().take(NEIGHBOURS) {
            if !consider(place) {
                break;
            }
        }
        for place in (low..end).take(NEIGHBOURS) {
            if !consider(place) {
                break;
            }
        }
        Some((best.1, best.2))
    }
}

/// By how much a nearer match may be shorter than the longest.
const NEARLY: usize = 4;

/// Bits that a byte of a match saves, about.
const BYTE_BITS: i64 = 4;

/// Equally long matches looked at on each side.
const NEIGHBOURS: usize = 16;

fn gram_hash(gram: &[u8]) -> u64 {
    let word = gram
        .iter()
        .take(SHORTEST)
        .fold(0u64, |word, byte| word << 8 | u64::from(*byte));
    word.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
