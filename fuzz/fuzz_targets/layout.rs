//! OCI layouts whose indexes lead anywhere: to each other, to themselves, to what is not there, to what is not JSON.

#![no_main]

use arbitrary::Arbitrary;
use delta_lab::archive::{self, Content};
use delta_lab::archive::writer::{HeaderForm, Member, TarWriter};
use delta_lab_fuzz::{names, put};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

/// One document; what it leads to is a number of a document.
#[derive(Arbitrary, Debug)]
enum Document {
    Index(Vec<(u8, Option<Platform>)>),
    Manifest { config: u8, layers: Vec<u8> },
    Config { diff_ids: Vec<u8>, rootfs: bool },
    Layer(Vec<u8>),
    Tar(Vec<u8>),
    Damaged(Vec<u8>),
}

#[derive(Arbitrary, Debug)]
enum Platform {
    Amd64,
    Unknown,
    Odd(String),
}

#[derive(Arbitrary, Debug)]
struct Layout {
    documents: Vec<Document>,
    index: Vec<u8>,
    algorithm: Option<String>,
    manifest: Option<Vec<(u8, Vec<u8>)>>,
}

/// What a document is called: names are not hashes here, so that circles are possible.
fn digest(number: u8, algorithm: &str) -> String {
    format!("{algorithm}:{number:064x}")
}

fn body(document: &Document, algorithm: &str) -> Vec<u8> {
    let of = |number: &u8| json!({ "digest": digest(*number, algorithm), "size": 1 });
    let json = match document {
        Document::Index(manifests) => {
            let manifests = manifests.iter().map(|(number, platform)| {
                let mut descriptor = of(number);
                let words = match platform {
                    None => return descriptor,
                    Some(Platform::Amd64) => ("linux", "amd64"),
                    Some(Platform::Unknown) => ("unknown", "unknown"),
                    Some(Platform::Odd(word)) => (word.as_str(), word.as_str()),
                };
                descriptor["platform"] = json!({ "os": words.0, "architecture": words.1 });
                descriptor
            });
            json!({ "schemaVersion": 2, "manifests": manifests.collect::<Vec<Value>>() })
        }
        Document::Manifest { config, layers } => {
            let layers: Vec<Value> = layers.iter().map(of).collect();
            json!({ "schemaVersion": 2, "config": of(config), "layers": layers })
        }
        Document::Config { diff_ids, rootfs } => {
            let ids: Vec<String> = diff_ids.iter().map(|number| digest(*number, "sha256")).collect();
            match rootfs {
                true => json!({ "rootfs": { "type": "layers", "diff_ids": ids } }),
                false => json!({ "os": ids }),
            }
        }
        Document::Layer(bytes) | Document::Damaged(bytes) => return bytes.clone(),
        Document::Tar(bytes) => {
            let mut tar = TarWriter::new(HeaderForm::Gnu, Vec::new());
            tar.whole(&Member::of_root("a", bytes.len() as u64, 0), bytes)
                .expect("it is in memory");
            return tar.finish().expect("it is in memory");
        }
    };
    json.to_string().into_bytes()
}

fuzz_target!(|layout: Layout| {
    let algorithm = match layout.algorithm.as_deref() {
        None => "sha512",
        Some(word) => word,
    };
    let mut tar = TarWriter::new(HeaderForm::Gnu, Vec::new());
    let mut add = |name: &str, bytes: &[u8]| {
        tar.whole(&Member::of_root(name, bytes.len() as u64, 0), bytes).is_ok()
    };
    add("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
    for (number, document) in layout.documents.iter().take(40).enumerate() {
        // sha512 in a name is not held against the bytes, sha256 is.
        let name = format!("blobs/sha512/{number:064x}");
        add(&name, &body(document, algorithm));
    }
    let leads = layout.index.iter().map(|number| (*number, None)).collect();
    add("index.json", &body(&Document::Index(leads), algorithm));
    if let Some(images) = &layout.manifest {
        let name = |number: &u8| format!("blobs/sha512/{number:064x}");
        let images: Vec<Value> = images
            .iter()
            .map(|(config, layers)| {
                let layers: Vec<String> = layers.iter().map(name).collect();
                json!({ "Config": name(config), "RepoTags": null, "Layers": layers })
            })
            .collect();
        add("manifest.json", json!(images).to_string().as_bytes());
    }
    let bytes = tar.finish().expect("it is in memory");
    let path = put("layout.tar", &bytes);
    match archive::read(&path) {
        Err(error) => names(&error, &path),
        Ok(Content::Image(image)) => {
            let whole = bytes.len() as u64;
            assert!(image.layers.iter().all(|it| it.offset + it.length <= whole));
        }
        Ok(_) => panic!("an OCI layout is an image"),
    }
});
