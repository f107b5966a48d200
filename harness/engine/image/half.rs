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
        if half && File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok()) {
            fs::remove_file(entry.path()).ok();
        }
    }
    let making = || format!("make a file in {}", folder.display());
    let half = tempfile::Builder::new()
        .prefix(&prefix)
        .tempfile_in(folder)
        .with_context(making)?;
    half.as_file().lock().with_context(making)?;
    Ok(half)
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
}
