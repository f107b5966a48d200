//! Chunk stores with packs: many chunks in one object, fetched in ranges.
//!
//! `NAME.pidx` is the index (see `index`). `packs/HASH.pack`, named by its BLAKE3 hash, is what one publish added, its compressed chunks one after
//! the other in the order of the image, in pieces of at most 64 MiB. Chunks are cut, named and compressed as in `chunked`.
//! A client that lacks what one publish added fetches that in a few requests, where a store of single chunks takes one
//! for each. Ranges that lie close together are fetched as one: what lies between them crosses for nothing, and may be a
//! fiftieth of what is needed.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};

use self::fetch::fetch_lacking;
use self::index::{PackIndex, Packed};
use self::write::Writer;
use super::Method;
use super::chunked::{CHUNK_LEVEL, New, begin, cut, ensure_cut_by};
use super::chunker::Chunker;
use super::object::{create_out, put_bytes};
use super::version::{LAB, zstd as zstd_version};
use crate::image::{Digest, Image};
use crate::store::Store;
use crate::wire::{Client, WireUrl};

mod fetch;
mod index;
mod write;

/// A store of packs whose images are cut by one chunker.
pub struct PackedStore<C> {
    chunker: C,
}

impl<C: Chunker> PackedStore<C> {
    pub fn by(chunker: C) -> PackedStore<C> {
        PackedStore { chunker }
    }
}

impl<C: Chunker> Method for PackedStore<C> {
    fn version(&self) -> Result<String> {
        let zstd = zstd_version(CHUNK_LEVEL);
        Ok(format!("{LAB}, packs, {}, {zstd}", self.chunker.version()))
    }

    fn publish(&self, image: &Image, _bases: &[Image], store: &Store) -> Result<()> {
        let mut known = Known::of(store)?;
        let writer = Mutex::new(Writer::into(store, u32::try_from(known.packs.len())?));
        let put = |new: New, packed: &[u8]| {
            let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
            writer.put(new, packed)
        };
        let is_known = |name: &Digest| known.chunks.contains_key(name);
        let index = cut(&self.chunker, image, &is_known, &put)?;
        let writer = writer.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (written, stored) = writer.finish()?;
        known.packs.extend(written);
        known.chunks.extend(stored);
        let (mut packs, mut found) = (Vec::new(), Vec::with_capacity(index.chunks.len()));
        // What number a pack of the store has in this index.
        let mut numbers = HashMap::new();
        for chunk in &index.chunks {
            let place = known.chunks.get(&chunk.name);
            let place = place.context("a chunk that was not stored")?;
            let next = u32::try_from(packs.len()).context("too many packs")?;
            let pack = *numbers.entry(place.pack).or_insert_with(|| {
                packs.push(known.packs[place.pack as usize]);
                next
            });
            found.push(Packed { pack, ..*place });
        }
        // Of a long image it is as long as the index.
        drop(known);
        let index = PackIndex {
            packs,
            index,
            places: found,
        };
        put_bytes(store, &index_of(&image.name), &index.to_bytes()?)
    }

    fn update(&self, name: &str, bases: &[Image], wire: &WireUrl, out: &Path) -> Result<()> {
        let client = Client::new(wire);
        let index = client.get_bytes(&index_of(name))?;
        let index = PackIndex::parse(&index).with_context(|| index_of(name))?;
        ensure_cut_by(&self.chunker, &index.index, &index_of(name))?;
        let rebuilt = create_out(out)?;
        begin(&self.chunker, &index.index, bases, &rebuilt)
            .and_then(|assembly| fetch_lacking(&client, &index, assembly))
            .with_context(|| format!("rebuild {name} at {}", out.display()))
    }
}

fn index_of(name: &str) -> String {
    format!("{name}.pidx")
}

/// What a store has, as the indexes of its images say.
#[derive(Default)]
struct Known {
    packs: Vec<Digest>,
    /// Each in one of these packs, by its place among them.
    chunks: HashMap<Digest, Packed>,
}

impl Known {
    fn of(store: &Store) -> Result<Known> {
        let (mut known, mut numbers) = (Known::default(), HashMap::new());
        let looking = || format!("look through {}", store.path().display());
        for entry in fs::read_dir(store.path()).with_context(looking)? {
            let path = entry.with_context(looking)?.path();
            if path.extension().is_none_or(|ending| ending != "pidx") {
                continue;
            }
            let bytes = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
            let index = PackIndex::parse(&bytes).with_context(|| path.display().to_string())?;
            for (chunk, place) in index.index.chunks.iter().zip(&index.places) {
                let name = index.packs[place.pack as usize];
                let next = u32::try_from(known.packs.len()).context("too many packs")?;
                let pack = *numbers.entry(name).or_insert_with(|| {
                    known.packs.push(name);
                    next
                });
                known.chunks.insert(chunk.name, Packed { pack, ..*place });
            }
        }
        Ok(known)
    }
}
