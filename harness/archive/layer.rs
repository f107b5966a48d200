//! Takes one layer out of an image archive, as its plain tar.

use std::fs::File;
use std::io;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::plain::plain;
use super::unpack::check_hash;
use super::{Content, FilePart, Layer};
use crate::image::Hashing;

/// Writes the tar of one of the image's layers to `to`, decompressed and verified, and returns its place and how many layers
/// there are. 1 is the lowest layer, and -1 the top one.
pub fn take_layer(archive: &Path, number: i32, to: &mut File) -> Result<(usize, usize)> {
    let layers = layers(archive).with_context(|| format!("layer {number}"))?;
    let Some(at) = place(number, layers.len()) else {
        bail!("there is no layer {number}: {}", known(layers.len()));
    };
    let layer = &layers[at];
    let what = format!("{}: layer {}", archive.display(), layer.name);
    let file = File::open(archive).with_context(|| format!("open {}", archive.display()))?;
    let part = FilePart {
        file: &file,
        what: what.clone(),
        offset: layer.offset,
        length: layer.length,
    };
    let mut tar = Hashing::new(plain(&part)?);
    io::copy(&mut tar, to).with_context(|| format!("unpack {what}"))?;
    check_hash(layer, &tar.finish().1, &what)?;
    Ok((at + 1, layers.len()))
}

fn layers(archive: &Path) -> Result<Vec<Layer>> {
    match super::read(archive)? {
        Content::Image(image) if image.images.len() == 1 => Ok(image.layers),
        Content::Image(image) => bail!(
            "{} holds {} images, and a layer is of one",
            archive.display(),
            image.images.len()
        ),
        Content::Tar(_) => bail!("the image is a plain tar, which has no layers"),
        Content::Other => bail!("the image is no archive, so it has no layers"),
    }
}

/// The index of a layer that is counted from the lowest, or from the top where the number is negative.
fn place(number: i32, layers: usize) -> Option<usize> {
    let distance = usize::try_from(number.unsigned_abs()).ok()?;
    match number.signum() {
        1 if distance <= layers => Some(distance - 1),
        -1 => layers.checked_sub(distance),
        _ => None,
    }
}

fn known(layers: usize) -> String {
    match layers {
        0 => "the image has none".to_string(),
        1 => "the image has one layer, which is 1".to_string(),
        layers => format!(
            "the image has {layers} layers, from 1 (the lowest) to {layers}, or from -1 (the top one) to -{layers}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;
    use crate::archive::Layout;
    use crate::archive::examples::{archive_of, config_of, gzip, tar_of};
    use crate::image::sha256_hex;

    /// What is taken out of a file of these bytes: place, number of layers, tar.
    fn taken(archive: &[u8], number: i32) -> Result<(usize, usize, Vec<u8>)> {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("image.tar"), dir.path().join("layer.tar"));
        fs::write(&from, archive).unwrap();
        let (at, layers) = take_layer(&from, number, &mut File::create(&to).unwrap())?;
        Ok((at, layers, fs::read(to).unwrap()))
    }

    #[test]
    fn each_layer_of_every_layout_is_its_own_plain_tar_counted_from_either_end() {
        let tars = ["one", "two", "three"].map(|name| tar_of(&[(name, name.as_bytes())]));
        for layout in [Layout::Docker, Layout::DockerOci, Layout::Oci] {
            let archive = archive_of(layout, &tars);
            for (number, at) in [(1, 0), (2, 1), (3, 2), (-1, 2), (-3, 0)] {
                let found = taken(&archive, number).unwrap();
                assert_eq!(found, (at + 1, 3, tars[at].clone()), "{layout:?} {number}");
            }
        }
    }

    #[test]
    fn a_compressed_layer_is_unpacked() {
        // To more than a hundred times its length: so do small layers that are nothing but zeros.
        let tar = tar_of(&[("one", &vec![0; 8 << 20])]);
        let archive = archive_of(Layout::Oci, &[gzip(&tar), tar_of(&[("two", b"2")])]);
        assert_eq!(taken(&archive, 1).unwrap().2, tar);
    }

    /// Only its unpacked bytes tell of a compressed layer whether it is the one of the config.
    #[test]
    fn a_compressed_layer_that_is_not_what_the_config_says_is_refused() {
        let tars = ["one", "two"].map(|name| tar_of(&[(name, name.as_bytes())]));
        let mut archive = archive_of(Layout::Docker, &tars.each_ref().map(|tar| gzip(tar)));
        let said = sha256_hex(&tars[1]).into_bytes();
        let mut places = archive.windows(said.len());
        let at = places.position(|bytes| bytes == said).unwrap();
        archive[at..at + 4].copy_from_slice(b"0000");
        let why = format!("{:#}", taken(&archive, 2).unwrap_err());
        assert!(why.contains("damaged: the sha256 of its tar is"), "{why}");
        assert_eq!(taken(&archive, 1).unwrap().2, tars[0]);
    }

    #[test]
    fn a_layer_that_is_not_there_is_told_with_how_many_there_are() {
        let tars = ["one", "two"].map(|name| tar_of(&[(name, b"x")]));
        let (two, one) = (
            archive_of(Layout::Oci, &tars),
            archive_of(Layout::Oci, &tars[..1]),
        );
        for (archive, number, why) in [
            (&two, 3, "no layer 3: the image has 2 layers, from 1"),
            (&two, -3, "no layer -3: the image has 2 layers, from 1"),
            (&two, 0, "no layer 0: the image has 2 layers"),
            (&one, 2, "the image has one layer, which is 1"),
            (&tars[0], 1, "a plain tar, which has no layers"),
            (&b"a file".to_vec(), 1, "no archive, so it has no layers"),
        ] {
            let said = format!("{:#}", taken(archive, number).unwrap_err());
            assert!(said.contains(why), "{number}: {said}");
        }
    }

    #[test]
    fn of_an_archive_of_two_images_no_layer_is_taken() {
        let tar = tar_of(&[("one", b"x")]);
        let config = config_of(std::slice::from_ref(&tar), json!({}));
        let image = json!({ "Config": "c.json", "Layers": ["a/layer.tar"] });
        let manifest = json!([image, image]).to_string();
        let archive = tar_of(&[
            ("c.json", config.as_bytes()),
            ("a/layer.tar", &tar),
            ("manifest.json", manifest.as_bytes()),
        ]);
        let why = format!("{:#}", taken(&archive, 1).unwrap_err());
        assert!(
            why.contains("holds 2 images, and a layer is of one"),
            "{why}"
        );
    }
}
