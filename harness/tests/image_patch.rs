//! `patch` from the command line, and image patches over the lab's own histories.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

use delta_lab::engine::image::{Effort, apply, make};
use delta_lab::source::synthetic::{Change, Release};

use crate::bench::{Bench, LAB, SmallDisk, noise, repeatable, text};

fn write(release: &Release, path: &Path) {
    let mut file = fs::File::create(path).unwrap();
    release.write(&mut file).unwrap();
}

#[test]
fn every_change_of_a_synthetic_history_comes_back() {
    let bench = Bench::new();
    let (old, new) = (bench.path("old"), bench.path("new"));
    let (patch, back) = (bench.path("patch"), bench.path("back"));
    let changes = [
        Change::Rebuild,
        Change::Patch,
        Change::PackageBump,
        Change::BaseUpgrade,
        Change::Relink,
        Change::Insert,
        Change::ReorderLayers,
    ];
    for (seed, change) in changes.into_iter().enumerate() {
        let first = Release::first(seed as u64, 2);
        write(&first, &old);
        write(&first.then(&[change]), &new);
        for effort in [Effort::Fast, Effort::Best] {
            make(Some(&old), &new, &patch, effort, &|_| ()).unwrap();
            apply(Some(&old), &patch, &back, &|_| ()).unwrap();
            assert!(fs::read(&new).unwrap() == fs::read(&back).unwrap());
        }
        let moved = fs::metadata(&patch).unwrap().len();
        let whole = fs::metadata(&new).unwrap().len();
        if matches!(change, Change::Rebuild | Change::ReorderLayers) {
            assert!(moved < whole / 500, "{change:?}: {moved} of {whole}");
        }
    }
}

#[test]
fn a_patch_is_made_shown_and_applied_from_the_command_line() {
    let bench = Bench::new();
    let first = Release::first(7, 1);
    write(&first, &bench.path("old"));
    write(&first.then(&[Change::Patch]), &bench.path("new"));
    bench.expect(&["patch", "make", "old", "new", "-o", "p"], 0);
    bench.expect(&["patch", "apply", "old", "p", "-o", "back"], 0);
    assert!(fs::read(bench.path("new")).unwrap() == fs::read(bench.path("back")).unwrap());
    let shown = bench.run(&["patch", "show", "p", "--base", "old"]);
    assert!(
        text(&shown.stdout).contains("<- "),
        "{}",
        text(&shown.stdout)
    );
    bench.expect(&["patch", "make", "--no-base", "new", "-o", "full"], 0);
    bench.expect(&["patch", "apply", "--no-base", "full", "-o", "again"], 0);
    assert!(fs::read(bench.path("new")).unwrap() == fs::read(bench.path("again")).unwrap());
}

#[test]
fn a_patch_that_does_not_fit_ends_with_1_and_bad_usage_with_2() {
    let bench = Bench::new();
    bench.write("old", "one base");
    bench.write("other", "another base");
    bench.write("new", "an image");
    bench.expect(&["patch", "make", "old", "new", "-o", "p"], 0);
    bench.expect(&["patch", "apply", "other", "p", "-o", "back"], 1);
    bench.expect(&["patch", "apply", "old", "new", "-o", "back"], 1);
    assert!(!bench.path("back").exists());
    bench.expect(&["patch", "apply", "absent", "p", "-o", "back"], 2);
    bench.expect(&["patch", "apply", "p", "-o", "back"], 2);
    bench.expect(&["patch", "make", "old", "absent", "-o", "p"], 2);
    bench.expect(&["patch", "make", "old", "new", "-o", "absent/p"], 2);
}

