//! Image archives: reads which bytes of a file are layers, without unpacking it, and writes archives whose bytes do not
//! depend on the tool an image came from.
//!
//! Three layouts are read, all of them tars:
//! - `docker save` before engine 25: `manifest.json`, and `<id>/layer.tar` for each layer; a layer that repeats
//!   may be a symbolic link `../<id>/layer.tar`;
//! - `docker save` from engine 25: an OCI layout under `blobs/sha256/`, and `manifest.json` too;
//! - an OCI layout without `manifest.json` (`skopeo copy … oci-archive:`, `buildah push`): `oci-layout`, `index.json`, `blobs/`.

mod canonical;
mod config;
pub mod docker;
pub mod document;
#[cfg(test)]
pub(crate) mod examples;
pub mod identity;
mod layer;
mod manifests;
mod oci;
mod outer;
mod packages;
mod plain;
pub mod platform;
mod relayer;
#[cfg(test)]
mod tests;
pub mod tree;
pub mod unpack;
mod walk;
mod wrap;
pub mod writer;

use std::fs::File;
use std::ops::Range;
use std::path::Path;

use anyhow::{Context, Result, ensure};

pub use canonical::{canonical, rewrite};
pub use layer::take_layer;
use outer::Outer;
pub use plain::plain;
pub use relayer::relayer;
pub use walk::{Entry, FilePart};
pub use wrap::wrap_rootfs;

/// What a file contains.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// An image archive, with layers.
    Image(Archive),
    /// A tar without a manifest: a root filesystem, sources, anything.
    Tar(Vec<Entry>),
    /// Not a tar.
    Other,
}

/// An image archive.
#[derive(Clone, Debug, PartialEq)]
pub struct Archive {
    pub layout: Layout,
    /// Every entry of the outer tar, in its order.
    pub entries: Vec<Entry>,
    /// In the order they are applied; a layer used twice is listed twice. The layers of several images follow each
    /// other.
    pub layers: Vec<Layer>,
    pub images: Vec<Packed>,
}

/// One image in an archive.
#[derive(Clone, Debug, PartialEq)]
pub struct Packed {
    /// The entry that is its config.
    pub config: Entry,
    /// Its layers: a range of the archive's.
    pub layers: Range<usize>,
}

impl Archive {
    /// How many of the layers are compressed.
    pub fn compressed_layers(&self) -> usize {
        let compressed = |layer: &&Layer| layer.compression != Compression::None;
        self.layers.iter().filter(compressed).count()
    }
}

/// How the archive is arranged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `docker save` before engine 25.
    Docker,
    /// `docker save` from engine 25.
    DockerOci,
    /// OCI layout without `manifest.json`.
    Oci,
}

impl Layout {
    /// The layout as facts.csv spells it.
    pub fn word(self) -> &'static str {
        match self {
            Layout::Docker => "docker",
            Layout::DockerOci => "docker-oci",
            Layout::Oci => "oci",
        }
    }

    /// What skopeo, podman and their kin call such an archive, in front of its path.
    pub fn transport(self) -> &'static str {
        match self {
            Layout::Docker | Layout::DockerOci => "docker-archive",
            Layout::Oci => "oci-archive",
        }
    }
}

/// One layer, as the archive stores it.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Name of the entry that holds its bytes, with links followed.
    pub name: String,
    /// Where its bytes begin in the archive.
    pub offset: u64,
    pub length: u64,
    /// Lower-case hex sha256 of those bytes.
    pub digest: String,
    pub compression: Compression,
    /// Lower-case hex sha256 of the layer's uncompressed tar: the digest of a layer that is not compressed, else what
    /// the image's config says, if it says it.
    pub diff_id: Option<String>,
}

/// Compression of a layer, recognized by its first bytes and never by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    fn of(layer: &FilePart) -> Result<Compression> {
        let first = layer.bytes(0, layer.length.min(4))?;
        Ok(match first[..] {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
            _ => Compression::None,
        })
    }
}

/// Reads the archive at `path` without unpacking it. Each layer is read once, to hash it.
///
/// Fails when the file begins as a tar but is cut short or damaged, when a name in it or in an uncompressed layer leads
/// out of the folder it is unpacked in, and when a layer is missing. The error names the entry and its offset.
pub fn read(path: &Path) -> Result<Content> {
    let file = File::open(path).with_context(|| format!("open {}", path.display()))?;
    let Some(outer) = outer(&file, path)? else {
        return Ok(Content::Other);
    };
    let Some((layout, described)) = manifests::images(&outer)? else {
        return Ok(Content::Tar(outer.entries));
    };
    let (images, layers) = outer.layers(described)?;
    Ok(Content::Image(Archive {
        layout,
        entries: outer.entries,
        layers,
        images,
    }))
}

/// The entries of a tar that is not compressed, in its order, with their offsets in the whole file; none of what does not
/// begin as one.
pub fn members(tar: &FilePart) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    if tar.begins_as_tar()? {
        walk::walk(tar, &mut |entry| {
            entries.push(entry);
            Ok(())
        })?;
    }
    Ok(entries)
}

/// How the image archive at `path` is arranged; nothing if it is none. Reads no layer.
pub fn layout(path: &Path) -> Result<Option<Layout>> {
    let file = File::open(path).with_context(|| format!("open {}", path.display()))?;
    let images = match outer(&file, path)? {
        Some(outer) => manifests::images(&outer)?,
        None => None,
    };
    Ok(images.map(|(layout, _)| layout))
}

/// The entries of a file that begins as a tar; nothing of another.
fn outer<'a>(file: &'a File, path: &Path) -> Result<Option<Outer<'a>>> {
    let about = file
        .metadata()
        .with_context(|| format!("look at {}", path.display()))?;
    ensure!(about.is_file(), "{}: not a file", path.display());
    let whole = FilePart {
        file,
        what: path.display().to_string(),
        offset: 0,
        length: about.len(),
    };
    if !whole.begins_as_tar()? {
        return Ok(None);
    }
    let entries = members(&whole)?;
    Ok(Some(Outer { whole, entries }))
}
