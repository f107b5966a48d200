//! The folder an image is unpacked into: every name is resolved within it, link by link.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, Metadata, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, lchown, symlink};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, XattrFlags, lsetxattr, utimensat};
use tar::{Entry, EntryType};

use super::{LeftOut, keeps_xattr};
use crate::archive::walk::check_name;

/// Links followed in the way of one entry before they are taken for a circle; the kernel's own number.
const MOST_LINKS: u32 = 40;

/// Prefix of a whiteout, and the name of one that hides all a folder held before.
const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// Prefix of an extended attribute's key in a pax header, and of an access control list's.
const PAX_XATTR: &[u8] = b"SCHILY.xattr.";
const PAX_ACL: &[u8] = b"SCHILY.acl.";

/// A tree in the making. Paths in it are relative to the folder and have no link in them.
pub(super) struct Root {
    path: PathBuf,
    /// What was put there by the layer being laid: its whiteouts hide what is below it, never its own.
    laid: BTreeSet<PathBuf>,
    /// Seconds, set at the end: a folder's time changes with what is put into it.
    folder_times: BTreeMap<PathBuf, i64>,
    /// Devices and fifos that are not there, for links to them.
    absent: BTreeSet<PathBuf>,
    left_out: LeftOut,
}

/// What a header says of an entry beside its contents.
struct About {
    kind: EntryType,
    mode: u32,
    uid: u32,
    gid: u32,
    mtime_s: i64,
    xattrs: Vec<(OsString, Vec<u8>)>,
}

impl Root {
    /// The folder itself, made new. Until the archive says otherwise it is root's, and as old as the epoch.
    pub fn new(path: &Path) -> Result<Root> {
        let mut root = Root {
            path: path.to_path_buf(),
            laid: BTreeSet::new(),
            folder_times: BTreeMap::new(),
            absent: BTreeSet::new(),
            left_out: LeftOut::default(),
        };
        root.make_folder(Path::new(""))?;
        Ok(root)
    }

    /// Lays one tar over what is there. `whiteouts` are names to be obeyed in a layer, and files in a plain tar.
    pub fn lay(&mut self, tar: &mut dyn Read, whiteouts: bool, what: &str) -> Result<()> {
        self.laid.clear();
        let mut archive = tar::Archive::new(tar);
        let entries = archive.entries().with_context(|| format!("read {what}"))?;
        let mut last = "its start".to_string();
        for entry in entries {
            let mut entry = entry.with_context(|| format!("{what}: damaged after {last}"))?;
            let name = entry.path_bytes().into_owned();
            let shown = String::from_utf8_lossy(&name).into_owned();
            self.put(&mut entry, &name, whiteouts)
                .with_context(|| format!("{what}: entry {shown}"))?;
            last = format!("entry {shown}");
        }
        Ok(())
    }

    /// Sets what had to wait.
    pub fn finish(self) -> Result<LeftOut> {
        for (place, &mtime_s) in &self.folder_times {
            let path = self.path.join(place);
            if look(&path)?.is_some_and(|about| about.is_dir()) {
                set_mtime(&path, mtime_s)?;
            }
        }
        Ok(self.left_out)
    }

