//! tar-diffs between random images: upstream's crate rebuilds the image, and our own reader makes the same layers of the
//! unpacked base.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use delta_lab::archive::docker::{DockerArchive, DockerLayer};
use delta_lab::archive::identity::Identity;
use delta_lab::archive::unpack::unpack;
use delta_lab::archive::writer::HeaderForm;
use delta_lab::dice::Dice;
use delta_lab::engine::tar_diff::{Bytes, apply};
use delta_lab::image::{Image, sha256_hex};
use delta_lab::method::builtin::builtin;
use delta_lab::source::synthetic::{Change, Release};
use delta_lab::store::Store;
use delta_lab::wire::Wire;
use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

use super::Campaign;
use crate::bench::Bench;

const CHANGES: &[Change] = &[
    Change::Rebuild,
    Change::Patch,
    Change::PackageBump,
    Change::BaseUpgrade,
    Change::Insert,
    Change::ReorderLayers,
];

/// Names that meet: folders, links to them, and files with and without versions.
const FOLDERS: &[&str] = &["", "usr/", "usr/lib/", "lib/", "./opt/", "a/b/c/"];
const NAMES: &[&str] = &["x", "libx.so.1.2", "libx.so.1.10", "y.gz", "z"];

/// What a layer holds.
#[derive(Clone)]
enum Item {
    File(String, Vec<u8>),
    Link(EntryType, String, String),
    Folder(String),
    Whiteout(String),
}

fn path(dice: &mut Dice) -> String {
    format!("{}{}", dice.pick(FOLDERS), dice.pick(NAMES))
}

fn item(dice: &mut Dice) -> Item {
    let place = path(dice);
    match dice.index(16) {
        0 => Item::Whiteout(format!("{}.wh.{}", dice.pick(FOLDERS), dice.pick(NAMES))),
        1 => Item::Whiteout(format!("{}.wh..wh..opq", dice.pick(&FOLDERS[1..]))),
        2 => Item::Link(EntryType::Symlink, "lib".to_string(), "usr/lib".to_string()),
        3 => {
            let deep = "deep/".repeat(1 + dice.index(40));
            Item::Folder(format!("{}{deep}", dice.pick(FOLDERS)))
        }
        4 => Item::File(
            format!("{place}{}", "n".repeat(dice.index(180))),
            Vec::new(),
        ),
        _ => {
            let bytes = [dice.index(100), dice.index(5_000), dice.index(90_000)][dice.index(3)];
            Item::File(place, dice.bytes(bytes))
        }
    }
}

fn layer(dice: &mut Dice) -> Vec<Item> {
    (0..dice.index(14)).map(|_| item(dice)).collect()
}

/// A layer of names that each stand once: an engine may refuse others. A file's second name follows it.
fn tar_of(items: &[Item]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    let mut seen = std::collections::BTreeSet::new();
    let head = |kind, bytes: usize| {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o755);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(bytes as u64);
        header
    };
    for item in items {
        let name = match item {
            Item::File(name, _)
            | Item::Link(_, name, _)
            | Item::Folder(name)
            | Item::Whiteout(name) => name,
        };
        if !seen.insert(
            name.trim_start_matches("./")
                .trim_end_matches('/')
                .to_string(),
        ) {
            continue;
        }
        match item {
            Item::File(name, contents) => {
                let mut header = head(EntryType::Regular, contents.len());
                tar.append_data(&mut header, name, &contents[..]).unwrap();
            }
            Item::Link(kind, name, target) => {
                tar.append_link(&mut head(*kind, 0), name, target).unwrap();
            }
            Item::Folder(name) => {
                tar.append_data(&mut head(EntryType::Directory, 0), name, &[][..])
                    .unwrap();
            }
            Item::Whiteout(name) => {
                tar.append_data(&mut head(EntryType::Regular, 0), name, &[][..])
                    .unwrap();
            }
        }
    }
    tar.into_inner().unwrap()
}

