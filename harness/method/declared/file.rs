//! The file of a declared method: its format, checked whole when it is read.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::cross_check::{CrossCheck, Objects};
use super::{Command, Commands, Declared, Install};
use crate::image::sha256_hex;
use crate::method::Moves;
use crate::method::template::{Template, Verb};
use crate::words;

/// Parameter name to the arguments its chosen value stands for.
pub(super) type Chosen = BTreeMap<String, Vec<String>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    about: String,
    #[serde(default)]
    install: Install,
    version: Vec<String>,
    /// Exit code of the version command: some tools have no flag for it, and fail after printing their usage.
    #[serde(default)]
    version_exit: i32,
    /// What it moves: the archive when absent.
    #[serde(default)]
    moves: Moves,
    /// Parameter name to its values: a list (labels made from the values) or a table of label to value.
    #[serde(default)]
    params: BTreeMap<String, Values>,
    publish: Verbs,
    publish_from_base: Option<Verbs>,
    update: Verbs,
    update_from_base: Option<Verbs>,
    cross_check: Option<Objects>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Verbs {
    run: Vec<Line>,
}

/// A command as it is written: a list of words, or a table with the list and a file for its standard output.
struct Line {
    words: Vec<Spanned<String>>,
    stdout: Option<Spanned<String>>,
}

/// By hand and not `untagged`, which would lose the places of the words.
impl<'de> Deserialize<'de> for Line {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Line, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Redirected {
            run: Vec<Spanned<String>>,
            stdout: Spanned<String>,
        }
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Line;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a list of words, or { run = [\u{2026}], stdout = \"a file\" }")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Line, A::Error> {
                let words = Vec::deserialize(SeqAccessDeserializer::new(list))?;
                Ok(Line {
                    words,
                    stdout: None,
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Line, A::Error> {
                let Redirected { run, stdout } =
                    Redirected::deserialize(MapAccessDeserializer::new(table))?;
                Ok(Line {
                    words: run,
                    stdout: Some(stdout),
                })
            }
        }
        from.deserialize_any(Either)
    }
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
    for (param, values) in &file.params {
        let labels = values.labels();
        ensure!(
            !labels.is_empty(),
            "{}: params: {param} has no value",
            path.display()
        );
        for label in labels {
            ensure!(
                words::is_name(&label),
                "{}: params: {param}: `{label}` is no name for a variant",
                path.display()
            );
        }
    }
    let reader = Reader {
        path,
        text: &text,
        params: file.params.keys().cloned().collect(),
        moves: file.moves,
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
    let cross_check = file
        .cross_check
        .as_ref()
        .map(|objects| CrossCheck::read(objects, &reader))
        .transpose()?;

    let mut methods = Vec::new();
    for (labels, values) in combinations(&file.params) {
        let fill = |commands: &[Command], verb: Verb| {
            fill_all(commands, &values, verb, file.moves)
                .with_context(|| format!("{}: params {}", path.display(), labels.join("-")))
        };
        let mut method = Declared {
            name: if labels.is_empty() {
                stem.to_string()
            } else {
                format!("{stem}/{}", labels.join("-"))
            },
            about: file.about.clone(),
            moves: file.moves,
            install: file.install.clone(),
            version: file.version.clone(),
            version_exit: file.version_exit,
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
            cross_check: cross_check
                .as_ref()
                .map(|check| check.choose(&values))
                .transpose()
                .with_context(|| format!("{}: [cross-check]", path.display()))?,
            flags: String::new(),
        };
        // Not the cross-check: it moves no byte, so rows with and without it can be compared.
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
pub(super) struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    params: Vec<String>,
    moves: Moves,
}

impl Reader<'_> {
    fn optional(&self, verbs: Option<&Verbs>, table: &str, verb: Verb) -> Result<Option<Commands>> {
        verbs
            .map(|verbs| self.commands(verbs, table, verb))
            .transpose()
    }

    fn commands(&self, verbs: &Verbs, table: &str, verb: Verb) -> Result<Commands> {
        ensure!(
            !verbs.run.is_empty(),
            "{}: [{table}]: run is empty",
            self.path.display()
        );
        let command = |line: &Line| {
            ensure!(
                !line.words.is_empty(),
                "{}: [{table}]: a command has no program",
                self.path.display()
            );
            let argv = line.words.iter();
            let stdout = line.stdout.as_ref();
            Ok(Command {
                argv: argv
                    .map(|word| self.template(word, table, verb))
                    .collect::<Result<_>>()?,
                stdout: stdout
                    .map(|word| self.template(word, table, verb))
                    .transpose()?,
            })
        };
        verbs.run.iter().map(command).collect()
    }

    pub(super) fn template(
        &self,
        word: &Spanned<String>,
        table: &str,
        verb: Verb,
    ) -> Result<Template> {
        let template = Template::parse(word.get_ref(), verb, &self.params).and_then(|template| {
            template.check_moves(self.moves)?;
            Ok(template)
        });
        template.with_context(|| self.place(word, table))
    }

    /// `casync.toml:12: [publish]: "the word"`.
    pub(super) fn place(&self, word: &Spanned<String>, table: &str) -> String {
        let line = words::line(self.text, word.span().start);
        format!(
            "{}:{line}: [{table}]: {:?}",
            self.path.display(),
            word.get_ref()
        )
    }
}

/// Every combination of the parameters' values, with their labels in the parameters' order.
fn combinations(params: &BTreeMap<String, Values>) -> Vec<(Vec<String>, Chosen)> {
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

impl Values {
    fn labels(&self) -> Vec<String> {
        match self {
            Values::List(list) => list.iter().map(|value| label(value)).collect(),
            Values::Labelled(table) => table.keys().cloned().collect(),
        }
    }
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

fn fill_all(commands: &[Command], values: &Chosen, verb: Verb, moves: Moves) -> Result<Commands> {
    let choose = |template: &Template| {
        let chosen = template.choose(values, verb)?;
        chosen.iter().try_for_each(|word| word.check_moves(moves))?;
        Ok(chosen)
    };
    let fill = |command: &Command| {
        let words = command
            .argv
            .iter()
            .map(choose)
            .collect::<Result<Vec<_>>>()?;
        let stdout = match &command.stdout {
            Some(template) => Some(one_file(choose(template)?)?),
            None => None,
        };
        Ok(Command {
            argv: words.concat(),
            stdout,
        })
    };
    commands.iter().map(fill).collect()
}

/// The one template that names the file for a command's output.
pub(super) fn one_file(mut words: Vec<Template>) -> Result<Template> {
    match (words.pop(), words.is_empty()) {
        (Some(word), true) if !word.is_each_base() => Ok(word),
        _ => bail!("it names one file, never several or none"),
    }
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
