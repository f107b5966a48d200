//! What an image can be turned into: an image of a file system, other layers, or one of its layers.

use std::fmt;
use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::filesystem::{Filesystem, Keeps};
use super::mkfs::Job;
use crate::archive;
use crate::archive::tree::Listing;
use crate::archive::unpack::unpack;

/// What an image is turned into.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// An image of a file system, as its mkfs makes it with these options.
    Filesystem { kind: String, options: Vec<String> },
    /// At most that many layers, cut by Debian's packages.
    Packages { layers: u32 },
    /// One of its layers, as a plain tar. 1 is the lowest, and -1 the top one.
    Layer { number: i32 },
}

/// More layers than this no engine takes: overlayfs, as Docker uses it, has 128 at most.
pub const MOST_LAYERS: u32 = 128;

/// Raised when the same tree is cut into other layers.
const RELAYER_VERSION: &str = "delta-lab's layers by package, 1";

/// Raised when another tar is made of the same layer.
const LAYER_VERSION: &str = "delta-lab's plain tar of a layer, 1";

/// The folders that a form is made in, beside what comes of it.
const TREE: &str = "tree";
const AGAIN: &str = "unpacked-again";

impl Form {
    /// Version of what makes it, which is part of an image's key.
    pub fn version(&self) -> Result<String> {
        match self {
            Form::Filesystem { kind, .. } => Filesystem::named(kind)?.version(),
            Form::Packages { .. } => Ok(RELAYER_VERSION.to_string()),
            Form::Layer { .. } => Ok(LAYER_VERSION.to_string()),
        }
    }

    /// In a word, for names.
    pub fn word(&self) -> &str {
        match self {
            Form::Filesystem { kind, .. } => kind,
            Form::Packages { .. } => "layers",
            Form::Layer { .. } => "layer",
        }
    }

    /// Whether the image's tree is unpacked to make it, which only root can do with its owners.
    pub fn needs_root(&self) -> bool {
        !matches!(self, Form::Layer { .. })
    }

    /// Makes it of the image at `base`, and verifies it; returns what is known of it.
    pub fn make(&self, base: &Path, out: &Path, say: &dyn Fn(&str)) -> Result<Facts> {
        let mut facts = vec![
            ("form".to_string(), self.to_string()),
            ("form_version".to_string(), self.version()?),
        ];
        facts.extend(match self {
            Form::Filesystem { kind, options } => {
                let filesystem = Filesystem::named(kind)?;
                self.make_of_tree(base, out, say, &|tree, again| {
                    let job = Job {
                        tree,
                        out,
                        options,
                        say,
                    };
                    (filesystem.make)(&job)?;
                    let (by, keeps) = filesystem.unpack(out, tree, again, say)?;
                    Ok((Some(by), keeps))
                })?
            }
            Form::Packages { layers } => self.make_of_tree(base, out, say, &|tree, again| {
                let folder = again.parent().context("it is made in a folder")?;
                archive::relayer(tree, base, *layers, folder, &new_file(out)?)?;
                unpack(out, again)?;
                Ok((None, Keeps::All))
            })?,
            Form::Layer { number } => take(base, *number, out)?,
        });
        Ok(facts)
    }

    /// Unpacks the image, makes the form of its tree and unpacks that again, as `make` does, and compares the trees.
    fn make_of_tree(
        &self,
        base: &Path,
        out: &Path,
        say: &dyn Fn(&str),
        make: MakeOfTree,
    ) -> Result<Facts> {
        let folder = out.parent().context("an image is made in a folder")?;
        let (tree, again) = (folder.join(TREE), folder.join(AGAIN));
        say("unpacking it");
        let left_out = unpack(base, &tree)?;
        let listing = Listing::of(&tree)?;
        say(&format!("making {self} of it"));
        let (by, keeps) = make(&tree, &again)?;
        compare(listing, &again, keeps).with_context(|| format!("{self}, unpacked again"))?;
        for folder in [tree, again] {
            fs::remove_dir_all(&folder).with_context(|| format!("remove {}", folder.display()))?;
        }
        let mut facts = vec![("tree_left_out".to_string(), left_out.to_string())];
        facts.extend(by.map(|by| ("verified_by".to_string(), by)));
        Ok(facts)
    }
}

/// Makes a form of a tree, unpacks it to the second folder, and says by what and how much of a tree that keeps.
type MakeOfTree<'a> = &'a dyn Fn(&Path, &Path) -> Result<(Option<String>, Keeps)>;

/// What is known of an image: key and value.
type Facts = Vec<(String, String)>;

/// Its sha256 is verified against the DiffID in the image's config.
fn take(base: &Path, number: i32, out: &Path) -> Result<Facts> {
    let (at, layers) = archive::take_layer(base, number, &mut new_file(out)?)?;
    Ok(vec![("layer".to_string(), format!("{at} of {layers}"))])
}

fn new_file(path: &Path) -> Result<File> {
    File::create(path).with_context(|| format!("make {}", path.display()))
}

fn compare(tree: Listing, again: &Path, keeps: Keeps) -> Result<()> {
    let unpacked = tree.of_rebuilt(again)?;
    let difference = match keeps {
        Keeps::All => tree.difference(&unpacked),
        Keeps::Permissions => {
            let (tree, unpacked) = (tree.in_permissions(), unpacked.in_permissions());
            tree.difference(&unpacked)
        }
    };
    let how = difference.unwrap_or_default();
    ensure!(how.is_empty(), "it is another tree: {how}");
    Ok(())
}

impl fmt::Display for Form {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Form::Filesystem { kind, options } if options.is_empty() => to.write_str(kind),
            Form::Filesystem { kind, options } => write!(to, "{kind} {}", options.join(" ")),
            Form::Packages { layers: 1 } => to.write_str("1 layer"),
            Form::Packages { layers } => write!(to, "{layers} layers by package"),
            Form::Layer { number } => write!(to, "layer {number}"),
        }
    }
}

#[cfg(test)]
mod tests;
