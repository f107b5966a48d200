//! tar-diff: bootc's deltas in a run, and the same bytes and requests from a real registry.

use std::fs;
use std::path::Path;
use std::process::Command;

use delta_lab::image::Image;
use delta_lab::method::builtin::builtin;
use delta_lab::record::{Check, Row, Verb};
use delta_lab::source::synthetic::{Change, Release};
use delta_lab::store::Store;
use delta_lab::wire::Wire;
use serde_json::Value;

use crate::bench::{Bench, has, is};
use crate::registry::real::Registry;

const METHODS: [&str; 2] = ["tar-diff/3", "tar-diff/19"];

fn updates(rows: &[Row], method: &str) -> [Row; 2] {
    ["", "v1"].map(|base| {
        let mut rows = rows
            .iter()
            .filter(|row| row.verb == Verb::Update && row.method == method);
        rows.find(|row| row.bases.to_string() == base)
            .unwrap()
            .clone()
    })
}

#[test]
fn tar_diffs_take_part_in_a_run_and_give_back_the_image() {
    let bench = Bench::new();
    bench.write(
        "scenarios/images.toml",
        format!(
            "about = \"a test\"\nmethods = {:?}\n[[image]]\nname = \"v1\"\nsynthetic = {{ seed = 1, mib = 4 }}\n\
             [[image]]\nname = \"v2\"\nsynthetic = {{ changes = [\"package-bump\", \"rebuild\"] }}\n",
            [&METHODS[..], &["layers"]].concat()
        ),
    );
    bench.expect(&["run", "images", "--into", "results/r"], 0);
    let rows = bench.rows("results/r");
    let layers = updates(&rows, "layers")[1].payload_bytes.unwrap();
    for method in METHODS {
        let [full, delta] = updates(&rows, method);
        for row in [&full, &delta] {
            is(row, Check::Image);
            assert!(row.version.contains("oci-delta 0.1.1"), "{}", row.version);
        }
        let bytes = delta.payload_bytes.unwrap();
        assert!(bytes < layers / 2, "{method}: {bytes}, layers {layers}");
    }
}

#[test]
fn what_is_no_image_is_skipped_by_name() {
    let bench = Bench::new();
    bench.pair("mine", &["tar-diff/3", "raw"]);
    bench.expect(&["run", "mine", "--into", "results/r"], 0);
    let rows = bench.rows("results/r");
    let mut skipped = rows.iter().filter(|row| row.check == Check::Skipped);
    let why = &skipped.next().expect("a row for what was skipped").error;
    assert!(why.contains("is no archive of one image"), "{why}");
}

/// What curl printed, which ended well.
fn curl(arguments: &[&str]) -> Vec<u8> {
    let ran = Command::new("curl")
        .args(["--fail", "--silent", "--show-error"])
        .args(arguments)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "curl {arguments:?}: {said}");
    ran.stdout
}

/// Pushes what lies in a store: blobs first, as a registry asks, then the manifests by their names as tags.
fn push(store: &Path, host: &str) {
    let files = |folder: &Path| {
        let files = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
        files.filter(|path| path.is_file()).collect::<Vec<_>>()
    };
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_string();
    for path in files(&store.join("blobs/sha256")) {
        let begun = curl(&[
            "-X",
            "POST",
            "-D",
            "-",
            "-o",
            "/dev/null",
            &format!("http://{host}/v2/image/blobs/uploads/"),
        ]);
        let begun = String::from_utf8(begun).unwrap();
        let place = begun
            .lines()
            .find_map(|line| line.strip_prefix("Location: "))
            .unwrap();
        let data = format!("@{}", path.display());
        let to = format!("{}&digest=sha256:{}", place.trim(), name(&path));
        curl(&[
            "-X",
            "PUT",
            "-H",
            "Content-Type: application/octet-stream",
            "--data-binary",
            &data,
            &to,
        ]);
    }
    // The image's own first: the artifact names it as its subject.
    let mut manifests = files(store);
    manifests.sort_by_key(|path| path.to_string_lossy().len());
    for path in manifests {
        let tag = name(&path).trim_end_matches(".json").to_string();
        let data = format!("@{}", path.display());
        let to = format!("http://{host}/v2/image/manifests/{tag}");
        let kind = "Content-Type: application/vnd.oci.image.manifest.v1+json";
        curl(&["-X", "PUT", "-H", kind, "--data-binary", &data, &to]);
    }
}

#[test]
fn a_real_registry_answers_with_the_same_bytes_and_requests() {
    if !has("docker-registry") || !has("curl") {
        return;
    }
    let bench = Bench::new();
    let old = Release::first(5, 3);
    let new = old.then(&[Change::Patch, Change::Insert]);
    let images: Vec<Image> = [("v1", &old), ("v2", &new)]
        .map(|(name, release)| {
            let mut file = fs::File::create(bench.path(name)).unwrap();
            release.write(&mut file).unwrap();
            Image::read(name, &bench.path(name)).unwrap()
        })
        .into();
    let store = Store::at(&bench.path("store")).unwrap();
    let method = builtin("tar-diff/3").unwrap();
    for (at, image) in images.iter().enumerate() {
        method.publish(image, &images[..at], &store).unwrap();
    }
    let registry = Registry::start(&bench.path("registry"));
    push(store.path(), &registry.host);
    let mut fetched = Vec::new();
    for bases in [&images[..0], &images[..1]] {
        let wire = Wire::open(&store).unwrap();
        method
            .update("v2", bases, &wire.url(), &bench.path("out"))
            .unwrap();
        let traffic = wire.close().unwrap();
        // The same by hand: the manifest by its tag, then each blob that it lists, and the config of a whole image.
        let names = fs::read_dir(store.path())
            .unwrap()
            .map(|it| it.unwrap().file_name());
        let names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        let wanted = if bases.is_empty() {
            "v2.json"
        } else {
            "v2.from-"
        };
        let tag = names.iter().find(|name| name.starts_with(wanted)).unwrap();
        let tag = tag.trim_end_matches(".json");
        let accept = "Accept: application/vnd.oci.image.manifest.v1+json";
        let manifest = curl(&[
            "-H",
            accept,
            &format!("http://{}/v2/image/manifests/{tag}", registry.host),
        ]);
        let listing: Value = serde_json::from_slice(&manifest).unwrap();
        let mut blobs = listing["layers"].as_array().unwrap().clone();
        if bases.is_empty() {
            blobs.push(listing["config"].clone());
        }
        let mut bytes = manifest.len();
        for blob in &blobs {
            let digest = blob["digest"].as_str().unwrap();
            fetched.push(digest.to_string());
            bytes += curl(&[&format!("http://{}/v2/image/blobs/{digest}", registry.host)]).len();
        }
        assert_eq!(traffic.payload_bytes, bytes as u64, "{tag}");
        assert_eq!(traffic.requests, blobs.len() as u64 + 1, "{tag}");
    }
    drop(registry);
    assert!(fetched.len() > 4, "{fetched:?}");
}
