//! bootc's deltas: layers as tar-diffs over the files of the image that a client has, in an artifact of a registry.
//!
//! The store is what a registry would answer with. `NAME.json` is the image's manifest, `blobs/sha256/…` are its config and its
//! layers, each compressed with gzip. `NAME.from-CONFIG.json` is the manifest of an artifact as containers/oci-delta describes
//! it, for clients of the image with that config: it names the new manifest and config, and each layer that such a client lacks,
//! as a tar-diff (`crate::engine::tar_diff`) or whole where that is smaller. So a client asks for as many objects, and gets as
//! many bytes of them, as from a registry. How it learns of the artifact, bootc leaves open; here it asks by name.
//!
//! The deltas are ours, and what reads and applies them is upstream's own crate, which gives back the layers' tars: the same
//! image to an engine, and not the archive's bytes.
//!
//! A real client has the files of its image on disk. This one reads and hashes the base's archive, which costs time but no
//! transfer.

use std::path::Path;

use anyhow::{Context, Result};

use super::object::put_bytes;
use super::version::{LAB, OCI_DELTA, ZLIB, zstd as zstd_version};
use super::{Method, Moves};
use crate::image::Image;
use crate::store::Store;
use crate::wire::{Client, WireUrl};
use held::Held;

mod held;
mod publish;
mod tree;
mod update;

/// As containers/oci-delta spells them.
const ARTIFACT: &str = "application/vnd.io.github.containers.oci-delta.v1";
const TAR_DIFF: &str = "application/vnd.tar-diff";
const CONTENT: &str = "io.github.containers.delta.content";
const TO: &str = "io.github.containers.delta.to";
const TARGET: &str = "io.github.containers.delta.target";
const SOURCE_CONFIG: &str = "io.github.containers.delta.source-config";
const REUSED: &str = "io.github.containers.delta.reused";
const REUSED_DIFF_IDS: &str = "io.github.containers.delta.reused-diff-id";
/// Of the config of an artifact that has none (image-spec, "Guidance for an Empty Descriptor").
const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";

/// Deltas packed at a level of zstd.
pub struct TarDiff {
    pub level: i32,
}

fn manifest_of(name: &str) -> String {
    format!("{name}.json")
}

fn delta_of(name: &str, config_sha256: &str) -> String {
    format!("{name}.from-{config_sha256}.json")
}

fn blob_of(sha256: &str) -> String {
    format!("blobs/sha256/{sha256}")
}

fn held(image: &Image) -> Result<Held> {
    let held = Held::of(image)?;
    held.with_context(|| format!("no layers here: {} is no archive of one image", image.name))
}

impl Method for TarDiff {
    fn version(&self) -> Result<String> {
        let zstd = zstd_version(self.level);
        Ok(format!("{LAB}, tar-diff 1, {zstd}, {ZLIB} -6, {OCI_DELTA}"))
    }

    fn moves(&self) -> Moves {
        Moves::Image
    }

    fn accepts(&self, image: &Image) -> Result<()> {
        held(image).map(drop)
    }

    fn publish(&self, image: &Image, bases: &[Image], store: &Store) -> Result<()> {
        let held = held(image)?;
        let target = publish::image(&held, store)?;
        put_bytes(store, &manifest_of(&image.name), &target.manifest)?;
        for base in bases {
            // A base that is no image has no files to take anything from.
            let Some(base) = Held::of(base)? else {
                continue;
            };
            let artifact = publish::delta(&base, &held, &target, self.level, store)?;
            put_bytes(
                store,
                &delta_of(&image.name, &base.config_sha256),
                &artifact,
            )?;
        }
        Ok(())
    }

    fn update(&self, name: &str, bases: &[Image], wire: &WireUrl, out: &Path) -> Result<()> {
        let client = Client::new(wire);
        // The latest first: it is the most like the image.
        for base in bases.iter().rev() {
            let Some(base) = Held::of(base)? else {
                continue;
            };
            let delta = client.get_if_there(&delta_of(name, &base.config_sha256))?;
            if let Some(manifest) = delta {
                return update::from_base(&client, &manifest, &base, out);
            }
        }
        let manifest = client.get_bytes(&manifest_of(name))?;
        update::whole(&client, &manifest, out)
    }
}
