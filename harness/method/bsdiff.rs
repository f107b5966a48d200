//! Patches by bsdiff: what the suffixes of the base match and how the rest differs, packed with bzip2 (BSDIFF40).
//!
//! What the bsdiff program writes, by another search: its `bspatch` applies these patches. The server holds the base, four
//! bytes of suffix array for each of its bytes, and the image (the program: 17 bytes for each byte of the base); the
//! client holds base and image. The search runs on one core and in one piece: in parallel the library cuts the image
//! into pieces, and no match crosses a cut.

use std::io::{Cursor, Read};

use anyhow::{Context, Result, ensure};
use qbsdiff::{Bsdiff as Search, Bspatch, ParallelScheme};

use super::patched::{Codec, read_whole};
use super::version::{BZIP2, QBSDIFF, SUFFIX_ARRAY};

/// The suffix array counts in signed 32 bits; beyond, the library panics.
const BASE_LIMIT_BYTES: u64 = i32::MAX as u64;

/// bzip2's block in units of 100 kB, as the bsdiff program has it.
const BZIP2_LEVEL: u32 = 9;

/// Magic, length of the packed controls, length of the packed differences, length of the image.
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
            "bsdiff sorts the suffixes of a base of up to {BASE_LIMIT_BYTES} B, here it has {base_bytes} (and the image {image_bytes})"
        );
        Ok(())
    }

    fn encode(
        &self,
        base: &[u8],
        image: &mut dyn Read,
        image_bytes: u64,
    ) -> Result<Option<Vec<u8>>> {
        self.fits(base.len() as u64, image_bytes)?;
        let bytes = read_whole(image, image_bytes)?;
        let mut patch = Vec::new();
        Search::new(base, &bytes)
            .parallel_scheme(ParallelScheme::Never)
            .compression_level(BZIP2_LEVEL)
            .compare(Cursor::new(&mut patch))
            .context("bsdiff could not encode")?;
        Ok(Some(patch))
    }

    fn decode(&self, base: &[u8], patch: &[u8], image_bytes: u64) -> Result<Vec<u8>> {
        check_head(patch, image_bytes)?;
        // What is beyond the image's end has no room here, and that is an error.
        let mut image = vec![0; usize::try_from(image_bytes)?];
        let written = Bspatch::new(patch)
            .and_then(|patch| patch.apply(base, Cursor::new(&mut image[..])))
            .context("bsdiff could not decode")?;
        ensure!(
            written == image_bytes,
            "a patch to {written} B where the image has {image_bytes}"
        );
        Ok(image)
    }
}

/// Refuses lengths that the patch does not have: the library adds them up unchecked.
fn check_head(patch: &[u8], image_bytes: u64) -> Result<()> {
    ensure!(
        patch.len() >= HEAD_BYTES && patch.starts_with(b"BSDIFF40"),
        "not a patch of bsdiff's"
    );
    // Negative ones have the highest bit set, which makes them too long as well.
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
        "a head that counts {controls} and {differences} B in a patch of {held}"
    );
    ensure!(
        stated == image_bytes,
        "a patch to {stated} B where the image has {image_bytes}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes without a pattern, the same for the same seed.
    fn noise(mut seed: u64, bytes: usize) -> Vec<u8> {
        let mut next = || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed as u8
        };
        (0..bytes).map(|_| next()).collect()
    }

    fn encode(base: &[u8], mut image: &[u8]) -> Vec<u8> {
        let bytes = image.len() as u64;
        let patch = Bsdiff.encode(base, &mut image, bytes);
        patch.unwrap().unwrap()
    }

    #[test]
    fn an_image_beyond_the_pieces_of_a_parallel_search_gets_the_same_patch_each_time() {
        let base = noise(1, 3 << 20);
        // The first mebibyte behind the rest: a match of two, across any cut at half a mebibyte.
        let image = [&base[1 << 20..], &base[..1 << 20]].concat();
        let patch = encode(&base, &image);
        assert_eq!(patch, encode(&base, &image));
        // 150 bytes in one piece, 173 in six.
        assert!(patch.len() < 160, "{}", patch.len());
        let rebuilt = Bsdiff.decode(&base, &patch, image.len() as u64);
        assert!(rebuilt.unwrap() == image);
    }

    #[test]
    fn a_base_that_cannot_be_sorted_is_refused_with_the_limit() {
        assert!(Bsdiff.fits((1 << 31) - 1, 1 << 40).is_ok());
        let refusal = Bsdiff.fits(1 << 31, 1).unwrap_err().to_string();
        assert!(refusal.contains("2147483647 B"), "{refusal}");
    }

    #[test]
    fn lengths_that_are_not_so_are_errors_and_no_panic() {
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
        // Together they come to nothing, in 64 bits.
        let mut wrong = patch.clone();
        wrong[8..16].copy_from_slice(&(1_u64 << 63).to_le_bytes());
        wrong[16..24].copy_from_slice(&(1_u64 << 63).to_le_bytes());
        assert!(Bsdiff.decode(&base, &wrong, bytes).is_err());
        for cut in [0, 7, 31, 32, patch.len() / 2] {
            assert!(Bsdiff.decode(&base, &patch[..cut], bytes).is_err(), "{cut}");
        }
        // The right patch to a longer image than is wanted.
        assert!(Bsdiff.decode(&base, &patch, bytes - 1).is_err());
    }
}
