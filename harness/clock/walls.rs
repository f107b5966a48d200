//! The walls of a room: mounts, processes and shared memory of a step's own, as root or in a user namespace.
//!
//! Landlock refuses to open a file; it does not hide that the file is there, how long it is and when it was written,
//! and says nothing of attributes, of System V shared memory or of other processes' command lines. Behind walls nothing of
//! that leads out: every mount but the step's own folders is read-only, and the lab's folders are empty.

use std::fs::{self, File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    configure_capability_in_ambient_set, set_capabilities,
};

use super::room::{Room, program_folders};
use super::root::{Entered, OF_THE_MACHINE, own_proc};

/// Begins the walls: the next child is the first process of a namespace of its own. False where the kernel won't.
///
/// The calling process must have one thread. An ordinary user gets a user namespace, in which it is itself.
pub fn begin() -> bool {
    let parts = CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWIPC;
    let (user, group) = (geteuid(), getegid());
    if user.is_root() {
        return unshare(parts).is_ok();
    }
    if unshare(parts | CloneFlags::CLONE_NEWUSER).is_err() {
        return false;
    }
    let maps = [
        ("setgroups", "deny".to_string()),
        ("uid_map", format!("{user} {user} 1")),
        ("gid_map", format!("{group} {group} 1")),
    ];
    maps.iter()
        .all(|(file, map)| fs::write(format!("/proc/self/{file}"), map).is_ok())
        && keep_power().is_ok()
}

/// Keeps, over the start of the next program, the one power that building takes. Who is not root loses it there.
fn keep_power() -> rustix::io::Result<()> {
    let mut sets = capabilities(None)?;
    sets.inheritable |= CapabilitySet::SYS_ADMIN;
    set_capabilities(None, sets)?;
    configure_capability_in_ambient_set(CapabilitySet::SYS_ADMIN, true)
}

/// Gives up what `keep_power` kept, and all else that an ordinary user has in a namespace of its own.
fn give_up_power() -> rustix::io::Result<()> {
    clear_ambient_capability_set()?;
    let none = CapabilitySet::empty();
    let sets = CapabilitySets {
        effective: none,
        permitted: none,
        inheritable: none,
    };
    set_capabilities(None, sets)
}

/// Builds the rest, from within: the calling process is the namespace's first. What `room` names stays where it is.
pub fn build(room: &Room) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS).context("leave the lab's mounts")?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    put(None, Path::new("/"), None, private).context("keep mounts from the lab")?;
    let grounds = grounds(&room.write)?;
    // Opened while the machine's files can be seen, and mounted where the step will look for them.
    let places = places(room, &grounds)?;
    let entered = room.root.as_deref().map(Entered::at).transpose()?;
    for place in &places {
        let whole = entered.is_some();
        match &place.what {
            What::Stays(opened) => {
                make_place(&place.path, opened)?;
                bind(opened, &place.path)?;
            }
            What::Tmp(opened) => {
                make_folder(&place.path, whole)?;
                bind(opened, &place.path)?;
            }
            What::Memory { .. } => {
                make_folder(&place.path, whole)?;
                let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
                put(Some("tmpfs"), &place.path, Some("tmpfs"), flags)
                    .with_context(|| format!("cover {}", place.path.display()))?;
            }
        }
    }
    match entered {
        Some(entered) => entered.leave_the_machine()?,
        None => own_proc(Path::new("/proc"))?,
    }
    let own = places.into_iter().filter(|place| place.is_writable());
    let own = own.map(|place| place.path);
    seal(&grounds.into_iter().chain(own).collect::<Vec<_>>())?;
    match geteuid().is_root() {
        true => Ok(()),
        false => give_up_power().context("give up the power to build"),
    }
}

/// A mount of the room's.
struct Place {
    path: PathBuf,
    what: What,
}

/// What a step finds at a place. Opened while it can be seen: a mount is made from what is open.
enum What {
    /// The step's folder for temporary files, on the disk it was on.
    Tmp(File),
    /// An empty file system in memory. One of the lab's folders is to stay empty.
    Memory { hides: bool },
    /// What is there without walls.
    Stays(File),
}

impl Place {
    /// Whether everything else below it is out of sight.
    fn covers(&self) -> bool {
        !matches!(self.what, What::Stays(_))
    }

    fn hides(&self) -> bool {
        matches!(self.what, What::Memory { hides: true })
    }

    fn is_writable(&self) -> bool {
        matches!(self.what, What::Tmp(_) | What::Memory { hides: false })
    }
}

/// The mounts to make, a folder before what lies in it: what covers what is not the step's, and what stays in sight.
fn places(room: &Room, grounds: &[PathBuf]) -> Result<Vec<Place>> {
    let mut wanted = stays(room, grounds)?;
    let mut covers = covers(room)?;
    covers.retain(|cover| !wanted.iter().any(|place| place.path == cover.path));
    wanted.append(&mut covers);
    wanted.sort_by(|one, other| one.path.cmp(&other.path));
    wanted.dedup_by(|one, other| one.path == other.path);
    let mut places: Vec<Place> = Vec::new();
    for place in wanted {
        let mut above = places.iter().rev();
        let above = above.find(|above| place.path.starts_with(&above.path));
        let covered = above.is_some_and(Place::covers);
        let needed = match (place.covers(), room.root.is_some()) {
            (true, false) => !covered,
            // Of another release's files nothing is the lab's; what the machine's are mounted for may hold some.
            (true, true) => !covered && (above.is_some() || !place.hides()),
            // A ground is a mount of its own, so that it can stay writable.
            (false, false) => covered || grounds.contains(&place.path),
            (false, true) => covered || above.is_none() || grounds.contains(&place.path),
        };
        if needed {
            places.push(place);
        }
    }
    Ok(places)
}

