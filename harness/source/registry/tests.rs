//! Claims about pulls, each against a registry in this process, on loopback.

mod fake;

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::*;
use crate::archive::Layout;
use crate::archive::examples::{archive_with, gzip, tar_of};
use crate::image::sha256_hex;
use crate::source::Source;
use crate::source::cache::Cache;
use fake::Fake;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// A client's folder, with the image and the blobs, and its progress.
struct Client {
    dir: tempfile::TempDir,
    said: RefCell<Vec<String>>,
}

impl Client {
    fn new() -> Client {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("blobs")).unwrap();
        Client {
            dir,
            said: RefCell::default(),
        }
    }

    fn pull_for(&self, reference: &str, platform: Option<&str>) -> Result<(Vec<u8>, Made)> {
        let out = self.dir.path().join("image.tar");
        let say = |line: &str| self.said.borrow_mut().push(line.to_string());
        let made = save(
            reference,
            platform,
            &out,
            &self.dir.path().join("blobs"),
            &say,
        )?;
        Ok((fs::read(out).unwrap(), made))
    }

    fn pull(&self, reference: &str) -> Vec<u8> {
        self.pull_for(reference, None).unwrap().0
    }

    fn refusal(&self, reference: &str) -> String {
        match self.pull_for(reference, None) {
            Ok(_) => panic!("{reference} was pulled"),
            Err(error) => format!("{error:#}"),
        }
    }

    /// The file of a blob.
    fn half(&self, blob: &[u8]) -> PathBuf {
        let name = format!("sha256-{}", sha256_hex(blob));
        self.dir.path().join("blobs").join(name)
    }

    fn kept(&self) -> usize {
        fs::read_dir(self.dir.path().join("blobs")).unwrap().count()
    }

    fn said(&self, words: &str) -> bool {
        self.said.borrow().iter().any(|line| line.contains(words))
    }
}

/// Two layers; the second does not compress, so that its blob is long enough to be interrupted.
fn layers(mark: u8) -> [Vec<u8>; 2] {
    let mut state = u32::from(mark) + 1;
    let noise = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8
    });
    let noise: Vec<u8> = noise.take(50_000).collect();
    [
        tar_of(&[("etc/os-release", b"one")]),
        tar_of(&[("app/main", &noise)]),
    ]
}

fn config(platform: &str) -> Value {
    let mut parts = platform.split('/');
    json!({ "os": parts.next(), "architecture": parts.next(), "created": "2024-01-01T00:00:00Z" })
}

fn here() -> String {
    Platform::of_this_machine().to_string()
}

/// The canonical archive of the same image, made from docker's layout.
fn canonical_of(layers: &[Vec<u8>], config: Value) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("docker.tar"), dir.path().join("to.tar"));
    fs::write(&from, archive_with(Layout::Docker, layers, config)).unwrap();
    archive::rewrite(&from, &File::create(&to).unwrap()).unwrap();
    fs::read(&to).unwrap()
}

fn path_of(blob: &[u8]) -> String {
    format!("/v2/app/blobs/sha256:{}", sha256_hex(blob))
}

#[test]
fn both_kinds_of_manifest_give_the_canonical_archive_and_facts() {
    let layers = layers(0);
    for is_docker in [true, false] {
        let fake = Fake::start();
        let manifest = fake.image("latest", &layers, config(&here()), is_docker);
        let client = Client::new();
        // Without a tag: `latest`.
        let (pulled, made) = client
            .pull_for(&format!("{}/app", fake.host), None)
            .unwrap();
        assert!(pulled == canonical_of(&layers, config(&here())));
        assert_eq!(client.kept(), 0, "blobs go when the image is whole");
        let bytes: usize = layers.iter().map(|layer| gzip(layer).len()).sum();
        for (name, value) in [
            ("manifest_digest", manifest["digest"].as_str().unwrap()),
            ("manifest_type", manifest["mediaType"].as_str().unwrap()),
            ("platform", &here()),
            ("compressed_layer_bytes", &bytes.to_string()),
        ] {
            let fact = (name.to_string(), value.to_string());
            assert!(made.facts.contains(&fact), "{:?}", made.facts);
        }
    }
}

