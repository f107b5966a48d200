//! Chunkers: they cut a stream of bytes into chunks.

use std::io::Read;

use anyhow::{Context, Result};
use fastcdc::v2020::{
    AVERAGE_MAX, AVERAGE_MIN, MAXIMUM_MAX, MAXIMUM_MIN, MINIMUM_MAX, MINIMUM_MIN, StreamCDC,
};

use super::version::FASTCDC;

/// 1,024 bytes.
pub const KIB: usize = 1024;
/// 1,048,576 bytes.
pub const MIB: usize = 1024 * KIB;

/// Largest chunk of any chunker here; an index with a larger one is refused.
pub(super) const CHUNK_LIMIT_BYTES: usize = MAXIMUM_MAX;

/// Cuts a stream into chunks. Equal streams are always cut at the same positions.
pub trait Chunker {
    /// Its kind and sizes in at most 32 bytes of ASCII, for an index.
    fn id(&self) -> String;

    /// The library and the sizes that decide where it cuts, for a method's version.
    fn version(&self) -> String;

    /// Calls `each` with every chunk of `input` in order; an empty stream has none. Holds a few chunks in memory.
    fn cut(&self, input: &mut dyn Read, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()>;
}

/// Chunks of one size, except the last. An inserted byte moves every later cut.
pub struct Fixed {
    bytes: usize,
}

impl Fixed {
    /// Most bytes of a chunk.
    pub const MOST_BYTES: u32 = CHUNK_LIMIT_BYTES as u32;

    pub const fn size(bytes: usize) -> Fixed {
        assert!(bytes > 0 && bytes <= CHUNK_LIMIT_BYTES);
        Fixed { bytes }
    }
}

impl Chunker for Fixed {
    fn id(&self) -> String {
        format!("fixed {}", self.bytes)
    }

    fn version(&self) -> String {
        self.id()
    }

    fn cut(&self, input: &mut dyn Read, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut chunk = Vec::with_capacity(self.bytes);
        loop {
            chunk.clear();
            let read = input.take(self.bytes as u64).read_to_end(&mut chunk);
            if read.context("read to cut it into chunks")? == 0 {
                return Ok(());
            }
            each(&chunk)?;
        }
    }
}

/// Content-defined chunks by FastCDC (Xia et al., "The Design of Fast Content-Defined Chunking for Data
/// Deduplication Based Storage Systems", IEEE TPDS 2020), normalization level 1. A cut depends on the bytes around it, so an
/// insertion changes only the chunks it touches.
pub struct FastCdc {
    min_bytes: usize,
    average_bytes: usize,
    max_bytes: usize,
}

impl FastCdc {
    /// The averages for which the quarter and the fourfold are within the library's limits as well.
    pub const LEAST_AVERAGE_BYTES: u32 = AVERAGE_MIN as u32;
    pub const MOST_AVERAGE_BYTES: u32 = AVERAGE_MAX as u32;

    /// Chunks of about `bytes` bytes (in practice 1.25 times that), from a quarter to four times `bytes`. The library checks
    /// its limits only in debug builds, so they are checked here: all sizes are even, the average is 256 B to 4 MiB, and the
    /// least and the largest size are within the library's limits.
    pub const fn average(bytes: usize) -> FastCdc {
        let chunker = FastCdc {
            min_bytes: bytes / 4,
            average_bytes: bytes,
            max_bytes: bytes * 4,
        };
        assert!(bytes.is_multiple_of(8));
        assert!(bytes >= AVERAGE_MIN && bytes <= AVERAGE_MAX);
        assert!(chunker.min_bytes >= MINIMUM_MIN && chunker.min_bytes <= MINIMUM_MAX);
        assert!(chunker.max_bytes >= MAXIMUM_MIN && chunker.max_bytes <= MAXIMUM_MAX);
        chunker
    }
}

impl Chunker for FastCdc {
    fn id(&self) -> String {
        format!("fastcdc-2020 {}", self.average_bytes)
    }

    fn version(&self) -> String {
        format!(
            "{FASTCDC} v2020 {}:{}:{}",
            self.min_bytes, self.average_bytes, self.max_bytes
        )
    }

    fn cut(&self, input: &mut dyn Read, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        for chunk in StreamCDC::new(input, self.min_bytes, self.average_bytes, self.max_bytes) {
            each(&chunk.context("read to cut it into chunks")?.data)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::noise;

    fn lengths(chunker: &dyn Chunker, mut input: &[u8]) -> Vec<usize> {
        let mut lengths = Vec::new();
        chunker
            .cut(&mut input, &mut |chunk| {
                lengths.push(chunk.len());
                Ok(())
            })
            .unwrap();
        lengths
    }

    /// The library once moved its cut points between two releases, which makes every store useless.
    #[test]
    fn cut_points_are_what_they_always_were() {
        let noise = noise(1, 300_000);
        let cuts = [16, 64, 256].map(|kib| lengths(&FastCdc::average(kib * KIB), &noise));
        let golden: [&[usize]; 3] = [
            &[
                12881, 21124, 23292, 25180, 8599, 5140, 41573, 32261, 20539, 8470, 24163, 14967,
                5278, 18681, 20488, 17364,
            ],
            &[34005, 62211, 73834, 68139, 19495, 42316],
            &[257684, 42316],
        ];
        assert_eq!(cuts, golden);
    }

    #[test]
    fn chunks_join_to_what_was_cut_and_keep_their_limits() {
        let noise = noise(1, 1_000_003);
        for average in [1024, 16 * KIB, 64 * KIB] {
            let chunker = FastCdc::average(average);
            let mut joined = Vec::new();
            let mut most = 0;
            let each = &mut |chunk: &[u8]| {
                joined.extend_from_slice(chunk);
                most = most.max(chunk.len());
                Ok(())
            };
            chunker.cut(&mut &noise[..], each).unwrap();
            assert_eq!(joined, noise);
            assert!(most <= 4 * average);
            let lengths = lengths(&chunker, &noise);
            let (_last, others) = lengths.split_last().unwrap();
            assert!(others.iter().all(|&length| length >= average / 4));
        }
    }

    #[test]
    fn an_insertion_moves_every_fixed_cut_but_few_of_those_that_follow_the_content() {
        let before = noise(1, 2_000_000);
        let mut after = before.clone();
        after.splice(1000..1000, *b"inserted");
        let shared = |chunker: &dyn Chunker| {
            let chunks = |mut input: &[u8]| {
                let mut chunks = std::collections::BTreeSet::new();
                let each = &mut |chunk: &[u8]| {
                    chunks.insert(chunk.to_vec());
                    Ok(())
                };
                chunker.cut(&mut input, each).unwrap();
                chunks
            };
            let (before, after) = (chunks(&before), chunks(&after));
            (after.intersection(&before).count(), after.len())
        };
        assert_eq!(shared(&Fixed::size(16 * KIB)).0, 0);
        let (same, all) = shared(&FastCdc::average(16 * KIB));
        assert!(same + 2 >= all, "{same} of {all}");
    }

    #[test]
    fn fixed_chunks_are_equal_but_for_the_last() {
        let fixed = Fixed::size(10);
        assert_eq!(lengths(&fixed, &[0; 25]), [10, 10, 5]);
        assert_eq!(lengths(&fixed, &[0; 20]), [10, 10]);
        assert_eq!(lengths(&fixed, &[]), [0; 0]);
    }

    #[test]
    #[should_panic]
    fn a_size_out_of_the_librarys_limits_is_refused() {
        // A quarter of it is below the least minimum.
        FastCdc::average(128);
    }
}
