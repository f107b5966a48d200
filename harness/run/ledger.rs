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
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Seen {
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
    if let Some(folder) = ledger.parent() {
        fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    }
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

/// Where a trial's store is, or is to be: a run that continues gives it another name.
pub fn place(trial: &Path) -> PathBuf {
    let names = fs::read_dir(trial).into_iter().flatten().flatten();
    let numbers = names
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| number(entry.file_name().to_str()?));
    named(trial, numbers.max().unwrap_or_default())
}

/// Gives a store that was taken back a fresh name, so that nobody who knew the old one writes into it.
pub fn rename(store: &Store) -> Result<Store> {
    let path = store.path();
    let trial = path
        .parent()
        .context("a store lies in its trial's folder")?;
    let name = path.file_name().and_then(|name| name.to_str());
    let fresh = named(trial, name.and_then(number).unwrap_or_default() + 1);
    fs::rename(path, &fresh).with_context(|| format!("rename {}", path.display()))?;
    Store::at(&fresh)
}

/// `store`, `store-1`, `store-2` …
fn named(trial: &Path, number: u32) -> PathBuf {
    trial.join(match number {
        0 => "store".to_string(),
        number => format!("store-{number}"),
    })
}

fn number(name: &str) -> Option<u32> {
    match name.strip_prefix("store")? {
        "" => Some(0),
        rest => rest.strip_prefix('-')?.parse().ok(),
    }
}

/// Every file and folder of the store, by its path there.
pub fn look(store: &Store) -> Result<BTreeMap<PathBuf, Seen>> {
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
        let fresh = rename(&store).unwrap();
        assert!(!store.is_there() && fresh.object("chunks/a").exists());
        assert_eq!(place(dir.path()), fresh.path());
        assert!(
            restore(&fresh, &ledger).unwrap(),
            "a name is not in a ledger"
        );
        let again = rename(&fresh).unwrap();
        assert!(again.path().ends_with("store-2"));
        let store = again;
        // The same length, written in place.
        fs::write(store.object("chunks/a"), "two").unwrap();
        assert!(!restore(&store, &ledger).unwrap());
    }
}
