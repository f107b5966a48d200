//! Deltas by rsync's algorithm: blocks of the base, found at any place of the image, and what lies between them.
//!
//! On a wire rsync has two halves: the client sends the signature of what it holds, the server answers with a delta made for it
//! alone. A store of files cannot answer. Here the server knows the bases, so it makes the signature itself and
//! publishes one delta for each: no upload, nothing to compute at each request, and the delta is what rsync's server
//! would have sent. It is not what rsync over ssh costs, which also carries the signature: see the declared
//! methods for that. (The third way, a client that reads the signature of the image and asks for ranges, is zsync.)
//!
//! A delta is librsync's format, which `rdiff patch` applies, packed with zstd, as it holds what is new as it stands.
//! Blocks are known by MD4, which can be forged: what is rebuilt is trusted by its sha256 (see `patched`).

use std::io::{Read, Write};

use anyhow::{Context, Result, anyhow, ensure};
use fast_rsync::{Signature, SignatureOptions};

use super::patched::{Codec, read_whole};
use super::version::FAST_RSYNC;
use super::whole::Form;

/// Length of a block of the base. rsync and librsync take the square root of the file's length, which balances the signature
/// that crosses the wire against the delta; here no signature crosses, and smaller blocks find more. Between two Debian releases, and
/// a web host and its security updates, deltas in MB at zstd -3, with the seconds to make them:
/// 11,376 B (a root): 34.7 (4 s), 24.0 (4 s); 2048: 32.1 (4 s), 18.3 (4 s); 512: 30.0 (7 s), 16.0 (5 s);
/// 128: 28.6 (13 s), 14.8 (13 s).
const BLOCK_BYTES: u32 = 512;

/// Bytes of MD4 by which a block is known: all of them. The signature is never sent, so there is nothing to save.
const MD4_BYTES: u32 = 16;

/// Blocks are counted in 32 bits.
const BASE_LIMIT_BYTES: u64 = BLOCK_BYTES as u64 * u32::MAX as u64;

/// How a delta is packed. At level 3 the two above are 30.0 and 16.0 MB in a second, at 19 they are 24.8 and 12.6 MB in one
/// minute and half a minute: a delta is made once, as the other patches here are.
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
            "blocks of {BLOCK_BYTES} B are counted up to a base of {BASE_LIMIT_BYTES} B, here it has {base_bytes}"
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
        let options = SignatureOptions {
            block_size: BLOCK_BYTES,
            crypto_hash_size: MD4_BYTES,
        };
        let signature = Signature::calculate(base, options);
        let mut delta = Vec::new();
        fast_rsync::diff(&signature.index(), &bytes, &mut delta)
            .map_err(|error| anyhow!("rsync could not encode: {error}"))?;
        drop((bytes, signature));
        let mut packed = Vec::new();
        PACKED
            .write(&mut &delta[..], delta.len() as u64, &mut packed)
            .context("compress the delta")?;
        Ok(Some(packed))
    }

    fn decode(&self, base: &[u8], patch: &[u8], image_bytes: u64) -> Result<Vec<u8>> {
        // A delta that copies nothing is the image and a few bytes of lengths; one that copies has less.
        let limit = image_bytes.saturating_add(image_bytes / 8 + 4096);
        let mut delta = Limited {
            bytes: Vec::new(),
            limit: usize::try_from(limit)?,
        };
        PACKED
            .read(patch, &mut delta)
            .context("decompress the delta")?;
        let image_bytes = usize::try_from(image_bytes)?;
        let mut image = Vec::with_capacity(image_bytes);
        fast_rsync::apply_limited(base, &delta.bytes, &mut image, image_bytes)
            .map_err(|error| anyhow!("rsync could not decode: {error}"))?;
        Ok(image)
    }
}

/// Takes so many bytes and no more.
struct Limited {
    bytes: Vec<u8>,
    limit: usize,
}

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.limit {
            let said = format!("longer than the {} B it can have", self.limit);
            return Err(std::io::Error::other(said));
        }
        self.bytes.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
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
    fn blocks_are_found_wherever_they_lie() {
        let base: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        // Both halves, changed over, by a distance that is no multiple of anything.
        let image = [&base[200_003..], b"new", &base[..200_003]].concat();
        let patch = encode(&base, &image);
        assert!(patch.len() < 4096, "{}", patch.len());
        let bytes = image.len() as u64;
        assert!(Rsync.decode(&base, &patch, bytes).unwrap() == image);
    }

    #[test]
    fn a_delta_that_is_longer_than_it_can_be_is_an_error() {
        let zeros = vec![0; 1 << 20];
        let patch = encode(b"", &zeros);
        assert!(Rsync.decode(b"", &patch, 1 << 20).unwrap() == zeros);
        let said = Rsync.decode(b"", &patch, 1000).unwrap_err();
        assert!(format!("{said:#}").contains("longer than"), "{said:#}");
        // Within what the delta may have, beyond what the image has.
        let said = Rsync.decode(b"", &patch, (1 << 20) - 1).unwrap_err();
        assert!(format!("{said:#}").contains("limit"), "{said:#}");
    }

    #[test]
    fn more_blocks_than_can_be_counted_are_refused_with_the_limit() {
        let refusal = Rsync.fits(BASE_LIMIT_BYTES + 1, 1).unwrap_err().to_string();
        assert!(refusal.contains(&BASE_LIMIT_BYTES.to_string()), "{refusal}");
    }
}
