//! Claims about the cache, some of them with a second lab in another process.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Lines, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::*;
use crate::source::{CommandImage, Release};

/// Variables that tell a lab in another process its cache and the file that its program copies.
const CHILD_CACHE: &str = "DELTA_LAB_TEST_CHILD_CACHE";
const CHILD_INPUT: &str = "DELTA_LAB_TEST_CHILD_INPUT";

/// A source that copies a file with a program, which can be made to wait.
fn copying(input: &Path) -> Source {
    Source::Command(CommandImage {
        argv: vec!["cp".into(), input.display().to_string(), "{out}".into()],
    })
}

/// The tar of a root filesystem with one file of this many bytes.
fn rootfs(bytes: usize) -> Vec<u8> {
    let content: Vec<u8> = (0..bytes).map(|at| (at ^ (at >> 7)) as u8).collect();
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes as u64);
    header.set_mode(0o644);
    header.set_cksum();
    let mut tar = tar::Builder::new(Vec::new());
    tar.append_data(&mut header, "etc/content", &content[..])
        .unwrap();
    tar.into_inner().unwrap()
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A cache, and a folder for inputs.
struct Bench {
    dir: tempfile::TempDir,
    cache: Cache,
}

impl Bench {
    fn new() -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(&dir.path().join("cache")).unwrap();
        Bench { dir, cache }
    }

    fn input(&self, bytes: &[u8]) -> PathBuf {
        let path = self.dir.path().join("input.tar");
        fs::write(&path, bytes).unwrap();
        path
    }

    fn save(&self, source: &Source) -> Result<Saved> {
        self.cache.save("scenario", "image", source, false, &|_| ())
    }

    fn holds(&self, part: &str) -> Vec<String> {
        names(&self.cache.dir.join(part))
    }
}

/// Not a claim: the other process, when a test below starts this program again.
#[test]
fn a_lab_in_another_process() {
    let Some(dir) = env::var_os(CHILD_CACHE) else {
        return;
    };
    let cache = match Cache::at(Path::new(&dir)) {
        Ok(cache) => cache,
        Err(error) => return println!("error: {error:#}"),
    };
    let input = PathBuf::from(env::var_os(CHILD_INPUT).unwrap());
    let say = |line: &str| println!("say: {line}");
    match cache.save("scenario", "image", &copying(&input), false, &say) {
        Ok(saved) => println!("saved: reused {}", saved.reused),
        Err(error) => println!("error: {error:#}"),
    }
}

/// The command line of such a lab.
fn lab(mut command: Command, cache: &Path, input: &Path) -> (Child, Lines<BufReader<ChildStdout>>) {
    let module = module_path!().split_once("::").unwrap().1;
    let mut child = command
        .args(["--exact", &format!("{module}::a_lab_in_another_process")])
        .arg("--nocapture")
        .env(CHILD_CACHE, cache)
        .env(CHILD_INPUT, input)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines)
}

fn this_program() -> Command {
    Command::new(env::current_exe().unwrap())
}

/// Reads up to the line that contains `words`, and returns it.
fn until(lines: &mut Lines<BufReader<ChildStdout>>, words: &str) -> String {
    let mut seen = String::new();
    for line in lines {
        let line = line.unwrap();
        if line.contains(words) {
            return line;
        }
        seen += &format!("{line}\n");
    }
    panic!("the other lab never said `{words}`:\n{seen}");
}

#[test]
fn an_image_is_saved_once_and_verified_at_each_use() {
    let bench = Bench::new();
    let source = copying(&bench.input(&rootfs(100_000)));
    let first = bench.save(&source).unwrap();
    assert!(!first.reused);
    // The program cannot run again.
    fs::remove_file(bench.dir.path().join("input.tar")).unwrap();
    let second = bench.save(&source).unwrap();
    assert!(second.reused);
    assert_eq!(second.image, first.image);
    assert_eq!(second.facts, first.facts);
    assert_eq!(
        Image::read("image", &first.image.path).unwrap(),
        first.image
    );
    assert_eq!(bench.holds("making"), [""; 0]);
}

#[test]
fn a_root_filesystem_becomes_the_same_one_layer_image_every_time() {
    let (one, two) = (Bench::new(), Bench::new());
    // The inputs are in different folders, so the keys differ, but the images do not.
    let save = |bench: &Bench| {
        let source = copying(&bench.input(&rootfs(5000)));
        bench.save(&source).unwrap()
    };
    let saved = save(&one);
    assert_eq!(saved.image.sha256, save(&two).image.sha256);
    for fact in [
        ("layout", "docker"),
        ("layers", "1"),
        ("layers_compressed", "none"),
    ] {
        let fact = (fact.0.to_string(), fact.1.to_string());
        assert!(saved.facts.contains(&fact), "{:?}", saved.facts);
    }
}

