//! The account is the kernel's, the limits hold, and nothing of a step outlives it.

use std::path::Path;
use std::time::Duration;

use delta_lab::clock::{CommandLine, End, Limits, Ran, Room, Work, held_by, run_under};

use crate::bench::{LAB, noise};

fn work(dir: &Path, commands: &[&[&str]]) -> Work {
    Work {
        commands: commands
            .iter()
            .map(|argv| CommandLine::from(argv.iter().map(ToString::to_string).collect::<Vec<_>>()))
            .collect(),
        dir: dir.to_path_buf(),
        env: delta_lab::clock::environment(dir, dir),
        log: Some(dir.join("log")),
        limits: Limits {
            time: Duration::from_secs(60),
            memory_bytes: 4 << 30,
        },
        guard: None,
        room: None,
        stop: None,
        cores: None,
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

/// The work in a room that holds its folder alone.
fn roomed(dir: &Path, commands: &[&[&str]], walls: bool) -> Work {
    std::fs::create_dir_all(dir.join("tmp")).unwrap();
    Work {
        room: Some(Room {
            write: vec![dir.to_path_buf()],
            tmp: dir.join("tmp"),
            walls,
            ..Room::default()
        }),
        ..work(dir, commands)
    }
}

#[test]
fn a_step_that_is_left_one_processor_has_one_and_may_take_no_other() {
    for walls in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let say = &["sh", "-c", "nproc; taskset -p ff $$ >/dev/null 2>&1; nproc"];
        let step = Work {
            cores: Some(1),
            ..roomed(dir.path(), &[say], walls)
        };
        let ran = ran(&step);
        assert_eq!(ran.end, End::Well);
        let counted = std::fs::read_to_string(dir.path().join("log")).unwrap();
        // Without the list of refused calls a step may help itself.
        let kept: Vec<&str> = counted
            .lines()
            .take(1 + usize::from(ran.held.calls))
            .collect();
        assert_eq!(kept, ["1", "1"][..kept.len()], "{counted}");
    }
}

#[test]
fn a_step_dies_with_its_shim_and_so_does_what_left_its_session() {
    for walls in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let mark = format!("{}.{}5", 4000 + std::process::id(), u8::from(walls));
        // Without a namespace only the command itself is tied to its shim.
        let (line, sleeps) = match held_by(Path::new(LAB)).walls && walls {
            true => (format!("setsid sleep {mark} & exec sleep {mark}"), 2),
            false => (format!("exec sleep {mark}"), 1),
        };
        let step = roomed(dir.path(), &[&["sh", "-c", &line]], walls);
        let running = std::thread::spawn(move || run_under(Path::new(LAB), &step));
        while sleepers(&mark) < sleeps {
            std::thread::yield_now();
        }
        for shim in shims(dir.path()) {
            nix::sys::signal::kill(shim, nix::sys::signal::Signal::SIGKILL).ok();
        }
        let ran = running.join().unwrap().unwrap();
        assert!(matches!(ran.end, End::Signal { signal: 9, .. }), "{ran:?}");
        while sleepers(&mark) > 0 {
            std::thread::yield_now();
        }
    }
}

/// The outer and inner shim of the step whose log lies in this folder.
fn shims(dir: &Path) -> Vec<nix::unistd::Pid> {
    let processes: Vec<_> = procfs::process::all_processes()
        .unwrap()
        .flatten()
        .collect();
    let holds_log = |process: &procfs::process::Process| {
        let open = process.fd().into_iter().flatten().flatten();
        open.into_iter().any(|fd| matches!(fd.target, procfs::process::FDTarget::Path(path) if path.starts_with(dir)))
    };
    let is_shim = |process: &procfs::process::Process| {
        process
            .cmdline()
            .is_ok_and(|words| words.iter().any(|word| word == "__shim"))
    };
    let inner = processes
        .iter()
        .find(|process| is_shim(process) && holds_log(process));
    let inner = inner.unwrap();
    let outer = inner.stat().unwrap().ppid;
    [outer, inner.pid].map(nix::unistd::Pid::from_raw).into()
}

#[test]
fn a_room_without_walls_refuses_files_and_ports_outside() {
    if held_by(Path::new(LAB)).landlock == 0 {
        eprintln!("skipped: this kernel has no Landlock");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret");
    std::fs::write(&secret, "secret").unwrap();
    let mine = dir.path().join("mine");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "http://127.0.0.1:{}/",
        listener.local_addr().unwrap().port()
    );
    let try_it = |argv: &[&str]| {
        let step = roomed(dir.path(), &[argv], false);
        step.failure(&ran(&step).end)
    };
    assert_eq!(try_it(&["cp", "/etc/passwd", mine.to_str().unwrap()]), None);
    for argv in [
        ["cat", secret.to_str().unwrap()],
        ["touch", outside.path().join("new").to_str().unwrap()],
        ["touch", "/tmp/delta-lab-was-here"],
    ] {
        let why = try_it(&argv).unwrap_or_default();
        assert!(why.contains("Permission denied"), "{argv:?}: {why}");
    }
    if held_by(Path::new(LAB)).landlock >= 4 && crate::bench::has("curl") {
        let why = try_it(&["curl", "-sS", "-m", "5", &url]).unwrap_or_default();
        assert!(why.contains("exited with 7"), "{why}");
    }
}

#[test]
fn what_children_take_that_nobody_waits_for_is_in_the_account() {
    if !crate::bench::has("python3") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let script = "import signal, subprocess\n\
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n\
        burn = 'import time; kept = bytearray(150_000_000)\\nwhile time.process_time() < 0.7: pass'\n\
        subprocess.Popen(['python3', '-c', burn], stdout=subprocess.PIPE).stdout.read()\n";
    let ran = ran(&work(dir.path(), &[&["python3", "-c", script]]));
    assert_eq!(
        ran.end,
        End::Well,
        "{}",
        std::fs::read_to_string(dir.path().join("log")).unwrap()
    );
    assert!(
        ran.account.peak_rss_bytes > 140_000_000,
        "{:?}",
        ran.account
    );
    assert!(ran.account.cpu_ns > 500_000_000, "{:?}", ran.account);
}

/// Living processes whose command line holds `mark`.
pub fn sleepers(mark: &str) -> usize {
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
