//! The processes below the shim: who they are, what they hold, and how they are killed.

use std::collections::BTreeMap;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use procfs::process::Process;

/// Every process below this one.
pub fn descendants() -> Vec<Process> {
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

/// Resident memory of all of them, in bytes. A page that several share is counted for each.
pub fn resident_bytes(processes: &[Process]) -> u64 {
    let pages: u64 = processes
        .iter()
        .filter_map(|process| process.statm().ok())
        .map(|statm| statm.resident)
        .sum();
    pages * procfs::page_size()
}

/// The same with a shared page divided among those that share it, which takes the kernel longer to say.
pub fn proportional_bytes(processes: &[Process]) -> u64 {
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

/// What was seen of a step's processes from look to look. The kernel adds a child's account to its parent's when the
/// parent waits for it; a parent that ignores SIGCHLD never does, and only a look finds what its children took.
#[derive(Default)]
pub struct Seen {
    peak_rss_bytes: u64,
    /// By process id and start: ticks of the processor when it was last seen.
    ticks: BTreeMap<(i32, u64), u64>,
}

impl Seen {
    pub fn look(&mut self, processes: &[Process]) {
        for process in processes {
            let Ok(stat) = process.stat() else {
                continue;
            };
            self.ticks
                .insert((stat.pid, stat.starttime), stat.utime + stat.stime);
            let peak_kib = process.status().ok().and_then(|status| status.vmhwm);
            self.peak_rss_bytes = self.peak_rss_bytes.max(peak_kib.unwrap_or_default() * 1024);
        }
    }

    /// Peak resident memory of the largest process seen.
    pub fn peak_rss_bytes(&self) -> u64 {
        self.peak_rss_bytes
    }

    /// Processor time of all processes seen, up to when each was last seen.
    pub fn cpu_ns(&self) -> u64 {
        let ticks: u64 = self.ticks.values().sum();
        ticks * (1_000_000_000 / procfs::ticks_per_second().max(1))
    }
}

/// Kills everything below this process, again and again until a scan finds none: a process may fork between the scan
/// and the kill.
pub fn kill_descendants() {
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
pub fn reap_all() {
    while waitpid(None, Some(WaitPidFlag::WNOHANG)).is_ok_and(|status| status.pid().is_some()) {}
}

#[cfg(test)]
mod tests {
    use std::process::Command;

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
