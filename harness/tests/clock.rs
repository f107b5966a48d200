//! The account is the kernel's, the limits hold, and nothing of a step outlives it.

use std::path::Path;
use std::time::Duration;

use delta_lab::clock::{CommandLine, End, Limits, Ran, Work, run_under};

use crate::bench::{LAB, noise};

fn work(dir: &Path, commands: &[&[&str]]) -> Work {
    Work {
        commands: commands
            .iter()
            .map(|argv| CommandLine::from(argv.iter().map(ToString::to_string).collect::<Vec<_>>()))
            .collect(),
        dir: dir.to_path_buf(),
        env: Vec::new(),
        log: dir.join("log"),
        limits: Limits {
            time: Duration::from_secs(60),
            memory_bytes: 4 << 30,
        },
        guard: None,
        lab: std::process::id(),
    }
}

fn ran(work: &Work) -> Ran {
    run_under(Path::new(LAB), work).unwrap()
}

#[test]
fn a_lab_that_holds_a_gigabyte_reports_the_same_peak() {
    let dir = tempfile::tempdir().unwrap();
    let step = work(dir.path(), &[&["true"]]);
    let small = ran(&step).account.peak_rss_bytes;
    let mut ballast = noise(1, 1 << 20);
    ballast.resize(1 << 30, 7);
    for page in ballast.chunks_mut(4096) {
        page[0] = page[0].wrapping_add(1);
    }
    let big = ran(&step).account.peak_rss_bytes;
    assert!(ballast.iter().step_by(4096).any(|&byte| byte != 0));
    assert!(
        small > 0 && small < 16 << 20,
        "a shim's floor is a few MB, got {small}"
    );
    assert!(
        big.abs_diff(small) < 2 << 20,
        "{small} without the gigabyte, {big} with it"
    );
}

#[test]
fn peak_memory_and_cpu_time_include_grandchildren() {
    let dir = tempfile::tempdir().unwrap();
    // `head` feeds `tail`, which must hold what it can't yet print: 64 MB in a grandchild of the shim.
    let ran = ran(&work(
        dir.path(),
        &[&[
            "sh",
            "-c",
            "sh -c 'head -c 64000000 /dev/zero | tail -c 63000000 > /dev/null'",
        ]],
    ));
    assert_eq!(ran.end, End::Well);
    assert!(ran.account.peak_rss_bytes > 60_000_000, "{:?}", ran.account);
    assert!(
        ran.account.cpu_ns > 0 && ran.account.wall_ns > 0,
        "{:?}",
        ran.account
    );
}

#[test]
fn a_step_over_its_time_is_killed_with_all_it_started() {
    let dir = tempfile::tempdir().unwrap();
    // setsid leaves the session and the process group; only the shim's own search finds it.
    let mark = format!("{}.5", 1000 + std::process::id());
    let mut step = work(
        dir.path(),
        &[&["sh", "-c", &format!("setsid sleep {mark} & sleep {mark}")]],
    );
    step.limits.time = Duration::from_millis(300);
    let ran = ran(&step);
    assert_eq!(ran.end, End::TimeLimit);
    assert!(ran.account.wall_ns < 20_000_000_000, "{:?}", ran.account);
    assert_eq!(sleepers(&mark), 0);
    assert!(
        step.failure(&ran.end)
            .unwrap()
            .contains("time limit of 0.3 s")
    );
}

#[test]
fn what_a_step_leaves_running_is_killed_when_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    let mark = format!("{}.25", 2000 + std::process::id());
    let ran = ran(&work(
        dir.path(),
        &[&["sh", "-c", &format!("setsid sleep {mark} & echo started")]],
    ));
    assert_eq!(ran.end, End::Well);
    assert_eq!(sleepers(&mark), 0);
}

#[test]
fn a_step_that_eats_memory_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    // `tail` looks for the end of a line that never ends, and keeps it all.
    let mut step = work(dir.path(), &[&["tail", "/dev/zero"]]);
    step.limits.memory_bytes = 200 << 20;
    let ran = ran(&step);
    let End::MemoryLimit { bytes } = ran.end else {
        panic!("{ran:?}")
    };
    assert!(bytes > 200 << 20);
}

#[test]
fn exit_codes_signals_and_missing_programs_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let says = |commands: &[&[&str]]| {
        let step = work(dir.path(), commands);
        step.failure(&ran(&step).end).unwrap_or_default()
    };
    assert_eq!(says(&[&["true"]]), "");
    assert_eq!(
        says(&[&["sh", "-c", "echo no such chunk >&2; exit 3"]]),
        "sh exited with 3: no such chunk"
    );
    assert_eq!(
        says(&[&["sh", "-c", "kill -SEGV $$"]]),
        "sh was killed by signal 11 (SIGSEGV)"
    );
    assert!(
        says(&[&["no-such-program-here"]]).contains("no-such-program-here could not be started")
    );
}

#[test]
fn the_first_command_that_fails_ends_the_step() {
    let dir = tempfile::tempdir().unwrap();
    let ran = ran(&work(
        dir.path(),
        &[&["touch", "one"], &["false"], &["touch", "three"]],
    ));
    assert_eq!(
        ran.end,
        End::Exit {
            program: "false".to_string(),
            code: 1
        }
    );
    assert!(dir.path().join("one").exists() && !dir.path().join("three").exists());
}

#[test]
fn what_a_command_prints_can_go_to_a_file_and_its_complaints_go_to_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let mut step = work(
        dir.path(),
        &[&["sh", "-c", "echo result; echo oops >&2; exit 4"]],
    );
    // A relative path lies in the working folder; what was in the file is gone.
    std::fs::write(
        dir.path().join("printed"),
        "something longer than the result",
    )
    .unwrap();
    step.commands[0].stdout = Some("printed".into());
    assert_eq!(
        step.failure(&ran(&step).end).unwrap(),
        "sh exited with 4: oops"
    );
    assert_eq!(
        std::fs::read_to_string(dir.path().join("printed")).unwrap(),
        "result\n"
    );
    step.commands[0].stdout = Some("no/such/folder".into());
    let why = step.failure(&ran(&step).end).unwrap();
    assert!(
        why.contains("could not be started: create no/such/folder"),
        "{why}"
    );
}

/// Living processes whose command line holds `mark`.
fn sleepers(mark: &str) -> usize {
    let living = procfs::process::all_processes()
        .unwrap()
        .flatten()
        .filter(|process| {
            let dead = process.stat().map_or(true, |stat| stat.state == 'Z');
            !dead
                && process.cmdline().is_ok_and(|words| {
                    words.first().is_some_and(|word| word == "sleep")
                        && words.iter().any(|word| word == mark)
                })
        });
    living.count()
}
