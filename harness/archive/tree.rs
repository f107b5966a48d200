//! A tree of files, looked at in two ways: what is in it, to be compared, and whether anybody touched it since.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::{lgetxattr, llistxattr};
use walkdir::WalkDir;

use super::unpack::keeps_xattr;
use crate::image::hash_file;

/// What is in a tree, by path below its root; the root itself has the empty path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing(BTreeMap<PathBuf, Node>);

/// One file, folder or link, with all that a rebuilt tree must have the same. Times, and which names are one file
/// (hard links), are not in it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Node {
    kind: Kind,
    /// Of a symbolic link 0: it has no mode of its own.
    mode: u32,
    uid: u32,
    gid: u32,
    /// Those of `keeps_xattr`, by name.
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    File {
        bytes: u64,
        sha256: String,
    },
    Folder,
    Link(PathBuf),
    /// A device, a fifo or a socket, which no unpacked image has.
    Special,
}

impl Kind {
    fn word(&self) -> &'static str {
        match self {
            Kind::File { .. } => "a file",
            Kind::Folder => "a folder",
            Kind::Link(_) => "a symbolic link",
            Kind::Special => "a device, a fifo or a socket",
        }
    }
}

impl Listing {
    /// Reads the tree, every file in it to its last byte.
    pub fn of(root: &Path) -> Result<Listing> {
        let mut nodes = BTreeMap::new();
        walk(root, &mut |place, path, about| {
            nodes.insert(place, Node::of(path, about, None)?);
            Ok(())
        })?;
        Ok(Listing(nodes))
    }

    /// Reads a tree that is to be this one. A file of another length than it has here is not read: one with holes may be
    /// longer than anybody can wait for.
    pub fn of_rebuilt(&self, root: &Path) -> Result<Listing> {
        let mut nodes = BTreeMap::new();
        walk(root, &mut |place, path, about| {
            let wanted = self.0.get(&place).map(|node| &node.kind);
            nodes.insert(place, Node::of(path, about, Some(wanted))?);
            Ok(())
        })?;
        Ok(Listing(nodes))
    }

    /// Files, folders and links below the root.
    pub fn entries(&self) -> usize {
        self.0.len().saturating_sub(1)
    }

    /// What its files hold, in bytes.
    pub fn bytes(&self) -> u64 {
        let bytes = |node: &Node| match node.kind {
            Kind::File { bytes, .. } => bytes,
            _ => 0,
        };
        self.0.values().map(bytes).sum()
    }

    /// The same tree without what a tool may lose that knows nothing but permissions: setuid, setgid and sticky bits, and
    /// extended attributes.
    pub fn in_permissions(mut self) -> Listing {
        for node in self.0.values_mut() {
            node.mode &= 0o777;
            node.xattrs.clear();
        }
        self
    }

    /// The first path, in the order of names, that is not in `other` as it is here, and how it differs; `other` is
    /// what was rebuilt.
    pub fn difference(&self, other: &Listing) -> Option<String> {
        let mut places: Vec<&PathBuf> = self.0.keys().chain(other.0.keys()).collect();
        places.sort();
        places.dedup();
        let mut wrong = places.into_iter().filter_map(|place| {
            let how = match (self.0.get(place), other.0.get(place)) {
                (Some(node), Some(there)) => node.difference(there)?,
                (Some(_), None) => "is missing".to_string(),
                (None, Some(there)) => format!("{} that the image has not", there.kind.word()),
                (None, None) => return None,
            };
            Some(format!("{}: {how}", shown(place)))
        });
        let first = wrong.next()?;
        Some(match wrong.count() {
            0 => first,
            more => format!("{first} (and {more} more)"),
        })
    }
}

impl Node {
    /// `wanted` is what the path should hold, if anything, where only that is to be read.
    fn of(path: &Path, about: &Metadata, wanted: Option<Option<&Kind>>) -> Result<Node> {
        let kind = about.file_type();
        let as_long = |kind: Option<&Kind>| matches!(kind, Some(Kind::File { bytes, .. }) if *bytes == about.len());
        let kind = if kind.is_file() {
            if wanted.is_none_or(as_long) {
                let (bytes, sha256) = hash_file(path)?;
                Kind::File { bytes, sha256 }
            } else {
                let (bytes, sha256) = (about.len(), String::new());
                Kind::File { bytes, sha256 }
            }
        } else if kind.is_dir() {
            Kind::Folder
        } else if kind.is_symlink() {
            let target = fs::read_link(path);
            Kind::Link(target.with_context(|| format!("read the link {}", path.display()))?)
        } else {
            Kind::Special
        };
        let mode = match kind {
            Kind::Link(_) => 0,
            _ => about.mode() & 0o7777,
        };
        Ok(Node {
            kind,
            mode,
            uid: about.uid(),
            gid: about.gid(),
            xattrs: xattrs(path)
                .with_context(|| format!("read the attributes of {}", path.display()))?,
        })
    }

