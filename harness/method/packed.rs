//! Chunk stores with packs: many chunks in one object, fetched in ranges.
//!
//! `NAME.pidx` is the index (see `packs`). `packs/SHA256.pack` is what one publish added, its compressed chunks one after
//! the other in the order of the image, in pieces of at most 64 MiB. Chunks are cut, named and compressed as in `chunked`.
//! A client that lacks what one publish added fetches that in a few requests, where a store of single chunks takes one
//! for each. Ranges that lie close together are fetched as one: what lies between them crosses for nothing, and may be a
//! fiftieth of what is needed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, File, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Result, ensure};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::Method;
use super::chunked::{CHUNK_LEVEL, CONNECTIONS, New, Unpacker, cut, ensure_cut_by, find};
use super::chunker::Chunker;
use super::index::Chunk;
use super::object::{create_out, put_bytes};
use super::packs::{MOST_PACK_BYTES, PackIndex, Packed};
use super::version::{LAB, zstd as zstd_version};
use crate::engine::flow::{Place, Rebuild, is_zero, spread};
use crate::image::{Digest, Image, hex};
use crate::store::Store;
use crate::wire::{Client, WireUrl};

/// What may cross for nothing: one byte in so many that are needed.
const NEEDED_FOR_EACH_SPARE: u64 = 50;

/// Longest range of several chunks, in bytes: with it, several connections share the work, and one that breaks loses little.
const MOST_RANGE_BYTES: u64 = 4 << 20;

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
        let mut places = places_of(store)?;
        let writer = Mutex::new(Writer::into(store)?);
        let put = |new: New, packed: &[u8]| {
            let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
            writer.put(new, packed)
        };
        let index = cut(
            &self.chunker,
            image,
            &|sha256| places.contains_key(sha256),
            &put,
        )?;
        let writer = writer.into_inner().unwrap_or_else(PoisonError::into_inner);
        places.extend(writer.finish()?);
        let (mut packs, mut found) = (Vec::new(), Vec::new());
        let mut numbers = HashMap::new();
        for chunk in &index.chunks {
            let stored = places.get(&chunk.sha256);
            let stored = stored.context("a chunk that was not stored")?;
            let next = u32::try_from(packs.len()).context("too many packs")?;
            let pack = *numbers.entry(stored.pack).or_insert_with(|| {
                packs.push(stored.pack);
                next
            });
            found.push(Packed {
                pack,
                offset: stored.offset,
                bytes: stored.bytes,
            });
        }
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
        let files: Vec<File> = bases.iter().map(Image::open).collect::<Result<_>>()?;
        let mut places = find(&self.chunker, &index.index, bases, &files)?;
        let rebuilt = create_out(out)?;
        let failed = || format!("rebuild {name} at {}", out.display());
        rebuilt
            .set_len(index.index.image_bytes)
            .with_context(failed)?;
        let missing = missing(&index, |sha256| places.contains_key(sha256));
        for wanted in &missing {
            let (file, offset) = (&rebuilt, wanted.to);
            places.insert(wanted.chunk.sha256, Place { file, offset });
        }
        fetch(&client, &index.packs, missing, &rebuilt).with_context(failed)?;
        let mut rebuild = Rebuild::new(&rebuilt, out, places)?;
        for chunk in &index.index.chunks {
            let there = rebuild.copy(&chunk.sha256, chunk.bytes.into());
            ensure!(there.with_context(failed)?, "a chunk that was not fetched");
        }
        rebuild
            .finish(&index.index.image_sha256)
            .with_context(failed)
    }
}

fn index_of(name: &str) -> String {
    format!("{name}.pidx")
}

fn pack_of(sha256: &Digest) -> String {
    format!("packs/{}.pack", hex(sha256))
}

/// A chunk in the store.
#[derive(Clone, Copy)]
struct Stored {
    pack: Digest,
    offset: u32,
    bytes: u32,
}

/// Every chunk that the store has, as the indexes of its images say.
fn places_of(store: &Store) -> Result<HashMap<Digest, Stored>> {
    let mut places = HashMap::new();
    let looking = || format!("look through {}", store.path().display());
    for entry in fs::read_dir(store.path()).with_context(looking)? {
        let path = entry.with_context(looking)?.path();
        if path.extension().is_none_or(|ending| ending != "pidx") {
            continue;
        }
        let bytes = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        let index = PackIndex::parse(&bytes).with_context(|| path.display().to_string())?;
        for (chunk, place) in index.index.chunks.iter().zip(&index.places) {
            let stored = Stored {
                pack: index.packs[place.pack as usize],
                offset: place.offset,
                bytes: place.bytes,
            };
            places.insert(chunk.sha256, stored);
        }
    }
    Ok(places)
}

