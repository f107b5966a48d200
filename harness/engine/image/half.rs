//! A file while it is written, beside the one that it becomes: a hidden one, `.NAME.half-` and a few letters.
//!
//! Its writer holds a lock on it. Whoever writes the same file next removes those that nobody holds: their writers were
//! killed.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use tempfile::NamedTempFile;

/// An empty file beside `path`, gone with the value unless it is published.
pub fn beside(path: &Path) -> Result<NamedTempFile> {
    let folder = folder_of(path);
    let mut prefix = OsString::from(".");
    prefix.push(path.file_name().unwrap_or_default());
    prefix.push(".half-");
    // What can't be removed is in nobody's way.
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let half = name
            .as_encoded_bytes()
            .starts_with(prefix.as_encoded_bytes());
        if !half {
            continue;
        }
        let Ok(file) = File::open(entry.path()) else {
            continue;
        };
        // Held until it is gone: whoever has just made it takes it by this lock.
        if file.try_lock().is_ok() {
            fs::remove_file(entry.path()).ok();
        }
    }
    let making = || format!("make a file in {}", folder.display());
    loop {
        let half = tempfile::Builder::new()
            .prefix(&prefix)
            .tempfile_in(folder)
            .with_context(making)?;
        half.as_file().lock().with_context(making)?;
        // Another writer may have found it between its making and its lock, and taken it for one that was left.
        if half.path().exists() {
            return Ok(half);
        }
    }
}

/// Gives the file its name, in place of what has it. A temporary file is its owner's alone; what is published is as
/// readable as any file.
pub fn publish(half: NamedTempFile, path: &Path) -> Result<()> {
    half.as_file()
        .set_permissions(Permissions::from_mode(0o644))
        .context("set permissions")?;
    half.persist(path)
        .with_context(|| format!("write {}", path.display()))?;
    Ok(())
}

/// The folder that holds, or will hold, a file.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_writer_left_is_removed_and_what_is_being_written_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for left in [".a.patch.half-x1", ".b.patch.half-x1", "a.patch"] {
            fs::write(at(left), b"left").unwrap();
        }
        let first = beside(&at("a.patch")).unwrap();
        assert!(!at(".a.patch.half-x1").exists());
        assert!(at(".b.patch.half-x1").exists() && at("a.patch").exists());
        let second = beside(&at("a.patch")).unwrap();
        assert!(first.path().exists());
        publish(second, &at("a.patch")).unwrap();
        assert_eq!(fs::read(at("a.patch")).unwrap(), b"");
        drop(first);
        let names = fs::read_dir(dir.path()).unwrap();
        assert_eq!(names.count(), 2);
    }

    /// Many writers of one file, each of which sweeps while others make theirs.
    #[test]
    fn nobodys_file_is_removed_between_its_making_and_its_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.patch");
        std::thread::scope(|writers| {
            for _ in 0..8 {
                writers.spawn(|| {
                    for _ in 0..300 {
                        publish(beside(&path).unwrap(), &path).unwrap();
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
