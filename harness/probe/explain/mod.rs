//! Explains an update: which files its bytes are, how each differs from what the base has, and what methods spend on it.
//!
//! Three ways to move an update are charged to its files: whole layers, chunks, and a patch of each file against its older
//! self. The last two are coded for real (zstd at level 9 with the base as a prefix, or bsdiff), so the figures are what such a method
//! spends, not an estimate by size.

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::path::Path;

use anyhow::Result;

use crate::image::Digest;
use crate::record::{Explained, ExplainedFile, ExplainedLayer, Kind};

mod cost;

use super::tree::{self, Entry, Layer};
pub use cost::Effort;

/// Unpacked contents of a gzip file beyond this are not compared.
const GZIP_LIMIT_BYTES: u64 = 256 << 20;

/// Takes the update from the archive at `base` to the one at `image` apart.
pub fn explain(base: &Path, image: &Path, effort: Effort) -> Result<Explained> {
    let (base, image) = (tree::read(base)?, tree::read(image)?);
    let held = Held::of(&base);
    let shared =
        |layer: &Layer| !layer.digest.is_empty() && held.layers.contains(layer.digest.as_str());
    let mut explained = Explained {
        base_bytes: base.iter().map(|layer| layer.bytes).sum(),
        image_bytes: image.iter().map(|layer| layer.bytes).sum(),
        layers: image
            .iter()
            .map(|layer| ExplainedLayer {
                digest: layer.digest.clone(),
                bytes: layer.bytes,
                shared: shared(layer),
            })
            .collect(),
        ..Explained::default()
    };
    let chunks = cost::chunks_of(&base)?;
    let mut heads = cost::Heads::default();
    for (at, layer) in image.iter().enumerate().filter(|(_, it)| !shared(it)) {
        let entries = layer.entries.iter();
        let compared: Vec<(Kind, Option<&Entry>)> = entries
            .map(|entry| held.compare(entry))
            .collect::<Result<_>>()?;
        let differ: Vec<bool> = compared.iter().map(|it| it.0 != Kind::Same).collect();
        let spent = cost::of_chunks(layer, &chunks, &differ)?;
        for ((entry, chunk_bytes), (kind, older)) in layer.entries.iter().zip(spent).zip(compared) {
            heads.add(entry, held.paths.get(entry.path.as_str()).copied());
            explained.files.push(ExplainedFile {
                path: entry.path.clone(),
                layer: at,
                kind,
                gzip: entry.is_gzip()?,
                bytes: entry.bytes,
                layer_bytes: entry.to - entry.from,
                chunk_bytes,
                patch_bytes: match kind {
                    Kind::New | Kind::Changed | Kind::Recompressed => {
                        cost::of_patch(entry, older, effort)?
                    }
                    Kind::Moved | Kind::Metadata | Kind::Mtime | Kind::Same => 0,
                },
            });
        }
    }
    (explained.heads_changed, explained.heads_patch_bytes) = heads.patched()?;
    Ok(explained)
}

/// What a client of the base has.
struct Held<'a> {
    layers: HashSet<&'a str>,
    /// The last layer that has a path counts.
    paths: HashMap<&'a str, &'a Entry>,
    contents: HashMap<Digest, &'a Entry>,
}

impl<'a> Held<'a> {
    fn of(base: &'a [Layer]) -> Held<'a> {
        let entries = || base.iter().flat_map(|layer| &layer.entries);
        let with_contents = entries().filter(|entry| entry.bytes > 0);
        Held {
            layers: base.iter().map(|layer| layer.digest.as_str()).collect(),
            paths: entries()
                .map(|entry| (entry.path.as_str(), entry))
                .collect(),
            contents: with_contents.map(|entry| (entry.sha256, entry)).collect(),
        }
    }

    /// How an entry differs, and the entry of the base that a patch would start from.
    fn compare(&self, entry: &Entry) -> Result<(Kind, Option<&'a Entry>)> {
        let older = self.paths.get(entry.path.as_str()).copied();
        if let Some(older) = older.filter(|older| older.sha256 == entry.sha256) {
            let kind = if older.about != entry.about {
                Kind::Metadata
            } else if older.mtime != entry.mtime {
                Kind::Mtime
            } else {
                Kind::Same
            };
            return Ok((kind, Some(older)));
        }
        if let Some(same) = self.contents.get(&entry.sha256) {
            return Ok((Kind::Moved, Some(same)));
        }
        Ok(match older {
            Some(older) if same_unpacked(older, entry)? => (Kind::Recompressed, Some(older)),
            Some(older) => (Kind::Changed, Some(older)),
            None => (Kind::New, None),
        })
    }
}

/// Whether both are gzip files with the same contents.
fn same_unpacked(one: &Entry, other: &Entry) -> Result<bool> {
    if !one.is_gzip()? || !other.is_gzip()? {
        return Ok(false);
    }
    let (one, other) = (one.contents()?, other.contents()?);
    Ok(unpacked(&one).is_some_and(|one| Some(one) == unpacked(&other)))
}

fn unpacked(gzip: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    let reader = flate2::read::MultiGzDecoder::new(gzip);
    let read = reader.take(GZIP_LIMIT_BYTES + 1).read_to_end(&mut plain);
    (read.is_ok() && plain.len() as u64 <= GZIP_LIMIT_BYTES).then_some(plain)
}

#[cfg(test)]
mod tests;
