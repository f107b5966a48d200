//! The manifests of an OCI layout: `index.json`, and the blobs it leads to.
//!
//! The layout is that of the OCI image format specification 1.1 (image-layout.md).

use anyhow::{Result, bail};

use super::document::{Descriptor, Document};
use super::outer::{Described, Outer};

/// How deep one index may lie in another.
const DEEPEST: u32 = 4;

/// Every image in the layout.
pub(super) fn images(outer: &Outer) -> Result<Vec<Described>> {
    let mut found = Vec::new();
    let index = outer.named("the layout", "index", "index.json")?;
    gather(outer, outer.json(index)?, 0, &mut found)?;
    Ok(found)
}

fn gather(outer: &Outer, document: Document, depth: u32, found: &mut Vec<Described>) -> Result<()> {
    // An index of indexes is allowed; real ones are two deep.
    if depth > DEEPEST {
        bail!(
            "{}: its indexes are nested more than {DEEPEST} deep",
            outer.whole.what
        );
    }
    if let Some(config) = &document.config {
        let config = outer.named("a manifest", "config", &blob(outer, config)?)?;
        let names = document.layers.iter().map(|layer| blob(outer, layer));
        let names = names.collect::<Result<Vec<String>>>()?;
        found.push(outer.image(names, config)?);
    }
    for manifest in document.manifests.iter().flatten() {
        let platform = manifest.platform.as_ref();
        if platform.is_some_and(|platform| platform.is_attestation()) {
            continue;
        }
        let name = blob(outer, manifest)?;
        // An archive saved for one platform keeps the whole index. Below the top level, a manifest that is missing
        // belongs to another platform.
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

#[cfg(test)]
mod tests;
