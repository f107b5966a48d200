//! The contract of a declared method, claim by claim, each checked by a small run.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use super::{News, Order, cheated, roots, run, sample_trees};
use crate::archive::wrap_rootfs;
use crate::clock::{self, Limits};
use crate::dice::noise;
use crate::image::{hash_file, sha256_hex};
use crate::method::declared::{self, Declared};
use crate::method::{Doer, Moves};
use crate::record::{Row, Verb};
use crate::scenario::Scenario;
use crate::source::cache::Cache;

/// One promise of a method, and whether it was kept.
pub struct Claim {
    /// `casync/64k`, or `the room` that all variants run in.
    pub method: String,
    pub claim: String,
    /// What was seen, or why it is not so.
    pub kept: std::result::Result<String, String>,
    /// Whether it is this machine that breaks it, which can't lock a step in, and not the method.
    pub machine: bool,
}

/// A pair of images that has broken methods before.
struct Pair {
    /// Name of the scenario.
    name: &'static str,
    /// What the new one is, seen from the old one.
    about: &'static str,
    old: fn() -> Result<Vec<u8>>,
    new: fn() -> Result<Vec<u8>>,
}

/// For methods that move archives, which may be any file.
const FILES: &[Pair] = &[
    Pair {
        name: "changed",
        about: "a changed image",
        old: || Ok(text(1, 300_000)),
        // 5,000 bytes put in: all that follows lies elsewhere.
        new: || {
            Ok([
                text(1, 100_000),
                text(2, 5_000),
                text(1, 300_000)[100_000..].to_vec(),
            ]
            .concat())
        },
    },
    Pair {
        name: "emptied",
        about: "an empty file",
        old: || Ok(text(1, 300_000)),
        new: || Ok(Vec::new()),
    },
    Pair {
        name: "filled",
        about: "an image after an empty file",
        old: || Ok(Vec::new()),
        new: || Ok(text(1, 300_000)),
    },
    Pair {
        name: "unchanged",
        about: "an unchanged image",
        old: || Ok(text(1, 300_000)),
        new: || Ok(text(1, 300_000)),
    },
    Pair {
        name: "unrelated",
        about: "an unrelated image",
        old: || Ok(text(3, 300_000)),
        new: || Ok(text(1, 300_000)),
    },
];

/// For methods that move trees: the same, as small tars.
const TREES: &[Pair] = &[
    Pair {
        name: "changed",
        about: "a changed tree",
        old: || sample_trees::earlier(&text(1, 300_000)),
        new: || sample_trees::later(&text(1, 300_000), &text(2, 5_000)),
    },
    Pair {
        name: "emptied",
        about: "an empty tree",
        old: || sample_trees::earlier(&text(1, 300_000)),
        new: sample_trees::empty,
    },
    Pair {
        name: "filled",
        about: "a tree after an empty one",
        old: sample_trees::empty,
        new: || sample_trees::earlier(&text(1, 300_000)),
    },
    Pair {
        name: "unchanged",
        about: "an unchanged tree",
        old: || sample_trees::earlier(&text(1, 300_000)),
        new: || sample_trees::earlier(&text(1, 300_000)),
    },
    Pair {
        name: "unrelated",
        about: "an unrelated tree",
        old: || sample_trees::earlier(&text(3, 300_000)),
        new: || sample_trees::later(&text(1, 300_000), &text(2, 5_000)),
    },
];

/// What begins the old image ends the new one: a tool that holds less of the base than all of it, such as xdelta3 with
/// its default window of 64 MiB, sends again what moved.
const FAR: Pair = Pair {
    name: "far",
    about: "an image whose beginning moved to its end",
    old: || Ok([noise(1, MOVED_BYTES), passed()].concat()),
    new: || Ok([passed(), noise(1, MOVED_BYTES)].concat()),
};

const MOVED_BYTES: usize = 8 << 20;

/// What it moved over: more than the 64 MiB that xdelta3 looks back. The same MiB again and
/// again, so that a full update of it costs a tool little.
fn passed() -> Vec<u8> {
    noise(2, 1 << 20).repeat(72)
}

/// Most bytes for a method that finds what moved; the moved bytes do not compress. An index of the whole, and the
/// largest chunks at the seams, stay below this.
const FOUND_BYTES: u64 = MOVED_BYTES as u64 / 2;

/// A step on 300 kB takes seconds; one that takes a minute hangs.
const LIMITS: Limits = Limits {
    time: Duration::from_secs(60),
    memory_bytes: 4 << 30,
};

/// bsdiff takes minutes for the far pair.
const FAR_LIMITS: Limits = Limits {
    time: Duration::from_secs(900),
    ..LIMITS
};

