//! Claims about unpacked images.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use tar::{Builder, EntryType, Header};
use tempfile::TempDir;

use super::*;
use crate::archive::Layout;
use crate::archive::examples::{archive_of, gzip, tar_of, tar_with_name};

/// Entries of a tar, one after the other.
struct Tar(Builder<Vec<u8>>);

impl Tar {
    fn new() -> Tar {
        Tar(Builder::new(Vec::new()))
    }

    fn put(mut self, name: &str, kind: EntryType, mode: u32, contents: &[u8]) -> Tar {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(1000);
        header.set_gid(2000);
        header.set_mtime(1_500_000_000);
        header.set_size(contents.len() as u64);
        self.0.append_data(&mut header, name, contents).unwrap();
        self
    }

    fn file(self, name: &str, contents: &str) -> Tar {
        self.put(name, EntryType::Regular, 0o644, contents.as_bytes())
    }

    fn folder(self, name: &str, mode: u32) -> Tar {
        self.put(name, EntryType::Directory, mode, b"")
    }

    fn link(mut self, name: &str, kind: EntryType, target: &str) -> Tar {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o777);
        header.set_size(0);
        header.set_uid(1000);
        header.set_gid(2000);
        self.0.append_link(&mut header, name, target).unwrap();
        self
    }

    fn symlink(self, name: &str, target: &str) -> Tar {
        self.link(name, EntryType::Symlink, target)
    }

    fn xattr(mut self, name: &str, value: &[u8]) -> Tar {
        let key = format!("SCHILY.xattr.{name}");
        self.0
            .append_pax_extensions([(key.as_str(), value)])
            .unwrap();
        self
    }

    fn bytes(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

/// An archive, and the folder it is unpacked to.
struct Place {
    dir: TempDir,
    unpacked: Result<LeftOut>,
}

fn unpacked(archive: &[u8]) -> Place {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("image.tar");
    fs::write(&file, archive).unwrap();
    let unpacked = unpack(&file, &dir.path().join("tree"));
    Place { dir, unpacked }
}

fn image(layers: &[Vec<u8>]) -> Place {
    unpacked(&archive_of(Layout::DockerOci, layers))
}

impl Place {
    fn path(&self, name: &str) -> PathBuf {
        self.unpacked.as_ref().unwrap();
        self.dir.path().join("tree").join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// All names, sorted.
    fn names(&self) -> Vec<String> {
        let root = self.path("");
        let mut names: Vec<String> = walkdir::WalkDir::new(&root)
            .min_depth(1)
            .into_iter()
            .map(|entry| {
                let path = entry.unwrap().into_path();
                path.strip_prefix(&root).unwrap().display().to_string()
            })
            .collect();
        names.sort();
        names
    }

    fn refusal(&self) -> String {
        format!("{:#}", self.unpacked.as_ref().unwrap_err())
    }
}

/// Whether this user may change owners. If not, says that the test was skipped.
fn root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        eprintln!("skipped: only root can unpack an image with its owners");
    }
    root
}

#[test]
fn modes_owners_times_links_and_capabilities_are_those_of_the_archive() {
    if !root() {
        return;
    }
    // The kernel's vfs_cap_data of revision 2: cap_net_raw, effective.
    let capability = [
        1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];
    let long = "deep/".repeat(60) + "file";
    let tar = Tar::new()
        .folder("./", 0o711)
        .folder("tmp/", 0o1777)
        .put("bin/su", EntryType::Regular, 0o4755, b"x")
        .xattr("security.capability", &capability)
        .file("bin/ping", "ping")
        .xattr("trusted.overlay.opaque", b"y")
        .file("bin/plain", "")
        .link("bin/other", EntryType::Link, "bin/su")
        .symlink("sh", "bin/su")
        .file(&long, "long")
        .bytes();
    let place = unpacked(&tar);
    let about = |name: &str| fs::symlink_metadata(place.path(name)).unwrap();
    assert_eq!(about("").mode() & 0o7777, 0o711);
    assert_eq!(about("tmp").mode() & 0o7777, 0o1777);
    assert_eq!(about("bin/su").mode() & 0o7777, 0o4755);
    assert_eq!((about("bin/su").uid(), about("bin/su").gid()), (1000, 2000));
    assert_eq!((about("sh").uid(), about("sh").gid()), (1000, 2000));
    assert_eq!(
        fs::read_link(place.path("sh")).unwrap(),
        PathBuf::from("bin/su")
    );
    assert_eq!(about("bin/su").ino(), about("bin/other").ino());
    for name in ["", "tmp", "bin/su", &long] {
        assert_eq!(about(name).mtime(), 1_500_000_000, "{name}");
    }
    // No entry describes it, so it belongs to root and its time is the epoch.
    assert_eq!((about("bin").mtime(), about("bin").uid()), (0, 0));
    assert_eq!(place.text(&long), "long");
    let mut value = [0; 20];
    let read = rustix::fs::lgetxattr(place.path("bin/ping"), "security.capability", &mut value);
    assert_eq!((read, value), (Ok(20), capability));
    let left_out = *place.unpacked.as_ref().unwrap();
    assert_eq!(left_out.to_string(), "1 extended attribute");
}

