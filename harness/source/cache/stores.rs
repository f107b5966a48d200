//! Stores that runs published, kept so that a later run may take them up instead of publishing again.
//!
//! ```text
//! stores/store-METHOD-KEY/   what was kept, and `bytes`, its length: appear by one rename when both are there
//! ```
//!
//! Whoever keeps something says what its key is, and finds out whether it is still as it was kept.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};

use super::Cache;
use super::making::open_lock;
use crate::source::key::CacheKey;

/// Holds the length of what is kept, as a decimal number; changed last when that was last taken up.
const BYTES: &str = "bytes";

/// What is kept under a key; nobody removes it while this lives.
pub struct Kept {
    pub path: PathBuf,
    _lock: File,
}

impl Cache {
    /// What is kept under the key; nothing where that was never kept, or is removed.
    pub fn kept(&self, key: &CacheKey) -> Result<Option<Kept>> {
        let path = self.stores().join(key.folder());
        let _lock = self.lock(key, &|_| ())?;
        if !path.is_dir() {
            return Ok(None);
        }
        // What is used often is removed last. A cache that cannot be written is read all the same.
        if let Ok(used) = File::options().append(true).open(path.join(BYTES)) {
            used.set_modified(SystemTime::now()).ok();
        }
        Ok(Some(Kept { path, _lock }))
    }

    /// Keeps what `fill` puts into a folder that exists; it says how many bytes that are, or that it is nothing to keep.
    /// What was kept under the key before stays. Then removes what was used longest ago, until all together hold at most
    /// `most` bytes.
    pub fn keep(
        &self,
        key: &CacheKey,
        most: u64,
        fill: &dyn Fn(&Path) -> Result<Option<u64>>,
    ) -> Result<()> {
        let place = self.stores().join(key.folder());
        self.sweep(&|_| ())?;
        let _lock = self.lock(key, &|_| ())?;
        if place.exists() {
            return Ok(());
        }
        let making = self.making(key)?;
        let folder = making.path().join("kept");
        fs::create_dir(&folder).with_context(|| format!("make {}", folder.display()))?;
        let Some(bytes) = fill(&folder)?.filter(|bytes| *bytes <= most) else {
            return Ok(());
        };
        let length = folder.join(BYTES);
        fs::write(&length, bytes.to_string())
            .with_context(|| format!("write {}", length.display()))?;
        fs::rename(&folder, &place)
            .with_context(|| format!("rename {} to {}", folder.display(), place.display()))?;
        self.make_room(most, &place)
    }

    /// Removes what is kept, at once for everybody else: a crash leaves all of it or none.
    pub fn forget(&self, kept: &Kept) -> Result<()> {
        self.remove(&kept.path)
    }

