//! The cache: each image saved once, verified at each use, never half-saved.
//!
//! ```text
//! images/KIND-NAME-KEY/   image.tar, image.toml: appears by one rename when both are on disk
//! making/KIND-NAME-KEY.*  an image being made by a living process; without one, rubbish
//! locks/KIND-NAME-KEY     held by the process that makes or verifies the image
//! blobs/sha256-DIGEST     a layer on its way from a registry, kept half fetched until its image is whole
//! ```

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use nix::unistd::{AccessFlags, access};

use super::entry::{self, Entry};
use super::key::Key;
use super::{Made, Source, file, inspect};
use crate::image::Image;

/// Where saved images are kept.
#[derive(Clone, Debug)]
pub struct Cache {
    dir: PathBuf,
}

/// An image ready for use, and what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Saved {
    pub image: Image,
    /// By name: `source`, `layout`, `layers`, `layers_compressed`, `image_bytes`, `image_sha256`, and where an engine
    /// saved it `engine`, `image_id`; where it came from a registry what `registry::save` says.
    pub facts: Vec<(String, String)>,
    /// What to tell the user about this image each time it is used.
    pub warnings: Vec<String>,
    /// Whether it was in the cache already.
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
        for part in ["images", "making", "locks", "blobs"].map(|part| dir.join(part)) {
            let all = AccessFlags::R_OK | AccessFlags::W_OK | AccessFlags::X_OK;
            fs::create_dir_all(&part)
                .and_then(|()| access(&part, all).map_err(Into::into))
                .with_context(|| {
                    format!(
                        "the cache {} cannot be read and written by this user; set DELTA_LAB_CACHE to a folder that can \
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

    /// Saves the image unless it is there, its sha256 checked either way; with `refresh` it is made again even so.
    ///
    /// `say` gets lines of progress. On failure the cache is as it was. Safe among threads and processes: an image
    /// that another one is saving is waited for.
    pub fn save(
        &self,
        scenario: &str,
        name: &str,
        source: &Source,
        refresh: bool,
        say: &dyn Fn(&str),
    ) -> Result<Saved> {
        self.save_or_reuse(scenario, name, source, refresh, say)
            .with_context(|| format!("image {name}"))
    }

    fn save_or_reuse(
        &self,
        scenario: &str,
        name: &str,
        source: &Source,
        refresh: bool,
        say: &dyn Fn(&str),
    ) -> Result<Saved> {
        if let Source::File { path } = source {
            let (image, made) = file::read(name, path)?;
            return Ok(Saved::of(image, source, made, false));
        }
        let wanted = Wanted {
            scenario,
            name,
            source,
            key: Key::of(scenario, name, source)?,
        };
        self.sweep(say)?;
        let _lock = self.lock(&wanted.key, say)?;
        let place = self.dir.join("images").join(wanted.key.folder());
        if !refresh && let Some(saved) = wanted.reuse(&place, say)? {
            return Ok(saved);
        }
        // Another folder each time: a program that outlives a killed lab keeps writing, but into the past.
        let making = self.making(&wanted.key)?;
        let out = making.path().join(entry::ARCHIVE);
        let mut made = self.make(&wanted, source, refresh, &out, say)?;
        made.add(inspect::look(&out).with_context(|| format!("the image made by {source}"))?);
        let entry = Entry::write(making.path(), &wanted.key.sha256, source, made)?;
        entry::place(making.path(), &place, self.making(&wanted.key)?.path())?;
        Ok(wanted.saved(entry, &place, false))
    }
}

/// The image asked for.
struct Wanted<'a> {
    scenario: &'a str,
    name: &'a str,
    source: &'a Source,
    key: Key,
}

impl Wanted<'_> {
    /// The image in `place`, verified; `None` when it is to be made.
    fn reuse(&self, place: &Path, say: &dyn Fn(&str)) -> Result<Option<Saved>> {
        let Some(entry) = Entry::read(place)? else {
            return Ok(None);
        };
        ensure!(
            entry.key == self.key.sha256,
            "{} holds the image of another source ({}); remove it",
            place.display(),
            entry.source
        );
        let Some(damage) = entry.damage(place)? else {
            return Ok(Some(self.saved(entry, place, true)));
        };
        if self.source.is_reproducible() {
            say(&format!("{damage}; making the image again"));
            return Ok(None);
        }
        // Made again from the network or a clock it would be another image under the same name, and figures made with
        // the one before would stand beside figures made with this one. Only the user can decide that.
        bail!(
            "{damage}; made again it may be another image than the one measured so far: \
             remove {} if that is right",
            place.display()
        )
    }

    fn saved(&self, entry: Entry, place: &Path, reused: bool) -> Saved {
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

mod make;
mod making;
#[cfg(test)]
mod tests;
