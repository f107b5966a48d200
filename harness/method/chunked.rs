//! Chunk stores: an image is an index and a set of chunks, which all releases share.
//!
//! `NAME.idx` is the index (see `index`). `chunks/ab/abcd….zst` is one chunk, named by its BLAKE3 hash and compressed on its own
//! with zstd at level 3: most bytes of a chunk store are written once and read rarely, and a higher level gains little on
//! so few bytes at a time. A client cuts its bases as the image was cut, takes the chunks that they contain, and requests
//! each of the others once. It writes what has the name that the index gives it, and so needs no hash of the whole, as the
//! clients of casync and desync need none.

use std::collections::HashSet;
use std::fs::File;
use std::path::Path;
use std::thread;

use anyhow::{Context, Result, ensure};
use zstd::bulk::{Compressor, Decompressor};

use super::Method;
use super::chunker::Chunker;
use super::index::{Chunk, Index};
use super::object::{create_out, put_bytes};
use super::version::{LAB, zstd as zstd_version};
use crate::engine::chunk::name_of;
use crate::engine::flow::{Assembly, cores, scan, spread};
use crate::image::{Digest, Image, hex};
use crate::store::Store;
use crate::wire::{Client, WireUrl};

/// Level at which each chunk is compressed.
pub const CHUNK_LEVEL: i32 = 3;

/// Connections of a client: while one waits for a chunk, the others unpack theirs.
pub(super) const CONNECTIONS: usize = 4;

/// A chunk store whose images are cut by one chunker.
pub struct Chunked<C> {
    chunker: C,
}

/// Begins the image of the index in `out`, and writes every chunk that a base has. A base is read only if the ones before it
/// lack a chunk.
pub(super) fn begin<'a>(
    chunker: &impl Chunker,
    index: &Index,
    bases: &[Image],
    out: &'a File,
) -> Result<Assembly<'a>> {
    let chunks = index.chunks.iter();
    let mut assembly = Assembly::new(out, chunks.map(|chunk| (chunk.name, chunk.bytes.into())))?;
    for base in bases {
        if assembly.is_whole() {
            break;
        }
        scan(chunker, &base.open()?, cores(), &mut |segment| {
            for chunk in &segment.chunks {
                assembly.put(&chunk.name, segment.bytes_of(chunk))?;
            }
            Ok(!assembly.is_whole())
        })
        .with_context(|| format!("look through {}", base.path.display()))?;
    }
    Ok(assembly)
}

/// A chunk that the store lacks: its place among those, and its name.
#[derive(Clone, Copy, Debug)]
pub(super) struct New {
    pub at: u64,
    pub name: Digest,
}

/// Cuts an image, and compresses the chunks of which `is_known` does not say that the store has them; `put` is given
/// each once, from several threads and in no order. Returns the image's index.
pub(super) fn cut(
    chunker: &impl Chunker,
    image: &Image,
    is_known: &dyn Fn(&Digest) -> bool,
    put: &(dyn Fn(New, &[u8]) -> Result<()> + Sync),
) -> Result<Index> {
    let file = image.open()?;
    let mut image_bytes = 0;
    let (mut chunks, mut new) = (Vec::new(), HashSet::new());
    thread::scope(|scope| {
        let packing = spread(scope, cores(), || {
            let mut compressor = Compressor::new(CHUNK_LEVEL).context("set up the compressor")?;
            Ok(move |(new, bytes): (New, Vec<u8>)| {
                let packed = compressor.compress(&bytes).context("compress a chunk")?;
                put(new, &packed)
            })
        });
        let scanned = scan(chunker, &file, cores(), &mut |segment| {
            image_bytes += segment.own().len() as u64;
            for chunk in &segment.chunks {
                let name = chunk.name;
                chunks.push(Chunk {
                    bytes: u32::try_from(chunk.bytes).context("a chunk beyond 4 GiB")?,
                    name,
                });
                let at = new.len() as u64;
                if !is_known(&name) && new.insert(name) {
                    packing.give((New { at, name }, segment.bytes_of(chunk).to_vec()))?;
                }
            }
            Ok(true)
        });
        packing.finish().and(scanned)
    })
    .with_context(|| format!("publish {}", image.path.display()))?;
    ensure!(
        image_bytes == image.bytes,
        "{}: it has {image_bytes} bytes now, but had {} when it was hashed",
        image.path.display(),
        image.bytes
    );
    Ok(Index {
        image_bytes,
        chunker: chunker.id(),
        chunks,
    })
}

