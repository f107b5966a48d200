//! The room: what a step may reach, and the lock on its door (Landlock).
//!
//! A step reads the system's programs and what it was given, writes where it was told to, and connects to the wire.
//! `walls` builds the room where the kernel lets it (a file system, processes and shared memory of the step's own);
//! the lock here is the kernel's refusal of everything else, as far as its Landlock goes.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, LandlockStatus, NetPort, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetStatus, Scope, path_beneath_rules,
};
use rustix::thread::{CapabilitySet, remove_capability_from_bounding_set};
use serde::{Deserialize, Serialize};

/// What a step may reach beside the system's own folders.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    /// Files and folders to read and execute.
    pub read: Vec<PathBuf>,
    /// Folders to write in. Those that lie beside each other are one mount, so that files can be moved between them.
    pub write: Vec<PathBuf>,
    /// Folder that becomes the step's `/tmp` and `/var/tmp`. It lies in one of `write`.
    pub tmp: PathBuf,
    /// Files and folders that the method's file asks for beyond that, to read and execute.
    pub needs: Vec<PathBuf>,
    /// Folders of the lab's that are not there for the step, but for what of them is in the lists above.
    pub hidden: Vec<PathBuf>,
    /// TCP ports that may be connected to.
    pub ports: Vec<u16>,
    /// Whether the power to make nodes of devices is kept, which some tools ask for before they write layers. Landlock
    /// refuses to make one all the same.
    #[serde(default)]
    pub mknod: bool,
    /// Folder with another release's files: what the step has in place of the machine's. It takes walls.
    #[serde(default)]
    pub root: Option<PathBuf>,
    /// Whether to build walls where the kernel lets the lab.
    pub walls: bool,
}

/// What kept a step in its room.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Landlock's ABI (1: files; 4: and TCP; 6: and signals and abstract sockets; 10: and UDP); 0 where there is none.
    pub landlock: u8,
    /// Whether the step had mounts, processes, shared memory, `/tmp` and `/run` of its own.
    pub walls: bool,
    /// Whether it was refused the system calls for keys of the kernel's and for sockets that Landlock has no say in.
    pub calls: bool,
}

impl Held {
    /// Whether nothing that is known leads out of the room: files, TCP and signals by Landlock, the rest by walls and
    /// refused system calls.
    pub fn locked(&self) -> bool {
        self.landlock >= 6 && self.walls && self.calls
    }

    /// The same in a word, for a row.
    pub fn word(&self) -> &'static str {
        match self {
            held if held.locked() => "locked",
            held if held.landlock > 0 || held.walls => "in part",
            _ => "open",
        }
    }
}

impl std::fmt::Display for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let kept = match self.landlock {
            0 => return f.write_str("no Landlock: a step can open what the lab can open"),
            1..=3 => "files",
            4..=5 => "files, TCP",
            6..=9 => "files, TCP, signals",
            _ => "files, TCP, UDP, signals",
        };
        let walls = match self.walls {
            true => "own mounts, processes and /tmp",
            false => "no own mounts, so no /tmp and no /proc/PID",
        };
        let calls = match self.calls {
            true => "no keys, no sockets but TCP",
            false => "no seccomp, so keys and datagrams are open",
        };
        write!(
            f,
            "Landlock ABI {} ({kept}); {walls}; {calls}",
            self.landlock
        )
    }
}

/// The newest ABI whose rules are known here. An older kernel is asked for as much of it as it has.
const KNOWN: ABI = ABI::V10;

/// What any program needs: programs, libraries, configuration, and the shape of the machine.
const SYSTEM: &[&str] = &[
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/etc",
    "/opt",
    "/nix/store",
    "/gnu/store",
    "/sys/devices",
    "/sys/fs/cgroup",
    "/sys/kernel/mm/transparent_hugepage",
];

/// Of `/proc`, where the step does not have its own: what tells of the machine and of no process.
const MACHINE: &[&str] = &[
    "/proc/cpuinfo",
    "/proc/filesystems",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/sys",
    "/proc/uptime",
    "/proc/version",
];

/// Devices without a memory. Not the rest of `/dev`: root could read a disk below its files.
const DEVICES: &[&str] = &[
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
];

/// Folders that are the step's own behind walls.
const OWN: &[&str] = &["/tmp", "/var/tmp", "/run", "/dev/shm"];

/// What root can do to the machine beside opening files, and no method needs: owners, modes, links and
/// `security.capability` of a tree stay possible.
const POWERS: &[CapabilitySet] = &[
    CapabilitySet::AUDIT_CONTROL,
    CapabilitySet::AUDIT_READ,
    CapabilitySet::BLOCK_SUSPEND,
    CapabilitySet::BPF,
    CapabilitySet::CHECKPOINT_RESTORE,
    CapabilitySet::DAC_READ_SEARCH,
    CapabilitySet::MAC_ADMIN,
    CapabilitySet::MAC_OVERRIDE,
    CapabilitySet::MKNOD,
    CapabilitySet::NET_ADMIN,
    CapabilitySet::NET_BROADCAST,
    CapabilitySet::NET_RAW,
    CapabilitySet::PERFMON,
    CapabilitySet::SYSLOG,
    CapabilitySet::SYS_ADMIN,
    CapabilitySet::SYS_BOOT,
    CapabilitySet::SYS_MODULE,
    CapabilitySet::SYS_PACCT,
    CapabilitySet::SYS_PTRACE,
    CapabilitySet::SYS_RAWIO,
    CapabilitySet::SYS_TIME,
    CapabilitySet::SYS_TTY_CONFIG,
    CapabilitySet::WAKE_ALARM,
];

