//! What a step is given to read, looked at before and after it.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::archive::tree::Stamps;
use crate::image::Image;

/// Enough of what a method is given to see that it was touched: an archive, or a tree.
pub struct Seen {
    root: PathBuf,
    stamps: Stamps,
}

impl Seen {
    pub fn of(given: &Image) -> Result<Seen> {
        let root = given.path.clone();
        let about = fs::metadata(&root).with_context(|| format!("look at {}", root.display()))?;
        ensure!(
            about.is_dir() || about.len() == given.bytes,
            "{} is {} bytes long, it was {}",
            root.display(),
            about.len(),
            given.bytes
        );
        // The file itself, where a link leads to it.
        let real = fs::canonicalize(&root).with_context(|| format!("find {}", root.display()))?;
        let stamps = Stamps::of(&real)?;
        Ok(Seen { root, stamps })
    }

    /// The path that was touched between this look and a later one at the same.
    pub fn touched(&self, later: &Seen) -> Option<PathBuf> {
        let place = self.stamps.touched(&later.stamps)?;
        Some(match place.as_os_str().is_empty() {
            true => self.root.clone(),
            false => self.root.join(place),
        })
    }
}