    /// Removes what was used longest ago until at most `most` bytes are kept; `newest` stays, and what is in use.
    fn make_room(&self, most: u64, newest: &Path) -> Result<()> {
        let stores = self.stores();
        let listing = || format!("list {}", stores.display());
        let mut kept = Vec::new();
        for entry in fs::read_dir(&stores).with_context(listing)? {
            let path = entry.with_context(listing)?.path();
            let length = path.join(BYTES);
            let used = fs::metadata(&length).and_then(|about| about.modified());
            let bytes = fs::read_to_string(&length).ok();
            let bytes = bytes.and_then(|text| text.parse().ok()).unwrap_or(0);
            kept.push((used.unwrap_or(SystemTime::UNIX_EPOCH), bytes, path));
        }
        kept.sort();
        let mut all: u64 = kept.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, bytes, path) in kept {
            if all <= most {
                break;
            }
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path == newest || open_lock(&self.lock_path(&name))?.try_lock().is_err() {
                continue;
            }
            self.remove(&path)?;
            all -= bytes;
        }
        Ok(())
    }

    fn remove(&self, kept: &Path) -> Result<()> {
        let name = kept.file_name().unwrap_or_default().to_string_lossy();
        let going = self.making_of(&name)?;
        fs::rename(kept, going.path().join(&*name))
            .with_context(|| format!("remove {}", kept.display()))
    }

    fn stores(&self) -> PathBuf {
        self.dir.join("stores")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::source::key::Identity;

    fn key(name: &str) -> CacheKey {
        CacheKey::of(&Identity {
            kind: "store",
            readable: name.to_string(),
            json: json!(name),
        })
    }

    /// Keeps `bytes` bytes under the name, last used in the year `year`.
    fn keep(cache: &Cache, name: &str, bytes: u64, most: u64, year: u64) {
        let fill = |folder: &Path| {
            fs::write(folder.join("store"), name).unwrap();
            Ok(Some(bytes))
        };
        cache.keep(&key(name), most, &fill).unwrap();
        let used = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(year * 31_556_952);
        let length = cache.stores().join(key(name).folder()).join(BYTES);
        if let Ok(length) = File::options().append(true).open(length) {
            length.set_modified(used).unwrap();
        }
    }

    fn names(cache: &Cache) -> Vec<String> {
        let kept = fs::read_dir(cache.stores()).unwrap();
        let read = |folder: PathBuf| fs::read_to_string(folder.join("store")).unwrap();
        let mut names: Vec<String> = kept.map(|it| read(it.unwrap().path())).collect();
        names.sort();
        let making = fs::read_dir(cache.dir.join("making")).unwrap();
        assert_eq!(making.count(), 0, "nothing is left over");
        names
    }

    fn cache() -> (tempfile::TempDir, Cache) {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path()).unwrap();
        (dir, cache)
    }

    #[test]
    fn what_was_used_longest_ago_goes_first_until_the_rest_is_as_short_as_asked_for() {
        let (_dir, cache) = cache();
        for (at, name) in ["a", "b", "c", "d"].iter().enumerate() {
            keep(&cache, name, 10, 40, at as u64);
        }
        assert_eq!(names(&cache), ["a", "b", "c", "d"], "just the bound");
        // Taken up, and so used now.
        assert!(cache.kept(&key("a")).unwrap().is_some());
        keep(&cache, "e", 15, 40, 9);
        assert_eq!(names(&cache), ["a", "d", "e"]);
        keep(&cache, "too long", 41, 40, 9);
        assert_eq!(names(&cache), ["a", "d", "e"]);
    }

    #[test]
    fn what_somebody_reads_stays_and_what_is_kept_is_not_kept_anew() {
        let (_dir, cache) = cache();
        keep(&cache, "old", 30, 40, 1);
        let reading = cache.kept(&key("old")).unwrap().unwrap();
        keep(&cache, "new", 30, 40, 2);
        assert_eq!(names(&cache), ["new", "old"]);
        drop(reading);
        let never = |_: &Path| panic!("it is kept already");
        cache.keep(&key("new"), 40, &never).unwrap();
        keep(&cache, "newest", 10, 40, 3);
        assert_eq!(names(&cache), ["newest", "old"]);
        let kept = cache.kept(&key("old")).unwrap().unwrap();
        cache.forget(&kept).unwrap();
        drop(kept);
        assert_eq!(names(&cache), ["newest"]);
        assert!(cache.kept(&key("old")).unwrap().is_none());
    }

    #[test]
    fn what_can_not_be_kept_leaves_nothing() {
        let (_dir, cache) = cache();
        let nothing = |folder: &Path| {
            fs::write(folder.join("store"), "half").unwrap();
            Ok(None)
        };
        cache.keep(&key("nothing"), 40, &nothing).unwrap();
        let fails = |folder: &Path| {
            fs::write(folder.join("store"), "half").unwrap();
            anyhow::bail!("no")
        };
        assert!(cache.keep(&key("fails"), 40, &fails).is_err());
        assert!(names(&cache).is_empty());
    }
}
