//! The words of a declared method's file: read as they are written, checked, and their places named.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::{Command, Commands};
use crate::method::Moves;
use crate::method::template::{Template, Verb};
use crate::words;

/// Parameter name to the arguments its chosen value stands for.
pub(super) type Chosen = BTreeMap<String, Vec<String>>;

/// A verb's table as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lines {
    pub run: Vec<Line>,
}

/// A command as it is written: a list of words, or a table with the list and a file for its standard output.
pub(super) struct Line {
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

/// Reads templates, and names the place of what is wrong in a method's file.
pub(super) struct Reader<'a> {
    pub path: &'a Path,
    pub text: &'a str,
    pub params: Vec<String>,
    pub moves: Moves,
    /// Whether the commands are another release's programs.
    pub rooted: bool,
}

impl Reader<'_> {
    /// The commands of a verb.
    pub fn commands(&self, lines: &Lines, verb: Verb) -> Result<Commands> {
        let table = verb.table();
        ensure!(
            !lines.run.is_empty(),
            "{}: [{table}]: run is empty",
            self.path.display()
        );
        let lines = lines.run.iter();
        lines.map(|line| self.command(line, verb)).collect()
    }

    fn command(&self, line: &Line, verb: Verb) -> Result<Command> {
        ensure!(
            !line.words.is_empty(),
            "{}: [{}]: a command has no program",
            self.path.display(),
            verb.table()
        );
        let argv = line.words.iter().map(|word| self.template(word, verb));
        let argv = argv.collect::<Result<Vec<_>>>()?;
        if let Some((at, why)) = told_to_the_server(&argv) {
            bail!("{}: {why}", self.place(&line.words[at], verb.table()));
        }
        let stdout = line.stdout.as_ref();
        Ok(Command {
            argv,
            stdout: stdout.map(|word| self.template(word, verb)).transpose()?,
        })
    }

    pub fn template(&self, word: &Spanned<String>, verb: Verb) -> Result<Template> {
        let template = Template::parse(word.get_ref(), verb, &self.params).and_then(|template| {
            template.check_moves(self.moves)?;
            ensure!(
                !self.rooted || !template.names("ssh"),
                "{{ssh}} is a program of this machine, which another release (root) may not run"
            );
            Ok(template)
        });
        template.with_context(|| self.place(word, verb.table()))
    }

    /// `casync.toml:12: [publish]: "the word"`.
    pub fn place(&self, word: &Spanned<String>, table: &str) -> String {
        format!("{}: [{table}]: {:?}", self.line(word), word.get_ref())
    }

    /// `casync.toml:12`.
    pub fn line<T>(&self, word: &Spanned<T>) -> String {
        let line = words::line(self.text, word.span().start);
        format!("{}:{line}", self.path.display())
    }
}

/// What a server must not be told, since a server that writes there has rebuilt the image without the wire.
const OF_THE_CLIENT: &[&str] = &["out", "tmp"];

/// The first word of a command that would tell the server a path of the client, and why.
///
/// Words behind a word that is `{ssh}` alone are the server's command, unless an option stands before it: what
/// `rsync -e {ssh}` is given is its own. Behind `{ssh}` within one word, everything may be the server's.
pub(super) fn told_to_the_server(argv: &[Template]) -> Option<(usize, String)> {
    let mut server = false;
    for (at, word) in argv.iter().enumerate() {
        let told = match word.after("ssh") {
            Some(rest) => rest,
            None if server => word.clone(),
            None => continue,
        };
        if let Some(path) = OF_THE_CLIENT.iter().find(|path| told.names(path)) {
            let why = format!(
                "a command on the server must not be told {{{path}}}, a path of the client: take what it prints \
                 with `stdout`, or give {{ssh}} to a tool as its ssh program"
            );
            return Some((at, why));
        }
        let option = at > 0
            && argv[at - 1]
                .plain()
                .is_some_and(|word| word.starts_with('-'));
        server |= word.is("ssh") && (!option || is_script(argv, at - 1));
    }
    None
}

/// Whether the option at that place is the `-c` of a shell, behind which stand a script's own words.
fn is_script(argv: &[Template], at: usize) -> bool {
    at > 0
        && argv[at].plain() == Some("-c")
        && argv[at - 1]
            .plain()
            .is_some_and(|program| program.ends_with("sh"))
}

/// The one template that names the file for a command's output.
pub(super) fn one_file(mut words: Vec<Template>) -> Result<Template> {
    match (words.pop(), words.is_empty()) {
        (Some(word), true) if !word.is_each_base() => Ok(word),
        _ => bail!("it names one file, never several or none"),
    }
}
