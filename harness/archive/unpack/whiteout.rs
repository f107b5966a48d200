//! Whiteouts: names in a layer that remove what the layers below wrote.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::tree::{UnpackedTree, look};

/// Prefix of a whiteout, and the name of one that removes all contents of its folder.
pub(super) const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// Applies a whiteout in the folder of these parts: `name` is its name, `hidden` the name that it removes. What the
/// whiteout's own layer has `written` is kept.
pub(super) fn hide(
    tree: &mut UnpackedTree,
    written: &BTreeSet<PathBuf>,
    parts: VecDeque<OsString>,
    name: &[u8],
    hidden: &[u8],
) -> Result<()> {
    let Some(folder) = tree.folder(parts, false)? else {
        return Ok(());
    };
    if name == OPAQUE {
        for child in tree.children(&folder)? {
            prune(tree, written, &child)?;
        }
        return Ok(());
    }
    // Other names with this prefix are metadata of a file system that once stored layers (`.wh..wh.plnk`).
    if hidden.starts_with(WHITEOUT) {
        return Ok(());
    }
    ensure!(
        !["", ".", ".."].map(str::as_bytes).contains(&hidden),
        "a whiteout of nothing"
    );
    prune(tree, written, &folder.join(OsStr::from_bytes(hidden)))
}

/// Removes what is at `place`, except for what was `written`.
fn prune(tree: &UnpackedTree, written: &BTreeSet<PathBuf>, place: &Path) -> Result<()> {
    let path = tree.path.join(place);
    let Some(about) = look(&path)? else {
        return Ok(());
    };
    let is_kept = written.contains(place);
    if !about.is_dir() {
        if is_kept {
            return Ok(());
        }
        return fs::remove_file(&path).with_context(|| format!("remove {}", path.display()));
    }
    for child in tree.children(place)? {
        prune(tree, written, &child)?;
    }
    if !is_kept && tree.children(place)?.is_empty() {
        fs::remove_dir(&path).with_context(|| format!("remove {}", path.display()))?;
    }
    Ok(())
}
