//! Synthetic releases: a seeded history of images, byte-identical on every machine.

use serde::{Deserialize, Serialize};

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
