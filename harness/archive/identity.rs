//! What makes two archives the same image: the config, and the tar of every layer. How an archive is arranged, and whether
//! its layers are compressed, are no part of it.
//!
//! Of the config the fields that every tool keeps are compared. A tool that pushes Docker's image as OCI's writes a new
//! config without Docker's own fields, and with it a new image id.

use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use super::config::normal;
use super::plain::plain;
use super::{Archive, Content, FilePart, Packed};
use crate::image::{Hashing, sha256_hex, short};

/// The digests by which an image is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Sha256 of the config in normal form, in lower-case hex.
    config: String,
    /// In the order they are applied.
    layers: Vec<Tar>,
}

/// A layer's tar.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tar {
    /// Its sha256: the layer's DiffID.
    diff_id: String,
    bytes: u64,
}

/// Longest config: registries take no larger manifest either.
const CONFIG_BYTES: u64 = 4 << 20;

/// What an archive holds beside layers: manifests, tags, a config, heads and ends of tars.
const BESIDE_BYTES: u64 = 16 << 20;

impl Identity {
    /// Of the only image of the archive at `path`. Every layer is unpacked and hashed.
    pub fn of(path: &Path) -> Result<Identity> {
        read(path, None)
    }

    /// Of an archive that is to hold this image. One that is longer than any archive of it is not read, nor more of a layer
    /// than it has here.
    pub fn of_rebuilt(&self, path: &Path) -> Result<Identity> {
        let about = path.symlink_metadata();
        let bytes = about
            .with_context(|| format!("look at {}", path.display()))?
            .len();
        let most = self.layers.iter().map(|layer| layer.bytes).sum::<u64>() + BESIDE_BYTES;
        ensure!(
            bytes <= most,
            "{bytes} bytes, and an archive of the image has at most {most}"
        );
        read(path, Some(self))
    }

    /// How `rebuilt` is another image than this one; nothing when it is not.
    pub fn difference(&self, rebuilt: &Identity) -> Option<String> {
        if self.layers.len() != rebuilt.layers.len() {
            return Some(format!(
                "{} layers, the image has {}",
                rebuilt.layers.len(),
                self.layers.len()
            ));
        }
        let mut pairs = self.layers.iter().zip(&rebuilt.layers).enumerate();
        if let Some((at, (was, is))) = pairs.find(|(_, (was, is))| was != is) {
            return Some(format!(
                "layer {} has the DiffID {}… and {} bytes, in the image {}… and {}",
                at + 1,
                short(&is.diff_id),
                is.bytes,
                short(&was.diff_id),
                was.bytes
            ));
        }
        (self.config != rebuilt.config).then(|| {
            format!(
                "another config: in normal form its sha256 is {}…, the image's {}…",
                short(&rebuilt.config),
                short(&self.config)
            )
        })
    }
}

/// Fails unless the file at `path` holds one image; the error says what it is instead.
pub fn has_identity(path: &Path) -> Result<()> {
    archive(path).map(drop)
}

fn archive(path: &Path) -> Result<(Archive, Packed)> {
    match super::read(path)? {
        Content::Image(archive) => match archive.images.as_slice() {
            [image] => {
                let image = image.clone();
                Ok((archive, image))
            }
            several => bail!("{} images in one archive", several.len()),
        },
        Content::Tar(_) => bail!("a tar without layers, which is no image to an engine"),
        Content::Other => bail!("no image archive"),
    }
}

