//! zstd:chunked layers in an OCI layout, pulled in part by a client whose storage holds the layers of its bases.
//!
//! The index is the layout's `index.json`; the image is the manifest whose tag is the image's name. Each layer has a table of
//! contents (`toc`), from which the client tells what it lacks, and asks for that alone (`ranges`). The rules are those of
//! containers-storage 1.57, and were observed with skopeo 1.18.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};

use super::{Expected, Published, Pull};
use layout::{Layer, Layout};
use ranges::Part;
use toc::Toc;

mod layout;
mod ranges;
mod toc;

/// Manifest and config in one GET each; of each layer that no base has the table and what puts its tar together in one
/// request, and the files that the client lacks in another. A layer without a table comes whole.
///
/// Exact, but where layers of the image itself hold each other's files: the client pulls several at a time, and a file of an
/// earlier layer may be there in time or not.
pub fn expect(pull: &Pull) -> Result<Vec<Expected>> {
    let layout = Layout::of(pull.store, &pull.wanted.index)?;
    let mut held = Held::default();
    let mut layers_held = BTreeSet::new();
    for base in pull.bases {
        for layer in &image(&layout, base)?.layers {
            layers_held.insert(layer.digest.clone());
            if let Some(toc) = toc_of(&layout, layer)? {
                held.add(&toc);
            }
        }
    }

    let wanted = image(&layout, pull.wanted)?;
    let tag = &pull.wanted.image.name;
    let mut all = vec![
        // Asks for TLS first, which the wire has not.
        Expected::exactly("", 1, 0),
        Expected::exactly("v2/", 1, 2),
        Expected::exactly(layout.manifest_on_the_wire(tag), 1, wanted.manifest_bytes),
        Expected::exactly(
            layout.on_the_wire(&wanted.config.digest),
            1,
            wanted.config.bytes,
        ),
    ];
    let mut times: BTreeMap<&str, u64> = BTreeMap::new();
    for layer in &wanted.layers {
        *times.entry(&layer.digest).or_default() += 1;
    }
    let mut maybe = held.clone();
    for layer in &wanted.layers {
        if !layers_held.insert(layer.digest.clone()) {
            continue;
        }
        let mut expected = match toc_of(&layout, layer)? {
            None => Expected::exactly(layout.on_the_wire(&layer.digest), 1, layer.bytes),
            Some(toc) => {
                let most = ranges::crossing(&parts(&toc, &held, false))?;
                let least = ranges::crossing(&parts(&toc, &maybe, true))?;
                maybe.add(&toc);
                let requests = |bytes| 1 + u64::from(bytes > 0);
                Expected {
                    object: layout.on_the_wire(&layer.digest),
                    requests: requests(least)..=requests(most),
                    payload_bytes: toc.bytes + least.min(most)..=toc.bytes + most.max(least),
                }
            }
        };
        // A layer that the image has twice may be asked for again before it is there.
        let times = times[layer.digest.as_str()];
        expected.requests = *expected.requests.start()..=times * expected.requests.end();
        expected.payload_bytes =
            *expected.payload_bytes.start()..=times * expected.payload_bytes.end();
        all.push(expected);
    }
    Ok(all)
}

fn image(layout: &Layout, published: &Published) -> Result<layout::Manifest> {
    layout
        .manifest(&published.image.name)
        .with_context(|| published.index.clone())
}

fn toc_of(layout: &Layout, layer: &Layer) -> Result<Option<Toc>> {
    let Some(place) = &layer.place else {
        return Ok(None);
    };
    let toc = toc::read(&layout.object(&layer.digest), layer.bytes, place);
    Ok(Some(toc.with_context(|| layer.digest.clone())?))
}

/// What the layers in a client's storage have, by their tables.
#[derive(Clone, Default)]
struct Held {
    /// Contents of whole files, by digest.
    files: BTreeSet<String>,
    /// Pieces that begin a file, and those that don't.
    first: BTreeSet<String>,
    inner: BTreeSet<String>,
}

impl Held {
    fn add(&mut self, toc: &Toc) {
        for file in &toc.files {
            self.files.insert(file.digest.clone());
            for (at, piece) in file.pieces.iter().enumerate() {
                let to = match at {
                    0 => &mut self.first,
                    _ => &mut self.inner,
                };
                to.extend(piece.digest.clone());
            }
        }
    }

    /// Whether the client finds a file of these contents. It looks files and pieces up in one table, and gives up when what
    /// it finds there begins inside of a file; so of contents that are both, nobody knows.
    fn has_file(&self, digest: &str, hopeful: bool) -> bool {
        self.files.contains(digest) && (hopeful || !self.inner.contains(digest))
    }

    fn has_piece(&self, digest: &str) -> bool {
        [&self.files, &self.first, &self.inner]
            .iter()
            .any(|held| held.contains(digest))
    }
}

/// The pieces of the files that the client lacks.
fn parts(toc: &Toc, held: &Held, hopeful: bool) -> Vec<Part> {
    let mut parts = Vec::new();
    let missing = toc.files.iter().enumerate();
    for (file, about) in missing.filter(|(_, file)| !held.has_file(&file.digest, hopeful)) {
        parts.extend(about.pieces.iter().map(|piece| Part {
            file,
            place: piece.place.clone(),
            is_here: piece.zeros || piece.digest.as_ref().is_some_and(|it| held.has_piece(it)),
        }));
    }
    parts
}
