//! Folders that go when they are done with, and what to say when a disk is full.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use walkdir::WalkDir;

/// A step's folder, gone with all in it when the step is over.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(within: &Path, prefix: &str) -> Result<Scratch> {
        fs::create_dir_all(within).with_context(|| format!("make {}", within.display()))?;
        let folder = tempfile::Builder::new()
            .prefix(prefix)
            .tempdir_in(within)
            .with_context(|| format!("make a folder in {}", within.display()))?;
        Ok(Scratch(folder.keep()))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What can't be removed now is removed with the work folder, where a failure is told.
        clear(&self.0).ok();
    }
}

/// Removes a folder and all in it, folders without write permission too; nothing to do when it is not there.
pub fn clear(folder: &Path) -> Result<()> {
    let gone = |removed: io::Result<()>| match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    };
    if gone(fs::remove_dir_all(folder)).is_ok() {
        return Ok(());
    }
    for entry in WalkDir::new(folder)
        .into_iter()
        .flatten()
        .filter(|entry| entry.file_type().is_dir())
    {
        fs::set_permissions(entry.path(), Permissions::from_mode(0o700)).ok();
    }
    gone(fs::remove_dir_all(folder)).with_context(|| format!("remove {}", folder.display()))
}

/// Whether a full disk is what is behind the error.
pub fn is_full_disk(error: &anyhow::Error) -> bool {
    let full = |cause: &(dyn std::error::Error + 'static)| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::StorageFull)
    };
    error.chain().any(full)
}

/// Says what to do when a full disk ended the run, and removes the trial's folder to free its space: what the trial
/// had published is published again when the run is continued.
pub fn on_full_disk(error: anyhow::Error, trial: Option<&Path>, dir: &Path) -> anyhow::Error {
    if !is_full_disk(&error) {
        return error;
    }
    if let Some(trial) = trial {
        clear(trial).ok();
    }
    error.context(format!(
        "the disk of {} is full; the rows so far are kept: make room and run the same command again",
        dir.display()
    ))
}
