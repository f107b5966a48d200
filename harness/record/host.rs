//! The machine and the software a results folder was made with.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// host.toml.
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
    /// What keeps steps in their rooms on this machine, in words. Empty before schema 3.
    #[serde(default)]
    pub room: String,
    /// Schema 1 alone: version of each method that could run. plan.toml has them now.
    #[serde(default, skip_serializing)]
    pub methods: BTreeMap<String, String>,
    /// Schema 1 alone: why each other method could not run.
    #[serde(default, skip_serializing)]
    pub skipped: BTreeMap<String, String>,
}
