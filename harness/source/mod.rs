//! Where images come from: one file for each kind of source, and the cache that keeps each saved image.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use serde::{Deserialize, Serialize};

use crate::image::Image;
use key::{CacheKey, Identity};

mod build;
pub mod cache;
pub mod command;
pub mod docker;
mod entry;
mod ext4;
mod file;
mod filesystem;
mod form;
mod formed;
mod inspect;
pub mod key;
mod lacks;
mod mkfs;
mod normalized;
mod program;
pub mod registry;
pub mod synthetic;

pub use build::{BuildBase, DockerBuild};
pub use command::CommandImage;
pub use docker::EngineImage;
pub use file::ImageFile;
pub use filesystem::{FILESYSTEMS, Filesystem};
pub use form::{Form, MOST_LAYERS};
pub use formed::Formed;
pub use lacks::Lacks;
pub use normalized::Normalized;
pub use registry::RegistryImage;
pub use synthetic::Release;

/// Where one image comes from, as a scenario states it, with absolute paths.
///
/// A new kind is a file with a struct that implements `SourceKind`, a variant here and its arm in `kind`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    Docker(EngineImage),
    Registry(RegistryImage),
    File(ImageFile),
    Command(CommandImage),
    Build(DockerBuild),
    Synthetic(Release),
    Normalized(Normalized),
    Formed(Formed),
}

/// One kind of source. `Display` says the kind and the origin in one line, for people.
pub trait SourceKind: fmt::Display {
    /// What makes two images the same one, and so one entry in the cache.
    fn identity(&self, scenario: &str, name: &str) -> Result<Identity>;

    /// Saves the image at `order.out`.
    fn make(&self, order: &SaveOrder) -> Result<Made>;

    /// The image's own file, for a kind that is used in place and not saved.
    fn in_place(&self) -> Option<&Path> {
        None
    }

    /// What has to be there before the image can be made, and is not.
    fn missing(&self) -> Option<PathBuf> {
        None
    }

    /// Whether making the image again gives the same bytes on any machine at any time.
    fn is_reproducible(&self) -> bool {
        false
    }

    /// Where the name that it has names another image by now than the one with these facts: in words.
    fn moved(&self, _facts: &BTreeMap<String, String>) -> Option<Moved> {
        None
    }

    /// Why `normalize` would not change the image; `None` where it may.
    fn is_normal(&self) -> Option<&'static str> {
        None
    }
}

/// A name that was given to another image after its first one was saved.
#[derive(Debug, PartialEq)]
pub struct Moved {
    /// A sentence.
    pub said: String,
    /// Whether the image that has the name now is the one that is asked for.
    pub follow: bool,
}

/// An image to be made.
#[derive(Clone, Copy)]
pub struct SaveOrder<'a> {
    pub scenario: &'a str,
    pub name: &'a str,
    pub key: &'a CacheKey,
    /// Whether to fetch again what may have changed since it was fetched.
    pub refresh: bool,
    pub out: &'a Path,
    /// Folder for blobs of a registry, kept until their image is complete.
    pub blobs: &'a Path,
    /// Saves another image in the cache, under this name: the base of a build.
    pub save: &'a dyn Fn(&str, &Source) -> Result<Image>,
    /// Takes a line of progress.
    pub say: &'a dyn Fn(&str),
}

impl Source {
    /// The file at `path`.
    pub fn file(path: PathBuf) -> Source {
        Source::File(ImageFile { path })
    }

    pub fn kind(&self) -> &dyn SourceKind {
        match self {
            Source::Docker(source) => source,
            Source::Registry(source) => source,
            Source::File(source) => source,
            Source::Command(source) => source,
            Source::Build(source) => source,
            Source::Synthetic(source) => source,
            Source::Normalized(source) => source,
            Source::Formed(source) => source,
        }
    }

    /// Why it can't be made on this machine, for want of a program or an engine.
    pub fn lacks(&self) -> Option<anyhow::Error> {
        let program = |argv: &[String]| {
            let program = argv.first()?;
            let found = which::which(program).is_ok();
            (!found).then(|| anyhow!("{program} is not installed"))
        };
        let engine = || docker::Engine::connect().err();
        match self {
            Source::Docker(_) => engine(),
            Source::Build(build) => {
                let base = build.from.as_ref().map(|from| from.command.as_slice());
                engine().or_else(|| program(base?))
            }
            Source::Command(command) => program(&command.argv),
            Source::Normalized(inner) => inner.0.lacks(),
            Source::Formed(formed) => formed.lacks(),
            Source::Registry(_) | Source::File(_) | Source::Synthetic(_) => None,
        }
    }

    /// The key of image `name` of `scenario` in the cache.
    pub fn key(&self, scenario: &str, name: &str) -> Result<CacheKey> {
        Ok(CacheKey::of(&self.kind().identity(scenario, name)?))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        self.kind().fmt(to)
    }
}

/// The path as people would type it here.
fn nearby(path: &Path) -> &Path {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path)
}

/// What is known about an image that was made.
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn key(source: &Source) -> CacheKey {
        source.key("s", "n").unwrap()
    }

    fn docker(reference: &str) -> Source {
        Source::Docker(EngineImage {
            reference: reference.to_string(),
            newest: false,
        })
    }

    fn normalized(source: &Source) -> Source {
        Source::Normalized(Normalized(Box::new(source.clone())))
    }

    #[test]
    fn the_same_reference_in_two_scenarios_is_one_image() {
        let source = docker("ubuntu:18.04");
        assert_eq!(
            source.key("one", "a").unwrap(),
            source.key("two", "b").unwrap()
        );
    }

    #[test]
    fn a_key_is_the_same_in_every_version_of_this_program() {
        let copy = CommandImage {
            argv: vec!["/bin/cp".into(), "a".into(), "{out}".into()],
        };
        for (source, folder) in [
            (docker("ubuntu:18.04"), "docker-ubuntu-18.04-651b3878bc60"),
            (
                normalized(&docker("ubuntu:18.04")),
                "normalized-docker-ubuntu-18.04-0af650ae992a",
            ),
            (Source::Command(copy), "command-cp-n-92f74b252f8b"),
            (
                Source::Synthetic(Release::first(7, 2)),
                "synthetic-seed-7-0-2014b3e3cfcf",
            ),
        ] {
            assert_eq!(key(&source).folder(), folder);
        }
    }

    #[test]
    fn a_platform_makes_another_image() {
        let pulled = |platform: Option<&str>| {
            key(&Source::Registry(RegistryImage {
                reference: "registry.example/app:1".into(),
                platform: platform.map(str::to_string),
            }))
        };
        let here = registry::platform(None).unwrap().to_string();
        assert_eq!(pulled(None), pulled(Some(&here)));
        assert_ne!(pulled(None), pulled(Some("plan9/mips")));
        let folder = pulled(None).folder();
        assert!(
            folder.starts_with("registry-registry.example-app-1-"),
            "{folder}"
        );
    }

    #[test]
    fn a_normalized_image_is_another_one_and_that_of_a_file_follows_its_contents() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("image.tar");
        let file = Source::file(path.clone());
        fs::write(&path, "one").unwrap();
        let one = key(&normalized(&file));
        assert_ne!(one, key(&file));
        fs::write(&path, "two").unwrap();
        assert_ne!(one, key(&normalized(&file)));
        let app = docker("app:1");
        assert_ne!(key(&app), key(&normalized(&app)));
    }
}
