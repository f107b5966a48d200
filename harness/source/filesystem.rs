//! File systems that devices ship: how each is made of a tree, with the same bytes every time, and unpacked again.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::lacks::Lacks;
use super::mkfs::{Job, UUID, command, found};
use super::{ext4, program};
use crate::words;

/// A file system by name.
pub struct Filesystem {
    pub name: &'static str,
    /// Debian's package of its programs.
    package: &'static str,
    /// Its mkfs, and the argument with which that says its version.
    version: [&'static str; 2],
    /// Makes an image of a tree. What would differ from one time to the next is fixed: times of the image itself, UUIDs,
    /// seeds of hashes. The options come last, so they may overrule.
    pub make: fn(&Job) -> Result<()>,
    /// The program that unpacks it.
    unpacker: &'static str,
    /// Its arguments, the paths of the image and of a new folder put in.
    unpack: fn(&str, &str) -> Vec<String>,
    /// What that program keeps.
    keeps: Keeps,
    /// Options with which the kernel mounts it.
    mount: &'static str,
    /// An empty folder that it has whatever the tree has.
    adds: Option<&'static str>,
}

/// What is the same in a tree that was unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    All,
    /// All but setuid, setgid and sticky bits, and extended attributes.
    Permissions,
}

/// Every file system.
pub const FILESYSTEMS: &[Filesystem] = &[
    Filesystem {
        name: "squashfs",
        package: "squashfs-tools",
        version: ["mksquashfs", "-version"],
        make: |job| {
            let [tree, out] = job.paths()?;
            // With that variable set it refuses options that are about times.
            let mut argv = vec!["env", "-u", "SOURCE_DATE_EPOCH", "mksquashfs", tree, out];
            argv.extend(["-noappend", "-no-progress", "-quiet", "-mkfs-time", "0"]);
            argv.extend(job.options());
            job.run(&argv, &[])
        },
        unpacker: "unsquashfs",
        unpack: |image, to| {
            ["-no-progress", "-dest", to, image]
                .map(str::to_string)
                .into()
        },
        keeps: Keeps::All,
        mount: "ro,loop",
        adds: None,
    },
    Filesystem {
        name: "erofs",
        package: "erofs-utils",
        version: ["mkfs.erofs", "-V"],
        make: |job| {
            let [tree, out] = job.paths()?;
            let mut argv = vec!["mkfs.erofs", "--quiet", "-U", UUID];
            argv.extend(job.options());
            argv.extend([out, tree]);
            // The image's own time; later times of files would be cut to it.
            job.run(&argv, &[("SOURCE_DATE_EPOCH", &job.newest()?.to_string())])
        },
        unpacker: "fsck.erofs",
        unpack: |image, to| vec![format!("--extract={to}"), image.to_string()],
        keeps: Keeps::Permissions,
        mount: "ro,loop",
        adds: None,
    },
    Filesystem {
        name: "ext4",
        package: "e2fsprogs",
        version: ["mke2fs", "-V"],
        make: ext4::make,
        unpacker: "debugfs",
        unpack: |image, to| {
            ["-R", &format!("rdump / \"{to}\""), image]
                .map(str::to_string)
                .into()
        },
        keeps: Keeps::Permissions,
        mount: "ro,loop,noload",
        adds: Some("lost+found"),
    },
];

/// Mounts in a namespace of mounts that ends with the process, whatever ends that, and copies the tree out of there.
const MOUNT: &str = r#"mount -t "$1" -o "$2,nodev,nosuid,noexec" "$3" "$4" && cp -a "$4/." "$5""#;

impl Filesystem {
    pub fn named(name: &str) -> Result<&'static Filesystem> {
        let names = || FILESYSTEMS.iter().map(|it| it.name);
        match FILESYSTEMS.iter().find(|it| it.name == name) {
            Some(filesystem) => Ok(filesystem),
            None => bail!("no file system `{name}`{}", words::meant(name, names())),
        }
    }

    /// The first line that its mkfs says of itself.
    pub fn version(&self) -> Result<String> {
        let [mkfs, argument] = self.version;
        for program in [mkfs, self.unpacker] {
            if found(program).is_none() {
                let how = format!("on Debian: apt-get install {}", self.package);
                return Err(Lacks(format!("{program} is not installed; {how}")).into());
            }
        }
        let said = program::output(&command(&[mkfs, argument]))?;
        // mke2fs says it where others complain.
        let said = [said.stdout, said.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        let line = said.lines().map(str::trim).find(|line| !line.is_empty());
        line.map(str::to_string)
            .with_context(|| format!("{mkfs} says no version"))
    }

    /// Unpacks the image of `tree` at `image` to the new folder `to`; returns by what, and what that keeps.
    ///
    /// Where its own program loses something the kernel is asked, which loses nothing, but may not have this file system
    /// or may not be let.
    pub fn unpack(
        &self,
        image: &Path,
        tree: &Path,
        to: &Path,
        say: &dyn Fn(&str),
    ) -> Result<(String, Keeps)> {
        let unpacked = match self.keeps {
            Keeps::Permissions if self.mounted(image, to)? => {
                ("the kernel".to_string(), Keeps::All)
            }
            _ => (self.dumped(image, to, say)?, self.keeps),
        };
        if let Some(added) = self.adds.filter(|added| !tree.join(added).exists()) {
            let added = to.join(added);
            // One that is not empty is no such folder, and is told as a difference.
            if added.exists() {
                fs::remove_dir(&added).ok();
            }
        }
        Ok(unpacked)
    }

    /// Whether the kernel could unpack it.
    fn mounted(&self, image: &Path, to: &Path) -> Result<bool> {
        let at = to.with_extension("mounted");
        fs::create_dir(&at).with_context(|| format!("make {}", at.display()))?;
        let paths = [words::utf8(image)?, words::utf8(&at)?, words::utf8(to)?];
        let mut argv = vec!["unshare", "--mount", "--propagation", "private"];
        argv.extend(["sh", "-c", MOUNT, "sh", self.name, self.mount]);
        argv.extend(paths);
        let copied = program::run_quietly(&command(&argv), &mut |_| ());
        fs::remove_dir(&at).with_context(|| format!("remove {}", at.display()))?;
        if copied.is_err() && to.exists() {
            fs::remove_dir_all(to).with_context(|| format!("remove {}", to.display()))?;
        }
        Ok(copied.is_ok())
    }

    /// Unpacks it by its own program; returns that in words.
    fn dumped(&self, image: &Path, to: &Path, say: &dyn Fn(&str)) -> Result<String> {
        if self.adds.is_some() {
            // debugfs writes into a folder that is there.
            fs::create_dir(to).with_context(|| format!("make {}", to.display()))?;
        }
        let mut argv = command(&[self.unpacker]);
        argv.extend((self.unpack)(words::utf8(image)?, words::utf8(to)?));
        program::run_quietly(&argv, &mut |line| say(line))?;
        Ok(match self.keeps {
            Keeps::All => self.unpacker.to_string(),
            Keeps::Permissions => {
                format!("{}, without setuid bits and attributes", self.unpacker)
            }
        })
    }
}
