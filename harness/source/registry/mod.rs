//! Images from a registry, pulled without an engine through the OCI distribution protocol and written as the canonical
//! archive.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::key::{FORMAT, Identity};
use super::{Made, SaveOrder, SourceKind};
use crate::archive::platform::Platform;
use crate::archive::{self, FilePart};
use blob::{Blob, WantedBlob};
use manifest::ImageManifest;
use reference::Reference;
use server::Server;

pub use reference::is_engines;

mod blob;
mod http;
mod manifest;
mod reference;
mod server;
#[cfg(test)]
mod tests;
mod token;

/// A pull from an image registry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RegistryImage {
    pub reference: String,
    /// `os/architecture[/variant]`; this machine's when absent.
    pub platform: Option<String>,
}

impl SourceKind for RegistryImage {
    fn identity(&self, _scenario: &str, _name: &str) -> Result<Identity> {
        // Written out even if it is this machine's: machines of two kinds may share a cache.
        let platform = platform(self.platform.as_deref())?.to_string();
        Ok(Identity {
            kind: "registry",
            readable: self.reference.clone(),
            json: json!([FORMAT, self.reference, platform]),
        })
    }

    fn make(&self, order: &SaveOrder) -> Result<Made> {
        let platform = self.platform.as_deref();
        save(&self.reference, platform, order.out, order.blobs, order.say)
    }

    fn is_reproducible(&self) -> bool {
        // A digest names all contents of the image.
        self.reference.contains("@sha256:")
    }

    fn is_normal(&self) -> Option<&'static str> {
        Some("an image from a registry is always written as the canonical archive")
    }
}

impl fmt::Display for RegistryImage {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        write!(to, "registry {}", self.reference)?;
        self.platform
            .as_ref()
            .map_or(Ok(()), |platform| write!(to, " for {platform}"))
    }
}

/// Fails unless `reference` is an image in a registry and `wanted` a platform.
pub fn check(reference: &str, wanted: Option<&str>) -> Result<()> {
    reference::parse(reference)?;
    platform(wanted).map(|_| ())
}

/// The platform an image is wanted for: the one given, else this machine's.
pub fn platform(given: Option<&str>) -> Result<Platform> {
    given.map_or_else(|| Ok(Platform::of_this_machine()), str::parse)
}

/// Pulls the image under `reference` and writes it to `out` as the canonical archive.
///
/// Blobs are fetched into `blobs`. A partial blob stays there when the pull fails, and the next pull resumes it. Facts:
/// `manifest_digest`, `manifest_type`, `config_digest`, `platform` and `compressed_layer_bytes`, the bytes of the layers'
/// blobs in the registry, where a blob used twice is counted once.
pub fn save(
    reference: &str,
    wanted: Option<&str>,
    out: &Path,
    blobs: &Path,
    say: &dyn Fn(&str),
) -> Result<Made> {
    let asked = AskedImage {
        reference: reference::parse(reference)?,
        platform: platform(wanted)?,
        is_strict: wanted.is_some(),
    };
    let pulled = pull(&asked, blobs, say).with_context(|| format!("pull {reference}"))?;
    say("writing the canonical archive");
    let to = File::create(out).with_context(|| format!("make {}", out.display()))?;
    let layers = pulled.manifest.layers.iter();
    let layers: Vec<FilePart> = layers
        .enumerate()
        .map(|(at, layer)| FilePart {
            file: &pulled.blobs[&layer.digest].file,
            what: format!("{reference}: layer {} ({})", at + 1, layer.digest),
            offset: 0,
            length: layer.bytes,
        })
        .collect();
    archive::canonical(&pulled.config, &layers, &to).with_context(|| reference.to_string())?;
    for blob in pulled.blobs.values() {
        blob.discard(say);
    }
    Ok(pulled.made())
}

/// The image to pull.
struct AskedImage {
    reference: Reference,
    platform: Platform,
    /// Whether an image for another platform is an error even if the registry has no other.
    is_strict: bool,
}

/// A pulled image: its manifest, its config, and a blob for each of its layers.
struct Pulled {
    manifest: ImageManifest,
    config: Vec<u8>,
    platform: String,
    blobs: BTreeMap<String, Blob>,
}

impl Pulled {
    fn made(&self) -> Made {
        let bytes: u64 = self.blobs.values().map(|blob| blob.bytes).sum();
        let facts = [
            ("manifest_digest", self.manifest.digest.clone()),
            ("manifest_type", self.manifest.media_type.clone()),
            ("config_digest", self.manifest.config.digest.clone()),
            ("platform", self.platform.clone()),
            ("compressed_layer_bytes", bytes.to_string()),
        ];
        Made {
            facts: facts.map(|(name, value)| (name.to_string(), value)).into(),
            warnings: Vec::new(),
        }
    }
}

fn pull(asked: &AskedImage, shelf: &Path, say: &dyn Fn(&str)) -> Result<Pulled> {
    say(&format!("pulling {} ({})", asked.reference, asked.platform));
    let server = Server::new(&asked.reference)?;
    let manifest = manifest::resolve(&server, &asked.platform)?;
    let config = WantedBlob::config(&manifest.config)?;
    let blob = blob::fetch(&server, &config, shelf, say)?;
    let config = blob.read()?;
    blob.discard(say);
    let platform = platform_of(&config, asked)?;
    let mut blobs = BTreeMap::new();
    let count = manifest.layers.len();
    for (at, layer) in manifest.layers.iter().enumerate() {
        if blobs.contains_key(&layer.digest) {
            continue;
        }
        let wanted = WantedBlob::layer(layer, at + 1, count);
        let blob = blob::fetch(&server, &wanted, shelf, say)?;
        blobs.insert(layer.digest.clone(), blob);
    }
    Ok(Pulled {
        manifest,
        config,
        platform,
        blobs,
    })
}

/// The platform of an image, as its config states it. A manifest from an index was chosen by its platform, but a single
/// manifest was not: only its config shows whether it is for another platform than the one asked for.
fn platform_of(config: &[u8], asked: &AskedImage) -> Result<String> {
    let config: Value = serde_json::from_slice(config).context("its config is not JSON")?;
    let there = Platform::in_json(&config);
    ensure!(
        !asked.is_strict || there.serves(&asked.platform),
        "it is not available for {}; it is for {there}",
        asked.platform
    );
    Ok(there.to_string())
}