#[test]
fn a_token_for_anonymous_clients_is_fetched_and_sent() {
    let fake = Fake::start();
    fake.image("1", &layers(0), config(&here()), false);
    fake.state().token = Some("open-sesame".to_string());
    Client::new().pull(&format!("{}/app:1", fake.host));
    let state = fake.state();
    let (tokens, others): (Vec<_>, Vec<_>) = state
        .asked
        .iter()
        .partition(|asked| asked.path.starts_with("/token"));
    assert_eq!(tokens.len(), 1, "{:?}", state.asked);
    let scope = "/token?scope=repository%3Aapp%3Apull&service=fake";
    assert_eq!(tokens[0].path, scope);
    assert_eq!(tokens[0].authorization, None, "nobody's name is given");
    // From the first answer a client learns where to get a token.
    let shown = others.iter().skip(1);
    for asked in shown {
        assert_eq!(asked.authorization.as_deref(), Some("Bearer open-sesame"));
    }
    assert_eq!(others.len(), 5, "{others:?}");
}

#[test]
fn a_blob_that_is_kept_elsewhere_is_fetched_there_without_the_token() {
    let (fake, elsewhere) = (Fake::start(), Fake::start());
    let layers = layers(0);
    fake.image("1", &layers, config(&here()), false);
    fake.state().token = Some("open-sesame".to_string());
    let blob = gzip(&layers[1]);
    let path = path_of(&blob);
    let moved = |to: String| fake.state().moved.insert(path.clone(), to);
    moved(format!("http://{}/kept?signature=x", elsewhere.host));
    let kept = "/kept?signature=x".to_string();
    elsewhere.state().objects.insert(kept.clone(), blob.clone());
    elsewhere.state().cuts.insert(kept, vec![20_000]);
    let reference = format!("{}/app:1", fake.host);
    let pulled = Client::new().pull(&reference);
    assert!(pulled == canonical_of(&layers, config(&here())));
    let asked = elsewhere.asked("/kept?signature=x").into_iter();
    let asked: Vec<_> = asked
        .map(|asked| (asked.range, asked.authorization))
        .collect();
    let rest = Some("bytes=20000-".to_string());
    assert_eq!(asked, [(None, None), (rest, None)]);

    // By plain http it may not lead off this machine, and it may not lead on for ever.
    moved("http://elsewhere.example/kept".to_string());
    let error = Client::new().refusal(&reference);
    let said = "`http://elsewhere.example/kept` is not https, and plain http is for this machine";
    assert!(error.contains(said), "{error}");
    moved(path.clone());
    let error = Client::new().refusal(&reference);
    assert!(error.contains("more than 10 redirects"), "{error}");
}

#[test]
fn a_token_that_ends_during_a_pull_is_fetched_again() {
    let fake = Fake::start();
    let layers = layers(0);
    fake.image("1", &layers, config(&here()), false);
    fake.state().token = Some("first".to_string());
    let reference = reference::parse(&format!("{}/app:1", fake.host)).unwrap();
    let server = Server::new(&reference).unwrap();
    server.manifest(&reference).unwrap();
    fake.state().token = Some("second".to_string());
    server.manifest(&reference).unwrap();
    assert_eq!(fake.asked("service=fake").len(), 2);
}

