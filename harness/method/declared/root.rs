//! The key `root` of a declared method: its programs are those of another release of Debian.

use anyhow::{Result, ensure};
use serde::Deserialize;

/// Packages of a release, which a method's commands find in place of the machine's programs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Root {
    /// A suite or a codename: `sid`, `trixie`.
    pub debian: String,
    /// Packages, with what they depend on; `name=version` asks for a version.
    pub include: Vec<String>,
    /// Only where a program of the method is not on PATH.
    #[serde(default)]
    pub if_missing: bool,
}

impl Root {
    /// Refuses what is no name of a release or of a package; `place` is the file and the line.
    pub fn check(&self, place: &str) -> Result<()> {
        ensure!(
            is_name(&self.debian),
            "{place}: root: {:?} is no release of Debian, such as \"trixie\"",
            self.debian
        );
        ensure!(
            !self.include.is_empty(),
            "{place}: root: include is missing: the packages that have the programs"
        );
        for package in &self.include {
            let (name, version) = package.split_once('=').unwrap_or((package, "0"));
            ensure!(
                is_name(name) && is_version(version),
                "{place}: root: {package:?} is no package, such as \"skopeo\" or \"skopeo=1.18.0+ds1-1\""
            );
        }
        Ok(())
    }

    /// `desync of Debian sid`.
    pub fn told(&self) -> String {
        format!("{} of Debian {}", self.include.join(", "), self.debian)
    }
}

/// As Debian's policy has a package's name, which a release's keeps too.
/// <https://www.debian.org/doc/debian-policy/ch-controlfields.html#source>
fn is_name(name: &str) -> bool {
    let allowed = |letter: char| {
        letter.is_ascii_lowercase() || letter.is_ascii_digit() || "+.-".contains(letter)
    };
    name.starts_with(|first: char| first.is_ascii_alphanumeric()) && name.chars().all(allowed)
}

/// <https://www.debian.org/doc/debian-policy/ch-controlfields.html#version>
fn is_version(version: &str) -> bool {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || ".+-:~".contains(letter);
    version.starts_with(|first: char| first.is_ascii_digit()) && version.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_an_option_or_a_command_is_no_name() {
        let check = |debian: &str, package: &str| {
            let root = Root {
                debian: debian.to_string(),
                include: vec![package.to_string()],
                if_missing: false,
            };
            root.check("m.toml:1").is_ok()
        };
        assert!(check("trixie", "skopeo") && check("bookworm-backports", "g++"));
        assert!(check("sid", "desync=1:1.0.4-1~x+b1"));
        for (debian, package) in [
            ("--variant=apt", "skopeo"),
            ("", "skopeo"),
            ("trixie/..", "skopeo"),
            ("trixie", "-o=x"),
            ("trixie", "a,b"),
            ("trixie", "?essential"),
            ("trixie", "a=;rm"),
            ("trixie", "a="),
        ] {
            assert!(!check(debian, package), "{debian} {package}");
        }
    }
}
