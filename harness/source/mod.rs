//! Where images come from, and the cache that keeps each one once it is saved.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where one image comes from, as a scenario states it, with paths made absolute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// `docker save` of a reference, pulled when the engine lacks it.
    Docker { reference: String },
    /// A file that is there: a docker archive, an OCI archive, any tar, any file.
    File { path: PathBuf },
    /// A program that writes an archive or a root filesystem tar to `{out}`.
    Command { argv: Vec<String> },
    /// `docker build` of a folder, then `docker save`.
    Build {
        dir: PathBuf,
        /// Relative to `dir`; `Dockerfile` when absent.
        dockerfile: Option<String>,
        args: BTreeMap<String, String>,
        no_cache: bool,
        /// A base image made here first, so that the Dockerfile's FROM needs no image registry.
        from: Option<From>,
    },
    /// One release of a seeded history.
    Synthetic(synthetic::Release),
}

/// An image imported into the engine under `tag` before a build: a root filesystem tar written by `command` to `{out}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct From {
    pub tag: String,
    pub command: Vec<String>,
}

pub mod synthetic;
