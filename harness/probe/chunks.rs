//! The `chunks` probe: how much of an image its bases hold, cut by content into chunks of about 64 KiB.
//!
//! What a chunk store could save at best, without what its index and its requests cost.

use std::collections::BTreeSet;

use anyhow::Result;
use sha2::{Digest, Sha256};

use super::Find;
use crate::engine::chunk::{FastCdc, KIB, cut_stream};
use crate::image::Image;

const CHUNKER: FastCdc = FastCdc::average(64 * KIB);

/// `chunks` and `distinct_chunk_bytes` of the image; of those that a base holds `shared_chunks` and
/// `shared_chunk_bytes`.
pub fn look(image: &Image, bases: &[Image], find: Find) -> Result<()> {
    let mut held = BTreeSet::new();
    for base in bases {
        cut_stream(&CHUNKER, &mut base.open()?, &mut |chunk| {
            held.insert(<[u8; 32]>::from(Sha256::digest(chunk)));
            Ok(())
        })?;
    }
    let mut seen = BTreeSet::new();
    let (mut bytes, mut shared, mut shared_bytes) = (0, 0, 0);
    cut_stream(&CHUNKER, &mut image.open()?, &mut |chunk| {
        let digest = <[u8; 32]>::from(Sha256::digest(chunk));
        if seen.insert(digest) {
            bytes += chunk.len() as u64;
            if held.contains(&digest) {
                shared += 1;
                shared_bytes += chunk.len() as u64;
            }
        }
        Ok(())
    })?;
    find("", "chunks", seen.len() as u64);
    find("", "distinct_chunk_bytes", bytes);
    if !bases.is_empty() {
        find("", "shared_chunks", shared);
        find("", "shared_chunk_bytes", shared_bytes);
    }
    Ok(())
}
