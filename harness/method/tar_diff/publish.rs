//! The server's side: the image as a registry has it, and what changed since each base as an artifact beside it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::held::{Held, Layer};
use super::tree::plain;
use super::{
    ARTIFACT, CONTENT, EMPTY_TYPE, REUSED, REUSED_DIFF_IDS, SOURCE_CONFIG, TAR_DIFF, TARGET, TO,
    blob_of,
};
use crate::archive::document::{CONFIG_TYPE, LAYER_TYPE, MANIFEST_TYPE, descriptor};
use crate::archive::{Compression, members};
use crate::engine::tar_diff::{Source, Sources, Span, make};
use crate::image::{Hashing, sha256_hex};
use crate::method::object::{put, put_bytes};
use crate::method::whole::Form;
use crate::store::Store;

/// As `docker push` compresses layers: Go's default level.
const GZIP: Form = Form::Gzip { level: 6 };

/// An image in the store.
pub(super) struct Target {
    pub manifest: Vec<u8>,
    /// Each layer as it is fetched whole, by its DiffID.
    layers: BTreeMap<String, Value>,
}

/// Puts the image's blobs; its manifest is for the caller to name.
pub(super) fn image(held: &Held, store: &Store) -> Result<Target> {
    let config = put_blob(store, CONFIG_TYPE, &held.config)?;
    let mut layers: BTreeMap<String, Value> = BTreeMap::new();
    let mut listed = Vec::new();
    for layer in &held.layers {
        let known = match layers.get(&layer.diff_id) {
            Some(known) => known.clone(),
            None => whole(held, layer, store)?,
        };
        listed.push(known.clone());
        layers.insert(layer.diff_id.clone(), known);
    }
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": config,
        "layers": listed,
    });
    Ok(Target {
        manifest: manifest.to_string().into_bytes(),
        layers,
    })
}

/// Puts the artifact's blobs for clients that hold `base`; its manifest is for the caller to name.
pub(super) fn delta(
    base: &Held,
    held: &Held,
    target: &Target,
    level: i32,
    store: &Store,
) -> Result<Vec<u8>> {
    let files = base.files()?.into_iter().map(|(path, bytes)| Source {
        path,
        bytes: Box::new(bytes),
    });
    let sources = Sources::of(files.collect())?;
    let marked = |mut descriptor: Value, content: &str| {
        descriptor["annotations"] = json!({ CONTENT: content });
        descriptor
    };
    let manifest = put_blob(store, MANIFEST_TYPE, &target.manifest)?;
    let config = descriptor(CONFIG_TYPE, &held.config_sha256, held.config.len() as u64);
    let mut listed = vec![
        marked(manifest.clone(), "image-manifest"),
        marked(config, "image-config"),
    ];
    let has = |layers: &[Layer], diff_id: &str| layers.iter().any(|it| it.diff_id == diff_id);
    let mut reused = (Vec::new(), Vec::new());
    for (at, layer) in held.layers.iter().enumerate() {
        let whole = &target.layers[&layer.diff_id];
        if has(&held.layers[..at], &layer.diff_id) {
            continue;
        }
        if has(&base.layers, &layer.diff_id) {
            reused.0.push(whole["digest"].clone());
            reused.1.push(format!("sha256:{}", layer.diff_id));
            continue;
        }
        let smaller = changed(&sources, held, layer, level, store, whole)?;
        let mut listing = marked(smaller.unwrap_or_else(|| whole.clone()), "image-layer");
        listing["annotations"][TO] = whole["digest"].clone();
        listed.push(listing);
    }
    let artifact = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "artifactType": ARTIFACT,
        "config": put_blob(store, EMPTY_TYPE, b"{}")?,
        "layers": listed,
        "subject": manifest,
        "annotations": {
            TARGET: manifest["digest"],
            SOURCE_CONFIG: format!("sha256:{}", base.config_sha256),
            // Annotations are texts.
            REUSED: json!(reused.0).to_string(),
            REUSED_DIFF_IDS: json!(reused.1).to_string(),
        },
    });
    Ok(artifact.to_string().into_bytes())
}

/// Puts a layer as a tar-diff, where that is smaller than the whole.
fn changed(
    sources: &Sources,
    held: &Held,
    layer: &Layer,
    level: i32,
    store: &Store,
    whole: &Value,
) -> Result<Option<Value>> {
    let tar = held.tar(layer);
    let entries = members(&tar).with_context(|| format!("read {}", tar.what))?;
    let files = entries.iter().filter(|entry| entry.kind.is_file());
    let files: Vec<Span> = files
        .map(|entry| Span {
            path: plain(&entry.name),
            offset: entry.offset - tar.offset,
            length: entry.length,
        })
        .collect();
    let packed = Packed::by(|to| make(sources, &tar, &files, level, to))?;
    if Some(packed.bytes) >= whole["size"].as_u64() {
        return Ok(None);
    }
    packed.put(store, TAR_DIFF).map(Some)
}

/// Puts a layer as it is fetched whole: as the archive has it where that is compressed.
fn whole(held: &Held, layer: &Layer, store: &Store) -> Result<Value> {
    let stored = held.stored(layer);
    let (form, ending) = match layer.compression {
        Compression::None => (GZIP, "+gzip"),
        Compression::Gzip => (Form::Raw, "+gzip"),
        Compression::Zstd => (Form::Raw, "+zstd"),
    };
    let packed = Packed::by(|to| form.write(&mut stored.reader(), stored.length, to))?;
    packed.put(store, &format!("{LAYER_TYPE}{ending}"))
}

/// A blob that has no name yet.
struct Packed {
    file: File,
    bytes: u64,
    sha256: String,
}

impl Packed {
    fn by(write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<Packed> {
        let file = tempfile::tempfile().context("make a file for a blob")?;
        let mut hashing = Hashing::new(BufWriter::with_capacity(1 << 17, &file));
        write(&mut hashing)?;
        hashing.flush().context("write a blob")?;
        let (bytes, sha256) = hashing.finish();
        Ok(Packed {
            file,
            bytes,
            sha256,
        })
    }

    /// Puts it under its digest, unless it is there; its descriptor.
    fn put(mut self, store: &Store, media_type: &str) -> Result<Value> {
        let object = blob_of(&self.sha256);
        if !store.object(&object).exists() {
            self.file.rewind().context("read a blob again")?;
            put(store, &object, |to| {
                io::copy(&mut self.file, to)?;
                Ok(())
            })?;
        }
        Ok(descriptor(media_type, &self.sha256, self.bytes))
    }
}

fn put_blob(store: &Store, media_type: &str, bytes: &[u8]) -> Result<Value> {
    let sha256 = sha256_hex(bytes);
    put_bytes(store, &blob_of(&sha256), bytes)?;
    Ok(descriptor(media_type, &sha256, bytes.len() as u64))
}
