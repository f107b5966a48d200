//! Patches between images that know what is in them: entries, files, compressed members, what follows from what.
//!
//! FORMAT.md describes the bytes. A datum's walk: [`tar`] and [`archive`] find entries, [`plan`] decides with
//! [`pairing`] and [`sketch`], [`deal`] deals changed contents out to groups, [`code`] and [`contents`] write the script,
//! [`group`] codes changed contents, [`decode`] undoes it all.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};

use super::ideas::Ideas;
pub use super::pair::Effort;
pub(super) use pairing::fold;
pub(super) use sketch::{Similar, Sketches, sketch};

mod archive;
mod code;
mod coder;
mod contents;
mod deal;
mod decode;
mod deflate;
mod digest;
mod encode;
mod format;
mod group;
mod gzip;
mod half;
mod header;
mod index;
mod known;
mod packed;
mod pairing;
mod plan;
mod recipe;
mod script;
mod sections;
mod sketch;
mod space;
mod sums;
mod tar;
#[cfg(test)]
mod tests;

use digest::sha256;
use format::Patch;
use recipe::Entries;
use space::Space;

/// Version of the format.
pub const VERSION: u8 = format::MAGIC[3];

/// A patch that was made.
#[derive(Debug)]
pub struct Made {
    pub patch_bytes: u64,
    pub image_bytes: u64,
}

/// Makes the patch from `base` to `image` at `patch`; without a base, the image on its own. What is done is told to
/// `say`. The file appears whole, after it was decoded and compared.
pub fn make(
    base: Option<&Path>,
    image: &Path,
    patch: &Path,
    effort: Effort,
    say: &dyn Fn(&str),
) -> Result<Made> {
    make_with(base, image, patch, effort, &Ideas::default(), say)
}

/// [`make`] with some ideas alone, to see what the others are worth.
pub fn make_with(
    base: Option<&Path>,
    image: &Path,
    patch: &Path,
    effort: Effort,
    ideas: &Ideas,
    say: &dyn Fn(&str),
) -> Result<Made> {
    let base = base.map(Space::open).transpose()?;
    let image = Space::open(image)?;
    let folder = half::folder_of(patch);
    let ends = encode::ends(base.as_ref(), &image)?;
    let both = image.len() + base.as_ref().map_or(0, Space::len);
    let job = Job {
        base: base.as_ref(),
        image: &image,
        ends: &ends,
        effort,
        patch,
        folder,
        say,
    };
    let first = job.until_right(ideas);
    // A full disk is no reason for a longer patch.
    let first = match first {
        Err(error) if is_of_system(&error) => return Err(error),
        first => first,
    };
    if let Err(error) = &first {
        say(&format!(
            "coding the whole image again as plain bytes, because this failed: {error:#}"
        ));
    }
    // Small images are tried as plain bytes too: what is known of them may cost more than it gains.
    let second = match &first {
        Ok(_) if both > SMALL_BYTES => None,
        _ => Some(job.until_right(&Ideas {
            entries: false,
            ..*ideas
        })),
    };
    let (half, bytes) = match (first, second) {
        (Ok(first), Some(Ok(second))) if second.1 < first.1 => second,
        (Ok(first), _) => first,
        (Err(_), Some(Ok(second))) => second,
        (Err(error), _) => return Err(error),
    };
    half::publish(half, patch)?;
    Ok(Made {
        patch_bytes: bytes,
        image_bytes: image.len(),
    })
}

/// Base and image of together at most this are also tried as bytes without a structure.
const SMALL_BYTES: u64 = 8 << 20;

/// What a patch is made of.
struct Job<'a> {
    base: Option<&'a Space>,
    image: &'a Space,
    ends: &'a encode::Ends,
    effort: Effort,
    /// Where the patch is to be, and the folder that holds it.
    patch: &'a Path,
    folder: &'a Path,
    say: &'a dyn Fn(&str),
}

impl Job<'_> {
    /// A patch in a temporary file, decoded and compared, and its length. Contents that come back otherwise are coded again
    /// in the plainest way.
    fn until_right(&self, ideas: &Ideas) -> Result<(tempfile::NamedTempFile, u64)> {
        let mut plain = Entries::new();
        loop {
            let (half, bytes, wrong) = self.attempt(ideas, &plain)?;
            if wrong.is_empty() {
                return Ok((half, bytes));
            }
            let before = plain.len();
            plain.extend(wrong);
            let more = plain.len() - before;
            ensure!(more > 0, "the patch does not decode to NEW");
            (self.say)(&format!(
                "check failed for {more} entries: coding them again as plain bytes"
            ));
        }
    }

    /// A patch, its length, and the entries whose contents it does not give back.
    fn attempt(
        &self,
        ideas: &Ideas,
        plain: &Entries,
    ) -> Result<(tempfile::NamedTempFile, u64, Entries)> {
        let mut half = half::beside(self.patch)?;
        let file = half.as_file_mut();
        let how = encode::How {
            effort: self.effort,
            ideas,
            plain,
        };
        let encoded = encode::encode(self.base, self.image, self.ends, &how, file, self.say)?;
        let written = half.reopen().context("open the patch")?;
        let written = Space::whole(Arc::new(written), encoded.bytes);
        (self.say)("decoding it for proof");
        let wrong = encode::prove(&written, self.base, self.folder, &encoded)?;
        Ok((half, encoded.bytes, wrong))
    }
}

