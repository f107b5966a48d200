//! The file of a declared method: its format, checked whole when it is read.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use super::cross_check::{CrossCheck, Objects};
use super::params::{self, Params, Shared};
use super::reader::{Chosen, Lines, Reader, one_file, told_to_the_server};
use super::room::RoomTable;
use super::root::Root;
use super::tool::{Asked, Install};
use super::{Command, Commands, Declared, Tool, Work};
use crate::image::sha256_hex;
use crate::method::template::{Template, Verb};
use crate::method::{About, Moves};
use crate::words;

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
    /// Debian package whose version it is, for a tool that has no flag for its own.
    version_package: Option<String>,
    /// Another release of Debian whose programs the commands are.
    root: Option<toml::Spanned<Root>>,
    /// What it moves: the archive when absent.
    #[serde(default)]
    moves: Moves,
    /// Why it takes part only where it is named.
    only_by_name: Option<String>,
    room: Option<toml::Spanned<RoomTable>>,
    #[serde(default)]
    params: Params,
    /// Words that several commands have in common.
    #[serde(default)]
    shared: Shared,
    publish: Lines,
    publish_from_base: Option<Lines>,
    update: Lines,
    update_from_base: Option<Lines>,
    /// How a client comes by a base that is more than a file.
    hold: Option<Lines>,
    cross_check: Option<Objects>,
}

impl File {
    /// The tables of the verbs that are there.
    fn verbs(&self) -> impl Iterator<Item = (Verb, &Lines)> {
        let verbs = [
            (Verb::Publish, Some(&self.publish)),
            (Verb::PublishFromBase, self.publish_from_base.as_ref()),
            (Verb::Update, Some(&self.update)),
            (Verb::UpdateFromBase, self.update_from_base.as_ref()),
            (Verb::Hold, self.hold.as_ref()),
        ];
        let there = verbs.into_iter();
        there.filter_map(|(verb, lines)| Some((verb, lines?)))
    }
}

/// Reads a declared method's file: one method for each combination of its parameters' values.
pub fn read(path: &Path) -> Result<Vec<Declared>> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    parse(path, &text)
}

/// The same of a file's text; `path` is what errors call it.
pub fn parse(path: &Path, text: &str) -> Result<Vec<Declared>> {
    let file: File = toml::from_str(text).with_context(|| format!("{}", path.display()))?;
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
    ensure!(
        file.hold.is_none() || file.update_from_base.is_some(),
        "{}: [hold] without [update-from-base]: what a client holds would help nobody",
        path.display()
    );
    params::check(&file.params, &file.shared, path)?;
    let names = file.params.keys().chain(file.shared.keys());
    let reader = Reader {
        path,
        text,
        params: names.cloned().collect(),
        moves: file.moves,
        rooted: file.root.is_some(),
    };
    if let Some(root) = &file.root {
        root.get_ref().check(&reader.line(root))?;
    }
    let variants = params::combinations(&file.params, &file.shared);
    variants
        .iter()
        .map(|(labels, chosen)| variant(&file, &reader, stem, labels, chosen))
        .collect()
}

/// The method with these values of its parameters.
fn variant(
    file: &File,
    reader: &Reader,
    stem: &str,
    labels: &[String],
    chosen: &Chosen,
) -> Result<Declared> {
    let mut work = Work::new();
    for (verb, lines) in file.verbs() {
        let commands = reader.commands(lines, verb)?;
        let filled = fill_all(&commands, chosen, verb, file.moves);
        let place = || {
            let params = match labels {
                [] => String::new(),
                labels => format!(": params {}", labels.join("-")),
            };
            format!("{}: [{}]{params}", reader.path.display(), verb.table())
        };
        work.insert(verb, filled.with_context(place)?);
    }
    let cross_check = file
        .cross_check
        .as_ref()
        .map(|objects| {
            CrossCheck::read(objects, reader)?
                .choose(chosen)
                .with_context(|| format!("{}: [cross-check]", reader.path.display()))
        })
        .transpose()?;
    let room = file
        .room
        .as_ref()
        .map(|room| room.get_ref().check(&reader.line(room)));
    let name = match labels {
        [] => stem.to_string(),
        labels => format!("{stem}/{}", labels.join("-")),
    };
    Ok(Declared {
        about: About {
            text: file.about.clone(),
            moves: file.moves,
            only_by_name: file.only_by_name.clone(),
            uses_bases: work.contains_key(&Verb::UpdateFromBase),
            holds: work.contains_key(&Verb::Hold),
            tool: Some(Tool::new(
                &name,
                Asked {
                    command: file.version.clone(),
                    exit: file.version_exit,
                    package: file.version_package.clone(),
                },
                &file.install,
                &work,
            )),
            room: room.transpose()?,
            root: file.root.as_ref().map(|root| root.get_ref().clone()),
        },
        name,
        cross_check,
        flags: flags(file.moves, &work)?,
        work,
    })
}

