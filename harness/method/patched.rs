//! Methods that publish a patch from each base, and the whole image for clients without a base.
//!
//! For an image NAME the store has `NAME/full.zst`, one `NAME/from-BASE.…` for each base, and `NAME/forms.json`, which lists
//! them with their lengths and the hashes of the bases and the image. A client reads the list, fetches the smallest form
//! that it can use, and verifies the rebuilt image by its sha256. It never applies a patch that was made for another base,
//! and ignores a base for which there is no patch.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::Method;
use super::object::{create_out, put, put_bytes};
use super::version::LAB;
use super::whole::Form;
use crate::engine::flow::{HeldPieces, Rebuild};
use crate::image::{Image, digest_from_hex};
use crate::store::Store;
use crate::wire::{Client, WireUrl};

/// A way to write one image as a patch to another. Both are held in memory.
pub trait Codec: Sync {
    /// The library and the parameters that decide the bytes of a patch; fails if the library is not built in.
    fn version(&self) -> Result<String>;

    /// The suffix of a patch's object.
    fn ending(&self) -> &'static str;

    /// Fails, and says the limit, if a base and an image of these lengths cannot be encoded and decoded.
    fn fits(&self, base_bytes: u64, image_bytes: u64) -> Result<()>;

    /// The difference between `base` and `image`, before `pack`; `None` if this pair has no patch that can be applied.
    fn delta(&self, base: &[u8], image: &[u8]) -> Result<Option<Vec<u8>>>;

    /// Compresses a delta. Called when the image is no longer in memory.
    fn pack(&self, delta: Vec<u8>) -> Result<Vec<u8>> {
        Ok(delta)
    }

    /// The patch from `base` to the image of `image_bytes` bytes that `image` reads; `None` as for `delta`.
    fn encode(
        &self,
        base: &[u8],
        image: &mut dyn Read,
        image_bytes: u64,
    ) -> Result<Option<Vec<u8>>> {
        self.fits(base.len() as u64, image_bytes)?;
        let mut whole = Vec::with_capacity(usize::try_from(image_bytes)?);
        image
            .take(image_bytes)
            .read_to_end(&mut whole)
            .context("read the image")?;
        let delta = self.delta(base, &whole)?;
        drop(whole);
        delta.map(|delta| self.pack(delta)).transpose()
    }

    /// The image of `image_bytes` bytes that `patch` makes of `base`. A damaged patch may go unnoticed, because the caller
    /// verifies the image's hash.
    fn decode(&self, base: &[u8], patch: &[u8], image_bytes: u64) -> Result<Vec<u8>>;
}

/// Decompresses a delta that is one zstd frame. Fails if it is longer than any delta to an image of `image_bytes` bytes: one
/// that copies nothing is the image and a few lengths, others are shorter.
pub(super) fn unpack(patch: &[u8], image_bytes: u64) -> Result<Vec<u8>> {
    let limit = usize::try_from(image_bytes.saturating_add(image_bytes / 8 + 4096))?;
    zstd::bulk::decompress(patch, limit)
        .with_context(|| format!("decompress the delta, which has at most {limit} B"))
}

/// A codec for clients with a base, and a form of the whole image for the others.
pub struct Patched<C> {
    codec: C,
    full: Form,
}

/// `NAME/forms.json`: the forms in which an image is available.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Forms {
    image_bytes: u64,
    image_sha256: String,
    full_bytes: u64,
    patches: Vec<Patch>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Patch {
    base: String,
    base_sha256: String,
    bytes: u64,
}

impl<C: Codec> Patched<C> {
    pub fn by(codec: C, full: Form) -> Patched<C> {
        Patched { codec, full }
    }

    fn full_of(&self, name: &str) -> String {
        format!("{name}/full.{}", self.full.ending())
    }

    fn patch_of(&self, name: &str, base: &str) -> String {
        format!("{name}/from-{base}.{}", self.codec.ending())
    }

    fn publish_patch(&self, image: &Image, base: &Image, store: &Store) -> Result<Option<Patch>> {
        // An empty base is useless, and some codecs fail on it.
        if base.bytes == 0 {
            return Ok(None);
        }
        let patch = self
            .codec
            .encode(&load(base)?, &mut image.open()?, image.bytes)?;
        let Some(patch) = patch else {
            return Ok(None);
        };
        put_bytes(store, &self.patch_of(&image.name, &base.name), &patch)?;
        Ok(Some(Patch {
            base: base.name.clone(),
            base_sha256: base.sha256.clone(),
            bytes: patch.len() as u64,
        }))
    }

