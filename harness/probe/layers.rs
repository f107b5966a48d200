//! The `layers` probe: which layers an image is made of, and which of them its bases hold already.
//!
//! Layers are told apart by the sha256 of their bytes as they lie in the archive: what a registry's client would keep.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use super::Find;
use crate::archive::{self, Archive, Content};
use crate::image::Image;

pub fn accepts(image: &Image) -> Result<()> {
    archive_of(image).map(|_| ())
}

/// `layers`, `layer_bytes`, and of those that a base holds `shared_layers`, `shared_layer_bytes`; for each layer its
/// `layer_bytes` and whether it is shared.
pub fn look(image: &Image, bases: &[Image], find: Find) -> Result<()> {
    let archive = archive_of(image)?;
    let mut held = BTreeSet::new();
    for base in bases {
        // A base without layers holds none.
        if let Ok(archive) = archive_of(base) {
            held.extend(archive.layers.into_iter().map(|layer| layer.digest));
        }
    }
    let (mut bytes, mut shared, mut shared_bytes) = (0, 0, 0);
    for (at, layer) in archive.layers.iter().enumerate() {
        let part = format!("layer {} {}", at + 1, &layer.digest[..12]);
        find(&part, "layer_bytes", layer.length);
        bytes += layer.length;
        if held.contains(&layer.digest) {
            shared += 1;
            shared_bytes += layer.length;
        }
        if !bases.is_empty() {
            find(&part, "shared", u64::from(held.contains(&layer.digest)));
        }
    }
    find("", "layers", archive.layers.len() as u64);
    find("", "layer_bytes", bytes);
    if !bases.is_empty() {
        find("", "shared_layers", shared);
        find("", "shared_layer_bytes", shared_bytes);
    }
    Ok(())
}

fn archive_of(image: &Image) -> Result<Archive> {
    match archive::read(&image.path)? {
        Content::Image(archive) => Ok(archive),
        Content::Tar(_) | Content::Other => bail!("has no layers: it is not an image archive"),
    }
}