fn covers(room: &Room) -> Result<Vec<Place>> {
    let own = [
        ("/tmp", true),
        ("/var/tmp", true),
        ("/run", false),
        ("/dev/shm", false),
    ];
    let mut covers = Vec::new();
    for (path, on_disk) in own {
        let what = match on_disk {
            true => What::Tmp(open(&room.tmp)?),
            false => What::Memory { hides: false },
        };
        covers.push(Place {
            path: path.into(),
            what,
        });
    }
    covers.extend(room.hidden.iter().map(|path| Place {
        path: path.clone(),
        what: What::Memory { hides: true },
    }));
    // A link is not covered: what it leads to is, by its own path.
    covers.retain(|cover| fs::symlink_metadata(&cover.path).is_ok_and(|about| about.is_dir()));
    Ok(covers)
}

/// What the room names, by every path that leads there.
fn stays(room: &Room, grounds: &[PathBuf]) -> Result<Vec<Place>> {
    let beside = match room.root {
        Some(_) => OF_THE_MACHINE.iter().map(PathBuf::from).collect(),
        None => {
            let lab = std::env::current_exe().context("find this program")?;
            [vec![lab], program_folders()].concat()
        }
    };
    let named = grounds.iter().chain(&room.read).chain(&room.needs);
    let mut stays: Vec<Place> = Vec::new();
    for path in named.chain(&beside) {
        let Ok(real) = fs::canonicalize(path) else {
            continue;
        };
        for path in [path, &real] {
            if !stays.iter().any(|place| place.path == *path) {
                stays.push(Place {
                    path: path.clone(),
                    what: What::Stays(open(path)?),
                });
            }
        }
    }
    Ok(stays)
}

/// The mounts that stay writable: the folders to write in, or the one folder that holds them all.
fn grounds(write: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let parents: Vec<_> = write.iter().filter_map(|path| path.parent()).collect();
    let grounds = match parents[..] {
        [first, _, ..] if parents.iter().all(|parent| *parent == first) => {
            vec![first.to_path_buf()]
        }
        _ => write.to_vec(),
    };
    let real = |ground: PathBuf| {
        fs::canonicalize(&ground).with_context(|| format!("find {}", ground.display()))
    };
    grounds.into_iter().map(real).collect()
}

/// Opens a path for its place alone.
fn open(path: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(nix::fcntl::OFlag::O_PATH.bits())
        .open(path)
        .with_context(|| format!("open {}", path.display()))
}

/// Makes what a mount needs to be put on: a folder, or a file.
fn make_place(path: &Path, like: &File) -> Result<()> {
    let making = || format!("make a place for {}", path.display());
    let folder = like.metadata().with_context(making)?.is_dir();
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(making)?;
    }
    if path.exists() {
        return Ok(());
    }
    match folder {
        true => fs::create_dir(path),
        false => File::create(path).map(drop),
    }
    .with_context(making)
}

/// Another release may lack a folder that this machine has.
fn make_folder(path: &Path, whole: bool) -> Result<()> {
    match whole {
        true => fs::create_dir_all(path).with_context(|| format!("make {}", path.display())),
        false => Ok(()),
    }
}

fn bind(opened: &File, path: &Path) -> Result<()> {
    let from = format!("/proc/self/fd/{}", opened.as_raw_fd());
    put(Some(&from), path, None, MsFlags::MS_BIND | MsFlags::MS_REC)
        .with_context(|| format!("mount {} in the room", path.display()))
}

fn put(from: Option<&str>, at: &Path, kind: Option<&str>, flags: MsFlags) -> nix::Result<()> {
    mount(from, at, kind, flags, None::<&str>)
}

/// Makes every mount read-only but those at `open`. One that another covers can't be reached, and need not be.
fn seal(open: &[PathBuf]) -> Result<()> {
    let mounts = procfs::process::Process::myself()
        .and_then(|process| process.mountinfo())
        .context("list the mounts")?;
    for place in mounts {
        if open.contains(&place.mount_point) {
            continue;
        }
        let mut flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
        // In a user namespace what was there before may not be taken away.
        for (word, flag) in [
            ("nosuid", MsFlags::MS_NOSUID),
            ("nodev", MsFlags::MS_NODEV),
            ("noexec", MsFlags::MS_NOEXEC),
            ("noatime", MsFlags::MS_NOATIME),
            ("nodiratime", MsFlags::MS_NODIRATIME),
            ("relatime", MsFlags::MS_RELATIME),
        ] {
            if place.mount_options.contains_key(word) {
                flags |= flag;
            }
        }
        put(None, &place.mount_point, None, flags).ok();
    }
    Ok(())
}
