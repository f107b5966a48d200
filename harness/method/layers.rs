//! The method of a registry: only the layers that a client lacks, each compressed on its own.
//!
//! `blobs/DIGEST.gz` is a layer as `docker push` sends it, gzip at Go's default level (6). A layer that is compressed in the
//! archive is `blobs/DIGEST`, unchanged. DIGEST is the sha256 of the layer as the archive stores it, so a client knows from
//! its bases what it lacks. `NAME.json` is the manifest. `NAME.skeleton.gz` is the archive without its layers: the config
//! that a registry would send, and the headers and manifests that make the archive the same to the byte.
//!
//! A real engine knows the DiffIDs of its layers. This client reads and hashes its bases, which costs time but no transfer.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use flate2::read::GzDecoder;
use serde::{Deserialize, Serialize};
use tempfile::SpooledTempFile;

use super::Method;
use super::object::{create_out, put, put_bytes};
use super::spans::{Gaps, copy};
use super::version::{LAB, ZLIB};
use super::whole::Form;
use crate::archive::{self, Archive, Compression, Content};
use crate::engine::flow::{HeldPieces, Place, Rebuild};
use crate::image::{Image, digest_from_hex};
use crate::store::Store;
use crate::wire::{Client, WireUrl};

/// How layers and skeletons are compressed.
const GZIP: Form = Form::Gzip { level: 6 };

/// A longer skeleton is kept in a temporary file next to the output while layers are fetched.
const SKELETON_IN_MEMORY_BYTES: usize = 1 << 20;

/// A registry in a folder.
pub struct Layers;

/// `NAME.json`.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LayersManifest {
    image_bytes: u64,
    image_sha256: String,
    /// Sorted by offset.
    layers: Vec<PlacedLayer>,
}

/// A layer and its place in the archive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlacedLayer {
    digest: String,
    offset: u64,
    bytes: u64,
    /// Whether the blob is the layer compressed here; otherwise it is the layer unchanged.
    gzip: bool,
}

impl PlacedLayer {
    fn object(&self) -> String {
        let ending = if self.gzip { ".gz" } else { "" };
        format!("blobs/{}{ending}", self.digest)
    }
}

impl Method for Layers {
    fn version(&self) -> Result<String> {
        Ok(format!("{LAB}, {ZLIB} -6"))
    }

    fn accepts(&self, image: &Image) -> Result<()> {
        archive_of(image).map(|_| ())
    }

    fn publish(&self, image: &Image, _bases: &[Image], store: &Store) -> Result<()> {
        let layers = placed(&archive_of(image)?);
        let mut file = image.open()?;
        for layer in &layers {
            if store.object(&layer.object()).exists() {
                continue;
            }
            let form = if layer.gzip { GZIP } else { Form::Raw };
            put(store, &layer.object(), |to| {
                file.seek(SeekFrom::Start(layer.offset))?;
                form.write(&mut file, layer.bytes, to)
            })?;
        }
        put(store, &skeleton_of(&image.name), |to| {
            let spans = layers.iter().map(|layer| (layer.offset, layer.bytes));
            let mut skeleton = Gaps::new(&file, spans.collect(), image.bytes);
            GZIP.write(&mut skeleton, image.bytes, to)
        })?;
        let manifest = LayersManifest {
            image_bytes: image.bytes,
            image_sha256: image.sha256.clone(),
            layers,
        };
        let manifest = serde_json::to_vec(&manifest).context("write the manifest as JSON")?;
        put_bytes(store, &manifest_of(&image.name), &manifest)
    }

    fn update(&self, name: &str, bases: &[Image], wire: &WireUrl, out: &Path) -> Result<()> {
        let client = Client::new(wire);
        let manifest = client.get_bytes(&manifest_of(name))?;
        let manifest: LayersManifest =
            serde_json::from_slice(&manifest).with_context(|| manifest_of(name))?;
        let beside = out.parent().filter(|dir| !dir.as_os_str().is_empty());
        let beside = beside.unwrap_or(Path::new("."));
        let mut skeleton = SpooledTempFile::new_in(SKELETON_IN_MEMORY_BYTES, beside);
        GZIP.read(client.get(&skeleton_of(name))?, &mut skeleton)
            .with_context(|| format!("rebuild {name} from {}", skeleton_of(name)))?;
        skeleton.rewind().context("read the skeleton again")?;

        let files: Vec<File> = bases.iter().map(Image::open).collect::<Result<_>>()?;
        let mut places = HeldPieces::new();
        for (base, file) in bases.iter().zip(&files) {
            note_layers(base, file, &mut places)?;
        }
        rebuild(&client, &manifest, &mut skeleton, places, out)
            .with_context(|| format!("rebuild {name} at {}", out.display()))
    }
}

