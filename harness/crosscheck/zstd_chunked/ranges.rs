//! The ranges that a client asks for: the pieces that it lacks, and short gaps between them.

use std::ops::Range;

use anyhow::{Context, Result};

/// Gaps of at most this many bytes are fetched with what they divide.
const GAP_BYTES: u64 = 1024;
/// A client with this many runs or more fetches gaps, the shortest first, until there are fewer.
const MOST_RANGES: u64 = 1024;

/// A piece of a file that is not there as a whole.
#[derive(Clone, Debug)]
pub struct Part {
    /// Pieces of one file have one number.
    pub file: usize,
    /// In the layer.
    pub place: Range<u64>,
    /// It is found elsewhere, or is all zeros.
    pub is_here: bool,
}

/// Bytes that cross, gaps with them. The parts are in order of their places.
pub fn crossing(parts: &[Part]) -> Result<u64> {
    let runs = runs(parts);
    let mut gaps = Vec::new();
    for pair in runs.windows(2) {
        let gap = pair[1].start.checked_sub(pair[0].end);
        gaps.push(gap.context("its files overlap, or are not in order")?);
    }
    gaps.sort_unstable();
    // How many more runs there are than there may be.
    let mut too_many = i128::from(runs.len() as u64) - i128::from(MOST_RANGES);
    let mut bytes: u64 = runs.iter().map(|run| run.end - run.start).sum();
    for gap in gaps {
        if gap <= GAP_BYTES || too_many >= 0 {
            bytes += gap;
            too_many -= 1;
        }
    }
    Ok(bytes)
}

/// Adjacent pieces of one file count as one.
fn runs(parts: &[Part]) -> Vec<Range<u64>> {
    let mut runs: Vec<Range<u64>> = Vec::new();
    let mut open = None;
    for part in parts {
        let goes_on = open == Some(part.file);
        open = (!part.is_here).then_some(part.file);
        match runs.last_mut() {
            _ if part.is_here => {}
            Some(run) if goes_on && run.end == part.place.start => run.end = part.place.end,
            _ => runs.push(part.place.clone()),
        }
    }
    runs
}
