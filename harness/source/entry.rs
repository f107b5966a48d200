//! One image in the cache: a folder with `image.tar` and `image.toml`, present completely or not at all; and
//! `image.seen`, which spares an archive that nobody touched from being hashed again.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::{Made, Source};
use crate::image::hash_file;
use crate::record::replace;

/// The archive in an entry's folder.
pub const ARCHIVE: &str = "image.tar";
const RECORD: &str = "image.toml";
/// How the archive looked when it was last hashed.
const SEEN: &str = "image.seen";

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
        let stamp = Stamp::of(&path)?;
        if Stamp::kept(dir).as_ref() == Some(&stamp) {
            return Ok(None);
        }
        let (bytes, sha256) = hash_file(&path)?;
        if sha256 == self.sha256 {
            stamp.keep(dir);
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

/// What the kernel says of an archive when it was hashed: whoever writes to the file, or puts another in its place,
/// changes it, and nobody can set `changed_ns` back.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified_ns: i128,
    changed_ns: i128,
}

/// The kernel's clock of changes may stand still for so long: what is younger may change again unseen.
const SETTLED_NS: i128 = 1_000_000_000;

impl Stamp {
    fn of(path: &Path) -> Result<Stamp> {
        let about = fs::metadata(path).with_context(|| format!("look at {}", path.display()))?;
        let ns = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        Ok(Stamp {
            device: about.dev(),
            inode: about.ino(),
            bytes: about.len(),
            modified_ns: ns(about.mtime(), about.mtime_nsec()),
            changed_ns: ns(about.ctime(), about.ctime_nsec()),
        })
    }

    /// That of the archive in `dir` when it was last hashed and found as it was saved.
    fn kept(dir: &Path) -> Option<Stamp> {
        let text = fs::read(dir.join(SEEN)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Keeps the stamp, so that the archive is not hashed again. Of a cache that cannot be written it is hashed each time.
    fn keep(&self, dir: &Path) {
        let now = jiff::Timestamp::now().as_nanosecond();
        if now - self.changed_ns < SETTLED_NS {
            return;
        }
        let kept = serde_json::to_vec(self).map(|text| replace(&dir.join(SEEN), &text));
        kept.ok();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_archive_that_has_rested_is_remembered_and_only_until_somebody_touches_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(ARCHIVE);
        fs::write(&path, "image").unwrap();
        let young = Stamp::of(&path).unwrap();
        young.keep(dir.path());
        assert_eq!(Stamp::kept(dir.path()), None);
        let rested = Stamp {
            changed_ns: young.changed_ns - 2 * SETTLED_NS,
            ..Stamp::of(&path).unwrap()
        };
        rested.keep(dir.path());
        assert_eq!(Stamp::kept(dir.path()), Some(rested));
        // The same length, and the times that a program can set as they were.
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        fs::write(&path, "other").unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(modified).unwrap();
        assert_ne!(Stamp::of(&path).unwrap(), young);
    }
}
