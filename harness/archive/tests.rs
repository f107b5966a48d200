//! Claims about reading and wrapping archives.

use std::fs;
use std::path::PathBuf;

use super::examples::{archive_of, gzip, tar_of, tar_with_name};
use super::*;
use crate::image::sha256_hex;

const LAYOUTS: [Layout; 3] = [Layout::Docker, Layout::DockerOci, Layout::Oci];

/// Two uncompressed layers, one of them twice.
fn layers() -> Vec<Vec<u8>> {
    let base = tar_of(&[("etc/os-release", b"one"), ("usr/bin/tool", &[7; 3000])]);
    let top = tar_of(&[("app/main", b"two")]);
    vec![base.clone(), top, base]
}

/// Reads these bytes from a file named `archive.tar`.
fn read_bytes(bytes: &[u8]) -> Result<Content> {
    let dir = tempfile::tempdir().unwrap();
    let path: PathBuf = dir.path().join("archive.tar");
    fs::write(&path, bytes).unwrap();
    read(&path)
}

fn image(bytes: &[u8]) -> Archive {
    match read_bytes(bytes).unwrap() {
        Content::Image(archive) => archive,
        other => panic!("not an image: {other:?}"),
    }
}

fn refusal(bytes: &[u8]) -> String {
    format!("{:#}", read_bytes(bytes).unwrap_err())
}

#[test]
fn every_layout_gives_the_same_layers_in_order() {
    for layout in LAYOUTS {
        let bytes = archive_of(layout, &layers());
        let archive = image(&bytes);
        assert_eq!(archive.layout, layout);
        let (word, transport) = match layout {
            Layout::Docker => ("docker", "docker-archive"),
            Layout::DockerOci => ("docker-oci", "docker-archive"),
            Layout::Oci => ("oci", "oci-archive"),
        };
        assert_eq!((layout.word(), layout.transport()), (word, transport));
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), &bytes).unwrap();
        assert_eq!(super::layout(file.path()).unwrap(), Some(layout));
        assert_eq!(archive.layers.len(), 3, "{layout:?}");
        for (layer, contents) in archive.layers.iter().zip(layers()) {
            let at = layer.offset as usize;
            assert_eq!(&bytes[at..at + layer.length as usize], contents);
            assert_eq!(layer.digest, sha256_hex(&contents));
            assert_eq!(layer.diff_id.as_deref(), Some(layer.digest.as_str()));
            assert_eq!(layer.compression, Compression::None);
        }
        assert_eq!(archive.layers[0], archive.layers[2]);
        assert_eq!(archive.compressed_layers(), 0);
    }
}

#[test]
#[ignore = "writes what fuzzing begins with: see fuzz/run"]
fn seeds_for_the_fuzzers_are_written() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/archive");
    fs::create_dir_all(folder).unwrap();
    let packed = layers().iter().map(|layer| gzip(layer)).collect();
    for (kind, layers) in [("plain", layers()), ("gzip", packed)] {
        for layout in LAYOUTS {
            let seed = archive_of(layout, &layers);
            fs::write(format!("{folder}/seed-{}-{kind}", layout.word()), seed).unwrap();
        }
    }
}

#[test]
fn compression_is_recognized_by_the_first_bytes() {
    for layout in LAYOUTS {
        let plain = layers();
        let zstd = zstd::encode_all(&plain[1][..], 3).unwrap();
        let archive = image(&archive_of(layout, &[gzip(&plain[0]), zstd]));
        assert_eq!(archive.layers[0].compression, Compression::Gzip);
        assert_eq!(archive.layers[1].compression, Compression::Zstd);
        assert_eq!(archive.compressed_layers(), 2);
        for (layer, plain) in archive.layers.iter().zip(&plain) {
            assert_eq!(layer.diff_id, Some(sha256_hex(plain)), "{layout:?}");
        }
    }
}

