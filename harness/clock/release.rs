//! Another release of Debian, extracted: programs that a step has in place of the machine's.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::image::sha256_hex;

/// A release's files, and what they are of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Folder of the files: what a step finds at `/`.
    pub tree: PathBuf,
    /// `Debian sid`.
    pub name: String,
    /// Version of each package in it, by name.
    pub packages: BTreeMap<String, String>,
}

/// Where programs are in a release, as in PATH.
const FOLDERS: &[&str] = &["usr/local/bin", "usr/sbin", "usr/bin", "sbin", "bin"];

impl Release {
    /// Whether a program of that name can be run there; one with a path is looked for at that path.
    pub fn has(&self, program: &str) -> bool {
        // A link may lead to where only a step finds something.
        let is_there = |place: PathBuf| fs::symlink_metadata(place).is_ok_and(|it| !it.is_dir());
        match program.strip_prefix('/') {
            Some(path) => is_there(self.tree.join(path)),
            None => FOLDERS
                .iter()
                .any(|folder| is_there(self.tree.join(folder).join(program))),
        }
    }

    /// The release with all packages and their versions, in words for a row: rows of other packages are not compared.
    pub fn told(&self) -> String {
        let packages = self.packages.iter();
        let packages: String = packages
            .map(|(name, version)| format!("{name} {version}\n"))
            .collect();
        format!(
            "{}, packages {}",
            self.name,
            &sha256_hex(packages.as_bytes())[..8]
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_of_any_package_is_another_release() {
        let release = |version: &str| Release {
            tree: PathBuf::new(),
            name: "Debian sid".to_string(),
            packages: [("libc6", "2.43-7"), ("desync", version)]
                .map(|(name, version)| (name.to_string(), version.to_string()))
                .into(),
        };
        assert!(
            release("1.0.4-1")
                .told()
                .starts_with("Debian sid, packages ")
        );
        assert_ne!(release("1.0.4-1").told(), release("1.0.4-2").told());
    }
}
