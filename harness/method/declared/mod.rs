//! Declared methods: tools driven by argv templates from a TOML file. No shell, no compiler, no cheating.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::template::{Part, Template};
use super::{Call, Moves};
use crate::archive::unpack;
use crate::clock::{self, CommandLine, End, Limits, Work};
use crate::crosscheck::Published;
use crate::image::Image;
use cross_check::CrossCheck;

mod cross_check;
mod file;

pub use file::{files, read};

/// The commands of one verb.
type Commands = Vec<Command>;

/// A program and its arguments, and the file that takes its standard output if one is named.
#[derive(Clone)]
struct Command {
    argv: Vec<Template>,
    stdout: Option<Template>,
}

/// A command without a file for its output is shown as its bare list: the digest of the flags is made from this, and
/// stays what it was before there were such files.
impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match &self.stdout {
            None => self.argv.fmt(f),
            Some(stdout) => (&self.argv, stdout).fmt(f),
        }
    }
}

/// One method declared in a file, one variant of its parameters chosen.
#[derive(Clone, Debug)]
pub struct Declared {
    /// `casync/64k`: the file's name and the variant's label.
    pub name: String,
    pub about: String,
    pub moves: Moves,
    install: Install,
    version: Vec<String>,
    version_exit: i32,
    publish: Commands,
    publish_from_base: Commands,
    update: Commands,
    update_from_base: Option<Commands>,
    cross_check: Option<CrossCheck>,
    /// Digest of the templates with the parameters put in: another command line is another version.
    flags: String,
}

/// How to get the tool, by package manager; the words of doctor and of every skip.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Install {
    #[serde(default)]
    apt: Vec<String>,
    #[serde(default)]
    cargo: Vec<String>,
    #[serde(default)]
    pip: Vec<String>,
    /// For what no package manager has.
    note: Option<String>,
}

impl Declared {
    /// Version of the tool with the digest of the flags; fails when a program is missing.
    pub fn version(&self) -> Result<String> {
        if self.moves == Moves::Tree && !nix::unistd::geteuid().is_root() {
            bail!("moves trees, whose owners only root can give to files: run the lab as root");
        }
        Ok(format!("{}; flags {}", self.tool_version()?, self.flags))
    }

    /// The tool by name: the program asked for its version, or the method's own name where that is an interpreter.
    pub fn tool(&self) -> &str {
        match self.version[0].as_str() {
            "python3" => self.name.split('/').next().unwrap_or(&self.name),
            program => program,
        }
    }

    /// First line the version command prints (a heading such as `libostree:` does not count), up to its number; fails
    /// when a program of the method is missing.
    pub fn tool_version(&self) -> Result<String> {
        for program in self.programs() {
            if which::which(&program).is_err() {
                bail!("{program} is not installed{}", self.how_to_install());
            }
        }
        let scratch = tempfile::tempdir().context("make a scratch folder")?;
        let work = Work {
            commands: vec![self.version.clone().into()],
            dir: scratch.path().to_path_buf(),
            env: Vec::new(),
            log: scratch.path().join("version"),
            // A version is printed at once or never.
            limits: Limits {
                time: Duration::from_secs(20),
                memory_bytes: 1 << 30,
            },
            guard: None,
            lab: std::process::id(),
        };
        let ran = clock::run(&work)?;
        let printed = fs::read_to_string(&work.log).unwrap_or_default();
        let first = printed
            .lines()
            .map(str::trim)
            .find(|line| !line.is_empty() && !line.ends_with(':'))
            .unwrap_or_default();
        let ended_so = match ran.end {
            End::Well => self.version_exit == 0,
            End::Exit { code, .. } => self.version_exit == code,
            _ => false,
        };
        if !ended_so || first.is_empty() {
            let why = work
                .failure(&ran.end)
                .unwrap_or_else(|| "it printed nothing".to_string());
            bail!("{}: {why}{}", self.version.join(" "), self.how_to_install());
        }
        Ok(up_to_its_number(first).to_string())
    }

