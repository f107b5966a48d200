//! Packages: named, versioned sets of files, of the kinds and sizes that packages have.

use std::collections::BTreeSet;
use std::fmt;

use super::content::{Content, Kind};
use super::dice::{Dice, mix_text};
use super::shelf::Shelf;
use super::text::{self, Style};

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
    pub files: Vec<File>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackageKind {
    /// Of the distribution, and known to dpkg.
    System,
    /// A part of the application.
    Application,
    /// The settings of this one image.
    Settings,
}

#[derive(Clone, Debug, PartialEq)]
pub struct File {
    /// Relative to the root; `{v}` stands for the package's version.
    pub path: String,
    pub what: What,
    pub mode: u32,
    pub owner: u64,
    pub mtime: Mtime,
}

#[derive(Clone, Debug, PartialEq)]
pub enum What {
    File(Content),
    /// Target as in `File::path`, relative to the link's folder.
    Symlink(String),
    /// Target as in `File::path`, relative to the root.
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

/// Files above this size exist, but a lab that makes each one in memory stops here.
const LARGEST_FILE_BYTES: u64 = 24 << 20;

/// The user that owns the application's state.
const APPLICATION_OWNER: u64 = 1000;

impl Package {
    /// A new package of about `bytes` as tar members, decided by `seed` and its name.
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

    /// What its texts call it.
    pub fn label(&self) -> String {
        format!("{} {}", self.name, self.version)
    }

    /// The path or link target as it is in this version.
    pub fn resolve(&self, path: &str) -> String {
        path.replace("{v}", &self.version.to_string())
    }

    /// Bytes of its contents, as planned.
    pub fn bytes(&self) -> u64 {
        self.contents().map(|content| content.bytes).sum()
    }

    pub fn contents(&self) -> impl Iterator<Item = &Content> {
        self.files.iter().filter_map(|file| match &file.what {
            What::File(content) => Some(content),
            What::Symlink(_) | What::Hardlink(_) => None,
        })
    }

    /// Adds files until they take `bytes` as tar members. Returns how many were added.
    pub fn fill(&mut self, dice: &mut Dice, bytes: u64, mtime: Mtime) -> usize {
        let mut taken: BTreeSet<String> = self.files.iter().map(|file| file.path.clone()).collect();
        let before = self.files.len();
        // No single file decides what a package weighs.
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
            self.files.push(File {
                path,
                what: What::File(Content::new(shelf.kind, dice.u64(), size)),
                mode: shelf.mode,
                owner,
                mtime,
            });
            used += member_bytes(shelf.kind, size);
        }
        self.files.len() - before
    }

    fn free_path(&self, shelf: &Shelf, dice: &mut Dice, taken: &mut BTreeSet<String>) -> String {
        // One package in three carries its version in its folder's name, too.
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

    /// What every package of the distribution has, small in one of few `bytes`. Returns the bytes it takes.
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
            |kind, bytes, dice: &mut Dice| What::File(Content::new(kind, dice.u64(), bytes));
        let landmarks = [
            (
                format!("{doc}/copyright"),
                content(Kind::Text(Style::Prose), copyright, dice),
            ),
            (
                format!("{doc}/changelog.Debian.gz"),
                content(Kind::PackedText, changelog, dice),
            ),
            (format!("{library}.{{v}}"), content(Kind::Code, code, dice)),
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
            self.files.push(File {
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

/// What a content of this size takes in a tar: a header, and half a block of padding.
fn member_bytes(kind: Kind, bytes: u64) -> u64 {
    let packed = if kind == Kind::PackedText {
        bytes / 3
    } else {
        bytes
    };
    packed + 768
}