    fn write_full(&self, client: &Client, name: &str, to: &mut dyn Write) -> Result<()> {
        let object = self.full_of(name);
        let download = client.get(&object)?;
        self.full
            .read(download, to)
            .with_context(|| format!("rebuild {name} from {object}"))
    }

    fn write_patched(
        &self,
        client: &Client,
        name: &str,
        forms: &Forms,
        base: &Image,
        to: &mut dyn Write,
    ) -> Result<()> {
        let object = self.patch_of(name, &base.name);
        self.codec.fits(base.bytes, forms.image_bytes)?;
        let patch = client.get_bytes(&object)?;
        let rebuilt = self
            .codec
            .decode(&load(base)?, &patch, forms.image_bytes)
            .with_context(|| format!("rebuild {name} from {object}"))?;
        to.write_all(&rebuilt)
            .with_context(|| format!("write the image that {object} makes of {}", base.name))
    }
}

impl<C: Codec> Method for Patched<C> {
    fn version(&self) -> Result<String> {
        let codec = self.codec.version()?;
        // If patches and whole images have the same version, it is named once.
        let full = self.full.version().filter(|full| *full != codec);
        let full = full.map_or(String::new(), |full| format!(", full: {full}"));
        Ok(format!("{LAB}, {codec}{full}"))
    }

    fn publish(&self, image: &Image, bases: &[Image], store: &Store) -> Result<()> {
        self.version()?;
        // Checked before anything is written and before hours are spent on the first of several bases.
        for base in bases {
            self.codec
                .fits(base.bytes, image.bytes)
                .with_context(|| format!("patch {} from {}", image.name, base.name))?;
        }
        let full = self.full_of(&image.name);
        put(store, &full, |to| {
            self.full.write(&mut image.open()?, image.bytes, to)
        })?;
        let full_bytes = fs::metadata(store.object(&full))
            .with_context(|| format!("look at {full}"))?
            .len();
        let mut patches = Vec::new();
        for base in bases {
            let patch = self
                .publish_patch(image, base, store)
                .with_context(|| format!("patch {} from {}", image.name, base.name))?;
            patches.extend(patch);
        }
        let forms = Forms {
            image_bytes: image.bytes,
            image_sha256: image.sha256.clone(),
            full_bytes,
            patches,
        };
        let forms = serde_json::to_vec(&forms).context("write the forms as JSON")?;
        put_bytes(store, &forms_of(&image.name), &forms)
    }

    fn update(&self, name: &str, bases: &[Image], wire: &WireUrl, out: &Path) -> Result<()> {
        self.version()?;
        let client = Client::new(wire);
        let forms = client.get_bytes(&forms_of(name))?;
        let forms: Forms = serde_json::from_slice(&forms).with_context(|| forms_of(name))?;
        let wanted = digest_from_hex(&forms.image_sha256).with_context(|| forms_of(name))?;
        let to = create_out(out)?;
        let mut rebuild = Rebuild::new(&to, out, HeldPieces::new())?;
        match forms.best(bases) {
            Some(base) => self.write_patched(&client, name, &forms, base, rebuild.between())?,
            None => self.write_full(&client, name, rebuild.between())?,
        }
        rebuild.finish(&wanted)
    }
}

impl Forms {
    /// The base with the smallest patch, if a patch is smaller than the whole form.
    fn best<'a>(&self, bases: &'a [Image]) -> Option<&'a Image> {
        let usable = self.patches.iter().filter_map(|patch| {
            let held = bases
                .iter()
                .find(|held| held.name == patch.base && held.sha256 == patch.base_sha256)?;
            Some((patch.bytes, held))
        });
        usable
            .filter(|(bytes, _)| *bytes < self.full_bytes)
            .min_by_key(|(bytes, _)| *bytes)
            .map(|(_, held)| held)
    }
}

fn forms_of(name: &str) -> String {
    format!("{name}/forms.json")
}

/// Reads a whole image into memory.
fn load(image: &Image) -> Result<Vec<u8>> {
    let bytes = fs::read(&image.path).with_context(|| format!("read {}", image.path.display()))?;
    ensure!(
        bytes.len() as u64 == image.bytes,
        "{}: it has {} bytes now, but had {} when it was hashed",
        image.path.display(),
        bytes.len(),
        image.bytes
    );
    Ok(bytes)
}
