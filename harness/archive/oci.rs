//! The manifests of an OCI layout: `index.json`, and the blobs it leads to.
//!
//! As the OCI image format specification 1.1 has them (image-layout.md, image-index.md, manifest.md).

use anyhow::{Result, bail};
use serde::Deserialize;

use super::outer::{Described, Outer};

/// An index (`manifests`) or an image's manifest (`config`, `layers`): told apart by what is there, since
/// `mediaType` inside them is optional.
#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    manifests: Vec<Descriptor>,
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Descriptor {
    digest: String,
    platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Platform {
    architecture: String,
}

/// Every image in the layout.
pub(super) fn images(outer: &Outer) -> Result<Vec<Described>> {
    let mut found = Vec::new();
    let index = outer.named("the layout", "index", "index.json")?;
    gather(outer, outer.json(index)?, 0, &mut found)?;
    Ok(found)
}

fn gather(outer: &Outer, document: Document, depth: u32, found: &mut Vec<Described>) -> Result<()> {
    // An index of indexes is allowed; real ones are two deep.
    if depth > 4 {
        bail!("{}: its indexes go in a circle", outer.whole.what);
    }
    if let Some(config) = &document.config {
        let config = outer.named("a manifest", "config", &blob(outer, config)?)?;
        let names = document.layers.iter().map(|layer| blob(outer, layer));
        let names = names.collect::<Result<Vec<String>>>()?;
        found.push(outer.image(names, config)?);
    }
    for manifest in &document.manifests {
        // Build records ("attestations") travel as images of an unknown platform; they are nobody's layers.
        let platform = manifest.platform.as_ref();
        if platform.is_some_and(|platform| platform.architecture == "unknown") {
            continue;
        }
        let name = blob(outer, manifest)?;
        // An archive of one platform keeps the whole index: below the top, what is not there is not meant.
        if depth > 0 && outer.find(&name).is_none() {
            continue;
        }
        let entry = outer.named("index.json", "manifest", &name)?;
        gather(outer, outer.json(entry)?, depth + 1, found)?;
    }
    Ok(())
}

/// Name of the entry that holds a descriptor's bytes.
fn blob(outer: &Outer, descriptor: &Descriptor) -> Result<String> {
    let digest = &descriptor.digest;
    match digest.split_once(':') {
        Some((algorithm @ ("sha256" | "sha512"), hex))
            if hex.bytes().all(|byte| byte.is_ascii_hexdigit()) =>
        {
            Ok(format!("blobs/{algorithm}/{hex}"))
        }
        _ => bail!("{}: not a digest: {digest}", outer.whole.what),
    }
}
