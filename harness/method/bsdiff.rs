//! Patches by bsdiff: matches found through the suffixes of the base, and the differences within them, compressed with bzip2
//! (BSDIFF40).
//!
//! The format is that of the bsdiff program, whose `bspatch` applies these patches; the search is another one. The server
//! holds the base, a suffix array of four bytes for each byte of it, and the image (the program: 17 bytes for each byte of
//! the base). The client holds base and image. The search runs on one core over the whole image: in parallel the library
//! would cut the image into pieces, and no match crosses a cut.

use std::io::Cursor;

use anyhow::{Context, Result, ensure};
use qbsdiff::{Bsdiff as Search, Bspatch, ParallelScheme};

use super::patched::Codec;
use super::version::{BZIP2, QBSDIFF, SUFFIX_ARRAY};

/// The suffix array has signed indexes of 32 bits; for a longer base the library panics.
const BASE_LIMIT_BYTES: u64 = i32::MAX as u64;

/// bzip2's block size in units of 100 kB, as in the bsdiff program.
const BZIP2_LEVEL: u32 = 9;

/// Magic, length of the compressed controls, length of the compressed differences, length of the image.
const HEAD_BYTES: usize = 32;

/// BSDIFF40 by the qbsdiff library.
pub struct Bsdiff;

impl Codec for Bsdiff {
    fn version(&self) -> Result<String> {
        Ok(format!("{QBSDIFF}, {SUFFIX_ARRAY}, {BZIP2} -{BZIP2_LEVEL}"))
    }

    fn ending(&self) -> &'static str {
        "bsdiff"
    }

    fn fits(&self, base_bytes: u64, image_bytes: u64) -> Result<()> {
        ensure!(
            base_bytes <= BASE_LIMIT_BYTES,
            "bsdiff sorts the suffixes of a base of at most {BASE_LIMIT_BYTES} B, but this one has {base_bytes} (and the image {image_bytes})"
        );
        Ok(())
    }

    fn delta(&self, base: &[u8], image: &[u8]) -> Result<Option<Vec<u8>>> {
        let mut patch = Vec::new();
        Search::new(base, image)
            .parallel_scheme(ParallelScheme::Never)
            .compression_level(BZIP2_LEVEL)
            .compare(Cursor::new(&mut patch))
            .context("bsdiff could not encode")?;
        Ok(Some(patch))
    }

    fn decode(&self, base: &[u8], patch: &[u8], image_bytes: u64) -> Result<Vec<u8>> {
        check_head(patch, image_bytes)?;
        // Writing beyond the end of this buffer is an error.
        let mut image = vec![0; usize::try_from(image_bytes)?];
        let written = Bspatch::new(patch)
            .and_then(|patch| patch.apply(base, Cursor::new(&mut image[..])))
            .context("bsdiff could not decode")?;
        ensure!(
            written == image_bytes,
            "a patch to {written} B, but the image has {image_bytes}"
        );
        Ok(image)
    }
}

/// Checks the lengths in the head, which the library adds up without a check.
fn check_head(patch: &[u8], image_bytes: u64) -> Result<()> {
    ensure!(
        patch.len() >= HEAD_BYTES && patch.starts_with(b"BSDIFF40"),
        "not a patch of bsdiff"
    );
    // Negative numbers have the highest bit set, so they are too large as well.
    let mut numbers = patch[8..HEAD_BYTES].chunks_exact(8).map(|eight| {
        eight
            .iter()
            .rev()
            .fold(0, |n, byte| n << 8 | u64::from(*byte))
    });
    let mut next = || numbers.next().unwrap_or(u64::MAX);
    let (controls, differences, stated) = (next(), next(), next());
    let held = (patch.len() - HEAD_BYTES) as u64;
    ensure!(
        controls <= held && differences <= held - controls,
        "a head with lengths of {controls} and {differences} B, but the patch has {held}"
    );
    ensure!(
        stated == image_bytes,
        "a patch to {stated} B, but the image has {image_bytes}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::noise;

    fn encode(base: &[u8], image: &[u8]) -> Vec<u8> {
        Bsdiff.delta(base, image).unwrap().unwrap()
    }

    #[test]
    fn an_image_beyond_the_pieces_of_a_parallel_search_gets_the_same_patch_each_time() {
        let base = noise(1, 3 << 20);
        // The first MiB moved to the end: two matches, which cross any cut at half a MiB.
        let image = [&base[1 << 20..], &base[..1 << 20]].concat();
        let patch = encode(&base, &image);
        assert_eq!(patch, encode(&base, &image));
        // 150 bytes in one piece, 173 in six.
        assert!(patch.len() < 160, "{}", patch.len());
        let rebuilt = Bsdiff.decode(&base, &patch, image.len() as u64);
        assert!(rebuilt.unwrap() == image);
    }

    #[test]
    fn a_base_too_long_to_sort_is_refused_with_the_limit() {
        assert!(Bsdiff.fits((1 << 31) - 1, 1 << 40).is_ok());
        let refusal = Bsdiff.fits(1 << 31, 1).unwrap_err().to_string();
        assert!(refusal.contains("2147483647 B"), "{refusal}");
    }

    #[test]
    fn wrong_lengths_are_errors_and_do_not_panic() {
        let base = noise(2, 10_000);
        let image = [&base[..5000], &noise(3, 500), &base[5000..]].concat();
        let patch = encode(&base, &image);
        let bytes = image.len() as u64;
        assert!(Bsdiff.decode(&base, &patch, bytes).unwrap() == image);
        for place in [8, 16, 24] {
            for length in [u64::MAX, 1 << 63, (1 << 63) - 1, 0, 31, bytes + 1] {
                let mut wrong = patch.clone();
                wrong[place..place + 8].copy_from_slice(&length.to_le_bytes());
                let decoded = Bsdiff.decode(&base, &wrong, bytes);
                assert!(decoded.is_err(), "{length} at {place}");
            }
        }
        // Their sum overflows to 0.
        let mut wrong = patch.clone();
        wrong[8..16].copy_from_slice(&(1_u64 << 63).to_le_bytes());
        wrong[16..24].copy_from_slice(&(1_u64 << 63).to_le_bytes());
        assert!(Bsdiff.decode(&base, &wrong, bytes).is_err());
        for cut in [0, 7, 31, 32, patch.len() / 2] {
            assert!(Bsdiff.decode(&base, &patch[..cut], bytes).is_err(), "{cut}");
        }
        // A valid patch to an image that is longer than expected.
        assert!(Bsdiff.decode(&base, &patch, bytes - 1).is_err());
    }
}