#[test]
fn an_index_is_resolved_by_platform_and_a_missing_one_is_named() {
    for (kind, is_docker) in [(INDEX, false), (LIST, true)] {
        let fake = Fake::start();
        let mut entries = Vec::new();
        for (at, name) in ["linux/amd64", "linux/arm64", "linux/s390x"]
            .iter()
            .enumerate()
        {
            let mut entry = fake.image("x", &layers(at as u8), config(name), is_docker);
            entry["platform"] = config(name);
            entries.push(entry);
        }
        entries.insert(
            0,
            json!({ "mediaType": "", "digest": "sha256:00", "size": 1,
            "platform": { "os": "unknown", "architecture": "unknown" } }),
        );
        let index = json!({ "schemaVersion": 2, "mediaType": kind, "manifests": entries });
        let inner = fake.manifest("1", &index);
        let outer = json!({ "schemaVersion": 2, "mediaType": kind, "manifests": [inner] });
        fake.manifest("nested", &outer);
        for tag in ["1", "nested"] {
            let reference = format!("{}/app:{tag}", fake.host);
            for (at, name) in ["linux/amd64", "linux/arm64"].iter().enumerate() {
                let wanted = (here() != *name).then_some(*name);
                let (pulled, _) = Client::new().pull_for(&reference, wanted).unwrap();
                assert!(
                    pulled == canonical_of(&layers(at as u8), config(name)),
                    "{name}"
                );
            }
            let missing = Client::new().pull_for(&reference, Some("linux/riscv64"));
            let missing = format!("{:#}", missing.unwrap_err());
            let there = "it is not available for linux/riscv64; it is for linux/amd64, linux/arm64, linux/s390x";
            assert!(missing.ends_with(there), "{missing}");
        }
    }
}

#[test]
fn a_single_manifest_is_taken_unless_another_platform_was_asked_for() {
    let fake = Fake::start();
    fake.image("1", &layers(0), config("linux/s390x"), false);
    let reference = format!("{}/app:1", fake.host);
    Client::new().pull(&reference);
    let client = Client::new();
    assert!(client.pull_for(&reference, Some("linux/s390x")).is_ok());
    let error = client
        .pull_for(&reference, Some("linux/arm64"))
        .unwrap_err();
    let error = format!("{error:#}");
    assert!(
        error.contains("not available for linux/arm64; it is for linux/s390x"),
        "{error}"
    );
}

#[test]
fn an_interrupted_blob_is_resumed_and_only_its_rest_is_requested() {
    let fake = Fake::start();
    let layers = layers(0);
    fake.image("1", &layers, config(&here()), false);
    let blob = gzip(&layers[1]);
    fake.state()
        .cuts
        .insert(path_of(&blob), vec![20_000, 10_000]);
    let client = Client::new();
    let pulled = client.pull(&format!("{}/app:1", fake.host));
    assert!(pulled == canonical_of(&layers, config(&here())));
    let asked = fake.asked(&path_of(&blob)).into_iter();
    let asked: Vec<_> = asked.map(|asked| (asked.range, asked.sent)).collect();
    let range = |first: usize| Some(format!("bytes={first}-"));
    assert_eq!(
        asked,
        [
            (None, 20_000),
            (range(20_000), 10_000),
            (range(30_000), blob.len() - 30_000)
        ]
    );
    assert!(
        client.said("layer 2 of 2 broke off at 20.0 kB of"),
        "{:?}",
        client.said
    );
}

#[test]
fn the_next_pull_resumes_one_that_gave_up() {
    let fake = Fake::start();
    let layers = layers(0);
    fake.image("1", &layers, config(&here()), false);
    let blob = gzip(&layers[1]);
    // The second response is empty.
    fake.state().cuts.insert(path_of(&blob), vec![12_345, 0]);
    let client = Client::new();
    let reference = format!("{}/app:1", fake.host);
    let error = client.refusal(&reference);
    assert!(
        error.contains("the bytes received are kept, and the next try resumes there"),
        "{error}"
    );
    assert_eq!(fs::metadata(client.half(&blob)).unwrap().len(), 12_345);

    fake.state().asked.clear();
    assert!(client.pull(&reference) == canonical_of(&layers, config(&here())));
    let asked = fake.asked(&path_of(&blob));
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].range.as_deref(), Some("bytes=12345-"));
    assert_eq!(asked[0].sent, blob.len() - 12_345);
    // The complete layer is not requested again.
    assert_eq!(fake.asked(&path_of(&gzip(&layers[0]))), []);
    assert_eq!(client.kept(), 0);
}

