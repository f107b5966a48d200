//! Claims about the registry's face: a layout is answered for by the protocol, counted as everything, and says no more
//! than its bytes.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::*;
use crate::image::sha256_hex;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A store with a layout `oci` that has one image, tagged `v1`.
struct Registry {
    site: Site,
    layer: Vec<u8>,
    manifest: Vec<u8>,
}

fn blob(bytes: &[u8]) -> String {
    format!("oci/blobs/sha256/{}", sha256_hex(bytes))
}

fn described(kind: &str, bytes: &[u8]) -> serde_json::Value {
    let digest = format!("sha256:{}", sha256_hex(bytes));
    json!({ "mediaType": kind, "digest": digest, "size": bytes.len() })
}

impl Registry {
    fn new() -> Registry {
        let layer = noise(1, 500_000);
        let diff_id = format!("sha256:{}", sha256_hex(&layer));
        let config = json!({
            "os": "linux", "architecture": "amd64", "config": {},
            "rootfs": { "type": "layers", "diff_ids": [diff_id] },
        });
        let config = config.to_string().into_bytes();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": described("application/vnd.oci.image.config.v1+json", &config),
            "layers": [described("application/vnd.oci.image.layer.v1.tar", &layer)],
        });
        let manifest = manifest.to_string().into_bytes();
        let mut tagged = described(MANIFEST, &manifest);
        tagged["annotations"] = json!({ "org.opencontainers.image.ref.name": "v1" });
        let index = json!({ "schemaVersion": 2, "manifests": [tagged] }).to_string();
        let site = Site::holding(&[
            ("oci/oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#),
            ("oci/index.json", index.as_bytes()),
            (&blob(&layer), &layer),
            (&blob(&config), &config),
            (&blob(&manifest), &manifest),
        ]);
        Registry {
            site,
            layer,
            manifest,
        }
    }

    fn ask(wire: &Wire) -> Raw {
        Raw::connect(&WireUrl(format!("http://{}", wire.registry().unwrap())))
    }
}

#[test]
fn manifests_come_by_tag_and_digest_as_what_they_are() {
    let registry = Registry::new();
    let wire = registry.site.open();
    let mut client = Registry::ask(&wire);
    assert_eq!(client.ask("GET", "/v2/", "").status, 200);
    let digest = format!("sha256:{}", sha256_hex(&registry.manifest));
    for reference in ["v1", &digest] {
        let answer = client.ask("GET", &format!("/v2/oci/manifests/{reference}"), "");
        assert_eq!(
            (answer.status, answer.head("content-type")),
            (200, MANIFEST)
        );
        assert_eq!(answer.head("docker-content-digest"), digest);
        assert!(answer.body == registry.manifest);
    }
    let head = client.ask("HEAD", "/v2/oci/manifests/v1", "");
    assert_eq!((head.status, head.head("content-type")), (200, MANIFEST));
    let layer = format!("/v2/oci/blobs/sha256:{}", sha256_hex(&registry.layer));
    assert!(client.ask("GET", &layer, "").body == registry.layer);
    let refused = [
        ("GET", "/v2/oci/manifests/v2"),
        ("GET", "/v2/other/manifests/v1"),
        ("GET", "/v2/oci/../oci/manifests/v1"),
        ("GET", "/v2/oci/tags/list"),
        ("GET", "/oci/index.json"),
    ];
    for (method, path) in refused {
        assert_eq!(client.ask(method, path, "").status, 404, "{path}");
    }
    assert_eq!(client.ask("PUT", "/v2/oci/manifests/v1", "").status, 405);
    let traffic = wire.close().unwrap();
    assert_eq!(all_bytes(&traffic), client.crossed);
    assert_eq!((traffic.requests, traffic.failed_requests), (11, 6));
    assert_eq!(traffic.note, "");
}

