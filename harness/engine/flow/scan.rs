//! A file cut into chunks on several threads: the cuts are those that one thread finds.
//!
//! A worker reads one segment and cuts it as if the segment's start were a cut. Cuts that follow the content soon fall on
//! the true ones, and from the first that does, all do, because a chunker has no memory. What lies before that cut is cut
//! again when the segment's turn comes. Contents without landmarks (a gigabyte of zeros) may never fall into step: then
//! one thread does the work, and the cuts are the same.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Error, Result, bail};

use super::ahead::ahead;
use crate::engine::chunk::{Cut, MIB, name_of, next_of};
use crate::image::Digest;

/// Least length of a segment: with chunks of 64 KiB about a fiftieth of it is cut twice.
const LEAST_SEGMENT_BYTES: usize = 4 * MIB;

/// Segments under way at once hold so much together, unless a few of the largest chunks are more.
const UNDER_WAY_BYTES: usize = 24 * MIB;

/// More threads would read faster than one can hash the whole, and hold more segments.
const MOST_THREADS: usize = 8;

/// A chunk's place and its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    pub offset: u64,
    pub bytes: usize,
    pub name: Digest,
}

/// A part of a file, with the chunks that begin in it.
pub struct Segment {
    start: u64,
    /// Its own bytes; after them those that its last chunk may need.
    own: usize,
    bytes: Vec<u8>,
    pub chunks: Vec<Chunk>,
}

impl Segment {
    /// The segment's own bytes: all segments' in turn are the file.
    pub fn own(&self) -> &[u8] {
        &self.bytes[..self.own]
    }

    /// The bytes of one of its chunks.
    pub fn bytes_of(&self, chunk: &Chunk) -> &[u8] {
        let first = (chunk.offset - self.start) as usize;
        &self.bytes[first..first + chunk.bytes]
    }

    /// Cuts anew from the true cut `at` on, up to a cut that is known.
    fn mend(&mut self, chunker: &dyn Cut, at: u64) -> u64 {
        let end = self.start + self.own as u64;
        let mut true_ones = Vec::new();
        let mut at = at;
        let known = loop {
            if at >= end {
                break self.chunks.len();
            }
            match self.chunks.binary_search_by_key(&at, |chunk| chunk.offset) {
                Ok(known) => break known,
                Err(_) => true_ones.push(chunk_at(chunker, &self.bytes, self.start, at)),
            }
            at += true_ones.last().map_or(0, |chunk| chunk.bytes as u64);
        };
        self.chunks.splice(..known, true_ones);
        let last = self.chunks.last();
        last.map_or(at, |chunk| chunk.offset + chunk.bytes as u64)
    }
}

fn chunk_at(chunker: &dyn Cut, segment: &[u8], start: u64, offset: u64) -> Chunk {
    let rest = &segment[(offset - start) as usize..];
    let bytes = next_of(chunker, rest);
    Chunk {
        offset,
        bytes,
        name: name_of(&rest[..bytes]),
    }
}

/// Cuts and hashes a file on `threads` threads and gives its segments to `each`, in order, until that says to stop.
pub fn scan(
    chunker: &dyn Cut,
    file: &File,
    threads: usize,
    each: &mut dyn FnMut(&Segment) -> Result<bool>,
) -> Result<()> {
    let most = chunker.most_bytes();
    let threads = threads.min(MOST_THREADS);
    let share = UNDER_WAY_BYTES / (threads + 1);
    let segment = share.max(LEAST_SEGMENT_BYTES).max(2 * most);
    // A whole number of chunks of one size, so that these are in step at once.
    scan_segments(chunker, file, threads, segment / most * most, each)
}

