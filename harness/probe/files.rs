//! The `files` probe: an image's files by their contents, whiteouts applied; how much a store of files would save beside
//! one of layers.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use super::Find;
use super::tree::{self, Entry, Layer};
use crate::image::{Digest, Image};

/// What a store holds of images: each layer once, or the contents of each visible file once.
#[derive(Default)]
struct Held {
    layers: BTreeSet<String>,
    contents: BTreeSet<Digest>,
}

/// `files` and `file_bytes` that a container sees; `distinct_file_bytes`, each content once; `hidden_bytes`, files of lower
/// layers that are overwritten or whited out, and moved with their layer all the same; `whiteouts`.
///
/// `added_layer_bytes` and `added_file_bytes`: what a store of whole layers, and one of file contents, must add for the image
/// to what it holds of the bases. Neither compresses. With bases also `shared_file_bytes`, each content once.
pub fn look(image: &Image, bases: &[Image], find: Find) -> Result<()> {
    let mut held = Held::default();
    for base in bases {
        let layers = tree::read(&base.path)?;
        held.contents.extend(contents(&layers).into_keys());
        held.layers.extend(layers.into_iter().map(|it| it.digest));
    }
    let layers = tree::read(&image.path)?;
    let seen = tree::visible(&layers);
    let entries = || layers.iter().flat_map(|layer| &layer.entries);
    let bytes =
        |entries: &mut dyn Iterator<Item = &Entry>| -> u64 { entries.map(|it| it.bytes).sum() };
    let all = bytes(&mut entries());
    let visible = bytes(&mut seen.iter().copied());
    find(
        "",
        "files",
        seen.iter().filter(|it| it.bytes > 0).count() as u64,
    );
    find("", "file_bytes", visible);
    find("", "hidden_bytes", all - visible);
    let whiteouts = entries().filter(|it| it.is_whiteout()).count();
    find("", "whiteouts", whiteouts as u64);

    let contents = contents(&layers);
    let distinct: u64 = contents.values().sum();
    let shared = contents
        .iter()
        .filter(|(it, _)| held.contents.contains(*it));
    let shared: u64 = shared.map(|(_, bytes)| bytes).sum();
    find("", "distinct_file_bytes", distinct);
    find("", "added_file_bytes", distinct - shared);
    let mut added = 0;
    for layer in &layers {
        if held.layers.insert(layer.digest.clone()) {
            added += layer.bytes;
        }
    }
    find("", "added_layer_bytes", added);
    if !bases.is_empty() {
        find("", "shared_file_bytes", shared);
    }
    Ok(())
}

/// The contents that a container sees, each once, with their lengths.
fn contents(layers: &[Layer]) -> BTreeMap<Digest, u64> {
    let files = tree::visible(layers).into_iter().filter(|it| it.bytes > 0);
    files.map(|it| (it.sha256, it.bytes)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::Layout;
    use crate::archive::examples::{archive_of, tar_of};
    use crate::probe::found_by;

    fn found(image: &[Vec<u8>], bases: &[&[Vec<u8>]]) -> BTreeMap<String, u64> {
        let saved = |layers: &[Vec<u8>]| archive_of(Layout::DockerOci, layers);
        let bases: Vec<Vec<u8>> = bases.iter().map(|layers| saved(layers)).collect();
        let bases: Vec<&[u8]> = bases.iter().map(Vec::as_slice).collect();
        found_by(look, &saved(image), &bases)
    }

    #[test]
    fn what_is_overwritten_or_whited_out_is_hidden_and_moved_all_the_same() {
        let below = tar_of(&[
            ("kept", b"12345"),
            ("changed", b"old"),
            ("gone", b"1234567"),
            ("dir/one", b"1"),
            ("dir/two", b"22"),
            ("opaque/old", b"4444"),
        ]);
        let above = tar_of(&[
            ("changed", b"newer"),
            (".wh.gone", b""),
            (".wh.dir", b""),
            ("opaque/.wh..wh..opq", b""),
            ("opaque/new", b"4444"),
        ]);
        let found = found(&[below, above], &[]);
        // kept, changed, opaque/new; 3 + 7 + 1 + 2 + 4 bytes are hidden.
        assert_eq!((found["files"], found["file_bytes"]), (3, 14));
        assert_eq!((found["hidden_bytes"], found["whiteouts"]), (17, 3));
        assert_eq!(found["distinct_file_bytes"], 14);
        assert!(!found.contains_key("shared_file_bytes"));
    }

    #[test]
    fn a_store_of_files_adds_what_no_base_has_wherever_it_lies() {
        let base = tar_of(&[("a", b"same contents"), ("b", b"other")]);
        let image = tar_of(&[
            ("moved/there", b"same contents"),
            ("twice", b"new"),
            ("again", b"new"),
        ]);
        let found = found(std::slice::from_ref(&image), &[std::slice::from_ref(&base)]);
        assert_eq!(found["shared_file_bytes"], 13);
        assert_eq!(found["added_file_bytes"], 3);
        assert_eq!(found["added_layer_bytes"], image.len() as u64);
        // The same layer twice in an image is stored once, and not at all when a base has it.
        let held = self::found(&[base.clone(), image.clone(), image.clone()], &[&[base]]);
        assert_eq!(held["added_layer_bytes"], image.len() as u64);
    }

    #[test]
    fn what_a_base_has_whited_out_it_does_not_have() {
        let lower = tar_of(&[("secret", b"contents")]);
        let upper = tar_of(&[(".wh.secret", b"")]);
        let found = found(std::slice::from_ref(&lower), &[&[lower.clone(), upper]]);
        assert_eq!(
            (found["shared_file_bytes"], found["added_file_bytes"]),
            (0, 8)
        );
        assert_eq!(found["added_layer_bytes"], 0);
    }
}
