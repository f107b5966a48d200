//! Patches by xdelta3: VCDIFF (RFC 3284) with the whole base in the window, compressed with zstd.
//!
//! The library as built here has no secondary compressor, where the program has lzma; zstd -19 over the VCDIFF stands
//! in for it (29,416 B become 22,204 on a rebuilt image, 9.94 MB become 8.08 on a security update). It writes no checksum and believes any length, so sizes are checked before
//! it is called, and the rebuilt image by its sha256 after (see `patched`).

use std::io::Read;

use anyhow::{Context, Result, ensure};

use super::patched::{Codec, read_whole};
use super::version::{XDELTA3, zstd as zstd_version};

/// The library takes a base below 2 GiB. It also counts `2 * (base + image)` in 32 bits to size its output, and
/// on overflow silently encodes the first part of the image alone.
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
            "the xdelta3 library takes a base and an image of {LIMIT_BYTES} B together, here they have {base_bytes} and {image_bytes}; \
             the xdelta3 program (-B) takes more"
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
        let image = read_whole(image, image_bytes)?;
        // The library writes into twice the lengths it is given; for a few bytes that is no room for a VCDIFF's head.
        if image.len() + base.len() < LEAST_BYTES {
            return Ok(None);
        }
        let delta = library::encode(&image, base).context("xdelta3 could not encode")?;
        // The library's decoder makes room for twice what it is given and fails beyond: a large image that is
        // nearly nothing but repetition, from a small base. Its whole form is small.
        if image.len() > 2 * (delta.len() + base.len()) {
            return Ok(None);
        }
        let packed = zstd::bulk::compress(&delta, PACK_LEVEL).context("compress the VCDIFF")?;
        Ok(Some(packed))
    }

    fn decode(&self, base: &[u8], patch: &[u8], image_bytes: u64) -> Result<Vec<u8>> {
        self.fits(base.len() as u64, image_bytes)?;
        // Real VCDIFFs are shorter than their image by far; one that copies nothing is a little longer.
        let limit = usize::try_from(image_bytes.saturating_add(image_bytes / 8 + 4096))?;
        let delta = zstd::bulk::decompress(patch, limit).context("decompress the VCDIFF")?;
        self.fits(base.len() as u64, delta.len() as u64)?;
        let image = library::decode(&delta, base).context("xdelta3 could not decode")?;
        ensure!(
            image.len() as u64 == image_bytes,
            "a VCDIFF to {} B where the image has {image_bytes}",
            image.len()
        );
        Ok(image)
    }
}

/// Base and image together, in bytes, below which a patch is not worth its head.
const LEAST_BYTES: usize = 256;

#[cfg(feature = "xdelta3")]
use ::xdelta3 as library;

/// Stands where the library would; `version` has refused before anyone gets here.
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
            let patch = Xdelta3.encode(base.as_bytes(), &mut image.as_bytes(), image.len() as u64);
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
    fn an_image_its_decoder_has_no_room_for_gets_no_patch() {
        assert_eq!(
            Xdelta3
                .encode(b"small", &mut &[0; 1 << 20][..], 1 << 20)
                .unwrap(),
            None
        );
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
