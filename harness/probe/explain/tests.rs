//! Claims about explanations, on small tars.

use std::io::Write;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::dice::noise;
use crate::record::Cost;

/// Path, contents, mtime, mode.
type File<'a> = (&'a str, Vec<u8>, u64, u32);

fn tar(dir: &TempDir, name: &str, files: &[File]) -> PathBuf {
    let path = dir.path().join(name);
    let mut tar = tar::Builder::new(std::fs::File::create(&path).unwrap());
    for (path, contents, mtime, mode) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(contents.len() as u64);
        header.set_mtime(*mtime);
        header.set_mode(*mode);
        tar.append_data(&mut header, path, contents.as_slice())
            .unwrap();
    }
    tar.into_inner().unwrap();
    path
}

fn gzip(plain: &[u8], level: u32) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(level));
    packed.write_all(plain).unwrap();
    packed.finish().unwrap()
}

fn text() -> Vec<u8> {
    (0..3000)
        .flat_map(|line| format!("line {line} of a changelog\n").into_bytes())
        .collect()
}

#[test]
fn each_file_is_told_by_how_it_differs_and_charged_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut changed = noise(3, 40_000);
    let base = tar(
        &dir,
        "base.tar",
        &[
            ("same", noise(1, 5000), 7, 0o644),
            ("touched", noise(2, 5000), 7, 0o644),
            ("changed", changed.clone(), 7, 0o644),
            ("old/place", noise(4, 5000), 7, 0o644),
            ("mode", noise(5, 5000), 7, 0o644),
            ("doc.gz", gzip(&text(), 1), 7, 0o644),
        ],
    );
    changed[20_000] ^= 1;
    let image = tar(
        &dir,
        "image.tar",
        &[
            ("same", noise(1, 5000), 7, 0o644),
            ("touched", noise(2, 5000), 8, 0o100_644),
            ("changed", changed, 7, 0o644),
            ("new/place", noise(4, 5000), 7, 0o644),
            ("mode", noise(5, 5000), 8, 0o755),
            ("doc.gz", gzip(&text(), 9), 7, 0o644),
            ("new", noise(6, 30_000), 7, 0o644),
        ],
    );
    let found = explain(&base, &image, Effort::Best).unwrap();
    let kinds: Vec<(&str, Kind)> = found
        .files
        .iter()
        .map(|it| (it.path.as_str(), it.kind))
        .collect();
    assert_eq!(
        kinds,
        [
            ("same", Kind::Same),
            ("touched", Kind::Mtime),
            ("changed", Kind::Changed),
            ("new/place", Kind::Moved),
            ("mode", Kind::Metadata),
            ("doc.gz", Kind::Recompressed),
            ("new", Kind::New),
        ]
    );
    let patch = |path: &str| {
        found
            .files
            .iter()
            .find(|it| it.path == path)
            .unwrap()
            .patch_bytes
    };
    assert!((1..200).contains(&patch("changed")), "{}", patch("changed"));
    assert!((30_000..31_000).contains(&patch("new")), "{}", patch("new"));
    assert_eq!(
        [patch("same"), patch("touched"), patch("new/place")],
        [0; 3]
    );
    // Every head but those of `same`, `changed` and, of another length, the archive's own.
    assert!(found.heads_changed >= 4 && found.heads_patch_bytes > 0);
    assert!(found.files[5].gzip && !found.files[0].gzip);
}

#[test]
fn chunks_are_charged_to_the_files_in_them_and_add_up() {
    let dir = tempfile::tempdir().unwrap();
    let files = |mtime: u64| -> Vec<(String, Vec<u8>, u64)> {
        (0..300)
            .map(|at| (format!("f/{at:03}"), noise(at, 4000), mtime))
            .collect()
    };
    let of = |name: &str, mtime| {
        let files = files(mtime);
        let files: Vec<File> = files
            .iter()
            .map(|(path, bytes, mtime)| (path.as_str(), bytes.clone(), *mtime, 0o644))
            .collect();
        tar(&dir, name, &files)
    };
    let (base, image) = (of("a.tar", 7), of("b.tar", 8));
    let found = explain(&base, &image, Effort::Fast).unwrap();
    assert!(found.files.iter().all(|file| file.kind == Kind::Mtime));
    let chunks: u64 = found.files.iter().map(|file| Cost::Chunks.of(file)).sum();
    let bytes: u64 = found.files.iter().map(|file| file.bytes).sum();
    // Times alone spoil every chunk; a patch spends next to nothing on them.
    assert!(chunks > bytes * 9 / 10, "{chunks} of {bytes}");
    assert!(
        found.heads_patch_bytes < bytes / 50,
        "{}",
        found.heads_patch_bytes
    );
    let same = explain(&base, &base, Effort::Fast).unwrap();
    assert!(
        same.files
            .iter()
            .all(|file| file.chunk_bytes + file.patch_bytes == 0)
    );
}

#[test]
fn a_file_that_is_no_archive_is_one_file() {
    let dir = tempfile::tempdir().unwrap();
    let (base, image) = (dir.path().join("a"), dir.path().join("b"));
    std::fs::write(&base, noise(1, 100_000)).unwrap();
    let mut changed = noise(1, 100_000);
    changed.extend(noise(2, 50));
    std::fs::write(&image, changed).unwrap();
    let found = explain(&base, &image, Effort::Fast).unwrap();
    assert_eq!(found.files.len(), 1);
    assert_eq!(found.files[0].kind, Kind::Changed);
    assert!(found.files[0].patch_bytes < 200);
}
