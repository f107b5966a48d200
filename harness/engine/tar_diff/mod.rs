//! tar-diff, version 1: a tar as operations over the files of a tree that is there already.
//!
//! The format is that of containers/tar-diff, written from its page `file-format.md`. A delta is eight bytes and one zstd
//! stream of operations: a byte for the kind, a size as a varint, and bytes where the kind has any. The names, the heads and
//! the padding of the new tar are always in the delta; only contents of files come from the tree.

mod delta;
mod make;
mod read;
mod sources;
#[cfg(test)]
mod tests;
mod write;

use anyhow::Result;

pub use make::{Span, make};
pub use read::apply;
pub use sources::{Source, Sources};

/// What a delta of version 1 begins with.
const MAGIC: &[u8; 8] = b"tardf1\n\0";

/// The kinds of operations.
const DATA: u8 = 0;
const OPEN: u8 = 1;
const COPY: u8 = 2;
const ADD: u8 = 3;
const SEEK: u8 = 4;

/// Longest path of a file: appliers refuse more.
const PATH_BYTES: usize = 4096;

/// Bytes that can be read at any place.
pub trait Bytes {
    fn length(&self) -> u64;

    /// Fills the buffer from the byte `at` on; an error where there are fewer.
    fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<()>;
}

impl Bytes for Vec<u8> {
    fn length(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<()> {
        let from = usize::try_from(at).ok().and_then(|at| self.get(at..));
        let part = from.and_then(|from| from.get(..buffer.len()));
        buffer.copy_from_slice(part.ok_or_else(|| anyhow::anyhow!("no byte there"))?);
        Ok(())
    }
}

/// Bytes that are moved at a time.
const PIECE_BYTES: u64 = 1 << 20;

/// Calls `each` with all bytes of a range, in order and in pieces.
fn pieces(
    bytes: &dyn Bytes,
    from: u64,
    length: u64,
    each: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let mut buffer = vec![0; usize::try_from(length.min(PIECE_BYTES))?];
    let mut done = 0;
    while done < length {
        let piece = &mut buffer[..usize::try_from((length - done).min(PIECE_BYTES))?];
        bytes.read_at(from + done, piece)?;
        each(piece)?;
        done += piece.len() as u64;
    }
    Ok(())
}

/// All bytes of a range, in memory.
fn load(bytes: &dyn Bytes, from: u64, length: u64) -> Result<Vec<u8>> {
    let mut loaded = vec![0; usize::try_from(length)?];
    bytes.read_at(from, &mut loaded)?;
    Ok(loaded)
}