fn read(path: &Path, wanted: Option<&Identity>) -> Result<Identity> {
    let (archive, image) = archive(path)?;
    let file = std::fs::File::open(path).with_context(|| format!("open {}", path.display()))?;
    let part = |what: &str, offset, length| FilePart {
        file: &file,
        what: what.to_string(),
        offset,
        length,
    };
    let entry = &image.config;
    ensure!(
        entry.length <= CONFIG_BYTES,
        "its config has {} bytes",
        entry.length
    );
    let config = part("its config", entry.offset, entry.length);
    let config = normal(&config.bytes(0, entry.length)?)?;
    let config = sha256_hex(config.json.as_bytes());
    let mut layers = Vec::new();
    for (at, layer) in archive.layers[image.layers.clone()].iter().enumerate() {
        let what = format!("layer {}", at + 1);
        let packed = part(&what, layer.offset, layer.length);
        // One byte more tells that it is longer.
        let most = wanted
            .and_then(|it| it.layers.get(at))
            .map_or(u64::MAX, |it| it.bytes + 1);
        let mut hashing = Hashing::new(io::sink());
        io::copy(&mut plain(&packed)?.take(most), &mut hashing)
            .with_context(|| format!("unpack {what}"))?;
        let (bytes, diff_id) = hashing.finish();
        layers.push(Tar { diff_id, bytes });
    }
    Ok(Identity { config, layers })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;
    use crate::archive::Layout;
    use crate::archive::examples::{archive_of, archive_with, gzip, tar_of};

    fn identity(archive: &[u8]) -> Result<Identity> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image.tar");
        fs::write(&path, archive).unwrap();
        Identity::of(&path)
    }

    #[test]
    fn an_image_is_the_same_in_every_layout_and_compressed_or_not() {
        let layers = [tar_of(&[("a", b"1")]), tar_of(&[("b", b"2")])];
        let image = identity(&archive_of(Layout::Docker, &layers)).unwrap();
        for layout in [Layout::DockerOci, Layout::Oci] {
            assert_eq!(identity(&archive_of(layout, &layers)).unwrap(), image);
        }
        let packed: Vec<Vec<u8>> = layers.iter().map(|layer| gzip(layer)).collect();
        let packed = identity(&archive_of(Layout::DockerOci, &packed)).unwrap();
        assert_eq!(packed.layers, image.layers);
    }

    #[test]
    fn another_layer_order_or_config_is_another_image() {
        let (one, other) = (tar_of(&[("a", b"1")]), tar_of(&[("b", b"2")]));
        let of = |layers: &[&Vec<u8>]| {
            let layers: Vec<Vec<u8>> = layers.iter().map(|it| it.to_vec()).collect();
            identity(&archive_of(Layout::Docker, &layers)).unwrap()
        };
        let image = of(&[&one, &other]);
        let told = |rebuilt: &Identity| image.difference(rebuilt).unwrap_or_default();
        assert_eq!(told(&image), "");
        assert!(told(&of(&[&one])).starts_with("1 layers, the image has 2"));
        assert!(told(&of(&[&other, &one])).starts_with("layer 1 has the DiffID"));
        let config = json!({ "os": "linux", "architecture": "arm64", "config": {} });
        let layers = [one, other];
        let renamed = identity(&archive_with(Layout::Docker, &layers, config)).unwrap();
        assert!(told(&renamed).starts_with("another config"));
    }

    /// Only as much as the image has of a layer is unpacked, and a byte more.
    #[test]
    fn a_layer_that_goes_on_after_the_images_own_is_another() {
        let tar = tar_of(&[("a", b"1")]);
        let longer = [&tar[..], &[0]].concat();
        let image = identity(&archive_of(Layout::Docker, &[gzip(&tar)])).unwrap();
        // Its config lies.
        let mut rebuilt = archive_of(Layout::Docker, &[gzip(&longer)]);
        let (lie, said) = (sha256_hex(&tar), sha256_hex(&longer).into_bytes());
        let at = rebuilt.windows(said.len()).position(|bytes| bytes == said);
        rebuilt[at.unwrap()..][..said.len()].copy_from_slice(lie.as_bytes());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image.tar");
        fs::write(&path, rebuilt).unwrap();
        let why = match image.of_rebuilt(&path) {
            Ok(rebuilt) => image.difference(&rebuilt).unwrap_or_default(),
            Err(why) => format!("{why:#}"),
        };
        assert!(why.starts_with("layer 1 has the DiffID"), "{why}");
    }

    #[test]
    fn what_is_no_image_of_that_size_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image.tar");
        fs::write(&path, archive_of(Layout::Docker, &[tar_of(&[("a", b"1")])])).unwrap();
        let image = Identity::of(&path).unwrap();
        assert_eq!(image.of_rebuilt(&path).unwrap(), image);
        let file = fs::File::options().write(true).open(&path).unwrap();
        let most = image.layers[0].bytes + BESIDE_BYTES;
        for (bytes, refused) in [(most, false), (most + 1, true), (1 << 40, true)] {
            file.set_len(bytes).unwrap();
            let why = image.of_rebuilt(&path).err().map(|why| why.to_string());
            let why = why.unwrap_or_default();
            let said = why.contains(&format!("an archive of the image has at most {most}"));
            assert_eq!(said, refused, "{bytes}: {why}");
        }
        assert!(has_identity(Path::new("/etc/passwd")).is_err());
    }
}