    fn put(&mut self, entry: &mut Entry<impl Read>, name: &[u8], whiteouts: bool) -> Result<()> {
        check_name(name)?;
        let about = self.about(entry, name)?;
        if about.kind == EntryType::XGlobalHeader {
            return Ok(());
        }
        let path = Path::new(OsStr::from_bytes(name));
        let mut parts = parts(path);
        let Some(last) = parts.pop_back() else {
            ensure!(about.kind == EntryType::Directory, "the root is no folder");
            return self.dress(Path::new(""), &about);
        };
        if let Some(hidden) = last.as_bytes().strip_prefix(WHITEOUT).filter(|_| whiteouts) {
            return self.hide(parts, last.as_bytes(), hidden);
        }
        let folder = self.folder(parts, true)?.context("has no folder")?;
        let place = folder.join(&last);
        match about.kind {
            EntryType::Directory => {
                let there = look(&self.path.join(&place))?;
                if !there.is_some_and(|there| there.is_dir()) {
                    self.remove(&place)?;
                    self.make_folder(&place)?;
                }
                self.dress(&place, &about)?;
            }
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                self.remove(&place)?;
                self.write(&place, entry)?;
                self.dress(&place, &about)?;
            }
            EntryType::Symlink => {
                let target = entry.link_name_bytes().context("a link without a target")?;
                self.remove(&place)?;
                let path = self.path.join(&place);
                symlink(OsStr::from_bytes(&target), &path)
                    .with_context(|| format!("make {}", path.display()))?;
                self.dress(&place, &about)?;
            }
            EntryType::Link => {
                let target = entry.link_name_bytes().context("a link without a target")?;
                self.link(&place, &target)?;
            }
            EntryType::Char | EntryType::Block | EntryType::Fifo => {
                self.remove(&place)?;
                self.leave_out(place.clone(), about.kind);
            }
            other => bail!("an entry of an unknown kind ({other:?})"),
        }
        self.laid.insert(place);
        Ok(())
    }

    fn about(&mut self, entry: &mut Entry<impl Read>, name: &[u8]) -> Result<About> {
        let mut xattrs = Vec::new();
        if let Some(extensions) = entry.pax_extensions().context("a damaged pax header")? {
            for extension in extensions {
                let extension = extension.context("a damaged pax header")?;
                let key = extension.key_bytes();
                // As in the walk: read plainly it would be a wrong file without an error.
                ensure!(
                    !key.starts_with(b"GNU.sparse"),
                    "a sparse file in pax form, which is not read here (write it with tar --format=gnu, or without --sparse)"
                );
                match key.strip_prefix(PAX_XATTR) {
                    Some(key) if keeps_xattr(key) => xattrs.push((
                        OsStr::from_bytes(key).to_owned(),
                        extension.value_bytes().to_vec(),
                    )),
                    Some(_) => self.left_out.xattrs += 1,
                    None if key.starts_with(PAX_ACL) => self.left_out.xattrs += 1,
                    None => {}
                }
            }
        }
        let header = entry.header();
        let id = |id: io::Result<u64>, what: &str| -> Result<u32> {
            let id = id.with_context(|| format!("a damaged {what}"))?;
            u32::try_from(id).with_context(|| format!("{what} {id} is out of range"))
        };
        let mut kind = header.entry_type();
        // Tars older than POSIX mark a folder by the end of its name alone.
        if kind == EntryType::Regular && name.ends_with(b"/") {
            kind = EntryType::Directory;
        }
        let mtime_s = header.mtime().context("a damaged time")?;
        Ok(About {
            kind,
            mode: header.mode().context("a damaged mode")? & 0o7777,
            uid: id(header.uid(), "owner")?,
            gid: id(header.gid(), "group")?,
            mtime_s: i64::try_from(mtime_s)
                .with_context(|| format!("time {mtime_s} is out of range"))?,
            xattrs,
        })
    }

    /// The folder that these parts lead to, links followed within the root. With `make` it is made where it is not
    /// there; without, `None` says that it is not.
    fn folder(&mut self, mut parts: VecDeque<OsString>, make: bool) -> Result<Option<PathBuf>> {
        let mut place = PathBuf::new();
        let mut links = 0;
        while let Some(part) = parts.pop_front() {
            if part == ".." {
                place.pop();
                continue;
            }
            let next = place.join(&part);
            let path = self.path.join(&next);
            match look(&path)? {
                None if make => {
                    self.make_folder(&next)?;
                    place = next;
                }
                None => return Ok(None),
                Some(about) if about.is_dir() => place = next,
                Some(about) if about.is_symlink() => {
                    links += 1;
                    ensure!(
                        links <= MOST_LINKS,
                        "the links in its way go in a circle, at {}",
                        next.display()
                    );
                    let target = fs::read_link(&path)
                        .with_context(|| format!("read the link {}", path.display()))?;
                    if target.is_absolute() {
                        place = PathBuf::new();
                    }
                    for part in self::parts(&target).into_iter().rev() {
                        parts.push_front(part);
                    }
                }
                Some(_) if !make => return Ok(None),
                Some(_) => bail!("{}, in its way, is not a folder", next.display()),
            }
        }
        Ok(Some(place))
    }

    fn make_folder(&mut self, place: &Path) -> Result<()> {
        let path = self.path.join(place);
        let made = DirBuilder::new().mode(0o755).create(&path);
        // Once more: the process's umask may have taken bits away.
        made.and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o755)))
            .with_context(|| format!("make {}", path.display()))?;
        self.folder_times.insert(place.to_path_buf(), 0);
        Ok(())
    }

    fn write(&self, place: &Path, entry: &mut Entry<impl Read>) -> Result<()> {
        let path = self.path.join(place);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .with_context(|| format!("make {}", path.display()))?;
        let (said, written) = (entry.size(), io::copy(entry, &mut file));
        let written = written.with_context(|| format!("write {}", path.display()))?;
        ensure!(written == said, "cut short: {written} bytes of {said}");
        Ok(())
    }

    /// Owner, mode, extended attributes and time, in this order: a change of owner takes the others away.
    fn dress(&mut self, place: &Path, about: &About) -> Result<()> {
        let path = self.path.join(place);
        lchown(&path, Some(about.uid), Some(about.gid))
            .with_context(|| format!("give {} to {}:{}", path.display(), about.uid, about.gid))?;
        if about.kind != EntryType::Symlink {
            fs::set_permissions(&path, Permissions::from_mode(about.mode))
                .with_context(|| format!("set the mode of {}", path.display()))?;
        }
        for (name, value) in &about.xattrs {
            lsetxattr(&path, name.as_os_str(), value, XattrFlags::empty())
                .map_err(io::Error::from)
                .with_context(|| format!("set {} of {}", name.display(), path.display()))?;
        }
        if about.kind == EntryType::Directory {
            self.folder_times.insert(place.to_path_buf(), about.mtime_s);
            return Ok(());
        }
        set_mtime(&path, about.mtime_s)
    }

    fn link(&mut self, place: &Path, target: &[u8]) -> Result<()> {
        let shown = String::from_utf8_lossy(target).into_owned();
        let target = Path::new(OsStr::from_bytes(target));
        let mut parts = parts(target);
        let last = parts.pop_back();
        let folder = self.folder(parts, false)?;
        let (Some(folder), Some(last)) = (folder, last) else {
            bail!("a hard link to {shown}, which is not there");
        };
        ensure!(last != "..", "a hard link to {shown}, which is a folder");
        let target = folder.join(last);
        ensure!(target != place, "a hard link to itself");
        if self.absent.contains(&target) {
            self.remove(place)?;
            self.leave_out(place.to_path_buf(), EntryType::Char);
            return Ok(());
        }
        let from = self.path.join(&target);
        let about =
            look(&from)?.with_context(|| format!("a hard link to {shown}, which is not there"))?;
        ensure!(!about.is_dir(), "a hard link to {shown}, which is a folder");
        self.remove(place)?;
        let path = self.path.join(place);
        fs::hard_link(&from, &path)
            .with_context(|| format!("link {} to {}", path.display(), from.display()))
    }

    fn leave_out(&mut self, place: PathBuf, kind: EntryType) {
        match kind {
            EntryType::Fifo => self.left_out.fifos += 1,
            _ => self.left_out.devices += 1,
        }
        self.absent.insert(place);
    }

    /// Obeys a whiteout: `name` is its own, `hidden` what it hides in the folder of these parts.
    fn hide(&mut self, parts: VecDeque<OsString>, name: &[u8], hidden: &[u8]) -> Result<()> {
        let Some(folder) = self.folder(parts, false)? else {
            return Ok(());
        };
        if name == OPAQUE {
            for child in self.children(&folder)? {
                self.prune(&child)?;
            }
            return Ok(());
        }
        // What else begins so is a record of the file system that once wrote layers (`.wh..wh.plnk`).
        if hidden.starts_with(WHITEOUT) {
            return Ok(());
        }
        ensure!(
            !["", ".", ".."].map(str::as_bytes).contains(&hidden),
            "a whiteout of nothing"
        );
        self.prune(&folder.join(OsStr::from_bytes(hidden)))
    }

    /// Removes what was there before this layer, and keeps what is the layer's own.
    fn prune(&mut self, place: &Path) -> Result<()> {
        let path = self.path.join(place);
        let Some(about) = look(&path)? else {
            return Ok(());
        };
        if about.is_dir() {
            for child in self.children(place)? {
                self.prune(&child)?;
            }
            if !self.laid.contains(place) && self.children(place)?.is_empty() {
                fs::remove_dir(&path).with_context(|| format!("remove {}", path.display()))?;
            }
            return Ok(());
        }
        if self.laid.contains(place) {
            return Ok(());
        }
        fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))
    }

    fn children(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        let path = self.path.join(folder);
        let listed = || format!("list {}", path.display());
        let mut children = Vec::new();
        for entry in fs::read_dir(&path).with_context(listed)? {
            children.push(folder.join(entry.with_context(listed)?.file_name()));
        }
        Ok(children)
    }

    /// Makes room for an entry: what has its name goes, with all in it.
    fn remove(&mut self, place: &Path) -> Result<()> {
        self.absent.remove(place);
        let path = self.path.join(place);
        match look(&path)? {
            None => Ok(()),
            Some(about) if about.is_dir() => fs::remove_dir_all(&path),
            Some(_) => fs::remove_file(&path),
        }
        .with_context(|| format!("remove {}", path.display()))
    }
}

/// The parts of a path that say something: names, and `..`.
fn parts(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => None,
        })
        .collect()
}

/// What is at `path`, links not followed; `None` when nothing is.
fn look(path: &Path) -> Result<Option<Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(about) => Ok(Some(about)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("look at {}", path.display())),
    }
}

fn set_mtime(path: &Path, mtime_s: i64) -> Result<()> {
    let time = Timespec {
        tv_sec: mtime_s,
        tv_nsec: 0,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(io::Error::from)
        .with_context(|| format!("set the time of {}", path.display()))
}
