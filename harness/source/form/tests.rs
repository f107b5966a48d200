use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use super::*;
use crate::archive::Content;
use crate::source::FILESYSTEMS;

/// Whether images can be made here; says plainly when a test is skipped for it.
fn can(form: &Form) -> bool {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: only root can unpack an image with its owners");
        return false;
    }
    if let Err(why) = form.version() {
        println!("skipped: {why:#}");
        return false;
    }
    true
}

/// A tar of what a shell makes of an empty folder.
fn tree(dir: &Path, name: &str, script: &str) -> std::path::PathBuf {
    let words = format!(
        "set -e; umask 022; mkdir {name}; cd {name}; {script}; cd ..; \
         tar --xattrs --xattrs-include='*' -C {name} -cf {name}.tar ."
    );
    let mut shell = Command::new("sh");
    let status = shell.args(["-c", &words]).current_dir(dir).status();
    assert!(status.unwrap().success());
    dir.join(format!("{name}.tar"))
}

/// One of everything that is easily lost.
const EVERYTHING: &str = "mkdir -p usr/bin var/mail tmp empty \"a name with 'q', \\\"d\\\" and spaces\"; chmod 1777 tmp; \
     chmod 2775 var/mail; chmod 700 empty; cp /bin/ls usr/bin/tool; chmod 4755 usr/bin/tool; ln usr/bin/tool usr/bin/again; \
     ln -s usr/bin bin; ln -s /nowhere dangling; head -c 300000 /dev/zero > zeros; printf x > var/mail/one; \
     chown 33:44 var/mail/one; cp /bin/cat usr/bin/ping; setcap cap_net_raw+ep usr/bin/ping; \
     printf y > \"$(printf 'new\\nline')\"; : > nothing; chown 5:6 .; chmod 750 .; \
     find . -exec touch -h -d @1600000000 {} +; mkdir later";

fn filesystem(kind: &str, options: &[&str]) -> Form {
    Form::Filesystem {
        kind: kind.to_string(),
        options: options.iter().map(ToString::to_string).collect(),
    }
}

/// Makes it in a folder of its own; returns its facts, and its bytes.
fn made(form: &Form, base: &Path) -> Result<(Facts, Vec<u8>)> {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("image.tar");
    let facts = form.make(base, &out, &|_| ())?;
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        1,
        "nothing is left beside the image"
    );
    Ok((facts, fs::read(out).unwrap()))
}

#[test]
fn a_file_system_of_a_tree_holds_that_tree_and_is_the_same_bytes_at_any_time() {
    let dir = tempfile::tempdir().unwrap();
    let base = tree(dir.path(), "tree", EVERYTHING);
    for filesystem_ in FILESYSTEMS {
        let form = filesystem(filesystem_.name, &[]);
        if !can(&form) {
            continue;
        }
        let (facts, first) = made(&form, &base).unwrap();
        // Times of file systems are in seconds.
        sleep(Duration::from_millis(1100));
        let (_, second) = made(&form, &base).unwrap();
        assert!(
            first == second,
            "{form} differs from one second to the next"
        );
        let facts: std::collections::BTreeMap<_, _> = facts.into_iter().collect();
        assert_eq!(facts["form"], filesystem_.name);
        assert!(facts["form_version"].contains('.'), "{facts:?}");
        println!("{form}: unpacked by {}", facts["verified_by"]);
    }
}

#[test]
fn options_are_the_tools_own_and_one_that_loses_something_is_found_out() {
    let dir = tempfile::tempdir().unwrap();
    let base = tree(dir.path(), "tree", EVERYTHING);
    for (kind, options, lost) in [
        ("squashfs", &["-all-root"][..], "owner 0:0, the image has"),
        ("squashfs", &["-no-xattrs"], "another security.capability"),
        ("erofs", &["--all-root"], "owner 0:0, the image has"),
        ("erofs", &["--exclude-path=zeros"], "zeros: is missing"),
    ] {
        let form = filesystem(kind, options);
        if can(&form) {
            let why = format!("{:#}", made(&form, &base).unwrap_err());
            assert!(why.contains("it is another tree"), "{why}");
            assert!(why.contains(lost), "{form}: {why}");
        }
    }
    for (kind, options) in [
        ("squashfs", ["-comp", "xz"]),
        ("erofs", ["-z", "lz4hc"]),
        ("ext4", ["-b", "4096"]),
    ] {
        let (form, plain) = (filesystem(kind, &options), filesystem(kind, &[]));
        if can(&form) {
            let (_, with) = made(&form, &base).unwrap();
            let (_, without) = made(&plain, &base).unwrap();
            assert!(with != without, "{form} is as {plain}");
        }
    }
    let form = filesystem("squashfs", &["-no-such-option"]);
    if can(&form) {
        let why = format!("{:#}", made(&form, &base).unwrap_err());
        assert!(why.contains("no-such-option"), "{why}");
    }
}

