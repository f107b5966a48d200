//! The ledger: what a store held after a publish was done, so that a later run can take it back there after a
//! publish that was cut short.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use walkdir::WalkDir;

use crate::image::hex;
use crate::record::replace;
use crate::store::Store;

/// By path in the store, in hex: a tool may name its files as it likes.
#[derive(Serialize, Deserialize)]
struct Ledger(BTreeMap<String, Seen>);

/// Enough to tell that a file was not touched since.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
enum Seen {
    Folder,
    File {
        bytes: u64,
        inode: u64,
        changed_s: i64,
        changed_ns: i64,
    },
}

impl Seen {
    fn of(about: &Metadata) -> Seen {
        if about.is_dir() {
            return Seen::Folder;
        }
        Seen::File {
            bytes: about.len(),
            inode: about.ino(),
            changed_s: about.ctime(),
            changed_ns: about.ctime_nsec(),
        }
    }
}

/// Writes down every file and folder of the store.
pub fn write(store: &Store, ledger: &Path) -> Result<()> {
    let seen = look(store)?
        .into_iter()
        .map(|(path, seen)| (in_hex(&path), seen))
        .collect();
    let text = serde_json::to_vec(&Ledger(seen)).context("write the store's ledger")?;
    replace(ledger, &text)
}

/// Takes the store back to what the ledger says, by removing what came later. False when that can't be done: a
/// file is gone, or was changed in place.
pub fn restore(store: &Store, ledger: &Path) -> Result<bool> {
    let Ok(text) = fs::read(ledger) else {
        return Ok(false);
    };
    let Ledger(mut then) =
        serde_json::from_slice(&text).with_context(|| format!("parse {}", ledger.display()))?;
    let mut later = Vec::new();
    for (path, seen) in look(store)? {
        match then.remove(&in_hex(&path)) {
            None => later.push((path, seen)),
            Some(before) if before == seen => {}
            Some(_) => return Ok(false),
        }
    }
    if !then.is_empty() {
        return Ok(false);
    }
    // Sorted, a folder stands before what is in it.
    for (path, seen) in later.iter().rev() {
        let path = store.path().join(path);
        let removed = if *seen == Seen::Folder {
            fs::remove_dir(&path)
        } else {
            fs::remove_file(&path)
        };
        removed.with_context(|| format!("remove {}", path.display()))?;
    }
    Ok(true)
}

fn look(store: &Store) -> Result<BTreeMap<PathBuf, Seen>> {
    let mut seen = BTreeMap::new();
    for entry in WalkDir::new(store.path()).min_depth(1) {
        let entry =
            entry.with_context(|| format!("look through the store {}", store.path().display()))?;
        let about = entry
            .metadata()
            .with_context(|| format!("look at {}", entry.path().display()))?;
        let path = entry
            .path()
            .strip_prefix(store.path())
            .context("a walk stays inside its root")?;
        seen.insert(path.to_path_buf(), Seen::of(&about));
    }
    Ok(seen)
}

fn in_hex(path: &Path) -> String {
    hex(path.as_os_str().as_bytes())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

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
        fs::create_dir_all(store.object("v2/parts")).unwrap();
        fs::write(
            store.object("v2/parts").join(OsStr::from_bytes(b"\xff")),
            "half",
        )
        .unwrap();
        assert!(restore(&store, &ledger).unwrap());
        assert!(!store.object("v2").exists());
        assert!(!store.object("chunks/b").exists() && store.object("chunks/a").exists());
        // The same length, written in place.
        fs::write(store.object("chunks/a"), "two").unwrap();
        assert!(!restore(&store, &ledger).unwrap());
    }
}
