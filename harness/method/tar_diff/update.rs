//! The client's side. What came over the wire is read and applied by upstream's crate `oci-delta`; ours are the wire, the
//! files of the base, and the archive that the image is given back in.

use std::collections::BTreeMap;
use std::fs::File;
use std::future::ready;
use std::io::{self, BufWriter, Read, Seek, Write};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use futures_util::FutureExt;
use oci_delta::{
    BlobStream, BlobStreamFuture, DeltaBlobReader, DeltaDataSource, is_delta_artifact,
    parse_delta_manifest, reconstruct_layer_to,
};
use oci_spec::image::{Descriptor, ImageManifest};

use super::blob_of;
use super::held::{Held, Place};
use crate::archive::document::{self, Document, sha256_of};
use crate::archive::{FilePart, canonical};
use crate::engine::tar_diff::Bytes;
use crate::image::{Hashing, sha256_hex};
use crate::method::object::create_out;
use crate::wire::{Client, Download};

/// Rebuilds the image of an artifact's manifest at `out`.
pub(super) fn from_base(client: &Client, manifest: &[u8], base: &Held, out: &Path) -> Result<()> {
    let manifest = ImageManifest::from_reader(manifest).context("read the delta's manifest")?;
    ensure!(is_delta_artifact(&manifest), "no delta for images");
    let parsed = parse_delta_manifest(&manifest, &Blobs(client)).now_or_never();
    let parsed = parsed.context("upstream's reader waits for something")??;
    let source = parsed.source_config_digest.to_string();
    ensure!(
        source == format!("sha256:{}", base.config_sha256),
        "the delta is for clients of another image, with the config {source}"
    );
    let files = base.files()?;
    let mut files = BaseFiles::of(&files);
    let mut scratch = Scratch::new()?;
    let mut layers: Vec<Either> = Vec::new();
    let mut rebuilt: BTreeMap<&str, Place> = BTreeMap::new();
    let diff_ids = parsed.target_config.rootfs().diff_ids();
    for (layer, diff_id) in parsed.target_manifest.layers().iter().zip(diff_ids) {
        if let Some(place) = rebuilt.get(diff_id.as_str()) {
            layers.push(Either::Rebuilt(*place));
            continue;
        }
        let Some(delta) = parsed.delta_layer_by_to.get(layer.digest()) else {
            let held = base.layers.iter();
            let mut held = held.filter(|it| format!("sha256:{}", it.diff_id) == *diff_id);
            let held = held.next();
            let held = held.with_context(|| format!("neither base nor delta has {diff_id}"))?;
            layers.push(Either::Held(held.clone()));
            continue;
        };
        let blob = blob(client, delta)?;
        let expected = diff_id.parse().context("a DiffID")?;
        let place = scratch.append(|to| {
            reconstruct_layer_to(
                blob,
                delta.media_type(),
                &mut files,
                &expected,
                &mut &mut *to,
            )
            .with_context(|| format!("rebuild the layer {diff_id}"))
        })?;
        rebuilt.insert(diff_id, place);
        layers.push(Either::Rebuilt(place));
    }
    let parts: Vec<FilePart> = layers
        .iter()
        .map(|layer| match layer {
            Either::Held(layer) => base.tar(layer),
            Either::Rebuilt(place) => scratch.part(*place),
        })
        .collect();
    canonical(&parsed.target_config_raw, &parts, &create_out(out)?)
}

/// A layer of the new image.
enum Either {
    Held(super::held::Layer),
    Rebuilt(Place),
}

/// Fetches the whole image of a manifest, as an engine pulls it, to `out`.
pub(super) fn whole(client: &Client, manifest: &[u8], out: &Path) -> Result<()> {
    let manifest: Document = serde_json::from_slice(manifest).context("read the manifest")?;
    let config = manifest.config.context("a manifest without a config")?;
    let config_sha256 = digest(&config)?;
    let config = client.get_bytes(&blob_of(config_sha256))?;
    ensure!(
        sha256_hex(&config) == config_sha256,
        "the config is damaged"
    );
    let mut scratch = Scratch::new()?;
    let mut fetched: BTreeMap<&str, Place> = BTreeMap::new();
    let mut places = Vec::new();
    for layer in &manifest.layers {
        let sha256 = digest(layer)?;
        let place = match fetched.get(sha256) {
            Some(place) => *place,
            None => scratch.append(|to| fetch(client, sha256, layer.bytes, to))?,
        };
        fetched.insert(sha256, place);
        places.push(place);
    }
    let parts: Vec<FilePart> = places.iter().map(|place| scratch.part(*place)).collect();
    canonical(&config, &parts, &create_out(out)?)
}