#[test]
fn a_damaged_partial_blob_is_reported_and_fetched_again() {
    let fake = Fake::start();
    let layers = layers(0);
    fake.image("1", &layers, config(&here()), false);
    let blob = gzip(&layers[1]);
    let half = blob.len() / 2;
    for (damaged, ranges) in [
        (vec![7; half], vec![Some(format!("bytes={half}-")), None]),
        (vec![7; blob.len()], vec![None]),
        (vec![7; blob.len() + 1], vec![None]),
    ] {
        let client = Client::new();
        fs::write(client.half(&blob), damaged).unwrap();
        fake.state().asked.clear();
        let pulled = client.pull(&format!("{}/app:1", fake.host));
        assert!(pulled == canonical_of(&layers, config(&here())));
        let asked = fake.asked(&path_of(&blob)).into_iter();
        assert_eq!(asked.map(|asked| asked.range).collect::<Vec<_>>(), ranges);
        assert!(client.said("is fetched again"), "{:?}", client.said);
    }
}

#[test]
fn a_registry_without_ranges_sends_the_blob_from_the_start() {
    let fake = Fake::start();
    let layers = layers(0);
    fake.image("1", &layers, config(&here()), false);
    let blob = gzip(&layers[1]);
    fake.state().ignores_ranges = true;
    fake.state().cuts.insert(path_of(&blob), vec![20_000]);
    let client = Client::new();
    let pulled = client.pull(&format!("{}/app:1", fake.host));
    assert!(pulled == canonical_of(&layers, config(&here())));
    let sent: Vec<usize> = fake
        .asked(&path_of(&blob))
        .iter()
        .map(|asked| asked.sent)
        .collect();
    assert_eq!(sent, [20_000, blob.len()]);
    assert!(client.said("sends it from the start"), "{:?}", client.said);
}

#[test]
fn bytes_that_do_not_match_their_digest_never_become_an_image() {
    let fake = Fake::start();
    let layers = layers(0);
    let entry = fake.image("1", &layers, config(&here()), false);
    let reference = format!("{}/app:1", fake.host);
    let blob = gzip(&layers[1]);
    let mut other = blob.clone();
    other[100] ^= 1;
    fake.state().objects.insert(path_of(&blob), other.clone());
    let client = Client::new();
    let error = client.refusal(&reference);
    let said = format!(
        "digest mismatch: layer 2 of 2 should be sha256:{}, and {} sent sha256:{}",
        sha256_hex(&blob),
        fake.host,
        sha256_hex(&other)
    );
    assert!(error.ends_with(&said), "{error}");
    assert!(!client.half(&blob).exists(), "nothing wrong is kept");

    fake.state()
        .objects
        .insert(path_of(&blob), [&blob[..], b"more"].concat());
    let error = client.refusal(&reference);
    assert!(error.contains("layer 2 of 2 is longer than the"), "{error}");

    // A manifest that an index names by its digest.
    let mut entry = entry;
    entry["platform"] = config(&here());
    fake.manifest("2", &json!({ "schemaVersion": 2, "manifests": [entry] }));
    let path = format!("/v2/app/manifests/{}", entry["digest"].as_str().unwrap());
    let mut changed = fake.state().objects[&path].clone();
    changed.push(b' ');
    fake.state().objects.insert(path, changed);
    let error = client.refusal(&format!("{}/app:2", fake.host));
    assert!(error.contains("digest mismatch: "), "{error}");
}

#[test]
fn refusals_have_the_message_of_the_registry() {
    let fake = Fake::start();
    let client = Client::new();
    let error = client.refusal(&format!("{}/app:9", fake.host));
    let said = format!(
        "{0} refuses {0}/app:9: MANIFEST_UNKNOWN: no such manifest",
        fake.host
    );
    assert!(error.ends_with(&said), "{error}");

    fake.state().token = Some("good".to_string());
    fake.state().refusal = Some("not today\n".to_string());
    let error = client.refusal(&format!("{}/app:9", fake.host));
    let said = format!("{0} gives no token for {0}/app:9: not today", fake.host);
    assert!(error.ends_with(&said), "{error}");

    // Port 1 of this machine, where nothing listens; no name is resolved.
    let error = client.refusal("127.0.0.1:1/app:1");
    assert!(
        error.contains("ask 127.0.0.1:1 for 127.0.0.1:1/app:1"),
        "{error}"
    );
    assert!(error.contains("Connection refused"), "{error}");
}

