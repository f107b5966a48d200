//! Deltas by rsync's algorithm: blocks of the base, found at any offset of the image, and the bytes between them.
//!
//! In rsync's protocol the client sends the signature of its file, and the server answers with a delta for that client. A
//! store of files cannot answer. Here the server knows the bases, so it computes the signature itself and publishes one
//! delta for each base: there is no upload and no work per request, and the delta is the one that an rsync server would
//! send. The cost of rsync over ssh is higher, because it includes the signature: see the declared methods. (In zsync, a
//! third variant, the client reads the signature of the image and requests ranges.)
//!
//! A delta has librsync's format, which `rdiff patch` applies, and is compressed with zstd, because librsync stores new
//! bytes uncompressed. Blocks are identified by MD4, which can be forged, so the rebuilt image is verified by its sha256
//! (see `patched`).

use anyhow::{Context, Result, anyhow, ensure};
use fast_rsync::{Signature, SignatureOptions};

use super::patched::{Codec, unpack};
use super::version::FAST_RSYNC;
use super::whole::Form;

/// Length of a block of the base. rsync and librsync use the square root of the file's length, which balances the signature
/// against the delta. Here no signature is sent, and smaller blocks match more. Deltas in MB at zstd -3 and the seconds to
/// make them, for two Debian releases and for a web host and its security updates: 11,376 B (the square root): 34.7 (4 s),
/// 24.0 (4 s); 2048: 32.1 (4 s), 18.3 (4 s); 512: 30.0 (7 s), 16.0 (5 s); 128: 28.6 (13 s), 14.8 (13 s).
const BLOCK_BYTES: u32 = 512;

/// Bytes of a block's MD4 in the signature: all, because the signature is not sent.
const MD4_BYTES: u32 = 16;

/// Block numbers have 32 bits.
const BASE_LIMIT_BYTES: u64 = BLOCK_BYTES as u64 * u32::MAX as u64;

/// Compression of a delta. At level 3 the two deltas above take 30.0 and 16.0 MB and a second, at level 19 24.8 and 12.6 MB
/// and half a minute to a minute. A delta is made once, like the other patches here.
const PACKED: Form = Form::ZstdLong { level: 19 };

/// librsync's deltas by the fast_rsync library.
pub struct Rsync;

impl Codec for Rsync {
    fn version(&self) -> Result<String> {
        let packed = PACKED.version().unwrap_or_default();
        Ok(format!("{FAST_RSYNC} blocks of {BLOCK_BYTES}, {packed}"))
    }

    fn ending(&self) -> &'static str {
        "rdiff.zst"
    }

    fn fits(&self, base_bytes: u64, _image_bytes: u64) -> Result<()> {
        ensure!(
            base_bytes <= BASE_LIMIT_BYTES,
            "blocks of {BLOCK_BYTES} B can be numbered up to a base of {BASE_LIMIT_BYTES} B, but this one has {base_bytes}"
        );
        Ok(())
    }

    fn delta(&self, base: &[u8], image: &[u8]) -> Result<Option<Vec<u8>>> {
        let options = SignatureOptions {
            block_size: BLOCK_BYTES,
            crypto_hash_size: MD4_BYTES,
        };
        let signature = Signature::calculate(base, options);
        let mut delta = Vec::new();
        fast_rsync::diff(&signature.index(), image, &mut delta)
            .map_err(|error| anyhow!("rsync could not encode: {error}"))?;
        Ok(Some(delta))
    }

    fn pack(&self, delta: Vec<u8>) -> Result<Vec<u8>> {
        let mut packed = Vec::new();
        PACKED
            .write(&mut &delta[..], delta.len() as u64, &mut packed)
            .context("compress the delta")?;
        Ok(packed)
    }

    fn decode(&self, base: &[u8], patch: &[u8], image_bytes: u64) -> Result<Vec<u8>> {
        let delta = unpack(patch, image_bytes)?;
        let image_bytes = usize::try_from(image_bytes)?;
        let mut image = Vec::with_capacity(image_bytes);
        fast_rsync::apply_limited(base, &delta, &mut image, image_bytes)
            .map_err(|error| anyhow!("rsync could not decode: {error}"))?;
        Ok(image)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(base: &[u8], mut image: &[u8]) -> Vec<u8> {
        let bytes = image.len() as u64;
        let patch = Rsync.encode(base, &mut image, bytes);
        patch.unwrap().unwrap()
    }

    #[test]
    fn blocks_are_found_at_any_offset() {
        let base: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        // The two halves exchanged, by a distance that is not a multiple of the block length.
        let image = [&base[200_003..], b"new", &base[..200_003]].concat();
        let patch = encode(&base, &image);
        assert!(patch.len() < 4096, "{}", patch.len());
        let bytes = image.len() as u64;
        assert!(Rsync.decode(&base, &patch, bytes).unwrap() == image);
    }

    #[test]
    fn a_delta_that_is_too_long_is_an_error() {
        let zeros = vec![0; 1 << 20];
        let patch = encode(b"", &zeros);
        assert!(Rsync.decode(b"", &patch, 1 << 20).unwrap() == zeros);
        let said = Rsync.decode(b"", &patch, 1000).unwrap_err();
        assert!(format!("{said:#}").contains("at most 5221 B"), "{said:#}");
        // Short enough for a delta, but the image is too long.
        let said = Rsync.decode(b"", &patch, (1 << 20) - 1).unwrap_err();
        assert!(format!("{said:#}").contains("limit"), "{said:#}");
    }

    #[test]
    fn more_blocks_than_can_be_counted_are_refused_with_the_limit() {
        let refusal = Rsync.fits(BASE_LIMIT_BYTES + 1, 1).unwrap_err().to_string();
        assert!(refusal.contains(&BASE_LIMIT_BYTES.to_string()), "{refusal}");
    }
}
