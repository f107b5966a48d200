//! The shim: a small process that stands between the lab and a step, so that the kernel's account of the step
//! begins small and everything the step starts can be found and killed.
//!
//! It reads a `Work` from standard input, runs it, and prints a `Ran` to standard output, both as JSON. It is
//! the subreaper of what it starts: a process that leaves its parent becomes the shim's child, not init's.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::prctl;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill};
use nix::sys::time::TimeValLike;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::{Pid, getppid};
use procfs::process::Process;

use super::{Account, CommandLine, End, Ran, Work};

/// How often limits are looked at. Short against the seconds a step takes; long against the 0.2 ms a look takes.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The shim's whole life.
pub fn main() -> ExitCode {
    match answer() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn answer() -> Result<()> {
    let work: Work = serde_json::from_reader(io::stdin()).context("read the order")?;
    // The order names the lab: asked for here, the parent may already be whoever took over from a lab that was killed.
    let lab = Pid::from_raw(work.lab.cast_signed());
    prctl::set_child_subreaper(true).context("become the subreaper")?;
    let _guard = match &work.guard {
        Some(path) => {
            let file = File::open(path).with_context(|| format!("open {}", path.display()))?;
            file.lock_shared()
                .with_context(|| format!("lock {}", path.display()))?;
            Some(file)
        }
        None => None,
    };
    ensure!(getppid() == lab, "the lab went away before the step began");
    let ran = run(&work, lab)?;
    io::stdout()
        .write_all(&serde_json::to_vec(&ran).context("write the answer")?)
        .context("print the answer")
}

fn run(work: &Work, lab: Pid) -> Result<Ran> {
    let log = File::create(&work.log).with_context(|| format!("create {}", work.log.display()))?;
    let killed_for = Arc::new(Mutex::new(None));
    let (done, watch_until) = mpsc::channel::<()>();
    let watcher = {
        let (killed_for, limits) = (Arc::clone(&killed_for), work.limits);
        thread::spawn(move || {
            // A limit beyond the clock's end is none.
            let deadline = Instant::now().checked_add(limits.time);
            while let Err(mpsc::RecvTimeoutError::Timeout) = watch_until.recv_timeout(LOOK_EVERY) {
                let mut killed_for = killed_for.lock().expect("the other thread only reads");
                if killed_for.is_none() {
                    *killed_for = breach(lab, deadline, limits.memory_bytes);
                }
                let doomed = killed_for.is_some();
                drop(killed_for);
                // At every look, not once: the next command may just have been spawned.
                if doomed {
                    kill_descendants();
                }
            }
        })
    };
    let started = Instant::now();
    let mut end = End::Well;
    for command in &work.commands {
        end = run_one(command, work, &log);
        if end != End::Well
            || killed_for
                .lock()
                .expect("the watcher does not panic")
                .is_some()
        {
            break;
        }
    }
    let wall = started.elapsed();
    drop(done);
    watcher.join().expect("the watcher does not panic");
    if let Some(killed) = killed_for.lock().expect("the watcher is done").take() {
        end = killed;
    }
    // What the step left running is not part of it, and must not outlive it.
    kill_descendants();
    reap_all();
    Ok(Ran {
        account: account(wall)?,
        end,
    })
}

fn run_one(command: &CommandLine, work: &Work, log: &File) -> End {
    let program = command.argv.first().cloned().unwrap_or_default();
    let not_started = |why: String| End::NotStarted {
        program: program.clone(),
        why,
    };
    let output = || log.try_clone().map(Stdio::from);
    let stdout = match &command.stdout {
        Some(path) => File::create(work.dir.join(path))
            .map(Stdio::from)
            .map_err(|error| io::Error::other(format!("create {}: {error}", path.display()))),
        None => output(),
    };
    let (stdout, stderr) = match (stdout, output()) {
        (Ok(stdout), Ok(stderr)) => (stdout, stderr),
        (Err(error), _) | (_, Err(error)) => return not_started(error.to_string()),
    };
    let child = Command::new(&program)
        .args(command.argv.get(1..).unwrap_or_default())
        .current_dir(&work.dir)
        // Nothing of the lab's own environment but where programs are: it would lead a client to the image.
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .envs(work.env.iter().map(|(key, value)| (key, value)))
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(stderr)
        .spawn();
    match child.and_then(|mut child| child.wait()) {
        Err(error) => not_started(error.to_string()),
        Ok(status) => match (status.code(), status.signal()) {
            (Some(0), _) => End::Well,
            (Some(code), _) => End::Exit { program, code },
            (None, signal) => End::Signal {
                program,
                signal: signal.unwrap_or_default(),
            },
        },
    }
}

/// The first limit that does not hold any more.
fn breach(lab: Pid, deadline: Option<Instant>, memory_bytes: u64) -> Option<End> {
    if getppid() != lab {
        return Some(End::Orphaned);
    }
    if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
        return Some(End::TimeLimit);
    }
    let descendants = descendants();
    // Resident sizes count shared pages once for each process, so they only raise the question; the proportional
    // sizes, dearer to read, answer it.
    if resident_bytes(&descendants) <= memory_bytes {
        return None;
    }
    let bytes = proportional_bytes(&descendants);
    (bytes > memory_bytes).then_some(End::MemoryLimit { bytes })
}

