//! bita's archives: a release is one file, an index followed by content-defined chunks.
//!
//! `NAME.cba` has the same bytes as `bita compress` writes with the same parameters, and `bita clone` reads it. A chunk that
//! occurs several times in a release is stored once. Releases share nothing, so the store holds each of them completely.
//! A client reads the index, cuts its bases as the image was cut, and requests the chunks that it lacks, with one range
//! request for each run of adjacent chunks in the archive, as bita does.
//!
//! The library is asynchronous. A step runs it in a runtime of its own with one thread, in which a request may block.

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
use super::object::{create_out, put};
use super::version::{BITAR, LAB, zstd as zstd_version};
use crate::crosscheck::{self, Published};
use crate::engine::flow::cores;
use crate::image::Image;
use crate::store::Store;
use crate::wire::{Client, WireUrl};

/// Level at which each chunk is compressed: the same as in the other chunk stores, so that only the method differs. (bita's
/// own default is brotli.)
const LEVEL: u32 = 3;

/// Averages of a chunk, powers of two: the rolling sum is compared in whole bits. The least chunk is a quarter of the
/// average and has to be longer than the sum's window.
pub const LEAST_AVERAGE_BYTES: u32 = 1 << 10;
pub const MOST_AVERAGE_BYTES: u32 = 4 << 20;

/// bita's own average.
const DEFAULT_AVERAGE_BYTES: u32 = 64 << 10;

/// Most bytes of a chunk, whatever the average: bita's own.
const MOST_BYTES: usize = 16 << 20;

/// An archive for each release.
pub struct Bita {
    average_bytes: u32,
}

impl Bita {
    /// Chunks of about `bytes` bytes: a power of two from 1 KiB to 4 MiB.
    pub fn average(bytes: u32) -> Bita {
        assert!(bytes.is_power_of_two());
        assert!((LEAST_AVERAGE_BYTES..=MOST_AVERAGE_BYTES).contains(&bytes));
        Bita {
            average_bytes: bytes,
        }
    }

    fn least_bytes(&self) -> u32 {
        self.average_bytes / 4
    }
}

/// bita's own parameters, except for the average and the compression.
fn options(bita: &Bita) -> Result<CreateArchiveOptions> {
    Ok(CreateArchiveOptions {
        chunker_config: Config::RollSum(FilterConfig {
            filter_bits: FilterBits::from_size(bita.average_bytes),
            min_chunk_size: bita.least_bytes() as usize,
            max_chunk_size: MOST_BYTES,
            window_size: 64,
        }),
        // The library hashes and compresses so many chunks at once; the archive is the same.
        num_chunk_buffers: cores(),
        chunk_hash_length: 64,
        // An unnamed file in the step's temporary folder.
        temporary_file_override: None,
        compression: Some(Compression::zstd(LEVEL)?),
        metadata: BTreeMap::new(),
    })
}

impl Method for Bita {
    fn version(&self) -> Result<String> {
        let sizes = match self.average_bytes {
            DEFAULT_AVERAGE_BYTES => String::new(),
            average => format!(" {}:{average}:{MOST_BYTES}", self.least_bytes()),
        };
        Ok(format!(
            "{LAB}, {BITAR} rollsum{sizes}, {}",
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
        let options = options(self)?;
        let input = File::from_std(image.open()?);
        put(store, &archive_of(&image.name), |to| {
            let mut to = File::from_std(to.try_clone()?);
            runtime()?.block_on(async {
                let written = create_archive(input, &mut to, &options).await?;
                // A file that is dropped loses its buffered bytes.
                to.flush().await?;
                ensure!(
                    written.source_length as u64 == image.bytes,
                    "it has {} bytes now, but had {} when it was hashed",
                    written.source_length,
                    image.bytes
                );
                Ok(())
            })
        })
    }

    fn update(&self, name: &str, bases: &[Image], wire: &WireUrl, out: &Path) -> Result<()> {
        let object = archive_of(name);
        let remote = RemoteArchive {
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

/// A runtime for one step, which runs on this thread except for file operations.
fn runtime() -> Result<Runtime> {
    Builder::new_current_thread()
        .build()
        .context("set up the runtime of a step")
}

async fn rebuild(remote: RemoteArchive, bases: &[Image], out: &Path) -> Result<()> {
    let mut archive = Archive::try_init(remote).await.map_err(said)?;
    let rebuilt = File::from_std(create_out(out)?);
    let mut output = CloneOutput::new(rebuilt, archive.build_source_index());
    for base in bases {
        let mut chunks = archive
            .chunker_config()
            .new_chunker(File::from_std(base.open()?));
        // The bases are read only until every chunk is found.
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
        "damaged: its chunks are right, but the whole is not"
    );
    Ok(())
}

/// BLAKE2b-512 of a file, which bita stores in its archives.
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

/// An archive in the store, read through the wire by ranges.
struct RemoteArchive {
    client: Client,
    object: String,
}

/// Splits chunks, in the order of the archive, into runs of adjacent ones.
fn runs(chunks: &[ChunkOffset]) -> impl Iterator<Item = &[ChunkOffset]> {
    chunks.chunk_by(|one, next| one.offset + one.size as u64 == next.offset)
}

impl RemoteArchive {
    /// Requests a run of adjacent chunks. Each chunk is read when it is taken, because a run may be the whole archive.
    fn fetch(&self, run: &[ChunkOffset]) -> impl Iterator<Item = Result<Bytes>> + use<'_> {
        let first = run.first().map_or(0, |chunk| chunk.offset);
        let sizes: Vec<usize> = run.iter().map(|chunk| chunk.size).collect();
        let bytes = sizes.iter().map(|size| *size as u64).sum();
        let mut download = None;
        sizes.into_iter().map(move |size| {
            let download = match &mut download {
                Some(download) => download,
                None => {
                    let range = self.client.open_range(&self.object, first, bytes)?;
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
impl ArchiveReader for RemoteArchive {
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
        let fetched: Vec<_> = runs(&chunks).map(|run| remote.fetch(run)).collect();
        Box::pin(stream::iter(fetched.into_iter().flatten()))
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
        let bita = Bita::average(DEFAULT_AVERAGE_BYTES);
        let mut archive = Vec::new();
        let making = runtime().unwrap().block_on(create_archive(
            &b"what is published"[..],
            &mut archive,
            &options(&bita).unwrap(),
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
            let updated = bita.update("v1", &[], &wire.url(), &out);
            wire.close().unwrap();
            let said = updated.map_err(|error| format!("{error:#}"));
            match said {
                Ok(()) => assert!(fine),
                Err(said) => assert!(!fine && said.contains("the whole is not"), "{said}"),
            }
        }
    }

    #[test]
    fn adjacent_chunks_are_one_run() {
        let chunks = [(100, 10), (110, 5), (115, 1), (117, 3), (200, 4), (204, 4)];
        let chunks = chunks.map(|(offset, size)| ChunkOffset { offset, size });
        let runs: Vec<(u64, usize)> = runs(&chunks)
            .map(|run| (run[0].offset, run.len()))
            .collect();
        assert_eq!(runs, [(100, 3), (117, 1), (200, 2)]);
    }
}
