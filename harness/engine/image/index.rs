//! Entries by what leads to them, in eight bytes each and a little: an image may have a million.

use std::hash::{BuildHasher, Hash, RandomState};

/// Numbers by keys of 32 bits, each key as often as it was given.
#[derive(Debug, Default)]
pub struct Index {
    /// Keys, spread out, and numbers; sorted.
    pairs: Vec<(u32, u32)>,
    /// Where the pairs begin whose keys have these first bits, and the end.
    starts: Vec<u32>,
    /// How many bits of a key are not its first.
    shift: u32,
}

/// About so many pairs have the same first bits.
const PAIRS_OF_A_START: usize = 8;

/// Keys may lie close together, as the smallest of many hashes do. Nothing is lost: the factor is odd.
fn spread(key: u32) -> u32 {
    key.wrapping_mul(0x9E37_79B1)
}

impl Index {
    /// Of keys and numbers in any order. There are fewer than 2^32.
    pub fn of(mut pairs: Vec<(u32, u32)>) -> Index {
        pairs.iter_mut().for_each(|(key, _)| *key = spread(*key));
        pairs.sort_unstable();
        pairs.shrink_to_fit();
        let bits = (pairs.len() / PAIRS_OF_A_START).max(2).ilog2();
        let shift = u32::BITS - bits;
        let mut starts = vec![0; (1 << bits) + 1];
        for (key, _) in &pairs {
            starts[(key >> shift) as usize + 1] += 1;
        }
        for nth in 1..starts.len() {
            starts[nth] += starts[nth - 1];
        }
        Index {
            pairs,
            starts,
            shift,
        }
    }

    /// The numbers of this key, the smallest first.
    pub fn at(&self, key: u32) -> impl DoubleEndedIterator<Item = usize> + '_ {
        let key = spread(key);
        let pairs = match self.starts.get((key >> self.shift) as usize..) {
            Some([from, to, ..]) => &self.pairs[*from as usize..*to as usize],
            _ => &[],
        };
        let from = pairs.partition_point(|(other, _)| *other < key);
        let count = pairs[from..].partition_point(|(other, _)| *other == key);
        let found = &pairs[from..from + count];
        found.iter().map(|(_, number)| *number as usize)
    }
}

/// An [`Index`] by keys of any sort. It knows their hashes alone: whoever asks compares what is found with the key.
#[derive(Debug, Default)]
pub struct Hashed {
    index: Index,
    /// Drawn by lot, so that no image can be made whose keys have one hash.
    lot: RandomState,
}

impl Hashed {
    pub fn of<Key: Hash>(keys: impl Iterator<Item = (Key, usize)>) -> Hashed {
        let lot = RandomState::new();
        let pairs = keys.map(|(key, number)| (lot.hash_one(key) as u32, number as u32));
        let index = Index::of(pairs.collect());
        Hashed { index, lot }
    }

    /// The numbers that may be of this key, the smallest first.
    pub fn at<Key: Hash + ?Sized>(
        &self,
        key: &Key,
    ) -> impl DoubleEndedIterator<Item = usize> + use<'_, Key> {
        self.index.at(self.lot.hash_one(key) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::{Hashed, Index};

    #[test]
    fn numbers_of_a_key_are_found_in_order() {
        // Keys close together, far apart, and one that many have.
        let mut pairs: Vec<(u32, u32)> = (0..5000).map(|n| (n / 3, n)).collect();
        pairs.extend((0..50).map(|n| (u32::MAX - n * 77_777, n)));
        pairs.extend((0..3000).rev().map(|n| (9_999_999, n)));
        let index = Index::of(pairs.clone());
        for key in pairs.iter().map(|(key, _)| *key).chain([1_000_001, 77]) {
            let mut wanted: Vec<usize> = pairs
                .iter()
                .filter(|(other, _)| *other == key)
                .map(|(_, number)| *number as usize)
                .collect();
            wanted.sort_unstable();
            let found: Vec<usize> = index.at(key).collect();
            assert_eq!(found, wanted, "key {key}");
        }
    }

    #[test]
    fn without_pairs_nothing_is_found() {
        for index in [Index::default(), Index::of(Vec::new())] {
            assert_eq!(index.at(0).count() + index.at(u32::MAX).count(), 0);
        }
    }

    #[test]
    fn what_is_hashed_is_found_by_what_equals_it() {
        let names = ["usr", "usr/bin", "etc", "usr"];
        let hashed = Hashed::of(names.iter().enumerate().map(|(nth, name)| (*name, nth)));
        let found: Vec<usize> = hashed.at("usr").rev().collect();
        assert_eq!(found, [3, 0]);
        assert_eq!(hashed.at("var").count(), 0);
    }
}
