//! Writing a store's objects and a client's output, whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::path::Path;

use anyhow::{Context, Result};

use crate::store::Store;

/// Puts `object` into the store: `write` fills a file beside it, which then takes its place.
///
/// Nothing waits for the disk: a store is made to be measured, and a step that a power cut ends is done again.
pub(super) fn put(
    store: &Store,
    object: &str,
    write: impl FnOnce(&mut File) -> Result<()>,
) -> Result<()> {
    let path = store.object(object);
    let dir = path
        .parent()
        .with_context(|| format!("{object}: not a name"))?;
    let file_name = path
        .file_name()
        .with_context(|| format!("{object}: not a name"))?;
    fs::create_dir_all(dir).with_context(|| format!("make {}", dir.display()))?;
    let half = dir.join(format!(".half-{}", file_name.display()));
    let mut file = File::create(&half).with_context(|| format!("make {}", half.display()))?;
    let written = write(&mut file).with_context(|| format!("write {}", path.display()));
    drop(file);
    if written.is_err() {
        // The error at hand says more than one about tidying up would.
        fs::remove_file(&half).ok();
        return written;
    }
    fs::rename(&half, &path).with_context(|| format!("rename to {}", path.display()))
}

/// Makes the file a client rebuilds an image in: it must not be there yet. Readable too, since what is rebuilt
/// once may be needed again.
pub(super) fn create_out(out: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(out)
        .with_context(|| format!("make {}", out.display()))
}
