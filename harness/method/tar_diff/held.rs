//! An image as it is held: its config, its layers as tars, and the files that a container of it sees.

use std::fs::File;
use std::io::{BufWriter, Seek, Write};

use anyhow::{Context, Result};

use super::tree::Tree;
use crate::archive::{self, Compression, Content, FilePart};
use crate::engine::tar_diff::Bytes;
use crate::image::{Hashing, Image, sha256_hex};

/// An image, with its layers where they can be read at any place.
pub(super) struct Held {
    archive: File,
    /// The tars of layers that the archive has compressed.
    unpacked: File,
    pub config: Vec<u8>,
    pub config_sha256: String,
    /// In the order they are applied.
    pub layers: Vec<Layer>,
}

#[derive(Clone)]
pub(super) struct Layer {
    pub diff_id: String,
    /// As the archive has it.
    pub compression: Compression,
    pub stored: Place,
    /// Its tar, in the archive or in the file of unpacked ones.
    tar: Place,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub offset: u64,
    pub length: u64,
}

impl Held {
    /// The image of an archive; none where it does not hold just one.
    pub fn of(image: &Image) -> Result<Option<Held>> {
        let Content::Image(read) = archive::read(&image.path)? else {
            return Ok(None);
        };
        let [packed] = read.images.as_slice() else {
            return Ok(None);
        };
        let archive = image.open()?;
        let part = |offset, length| FilePart {
            file: &archive,
            what: image.name.clone(),
            offset,
            length,
        };
        let config = part(packed.config.offset, packed.config.length);
        let config = config.bytes(0, config.length)?;
        let mut unpacked = tempfile::tempfile().context("make a file for unpacked layers")?;
        let mut layers: Vec<Layer> = Vec::new();
        for layer in &read.layers[packed.layers.clone()] {
            let stored = Place {
                offset: layer.offset,
                length: layer.length,
            };
            let again = layers.iter().find(|earlier| earlier.stored == stored);
            layers.push(match (again, layer.compression) {
                (Some(again), _) => again.clone(),
                (None, Compression::None) => Layer {
                    diff_id: layer.digest.clone(),
                    compression: Compression::None,
                    stored,
                    tar: stored,
                },
                (None, compression) => {
                    let (tar, diff_id) =
                        unpack(&part(stored.offset, stored.length), &mut unpacked)?;
                    Layer {
                        diff_id,
                        compression,
                        stored,
                        tar,
                    }
                }
            });
        }
        Ok(Some(Held {
            config_sha256: sha256_hex(&config),
            archive,
            unpacked,
            config,
            layers,
        }))
    }

    /// A layer as the archive has it.
    pub fn stored(&self, layer: &Layer) -> FilePart<'_> {
        self.part(&self.archive, layer, layer.stored)
    }

    /// A layer's tar.
    pub fn tar(&self, layer: &Layer) -> FilePart<'_> {
        match layer.compression {
            Compression::None => self.part(&self.archive, layer, layer.tar),
            Compression::Gzip | Compression::Zstd => self.part(&self.unpacked, layer, layer.tar),
        }
    }

    fn part<'a>(&self, file: &'a File, layer: &Layer, place: Place) -> FilePart<'a> {
        FilePart {
            file,
            what: format!("the layer {}", layer.diff_id),
            offset: place.offset,
            length: place.length,
        }
    }

    /// The files of all layers, each laid over those before it.
    pub fn files(&self) -> Result<Vec<(String, FilePart<'_>)>> {
        let mut tree = Tree::default();
        for (number, layer) in self.layers.iter().enumerate() {
            let tar = self.tar(layer);
            let what = || format!("read {}", tar.what);
            tree.lay(number, &archive::members(&tar).with_context(what)?)?;
        }
        let files = tree.files().map(|(path, file)| {
            let mut part = self.tar(&self.layers[file.layer]);
            (part.offset, part.length) = (file.offset, file.length);
            (path.to_string(), part)
        });
        Ok(files.collect())
    }
}

/// Appends a layer's tar to a file; its place there and its sha256.
fn unpack(layer: &FilePart, to: &mut File) -> Result<(Place, String)> {
    let offset = to.stream_position()?;
    let mut hashing = Hashing::new(BufWriter::with_capacity(1 << 17, &*to));
    std::io::copy(&mut *archive::plain(layer)?, &mut hashing)
        .and_then(|_| hashing.flush())
        .with_context(|| format!("unpack a layer of {}", layer.what))?;
    let (length, diff_id) = hashing.finish();
    Ok((Place { offset, length }, diff_id))
}

impl Bytes for FilePart<'_> {
    fn length(&self) -> u64 {
        self.length
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<()> {
        self.fill(at, buffer)
    }
}
