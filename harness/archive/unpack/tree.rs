//! The folder an image is unpacked into. Paths are resolved within it, link by link, so that none leads out of it.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::fs::{self, DirBuilder, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

/// Links that are followed in one path before they are taken for a circle: the kernel's limit.
const MOST_LINKS: u32 = 40;

/// Paths in it are relative to the folder and contain no links.
pub(super) struct UnpackedTree {
    pub path: PathBuf,
    /// Seconds since 1970. Set at the end, because a folder's time changes when something is put into it.
    pub folder_times: BTreeMap<PathBuf, i64>,
}

impl UnpackedTree {
    /// Creates the folder. Unless the archive says otherwise, it belongs to root and its time is the epoch.
    pub fn new(path: &Path) -> Result<UnpackedTree> {
        let mut tree = UnpackedTree {
            path: path.to_path_buf(),
            folder_times: BTreeMap::new(),
        };
        tree.make_folder(Path::new(""))?;
        Ok(tree)
    }

    /// The folder that these parts lead to, with links followed within the root. If it does not exist, it is created if
    /// `make` is set; otherwise the result is `None`.
    pub fn folder(&mut self, mut parts: VecDeque<OsString>, make: bool) -> Result<Option<PathBuf>> {
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
                        "the links in its path form a circle at {}",
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
                Some(_) => bail!("{} in its path is not a folder", next.display()),
            }
        }
        Ok(Some(place))
    }

    pub fn make_folder(&mut self, place: &Path) -> Result<()> {
        let path = self.path.join(place);
        let made = DirBuilder::new().mode(0o755).create(&path);
        // Set again, because the process's umask may have cleared bits.
        made.and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o755)))
            .with_context(|| format!("make {}", path.display()))?;
        self.folder_times.insert(place.to_path_buf(), 0);
        Ok(())
    }

    /// What is in a folder.
    pub fn children(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        let path = self.path.join(folder);
        let listed = || format!("list {}", path.display());
        let mut children = Vec::new();
        for entry in fs::read_dir(&path).with_context(listed)? {
            children.push(folder.join(entry.with_context(listed)?.file_name()));
        }
        Ok(children)
    }
}

/// The names in a path, and `..`.
pub(super) fn parts(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => None,
        })
        .collect()
}

/// What is at `path`, without following a link; `None` if nothing is.
pub(super) fn look(path: &Path) -> Result<Option<Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(about) => Ok(Some(about)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("look at {}", path.display())),
    }
}
