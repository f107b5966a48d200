//! Which contents are alike: a quick hash for equal ones, and a sketch of shingles for similar ones. Encoder only.

use std::collections::HashMap;

use std::num::NonZero;

use anyhow::Result;

use super::index::Index;
use super::space::Space;

/// A hash of contents and their length.
pub type Hash = NonZero<u128>;

/// A hash for finding equal contents. What it says is checked when the patch is decoded before it is published.
pub fn quick_hash(space: &Space) -> Result<Hash> {
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
    let hash = u128::from(one ^ two >> 29) << 64 | u128::from(two ^ one >> 31);
    Ok(NonZero::new(hash).unwrap_or(Hash::MIN))
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

/// Shingles of all files together that are kept, of eight bytes each: of more than a quarter of a million files each has
/// fewer than it might.
const MOST_SHINGLES: usize = 1 << 24;
/// Files that share a shingle which are looked at: what many share tells nothing.
const MOST_SHARERS: usize = 50;

/// Sketches of files, being collected.
pub struct Sketches {
    /// Shingles of each file that are kept.
    kept: usize,
    pairs: Vec<(u32, u32)>,
}

impl Sketches {
    /// For so many files.
    pub fn of_files(count: usize) -> Sketches {
        Sketches {
            kept: (MOST_SHINGLES / count.max(1)).clamp(1, KEPT),
            pairs: Vec::new(),
        }
    }

    pub fn add(&mut self, file: usize, sketch: &[u32]) {
        let kept = sketch.iter().take(self.kept);
        self.pairs
            .extend(kept.map(|shingle| (*shingle, file as u32)));
    }

    pub fn finish(self) -> Similar {
        Similar {
            with: Index::of(self.pairs),
        }
    }
}

/// Files by their shingles.
#[derive(Default)]
pub struct Similar {
    with: Index,
}

impl Similar {
    /// Of the files before `end` the one that shares the most shingles, if enough, and how many it shares.
    pub fn nearest(&self, sketch: &[u32], end: usize) -> Option<(usize, u32)> {
        let mut votes: HashMap<usize, u32> = HashMap::new();
        for shingle in sketch {
            let with = self.with.at(*shingle).take(MOST_SHARERS);
            with.take_while(|file| *file < end)
                .for_each(|file| *votes.entry(file).or_default() += 1);
        }
        votes
            .into_iter()
            .filter(|(_, shared)| *shared >= LEAST_SHARED)
            .max_by_key(|(file, shared)| (*shared, std::cmp::Reverse(*file)))
    }
}

#[cfg(test)]
mod tests {
    use super::{KEPT, LEAST_SHARED, MOST_SHARERS, Sketches};

    #[test]
    fn of_many_files_each_has_fewer_shingles() {
        let sketch: Vec<u32> = (0..KEPT as u32).collect();
        for (files, kept) in [(1, 64), (1 << 18, 64), (1 << 19, 32), (1 << 20, 16)] {
            let mut sketches = Sketches::of_files(files);
            sketches.add(7, &sketch);
            let nearest = sketches.finish().nearest(&sketch, usize::MAX);
            assert_eq!(nearest, Some((7, kept)), "{files} files");
        }
    }

    #[test]
    fn the_nearest_file_comes_before_the_end_and_shares_what_few_do() {
        let usual: Vec<u32> = (0..10).collect();
        let rare: Vec<u32> = (100..100 + LEAST_SHARED).collect();
        let last = MOST_SHARERS + 5;
        let mut sketches = Sketches::of_files(last + 1);
        (0..last).for_each(|file| sketches.add(file, &usual));
        sketches.add(last, &[&usual[..], &rare].concat());
        let similar = sketches.finish();
        assert_eq!(similar.nearest(&usual, usize::MAX), Some((0, 10)));
        assert_eq!(similar.nearest(&usual, 0), None);
        // Of what is usual the last one is too late to count.
        let found = similar.nearest(&rare, usize::MAX);
        assert_eq!(found, Some((last, LEAST_SHARED)));
        assert_eq!(similar.nearest(&rare, last), None);
        // It shares the most, but of that only three shingles tell anything.
        let most = [&usual[..], &rare[1..]].concat();
        assert_eq!(similar.nearest(&most, usize::MAX), Some((0, 10)));
    }
}
