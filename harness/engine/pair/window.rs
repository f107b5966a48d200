//! Windows: how a file that is too big to be coded at once is cut.
//!
//! A unit makes at most [`NEW`] bytes from at most [`BASE`] bytes of the base. The encoder chooses where the base's
//! part starts; the start is coded in [`STEP`]s. Smaller files, and programs of up to [`PROGRAM`] bytes, are one unit over the
//! whole base. Version 2, frozen except for the choice.

use std::ops::Range;

use anyhow::{Result, ensure};

use super::align::{self, Op};
use super::coder::Coder;
use super::model::Number;

/// Bytes a unit makes at most.
pub const NEW: usize = 16 << 20;

/// Bytes of the base a unit sees at most.
pub const BASE: usize = 32 << 20;

/// A base's part starts at a multiple of this.
const STEP: usize = 1 << 16;

/// Bytes of a program that is still one unit: its references reach from one end to the other.
pub const PROGRAM: usize = 128 << 20;

/// The ranges of the new file, one for each unit.
pub fn windows(base: &[u8], new_len: usize) -> impl Iterator<Item = Range<usize>> + use<> {
    let size = if is_program(base, new_len) {
        PROGRAM
    } else {
        NEW
    };
    (0..new_len.div_ceil(size)).map(move |at| at * size..((at + 1) * size).min(new_len))
}

fn is_program(base: &[u8], new_len: usize) -> bool {
    base.starts_with(b"\x7fELF") && base.len() <= PROGRAM && new_len <= PROGRAM
}

/// Whether only a part of the base is seen, whose start has to be coded.
fn is_cut(base: &[u8], new_len: usize) -> bool {
    base.len() > BASE && !is_program(base, new_len)
}

/// Aligns a unit. Big programs are aligned in windows, so that the suffix array stays small.
pub fn align(base: &[u8], new: &[u8], gain: usize) -> Vec<Op> {
    if base.len() <= BASE {
        return align::align(base, new, gain);
    }
    let mut ops = Vec::new();
    let mut literals = 0;
    for start in (0..new.len()).step_by(NEW) {
        let range = start..(start + NEW).min(new.len());
        let window = most_samples(base, new, &range);
        let part = align::align(&base[window.clone()], &new[range.clone()], gain);
        let mut covered = 0;
        for op in part {
            covered += op.literal + op.length;
            ops.push(Op {
                literal: op.literal + literals,
                source: op.source + window.start as u32,
                ..op
            });
            literals = 0;
        }
        literals += range.len() as u32 - covered;
    }
    ops
}

/// The part of the base that starts at `start`, for a unit.
pub fn base_range(base: &[u8], start: usize, new_len: usize) -> Range<usize> {
    match is_cut(base, new_len) {
        true => start..(start + BASE).min(base.len()),
        false => 0..base.len(),
    }
}

/// Where the second file of a base begins in a unit's part; nothing when the unit does not see all of the base.
pub fn split(part: &Range<usize>, base: &[u8], split: Option<usize>) -> Option<usize> {
    split.filter(|split| *part == (0..base.len()) && (1..base.len()).contains(split))
}

/// Codes where the base's part starts.
pub fn code<C: Coder>(
    coder: &mut C,
    starts: &mut Number,
    base: &[u8],
    new_len: usize,
    start: usize,
) -> Result<usize> {
    if !is_cut(base, new_len) {
        return Ok(0);
    }
    let start = starts.code(coder, (start / STEP) as u32) as usize * STEP;
    ensure!(
        start < base.len(),
        "a window starts after the end of the base"
    );
    Ok(start)
}

/// Bytes whose places in base and new file are compared to choose a window.
const GRAM: usize = 32;

/// The part of the base that a unit sees: the one with most of the samples of `new[range]`.
///
/// Where no part has any, the one at the same place.
pub fn choose(base: &[u8], new: &[u8], range: &Range<usize>) -> Range<usize> {
    match is_cut(base, new.len()) {
        true => most_samples(base, new, range),
        false => 0..base.len(),
    }
}

fn most_samples(base: &[u8], new: &[u8], range: &Range<usize>) -> Range<usize> {
    let mut wanted = std::collections::HashMap::new();
    for gram in new[range.clone()].windows(GRAM) {
        let key = rolling_key(gram);
        if is_sample(key) {
            wanted.insert(key, 0u32);
        }
    }
    let mut votes = vec![0u64; base.len() / STEP + 1];
    for (at, gram) in base.windows(GRAM).enumerate() {
        let key = rolling_key(gram);
        if !is_sample(key) {
            continue;
        }
        if let Some(seen) = wanted.get_mut(&key) {
            *seen += 1;
            // What is everywhere says little about where.
            votes[at / STEP] += 256 >> (*seen).min(9);
        }
    }
    let span = BASE / STEP;
    let last = (base.len() - BASE).div_ceil(STEP);
    let usual = (range.start.saturating_sub((BASE - NEW) / 2) / STEP).min(last);
    let mut best = (0, usual);
    let mut sum: u64 = votes.iter().take(span).sum();
    for start in 0..=last {
        let nearer = start.abs_diff(usual) < best.1.abs_diff(usual);
        if sum > best.0 || (sum == best.0 && nearer) {
            best = (sum, start);
        }
        sum -= votes[start];
        sum += votes.get(start + span).copied().unwrap_or(0);
    }
    let start = best.1 * STEP;
    start..(start + BASE).min(base.len())
}

fn rolling_key(gram: &[u8]) -> u64 {
    let first = u64::from_le_bytes(gram[..8].try_into().unwrap_or_default());
    let last = u64::from_le_bytes(gram[GRAM - 8..].try_into().unwrap_or_default());
    (first ^ last.rotate_left(29)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// About one place in 1024 is a sample.
fn is_sample(key: u64) -> bool {
    key >> 54 == 1
}
