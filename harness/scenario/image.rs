//! One `[[image]]` table of a scenario, and the source it makes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use super::ImageSpec;
use crate::source::synthetic::{Change, Release};
use crate::source::{From, Source, command, registry};
use crate::words;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ImageTable {
    name: String,
    docker: Option<String>,
    registry: Option<String>,
    platform: Option<String>,
    file: Option<PathBuf>,
    command: Option<Vec<String>>,
    build: Option<PathBuf>,
    dockerfile: Option<String>,
    args: Option<BTreeMap<String, String>>,
    no_cache: Option<bool>,
    from: Option<From>,
    synthetic: Option<SyntheticTable>,
    normalize: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SyntheticTable {
    seed: Option<u64>,
    mib: Option<u64>,
    changes: Option<Vec<Change>>,
}

/// What methods call the folders that their releases share.
const IN_STORES: &[&str] = &["blobs", "chunks"];

impl ImageTable {
    /// The image, its source's paths made absolute. `history` carries the synthetic release before this one.
    pub fn spec(&self, folder: &Path, history: &mut Option<Release>) -> Result<ImageSpec> {
        let name = &self.name;
        ensure!(
            words::is_name(name),
            "image name `{name}`: letters, digits, `.`, `_` and `-` only, as it becomes part of file names and URLs"
        );
        ensure!(
            !IN_STORES.contains(&name.as_str()),
            "image name `{name}`: stores have a folder of that name; take another"
        );
        self.check_companions()?;
        let mut sources = self.sources(folder, history)?;
        ensure!(
            sources.len() < 2,
            "image `{name}` has {} sources, one is meant",
            sources.len()
        );
        let source = sources.pop().with_context(|| {
            format!(
                "image `{name}` has no source: give it one of docker, registry, file, command, build, synthetic"
            )
        })?;
        Ok(ImageSpec {
            name: name.clone(),
            source: match self.normalize {
                Some(true) => self.normalized(source)?,
                _ => source,
            },
        })
    }

    /// Refuses keys that say more about a source which is not there.
    fn check_companions(&self) -> Result<()> {
        let companions = [
            ("dockerfile", self.dockerfile.is_some(), "build"),
            ("args", self.args.is_some(), "build"),
            ("no_cache", self.no_cache.is_some(), "build"),
            ("from", self.from.is_some(), "build"),
            ("platform", self.platform.is_some(), "registry"),
        ];
        let has = |source| match source {
            "build" => self.build.is_some(),
            _ => self.registry.is_some(),
        };
        for (key, there, source) in companions {
            ensure!(
                !there || has(source),
                "image `{}`: `{key}` belongs to `{source}`",
                self.name
            );
        }
        Ok(())
    }

    /// Every source that the table names.
    fn sources(&self, folder: &Path, history: &mut Option<Release>) -> Result<Vec<Source>> {
        let at = |key: &str| format!("image `{}`: {key}", self.name);
        let mut sources = Vec::new();
        if let Some(reference) = &self.docker {
            sources.push(Source::Docker {
                reference: reference.clone(),
            });
        }
        if let Some(reference) = &self.registry {
            registry::check(reference, self.platform.as_deref()).with_context(|| at("registry"))?;
            sources.push(Source::Registry {
                reference: reference.clone(),
                platform: self.platform.clone(),
            });
        }
        if let Some(path) = &self.file {
            sources.push(Source::File {
                path: folder.join(path),
            });
        }
        if let Some(argv) = &self.command {
            command::check(argv).with_context(|| at("command"))?;
            sources.push(Source::Command { argv: argv.clone() });
        }
        if let Some(dir) = &self.build {
            if let Some(from) = &self.from {
                command::check(&from.command).with_context(|| at("from"))?;
            }
            sources.push(Source::Build {
                dir: folder.join(dir),
                dockerfile: self.dockerfile.clone(),
                args: self.args.clone().unwrap_or_default(),
                no_cache: self.no_cache.unwrap_or(false),
                from: self.from.clone(),
            });
        }
        if let Some(synthetic) = &self.synthetic {
            let release =
                next_release(synthetic, history.take()).with_context(|| at("synthetic"))?;
            *history = Some(release.clone());
            sources.push(Source::Synthetic(release));
        }
        Ok(sources)
    }

    fn normalized(&self, source: Source) -> Result<Source> {
        let why = match source {
            Source::Registry { .. } => "what comes from a registry is written so already",
            Source::Synthetic(_) => "a synthetic image is the same bytes everywhere already",
            source => return Ok(Source::Normalized(Box::new(source))),
        };
        bail!(
            "image `{}`: `normalize` belongs to docker, file, build and command: {why}",
            self.name
        )
    }
}

/// The first synthetic image states seed and size; each later one states what changed.
fn next_release(table: &SyntheticTable, before: Option<Release>) -> Result<Release> {
    match (before, table) {
        (
            None,
            SyntheticTable {
                seed: Some(seed),
                mib: Some(mib),
                changes: None,
            },
        ) => Ok(Release {
            seed: *seed,
            mib: *mib,
            changes: Vec::new(),
        }),
        (
            Some(before),
            SyntheticTable {
                seed: None,
                mib: None,
                changes: Some(changes),
            },
        ) => {
            let mut release = before;
            release.changes.push(changes.clone());
            Ok(release)
        }
        (None, _) => bail!("the first release takes {{ seed = …, mib = … }} and no changes"),
        (Some(_), _) => bail!(
            "a later release takes {{ changes = […] }} alone; seed and size are the first one's"
        ),
    }
}
