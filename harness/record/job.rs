//! A job: two runs whose samples were taken in turn, so that their times may be compared in pairs.

use std::path::Path;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::SCHEMA;
use super::folder::write_toml;

/// job.toml of a results folder that was filled in turn with another one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Job {
    pub schema: u32,
    /// The same in both folders, and in no others.
    pub id: String,
    /// The version of the lab that filled this folder, as it states it.
    pub lab: String,
}

/// Replaces job.toml, in one rename.
pub fn write_job(dir: &Path, id: &str, lab: &str) -> Result<()> {
    let job = Job {
        schema: SCHEMA,
        id: id.to_string(),
        lab: lab.to_string(),
    };
    write_toml(&dir.join("job.toml"), &job)
}