/// A Debian tree in small: two packages of one source, one of another, one of a third where `third` says so, files of
/// nobody. Every release is made anew, so the times of its folders differ.
fn debian(dir: &Path, name: &str, openssl: &str, third: bool) -> std::path::PathBuf {
    let mut script = format!(
        "mkdir -p usr/bin usr/lib var/lib/dpkg/info var/cache etc; ln -s usr/lib lib; \
         echo {openssl} > usr/lib/libssl.so; echo tool-{openssl} > usr/bin/openssl; echo curl > usr/bin/curl; \
         ln usr/bin/curl usr/bin/curl-again; chmod 4755 usr/bin/curl; chown 3:4 usr/bin/openssl; echo $$ > var/cache/made; \
         printf 'Package: libssl3\\nSource: openssl (3.0)\\nVersion: {openssl}\\n\\nPackage: openssl\\n\\nPackage: curl\\n' \
         > var/lib/dpkg/status; \
         printf '/.\\n/lib\\n/lib/libssl.so\\n' > var/lib/dpkg/info/libssl3:amd64.list; \
         printf '/.\\n/usr\\n/usr/bin\\n/usr/bin/openssl\\n/etc\\n' > var/lib/dpkg/info/openssl.list; \
         printf '/.\\n/usr\\n/usr/bin\\n/usr/bin/curl\\n/usr/bin/gone\\n' > var/lib/dpkg/info/curl.list; "
    );
    if third {
        script.push_str(
            "echo z > usr/bin/zed; printf '/usr/bin/zed\\n' > var/lib/dpkg/info/zed.list; ",
        );
    }
    script.push_str("find . -type f -exec touch -d @1600000000 {} +");
    tree(dir, name, &script)
}

/// The DiffIDs and names of each layer of an archive.
fn layers(bytes: &[u8]) -> Vec<(String, Vec<String>)> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("image.tar");
    fs::write(&path, bytes).unwrap();
    let Content::Image(image) = archive::read(&path).unwrap() else {
        panic!("no image");
    };
    let names = |layer: &archive::Layer| {
        let bytes = &bytes[layer.offset as usize..][..layer.length as usize];
        let mut tar = tar::Archive::new(bytes);
        let names = tar.entries().unwrap().map(|entry| {
            let entry = entry.unwrap();
            String::from_utf8(entry.path_bytes().into_owned()).unwrap()
        });
        names.collect()
    };
    let layers = image.layers.iter();
    layers
        .map(|layer| (layer.digest.clone(), names(layer)))
        .collect()
}

#[test]
fn packages_stay_in_their_layers_when_one_changes_or_comes_and_the_rest_is_last() {
    let form = Form::Packages { layers: 60 };
    if !can(&form) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let old = debian(dir.path(), "old", "3.0.1", false);
    sleep(Duration::from_millis(1100));
    let new = debian(dir.path(), "new", "a-longer-3.0.2", true);
    let [old, new] = [&old, &new].map(|base| layers(&made(&form, base).unwrap().1));
    let with = |layers: &[(String, Vec<String>)], name: &str| {
        let is_there = |(_, names): &&(String, Vec<String>)| names.iter().any(|it| it == name);
        let mut found = layers.iter().filter(is_there);
        let layer = found
            .next()
            .unwrap_or_else(|| panic!("no layer has {name}"));
        assert!(found.next().is_none(), "{name} is in two layers");
        layer.clone()
    };
    assert_eq!(with(&old, "usr/bin/curl"), with(&new, "usr/bin/curl"));
    assert!(
        with(&old, "usr/bin/curl")
            .1
            .contains(&"usr/bin/curl-again".to_string())
    );
    let (ssl, tool) = (
        with(&old, "usr/lib/libssl.so"),
        with(&old, "usr/bin/openssl"),
    );
    assert_eq!(ssl, tool, "two packages of one source share a layer");
    assert_ne!(ssl.0, with(&new, "usr/lib/libssl.so").0);
    assert_eq!((old.len(), new.len()), (3, 4));
    for layers in [&old, &new] {
        let rest = with(layers, "var/cache/made");
        assert_eq!(layers.last(), Some(&rest));
        for name in ["./", "var/lib/dpkg/status"] {
            assert!(
                rest.1.iter().any(|it| it == name),
                "{name} is not in {rest:?}"
            );
        }
    }
}

#[test]
fn any_number_of_layers_is_the_same_tree_and_one_has_it_all() {
    let form = |layers| Form::Packages { layers };
    if !can(&form(1)) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let base = debian(dir.path(), "old", "3.0.1", true);
    for (asked, there) in [(1, 1), (2, 2), (128, 4)] {
        // It is unpacked and compared by `make`.
        let (_, bytes) = made(&form(asked), &base).unwrap();
        assert_eq!(layers(&bytes).len(), there, "{asked} asked for");
        assert!(bytes == made(&form(asked), &base).unwrap().1);
    }
    let plain = tree(dir.path(), "plain", "echo x > x");
    let why = format!("{:#}", made(&form(2), &plain).unwrap_err());
    assert!(
        why.contains("only a Debian tree can be cut by package"),
        "{why}"
    );
}
