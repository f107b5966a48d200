//! The folders in which images are made before they appear in the cache, and the locks on them.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::Cache;
use crate::source::key::CacheKey;

impl Cache {
    /// A folder for making the image of `key`, removed when dropped.
    pub(super) fn making(&self, key: &CacheKey) -> Result<TempDir> {
        self.making_of(&key.folder())
    }

    /// The same by the name of the key's folder.
    pub(super) fn making_of(&self, name: &str) -> Result<TempDir> {
        let dir = self.dir.join("making");
        tempfile::Builder::new()
            .prefix(&format!("{name}."))
            .tempdir_in(&dir)
            .with_context(|| format!("make a folder in {}", dir.display()))
    }

    /// Takes the lock of a key, waiting while another process or thread holds it.
    pub(super) fn lock(&self, key: &CacheKey, say: &dyn Fn(&str)) -> Result<File> {
        let path = self.lock_path(&key.folder());
        let lock = open_lock(&path)?;
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::WouldBlock) => say(&format!(
                "waiting: another delta-lab is saving {}",
                key.folder()
            )),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("lock {}", path.display()));
            }
        }
        lock.lock()
            .with_context(|| format!("lock {}", path.display()))?;
        Ok(lock)
    }

    /// Removes the unfinished images of dead processes.
    ///
    /// A folder belongs to a living process exactly when its key is locked; its age does not matter, because an image may
    /// take hours. What cannot be removed (another user's, in a shared cache) is reported and left.
    pub(super) fn sweep(&self, say: &dyn Fn(&str)) -> Result<()> {
        let dir = self.dir.join("making");
        for entry in fs::read_dir(&dir).with_context(|| format!("list {}", dir.display()))? {
            let path = entry
                .with_context(|| format!("list {}", dir.display()))?
                .path();
            let Some(key) = path.file_stem().and_then(|stem| stem.to_str()) else {
                continue;
            };
            let lock = open_lock(&self.lock_path(key))?;
            if lock.try_lock().is_ok() && path.exists() {
                match fs::remove_dir_all(&path) {
                    Ok(()) => say(&format!("removed an unfinished image: {key}")),
                    Err(error) => say(&format!("could not remove {}: {error}", path.display())),
                }
            }
        }
        Ok(())
    }

    pub(super) fn lock_path(&self, key: &str) -> PathBuf {
        self.dir.join("locks").join(key)
    }
}

/// Opens a lock file, and creates it when absent. It is never removed, because a waiting process has the file open and
/// would not notice a new one of the same name.
pub(super) fn open_lock(path: &Path) -> Result<File> {
    File::options()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("open the lock {}", path.display()))
}