#[test]
fn a_changed_image_that_cannot_be_made_again_is_an_error_that_says_what_to_do() {
    let bench = Bench::new();
    let source = copying(&bench.input(&rootfs(5000)));
    let saved = bench.save(&source).unwrap();
    let mut file = OpenOptions::new()
        .write(true)
        .open(&saved.image.path)
        .unwrap();
    file.write_all(b"x").unwrap();
    let error = format!("{:#}", bench.save(&source).unwrap_err());
    let folder = saved.image.path.parent().unwrap().display().to_string();
    assert!(error.contains("has changed: it was saved with"), "{error}");
    assert!(error.contains(&format!("remove {folder}")), "{error}");

    let again = bench
        .cache
        .save("scenario", "image", &source, true, &|_| ())
        .unwrap();
    assert_eq!(again.image, saved.image);
    assert!(bench.save(&source).unwrap().reused);
    assert_eq!(bench.holds("images").len(), 1);
    assert_eq!(bench.holds("making"), [""; 0]);
}

#[test]
fn a_changed_synthetic_image_is_made_again() {
    let bench = Bench::new();
    let source = Source::Synthetic(Release {
        seed: 1,
        mib: 1,
        changes: Vec::new(),
    });
    let saved = bench.save(&source).unwrap();
    fs::write(&saved.image.path, "rubbish").unwrap();
    let said = std::cell::RefCell::new(Vec::new());
    let say = |line: &str| said.borrow_mut().push(line.to_string());
    let again = bench
        .cache
        .save("scenario", "image", &source, false, &say)
        .unwrap();
    assert_eq!(again, saved);
    let said = said.borrow().join("\n");
    assert!(said.contains("has changed: it was saved with"), "{said}");
}

#[test]
fn an_unreadable_record_is_named() {
    let bench = Bench::new();
    let source = copying(&bench.input(&rootfs(5000)));
    let saved = bench.save(&source).unwrap();
    let record = saved.image.path.with_file_name("image.toml");
    fs::write(&record, "key = ").unwrap();
    let error = format!("{:#}", bench.save(&source).unwrap_err());
    assert!(
        error.starts_with(&format!("image image: {} cannot be used", record.display())),
        "{error}"
    );
}

#[test]
fn a_broken_archive_is_not_saved() {
    let bench = Bench::new();
    let whole = rootfs(100_000);
    let error = bench
        .save(&copying(&bench.input(&whole[..50_000])))
        .unwrap_err();
    let error = format!("{error:#}");
    assert!(error.contains("what cp wrote"), "{error}");
    assert!(error.contains("cut short"), "{error}");
    assert_eq!(bench.holds("images"), [""; 0]);
    assert_eq!(bench.holds("making"), [""; 0]);
}

#[test]
fn an_archive_with_a_name_that_leaves_its_folder_is_not_saved() {
    let bench = Bench::new();
    let mut archive = rootfs(5000);
    // The name is a header's first field.
    let mut header = tar::Header::new_gnu();
    header.as_mut_bytes().copy_from_slice(&archive[..512]);
    header.as_mut_bytes()[..11].copy_from_slice(b"../etc/evil");
    header.set_cksum();
    archive[..512].copy_from_slice(header.as_bytes());
    let path = bench.input(&archive);
    for source in [copying(&path), Source::file(path)] {
        let error = format!("{:#}", bench.save(&source).unwrap_err());
        assert!(error.contains("../etc/evil"), "{error}");
    }
    assert_eq!(bench.holds("images"), [""; 0]);
}

#[test]
fn a_lab_killed_in_the_middle_leaves_nothing_half_saved() {
    let bench = Bench::new();
    let whole = rootfs(1_000_000);
    let input = bench.dir.path().join("input.tar");
    mkfifo(&input, Mode::S_IRWXU).unwrap();
    let (mut child, mut lines) = lab(this_program(), &bench.cache.dir, &input);
    until(&mut lines, "say: running cp");
    let mut pipe = OpenOptions::new().write(true).open(&input).unwrap();
    pipe.write_all(&whole[..500_000]).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(bench.holds("images"), [""; 0]);
    assert_eq!(bench.holds("making").len(), 1);
    drop(pipe);

    fs::remove_file(&input).unwrap();
    let saved = bench.save(&copying(&bench.input(&whole))).unwrap();
    assert!(!saved.reused);
    assert_eq!(bench.holds("making"), [""; 0]);
    assert_eq!(bench.holds("images").len(), 1);
}

