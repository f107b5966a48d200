//! What an entry costs an update: as its part of new chunks, and as a patch against its older self.

use std::collections::HashSet;
use std::io::Write;

use anyhow::{Context, Result};

use crate::engine::chunk::{FastCdc, KIB, cut_stream};
use crate::image::{Digest, digest_of};
use crate::method::bsdiff::Bsdiff;
use crate::method::patched::Codec;
use crate::probe::tree::{Entry, Layer};

const CHUNKER: FastCdc = FastCdc::average(64 * KIB);

/// Level of the patches: nearly the bytes of level 19 at thirty times its speed, so that an image is explained in seconds.
const PATCH_LEVEL: i32 = 9;
/// Level of the chunks, that of the method `fastcdc`.
const CHUNK_LEVEL: i32 = 3;

/// The chunks that a client of these layers has.
pub fn chunks_of(base: &[Layer]) -> Result<HashSet<Digest>> {
    let mut held = HashSet::new();
    for layer in base {
        cut_stream(&CHUNKER, &mut layer.reader(), &mut |chunk| {
            held.insert(digest_of(chunk));
            Ok(())
        })?;
    }
    Ok(held)
}

/// For each entry of a layer, its part of the chunks that are not `held`: of a chunk's compressed bytes, the share that
/// the entry has among those that `differ` in it. An entry that is as it was only lies beside them, and is charged
/// where no entry of the chunk differs (the cuts moved).
pub fn of_chunks(layer: &Layer, held: &HashSet<Digest>, differ: &[bool]) -> Result<Vec<u64>> {
    let mut spent = vec![0.0; layer.entries.len()];
    let mut first = 0;
    let mut from = 0;
    let mut seen = HashSet::new();
    cut_stream(&CHUNKER, &mut layer.reader(), &mut |chunk| {
        let to = from + chunk.len() as u64;
        let digest = digest_of(chunk);
        let new = !held.contains(&digest) && seen.insert(digest);
        let packed = if new {
            zstd::bulk::compress(chunk, CHUNK_LEVEL)
                .context("compress a chunk")?
                .len()
        } else {
            0
        };
        while first < layer.entries.len() && layer.entries[first].to <= from {
            first += 1;
        }
        let within = layer.entries[first..].iter().enumerate();
        let parts: Vec<(usize, u64)> = within
            .take_while(|(_, entry)| entry.from < to)
            .map(|(at, entry)| {
                let part = entry.to.min(to).saturating_sub(entry.from.max(from));
                (first + at, part)
            })
            .collect();
        let any = parts.iter().any(|(at, part)| differ[*at] && *part > 0);
        let charged = || parts.iter().filter(|(at, _)| differ[*at] || !any);
        let whole: u64 = charged().map(|(_, part)| part).sum();
        for (at, part) in charged() {
            spent[*at] += packed as f64 * *part as f64 / whole.max(1) as f64;
        }
        from = to;
        Ok(())
    })?;
    Ok(spent
        .into_iter()
        .map(|bytes| bytes.round() as u64)
        .collect())
}

/// How much work is put into the patch of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// zstd with the older file as a prefix.
    Fast,
    /// The smaller of that and bsdiff's, which knows how programs change; ten times as slow.
    Best,
}

/// A patch below this gains nothing that a reader would see.
const WORTH_BYTES: u64 = 4 << 10;

/// What a patch of an entry's contents against an older entry's takes; without one, what they take compressed.
pub fn of_patch(entry: &Entry, older: Option<&Entry>, effort: Effort) -> Result<u64> {
    if entry.bytes == 0 {
        return Ok(0);
    }
    let Some(older) = older else {
        return patched(&[], &entry.contents()?);
    };
    let (older, newer) = (older.contents()?, entry.contents()?);
    let spent = patched(&older, &newer)?;
    let fits = || Bsdiff.fits(older.len() as u64, newer.len() as u64).is_ok();
    if effort == Effort::Fast || spent < WORTH_BYTES || !fits() {
        return Ok(spent);
    }
    let other = Bsdiff.delta(&older, &newer)?;
    Ok(other.map_or(spent, |patch| spent.min(patch.len() as u64)))
}

fn patched(older: &[u8], newer: &[u8]) -> Result<u64> {
    let covered = (older.len() + newer.len()) as u64;
    let mut encoder = zstd::Encoder::with_ref_prefix(Vec::new(), PATCH_LEVEL, older)?;
    let window_log = u64::BITS - covered.leading_zeros();
    encoder.window_log(window_log.clamp(20, 31))?;
    encoder.long_distance_matching(true)?;
    encoder.set_pledged_src_size(Some(newer.len() as u64))?;
    encoder.write_all(newer).context("make a patch")?;
    Ok(encoder.finish().context("make a patch")?.len() as u64)
}

/// The heads of all entries, old and new: one patch for all, since each is too small for one of its own.
#[derive(Default)]
pub struct Heads {
    older: Vec<u8>,
    newer: Vec<u8>,
    changed: usize,
}

impl Heads {
    pub fn add(&mut self, entry: &Entry, older: Option<&Entry>) {
        self.newer.extend(entry.head);
        let same = older.is_some_and(|older| older.head == entry.head);
        self.changed += usize::from(!same);
        self.older.extend(older.iter().flat_map(|older| older.head));
    }

    /// How many heads changed, and the bytes of a patch of all.
    pub fn patched(&self) -> Result<(usize, u64)> {
        match self.changed {
            0 => Ok((0, 0)),
            changed => Ok((changed, patched(&self.older, &self.newer)?)),
        }
    }
}
