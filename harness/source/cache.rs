//! The cache: each image is saved once, verified at each use unless nobody touched it since, and never left half saved.
//!
//! ```text
//! images/KIND-NAME-KEY/   image.tar, image.toml: appear by one rename when both are on disk
//! making/KIND-NAME-KEY.*  an image that a living process is making; without such a process, left over
//! locks/KIND-NAME-KEY     locked by the process that makes or verifies the image
//! roots/                  packages of another Debian release, extracted: `cache/root.rs`
//! stores/                 what runs published, for those that reuse it: `cache/stores.rs`
//! blobs/sha256-DIGEST     a layer from a registry, kept while incomplete and until its image is complete
//! ```

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use nix::unistd::{AccessFlags, access};

use super::entry::{self, CacheEntry};
use super::key::CacheKey;
use super::{Made, SaveOrder, Source, file, inspect};
use crate::image::Image;

/// Where saved images are kept.
#[derive(Clone, Debug)]
pub struct Cache {
    dir: PathBuf,
}

/// An image that is ready for use, and what is known about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Saved {
    pub image: Image,
    /// By name: `source`, `layout`, `layers`, `layers_compressed`, `image_bytes`, `image_sha256`; for an image of an engine
    /// also `engine` and `image_id`, for one from a registry also those of `registry::save`.
    pub facts: Vec<(String, String)>,
    /// Shown to the user each time the image is used.
    pub warnings: Vec<String>,
    /// Whether it was already in the cache.
    pub reused: bool,
}

impl Cache {
    /// The cache of this user: `DELTA_LAB_CACHE`, or `delta-lab` in the user's cache folder.
    pub fn open() -> Result<Cache> {
        match env::var_os("DELTA_LAB_CACHE").filter(|dir| !dir.is_empty()) {
            Some(dir) => Cache::at(Path::new(&dir)),
            None => Cache::at(
                &dirs::cache_dir()
                    .context("no cache folder: set HOME, or DELTA_LAB_CACHE to a folder")?
                    .join("delta-lab"),
            ),
        }
    }

    /// The cache in `dir`, made when absent. Fails unless this user can read and write it.
    pub fn at(dir: &Path) -> Result<Cache> {
        let dir = std::path::absolute(dir)
            .with_context(|| format!("find the cache {}", dir.display()))?;
        ensure!(
            dir.is_dir() || !dir.exists(),
            "the cache {} is not a folder; set DELTA_LAB_CACHE to one",
            dir.display()
        );
        for part in
            ["images", "making", "locks", "blobs", "roots", "stores"].map(|part| dir.join(part))
        {
            let all = AccessFlags::R_OK | AccessFlags::W_OK | AccessFlags::X_OK;
            fs::create_dir_all(&part)
                .and_then(|()| access(&part, all).map_err(Into::into))
                .with_context(|| {
                    format!(
                        "the cache {} cannot be read and written by this user; set DELTA_LAB_CACHE to a folder that can be \
                         (at {})",
                        dir.display(),
                        part.display()
                    )
                })?;
        }
        Ok(Cache { dir })
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Saves the image unless it is in the cache, and verifies its sha256 in both cases. With `refresh` it is made again.
    ///
    /// `say` takes lines of progress. On failure the cache is unchanged. Threads and processes may call this at once: if
    /// another one is saving the image, this call waits for it.
    pub fn save(
        &self,
        scenario: &str,
        name: &str,
        source: &Source,
        refresh: bool,
        say: &dyn Fn(&str),
    ) -> Result<Saved> {
        if let Source::Formed(formed) = source
            && formed.base_sha256.is_empty()
        {
            // What it is made of is an image of its own: all its forms are of the same bytes.
            let base = self.save(scenario, name, &formed.of, refresh, say)?;
            let formed = Source::Formed(formed.over(&base.image.sha256));
            return self.save(scenario, name, &formed, refresh, say);
        }
        let saved = match source.kind().in_place() {
            Some(path) => {
                file::read(name, path).map(|(image, made)| Saved::of(image, source, made, false))
            }
            None => source.key(scenario, name).and_then(|key| {
                let wanted = WantedImage {
                    scenario,
                    name,
                    source,
                    key,
                    say,
                };
                self.save_or_reuse(&wanted, refresh)
            }),
        };
        saved.with_context(|| format!("image {name}"))
    }

    fn save_or_reuse(&self, wanted: &WantedImage, refresh: bool) -> Result<Saved> {
        let WantedImage {
            source, key, say, ..
        } = wanted;
        self.sweep(say)?;
        let _lock = self.lock(key, say)?;
        let place = self.dir.join("images").join(key.folder());
        if !refresh && let Some(saved) = wanted.reuse(&place)? {
            return Ok(saved);
        }
        // A new folder each time, because a program may outlive a lab that was killed and keep writing to the old one.
        let making = self.making(key)?;
        let out = making.path().join(entry::ARCHIVE);
        let order = SaveOrder {
            scenario: wanted.scenario,
            name: wanted.name,
            key,
            refresh,
            out: &out,
            blobs: &self.dir.join("blobs"),
            save: &|name, source| {
                let saved = self.save(wanted.scenario, name, source, false, say)?;
                Ok(saved.image)
            },
            say,
        };
        let mut made = source.kind().make(&order)?;
        made.add(inspect::look(&out).with_context(|| format!("the image made by {source}"))?);
        let entry = CacheEntry::write(making.path(), &key.sha256, source, made)?;
        entry::place(making.path(), &place, self.making(key)?.path())?;
        Ok(wanted.saved(entry, &place, false))
    }
}

/// The image asked for.
struct WantedImage<'a> {
    scenario: &'a str,
    name: &'a str,
    source: &'a Source,
    key: CacheKey,
    say: &'a dyn Fn(&str),
}

