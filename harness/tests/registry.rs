//! Claims about registries and canonical archives, with a real registry and a real client where they are here.

pub mod real;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use delta_lab::archive::{self, Archive, Content};
use delta_lab::image::{Image, hash_file, sha256_hex};
use delta_lab::method::Method;
use delta_lab::method::layers::Layers;
use delta_lab::record::{Results, Row};
use delta_lab::store::Store;
use serde_json::{Value, json};

use crate::bench::{Bench, has, noise, repeatable, scenario, text};
use real::{Registry, copy};

/// A layer: a tar of one file whose bytes half compress.
fn layer(name: &str, seed: u64, bytes: usize) -> Vec<u8> {
    let mut contents = noise(seed, bytes);
    contents[..bytes / 2].fill(seed as u8);
    let mut tar = tar::Builder::new(Vec::new());
    file(&mut tar, name, &contents);
    tar.into_inner().unwrap()
}

fn file(tar: &mut tar::Builder<Vec<u8>>, name: &str, contents: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_size(contents.len() as u64);
    header.set_mode(0o644);
    header.set_mtime(1_700_000_000);
    tar.append_data(&mut header, name, contents).unwrap();
}

/// What `docker save` of an engine before 25 writes of an image, docker's own fields and all.
fn docker_archive(tag: &str, layers: &[&Vec<u8>]) -> Vec<u8> {
    let ids: Vec<String> = layers
        .iter()
        .map(|layer| format!("sha256:{}", sha256_hex(layer)))
        .collect();
    let step = |at: usize| json!({ "created": "2024-01-01T00:00:00.5Z", "created_by": format!("COPY {at} /") });
    let config = json!({
        "architecture": "amd64", "os": "linux", "created": "2024-01-01T00:00:00.5Z",
        "container": "0123", "docker_version": "20.10.24", "container_config": { "Hostname": "0123" },
        "config": { "Hostname": "", "Env": ["PATH=/bin"], "Cmd": ["/bin/app"], "Labels": null, "ExposedPorts": { "80/tcp": {} } },
        "history": (0..layers.len()).map(step).collect::<Vec<Value>>(),
        "rootfs": { "type": "layers", "diff_ids": ids },
    })
    .to_string();
    let config_name = format!("{}.json", sha256_hex(config.as_bytes()));
    let mut tar = tar::Builder::new(Vec::new());
    let mut names = Vec::new();
    for (at, layer) in layers.iter().enumerate() {
        let name = format!("{}/layer.tar", sha256_hex(format!("{tag} {at}").as_bytes()));
        file(&mut tar, &name, layer);
        names.push(name);
    }
    file(&mut tar, &config_name, config.as_bytes());
    let manifest = json!([{ "Config": config_name, "RepoTags": [tag], "Layers": names }]);
    file(&mut tar, "manifest.json", manifest.to_string().as_bytes());
    tar.into_inner().unwrap()
}

/// Two releases of an image, as docker archives scenarios/v1.tar and v2.tar: the second has the first's lowest and
/// highest layer, another one between them, and one more.
fn releases(bench: &Bench) {
    let base = layer("usr/lib/base", 1, 400_000);
    let top = layer("app/main", 2, 50_000);
    let (old, new) = (
        layer("usr/lib/libs", 3, 200_000),
        layer("usr/lib/libs", 4, 210_000),
    );
    let more = layer("app/more", 5, 30_000);
    let [v1, v2] = [vec![&base, &old, &top], vec![&base, &new, &top, &more]];
    bench.write("scenarios/v1.tar", docker_archive("delta-lab-test:v1", &v1));
    bench.write("scenarios/v2.tar", docker_archive("delta-lab-test:v2", &v2));
}

fn image_in(path: &Path) -> Archive {
    match archive::read(path).unwrap() {
        Content::Image(archive) => archive,
        other => panic!("{}: {other:?}", path.display()),
    }
}

/// An OCI layout of the image in a docker archive, whose layer blobs are the very files that `layers` stores; by the
/// sha256 of each its name in the store.
fn layout_of_blobs(archive: &Path, store: &Store, dir: &Path) -> BTreeMap<String, String> {
    let blobs = dir.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let put = |media_type: &str, bytes: &[u8]| {
        let digest = sha256_hex(bytes);
        fs::write(blobs.join(&digest), bytes).unwrap();
        json!({ "mediaType": media_type, "digest": format!("sha256:{digest}"), "size": bytes.len() })
    };
    let image = image_in(archive);
    let mut names = BTreeMap::new();
    let mut layers = Vec::new();
    for layer in &image.layers {
        let name = format!("blobs/{}.gz", layer.digest);
        let bytes = fs::read(store.object(&name)).unwrap();
        names.insert(sha256_hex(&bytes), name);
        layers.push(put("application/vnd.oci.image.layer.v1.tar+gzip", &bytes));
    }
    let entry = &image.images[0].config;
    let mut config = vec![0; entry.length as usize];
    let from = File::open(archive).unwrap();
    from.read_exact_at(&mut config, entry.offset).unwrap();
    let config = put("application/vnd.oci.image.config.v1+json", &config);
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest =
        json!({ "schemaVersion": 2, "mediaType": kind, "config": config, "layers": layers });
    let mut manifest = put(kind, manifest.to_string().as_bytes());
    manifest["annotations"] = json!({ "org.opencontainers.image.ref.name": "1" });
    let index = json!({ "schemaVersion": 2, "manifests": [manifest] });
    fs::write(dir.join("index.json"), index.to_string()).unwrap();
    fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    names
}