/// Writes the skeleton and the layers in turn.
fn rebuild(
    client: &Client,
    manifest: &LayersManifest,
    skeleton: &mut dyn Read,
    places: HeldPieces,
    out: &Path,
) -> Result<()> {
    let to = create_out(out)?;
    let mut rebuild = Rebuild::new(&to, out, places)?;
    for layer in &manifest.layers {
        let gap = layer.offset.checked_sub(rebuild.bytes());
        let gap = gap.context("damaged manifest: its layers overlap")?;
        copy(skeleton, gap, rebuild.between()).context("write what is between the layers")?;
        let sha256 = digest_from_hex(&layer.digest).context("damaged manifest")?;
        rebuild.piece(&sha256, layer.bytes, |to| fetch_layer(client, layer, to))?;
    }
    io::copy(skeleton, rebuild.between()).context("write what follows the layers")?;
    rebuild.finish(&digest_from_hex(&manifest.image_sha256)?)
}

fn manifest_of(name: &str) -> String {
    format!("{name}.json")
}

fn skeleton_of(name: &str) -> String {
    format!("{name}.skeleton.gz")
}

/// The image's archive; the error says why there are no layers to move.
fn archive_of(image: &Image) -> Result<Archive> {
    let what = match archive::read(&image.path)? {
        Content::Image(archive) if !archive.layers.is_empty() => return Ok(archive),
        Content::Image(_) => "an image archive whose list of layers is empty",
        Content::Tar(_) => "a tar without a manifest",
        Content::Other => "not a tar",
    };
    bail!("no layers here: {} is {what}", image.name)
}

/// The layers sorted by offset, each of them once.
fn placed(archive: &Archive) -> Vec<PlacedLayer> {
    let by_offset: BTreeMap<u64, PlacedLayer> = archive
        .layers
        .iter()
        .map(|layer| {
            let placed = PlacedLayer {
                digest: layer.digest.clone(),
                offset: layer.offset,
                bytes: layer.length,
                gzip: layer.compression == Compression::None,
            };
            (layer.offset, placed)
        })
        .collect();
    by_offset.into_values().collect()
}

/// Adds the layers of a base. A base that is not an image archive adds none.
fn note_layers<'a>(base: &Image, file: &'a File, places: &mut HeldPieces<'a>) -> Result<()> {
    let Content::Image(archive) = archive::read(&base.path)? else {
        return Ok(());
    };
    for layer in archive.layers {
        let offset = layer.offset;
        let sha256 = digest_from_hex(&layer.digest)?;
        places.entry(sha256).or_insert(Place { file, offset });
    }
    Ok(())
}

/// Fetches a layer and writes it.
fn fetch_layer(client: &Client, layer: &PlacedLayer, to: &mut dyn Write) -> Result<()> {
    let object = layer.object();
    let mut blob = BufReader::new(client.get(&object)?);
    // Never more than the layer's length, because a damaged blob may decompress to any length.
    let written = if layer.gzip {
        let mut plain = GzDecoder::new(&mut blob);
        copy(&mut plain, layer.bytes, to).and_then(|()| copy_rest(&mut plain))
    } else {
        copy(&mut blob, layer.bytes, to)
    };
    written.with_context(|| format!("rebuild the layer from {object}"))?;
    // Read to the end, so that the connection is free for the next layer.
    io::copy(&mut blob, &mut io::sink()).with_context(|| format!("get {object}"))?;
    Ok(())
}

/// Reads the end of a gzip stream, which has the checksum. Fails if there are more contents.
fn copy_rest(plain: &mut impl Read) -> Result<()> {
    ensure!(
        io::copy(plain, &mut io::sink())? == 0,
        "longer than the manifest says"
    );
    Ok(())
}
