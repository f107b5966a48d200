//! casync's index of a blob (`.caibx`) and its store of chunks (`.castr`), which desync uses too.
//!
//! The index has a head (its size 48, its type, flags, least, average and largest size of a chunk), a table of items (the end
//! of a chunk in the blob, its digest) and a tail (two zeros, 48, the table's size, a marker). All numbers have 64 bits and
//! are little-endian. A chunk is a compressed file named by its digest. Observed with casync 2+20201210.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256, Sha512_256};

use super::cursor::Cursor;
use super::{Expected, Published, Pull, head_of};
use crate::image::hex;
use crate::store::Store;

const HEAD_TYPE: u64 = 0x9682_4D9C_7B12_9FF9;
const TABLE_TYPE: u64 = 0xE75B_9E11_2F17_417D;
const TAIL_MARKER: u64 = 0x4B4F_050E_5549_ECD1;
/// A flag: chunks are named by SHA-512/256 instead of SHA-256.
const SHA512_256: u64 = 0x2000_0000_0000_0000;
const HEAD_BYTES: u64 = 48;
const TABLE_HEAD_BYTES: u64 = 16;
const ITEM_BYTES: u64 = 40;
const TAIL_BYTES: u64 = 40;
/// casync refuses larger chunks.
const CHUNK_LIMIT_BYTES: u64 = 128 << 20;

