//! What a declared tool needs beyond the room that every step is locked in.

use std::path::{Component, Path, PathBuf};

use anyhow::{Result, ensure};
use serde::Deserialize;

/// Paths that a tool may use beyond its working folder, the store or the wire, the images it is given and the programs
/// of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// Absolute; a folder with all that is in it.
    pub read: Vec<PathBuf>,
    /// Absolute; may be read as well.
    pub write: Vec<PathBuf>,
    /// Powers of root's that are kept.
    pub powers: Vec<Power>,
    /// For whoever reads the rows: what the tool does there.
    pub why: String,
}

/// A power of root's that a step does not have, and may be left where nothing can be done with it that matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Power {
    /// To make nodes of devices, which Landlock refuses.
    Mknod,
}

impl Power {
    pub fn word(self) -> &'static str {
        match self {
            Power::Mknod => "mknod",
        }
    }
}

/// The key `room` as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RoomTable {
    #[serde(default)]
    read: Vec<PathBuf>,
    #[serde(default)]
    write: Vec<PathBuf>,
    #[serde(default)]
    powers: Vec<Power>,
    #[serde(default)]
    why: String,
}

impl RoomTable {
    /// The room, or what is wrong with it; `place` is the file and the line.
    pub fn check(&self, place: &str) -> Result<Room> {
        ensure!(
            !self.read.is_empty() || !self.write.is_empty() || !self.powers.is_empty(),
            "{place}: room names no path: read = [\"/path\"] or write = [\"/path\"]"
        );
        for path in self.read.iter().chain(&self.write) {
            ensure!(
                is_plain(path),
                "{place}: room: {path:?} is not an absolute path without `..` to something below /"
            );
        }
        ensure!(
            !self.why.trim().is_empty(),
            "{place}: room: why is missing: say what the tool needs these paths for"
        );
        Ok(Room {
            read: self.read.clone(),
            write: self.write.clone(),
            powers: self.powers.clone(),
            why: self.why.clone(),
        })
    }
}

/// Whether the path is absolute, goes nowhere back, and is not the whole file system.
fn is_plain(path: &Path) -> bool {
    let mut parts = path.components();
    parts.next() == Some(Component::RootDir)
        && path.components().count() > 1
        && parts.all(|part| matches!(part, Component::Normal(_)))
}
