//! Processes as a campaign sees them: whom a run started, whom to kill, who is left.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use delta_lab::clock;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procfs::process::{Process, all_processes};

use crate::bench::LAB;

/// One process: its id, and when it began, which tells it from a later one of the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    pub pid: i32,
    began: u64,
}

impl Seen {
    fn of(process: &Process) -> Option<(Seen, i32)> {
        let stat = process.stat().ok()?;
        let seen = Seen {
            pid: stat.pid,
            began: stat.starttime,
        };
        // A process that was not waited for yet is gone as far as anybody can do something about it.
        (stat.state != 'Z').then_some((seen, stat.ppid))
    }

    fn is_there(self) -> bool {
        let process = Process::new(self.pid).ok();
        process.and_then(|it| Seen::of(&it)).map(|(it, _)| it) == Some(self)
    }

    pub fn is_lab(self) -> bool {
        let exe = fs::read_link(format!("/proc/{}/exe", self.pid));
        exe.is_ok_and(|exe| exe == Path::new(LAB))
    }

    pub fn is_shim(self) -> bool {
        let words = fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        let second = words.split(|&byte| byte == 0).nth(1);
        self.is_lab() && second == Some(clock::WORD.as_bytes())
    }

    /// Sends a signal; nothing happens if it is gone.
    pub fn strike(self, signal: Signal) {
        if self.is_there() {
            kill(Pid::from_raw(self.pid), signal).ok();
        }
    }
}

/// The process and all that it started, and they: parents first. Whoever was taken over by another process is not among
/// them.
pub fn tree_of(pid: u32) -> Vec<Seen> {
    let mut children: BTreeMap<i32, Vec<Seen>> = BTreeMap::new();
    let mut tree = Vec::new();
    for process in all_processes().unwrap().flatten() {
        if let Some((seen, parent)) = Seen::of(&process) {
            children.entry(parent).or_default().push(seen);
            if seen.pid == pid.cast_signed() {
                tree.push(seen);
            }
        }
    }
    let mut at = 0;
    while at < tree.len() {
        tree.extend(children.remove(&tree[at].pid).unwrap_or_default());
        at += 1;
    }
    tree
}

/// Who is still there: of those seen before, or at work in the folder, or with it in their words.
fn left(seen: &BTreeSet<Seen>, folder: &Path) -> Vec<String> {
    let mark = folder.to_str().unwrap();
    let own = std::process::id().cast_signed();
    let of_folder = |process: &Process| {
        let words = process.cmdline().unwrap_or_default();
        let place = process.cwd().unwrap_or_default();
        process.pid != own
            && (words.iter().any(|word| word.contains(mark)) || place.starts_with(mark))
    };
    let processes = all_processes().unwrap().flatten();
    let there = processes.filter(|process| {
        Seen::of(process).is_some_and(|(it, _)| seen.contains(&it) || of_folder(process))
    });
    there
        .map(|process| {
            format!(
                "{} {:?}",
                process.pid,
                process.cmdline().unwrap_or_default()
            )
        })
        .collect()
}

/// Fails when somebody is left. A killed process takes a moment to go, and so does what its namespace held.
pub fn nobody_is_left(seen: &BTreeSet<Seen>, folder: &Path) {
    for _ in 0..100 {
        if left(seen, folder).is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("left running: {:#?}", left(seen, folder));
}

/// Control groups of steps whose shim is one of these.
pub fn groups_of(seen: &BTreeSet<Seen>) -> Vec<PathBuf> {
    let pids: BTreeSet<String> = seen.iter().map(|it| it.pid.to_string()).collect();
    let mounts = Process::myself().and_then(|it| it.mountinfo()).unwrap();
    let tops = mounts.into_iter().filter(|it| it.fs_type == "cgroup2");
    tops.flat_map(|top| walkdir::WalkDir::new(top.mount_point))
        .flatten()
        .filter(|entry| {
            let name = entry.file_name().to_str().unwrap_or_default();
            let shim = name.strip_prefix("delta-lab-step-");
            shim.is_some_and(|pid| pids.contains(pid))
        })
        .map(walkdir::DirEntry::into_path)
        .collect()
}
