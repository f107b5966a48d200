//! Patches that know what is in an image: files, layers, compressed members (`crate::engine::image`).
//!
//! For an image NAME the store holds `NAME/full.dlp`, one `NAME/from-BASE.dlp` for each base, and `NAME/patches.json`,
//! which lists them with their lengths and the bases' hashes. A client takes the shortest that it can use. A patch
//! says itself which base it wants and which image it makes, and is refused when either is another.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::Method;
use super::object::put;
use super::version::{LAB, zstd as zstd_version};
use crate::engine::image::{self, Effort};
use crate::image::Image;
use crate::store::Store;
use crate::wire::{Client, WireUrl};

/// Patches of one effort.
pub struct ImagePatch(pub Effort);

/// The effort of full forms. The best one mixes what nothing predicts: of an image of 281 MB that took 344 s instead of
/// 76, and 52.3 MB came of it instead of 53.5.
const FULL: Effort = Effort::Fast;

/// `NAME/patches.json`.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Patches {
    full_bytes: u64,
    patches: Vec<Listed>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    base: String,
    base_sha256: String,
    bytes: u64,
}

fn list_of(name: &str) -> String {
    format!("{name}/patches.json")
}

fn full_of(name: &str) -> String {
    format!("{name}/full.dlp")
}

fn patch_of(name: &str, base: &str) -> String {
    format!("{name}/from-{base}.dlp")
}

impl ImagePatch {
    /// Makes a patch in the store; its length.
    fn publish_one(
        &self,
        image: &Image,
        base: Option<&Image>,
        store: &Store,
        object: &str,
    ) -> Result<u64> {
        let path = store.object(object);
        let folder = path.parent().context("an object without a folder")?;
        fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
        let effort = base.map_or(FULL, |_| self.0);
        let base = base.map(|base| base.path.as_path());
        let made = image::make(base, &image.path, &path, effort, &|_| ())
            .with_context(|| format!("make {object}"))?;
        Ok(made.patch_bytes)
    }
}

impl Method for ImagePatch {
    fn version(&self) -> Result<String> {
        let zstd = match self.0 {
            Effort::Fast => zstd_version(9),
            Effort::Best => format!("{}, full: {}", zstd_version(19), zstd_version(9)),
        };
        Ok(format!("{LAB}, image patch {}, {zstd}", image::VERSION))
    }

    fn publish(&self, image: &Image, bases: &[Image], store: &Store) -> Result<()> {
        let full_bytes = self.publish_one(image, None, store, &full_of(&image.name))?;
        let mut patches = Vec::new();
        for base in bases {
            let object = patch_of(&image.name, &base.name);
            patches.push(Listed {
                base: base.name.clone(),
                base_sha256: base.sha256.clone(),
                bytes: self.publish_one(image, Some(base), store, &object)?,
            });
        }
        let list = serde_json::to_vec(&Patches {
            full_bytes,
            patches,
        })
        .context("write the patches as JSON")?;
        put(store, &list_of(&image.name), |to| {
            Ok(io::Write::write_all(to, &list)?)
        })
    }

    fn update(&self, name: &str, bases: &[Image], wire: &WireUrl, out: &Path) -> Result<()> {
        let client = Client::new(wire);
        let list = client.get_bytes(&list_of(name))?;
        let list: Patches = serde_json::from_slice(&list).with_context(|| list_of(name))?;
        let (object, base) = match list.best(bases) {
            Some(base) => (patch_of(name, &base.name), Some(base.path.as_path())),
            None => (full_of(name), None),
        };
        let folder = out.parent().context("an output without a folder")?;
        let mut patch = NamedTempFile::new_in(folder)
            .with_context(|| format!("make a file in {}", folder.display()))?;
        io::copy(&mut client.get(&object)?, &mut patch)
            .with_context(|| format!("fetch {object}"))?;
        image::apply(base, patch.path(), out, &|_| ())
            .with_context(|| format!("rebuild {name} from {object}"))?;
        Ok(())
    }
}

impl Patches {
    /// The base with the shortest patch, if there is one shorter than the full form.
    fn best<'a>(&self, bases: &'a [Image]) -> Option<&'a Image> {
        let usable = self.patches.iter().filter_map(|patch| {
            let fits = |held: &&Image| held.name == patch.base && held.sha256 == patch.base_sha256;
            Some((patch.bytes, bases.iter().find(fits)?))
        });
        usable
            .filter(|(bytes, _)| *bytes < self.full_bytes)
            .min_by_key(|(bytes, _)| *bytes)
            .map(|(_, held)| held)
    }
}
