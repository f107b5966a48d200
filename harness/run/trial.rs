//! One trial: the steps of one method in one sample, done in fresh folders, metered, verified, and written down.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::ledger;
use crate::clock::{self, Account, Limits, Work};
use crate::image::{Image, hash_file};
use crate::method::{Call, Contender};
use crate::plan::{Planned, Trial};
use crate::record::{Check, Key, Row, RowFile, SCHEMA, Step, replace};
use crate::store::{Holdings, Store};
use crate::wire::{Traffic, Wire};

/// What a trial needs beside its plan.
pub struct Setting<'a> {
    pub images: &'a [Image],
    pub contender: &'a Contender,
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

/// What one step brought: figures to be filled into its row.
#[derive(Default)]
struct Figures {
    account: Account,
    traffic: Option<Traffic>,
    added: Option<(Holdings, Holdings)>,
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
                if failed {
                    setting.refuse_full_disk()?;
                }
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

    /// Publishes, and proves it: a client with nothing rebuilds the image from this store, outside the account.
    fn publish(
        &self,
        image: &Image,
        bases: &[Image],
        store: &Store,
    ) -> Result<std::result::Result<Figures, String>> {
        let before = store.holdings()?;
        let call = Call::Publish {
            image: image.clone(),
            bases: bases.to_vec(),
            store: store.path().to_path_buf(),
        };
        let account = match self.process(&call)? {
            Ok(account) => account,
            Err(why) => return Ok(Err(why)),
        };
        let after = store.holdings()?;
        if let Err(why) = self.update(image, &[], store)? {
            return Ok(Err(format!(
                "published, but a client with nothing can't rebuild it: {why}"
            )));
        }
        Ok(Ok(Figures {
            account,
            added: Some((before, after)),
            ..Figures::default()
        }))
    }

    /// Updates over a wire of its own and verifies what was rebuilt.
    fn update(
        &self,
        image: &Image,
        bases: &[Image],
        store: &Store,
    ) -> Result<std::result::Result<Figures, String>> {
        let before: Vec<_> = bases.iter().map(seen).collect::<Result<_>>()?;
        let wire = Wire::open(store)?;
        let out = self.scratch().join("out");
        let call = Call::Update {
            name: image.name.clone(),
            bases: bases.to_vec(),
            url: wire.url().0,
            out: out.clone(),
        };
        let ended = self.process(&call)?;
        let traffic = wire.close()?;
        let account = match ended {
            Ok(account) => account,
            Err(why) => return Ok(Err(why)),
        };
        if !traffic.note.is_empty() {
            return Ok(Err(format!(
                "the wire can't vouch for its figures: {}",
                traffic.note
            )));
        }
        for (base, before) in bases.iter().zip(before) {
            if seen(base)? != before {
                bail!(
                    "{} changed its base {}: remove that file, it is not the image any more",
                    self.contender.name(),
                    base.path.display()
                );
            }
        }
        Ok(verify(image, &out)?.map(|()| Figures {
            account,
            traffic: Some(traffic),
            ..Figures::default()
        }))
    }

    /// Runs the call's commands in fresh folders; a failure is in words.
    fn process(&self, call: &Call) -> Result<std::result::Result<Account, String>> {
        let scratch = self.scratch();
        clear(&scratch)?;
        let (tmp, home) = (scratch.join("tmp"), scratch.join("home"));
        for folder in [&tmp, &home] {
            fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
        }
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let work = Work {
            commands: match self.contender.commands(call, &tmp) {
                Ok(commands) => commands,
                Err(why) => return Ok(Err(format!("{why:#}"))),
            },
            dir: tmp.clone(),
            // A client that remembers the last step in a cache of its own would be cheating.
            env: vec![
                ("HOME".to_string(), text(&home)),
                ("XDG_CACHE_HOME".to_string(), text(&home.join(".cache"))),
                ("XDG_CONFIG_HOME".to_string(), text(&home.join(".config"))),
                ("TMPDIR".to_string(), text(&tmp)),
                ("LC_ALL".to_string(), "C.UTF-8".to_string()),
                // A proxy between client and store would take the bytes off the wire.
                ("no_proxy".to_string(), "*".to_string()),
                ("NO_PROXY".to_string(), "*".to_string()),
            ],
            log: scratch.join("log"),
            limits: self.limits,
            guard: Some(self.guard.clone()),
        };
        let ran = clock::run(&work)?;
        Ok(match work.failure(&ran.end) {
            Some(why) => Err(why),
            None => Ok(ran.account),
        })
    }

