//! bita's archive (`.cba`): a dictionary of compressed chunks, then the chunks.
//!
//! It has a magic, the dictionary's length, the dictionary (a protocol buffer), the offset of the chunks, and a checksum of
//! these. The dictionary has the fields 1 to 7 (8 is for metadata, which bita writes only on request). A cross-check needs
//! the descriptors of the chunks (7). A descriptor has the fields 1 and 3 to 5, of which these are needed: digest (1),
//! compressed length (3) and position after the offset of the chunks (4). Chunks are adjacent, in the order listed. Observed
//! with bitar 0.15.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};
use blake2::{Blake2b512, Digest};

use super::cursor::Cursor;
use super::{Expected, Published, Pull, head_of, runs};
use crate::store::Store;

const MAGIC: &[u8] = b"BITA1\0";
/// Magic and the dictionary's length: a client's first request.
const FIRST_BYTES: u64 = 6 + 8;
/// After the dictionary: the offset of the chunks, and the checksum (BLAKE2b-512).
const REST_BYTES: u64 = 8 + 64;

/// The parts of a header that are needed here.
#[derive(Debug)]
struct BitaHeader {
    bytes: u64,
    /// Each chunk once, as the dictionary lists them.
    chunks: Vec<BitaChunk>,
}

#[derive(Debug, Default)]
struct BitaChunk {
    digest: Vec<u8>,
    first: u64,
    bytes: u64,
}

/// The header in two requests, then the chunks that no base has, one request for each run of adjacent ones. The client cuts
/// its base with the archive's parameters, so it has the chunks that the base's archive lists.
pub fn expect(pull: &Pull) -> Result<Vec<Expected>> {
    let header = read(pull.store, pull.wanted)?;
    let mut held = BTreeSet::new();
    for base in pull.bases {
        held.extend(
            read(pull.store, base)?
                .chunks
                .into_iter()
                .map(|chunk| chunk.digest),
        );
    }
    let missing = || {
        header
            .chunks
            .iter()
            .filter(|chunk| !held.contains(&chunk.digest))
    };
    let chunk_bytes: u64 = missing().map(|chunk| chunk.bytes).sum();
    let requests = runs(missing().map(|chunk| (chunk.first, chunk.bytes)));
    Ok(vec![Expected::exactly(
        &pull.wanted.index,
        2 + requests,
        header.bytes + chunk_bytes,
    )])
}

fn read(store: &Store, published: &Published) -> Result<BitaHeader> {
    let object = &published.index;
    let (first, length) = head_of(store, object, Some(FIRST_BYTES))?;
    let header = header_bytes(&first).with_context(|| object.clone())?;
    let (bytes, _) = head_of(store, object, Some(header))?;
    parse(&bytes, length).with_context(|| object.clone())
}

fn header_bytes(first: &[u8]) -> Result<u64> {
    let mut cursor = Cursor::new(first);
    cursor.tag(MAGIC, "beginning of a bita archive")?;
    cursor
        .u64_le()?
        .checked_add(FIRST_BYTES + REST_BYTES)
        .context("its dictionary's length is over 64 bits")
}

/// Parses the header of a file of `file_bytes` bytes.
fn parse(bytes: &[u8], file_bytes: u64) -> Result<BitaHeader> {
    let header = header_bytes(bytes)?;
    ensure!(
        header == bytes.len() as u64,
        "cut short: the header has {header} bytes, but only {} are there",
        bytes.len()
    );
    let mut cursor = Cursor::new(bytes);
    cursor.take(FIRST_BYTES)?;
    let dictionary = cursor.take(header - FIRST_BYTES - REST_BYTES)?;
    let begin = cursor.u64_le()?;
    let mut chunks = Vec::new();
    let mut end = header;
    for field in fields(dictionary)? {
        let descriptor = match field {
            (7, FieldValue::Bytes(descriptor)) => descriptor,
            (1..=6, _) => continue,
            (number, _) => bail!("a field {number} in its dictionary, which bita does not write"),
        };
        let mut chunk = chunk(descriptor).context("a chunk of its dictionary")?;
        let (place, bytes) = (chunk.first, chunk.bytes);
        let within = begin
            .checked_add(place)
            .and_then(|first| Some((first, first.checked_add(bytes)?)))
            .filter(|(first, end)| *first >= header && *end <= file_bytes);
        let (first, chunk_end) = within.with_context(|| {
            format!(
                "a chunk of {bytes} bytes, {place} after {begin}, but the file ends at {file_bytes}"
            )
        })?;
        ensure!(
            first == end,
            "a chunk begins at {first}, but the previous one ended at {end}"
        );
        chunk.first = first;
        end = chunk_end;
        chunks.push(chunk);
    }
    ensure!(
        end == file_bytes,
        "{} bytes follow its end at {end}",
        file_bytes - end
    );
    let (hashed, checksum) = bytes.split_at(bytes.len() - 64);
    ensure!(
        Blake2b512::digest(hashed).as_slice() == checksum,
        "its header does not match its checksum"
    );
    Ok(BitaHeader {
        bytes: header,
        chunks,
    })
}

fn chunk(descriptor: &[u8]) -> Result<BitaChunk> {
    let mut chunk = BitaChunk::default();
    for field in fields(descriptor)? {
        match field {
            (1, FieldValue::Bytes(digest)) => chunk.digest = digest.to_vec(),
            (3, FieldValue::Number(bytes)) => chunk.bytes = bytes,
            (4, FieldValue::Number(place)) => chunk.first = place,
            (5, FieldValue::Number(_)) => {}
            (number, _) => bail!("a field {number}, which bita does not write"),
        }
    }
    ensure!(!chunk.digest.is_empty(), "it has no digest");
    Ok(chunk)
}

/// A field's value, by its wire type.
enum FieldValue<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a protocol buffer's message, in order: number and value.
fn fields(message: &[u8]) -> Result<Vec<(u64, FieldValue<'_>)>> {
    let mut cursor = Cursor::new(message);
    let mut fields = Vec::new();
    while cursor.left() > 0 {
        let key = cursor.sevens(false)?;
        let value = match key & 7 {
            0 => FieldValue::Number(cursor.sevens(false)?),
            1 => FieldValue::Bytes(cursor.take(8)?),
            2 => {
                let bytes = cursor.sevens(false)?;
                FieldValue::Bytes(cursor.take(bytes)?)
            }
            5 => FieldValue::Bytes(cursor.take(4)?),
            kind => bail!("a field of type {kind} at byte {}", cursor.at()),
        };
        fields.push((key >> 3, value));
    }
    Ok(fields)
}
