//! A control group of a step's own (cgroup v2), where the lab may make one: it holds on to processes that every
//! other way loses sight of.
//!
//! Its `memory.peak` is not used: it counts the page cache too, which grows with every file a step reads. Peak memory stays
//! that of the largest process.

use std::fs;
use std::path::{Path, PathBuf};

use procfs::process::Process;

/// A group, removed when dropped, with what is still in it killed.
pub struct Cgroup {
    path: PathBuf,
}

impl Cgroup {
    /// Makes a group for this process's step: below the group that this process is in, or beside it, or at the top.
    /// None where there is no cgroup v2, or the lab may not.
    pub fn make() -> Option<Cgroup> {
        let process = Process::myself().ok()?;
        let mounts = process.mountinfo().ok()?;
        let top = mounts
            .into_iter()
            .find(|place| place.fs_type == "cgroup2")?;
        let groups = process.cgroups().ok()?;
        let own = groups.into_iter().find(|group| group.hierarchy == 0)?;
        let own = top.mount_point.join(own.pathname.trim_start_matches('/'));
        let name = format!("delta-lab-step-{}", std::process::id());
        let beside = own.parent().filter(|_| own != top.mount_point);
        [Some(own.as_path()), beside, Some(&top.mount_point)]
            .into_iter()
            .flatten()
            .map(|folder| folder.join(&name))
            .find(|path| fs::create_dir(path).is_ok())
            .map(|path| Cgroup { path })
    }

    /// File that takes the process ids of those who are to be in the group.
    pub fn door(&self) -> PathBuf {
        self.path.join("cgroup.procs")
    }

    /// Processor time of all who were ever in it.
    pub fn cpu_ns(&self) -> u64 {
        let stat = fs::read_to_string(self.path.join("cpu.stat")).unwrap_or_default();
        let used = stat
            .lines()
            .find_map(|line| line.strip_prefix("usage_usec "));
        used.and_then(|us| us.trim().parse::<u64>().ok())
            .unwrap_or_default()
            * 1000
    }

    /// Kills all who are in it (Linux 5.14 and later).
    pub fn kill(&self) {
        fs::write(self.path.join("cgroup.kill"), "1").ok();
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        self.kill();
        // Its processes are dead, and leave it within moments.
        for _ in 0..200 {
            match fs::remove_dir(&self.path) {
                Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => {
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
                _ => return,
            }
        }
    }
}

/// Removes the groups that shims left when they were killed, with what is still in them.
pub fn sweep() {
    let Some(group) = Cgroup::make() else {
        return;
    };
    let Some(folder) = group.path.parent().map(Path::to_path_buf) else {
        return;
    };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let shim = name
            .to_str()
            .and_then(|name| name.strip_prefix("delta-lab-step-"));
        let alive = |pid: i32| Process::new(pid).is_ok_and(|process| process.is_alive());
        if shim.is_some_and(|pid| pid.parse().is_ok_and(|pid| !alive(pid))) {
            drop(Cgroup { path: entry.path() });
        }
    }
}
