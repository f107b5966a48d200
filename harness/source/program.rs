//! Runs the programs that make images: each line they print is passed on, and the last ones are kept for the error.
//!
//! Nothing here is measured; steps are run and measured elsewhere.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read};
use std::process::Output;

use anyhow::{Context, Error, Result, bail};
use duct::Expression;

/// Lines of a failed program's output that its error repeats: enough for a chain of causes, few enough to read.
const LAST_LINES: usize = 12;

/// Longest line passed on, in bytes. The rest of a longer line is a line of its own, so that a program that never ends its
/// line cannot fill the memory.
const LINE_BYTES: u64 = 4096;

/// Debian packages of programs that make images, by program name.
const PACKAGES: &[(&str, &str)] = &[
    ("buildah", "buildah"),
    ("debootstrap", "debootstrap"),
    ("docker", "docker.io"),
    ("mmdebstrap", "mmdebstrap"),
    ("podman", "podman"),
    ("skopeo", "skopeo"),
    ("tar", "tar"),
    ("umoci", "umoci"),
    ("wget", "wget"),
    ("curl", "curl"),
];

/// Runs `argv` to its end with `environment` added to ours, and passes each line of its output and errors to `each`.
///
/// Fails when the program is missing or fails; then the error has its exit code and its last lines.
pub fn run(
    argv: &[String],
    environment: &[(&str, &str)],
    each: &mut dyn FnMut(&str),
) -> Result<()> {
    let mut expression = expression(argv)?;
    for (name, value) in environment {
        expression = expression.env(name, value);
    }
    follow(argv, expression.stderr_to_stdout(), each)
}

/// Like `run`, but ignores the program's standard output, which may be binary.
pub fn run_quietly(argv: &[String], each: &mut dyn FnMut(&str)) -> Result<()> {
    follow(
        argv,
        expression(argv)?.stdout_null().stderr_to_stdout(),
        each,
    )
}

/// Runs `argv` to its end and returns what it wrote, whether it failed or not.
pub fn output(argv: &[String]) -> Result<Output> {
    expression(argv)?
        .stdout_capture()
        .stderr_capture()
        .unchecked()
        .run()
        .map_err(|error| cannot_start(&argv[0], error))
}

fn expression(argv: &[String]) -> Result<Expression> {
    let (program, arguments) = argv.split_first().context("an empty command line")?;
    Ok(duct::cmd(program, arguments).stdin_null())
}

fn follow(argv: &[String], expression: Expression, each: &mut dyn FnMut(&str)) -> Result<()> {
    let reading = || format!("read the output of {}", argv[0]);
    let program = expression
        .unchecked()
        .reader()
        .map_err(|error| cannot_start(&argv[0], error))?;
    let mut last = VecDeque::new();
    let mut lines = BufReader::new(&program);
    let mut line = Vec::new();
    while {
        line.clear();
        (&mut lines)
            .take(LINE_BYTES)
            .read_until(b'\n', &mut line)
            .with_context(reading)?
            > 0
    } {
        let text = without_colours(&String::from_utf8_lossy(&line));
        let text = text.trim_end();
        if text.is_empty() {
            continue;
        }
        each(text);
        if last.len() == LAST_LINES {
            last.pop_front();
        }
        last.push_back(text.to_string());
    }
    let ended = program
        .try_wait()
        .with_context(reading)?
        .context("a program closed its output but did not end")?;
    if !ended.status.success() {
        let words: Vec<String> = last.into();
        bail!("{}", failure(argv, &ended.status, &words.join("\n")));
    }
    Ok(())
}

/// The text without terminal sequences (`ESC [ … letter`), which docker writes even when it does not write to a terminal.
fn without_colours(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or("").to_string();
    for part in parts {
        let end = part.find(|letter: char| letter.is_ascii_alphabetic());
        plain.push_str(end.map_or("", |end| &part[end + 1..]));
    }
    plain
}

/// The error of a program that failed: its command line, its exit status, its last output.
pub fn failure(argv: &[String], status: &std::process::ExitStatus, words: &str) -> String {
    // ExitStatus says "exit status: 3" or "signal: 9 (SIGKILL)".
    let said = match words.trim() {
        "" => " and printed nothing".to_string(),
        words => format!("; its last lines:\n{words}"),
    };
    format!("`{}` failed with {status}{said}", argv.join(" "))
}

fn cannot_start(program: &str, error: io::Error) -> Error {
    if error.kind() != io::ErrorKind::NotFound {
        return Error::new(error).context(format!("start {program}"));
    }
    let name = program.rsplit('/').next().unwrap_or(program);
    match PACKAGES.iter().find(|(known, _)| *known == name) {
        Some((_, package)) => {
            anyhow::anyhow!("{program} is not installed; on Debian: apt-get install {package}")
        }
        None => anyhow::anyhow!("{program} is not installed, or not on PATH"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| word.to_string()).collect()
    }

    #[test]
    fn a_missing_program_is_named_with_its_package() {
        let error = run(&argv(&["/nowhere/mmdebstrap"]), &[], &mut |_| ()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "/nowhere/mmdebstrap is not installed; on Debian: apt-get install mmdebstrap"
        );
        let error = output(&argv(&["no-such-program"])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no-such-program is not installed, or not on PATH"
        );
    }

    #[test]
    fn a_failing_program_is_quoted_with_its_exit_code() {
        let argv = argv(&["cp", "/no/such/file", "/no/such/place"]);
        let error = run(&argv, &[], &mut |_| ()).unwrap_err().to_string();
        assert!(error.contains("exit status: 1"), "{error}");
        assert!(error.contains("cp: cannot stat '/no/such/file'"), "{error}");
    }

    #[test]
    fn colours_are_taken_off() {
        let coloured = "\u{1b}[91mls: no such file\u{1b}[0m, \u{1b}[1;31mno\u{1b}[";
        assert_eq!(without_colours(coloured), "ls: no such file, no");
    }

    #[test]
    fn lines_are_passed_on_and_a_long_one_is_cut() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("lines");
        std::fs::write(&file, format!("one\n\n{}\ntwo", "x".repeat(5000))).unwrap();
        let mut seen = Vec::new();
        let argv = argv(&["cat", file.to_str().unwrap()]);
        run(&argv, &[], &mut |line| seen.push(line.len())).unwrap();
        assert_eq!(seen, [3, 4096, 5000 - 4096, 3]);
    }
}
