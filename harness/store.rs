//! The server's folder, and its size.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use std::{fs, io};

use anyhow::{Context, Result, bail, ensure};
use rustix::fs::{lgetxattr, llistxattr};
use rustix::io::Errno;
use walkdir::WalkDir;

/// A blake3.
pub type Digest = [u8; 32];

/// The folder a method publishes into and the wire serves from.
#[derive(Clone, Debug)]
pub struct Store {
    path: PathBuf,
}

/// What a store holds: how many bytes, and how many files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    pub bytes: u64,
    pub files: u64,
}

/// What a file holds beside its contents, its name and its extended attributes, in bytes: owner, mode and time of change.
const INODE_BYTES: u64 = 24;

impl Store {
    /// The store at `path`, made when absent.
    pub fn at(path: &Path) -> Result<Store> {
        fs::create_dir_all(path).with_context(|| format!("make the store {}", path.display()))?;
        Ok(Store {
            path: path.to_path_buf(),
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Path of `object` (relative, `/`-separated) inside the store.
    pub fn object(&self, object: &str) -> PathBuf {
        self.path.join(object)
    }

    /// Whether the folder is there.
    pub fn is_there(&self) -> bool {
        fs::symlink_metadata(&self.path).is_ok_and(|about| about.is_dir())
    }

    /// Counts what is there now.
    ///
    /// A file counts its length; one that is shorter than what its path and its inode can hold counts that instead, so that
    /// a million empty files are not free. A link counts in the same way, by the length of its target's name, and so does
    /// a folder with nothing in it. Other folders count nothing: their names are in the paths of what is in them. Extended
    /// attributes count beside that, those of any folder too.
    pub fn holdings(&self) -> Result<Holdings> {
        let mut holdings = Holdings::default();
        for entry in WalkDir::new(&self.path) {
            let entry =
                entry.with_context(|| format!("look through the store {}", self.path.display()))?;
            let looking = || format!("look at {}", entry.path().display());
            let attributes = attribute_bytes(entry.path()).with_context(looking)?;
            holdings.bytes = holdings.bytes.saturating_add(attributes);
            let folder = entry.file_type().is_dir();
            if entry.depth() == 0 {
                continue;
            }
            if folder
                && fs::read_dir(entry.path())
                    .with_context(looking)?
                    .next()
                    .is_some()
            {
                continue;
            }
            let length = match folder {
                true => 0,
                false => entry.metadata().with_context(looking)?.len(),
            };
            let path = entry
                .path()
                .strip_prefix(&self.path)
                .with_context(looking)?;
            let beside = path.as_os_str().len() as u64 + INODE_BYTES;
            holdings.bytes = holdings.bytes.saturating_add(length.max(beside));
            holdings.files += u64::from(!folder);
        }
        Ok(holdings)
    }

    /// What the store holds, as one number: names, kinds, owners, modes and contents, but no times. An error where something is
    /// there that this can't tell: what can't be read, extended attributes, sockets and their like.
    pub fn digest(&self) -> Result<Digest> {
        let mut all = blake3::Hasher::new();
        for entry in WalkDir::new(&self.path).sort_by_file_name() {
            let entry =
                entry.with_context(|| format!("look through the store {}", self.path.display()))?;
            let (path, kind) = (entry.path(), entry.file_type());
            let reading = || format!("read {}", path.display());
            let about = entry.metadata().with_context(reading)?;
            let contents = if kind.is_dir() {
                blake3::hash(&[])
            } else if kind.is_file() {
                let mut hasher = blake3::Hasher::new();
                let file = fs::File::open(path).with_context(reading)?;
                hasher.update_reader(file).with_context(reading)?.finalize()
            } else if kind.is_symlink() {
                let target = fs::read_link(path).with_context(reading)?;
                blake3::hash(target.as_os_str().as_bytes())
            } else {
                bail!("{} is neither file, folder nor link", path.display());
            };
            ensure!(
                attribute_bytes(path).with_context(reading)? == 0,
                "{} has extended attributes",
                path.display()
            );
            let name = path.strip_prefix(&self.path).with_context(reading)?;
            let name = blake3::hash(name.as_os_str().as_bytes());
            // The kind is among the bits of the mode.
            for number in [about.mode(), about.uid(), about.gid()] {
                all.update(&number.to_le_bytes());
            }
            all.update(name.as_bytes()).update(contents.as_bytes());
        }
        Ok(all.finalize().into())
    }

    /// Copies all that is here into `to`, a folder that exists: files with their modes and times of change, folders and links.
    /// What else a store may hold, its digest tells: owners, and modes of folders that their owner may not write.
    pub fn copy_into(&self, to: &Path) -> Result<()> {
        for entry in WalkDir::new(&self.path).min_depth(1) {
            let entry =
                entry.with_context(|| format!("look through the store {}", self.path.display()))?;
            let (path, kind) = (entry.path(), entry.file_type());
            let copying = || format!("copy {}", path.display());
            let copy = to.join(path.strip_prefix(&self.path).with_context(copying)?);
            let about = entry.metadata().with_context(copying)?;
            if kind.is_dir() {
                fs::create_dir(&copy).with_context(copying)?;
                let mode = about.permissions().mode() | 0o700;
                fs::set_permissions(&copy, fs::Permissions::from_mode(mode))
                    .with_context(copying)?;
            } else if kind.is_symlink() {
                let target = fs::read_link(path).with_context(copying)?;
                symlink(target, &copy).with_context(copying)?;
            } else {
                ensure!(kind.is_file(), "{} is no file", path.display());
                fs::copy(path, &copy).with_context(copying)?;
                let times = about.modified().and_then(|modified| {
                    fs::File::open(&copy)?.set_times(fs::FileTimes::new().set_modified(modified))
                });
                times.with_context(copying)?;
            }
        }
        Ok(())
    }

    /// The first symbolic link, in no order, that leads out of the store: what it leads to is not stored.
    pub fn link_out(&self) -> Result<Option<PathBuf>> {
        let root = self.path.canonicalize();
        let root = root.with_context(|| format!("find the store {}", self.path.display()))?;
        for entry in WalkDir::new(&root).min_depth(1) {
            let entry =
                entry.with_context(|| format!("look through the store {}", root.display()))?;
            if !entry.file_type().is_symlink() {
                continue;
            }
            let path = entry.path();
            let target =
                fs::read_link(path).with_context(|| format!("read the link {}", path.display()))?;
            if !leads_inside(&root, path, &target) {
                let place = path.strip_prefix(&root).unwrap_or(path);
                return Ok(Some(place.to_path_buf()));
            }
        }
        Ok(None)
    }
}

/// Whether a link at `path` to `target` stays below `root`, or would if its target were there.
fn leads_inside(root: &Path, path: &Path, target: &Path) -> bool {
    let from = path.parent().unwrap_or(root);
    if let Ok(real) = from.join(target).canonicalize() {
        return real.starts_with(root);
    }
    let mut place = PathBuf::new();
    for part in from.join(target).components() {
        match part {
            Component::ParentDir => {
                place.pop();
            }
            other => place.push(other),
        }
    }
    place.starts_with(root)
}

/// The names and values of a file's extended attributes, in bytes. Those of the kernel's own security modules, which no
/// method writes, are not counted.
fn attribute_bytes(path: &Path) -> io::Result<u64> {
    // Nearly every file has none; so the room for many is made where it is needed.
    match llistxattr(path, &mut [0; 64][..]) {
        // A file, or a file system, without any.
        Ok(0) | Err(Errno::OPNOTSUPP) => return Ok(0),
        Ok(_) | Err(Errno::RANGE) => {}
        Err(why) => return Err(why.into()),
    }
    let mut names = vec![0; XATTR_BYTES];
    let length = llistxattr(path, &mut names[..])?;
    let (mut bytes, mut value) = (0, vec![0; XATTR_BYTES]);
    for name in names[..length].split(|&byte| byte == 0) {
        if name.is_empty() || name.starts_with(b"security.selinux") {
            continue;
        }
        let value = lgetxattr(path, OsStr::from_bytes(name), &mut value[..])?;
        bytes += (name.len() + value) as u64;
    }
    Ok(bytes)
}

/// Most bytes the kernel has for the names of a file's extended attributes, and for the value of one (linux/limits.h:
/// XATTR_LIST_MAX, XATTR_SIZE_MAX).
const XATTR_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(&dir.path().join("store")).unwrap();
        (dir, store)
    }

    #[test]
    fn a_million_empty_files_are_not_free_and_a_file_with_contents_counts_its_length() {
        let (_dir, store) = store();
        fs::create_dir(store.object("chunks")).unwrap();
        fs::write(store.object("chunks/whole"), [7; 5000]).unwrap();
        let whole = Holdings {
            bytes: 5000,
            files: 1,
        };
        assert_eq!(store.holdings().unwrap(), whole);
        let name = "6368756e6b";
        fs::write(store.object("chunks").join(name), "").unwrap();
        symlink("chunks/whole", store.object("l")).unwrap();
        fs::create_dir(store.object("a-name-that-holds-something")).unwrap();
        let beside = ["chunks/6368756e6b", "l", "a-name-that-holds-something"];
        let names: usize = beside.iter().map(|path| path.len()).sum();
        let all = Holdings {
            bytes: 5000 + names as u64 + 3 * INODE_BYTES,
            files: 3,
        };
        assert_eq!(store.holdings().unwrap(), all);
    }

    #[test]
    fn a_copy_is_the_same_store_with_the_same_times_of_change() {
        let (dir, store) = store();
        fs::create_dir_all(store.object("chunks/deep")).unwrap();
        for (name, mode) in [("chunks/deep/a", 0o600), ("run", 0o755), ("read", 0o444)] {
            fs::write(store.object(name), name).unwrap();
            let mode = fs::Permissions::from_mode(mode);
            fs::set_permissions(store.object(name), mode).unwrap();
        }
        fs::set_permissions(store.object("chunks"), fs::Permissions::from_mode(0o711)).unwrap();
        symlink("chunks/deep/a", store.object("link")).unwrap();
        let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(77);
        let file = fs::File::open(store.object("read")).unwrap();
        file.set_modified(old).unwrap();
        let copy = Store::at(&dir.path().join("copy")).unwrap();
        store.copy_into(copy.path()).unwrap();
        assert_eq!(copy.digest().unwrap(), store.digest().unwrap());
        let changed = fs::metadata(copy.object("read")).unwrap().modified();
        assert_eq!(changed.unwrap(), old);
    }

    #[test]
    fn whatever_a_client_could_see_of_it_changes_its_digest_and_a_time_does_not() {
        let (_dir, store) = store();
        let digest = || store.digest().unwrap();
        fs::create_dir(store.object("chunks")).unwrap();
        fs::write(store.object("chunks/a"), "one").unwrap();
        let one = digest();
        let file = fs::File::options()
            .write(true)
            .open(store.object("chunks/a"));
        file.unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        assert_eq!(digest(), one);
        let mut seen = vec![one];
        let mut is_new = || {
            let digest = digest();
            assert!(!seen.contains(&digest));
            seen.push(digest);
        };
        fs::write(store.object("chunks/a"), "two").unwrap();
        is_new();
        fs::rename(store.object("chunks/a"), store.object("chunks/b")).unwrap();
        is_new();
        let closed = fs::Permissions::from_mode(0o600);
        fs::set_permissions(store.object("chunks/b"), closed).unwrap();
        is_new();
        fs::rename(store.object("chunks/b"), store.object("b")).unwrap();
        is_new();
        symlink("b", store.object("c")).unwrap();
        is_new();
        fs::remove_dir(store.object("chunks")).unwrap();
        is_new();
        let _socket = std::os::unix::net::UnixListener::bind(store.object("s")).unwrap();
        store.digest().unwrap_err();
    }

    #[test]
    fn attributes_count() {
        let (_dir, store) = store();
        fs::write(store.object("empty"), "").unwrap();
        let before = store.holdings().unwrap().bytes;
        let set = rustix::fs::setxattr(
            store.object("empty"),
            "user.delta",
            &[7; 1000],
            rustix::fs::XattrFlags::empty(),
        );
        // Some file systems keep none; then nothing can be hidden there.
        if set.is_err() {
            return;
        }
        let name = "user.delta".len() as u64;
        let filled = store.holdings().unwrap().bytes;
        assert_eq!(filled, before + name + 1000);
        // Nor are those of folders free: of one with something in it, and of the store.
        fs::create_dir(store.object("folder")).unwrap();
        fs::write(store.object("folder/file"), [0; 100]).unwrap();
        let before = store.holdings().unwrap().bytes;
        assert_eq!(before, filled + 100);
        for folder in [store.object("folder"), store.path().to_path_buf()] {
            let none = rustix::fs::XattrFlags::empty();
            rustix::fs::setxattr(folder, "user.delta", &[7; 500], none).unwrap();
        }
        let both = 2 * (name + 500);
        assert_eq!(store.holdings().unwrap().bytes, before + both);
    }

    #[test]
    fn a_link_that_leads_out_is_found_and_one_that_stays_is_not() {
        let (dir, store) = store();
        fs::write(store.object("a"), "a").unwrap();
        fs::write(dir.path().join("image"), "image").unwrap();
        fs::create_dir(store.object("sub")).unwrap();
        for inside in ["a", "sub/../a", "not-there-yet"] {
            symlink(inside, store.object("inside")).unwrap();
            assert_eq!(store.link_out().unwrap(), None, "{inside}");
            fs::remove_file(store.object("inside")).unwrap();
        }
        for outside in ["../image", "../not-there-yet", "/etc/passwd", "../../image"] {
            symlink(outside, store.object("sub/out")).unwrap();
            let found = store.link_out().unwrap();
            // From `sub`, one `..` stays inside.
            let stays = outside == "../image" || outside == "../not-there-yet";
            assert_eq!(found.is_some(), !stays, "{outside}");
            fs::remove_file(store.object("sub/out")).unwrap();
        }
        symlink(dir.path().join("image"), store.object("out")).unwrap();
        assert_eq!(store.link_out().unwrap(), Some("out".into()));
    }
}
