//! bita's archives: a release is one file, an index in front of chunks that are cut where the contents say so.
//!
//! `NAME.cba` is what `bita compress` writes with the same parameters, to the byte, and what `bita clone` reads. Chunks
//! that occur twice in a release are stored once; releases share nothing, so a store holds each of them whole.
//! A client reads the index, cuts its bases as the image was cut, and asks for what it lacks with one range request
//! for each run of chunks that lie side by side in the archive, as bita itself does.
//!
//! The library is asynchronous: a step runs it in a runtime of its own, on its one thread, where a request may block.

use std::collections::BTreeMap;
use std::io::{Read, Seek};
use std::path::Path;
use std::pin::Pin;

use anyhow::{Context, Result, anyhow, ensure};
use async_trait::async_trait;
use bitar::api::compress::{CreateArchiveOptions, create_archive};
use bitar::archive_reader::ArchiveReader;
use bitar::chunker::{Config, FilterBits, FilterConfig};
use bitar::{Archive, ArchiveError, ChunkOffset, CloneOutput, Compression};
use blake2::{Blake2b512, Digest};
use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use tokio::runtime::{Builder, Runtime};

use super::Method;
use super::chunker::KIB;
use super::object::{create_out, put};
use super::version::{BITAR, LAB, zstd as zstd_version};
use crate::crosscheck::{self, Published};
use crate::image::Image;
use crate::store::Store;
use crate::wire::{Client, WireUrl};

/// Level at which each chunk is compressed: that of the other chunk stores, so that what differs is the method. (bita
/// itself takes brotli unless told.)
const LEVEL: u32 = 3;

/// An archive for each release, chunks of 64 KiB on average.
pub struct Bita;

/// bita's own parameters, but for the compression.
fn options() -> Result<CreateArchiveOptions> {
    Ok(CreateArchiveOptions {
        chunker_config: Config::RollSum(FilterConfig {
            filter_bits: FilterBits::from_size(64 * KIB as u32),
            min_chunk_size: 16 * KIB,
            max_chunk_size: 16 * KIB * KIB,
            window_size: 64,
        }),
        // One chunk at a time: every built-in method has one core, or times could not be compared.
        num_chunk_buffers: 1,
        chunk_hash_length: 64,
        // A nameless file in the step's scratch folder.
        temporary_file_override: None,
        compression: Some(Compression::zstd(LEVEL)?),
        metadata: BTreeMap::new(),
    })
}

impl Method for Bita {
    fn version(&self) -> Result<String> {
        Ok(format!(
            "{LAB}, {BITAR} rollsum, {}",
            zstd_version(LEVEL.cast_signed())
        ))
    }

    fn cross_check(&self, image: &Image) -> Result<Option<Published>> {
        Ok(Some(Published {
            format: crosscheck::format("bita")?,
            image: image.clone(),
            index: archive_of(&image.name),
            chunks: None,
        }))
    }

    fn publish(&self, image: &Image, _bases: &[Image], store: &Store) -> Result<()> {
        let options = options()?;
        let input = File::from_std(image.open()?);
        put(store, &archive_of(&image.name), |to| {
            let mut to = File::from_std(to.try_clone()?);
            runtime()?.block_on(async {
                let written = create_archive(input, &mut to, &options).await?;
                // What a dropped file still holds back is lost.
                to.flush().await?;
                ensure!(
                    written.source_length as u64 == image.bytes,
                    "{} bytes, but {} when it was hashed",
                    written.source_length,
                    image.bytes
                );
                Ok(())
            })
        })
    }

    fn update(&self, name: &str, bases: &[Image], wire: &WireUrl, out: &Path) -> Result<()> {
        let object = archive_of(name);
        let remote = Remote {
            client: Client::new(wire),
            object: object.clone(),
        };
        runtime()?
            .block_on(rebuild(remote, bases, out))
            .with_context(|| format!("rebuild {} from {object}", out.display()))
    }
}

fn archive_of(name: &str) -> String {
    format!("{name}.cba")
}

/// Runs one step: all on this thread but for what waits for files.
fn runtime() -> Result<Runtime> {
    Builder::new_current_thread()
        .build()
        .context("set up the runtime of a step")
}

async fn rebuild(remote: Remote, bases: &[Image], out: &Path) -> Result<()> {
    let mut archive = Archive::try_init(remote).await.map_err(said)?;
    let rebuilt = File::from_std(create_out(out)?);
    let mut output = CloneOutput::new(rebuilt, archive.build_source_index());
    for base in bases {
        let mut chunks = archive
            .chunker_config()
            .new_chunker(File::from_std(base.open()?));
        // Once everything is found, the rest of the bases is left alone.
        while !output.is_empty()
            && let Some(chunk) = chunks.next().await
        {
            let (_, chunk) =
                chunk.with_context(|| format!("look through {}", base.path.display()))?;
            output.feed(&chunk.verify()).await?;
        }
    }
    let mut missing = archive.chunk_stream(output.chunks());
    while let Some(chunk) = missing.next().await {
        let chunk = chunk?.decompress().context("decompress a chunk")?;
        output.feed(&chunk.verify().context("damaged")?).await?;
    }
    drop(missing);
    let mut rebuilt = output.into_inner();
    rebuilt.flush().await?;
    let whole = hash(rebuilt.into_std().await)?;
    ensure!(
        whole == archive.source_checksum().slice(),
        "damaged: its chunks are right, the whole is not"
    );
    Ok(())
}

