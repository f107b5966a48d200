//! The images that an archive's manifests describe, in any of the three layouts.

use anyhow::{Context, Result};
use serde::Deserialize;

use super::outer::{Described, Outer};
use super::{Layout, oci};

/// One image of Docker's `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SavedImage {
    config: String,
    layers: Vec<String>,
}

/// The layout and its images; `None` for a tar that is not an image archive.
pub(super) fn images(outer: &Outer) -> Result<Option<(Layout, Vec<Described>)>> {
    let is_oci = outer.find("oci-layout").is_some() && outer.find("index.json").is_some();
    if let Some(images) = saved_images(outer)? {
        let layout = if is_oci {
            Layout::DockerOci
        } else {
            Layout::Docker
        };
        let described = images.into_iter().map(|image| {
            let config = outer.named("manifest.json", "config", &image.config)?;
            outer.image(image.layers, config)
        });
        return Ok(Some((layout, described.collect::<Result<_>>()?)));
    }
    if is_oci {
        return Ok(Some((Layout::Oci, oci::images(outer)?)));
    }
    Ok(None)
}

/// The contents of `manifest.json`, if Docker wrote it: the folder of a web page may hold a file of that name too.
fn saved_images(outer: &Outer) -> Result<Option<Vec<SavedImage>>> {
    let Some(manifest) = outer.find("manifest.json") else {
        return Ok(None);
    };
    let json: serde_json::Value = outer.json(manifest)?;
    let is_dockers = json.as_array().is_some_and(|images| {
        !images.is_empty() && images.iter().all(|image| image.get("Layers").is_some())
    });
    if !is_dockers {
        return Ok(None);
    }
    let images = serde_json::from_value(json).with_context(|| outer.at(manifest))?;
    Ok(Some(images))
}