fn digest(descriptor: &document::Descriptor) -> Result<&str> {
    let digest = &descriptor.digest;
    sha256_of(digest).with_context(|| format!("`{digest}` is no sha256"))
}

/// Fetches a blob that is to have this length and this hash.
fn fetch(client: &Client, sha256: &str, bytes: u64, to: &mut dyn Write) -> Result<()> {
    let object = blob_of(sha256);
    let mut hashing = Hashing::new(to);
    let mut blob = client.get(&object)?.take(bytes);
    io::copy(&mut blob, &mut hashing).with_context(|| format!("get {object}"))?;
    let is = hashing.finish();
    ensure!(is == (bytes, sha256.to_string()), "{object} is damaged");
    Ok(())
}

fn blob(client: &Client, descriptor: &Descriptor) -> Result<Download> {
    let digest = descriptor.digest().to_string();
    let sha256 = sha256_of(&digest).with_context(|| format!("`{digest}` is no sha256"))?;
    client.get(&blob_of(sha256))
}

/// The blobs of the store, as upstream asks for them.
struct Blobs<'a>(&'a Client);

impl DeltaBlobReader for Blobs<'_> {
    fn open_blob(&self, descriptor: &Descriptor) -> BlobStreamFuture<'_> {
        let opened = blob(self.0, descriptor);
        Box::pin(ready(
            opened.map(|blob| Box::new(blob) as Box<dyn BlobStream>),
        ))
    }
}

/// The files of the base, as upstream asks for them.
pub(super) struct BaseFiles<'a> {
    files: BTreeMap<&'a str, &'a FilePart<'a>>,
    current: Option<&'a FilePart<'a>>,
    at: u64,
}

impl<'a> BaseFiles<'a> {
    fn of(files: &'a [(String, FilePart<'a>)]) -> BaseFiles<'a> {
        BaseFiles {
            files: files
                .iter()
                .map(|(path, part)| (path.as_str(), part))
                .collect(),
            current: None,
            at: 0,
        }
    }

    /// The open file, which has so many bytes from the current place on.
    fn open(&self, bytes: u64) -> Result<&'a FilePart<'a>> {
        let file = self.current.context("no file was opened")?;
        let end = self.at.checked_add(bytes);
        ensure!(
            end.is_some_and(|end| end <= file.length),
            "{bytes} bytes from {} on, of a file of the base that has {}",
            self.at,
            file.length
        );
        Ok(file)
    }
}

impl DeltaDataSource for BaseFiles<'_> {
    fn set_current_file(&mut self, path: &str) -> Result<()> {
        let file = self.files.get(path);
        self.current = Some(*file.with_context(|| format!("the base has no file {path}"))?);
        self.at = 0;
        Ok(())
    }

    fn read_exact_current(&mut self, buffer: &mut [u8]) -> Result<()> {
        self.open(buffer.len() as u64)?.read_at(self.at, buffer)?;
        self.at += buffer.len() as u64;
        Ok(())
    }

    fn seek_current(&mut self, offset: u64) -> Result<u64> {
        self.at = offset;
        Ok(offset)
    }

    fn read_current_to_end(&mut self, most: u64) -> Result<Vec<u8>> {
        self.at = 0;
        let length = self.open(0)?.length;
        ensure!(
            length <= most,
            "a file of {length} bytes, the most is {most}"
        );
        let mut bytes = vec![0; usize::try_from(length)?];
        self.read_exact_current(&mut bytes)?;
        Ok(bytes)
    }

    fn copy_to(&mut self, to: &mut dyn Write, bytes: u64) -> Result<()> {
        let file = self.open(bytes)?;
        let part = FilePart {
            file: file.file,
            what: file.what.clone(),
            offset: file.offset + self.at,
            length: bytes,
        };
        let copied = io::copy(&mut part.reader(), to)?;
        ensure!(copied == bytes, "the base was cut while it was read");
        self.at += bytes;
        Ok(())
    }
}

/// Layers of the new image, until the archive is written.
struct Scratch(File);

impl Scratch {
    fn new() -> Result<Scratch> {
        Ok(Scratch(
            tempfile::tempfile().context("make a file for layers")?,
        ))
    }

    fn append(&mut self, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<Place> {
        let offset = self.0.stream_position()?;
        let mut to = BufWriter::with_capacity(1 << 17, &self.0);
        write(&mut to)?;
        to.flush().context("write a layer")?;
        drop(to);
        let length = self.0.stream_position()? - offset;
        Ok(Place { offset, length })
    }

    fn part(&self, place: Place) -> FilePart<'_> {
        FilePart {
            file: &self.0,
            what: "a layer".to_string(),
            offset: place.offset,
            length: place.length,
        }
    }
}