/// Every process below this one.
fn descendants() -> Vec<Process> {
    let own = std::process::id().cast_signed();
    // A kernel without CONFIG_PROC_CHILDREN keeps no lists of children; there every process is asked for its parent.
    let parents = (!Path::new("/proc/thread-self/children").exists()).then(parents);
    let children = |pid| match &parents {
        Some(parents) => parents
            .iter()
            .filter(|(_, parent)| *parent == pid)
            .map(|(child, _)| *child)
            .collect(),
        None => listed_children(pid),
    };
    let mut found = Vec::new();
    let mut waiting: Vec<i32> = children(own);
    while let Some(pid) = waiting.pop() {
        waiting.extend(children(pid));
        found.extend(Process::new(pid));
    }
    found
}

/// The children of every thread of a process, from the kernel's lists; none when it is gone.
fn listed_children(pid: i32) -> Vec<i32> {
    let Ok(tasks) = Process::new(pid).and_then(|process| process.tasks()) else {
        return Vec::new();
    };
    tasks
        .flatten()
        .filter_map(|task| task.children().ok())
        .flatten()
        .map(u32::cast_signed)
        .collect()
}

/// Every process on the machine with its parent.
fn parents() -> Vec<(i32, i32)> {
    let processes = procfs::process::all_processes()
        .into_iter()
        .flatten()
        .flatten();
    processes
        .filter_map(|process| process.stat().ok())
        .map(|stat| (stat.pid, stat.ppid))
        .collect()
}

fn resident_bytes(processes: &[Process]) -> u64 {
    let pages: u64 = processes
        .iter()
        .filter_map(|process| process.statm().ok())
        .map(|statm| statm.resident)
        .sum();
    pages * procfs::page_size()
}

fn proportional_bytes(processes: &[Process]) -> u64 {
    let rollup = |process: &Process| {
        let maps = process.smaps_rollup().ok()?;
        maps.memory_map_rollup
            .iter()
            .filter_map(|map| map.extension.map.get("Pss"))
            .sum::<u64>()
            .into()
    };
    processes.iter().filter_map(rollup).sum()
}

/// Kills everything below this process, again and again until a scan finds none: a process may fork between
/// the scan and the kill.
fn kill_descendants() {
    let give_up = Instant::now() + Duration::from_secs(10);
    loop {
        let alive: Vec<Process> = descendants()
            .into_iter()
            .filter(|process| {
                process
                    .stat()
                    .is_ok_and(|stat| stat.state != 'Z' && stat.state != 'X')
            })
            .collect();
        if alive.is_empty() || Instant::now() > give_up {
            return;
        }
        for process in alive {
            kill(Pid::from_raw(process.pid), Signal::SIGKILL).ok();
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// Takes in every dead child, so that the account holds them all.
fn reap_all() {
    while waitpid(None, Some(WaitPidFlag::WNOHANG)).is_ok_and(|status| status.pid().is_some()) {}
}

fn account(wall: Duration) -> Result<Account> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).context("ask the kernel for the account")?;
    let cpu_us = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Account {
        wall_ns: u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX),
        cpu_ns: cpu_us.unsigned_abs() * 1000,
        // The kernel counts in KiB.
        peak_rss_bytes: usage.max_rss().unsigned_abs() * 1024,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_children_and_a_look_at_every_parent_agree() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = child.id().cast_signed();
        let own = std::process::id().cast_signed();
        assert!(parents().contains(&(pid, own)));
        if Path::new("/proc/thread-self/children").exists() {
            assert!(listed_children(own).contains(&pid));
        }
        assert!(descendants().iter().any(|process| process.pid == pid));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
