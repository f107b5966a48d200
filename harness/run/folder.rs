//! The results folder while a run writes to it: held by one run alone, and refused to rows that can't be compared with
//! those it holds.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};

use super::ready::{Ready, Saved};
use super::scratch::clear;
use super::{Order, host, trees};
use crate::clock;
use crate::plan::Shard;
use crate::record::{
    self, Act, Check, FindingFile, Host, Plan, PlannedImage, PlannedMethod, Row, RowFile, SCHEMA,
    ScenarioPlan,
};

/// The results folder, held by this run alone.
pub struct Folder {
    pub dir: PathBuf,
    /// Locked for as long as the run lives.
    _lock: File,
}

/// Asks the file system to begin each folder in `work` in a part of the disk of its own, as ext4 does on request.
///
/// A trial makes its files just after those of the trial before were removed. Without a journal, ext4 looks at every
/// place that was freed within the last minutes before it takes another: a publish of 3,600 files took twice as long.
/// Other file systems have no such request, and need none.
fn spread_out(work: &Path) {
    let spread = || -> io::Result<()> {
        let work = File::open(work)?;
        Ok(ioctl_setflags(
            &work,
            ioctl_getflags(&work)? | IFlags::TOPDIR,
        )?)
    };
    spread().ok();
}

/// A run that was refused leaves no empty work folder: it would say that the run has not ended.
impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir(self.work()).ok();
    }
}

impl Folder {
    pub fn open(dir: &Path) -> Result<Folder> {
        let work = dir.join("work");
        fs::create_dir_all(&work)
            .with_context(|| format!("make the results folder {}", dir.display()))?;
        spread_out(&work);
        let dir = fs::canonicalize(dir).with_context(|| format!("find {}", dir.display()))?;
        ensure!(
            dir.to_str().is_some(),
            "{}: the path is not UTF-8, so no command line can hold it; choose another folder with --into",
            dir.display()
        );
        let lock = lock_file(&dir.join(".run.lock"))?;
        if lock.try_lock().is_err() {
            bail!(
                "{}: another run is writing here; wait for it, or choose another folder with --into",
                dir.display()
            );
        }
        let folder = Folder { dir, _lock: lock };
        // A step of a run that was killed dies within moments of it; nothing may touch a store until it has.
        clock::sweep();
        let guard = lock_file(&folder.guard())?;
        if guard.try_lock().is_err() {
            // Where nobody can be told, the run waits all the same.
            writeln!(
                io::stderr(),
                "waiting for a step of a run that was killed to end"
            )
            .ok();
            guard
                .lock()
                .with_context(|| format!("lock {}", folder.guard().display()))?;
        }
        folder.clear_scratch()?;
        Ok(folder)
    }

    /// Removes what a kill left: the folders of steps and of trees, and files that were being written.
    fn clear_scratch(&self) -> Result<()> {
        for (dir, prefixes) in [
            (self.work(), &["client-", "server-", trees::PREFIX][..]),
            (self.dir.clone(), &[record::HALF_WRITTEN]),
        ] {
            for entry in fs::read_dir(&dir).with_context(|| format!("list {}", dir.display()))? {
                let path = entry
                    .with_context(|| format!("list {}", dir.display()))?
                    .path();
                let name = path.file_name().unwrap_or_default().as_encoded_bytes();
                if prefixes
                    .iter()
                    .any(|prefix| name.starts_with(prefix.as_bytes()))
                {
                    if path.is_dir() {
                        clear(&path)?;
                    } else {
                        fs::remove_file(&path)
                            .with_context(|| format!("remove {}", path.display()))?;
                    }
                }
            }
        }
        Ok(())
    }

    pub fn work(&self) -> PathBuf {
        self.dir.join("work")
    }

    pub fn guard(&self) -> PathBuf {
        self.dir.join(".step.lock")
    }