/// Writes packs, the chunks in their order whichever is compressed first.
struct Writer {
    folder: std::path::PathBuf,
    early: BTreeMap<u64, (Digest, Vec<u8>)>,
    next: u64,
    open: Option<OpenPack>,
    stored: Vec<(Digest, Stored)>,
}

struct OpenPack {
    file: NamedTempFile,
    sha256: Sha256,
    bytes: u64,
    chunks: Vec<(Digest, u32, u32)>,
}

impl Writer {
    fn into(store: &Store) -> Result<Writer> {
        Ok(Writer {
            folder: store.object("packs"),
            early: BTreeMap::new(),
            next: 0,
            open: None,
            stored: Vec::new(),
        })
    }

    fn put(&mut self, new: New, packed: &[u8]) -> Result<()> {
        self.early.insert(new.at, (new.sha256, packed.to_vec()));
        while let Some((sha256, packed)) = self.early.remove(&self.next) {
            self.append(sha256, &packed)?;
            self.next += 1;
        }
        Ok(())
    }

    fn append(&mut self, sha256: Digest, packed: &[u8]) -> Result<()> {
        let bytes = packed.len() as u64;
        let full = |open: &OpenPack| open.bytes + bytes > MOST_PACK_BYTES;
        if self.open.as_ref().is_some_and(full) {
            self.close()?;
        }
        let open = match &mut self.open {
            Some(open) => open,
            none => none.insert(OpenPack::within(&self.folder)?),
        };
        open.file.write_all(packed).context("write a pack")?;
        open.sha256.update(packed);
        let (offset, length) = (u32::try_from(open.bytes)?, u32::try_from(bytes)?);
        open.chunks.push((sha256, offset, length));
        open.bytes += bytes;
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        let Some(open) = self.open.take() else {
            return Ok(());
        };
        let pack: Digest = open.sha256.finalize().into();
        let path = self.folder.join(format!("{}.pack", hex(&pack)));
        let kept = open.file.persist(&path);
        kept.with_context(|| format!("rename to {}", path.display()))?;
        let chunks = open.chunks.into_iter();
        self.stored.extend(chunks.map(|(sha256, offset, bytes)| {
            let stored = Stored {
                pack,
                offset,
                bytes,
            };
            (sha256, stored)
        }));
        Ok(())
    }

    /// The chunks that were written.
    fn finish(mut self) -> Result<Vec<(Digest, Stored)>> {
        self.close()?;
        ensure!(self.early.is_empty(), "a chunk is missing between others");
        Ok(self.stored)
    }
}

impl OpenPack {
    fn within(folder: &Path) -> Result<OpenPack> {
        fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
        let file = tempfile::Builder::new()
            .prefix(".half-")
            .permissions(Permissions::from_mode(0o644))
            .tempfile_in(folder)
            .with_context(|| format!("make a file in {}", folder.display()))?;
        Ok(OpenPack {
            file,
            sha256: Sha256::new(),
            bytes: 0,
            chunks: Vec::new(),
        })
    }
}

/// A chunk to be fetched: from where, and to which offset in the image.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    from: Packed,
    to: u64,
    chunk: Chunk,
}

/// Each chunk that the client lacks, once.
fn missing(index: &PackIndex, is_held: impl Fn(&Digest) -> bool) -> Vec<Wanted> {
    let mut seen = HashSet::new();
    let mut to = 0;
    let mut missing = Vec::new();
    for (chunk, from) in index.index.chunks.iter().zip(&index.places) {
        if !is_held(&chunk.sha256) && seen.insert(chunk.sha256) {
            let (from, chunk) = (*from, *chunk);
            missing.push(Wanted { from, to, chunk });
        }
        to += u64::from(chunk.bytes);
    }
    missing
}