    fn difference(&self, there: &Node) -> Option<String> {
        let (is, was) = (there, self);
        match (&is.kind, &was.kind) {
            (
                Kind::File { bytes, sha256 },
                Kind::File {
                    bytes: right,
                    sha256: digest,
                },
            ) if bytes != right => {
                return Some(format!("{bytes} bytes, the image has {right}"));
            }
            (Kind::File { bytes, sha256 }, Kind::File { sha256: digest, .. })
                if sha256 != digest =>
            {
                return Some(format!(
                    "{bytes} bytes with sha256 {:.12}…, the image has {digest:.12}…",
                    sha256
                ));
            }
            (Kind::Link(target), Kind::Link(right)) if target != right => {
                return Some(format!(
                    "links to {}, in the image to {}",
                    target.display(),
                    right.display()
                ));
            }
            (kind, right) if kind.word() != right.word() => {
                return Some(format!("{}, in the image {}", kind.word(), right.word()));
            }
            _ => {}
        }
        if is.mode != was.mode {
            let (is, was) = (is.mode, was.mode);
            return Some(format!("mode {is:04o}, the image has {was:04o}"));
        }
        let (owner, right) = ((is.uid, is.gid), (was.uid, was.gid));
        if owner != right {
            let ((uid, gid), (right_uid, right_gid)) = (owner, right);
            return Some(format!(
                "owner {uid}:{gid}, the image has {right_uid}:{right_gid}"
            ));
        }
        let mut names = was.xattrs.keys().chain(is.xattrs.keys());
        let name = names.find(|name| is.xattrs.get(*name) != was.xattrs.get(*name))?;
        Some(format!(
            "another {} than the image has",
            String::from_utf8_lossy(name)
        ))
    }
}

/// Enough of every path in a tree to see that it was touched: what a write, a change of mode or owner, a new name or
/// a new hard link to it leaves behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamps(BTreeMap<PathBuf, Stamp>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    mode: u32,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamps {
    pub fn of(root: &Path) -> Result<Stamps> {
        let mut stamps = BTreeMap::new();
        walk(root, &mut |place, _, about| {
            let stamp = Stamp {
                inode: about.ino(),
                mode: about.mode(),
                bytes: about.len(),
                modified: (about.mtime(), about.mtime_nsec()),
                changed: (about.ctime(), about.ctime_nsec()),
            };
            stamps.insert(place, stamp);
            Ok(())
        })?;
        Ok(Stamps(stamps))
    }

    /// The first path that was touched between these stamps and `later` ones.
    pub fn touched<'a>(&'a self, later: &'a Stamps) -> Option<&'a Path> {
        let places = self.0.keys().chain(later.0.keys());
        let touched = |place: &&PathBuf| self.0.get(*place) != later.0.get(*place);
        places
            .map(PathBuf::as_path)
            .find(|place| touched(&&place.to_path_buf()))
    }
}

/// A place as messages name it.
fn shown(place: &Path) -> String {
    match place.as_os_str().is_empty() {
        true => "its root".to_string(),
        false => place.display().to_string(),
    }
}

pub(super) type Each<'a> = &'a mut dyn FnMut(PathBuf, &Path, &Metadata) -> Result<()>;

/// Calls `each` with every place of the tree, the root first: relative, as it is, and what it is; links not followed.
pub(super) fn walk(root: &Path, each: Each) -> Result<()> {
    for entry in WalkDir::new(root) {
        let entry = entry.with_context(|| format!("look through {}", root.display()))?;
        let path = entry.path();
        let about =
            fs::symlink_metadata(path).with_context(|| format!("look at {}", path.display()))?;
        let place = path
            .strip_prefix(root)
            .context("a walk stays inside its root")?;
        each(place.to_path_buf(), path, &about)?;
    }
    Ok(())
}

/// Most bytes the kernel has for the names of a file's extended attributes, and for the value of one
/// (linux/limits.h: XATTR_LIST_MAX, XATTR_SIZE_MAX).
const XATTR_BYTES: usize = 64 << 10;

/// The extended attributes of `keeps_xattr`, links not followed.
pub(super) fn xattrs(path: &Path) -> io::Result<BTreeMap<Vec<u8>, Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut names = vec![0; XATTR_BYTES];
    let length = match llistxattr(path, &mut names[..]) {
        // A file system without any.
        Err(rustix::io::Errno::OPNOTSUPP) => 0,
        other => other?,
    };
    let names = names[..length].split(|&byte| byte == 0);
    for name in names.filter(|name| keeps_xattr(name)) {
        let mut value = vec![0; XATTR_BYTES];
        let length = lgetxattr(path, OsStr::from_bytes(name), &mut value[..])?;
        value.truncate(length);
        found.insert(name.to_vec(), value);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_has_every_byte_of_files_and_stamps_tell_the_first_place_that_was_touched() {
        let root = tempfile::tempdir().unwrap();
        let at = |place: &str| root.path().join(place);
        fs::create_dir(at("b")).unwrap();
        for (place, contents) in [("a", "12345"), ("b/c", "123"), ("b/d", "")] {
            fs::write(at(place), contents).unwrap();
        }
        std::os::unix::fs::symlink("a", at("link")).unwrap();
        let listing = Listing::of(root.path()).unwrap();
        assert_eq!((listing.bytes(), listing.entries()), (8, 5));
        let before = Stamps::of(root.path()).unwrap();
        assert_eq!(before.touched(&Stamps::of(root.path()).unwrap()), None);
        fs::write(at("b/c"), "1234").unwrap();
        let after = Stamps::of(root.path()).unwrap();
        assert_eq!(before.touched(&after), Some(Path::new("b/c")));
        // Of a file that came or went its folder tells first.
        fs::write(at("b/z"), "").unwrap();
        let more = Stamps::of(root.path()).unwrap();
        assert_eq!(after.touched(&more), Some(Path::new("b")));
        assert_eq!(more.touched(&after), Some(Path::new("b")));
    }
}
