//! Chunk stores: an image is an index and a set of chunks, which all releases share.
//!
//! `NAME.idx` is the index (see `index`). `chunks/ab/abcd….zst` is one chunk, named by its BLAKE3 hash and compressed on its own
//! with zstd at level 3: most bytes of a chunk store are written once and read rarely, and a higher level gains little on
//! so few bytes at a time. A client cuts its bases as the image was cut, copies the chunks that they contain, and requests
//! each of the others once.

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
use crate::engine::flow::{HeldPieces, Place, Rebuild, ahead, cores, scan, spread};
use crate::image::{Digest, Image, digest_from_hex, hex};
use crate::store::Store;
use crate::wire::{Client, WireUrl};

/// Level at which each chunk is compressed.
pub const CHUNK_LEVEL: i32 = 3;

/// Connections of a client: while one waits for a chunk, the others unpack theirs.
pub(super) const CONNECTIONS: usize = 4;

/// Chunks fetched before their turn hold so much together.
const AHEAD_BYTES: usize = 16 << 20;

/// A chunk store whose images are cut by one chunker.
pub struct Chunked<C> {
    chunker: C,
}

/// Finds the chunks of the index in the bases (`files` are the bases, opened). A base is read only if the ones before
/// it lack a chunk.
pub(super) fn find<'a>(
    chunker: &impl Chunker,
    index: &Index,
    bases: &[Image],
    files: &'a [File],
) -> Result<HeldPieces<'a>> {
    let mut wanted: HashSet<Digest> = index.chunks.iter().map(|chunk| chunk.name).collect();
    let mut places = HeldPieces::new();
    for (base, file) in bases.iter().zip(files) {
        if wanted.is_empty() {
            break;
        }
        scan(chunker, file, cores(), &mut |segment| {
            for chunk in &segment.chunks {
                if let Some(name) = wanted.take(&chunk.name) {
                    let offset = chunk.offset;
                    places.insert(name, Place { file, offset });
                }
            }
            Ok(!wanted.is_empty())
        })
        .with_context(|| format!("look through {}", base.path.display()))?;
    }
    Ok(places)
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
        // Whoever publishes an image knows its hash, as with every other method here: it is not part of the work.
        image_sha256: digest_from_hex(&image.sha256)?,
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

    /// Writes the image, its chunks copied from where they are held or fetched ahead of their turn.
    fn rebuild(&self, client: &Client, index: &Index, mut rebuild: Rebuild) -> Result<()> {
        let mut asked = HashSet::new();
        let missing = index.chunks.iter();
        let missing: Vec<&Chunk> = missing
            .filter(|chunk| !rebuild.holds(&chunk.name) && asked.insert(chunk.name))
            .collect();
        let most = AHEAD_BYTES / self.chunker.most_bytes();
        let most = most.clamp(CONNECTIONS, 16 * CONNECTIONS);
        thread::scope(|scope| {
            let mut fetched = ahead(scope, missing.into_iter(), (CONNECTIONS, most), || {
                let mut unpacker = Unpacker::default();
                move |chunk| fetch(client, chunk, &mut unpacker)
            });
            for chunk in &index.chunks {
                if !rebuild.copy(&chunk.name, chunk.bytes.into())? {
                    let bytes = fetched.next().context("a chunk that was not asked for")??;
                    rebuild.known(&chunk.name, &bytes)?;
                }
            }
            rebuild.finish(&index.image_sha256)
        })
    }
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
        let files: Vec<File> = bases.iter().map(Image::open).collect::<Result<_>>()?;
        let places = find(&self.chunker, &index, bases, &files)?;
        let rebuilt = create_out(out)?;
        self.rebuild(&client, &index, Rebuild::new(&rebuilt, out, places)?)
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
