//! Files that lie on the disk alone when a step begins, and what the step has read of them, from the kernel's account.
//!
//! They are put out of the page cache before the step, with `POSIX_FADV_DONTNEED`. After it the pages are counted that the
//! kernel has brought back: fincore, of util-linux, maps each file and asks mincore(2). So a page counts once however often
//! it was read, by whatever call, and so does what the kernel reads ahead.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use rustix::fs::{Advice, fadvise, fsync};
use walkdir::WalkDir;

/// How many files one fincore is asked about, so that its command line stays far below the kernel's limit.
const FILES_AT_ONCE: usize = 500;

/// Regular files that are on the disk alone.
#[derive(Debug)]
pub struct Cold {
    files: Vec<(PathBuf, Stamp)>,
}

/// What tells a file that was written, or replaced, from the one that it was.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    bytes: u64,
    changed: (i64, i64),
}

impl Cold {
    /// Puts every regular file at these paths and below them out of memory; links are not followed.
    ///
    /// The error names what stays in memory: a file of a RAM disk, or one that somebody else has mapped.
    pub fn of(paths: &[PathBuf]) -> Result<Cold> {
        let mut files = Vec::new();
        let mut seen = BTreeSet::new();
        for path in paths {
            let path =
                fs::canonicalize(path).with_context(|| format!("find {}", path.display()))?;
            for entry in WalkDir::new(&path) {
                let entry = entry.with_context(|| format!("look through {}", path.display()))?;
                if !entry.file_type().is_file() {
                    continue;
                }
                let stamp = Stamp::of(entry.path())?;
                if stamp.bytes > 0 && seen.insert(stamp.file) {
                    files.push((entry.into_path(), stamp));
                }
            }
        }
        let cold = Cold { files };
        cold.put_out()?;
        let left = cold.read_bytes()?;
        ensure!(
            left == 0,
            "{left} bytes of {} can't be put out of memory: its file system is a RAM disk, or somebody has it mapped",
            shown(paths)
        );
        Ok(cold)
    }

    /// What is in memory by now of those files that are as they were, in bytes; whole pages, but for a file's last.
    pub fn read_bytes(&self) -> Result<u64> {
        let same =
            |(path, stamp): &&(PathBuf, Stamp)| Stamp::of(path).is_ok_and(|now| now == *stamp);
        let files: Vec<&(PathBuf, Stamp)> = self.files.iter().filter(same).collect();
        let mut bytes = 0;
        for some in files.chunks(FILES_AT_ONCE) {
            bytes += in_memory(some)?;
        }
        Ok(bytes)
    }

    fn put_out(&self) -> Result<()> {
        for (path, _) in &self.files {
            let told = || format!("put {} out of memory", path.display());
            let file = File::open(path).with_context(told)?;
            // A page that waits to be written would stay.
            fsync(&file).with_context(told)?;
            fadvise(&file, 0, None, Advice::DontNeed).with_context(told)?;
        }
        Ok(())
    }
}

impl Stamp {
    fn of(path: &Path) -> Result<Stamp> {
        let about =
            fs::symlink_metadata(path).with_context(|| format!("look at {}", path.display()))?;
        Ok(Stamp {
            file: (about.dev(), about.ino()),
            bytes: about.len(),
            changed: (about.mtime(), about.mtime_nsec()),
        })
    }
}

fn in_memory(files: &[&(PathBuf, Stamp)]) -> Result<u64> {
    let options = ["--bytes", "--noheadings", "--raw", "--output", "RES", "--"];
    let paths = files.iter().map(|(path, _)| path.as_os_str());
    let argv = options.iter().map(AsRef::as_ref).chain(paths);
    let output = match duct::cmd("fincore", argv.collect::<Vec<_>>())
        .stdout_capture()
        .stderr_capture()
        .unchecked()
        .run()
    {
        Ok(output) => output,
        Err(error) => bail!(
            "fincore, which says what is in memory, can't be started: {error}; apt-get install util-linux-extra"
        ),
    };
    let said = String::from_utf8_lossy(&output.stdout);
    let figures: Vec<u64> = said
        .lines()
        .filter_map(|line| line.trim().parse().ok())
        .collect();
    ensure!(
        output.status.success() && figures.len() == files.len(),
        "fincore told of {} of {} files: {}",
        figures.len(),
        files.len(),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let held = figures.iter().zip(files);
    Ok(held
        .map(|(bytes, (_, stamp))| *bytes.min(&stamp.bytes))
        .sum())
}

fn shown(paths: &[PathBuf]) -> String {
    let shown: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Seek, SeekFrom};

    const PAGE: usize = 4096;

    /// A file on a disk, of so many bytes.
    fn file(dir: &Path, name: &str, bytes: usize) -> PathBuf {
        let path = dir.join(name);
        fs::write(&path, vec![7; bytes]).unwrap();
        path
    }

    /// A folder beside this program; none where that is a RAM disk.
    fn on_disk() -> Option<tempfile::TempDir> {
        let program = std::env::current_exe().unwrap();
        let dir = tempfile::tempdir_in(program.parent().unwrap()).unwrap();
        let kind = nix::sys::statfs::statfs(dir.path()).unwrap();
        (kind.filesystem_type() != nix::sys::statfs::TMPFS_MAGIC).then_some(dir)
    }

    #[test]
    fn what_is_read_of_a_cold_file_is_counted_once_and_what_is_not_read_is_not() {
        let Some(dir) = on_disk() else {
            return;
        };
        let path = file(dir.path(), "base", 4 << 20);
        let cold = Cold::of(std::slice::from_ref(&path)).unwrap();
        assert_eq!(cold.read_bytes().unwrap(), 0);
        let mut open = File::open(&path).unwrap();
        fadvise(&open, 0, None, Advice::Random).unwrap();
        let mut page = [0; PAGE];
        for at in [0, 2 << 20, 2 << 20, 3 << 20] {
            open.seek(SeekFrom::Start(at)).unwrap();
            open.read_exact(&mut page).unwrap();
        }
        assert_eq!(cold.read_bytes().unwrap(), 3 * PAGE as u64);
        fs::read(&path).unwrap();
        assert_eq!(cold.read_bytes().unwrap(), 4 << 20);
    }

    #[test]
    fn a_tree_is_all_its_files_and_one_with_two_names_counts_once() {
        let Some(dir) = on_disk() else {
            return;
        };
        let tree = dir.path().join("tree");
        fs::create_dir_all(tree.join("a/b")).unwrap();
        let path = file(&tree, "a/b/one", 10_000);
        fs::hard_link(&path, tree.join("two")).unwrap();
        file(&tree, "empty", 0);
        std::os::unix::fs::symlink("/etc/passwd", tree.join("link")).unwrap();
        let cold = Cold::of(std::slice::from_ref(&tree)).unwrap();
        fs::read(tree.join("two")).unwrap();
        assert_eq!(cold.read_bytes().unwrap(), 10_000);
        // What is written anew was not read.
        file(&tree, "a/b/one", 20_000);
        assert_eq!(cold.read_bytes().unwrap(), 0);
    }

    #[test]
    fn a_file_of_a_ram_disk_stays_in_memory_and_the_error_says_so() {
        let Ok(dir) = tempfile::tempdir_in("/dev/shm") else {
            return;
        };
        let path = file(dir.path(), "base", 8192);
        let why = Cold::of(&[path]).unwrap_err().to_string();
        assert!(
            why.contains("8192 bytes of") && why.contains("RAM disk"),
            "{why}"
        );
    }
}
