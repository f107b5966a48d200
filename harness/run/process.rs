//! The process of a step: a call's commands in folders and a room of their own.

use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::{Context, Result, ensure};

use super::scratch::Scratch;
use super::setting::Setting;
use super::step::{HELD, LOG, OUT, Outcome};
use super::{ledger, room};
use crate::clock::{self, Ran, Room, Work};
use crate::image::sha256_hex;
use crate::method::Call;

/// Less than this left, and a failed step is the disk's fault: a tool that fails on a full disk leaves less than one
/// of its buffers.
const FULL_DISK_BYTES: u64 = 1 << 20;

/// What the C library, and what Rust's, calls it.
const NO_SPACE: [&str; 2] = ["No space left on device", "os error 28"];

impl Setting<'_> {
    /// Runs the call's commands in fresh folders and a room of their own; a failure is in words.
    pub fn process(&self, call: &Call, scratch: &Path, ports: &[u16]) -> Result<Outcome<Ran>> {
        Ok(match self.try_process(call, scratch, ports, None)? {
            Ok((ran, None)) => Ok(ran),
            Ok((_, Some(why))) | Err(why) => Err(why),
        })
    }

    /// The same, with the account of commands that failed too; `stop` kills them. What is in the folders from an earlier
    /// attempt stays there.
    pub fn try_process(
        &self,
        call: &Call,
        scratch: &Path,
        ports: &[u16],
        stop: Option<&Path>,
    ) -> Result<Outcome<(Ran, Option<String>)>> {
        let (tmp, home) = (scratch.join("tmp"), scratch.join("home"));
        for folder in [&tmp, &home, &scratch.join(room::TMP)] {
            fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
        }
        let work = Work {
            commands: match self.doer.commands(call, &tmp) {
                Ok(commands) => commands,
                Err(why) => return Ok(Err(format!("{why:#}"))),
            },
            dir: tmp.clone(),
            env: clock::environment_in(self.release, &home, &tmp),
            log: Some(scratch.join(LOG)),
            limits: self.limits,
            guard: Some(self.guard.clone()),
            room: Some(Room {
                root: self.release.map(|release| release.tree.clone()),
                ..room::of(
                    call,
                    scratch,
                    ports,
                    &self.hidden()?,
                    self.doer.about().room.as_ref(),
                )
            }),
            stop: stop.map(Path::to_path_buf),
            cores: self.cores,
            lab: std::process::id(),
        };
        let ran = clock::run(&work)?;
        let failure = work.failure(&ran.end);
        if let Some(why) = &failure {
            self.refuse_full_disk(why)?;
        }
        let failure = failure.map(|why| self.without_paths(&why, scratch));
        Ok(Ok((ran, failure)))
    }

    /// Words of a step with the paths that were made for it as its method's file names them: what failed on one machine is
    /// then told by the same words on another.
    fn without_paths(&self, words: &str, scratch: &Path) -> String {
        let lab = std::env::current_exe().ok();
        let images = self.images.iter();
        let images = images.map(|image| (image.path.clone(), image.name.as_str()));
        let places = [
            (scratch.join("tmp"), "{tmp}"),
            (scratch.join(OUT), "{out}"),
            (scratch.join(HELD), "{held}"),
            (scratch.to_path_buf(), "{scratch}"),
            (ledger::place(&self.folder), "{store}"),
        ];
        let places = places.into_iter().chain(lab.map(|lab| (lab, "delta-lab")));
        let mut words = words.to_string();
        for (path, name) in places.chain(images) {
            if let Some(path) = path.to_str().filter(|path| !path.is_empty()) {
                words = words.replace(path, name);
            }
        }
        words
    }

    /// The lab's folders that no step is to see: the work folder, with every store, and where the images lie.
    fn hidden(&self) -> Result<Vec<PathBuf>> {
        let images = self.images.iter().filter_map(|image| {
            let real = fs::canonicalize(&image.path).ok()?;
            real.parent().map(Path::to_path_buf)
        });
        let mut hidden: Vec<PathBuf> = images.chain([self.work()?.to_path_buf()]).collect();
        hidden.sort();
        hidden.dedup();
        Ok(hidden)
    }

    /// The folder that holds the trials.
    pub fn work(&self) -> Result<&Path> {
        self.folder
            .parent()
            .context("a trial's folder stands in the work folder")
    }

    /// What the lab keeps of a trial: what stood in its store, what its clients hold. Beside the trial's own folder, which its
    /// publishes have before them.
    pub fn aside(&self) -> Result<PathBuf> {
        let trial = sha256_hex(self.folder.as_os_str().as_encoded_bytes());
        Ok(self.work()?.join(format!("aside-{}", &trial[..16])))
    }

    /// A fresh folder of its own for an update, beside the trials and not within one.
    pub fn scratch(&self, prefix: &str) -> Result<Scratch> {
        Scratch::new(self.work()?, prefix)
    }

    /// A step that fails on a full disk says nothing about the method, and so would all that follow. Where it says itself that
    /// there was no space, it may have been so: other trials, or what it removed at its end, may have made some since.
    fn refuse_full_disk(&self, why: &str) -> Result<()> {
        let told = NO_SPACE.iter().any(|words| why.contains(words));
        let images: u64 = self.images.iter().map(|image| image.bytes).sum();
        let enough = FULL_DISK_BYTES + if told { images } else { 0 };
        let Ok(disk) = nix::sys::statvfs::statvfs(&self.folder) else {
            return Ok(());
        };
        let free = disk.blocks_available() * disk.fragment_size();
        ensure!(
            free >= enough,
            io::Error::new(
                io::ErrorKind::StorageFull,
                format!("{free} bytes are left at {}", self.folder.display())
            )
        );
        Ok(())
    }
}
