//! Patches by xdelta3: VCDIFF (RFC 3284) with the whole base in the window, compressed with zstd.
//!
//! The library as built here has no secondary compressor, whereas the program has lzma; zstd -19 replaces it (29,416 B become
//! 22,204 on a rebuilt image, 9.94 MB become 8.08 on a security update). The library writes no checksum and trusts any
//! length, so lengths are checked before it is called, and the rebuilt image is verified by its sha256 (see `patched`).

use anyhow::{Context, Result, ensure};

use super::patched::{Codec, unpack};
use super::version::{XDELTA3, zstd as zstd_version};

/// The library accepts a base below 2 GiB. It also computes `2 * (base + image)` in 32 bits to size its output, and if that
/// overflows it silently encodes only the first part of the image.
const LIMIT_BYTES: u64 = (1 << 31) - 1;

/// Level of zstd over a VCDIFF.
const PACK_LEVEL: i32 = 19;

/// VCDIFF by the xdelta3 library at its default level.
pub struct Xdelta3;

impl Codec for Xdelta3 {
    fn version(&self) -> Result<String> {
        ensure!(
            cfg!(feature = "xdelta3"),
            "built without the xdelta3 feature: cargo build --features xdelta3"
        );
        Ok(format!("{XDELTA3}, {}", zstd_version(PACK_LEVEL)))
    }

    fn ending(&self) -> &'static str {
        "xd3.zst"
    }

    fn fits(&self, base_bytes: u64, image_bytes: u64) -> Result<()> {
        ensure!(
            base_bytes + image_bytes <= LIMIT_BYTES,
            "the xdelta3 library accepts a base and an image of {LIMIT_BYTES} B together, but these have {base_bytes} and \
             {image_bytes}; the xdelta3 program (-B) accepts more"
        );
        Ok(())
    }

    fn delta(&self, base: &[u8], image: &[u8]) -> Result<Option<Vec<u8>>> {
        // The library's output buffer is twice as long as its input; for a few bytes the head of a VCDIFF does not fit.
        if image.len() + base.len() < LEAST_BYTES {
            return Ok(None);
        }
        let delta = library::encode(image, base).context("xdelta3 could not encode")?;
        // The library's decoder has the same limit, which a long image of repetitions from a small base exceeds. The whole
        // form of such an image is small.
        let is_decodable = image.len() <= 2 * (delta.len() + base.len());
        Ok(is_decodable.then_some(delta))
    }

    fn pack(&self, delta: Vec<u8>) -> Result<Vec<u8>> {
        zstd::bulk::compress(&delta, PACK_LEVEL).context("compress the VCDIFF")
    }

    fn decode(&self, base: &[u8], patch: &[u8], image_bytes: u64) -> Result<Vec<u8>> {
        self.fits(base.len() as u64, image_bytes)?;
        let delta = unpack(patch, image_bytes)?;
        self.fits(base.len() as u64, delta.len() as u64)?;
        let image = library::decode(&delta, base).context("xdelta3 could not decode")?;
        ensure!(
            image.len() as u64 == image_bytes,
            "a VCDIFF to {} B, but the image has {image_bytes}",
            image.len()
        );
        Ok(image)
    }
}

/// Base and image together, in bytes, below which there is no patch.
const LEAST_BYTES: usize = 256;

#[cfg(feature = "xdelta3")]
use ::xdelta3 as library;

/// Replaces the library. It is never called, because `version` fails before.
#[cfg(not(feature = "xdelta3"))]
mod library {
    pub fn encode(_image: &[u8], _base: &[u8]) -> Option<Vec<u8>> {
        None
    }

    pub fn decode(_delta: &[u8], _base: &[u8]) -> Option<Vec<u8>> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "xdelta3")]
    #[test]
    fn a_pair_of_a_few_bytes_gets_its_whole_form() {
        for (base, image) in [("", ""), ("b", "i"), ("base!", ""), ("", "image")] {
            let patch = Xdelta3.delta(base.as_bytes(), image.as_bytes());
            assert!(patch.unwrap().is_none(), "{base} -> {image}");
        }
    }

    #[test]
    fn what_the_library_would_truncate_is_refused_with_the_limit() {
        assert!(Xdelta3.fits(1 << 30, (1 << 30) - 1).is_ok());
        let refusal = Xdelta3.fits(1 << 30, 1 << 30).unwrap_err().to_string();
        assert!(refusal.contains("2147483647 B"), "{refusal}");
    }

    #[cfg(feature = "xdelta3")]
    #[test]
    fn an_image_too_long_for_the_decoder_gets_no_patch() {
        assert_eq!(Xdelta3.delta(b"small", &[0; 1 << 20]).unwrap(), None);
    }

    #[cfg(not(feature = "xdelta3"))]
    #[test]
    fn without_the_feature_the_version_says_how_to_build_with_it() {
        let refusal = Xdelta3.version().unwrap_err().to_string();
        assert!(
            refusal.contains("cargo build --features xdelta3"),
            "{refusal}"
        );
    }
}
