//! Which contents are alike: a quick hash for equal ones, and a sketch of shingles for similar ones. Encoder only.

use std::collections::HashMap;

use anyhow::Result;

use super::space::Space;

/// A hash for finding equal contents. What it says is checked when the patch is decoded before it is published.
pub fn quick_hash(space: &Space) -> Result<u128> {
    const K: [u64; 2] = [0x9E37_79B9_7F4A_7C15, 0xC2B2_AE3D_27D4_EB4F];
    let (mut one, mut two) = (space.len(), !space.len());
    let mut take = |word: u64| {
        one = (one ^ word).wrapping_mul(K[0]).rotate_left(29);
        two = (two.wrapping_add(word) ^ one)
            .wrapping_mul(K[1])
            .rotate_left(31);
    };
    space.pieces(|piece| {
        let words = piece.chunks_exact(8);
        let rest = words.remainder();
        for word in words {
            take(u64::from_le_bytes(word.try_into().unwrap_or_default()));
        }
        rest.iter().for_each(|byte| take(u64::from(*byte)));
        Ok(())
    })?;
    one = (one ^ one >> 32).wrapping_mul(K[1]);
    two = (two ^ two >> 32).wrapping_mul(K[0]);
    Ok(u128::from(one ^ two >> 29) << 64 | u128::from(two ^ one >> 31))
}

/// Shingles of one file that are kept: the smallest hashes.
const KEPT: usize = 64;
/// Shingles that two files must share to be called similar.
const LEAST_SHARED: u32 = 4;
/// One of this many places is looked at.
const SAMPLED: u64 = 8;

/// The smallest hashes of windows of 32 bytes.
pub fn sketch(bytes: &[u8]) -> Vec<u32> {
    let mut kept = std::collections::BTreeSet::new();
    let mut hash = 0_u64;
    for byte in bytes {
        // After 32 shifts by two a byte has left the hash.
        hash = (hash << 2).wrapping_add((u64::from(*byte) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mixed = hash.wrapping_mul(0xC2B2_AE3D_27D4_EB4F);
        if !(mixed >> 20).is_multiple_of(SAMPLED) {
            continue;
        }
        let small = (mixed >> 32) as u32;
        if kept.len() < KEPT || kept.last().is_some_and(|largest| small < *largest) {
            kept.insert(small);
            if kept.len() > KEPT {
                kept.pop_last();
            }
        }
    }
    kept.into_iter().collect()
}

/// Files by their shingles.
#[derive(Default)]
pub struct Similar {
    with: HashMap<u32, Vec<usize>>,
}

impl Similar {
    pub fn add(&mut self, file: usize, sketch: &[u32]) {
        for shingle in sketch {
            let with = self.with.entry(*shingle).or_default();
            // What many files share tells nothing.
            if with.len() < 50 {
                with.push(file);
            }
        }
    }

    /// The file that shares the most shingles, if enough, and how many it shares.
    pub fn nearest(&self, sketch: &[u32]) -> Option<(usize, u32)> {
        let mut votes: HashMap<usize, u32> = HashMap::new();
        for file in sketch.iter().filter_map(|shingle| self.with.get(shingle)) {
            file.iter()
                .for_each(|file| *votes.entry(*file).or_default() += 1);
        }
        votes
            .into_iter()
            .filter(|(_, shared)| *shared >= LEAST_SHARED)
            .max_by_key(|(file, shared)| (*shared, std::cmp::Reverse(*file)))
    }
}
