//! Codes as Go builds them from a block's counts (`huffman_code.go`), and which form of the block it chooses
//! (`huffman_bit_writer.go`).

use super::block::{Block, Run, Trees, count_runs};
use super::codes::Code;

/// What four bytes are multiplied by; the upper bits of the product are their hash (`hashmul` in `deflate.go`).
pub const HASH_FACTOR: u32 = 0x1E35_A7BD;

/// Ends a block, none of which is the last. Contents that are not given, or too long, are not stored.
pub fn end(block: &mut Block, contents: Option<&[u8]>) {
    // One distance at least, though no symbol has it.
    if block.copies() == 0 {
        block.distances[0] = 1;
    }
    let literals = code_of(&block.lengths, 15);
    let distances = code_of(&block.distances, 15);
    let trees = trees_of(&literals, &distances);
    let dynamic = block.size(&literals, &distances) + trees.bits + 3;
    let fixed = block.size(&Code::fixed_literals(), &Code::fixed_distances()) + 3;
    let storable = contents.filter(|contents| contents.len() <= 0xFFFF);
    match storable {
        Some(contents) if 8 * (contents.len() as u64 + 5) < dynamic.min(fixed) => {
            block.bits.put_stored(contents, false);
        }
        _ if dynamic < fixed => block.put_dynamic(&literals, &distances, &trees, false),
        _ => block.put_fixed(false),
    }
    block.clear();
}

/// Ends a block of level 1: under codes of its own, or stored when they save less than about a sixteenth. Their size is
/// taken without the extra bits.
pub fn end_fast(block: &mut Block, contents: &[u8]) {
    if block.copies() == 0 {
        block.distances[0] = 1;
    }
    let literals = code_of(&block.lengths, 15);
    let distances = code_of(&block.distances, 15);
    let trees = trees_of(&literals, &distances);
    let size = literals.size(&block.lengths, &|_| 0) + distances.size(&block.distances, &|_| 0);
    let size = size + trees.bits + 3;
    if 8 * (contents.len() as u64 + 5) < size + size / 16 {
        block.bits.put_stored(contents, false);
    } else {
        block.put_dynamic(&literals, &distances, &trees, false);
    }
    block.clear();
}

fn trees_of(literals: &Code, distances: &Code) -> Trees {
    let mut lengths = literals.lengths[..=literals.last()].to_vec();
    lengths.extend_from_slice(&distances.lengths[..=distances.last()]);
    let runs = runs_of(&lengths);
    let code = code_of(&count_runs(&runs), 7);
    Trees::of(runs, code)
}

/// Code lengths as runs, which may go on from one code into the other.
fn runs_of(lengths: &[u8]) -> Vec<Run> {
    let mut runs = Vec::new();
    for same in lengths.chunk_by(|one, other| one == other) {
        let length = usize::from(same[0]);
        let mut left = same.len();
        if length == 0 {
            while left >= 11 {
                let run = left.min(138);
                runs.push((18, run as u32 - 11, 7));
                left -= run;
            }
            if left >= 3 {
                runs.push((17, left as u32 - 3, 3));
                left = 0;
            }
        } else {
            runs.push((length, 0, 0));
            left -= 1;
            while left >= 3 {
                let run = left.min(6);
                runs.push((16, run as u32 - 3, 2));
                left -= run;
            }
        }
        runs.extend(std::iter::repeat_n((length, 0, 0), left));
    }
    runs
}

/// The code Go builds from counts, no longer than `longest`: of symbols that come equally often, the later ones have
/// the shorter codes.
fn code_of(counts: &[u32], longest: usize) -> Code {
    let mut order: Vec<usize> = (0..counts.len())
        .filter(|symbol| counts[*symbol] > 0)
        .collect();
    order.sort_by_key(|symbol| counts[*symbol]);
    let mut lengths = vec![0; counts.len()];
    if order.len() <= 2 {
        order.iter().for_each(|symbol| lengths[*symbol] = 1);
        return Code::of_lengths(lengths);
    }
    let leaves: Vec<u32> = order.iter().map(|symbol| counts[*symbol]).collect();
    let of_length = counts_of_lengths(&leaves, longest.min(leaves.len() - 1));
    let mut symbols = order.iter().rev();
    for (bits, count) in of_length.into_iter().enumerate() {
        for symbol in symbols.by_ref().take(count) {
            lengths[*symbol] = bits as u8 + 1;
        }
    }
    Code::of_lengths(lengths)
}

/// How many symbols have codes of 1, 2, … bits, by package-merge (Larmore and Hirschberg, 1990). Among equal weights
/// a pair comes before a symbol, as in Go's `bitCounts`.
fn counts_of_lengths(leaves: &[u32], longest: usize) -> Vec<usize> {
    // For each level, the deepest first: whether each of its items is a symbol.
    let mut levels: Vec<Vec<bool>> = Vec::new();
    let mut below: Vec<u32> = Vec::new();
    for _ in 0..longest {
        let pairs = below.chunks_exact(2).map(|pair| pair[0] + pair[1]);
        let mut pairs = pairs.peekable();
        let mut waiting = leaves.iter().copied().peekable();
        let (mut items, mut are_leaves) = (Vec::new(), Vec::new());
        loop {
            let is_leaf = match (waiting.peek(), pairs.peek()) {
                (Some(leaf), Some(pair)) => leaf < pair,
                (leaf, None) if leaf.is_none() => break,
                (leaf, _) => leaf.is_some(),
            };
            let weight = if is_leaf {
                waiting.next()
            } else {
                pairs.next()
            };
            items.extend(weight);
            are_leaves.push(is_leaf);
        }
        levels.push(are_leaves);
        below = items;
    }
    // What the top takes: each pair in it takes two of the level below. A symbol taken on so many levels has so long
    // a code.
    let mut take = 2 * leaves.len() - 2;
    let mut counts = Vec::new();
    let mut taken_above = leaves.len();
    for level in levels.iter().rev() {
        let taken = level[..take].iter().filter(|leaf| **leaf).count();
        take = 2 * (take - taken);
        counts.push(taken_above - taken);
        taken_above = taken;
    }
    counts.remove(0);
    counts.push(taken_above);
    counts
}