#[test]
fn layers_of_every_layout_and_compression_are_written_over_each_other() {
    if !root() {
        return;
    }
    let below = Tar::new().file("a", "old").file("gone", "x").bytes();
    let above = Tar::new().file("a", "new").file(".wh.gone", "").bytes();
    for layout in [Layout::Docker, Layout::DockerOci, Layout::Oci] {
        let layers = [gzip(&below), zstd::encode_all(&above[..], 3).unwrap()];
        let place = unpacked(&archive_of(layout, &layers));
        assert_eq!(place.names(), ["a"], "{layout:?}");
        assert_eq!(place.text("a"), "new");
    }
}

#[test]
fn whiteouts_remove_what_is_below_but_nothing_of_their_own_layer() {
    if !root() {
        return;
    }
    let below = Tar::new()
        .file("d/old", "x")
        .file("d/both", "old")
        .file("o/old", "x")
        .file("o/sub/old", "x")
        .file("whole/a/b", "x")
        .file("kept", "x")
        .bytes();
    let above = Tar::new()
        // The layer's own file comes before the whiteout of its name, and after it.
        .file("d/both", "new")
        .file("d/.wh.both", "")
        .file("d/.wh.old", "")
        .file("o/new", "y")
        .file("o/.wh..wh..opq", "")
        .file("o/sub/new", "y")
        .file(".wh.whole", "")
        .file(".wh.never-there", "")
        .file("none/.wh.here", "")
        .bytes();
    let place = image(&[below, above]);
    assert_eq!(
        place.names(),
        ["d", "d/both", "kept", "o", "o/new", "o/sub", "o/sub/new"]
    );
    assert_eq!(place.text("d/both"), "new");
    // In a plain tar they are ordinary files.
    assert_eq!(
        unpacked(&Tar::new().file(".wh.a", "").bytes()).names(),
        [".wh.a"]
    );
}

#[test]
fn replacing_a_file_does_not_change_its_other_hard_link() {
    if !root() {
        return;
    }
    let below = Tar::new()
        .file("a", "old")
        .link("b", EntryType::Link, "a")
        .folder("d/", 0o755)
        .file("d/x", "");
    let above = Tar::new()
        .file("a", "new")
        .file("d", "a file now")
        .symlink("b2", "b");
    let place = image(&[below.bytes(), above.bytes()]);
    assert_eq!(
        (place.text("a"), place.text("b")),
        ("new".into(), "old".into())
    );
    assert_eq!(place.text("d"), "a file now");
}

#[test]
fn a_link_in_a_path_is_followed_within_the_tree() {
    if !root() {
        return;
    }
    let outside = tempfile::tempdir().unwrap();
    let outside = outside.path().to_str().unwrap();
    let up = "../".repeat(30) + outside;
    for target in [outside, up.as_str()] {
        let below = Tar::new().symlink("lib", target).bytes();
        let above = Tar::new()
            .file("lib/escaped", "x")
            .link("hard", EntryType::Link, "lib/escaped")
            .file("lib/.wh..wh..opq", "")
            .bytes();
        fs::write(format!("{outside}/precious"), "").unwrap();
        let place = image(&[below, above]);
        let inside = outside.trim_start_matches('/');
        assert_eq!(place.text(&format!("{inside}/escaped")), "x");
        assert_eq!(place.text("hard"), "x");
        let left: Vec<_> = fs::read_dir(outside).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }
    // The same name as a link to a file outside: the link is replaced, the file is not written.
    let precious = format!("{outside}/precious");
    let below = Tar::new().symlink("p", &precious).bytes();
    let place = image(&[below, Tar::new().file("p", "mine").bytes()]);
    assert_eq!(place.text("p"), "mine");
    assert_eq!(fs::read_to_string(&precious).unwrap(), "");
}