/// A compressed image is unpacked into TMPDIR: where that is full there is an error, no longer patch and no half file.
#[test]
fn a_full_folder_for_temporary_files_is_an_error() {
    let bench = Bench::new();
    write(&Release::first(7, 1), &bench.path("plain"));
    let plain = fs::read(bench.path("plain")).unwrap();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    packed.write_all(&plain).unwrap();
    bench.write("new", packed.finish().unwrap());
    bench.expect(&["patch", "make", "--no-base", "new", "-o", "p"], 0);
    let Some(small) = SmallDisk::at(bench.path("small"), 900) else {
        return;
    };
    let ran = [
        ["patch", "make", "--no-base", "new", "-o", "q"],
        ["patch", "apply", "--no-base", "p", "-o", "q"],
    ]
    .map(|args| {
        bench
            .command(&args)
            .env("TMPDIR", &small.0)
            .output()
            .unwrap()
    });
    drop(small);
    for output in ran {
        let err = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{err}");
        assert!(err.contains("No space left on device"), "{err}");
    }
    assert!(!bench.path("q").exists());
}

/// An archive of many files of 600 bytes that have nothing in common.
fn many_files(path: &Path, count: usize, more: &[(&str, &[u8])]) {
    let mut tar = tar::Builder::new(std::io::BufWriter::new(fs::File::create(path).unwrap()));
    let contents = noise(11, 600 * count);
    let named = contents.chunks(600).enumerate();
    let named = named.map(|(nth, content)| (format!("usr/share/{}/{nth}", nth / 300), content));
    let more = more
        .iter()
        .map(|(name, content)| ((*name).to_string(), *content));
    for (name, content) in named.chain(more) {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, content).unwrap();
    }
    tar.into_inner().unwrap().flush().unwrap();
}

#[test]
fn many_files_need_little_memory() {
    let bench = Bench::new();
    let (old, new) = (bench.path("old"), bench.path("new"));
    many_files(&old, 50_000, &[]);
    // One that is looked for among all the others.
    let added = noise(12, 5000);
    many_files(&new, 50_000, &[("another/name", &added)]);
    for args in [
        &["patch", "make", "old", "new", "-o", "p"][..],
        &["patch", "apply", "old", "p", "-o", "back"],
    ] {
        let output = within(100_000_000, args, &bench);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {said}");
    }
    assert!(fs::read(&new).unwrap() == fs::read(bench.path("back")).unwrap());
}

#[test]
fn a_long_program_is_coded_at_once_in_bounded_memory() {
    let bench = Bench::new();
    // A real program, made as long as one that is cut in pieces unless it is a program.
    let mut program = fs::read(LAB).unwrap();
    let missing = (66_usize << 20).saturating_sub(program.len());
    program.extend(noise(13, missing));
    let image = |name: &str, program: &[u8]| {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(program.len() as u64);
        header.set_mode(0o755);
        tar.append_data(&mut header, "usr/bin/program", program)
            .unwrap();
        bench.write(name, tar.into_inner().unwrap());
    };
    image("old", &program);
    // Behind its headers everything moves.
    program.splice(5000..5000, noise(14, 333));
    image("new", &program);
    for args in [
        &["patch", "make", "old", "new", "-o", "p"][..],
        &["patch", "apply", "old", "p", "-o", "back"],
    ] {
        // Twice its length, its references, and what alignment takes.
        let output = within(420_000_000, args, &bench);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {said}");
    }
    assert!(fs::read(bench.path("new")).unwrap() == fs::read(bench.path("back")).unwrap());
    let patch = fs::read(bench.path("p")).unwrap();
    // Its features: there is a base, and programs are told.
    assert_eq!(patch[4], 3);
    assert!(patch.len() < 300_000, "{} bytes", patch.len());
}

/// The program, which may take so many bytes of memory for its own.
fn within(memory: u64, args: &[&str], bench: &Bench) -> Output {
    let mut command = Command::new("prlimit");
    command.arg(format!("--data={memory}")).arg(LAB).args(args);
    command.current_dir(bench.dir.path()).output().unwrap()
}

#[test]
fn image_patches_take_part_in_a_run() {
    let bench = Bench::new();
    bench.pair("mine", &["image-patch/fast", "image-patch/best"]);
    bench.expect(&["run", "mine", "--into", "results/r"], 0);
    let rows = bench.rows("results/r");
    assert!(!rows.is_empty());
    bench.expect(&["run", "mine", "--into", "results/s"], 0);
    assert_eq!(repeatable(&rows), repeatable(&bench.rows("results/s")));
}