/// Splits what is wanted into ranges, each of one pack and in its order.
fn ranges(mut wanted: Vec<Wanted>) -> Vec<Vec<Wanted>> {
    wanted.sort_by_key(|wanted| wanted.from);
    let end = |wanted: &Wanted| u64::from(wanted.from.offset) + u64::from(wanted.from.bytes);
    let gap = |one: &Wanted, next: &Wanted| {
        let same = one.from.pack == next.from.pack;
        same.then(|| u64::from(next.from.offset).checked_sub(end(one)))
            .flatten()
    };
    // The narrowest gaps are filled first.
    let mut gaps: Vec<u64> = wanted
        .windows(2)
        .filter_map(|pair| gap(&pair[0], &pair[1]))
        .collect();
    gaps.sort_unstable();
    let needed: u64 = wanted
        .iter()
        .map(|wanted| u64::from(wanted.from.bytes))
        .sum();
    let mut spare = needed / NEEDED_FOR_EACH_SPARE;
    let filled = gaps.into_iter().take_while(|gap| {
        let fits = *gap <= spare;
        spare = spare.saturating_sub(*gap);
        fits
    });
    let widest = filled.last().unwrap_or(0);
    let mut ranges: Vec<Vec<Wanted>> = Vec::new();
    let mut spare = needed / NEEDED_FOR_EACH_SPARE;
    for wanted in wanted {
        if let Some(range) = ranges.last_mut()
            && let (Some(first), Some(last)) = (range.first(), range.last())
            && let Some(gap) = gap(last, &wanted)
            && gap <= widest.min(spare)
            && end(&wanted) - u64::from(first.from.offset) <= MOST_RANGE_BYTES
        {
            spare -= gap;
            range.push(wanted);
        } else {
            ranges.push(vec![wanted]);
        }
    }
    ranges
}

/// Fetches chunks over several connections and writes each where it belongs.
fn fetch(client: &Client, packs: &[Digest], wanted: Vec<Wanted>, out: &File) -> Result<()> {
    thread::scope(|scope| {
        let fetching = spread(scope, CONNECTIONS, || {
            let mut unpacker = Unpacker::default();
            Ok(move |range: Vec<Wanted>| fetch_range(client, packs, &range, out, &mut unpacker))
        });
        let given = ranges(wanted)
            .into_iter()
            .try_for_each(|range| fetching.give(range));
        fetching.finish().and(given)
    })
}

fn fetch_range(
    client: &Client,
    packs: &[Digest],
    range: &[Wanted],
    out: &File,
    unpacker: &mut Unpacker,
) -> Result<()> {
    let (Some(first), Some(last)) = (range.first(), range.last()) else {
        return Ok(());
    };
    let mut at = u64::from(first.from.offset);
    let end = u64::from(last.from.offset) + u64::from(last.from.bytes);
    let object = pack_of(&packs[first.from.pack as usize]);
    let mut pack = client.open_range(&object, at, end - at)?;
    let mut packed = Vec::new();
    for wanted in range {
        let begins = u64::from(wanted.from.offset);
        let mut read = |bytes: u64, packed: &mut Vec<u8>| {
            packed.resize(bytes as usize, 0);
            let read = pack.read_exact(packed);
            read.with_context(|| format!("get {object}"))
        };
        read(begins - at, &mut packed)?;
        read(wanted.from.bytes.into(), &mut packed)?;
        at = begins + u64::from(wanted.from.bytes);
        let bytes = unpacker
            .unpack(&packed, &wanted.chunk)
            .with_context(|| object.clone())?;
        if !is_zero(&bytes) {
            out.write_all_at(&bytes, wanted.to)
                .context("write a chunk")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(pack: u32, offset: u32, bytes: u32) -> Wanted {
        Wanted {
            from: Packed {
                pack,
                offset,
                bytes,
            },
            to: 0,
            chunk: Chunk {
                bytes: 1,
                sha256: [0; 32],
            },
        }
    }

    #[test]
    fn near_chunks_are_one_range_and_a_fiftieth_may_cross_for_nothing() {
        let shape = |wanted: &[Wanted]| {
            let ranges = ranges(wanted.to_vec()).into_iter();
            let ends = |range: Vec<Wanted>| {
                let (first, last) = (range[0].from, range[range.len() - 1].from);
                (first.pack, first.offset, last.offset + last.bytes)
            };
            ranges.map(ends).collect::<Vec<_>>()
        };
        assert_eq!(shape(&[]), []);
        // In any order; two packs are two ranges.
        let near = [
            wanted(0, 500, 500),
            wanted(0, 0, 500),
            wanted(1, 1000, 1000),
        ];
        assert_eq!(shape(&near), [(0, 0, 1000), (1, 1000, 2000)]);
        // 30 of 2000 is less than a fiftieth, 50 more are not.
        let gaps = [
            wanted(0, 0, 1000),
            wanted(0, 1050, 500),
            wanted(0, 1580, 500),
        ];
        assert_eq!(shape(&gaps), [(0, 0, 1000), (0, 1050, 2080)]);
        let mib = 1 << 20;
        let long: Vec<Wanted> = (0..10).map(|at| wanted(0, at * mib, mib)).collect();
        assert_eq!(shape(&long).len(), 3);
    }
}
