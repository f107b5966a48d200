//! The server's folder, and its size.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use walkdir::WalkDir;

/// The folder a method publishes into and the wire serves from.
#[derive(Clone, Debug)]
pub struct Store {
    path: PathBuf,
}

/// What a store holds: the sum of its files' lengths, and how many files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    pub bytes: u64,
    pub files: u64,
}

impl Store {
    /// The store at `path`, made when absent.
    pub fn at(path: &Path) -> Result<Store> {
        fs::create_dir_all(path).with_context(|| format!("make the store {}", path.display()))?;
        Ok(Store {
            path: path.to_path_buf(),
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Path of `object` (relative, `/`-separated) inside the store.
    pub fn object(&self, object: &str) -> PathBuf {
        self.path.join(object)
    }

    /// Counts what is there now. Folders weigh nothing; links are counted by the length of their target's name.
    pub fn holdings(&self) -> Result<Holdings> {
        let mut holdings = Holdings::default();
        for entry in WalkDir::new(&self.path) {
            let entry =
                entry.with_context(|| format!("look through the store {}", self.path.display()))?;
            if !entry.file_type().is_dir() {
                let about = entry
                    .metadata()
                    .with_context(|| format!("look at {}", entry.path().display()))?;
                holdings.bytes += about.len();
                holdings.files += 1;
            }
        }
        Ok(holdings)
    }
}
