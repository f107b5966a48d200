//! Synthetic releases: a seeded history of images, byte-identical on every machine.
//!
//! Nothing here asks the clock, the machine or a hash map's order, and nothing is computed in floating point. A
//! release is made from the first one by its changes, as recipes of files (`package`, `content`), and only turned
//! into bytes while it is written as a docker archive (`layer`, `archive`).

mod archive;
mod change;
mod code;
mod content;
mod dice;
mod history;
mod layer;
mod package;
mod shelf;
mod text;

use std::io::{BufWriter, Write};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use history::History;

/// Above this an image takes minutes to make, and its lists of files begin to fill the memory.
const LARGEST_MIB: u64 = 16_384;

/// One release of a seeded history: the first release of `seed` at about `mib` MiB, with each
/// of `changes` applied in order (one list per later release).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Release {
    pub seed: u64,
    /// Size of the first release's archive, in MiB, roughly.
    pub mib: u64,
    /// What changed in each later release up to this one; empty for the first.
    pub changes: Vec<Vec<Change>>,
}

/// What may change from one release to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Same contents, new mtimes.
    Rebuild,
    /// A few bytes in a few files.
    Patch,
    /// One package gets a new version: its files change, names with digits in them too.
    PackageBump,
    /// The lowest layer becomes another release of the base system.
    BaseUpgrade,
    /// Binaries are linked again: code is the same, addresses in it shift.
    Relink,
    /// New files appear among the old ones.
    Insert,
    /// The upper layers come in another order.
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

    /// Fails when the size is none that can be made.
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

#[cfg(test)]
mod tests;
