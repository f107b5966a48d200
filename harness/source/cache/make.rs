//! Making an image that is not in the cache, by its kind of source.

use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context, Error, Result, bail};

use super::{Cache, Wanted};
use crate::archive;
use crate::source::key::slug;
use crate::source::synthetic::Release;
use crate::source::{From, Made, Source, build, command, docker, registry};

impl Cache {
    /// Makes the image at `out`, by its kind of source.
    pub(super) fn make(
        &self,
        wanted: &Wanted,
        source: &Source,
        refresh: bool,
        out: &Path,
        say: &dyn Fn(&str),
    ) -> Result<Made> {
        let Wanted {
            scenario,
            name,
            key,
            ..
        } = wanted;
        match source {
            Source::Docker { reference } => docker::save(reference, out, refresh, say),
            Source::Registry {
                reference,
                platform,
            } => registry::save(
                reference,
                platform.as_deref(),
                out,
                &self.dir.join("blobs"),
                say,
            ),
            Source::File { .. } => bail!("a file is used where it is, not saved"),
            Source::Command { argv } => command::save(argv, name, out, say),
            Source::Build {
                dir,
                dockerfile,
                args,
                no_cache,
                from,
            } => {
                let build = build::Build {
                    dir,
                    dockerfile: dockerfile.as_deref(),
                    args,
                    no_cache: *no_cache,
                    tag: &format!(
                        "delta-lab/{}:{}",
                        slug(&format!("{scenario}-{name}")),
                        key.short()
                    ),
                };
                let engine = build.check()?;
                let base = from
                    .as_ref()
                    .map(|from| self.base(scenario, from, say))
                    .transpose()?;
                build.save(&engine, base.as_ref(), out, say)
            }
            Source::Synthetic(release) => write_release(release, out),
            Source::Normalized(source) => self.normalize(wanted, source, refresh, out, say),
        }
    }

    /// The canonical archive of a source's image. What the source saved goes as soon as it is read: it would double the
    /// room the image takes.
    fn normalize(
        &self,
        wanted: &Wanted,
        source: &Source,
        refresh: bool,
        out: &Path,
        say: &dyn Fn(&str),
    ) -> Result<Made> {
        let (saved, made) = match source {
            Source::File { path } => (path.clone(), Made::default()),
            _ => {
                let saved = out.with_file_name("as-saved.tar");
                let made = self.make(wanted, source, refresh, &saved, say)?;
                (saved, made)
            }
        };
        say("writing the canonical archive");
        let to = File::create(out).with_context(|| format!("make {}", out.display()))?;
        archive::rewrite(&saved, &to).context("normalize")?;
        if !matches!(source, Source::File { .. }) {
            fs::remove_file(&saved).with_context(|| format!("remove {}", saved.display()))?;
        }
        Ok(made)
    }

    /// The base image of a build, saved as an image of its own that any build on the same base shares.
    ///
    /// Never refreshed with the build: of two images on one base, each refreshed in turn, each would get another base,
    /// and the pair would no longer be what the scenario says.
    fn base(&self, scenario: &str, from: &From, say: &dyn Fn(&str)) -> Result<build::Base> {
        let source = Source::Command {
            argv: from.command.clone(),
        };
        let saved = self.save(scenario, &slug(&from.tag), &source, false, say)?;
        Ok(build::Base {
            tag: from.tag.clone(),
            image: saved.image,
        })
    }
}

/// Writes one release of a seeded history to `out`.
fn write_release(release: &Release, out: &Path) -> Result<Made> {
    File::create(out)
        .map_err(Error::new)
        .and_then(|mut file| release.write(&mut file))
        .with_context(|| format!("write {}", out.display()))?;
    Ok(Made::default())
}
