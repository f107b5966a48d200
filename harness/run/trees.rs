//! The images of a run unpacked, for the methods that move trees: once each, before any step, gone when the run ends.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::scratch::{clear, is_full_disk};
use crate::archive::tree::Listing;
use crate::archive::unpack::{LeftOut, unpack};
use crate::image::Image;

/// What the folders are called in the work folder, before their random ends: a step that was given one tree can't
/// name the others.
pub const PREFIX: &str = "tree-";

/// The unpacked images, by the archive's sha256.
pub struct Trees {
    work: PathBuf,
    known: BTreeMap<String, std::result::Result<Tree, String>>,
}

/// One image unpacked.
pub struct Tree {
    /// Holds `root` alone, and nobody else may look into it.
    folder: PathBuf,
    pub root: PathBuf,
    pub listing: Listing,
    left_out: LeftOut,
}

impl Trees {
    pub fn within(work: &Path) -> Trees {
        Trees {
            work: work.to_path_buf(),
            known: BTreeMap::new(),
        }
    }

    /// Unpacks the image if that was not done yet. One that can't be unpacked is remembered with its reason; an error
    /// is a full disk.
    pub fn unpack(&mut self, image: &Image) -> Result<()> {
        if self.known.contains_key(&image.sha256) {
            return Ok(());
        }
        let tree = match Tree::of(image, &self.work) {
            Ok(tree) => Ok(tree),
            Err(error) if is_full_disk(&error) => return Err(error),
            Err(why) => Err(format!("{why:#}")),
        };
        self.known.insert(image.sha256.clone(), tree);
        Ok(())
    }

    /// The tree of an image that was unpacked, or why it could not be.
    pub fn of(&self, image: &Image) -> Result<&Tree> {
        let tree = self.known.get(&image.sha256);
        let tree = tree.with_context(|| format!("{} was not unpacked", image.name))?;
        tree.as_ref().map_err(|why| anyhow::anyhow!("{why}"))
    }

    /// What is known of an image's tree: key to value.
    pub fn about(&self, image: &Image) -> BTreeMap<String, String> {
        let Some(Ok(tree)) = self.known.get(&image.sha256) else {
            return BTreeMap::new();
        };
        [
            ("tree_entries", tree.listing.entries().to_string()),
            ("tree_bytes", tree.listing.bytes().to_string()),
            ("tree_left_out", tree.left_out.to_string()),
        ]
        .map(|(key, value)| (key.to_string(), value))
        .into()
    }
}

impl Tree {
    fn of(image: &Image, work: &Path) -> Result<Tree> {
        let folder = tempfile::Builder::new()
            .prefix(PREFIX)
            .tempdir_in(work)
            .with_context(|| format!("make a folder in {}", work.display()))?
            .keep();
        let root = folder.join("root");
        let unpacked = unpack(&image.path, &root).and_then(|left_out| {
            Ok(Tree {
                folder: folder.clone(),
                listing: Listing::of(&root)?,
                root: root.clone(),
                left_out,
            })
        });
        if unpacked.is_err() {
            clear(&folder)?;
        }
        unpacked.with_context(|| format!("unpack {}", image.name))
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // What can't be removed now is removed with the work folder, where a failure is told.
        clear(&self.folder).ok();
    }
}
