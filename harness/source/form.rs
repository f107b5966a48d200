//! What an image can be turned into, tree and all: an image of a file system, or other layers.

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
}

/// More layers than this no engine takes: overlayfs, as Docker uses it, has 128 at most.
pub const MOST_LAYERS: u32 = 128;

/// Raised when the same tree is cut into other layers.
const RELAYER_VERSION: &str = "delta-lab's layers by package, 1";

/// The folders that a form is made in, beside what comes of it.
const TREE: &str = "tree";
const AGAIN: &str = "unpacked-again";

impl Form {
    /// Version of what makes it, which is part of an image's key.
    pub fn version(&self) -> Result<String> {
        match self {
            Form::Filesystem { kind, .. } => Filesystem::named(kind)?.version(),
            Form::Packages { .. } => Ok(RELAYER_VERSION.to_string()),
        }
    }

    /// In a word, for names.
    pub fn word(&self) -> &str {
        match self {
            Form::Filesystem { kind, .. } => kind,
            Form::Packages { .. } => "layers",
        }
    }

    /// Makes it of the image at `base`, unpacks it again, and compares the trees; returns what is known of it.
    pub fn make(
        &self,
        base: &Path,
        out: &Path,
        say: &dyn Fn(&str),
    ) -> Result<Vec<(String, String)>> {
        let folder = out.parent().context("an image is made in a folder")?;
        let (tree, again) = (folder.join(TREE), folder.join(AGAIN));
        say("unpacking it");
        let left_out = unpack(base, &tree)?;
        let listing = Listing::of(&tree)?;
        let mut facts = vec![
            ("form".to_string(), self.to_string()),
            ("form_version".to_string(), self.version()?),
            ("tree_left_out".to_string(), left_out.to_string()),
        ];
        say(&format!("making {self} of it"));
        let keeps = match self {
            Form::Filesystem { kind, options } => {
                let filesystem = Filesystem::named(kind)?;
                let job = Job {
                    tree: &tree,
                    out,
                    options,
                    say,
                };
                (filesystem.make)(&job)?;
                let (by, keeps) = filesystem.unpack(out, &tree, &again, say)?;
                facts.push(("verified_by".to_string(), by));
                keeps
            }
            Form::Packages { layers } => {
                let file = File::create(out).with_context(|| format!("make {}", out.display()))?;
                archive::relayer(&tree, base, *layers, folder, &file)?;
                unpack(out, &again)?;
                Keeps::All
            }
        };
        compare(listing, &again, keeps).with_context(|| format!("{self}, unpacked again"))?;
        for folder in [tree, again] {
            fs::remove_dir_all(&folder).with_context(|| format!("remove {}", folder.display()))?;
        }
        Ok(facts)
    }
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
        }
    }
}

#[cfg(test)]
mod tests;
