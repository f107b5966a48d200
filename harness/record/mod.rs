//! The bridge between the two halves: what one step cost (`Row`), what is known of an image (`Fact`),
//! the machine it ran on (`Host`), and the folder that holds all three.
//!
//! The making half appends here, the reading half loads from here, and neither knows the other.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

mod folder;

pub use folder::{Results, RowFile, read_rows, replace, rewrite_rows, write_facts, write_host};

/// Version of the columns below; a results folder of another version is refused, not guessed at.
pub const SCHEMA: u32 = 1;

/// One of the two verbs of a method.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    #[default]
    /// Server: add one image to the store.
    Publish,
    /// Client: rebuild one image over the wire.
    Update,
}

impl Step {
    pub fn word(self) -> &'static str {
        match self {
            Step::Publish => "publish",
            Step::Update => "update",
        }
    }
}

/// How a step's output was verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Check {
    /// The rebuilt file has the image's sha256. For a publish: a client with nothing rebuilt it so from this store.
    Exact,
    /// The rebuilt tree has the same names, modes, owners, links and contents.
    Tree,
    /// Not run on this machine: a tool is missing, or the method does not know this kind of image. `error` says which.
    Skipped,
    /// The step failed; `error` says how, and the row holds no figure.
    #[default]
    Failed,
}

/// What one step cost: one line of rows.csv. Integers in base units; a figure that does not apply, or that was
/// not verified, is an empty cell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub schema: u32,
    pub scenario: String,
    /// Method with its variant, such as `fastcdc/64k`.
    pub method: String,
    /// Version of the code that did the work, as it states it.
    pub version: String,
    pub step: Step,
    pub image: String,
    pub image_sha256: String,
    /// Names of the bases, joined by `+`; empty for a full publish or update.
    pub base: String,
    pub base_sha256: String,
    /// Repetition, from 1.
    pub sample: u32,
    pub image_bytes: u64,
    /// Update: response bodies that crossed the wire, in bytes.
    pub payload_bytes: Option<u64>,
    /// Update: all other bytes on the wire, both directions (heads, framing).
    pub header_bytes: Option<u64>,
    /// Update: request bodies, client to server, in bytes.
    pub upload_bytes: Option<u64>,
    pub requests: Option<u64>,
    /// Publish: bytes the step added to the store (negative where a tool tidied up).
    pub store_bytes: Option<i64>,
    /// Publish: files the step added to the store.
    pub store_files: Option<i64>,
    pub wall_ns: Option<u64>,
    /// User and system time of the step's whole process tree.
    pub cpu_ns: Option<u64>,
    /// Peak resident memory of the largest single process of the step.
    pub peak_rss_bytes: Option<u64>,
    pub check: Check,
    /// Empty, or why there is no figure.
    pub error: String,
}

impl Row {
    /// Whether the figures stand: the step ran and what it made was verified.
    pub fn verified(&self) -> bool {
        matches!(self.check, Check::Exact | Check::Tree)
    }

    /// A full update or publish: no base helped.
    pub fn is_full(&self) -> bool {
        self.base.is_empty()
    }

    /// What identifies the step that made this row within a results folder.
    pub fn key(&self) -> Key {
        Key {
            scenario: self.scenario.clone(),
            method: self.method.clone(),
            step: self.step,
            image: self.image.clone(),
            base: self.base.clone(),
            sample: self.sample,
        }
    }
}

/// Identity of a planned step; a results folder holds at most one row for each.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    pub scenario: String,
    pub method: String,
    pub step: Step,
    pub image: String,
    pub base: String,
    pub sample: u32,
}

/// Something known about one image, or about an image and a base, that is not the cost of a step:
/// archive layout, engine version, shared layers. One line of facts.csv.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    pub schema: u32,
    pub scenario: String,
    pub image: String,
    /// Empty when the fact is about the image alone.
    pub base: String,
    /// Name of the fact, with its unit where it has one: `layout`, `image_bytes`, `layers_compressed`.
    pub fact: String,
    pub value: String,
}

/// The machine and the software a results folder was made with: host.toml.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Host {
    pub schema: u32,
    /// Version of delta-lab.
    pub lab: String,
    /// The command line that started the run.
    pub command: Vec<String>,
    /// RFC 3339, when the run was started.
    pub started: String,
    pub os: String,
    pub kernel: String,
    pub cpu: String,
    pub cores: u64,
    pub memory_bytes: u64,
    /// Version of each method that could run, by method name.
    pub methods: BTreeMap<String, String>,
    /// Why each other method could not, by method name.
    #[serde(default)]
    pub skipped: BTreeMap<String, String>,
}
