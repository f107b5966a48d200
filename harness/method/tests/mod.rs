//! Claims that hold for every built-in method.

mod family;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Result;
use tempfile::TempDir;

use super::builtin::{METHODS, builtin};
use super::{Method, Moves};
use crate::archive::Layout;
use crate::archive::examples::{archive_of, gzip, tar_of};
use crate::archive::identity::Identity;
use crate::dice::noise;
use crate::image::Image;
use crate::store::Store;
use crate::wire::{Traffic, Wire};

/// A server's store, and a client's folder of images.
struct Lab {
    server: TempDir,
    client: TempDir,
    store: Store,
}

impl Lab {
    fn new() -> Lab {
        let server = tempfile::tempdir().unwrap();
        let store = Store::at(&server.path().join("store")).unwrap();
        Lab {
            client: tempfile::tempdir().unwrap(),
            server,
            store,
        }
    }

    fn image(&self, name: &str, contents: &[u8]) -> Image {
        let path = self.client.path().join(format!("{name}.tar"));
        fs::write(&path, contents).unwrap();
        Image::read(name, &path).unwrap()
    }

    /// The images of a history, named v1, v2, …
    fn history(&self, contents: &[Vec<u8>]) -> Vec<Image> {
        let named = contents.iter().enumerate();
        named
            .map(|(at, contents)| self.image(&format!("v{}", at + 1), contents))
            .collect()
    }

    /// Publishes each image of a history, with all before it as bases.
    fn publish(&self, method: &dyn Method, history: &[Image]) {
        for (at, image) in history.iter().enumerate() {
            method.publish(image, &history[..at], &self.store).unwrap();
        }
    }

    /// Updates to `name`; returns the rebuilt image and the traffic.
    fn update(
        &self,
        method: &dyn Method,
        name: &str,
        bases: &[Image],
    ) -> (Result<Vec<u8>>, Traffic) {
        let out = self.client.path().join("out");
        fs::remove_file(&out).ok();
        let wire = Wire::open(&self.store).unwrap();
        let updated = method.update(name, bases, &wire.url(), &out);
        let traffic = wire.close().unwrap();
        (updated.map(|()| fs::read(&out).unwrap()), traffic)
    }

    /// Every file of the store, by name.
    fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        let files = walkdir::WalkDir::new(self.store.path()).into_iter();
        let files = files.map(Result::unwrap);
        files
            .filter(|entry| entry.file_type().is_file())
            .map(|entry| {
                let name = entry.path().strip_prefix(self.store.path()).unwrap();
                (name.display().to_string(), fs::read(entry.path()).unwrap())
            })
            .collect()
    }
}

/// The built-in methods that this build has, named.
fn methods() -> Vec<(String, Box<dyn Method>)> {
    let names = METHODS.iter().flat_map(|family| family.names());
    let made = names.map(|name| {
        let method = builtin(&name).unwrap();
        (name, method)
    });
    made.filter(|(name, method)| match method.version() {
        Ok(_) => true,
        Err(error) => {
            println!("skipped: {name}: {error:#}");
            false
        }
    })
    .collect()
}

/// Whether a method gave back what it is to give back of the image: its bytes, or the same image.
fn is_rebuilt(method: &dyn Method, rebuilt: &[u8], wanted: &[u8]) -> bool {
    let identity = |bytes: &[u8]| {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), bytes).unwrap();
        Identity::of(file.path()).unwrap()
    };
    match method.moves() {
        Moves::Archive => rebuilt == wanted,
        Moves::Image => identity(rebuilt) == identity(wanted),
        Moves::Tree => panic!("no built-in method moves trees"),
    }
}

/// Half noise, half compressible.
fn contents(seed: u64, bytes: usize) -> Vec<u8> {
    let mut contents = noise(seed, bytes / 2);
    let words = contents.clone();
    contents.extend(words.iter().flat_map(|byte| [b'a' + byte % 4; 1]));
    contents
}

/// Images of any kind: changed, unchanged, empty, tiny, unrelated.
fn plain_history() -> Vec<Vec<u8>> {
    let first = contents(1, 500_000);
    let mut changed = first.clone();
    changed.splice(1000..1000, *b"inserted");
    changed[300_000..300_016].copy_from_slice(b"sixteen letters!");
    let unchanged = changed.clone();
    let mut grown = changed.clone();
    // A run of zeros: the same chunk many times, in an image and in its base.
    grown.extend(vec![0; 700_000]);
    vec![
        first,
        changed,
        unchanged,
        Vec::new(),
        b"tiny".to_vec(),
        contents(2, 200_000),
        grown,
    ]
}

/// Image archives: one layer replaced, unchanged, another layout, layers compressed, one layer twice.
fn archive_history() -> Vec<Vec<u8>> {
    let layer = |seed| {
        tar_of(&[
            ("usr/lib/one", &contents(seed, 100_000)),
            ("usr/lib/two", &contents(seed + 1, 3_000)),
        ])
    };
    let plain = [layer(1), layer(10), layer(20)];
    let replaced = [plain[0].clone(), layer(30), plain[2].clone()];
    let zipped = [gzip(&plain[0]), plain[1].clone(), gzip(&replaced[1])];
    let twice = [layer(40), plain[0].clone(), layer(40), layer(50)];
    vec![
        archive_of(Layout::Docker, &plain),
        archive_of(Layout::Docker, &replaced),
        archive_of(Layout::Docker, &replaced),
        archive_of(Layout::DockerOci, &zipped),
        archive_of(Layout::Docker, &twice),
        archive_of(Layout::Oci, &twice),
    ]
}

