//! An `[[image]]` table of a scenario, and the source it describes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use super::ImageSpec;
use super::form::{Count, FormTable, RelayerTable};
use crate::source::synthetic::Change;
use crate::source::{
    BuildBase, CommandImage, DockerBuild, EngineImage, Formed, Normalized, RegistryImage, Release,
    Source, command, registry,
};
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
    from: Option<BuildBase>,
    synthetic: Option<SyntheticTable>,
    normalize: Option<bool>,
    #[serde(rename = "as")]
    filesystem: Option<String>,
    options: Option<Vec<String>>,
    relayer: Option<RelayerTable>,
    layer: Option<Count>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SyntheticTable {
    seed: Option<u64>,
    mib: Option<u64>,
    changes: Option<Vec<Change>>,
}

/// Names that methods use for folders in their stores.
const IN_STORES: &[&str] = &["blobs", "chunks"];

impl ImageTable {
    /// The image, with absolute paths. `history` holds the synthetic release before this one, if any.
    pub fn spec(&self, folder: &Path, history: &mut Option<Release>) -> Result<ImageSpec> {
        let name = &self.name;
        ensure!(
            words::is_name(name),
            "image name `{name}`: letters, digits, `.`, `_` and `-` only, as it becomes part of file names and URLs"
        );
        ensure!(
            !IN_STORES.contains(&name.as_str()),
            "image name `{name}`: stores have a folder of that name; choose another one"
        );
        self.check_companions()?;
        let mut sources = self.sources(folder, history)?;
        ensure!(
            sources.len() < 2,
            "image `{name}` has {} sources; give it one",
            sources.len()
        );
        let source = sources.pop().with_context(|| {
            format!(
                "image `{name}` has no source: give it one of docker, registry, file, command, build, synthetic"
            )
        })?;
        let form = FormTable {
            filesystem: self.filesystem.clone(),
            options: self.options.clone(),
            relayer: self.relayer.clone(),
            layer: self.layer.clone(),
        };
        let form = form.form(None).with_context(|| format!("image `{name}`"))?;
        Ok(ImageSpec {
            name: name.clone(),
            source: match (self.normalize, form) {
                (Some(true), Some(form)) => bail!(
                    "image `{name}`: as {form} it has no form that `normalize` would change; leave that out"
                ),
                (_, Some(form)) => Source::Formed(Formed::new(source, form)),
                (Some(true), None) => self.normalized(source)?,
                _ => source,
            },
        })
    }

    /// Refuses keys that belong to a source which the table does not have.
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
            ensure!(
                registry::is_engines(reference),
                "{}: `{reference}` is not an image of a docker engine; the form is name:tag, host/name:tag, or an image's id",
                at("docker")
            );
            sources.push(Source::Docker(EngineImage {
                reference: reference.clone(),
                newest: false,
            }));
        }
        if let Some(reference) = &self.registry {
            registry::check(reference, self.platform.as_deref()).with_context(|| at("registry"))?;
            sources.push(Source::Registry(RegistryImage {
                reference: reference.clone(),
                platform: self.platform.clone(),
            }));
        }
        if let Some(path) = &self.file {
            sources.push(Source::file(folder.join(path)));
        }
        if let Some(argv) = &self.command {
            command::check(argv).with_context(|| at("command"))?;
            sources.push(Source::Command(CommandImage { argv: argv.clone() }));
        }
        if let Some(dir) = &self.build {
            if let Some(from) = &self.from {
                command::check(&from.command).with_context(|| at("from"))?;
            }
            sources.push(Source::Build(DockerBuild {
                dir: folder.join(dir),
                dockerfile: self.dockerfile.clone(),
                args: self.args.clone().unwrap_or_default(),
                no_cache: self.no_cache.unwrap_or(false),
                from: self.from.clone(),
            }));
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
        if let Some(why) = source.kind().is_normal() {
            bail!(
                "image `{}`: `normalize` belongs to docker, file, build and command: {why}",
                self.name
            );
        }
        Ok(Source::Normalized(Normalized(Box::new(source))))
    }
}

/// The first synthetic image of a history has a seed and a size; each later one only has changes.
fn next_release(table: &SyntheticTable, before: Option<Release>) -> Result<Release> {
    match (before, table.seed, table.mib, &table.changes) {
        (_, Some(seed), Some(mib), None) => Ok(Release::first(seed, mib)),
        (Some(before), None, None, Some(changes)) => Ok(before.then(changes)),
        (None, ..) => bail!("the first release takes {{ seed = …, mib = … }} and no changes"),
        (Some(_), ..) => bail!(
            "a later release takes only {{ changes = […] }}, and the first one of another history only {{ seed = …, mib = … }}"
        ),
    }
}
