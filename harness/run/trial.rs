//! One trial: the steps of one method in one sample, done in fresh folders, metered, verified, and written down.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::{Context, Result, ensure};
use walkdir::WalkDir;

use super::ledger;
use super::step::{Figures, write_objects};
use super::trees::Trees;
use crate::clock::Limits;
use crate::image::Image;
use crate::method::Contender;
use crate::plan::{Planned, Trial};
use crate::record::{Check, Key, Row, RowFile, SCHEMA, Step};
use crate::store::{Holdings, Store};

/// What a trial needs beside its plan.
pub struct Setting<'a> {
    pub images: &'a [Image],
    pub contender: &'a Contender,
    /// The images unpacked, when it is trees that the method moves.
    pub trees: Option<&'a Trees>,
    /// Version of the method here, or why it can't run here.
    pub version: std::result::Result<String, String>,
    pub limits: Limits,
    /// Folder of this trial, kept until all its rows are written.
    pub folder: PathBuf,
    /// See `clock::Work::guard`.
    pub guard: PathBuf,
    /// Folder for one CSV of objects per update, when asked for.
    pub objects: Option<PathBuf>,
}

/// Does the steps of a trial that have no row yet. `starting` hears of each step before it begins, `row_written` of
/// each row when it is on disk.
///
/// An error is the lab's own trouble and ends the run; a step that fails is a row.
pub fn run(
    trial: &Trial,
    setting: &Setting,
    done: &BTreeMap<Key, Check>,
    rows: &mut RowFile,
    starting: &mut dyn FnMut(&Planned),
    row_written: &mut dyn FnMut(&Row),
) -> Result<()> {
    let mut write = |row: Row| -> Result<()> {
        rows.append(&row)?;
        row_written(&row);
        Ok(())
    };
    if trial
        .steps
        .iter()
        .all(|planned| done.contains_key(&planned.key))
    {
        return clear(&setting.folder);
    }
    if let Err((check, why)) = setting.can_run() {
        for planned in trial
            .steps
            .iter()
            .filter(|planned| !done.contains_key(&planned.key))
        {
            write(setting.row(planned, check, why.clone()))?;
        }
        return clear(&setting.folder);
    }
    let store = setting.store_after(trial, done)?;
    let mut broken = None;
    for planned in &trial.steps {
        let name = &setting.images[planned.image].name;
        let failed = match done.get(&planned.key) {
            Some(check) => *check == Check::Failed,
            None if broken.is_some() => {
                let why = format!(
                    "not run: publish of {} failed",
                    broken.as_deref().unwrap_or_default()
                );
                write(setting.row(planned, Check::Failed, why))?;
                continue;
            }
            None => {
                starting(planned);
                let row = setting.step(planned, &store)?;
                let failed = !row.verified();
                write(row)?;
                failed
            }
        };
        if failed && planned.step == Step::Publish && broken.is_none() {
            broken = Some(name.clone());
        }
    }
    clear(&setting.folder)
}