/// Publishes a history and updates to each of its images from nothing, from each image, and from all.
fn rebuilds_every_image(name: &str, method: &dyn Method, contents: &[Vec<u8>]) {
    let lab = Lab::new();
    let history = lab.history(contents);
    lab.publish(method, &history);
    let wire = Wire::open(&lab.store).unwrap();
    let out = lab.client.path().join("out");
    for (image, wanted) in history.iter().zip(contents) {
        let mut held: Vec<Vec<Image>> = vec![Vec::new(), history.clone()];
        held.extend(history.iter().map(|base| vec![base.clone()]));
        for bases in held {
            let names: Vec<&str> = bases.iter().map(|base| base.name.as_str()).collect();
            let said = format!("{name}: {} from {names:?}", image.name);
            if let Err(error) = method.update(&image.name, &bases, &wire.url(), &out) {
                panic!("{said}: {error:#}");
            }
            let rebuilt = fs::read(&out).unwrap();
            assert!(is_rebuilt(method, &rebuilt, wanted), "{said}: other bytes");
            fs::remove_file(&out).unwrap();
        }
    }
    wire.close().unwrap();
}

#[test]
fn every_method_rebuilds_every_image_from_nothing_and_from_every_base() {
    for (name, method) in methods() {
        if !["layers", "tar-diff/3", "tar-diff/19"].contains(&name.as_str()) {
            rebuilds_every_image(&name, &*method, &plain_history());
        }
        rebuilds_every_image(&name, &*method, &archive_history());
    }
}

#[test]
fn two_publishes_make_the_same_store() {
    for (name, method) in methods() {
        let stores = [Lab::new(), Lab::new()].map(|lab| {
            lab.publish(&*method, &lab.history(&archive_history()[..3]));
            lab.objects()
        });
        assert!(stores[0] == stores[1], "{name}");
        let half = stores[0].keys().find(|name| name.contains(".half-"));
        assert_eq!(half, None, "{name}");
    }
}

#[test]
fn a_damaged_store_gives_an_error_and_never_wrong_bytes() {
    for (name, method) in methods() {
        // A plain copy has nothing to check itself against: there the lab's own hash of the output is what tells.
        if name == "raw" {
            continue;
        }
        let lab = Lab::new();
        let wanted = &archive_history()[..2];
        let history = lab.history(wanted);
        lab.publish(&*method, &history);
        let mut errors = 0;
        for (object, contents) in lab.objects() {
            for at in [
                0,
                contents.len() / 3,
                contents.len() / 2,
                contents.len() - 1,
            ] {
                let mut damaged = contents.clone();
                damaged[at] ^= 0x10;
                fs::write(lab.store.object(&object), damaged).unwrap();
                for bases in [&history[..0], &history[..1]] {
                    match lab.update(&*method, "v2", bases).0 {
                        Err(_) => errors += 1,
                        Ok(rebuilt) => {
                            let same = is_rebuilt(&*method, &rebuilt, &wanted[1]);
                            assert!(same, "{name}: {object}, byte {at}");
                        }
                    }
                }
            }
            fs::write(lab.store.object(&object), contents).unwrap();
        }
        assert!(errors > 0, "{name}");
    }
}

#[test]
fn what_was_never_published_is_an_error_that_names_it() {
    for (name, method) in methods() {
        let lab = Lab::new();
        let error = lab.update(&*method, "v9", &[]).0.unwrap_err();
        let said = format!("{error:#}");
        assert!(
            said.contains("v9") && said.contains("404"),
            "{name}: {said}"
        );
    }
}

#[test]
fn an_update_writes_over_what_an_interrupted_one_left() {
    for (name, method) in methods() {
        let lab = Lab::new();
        let history = lab.history(&archive_history()[..1]);
        lab.publish(&*method, &history);
        let out = lab.server.path().join("out");
        let image = fs::read(&history[0].path).unwrap();
        // Longer than the image, so that nothing of it may stay.
        fs::write(&out, vec![7; image.len() + 1000]).unwrap();
        let wire = Wire::open(&lab.store).unwrap();
        method.update("v1", &[], &wire.url(), &out).unwrap();
        assert!(
            is_rebuilt(&*method, &fs::read(&out).unwrap(), &image),
            "{name}"
        );
        wire.close().unwrap();
    }
}

#[test]
fn names_in_the_table_are_unlike_and_versions_say_what_decides_the_bytes() {
    let mut names: Vec<String> = METHODS.iter().flat_map(|family| family.names()).collect();
    let all = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), all);
    let versions: Vec<String> = methods()
        .iter()
        .map(|(name, method)| format!("{name}: {}", method.version().unwrap()))
        .collect();
    assert!(
        versions
            .iter()
            .all(|version| version.contains("delta-lab "))
    );
    println!("{}", versions.join("\n"));
}

#[test]
fn methods_read_images_where_they_are_and_leave_them_so() {
    let lab = Lab::new();
    let history = lab.history(&archive_history()[..2]);
    let before: Vec<Vec<u8>> = history
        .iter()
        .map(|image| fs::read(&image.path).unwrap())
        .collect();
    for (_, method) in methods() {
        lab.publish(&*method, &history);
        lab.update(&*method, "v2", &history[..1]).0.unwrap();
    }
    let after: Vec<Vec<u8>> = history
        .iter()
        .map(|image| fs::read(&image.path).unwrap())
        .collect();
    assert!(before == after);
    let files = fs::read_dir(Path::new(lab.client.path())).unwrap().count();
    assert_eq!(files, 3, "two images and the last output");
}