impl WantedImage<'_> {
    /// The image in `place`, verified; `None` when it must be made.
    fn reuse(&self, place: &Path) -> Result<Option<Saved>> {
        let Some(entry) = CacheEntry::read(place)? else {
            return Ok(None);
        };
        ensure!(
            entry.key == self.key.sha256,
            "{} holds the image of another source ({}); remove it",
            place.display(),
            entry.source
        );
        let moved = self.source.kind().moved(&entry.facts);
        if let Some(moved) = moved.as_ref().filter(|moved| moved.follow) {
            (self.say)(&format!("{}; saving that one", moved.said));
            return Ok(None);
        }
        let Some(damage) = entry.damage(place)? else {
            let mut saved = self.saved(entry, place, true);
            saved.warnings.extend(moved.map(|moved| {
                format!(
                    "{}; the one that was saved before is used: `delta-lab save --refresh` takes the other",
                    moved.said
                )
            }));
            return Ok(Some(saved));
        };
        if self.source.kind().is_reproducible() {
            (self.say)(&format!("{damage}; making the image again"));
            return Ok(None);
        }
        // An image that depends on the network or the clock may be different when it is made again, and its figures would
        // appear next to those of the old one. So the user decides.
        bail!(
            "{damage}; made again it may differ from the image measured so far: remove {} to make it again anyway",
            place.display()
        )
    }

    fn saved(&self, entry: CacheEntry, place: &Path, reused: bool) -> Saved {
        let image = Image {
            name: self.name.to_string(),
            path: place.join(entry::ARCHIVE),
            bytes: entry.bytes,
            sha256: entry.sha256,
        };
        let made = Made {
            facts: entry.facts.into_iter().collect(),
            warnings: entry.warnings,
        };
        Saved::of(image, self.source, made, reused)
    }
}

impl Saved {
    fn of(image: Image, source: &Source, made: Made, reused: bool) -> Saved {
        let mut facts = made.facts;
        facts.extend([
            ("source".to_string(), source.to_string()),
            ("image_bytes".to_string(), image.bytes.to_string()),
            ("image_sha256".to_string(), image.sha256.clone()),
        ]);
        facts.sort();
        Saved {
            image,
            facts,
            warnings: made.warnings,
            reused,
        }
    }
}

mod making;
mod root;
mod stores;

pub use root::Packages;
pub use stores::Kept;

#[cfg(test)]
mod tests;