/// A later form of layers: contents edited, files moved and linked, layers dealt anew.
fn later(layers: &[Vec<Item>], dice: &mut Dice) -> Vec<Vec<Item>> {
    let mut layers = layers.to_vec();
    for layer in &mut layers {
        for item in layer.iter_mut() {
            if let Item::File(name, contents) = item
                && !contents.is_empty()
                && dice.chance(40)
            {
                let at = dice.index(contents.len());
                let some = dice.index(3000).min(contents.len() - at);
                match dice.index(4) {
                    0 => drop(contents.drain(at..at + some)),
                    1 => drop(contents.splice(at..at, dice.bytes(some))),
                    2 => contents[at..at + some]
                        .iter_mut()
                        .step_by(7)
                        .for_each(|byte| *byte ^= 1),
                    _ => *name = path(dice),
                }
            }
        }
        // Behind the file itself: what a link names must be there.
        let first = layer.iter().enumerate().find_map(|(at, item)| match item {
            Item::File(name, _) => Some((at, name.trim_start_matches("./").to_string())),
            _ => None,
        });
        if let Some((at, first)) = first.filter(|_| dice.chance(20)) {
            let link = Item::Link(EntryType::Link, "second-name".to_string(), first);
            layer.insert(at + 1, link);
        }
    }
    match dice.index(6) {
        0 => layers.push(layer(dice)),
        1 => layers.reverse(),
        2 => layers.extend_from_within(..1),
        3 => drop(layers.pop()),
        _ => {}
    }
    layers
}

/// An image of layers, as Docker saves it.
fn image_of(layers: &[Vec<Item>]) -> Vec<u8> {
    let tars: Vec<Vec<u8>> = layers.iter().map(|layer| tar_of(layer)).collect();
    let digests: Vec<String> = tars.iter().map(|tar| sha256_hex(tar)).collect();
    let ids: Vec<String> = digests
        .iter()
        .map(|digest| format!("sha256:{digest}"))
        .collect();
    let config = json!({ "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": { "type": "layers", "diff_ids": ids } });
    let layers = tars.iter().zip(&digests).enumerate();
    let archive = DockerArchive {
        form: HeaderForm::Gnu,
        config: config.to_string(),
        repository: "random".to_string(),
        tag: "image".to_string(),
        layers: layers
            .map(|(at, (tar, digest))| DockerLayer {
                id: sha256_hex(format!("{at} {digest}").as_bytes()),
                json: "{}".to_string(),
                bytes: tar.len() as u64,
                write: Box::new(|to| Ok(to.write_all(tar)?)),
            })
            .collect(),
        mtime_s: 0,
        has_repositories: false,
    };
    let mut bytes = Vec::new();
    archive.write(&mut bytes).unwrap();
    bytes
}

/// A pair of images, of random layers or of a synthetic history.
fn pair(dice: &mut Dice) -> [Vec<u8>; 2] {
    let mut pair = if dice.chance(25) {
        let old = Release::first(dice.u64(), 1);
        let new = old.then(&[*dice.pick(CHANGES)]);
        [old, new].map(|release| {
            let mut bytes = Vec::new();
            release.write(&mut bytes).unwrap();
            bytes
        })
    } else {
        let old: Vec<Vec<Item>> = (0..1 + dice.index(4)).map(|_| layer(dice)).collect();
        let new = later(&old, dice);
        [image_of(&old), image_of(&new)]
    };
    if dice.chance(30) {
        pair.reverse();
    }
    pair
}

