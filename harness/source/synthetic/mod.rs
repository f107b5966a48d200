//! Synthetic releases: a seeded history of images with the same bytes on every machine.
//!
//! Nothing here depends on the clock, the machine or the order of a hash map, and there is no floating point. A release
//! is the first one with the changes applied to recipes of its files (`package`, `recipe`); the bytes are made while the
//! docker archive is written (`layer`, `archive`).

mod archive;
mod change;
mod code;
mod history;
mod layer;
mod package;
mod recipe;
mod shelf;
mod text;
mod unit;

use std::fmt;
use std::fs::File;
use std::io::{BufWriter, Write};

use anyhow::{Context, Error, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::key::{FORMAT, Identity};
use super::{Made, SaveOrder, SourceKind};
use history::History;

/// A larger image takes many minutes to make, and its lists of files need much memory.
const LARGEST_MIB: u64 = 16_384;

/// One release of a seeded history: the first release of `seed` at about `mib` MiB, with each
/// of `changes` applied in order (one list per later release).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Release {
    pub seed: u64,
    /// Approximate size of the first release's archive, in MiB.
    pub mib: u64,
    /// The changes of each later release, up to this one; empty for the first.
    pub changes: Vec<Vec<Change>>,
}

/// What may change from one release to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// The same contents with new mtimes.
    Rebuild,
    /// A few bytes in a few files.
    Patch,
    /// One package gets a new version: its files change, and names that contain the version.
    PackageBump,
    /// The lowest layer becomes another release of the base system.
    BaseUpgrade,
    /// Binaries are linked again: the code is the same, the addresses in it move.
    Relink,
    /// New files are added among the old ones.
    Insert,
    /// The upper layers change their order.
    ReorderLayers,
}

impl Release {
    /// The first release of the history of `seed`.
    pub fn first(seed: u64, mib: u64) -> Release {
        Release {
            seed,
            mib,
            changes: Vec::new(),
        }
    }

    /// The release after this one, with these changes.
    pub fn then(&self, changes: &[Change]) -> Release {
        let mut next = self.clone();
        next.changes.push(changes.to_vec());
        next
    }

    /// Fails unless `mib` is 1 to `LARGEST_MIB`.
    pub fn check(&self) -> Result<()> {
        ensure!(
            (1..=LARGEST_MIB).contains(&self.mib),
            "mib = {}: a synthetic image has 1 to {LARGEST_MIB} MiB",
            self.mib
        );
        Ok(())
    }

    /// Writes the release to `out` as a docker archive.
    pub fn write(&self, out: &mut dyn Write) -> Result<()> {
        self.check()?;
        let mut out = BufWriter::with_capacity(1 << 18, out);
        archive::write(&self.history(), &mut out)?;
        out.flush().context("write the archive")
    }

    fn history(&self) -> History {
        let mut history = History::first(self.seed, self.mib);
        for changes in &self.changes {
            history.release(changes);
        }
        history
    }
}

impl SourceKind for Release {
    fn identity(&self, _scenario: &str, _name: &str) -> Result<Identity> {
        Ok(Identity {
            kind: "synthetic",
            readable: format!("seed-{}-{}", self.seed, self.changes.len()),
            json: json!([FORMAT, self]),
        })
    }

    fn make(&self, order: &SaveOrder) -> Result<Made> {
        File::create(order.out)
            .map_err(Error::new)
            .and_then(|mut file| self.write(&mut file))
            .with_context(|| format!("write {}", order.out.display()))?;
        Ok(Made::default())
    }

    fn is_reproducible(&self) -> bool {
        true
    }

    fn is_normal(&self) -> Option<&'static str> {
        Some("a synthetic image has the same bytes everywhere already")
    }
}

impl fmt::Display for Release {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        let release = self.changes.len() + 1;
        write!(
            to,
            "synthetic seed {}, {} MiB, release {release}",
            self.seed, self.mib
        )
    }
}

#[cfg(test)]
mod tests;