    fn scratch(&self) -> PathBuf {
        self.folder.join("step")
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
            payload_bytes: None,
            header_bytes: None,
            upload_bytes: None,
            requests: None,
            store_bytes: None,
            store_files: None,
            wall_ns: None,
            cpu_ns: None,
            peak_rss_bytes: None,
            check,
            error,
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
            ..self.row(planned, Check::Exact, String::new())
        }
    }

    /// A step that fails on a full disk says nothing about the method, and so would all that follow.
    fn refuse_full_disk(&self) -> Result<()> {
        let Ok(disk) = nix::sys::statvfs::statvfs(&self.folder) else {
            return Ok(());
        };
        let free = disk.blocks_available() * disk.fragment_size();
        ensure!(
            free >= FULL_DISK_BYTES,
            std::io::Error::new(
                std::io::ErrorKind::StorageFull,
                format!("{free} bytes are left at {}", self.folder.display())
            )
        );
        Ok(())
    }
}

/// Less than this left, and a failed step is the disk's fault: a tool that fails on a full disk leaves less than one
/// of its buffers.
const FULL_DISK_BYTES: u64 = 1 << 20;

/// Whether the file at `out` is the image; a reason in words if not.
fn verify(image: &Image, out: &Path) -> Result<std::result::Result<(), String>> {
    match fs::symlink_metadata(out) {
        Err(_) => {
            return Ok(Err(
                "ended well but left no file at the output path".to_string()
            ));
        }
        Ok(about) if !about.is_file() => {
            return Ok(Err(
                "left something at the output path that is not a file".to_string()
            ));
        }
        Ok(_) => {}
    }
    let (bytes, sha256) = hash_file(out)?;
    Ok(if sha256 == image.sha256 {
        Ok(())
    } else {
        Err(format!(
            "wrong output: {bytes} bytes with sha256 {}…, the image has {} with {}…",
            &sha256[..12],
            image.bytes,
            &image.sha256[..12]
        ))
    })
}

/// Enough of a file's state to see that it was touched.
fn seen(base: &Image) -> Result<(u64, std::time::SystemTime)> {
    let about = fs::metadata(&base.path)
        .with_context(|| format!("look at the base {}", base.path.display()))?;
    ensure!(
        about.len() == base.bytes,
        "the base {} is {} bytes long, it was {}",
        base.path.display(),
        about.len(),
        base.bytes
    );
    Ok((about.len(), about.modified().context("a file has a time")?))
}

/// Removes a folder and all in it; nothing to do when it is not there.
pub fn clear(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// One CSV for one update: what crossed the wire, object by object.
fn write_objects(folder: &Path, key: &Key, traffic: &Traffic) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    let from = if key.base.is_empty() {
        "nothing"
    } else {
        &key.base
    };
    let name = format!(
        "{}.{}.{}-from-{from}.{}.csv",
        key.scenario,
        key.method.replace('/', "-"),
        key.image,
        key.sample
    );
    let mut text = csv::Writer::from_writer(Vec::new());
    text.write_record(["object", "requests", "payload_bytes"])
        .context("write objects as CSV")?;
    for object in &traffic.objects {
        text.write_record([
            object.object.as_str(),
            &object.requests.to_string(),
            &object.payload_bytes.to_string(),
        ])
        .context("write objects as CSV")?;
    }
    replace(
        &folder.join(name),
        &text.into_inner().context("write objects as CSV")?,
    )
}
