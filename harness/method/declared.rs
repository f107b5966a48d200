//! Declared methods: tools driven by argv templates from a TOML file. No shell, no compiler, no cheating.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use toml::Spanned;

use super::Call;
use super::template::{Part, Template, Verb};
use crate::clock::{self, End, Limits, Work};
use crate::image::sha256_hex;
use crate::words;

/// One method declared in a file, one variant of its parameters chosen.
#[derive(Clone, Debug)]
pub struct Declared {
    /// `casync/64k`: the file's name and the variant's label.
    pub name: String,
    pub about: String,
    install: Install,
    version: Vec<String>,
    publish: Vec<Vec<Template>>,
    publish_from_base: Vec<Vec<Template>>,
    update: Vec<Vec<Template>>,
    update_from_base: Option<Vec<Vec<Template>>>,
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    about: String,
    #[serde(default)]
    install: Install,
    version: Vec<String>,
    /// Parameter name to its values: a list (labels made from the values) or a table of label to value.
    #[serde(default)]
    params: BTreeMap<String, Values>,
    publish: Verbs,
    publish_from_base: Option<Verbs>,
    update: Verbs,
    update_from_base: Option<Verbs>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Verbs {
    run: Vec<Vec<Spanned<String>>>,
}

#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Values {
    List(Vec<String>),
    Labelled(BTreeMap<String, Value>),
}

/// A parameter's value: one argument, or several where the template stands alone.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Value {
    One(String),
    Several(Vec<String>),
}

/// Reads a declared method's file: one method for each combination of its parameters' values.
pub fn read(path: &Path) -> Result<Vec<Declared>> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let file: File = toml::from_str(&text).with_context(|| format!("{}", path.display()))?;
    let stem = path
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default();
    ensure!(
        words::is_name(stem),
        "{}: a method's file name is letters, digits, `.`, `_` and `-`",
        path.display()
    );
    ensure!(
        !file.version.is_empty(),
        "{}: version is empty; it is also the proof that the tool is here",
        path.display()
    );
    for param in file.params.keys() {
        ensure!(
            !Verb::words().contains(&param.as_str()),
            "{}: parameter `{param}` has the name of a placeholder",
            path.display()
        );
    }
    let reader = Reader {
        path,
        text: &text,
        params: file.params.keys().cloned().collect(),
    };
    let publish = reader.commands(&file.publish, "publish", Verb::Publish)?;
    let publish_from_base = reader.optional(
        file.publish_from_base.as_ref(),
        "publish-from-base",
        Verb::PublishFromBase,
    )?;
    let update = reader.commands(&file.update, "update", Verb::Update)?;
    let update_from_base = reader.optional(
        file.update_from_base.as_ref(),
        "update-from-base",
        Verb::UpdateFromBase,
    )?;

    let mut methods = Vec::new();
    for (labels, values) in combinations(&file.params) {
        let fill = |commands: &[Vec<Template>], verb: Verb| {
            fill_all(commands, &values, verb)
                .with_context(|| format!("{}: params {}", path.display(), labels.join("-")))
        };
        let mut method = Declared {
            name: if labels.is_empty() {
                stem.to_string()
            } else {
                format!("{stem}/{}", labels.join("-"))
            },
            about: file.about.clone(),
            install: file.install.clone(),
            version: file.version.clone(),
            publish: fill(&publish, Verb::Publish)?,
            publish_from_base: fill(
                publish_from_base.as_deref().unwrap_or_default(),
                Verb::PublishFromBase,
            )?,
            update: fill(&update, Verb::Update)?,
            update_from_base: update_from_base
                .as_deref()
                .map(|run| fill(run, Verb::UpdateFromBase))
                .transpose()?,
            flags: String::new(),
        };
        let all = (
            &method.publish,
            &method.publish_from_base,
            &method.update,
            &method.update_from_base,
        );
        method.flags = sha256_hex(format!("{all:?}").as_bytes())[..8].to_string();
        methods.push(method);
    }
    Ok(methods)
}

/// Names the place of what is wrong in a method's file.
struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    params: Vec<String>,
}

impl Reader<'_> {
    fn optional(
        &self,
        verbs: Option<&Verbs>,
        table: &str,
        verb: Verb,
    ) -> Result<Option<Vec<Vec<Template>>>> {
        verbs
            .map(|verbs| self.commands(verbs, table, verb))
            .transpose()
    }

    fn commands(&self, verbs: &Verbs, table: &str, verb: Verb) -> Result<Vec<Vec<Template>>> {
        ensure!(
            !verbs.run.is_empty(),
            "{}: [{table}]: run is empty",
            self.path.display()
        );
        let command = |argv: &Vec<Spanned<String>>| {
            ensure!(
                !argv.is_empty(),
                "{}: [{table}]: a command has no program",
                self.path.display()
            );
            argv.iter()
                .map(|word| self.template(word, table, verb))
                .collect::<Result<Vec<_>>>()
        };
        verbs.run.iter().map(command).collect()
    }

    fn template(&self, word: &Spanned<String>, table: &str, verb: Verb) -> Result<Template> {
        Template::parse(word.get_ref(), verb, &self.params).with_context(|| {
            let line = words::line(self.text, word.span().start);
            format!(
                "{}:{line}: [{table}]: {:?}",
                self.path.display(),
                word.get_ref()
            )
        })
    }
}

