//! Manifests: from a reference to the manifest of the one image for a platform.
//!
//! Docker's documents (manifest list, manifest of schema 2) and OCI's (index, manifest) are both read.

use anyhow::{Context, Result, bail, ensure};

use super::server::Server;
use crate::archive::document::{self, Descriptor, Document, MANIFEST_TYPE};
use crate::archive::platform::Platform;

/// Types of a container image's config. Charts and modules, which registries also hold, have others.
const CONFIG_TYPES: &[&str] = &[
    document::CONFIG_TYPE,
    "application/vnd.docker.container.image.v1+json",
];

/// Types of layers that can be unpacked here. Layers outside the registry ("foreign") and encrypted ones cannot.
const LAYER_TYPES: &[&str] = &[
    document::LAYER_TYPE,
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
];

/// The manifest of one image.
pub struct ImageManifest {
    /// `sha256:…` of the manifest itself, not of an index that refers to it.
    pub digest: String,
    pub media_type: String,
    pub config: Descriptor,
    /// In the order they are applied.
    pub layers: Vec<Descriptor>,
}

/// How deep one index may lie in another.
const DEEPEST: u32 = 4;

/// The manifest of the server's reference, for `platform` where there is a choice.
pub fn resolve(server: &Server, platform: &Platform) -> Result<ImageManifest> {
    let mut reference = server.reference.clone();
    // An index of indexes is allowed; real ones are two deep.
    for _ in 0..DEEPEST {
        let (bytes, digest) = server.manifest(&reference)?;
        let document: Document =
            serde_json::from_slice(&bytes).with_context(|| format!("manifest {digest}"))?;
        let Some(manifests) = &document.manifests else {
            return image_of(document, digest.clone())
                .with_context(|| format!("manifest {digest}"));
        };
        let chosen = choose(manifests, platform)?;
        check(chosen)?;
        reference = reference.at(&chosen.digest);
    }
    bail!("its indexes are nested more than {DEEPEST} deep")
}

/// The entry of an index for `platform`. An entry without a platform is taken if it is the only one.
fn choose<'a>(manifests: &'a [Descriptor], platform: &Platform) -> Result<&'a Descriptor> {
    if let [only @ Descriptor { platform: None, .. }] = manifests {
        return Ok(only);
    }
    let stated = |entry: &'a Descriptor| Some((entry, entry.platform.as_ref()?));
    let stated = manifests.iter().filter_map(stated);
    let mut all: Vec<String> = Vec::new();
    for (entry, there) in stated.filter(|(_, there)| !there.is_attestation()) {
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
    bail!("it is not available for {platform}; it is for {all}")
}

fn image_of(document: Document, digest: String) -> Result<ImageManifest> {
    ensure!(
        document.schema_version != Some(1),
        "it has schema 1, which registries stopped accepting in 2017: push the image again"
    );
    let config = document.config.context("neither an index nor an image")?;
    check(&config)?;
    ensure!(
        CONFIG_TYPES.contains(&config.media_type.as_str()),
        "not a container image: its config is {}",
        config.media_type
    );
    for (at, layer) in document.layers.iter().enumerate() {
        check(layer)?;
        ensure!(
            LAYER_TYPES.contains(&layer.media_type.as_str()),
            "layer {} is {}, which cannot be unpacked here; these can: {}",
            at + 1,
            layer.media_type,
            LAYER_TYPES.join(", ")
        );
    }
    let media_type = document.media_type;
    Ok(ImageManifest {
        digest,
        media_type: media_type.unwrap_or_else(|| MANIFEST_TYPE.to_string()),
        config,
        layers: document.layers,
    })
}

/// Refuses a digest that cannot be verified here. A digest becomes the name of a file, so it must be one.
fn check(descriptor: &Descriptor) -> Result<()> {
    ensure!(
        document::sha256_of(&descriptor.digest).is_some(),
        "`{}` is not a sha256 digest",
        descriptor.digest
    );
    Ok(())
}
