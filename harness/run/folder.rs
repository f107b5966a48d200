//! The results folder while a run writes to it: held by one run alone, and refused to rows that can't stand together.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::{Ready, host, trees, trial};
use crate::record::{self, Check, Fact, Host, Results, Row, RowFile};

/// The results folder, held by this run alone.
pub struct Folder {
    pub dir: PathBuf,
    /// Locked for as long as the run lives.
    _lock: File,
}

impl Folder {
    pub fn open(dir: &Path) -> Result<Folder> {
        let work = dir.join("work");
        fs::create_dir_all(&work)
            .with_context(|| format!("make the results folder {}", dir.display()))?;
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
        let guard = lock_file(&folder.guard())?;
        if guard.try_lock().is_err() {
            eprintln!("waiting for a step of a run that was killed to end");
            guard
                .lock()
                .with_context(|| format!("lock {}", folder.guard().display()))?;
        }
        folder.clear_scratch()?;
        Ok(folder)
    }

    /// Removes the folders of steps and of trees that a kill left.
    fn clear_scratch(&self) -> Result<()> {
        let work = self.work();
        for entry in fs::read_dir(&work).with_context(|| format!("list {}", work.display()))? {
            let entry = entry.with_context(|| format!("list {}", work.display()))?;
            let name = entry.file_name();
            let scratch = ["client-", "server-", trees::PREFIX].map(str::as_bytes);
            if scratch
                .iter()
                .any(|prefix| name.as_encoded_bytes().starts_with(prefix))
            {
                trial::clear(&entry.path())?;
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

    /// Refuses to put rows beside others they can't be compared with.
    pub fn check_rows(&self, ready: &[Ready]) -> Result<()> {
        if !self.dir.join("rows.csv").exists() {
            return Ok(());
        }
        let (_, rows) = RowFile::open(&self.dir)?;
        let elsewhere = "choose another folder with --into";
        for row in &rows {
            let Some(ready) = ready
                .iter()
                .find(|ready| ready.scenario.name == row.scenario)
            else {
                continue;
            };
            if let Some(image) = ready.images.iter().find(|image| image.name == row.image) {
                ensure!(
                    image.sha256 == row.image_sha256,
                    "{}: holds rows for another image `{}` (sha256 {}…, now {}…); {elsewhere}",
                    self.dir.display(),
                    image.name,
                    row.image_sha256.get(..12).unwrap_or(&row.image_sha256),
                    &image.sha256[..12]
                );
            }
            if ready.versions.contains_key(&row.method) {
                let planned =
                    ready
                        .steps
                        .contains(&(row.step, row.image.clone(), row.base.clone()));
                ensure!(
                    planned,
                    "{}: holds {} of {} from `{}`, which scenario {} does not ask for now; {elsewhere}",
                    self.dir.display(),
                    row.step.word(),
                    row.image,
                    row.base,
                    row.scenario
                );
            }
            if let (true, Some(Ok(version))) = (row.verified(), ready.versions.get(&row.method)) {
                ensure!(
                    *version == row.version,
                    "{}: holds rows of {} made with `{}`, now it is `{version}`; {elsewhere}",
                    self.dir.display(),
                    row.method,
                    row.version
                );
            }
        }
        Ok(())
    }

    /// Writes host.toml and facts.csv, keeping what an earlier run said of other scenarios and methods.
    pub fn write_about(&self, ready: &[Ready]) -> Result<()> {
        let before = if self.dir.join("rows.csv").exists() {
            Results::load(&self.dir)?
        } else {
            Results::default()
        };
        let mut host = Host {
            methods: before.host.methods,
            skipped: before.host.skipped,
            ..host::look()
        };
        for (name, version) in ready.iter().flat_map(|ready| &ready.versions) {
            host.methods.remove(name);
            host.skipped.remove(name);
            match version {
                Ok(version) => host.methods.insert(name.clone(), version.clone()),
                Err(why) => host.skipped.insert(name.clone(), why.clone()),
            };
        }
        record::write_host(&self.dir, &host)?;
        let ours = |fact: &Fact| {
            ready
                .iter()
                .any(|ready| ready.scenario.name == fact.scenario)
        };
        let (of_trees, before): (Vec<Fact>, Vec<Fact>) = before
            .facts
            .into_iter()
            .partition(|fact| ours(fact) && fact.fact.starts_with(trees::FACTS));
        let mut facts: Vec<Fact> = before.into_iter().filter(|fact| !ours(fact)).collect();
        facts.extend(ready.iter().flat_map(|ready| ready.facts.clone()));
        facts.extend(of_trees);
        record::write_facts(&self.dir, &facts)
    }

    /// Adds to facts.csv, in place of what was there of the same images under the same names.
    pub fn add_facts(&self, facts: &[Fact]) -> Result<()> {
        let same = |one: &Fact, other: &Fact| {
            (&one.scenario, &one.image, &one.fact) == (&other.scenario, &other.image, &other.fact)
        };
        let mut all = Results::load(&self.dir)?.facts;
        all.retain(|old| !facts.iter().any(|new| same(old, new)));
        all.extend_from_slice(facts);
        record::write_facts(&self.dir, &all)
    }

    /// The rows that stand, and the file to add to. Rows of tools that have arrived since are dropped, and with
    /// `retry` those that failed.
    pub fn rows(&self, ready: &[Ready], retry: bool) -> Result<(RowFile, Vec<Row>)> {
        let (file, rows) = RowFile::open(&self.dir)?;
        let again = |row: &Row| {
            let Some(ready) = ready
                .iter()
                .find(|ready| ready.scenario.name == row.scenario)
            else {
                return false;
            };
            match row.check {
                // A row with a version was skipped for its image, which is as it was.
                Check::Skipped => {
                    row.version.is_empty()
                        && ready
                            .versions
                            .get(&row.method)
                            .is_some_and(|version| version.is_ok())
                }
                Check::Failed => retry && ready.scenario.methods.contains(&row.method),
                Check::Exact | Check::Tree => false,
            }
        };
        if !rows.iter().any(again) {
            return Ok((file, rows));
        }
        let keep: Vec<Row> = rows.into_iter().filter(|row| !again(row)).collect();
        drop(file);
        record::rewrite_rows(&self.dir, &keep)?;
        RowFile::open(&self.dir)
    }
}

fn lock_file(path: &Path) -> Result<File> {
    File::options()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("open {}", path.display()))
}
