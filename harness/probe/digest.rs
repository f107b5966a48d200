//! The `digest` probe: what `casync digest` says of a file, a tree and their indexes, held against the lab's own hashes.
//!
//! casync's digest of a file is the hash of its bytes, that of a tree the hash of its serialization (catar). The lab hashes
//! the same bytes itself.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256, Sha512_256};

use super::Find;
use crate::archive::unpack::unpack;
use crate::image::{Image, hex};
use crate::words;

/// The version of casync; without it the probe is skipped.
pub fn version() -> Result<String> {
    ensure!(
        which::which("casync").is_ok(),
        "casync is not installed: apt-get install casync"
    );
    let said = run(&["casync", "--version"], &[])?;
    Ok(said.lines().next().unwrap_or_default().to_string())
}

const PIECE_BYTES: usize = 64 << 10;

/// casync's name of a hash function, and the lab's own.
type Hash = (&'static str, fn(&Path) -> Result<String>);
const HASHES: &[Hash] = &[
    ("sha512-256", hash::<Sha512_256>),
    ("sha256", hash::<Sha256>),
];

/// The order in which casync serializes a tree is its own; these flags say what of it, as in casync-tree.toml.
const OF_A_TREE: &[&str] = &["--with=32bit-uids", "--with=permissions", "--with=symlinks"];

/// For each hash function: `file_agrees`, `file_index_agrees`, `tree_agrees`, `tree_index_agrees`, 1 or 0; and
/// `image_agrees` of the image as the plan knows it.
pub fn look(image: &Image, _bases: &[Image], find: Find) -> Result<()> {
    let folder = tempfile::tempdir().context("make a folder for casync")?;
    let at = |name: &str| folder.path().join(name);
    let (tree, catar, store) = (at("tree"), at("tree.catar"), at("store.castr"));
    unpack(&image.path, &tree)?;
    for (name, hash) in HASHES {
        let casync = |words: &[&str], paths: &[&Path]| {
            let store = format!("--store={}", words::utf8(&store)?);
            let digest = format!("--digest={name}");
            run(&[&["casync", &digest, &store][..], words].concat(), paths)
        };
        let of_tree = |verb: &str, paths: &[&Path]| casync(&[OF_A_TREE, &[verb]].concat(), paths);
        let (file_index, tree_index) = (at("file.caibx"), at("tree.caidx"));
        casync(&["make"], &[&file_index, &image.path])?;
        of_tree("make", &[&tree_index, &tree])?;
        of_tree("make", &[&catar, &tree])?;
        let (file, serialized) = (hash(&image.path)?, hash(&catar)?);
        for (measure, said, own) in [
            ("file_agrees", casync(&["digest"], &[&image.path])?, &file),
            (
                "file_index_agrees",
                casync(&["digest"], &[&file_index])?,
                &file,
            ),
            ("tree_agrees", of_tree("digest", &[&tree])?, &serialized),
            (
                "tree_index_agrees",
                casync(&["digest"], &[&tree_index])?,
                &serialized,
            ),
        ] {
            find(name, measure, u64::from(said == *own));
        }
        // The plan knows the image by its sha256.
        if *name == "sha256" {
            let said = casync(&["digest"], &[&image.path])?;
            find(name, "image_agrees", u64::from(said == image.sha256));
        }
        for made in [&file_index, &tree_index, &catar] {
            fs::remove_file(made).with_context(|| format!("remove {}", made.display()))?;
        }
        fs::remove_dir_all(&store).with_context(|| format!("remove {}", store.display()))?;
    }
    Ok(())
}

/// What a program prints, without the line's end.
fn run(words: &[&str], paths: &[&Path]) -> Result<String> {
    let paths: Vec<PathBuf> = paths.iter().map(|path| path.to_path_buf()).collect();
    let said = duct::cmd(words[0], words[1..].iter().map(Into::into).chain(paths))
        .stdout_capture()
        .stderr_capture()
        .unchecked()
        .run()
        .with_context(|| format!("start {}", words[0]))?;
    ensure!(
        said.status.success(),
        "{}: {}",
        words.join(" "),
        String::from_utf8_lossy(&said.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&said.stdout).trim().to_string())
}

fn hash<D: Digest>(path: &Path) -> Result<String> {
    let mut file = File::open(path).with_context(|| format!("open {}", path.display()))?;
    let (mut hash, mut piece) = (D::new(), vec![0; PIECE_BYTES]);
    loop {
        let read = file.read(&mut piece);
        match read.with_context(|| format!("read {}", path.display()))? {
            0 => return Ok(hex(&hash.finalize())),
            read => hash.update(&piece[..read]),
        }
    }
}
