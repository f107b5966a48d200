//! The root of a step that runs among another release's programs: its files at `/`, and of the machine's only what is
//! mounted there.
//!
//! The release's folder is the lower half of an overlay whose upper half is in memory. So a place can be made for every
//! mount, and nothing of it lasts: every step finds the release as it was extracted.

use std::fs::{self, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

/// What a program finds of the machine that it runs on, whatever release it is of: devices, the kernel's account, names
/// of users and hosts. No package has these files.
pub const OF_THE_MACHINE: &[&str] = &[
    "/dev",
    "/sys",
    "/etc/passwd",
    "/etc/group",
    "/etc/hosts",
    "/etc/resolv.conf",
];

/// Where the machine's files are until all mounts are made.
const MACHINE: &str = "/.machine";

/// A root that was entered, with the machine's files still in sight.
pub struct Entered(());

impl Entered {
    /// Makes the files in `tree` the root of the calling process, whose mounts are its own.
    pub fn at(tree: &Path) -> Result<Entered> {
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags((nix::fcntl::OFlag::O_PATH | nix::fcntl::OFlag::O_DIRECTORY).bits())
            .open(tree)
            .with_context(|| format!("open {}", tree.display()))?;
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        // Over the very folder, which is open: no other is known to be there, and in no sight of the step.
        mount(Some("tmpfs"), tree, Some("tmpfs"), flags, None::<&str>)
            .with_context(|| format!("cover {}", tree.display()))?;
        std::env::set_current_dir(tree).with_context(|| format!("enter {}", tree.display()))?;
        for folder in ["upper", "work", "root"] {
            fs::create_dir(folder).context("make the halves of the root")?;
        }
        // Paths of no user's choice: a comma or a colon would be read as the end of one.
        let halves = format!(
            "lowerdir=/proc/self/fd/{},upperdir=upper,workdir=work",
            opened.as_raw_fd()
        );
        mount(
            Some("overlay"),
            "root",
            Some("overlay"),
            flags,
            Some(halves.as_str()),
        )
        .with_context(|| format!("lay {} over memory", tree.display()))?;
        std::env::set_current_dir("root").context("enter the root")?;
        let making = "make places in the root";
        fs::create_dir_all("proc").context(making)?;
        fs::create_dir(&MACHINE[1..]).context(making)?;
        own_proc(Path::new("proc"))?;
        nix::unistd::pivot_root(".", &MACHINE[1..]).context("change the root")?;
        std::env::set_current_dir("/").context("enter the root")?;
        Ok(Entered(()))
    }

    /// Takes the machine's files out of sight, once what is open of them is mounted.
    pub fn leave_the_machine(self) -> Result<()> {
        umount2(MACHINE, MntFlags::MNT_DETACH).context("leave the machine's files")?;
        fs::remove_dir(MACHINE).with_context(|| format!("remove {MACHINE}"))
    }
}

/// Mounts a `/proc` of the step's own processes.
pub fn own_proc(at: &Path) -> Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), at, Some("proc"), flags, None::<&str>).context("mount an own /proc")
}
