//! The `layers` probe: which layers an image is made of, and which of them its bases hold already.
//!
//! Layers are told apart by the sha256 of their bytes as they lie in the archive: what a registry's client would keep. An
//! engine's store tells a layer by all that is below it too: its ChainID (OCI image format specification 1.1, config.md).

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use super::Find;
use crate::archive::{self, Archive, Content};
use crate::image::{Image, sha256_hex};

pub fn accepts(image: &Image) -> Result<()> {
    archive_of(image).map(|_| ())
}

/// `layers`, `layer_bytes`, and of those that a base holds `shared_layers`, `shared_layer_bytes`; for each layer its
/// `layer_bytes` and whether it is shared. `shared_chains` and `shared_chain_bytes` are of those whose ChainID a base has too:
/// the same layers in the same order from the lowest one on.
pub fn look(image: &Image, bases: &[Image], find: Find) -> Result<()> {
    let archive = archive_of(image)?;
    let mut held = BTreeSet::new();
    let mut chains = BTreeSet::new();
    for base in bases {
        // A base without layers holds none.
        if let Ok(archive) = archive_of(base) {
            chains.extend(chain_ids(&archive));
            held.extend(archive.layers.into_iter().map(|layer| layer.digest));
        }
    }
    let (mut bytes, mut shared, mut shared_bytes) = (0, 0, 0);
    let (mut same, mut same_bytes) = (0, 0);
    let own = chain_ids(&archive);
    for (at, layer) in archive.layers.iter().enumerate() {
        let part = format!("layer {} {}", at + 1, &layer.digest[..12]);
        find(&part, "layer_bytes", layer.length);
        bytes += layer.length;
        if held.contains(&layer.digest) {
            shared += 1;
            shared_bytes += layer.length;
        }
        if !bases.is_empty() {
            let chained = chains.contains(&own[at]);
            find(&part, "shared", u64::from(held.contains(&layer.digest)));
            find(&part, "shared_chain", u64::from(chained));
            if chained {
                same += 1;
                same_bytes += layer.length;
            }
        }
    }
    find("", "layers", archive.layers.len() as u64);
    find("", "layer_bytes", bytes);
    if !bases.is_empty() {
        find("", "shared_layers", shared);
        find("", "shared_layer_bytes", shared_bytes);
        find("", "shared_chains", same);
        find("", "shared_chain_bytes", same_bytes);
    }
    Ok(())
}

/// The ChainID of each layer: of the lowest its DiffID, of each other the sha256 of the ChainID below and its DiffID.
fn chain_ids(archive: &Archive) -> Vec<String> {
    let mut ids: Vec<String> = vec![String::new(); archive.layers.len()];
    // An archive may hold several images, each a stack of its own.
    for image in &archive.images {
        let mut below: Option<String> = None;
        for at in image.layers.clone() {
            let layer = &archive.layers[at];
            let diff_id = layer.diff_id.as_ref().unwrap_or(&layer.digest);
            let id = match below {
                None => diff_id.clone(),
                Some(below) => sha256_hex(format!("sha256:{below} sha256:{diff_id}").as_bytes()),
            };
            ids[at] = id.clone();
            below = Some(id);
        }
    }
    ids
}

fn archive_of(image: &Image) -> Result<Archive> {
    match archive::read(&image.path)? {
        Content::Image(archive) => Ok(archive),
        Content::Tar(_) | Content::Other => bail!("has no layers: it is not an image archive"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::archive::Layout;
    use crate::archive::examples::{archive_of, tar_of};

    #[test]
    fn a_layer_in_another_place_is_shared_and_its_chain_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let saved = |name: &str, layers: &[Vec<u8>]| {
            let path = dir.path().join(name);
            std::fs::write(&path, archive_of(Layout::DockerOci, layers)).unwrap();
            Image::read(name, &path).unwrap()
        };
        let [a, b, c] = ["a", "b", "c"].map(|name| tar_of(&[(name, name.as_bytes())]));
        let base = saved("base", &[a.clone(), b.clone(), c.clone()]);
        for (layers, shared, chains) in [
            (vec![a.clone(), b.clone(), c.clone()], 3, 3),
            (vec![a.clone(), c.clone(), b.clone()], 3, 1),
            (vec![c.clone(), b.clone(), a.clone()], 3, 0),
            (vec![a.clone(), b.clone()], 2, 2),
        ] {
            let mut found = BTreeMap::new();
            let mut note = |part: &str, measure: &str, value| {
                if part.is_empty() {
                    found.insert(measure.to_string(), value);
                }
            };
            look(
                &saved("image", &layers),
                std::slice::from_ref(&base),
                &mut note,
            )
            .unwrap();
            assert_eq!(
                (found["shared_layers"], found["shared_chains"]),
                (shared, chains)
            );
        }
    }

    #[test]
    fn a_chain_id_is_what_the_specification_says() {
        let path = tempfile::NamedTempFile::new().unwrap();
        let layers = [tar_of(&[("a", b"1")]), tar_of(&[("b", b"2")])];
        std::fs::write(path.path(), archive_of(Layout::Docker, &layers)).unwrap();
        let archive = archive_of_path(path.path());
        let [one, two] = layers.map(|layer| sha256_hex(&layer));
        let chain = sha256_hex(format!("sha256:{one} sha256:{two}").as_bytes());
        assert_eq!(chain_ids(&archive), [one, chain]);
    }

    fn archive_of_path(path: &std::path::Path) -> Archive {
        super::archive_of(&Image::read("image", path).unwrap()).unwrap()
    }
}
