//! zchunk's file (`.zck`): a header with an index of compressed chunks, then the chunks.
//!
//! The header has a lead (magic, type of the header's checksum, length of the rest, the checksum), a preface (checksum of the
//! data, flags, type of compression), the index (its length, type of its checksums, count, and for each chunk the checksum,
//! compressed length and length) and signatures. The first chunk is the dictionary. Numbers are groups of seven bits; the
//! last byte has its high bit set. Observed with zchunk 1.2.3.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};

use super::cursor::Cursor;
use super::{Expected, Published, Pull, head_of, runs};
use crate::store::Store;

const MAGIC: &[u8] = b"\0ZCK1";
/// Length of zckdl's first request: the longest possible lead (magic 5, two numbers of at most 10, a checksum of at most
/// 64). The second request is for the rest of the header.
const FIRST_BYTES: u64 = 5 + 10 + 10 + 64;
/// Ranges in one request of zckdl 1.2.3: 255 ranges were seen in one request, 256 in two.
const RANGES_PER_REQUEST: u64 = 255;

/// The parts of a header that are needed here.
#[derive(Debug)]
struct ZchunkHeader {
    bytes: u64,
    chunks: Vec<ZchunkChunk>,
}

#[derive(Debug)]
struct ZchunkChunk {
    checksum: Vec<u8>,
    first: u64,
    bytes: u64,
}

/// The header in two requests, then every chunk that no base has, adjacent ones in one range. A chunk that occurs twice
/// crosses twice. The client compresses its base with the same program, so it has the chunks that the base's file lists.
pub fn expect(pull: &Pull) -> Result<Vec<Expected>> {
    let (header, file_bytes) = read(pull.store, pull.wanted)?;
    let mut held = BTreeSet::new();
    for base in pull.bases {
        let (base, _) = read(pull.store, base)?;
        held.extend(base.chunks.into_iter().map(|chunk| chunk.checksum));
    }
    let missing = || {
        header
            .chunks
            .iter()
            .filter(|chunk| chunk.bytes > 0 && !held.contains(&chunk.checksum))
    };
    let chunk_bytes: u64 = missing().map(|chunk| chunk.bytes).sum();
    let ranges = runs(missing().map(|chunk| (chunk.first, chunk.bytes)));
    let first = FIRST_BYTES.min(file_bytes);
    let rest = header.bytes.saturating_sub(first);
    let mut expected = Expected::exactly(
        &pull.wanted.index,
        1 + u64::from(rest > 0) + ranges.div_ceil(RANGES_PER_REQUEST),
        first + rest + chunk_bytes,
    );
    // If the header is shorter than the first request, the client may or may not use the bytes of chunks in the response.
    let early = first.saturating_sub(header.bytes);
    expected.payload_bytes =
        expected.payload_bytes.start().saturating_sub(early)..=*expected.payload_bytes.end();
    if early > 0 {
        expected.requests = 1..=*expected.requests.end();
    }
    Ok(vec![expected])
}

fn read(store: &Store, published: &Published) -> Result<(ZchunkHeader, u64)> {
    let object = &published.index;
    let (lead, _) = head_of(store, object, Some(FIRST_BYTES))?;
    let header_bytes = lead_of(&lead).with_context(|| object.clone())?.header_bytes;
    let (bytes, length) = head_of(store, object, Some(header_bytes))?;
    let header = parse(&bytes, length).with_context(|| object.clone())?;
    Ok((header, length))
}

struct Lead {
    /// Length of the whole header, with the lead.
    header_bytes: u64,
    lead_bytes: u64,
    checksum_bytes: u64,
}

fn lead_of(bytes: &[u8]) -> Result<Lead> {
    let mut cursor = Cursor::new(bytes);
    cursor.tag(MAGIC, "lead of a zchunk file")?;
    let checksum_bytes = checksum_bytes(cursor.sevens(true)?)?;
    let rest = cursor.sevens(true).context("its header's length")?;
    cursor
        .take(checksum_bytes)
        .context("its header's checksum")?;
    let header_bytes = rest
        .checked_add(cursor.at())
        .context("its header's length is over 64 bits")?;
    Ok(Lead {
        header_bytes,
        lead_bytes: cursor.at(),
        checksum_bytes,
    })
}

/// Bytes of a checksum of this type: SHA-1, SHA-256, SHA-512, and SHA-512 cut to 128 bits.
fn checksum_bytes(kind: u64) -> Result<u64> {
    match kind {
        0 => Ok(20),
        1 => Ok(32),
        2 => Ok(64),
        3 => Ok(16),
        _ => bail!("checksums of type {kind} are not supported here"),
    }
}

/// Parses the header of a file of `file_bytes` bytes.
fn parse(bytes: &[u8], file_bytes: u64) -> Result<ZchunkHeader> {
    let lead = lead_of(bytes)?;
    ensure!(
        lead.header_bytes == bytes.len() as u64,
        "cut short: the header has {} bytes, but only {} are there",
        lead.header_bytes,
        bytes.len()
    );
    let mut cursor = Cursor::new(bytes);
    cursor.take(lead.lead_bytes)?;
    cursor.take(lead.checksum_bytes).context("its preface")?;
    let flags = cursor.sevens(true).context("its preface")?;
    ensure!(flags == 0, "flags {flags:#x} are not supported here");
    cursor.sevens(true).context("its preface")?;

    let index_bytes = cursor.sevens(true).context("its index")?;
    let index = cursor.take(index_bytes).context("its index")?;
    let signatures = cursor.sevens(true).context("its signatures")?;
    ensure!(
        signatures == 0 && cursor.left() == 0,
        "its header has {} bytes after the index",
        cursor.left()
    );

    let mut cursor = Cursor::new(index);
    let checksum_bytes = checksum_bytes(cursor.sevens(true).context("its index")?)?;
    let count = cursor.sevens(true).context("its index")?;
    let mut chunks = Vec::new();
    let mut first = lead.header_bytes;
    // The count may be any number, but each round takes bytes of the index, so a wrong count ends with an error.
    for _ in 0..count {
        let checksum = cursor.take(checksum_bytes).context("its chunks")?.to_vec();
        let bytes = cursor.sevens(true).context("its chunks")?;
        cursor.sevens(true).context("its chunks")?;
        chunks.push(ZchunkChunk {
            checksum,
            first,
            bytes,
        });
        first = first
            .checked_add(bytes)
            .filter(|end| *end <= file_bytes)
            .with_context(|| {
                format!("a chunk of {bytes} bytes at {first}, but the file ends at {file_bytes}")
            })?;
    }
    ensure!(
        cursor.left() == 0,
        "its index has {} bytes after {count} chunks",
        cursor.left()
    );
    ensure!(
        first == file_bytes,
        "{} bytes follow its end at {first}",
        file_bytes - first
    );
    Ok(ZchunkHeader {
        bytes: lead.header_bytes,
        chunks,
    })
}