/// Otherwise a publish could write into a head, which is no payload, what a client should pay for.
#[test]
fn a_head_holds_nothing_that_a_publish_chose() {
    let registry = Registry::new();
    let named = sha256_hex(b"the name of another");
    let put = |name: &str, bytes: &[u8]| {
        let path = format!("oci/blobs/sha256/{name}");
        fs::write(registry.site.store.object(&path), bytes).unwrap();
    };
    put(&named, br#"{"config":{}}"#);
    let secret = br#"{"config":{},"mediaType":"text/secret"}"#;
    put(&sha256_hex(secret), secret);
    let wire = registry.site.open();
    let mut client = Registry::ask(&wire);
    for hex in [&named, &sha256_hex(secret)] {
        let answer = client.ask("GET", &format!("/v2/oci/manifests/sha256:{hex}"), "");
        assert_eq!(answer.status, 404, "{hex}");
        assert!(!format!("{:?}", answer.heads).contains("secret"));
    }
    drop(wire);
}

#[test]
fn a_thousand_ranges_in_one_request_are_answered_and_counted() {
    let registry = Registry::new();
    let wire = registry.site.open();
    let mut client = Registry::ask(&wire);
    let ranges: Vec<String> = (0..1000)
        .map(|at| format!("{}-{}", 100_000 + at * 300, 100_000 + at * 300 + 99))
        .collect();
    let header = format!("Range: bytes={}\r\n", ranges.join(","));
    assert!(header.len() > 13_000);
    let layer = format!("/v2/oci/blobs/sha256:{}", sha256_hex(&registry.layer));
    let answer = client.ask("GET", &layer, &header);
    assert_eq!(answer.status, 206);
    let boundary = answer.head("content-type").split("boundary=").nth(1);
    let boundary = boundary.unwrap().to_string();
    let parts = String::from_utf8_lossy(&answer.body)
        .matches(&boundary)
        .count();
    assert_eq!(parts, 1001);
    let traffic = wire.close().unwrap();
    assert_eq!((traffic.requests, traffic.payload_bytes), (1, 100_000));
    assert!(traffic.header_bytes > header.len() as u64);
    assert_eq!(all_bytes(&traffic), client.crossed);
}

fn has(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").output().is_ok();
    if !found {
        eprintln!("skipped: {tool} is not installed");
    }
    found
}

fn run(dir: &Path, argv: &[&str]) {
    let ran = Command::new(argv[0])
        .args(&argv[1..])
        .current_dir(dir)
        .env("no_proxy", "*")
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{argv:?}: {errors}");
}

#[test]
fn skopeo_copies_an_image_out_of_it() {
    if !has("skopeo") {
        return;
    }
    let registry = Registry::new();
    let wire = registry.site.open();
    let from = format!("docker://{}/oci:v1", wire.registry().unwrap());
    let dir = registry.site.dir.path();
    fs::write(
        dir.join("policy"),
        r#"{"default":[{"type":"insecureAcceptAnything"}]}"#,
    )
    .unwrap();
    run(
        dir,
        &[
            "skopeo",
            "--policy",
            "policy",
            "copy",
            "--quiet",
            "--src-tls-verify=false",
            &from,
            "dir:out",
        ],
    );
    let traffic = wire.close().unwrap();
    let out = |name: &str| fs::read(dir.join("out").join(name)).unwrap();
    assert!(out("manifest.json") == registry.manifest);
    assert!(out(&sha256_hex(&registry.layer)) == registry.layer);
    let layer = format!("v2/oci/blobs/sha256:{}", sha256_hex(&registry.layer));
    let crossed = traffic.objects.iter().find(|object| object.object == layer);
    assert_eq!(crossed.unwrap().payload_bytes, 500_000);
    assert_eq!(traffic.upload_bytes, 0);
}

#[test]
fn curl_takes_many_ranges_of_a_blob() {
    if !has("curl") {
        return;
    }
    let registry = Registry::new();
    let wire = registry.site.open();
    let layer = format!(
        "http://{}/v2/oci/blobs/sha256:{}",
        wire.registry().unwrap(),
        sha256_hex(&registry.layer)
    );
    let ranges: Vec<String> = (0..900)
        .map(|at| format!("{}-{}", at * 500, at * 500 + 9))
        .collect();
    run(
        registry.site.dir.path(),
        &[
            "curl",
            "-fsS",
            "-o",
            "parts",
            "-r",
            &ranges.join(","),
            &layer,
        ],
    );
    let traffic = wire.close().unwrap();
    assert_eq!((traffic.requests, traffic.payload_bytes), (1, 9000));
}
