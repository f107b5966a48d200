//! Images from a registry, pulled without an engine by the OCI distribution protocol and written as the canonical
//! archive.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::Made;
use crate::archive::{self, Part};
use blob::{Blob, Wanted};
use manifest::Manifest;
use platform::Platform;
use reference::Reference;
use server::Server;

mod blob;
mod http;
mod manifest;
mod platform;
mod reference;
mod server;
#[cfg(test)]
mod tests;
mod token;

/// Refuses what is no image in a registry, and what is no platform.
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
/// Blobs are fetched into `blobs`, where a half of one waits for the next try when this one fails. Facts:
/// `manifest_digest`, `manifest_type`, `config_digest`, `platform` and `compressed_layer_bytes`, the layers' blobs
/// as the registry holds them, one that repeats counted once.
pub fn save(
    reference: &str,
    wanted: Option<&str>,
    out: &Path,
    blobs: &Path,
    say: &dyn Fn(&str),
) -> Result<Made> {
    let asked = Asked {
        reference: reference::parse(reference)?,
        platform: platform(wanted)?,
        is_strict: wanted.is_some(),
    };
    let pulled = pull(&asked, blobs, say).with_context(|| format!("pull {reference}"))?;
    say("writing the canonical archive");
    let to = File::create(out).with_context(|| format!("make {}", out.display()))?;
    let layers = pulled.manifest.layers.iter();
    let layers: Vec<Part> = layers
        .enumerate()
        .map(|(at, layer)| Part {
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

/// What is asked of a registry.
struct Asked {
    reference: Reference,
    platform: Platform,
    /// Whether another platform's image is an error even where it is the only one there.
    is_strict: bool,
}

/// An image that is here: its manifest, its config, and a blob for each of its layers.
struct Pulled {
    manifest: Manifest,
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

fn pull(asked: &Asked, shelf: &Path, say: &dyn Fn(&str)) -> Result<Pulled> {
    say(&format!("pulling {} ({})", asked.reference, asked.platform));
    let server = Server::new(&asked.reference)?;
    let manifest = manifest::resolve(&server, &asked.platform)?;
    let config = Wanted::config(&manifest.config)?;
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
        let wanted = Wanted::layer(layer, at + 1, count);
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

/// For which platform an image is, as its config says. What was found in an index was chosen by its platform; a
/// manifest that stands alone was not, and only here it shows that it is for another one than asked.
fn platform_of(config: &[u8], asked: &Asked) -> Result<String> {
    let config: Value = serde_json::from_slice(config).context("its config is not JSON")?;
    let there = Platform::in_json(&config);
    ensure!(
        !asked.is_strict || there.serves(&asked.platform),
        "it is not there for {}; it is for {there}",
        asked.platform
    );
    Ok(there.to_string())
}