/// What an update of `layers` fetched, object by object.
fn fetched(bench: &Bench, from: &str) -> BTreeMap<String, u64> {
    let path = format!("results/r/objects/cross.layers.update-v2-from-{from}.1.csv");
    let text = fs::read_to_string(bench.path(&path)).unwrap();
    let lines = text.lines().skip(1).map(|line| {
        let parts: Vec<&str> = line.split(',').collect();
        (parts[0].to_string(), parts[2].parse().unwrap())
    });
    lines.collect()
}

#[test]
fn layers_moves_the_blobs_and_the_bytes_that_a_real_client_pulls_from_a_real_registry() {
    if !has("docker-registry") || !has("skopeo") {
        return;
    }
    let bench = Bench::new();
    releases(&bench);
    let images = [("v1", "v1.tar"), ("v2", "v2.tar")];
    bench.write("scenarios/cross.toml", scenario(&["layers"], &images));
    bench.expect(&["run", "cross", "--into", "results/r", "--objects"], 0);

    // The same blobs, put into the registry.
    let store = Store::at(&bench.path("store")).unwrap();
    let mut names = BTreeMap::new();
    let registry = Registry::start(&bench.path("registry"));
    for (name, file) in images {
        let path = bench.path(&format!("scenarios/{file}"));
        let image = Image::read(name, &path).unwrap();
        Layers.publish(&image, &[], &store).unwrap();
        let layout = bench.path(&format!("layout-{name}"));
        names.extend(layout_of_blobs(&path, &store, &layout));
        let from = format!("oci:{}:1", layout.display());
        copy(
            &from,
            &format!("docker://{}/app:{name}", registry.host),
            &["--preserve-digests"],
        );
    }
    registry.stop();

    // The client that has the first image holds its blobs in `shared`, the one with nothing in `empty`.
    let pull = |name: &str, blobs: &str| {
        let registry = Registry::start(&bench.path("registry"));
        let shared = bench.path(blobs).display().to_string();
        let to = format!("oci:{}:1", bench.path(&format!("{blobs}-{name}")).display());
        let from = format!("docker://{}/app:{name}", registry.host);
        copy(&from, &to, &["--dest-shared-blob-dir", &shared]);
        let got = registry.stop().into_iter();
        // The config is none of the layers; of ours it is in the skeleton.
        let layers = got.filter_map(|(digest, bytes)| Some((names.get(&digest)?.clone(), bytes)));
        layers.collect::<BTreeMap<String, u64>>()
    };
    pull("v1", "shared");
    for (from, blobs, count) in [("nothing", "empty", 4), ("v1", "shared", 2)] {
        let pulled = pull("v2", blobs);
        assert_eq!(pulled.len(), count);
        let mut ours = fetched(&bench, from);
        let about = ["v2.json", "v2.skeleton.gz"].map(|name| ours.remove(name).unwrap());
        assert_eq!(ours, pulled, "from {from}");
        let base = if from == "nothing" { "" } else { from };
        let rows = bench.rows("results/r").into_iter();
        let mut rows = rows.filter(|row| row.requests.is_some() && row.bases.to_string() == base);
        let row = rows.next().unwrap();
        let layers: u64 = pulled.values().sum();
        assert_eq!(
            row.payload_bytes,
            Some(layers + about.iter().sum::<u64>()),
            "{row:?}"
        );
    }
}

/// A scenario of two images, each with these lines.
fn of_sources(sources: [String; 2]) -> String {
    let mut text = format!(
        "about = \"a test\"\nmethods = {:?}\n",
        ["layers", "fastcdc/64k", "zstd-patch/3"]
    );
    for (name, source) in ["v1", "v2"].iter().zip(sources) {
        text += &format!("[[image]]\nname = \"{name}\"\n{source}\n");
    }
    text
}

/// The rows of a scenario without its name, time and memory.
fn rows_of(bench: &Bench, name: &str) -> Vec<Row> {
    let results = Results::load(&bench.path(&format!("results/{name}"))).unwrap();
    let mut rows = repeatable(&results.rows);
    for row in &mut rows {
        row.scenario = Default::default();
    }
    rows
}

