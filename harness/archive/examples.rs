//! Small archives of every layout, made in memory for tests.

use std::io::Write;

use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

use crate::archive::Layout;
use crate::image::sha256_hex;

/// A tar of these files, as GNU tar would write it (long names and all).
pub(crate) fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for (name, contents) in files {
        let mut header = Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(contents.len() as u64);
        tar.append_data(&mut header, name, *contents).unwrap();
    }
    tar.into_inner().unwrap()
}

/// A tar with one entry whose name is written unchecked.
pub(crate) fn tar_with_name(name: &str) -> Vec<u8> {
    let mut header = Header::new_ustar();
    header.as_ustar_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_mode(0o644);
    header.set_size(2);
    header.set_cksum();
    let mut tar = Builder::new(Vec::new());
    tar.append(&header, &b"hi"[..]).unwrap();
    tar.into_inner().unwrap()
}

/// The bytes compressed with gzip.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

/// An image archive of these layers in that layout. A layer that repeats is a link in docker's old layout and the same blob
/// in the others.
pub(crate) fn archive_of(layout: Layout, layers: &[Vec<u8>]) -> Vec<u8> {
    let config = json!({ "os": "linux", "architecture": "amd64", "config": {} });
    archive_with(layout, layers, config)
}

/// Like `archive_of`, with these fields in its config in addition to the DiffIDs.
pub(crate) fn archive_with(layout: Layout, layers: &[Vec<u8>], config: Value) -> Vec<u8> {
    let config = config_of(layers, config);
    match layout {
        Layout::Docker => docker(layers, &config),
        Layout::DockerOci => oci(layers, &config, true),
        Layout::Oci => oci(layers, &config, false),
    }
}

/// A config with the DiffIDs of these layers.
pub(crate) fn config_of(layers: &[Vec<u8>], mut config: Value) -> String {
    let diff_ids: Vec<String> = layers.iter().map(|layer| diff_id(layer)).collect();
    config["rootfs"] = json!({ "type": "layers", "diff_ids": diff_ids });
    config.to_string()
}

fn diff_id(layer: &[u8]) -> String {
    let mut plain = Vec::new();
    let bytes = match layer {
        [0x1f, 0x8b, ..] => {
            std::io::copy(&mut flate2::read::MultiGzDecoder::new(layer), &mut plain).unwrap();
            &plain
        }
        [0x28, 0xb5, ..] => {
            plain = zstd::decode_all(layer).unwrap();
            &plain
        }
        _ => layer,
    };
    format!("sha256:{}", sha256_hex(bytes))
}

fn docker(layers: &[Vec<u8>], config: &str) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    let mut names: Vec<String> = Vec::new();
    for (at, layer) in layers.iter().enumerate() {
        let id = sha256_hex(format!("{at}").as_bytes());
        let name = format!("{id}/layer.tar");
        let mut header = Header::new_gnu();
        header.set_mode(0o644);
        match layers[..at].iter().position(|earlier| earlier == layer) {
            Some(first) => {
                header.set_entry_type(EntryType::Symlink);
                header.set_size(0);
                tar.append_link(&mut header, &name, format!("../{}", names[first]))
                    .unwrap();
            }
            None => {
                header.set_size(layer.len() as u64);
                tar.append_data(&mut header, &name, &layer[..]).unwrap();
            }
        }
        names.push(name);
    }
    let config_name = format!("{}.json", sha256_hex(config.as_bytes()));
    let manifest = json!([{ "Config": config_name, "RepoTags": null, "Layers": names }]);
    file(&mut tar, &config_name, config.as_bytes());
    file(&mut tar, "manifest.json", manifest.to_string().as_bytes());
    tar.into_inner().unwrap()
}

fn oci(layers: &[Vec<u8>], config: &str, for_docker: bool) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    let blob = |bytes: &[u8]| format!("blobs/sha256/{}", sha256_hex(bytes));
    let descriptor = |bytes: &[u8]| json!({ "digest": format!("sha256:{}", sha256_hex(bytes)), "size": bytes.len() });
    for (at, layer) in layers.iter().enumerate() {
        if !layers[..at].contains(layer) {
            file(&mut tar, &blob(layer), layer);
        }
    }
    file(&mut tar, &blob(config.as_bytes()), config.as_bytes());
    let manifest = json!({ "schemaVersion": 2, "config": descriptor(config.as_bytes()),
        "layers": layers.iter().map(|layer| descriptor(layer)).collect::<Vec<_>>() })
    .to_string();
    file(&mut tar, &blob(manifest.as_bytes()), manifest.as_bytes());
    // A multi-platform image as it is saved: a nested index whose other platform and attestation are missing.
    let mut attestation = descriptor(b"not here");
    attestation["platform"] = json!({ "architecture": "unknown", "os": "unknown" });
    let nested = json!({ "schemaVersion": 2,
        "manifests": [descriptor(manifest.as_bytes()), descriptor(b"arm64"), attestation] })
    .to_string();
    file(&mut tar, &blob(nested.as_bytes()), nested.as_bytes());
    let index = json!({ "schemaVersion": 2, "manifests": [descriptor(nested.as_bytes())] });
    file(&mut tar, "index.json", index.to_string().as_bytes());
    if for_docker {
        let names: Vec<String> = layers.iter().map(|layer| blob(layer)).collect();
        let manifest =
            json!([{ "Config": blob(config.as_bytes()), "RepoTags": null, "Layers": names }]);
        file(&mut tar, "manifest.json", manifest.to_string().as_bytes());
    }
    file(&mut tar, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
    tar.into_inner().unwrap()
}

fn file(tar: &mut Builder<Vec<u8>>, name: &str, contents: &[u8]) {
    let mut header = Header::new_gnu();
    header.set_mode(0o644);
    header.set_size(contents.len() as u64);
    tar.append_data(&mut header, name, contents).unwrap();
}
