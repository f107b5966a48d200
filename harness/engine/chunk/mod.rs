//! Chunkers: where a run of bytes is cut into chunks.
//!
//! A chunker is a pure function of the bytes that follow a cut. It has no state between calls, so the same cuts are found
//! from any place that is one, on any thread, and by vector instructions.

use std::io::Read;

use anyhow::{Context, Result};

use crate::image::Digest;

mod buzhash;
mod fast;
mod fixed;
mod gear;
mod lanes;
mod peaks;

pub use buzhash::Buzhash;
pub use fast::FastCdc;
pub use fixed::Fixed;
pub use gear::Gear;
pub use peaks::Peaks;

/// 1,024 bytes.
pub const KIB: usize = 1024;
/// 1,048,576 bytes.
pub const MIB: usize = 1024 * KIB;

/// Largest chunk of any chunker here.
pub const LIMIT_BYTES: usize = 16 * MIB;

/// A chunk's name: its BLAKE3 hash (O'Connor, Aumasson, Neves and Wilcox-O'Hearn, "BLAKE3: one function, fast everywhere",
/// 2020).
pub fn name_of(chunk: &[u8]) -> Digest {
    blake3::hash(chunk).into()
}

/// Finds cuts.
pub trait Cut: Send + Sync {
    /// Most bytes of a chunk: no cut depends on what follows them.
    fn most_bytes(&self) -> usize;

    /// Length of the chunk that `window` begins with: 0 for an empty window alone. A window shorter than `most_bytes` ends
    /// where the whole input does.
    fn next(&self, window: &[u8]) -> usize;
}

/// Least that is read at once.
const READ_BYTES: usize = MIB;

/// Calls `each` with every chunk of a stream in order; an empty stream has none. Holds a few chunks in memory.
pub fn cut_stream(
    chunker: &dyn Cut,
    input: &mut dyn Read,
    each: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let most = chunker.most_bytes();
    let mut buffer = Vec::new();
    let (mut at, mut ended) = (0, false);
    loop {
        if !ended && buffer.len() - at < most {
            buffer.drain(..at);
            at = 0;
            let room = (2 * most).max(READ_BYTES) - buffer.len();
            let read = input.take(room as u64).read_to_end(&mut buffer);
            ended = read.context("read to cut it into chunks")? < room;
        }
        let bytes = next_of(chunker, &buffer[at..]);
        if bytes == 0 {
            return Ok(());
        }
        each(&buffer[at..at + bytes])?;
        at += bytes;
    }
}

/// The next chunk's length in a window of any length.
pub(super) fn next_of(chunker: &dyn Cut, window: &[u8]) -> usize {
    chunker.next(&window[..window.len().min(chunker.most_bytes())])
}

#[cfg(test)]
mod tests;
