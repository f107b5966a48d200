//! Claims about cutting a tree by packages.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, UNIX_EPOCH};

use tempfile::TempDir;

use super::*;
use crate::archive::Layout;
use crate::archive::examples::{archive_of, archive_with, tar_of};

#[test]
fn a_package_stays_in_its_layer_whatever_else_there_is() {
    let layers = |names: &[&str], layers| -> BTreeMap<String, u32> {
        let layer = |name: &&str| (name.to_string(), layer_of(name, layers));
        names.iter().map(layer).collect()
    };
    let before = layers(&["openssl", "curl", "nginx"], 7);
    let after = layers(&["openssl", "abc", "curl", "nginx", "zlib"], 7);
    for (name, layer) in &before {
        assert_eq!(after[name], *layer, "{name}");
        assert!(*layer < 7);
    }
    assert_eq!(layer_of("openssl", 0), 0);
}

#[test]
fn one_layer_more_parts_one_and_leaves_the_others_as_they_are() {
    let names: Vec<String> = (0..300).map(|at| format!("source-{at}")).collect();
    for layers in 1..128 {
        for name in &names {
            let (before, after) = (layer_of(name, layers), layer_of(name, layers + 1));
            assert!(after <= layers);
            assert!(before == after || after == layers, "{name} of {layers}");
        }
    }
}

#[test]
fn sources_are_spread_over_all_layers() {
    let used: BTreeSet<u32> = (0..200)
        .map(|at| layer_of(&format!("source-{at}"), 15))
        .collect();
    assert_eq!(used.len(), 15);
}

/// A tree of two sources and of what no package owns: a library and a link to it, a program that others are hard links to.
fn tree() -> TempDir {
    let tree = tempfile::tempdir().unwrap();
    let at = |place: &str| tree.path().join(place);
    for folder in ["var/lib/dpkg/info", "usr/lib", "usr/bin", "etc"] {
        fs::create_dir_all(at(folder)).unwrap();
    }
    let status =
        "Package: libssl3\nSource: openssl (3.0)\nVersion: 3\n\nPackage: curl\nVersion: 1\n";
    let listed = "/.\n/usr/lib\n/usr/lib/libssl.so.3\n/usr/lib/libssl.so\n";
    for (place, contents) in [
        ("var/lib/dpkg/status", status),
        ("var/lib/dpkg/info/libssl3:amd64.list", listed),
        (
            "var/lib/dpkg/info/curl.list",
            "/usr/bin/curl\n/usr/bin/curl-too\n/usr/bin/gone\n",
        ),
        ("usr/lib/libssl.so.3", "a library"),
        ("usr/bin/curl", "a program"),
        ("etc/made", "made here"),
    ] {
        fs::write(at(place), contents).unwrap();
        let file = File::options().write(true).open(at(place)).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(1000))
            .unwrap();
    }
    symlink("libssl.so.3", at("usr/lib/libssl.so")).unwrap();
    fs::hard_link(at("usr/bin/curl"), at("usr/bin/curl-too")).unwrap();
    // No package has it, and it is the same file.
    fs::hard_link(at("usr/bin/curl"), at("etc/curl")).unwrap();
    fs::hard_link(at("etc/made"), at("etc/made-too")).unwrap();
    fs::set_permissions(at("usr/bin/curl"), Permissions::from_mode(0o4755)).unwrap();
    tree
}

/// What becomes of a tree that `archive` was unpacked to.
fn cut(tree: &TempDir, archive: &[u8], layers: u32) -> Result<(usize, Vec<u8>)> {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("old.tar"), folder.path().join("new.tar"));
    fs::write(&from, archive).unwrap();
    let file = File::create(&to).unwrap();
    let count = relayer(tree.path(), &from, layers, folder.path(), &file)?;
    Ok((count, fs::read(&to).unwrap()))
}

/// The entries of each layer of an archive: name, kind, mode, time, and where a link leads.
fn entries(archive: &[u8]) -> Vec<Vec<String>> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), archive).unwrap();
    let Content::Image(image) = crate::archive::read(file.path()).unwrap() else {
        panic!("an image");
    };
    let layers = image.layers.iter();
    let told = layers.map(|layer| {
        let bytes = &archive[layer.offset as usize..][..layer.length as usize];
        let mut tar = tar::Archive::new(bytes);
        let entries = tar.entries().unwrap().map(|entry| {
            let entry = entry.unwrap();
            let header = entry.header();
            let link = entry.link_name().unwrap();
            format!(
                "{} {:?} {:o} {}{}",
                entry.path().unwrap().display(),
                header.entry_type(),
                header.mode().unwrap() & 0o7777,
                header.mtime().unwrap(),
                link.map_or(String::new(), |link| format!(" -> {}", link.display())),
            )
        });
        entries.collect()
    });
    told.collect()
}