/// Checks every variant that the file declares, with `far` on a pair of 80 MiB too. `tell` hears of each claim when it
/// is settled; an error of its ends the check.
///
/// An error is a file that can't be read, or the lab's own trouble; a broken promise is a claim.
pub fn check(file: &Path, far: bool, tell: &mut dyn FnMut(&Claim) -> Result<()>) -> Result<()> {
    let variants = declared::read(file)?;
    let place = tempfile::tempdir().context("make a scratch folder")?;
    let rooted = variants.iter().any(|it| it.about().root.is_some());
    // The images are used where they lie; another release's programs are worth keeping.
    let cache = match rooted {
        true => Cache::open()?,
        false => Cache::at(&place.path().join("cache"))?,
    };
    let mut in_vain = roots::InVain::default();
    let room = variants
        .first()
        .and_then(|variant| variant.about().room.clone());
    let images = place.path().join("images");
    fs::create_dir(&images).with_context(|| format!("make {}", images.display()))?;
    for variant in variants {
        let ground = Ground {
            place: place.path(),
            images: &images,
            cache: &cache,
        };
        let method = variant.name().to_string();
        let mut claim = |claim: &str, kept| {
            tell(&Claim {
                method: method.clone(),
                claim: claim.to_string(),
                kept,
                machine: false,
            })
        };
        let found = roots::provide(&variant, &cache, &mut in_vain, &|_| ());
        let is_here = found.is_ok();
        let version = found.map(|(version, _)| version);
        claim(
            "its programs are here",
            version.map_err(|why| format!("{why:#}")),
        )?;
        if !is_here {
            continue;
        }
        let (pairs, far) = match variant.about().moves {
            Moves::Archive => (FILES, far),
            // `--far` tests a compressor's window; these methods have none.
            Moves::Image | Moves::Tree => (TREES, false),
        };
        for pair in pairs.iter().chain(far.then_some(&FAR)) {
            ground.check(pair, &variant, &mut claim)?;
        }
    }
    // All variants of a file have one room.
    for tried in cheated::try_all(room.as_ref(), &place.path().join("cheats"), &cache)? {
        tell(&Claim {
            method: "the room".to_string(),
            claim: format!("no client gets the image for free by {}", tried.cheat.by),
            kept: tried.held,
            machine: !clock::held().locked(),
        })?;
    }
    Ok(())
}

/// Settles one claim.
type Settle<'a> = &'a mut dyn FnMut(&str, std::result::Result<String, String>) -> Result<()>;

/// Where the small runs are made.
struct Ground<'a> {
    place: &'a Path,
    images: &'a Path,
    cache: &'a Cache,
}

impl Ground<'_> {
    fn check(&self, pair: &Pair, variant: &Declared, claim: Settle) -> Result<()> {
        let method = variant.name();
        let scenario = pair.scenario(self.images, variant)?;
        let before = listing(self.images)?;
        let mut rows = Vec::new();
        let into = self.place.join("results").join(pair.name).join(method);
        let order = Order::of(vec![(scenario, vec![Box::new(variant.clone())])], into);
        run(&order, self.cache, &mut |news| {
            if let News::Row(row) = news {
                rows.push(row.clone());
            }
        })?;
        for (base, from) in [("", "nothing"), ("old", "the one before")] {
            let words = format!("rebuilds {} from {from}", pair.about);
            claim(&words, rebuilt(&rows, base))?;
        }
        if pair.name == FAR.name && variant.about().uses_bases {
            claim("finds what moved 72 MiB away", found(&rows))?;
        }
        let words = format!("leaves nothing beside the images: {}", pair.about);
        claim(&words, untouched(&before, &listing(self.images)?))
    }
}

impl Pair {
    /// Writes the two images afresh, so that one method can't spoil them for the next.
    fn scenario(&self, images: &Path, method: &Declared) -> Result<Scenario> {
        let dir = images.join(self.name);
        if dir.exists() {
            fs::remove_dir_all(&dir).with_context(|| format!("remove {}", dir.display()))?;
        }
        fs::create_dir(&dir).with_context(|| format!("make {}", dir.display()))?;
        let image = |name: &str, bytes: Vec<u8>| -> Result<(String, PathBuf)> {
            let path = dir.join(name);
            fs::write(&path, bytes).with_context(|| format!("write {}", path.display()))?;
            if method.about().moves == Moves::Image {
                wrap(&path, name)?;
            }
            Ok((name.to_string(), path))
        };
        let files = [image("old", (self.old)()?)?, image("new", (self.new)()?)?];
        Ok(Scenario {
            about: self.about.to_string(),
            methods: vec![method.name().to_string()],
            limits: if self.name == FAR.name {
                FAR_LIMITS
            } else {
                LIMITS
            },
            ..Scenario::of_files(self.name, files)
        })
    }
}

