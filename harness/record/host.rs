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
    /// The machine's name. Empty where an older lab ran.
    #[serde(default)]
    pub machine: String,
    /// The kernel's id of its last start, which tells machines of one name apart.
    #[serde(default)]
    pub boot: String,
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

impl Host {
    /// Whether times of both may stand side by side. What is not known is another machine.
    pub fn is_same_machine(&self, other: &Host) -> bool {
        let of = |host: &Host| (host.machine.clone(), host.boot.clone());
        !self.machine.is_empty() && of(self) == of(other)
    }
}
