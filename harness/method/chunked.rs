//! Chunk stores: an image is an index and a set of chunks, which all releases share.
//!
//! `NAME.idx` is the index (see `index`). `chunks/ab/abcd….zst` is one chunk, named by its sha256 and compressed on its own
//! with zstd at level 3: most bytes of a chunk store are written once and read rarely, and a higher level gains little on
//! so few bytes at a time. A client cuts its bases as the image was cut, copies the chunks that they contain, and requests
//! each of the others once.

use std::collections::HashSet;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use sha2::{Digest as _, Sha256};

use super::Method;
use super::chunker::Chunker;
use super::index::{Chunk, Index};
use super::object::{create_out, put_bytes};
use super::rebuild::{HeldPiece, HeldPieces, Rebuild};
use super::version::{LAB, zstd as zstd_version};
use crate::image::{Digest, Image, digest_of, hex};
use crate::store::Store;
use crate::wire::{Client, WireUrl};

/// Level at which each chunk is compressed.
pub const CHUNK_LEVEL: i32 = 3;

/// A chunk store whose images are cut by one chunker.
pub struct Chunked<C> {
    chunker: C,
}

impl<C: Chunker> Chunked<C> {
    pub fn by(chunker: C) -> Chunked<C> {
        Chunked { chunker }
    }

    /// Finds the chunks of the index in the bases (`files` are the bases, opened). A base is read only if the ones before
    /// it lack a chunk.
    fn find<'a>(
        &self,
        index: &Index,
        bases: &[Image],
        files: &'a [File],
    ) -> Result<HeldPieces<'a>> {
        let mut wanted: HashSet<Digest> = index.chunks.iter().map(|chunk| chunk.sha256).collect();
        let mut places = HeldPieces::new();
        for (base, file) in bases.iter().zip(files) {
            if wanted.is_empty() {
                break;
            }
            let mut offset = 0;
            self.chunker
                .cut(&mut base.open()?, &mut |chunk| {
                    if let Some(sha256) = wanted.take(&digest_of(chunk)) {
                        places.insert(sha256, HeldPiece { file, offset });
                    }
                    offset += chunk.len() as u64;
                    Ok(())
                })
                .with_context(|| format!("look through {}", base.path.display()))?;
        }
        Ok(places)
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
                    sha256: digest_of(bytes),
                };
                chunks.push(chunk);
                let object = object(&chunk.sha256);
                if store.object(&object).exists() {
                    return Ok(());
                }
                let packed = compressor.compress(bytes).context("compress a chunk")?;
                put_bytes(store, &object, &packed)
            })
            .with_context(|| format!("publish {}", image.path.display()))?;
        let index = Index {
            image_bytes,
            image_sha256: whole.finalize().into(),
            chunker: self.chunker.id(),
            chunks,
        };
        put_bytes(store, &index_of(&image.name), &index.to_bytes()?)
    }

    fn update(&self, name: &str, bases: &[Image], wire: &WireUrl, out: &Path) -> Result<()> {
        let client = Client::new(wire);
        let index = client.get_bytes(&index_of(name))?;
        let index = Index::parse(&index).with_context(|| index_of(name))?;
        ensure!(
            index.chunker == self.chunker.id(),
            "{}: cut by {:?}, but this client cuts by {:?}",
            index_of(name),
            index.chunker,
            self.chunker.id()
        );
        let files: Vec<File> = bases.iter().map(Image::open).collect::<Result<_>>()?;
        let places = self.find(&index, bases, &files)?;
        let rebuilt = create_out(out)?;
        let mut rebuild = Rebuild::new(&rebuilt, out, places);
        let mut decompressor =
            zstd::bulk::Decompressor::new().context("set up the decompressor")?;
        for chunk in &index.chunks {
            let fetch = |to: &mut dyn Write| {
                let object = object(&chunk.sha256);
                let packed = client.get_bytes(&object)?;
                let bytes = decompressor
                    .decompress(&packed, chunk.bytes as usize)
                    .with_context(|| format!("decompress {object}"))?;
                Ok(to.write_all(&bytes)?)
            };
            rebuild
                .piece(&chunk.sha256, chunk.bytes.into(), fetch)
                .with_context(|| format!("rebuild {name} at {}", out.display()))?;
        }
        rebuild.finish(&index.image_sha256)
    }
}

fn index_of(name: &str) -> String {
    format!("{name}.idx")
}

fn object(sha256: &Digest) -> String {
    let name = hex(sha256);
    format!("chunks/{}/{name}.zst", &name[..2])
}