#[test]
fn two_labs_at_once_save_an_image_once() {
    let bench = Bench::new();
    let input = bench.dir.path().join("input.tar");
    mkfifo(&input, Mode::S_IRWXU).unwrap();
    let (mut first, mut first_lines) = lab(this_program(), &bench.cache.dir, &input);
    until(&mut first_lines, "say: running cp");
    let (mut second, mut second_lines) = lab(this_program(), &bench.cache.dir, &input);
    until(
        &mut second_lines,
        "say: waiting: another delta-lab is saving command-cp-image-",
    );
    // A second run of the program would wait for a writer forever.
    fs::write(&input, rootfs(1_000_000)).unwrap();
    assert_eq!(until(&mut first_lines, "saved:"), "saved: reused false");
    assert_eq!(until(&mut second_lines, "saved:"), "saved: reused true");
    first.wait().unwrap();
    second.wait().unwrap();
    assert_eq!(bench.holds("images").len(), 1);
}

/// A small file system of its own, unmounted when dropped.
struct Small(tempfile::TempDir);

impl Small {
    fn mount(mib: u32) -> Option<Small> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs"])
            .arg(dir.path())
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Small(dir)),
            _ => None,
        }
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        Command::new("umount").arg(self.0.path()).status().unwrap();
    }
}

#[test]
fn a_full_disk_is_reported_and_leaves_nothing_half_saved() {
    let Some(small) = Small::mount(3) else {
        return println!("skipped: no small file system can be mounted here");
    };
    let bench = Bench::new();
    let cache = Cache::at(small.0.path()).unwrap();
    // The program fills the disk; the wrapping fills it; the image fits.
    for (bytes, error) in [(4_000_000, true), (2_000_000, true), (1_000_000, false)] {
        let source = copying(&bench.input(&rootfs(bytes)));
        let saved = cache.save("scenario", "image", &source, false, &|_| ());
        if error {
            let error = format!("{:#}", saved.unwrap_err());
            assert!(error.contains("No space left on device"), "{error}");
            assert_eq!(names(&cache.dir.join("images")), [""; 0]);
        } else {
            saved.unwrap();
        }
        assert_eq!(names(&cache.dir.join("making")), [""; 0]);
    }
}

#[test]
fn a_cache_that_is_a_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cache");
    fs::write(&path, "").unwrap();
    let error = Cache::at(&path).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "the cache {} is not a folder; set DELTA_LAB_CACHE to one",
            path.display()
        )
    );
}

#[test]
fn an_unreadable_cache_is_refused() {
    let bench = Bench::new();
    let dir = &bench.cache.dir;
    let expected = format!("the cache {} cannot be read and written", dir.display());
    if fs::metadata(dir).unwrap().uid() != 0 {
        fs::set_permissions(dir.join("images"), fs::Permissions::from_mode(0o000)).unwrap();
        let error = Cache::at(dir).unwrap_err().to_string();
        return assert!(error.starts_with(&expected), "{error}");
    }
    // Root can read everything, so another user runs a copy of this program.
    fs::set_permissions(bench.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(dir.join("images"), fs::Permissions::from_mode(0o700)).unwrap();
    let program = bench.dir.path().join("program");
    // Copied by another process: if a test forked while this one had the copy open for writing, it could not be run.
    let copied = Command::new("cp")
        .arg(env::current_exe().unwrap())
        .arg(&program)
        .status();
    assert!(copied.unwrap().success());
    let found = Command::new("setpriv").arg("--version").output();
    if found.is_err() {
        return println!("skipped: no setpriv here to become another user");
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    command.arg(&program).current_dir("/");
    let (mut child, mut lines) = lab(command, dir, Path::new("/"));
    let error = until(&mut lines, "error: ");
    assert!(error.contains(&expected), "{error}");
    assert!(error.contains("Permission denied"), "{error}");
    child.wait().unwrap();
}

#[test]
fn a_file_is_used_in_place() {
    let bench = Bench::new();
    let path = bench.input(b"any file at all");
    let source = Source::file(path.clone());
    let saved = bench.save(&source).unwrap();
    assert_eq!(saved.image.path, path);
    assert!(saved.facts.contains(&("layout".into(), "file".into())));
    assert_eq!(bench.holds("images"), [""; 0]);

    File::create(&path).unwrap().write_all(b"another").unwrap();
    assert_ne!(
        bench.save(&source).unwrap().image.sha256,
        saved.image.sha256
    );

    fs::remove_file(&path).unwrap();
    let error = format!("{:#}", bench.save(&source).unwrap_err());
    assert!(
        error.contains(&format!("image file {}: No such file", path.display())),
        "{error}"
    );
}
