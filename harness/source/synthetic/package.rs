//! Packages: named and versioned sets of files.

use std::collections::BTreeSet;
use std::fmt;

use super::recipe::{FileKind, FileRecipe};
use super::shelf::{PackageKind, Shelf};
use super::text::{self, Style};
use crate::dice::{Dice, mix_text};

/// A version of three numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version(pub [u64; 3]);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        write!(f, "{major}.{minor}.{patch}")
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Package {
    pub name: String,
    pub version: Version,
    /// Seconds since 1970 at which this version was packed, and so the mtime of its files.
    pub released: u64,
    pub kind: PackageKind,
    pub files: Vec<PackageFile>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct PackageFile {
    /// Relative to the root; `{v}` stands for the package's version.
    pub path: String,
    pub what: What,
    pub mode: u32,
    pub owner: u64,
    pub mtime: Mtime,
}

#[derive(Clone, Debug, PartialEq)]
pub enum What {
    File(FileRecipe),
    /// Target as in `PackageFile::path`, relative to the link's folder.
    Symlink(String),
    /// Target as in `PackageFile::path`, relative to the root.
    Hardlink(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mtime {
    /// Set when the package was made.
    Packed,
    /// Set when the layer was built: the file is written by a command of the build.
    Built,
    /// Seconds since 1970.
    At(u64),
}

/// Largest file: each file is made in memory.
const LARGEST_FILE_BYTES: u64 = 24 << 20;

/// The user that owns the application's state.
const APPLICATION_OWNER: u64 = 1000;

impl Package {
    /// A new package that takes about `bytes` as tar members. Everything in it follows from `seed` and its name.
    pub fn new(kind: PackageKind, name: String, seed: u64, now: u64, bytes: u64) -> Package {
        let mut dice = Dice::new(mix_text(seed, &name));
        let version = Version([dice.below(6), dice.below(30), dice.below(20)]);
        let mut package = Package {
            released: now - (1 + dice.below(900)) * 86_400 - dice.below(86_400),
            files: Vec::new(),
            name,
            version,
            kind,
        };
        let used = package.add_landmarks(&mut dice, bytes);
        package.fill(&mut dice, bytes.saturating_sub(used), Mtime::Packed);
        package
    }

    /// The name and version that its texts mention.
    pub fn label(&self) -> String {
        format!("{} {}", self.name, self.version)
    }

    /// A path or a link target with this version filled in.
    pub fn resolve(&self, path: &str) -> String {
        path.replace("{v}", &self.version.to_string())
    }

    /// Planned bytes of its contents.
    pub fn bytes(&self) -> u64 {
        self.contents().map(|content| content.bytes).sum()
    }

    pub fn contents(&self) -> impl Iterator<Item = &FileRecipe> {
        self.files.iter().filter_map(|file| match &file.what {
            What::File(content) => Some(content),
            What::Symlink(_) | What::Hardlink(_) => None,
        })
    }

    /// Adds files until they take `bytes` as tar members. Returns how many were added.
    pub fn fill(&mut self, dice: &mut Dice, bytes: u64, mtime: Mtime) -> usize {
        let mut taken: BTreeSet<String> = self.files.iter().map(|file| file.path.clone()).collect();
        let before = self.files.len();
        // So that no single file dominates the package.
        let largest = (bytes / 3).clamp(2048, LARGEST_FILE_BYTES);
        let mut used = 0;
        while used < bytes {
            let shelf = self.kind.shelf(dice);
            let path = self.free_path(shelf, dice, &mut taken);
            let size = dice.size(shelf.median, shelf.octaves).clamp(64, largest);
            let owner = if shelf.mode == 0o600 {
                APPLICATION_OWNER
            } else {
                0
            };
            self.files.push(PackageFile {
                path,
                what: What::File(FileRecipe::new(shelf.kind, dice.u64(), size)),
                mode: shelf.mode,
                owner,
                mtime,
            });
            used += member_bytes(shelf.kind, size);
        }
        self.files.len() - before
    }

    fn free_path(&self, shelf: &Shelf, dice: &mut Dice, taken: &mut BTreeSet<String>) -> String {
        // The folders of one package in three are named by its version too.
        let folder = if mix_text(3, &self.name).is_multiple_of(3) {
            format!("{}-{{v}}", self.name)
        } else {
            self.name.clone()
        };
        let path = shelf
            .path
            .replace("{n}", &self.name)
            .replace("{d}", &folder);
        loop {
            let word = match dice.below(3) {
                0 => text::name(dice).to_string(),
                _ => format!("{}_{}", text::name(dice), text::name(dice)),
            };
            let path = path.replace("{w}", &word);
            if taken.insert(path.clone()) {
                return path;
            }
        }
    }

    /// Adds the files that every package of the distribution has, small ones when `bytes` is small. Returns their bytes.
    fn add_landmarks(&mut self, dice: &mut Dice, bytes: u64) -> u64 {
        if self.kind != PackageKind::System {
            return 0;
        }
        let name = self.name.clone();
        let doc = format!("usr/share/doc/{name}");
        let library = format!("usr/lib/lib{name}.so");
        let copyright = dice.size(3000, 2).min(bytes / 8);
        let changelog = dice.size(6000, 2).min(bytes / 8);
        let code = dice.size(24_000, 2).min(bytes / 4);
        let content =
            |kind, bytes, dice: &mut Dice| What::File(FileRecipe::new(kind, dice.u64(), bytes));
        let landmarks = [
            (
                format!("{doc}/copyright"),
                content(FileKind::Text(Style::Prose), copyright, dice),
            ),
            (
                format!("{doc}/changelog.Debian.gz"),
                content(FileKind::PackedText, changelog, dice),
            ),
            (
                format!("{library}.{{v}}"),
                content(FileKind::Code, code, dice),
            ),
            (library, What::Symlink(format!("lib{name}.so.{{v}}"))),
            (
                format!("{doc}/licence"),
                What::Hardlink(format!("{doc}/copyright")),
            ),
        ];
        for (path, what) in landmarks {
            let mode = if matches!(what, What::Symlink(_)) {
                0o777
            } else {
                0o644
            };
            self.files.push(PackageFile {
                path,
                what,
                mode,
                owner: 0,
                mtime: Mtime::Packed,
            });
        }
        copyright + changelog / 3 + code + 5 * 768
    }
}

/// Bytes that a file of this size takes in a tar: a header, the contents, and on average half a block of padding.
fn member_bytes(kind: FileKind, bytes: u64) -> u64 {
    let packed = if kind == FileKind::PackedText {
        bytes / 3
    } else {
        bytes
    };
    packed + 768
}
