//! Unpacks an image: writes its layers over each other into a folder, as an engine does. No entry leads out of the folder.
//!
//! Whiteouts are those of the OCI image format specification 1.1 (layer.md), which Docker uses too.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use super::plain::{most_bytes, plain};
use super::{Content, FilePart, Layer};
use crate::image::Hashing;
pub(super) use places::Places;
use root::Root;

mod about;
mod places;
mod root;
#[cfg(test)]
mod tests;
mod tree;
mod whiteout;

/// Bytes read from a plain tar at a time.
const BUFFER_BYTES: usize = 64 << 10;

/// What an image contains but its unpacked tree does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Character and block devices: most tools that move trees cannot.
    pub devices: u64,
    pub fifos: u64,
    /// Extended attributes that are not kept, access control lists among them: see `keeps_xattr`.
    pub xattrs: u64,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let counts = [
            (self.devices, "device node"),
            (self.fifos, "fifo"),
            (self.xattrs, "extended attribute"),
        ];
        let words: Vec<String> = counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}{}", if *count == 1 { "" } else { "s" }))
            .collect();
        match words.as_slice() {
            [] => f.write_str("nothing"),
            words => f.write_str(&words.join(", ")),
        }
    }
}

/// Whether an extended attribute is part of a tree: capabilities, which are a kind of file mode, and attributes of users. The
/// others belong to the machine (labels of its security module, attributes of its file system).
pub fn keeps_xattr(name: &[u8]) -> bool {
    name == b"security.capability" || name.starts_with(b"user.")
}

/// Fails unless the file at `archive` has a tree; the error says what it is instead.
pub fn has_tree(archive: &Path) -> Result<()> {
    read(archive).map(|_| ())
}

/// The archive's layers, the lowest first; `None` for a plain tar.
fn read(archive: &Path) -> Result<Option<Vec<Layer>>> {
    match super::read(archive)? {
        Content::Image(image) if image.images.len() == 1 => Ok(Some(image.layers)),
        Content::Image(image) => bail!(
            "no tree here: {} holds {} images, but a tree is of one",
            archive.display(),
            image.images.len()
        ),
        Content::Tar(_) => Ok(None),
        Content::Other => bail!("no tree here: {} is not a tar", archive.display()),
    }
}

/// Unpacks the image, or the plain tar, at `archive` into the new folder `to`.
///
/// Modes, owners, mtimes, links and the extended attributes of `keeps_xattr` are set as in the archive, which requires root.
/// A symbolic link in the path of an entry is followed with `to` as the root directory. A name that leads out of the folder
/// and a damaged archive are errors that name the entry.
pub fn unpack(archive: &Path, to: &Path) -> Result<LeftOut> {
    let layers = read(archive)?;
    let file = File::open(archive).with_context(|| format!("open {}", archive.display()))?;
    let archive_bytes = file
        .metadata()
        .with_context(|| format!("look at {}", archive.display()))?
        .len();
    let mut root = Root::new(to, most_bytes(archive_bytes))?;
    match layers {
        Some(layers) => {
            for layer in &layers {
                let what = format!("{}: layer {}", archive.display(), layer.name);
                lay(&mut root, &file, layer, &what)?;
            }
        }
        None => {
            let mut bytes = BufReader::with_capacity(BUFFER_BYTES, &file);
            root.lay(&mut bytes, false, &archive.display().to_string())?;
        }
    }
    root.finish()
}

fn lay(root: &mut Root, file: &File, layer: &Layer, what: &str) -> Result<()> {
    let part = FilePart {
        file,
        what: what.to_string(),
        offset: layer.offset,
        length: layer.length,
    };
    let mut plain = Hashing::new(plain(&part)?);
    root.lay(&mut plain, true, what)?;
    // Read to the end, to verify the hash: a compressed layer has not been hashed before.
    io::copy(&mut plain, &mut io::sink()).with_context(|| format!("read {what}"))?;
    check_hash(layer, &plain.finish().1, what)
}

/// Fails unless the sha256 of a layer's plain tar is what the image's config says, if it says it.
pub(super) fn check_hash(layer: &Layer, digest: &str, what: &str) -> Result<()> {
    if let Some(said) = &layer.diff_id {
        ensure!(
            said == digest,
            "{what}: damaged: the sha256 of its tar is {digest}, but the image's config says {said}"
        );
    }
    Ok(())
}
