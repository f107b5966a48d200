//! The image of another source, rewritten as the canonical archive.

use std::fmt;
use std::fs::{self, File};
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::key::{CacheKey, FORMAT, Identity};
use super::{Made, SaveOrder, Source, SourceKind};
use crate::archive;
use crate::image::hash_file;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Normalized(pub Box<Source>);

impl SourceKind for Normalized {
    fn identity(&self, scenario: &str, name: &str) -> Result<Identity> {
        let inner = self.0.kind();
        let identity = inner.identity(scenario, name)?;
        // The cache keeps a copy of a file, which may change unnoticed; so its contents are the identity.
        let sha256 = match inner.in_place() {
            Some(path) => hash_file(path)?.1,
            None => CacheKey::of(&identity).sha256,
        };
        Ok(Identity {
            kind: "normalized",
            // With the inner kind in front.
            readable: format!("{}-{}", identity.kind, identity.readable),
            json: json!([FORMAT, sha256]),
        })
    }

    /// Removes what the inner source saved as soon as it has been read, because it would double the disk space.
    fn make(&self, order: &SaveOrder) -> Result<Made> {
        let inner = self.0.kind();
        let saved = order.out.with_file_name("as-saved.tar");
        let (from, made) = match inner.in_place() {
            Some(path) => (path, Made::default()),
            None => {
                let order = SaveOrder {
                    out: &saved,
                    ..*order
                };
                (saved.as_path(), inner.make(&order)?)
            }
        };
        (order.say)("writing the canonical archive");
        let to =
            File::create(order.out).with_context(|| format!("make {}", order.out.display()))?;
        archive::rewrite(from, &to).context("normalize")?;
        if from == saved {
            fs::remove_file(from).with_context(|| format!("remove {}", from.display()))?;
        }
        Ok(made)
    }

    fn missing(&self) -> Option<PathBuf> {
        self.0.kind().missing()
    }

    fn is_reproducible(&self) -> bool {
        let inner = self.0.kind();
        // The sha256 of a file is in the key.
        inner.in_place().is_some() || inner.is_reproducible()
    }
}

impl fmt::Display for Normalized {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        write!(to, "{}, normalized", self.0)
    }
}
