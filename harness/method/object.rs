//! Writes a store's objects, completely or not at all, and creates a client's output.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};

use crate::store::Store;

/// Puts `object` into the store: `write` fills a file next to it, which is then renamed.
///
/// Nothing is flushed to disk: a store is made to be measured, and a step that a power cut ends is done again.
pub(super) fn put(
    store: &Store,
    object: &str,
    write: impl FnOnce(&mut File) -> Result<()>,
) -> Result<()> {
    let path = store.object(object);
    let dir = path
        .parent()
        .with_context(|| format!("{object}: not an object's name"))?;
    let file_name = path
        .file_name()
        .with_context(|| format!("{object}: not an object's name"))?;
    fs::create_dir_all(dir).with_context(|| format!("make {}", dir.display()))?;
    let half = dir.join(format!(".half-{}", file_name.display()));
    let mut file = File::create(&half).with_context(|| format!("make {}", half.display()))?;
    let written = write(&mut file).with_context(|| format!("write {}", path.display()));
    drop(file);
    if written.is_err() {
        // An error of the clean-up would hide this one.
        fs::remove_file(&half).ok();
        return written;
    }
    fs::rename(&half, &path).with_context(|| format!("rename to {}", path.display()))
}

/// Puts an object that is in memory into the store.
pub(super) fn put_bytes(store: &Store, object: &str, bytes: &[u8]) -> Result<()> {
    put(store, object, |to| Ok(to.write_all(bytes)?))
}

/// Creates the file that a client rebuilds an image in; what an interrupted update left there is written over. It is
/// readable too, because a piece may be needed again.
pub(super) fn create_out(out: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(out)
        .with_context(|| format!("make {}", out.display()))
}