impl Setting<'_> {
    fn can_run(&self) -> std::result::Result<(), (Check, String)> {
        self.version
            .as_ref()
            .map_err(|why| (Check::Skipped, why.clone()))?;
        for image in self.images {
            self.contender
                .accepts(image)
                .map_err(|why| (Check::Skipped, format!("{}: {why:#}", image.name)))?;
            if let Some(trees) = self.trees {
                trees
                    .of(image)
                    .map_err(|why| (Check::Skipped, format!("{why:#}")))?;
            }
        }
        Ok(())
    }

    /// The store as it was after the last publish that has a row; empty when there is none.
    ///
    /// What a cut-short publish left is removed. Where that can't be told from what was there before (a tool that
    /// rewrites its files), the publishes are done again, without new rows.
    fn store_after(&self, trial: &Trial, done: &BTreeMap<Key, Check>) -> Result<Store> {
        let publishes = trial
            .steps
            .iter()
            .filter(|planned| planned.step == Step::Publish);
        let finished: Vec<&Planned> = publishes
            .take_while(|planned| done.contains_key(&planned.key))
            .collect();
        let place = self.folder.join("store");
        if let Some(last) = finished.last() {
            let store = Store::at(&place)?;
            if ledger::restore(&store, &self.ledger(last))? {
                return Ok(store);
            }
        }
        clear(&self.folder)?;
        let store = Store::at(&place)?;
        for planned in finished
            .iter()
            .filter(|planned| done[&planned.key] != Check::Failed)
        {
            let row = self.step(planned, &store)?;
            ensure!(
                row.verified(),
                "{}: done again after an interruption, {} of {} failed: {}",
                trial.method,
                row.step.word(),
                row.image,
                row.error
            );
        }
        Ok(store)
    }

    fn ledger(&self, planned: &Planned) -> PathBuf {
        self.folder.join(format!(
            "store-after-{}.json",
            self.images[planned.image].name
        ))
    }

    /// Does one step and returns its row.
    fn step(&self, planned: &Planned, store: &Store) -> Result<Row> {
        let image = &self.images[planned.image];
        let bases: Vec<Image> = planned
            .bases
            .iter()
            .map(|&base| self.images[base].clone())
            .collect();
        let outcome = match planned.step {
            Step::Publish => self.publish(image, &bases, store)?,
            Step::Update => self.update(image, &bases, store)?,
        };
        let row = match outcome {
            Ok(figures) => {
                if let (Some(folder), Some(traffic)) = (&self.objects, &figures.traffic) {
                    write_objects(folder, &planned.key, traffic)?;
                }
                self.filled(planned, &figures)
            }
            Err(why) => self.row(planned, Check::Failed, why),
        };
        if planned.step == Step::Publish {
            ledger::write(store, &self.ledger(planned))?;
        }
        Ok(row)
    }

    /// A row without figures.
    fn row(&self, planned: &Planned, check: Check, error: String) -> Row {
        let image = &self.images[planned.image];
        let bases: Vec<&str> = planned
            .bases
            .iter()
            .map(|&base| self.images[base].sha256.as_str())
            .collect();
        Row {
            schema: SCHEMA,
            scenario: planned.key.scenario.clone(),
            method: planned.key.method.clone(),
            version: self.version.clone().unwrap_or_default(),
            step: planned.step,
            image: image.name.clone(),
            image_sha256: image.sha256.clone(),
            base: planned.key.base.clone(),
            base_sha256: bases.join("+"),
            sample: planned.key.sample,
            image_bytes: image.bytes,
            check,
            // One line a row, so that a torn last line is all that a crash can leave.
            error: error.replace('\n', " / "),
            ..Row::default()
        }
    }

    /// A row with the figures of a verified step.
    fn filled(&self, planned: &Planned, figures: &Figures) -> Row {
        let traffic = figures.traffic.as_ref();
        let added = |count: fn(&Holdings) -> u64| {
            figures
                .added
                .as_ref()
                .map(|(before, after)| count(after).cast_signed() - count(before).cast_signed())
        };
        let check = match self.trees {
            Some(_) => Check::Tree,
            None => Check::Exact,
        };
        Row {
            payload_bytes: traffic.map(|traffic| traffic.payload_bytes),
            header_bytes: traffic.map(|traffic| traffic.header_bytes),
            upload_bytes: traffic.map(|traffic| traffic.upload_bytes),
            requests: traffic.map(|traffic| traffic.requests),
            store_bytes: added(|holdings| holdings.bytes),
            store_files: added(|holdings| holdings.files),
            wall_ns: Some(figures.account.wall_ns),
            cpu_ns: Some(figures.account.cpu_ns),
            peak_rss_bytes: Some(figures.account.peak_rss_bytes),
            ..self.row(planned, check, String::new())
        }
    }
}

/// Removes a folder and all in it, folders without write permission too; nothing to do when it is not there.
pub fn clear(folder: &Path) -> Result<()> {
    let gone = |removed: io::Result<()>| match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    };
    if gone(fs::remove_dir_all(folder)).is_ok() {
        return Ok(());
    }
    for entry in WalkDir::new(folder)
        .into_iter()
        .flatten()
        .filter(|entry| entry.file_type().is_dir())
    {
        fs::set_permissions(entry.path(), Permissions::from_mode(0o700)).ok();
    }
    gone(fs::remove_dir_all(folder)).with_context(|| format!("remove {}", folder.display()))
}
