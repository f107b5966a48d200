//! Patches by zstd: the base is a prefix of the image, and long-distance matching finds what they share.
//!
//! A patch is what `zstd --patch-from=BASE --long=31` writes: a plain frame with a checksum, which `zstd -d
//! --patch-from=BASE --long=31` applies. The server holds the base in memory and as much of the image as a window covers,
//! the client holds both.

use std::fs;
use std::io::{self, Read};

use anyhow::{Context, Result, anyhow, ensure};
use zstd::zstd_safe::{self, DCtx};

use super::patched::Codec;
use super::version::zstd as zstd_version;
use crate::image::Image;

/// zstd's largest window is 2^31 bytes. The start of a longer base, and the part of an image after the first window, cannot
/// be matched: such a pair would be encoded without those matches (a patch between images of 2.34 GiB took 620 MB, one
/// between images of 1.9 GiB 1.1 MB).
const LIMIT_BYTES: u64 = 1 << 31;

/// Smallest window, as a power of two; the largest is 31.
const WINDOW_LOG_MIN: u32 = 20;

/// A patch in one zstd frame, at this level.
pub struct ZstdPatch {
    pub level: i32,
}

impl ZstdPatch {
    /// The window that covers base and image, up to zstd's limit of 31. zstd can refer to the base while the position in the
    /// image is less than a window from its start, so covering the image would suffice; covering both changes the patch by
    /// less than 1 %, and no match depends on its distance.
    fn window_log(base_bytes: u64, image_bytes: u64) -> u32 {
        let covered = (base_bytes + image_bytes).max(1);
        (u64::BITS - (covered - 1).leading_zeros()).clamp(WINDOW_LOG_MIN, 31)
    }
}

impl Codec for ZstdPatch {
    fn version(&self) -> Result<String> {
        Ok(format!("{} --patch-from --long", zstd_version(self.level)))
    }

    fn ending(&self) -> &'static str {
        "zst"
    }

    fn fits(&self, base_bytes: u64, image_bytes: u64) -> Result<()> {
        ensure!(
            base_bytes <= LIMIT_BYTES && image_bytes <= LIMIT_BYTES,
            "zstd's window ends at 2 GiB: a base of {base_bytes} B or an image of {image_bytes} B is beyond it"
        );
        Ok(())
    }

    fn delta(&self, base: &[u8], image: &[u8]) -> Result<Option<Vec<u8>>> {
        self.encode(base, &mut &image[..], image.len() as u64)
    }

    /// Streams the image, so that it is not held in memory beside the window.
    fn encode(
        &self,
        base: &[u8],
        image: &mut dyn Read,
        image_bytes: u64,
    ) -> Result<Option<Vec<u8>>> {
        // In a single call, zstd 1.5.7 splits blocks where it expects their contents to change, which makes a patch of long
        // matches larger (155 KB instead of 90 KB on a rebuilt image). A stream avoids that.
        let window_log = Self::window_log(base.len() as u64, image_bytes);
        let mut encoder = zstd::Encoder::with_ref_prefix(Vec::new(), self.level, base)?;
        encoder.window_log(window_log)?;
        // Without it, distant matches are not searched: 55 MB instead of 9.5 MB on one pair at level 3.
        encoder.long_distance_matching(true)?;
        encoder.include_checksum(true)?;
        encoder.set_pledged_src_size(Some(image_bytes))?;
        io::copy(&mut image.take(image_bytes), &mut encoder)?;
        Ok(Some(encoder.finish()?))
    }

    fn decode(&self, base: &[u8], patch: &[u8], image_bytes: u64) -> Result<Vec<u8>> {
        let stated = zstd_safe::get_frame_content_size(patch)
            .map_err(|_| anyhow!("not a zstd frame"))?
            .context("a zstd frame without its length")?;
        ensure!(
            stated == image_bytes,
            "a patch to {stated} B, but the image has {image_bytes}"
        );
        let mut context = DCtx::try_create().context("no memory for a decompressor")?;
        context.ref_prefix(base).map_err(said)?;
        // In a single call the output is the window, so the limit on windows (27 by default) does not apply.
        let mut image = Vec::with_capacity(usize::try_from(stated)?);
        context.decompress(&mut image, patch).map_err(said)?;
        Ok(image)
    }
}

/// Bytes of the patch that zstd makes at its quickest; none of a pair that is too long. The base is held in memory.
pub fn quick_patch_bytes(base: &Image, image: &Image) -> Result<Option<u64>> {
    let quickest = ZstdPatch { level: 1 };
    if quickest.fits(base.bytes, image.bytes).is_err() {
        return Ok(None);
    }
    let held = fs::read(&base.path).with_context(|| format!("read {}", base.name))?;
    let patch = quickest.encode(&held, &mut image.open()?, image.bytes)?;
    Ok(patch.map(|patch| patch.len() as u64))
}

/// The error of a zstd error code.
fn said(code: usize) -> anyhow::Error {
    anyhow!("zstd: {}", zstd_safe::get_error_name(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_that_is_too_long_for_a_quick_patch_is_not_even_read() {
        let image = |bytes| Image {
            name: "an image".to_string(),
            path: "/nowhere".into(),
            bytes,
            sha256: String::new(),
        };
        for (base, new) in [(LIMIT_BYTES + 1, 1), (1, LIMIT_BYTES + 1)] {
            assert_eq!(quick_patch_bytes(&image(base), &image(new)).unwrap(), None);
        }
        quick_patch_bytes(&image(1), &image(1)).unwrap_err();
    }

    #[test]
    fn the_window_covers_base_and_image_up_to_the_limit_of_zstd() {
        assert_eq!(ZstdPatch::window_log(0, 1), 20);
        assert_eq!(ZstdPatch::window_log(1 << 25, 1 << 25), 26);
        assert_eq!(ZstdPatch::window_log((1 << 25) + 1, 1 << 25), 27);
        assert_eq!(ZstdPatch::window_log(1 << 31, 1 << 31), 31);
    }

    #[test]
    fn an_image_beyond_the_window_is_refused_with_the_limit() {
        let codec = ZstdPatch { level: 3 };
        assert!(codec.fits(1 << 31, 1 << 31).is_ok());
        for (base, image) in [((1 << 31) + 1, 1), (1, (1 << 31) + 1)] {
            let refusal = codec.fits(base, image).unwrap_err().to_string();
            assert!(refusal.contains("2 GiB"), "{refusal}");
        }
    }

    #[test]
    fn a_patch_against_another_base_is_an_error() {
        let codec = ZstdPatch { level: 3 };
        let base: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut image = base.clone();
        image[7] = 9;
        let bytes = image.len() as u64;
        let patch = codec.delta(&base, &image).unwrap().unwrap();
        assert!(patch.len() < 500, "{}", patch.len());
        let mut other = base.clone();
        other[200_000] ^= 1;
        assert!(codec.decode(&other, &patch, bytes).is_err());
        assert_eq!(codec.decode(&base, &patch, bytes).unwrap(), image);
    }
}
