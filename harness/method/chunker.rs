//! Chunkers: where a stream of bytes is cut into chunks.

use std::io::{self, Read};

use anyhow::{Context, Result};
use fastcdc::v2020::{
    AVERAGE_MAX, AVERAGE_MIN, MAXIMUM_MAX, MAXIMUM_MIN, MINIMUM_MAX, MINIMUM_MIN, StreamCDC,
};

use super::version::FASTCDC;

/// 1,024 bytes.
pub const KIB: usize = 1024;

/// Most bytes of one chunk of any chunker here; nothing longer is believed of an index.
pub(super) const CHUNK_LIMIT_BYTES: usize = MAXIMUM_MAX;

/// Cuts a stream into chunks; equal streams always in the same places.
pub trait Chunker {
    /// Its kind and sizes in at most 32 bytes of ASCII, for the head of an index.
    fn id(&self) -> String;

    /// The code and the sizes that decide where it cuts, for a method's version.
    fn version(&self) -> String;

    /// Calls `each` with every chunk of `input` in order; none for an empty stream. Holds a few chunks in memory.
    fn cut(&self, input: &mut dyn Read, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()>;
}

/// Chunks of one size; only the last is shorter. An inserted byte moves every cut after it.
pub struct Fixed {
    bytes: usize,
}

impl Fixed {
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
        let mut chunk = vec![0; self.bytes];
        loop {
            let filled = fill(input, &mut chunk).context("read to cut it into chunks")?;
            if filled > 0 {
                each(&chunk[..filled])?;
            }
            if filled < chunk.len() {
                return Ok(());
            }
        }
    }
}

/// Content-defined chunks by FastCDC (Xia et al., "The Design of Fast Content-Defined Chunking for Data
/// Deduplication Based Storage Systems", IEEE TPDS 2020), normalization level 1: a cut follows the bytes around
/// it, so an insertion changes the chunks it touches and no other.
pub struct FastCdc {
    min_bytes: usize,
    average_bytes: usize,
    max_bytes: usize,
}

impl FastCdc {
    /// Chunks of about `bytes` bytes (really about 1.25 times that), from a quarter of it to four times. The
    /// library checks its limits in debug builds only, so they are checked here: sizes are even, the average from
    /// 256 B to 4 MiB, and the quarter and the fourfold within its limits too.
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

/// Fills the buffer as far as the input goes.
fn fill(input: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};

    use super::*;

    /// Bytes without a pattern, the same on every machine.
    fn noise(bytes: usize) -> Vec<u8> {
        let mut noise = vec![0; bytes];
        ChaCha8Rng::seed_from_u64(1).fill_bytes(&mut noise);
        noise
    }

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

    /// The library once moved its cut points between two releases, which orphans every store.
    #[test]
    fn cut_points_are_what_they_always_were() {
        let noise = noise(300_000);
        let golden: [(usize, &[usize]); 3] = [
            (
                16,
                &[
                    14008, 20356, 21275, 21129, 20689, 20908, 24050, 28644, 5492, 19318, 5342,
                    10106, 16144, 43643, 16643, 12253,
                ],
            ),
            (64, &[176551, 19318, 23485, 80646]),
            (256, &[211317, 88683]),
        ];
        for (kib, expected) in golden {
            assert_eq!(
                lengths(&FastCdc::average(kib * KIB), &noise),
                expected,
                "{kib}k"
            );
        }
    }

    #[test]
    fn chunks_join_to_what_was_cut_and_keep_their_limits() {
        let noise = noise(1_000_003);
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
        let before = noise(2_000_000);
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