    /// Whether a base changes anything for its clients.
    pub fn uses_bases(&self) -> bool {
        self.update_from_base.is_some()
    }

    /// Whether there is in this image what the method moves.
    pub fn accepts(&self, image: &Image) -> Result<()> {
        match self.moves {
            Moves::Archive => Ok(()),
            Moves::Tree => unpack::has_tree(&image.path),
        }
    }

    /// Every program the method starts, once each.
    pub fn programs(&self) -> Vec<String> {
        let from_base = self.update_from_base.iter().flatten();
        let commands = self
            .publish
            .iter()
            .chain(&self.publish_from_base)
            .chain(&self.update)
            .chain(from_base);
        let mut programs: Vec<String> = vec![self.version[0].clone()];
        programs.extend(commands.filter_map(|command| command.argv.first()?.plain()));
        programs.sort();
        programs.dedup();
        programs
    }

    /// `: apt-get install casync`, or nothing when the file doesn't say.
    fn how_to_install(&self) -> String {
        let Install {
            apt,
            cargo,
            pip,
            note,
        } = &self.install;
        let by = |words: &str, packages: &[String]| {
            (!packages.is_empty()).then(|| format!("{words} {}", packages.join(" ")))
        };
        let ways: Vec<String> = [
            by("apt-get install", apt),
            by("cargo install", cargo),
            by("pip install", pip),
            note.clone(),
        ]
        .into_iter()
        .flatten()
        .collect();
        if ways.is_empty() {
            String::new()
        } else {
            format!(": {}", ways.join(" and "))
        }
    }

    /// Where this method puts an image, for methods whose format the lab can read.
    pub fn cross_check(&self, image: &Image) -> Result<Option<Published>> {
        self.cross_check
            .as_ref()
            .map(|check| check.published(image))
            .transpose()
    }

    /// The command lines of a step. `tmp` is the step's own scratch folder.
    pub fn commands(&self, call: &Call, tmp: &Path) -> Result<Vec<CommandLine>> {
        let tmp = text(tmp)?;
        match call {
            Call::Publish {
                image,
                bases,
                store,
            } => {
                let mut part = Part {
                    tmp,
                    name: &image.name,
                    image: Some((text(&image.path)?, image.bytes)),
                    store: Some(text(store)?),
                    bases,
                    ..Part::default()
                };
                let mut commands = expand(&self.publish, &part)?;
                for base in bases {
                    part.base = Some(base);
                    commands.extend(expand(&self.publish_from_base, &part)?);
                }
                Ok(commands)
            }
            Call::Update {
                name,
                bases,
                url,
                ssh,
                out,
            } => {
                let part = Part {
                    tmp,
                    name,
                    url: Some(url),
                    ssh: Some(text(ssh)?),
                    out: Some(text(out)?),
                    bases,
                    base: bases.last(),
                    ..Part::default()
                };
                let templates = match &self.update_from_base {
                    Some(from_base) if !bases.is_empty() => from_base,
                    _ => &self.update,
                };
                expand(templates, &part)
            }
        }
    }
}

fn expand(commands: &[Command], part: &Part) -> Result<Vec<CommandLine>> {
    let expand = |command: &Command| {
        let words = command
            .argv
            .iter()
            .map(|template| template.expand(part))
            .collect::<Result<Vec<_>>>()?;
        let stdout = match &command.stdout {
            Some(template) => Some(PathBuf::from(template.expand(part)?.concat())),
            None => None,
        };
        Ok(CommandLine {
            argv: words.concat(),
            stdout,
        })
    };
    commands.iter().map(expand).collect()
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| {
        format!(
            "{}: the path is not UTF-8, so no command line can hold it",
            path.display()
        )
    })
}

/// A version line up to the first comma behind a digit: what follows is copyright or a list of libraries.
fn up_to_its_number(line: &str) -> &str {
    let number = line
        .find(|letter: char| letter.is_ascii_digit())
        .unwrap_or(0);
    line[number..]
        .find(',')
        .map_or(line, |comma| &line[..number + comma])
}
