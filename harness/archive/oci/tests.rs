//! Claims about layouts that tools write seldom: indexes in indexes, other platforms, damaged digests.

use std::fs;

use anyhow::Result;
use serde_json::{Value, json};

use crate::archive::examples::{config_of, tar_of};
use crate::archive::{Archive, Compression, Content};
use crate::image::sha256_hex;

/// A layout that is being put together.
#[derive(Default)]
struct Blobs(Vec<(String, Vec<u8>)>);

impl Blobs {
    /// Takes a blob in, and gives its descriptor.
    fn put(&mut self, bytes: &[u8]) -> Value {
        let digest = sha256_hex(bytes);
        let name = format!("blobs/sha256/{digest}");
        self.0.push((name, bytes.to_vec()));
        json!({ "digest": format!("sha256:{digest}"), "size": bytes.len() })
    }

    /// An image of one layer.
    fn image(&mut self, layer: &[u8]) -> Value {
        let config = config_of(&[layer.to_vec()], json!({ "os": "linux" }));
        let config = self.put(config.as_bytes());
        let manifest = json!({ "config": config, "layers": [self.put(layer)] });
        self.put(manifest.to_string().as_bytes())
    }

    fn index(&mut self, manifests: &[Value]) -> Value {
        let index = json!({ "manifests": manifests });
        self.put(index.to_string().as_bytes())
    }

    /// Reads the layout whose index lists these.
    fn read(mut self, manifests: &[Value]) -> Result<Archive> {
        let index = json!({ "manifests": manifests }).to_string();
        self.0.push(("index.json".to_string(), index.into_bytes()));
        self.0.push(("oci-layout".to_string(), b"{}".to_vec()));
        let files: Vec<(&str, &[u8])> = self
            .0
            .iter()
            .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
            .collect();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("archive.tar");
        fs::write(&path, tar_of(&files)).unwrap();
        match crate::archive::read(&path)? {
            Content::Image(archive) => Ok(archive),
            other => panic!("not an image: {other:?}"),
        }
    }
}

fn refusal(read: Result<Archive>) -> String {
    format!("{:#}", read.unwrap_err())
}

fn nowhere() -> Value {
    json!({ "digest": format!("sha256:{}", sha256_hex(b"not here")), "size": 8 })
}

#[test]
fn an_image_is_found_up_to_four_indexes_deep() {
    for (deep, found) in [(1, true), (4, true), (5, false)] {
        let mut blobs = Blobs::default();
        let mut at = blobs.image(&tar_of(&[("a", b"1")]));
        // The layout's own index is the first.
        for _ in 1..deep {
            at = blobs.index(&[at]);
        }
        let read = blobs.read(&[at]);
        match found {
            true => assert_eq!(read.unwrap().images.len(), 1, "{deep}"),
            false => assert!(refusal(read).contains("nested more than 4 deep")),
        }
    }
}

#[test]
fn what_the_layouts_own_index_lists_must_be_there_and_in_indexes_below_it_need_not() {
    let mut blobs = Blobs::default();
    let image = blobs.image(&tar_of(&[("a", b"1")]));
    let nested = blobs.index(&[nowhere(), image]);
    assert_eq!(blobs.read(&[nested]).unwrap().images.len(), 1);
    let mut blobs = Blobs::default();
    let image = blobs.image(&tar_of(&[("a", b"1")]));
    let why = refusal(blobs.read(&[image, nowhere()]));
    assert!(why.contains("no entry blobs/sha256/"), "{why}");
}

#[test]
fn an_attestation_is_no_image_and_an_image_of_a_platform_is() {
    let mut blobs = Blobs::default();
    let mut image = blobs.image(&tar_of(&[("a", b"1")]));
    image["platform"] = json!({ "os": "linux", "architecture": "amd64" });
    let mut attestation = nowhere();
    attestation["platform"] = json!({ "os": "unknown", "architecture": "unknown" });
    let found = blobs.read(&[image, attestation]).unwrap();
    assert_eq!(found.images.len(), 1);
}

#[test]
fn what_is_no_digest_is_refused_before_it_is_a_name() {
    for digest in ["sha256:../../a", "md5:00", "00"] {
        let manifest = json!({ "digest": digest, "size": 1 });
        let why = refusal(Blobs::default().read(&[manifest]));
        let said = format!("not a digest: {digest}");
        assert!(why.contains(&said), "{why}");
    }
}

/// What is stored as a layer need not be a tar: charts and models are saved so too.
#[test]
fn a_layer_that_is_no_tar_is_a_layer() {
    let mut blobs = Blobs::default();
    let image = blobs.image(&[7; 2000]);
    let found = blobs.read(&[image]).unwrap();
    let layer = &found.layers[0];
    assert_eq!((layer.length, layer.compression), (2000, Compression::None));
}