#[test]
fn an_entry_that_leads_outside_or_nowhere_is_refused_by_name() {
    if !root() {
        return;
    }
    let circle = Tar::new()
        .symlink("a", "b")
        .symlink("b", "a")
        .file("a/x", "")
        .bytes();
    let hard = |target| Tar::new().link("hard", EntryType::Link, target).bytes();
    for (layer, words) in [
        (
            tar_with_name("/etc/passwd"),
            "entry /etc/passwd: an absolute name",
        ),
        (
            tar_with_name("a/../../b"),
            "entry a/../../b: a name with `..` in it",
        ),
        (circle, "entry a/x: the links in its path form a circle"),
        (
            hard("../../etc/passwd"),
            "entry hard: a hard link to ../../etc/passwd, which is not there",
        ),
        (
            hard("/etc/passwd"),
            "entry hard: a hard link to /etc/passwd, which is not there",
        ),
        (
            hard(".."),
            "entry hard: a hard link to .., which is a folder",
        ),
        (
            Tar::new().file("f", "").file("f/x", "").bytes(),
            "entry f/x: f in its path is not a folder",
        ),
        (
            Tar::new().file(".wh...", "").bytes(),
            "entry .wh...: a whiteout of nothing",
        ),
        (Tar::new().file("a", "").bytes()[..600].to_vec(), "layer"),
    ] {
        // Compressed, so that `archive::read` has not looked into the layer.
        let said = image(&[gzip(&layer)]).refusal();
        assert!(said.contains(words), "`{words}` is not in: {said}");
        assert!(said.contains("image.tar: layer blobs/sha256/"), "{said}");
    }
}

#[test]
fn devices_and_fifos_are_left_out_and_counted() {
    if !root() {
        return;
    }
    let below = Tar::new()
        .file("was", "a file")
        .put("null", EntryType::Char, 0o666, b"");
    let above = Tar::new()
        .put("was", EntryType::Fifo, 0o644, b"")
        .put("sda", EntryType::Block, 0o660, b"")
        .link("sdb", EntryType::Link, "sda");
    let place = image(&[below.bytes(), above.bytes()]);
    assert_eq!(place.names(), [""; 0]);
    let left_out = place.unpacked.as_ref().unwrap();
    assert_eq!(left_out.to_string(), "3 device nodes, 1 fifo");
    assert_eq!(LeftOut::default().to_string(), "nothing");
}

#[test]
fn a_compressed_layer_that_is_not_what_the_config_says_is_refused() {
    if !root() {
        return;
    }
    let plain = Tar::new().file("a", "right").bytes();
    let archive = archive_of(Layout::Docker, &[gzip(&plain)]);
    let place = unpacked(&archive);
    assert_eq!(place.text("a"), "right");
    // The config has the DiffID, which `archive::read` cannot verify for a compressed layer.
    let digest = crate::image::sha256_hex(&plain);
    let wrong = crate::image::sha256_hex(b"another");
    let mut windows = archive.windows(64);
    let at = windows
        .position(|window| window == digest.as_bytes())
        .unwrap();
    let mut bad = archive.clone();
    bad[at..at + 64].copy_from_slice(wrong.as_bytes());
    let said = unpacked(&bad).refusal();
    assert!(said.contains("the image's config says"), "{said}");
}

#[test]
fn what_has_no_tree_says_why() {
    for (bytes, words) in [
        (&b"not a tar"[..], "is not a tar"),
        (&[7; 5000], "is not a tar"),
    ] {
        let said = unpacked(bytes).refusal();
        assert!(
            said.contains(words) && said.contains("no tree here"),
            "{said}"
        );
    }
    let layer = tar_of(&[("a", b"1")]);
    let one =
        |name: &str| serde_json::json!({ "Config": "c.json", "RepoTags": null, "Layers": [name] });
    let manifest = serde_json::json!([one("l.tar"), one("l.tar")]).to_string();
    let two = tar_of(&[
        ("c.json", b"{}"),
        ("l.tar", &layer),
        ("manifest.json", manifest.as_bytes()),
    ]);
    let said = unpacked(&two).refusal();
    assert!(said.contains("holds 2 images"), "{said}");
}

#[test]
fn in_an_old_tar_the_end_of_a_name_marks_a_folder() {
    if !root() {
        return;
    }
    let tar = Tar::new()
        .put("old/", EntryType::Regular, 0o755, b"")
        .file("old/file", "in it")
        .bytes();
    assert_eq!(unpacked(&tar).text("old/file"), "in it");
}

#[test]
fn a_whiteout_spares_what_its_own_layer_wrote_and_one_below_a_file_hides_nothing() {
    if !root() {
        return;
    }
    let below = Tar::new()
        .folder("a/", 0o755)
        .file("a/old", "old")
        .file("a/mixed/old", "old")
        .file("file", "a file")
        .bytes();
    let above = Tar::new()
        .folder("a/empty/", 0o755)
        .file("a/mixed/new", "new")
        .file("a/.wh..wh..opq", "")
        .file("file/.wh.x", "")
        .bytes();
    let place = image(&[below, above]);
    assert_eq!(
        place.names(),
        ["a", "a/empty", "a/mixed", "a/mixed/new", "file"]
    );
}

#[test]
fn a_path_that_can_not_be_looked_at_is_not_taken_for_one_where_nothing_is() {
    let dir = tempfile::tempdir().unwrap();
    assert!(tree::look(&dir.path().join("gone")).unwrap().is_none());
    assert!(tree::look(&dir.path().join("x".repeat(300))).is_err());
}
