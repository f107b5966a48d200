//! The program behind a declared method: whether it is here, in which version, and how to get it.

use std::fs;
use std::time::Duration;

use anyhow::{Result, bail};
use serde::Deserialize;

use super::Work;
use super::package::package_version;
use crate::clock::{self, End, Limits, Release, Scratch};
use crate::method::Broken;
use crate::method::version::printable;

/// Most characters of a tool's version; a digest of the flags follows, and both together stay below 200.
const VERSION_CHARACTERS: usize = 180;

/// A program with all that a method starts beside it.
#[derive(Clone, Debug)]
pub struct Tool {
    /// The program asked for its version, or the method's own name where that is an interpreter.
    pub name: String,
    /// Every program the method starts, once each.
    pub programs: Vec<String>,
    install: Install,
    asked: Asked,
}

/// How a tool is asked for its version.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub command: Vec<String>,
    /// With what it exits then.
    pub exit: i32,
    /// Debian package whose version it is, for a tool that does not say its own.
    pub package: Option<String>,
}

/// How to get the tool, by package manager; the words of doctor and of every skip.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Install {
    #[serde(default)]
    apt: Vec<String>,
    #[serde(default)]
    cargo: Vec<String>,
    #[serde(default)]
    pip: Vec<String>,
    /// For what no package manager has.
    note: Option<String>,
}

impl Tool {
    /// The tool of the method `method`.
    pub(super) fn new(method: &str, asked: Asked, install: &Install, work: &Work) -> Tool {
        let name = match asked.command[0].as_str() {
            "python3" => method.split('/').next().unwrap_or(method),
            program => program,
        };
        let commands = work.values().flatten();
        let mut programs: Vec<String> = commands
            .filter_map(|command| command.argv.first()?.plain())
            .chain([asked.command[0].as_str()])
            .map(str::to_string)
            .collect();
        programs.sort();
        programs.dedup();
        Tool {
            name: name.to_string(),
            programs,
            install: install.clone(),
            asked,
        }
    }

    /// First line the version command prints (a heading such as `libostree:` does not count), up to its number; with
    /// `release`, whose programs they then are, in words. Fails when a program of the method is missing, and with
    /// [`Broken`] when the version command is killed.
    pub fn version(&self, release: Option<&Release>) -> Result<String> {
        for program in &self.programs {
            let is_here = match release {
                Some(release) => release.has(program),
                None => which::which(program).is_ok(),
            };
            match release {
                _ if is_here => {}
                Some(release) => bail!("{program} is in none of the packages of {}", release.name),
                None => bail!("{program} is not installed{}", self.how_to_install()),
            }
        }
        let printed = self.ask(release)?;
        let version = match &self.asked.package {
            Some(package) => package_version(package, &self.asked.command[0], release)?,
            None => printed,
        };
        let Some(release) = release else {
            return Ok(printable(&version, VERSION_CHARACTERS));
        };
        let told = release.told();
        let room = VERSION_CHARACTERS.saturating_sub(told.len());
        Ok(format!("{}, {told}", printable(&version, room)))
    }

    /// What the version command prints of itself, run among the release's programs if there is one.
    fn ask(&self, release: Option<&Release>) -> Result<String> {
        let scratch = Scratch::new()?;
        let log = scratch.path().join("version");
        let work = clock::Work {
            commands: vec![self.asked.command.clone().into()],
            dir: scratch.path().to_path_buf(),
            env: clock::environment_in(release, scratch.path(), scratch.path()),
            log: Some(log.clone()),
            // A version is printed at once or never.
            limits: Limits {
                time: Duration::from_secs(20),
                memory_bytes: 1 << 30,
            },
            guard: None,
            room: release.map(|release| clock::Room {
                write: vec![scratch.path().to_path_buf()],
                tmp: scratch.path().to_path_buf(),
                root: Some(release.tree.clone()),
                walls: true,
                ..clock::Room::default()
            }),
            stop: None,
            cores: None,
            lab: std::process::id(),
        };
        let ran = clock::run(&work)?;
        let code = match &ran.end {
            End::Well => 0,
            End::Exit { code, .. } => *code,
            End::NotStarted { .. } => bail!("{}", self.failure(&work, &ran.end)),
            _ => bail!(Broken(self.failure(&work, &ran.end))),
        };
        let printed = fs::read(&log).unwrap_or_default();
        let printed = String::from_utf8_lossy(&printed);
        let first = printed
            .lines()
            .map(str::trim)
            .find(|line| !line.is_empty() && !line.ends_with(':'))
            .map(up_to_its_number)
            .unwrap_or_default();
        if code != self.asked.exit || first.is_empty() {
            bail!("{}{}", self.failure(&work, &ran.end), self.how_to_install());
        }
        Ok(first.to_string())
    }

    /// `casync --version: exited with 1: …`
    fn failure(&self, work: &clock::Work, end: &End) -> String {
        let why = work.failure(end);
        let why = why.unwrap_or_else(|| "it printed nothing".to_string());
        format!("{}: {}", self.asked.command.join(" "), printable(&why, 400))
    }

    /// `: apt-get install casync`, or nothing when the file doesn't say.
    fn how_to_install(&self) -> String {
        let by = |words: &str, packages: &[String]| {
            (!packages.is_empty()).then(|| format!("{words} {}", packages.join(" ")))
        };
        let ways = [
            by("apt-get install", &self.install.apt),
            by("cargo install", &self.install.cargo),
            by("pip install", &self.install.pip),
            self.install.note.clone(),
        ];
        let ways: Vec<String> = ways.into_iter().flatten().collect();
        match ways.as_slice() {
            [] => String::new(),
            ways => format!(": {}", ways.join(" and ")),
        }
    }
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
