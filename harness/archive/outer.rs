//! The outer tar of an image archive: finds, checks and hashes the entries that its manifests name.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use tar::EntryType;

use super::walk::{Entry, FilePart, walk};
use super::{Compression, Layer, Packed};
use crate::image::Hashing;

/// Longest manifest, index or config that is read; a longer one is an error.
const JSON_LIMIT_BYTES: u64 = 32 << 20;

/// The outer tar, walked.
pub(super) struct Outer<'a> {
    pub whole: FilePart<'a>,
    pub entries: Vec<Entry>,
}

/// One image as the archive's manifests describe it.
pub(super) struct Described {
    config: Entry,
    layers: Vec<Named>,
}

/// A layer as a manifest names it, with the DiffID the config gives it.
struct Named {
    name: String,
    diff_id: Option<String>,
}

/// The part of an image's config that is read here; OCI and Docker write it alike.
#[derive(Deserialize)]
struct Config {
    rootfs: Option<RootFs>,
}

#[derive(Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Vec<String>,
}

impl Outer<'_> {
    /// Pairs the names of an image's layers with the DiffIDs of its config.
    pub fn image(&self, names: Vec<String>, config: &Entry) -> Result<Described> {
        let about: Config = self.json(config)?;
        let diff_ids = about.rootfs.map_or(Vec::new(), |rootfs| rootfs.diff_ids);
        // An OCI artifact that is not an image has a config of its own kind, without DiffIDs.
        let known = diff_ids.len() == names.len();
        let diff_id = |at: usize| diff_ids[at].strip_prefix("sha256:").map(str::to_string);
        let named = names.into_iter().enumerate().map(|(at, name)| Named {
            name,
            diff_id: known.then(|| diff_id(at)).flatten(),
        });
        Ok(Described {
            config: config.clone(),
            layers: named.collect(),
        })
    }

    /// Finds, checks and hashes the layers of the images; a layer named more than once is read once.
    pub fn layers(&self, described: Vec<Described>) -> Result<(Vec<Packed>, Vec<Layer>)> {
        let mut known: BTreeMap<u64, Layer> = BTreeMap::new();
        let (mut images, mut layers) = (Vec::new(), Vec::new());
        for image in described {
            let first = layers.len();
            for named in image.layers {
                layers.push(self.named_layer(named, &mut known)?);
            }
            images.push(Packed {
                config: image.config,
                layers: first..layers.len(),
            });
        }
        Ok((images, layers))
    }

    fn named_layer(&self, named: Named, known: &mut BTreeMap<u64, Layer>) -> Result<Layer> {
        let Named { name, diff_id } = named;
        let entry = self.named("the manifest", "layer", &name)?;
        let mut layer = match known.get(&entry.offset) {
            Some(layer) => layer.clone(),
            None => self.layer(entry)?,
        };
        known.insert(entry.offset, layer.clone());
        if layer.compression == Compression::None {
            if let Some(said) = diff_id.filter(|said| *said != layer.digest) {
                bail!(
                    "{}: its sha256 is {}, but the image's config says {said}",
                    self.at(entry),
                    layer.digest
                );
            }
            layer.diff_id = Some(layer.digest.clone());
        } else {
            layer.diff_id = diff_id;
        }
        Ok(layer)
    }

    fn layer(&self, entry: &Entry) -> Result<Layer> {
        let bytes = FilePart {
            file: self.whole.file,
            what: format!("{}: layer {}", self.whole.what, entry.name),
            offset: entry.offset,
            length: entry.length,
        };
        let compression = Compression::of(&bytes)?;
        if compression == Compression::None && bytes.begins_as_tar()? {
            walk(&bytes, &mut |_| Ok(()))?;
        }
        let digest = hash(&bytes)?;
        if let Some(said) = trim(&entry.name).strip_prefix("blobs/sha256/") {
            ensure!(
                said == digest,
                "{}: damaged: the sha256 of its bytes is {digest}",
                self.at(entry)
            );
        }
        Ok(Layer {
            name: entry.name.clone(),
            offset: entry.offset,
            length: entry.length,
            digest,
            compression,
            diff_id: None,
        })
    }

    /// The file that `from` names as its `role`, with links followed.
    pub fn named(&self, from: &str, role: &str, name: &str) -> Result<&Entry> {
        let mut place = trim(name).to_string();
        // A longer chain of links is a circle.
        for _ in 0..8 {
            let entry = self.find(&place).with_context(|| {
                format!(
                    "{}: {from} names the {role} {name}, but there is no entry {place}",
                    self.whole.what
                )
            })?;
            let target = entry.link.as_deref().unwrap_or_default();
            place = match entry.kind {
                EntryType::Symlink => beside(&place, target)
                    .with_context(|| format!("{}: it links to {target}", self.at(entry)))?,
                EntryType::Link => trim(target).to_string(),
                EntryType::Regular | EntryType::Continuous => return Ok(entry),
                _ => bail!("{}: named as a {role}, but not a file", self.at(entry)),
            };
        }
        bail!(
            "{}: {from} names the {role} {name}, whose links form a circle",
            self.whole.what
        )
    }

    /// The entry of that name; of several, the last, which is the one that unpacking leaves.
    pub fn find(&self, name: &str) -> Option<&Entry> {
        self.entries
            .iter()
            .rev()
            .find(|entry| trim(&entry.name) == name)
    }

    pub fn json<T: serde::de::DeserializeOwned>(&self, entry: &Entry) -> Result<T> {
        ensure!(
            entry.length <= JSON_LIMIT_BYTES,
            "{}: {} bytes of JSON",
            self.at(entry),
            entry.length
        );
        let bytes = self.whole.bytes(entry.offset, entry.length)?;
        serde_json::from_slice(&bytes).with_context(|| self.at(entry))
    }

    /// The place of an entry, for errors.
    pub fn at(&self, entry: &Entry) -> String {
        format!(
            "{}: entry {} at offset {}",
            self.whole.what, entry.name, entry.offset
        )
    }
}

/// A name as manifests spell it, without the `./` that `tar -c .` puts in front.
fn trim(name: &str) -> &str {
    name.trim_start_matches("./").trim_end_matches('/')
}

/// Where a relative link at `place` leads; an error if that is outside the archive.
fn beside(place: &str, target: &str) -> Result<String> {
    let mut parts: Vec<&str> = place.split('/').collect();
    parts.pop();
    for part in Path::new(target).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                parts.pop().context("which is outside the archive")?;
            }
            Component::Normal(name) => parts.push(name.to_str().context("not UTF-8")?),
            Component::RootDir | Component::Prefix(_) => bail!("which is outside the archive"),
        }
    }
    Ok(parts.join("/"))
}

/// Lower-case hex sha256 of a part of a file.
fn hash(part: &FilePart) -> Result<String> {
    let mut hashing = Hashing::new(io::sink());
    let bytes = io::copy(&mut part.reader(), &mut hashing)
        .with_context(|| format!("read {} at offset {}", part.what, part.offset))?;
    ensure!(
        bytes == part.length,
        "{}: the file was cut while it was read",
        part.what
    );
    Ok(hashing.finish().1)
}
