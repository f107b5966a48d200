//! The canonical archive: the same image gives the same bytes, whichever tool saved it.
//!
//! An OCI layout in a tar:
//!
//! ```text
//! oci-layout              a constant
//! blobs/sha256/DIFFID     each layer's uncompressed tar, in the order of first use
//! blobs/sha256/…          the config, normalized (`config.rs`)
//! blobs/sha256/…          the manifest, made here
//! index.json              names the manifest, and no tag
//! ```
//!
//! Layers are uncompressed, because a registry, an engine and a copying tool compress the same layer to different bytes,
//! and because deltas of compressed layers are worthless. They have the order in which they are applied, so that a layer
//! that two releases share is at about the same offset in both. The manifests follow the layers, so that each layer is
//! read once. Entries belong to root and their times are the epoch.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::config::{NormalConfig, normal, sorted};
use super::document::{CONFIG_TYPE, INDEX_TYPE, LAYER_TYPE, MANIFEST_TYPE, descriptor};
use super::plain::plain;
use super::walk::FilePart;
use super::writer::{HeaderForm, Member, TarWriter};
use super::{Archive, Content, Packed};
use crate::image::{Hashing, sha256_hex};

const LAYOUT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;

/// The canonical archive while it is written.
type CanonicalTar<'a> = TarWriter<BufWriter<&'a File>>;

/// Writes the image in the archive at `from` to `to` as the canonical archive.
///
/// Fails when `from` is not an image archive, holds several images, or has a layer that its config does not match.
pub fn rewrite(from: &Path, to: &File) -> Result<()> {
    let archive = match super::read(from)? {
        Content::Image(archive) => archive,
        Content::Tar(_) => bail!("{}: a tar without a manifest, not an image", from.display()),
        Content::Other => bail!("{}: not a tar, so not an image", from.display()),
    };
    let image = one_image(&archive).with_context(|| from.display().to_string())?;
    let file = File::open(from).with_context(|| format!("open {}", from.display()))?;
    let part = |name: &str, offset, length| FilePart {
        file: &file,
        what: format!("{}: {name}", from.display()),
        offset,
        length,
    };
    let config = part(&image.config.name, image.config.offset, image.config.length);
    let config = config.bytes(0, config.length)?;
    let layers = archive.layers[image.layers.clone()].iter();
    let layers: Vec<FilePart> = layers
        .map(|layer| part(&format!("layer {}", layer.name), layer.offset, layer.length))
        .collect();
    canonical(&config, &layers, to).with_context(|| from.display().to_string())
}

/// The only image of an archive; it may have several names.
fn one_image(archive: &Archive) -> Result<&Packed> {
    let first = archive.images.first().context("it holds no image")?;
    let others = archive.images.iter();
    let others = others.filter(|image| image.config.offset != first.config.offset);
    ensure!(
        others.count() == 0,
        "it holds several images, but only one is allowed: save it by one name and for one platform"
    );
    Ok(first)
}

/// Writes an image to the empty file `to` as the canonical archive. `config` is the config as it was read; `layers` are in
/// the order they are applied, each uncompressed or compressed with gzip or zstd.
///
/// Every layer is verified against its DiffID while it is written, and is never held in memory.
pub fn canonical(config: &[u8], layers: &[FilePart], to: &File) -> Result<()> {
    let NormalConfig { json, diff_ids } = normal(config)?;
    ensure!(
        diff_ids.len() == layers.len(),
        "its config lists {} DiffIDs, its manifest {} layers",
        diff_ids.len(),
        layers.len()
    );
    let mut tar = TarWriter::new(HeaderForm::Gnu, BufWriter::with_capacity(1 << 20, to));
    small(&mut tar, "oci-layout", LAYOUT)?;
    let mut lengths: BTreeMap<&str, u64> = BTreeMap::new();
    let mut descriptors = Vec::new();
    for (part, diff_id) in layers.iter().zip(&diff_ids) {
        let length = match lengths.get(diff_id.as_str()) {
            Some(length) => *length,
            None => layer(&mut tar, part, diff_id)?,
        };
        lengths.insert(diff_id, length);
        descriptors.push(descriptor(LAYER_TYPE, diff_id, length));
    }
    let config = blob(&mut tar, CONFIG_TYPE, &json)?;
    let manifest = sorted(json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": config,
        "layers": descriptors,
    }));
    let manifest = blob(&mut tar, MANIFEST_TYPE, &manifest.to_string())?;
    let index = sorted(json!({
        "schemaVersion": 2,
        "mediaType": INDEX_TYPE,
        "manifests": [manifest],
    }));
    small(&mut tar, "index.json", &index.to_string())?;
    tar.finish().map(drop)
}

fn blob_name(digest: &str) -> String {
    format!("blobs/sha256/{digest}")
}

fn small(tar: &mut CanonicalTar, name: &str, text: &str) -> Result<()> {
    tar.whole(
        &Member::of_root(name, text.len() as u64, 0),
        text.as_bytes(),
    )
}

/// Writes a blob named by its digest; returns its descriptor.
fn blob(tar: &mut CanonicalTar, media_type: &str, text: &str) -> Result<Value> {
    let digest = sha256_hex(text.as_bytes());
    small(tar, &blob_name(&digest), text)?;
    Ok(descriptor(media_type, &digest, text.len() as u64))
}

/// Writes a layer's tar, decompressed; returns its length.
///
/// The length is known only when the layer has been read, so the header is written last.
fn layer(tar: &mut CanonicalTar, layer: &FilePart, diff_id: &str) -> Result<u64> {
    let said = || layer.what.clone();
    let name = blob_name(diff_id);
    let at = tar.out.stream_position().with_context(said)?;
    tar.head(&Member::of_root(&name, 0, 0)).with_context(said)?;
    let mut hashing = Hashing::new(&mut tar.out);
    io::copy(&mut *plain(layer)?, &mut hashing)
        .with_context(|| format!("{}: decompress it and write it", said()))?;
    let (length, digest) = hashing.finish();
    ensure!(
        digest == diff_id,
        "{}: its tar has the sha256 {digest}, but the image's config says {diff_id}",
        said()
    );
    tar.pad(length).with_context(said)?;
    let end = tar.out.stream_position().with_context(said)?;
    tar.out.seek(SeekFrom::Start(at)).with_context(said)?;
    tar.head(&Member::of_root(&name, length, 0))
        .with_context(said)?;
    tar.out.seek(SeekFrom::Start(end)).with_context(said)?;
    Ok(length)
}

#[cfg(test)]
mod tests;
