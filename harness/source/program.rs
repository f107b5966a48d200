//! Runs the programs that make images: each line they print is passed on, and the last ones are kept for the error.
//!
//! Nothing here is measured; steps are run and measured elsewhere.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read};
use std::process::Output;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result, bail};
use duct::{Expression, ReaderHandle};

/// Lines of a failed program's output that its error repeats: enough for a chain of causes, few enough to read.
const LAST_LINES: usize = 12;

/// Longest line passed on, in bytes. The rest of a longer line is a line of its own, so that a program that never ends its
/// line cannot fill the memory.
const LINE_BYTES: u64 = 4096;

/// Longest that making one image may take. A build that installs half a distribution takes minutes.
const LONGEST: Duration = Duration::from_secs(2 * 60 * 60);

/// How often a silent program is looked at, to see whether it has ended.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How long a program that has ended may be silent before nothing more is expected of its output, where something that it
/// left running holds the output open. On a busy machine its last words take a while.
const LAST_WORDS: Duration = Duration::from_secs(1);

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
    follow(argv, expression.stderr_to_stdout(), LONGEST, each)
}

/// Like `run`, but ignores the program's standard output, which may be binary.
pub fn run_quietly(argv: &[String], each: &mut dyn FnMut(&str)) -> Result<()> {
    follow(
        argv,
        expression(argv)?.stdout_null().stderr_to_stdout(),
        LONGEST,
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

fn follow(
    argv: &[String],
    expression: Expression,
    longest: Duration,
    each: &mut dyn FnMut(&str),
) -> Result<()> {
    let program = expression
        .unchecked()
        .reader()
        .map_err(|error| cannot_start(&argv[0], error))?;
    let program = Arc::new(program);
    let (lines, said) = mpsc::channel();
    let reading = Arc::clone(&program);
    // Not waited for: something the program left running may hold its output open for good.
    thread::spawn(move || read_lines(&reading, &lines));
    let mut last = VecDeque::new();
    let mut hear = |text: String| {
        each(&text);
        if last.len() == LAST_LINES {
            last.pop_front();
        }
        last.push_back(text);
    };
    let give_up = Instant::now() + longest;
    let mut silent_since = None;
    let ended = loop {
        match said.recv_timeout(LOOK_EVERY) {
            Ok(text) => {
                silent_since = None;
                hear(text);
            }
            Err(silence) => {
                let ended = program
                    .try_wait()
                    .with_context(|| format!("wait for {}", argv[0]))?;
                if let Some(ended) = ended {
                    // What it said last may still be on its way, unless its output has ended too.
                    let since = silent_since.get_or_insert_with(Instant::now);
                    if silence == RecvTimeoutError::Disconnected || since.elapsed() >= LAST_WORDS {
                        break ended;
                    }
                }
                // Its output may end long before it does.
                thread::sleep(LOOK_EVERY / 10);
            }
        }
        if Instant::now() > give_up {
            program.kill().ok();
            bail!(
                "`{}` was killed: it ran for {} s, and an image takes minutes",
                argv.join(" "),
                longest.as_secs()
            );
        }
    };
    if !ended.status.success() {
        let words: Vec<String> = last.into();
        bail!("{}", failure(argv, &ended.status, &words.join("\n")));
    }
    Ok(())
}

/// Sends each line that the program says, until it says no more or nobody listens.
fn read_lines(program: &ReaderHandle, lines: &mpsc::Sender<String>) {
    let mut output = BufReader::new(program);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut output).take(LINE_BYTES).read_until(b'\n', &mut line);
        if !matches!(read, Ok(1..)) {
            return;
        }
        let text = without_colours(&String::from_utf8_lossy(&line));
        let text = text.trim_end().to_string();
        if !text.is_empty() && lines.send(text).is_err() {
            return;
        }
    }
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
    fn the_last_words_of_a_program_are_heard_whenever_it_ends() {
        for millis in 40..70 {
            let script = format!("sleep 0.0{millis}; echo 'last words' >&2; exit 3");
            let argv = argv(&["sh", "-c", &script]);
            let error = run(&argv, &[], &mut |_| ()).unwrap_err().to_string();
            assert!(error.contains("last words"), "{error}");
        }
    }

    #[test]
    fn colours_are_taken_off() {
        let coloured = "\u{1b}[91mls: no such file\u{1b}[0m, \u{1b}[1;31mno\u{1b}[";
        assert_eq!(without_colours(coloured), "ls: no such file, no");
    }

    #[test]
    fn a_program_that_never_ends_is_killed_and_named() {
        let argv = argv(&["sleep", "1000"]);
        let longest = Duration::from_millis(200);
        let why = follow(&argv, expression(&argv).unwrap(), longest, &mut |_| ()).unwrap_err();
        assert!(
            why.to_string().starts_with("`sleep 1000` was killed"),
            "{why}"
        );
    }

    #[test]
    fn what_a_program_leaves_running_does_not_hold_up_its_end() {
        let argv = argv(&["sh", "-c", "sleep 60 & echo $!; echo made"]);
        let (mut said, began) = (Vec::new(), Instant::now());
        run(&argv, &[], &mut |line| said.push(line.to_string())).unwrap();
        assert!(began.elapsed() < Duration::from_secs(50));
        assert_eq!(said[1], "made");
        let left = nix::unistd::Pid::from_raw(said[0].parse().unwrap());
        nix::sys::signal::kill(left, nix::sys::signal::Signal::SIGKILL).unwrap();
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
