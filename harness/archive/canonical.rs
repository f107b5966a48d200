//! The canonical archive: an image as one sequence of bytes, whichever tool it came through.
//!
//! An OCI layout in a tar:
//!
//! ```text
//! oci-layout              a constant
//! blobs/sha256/DIFFID     each layer, its tar without compression, in the order of first use
//! blobs/sha256/…          the config, in one spelling (`config.rs`)
//! blobs/sha256/…          the manifest, made here
//! index.json              names the manifest, and no tag
//! ```
//!
//! Plain layers, because a registry, an engine and a copying tool compress the same layer to different bytes, and
//! because deltas of compressed layers are worthless. Layers as they are applied, so that the same layer of two
//! releases lies at about the same place; manifests behind them, so that a layer is read once. Entries belong to
//! root, their times are the epoch.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::config::{Normal, normal, sorted};
use super::plain::plain;
use super::walk::{BLOCK_BYTES, Part};
use super::wrap::header;
use super::{Archive, Content, Packed};
use crate::image::{Hashing, sha256_hex};

const LAYOUT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar";
const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";

/// Writes the image in the archive at `from` to `to` as the canonical archive.
///
/// Fails when `from` is not an image archive, holds several images, or has a layer that is not what its config says.
pub fn rewrite(from: &Path, to: &File) -> Result<()> {
    let archive = match super::read(from)? {
        Content::Image(archive) => archive,
        Content::Tar(_) => bail!("{}: a tar without a manifest, not an image", from.display()),
        Content::Other => bail!("{}: not a tar, and so not an image", from.display()),
    };
    let image = one_image(&archive).with_context(|| from.display().to_string())?;
    let file = File::open(from).with_context(|| format!("open {}", from.display()))?;
    let part = |name: &str, offset, length| Part {
        file: &file,
        what: format!("{}: {name}", from.display()),
        offset,
        length,
    };
    let config = part(&image.config.name, image.config.offset, image.config.length);
    let config = config.bytes(0, config.length)?;
    let layers = archive.layers[image.layers.clone()].iter();
    let layers: Vec<Part> = layers
        .map(|layer| part(&format!("layer {}", layer.name), layer.offset, layer.length))
        .collect();
    canonical(&config, &layers, to).with_context(|| from.display().to_string())
}

/// The image of an archive that has one, under however many names.
fn one_image(archive: &Archive) -> Result<&Packed> {
    let first = archive.images.first().context("it holds no image")?;
    let others = archive.images.iter();
    let others = others.filter(|image| image.config.offset != first.config.offset);
    ensure!(
        others.count() == 0,
        "it holds several images, and one is meant: save it by one name, and for one platform"
    );
    Ok(first)
}

/// Writes an image to `to` (empty) as the canonical archive: its config as it came, and its layers in the order
/// they are applied, each plain or compressed with gzip or zstd.
///
/// Every layer is verified against its DiffID as it is written, and never held in memory.
pub fn canonical(config: &[u8], layers: &[Part], to: &File) -> Result<()> {
    let Normal { json, diff_ids } = normal(config)?;
    ensure!(
        diff_ids.len() == layers.len(),
        "its config lists {} DiffIDs, its manifest {} layers",
        diff_ids.len(),
        layers.len()
    );
    // Pieces as large as a disk likes them.
    let mut tar = Tar(BufWriter::with_capacity(1 << 20, to));
    tar.small("oci-layout", LAYOUT)?;
    let mut lengths: BTreeMap<&str, u64> = BTreeMap::new();
    let mut descriptors = Vec::new();
    for (layer, diff_id) in layers.iter().zip(&diff_ids) {
        let length = match lengths.get(diff_id.as_str()) {
            Some(length) => *length,
            None => tar.layer(layer, diff_id)?,
        };
        lengths.insert(diff_id, length);
        descriptors.push(descriptor(LAYER_TYPE, diff_id, length));
    }
    let config = tar.blob(CONFIG_TYPE, &json)?;
    let manifest = sorted(json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": config,
        "layers": descriptors,
    }));
    let manifest = tar.blob(MANIFEST_TYPE, &manifest.to_string())?;
    let index = sorted(json!({
        "schemaVersion": 2,
        "mediaType": INDEX_TYPE,
        "manifests": [manifest],
    }));
    tar.small("index.json", &index.to_string())?;
    tar.end()
}

fn descriptor(media_type: &str, digest: &str, length: u64) -> Value {
    json!({ "mediaType": media_type, "digest": format!("sha256:{digest}"), "size": length })
}

fn blob_name(digest: &str) -> String {
    format!("blobs/sha256/{digest}")
}

/// A tar being written, at its end.
struct Tar<'a>(BufWriter<&'a File>);

impl Tar<'_> {
    fn small(&mut self, name: &str, text: &str) -> Result<()> {
        self.begin(name, text.len() as u64)
            .and_then(|()| Ok(self.0.write_all(text.as_bytes())?))
            .and_then(|()| self.pad(text.len() as u64))
            .with_context(|| format!("write {name}"))
    }

    /// A blob named by its digest; its descriptor.
    fn blob(&mut self, media_type: &str, text: &str) -> Result<Value> {
        let digest = sha256_hex(text.as_bytes());
        self.small(&blob_name(&digest), text)?;
        Ok(descriptor(media_type, &digest, text.len() as u64))
    }

    /// A layer's tar, compression taken off; its length.
    ///
    /// How long it is shows only when it has been read, so its header is written last.
    fn layer(&mut self, layer: &Part, diff_id: &str) -> Result<u64> {
        let said = || layer.what.clone();
        let name = blob_name(diff_id);
        let at = self.0.stream_position().with_context(said)?;
        self.begin(&name, 0).with_context(said)?;
        let mut hashing = Hashing::new(&mut self.0);
        io::copy(&mut *plain(layer)?, &mut hashing)
            .with_context(|| format!("{}: take off its compression and write it", said()))?;
        let (length, digest) = hashing.finish();
        ensure!(
            digest == diff_id,
            "{}: its tar has the sha256 {digest}, but the image's config says {diff_id}",
            said()
        );
        self.pad(length).with_context(said)?;
        let end = self.0.stream_position().with_context(said)?;
        self.0.seek(SeekFrom::Start(at)).with_context(said)?;
        self.begin(&name, length).with_context(said)?;
        self.0.seek(SeekFrom::Start(end)).with_context(said)?;
        Ok(length)
    }

    fn begin(&mut self, name: &str, length: u64) -> Result<()> {
        Ok(self.0.write_all(header(name, length)?.as_bytes())?)
    }

    /// Contents fill whole blocks.
    fn pad(&mut self, length: u64) -> Result<()> {
        let rest = length.next_multiple_of(BLOCK_BYTES) - length;
        Ok(self.0.write_all(&vec![0; rest as usize])?)
    }

    /// Two empty blocks end a tar.
    fn end(mut self) -> Result<()> {
        self.0
            .write_all(&[0; 2 * BLOCK_BYTES as usize])
            .and_then(|()| self.0.flush())
            .context("write the archive's end")
    }
}

#[cfg(test)]
mod tests;
