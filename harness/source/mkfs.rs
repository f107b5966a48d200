//! A tree that is to become a file system, and the programs that do it.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use walkdir::WalkDir;

use super::program;
use crate::words;

/// The same in every image: a device is not to tell its releases apart by it.
pub const UUID: &str = "8f6a1d52-2b0e-4c57-9d3f-5a1b7c90e4d1";

/// A tree to be made into an image of a file system.
pub struct Job<'a> {
    pub tree: &'a Path,
    pub out: &'a Path,
    pub options: &'a [String],
    /// Takes a line of progress.
    pub say: &'a dyn Fn(&str),
}

impl<'a> Job<'a> {
    /// The options as words of a command line.
    pub fn options(&self) -> impl Iterator<Item = &'a str> {
        self.options.iter().map(String::as_str)
    }

    /// Where the tree and the image are.
    pub fn paths(&self) -> Result<[&'a str; 2]> {
        Ok([words::utf8(self.tree)?, words::utf8(self.out)?])
    }

    pub fn run(&self, argv: &[&str], environment: &[(&str, &str)]) -> Result<()> {
        program::run(&command(argv), environment, &mut |line| (self.say)(line))
    }

    /// The newest time in the tree, in seconds since 1970.
    pub fn newest(&self) -> Result<i64> {
        let mut newest = 0;
        for entry in WalkDir::new(self.tree) {
            let about = entry.and_then(|entry| entry.metadata());
            let about = about.with_context(|| format!("look through {}", self.tree.display()))?;
            newest = newest.max(about.mtime());
        }
        Ok(newest)
    }
}

/// Debian keeps mkfs and its like in /usr/sbin, which an ordinary user's PATH leaves out.
pub fn found(program: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    which::which_in(program, Some(format!("{path}:/usr/sbin:/sbin")), "/").ok()
}

/// The command line with its program as a path, where it is found.
pub fn command(argv: &[&str]) -> Vec<String> {
    let mut words: Vec<String> = argv.iter().map(ToString::to_string).collect();
    if let Some(path) = argv.first().and_then(|program| found(program)) {
        words[0] = path.display().to_string();
    }
    words
}
