//! The folder an image is unpacked into.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, XattrFlags, lsetxattr, utimensat};
use tar::{Entry, EntryType};

use super::LeftOut;
use super::about::About;
use super::tree::{UnpackedTree, look, parts};
use super::whiteout::{self, WHITEOUT};
use crate::archive::walk::check_name;

/// A tree that is being unpacked.
pub(super) struct Root {
    tree: UnpackedTree,
    /// Written by the current layer, whose whiteouts remove only what the layers below wrote.
    written: BTreeSet<PathBuf>,
    /// Devices and fifos that were left out, for links to them.
    absent: BTreeSet<PathBuf>,
    left_out: LeftOut,
    /// How many bytes of files may still be written.
    room: u64,
}

impl Root {
    /// Creates the folder at `path`. At most `room` bytes of files are written into it.
    pub fn new(path: &Path, room: u64) -> Result<Root> {
        Ok(Root {
            tree: UnpackedTree::new(path)?,
            written: BTreeSet::new(),
            absent: BTreeSet::new(),
            left_out: LeftOut::default(),
            room,
        })
    }

    /// Unpacks one tar over the tree. `whiteouts` says whether names of whiteouts have their meaning, as in a layer, or are
    /// ordinary files, as in a plain tar.
    pub fn lay(&mut self, tar: &mut dyn Read, whiteouts: bool, what: &str) -> Result<()> {
        self.written.clear();
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

    /// Sets the times of the folders.
    pub fn finish(self) -> Result<LeftOut> {
        for (place, &mtime_s) in &self.tree.folder_times {
            let path = self.tree.path.join(place);
            if look(&path)?.is_some_and(|about| about.is_dir()) {
                set_mtime(&path, mtime_s)?;
            }
        }
        Ok(self.left_out)
    }

    fn put(&mut self, entry: &mut Entry<impl Read>, name: &[u8], whiteouts: bool) -> Result<()> {
        check_name(name)?;
        let about = About::read(entry, name)?;
        self.left_out.xattrs += about.xattrs_left_out;
        if about.kind == EntryType::XGlobalHeader {
            return Ok(());
        }
        let path = Path::new(OsStr::from_bytes(name));
        let mut parts = parts(path);
        let Some(last) = parts.pop_back() else {
            ensure!(
                about.kind == EntryType::Directory,
                "the root is not a folder"
            );
            return self.dress(Path::new(""), &about);
        };
        if let Some(hidden) = last.as_bytes().strip_prefix(WHITEOUT).filter(|_| whiteouts) {
            let name = last.as_bytes();
            return whiteout::hide(&mut self.tree, &self.written, parts, name, hidden);
        }
        let folder = self.tree.folder(parts, true)?.context("has no folder")?;
        let place = folder.join(&last);
        match about.kind {
            EntryType::Directory => {
                let there = look(&self.tree.path.join(&place))?;
                if !there.is_some_and(|there| there.is_dir()) {
                    self.remove(&place)?;
                    self.tree.make_folder(&place)?;
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
                let path = self.tree.path.join(&place);
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
        self.written.insert(place);
        Ok(())
    }

    fn write(&mut self, place: &Path, entry: &mut Entry<impl Read>) -> Result<()> {
        // Before it is written: what a header promises, a compressed layer may keep.
        self.room = self.room.checked_sub(entry.size()).with_context(|| {
            format!(
                "{} bytes, and too much was unpacked before: an archive this small that holds so much is not unpacked",
                entry.size()
            )
        })?;
        let path = self.tree.path.join(place);
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

    /// Sets owner, mode, extended attributes and time, in this order, because a change of owner clears some of the others.
    fn dress(&mut self, place: &Path, about: &About) -> Result<()> {
        let path = self.tree.path.join(place);
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
            self.tree
                .folder_times
                .insert(place.to_path_buf(), about.mtime_s);
            return Ok(());
        }
        set_mtime(&path, about.mtime_s)
    }

    fn link(&mut self, place: &Path, target: &[u8]) -> Result<()> {
        let shown = String::from_utf8_lossy(target).into_owned();
        let target = Path::new(OsStr::from_bytes(target));
        let mut parts = parts(target);
        let last = parts.pop_back();
        let folder = self.tree.folder(parts, false)?;
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
        let from = self.tree.path.join(&target);
        let about =
            look(&from)?.with_context(|| format!("a hard link to {shown}, which is not there"))?;
        ensure!(!about.is_dir(), "a hard link to {shown}, which is a folder");
        self.remove(place)?;
        let path = self.tree.path.join(place);
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

    /// Removes what has the name of a new entry, with all its contents.
    fn remove(&mut self, place: &Path) -> Result<()> {
        self.absent.remove(place);
        let path = self.tree.path.join(place);
        match look(&path)? {
            None => Ok(()),
            Some(about) if about.is_dir() => fs::remove_dir_all(&path),
            Some(_) => fs::remove_file(&path),
        }
        .with_context(|| format!("remove {}", path.display()))
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