/// The parts of an index that are needed here.
#[derive(Debug)]
struct CasyncIndex {
    sha512_256: bool,
    most_bytes: u64,
    /// Each chunk once, in order of first use.
    chunks: Vec<CasyncChunk>,
    /// How often the blob has it.
    times: BTreeMap<CasyncChunk, u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct CasyncChunk {
    digest: [u8; 32],
    bytes: u64,
}

/// One GET for the index, and one for each chunk that no base has: whole files, no ranges. The client keeps a chunk that
/// occurs several times in the image and requests it once.
pub fn expect(pull: &Pull) -> Result<Vec<Expected>> {
    expected(pull, false)
}

/// Like `expect`, for desync (1.0.4): it makes a chunk of the largest size that is all zeros by itself; and asks for several
/// chunks at a time, so that it may ask again for one that occurs several times, while the first answer is under way.
pub fn expect_of_desync(pull: &Pull) -> Result<Vec<Expected>> {
    expected(pull, true)
}

fn expected(pull: &Pull, desync: bool) -> Result<Vec<Expected>> {
    let (index, index_bytes) = read(pull.store, pull.wanted)?;
    let folder = pull.wanted.chunks.as_deref().unwrap_or_default();
    // The client cuts a base as the server did, so it has the chunks that the base's index lists.
    let mut held = BTreeSet::new();
    for base in pull.bases {
        held.extend(read(pull.store, base)?.0.chunks);
    }
    let mut all = vec![Expected::exactly(&pull.wanted.index, 1, index_bytes)];
    for chunk in index.chunks.iter().filter(|chunk| !held.contains(chunk)) {
        let object = object(folder, &chunk.digest);
        let found = verify(pull.store, &object, chunk, index.sha512_256)
            .with_context(|| format!("{object}: a chunk of {}", pull.wanted.index))?;
        let mut expected = Expected::exactly(object, 1, found.file_bytes);
        if desync {
            let least = match found.zeros && chunk.bytes == index.most_bytes {
                true => 0,
                false => 1,
            };
            let most = index.times[chunk];
            expected.requests = least..=most;
            expected.payload_bytes = least * found.file_bytes..=most * found.file_bytes;
        }
        all.push(expected);
    }
    Ok(all)
}

fn read(store: &Store, published: &Published) -> Result<(CasyncIndex, u64)> {
    let (bytes, length) = head_of(store, &published.index, None)?;
    let index = parse(&bytes).with_context(|| published.index.clone())?;
    Ok((index, length))
}

/// `default.castr/356b/356b5e….cacnk`: the folder is named by the first four digits.
fn object(folder: &str, digest: &[u8; 32]) -> String {
    let name = hex(digest);
    format!(
        "{}/{}/{name}.cacnk",
        folder.trim_end_matches('/'),
        &name[..4]
    )
}

fn parse(bytes: &[u8]) -> Result<CasyncIndex> {
    let mut cursor = Cursor::new(bytes);
    let mut number = |what: &str| cursor.u64_le().with_context(|| what.to_string());
    let head = (number("its head")?, number("its head")?);
    ensure!(head == (HEAD_BYTES, HEAD_TYPE), "not an index of a blob");
    let flags = number("its flags")?;
    let (_, _, most_bytes) = (
        number("its sizes")?,
        number("its sizes")?,
        number("its sizes")?,
    );
    ensure!(
        most_bytes <= CHUNK_LIMIT_BYTES,
        "chunks of {most_bytes} bytes, but casync allows at most {CHUNK_LIMIT_BYTES}"
    );
    let table = (number("its table")?, number("its table")?);
    ensure!(table == (u64::MAX, TABLE_TYPE), "no table of chunks");

    let mut chunks = Vec::new();
    let mut times = BTreeMap::new();
    let mut end = 0;
    loop {
        let next = cursor.u64_le().context("the table has no tail")?;
        // The end of a chunk is never zero, so a zero is the start of the tail.
        if next == 0 {
            break;
        }
        let digest = cursor.take(32).context("the table has no tail")?;
        let bytes = next.saturating_sub(end);
        ensure!(
            (1..=most_bytes).contains(&bytes),
            "a chunk from {end} to {next}, but a chunk has 1 to {most_bytes} bytes"
        );
        end = next;
        let chunk = CasyncChunk {
            digest: digest.try_into().context("a digest has 32 bytes")?,
            bytes,
        };
        let times = times.entry(chunk.clone()).or_default();
        if *times == 0 {
            chunks.push(chunk);
        }
        *times += 1;
    }
    let mut tail = || cursor.u64_le().context("its tail");
    let tail = (tail()?, tail()?, tail()?, tail()?);
    let table_bytes = cursor.at() - HEAD_BYTES;
    ensure!(
        tail == (0, HEAD_BYTES, table_bytes, TAIL_MARKER),
        "its tail says the table has {} bytes, but it has {table_bytes}",
        tail.2
    );
    ensure!(
        (table_bytes - TABLE_HEAD_BYTES - TAIL_BYTES).is_multiple_of(ITEM_BYTES),
        "its table ends inside an item"
    );
    ensure!(
        cursor.left() == 0,
        "{} bytes follow its end at {}",
        cursor.left(),
        cursor.at()
    );
    Ok(CasyncIndex {
        sha512_256: flags & SHA512_256 != 0,
        most_bytes,
        chunks,
        times,
    })
}

/// A chunk's file that was verified.
struct UnpackedChunk {
    file_bytes: u64,
    zeros: bool,
}

/// Decompresses a chunk's file and checks its digest and length. The file must be exactly one zstd frame.
fn verify(
    store: &Store,
    object: &str,
    chunk: &CasyncChunk,
    sha512_256: bool,
) -> Result<UnpackedChunk> {
    let file = File::open(store.object(object)).context("open it in the store")?;
    let file_bytes = file.metadata().context("inspect it in the store")?.len();
    let mut file = BufReader::new(file);
    ensure!(
        file.fill_buf().context("read it")?.starts_with(&ZSTD_MAGIC),
        "not compressed with zstd, so it cannot be checked"
    );
    let mut unpacked = zstd::stream::read::Decoder::with_buffer(file)
        .context("decompress it")?
        .single_frame();
    let (mut bytes, mut zeros) = (0, true);
    let (mut sha512, mut sha256) = (Sha512_256::new(), Sha256::new());
    let mut piece = vec![0; 64 << 10];
    loop {
        let read = match unpacked.read(&mut piece).context("decompress it")? {
            0 => break,
            read => &piece[..read],
        };
        bytes += read.len() as u64;
        if bytes > chunk.bytes {
            bail!(
                "decompresses to more than the {} bytes in its index",
                chunk.bytes
            );
        }
        zeros &= read.iter().all(|byte| *byte == 0);
        if sha512_256 {
            sha512.update(read);
        } else {
            sha256.update(read);
        }
    }
    ensure!(
        bytes == chunk.bytes,
        "decompresses to {bytes} bytes, but its index says {}",
        chunk.bytes
    );
    let digest: [u8; 32] = if sha512_256 {
        sha512.finalize().into()
    } else {
        sha256.finalize().into()
    };
    ensure!(digest == chunk.digest, "its contents do not match its name");
    ensure!(
        unpacked.finish().fill_buf().context("read it")?.is_empty(),
        "bytes follow its end"
    );
    Ok(UnpackedChunk { file_bytes, zeros })
}

const ZSTD_MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];
