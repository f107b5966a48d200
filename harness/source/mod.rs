//! Where images come from: one file per kind of source, and the cache that keeps each image once it is saved.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Where one image comes from, as a scenario states it, with paths made absolute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// `docker save` of a reference, pulled when the engine lacks it.
    Docker { reference: String },
    /// A pull from an image registry, without an engine.
    Registry {
        reference: String,
        /// `os/architecture[/variant]`; this machine's when absent.
        platform: Option<String>,
    },
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
    /// The image of another source, rewritten as the canonical archive.
    Normalized(Box<Source>),
}

/// An image imported into the engine under `tag` before a build: a root filesystem tar written by `command` to `{out}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct From {
    pub tag: String,
    pub command: Vec<String>,
}

impl Source {
    /// Whether making the image again gives the same bytes on any machine, at any time.
    pub fn is_reproducible(&self) -> bool {
        match self {
            Source::Synthetic(_) => true,
            // Its name is the digest of all there is in it.
            Source::Registry { reference, .. } => reference.contains("@sha256:"),
            // The file's sha256 is in the key.
            Source::Normalized(source) => {
                matches!(**source, Source::File { .. }) || source.is_reproducible()
            }
            _ => false,
        }
    }
}

/// Kind and origin in one line, for people.
impl fmt::Display for Source {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Source::Docker { reference } => write!(to, "docker save {reference}"),
            Source::Registry {
                reference,
                platform,
            } => {
                write!(to, "registry {reference}")?;
                platform
                    .as_ref()
                    .map_or(Ok(()), |platform| write!(to, " for {platform}"))
            }
            Source::File { path } => write!(to, "file {}", nearby(path).display()),
            Source::Command { argv } => write!(to, "command {}", argv.join(" ")),
            Source::Build { dir, no_cache, .. } => {
                let flag = if *no_cache { " --no-cache" } else { "" };
                write!(to, "docker build{flag} {}", nearby(dir).display())
            }
            Source::Synthetic(release) => write!(
                to,
                "synthetic seed {}, {} MiB, release {}",
                release.seed,
                release.mib,
                release.changes.len() + 1
            ),
            Source::Normalized(source) => write!(to, "{source}, normalized"),
        }
    }
}

/// The path as people would type it here.
fn nearby(path: &Path) -> &Path {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path)
}

/// What a kind of source knows of an image it has made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Made {
    pub facts: Vec<(String, String)>,
    pub warnings: Vec<String>,
}

impl Made {
    fn add(&mut self, more: Made) {
        self.facts.extend(more.facts);
        self.warnings.extend(more.warnings);
    }
}

mod build;
pub mod cache;
pub mod command;
pub mod docker;
mod entry;
mod file;
mod inspect;
mod key;
mod program;
pub mod registry;
pub mod synthetic;