    /// Opens rows.csv, refuses rows that the new ones can't be compared with, and writes down the plan and the machine.
    ///
    /// Returns the rows that stand, and the file to add to. Rows of tools that have arrived since are dropped, with `retry`
    /// those that failed, and those without times where times are wanted now.
    pub fn take_up(&self, ready: &[Ready], order: &Order) -> Result<(RowFile, Vec<Row>)> {
        let (file, rows) = RowFile::open(&self.dir)?;
        let by_name: BTreeMap<&str, &Ready> = ready
            .iter()
            .map(|ready| (ready.scenario.name.as_str(), ready))
            .collect();
        for row in &rows {
            if let Some(ready) = by_name.get(row.scenario.as_str()) {
                refuse_strange(row, ready).with_context(|| {
                    format!("{}: choose another folder with --into", self.dir.display())
                })?;
            }
        }
        let host = Host {
            room: clock::held().to_string(),
            ..host::look()
        };
        if let Some(shard) = order.shard.filter(|_| !rows.is_empty()) {
            self.refuse_other_machine(&host)?;
            self.refuse_other_methods(shard, ready)?;
        }
        record::write_host(&self.dir, &host)?;
        self.write_plan(ready)?;
        let again = |row: &Row| {
            let ready = by_name.get(row.scenario.as_str());
            ready.is_some_and(|ready| is_done_again(row, ready, order))
        };
        if !rows.iter().any(again) {
            return Ok((file, rows));
        }
        let keep: Vec<Row> = rows.into_iter().filter(|row| !again(row)).collect();
        drop(file);
        record::rewrite_rows(&self.dir, &keep)?;
        RowFile::open(&self.dir)
    }

    /// A shard that a scheduler moves to another machine begins anew there: one folder has the times of one machine.
    fn refuse_other_machine(&self, host: &Host) -> Result<()> {
        let before = record::read_host(&self.dir)?.unwrap_or_default();
        ensure!(
            before.machine == host.machine || before.machine.is_empty(),
            "{}: was begun on {}, and this is {}, whose times are not comparable; remove it, or choose another folder with --into",
            self.dir.display(),
            before.machine,
            host.machine
        );
        Ok(())
    }

    /// Shard 3 of 16 of some methods is another part than that of all.
    fn refuse_other_methods(&self, shard: Shard, ready: &[Ready]) -> Result<()> {
        let mut before = self.plan()?;
        for ready in ready {
            let now = ready.plan();
            let Some(before) = before.scenario_mut(&now.name) else {
                continue;
            };
            let names = |methods: &[PlannedMethod]| -> Vec<String> {
                methods.iter().map(|it| it.name.clone()).collect()
            };
            ensure!(
                names(&before.methods) == names(&now.methods),
                "{}: was begun with other methods of {}, and shard {shard} of these is another part; run the same command again, or choose another folder with --into",
                self.dir.display(),
                now.name
            );
        }
        Ok(())
    }

    /// Writes plan.toml, keeping what an earlier run said of other scenarios and methods.
    fn write_plan(&self, ready: &[Ready]) -> Result<()> {
        let mut plan = self.plan()?;
        for ready in ready {
            let mut planned = ready.plan();
            match plan.scenario_mut(&planned.name) {
                Some(earlier) => {
                    planned.keep(earlier);
                    *earlier = planned;
                }
                None => plan.scenarios.push(planned),
            }
        }
        record::write_plan(&self.dir, &plan)
    }

    fn plan(&self) -> Result<Plan> {
        Ok(record::read_plan(&self.dir)?.unwrap_or(Plan {
            schema: SCHEMA,
            scenarios: Vec::new(),
        }))
    }

    /// Adds to what plan.toml says of an image, in a form where it has several.
    pub fn learn(
        &self,
        scenario: &str,
        (image, form): (&str, Option<&str>),
        about: BTreeMap<String, String>,
    ) -> Result<()> {
        let mut plan = self.plan()?;
        let images = plan
            .scenario_mut(scenario)
            .map(|it: &mut ScenarioPlan| &mut it.images);
        let is_meant = |it: &&mut PlannedImage| it.name == image && it.form.as_deref() == form;
        let image = images.and_then(|images| images.iter_mut().find(is_meant));
        image
            .context("an image that is run is planned")?
            .about
            .extend(about);
        record::write_plan(&self.dir, &plan)
    }

