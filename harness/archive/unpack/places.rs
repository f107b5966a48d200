//! Where a path leads in a tree that was unpacked, for whoever has the tree as root directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::tree::{UnpackedTree, look, parts};

pub struct Places {
    tree: UnpackedTree,
    /// By the folder as it was asked for, the real one.
    folders: BTreeMap<PathBuf, Option<PathBuf>>,
}

impl Places {
    pub fn of(root: &Path) -> Places {
        Places {
            tree: UnpackedTree {
                path: root.to_path_buf(),
                folder_times: BTreeMap::new(),
            },
            folders: BTreeMap::new(),
        }
    }

    /// The place of a path below the root, links on its way followed; a link at its end is the place itself. `None` of the
    /// root, and where nothing is.
    pub fn real(&mut self, path: &Path) -> Result<Option<PathBuf>> {
        let mut parts = parts(path);
        let Some(last) = parts.pop_back() else {
            return Ok(None);
        };
        let asked: PathBuf = parts.iter().collect();
        let folder = match self.folders.get(&asked) {
            Some(known) => known.clone(),
            None => {
                let real = self.tree.folder(parts, false)?;
                self.folders.insert(asked, real.clone());
                real
            }
        };
        let Some(place) = folder.map(|folder| folder.join(last)) else {
            return Ok(None);
        };
        let there = look(&self.tree.path.join(&place))?;
        Ok(there.map(|_| place))
    }
}
