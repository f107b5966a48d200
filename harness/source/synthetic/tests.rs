//! Claims about whole releases: what every archive has, and what each change does.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use serde_json::Value;
use tar::EntryType;

use super::*;
use crate::image::sha256_hex;

const ALL: [Change; 7] = [
    Change::Rebuild,
    Change::Patch,
    Change::PackageBump,
    Change::BaseUpgrade,
    Change::Relink,
    Change::Insert,
    Change::ReorderLayers,
];

/// Members by path: mtime and content.
type Members = BTreeMap<String, (u64, Vec<u8>)>;

struct Layer {
    sha256: String,
    /// Files and links; a link's content is its target.
    files: Members,
    folders: Members,
}

fn release() -> Release {
    Release::first(11, 2)
}

fn written(release: &Release) -> Vec<u8> {
    let mut archive = Vec::new();
    release.write(&mut archive).unwrap();
    archive
}

fn members(tar: &[u8], kinds: fn(EntryType) -> bool) -> Members {
    let mut tar = tar::Archive::new(tar);
    let mut members = BTreeMap::new();
    for entry in tar.entries().unwrap() {
        let mut entry = entry.unwrap();
        if kinds(entry.header().entry_type()) {
            let path = entry.path().unwrap().to_str().unwrap().to_string();
            let mut content = Vec::new();
            match entry.link_name_bytes() {
                Some(target) => content.extend_from_slice(&target),
                None => drop(entry.read_to_end(&mut content).unwrap()),
            }
            let mtime = entry.header().mtime().unwrap();
            assert!(members.insert(path, (mtime, content)).is_none());
        }
    }
    members
}

fn json(archive: &Members, name: &str) -> Value {
    serde_json::from_slice(&archive[name].1).unwrap()
}

/// The layers, lowest first, after a check that the archive is what `docker load` expects.
fn layers(release: &Release) -> Vec<Layer> {
    let archive = members(&written(release), |kind| !kind.is_dir());
    let manifest = &json(&archive, "manifest.json")[0];
    let config_name = manifest["Config"].as_str().unwrap();
    let config = json(&archive, config_name);
    assert_eq!(
        config_name,
        format!("{}.json", sha256_hex(&archive[config_name].1))
    );
    let paths = manifest["Layers"].as_array().unwrap();
    let diff_ids = config["rootfs"]["diff_ids"].as_array().unwrap();
    assert_eq!(paths.len(), diff_ids.len());
    let mut parent = Value::Null;
    let mut layers = Vec::new();
    for (path, diff_id) in paths.iter().zip(diff_ids) {
        let id = path.as_str().unwrap().strip_suffix("/layer.tar").unwrap();
        let tar = &archive[path.as_str().unwrap()].1;
        let sha256 = sha256_hex(tar);
        assert_eq!(diff_id.as_str().unwrap(), format!("sha256:{sha256}"));
        assert_eq!(archive[&format!("{id}/VERSION")].1, b"1.0");
        let about = json(&archive, &format!("{id}/json"));
        assert_eq!(
            (&about["id"], &about["parent"]),
            (&Value::from(id), &parent)
        );
        parent = Value::from(id);
        layers.push(Layer {
            sha256,
            files: members(tar, |kind| !kind.is_dir()),
            folders: members(tar, |kind| kind.is_dir()),
        });
    }
    layers
}

fn pair(change: Change) -> (Vec<Layer>, Vec<Layer>) {
    (layers(&release()), layers(&release().then(&[change])))
}

/// Paths in both whose contents differ.
fn differing<'a>(old: &'a Members, new: &Members) -> Vec<&'a str> {
    old.iter()
        .filter(|(path, (_, content))| new.get(*path).is_some_and(|(_, other)| other != content))
        .map(|(path, _)| path.as_str())
        .collect()
}

fn names(members: &Members) -> BTreeSet<&str> {
    members.keys().map(String::as_str).collect()
}

#[test]
fn a_release_has_these_bytes_on_every_machine() {
    let release = release().then(&ALL).then(&ALL[..3]);
    let sum = sha256_hex(&written(&release));
    assert_eq!(
        sum,
        "86f898aac98ac80b2a86417bb3cfde4a183ff632d9313f03509eab381ce87094"
    );
}

#[test]
fn another_seed_gives_another_history() {
    assert_eq!(written(&release()), written(&release()));
    assert_ne!(written(&release()), written(&Release::first(12, 2)));
}

#[test]
fn an_image_has_about_the_size_asked_for() {
    for mib in [1, 4, 16] {
        let bytes = written(&Release::first(5, mib)).len() as u64;
        assert!(
            bytes > (mib << 20) * 8 / 10 && bytes < (mib << 20) * 13 / 10,
            "{bytes} for {mib} MiB"
        );
    }
}

#[test]
fn sizes_out_of_range_are_refused() {
    for mib in [0, LARGEST_MIB + 1, u64::MAX] {
        let error = Release::first(1, mib).write(&mut Vec::new()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("mib = {mib}: a synthetic image has 1 to 16384 MiB")
        );
    }
}

