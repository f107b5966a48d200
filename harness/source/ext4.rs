//! An ext4 image of a tree, the same bytes every time.
//!
//! mke2fs 1.47.0 takes UUID, seed and its own time from its command line and environment, and goes through folders in the
//! order of names. The times of access and of change it copies from the tree, where they say when that was unpacked; debugfs
//! sets them afterwards.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result};
use walkdir::WalkDir;

use super::mkfs::{Job, UUID, command};
use super::program;
use crate::words;

/// The time of the image itself: the first second that mke2fs does not take for no time.
const TIME: &[(&str, &str)] = &[("E2FSPROGS_FAKE_TIME", "1"), ("SOURCE_DATE_EPOCH", "1")];

const SEED: &str = "1c9b8e40-63f7-4a0d-8d1e-0f52a7c3b6e2";

/// What an image has beside its files: the journal, tables, room to grow. Sizes are multiples of it, so that releases of one
/// image nearly always have the same, as partitions have.
const STEP_BYTES: u64 = 32 << 20;
const BLOCK_BYTES: u64 = 4096;
/// Numbers of inodes are multiples of this.
const STEP_INODES: u64 = 4096;
/// The root folder's inode, and the first that is a file's.
const ROOT: u64 = 2;
const FIRST: u64 = 11;

pub(super) fn make(job: &Job) -> Result<()> {
    let (bytes, entries) = needs(job.tree)?;
    let inodes = (entries + entries / 4).next_multiple_of(STEP_INODES);
    let bytes = (bytes + bytes / 8 + STEP_BYTES).next_multiple_of(STEP_BYTES);
    let (inodes, size) = (inodes.to_string(), format!("{}k", bytes >> 10));
    let (extended, options) = extended(job.options);
    let [tree, out] = job.paths()?;
    let mut argv = vec!["mke2fs", "-q", "-F", "-t", "ext4", "-m", "0"];
    argv.extend(["-U", UUID, "-N", &inodes]);
    argv.extend(options);
    argv.extend(["-E", &extended, "-d", tree, out, &size]);
    job.run(&argv, TIME)?;
    settle(job)
}

/// Its extended options are one word, of which the last counts; ours come first in it.
fn extended(options: &[String]) -> (String, Vec<&str>) {
    let mut extended = format!("hash_seed={SEED},lazy_itable_init=0,lazy_journal_init=0");
    let mut others = Vec::new();
    let mut options = options.iter();
    while let Some(option) = options.next() {
        match option.strip_prefix("-E") {
            Some("") => extended.extend(options.next().map(|word| format!(",{word}"))),
            Some(word) => extended.push_str(&format!(",{word}")),
            None => others.push(option.as_str()),
        }
    }
    (extended, others)
}

/// Bytes of blocks for a tree, and how many entries it has.
fn needs(tree: &Path) -> Result<(u64, u64)> {
    let (mut bytes, mut entries) = (0, 0);
    for entry in WalkDir::new(tree) {
        let about = entry.and_then(|entry| entry.metadata());
        let about = about.with_context(|| format!("look through {}", tree.display()))?;
        bytes += match about.is_file() {
            true => about.len().next_multiple_of(BLOCK_BYTES),
            false => BLOCK_BYTES,
        };
        entries += 1;
    }
    Ok((bytes, entries))
}

/// Sets what says when the tree was unpacked, and what mke2fs does not take over of the root folder.
fn settle(job: &Job) -> Result<()> {
    let [_, image] = job.paths()?;
    let said = program::output(&command(&["dumpe2fs", image]))?;
    let used = used(&String::from_utf8_lossy(&said.stdout))
        .with_context(|| format!("what dumpe2fs says of {image}"))?;
    let root = fs::metadata(job.tree).with_context(|| format!("look at {}", job.tree.display()))?;
    let mut commands = String::new();
    for inode in used
        .into_iter()
        .filter(|inode| *inode == ROOT || *inode >= FIRST)
    {
        for field in ["atime", "ctime"] {
            commands.push_str(&format!("set_inode_field <{inode}> {field} @1\n"));
        }
    }
    for (field, value) in [
        ("mode", format!("0{:o}", 0o040_000 | root.mode() & 0o7777)),
        ("uid", root.uid().to_string()),
        ("gid", root.gid().to_string()),
        ("mtime", format!("@{}", root.mtime())),
    ] {
        commands.push_str(&format!("set_inode_field <{ROOT}> {field} {value}\n"));
    }
    let file = job.out.with_extension("debugfs");
    fs::write(&file, commands).with_context(|| format!("write {}", file.display()))?;
    let argv = command(&["debugfs", "-w", "-f", words::utf8(&file)?, image]);
    // It repeats every command, which is not for people.
    program::run(&argv, TIME, &mut |_| ())?;
    fs::remove_file(&file).with_context(|| format!("remove {}", file.display()))
}

/// The inodes in use, of what dumpe2fs says: how many there are, and which are free in each group.
fn used(said: &str) -> Result<Vec<u64>> {
    let count = said
        .lines()
        .find_map(|line| line.strip_prefix("Inode count:"))
        .and_then(|count| count.trim().parse().ok());
    let count: u64 = count.context("no count of inodes")?;
    let mut used = vec![true; usize::try_from(count)? + 1];
    // With a colon and two spaces before it, a group's; the whole image's has none.
    for ranges in said
        .lines()
        .filter_map(|line| line.strip_prefix("  Free inodes: "))
    {
        for range in ranges.split(',').map(str::trim).filter(|it| !it.is_empty()) {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let (first, last): (usize, usize) = (first.parse()?, last.parse()?);
            used.get_mut(first..=last)
                .context("a free inode beyond the last")?
                .fill(false);
        }
    }
    let numbers = (1..=count).filter(|inode| used[*inode as usize]);
    Ok(numbers.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inodes_in_use_are_those_that_no_group_calls_free() {
        let said = "Inode count:              12\nFree inodes:              5\n  Free inodes: 5-6\n  Free inodes: 9, 11-12\n";
        assert_eq!(used(said).unwrap(), [1, 2, 3, 4, 7, 8, 10]);
        assert!(used("nothing").is_err());
        assert!(used("Inode count: 3\n  Free inodes: 3-4\n").is_err());
    }

    #[test]
    fn extended_options_become_one_word() {
        let options = ["-b", "1024", "-E", "stride=2", "-Eresize=9"].map(str::to_string);
        let (extended, others) = extended(&options);
        assert!(
            extended.ends_with("lazy_journal_init=0,stride=2,resize=9"),
            "{extended}"
        );
        assert_eq!(others, ["-b", "1024"]);
    }
}
