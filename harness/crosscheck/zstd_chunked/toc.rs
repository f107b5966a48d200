//! A layer's table of contents: JSON, packed with zstd, in a skippable frame behind the layer's tar; another such frame
//! with what puts the tar together again (tar-split) follows.
//!
//! A file is an entry of type `reg`. One that was cut has an entry of type `chunk` for each piece but the first, whose keys
//! are in the file's own entry. Every piece is a zstd frame of its own.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use super::layout::Place;
use crate::crosscheck::INDEX_LIMIT_BYTES;
use crate::image::sha256_hex;

/// The parts of a table that are needed here.
#[derive(Debug)]
pub struct Toc {
    /// What is fetched before anything else: the table, and what puts the tar together.
    pub bytes: u64,
    /// In order of their places. Empty files are made by the client.
    pub files: Vec<Contents>,
}

/// A file that is not empty.
#[derive(Debug)]
pub struct Contents {
    pub digest: String,
    pub pieces: Vec<Piece>,
}

#[derive(Debug)]
pub struct Piece {
    /// None of a file in one piece.
    pub digest: Option<String>,
    pub zeros: bool,
    pub place: Range<u64>,
}

#[derive(Deserialize)]
struct Table {
    version: u64,
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    r#type: String,
    #[serde(default)]
    size: u64,
    digest: Option<String>,
    #[serde(default)]
    offset: u64,
    #[serde(default)]
    end_offset: u64,
    chunk_digest: Option<String>,
    chunk_type: Option<String>,
}

/// Reads and verifies the table of a layer of `layer_bytes` bytes.
pub fn read(layer: &Path, layer_bytes: u64, place: &Place) -> Result<Toc> {
    for part in [&place.toc, &place.tar_split] {
        ensure!(
            part.start <= part.end && part.end <= layer_bytes,
            "its table is said to be at {part:?}, but it has {layer_bytes} bytes"
        );
    }
    let bytes = place.toc.end - place.toc.start;
    ensure!(
        bytes.max(place.toc_unpacked_bytes) <= INDEX_LIMIT_BYTES,
        "{bytes} bytes are too long for a table"
    );
    let mut packed = vec![0; bytes as usize];
    File::open(layer)
        .and_then(|file| file.read_exact_at(&mut packed, place.toc.start))
        .context("read its table")?;
    ensure!(
        sha256_hex(&packed) == place.toc_digest,
        "its table does not match its digest"
    );
    let mut text = Vec::new();
    zstd::stream::read::Decoder::new(&packed[..])
        .and_then(|table| {
            let most = place.toc_unpacked_bytes + 1;
            table.take(most).read_to_end(&mut text)
        })
        .context("unpack its table")?;
    ensure!(
        text.len() as u64 == place.toc_unpacked_bytes,
        "its table is said to have {} bytes",
        place.toc_unpacked_bytes
    );
    let table: Table = serde_json::from_slice(&text).context("its table")?;
    ensure!(
        table.version == 1,
        "tables of version {} are not supported here",
        table.version
    );
    Ok(Toc {
        bytes: bytes + (place.tar_split.end - place.tar_split.start),
        files: files(table.entries, place.toc.start)?,
    })
}

/// The files of the entries before the table, which is at `end`.
///
/// A file in one piece says where that ends. Of another, each piece ends where the next one begins, and the last one where
/// the next file does.
fn files(mut entries: Vec<Entry>, mut end: u64) -> Result<Vec<Contents>> {
    let mut files = Vec::new();
    let mut pieces = Vec::new();
    while let Some(mut entry) = entries.pop() {
        let is_chunk = entry.r#type == "chunk";
        if !is_chunk && (entry.r#type != "reg" || entry.size == 0) {
            ensure!(
                pieces.is_empty(),
                "a piece of an entry of type {}",
                entry.r#type
            );
            continue;
        }
        // Said by every file, and believed of one in one piece alone.
        if entry.end_offset != 0 && pieces.is_empty() {
            end = entry.end_offset;
        }
        ensure!(
            entry.offset < end,
            "a piece at {}, but it ends at {end}",
            entry.offset
        );
        pieces.push(Piece {
            digest: entry.chunk_digest.take(),
            zeros: match entry.chunk_type.as_deref() {
                None | Some("") => false,
                Some("zeros") => true,
                Some(other) => bail!("pieces of type {other} are not supported here"),
            },
            place: entry.offset..end,
        });
        end = entry.offset;
        if !is_chunk {
            pieces.reverse();
            files.push(Contents {
                digest: entry.digest.context("a file without a digest")?,
                pieces: std::mem::take(&mut pieces),
            });
        }
    }
    ensure!(pieces.is_empty(), "a piece of no file");
    files.reverse();
    Ok(files)
}