#[test]
fn a_tar_without_a_manifest_is_a_tar_and_anything_else_is_other() {
    let Content::Tar(entries) = read_bytes(&tar_of(&[("a", b"x"), ("b", b"")])).unwrap() else {
        panic!("a tar");
    };
    assert_eq!(entries[0].name, "a");
    assert_eq!((entries[0].offset, entries[0].length), (512, 1));
    // A manifest.json of another kind does not make an image.
    let page = tar_of(&[("manifest.json", br#"{"name": "a web page"}"#)]);
    for other in [
        br#"{"name": "a web page"}"#.as_slice(),
        b"[]",
        br#"[{"name": "a"}]"#,
    ] {
        let tar = tar_of(&[("manifest.json", other), ("oci-layout", b"{}")]);
        assert!(matches!(read_bytes(&tar).unwrap(), Content::Tar(_)));
    }
    assert_eq!(read_bytes(b"").unwrap(), Content::Other);
    assert_eq!(read_bytes(&[7; 5000]).unwrap(), Content::Other);
    assert_eq!(read_bytes(&gzip(&page)).unwrap(), Content::Other);
}

#[test]
fn an_archive_cut_anywhere_is_an_error_that_says_where() {
    let bytes = archive_of(Layout::Docker, &layers());
    let end = bytes.len() - 1024;
    for cut in (262..=end).step_by(97).chain([512, end]) {
        let said = refusal(&bytes[..cut]);
        assert!(said.contains("archive.tar"), "{cut}: {said}");
        assert!(said.contains("offset"), "{cut}: {said}");
        assert!(said.contains("cut short"), "{cut}: {said}");
    }
}

#[test]
fn a_damaged_header_is_an_error_that_names_the_entry_before_it() {
    let mut bytes = tar_of(&[("first", b"1"), ("second", b"2")]);
    bytes[1024 + 3] ^= 1;
    let said = refusal(&bytes);
    assert!(
        said.contains("damaged header at offset 1024, after entry first"),
        "{said}"
    );
}

#[test]
fn names_that_lead_outside_are_refused_in_the_archive_and_in_its_layers() {
    for (name, why) in [
        ("/etc/passwd", "an absolute name"),
        ("a/../../b", "a name with `..` in it"),
        ("..", "a name with `..` in it"),
    ] {
        let bad = tar_with_name(name);
        for bytes in [bad.clone(), archive_of(Layout::Oci, &[bad])] {
            let said = refusal(&bytes);
            assert!(said.contains(why) && said.contains(name), "{said}");
            assert!(said.contains("offset"), "{said}");
        }
    }
    assert!(read_bytes(&tar_with_name("a..b/..c")).is_ok());
}

#[test]
fn a_missing_layer_is_an_error_that_names_it() {
    let manifest = br#"[{"Config": "c.json", "Layers": ["gone/layer.tar"]}]"#;
    let said = refusal(&tar_of(&[("c.json", b"{}"), ("manifest.json", manifest)]));
    assert!(said.contains("no entry gone/layer.tar"), "{said}");
}

#[test]
fn links_between_layers_that_leave_the_archive_or_form_a_circle_are_refused() {
    let manifest = br#"[{"Config": "c.json", "Layers": ["a/layer.tar"]}]"#;
    for (target, why) in [
        ("../../layer.tar", "outside the archive"),
        ("/layer.tar", "outside the archive"),
        ("layer.tar", "form a circle"),
    ] {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        tar.append_link(&mut header, "a/layer.tar", target).unwrap();
        let mut bytes = tar.into_inner().unwrap();
        bytes.truncate(512);
        bytes.extend(tar_of(&[("c.json", b"{}"), ("manifest.json", manifest)]));
        let said = refusal(&bytes);
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn a_blob_or_a_layer_that_does_not_match_its_digest_is_refused() {
    for (layout, why) in [(Layout::Oci, "damaged"), (Layout::Docker, "config says")] {
        let mut bytes = archive_of(layout, &layers());
        let at = image(&bytes).layers[0].offset as usize;
        // Inside a file of the layer, so that only a hash shows it.
        bytes[at + 512 + 1] ^= 1;
        let said = refusal(&bytes);
        assert!(said.contains(why) && said.contains("offset"), "{said}");
    }
}

#[test]
fn long_names_are_read_in_gnu_and_in_pax_form() {
    let long = "deep/".repeat(60) + "file";
    let gnu = tar_of(&[(&long, b"x"), ("next", b"")]);
    let mut tar = tar::Builder::new(Vec::new());
    tar.append_pax_extensions([("path", long.as_bytes()), ("size", b"1")])
        .unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_path("short").unwrap();
    header.set_size(1);
    header.set_cksum();
    tar.append(&header, &b"x"[..]).unwrap();
    let mut pax = tar.into_inner().unwrap();
    pax.truncate(pax.len() - 1024);
    pax.extend(tar_of(&[("next", b"")]));
    for bytes in [gnu, pax] {
        let Content::Tar(entries) = read_bytes(&bytes).unwrap() else {
            panic!("a tar");
        };
        let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, [long.as_str(), "next"]);
        assert_eq!(bytes[entries[0].offset as usize], b'x');
    }
}

#[test]
fn sparse_files_in_pax_form_are_refused() {
    let mut tar = tar::Builder::new(Vec::new());
    tar.append_pax_extensions([("GNU.sparse.major", &b"1"[..])])
        .unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_path("holes").unwrap();
    header.set_size(0);
    header.set_cksum();
    tar.append(&header, &b""[..]).unwrap();
    let said = refusal(&tar.into_inner().unwrap());
    assert!(said.contains("sparse file in pax form"), "{said}");
}

#[test]
fn a_wrapped_root_filesystem_is_an_image_of_one_layer_with_the_same_bytes_every_time() {
    let dir = tempfile::tempdir().unwrap();
    let rootfs = tar_of(&[("./etc/hostname", b"box"), ("bin/sh", &[1; 2000])]);
    let path = dir.path().join("rootfs.tar");
    fs::write(&path, &rootfs).unwrap();
    let mut wrapped = Vec::new();
    wrap_rootfs(&path, &mut wrapped, "v1").unwrap();
    let archive = image(&wrapped);
    assert_eq!(archive.layout, Layout::Docker);
    assert_eq!(archive.layers.len(), 1);
    let layer = &archive.layers[0];
    let at = layer.offset as usize;
    assert_eq!(&wrapped[at..at + rootfs.len()], rootfs);
    let mut names: Vec<&String> = archive.entries.iter().map(|entry| &entry.name).collect();
    let in_order = names.clone();
    names.sort();
    assert_eq!(names, in_order);

    // A copy in another file gives the same bytes.
    let elsewhere = dir.path().join("other.tar");
    fs::write(&elsewhere, &rootfs).unwrap();
    let mut again = Vec::new();
    wrap_rootfs(&elsewhere, &mut again, "v1").unwrap();
    assert_eq!(wrapped, again);
}

#[test]
fn what_is_not_a_bare_tar_is_not_wrapped() {
    let dir = tempfile::tempdir().unwrap();
    for bytes in [
        b"not a tar".to_vec(),
        archive_of(Layout::Docker, &layers()),
        tar_of(&[("a", b"1")])[..600].to_vec(),
    ] {
        let path = dir.path().join("rootfs.tar");
        fs::write(&path, bytes).unwrap();
        let mut out = Vec::new();
        assert!(wrap_rootfs(&path, &mut out, "v1").is_err());
        assert!(out.is_empty());
    }
}
