//! Declared methods: tools driven by argv templates from a TOML file. No shell, no compiler, no cheating.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use serde::Serialize;

use super::template::{Part, Template, Verb};
use super::{About, Call, Doer, Moves};
use crate::archive::identity::has_identity;
use crate::archive::unpack;
use crate::clock::{CommandLine, Release};
use crate::crosscheck::Published;
use crate::image::Image;
use crate::words;
use cross_check::CrossCheck;

mod cross_check;
mod file;
mod package;
mod params;
mod reader;
mod room;
mod root;
mod shipped;
mod tool;

pub use file::{files, parse, read};
pub use room::{Power, Room};
pub use root::Root;
pub use shipped::SHIPPED;
pub use tool::Tool;

/// The commands of each verb that the file has.
type Work = BTreeMap<Verb, Commands>;

/// The commands of one verb.
type Commands = Vec<Command>;

/// A program and its arguments, and the file that takes its standard output if one is named.
#[derive(Clone, Debug, Serialize)]
struct Command {
    argv: Vec<Template>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stdout: Option<Template>,
}

/// One method declared in a file, one variant of its parameters chosen.
#[derive(Clone, Debug)]
pub struct Declared {
    /// `casync/64k`: the file's name and the variant's label.
    name: String,
    about: About,
    work: Work,
    cross_check: Option<CrossCheck>,
    /// Digest of the commands with the parameters put in: another command line is another version.
    flags: String,
}

impl Doer for Declared {
    fn name(&self) -> &str {
        &self.name
    }

    fn about(&self) -> &About {
        &self.about
    }

    /// Version of the tool with the digest of the flags; fails when a program is missing.
    fn version(&self, release: Option<&Release>) -> Result<String> {
        if self.about.moves == Moves::Tree && !nix::unistd::geteuid().is_root() {
            bail!("moves trees, whose owners only root can give to files: run the lab as root");
        }
        if let (Some(root), None) = (&self.about.root, release)
            && !root.if_missing
        {
            bail!("its programs are those of {}", root.told());
        }
        let tool = self.about.tool.as_ref();
        let tool = tool.map(|tool| tool.version(release)).transpose()?;
        Ok(format!(
            "{}; flags {}",
            tool.unwrap_or_default(),
            self.flags
        ))
    }

    fn accepts(&self, image: &Image) -> Result<()> {
        match self.about.moves {
            Moves::Archive => Ok(()),
            Moves::Image => has_identity(&image.path),
            Moves::Tree => unpack::has_tree(&image.path),
        }
    }

    fn cross_check(&self, image: &Image) -> Result<Option<Published>> {
        let check = self.cross_check.as_ref();
        check.map(|check| check.published(image)).transpose()
    }

    fn commands(&self, call: &Call, tmp: &Path) -> Result<Vec<CommandLine>> {
        let tmp = words::utf8(tmp)?;
        match call {
            Call::Publish {
                image,
                bases,
                store,
                archive,
            } => {
                let mut part = Part {
                    tmp,
                    name: &image.name,
                    image: Some((words::utf8(&image.path)?, image.bytes)),
                    archive: Some(words::utf8(archive)?),
                    store: Some(words::utf8(store)?),
                    bases,
                    ..Part::default()
                };
                let mut commands = self.expand(Verb::Publish, &part)?;
                for base in bases {
                    part.base = Some(base);
                    commands.extend(self.expand(Verb::PublishFromBase, &part)?);
                }
                Ok(commands)
            }
            Call::Update {
                name,
                bases,
                url,
                ssh,
                registry,
                links,
                out,
                held,
            } => {
                let part = Part {
                    tmp,
                    name,
                    url: Some(url),
                    ssh: Some(words::utf8(ssh)?),
                    registry: registry.as_deref(),
                    links: Some(links),
                    out: Some(words::utf8(out)?),
                    held: held.as_deref().map(words::utf8).transpose()?,
                    bases,
                    base: bases.last(),
                    ..Part::default()
                };
                let from_base = self.about.uses_bases && !bases.is_empty();
                let verb = if from_base {
                    Verb::UpdateFromBase
                } else {
                    Verb::Update
                };
                self.expand(verb, &part)
            }
            Call::Hold {
                base,
                url,
                registry,
                held,
            } => {
                let part = Part {
                    tmp,
                    url: Some(url),
                    registry: registry.as_deref(),
                    held: Some(words::utf8(held)?),
                    base: Some(base),
                    ..Part::default()
                };
                self.expand(Verb::Hold, &part)
            }
            Call::Probe { .. } => bail!("{} moves images, it does not look at them", self.name),
        }
    }
}

impl Declared {
    /// The command lines of a verb; none when the file does not have it.
    fn expand(&self, verb: Verb, part: &Part) -> Result<Vec<CommandLine>> {
        let commands = self.work.get(&verb).into_iter().flatten();
        commands.map(|command| command.expand(part)).collect()
    }
}

impl Command {
    fn expand(&self, part: &Part) -> Result<CommandLine> {
        let words = self.argv.iter().map(|template| template.expand(part));
        let argv = words.collect::<Result<Vec<_>>>()?.concat();
        let stdout = match &self.stdout {
            Some(template) => Some(PathBuf::from(template.expand(part)?.concat())),
            None => None,
        };
        Ok(CommandLine { argv, stdout })
    }
}
