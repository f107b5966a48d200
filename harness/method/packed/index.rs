//! The index of an image in a store of packs: its chunks in order, and where in which pack each lies.
//!
//! All numbers are little-endian.
//!
//! | offset | bytes | content |
//! |---|---|---|
//! | 0 | 8 | `dl-packs` |
//! | 8 | 4 | version of this format: 3 |
//! | 12 | 4 | number of packs, p |
//! | 16 | 32 p | for each pack: its BLAKE3 hash, which is its name |
//! | 16 + 32 p | 88 + 36 n | the index of a chunk store (see `method::index`) |
//! | 104 + 32 p + 36 n | 12 n | for each chunk: its pack, its offset there, its compressed length (4 each) |

use anyhow::{Result, ensure};
use zstd::zstd_safe::compress_bound;

use crate::image::{Digest, hex};
use crate::method::index::{Index, digest_at, u32_at};

const MAGIC: &[u8; 8] = b"dl-packs";
const VERSION: u32 = 3;
const HEAD_BYTES: usize = 16;
const PACK_BYTES: usize = 32;
const PLACE_BYTES: usize = 12;

/// Longest pack, in bytes, but for one that is a single chunk: an offset has four bytes, and a cache keeps smaller objects
/// better.
pub(super) const MOST_PACK_BYTES: u64 = 64 << 20;

/// Where a compressed chunk lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Packed {
    /// Place of its pack in the index's list.
    pub pack: u32,
    pub offset: u32,
    pub bytes: u32,
}

/// The name of a pack in its store.
pub(super) fn pack_of(name: &Digest) -> String {
    format!("packs/{}.pack", hex(name))
}

/// The index of one image.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PackIndex {
    pub packs: Vec<Digest>,
    pub index: Index,
    /// One for each chunk of the index.
    pub places: Vec<Packed>,
}

impl PackIndex {
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let index = self.index.to_bytes()?;
        let rest = HEAD_BYTES + PACK_BYTES * self.packs.len() + PLACE_BYTES * self.places.len();
        let mut bytes = Vec::with_capacity(rest + index.len());
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(u32::try_from(self.packs.len())?.to_le_bytes());
        bytes.extend(self.packs.iter().flatten());
        bytes.extend(index);
        for place in &self.places {
            bytes.extend(place.pack.to_le_bytes());
            bytes.extend(place.offset.to_le_bytes());
            bytes.extend(place.bytes.to_le_bytes());
        }
        Ok(bytes)
    }

    /// Parses an index and checks that it is consistent.
    pub fn parse(bytes: &[u8]) -> Result<PackIndex> {
        ensure!(
            bytes.len() >= HEAD_BYTES && bytes.starts_with(MAGIC),
            "not an index of packs"
        );
        let version = u32_at(bytes, 8);
        ensure!(
            version == VERSION,
            "an index of version {version}, but this delta-lab reads version {VERSION}"
        );
        let (head, rest) = bytes.split_at(HEAD_BYTES);
        let packs = (u32_at(head, 12) as usize).checked_mul(PACK_BYTES);
        let parts = packs.and_then(|packs| rest.split_at_checked(packs));
        let parts = parts.and_then(|(packs, rest)| {
            let index = Index::bytes_at(rest)?;
            let (index, places) = rest.split_at_checked(index)?;
            Some((packs, index, places))
        });
        let Some((packs, index, places)) = parts else {
            anyhow::bail!("an index cut short");
        };
        let index = Index::parse(index)?;
        let (places, odd) = places.as_chunks::<PLACE_BYTES>();
        ensure!(
            odd.is_empty() && places.len() == index.chunks.len(),
            "an index cut short"
        );
        let packs: Vec<Digest> = packs
            .chunks(PACK_BYTES)
            .map(|pack| digest_at(pack, 0))
            .collect();
        let places: Vec<Packed> = places
            .iter()
            .map(|place| Packed {
                pack: u32_at(place, 0),
                offset: u32_at(place, 4),
                bytes: u32_at(place, 8),
            })
            .collect();
        ensure!(
            places
                .iter()
                .all(|place| (place.pack as usize) < packs.len() && place.bytes > 0),
            "a damaged index: a chunk is in no pack"
        );
        // A client makes room for a chunk before it has come.
        let pairs = index.chunks.iter().zip(&places);
        ensure!(
            pairs
                .map(|(chunk, place)| (compress_bound(chunk.bytes as usize), place.bytes as usize))
                .all(|(most, bytes)| bytes <= most),
            "a damaged index: a chunk is longer compressed than any can be"
        );
        Ok(PackIndex {
            packs,
            index,
            places,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method::index::Chunk;

    fn index() -> PackIndex {
        let place = |pack, offset| Packed {
            pack,
            offset,
            bytes: 7,
        };
        PackIndex {
            packs: vec![[1; 32], [2; 32]],
            index: Index {
                image_bytes: 30,
                chunker: "fixed 10".to_string(),
                chunks: [10, 12, 8]
                    .map(|bytes| Chunk {
                        bytes,
                        name: [bytes as u8; 32],
                    })
                    .to_vec(),
            },
            places: vec![place(0, 0), place(1, 5), place(0, 7)],
        }
    }

    #[test]
    fn an_index_reads_as_it_was_written() {
        let bytes = index().to_bytes().unwrap();
        assert_eq!(bytes.len(), 104 + 2 * 32 + 3 * 48);
        assert_eq!(PackIndex::parse(&bytes).unwrap(), index());
    }

    #[test]
    fn an_index_cut_anywhere_or_with_a_chunk_in_no_pack_or_too_long_is_refused() {
        let bytes = index().to_bytes().unwrap();
        for cut in 0..bytes.len() {
            assert!(PackIndex::parse(&bytes[..cut]).is_err(), "{cut}");
        }
        let places = bytes.len() - 3 * PLACE_BYTES;
        for (at, value) in [
            (0, 0),
            (8, 255),
            (12, 255),
            (places, 2),
            (places + 8, 0),
            (places + 11, 1),
        ] {
            let mut damaged = bytes.clone();
            damaged[at] = value;
            assert!(PackIndex::parse(&damaged).is_err(), "{at}");
        }
    }
}