/// Makes the tree at `path` the only layer of an image.
fn wrap(path: &Path, name: &str) -> Result<()> {
    let tree = path.with_extension("tree");
    fs::rename(path, &tree).with_context(|| format!("rename {}", path.display()))?;
    let mut archive = fs::File::create(path).with_context(|| format!("make {}", path.display()))?;
    wrap_rootfs(&tree, &mut archive, name)?;
    fs::remove_file(&tree).with_context(|| format!("remove {}", tree.display()))
}

/// Whether the new image was rebuilt from this base; a publish that failed before it is the reason if there was one.
fn rebuilt(rows: &[Row], base: &str) -> std::result::Result<String, String> {
    if let Some(publish) = rows
        .iter()
        .find(|row| row.verb == Verb::Publish && !row.verified())
    {
        return Err(format!("publish of {}: {}", publish.image, publish.error));
    }
    match rows
        .iter()
        .find(|row| row.verb == Verb::Update && row.bases.to_string() == base)
    {
        Some(row) if row.verified() => Ok(format!(
            "{} bytes fetched of {}",
            row.payload_bytes.unwrap_or_default(),
            row.image_bytes
        )),
        Some(row) => Err(row.error.to_string()),
        None => Err("the update was not run".to_string()),
    }
}

/// Whether the update from the old image moved little.
fn found(rows: &[Row]) -> std::result::Result<String, String> {
    let update = rows
        .iter()
        .find(|row| row.verb == Verb::Update && row.bases.to_string() == "old");
    match update.and_then(|row| row.payload_bytes) {
        None => Err("the update has no figure".to_string()),
        Some(bytes) if bytes <= FOUND_BYTES => Ok(format!("{bytes} bytes fetched")),
        Some(bytes) => Err(format!(
            "{bytes} bytes fetched, at most {FOUND_BYTES} would do: does the tool look at the whole base (-B, --long, a window)?"
        )),
    }
}

/// Every file below a folder with the hash of what it holds; empty for what is not a file.
fn listing(folder: &Path) -> Result<BTreeMap<PathBuf, String>> {
    let mut found = BTreeMap::new();
    for entry in walkdir::WalkDir::new(folder) {
        let entry = entry.with_context(|| format!("look through {}", folder.display()))?;
        let hash = if entry.file_type().is_file() {
            hash_file(entry.path())?.1
        } else {
            String::new()
        };
        let path = entry.path().strip_prefix(folder).unwrap_or(entry.path());
        found.insert(path.to_path_buf(), hash);
    }
    Ok(found)
}

fn untouched(
    before: &BTreeMap<PathBuf, String>,
    after: &BTreeMap<PathBuf, String>,
) -> std::result::Result<String, String> {
    let changed = before
        .keys()
        .chain(after.keys())
        .find(|path| before.get(*path) != after.get(*path));
    match changed {
        None => Ok("nothing".to_string()),
        Some(path) if !before.contains_key(path) => Err(format!("left {}", path.display())),
        Some(path) if !after.contains_key(path) => Err(format!("removed {}", path.display())),
        Some(path) => Err(format!("changed {}", path.display())),
    }
}

/// Hex digits from a seed: no two stretches alike, and half of it compresses away.
fn text(seed: u64, bytes: usize) -> Vec<u8> {
    let mut text: Vec<u8> = (0..=bytes / 64)
        .flat_map(|block| sha256_hex(format!("{seed} {block}").as_bytes()).into_bytes())
        .collect();
    text.truncate(bytes);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_became_of_a_store_is_told_by_its_first_file() {
        let store = |files: &[(&str, &str)]| -> BTreeMap<PathBuf, String> {
            let files = files.iter();
            files
                .map(|(path, digest)| (path.into(), digest.to_string()))
                .collect()
        };
        let before = store(&[("a", "1"), ("b", "2")]);
        for (after, told) in [
            (store(&[("a", "1"), ("b", "2")]), Ok("nothing")),
            (store(&[("a", "1")]), Err("removed b")),
            (store(&[("a", "1"), ("b", "3")]), Err("changed b")),
            (store(&[("a", "1"), ("b", "2"), ("c", "3")]), Err("left c")),
        ] {
            let told = told.map(str::to_string).map_err(str::to_string);
            assert_eq!(untouched(&before, &after), told);
        }
    }
}
