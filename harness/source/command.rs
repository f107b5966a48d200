//! Images from any program that writes an archive or a bare root filesystem to the `{out}` of its command line.

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::key::{FORMAT, Identity, base_name};
use super::{Made, SaveOrder, SourceKind, program};
use crate::archive::{self, Content};

/// A program that writes an archive or a root filesystem tar to `{out}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CommandImage {
    pub argv: Vec<String>,
}

impl SourceKind for CommandImage {
    fn identity(&self, _scenario: &str, name: &str) -> Result<Identity> {
        let program = self.argv.first().map_or("", |program| base_name(program));
        Ok(Identity {
            kind: "command",
            readable: format!("{program}-{name}"),
            json: json!([FORMAT, self.argv, name]),
        })
    }

    fn make(&self, order: &SaveOrder) -> Result<Made> {
        save(&self.argv, order.name, order.out, order.say)
    }
}

impl fmt::Display for CommandImage {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        write!(to, "command {}", self.argv.join(" "))
    }
}

/// The only placeholder: the path that the program writes to.
const OUT: &str = "{out}";

/// Name of the file the program writes. Some programs choose the format by the suffix (mmdebstrap writes a folder if there
/// is none), and `.tar` means the same to all of them.
const WRITTEN: &str = "rootfs.tar";

/// Fails unless the command line has exactly one `{out}` and no other `{word}`.
pub fn check(argv: &[String]) -> Result<()> {
    let program = argv.first().context("the command is empty")?;
    ensure!(!program.contains(OUT), "the program itself cannot be {OUT}");
    for word in argv.iter().flat_map(|argument| placeholders(argument)) {
        ensure!(
            word == OUT,
            "unknown placeholder {word} in the command; the only one is {OUT}"
        );
    }
    let count: usize = argv
        .iter()
        .map(|argument| argument.matches(OUT).count())
        .sum();
    ensure!(
        count == 1,
        "the command must contain {OUT} once, as the path to write to; it contains it {count} times"
    );
    Ok(())
}

/// Each `{word}` in an argument, with its braces. Braces around anything else (`{}`, JSON) are passed to the program.
fn placeholders(argument: &str) -> impl Iterator<Item = &str> {
    argument.match_indices('{').filter_map(|(at, _)| {
        let rest = &argument[at..];
        let word = &rest[..=rest.find('}')?];
        let inside = &word[1..word.len() - 1];
        let is_word = inside.starts_with(|first: char| first.is_ascii_alphabetic())
            && inside
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_'));
        is_word.then_some(word)
    })
}

/// Runs the program and makes its output an image at `out`: an archive is kept as it is, a root filesystem becomes the only
/// layer of a docker archive tagged `name`.
pub fn save(argv: &[String], name: &str, out: &Path, say: &dyn Fn(&str)) -> Result<Made> {
    check(argv)?;
    let written = out.with_file_name(WRITTEN);
    let path = written.display().to_string();
    let argv: Vec<String> = argv
        .iter()
        .map(|argument| argument.replace(OUT, &path))
        .collect();
    say(&format!("running {}", argv[0]));
    program::run_quietly(&argv, &mut |line| say(line))?;
    ensure!(
        written.is_file(),
        "{} succeeded but left no file at {OUT}",
        argv[0]
    );
    match archive::read(&written).with_context(|| format!("what {} wrote", argv[0]))? {
        Content::Image(_) => fs::rename(&written, out)
            .with_context(|| format!("rename {} to {}", written.display(), out.display()))?,
        Content::Tar(_) => {
            let mut file =
                fs::File::create(out).with_context(|| format!("make {}", out.display()))?;
            archive::wrap_rootfs(&written, &mut file, name)?;
            // It would double the disk space of the image.
            fs::remove_file(&written).with_context(|| format!("remove {}", written.display()))?;
        }
        Content::Other => bail!(
            "{} wrote neither a docker archive, nor an OCI archive, nor a root filesystem as a plain tar",
            argv[0]
        ),
    }
    Ok(Made::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(words: &[&str]) -> String {
        let argv: Vec<String> = words.iter().map(|word| word.to_string()).collect();
        match check(&argv) {
            Ok(()) => "fine".to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_command_contains_out_exactly_once() {
        assert_eq!(checked(&["mmdebstrap", "bookworm", "{out}"]), "fine");
        assert_eq!(checked(&["tool", "--output={out}", "{}", "{1: 2}"]), "fine");
        assert_eq!(checked(&[]), "the command is empty");
        let never = checked(&["mmdebstrap", "bookworm"]);
        assert!(never.ends_with("it contains it 0 times"), "{never}");
        let twice = checked(&["tool", "{out}{out}"]);
        assert!(twice.ends_with("it contains it 2 times"), "{twice}");
    }

    #[test]
    fn another_placeholder_is_refused_by_name() {
        assert_eq!(
            checked(&["tool", "--seed={base}", "{out}"]),
            "unknown placeholder {base} in the command; the only one is {out}"
        );
        assert!(checked(&["tool", "x{{store}}", "{out}"]).contains("{store}"));
        assert!(checked(&["{out}"]).contains("program itself"));
    }

    #[test]
    fn a_program_that_writes_nothing_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let argv = ["test", "-n", "{out}"].map(String::from);
        let error = save(&argv, "image", &dir.path().join("image.tar"), &|_| ()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "test succeeded but left no file at {out}"
        );
    }

    #[test]
    fn output_that_is_not_an_archive_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let argv = ["cp", "/proc/self/cmdline", "{out}"].map(String::from);
        let error = save(&argv, "image", &dir.path().join("image.tar"), &|_| ()).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("cp wrote neither a docker archive"),
            "{error}"
        );
    }
}
