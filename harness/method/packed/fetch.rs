//! What a client lacks, fetched from packs in a few ranges.

use std::io::Read;
use std::thread;

use anyhow::{Context, Result};

use super::index::{PackIndex, Packed, pack_of};
use crate::engine::flow::{Assembly, spread};
use crate::method::chunked::{CONNECTIONS, Unpacker};
use crate::wire::Client;

/// What may cross for nothing: one byte in so many that are needed.
const NEEDED_FOR_EACH_SPARE: u64 = 50;

/// Longest range of several chunks, in bytes: with it, several connections share the work, and one that breaks loses little.
const MOST_RANGE_BYTES: u64 = 4 << 20;

/// A chunk to be fetched: from where, and its number in the image.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    pub from: Packed,
    pub at: usize,
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

/// Fetches what is lacking over several connections, each chunk once.
pub fn fetch_lacking(client: &Client, index: &PackIndex, mut assembly: Assembly) -> Result<()> {
    let lacking = assembly.take_lacking().into_iter();
    let wanted = lacking.map(|at| Wanted {
        from: index.places[at],
        at,
    });
    let (ranges, assembly) = (ranges(wanted.collect()), &assembly);
    thread::scope(|scope| {
        let fetching = spread(scope, CONNECTIONS, || {
            let mut unpacker = Unpacker::default();
            Ok(move |range: Vec<Wanted>| {
                fetch_range(client, index, &range, assembly, &mut unpacker)
            })
        });
        let given = ranges
            .into_iter()
            .try_for_each(|range| fetching.give(range));
        fetching.finish().and(given)
    })
}

fn fetch_range(
    client: &Client,
    index: &PackIndex,
    range: &[Wanted],
    assembly: &Assembly,
    unpacker: &mut Unpacker,
) -> Result<()> {
    let (Some(first), Some(last)) = (range.first(), range.last()) else {
        return Ok(());
    };
    let mut at = u64::from(first.from.offset);
    let end = u64::from(last.from.offset) + u64::from(last.from.bytes);
    let object = pack_of(&index.packs[first.from.pack as usize]);
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
            .unpack(&packed, &index.index.chunks[wanted.at])
            .with_context(|| object.clone())?;
        assembly.write(wanted.at, &bytes)?;
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
            at: 0,
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