fn scan_segments(
    chunker: &dyn Cut,
    file: &File,
    threads: usize,
    segment: usize,
    each: &mut dyn FnMut(&Segment) -> Result<bool>,
) -> Result<()> {
    let most = chunker.most_bytes();
    let file_bytes = file.metadata().context("look at its length")?.len();
    let (threads, under_way) = (threads.max(1), threads + 1);
    let segments = file_bytes.div_ceil(segment as u64);
    let spare = Arc::new(Mutex::new(Vec::new()));
    thread::scope(|scope| {
        let cut = ahead(scope, 0..segments, (threads, under_way), || {
            let spare = spare.clone();
            // One worker is always in step; several are when they happen to do neighbours.
            let mut last_end = 0;
            move |at: u64| {
                let start = at * segment as u64;
                let left = file_bytes - start;
                let own = left.min(segment as u64) as usize;
                let mut bytes: Vec<u8> = lock(&spare).pop().unwrap_or_default();
                bytes.resize(left.min((segment + most) as u64) as usize, 0);
                file.read_exact_at(&mut bytes, start)
                    .context("read to cut it into chunks")?;
                let in_step = (start..=start + most as u64).contains(&last_end);
                let mut offset = if in_step { last_end } else { start };
                let mut chunks = Vec::new();
                while offset < start + own as u64 {
                    let chunk = chunk_at(chunker, &bytes, start, offset);
                    offset += chunk.bytes as u64;
                    chunks.push(chunk);
                }
                last_end = offset;
                Ok::<_, Error>(Segment {
                    start,
                    own,
                    bytes,
                    chunks,
                })
            }
        });
        let mut at = 0;
        for segment in cut {
            let mut segment = segment?;
            at = segment.mend(chunker, at);
            if !each(&segment)? {
                return Ok(());
            }
            lock(&spare).push(segment.bytes);
        }
        if at != file_bytes {
            bail!("cut {at} of {file_bytes} bytes");
        }
        Ok(())
    })
}

fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;
    use crate::dice::noise;
    use crate::engine::chunk::{FastCdc, Fixed, Gear, Peaks, cut_stream};

    /// Parts of noise, zeros and a short period, such as images hold.
    fn contents(parts: &[(u8, usize)]) -> Vec<u8> {
        let part = |&(kind, bytes): &(u8, usize)| match kind {
            0 => vec![0; bytes],
            1 => b"period".iter().copied().cycle().take(bytes).collect(),
            _ => noise(u64::from(kind), bytes),
        };
        parts.iter().flat_map(part).collect()
    }

    fn file_of(contents: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(contents).unwrap();
        file
    }

    proptest! {
        #[test]
        fn many_threads_find_the_cuts_that_one_finds(
            parts in prop::collection::vec((0u8..8, 1usize..40_000), 0..12),
            average in 32usize..128,
            threads in 1usize..5,
            segment in 8usize..20,
        ) {
            let contents = contents(&parts);
            let chunkers: [Box<dyn Cut>; 4] = [
                Box::new(FastCdc::average(8 * average)),
                Box::new(Fixed::size(average)),
                Box::new(Gear::average(1 << 10)),
                Box::new(Peaks::average(4 << 10)),
            ];
            for chunker in chunkers {
                let mut wanted = Vec::new();
                cut_stream(&*chunker, &mut &contents[..], &mut |chunk| {
                    wanted.push((chunk.len(), name_of(chunk)));
                    Ok(())
                }).unwrap();
                let (mut found, mut whole) = (Vec::new(), Vec::<u8>::new());
                let segment = segment.div_ceil(4) * chunker.most_bytes();
                let file = file_of(&contents);
                scan_segments(&*chunker, &file, threads, segment, &mut |segment| {
                    whole.extend(segment.own());
                    for chunk in &segment.chunks {
                        assert_eq!(name_of(segment.bytes_of(chunk)), chunk.name);
                        found.push((chunk.bytes, chunk.name));
                    }
                    Ok(true)
                }).unwrap();
                prop_assert!(found == wanted);
                prop_assert!(whole == contents);
            }
        }
    }

    #[test]
    fn a_scan_ends_when_it_is_told_to() {
        let file = file_of(&noise(1, 1 << 20));
        let mut seen = 0;
        let chunker = FastCdc::average(1024);
        scan_segments(&chunker, &file, 3, 1 << 16, &mut |_| {
            seen += 1;
            Ok(seen < 3)
        })
        .unwrap();
        assert_eq!(seen, 3);
    }
}
