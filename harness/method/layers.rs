//! What a registry does: only the layers a client lacks, each compressed by itself.
//!
//! `blobs/DIGEST.gz` is a layer as `docker push` sends it, gzip at Go's default level (6); a layer that is
//! compressed in the archive already is `blobs/DIGEST`, as it is. DIGEST is the sha256 of the layer as it lies in
//! the archive, so a client can tell by its bases alone what it needs. `NAME.json` is the manifest, and
//! `NAME.skeleton.gz` is the archive without its layers' bytes: the config a registry would send, and the headers
//! and manifests that make the archive the same to the byte.
//!
//! A real engine knows the DiffIDs of its layers; this client reads and hashes its bases, which costs it time and
//! no transfer.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use flate2::read::GzDecoder;
use serde::{Deserialize, Serialize};
use tempfile::SpooledTempFile;

use super::Method;
use super::object::{create_out, put};
use super::spans::{Gaps, Place, copy};
use super::version::{LAB, ZLIB};
use super::whole::Form;
use crate::archive::{self, Archive, Compression, Content};
use crate::image::{Hashing, Image};
use crate::store::Store;
use crate::wire::{Client, WireUrl};

/// How layers and skeletons are compressed.
const GZIP: Form = Form::Gzip { level: 6 };

/// A skeleton up to this length is held in memory while layers are fetched; a longer one in a nameless file beside the output.
const SKELETON_IN_MEMORY_BYTES: usize = 1 << 20;

/// A registry in a folder.
pub struct Layers;

/// `NAME.json`.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    image_bytes: u64,
    image_sha256: String,
    /// In the order in which they lie in the archive.
    layers: Vec<Placed>,
}

/// A layer, and where it lies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Placed {
    digest: String,
    offset: u64,
    bytes: u64,
    /// Whether its blob is the layer compressed here, or as it is.
    gzip: bool,
}

impl Placed {
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
        let manifest = Manifest {
            image_bytes: image.bytes,
            image_sha256: image.sha256.clone(),
            layers,
        };
        let manifest = serde_json::to_vec(&manifest).context("write the manifest as JSON")?;
        put(store, &manifest_of(&image.name), |to| {
            Ok(to.write_all(&manifest)?)
        })
    }

    fn update(&self, name: &str, bases: &[Image], wire: &WireUrl, out: &Path) -> Result<()> {
        let client = Client::new(wire);
        let manifest = client.get_bytes(&manifest_of(name))?;
        let manifest: Manifest =
            serde_json::from_slice(&manifest).with_context(|| manifest_of(name))?;
        let beside = out.parent().filter(|dir| !dir.as_os_str().is_empty());
        let beside = beside.unwrap_or(Path::new("."));
        let mut skeleton = SpooledTempFile::new_in(SKELETON_IN_MEMORY_BYTES, beside);
        GZIP.read(client.get(&skeleton_of(name))?, &mut skeleton)
            .with_context(|| format!("rebuild {name} from {}", skeleton_of(name)))?;
        skeleton.rewind().context("read the skeleton again")?;

        let files: Vec<File> = bases.iter().map(Image::open).collect::<Result<_>>()?;
        let mut places = HashMap::new();
        for (base, file) in bases.iter().zip(&files) {
            note_layers(base, file, &mut places)?;
        }
        rebuild(&client, &manifest, &mut skeleton, places, out)
            .with_context(|| format!("rebuild {name} at {}", out.display()))
    }
}

/// Writes skeleton and layers in turn: layers from `places` where they are there, else fetched.
fn rebuild(
    client: &Client,
    manifest: &Manifest,
    skeleton: &mut dyn Read,
    places: HashMap<String, Place>,
    out: &Path,
) -> Result<()> {
    let to = create_out(out)?;
    let mut writing = Hashing::new(&to);
    let mut places = places;
    let mut at = 0;
    for layer in &manifest.layers {
        let gap = layer.offset.checked_sub(at);
        let gap = gap.context("damaged manifest: layers lie over each other")?;
        copy(skeleton, gap, &mut writing).context("write what is between the layers")?;
        let digest = match places.get(&layer.digest) {
            Some(place) => place.copy(layer.bytes, &mut writing)?,
            None => {
                // Should it come again, it is here.
                let place = Place {
                    file: &to,
                    what: out.display().to_string(),
                    offset: layer.offset,
                };
                places.insert(layer.digest.clone(), place);
                fetch_layer(client, layer, &mut writing)?
            }
        };
        ensure!(
            digest == layer.digest,
            "damaged: what should be layer {} is {digest}",
            layer.digest
        );
        at = layer.offset.saturating_add(layer.bytes);
    }
    io::copy(skeleton, &mut writing).context("write what follows the layers")?;
    let (bytes, sha256) = writing.finish();
    ensure!(
        sha256 == manifest.image_sha256 && bytes == manifest.image_bytes,
        "damaged: its layers are right, the whole is not"
    );
    Ok(())
}

fn manifest_of(name: &str) -> String {
    format!("{name}.json")
}

fn skeleton_of(name: &str) -> String {
    format!("{name}.skeleton.gz")
}

/// The image's archive, or why there are no layers to move.
fn archive_of(image: &Image) -> Result<Archive> {
    let what = match archive::read(&image.path)? {
        Content::Image(archive) if !archive.layers.is_empty() => return Ok(archive),
        Content::Image(_) => "an image archive whose list of layers is empty",
        Content::Tar(_) => "a tar without a manifest",
        Content::Other => "not a tar",
    };
    bail!("no layers here: {} is {what}", image.name)
}

/// The layers in the order they lie in, each place once.
fn placed(archive: &Archive) -> Vec<Placed> {
    let by_offset: BTreeMap<u64, Placed> = archive
        .layers
        .iter()
        .map(|layer| {
            let placed = Placed {
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

/// Notes which layers a base holds. A base of another kind is no help, and no error.
fn note_layers<'a>(
    base: &Image,
    file: &'a File,
    places: &mut HashMap<String, Place<'a>>,
) -> Result<()> {
    let Content::Image(archive) = archive::read(&base.path)? else {
        return Ok(());
    };
    for layer in archive.layers {
        places.entry(layer.digest).or_insert_with(|| Place {
            file,
            what: format!("{}: {}", base.path.display(), layer.name),
            offset: layer.offset,
        });
    }
    Ok(())
}

/// Fetches a layer and writes it; its sha256.
fn fetch_layer(client: &Client, layer: &Placed, to: &mut dyn Write) -> Result<String> {
    let object = layer.object();
    let mut blob = BufReader::new(client.get(&object)?);
    let mut hashing = Hashing::new(to);
    // Never more than the layer's length: what is damaged may unpack to anything.
    let written = if layer.gzip {
        let mut plain = GzDecoder::new(&mut blob);
        copy(&mut plain, layer.bytes, &mut hashing).and_then(|()| copy_rest(&mut plain))
    } else {
        copy(&mut blob, layer.bytes, &mut hashing)
    };
    written.with_context(|| format!("rebuild the layer from {object}"))?;
    // To its last byte, so that the connection is free for the next layer.
    io::copy(&mut blob, &mut io::sink()).with_context(|| format!("get {object}"))?;
    Ok(hashing.finish().1)
}

/// Reads the end of a gzip stream, where its checksum is, and refuses more contents.
fn copy_rest(plain: &mut impl Read) -> Result<()> {
    ensure!(
        io::copy(plain, &mut io::sink())? == 0,
        "longer than the manifest says"
    );
    Ok(())
}
