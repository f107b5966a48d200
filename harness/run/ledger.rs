//! The ledger: what a store held after a publish was done, so that a later run can take it back there after a
//! publish that was cut short.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use walkdir::WalkDir;

use crate::record::replace;
use crate::store::Store;

#[derive(Serialize, Deserialize)]
struct Ledger(BTreeMap<PathBuf, Seen>);

/// Enough to tell that a file was not touched since.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    bytes: u64,
    inode: u64,
    changed_s: i64,
    changed_ns: i64,
}

impl Seen {
    fn of(about: &Metadata) -> Seen {
        Seen {
            bytes: about.len(),
            inode: about.ino(),
            changed_s: about.ctime(),
            changed_ns: about.ctime_nsec(),
        }
    }
}

/// Writes down every file of the store.
pub fn write(store: &Store, ledger: &Path) -> Result<()> {
    let text = serde_json::to_vec(&Ledger(look(store)?)).context("write the store's ledger")?;
    replace(ledger, &text)
}

/// Takes the store back to what the ledger says, by removing what came later. False when that can't be done: a
/// file is gone, or was changed in place.
pub fn restore(store: &Store, ledger: &Path) -> Result<bool> {
    let Ok(text) = fs::read(ledger) else {
        return Ok(false);
    };
    let Ledger(then) =
        serde_json::from_slice(&text).with_context(|| format!("parse {}", ledger.display()))?;
    let now = look(store)?;
    if then.iter().any(|(path, seen)| now.get(path) != Some(seen)) {
        return Ok(false);
    }
    for path in now.keys().filter(|path| !then.contains_key(*path)) {
        let path = store.path().join(path);
        fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))?;
    }
    Ok(true)
}

fn look(store: &Store) -> Result<BTreeMap<PathBuf, Seen>> {
    let mut files = BTreeMap::new();
    for entry in WalkDir::new(store.path()) {
        let entry =
            entry.with_context(|| format!("look through the store {}", store.path().display()))?;
        if !entry.file_type().is_dir() {
            let about = entry
                .metadata()
                .with_context(|| format!("look at {}", entry.path().display()))?;
            let path = entry
                .path()
                .strip_prefix(store.path())
                .context("a walk stays inside its root")?;
            files.insert(path.to_path_buf(), Seen::of(&about));
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_after_the_ledger_is_removed_and_what_was_rewritten_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(&dir.path().join("store")).unwrap();
        let ledger = dir.path().join("ledger.json");
        fs::create_dir(store.object("chunks")).unwrap();
        fs::write(store.object("chunks/a"), "one").unwrap();
        assert!(!restore(&store, &ledger).unwrap(), "there is no ledger yet");
        write(&store, &ledger).unwrap();
        fs::write(store.object("chunks/b"), "half a chu").unwrap();
        assert!(restore(&store, &ledger).unwrap());
        assert!(!store.object("chunks/b").exists() && store.object("chunks/a").exists());
        // The same length, written in place.
        fs::write(store.object("chunks/a"), "two").unwrap();
        assert!(!restore(&store, &ledger).unwrap());
    }
}