#[test]
fn plain_http_is_used_only_on_this_machine() {
    let fake = Fake::start();
    fake.image("1", &layers(0), config(&here()), false);
    // An address that reaches this machine but is not a loopback address.
    let elsewhere = fake.host.replace("127.0.0.1", "0.0.0.0");
    let error = Client::new().refusal(&format!("{elsewhere}/app:1"));
    assert!(
        error.contains("plain http is used only on this machine"),
        "{error}"
    );
    let asked = fake.state().asked.clone();
    assert!(
        !asked.is_empty() && asked.iter().all(|asked| asked.path == "TLS"),
        "{asked:?}"
    );
}

#[test]
fn a_layer_that_cannot_be_unpacked_is_refused_by_its_media_type() {
    let fake = Fake::start();
    let layers = layers(0);
    fake.image("1", &layers, config(&here()), false);
    let whole = fake.state().objects["/v2/app/manifests/1"].clone();
    let whole: Value = serde_json::from_slice(&whole).unwrap();
    let refusal = |change: &dyn Fn(&mut Value)| {
        let mut manifest = whole.clone();
        change(&mut manifest);
        fake.manifest("2", &manifest);
        Client::new().refusal(&format!("{}/app:2", fake.host))
    };
    let encrypted = "application/vnd.oci.image.layer.v1.tar+gzip+encrypted";
    let error = refusal(&|manifest| manifest["layers"][1]["mediaType"] = json!(encrypted));
    assert!(
        error.contains(&format!("layer 2 is {encrypted}")),
        "{error}"
    );
    let chart = "application/vnd.cncf.helm.config.v1+json";
    let error = refusal(&|manifest| manifest["config"]["mediaType"] = json!(chart));
    assert!(error.contains(&format!("its config is {chart}")), "{error}");
    let error = refusal(&|manifest| *manifest = json!({ "schemaVersion": 1, "fsLayers": [] }));
    assert!(error.contains("it has schema 1"), "{error}");
    let error = refusal(&|manifest| manifest["layers"][0]["digest"] = json!("sha256:../../etc"));
    assert!(error.contains("is not a sha256 digest"), "{error}");
}

#[test]
fn a_pulled_image_is_in_the_cache_and_not_pulled_again() {
    let fake = Fake::start();
    let manifest = fake.image("1", &layers(0), config(&here()), true);
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::at(dir.path()).unwrap();
    let save = |reference: String, refresh| {
        let source = Source::Registry(RegistryImage {
            reference,
            platform: None,
        });
        cache.save("s", "image", &source, refresh, &|_| ()).unwrap()
    };
    let tag = format!("{}/app:1", fake.host);
    let first = save(tag.clone(), false);
    for (name, value) in [
        ("layout", "oci"),
        ("layers", "2"),
        ("layers_compressed", "none"),
        ("source", &format!("registry {tag}")),
    ] {
        let fact = (name.to_string(), value.to_string());
        assert!(first.facts.contains(&fact), "{:?}", first.facts);
    }
    assert_eq!(first.warnings, [""; 0]);
    fake.state().asked.clear();
    assert!(save(tag.clone(), false).reused);
    assert_eq!(fake.state().asked, []);
    let again = save(tag, true);
    assert!(!again.reused);
    assert_eq!(again.image.sha256, first.image.sha256);
    // A digest is another name of the same image.
    let digest = manifest["digest"].as_str().unwrap();
    let pinned = save(format!("{}/app@{digest}", fake.host), false);
    assert_eq!(pinned.image.sha256, first.image.sha256);
}