/// Blake2b-512 of a file, as bita writes it into its archives.
fn hash(mut file: std::fs::File) -> Result<Vec<u8>> {
    file.rewind()?;
    let mut hash = Blake2b512::new();
    let mut piece = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            return Ok(hash.finalize().to_vec());
        }
        hash.update(&piece[..read]);
    }
}

fn said(error: ArchiveError<anyhow::Error>) -> anyhow::Error {
    match error {
        ArchiveError::ReaderError(error) => error,
        ArchiveError::InvalidArchive(why) => anyhow!(why).context("damaged or no archive"),
    }
}

/// An archive in the store, read over the wire by ranges.
struct Remote {
    client: Client,
    object: String,
}

/// Chunks that lie side by side: one request.
struct Run {
    first: u64,
    bytes: u64,
    /// Lengths of its chunks.
    chunks: Vec<usize>,
}

/// In the order given, which is that of the archive.
fn runs(chunks: &[ChunkOffset]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for chunk in chunks {
        let bytes = chunk.size as u64;
        match runs.last_mut() {
            Some(run) if run.first + run.bytes == chunk.offset => {
                run.bytes += bytes;
                run.chunks.push(chunk.size);
            }
            _ => runs.push(Run {
                first: chunk.offset,
                bytes,
                chunks: vec![chunk.size],
            }),
        }
    }
    runs
}

impl Remote {
    /// The chunks of a run, each read when it is asked for: a run may be the whole archive.
    fn fetch(&self, run: Run) -> impl Iterator<Item = Result<Bytes>> {
        let mut download = None;
        run.chunks.into_iter().map(move |size| {
            let download = match &mut download {
                Some(download) => download,
                None => {
                    let range = self.client.open_range(&self.object, run.first, run.bytes)?;
                    download.insert(range)
                }
            };
            let mut chunk = vec![0; size];
            download
                .read_exact(&mut chunk)
                .with_context(|| format!("get {}", self.object))?;
            Ok(chunk.into())
        })
    }
}

#[async_trait]
impl ArchiveReader for Remote {
    type Error = anyhow::Error;

    async fn read_at<'a>(&'a mut self, offset: u64, size: usize) -> Result<Bytes> {
        let bytes = self.client.get_range(&self.object, offset, size as u64)?;
        Ok(bytes.into())
    }

    fn read_chunks<'a>(
        &'a mut self,
        chunks: Vec<ChunkOffset>,
    ) -> Pin<Box<dyn Stream<Item = Result<Bytes>> + Send + 'a>> {
        let remote = &*self;
        let fetched = runs(&chunks)
            .into_iter()
            .flat_map(move |run| remote.fetch(run));
        Box::pin(stream::iter(fetched))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Wire;

    #[test]
    fn an_archive_of_right_chunks_that_names_another_whole_is_damaged() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(&dir.path().join("store")).unwrap();
        let mut archive = Vec::new();
        let making = runtime().unwrap().block_on(create_archive(
            &b"what is published"[..],
            &mut archive,
            &options().unwrap(),
        ));
        let mut index = making.unwrap().header;
        let index_bytes = bitar::header::build(&index, None).unwrap().len();
        index.source_checksum[0] ^= 1;
        let mut lying = bitar::header::build(&index, None).unwrap();
        lying.extend(&archive[index_bytes..]);
        for (archive, fine) in [(archive, true), (lying, false)] {
            std::fs::write(store.object("v1.cba"), archive).unwrap();
            let out = dir.path().join(format!("out-{fine}"));
            let wire = Wire::open(&store).unwrap();
            let updated = Bita.update("v1", &[], &wire.url(), &out);
            wire.close().unwrap();
            let said = updated.map_err(|error| format!("{error:#}"));
            match said {
                Ok(()) => assert!(fine),
                Err(said) => assert!(!fine && said.contains("the whole is not"), "{said}"),
            }
        }
    }

    #[test]
    fn chunks_side_by_side_are_one_run() {
        let chunks = [(100, 10), (110, 5), (115, 1), (117, 3), (200, 4), (204, 4)];
        let chunks = chunks.map(|(offset, size)| ChunkOffset { offset, size });
        let runs: Vec<(u64, u64, usize)> = runs(&chunks)
            .iter()
            .map(|run| (run.first, run.bytes, run.chunks.len()))
            .collect();
        assert_eq!(runs, [(100, 16, 3), (117, 3, 1), (200, 8, 2)]);
        assert!(super::runs(&[]).is_empty());
    }
}