/// Locks the calling thread, and whatever it starts, into the room for good. `walls` says whether they stand.
///
/// Returns Landlock's ABI, 0 where the kernel has none.
pub fn lock(room: &Room, walls: bool) -> Result<u8> {
    let kept = |power: &&CapabilitySet| !(room.mknod && **power == CapabilitySet::MKNOD);
    for power in POWERS.iter().filter(kept) {
        // An ordinary user has none of them.
        remove_capability_from_bounding_set(*power).ok();
    }
    let read = AccessFs::from_read(KNOWN);
    // Devices could be made, and read, where others may only be named.
    let write = AccessFs::from_all(KNOWN) & !(AccessFs::MakeChar | AccessFs::MakeBlock);
    let network = AccessNet::from_all(KNOWN);
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_all(KNOWN))?
        .handle_access(network)?
        .scope(Scope::from_all(KNOWN))?
        .create()
        .context("make a Landlock ruleset")?;
    let system = SYSTEM
        .iter()
        .chain(if walls { &["/proc"][..] } else { MACHINE });
    let programs = program_folders();
    let lab = std::env::current_exe().context("find this program")?;
    let to_read = system.map(PathBuf::from).chain(programs);
    for path in to_read {
        rules = allow(rules, &path, read, &room.hidden)?;
    }
    for path in room.read.iter().chain([&lab]) {
        rules = allow(rules, path, read, &[])?;
    }
    for path in &room.needs {
        // Of the lab's folders only what is named itself.
        let within = |hidden: &&PathBuf| !path.starts_with(hidden);
        let hidden: Vec<PathBuf> = room.hidden.iter().filter(within).cloned().collect();
        rules = allow(rules, path, read, &hidden)?;
    }
    let own = OWN.iter().filter(|_| walls).map(PathBuf::from);
    for path in room.write.iter().cloned().chain(own) {
        rules = allow(rules, &path, write, &[])?;
    }
    for path in DEVICES {
        rules = allow(
            rules,
            Path::new(path),
            read | AccessFs::WriteFile | AccessFs::IoctlDev,
            &[],
        )?;
    }
    for port in &room.ports {
        rules = rules.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
    }
    let status = rules.restrict_self().context("lock the room")?;
    Ok(match (status.ruleset, status.landlock) {
        (RulesetStatus::NotEnforced, _) => 0,
        (_, LandlockStatus::Available { effective_abi, .. }) => effective_abi as u8,
        _ => 0,
    })
}

/// Allows `access` to a path and all below it, but for the `hidden` folders. A path that is not there needs no rule.
fn allow(
    rules: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
    hidden: &[PathBuf],
) -> Result<RulesetCreated> {
    let Ok(path) = fs::canonicalize(path) else {
        return Ok(rules);
    };
    if hidden.iter().any(|hidden| path.starts_with(hidden)) {
        return Ok(rules);
    }
    if !hidden.iter().any(|hidden| hidden.starts_with(&path)) {
        return rules
            .add_rules(path_beneath_rules([&path], access))
            .with_context(|| format!("allow {}", path.display()));
    }
    let mut rules = rules;
    for entry in fs::read_dir(&path).into_iter().flatten().flatten() {
        // A link's target is allowed by its own path, or not at all.
        if entry.file_type().is_ok_and(|kind| !kind.is_symlink()) {
            rules = allow(rules, &entry.path(), access, hidden)?;
        }
    }
    Ok(rules)
}

/// Where programs are, beside the system's folders: those of PATH. One that is the `bin` or `shims` of a folder made for
/// tools (`~/.cargo`, a Python environment) stands for all of that folder: its programs need what lies beside them.
pub fn program_folders() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).filter(|folder| folder.is_absolute());
    folders
        .map(|folder| tool_folder(&folder).unwrap_or(folder))
        .collect()
}

fn tool_folder(folder: &Path) -> Option<PathBuf> {
    let parent = folder.parent()?;
    let programs = ["bin", "shims"].iter().any(|name| folder.ends_with(name));
    let hidden = parent.file_name()?.as_encoded_bytes().starts_with(b".");
    let made_for_it = hidden || parent.join("pyvenv.cfg").exists();
    (programs && made_for_it).then(|| parent.to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_tools_is_allowed_whole_and_a_home_is_not() {
        for (folder, whole) in [
            ("/home/me/.cargo/bin", Some("/home/me/.cargo")),
            ("/home/me/.pyenv/shims", Some("/home/me/.pyenv")),
            ("/home/me/bin", None),
            ("/home/me/.tools", None),
            ("/bin", None),
        ] {
            let whole = whole.map(PathBuf::from);
            assert_eq!(tool_folder(Path::new(folder)), whole, "{folder}");
        }
    }

    #[test]
    fn what_is_in_force_is_told_by_abi() {
        let told = |landlock, walls| {
            let calls = walls;
            let held = Held {
                landlock,
                walls,
                calls,
            };
            held.to_string()
        };
        assert!(told(0, false).starts_with("no Landlock"));
        assert!(told(3, true).contains("ABI 3 (files); own mounts"));
        assert!(told(7, false).contains("ABI 7 (files, TCP, signals); no own mounts"));
        assert!(told(7, false).ends_with("no seccomp, so keys and datagrams are open"));
    }
}
