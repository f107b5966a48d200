//! What a client lacks, fetched from packs in a few ranges.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::thread;

use anyhow::{Context, Result};

use super::index::{PackIndex, Packed, pack_of};
use crate::engine::flow::{is_zero, spread};
use crate::image::Digest;
use crate::method::chunked::{CONNECTIONS, Unpacker};
use crate::method::index::Chunk;
use crate::wire::Client;

/// What may cross for nothing: one byte in so many that are needed.
const NEEDED_FOR_EACH_SPARE: u64 = 50;

/// Longest range of several chunks, in bytes: with it, several connections share the work, and one that breaks loses little.
const MOST_RANGE_BYTES: u64 = 4 << 20;

/// A chunk to be fetched: from where, and to which offset in the image.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    pub from: Packed,
    pub to: u64,
    pub chunk: Chunk,
}

/// Each chunk that the client lacks, once.
pub fn missing(index: &PackIndex, is_held: impl Fn(&Digest) -> bool) -> Vec<Wanted> {
    let mut seen = HashSet::new();
    let mut to = 0;
    let mut missing = Vec::new();
    for (chunk, from) in index.index.chunks.iter().zip(&index.places) {
        if !is_held(&chunk.name) && seen.insert(chunk.name) {
            let (from, chunk) = (*from, *chunk);
            missing.push(Wanted { from, to, chunk });
        }
        to += u64::from(chunk.bytes);
    }
    missing
}

/// Splits what is wanted into ranges, each of one pack and in its order.
fn ranges(mut wanted: Vec<Wanted>) -> Vec<Vec<Wanted>> {
    wanted.sort_by_key(|wanted| wanted.from);
    let end = |wanted: &Wanted| u64::from(wanted.from.offset) + u64::from(wanted.from.bytes);
    let gap = |one: &Wanted, next: &Wanted| {
        let same = one.from.pack == next.from.pack;
        same.then(|| u64::from(next.from.offset).checked_sub(end(one)))
            .flatten()
    };
    // The narrowest gaps are filled first.
    let mut gaps: Vec<u64> = wanted
        .windows(2)
        .filter_map(|pair| gap(&pair[0], &pair[1]))
        .collect();
    gaps.sort_unstable();
    let needed: u64 = wanted
        .iter()
        .map(|wanted| u64::from(wanted.from.bytes))
        .sum();
    let mut spare = needed / NEEDED_FOR_EACH_SPARE;
    let filled = gaps.into_iter().take_while(|gap| {
        let fits = *gap <= spare;
        spare = spare.saturating_sub(*gap);
        fits
    });
    let widest = filled.last().unwrap_or(0);
    let mut ranges: Vec<Vec<Wanted>> = Vec::new();
    let mut spare = needed / NEEDED_FOR_EACH_SPARE;
    for wanted in wanted {
        if let Some(range) = ranges.last_mut()
            && let (Some(first), Some(last)) = (range.first(), range.last())
            && let Some(gap) = gap(last, &wanted)
            && gap <= widest.min(spare)
            && end(&wanted) - u64::from(first.from.offset) <= MOST_RANGE_BYTES
        {
            spare -= gap;
            range.push(wanted);
        } else {
            ranges.push(vec![wanted]);
        }
    }
    ranges
}

/// Fetches chunks over several connections and writes each where it belongs.
pub fn fetch(client: &Client, packs: &[Digest], wanted: Vec<Wanted>, out: &File) -> Result<()> {
    thread::scope(|scope| {
        let fetching = spread(scope, CONNECTIONS, || {
            let mut unpacker = Unpacker::default();
            Ok(move |range: Vec<Wanted>| fetch_range(client, packs, &range, out, &mut unpacker))
        });
        let given = ranges(wanted)
            .into_iter()
            .try_for_each(|range| fetching.give(range));
        fetching.finish().and(given)
    })
}

fn fetch_range(
    client: &Client,
    packs: &[Digest],
    range: &[Wanted],
    out: &File,
    unpacker: &mut Unpacker,
) -> Result<()> {
    let (Some(first), Some(last)) = (range.first(), range.last()) else {
        return Ok(());
    };
    let mut at = u64::from(first.from.offset);
    let end = u64::from(last.from.offset) + u64::from(last.from.bytes);
    let object = pack_of(&packs[first.from.pack as usize]);
    let mut pack = client.open_range(&object, at, end - at)?;
    let mut packed = Vec::new();
    for wanted in range {
        let begins = u64::from(wanted.from.offset);
        let mut read = |bytes: u64, packed: &mut Vec<u8>| {
            packed.resize(bytes as usize, 0);
            let read = pack.read_exact(packed);
            read.with_context(|| format!("get {object}"))
        };
        read(begins - at, &mut packed)?;
        read(wanted.from.bytes.into(), &mut packed)?;
        at = begins + u64::from(wanted.from.bytes);
        let bytes = unpacker
            .unpack(&packed, &wanted.chunk)
            .with_context(|| object.clone())?;
        if !is_zero(&bytes) {
            out.write_all_at(&bytes, wanted.to)
                .context("write a chunk")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(pack: u32, offset: u32, bytes: u32) -> Wanted {
        Wanted {
            from: Packed {
                pack,
                offset,
                bytes,
            },
            to: 0,
            chunk: Chunk {
                bytes: 1,
                name: [0; 32],
            },
        }
    }

    #[test]
    fn near_chunks_are_one_range_and_a_fiftieth_may_cross_for_nothing() {
        let shape = |wanted: &[Wanted]| {
            let ranges = ranges(wanted.to_vec()).into_iter();
            let ends = |range: Vec<Wanted>| {
                let (first, last) = (range[0].from, range[range.len() - 1].from);
                (first.pack, first.offset, last.offset + last.bytes)
            };
            ranges.map(ends).collect::<Vec<_>>()
        };
        assert_eq!(shape(&[]), []);
        // In any order; two packs are two ranges.
        let near = [
            wanted(0, 500, 500),
            wanted(0, 0, 500),
            wanted(1, 1000, 1000),
        ];
        assert_eq!(shape(&near), [(0, 0, 1000), (1, 1000, 2000)]);
        // 30 of 2000 is less than a fiftieth, 50 more are not.
        let gaps = [
            wanted(0, 0, 1000),
            wanted(0, 1050, 500),
            wanted(0, 1580, 500),
        ];
        assert_eq!(shape(&gaps), [(0, 0, 1000), (0, 1050, 2080)]);
        let mib = 1 << 20;
        let long: Vec<Wanted> = (0..10).map(|at| wanted(0, at * mib, mib)).collect();
        assert_eq!(shape(&long).len(), 3);
    }
}