/// Fails unless the index is of an image that this chunker cut.
pub(super) fn ensure_cut_by(chunker: &impl Chunker, index: &Index, object: &str) -> Result<()> {
    ensure!(
        index.chunker == chunker.id(),
        "{object}: cut by {:?}, but this client cuts by {:?}",
        index.chunker,
        chunker.id()
    );
    Ok(())
}

impl<C: Chunker> Chunked<C> {
    pub fn by(chunker: C) -> Chunked<C> {
        Chunked { chunker }
    }
}

/// Fetches what is lacking over several connections, each chunk once.
fn fetch_lacking(client: &Client, index: &Index, mut assembly: Assembly) -> Result<()> {
    let lacking = assembly.take_lacking();
    let assembly = &assembly;
    thread::scope(|scope| {
        let fetching = spread(scope, CONNECTIONS, || {
            let mut unpacker = Unpacker::default();
            Ok(move |first: usize| {
                let bytes = fetch(client, &index.chunks[first], &mut unpacker)?;
                assembly.write(first, &bytes)
            })
        });
        let given = lacking
            .into_iter()
            .try_for_each(|first| fetching.give(first));
        fetching.finish().and(given)
    })
}

/// Fetches a chunk and unpacks it.
fn fetch(client: &Client, chunk: &Chunk, unpacker: &mut Unpacker) -> Result<Vec<u8>> {
    let object = object(&chunk.name);
    let packed = client.get_bytes(&object)?;
    unpacker.unpack(&packed, chunk).context(object)
}

/// Decompresses chunks, and checks that they are the right ones.
#[derive(Default)]
pub(super) struct Unpacker(Option<Decompressor<'static>>);

impl Unpacker {
    /// Fails unless these bytes are the chunk that the index names.
    pub fn unpack(&mut self, packed: &[u8], chunk: &Chunk) -> Result<Vec<u8>> {
        let decompressor = match &mut self.0 {
            Some(ready) => ready,
            none => none.insert(Decompressor::new().context("set up the decompressor")?),
        };
        let bytes = decompressor
            .decompress(packed, chunk.bytes as usize)
            .context("decompress a chunk")?;
        let found = name_of(&bytes);
        ensure!(
            found == chunk.name && bytes.len() == chunk.bytes as usize,
            "damaged: {} should have {} bytes, but {} with {} bytes was found",
            hex(&chunk.name),
            chunk.bytes,
            hex(&found),
            bytes.len()
        );
        Ok(bytes)
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
        let is_known = |name: &Digest| store.object(&object(name)).exists();
        let put = |new: New, packed: &[u8]| put_bytes(store, &object(&new.name), packed);
        let index = cut(&self.chunker, image, &is_known, &put)?;
        put_bytes(store, &index_of(&image.name), &index.to_bytes()?)
    }

    fn update(&self, name: &str, bases: &[Image], wire: &WireUrl, out: &Path) -> Result<()> {
        let client = Client::new(wire);
        let index = client.get_bytes(&index_of(name))?;
        let index = Index::parse(&index).with_context(|| index_of(name))?;
        ensure_cut_by(&self.chunker, &index, &index_of(name))?;
        let rebuilt = create_out(out)?;
        begin(&self.chunker, &index, bases, &rebuilt)
            .and_then(|assembly| fetch_lacking(&client, &index, assembly))
            .with_context(|| format!("rebuild {name} at {}", out.display()))
    }
}

fn index_of(name: &str) -> String {
    format!("{name}.idx")
}

fn object(name: &Digest) -> String {
    let name = hex(name);
    format!("chunks/{}/{name}.zst", &name[..2])
}