#[test]
fn each_release_has_what_the_one_before_had() {
    let one = release().then(&[Change::Patch]);
    let two = one.then(&[Change::Rebuild]);
    for (old, new) in layers(&one).iter().zip(&layers(&two)) {
        assert_eq!(names(&old.files), names(&new.files));
        assert!(differing(&old.files, &new.files).is_empty());
    }
}

#[test]
fn a_hard_link_comes_after_the_file_it_links_to() {
    let archive = members(&written(&release().then(&ALL)), |kind| !kind.is_dir());
    let mut links = 0;
    for (_, (_, tar)) in archive
        .iter()
        .filter(|(path, _)| path.ends_with("layer.tar"))
    {
        let mut seen = BTreeSet::new();
        for entry in tar::Archive::new(tar.as_slice()).entries().unwrap() {
            let entry = entry.unwrap();
            if entry.header().entry_type().is_hard_link() {
                assert!(seen.contains(entry.link_name_bytes().unwrap().as_ref()));
                links += 1;
            }
            seen.insert(entry.path_bytes().to_vec());
        }
    }
    assert!(links > 0);
}

#[test]
fn a_rebuild_changes_mtimes_above_the_base_and_nothing_else() {
    let (old, new) = pair(Change::Rebuild);
    assert_eq!(old[0].sha256, new[0].sha256);
    for (old, new) in old.iter().zip(&new).skip(1) {
        assert_eq!(names(&old.files), names(&new.files));
        assert!(differing(&old.files, &new.files).is_empty());
        assert_ne!(old.sha256, new.sha256);
        let same = |path: &&String| old.files[*path].0 == new.files[*path].0;
        assert!(old.files.keys().filter(same).count() > old.files.len() * 8 / 10);
        assert!(
            old.folders
                .iter()
                .all(|(path, folder)| folder.0 < new.folders[path].0)
        );
    }
}

#[test]
fn a_patch_changes_a_few_bytes_in_a_few_files_of_the_application() {
    let (old, new) = pair(Change::Patch);
    assert_eq!(
        (&old[0].sha256, &old[1].sha256),
        (&new[0].sha256, &new[1].sha256)
    );
    let (old, new) = (&old[2].files, &new[2].files);
    assert_eq!(names(old), names(new));
    let patched = differing(old, new);
    assert!((2..=5).contains(&patched.len()), "{patched:?}");
    for path in patched.into_iter().filter(|path| !path.ends_with(".gz")) {
        let bytes = old[path].1.iter().zip(&new[path].1);
        assert!(bytes.filter(|(a, b)| a != b).count() <= 8, "{path}");
    }
}

#[test]
fn a_package_bump_renames_and_changes_the_files_of_one_package() {
    let (old, new) = pair(Change::PackageBump);
    assert_eq!(old[0].sha256, new[0].sha256);
    let (old, new) = (&old[1].files, &new[1].files);
    let gone: Vec<_> = names(old).difference(&names(new)).copied().collect();
    assert!(
        gone.iter()
            .all(|path| path.contains(|letter: char| letter.is_ascii_digit()))
    );
    assert!(!gone.is_empty() && old.len() == new.len());
    let changed = differing(old, new);
    assert!(changed.contains(&"var/lib/dpkg/status"));
    assert!(
        changed
            .iter()
            .any(|path| path.ends_with("changelog.Debian.gz"))
    );
    let lists = changed.iter().filter(|path| path.ends_with(".md5sums"));
    assert_eq!(lists.count(), 1);
}

#[test]
fn a_base_upgrade_leaves_little_of_the_lowest_layer() {
    let (old, new) = pair(Change::BaseUpgrade);
    let (old, new) = (&old[0].files, &new[0].files);
    let same = old
        .iter()
        .filter(|(path, file)| new.get(*path).is_some_and(|new| new.1 == file.1));
    assert!(same.count() < old.len() / 4);
}

#[test]
fn relinking_changes_only_the_binaries_of_the_application() {
    let (old, new) = pair(Change::Relink);
    assert_eq!(
        (&old[0].sha256, &old[1].sha256),
        (&new[0].sha256, &new[1].sha256)
    );
    assert_eq!(names(&old[2].files), names(&new[2].files));
    let changed = differing(&old[2].files, &new[2].files);
    let binaries = names(&old[2].files)
        .into_iter()
        .filter(|path| path.starts_with("opt/app/bin/"));
    assert_eq!(changed, binaries.collect::<Vec<_>>());
    assert!(!changed.is_empty());
}

#[test]
fn inserted_files_are_among_the_old_ones() {
    let (old, new) = pair(Change::Insert);
    let (old, new) = (&old[2].files, &new[2].files);
    assert!(differing(old, new).is_empty() && names(old).is_subset(&names(new)));
    let last = new.keys().rposition(|path| !old.contains_key(path));
    assert!(last.is_some_and(|at| at + 1 < new.len()));
}

#[test]
fn reordered_layers_are_the_same_layers() {
    let (old, new) = pair(Change::ReorderLayers);
    let sums = |layers: &[Layer]| {
        layers
            .iter()
            .map(|layer| layer.sha256.clone())
            .collect::<Vec<_>>()
    };
    let (old, new) = (sums(&old), sums(&new));
    assert!(old != new && old[0] == new[0]);
    assert_eq!(BTreeSet::from_iter(old), BTreeSet::from_iter(new));
}