/// Every tar-diff in the store, applied by our reader to the unpacked base, makes the layer that it says. How many there are.
fn read_by_ours(store: &Store, base: &Path, scratch: &Path) -> usize {
    if scratch.exists() {
        fs::remove_dir_all(scratch).unwrap();
    }
    unpack(base, scratch).unwrap();
    let json = |path: &Path| -> Value { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
    let blob = |digest: &Value| {
        let hex = digest.as_str().unwrap().strip_prefix("sha256:").unwrap();
        store.path().join("blobs/sha256").join(hex)
    };
    let artifacts = fs::read_dir(store.path())
        .unwrap()
        .map(|it| it.unwrap().path());
    let artifact = artifacts
        .filter(|path| path.to_string_lossy().contains("/new.from-"))
        .map(|path| json(&path))
        .next()
        .unwrap();
    let layers = artifact["layers"].as_array().unwrap();
    let manifest = json(&blob(&layers[0]["digest"]));
    let diff_ids = json(&blob(&layers[1]["digest"]))["rootfs"]["diff_ids"].clone();
    let listed = manifest["layers"].as_array().unwrap().iter();
    let wanted: BTreeMap<String, String> = listed
        .zip(diff_ids.as_array().unwrap())
        .map(|(layer, id)| {
            (
                layer["digest"].to_string(),
                id.as_str().unwrap().to_string(),
            )
        })
        .collect();
    // As an engine would open them: no path leads over a link.
    let entries = walkdir::WalkDir::new(scratch)
        .into_iter()
        .map(Result::unwrap);
    let files: BTreeMap<String, Vec<u8>> = entries
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let path = entry.path().strip_prefix(scratch).unwrap();
            (path.display().to_string(), fs::read(entry.path()).unwrap())
        })
        .collect();
    let open = |path: &str| files.get(path).map(|file| file as &dyn Bytes);
    let mut deltas = 0;
    for layer in layers
        .iter()
        .filter(|it| it["mediaType"] == "application/vnd.tar-diff")
    {
        let delta = fs::read(blob(&layer["digest"])).unwrap();
        let mut tar = Vec::new();
        apply(&delta[..], &open, &mut tar).unwrap();
        let to = layer["annotations"]["io.github.containers.delta.to"].to_string();
        assert_eq!(format!("sha256:{}", sha256_hex(&tar)), wanted[&to]);
        deltas += 1;
    }
    deltas
}

#[test]
fn a_tar_diff_between_random_images_is_applied_by_upstream_and_read_by_ours() {
    let Some(campaign) = Campaign::wanted("tar-diffs", 25) else {
        return;
    };
    let bench = Bench::new();
    let is_root = nix::unistd::geteuid().is_root();
    if !is_root {
        eprintln!("skipped: our own reader of tar-diffs: unpacking an image takes root");
    }
    let (mut moved, mut whole, mut deltas) = (0, 0, 0);
    campaign.run(|dice| {
        let images = pair(dice);
        let [old, new] = ["old", "new"].map(|name| bench.path(name));
        for (path, bytes) in [(&old, &images[0]), (&new, &images[1])] {
            fs::write(path, bytes).unwrap();
        }
        let folder = bench.path("store");
        if folder.exists() {
            fs::remove_dir_all(&folder).unwrap();
        }
        let store = Store::at(&folder).unwrap();
        let [base, image] =
            [("old", &old), ("new", &new)].map(|(name, path)| Image::read(name, path).unwrap());
        let method = builtin(["tar-diff/3", "tar-diff/3", "tar-diff/19"][dice.index(3)]).unwrap();
        method
            .publish(&image, std::slice::from_ref(&base), &store)
            .unwrap();
        let wanted = Identity::of(&new).unwrap();
        for bases in [&[][..], std::slice::from_ref(&base)] {
            let wire = Wire::open(&store).unwrap();
            method
                .update("new", bases, &wire.url(), &bench.path("out"))
                .unwrap();
            let traffic = wire.close().unwrap();
            let rebuilt = Identity::of(&bench.path("out")).unwrap();
            assert_eq!(
                wanted.difference(&rebuilt),
                None,
                "from {} bases",
                bases.len()
            );
            *if bases.is_empty() {
                &mut whole
            } else {
                &mut moved
            } += traffic.payload_bytes;
        }
        if is_root {
            deltas += read_by_ours(&store, &old, &bench.path("tree"));
        }
    });
    eprintln!("tar-diffs: {moved} bytes for images of {whole}; {deltas} deltas read by ours too");
    assert!(moved < whole && (deltas > 0 || !is_root));
}