/// Why a patch was not applied.
#[derive(Debug)]
pub enum Failure {
    /// The patch is damaged, or made for another base.
    Unfit(anyhow::Error),
    /// A file could not be read or written.
    Trouble(anyhow::Error),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, to: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Failure::Unfit(error) | Failure::Trouble(error) => write!(to, "{error:#}"),
        }
    }
}

impl std::error::Error for Failure {}

/// Rebuilds the image of `patch` at `image`, which appears whole and only when its sha256 is right.
pub fn apply(
    base: Option<&Path>,
    patch: &Path,
    image: &Path,
    say: &dyn Fn(&str),
) -> Result<u64, Failure> {
    let opened = Space::open(patch).map_err(Failure::Trouble)?;
    let base_opened = base.map(Space::open).transpose();
    base_opened.map_err(Failure::Trouble)?;
    let half = half::beside(image).map_err(Failure::Trouble)?;
    let rebuilt = rebuild(base, &opened, half.as_file(), say);
    let bytes = rebuilt
        .with_context(|| format!("{}", patch.display()))
        .map_err(|error| {
            if is_of_system(&error) {
                Failure::Trouble(error)
            } else {
                Failure::Unfit(error)
            }
        })?;
    half::publish(half, image).map_err(Failure::Trouble)?;
    Ok(bytes)
}

/// What a patch says of itself: [`show`].
#[derive(Debug)]
pub struct Shown {
    pub patch_bytes: u64,
    /// Length and sha256 of the base, if it needs one, and of the image.
    pub base: Option<(u64, [u8; 32])>,
    pub image: (u64, [u8; 32]),
    pub script_bytes: u64,
    /// How each group is coded, and its bytes.
    pub groups: Vec<(&'static str, u64)>,
    /// The entries whose contents are coded, costliest first; empty without the base.
    pub entries: Vec<ShownEntry>,
    /// How many entries there are in all, and how many have their contents from the base.
    pub counts: Option<(usize, usize)>,
}

/// An entry whose contents a patch holds.
#[derive(Debug)]
pub struct ShownEntry {
    pub path: String,
    pub bytes: u64,
    /// Bytes of the patch that it took.
    pub coded_bytes: u64,
    /// `new`, or the path of what it is coded against.
    pub against: String,
    /// The path of what stands beside that, in the new image.
    pub beside: Option<String>,
    pub form: &'static str,
}

/// What is in the patch at `patch`; with its base, what each entry took.
pub fn show(patch: &Path, base: Option<&Path>) -> Result<Shown> {
    let space = Space::open(patch)?;
    let opened = Patch::open(&space).with_context(|| format!("{}", patch.display()))?;
    let head = &opened.head;
    let groups = head.groups.iter().map(|group| {
        let codec = match group.codec {
            format::Codec::Pair => "pairs",
            format::Codec::Zstd => "zstd",
        };
        (codec, group.bytes)
    });
    let mut shown = Shown {
        patch_bytes: space.len(),
        base: head.base,
        image: head.image,
        script_bytes: head.script_bytes,
        groups: groups.collect(),
        entries: Vec::new(),
        counts: None,
    };
    if base.is_none() && head.base.is_some() {
        return Ok(shown);
    }
    let base = decode::open_base(&opened, base)?;
    let walked = archive::Archive::walk(&base)?;
    let (new, recipes, costs) = decode::costs(&opened, &base)?;
    let kept = recipes
        .iter()
        .filter(|recipe| matches!(recipe, recipe::Recipe::Base(_)));
    shown.counts = Some((recipes.len(), kept.count()));
    for (index, recipe) in recipes.iter().enumerate() {
        let Some(coded) = recipe.coded() else {
            continue;
        };
        let text = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
        shown.entries.push(ShownEntry {
            path: text(&new.entries[index].path),
            bytes: new.entries[index].size,
            coded_bytes: costs[index],
            against: match coded.base {
                Some(base) => text(&walked.entries[base].path),
                None => "new".to_string(),
            },
            beside: coded.beside.map(|beside| text(&new.entries[beside].path)),
            form: coded.form.name(),
        });
    }
    shown
        .entries
        .sort_by_key(|entry| std::cmp::Reverse(entry.coded_bytes));
    Ok(shown)
}

/// Whether the operating system refused something: a full disk says nothing about a patch.
fn is_of_system(error: &anyhow::Error) -> bool {
    let mut causes = error.chain();
    causes.any(|cause| {
        let io = cause.downcast_ref::<std::io::Error>();
        io.is_some_and(|io| io.raw_os_error().is_some())
    })
}

fn rebuild(base: Option<&Path>, patch: &Space, out: &File, say: &dyn Fn(&str)) -> Result<u64> {
    let patch = Patch::open(patch)?;
    say("comparing the base's hash");
    let base = decode::open_base(&patch, base)?;
    let (bytes, sha) = patch.head.image;
    out.set_len(bytes).context("make room for the image")?;
    let out = out.try_clone().context("open the image")?;
    let out = Space::whole(Arc::new(out), bytes);
    decode::decode(&patch, &base, &out, say)?;
    say("comparing the image's hash");
    ensure!(
        sha256(&out)? == sha,
        "damaged patch: the rebuilt image is not NEW, its sha256 differs; make the patch again"
    );
    Ok(bytes)
}
