//! Unpacks an image: its layers laid over each other, as an engine does it, in a folder that no entry leads out of.
//!
//! Whiteouts are those of the OCI image format specification 1.1 (layer.md), which are Docker's.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use super::plain::plain;
use super::{Content, Layer, Part};
use crate::image::Hashing;
use root::Root;

mod root;
#[cfg(test)]
mod tests;

/// A tar is read in blocks of 512 bytes; this is what the kernel is asked for at a time.
const BUFFER_BYTES: usize = 64 << 10;

/// What an image holds and its unpacked tree does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Character and block devices: most tools that move trees can't hold them.
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

/// Whether an extended attribute is part of a tree: capabilities, which are a file's mode by other means, and what
/// users put there. The others belong to the machine (labels of its security module, its file system's own).
pub fn keeps_xattr(name: &[u8]) -> bool {
    name == b"security.capability" || name.starts_with(b"user.")
}

/// Whether the file at `archive` has a tree; the error says what it is instead.
pub fn has_tree(archive: &Path) -> Result<()> {
    read(archive).map(|_| ())
}

/// The archive's layers from the lowest; none of a plain tar, which is one itself.
fn read(archive: &Path) -> Result<Option<Vec<Layer>>> {
    match super::read(archive)? {
        Content::Image(image) if image.images.len() == 1 => Ok(Some(image.layers)),
        Content::Image(image) => bail!(
            "no tree here: {} holds {} images, and a tree is of one",
            archive.display(),
            image.images.len()
        ),
        Content::Tar(_) => Ok(None),
        Content::Other => bail!("no tree here: {} is not a tar", archive.display()),
    }
}

/// Unpacks the image, or the plain tar, at `archive` into the new folder `to`.
///
/// Modes, owners, mtimes, links and the extended attributes of `keeps_xattr` are as the archive says, so this takes
/// root. A symbolic link in the way of an entry is followed as it would be with `to` as the root directory. An
/// archive that names what is outside, or is damaged, is an error that names the entry.
pub fn unpack(archive: &Path, to: &Path) -> Result<LeftOut> {
    let layers = read(archive)?;
    let file = File::open(archive).with_context(|| format!("open {}", archive.display()))?;
    let mut root = Root::new(to)?;
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
    let part = Part {
        file,
        what: what.to_string(),
        offset: layer.offset,
        length: layer.length,
    };
    let mut plain = Hashing::new(plain(&part)?);
    root.lay(&mut plain, true, what)?;
    // To its last byte: a layer that is compressed has not been hashed before.
    io::copy(&mut plain, &mut io::sink()).with_context(|| format!("read {what}"))?;
    let (_, digest) = plain.finish();
    if let Some(said) = &layer.diff_id {
        ensure!(
            *said == digest,
            "{what}: damaged: the sha256 of its tar is {digest}, but the image's config says {said}"
        );
    }
    Ok(())
}