fn names(layer: &[String]) -> Vec<&str> {
    let words = layer.iter();
    words
        .map(|told| told.split(' ').next().unwrap_or_default())
        .collect()
}

#[test]
fn each_source_has_its_layer_with_the_folders_of_its_files_and_the_last_is_of_no_package() {
    let (openssl, curl) = (layer_of("openssl", 127), layer_of("curl", 127));
    assert!(openssl < curl, "{openssl} {curl}");
    let tree = tree();
    let (count, archive) = cut(&tree, &tar_of(&[]), 128).unwrap();
    let layers = entries(&archive);
    assert_eq!((count, layers.len()), (3, 3));
    let mode = |place: &str| {
        let about = fs::metadata(tree.path().join(place)).unwrap();
        about.permissions().mode() & 0o7777
    };
    let (folder, file) = (mode("usr"), mode("etc/made"));
    let of_openssl = [
        format!("usr/ Directory {folder:o} 0"),
        format!("usr/lib/ Directory {folder:o} 0"),
        "usr/lib/libssl.so Symlink 777 TIME -> libssl.so.3".to_string(),
        format!("usr/lib/libssl.so.3 Regular {file:o} 1000"),
    ];
    let link = fs::symlink_metadata(tree.path().join("usr/lib/libssl.so")).unwrap();
    let of_openssl = of_openssl.map(|told| told.replace("TIME", &link.mtime().to_string()));
    assert_eq!(layers[0], of_openssl);
    assert_eq!(
        layers[1],
        [
            format!("etc/ Directory {folder:o} 0"),
            "etc/curl Regular 4755 1000".to_string(),
            format!("usr/ Directory {folder:o} 0"),
            format!("usr/bin/ Directory {folder:o} 0"),
            "usr/bin/curl Link 4755 1000 -> etc/curl".to_string(),
            "usr/bin/curl-too Link 4755 1000 -> etc/curl".to_string(),
        ]
    );
    let last = names(&layers[2]);
    assert_eq!(last[..3], ["./", "etc/", "etc/made"]);
    assert!(last.contains(&"etc/made-too") && last.contains(&"var/lib/dpkg/status"));
    assert!(!last.contains(&"usr/bin/curl") && !last.contains(&"etc/curl"));
    // As one layer, and as the same bytes whenever it is done.
    let (count, whole) = cut(&tree, &tar_of(&[]), 1).unwrap();
    assert_eq!((count, entries(&whole).len()), (1, 1));
    assert_eq!(cut(&tree, &tar_of(&[]), 128).unwrap().1, archive);
}

#[test]
fn what_the_image_says_of_itself_stays_but_for_its_history() {
    let tree = tree();
    let has = |archive: &[u8], words: &str| {
        let mut windows = archive.windows(words.len());
        windows.any(|bytes| bytes == words.as_bytes())
    };
    let (_, bare) = cut(&tree, &tar_of(&[]), 2).unwrap();
    assert!(has(&bare, r#""os":"linux""#) && has(&bare, "PATH=/usr/local/sbin"));
    let config = json!({
        "os": "linux",
        "config": { "Cmd": ["serve"] },
        "history": [{ "comment": "of other layers" }],
    });
    let image = archive_with(Layout::Docker, &[tar_of(&[("a", b"1")])], config);
    let (_, cut) = cut(&tree, &image, 2).unwrap();
    assert!(has(&cut, r#""Cmd":["serve"]"#) && !has(&cut, "of other layers"));
}

#[test]
fn what_a_layer_cannot_hold_is_refused_by_its_place() {
    for (place, why) in [
        ("etc/.wh.made", "its name would be a whiteout"),
        ("etc/pipe", "a device, a fifo or a socket"),
    ] {
        let tree = tree();
        let path = tree.path().join(place);
        match place {
            "etc/pipe" => nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap(),
            _ => fs::write(&path, "").unwrap(),
        }
        let said = format!("{:#}", cut(&tree, &tar_of(&[]), 4).unwrap_err());
        assert!(said.contains(place) && said.contains(why), "{said}");
    }
    let none = tempfile::tempdir().unwrap();
    let image = archive_of(Layout::Oci, &[tar_of(&[])]);
    let said = format!("{:#}", cut(&none, &image, 4).unwrap_err());
    assert!(said.contains("only a Debian tree can be cut"), "{said}");
}