/// Digest of all that decides what the tool does: what it moves, and the words of its commands as they are written, with
/// the parameters put in, as JSON. Not the cross-check: it moves no byte, so rows with and without it can be compared.
fn flags(moves: Moves, work: &Work) -> Result<String> {
    let json = serde_json::to_vec(&(moves, work)).context("write the commands as JSON")?;
    Ok(sha256_hex(&json)[..8].to_string())
}

fn fill_all(commands: &[Command], values: &Chosen, verb: Verb, moves: Moves) -> Result<Commands> {
    let fill = |command: &Command| fill(command, values, verb, moves);
    commands.iter().map(fill).collect()
}

/// The command with the parameters' values put in; a value must keep the rules for words of the file.
fn fill(command: &Command, values: &Chosen, verb: Verb, moves: Moves) -> Result<Command> {
    let choose = |template: &Template| {
        let chosen = template.choose(values, verb)?;
        chosen.iter().try_for_each(|word| word.check_moves(moves))?;
        Ok::<_, anyhow::Error>(chosen)
    };
    let words = command.argv.iter().map(choose);
    let argv = words.collect::<Result<Vec<_>>>()?.concat();
    if let Some((at, why)) = told_to_the_server(&argv) {
        bail!("\"{}\": {why}", argv[at]);
    }
    let stdout = match &command.stdout {
        Some(template) => Some(one_file(choose(template)?)?),
        None => None,
    };
    Ok(Command { argv, stdout })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn flags_of(text: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.toml");
        fs::write(&path, text).unwrap();
        let methods = read(&path).unwrap().into_iter();
        methods.map(|method| method.flags).collect()
    }

    const FILE: &str = r#"
        about   = "a test"
        version = ["cp", "--version"]
        params  = { by = { one = ["-1", "{{x"], two = [] } }
        [publish]
        run = [["cp", "{by}", "{image}", "{store}/{name}"]]
        [update]
        run = [{ run = ["curl", "{url}/{name}"], stdout = "{out}" }]
        "#;

    #[test]
    fn what_commands_share_is_put_in_where_it_is_named() {
        let written = FILE.replace("{url}/{name}", "-s\", \"{url}/{name}");
        let shared = FILE
            .replace(
                "[\"curl\", \"{url}/{name}\"]",
                "[\"{get}\", \"{at}{name}\"]",
            )
            .replace(
                "[publish]",
                "[shared]\nget = [\"curl\", \"-s\"]\nat = \"{url}/\"\n[publish]",
            );
        assert_eq!(flags_of(&shared), flags_of(&written));
    }

    /// Rows of one digest are compared, so it must be the same on every machine and with every compiler.
    #[test]
    fn flags_are_a_digest_of_the_words_as_json() {
        let digest = |arguments: &str| {
            let json = format!(
                r#"["archive",{{"publish":[{{"argv":["cp",{arguments}"{{image}}","{{store}}/{{name}}"]}}],"update":[{{"argv":["curl","{{url}}/{{name}}"],"stdout":"{{out}}"}}]}}]"#
            );
            sha256_hex(json.as_bytes())[..8].to_string()
        };
        let expected = [digest(r#""-1","{{x","#), digest("")];
        assert_eq!(flags_of(FILE), expected);
    }

    #[test]
    fn a_cross_check_changes_no_flags_and_what_is_moved_does() {
        let before = flags_of(FILE);
        let check = "[cross-check]\nformat = \"zsync\"\nindex = \"{name}\"\n";
        assert_eq!(flags_of(&format!("{FILE}\n{check}")), before);
        let tree = flags_of(&format!("moves = \"tree\"\n{FILE}"));
        assert!(tree.iter().all(|flags| !before.contains(flags)));
    }
}