/// Every combination of the parameters' values, with their labels in the parameters' order.
fn combinations(
    params: &BTreeMap<String, Values>,
) -> Vec<(Vec<String>, BTreeMap<String, Vec<String>>)> {
    let mut all = vec![(Vec::new(), BTreeMap::new())];
    for (param, values) in params {
        let labelled: Vec<(String, Vec<String>)> = match values {
            Values::List(list) => list
                .iter()
                .map(|value| (label(value), vec![value.clone()]))
                .collect(),
            Values::Labelled(table) => table
                .iter()
                .map(|(label, value)| (label.clone(), value.arguments()))
                .collect(),
        };
        all = all
            .iter()
            .flat_map(|(labels, chosen)| {
                labelled.iter().map(move |(label, value)| {
                    let (mut labels, mut chosen) = (labels.clone(), chosen.clone());
                    labels.push(label.clone());
                    chosen.insert(param.clone(), value.clone());
                    (labels, chosen)
                })
            })
            .collect();
    }
    all
}

impl Value {
    fn arguments(&self) -> Vec<String> {
        match self {
            Value::One(one) => vec![one.clone()],
            Value::Several(several) => several.clone(),
        }
    }
}

/// `65536` is shown as `64k`, `1048576` as `1m`; anything else as it stands, made fit for a name.
fn label(value: &str) -> String {
    match value.parse::<u64>() {
        Ok(number) if number > 0 && number.is_multiple_of(1 << 20) => format!("{}m", number >> 20),
        Ok(number) if number > 0 && number.is_multiple_of(1 << 10) => format!("{}k", number >> 10),
        _ => value
            .chars()
            .map(|letter| {
                if letter.is_ascii_alphanumeric() || "._-".contains(letter) {
                    letter
                } else {
                    '-'
                }
            })
            .collect(),
    }
}

fn fill_all(
    commands: &[Vec<Template>],
    values: &BTreeMap<String, Vec<String>>,
    verb: Verb,
) -> Result<Vec<Vec<Template>>> {
    commands
        .iter()
        .map(|argv| {
            let words = argv
                .iter()
                .map(|template| template.choose(values, verb))
                .collect::<Result<Vec<_>>>()?;
            Ok(words.into_iter().flatten().collect())
        })
        .collect()
}

impl Declared {
    /// First line the version command prints, with the digest of the flags; fails when a program is missing.
    pub fn version(&self) -> Result<String> {
        for program in self.programs() {
            if which::which(&program).is_err() {
                bail!("{program} is not installed{}", self.how_to_install());
            }
        }
        let scratch = tempfile::tempdir().context("make a scratch folder")?;
        let work = Work {
            commands: vec![self.version.clone()],
            dir: scratch.path().to_path_buf(),
            env: Vec::new(),
            log: scratch.path().join("version"),
            // A version is printed at once or never.
            limits: Limits {
                time: Duration::from_secs(20),
                memory_bytes: 1 << 30,
            },
            guard: None,
        };
        let ran = clock::run(&work)?;
        let printed = fs::read_to_string(&work.log).unwrap_or_default();
        let first = printed
            .lines()
            .map(str::trim)
            .find(|line| !line.is_empty())
            .unwrap_or_default();
        // Some tools have no flag for it and fail after printing their usage, whose first line says the version.
        let printed_well = matches!(ran.end, End::Well | End::Exit { .. }) && !first.is_empty();
        if !printed_well {
            let why = work
                .failure(&ran.end)
                .unwrap_or_else(|| "it printed nothing".to_string());
            bail!("{}: {why}{}", self.version.join(" "), self.how_to_install());
        }
        Ok(format!("{}; flags {}", up_to_its_number(first), self.flags))
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
        programs.extend(commands.filter_map(|argv| argv.first()?.plain()));
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

    /// The command lines of a step. `tmp` is the step's own scratch folder.
    pub fn commands(&self, call: &Call, tmp: &Path) -> Result<Vec<Vec<String>>> {
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
                out,
            } => {
                let part = Part {
                    tmp,
                    name,
                    url: Some(url),
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

fn expand(commands: &[Vec<Template>], part: &Part) -> Result<Vec<Vec<String>>> {
    commands
        .iter()
        .map(|argv| {
            let words = argv
                .iter()
                .map(|template| template.expand(part))
                .collect::<Result<Vec<_>>>()?;
            Ok(words.into_iter().flatten().collect())
        })
        .collect()
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

/// The files of declared methods in `folder`, in order; none when there is no such folder.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
        let path = entry
            .with_context(|| format!("list {}", folder.display()))?
            .path();
        if path.extension().is_some_and(|ending| ending == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