fn run(bench: &Bench, name: &str, sources: [String; 2]) {
    bench.write(&format!("scenarios/{name}.toml"), of_sources(sources));
    let into = format!("results/{name}");
    let output = bench
        .command(&["run", name, "--into", &into])
        // Nobody is there. A registry on this machine is not asked for through a proxy.
        .env("http_proxy", "http://127.0.0.1:1")
        .env_remove("no_proxy")
        .env_remove("NO_PROXY")
        .output()
        .unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{name}: {}",
        text(&output.stderr)
    );
}

/// The images in the engine, gone when the test ends.
struct InDocker;

impl InDocker {
    /// Loads the releases, where an engine answers.
    fn load(bench: &Bench) -> Option<InDocker> {
        let docker = |words: &[&str]| Command::new("docker").args(words).output();
        if !docker(&["version"]).is_ok_and(|ran| ran.status.success()) {
            eprintln!("skipped: no docker engine answers");
            return None;
        }
        let held = InDocker;
        for file in ["v1.tar", "v2.tar"] {
            let path = bench.path("scenarios").join(file);
            let ran = docker(&["load", "-i", path.to_str().unwrap()]).unwrap();
            assert!(ran.status.success(), "{}", text(&ran.stderr));
        }
        Some(held)
    }
}

impl Drop for InDocker {
    fn drop(&mut self) {
        let names = ["image", "rm", "delta-lab-test:v1", "delta-lab-test:v2"];
        Command::new("docker").args(names).output().ok();
    }
}

#[test]
fn an_image_from_a_registry_from_dockers_archive_and_from_skopeos_layout_gives_the_same_rows() {
    let bench = Bench::new();
    releases(&bench);
    let files = |ending: &str| {
        ["v1", "v2"].map(|name| format!("file = \"{name}{ending}\"\nnormalize = true"))
    };
    run(&bench, "archive", files(".tar"));
    let rows = rows_of(&bench, "archive");
    // Three methods: two publishes, an update from nothing and one from the first image.
    assert_eq!(rows.len(), 12);
    assert!(rows.iter().all(|row| row.error.is_empty()), "{rows:?}");
    let mut names = vec!["archive"];
    if has("skopeo") {
        for name in ["v1", "v2"] {
            let path = |ending: &str| bench.path(&format!("scenarios/{name}{ending}"));
            let from = format!("docker-archive:{}", path(".tar").display());
            copy(
                &from,
                &format!("oci-archive:{}", path("-oci.tar").display()),
                &[],
            );
            let archive = image_in(&path("-oci.tar"));
            assert_eq!(archive.compressed_layers(), archive.layers.len());
        }
        run(&bench, "layout", files("-oci.tar"));
        names.push("layout");
        if has("docker-registry") {
            let registry = Registry::start(&bench.path("registry"));
            let pushed = ["v1", "v2"].map(|name| {
                let path = bench.path(&format!("scenarios/{name}.tar"));
                let reference = format!("{}/app:{name}", registry.host);
                let from = format!("docker-archive:{}", path.display());
                copy(&from, &format!("docker://{reference}"), &[]);
                format!("registry = \"{reference}\"\nplatform = \"linux/amd64\"")
            });
            run(&bench, "registry", pushed);
            names.push("registry");
        }
    }
    if let Some(_held) = InDocker::load(&bench) {
        let saved = ["v1", "v2"]
            .map(|name| format!("docker = \"delta-lab-test:{name}\"\nnormalize = true"));
        run(&bench, "engine", saved);
        names.push("engine");
    }
    for name in &names[1..] {
        assert_eq!(rows_of(&bench, name), rows, "{name}");
        let plan = fs::read_to_string(bench.path(&format!("results/{name}/plan.toml"))).unwrap();
        for fact in ["layers_compressed = \"none\"", "layout = \"oci\""] {
            assert_eq!(plan.matches(fact).count(), 2, "{name}: {plan}");
        }
    }
}

#[test]
fn what_is_measured_is_the_canonical_archive_and_not_the_file_it_came_from() {
    let bench = Bench::new();
    releases(&bench);
    bench.write(
        "scenarios/both.toml",
        "about = \"\"\nmethods = [\"raw\"]\n[[image]]\nname = \"as-it-is\"\nfile = \"v1.tar\"\n\
         [[image]]\nname = \"normal\"\nfile = \"v1.tar\"\nnormalize = true\n",
    );
    bench.expect(&["save", "both"], 0);
    bench.expect(&["run", "both", "--into", "results/r"], 0);
    let (_, as_it_is) = hash_file(&bench.path("scenarios/v1.tar")).unwrap();
    let rows = bench.rows("results/r");
    let sha256 = |name: &str| {
        let row = rows.iter().find(|row| row.image == name).unwrap();
        row.image_sha256.clone()
    };
    assert_eq!(sha256("as-it-is"), as_it_is);
    assert_ne!(sha256("normal"), as_it_is);
}
