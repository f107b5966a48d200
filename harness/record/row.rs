//! A row: what one act cost.

use serde::{Deserialize, Serialize};

use super::{Act, Bases, Case, Name, Verb, cell};

/// How a step's output was verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Check {
    /// The rebuilt file has the image's sha256. For a publish: a client with nothing rebuilt it so from this store. For a
    /// probe: it ended well and its findings are in findings.csv.
    Exact,
    /// The rebuilt archive holds the same image: the same config in the fields that every tool keeps, and layers with the
    /// same DiffIDs.
    Image,
    /// The rebuilt tree has the same names, modes, owners, links and contents.
    Tree,
    /// Not run on this machine: a tool is missing, or the method does not know this kind of image. `error` says which.
    Skipped,
    /// The step failed; `error` says how, and the row holds no figure.
    #[default]
    Failed,
}

impl Check {
    /// Whether the step ran and what it made was found right.
    pub fn verified(self) -> bool {
        match self {
            Check::Exact | Check::Image | Check::Tree => true,
            Check::Skipped | Check::Failed => false,
        }
    }

    /// As in rows.csv.
    pub fn word(self) -> &'static str {
        match self {
            Check::Exact => "exact",
            Check::Image => "image",
            Check::Tree => "tree",
            Check::Skipped => "skipped",
            Check::Failed => "failed",
        }
    }
}

/// What one act cost: one line of rows.csv. Integers in base units; a figure that does not apply, or that was
/// not verified, is an empty cell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub schema: u32,
    pub scenario: Name,
    /// Method with its parameter, such as `fastcdc/64k`; of a probe's row, the probe.
    pub method: Name,
    /// Version of the code that did the work, as it states it.
    #[serde(serialize_with = "cell::write", deserialize_with = "cell::read")]
    pub version: Name,
    #[serde(default)]
    pub case: Case,
    #[serde(alias = "step")]
    pub verb: Verb,
    pub image: Name,
    pub image_sha256: Name,
    #[serde(alias = "base")]
    pub bases: Bases,
    /// In the order of `bases`, joined by `+`.
    #[serde(alias = "base_sha256")]
    pub bases_sha256: Name,
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
    /// Update of a client whose bases are on its disk alone: what was read of them, in whole pages, read-ahead included.
    /// Empty where they were in memory, and before schema 4.
    #[serde(default)]
    pub base_read_bytes: Option<u64>,
    /// What kept the step in its room: `locked`, `in part` or `open`, and what the method's file lets it reach beyond it,
    /// with the reason. Empty without figures, and before schema 3.
    #[serde(default)]
    pub room: Name,
    pub check: Check,
    /// Empty, or why there is no figure.
    #[serde(serialize_with = "cell::write", deserialize_with = "cell::read")]
    pub error: Name,
}

/// A borrowed [`Act`], ordered as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key<'a> {
    pub scenario: &'a str,
    pub doer: &'a str,
    pub case: &'a Case,
    pub verb: Verb,
    pub image: &'a str,
    pub bases: &'a Bases,
    pub sample: u32,
}

impl Row {
    /// Whether the figures stand: the step ran and what it made was verified.
    pub fn verified(&self) -> bool {
        self.check.verified()
    }

    /// The act whose row this is, borrowed: for looking up and comparing many rows.
    pub fn key(&self) -> Key<'_> {
        Key {
            scenario: &self.scenario,
            doer: &self.method,
            case: &self.case,
            verb: self.verb,
            image: &self.image,
            bases: &self.bases,
            sample: self.sample,
        }
    }

    /// The act whose row this is.
    pub fn act(&self) -> Act {
        Act {
            scenario: self.scenario.to_string(),
            doer: self.method.to_string(),
            case: self.case.clone(),
            verb: self.verb,
            image: self.image.to_string(),
            bases: self.bases.clone(),
            sample: self.sample,
        }
    }
}
