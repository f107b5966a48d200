//! Manifests: from what a reference leads to, down to the one image for a platform.
//!
//! Both kinds, told by what is in them: Docker's (manifest list, schema 2) and OCI's (index, manifest).

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use super::platform::Platform;
use super::reference::is_sha256;
use super::server::Server;

pub const TYPES: &[&str] = &[
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

/// What a config may be: of a container image, not of a chart or a module that also lies in a registry.
const CONFIG_TYPES: &[&str] = &[
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
];

/// Layers that can be unpacked here. Not among them: layers a registry does not hold ("foreign"), encrypted ones.
const LAYER_TYPES: &[&str] = &[
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
];

/// The manifest of one image.
pub struct Manifest {
    /// `sha256:…` of the manifest itself, not of an index that led to it.
    pub digest: String,
    pub media_type: String,
    pub config: Descriptor,
    /// In the order they are applied.
    pub layers: Vec<Descriptor>,
}

/// What a manifest says of a blob.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    #[serde(default)]
    pub media_type: String,
    /// `sha256:` and 64 lower-case hex digits, checked.
    pub digest: String,
    #[serde(rename = "size")]
    pub bytes: u64,
    platform: Option<Platform>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: Option<u32>,
    media_type: Option<String>,
    manifests: Option<Vec<Descriptor>>,
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
}

/// The manifest that the server's reference leads to, for `platform` where there is a choice.
pub fn resolve(server: &Server, platform: &Platform) -> Result<Manifest> {
    let mut reference = server.reference.clone();
    // An index of indexes is allowed; real ones are two deep.
    for _ in 0..4 {
        let (bytes, digest) = server.manifest(&reference)?;
        let document: Document =
            serde_json::from_slice(&bytes).with_context(|| format!("manifest {digest}"))?;
        let Some(manifests) = &document.manifests else {
            return document
                .into_image(digest.clone())
                .with_context(|| format!("manifest {digest}"));
        };
        let chosen = choose(manifests, platform)?;
        chosen.check()?;
        reference = reference.at(&chosen.digest);
    }
    bail!("its indexes go in a circle")
}

/// The entry of an index for `platform`; one that states no platform is taken where it is the only entry.
fn choose<'a>(manifests: &'a [Descriptor], platform: &Platform) -> Result<&'a Descriptor> {
    if let [only @ Descriptor { platform: None, .. }] = manifests {
        return Ok(only);
    }
    let stated = |entry: &'a Descriptor| Some((entry, entry.platform.as_ref()?));
    let stated = manifests.iter().filter_map(stated);
    let mut all: Vec<String> = Vec::new();
    for (entry, there) in stated.filter(|(_, there)| !there.is_nobodys()) {
        if there.serves(platform) {
            return Ok(entry);
        }
        all.push(there.to_string());
    }
    let all = if all.is_empty() {
        "no platform at all".to_string()
    } else {
        all.join(", ")
    };
    bail!("it is not there for {platform}; it is for {all}")
}

impl Document {
    fn into_image(self, digest: String) -> Result<Manifest> {
        ensure!(
            self.schema_version != Some(1),
            "of schema 1, which registries gave up in 2017: push the image again"
        );
        let config = self.config.context("neither an index nor an image")?;
        config.check()?;
        ensure!(
            CONFIG_TYPES.contains(&config.media_type.as_str()),
            "not of a container image: its config is {}",
            config.media_type
        );
        for (at, layer) in self.layers.iter().enumerate() {
            layer.check()?;
            ensure!(
                LAYER_TYPES.contains(&layer.media_type.as_str()),
                "layer {} is {}, which cannot be unpacked here; what can: {}",
                at + 1,
                layer.media_type,
                LAYER_TYPES.join(", ")
            );
        }
        let media_type = self.media_type.unwrap_or_else(|| TYPES[1].to_string());
        Ok(Manifest {
            digest,
            media_type,
            config,
            layers: self.layers,
        })
    }
}

impl Descriptor {
    /// Refuses digests that cannot be verified here, or are no digests: they become names of files.
    fn check(&self) -> Result<()> {
        ensure!(
            is_sha256(&self.digest),
            "`{}` is not a sha256 digest",
            self.digest
        );
        Ok(())
    }
}
