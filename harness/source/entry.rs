//! One image in the cache: a folder with `image.tar` and `image.toml`, present completely or not at all.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::{Made, Source};
use crate::image::hash_file;

/// The archive in an entry's folder.
pub const ARCHIVE: &str = "image.tar";
const RECORD: &str = "image.toml";

/// The record of a saved archive: `image.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CacheEntry {
    /// The whole key; the folder's name contains its start.
    pub key: String,
    pub bytes: u64,
    /// Lower-case hex.
    pub sha256: String,
    /// When it was saved, as in RFC 3339.
    pub saved: String,
    /// Version of delta-lab that saved it.
    pub lab: String,
    pub warnings: Vec<String>,
    pub facts: BTreeMap<String, String>,
    pub source: Source,
}

impl CacheEntry {
    /// Hashes the archive in `dir` and writes its record. Both are flushed to disk when this returns.
    pub fn write(dir: &Path, key: &str, source: &Source, made: Made) -> Result<CacheEntry> {
        let path = dir.join(ARCHIVE);
        let (bytes, sha256) = hash_file(&path)?;
        let entry = CacheEntry {
            key: key.to_string(),
            bytes,
            sha256,
            saved: jiff::Timestamp::now().to_string(),
            lab: env!("CARGO_PKG_VERSION").to_string(),
            warnings: made.warnings,
            facts: made.facts.into_iter().collect(),
            source: source.clone(),
        };
        let text = toml::to_string(&entry).context("write an image's record as TOML")?;
        let record = dir.join(RECORD);
        File::create(&record)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .with_context(|| format!("write {}", record.display()))?;
        // A temporary folder is private to its owner, and programs choose modes themselves, but a cache may be shared.
        for (path, mode) in [
            (&path, 0o644),
            (&record, 0o644),
            (&dir.to_path_buf(), 0o755),
        ] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode))
                .with_context(|| format!("open up {}", path.display()))?;
            sync(path)?;
        }
        Ok(entry)
    }

    /// The record in `dir`; `None` when there is no such folder.
    pub fn read(dir: &Path) -> Result<Option<CacheEntry>> {
        let there = dir
            .try_exists()
            .with_context(|| format!("look for {}", dir.display()))?;
        if !there {
            return Ok(None);
        }
        let path = dir.join(RECORD);
        let remedy = || {
            format!(
                "{} cannot be used; remove {} to have the image saved again",
                path.display(),
                dir.display()
            )
        };
        let text = fs::read_to_string(&path).with_context(remedy)?;
        toml::from_str(&text).with_context(remedy).map(Some)
    }

    /// How the archive in `dir` differs from the one that was saved, in a sentence; `None` if it does not.
    pub fn damage(&self, dir: &Path) -> Result<Option<String>> {
        let path = dir.join(ARCHIVE);
        let there = path
            .try_exists()
            .with_context(|| format!("look for {}", path.display()))?;
        if !there {
            return Ok(Some(format!("{} is gone", path.display())));
        }
        let (bytes, sha256) = hash_file(&path)?;
        if sha256 == self.sha256 {
            return Ok(None);
        }
        Ok(Some(format!(
            "{} has changed: it was saved with {} bytes and the sha256 {}, now it has {bytes} bytes and the sha256 {sha256}",
            path.display(),
            self.bytes,
            self.sha256
        )))
    }
}

/// Moves a finished folder to `place`, and the folder that was there to `old`. A crash leaves the old image, none, or the
/// new one, but never a part of one.
pub fn place(finished: &Path, place: &Path, old: &Path) -> Result<()> {
    let rename = |from: &Path, to: &Path| {
        fs::rename(from, to)
            .with_context(|| format!("rename {} to {}", from.display(), to.display()))
    };
    if place.exists() {
        rename(place, old)?;
    }
    rename(finished, place)?;
    let parent: PathBuf = place.parent().map(Path::to_path_buf).unwrap_or_default();
    sync(&parent)
}

/// Waits until a file, or a folder's list of names, is on disk.
fn sync(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .with_context(|| format!("flush {} to disk", path.display()))
}