    /// Puts the rows of these acts in their order, after all others.
    pub fn put_in_order<'a>(&self, acts: impl Iterator<Item = &'a Act>) -> Result<()> {
        let places: BTreeMap<&Act, usize> = acts.enumerate().map(|(at, act)| (act, at)).collect();
        let mut rows = record::read_rows(&self.dir.join("rows.csv"))?;
        rows.sort_by_key(|row| places.get(&row.act()).copied());
        record::rewrite_rows(&self.dir, &rows)
    }

    /// findings.csv, to be added to. What was found by acts that have no row is dropped: they are done again.
    pub fn findings(&self, done: &BTreeMap<Act, Check>) -> Result<FindingFile> {
        FindingFile::open(&self.dir, &|act| done.contains_key(act))
    }
}

/// Refuses a row that was made of another image, by another version, or that the scenario does not ask for now.
fn refuse_strange(row: &Row, ready: &Ready) -> Result<()> {
    let shelf = ready.shelf(&row.case).ok();
    let mut images = shelf.iter().flat_map(|shelf| &shelf.images);
    let is_meant = |saved: &&Saved| saved.image.name == row.image;
    // One that is lacking now, or was then, is no other image.
    let is_known = |saved: &&Saved| !saved.image.sha256.is_empty() && !row.image_sha256.is_empty();
    if let Some(Saved { image, .. }) = images.find(is_meant).filter(is_known) {
        ensure!(
            image.sha256 == row.image_sha256,
            "it holds rows of another image `{}` (sha256 {}…, now {}…)",
            image.name,
            row.image_sha256.get(..12).unwrap_or(&row.image_sha256),
            &image.sha256[..12]
        );
    }
    let Some(version) = ready.version(row) else {
        return Ok(());
    };
    let act = row.act();
    ensure!(
        ready.asks_for(&act),
        "it holds `{act}`, which the scenario does not ask for now"
    );
    if let (true, Ok(version)) = (row.verified(), version) {
        ensure!(
            *version == row.version,
            "it holds rows of {} made with `{}`, now it is `{version}`",
            row.method,
            row.version
        );
    }
    Ok(())
}

/// Whether the act of a row that is there is to be done once more.
fn is_done_again(row: &Row, ready: &Ready, order: &Order) -> bool {
    let version = ready.version(row);
    match row.check {
        // A row with a version was skipped for its image, which is as it was, or was lacking.
        Check::Skipped if row.image_sha256.is_empty() => {
            let shelf = ready.shelf(&row.case);
            version.is_some() && shelf.is_ok_and(|shelf| shelf.lacks.is_none())
        }
        Check::Skipped => row.version.is_empty() && version.is_some_and(Result::is_ok),
        Check::Failed => order.retry && version.is_some(),
        // Done where sizes alone were wanted: its bytes stand, its times are yet to be taken.
        Check::Exact | Check::Image | Check::Tree => {
            order.jobs.is_none() && row.wall_ns.is_none() && version.is_some_and(Result::is_ok)
        }
    }
}

fn lock_file(path: &Path) -> Result<File> {
    File::options()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("open {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_file_system_can_spread_folders_those_of_trials_are_spread() {
        let dir = tempfile::tempdir().unwrap();
        let flags = |path: &Path| ioctl_getflags(File::open(path).unwrap());
        let asked = dir.path().join("asked");
        fs::create_dir(&asked).unwrap();
        let asked = File::open(&asked).unwrap();
        // No ext4: nothing is asked for, and that is no error.
        let able = ioctl_getflags(&asked)
            .and_then(|now| ioctl_setflags(&asked, now | IFlags::TOPDIR))
            .is_ok();
        let folder = Folder::open(&dir.path().join("results")).unwrap();
        let spread = flags(&folder.work()).is_ok_and(|flags| flags.contains(IFlags::TOPDIR));
        assert_eq!(spread, able);
    }
}
