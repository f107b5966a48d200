//! The ledger: what a store held after a publish was done, so that a later run can take it back there after a
//! publish that was cut short.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use walkdir::WalkDir;

use super::scratch::clear;
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

/// Whether these are the same files: what is moved has another time of change.
fn are_same_but_time(now: &BTreeMap<PathBuf, Seen>, then: &BTreeMap<PathBuf, Seen>) -> bool {
    let known = |seen: &Seen| match seen {
        Seen::Folder => None,
        Seen::File { bytes, inode, .. } => Some((*bytes, *inode)),
    };
    let all = |seen: &BTreeMap<PathBuf, Seen>| -> Vec<_> {
        let files = seen.iter();
        files
            .map(|(path, seen)| (path.clone(), known(seen)))
            .collect()
    };
    all(now) == all(then)
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

/// The store as the ledger says it was, in a fresh folder; what came later is removed. None when that can't be done: a file is
/// gone, was changed in place, or came while this was done.
///
/// A step that was killed may live on for a moment. It knows the old folder, by its name or, behind a mount of its own, by
/// itself, and what it writes there is lost with it.
pub fn restore(store: &Store, ledger: &Path) -> Result<Option<Store>> {
    let Ok(text) = fs::read(ledger) else {
        return Ok(None);
    };
    let Ledger(mut then) =
        serde_json::from_slice(&text).with_context(|| format!("parse {}", ledger.display()))?;
    let (mut kept, mut later) = (BTreeMap::new(), Vec::new());
    for (path, seen) in look(store)? {
        match then.remove(&in_hex(&path)) {
            None => later.push((path, seen)),
            Some(before) if before == seen => {
                kept.insert(path, seen);
            }
            Some(_) => return Ok(None),
        }
    }
    if !then.is_empty() {
        return Ok(None);
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
    let tops = kept.keys().filter(|path| path.components().count() == 1);
    let Some(fresh) = move_to_fresh(store, tops)? else {
        return Ok(None);
    };
    if !are_same_but_time(&look(&fresh)?, &kept) {
        return Ok(None);
    }
    write(&fresh, ledger)?;
    Ok(Some(fresh))
}

/// Moves what lies at the top of a store into a fresh folder, and removes the old one. None where the system refuses: a folder
/// that may not be written can't be moved by an ordinary user.
fn move_to_fresh<'a>(
    store: &Store,
    tops: impl Iterator<Item = &'a PathBuf>,
) -> Result<Option<Store>> {
    let path = store.path();
    let trial = path
        .parent()
        .context("a store lies in its trial's folder")?;
    let name = path.file_name().and_then(|name| name.to_str());
    let fresh = Store::at(&named(trial, name.and_then(number).unwrap_or_default() + 1))?;
    let about = fs::metadata(path).with_context(|| format!("look at {}", path.display()))?;
    fs::set_permissions(fresh.path(), about.permissions())
        .with_context(|| format!("set the mode of {}", fresh.path().display()))?;
    for top in tops {
        match fs::rename(path.join(top), fresh.path().join(top)) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(None),
            moved => moved.with_context(|| format!("move {}", path.join(top).display()))?,
        }
    }
    clear(path)?;
    Ok(Some(fresh))
}

/// Where a trial's store is, or is to be: a run that continues gives it another name.
pub fn place(trial: &Path) -> PathBuf {
    let names = fs::read_dir(trial).into_iter().flatten().flatten();
    let numbers = names
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| number(entry.file_name().to_str()?));
    named(trial, numbers.max().unwrap_or_default())
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
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn what_came_after_the_ledger_is_removed_and_what_was_rewritten_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(&dir.path().join("store")).unwrap();
        let ledger = dir.path().join("ledger.json");
        fs::create_dir(store.object("chunks")).unwrap();
        fs::write(store.object("chunks/a"), "one").unwrap();
        assert!(
            restore(&store, &ledger).unwrap().is_none(),
            "there is no ledger yet"
        );
        write(&store, &ledger).unwrap();
        fs::write(store.object("chunks/b"), "half a chu").unwrap();
        fs::create_dir_all(store.object("v2/parts")).unwrap();
        fs::write(
            store.object("v2/parts").join(OsStr::from_bytes(b"\xff")),
            "half",
        )
        .unwrap();
        let fresh = restore(&store, &ledger).unwrap().unwrap();
        assert!(!fresh.object("v2").exists());
        assert!(!fresh.object("chunks/b").exists() && fresh.object("chunks/a").exists());
        assert!(!store.is_there());
        assert_eq!(place(dir.path()), fresh.path());
        let again = restore(&fresh, &ledger).unwrap().unwrap();
        assert!(again.path().ends_with("store-2"));
        let store = again;
        // The same length, written in place.
        fs::write(store.object("chunks/a"), "two").unwrap();
        assert!(restore(&store, &ledger).unwrap().is_none());
    }

    #[test]
    fn a_file_that_came_or_was_replaced_is_told_from_one_that_was_moved() {
        let file = |bytes, inode, changed_s| Seen::File {
            bytes,
            inode,
            changed_s,
            changed_ns: 0,
        };
        fn of<const FILES: usize>(files: [(&str, Seen); FILES]) -> BTreeMap<PathBuf, Seen> {
            files.map(|(path, seen)| (path.into(), seen)).into()
        }
        let then = of([("a", Seen::Folder), ("a/b", file(5, 1, 10))]);
        let moved = of([("a", Seen::Folder), ("a/b", file(5, 1, 11))]);
        assert!(are_same_but_time(&moved, &then));
        for other in [
            of([("a", Seen::Folder)]),
            of([("a", Seen::Folder), ("a/c", file(5, 1, 10))]),
            of([("a", Seen::Folder), ("a/b", file(6, 1, 10))]),
            of([("a", Seen::Folder), ("a/b", file(5, 2, 10))]),
            of([("a", Seen::Folder), ("a/b", Seen::Folder)]),
            of([
                ("a", Seen::Folder),
                ("a/b", file(5, 1, 10)),
                ("z", Seen::Folder),
            ]),
        ] {
            assert!(!are_same_but_time(&other, &then), "{other:?}");
        }
    }

    /// A room has the store behind a mount, which goes where the folder goes.
    #[test]
    fn who_still_holds_the_folder_itself_can_put_nothing_into_what_is_taken_back() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(&dir.path().join("store")).unwrap();
        let ledger = dir.path().join("ledger.json");
        fs::write(store.object("v1"), "one").unwrap();
        write(&store, &ledger).unwrap();
        let held = fs::File::open(store.path()).unwrap();
        let late = format!("/proc/self/fd/{}/late", held.as_raw_fd());
        let fresh = restore(&store, &ledger).unwrap().unwrap();
        fs::write(late, "noise").unwrap_err();
        assert_eq!(look(&fresh).unwrap().len(), 1);
    }
}
