//! The index of an image in a chunk store: its chunks, in order.
//!
//! All numbers are little-endian.
//!
//! | offset | bytes | content |
//! |---|---|---|
//! | 0 | 8 | `dl-index` |
//! | 8 | 4 | version of this format: 3 |
//! | 12 | 4 | number of chunks, n |
//! | 16 | 8 | length of the image |
//! | 24 | 32 | BLAKE3 of all the other bytes of the index |
//! | 56 | 32 | the chunker and its size, ASCII, padded with NUL: a client cuts its bases in the same way |
//! | 88 | 36 n | for each chunk in order: its length (4), its name (32) |
//!
//! So a client that has the right index knows the image to the byte: it is the chunks that have these names.

use anyhow::{Context, Result, ensure};

use crate::engine::chunk::LIMIT_BYTES;
use crate::image::Digest;

const MAGIC: &[u8; 8] = b"dl-index";
const VERSION: u32 = 3;
const HEAD_BYTES: usize = 88;
const CHUNK_BYTES: usize = 36;
/// Where the index's digest is.
const DIGEST: std::ops::Range<usize> = 24..56;

/// One chunk of an image, named as `name_of` does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Chunk {
    pub bytes: u32,
    pub name: Digest,
}

/// The index of one image.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Index {
    pub image_bytes: u64,
    pub chunker: String,
    pub chunks: Vec<Chunk>,
}

impl Index {
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let chunks = u32::try_from(self.chunks.len()).context("too many chunks for an index")?;
        let mut chunker = self.chunker.clone().into_bytes();
        ensure!(
            chunker.len() <= 32,
            "{}: the chunker's name is too long",
            self.chunker
        );
        chunker.resize(32, 0);
        let mut bytes = Vec::with_capacity(HEAD_BYTES + CHUNK_BYTES * self.chunks.len());
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(chunks.to_le_bytes());
        bytes.extend(self.image_bytes.to_le_bytes());
        bytes.extend([0; DIGEST.end - DIGEST.start]);
        bytes.extend(chunker);
        for chunk in &self.chunks {
            bytes.extend(chunk.bytes.to_le_bytes());
            bytes.extend(chunk.name);
        }
        let digest = digest_of(&bytes);
        bytes[DIGEST].copy_from_slice(&digest);
        Ok(bytes)
    }

    /// Length of the index that begins here, as its head says.
    pub fn bytes_at(bytes: &[u8]) -> Option<usize> {
        let chunks = bytes.get(12..16).map(|count| u32_at(count, 0) as usize)?;
        chunks.checked_mul(CHUNK_BYTES)?.checked_add(HEAD_BYTES)
    }

    /// Parses an index and checks that it is consistent.
    pub fn parse(bytes: &[u8]) -> Result<Index> {
        ensure!(
            bytes.len() >= HEAD_BYTES && bytes.starts_with(MAGIC),
            "not an index"
        );
        let version = u32_at(bytes, 8);
        ensure!(
            version == VERSION,
            "an index of version {version}, but this delta-lab reads version {VERSION}"
        );
        let (head, rest) = bytes.split_at(HEAD_BYTES);
        let (chunks, odd) = rest.as_chunks::<CHUNK_BYTES>();
        ensure!(
            odd.is_empty() && chunks.len() == u32_at(head, 12) as usize,
            "an index cut short"
        );
        ensure!(
            head[DIGEST] == digest_of(bytes),
            "a damaged index: its digest is of other bytes"
        );
        let chunker = head[56..88].split(|&byte| byte == 0).next();
        let index = Index {
            image_bytes: u64::from(u32_at(head, 16)) | u64::from(u32_at(head, 20)) << 32,
            chunker: String::from_utf8_lossy(chunker.unwrap_or_default()).into_owned(),
            chunks: chunks
                .iter()
                .map(|chunk| Chunk {
                    bytes: u32_at(chunk, 0),
                    name: digest_at(chunk, 4),
                })
                .collect(),
        };
        let lengths = || index.chunks.iter().map(|chunk| u64::from(chunk.bytes));
        ensure!(
            lengths().all(|bytes| bytes > 0 && bytes <= LIMIT_BYTES as u64)
                && lengths().sum::<u64>() == index.image_bytes,
            "a damaged index: its chunks do not add up to its image"
        );
        Ok(index)
    }
}

/// BLAKE3 of all but the place of the digest itself.
fn digest_of(index: &[u8]) -> Digest {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&index[..DIGEST.start]);
    hasher.update(&index[DIGEST.end..]);
    hasher.finalize().into()
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut four = [0; 4];
    four.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(four)
}

pub(super) fn digest_at(bytes: &[u8], at: usize) -> Digest {
    let mut digest = [0; 32];
    digest.copy_from_slice(&bytes[at..at + 32]);
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> Index {
        let chunk = |bytes| Chunk {
            bytes,
            name: [bytes as u8; 32],
        };
        Index {
            image_bytes: 30,
            chunker: "fixed 10".to_string(),
            chunks: vec![chunk(10), chunk(12), chunk(8)],
        }
    }

    #[test]
    fn an_index_reads_as_it_was_written() {
        let bytes = index().to_bytes().unwrap();
        assert_eq!(bytes.len(), 88 + 3 * 36);
        assert_eq!(Index::parse(&bytes).unwrap(), index());
    }

    #[test]
    fn an_index_cut_anywhere_or_with_any_byte_changed_is_refused() {
        let bytes = index().to_bytes().unwrap();
        for at in 0..bytes.len() {
            assert!(Index::parse(&bytes[..at]).is_err(), "cut at {at}");
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(Index::parse(&damaged).is_err(), "byte {at}");
        }
    }

    #[test]
    fn lengths_that_do_not_add_up_are_refused_though_the_digest_is_right() {
        for wrong in [
            Index {
                image_bytes: 31,
                ..index()
            },
            Index {
                chunks: vec![
                    Chunk {
                        bytes: 0,
                        name: [1; 32]
                    };
                    3
                ],
                image_bytes: 0,
                ..index()
            },
        ] {
            let why = Index::parse(&wrong.to_bytes().unwrap()).unwrap_err();
            assert!(why.to_string().contains("do not add up"), "{why}");
        }
    }
}
