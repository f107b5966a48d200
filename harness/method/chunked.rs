//! Chunk stores: an image is an index, and chunks that all releases share.
//!
//! `NAME.idx` is the index (see `index`), `chunks/ab/abcd….zst` one chunk, named by its sha256 and compressed by
//! itself with zstd: at level 3, since most of a chunk store's bytes are written once and read rarely, and a
//! higher level gains little on so few bytes at a time. A client cuts its bases as the image was cut, takes from
//! them what it can, and asks for each other chunk once.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use sha2::{Digest as _, Sha256};

use super::Method;
use super::chunker::Chunker;
use super::index::{Chunk, Digest, Index};
use super::object::{create_out, put};
use super::version::{LAB, zstd as zstd_version};
use crate::image::{Hashing, Image, hex};
use crate::store::Store;
use crate::wire::{Client, WireUrl};

/// Level at which each chunk is compressed.
pub const CHUNK_LEVEL: i32 = 3;

/// A chunk store cut by one chunker.
pub struct Chunked<C> {
    chunker: C,
}

/// Where a client already has a chunk.
#[derive(Clone, Copy)]
enum Place {
    /// In this base (by its number), at this offset.
    Base(usize, u64),
    /// In what is rebuilt so far, at this offset.
    Rebuilt(u64),
}

impl<C: Chunker> Chunked<C> {
    pub fn by(chunker: C) -> Chunked<C> {
        Chunked { chunker }
    }

    /// Finds in the bases what the index asks for. The bases are read only as far as they are needed: once
    /// everything is found, the rest of them is left alone.
    fn find(&self, index: &Index, bases: &[Image]) -> Result<HashMap<Digest, Place>> {
        let mut wanted: HashMap<Digest, Option<Place>> = HashMap::new();
        for chunk in &index.chunks {
            wanted.insert(chunk.sha256, None);
        }
        let mut missing = wanted.len();
        for (number, base) in bases.iter().enumerate() {
            if missing == 0 {
                break;
            }
            let mut at = 0;
            self.chunker
                .cut(&mut base.open()?, &mut |chunk| {
                    if let Some(place @ None) = wanted.get_mut(&sha256(chunk)) {
                        *place = Some(Place::Base(number, at));
                        missing -= 1;
                    }
                    at += chunk.len() as u64;
                    Ok(())
                })
                .with_context(|| format!("look through {}", base.path.display()))?;
        }
        let found = wanted.into_iter();
        Ok(found
            .filter_map(|(sha256, place)| Some((sha256, place?)))
            .collect())
    }
}

impl<C: Chunker> Method for Chunked<C> {
    fn version(&self) -> Result<String> {
        Ok(format!(
            "{LAB}, {}, {}",
            self.chunker.version(),
            zstd_version(CHUNK_LEVEL)
        ))
    }

    fn publish(&self, image: &Image, _bases: &[Image], store: &Store) -> Result<()> {
        let mut compressor =
            zstd::bulk::Compressor::new(CHUNK_LEVEL).context("set up the compressor")?;
        let mut chunks = Vec::new();
        let (mut image_bytes, mut whole) = (0, Sha256::new());
        self.chunker
            .cut(&mut image.open()?, &mut |bytes| {
                image_bytes += bytes.len() as u64;
                whole.update(bytes);
                let chunk = Chunk {
                    bytes: u32::try_from(bytes.len()).context("a chunk beyond 4 GiB")?,
                    sha256: sha256(bytes),
                };
                chunks.push(chunk);
                let object = object(&chunk.sha256);
                if store.object(&object).exists() {
                    return Ok(());
                }
                let packed = compressor.compress(bytes).context("compress a chunk")?;
                put(store, &object, |to| Ok(to.write_all(&packed)?))
            })
            .with_context(|| format!("publish {}", image.path.display()))?;
        let index = Index {
            image_bytes,
            image_sha256: whole.finalize().into(),
            chunker: self.chunker.id(),
            chunks,
        };
        let index = index.to_bytes()?;
        put(
            store,
            &index_of(&image.name),
            |to| Ok(to.write_all(&index)?),
        )
    }

    fn update(&self, name: &str, bases: &[Image], wire: &WireUrl, out: &Path) -> Result<()> {
        let client = Client::new(wire);
        let index = client.get_bytes(&index_of(name))?;
        let index = Index::parse(&index).with_context(|| index_of(name))?;
        ensure!(
            index.chunker == self.chunker.id(),
            "{}: cut by {:?}, this client cuts by {:?}",
            index_of(name),
            index.chunker,
            self.chunker.id()
        );
        let mut places = self.find(&index, bases)?;
        let bases: Vec<File> = bases.iter().map(Image::open).collect::<Result<_>>()?;
        let rebuilt = create_out(out)?;
        let mut writing = Hashing::new(&rebuilt);
        let mut decompressor =
            zstd::bulk::Decompressor::new().context("set up the decompressor")?;
        let mut at = 0;
        for chunk in &index.chunks {
            let bytes = match places.get(&chunk.sha256) {
                Some(Place::Base(number, at)) => read_at(&bases[*number], *at, chunk)?,
                Some(Place::Rebuilt(at)) => read_at(&rebuilt, *at, chunk)?,
                None => {
                    let object = object(&chunk.sha256);
                    let packed = client.get_bytes(&object)?;
                    places.insert(chunk.sha256, Place::Rebuilt(at));
                    decompressor
                        .decompress(&packed, chunk.bytes as usize)
                        .with_context(|| format!("decompress {object}"))?
                }
            };
            ensure!(
                sha256(&bytes) == chunk.sha256 && bytes.len() == chunk.bytes as usize,
                "damaged: what should be chunk {} of {name} is something else",
                hex(&chunk.sha256)
            );
            writing
                .write_all(&bytes)
                .with_context(|| format!("write {}", out.display()))?;
            at += bytes.len() as u64;
        }
        let (_, sha256) = writing.finish();
        ensure!(
            sha256 == hex(&index.image_sha256),
            "{}: damaged: its chunks are right, the whole is not",
            index_of(name)
        );
        Ok(())
    }
}

fn index_of(name: &str) -> String {
    format!("{name}.idx")
}

fn object(sha256: &Digest) -> String {
    let name = hex(sha256);
    format!("chunks/{}/{name}.zst", &name[..2])
}

fn sha256(bytes: &[u8]) -> Digest {
    Sha256::digest(bytes).into()
}

fn read_at(file: &File, at: u64, chunk: &Chunk) -> Result<Vec<u8>> {
    let mut bytes = vec![0; chunk.bytes as usize];
    file.read_exact_at(&mut bytes, at)
        .with_context(|| format!("read the chunk {} again", hex(&chunk.sha256)))?;
    Ok(bytes)
}
