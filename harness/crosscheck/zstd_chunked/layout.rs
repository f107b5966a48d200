//! The OCI layout in the store: which manifest a tag names, its layers, and where their tables are.

use std::fs;
use std::ops::Range;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::crosscheck::head_of;
use crate::store::Store;

/// A layout, which the wire has as a repository of that name.
pub struct Layout<'a> {
    store: &'a Store,
    /// Folder in the store.
    name: String,
}

/// One image of a layout.
pub struct Manifest {
    pub manifest_bytes: u64,
    pub config: Blob,
    pub layers: Vec<Layer>,
}

pub struct Blob {
    pub digest: String,
    pub bytes: u64,
}

pub struct Layer {
    pub digest: String,
    pub bytes: u64,
    /// None of a layer without a table.
    pub place: Option<Place>,
}

/// Where a layer's table is, as the manifest's annotations say.
pub struct Place {
    pub toc: Range<u64>,
    pub toc_unpacked_bytes: u64,
    /// The sha256 of the packed table, in hex.
    pub toc_digest: String,
    pub tar_split: Range<u64>,
}

#[derive(Deserialize)]
struct IndexFile {
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct ManifestFile {
    config: Descriptor,
    layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Descriptor {
    digest: String,
    size: u64,
    #[serde(default)]
    annotations: Annotations,
}

#[derive(Default, Deserialize)]
struct Annotations {
    #[serde(rename = "org.opencontainers.image.ref.name")]
    tag: Option<String>,
    #[serde(rename = "io.github.containers.zstd-chunked.manifest-checksum")]
    toc_digest: Option<String>,
    #[serde(rename = "io.github.containers.zstd-chunked.manifest-position")]
    toc: Option<String>,
    #[serde(rename = "io.github.containers.zstd-chunked.tarsplit-position")]
    tar_split: Option<String>,
}

/// The type of a table of files, the only one there is.
const FILES: u64 = 1;

impl Layout<'_> {
    /// The layout whose index is that object.
    pub fn of<'a>(store: &'a Store, index: &str) -> Result<Layout<'a>> {
        let name = index.strip_suffix("/index.json");
        let name = name.with_context(|| format!("{index}: no layout's index.json in a folder"))?;
        Ok(Layout {
            store,
            name: name.to_string(),
        })
    }

    /// The image with this tag.
    pub fn manifest(&self, tag: &str) -> Result<Manifest> {
        let (index, _) = head_of(self.store, &format!("{}/index.json", self.name), None)?;
        let index: IndexFile = serde_json::from_slice(&index).context("it is no OCI index")?;
        let tagged = |it: &&Descriptor| it.annotations.tag.as_deref() == Some(tag);
        let found = index.manifests.iter().find(tagged);
        let found = found.with_context(|| format!("no manifest has the tag {tag}"))?;
        let (bytes, manifest_bytes) =
            head_of(self.store, &self.blob(hex_of(&found.digest)?), None)?;
        let manifest: ManifestFile = serde_json::from_slice(&bytes).context("its manifest")?;
        let mut layers = Vec::new();
        for layer in &manifest.layers {
            let Blob { digest, bytes } = self.sized(layer)?;
            let place = place_of(&layer.annotations).with_context(|| digest.clone())?;
            layers.push(Layer {
                digest,
                bytes,
                place,
            });
        }
        Ok(Manifest {
            manifest_bytes,
            config: self.sized(&manifest.config)?,
            layers,
        })
    }

    /// A blob that is there, and as long as its descriptor says.
    fn sized(&self, descriptor: &Descriptor) -> Result<Blob> {
        let digest = hex_of(&descriptor.digest)?.to_string();
        let bytes = fs::metadata(self.object(&digest))
            .with_context(|| format!("{digest}: inspect it in the store"))?
            .len();
        ensure!(
            bytes == descriptor.size,
            "{digest}: it has {bytes} bytes, but its manifest says {}",
            descriptor.size
        );
        Ok(Blob { digest, bytes })
    }

    fn blob(&self, digest: &str) -> String {
        format!("{}/blobs/sha256/{digest}", self.name)
    }

    /// Path of a blob.
    pub fn object(&self, digest: &str) -> PathBuf {
        self.store.object(&self.blob(digest))
    }

    /// A blob's name to the meter.
    pub fn on_the_wire(&self, digest: &str) -> String {
        format!("v2/{}/blobs/sha256:{digest}", self.name)
    }

    pub fn manifest_on_the_wire(&self, tag: &str) -> String {
        format!("v2/{}/manifests/{tag}", self.name)
    }
}

fn hex_of(digest: &str) -> Result<&str> {
    let hex = digest.strip_prefix("sha256:").filter(|hex| {
        hex.len() == 64
            && hex
                .bytes()
                .all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'))
    });
    hex.with_context(|| format!("{digest} is no sha256"))
}

/// A table without what puts the tar together is of no use to a client: it takes the whole layer.
fn place_of(annotations: &Annotations) -> Result<Option<Place>> {
    let Annotations {
        toc: Some(toc),
        toc_digest: Some(digest),
        tar_split: Some(tar_split),
        ..
    } = annotations
    else {
        return Ok(None);
    };
    let wrong = || format!("its table is said to be at {toc} and {tar_split}");
    let [start, bytes, toc_unpacked_bytes, kind] = numbers(toc).with_context(wrong)?;
    let [split, split_bytes, _] = numbers(tar_split).with_context(wrong)?;
    ensure!(
        kind == FILES,
        "tables of type {kind} are not supported here"
    );
    let place = |start: u64, bytes| Some(start..start.checked_add(bytes)?);
    Ok(Some(Place {
        toc: place(start, bytes).with_context(wrong)?,
        toc_unpacked_bytes,
        toc_digest: hex_of(digest)?.to_string(),
        tar_split: place(split, split_bytes).with_context(wrong)?,
    }))
}

fn numbers<const COUNT: usize>(text: &str) -> Option<[u64; COUNT]> {
    let numbers: Option<Vec<u64>> = text.split(':').map(|it| it.parse().ok()).collect();
    numbers?.try_into().ok()
}
