//! A run: scenarios become rows in a results folder. Started again after any end, it continues where it stopped.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use anyhow::{Result, ensure};

use crate::image::sha256_hex;
use crate::method::{Doer, Moves};
use crate::plan::{Planned, Shard, Trial, axis};
use crate::record::{Act, Case, Check, Finding, RangeLimit, Row, Verb};
use crate::scenario::Scenario;
use crate::source::cache::Cache;
use desk::Desk;
use folder::Folder;
use kept::KeptStores;
use ready::Ready;
use scratch::{clear, on_full_disk};
use setting::Setting;
use trees::Trees;
use turn::Turn;

mod cheated;
pub mod contract;
mod desk;
mod fault;
mod folder;
mod hold;
pub mod host;
mod kept;
mod ledger;
mod objects;
mod process;
mod proven;
mod ready;
mod reuse;
mod road;
mod room;
pub mod roots;
mod sample_trees;
mod scratch;
mod seen;
mod setting;
mod step;
mod trees;
mod trial;
pub mod turn;
mod verify;

pub use ready::{Saved, Shelf, save_images};

/// What is to be run, and where its rows go.
pub struct Order {
    /// Each with its methods and probes, in its order.
    pub scenarios: Vec<(Scenario, Vec<Box<dyn Doer>>)>,
    pub into: PathBuf,
    /// Do failed steps again: their rows are dropped first.
    pub retry: bool,
    /// Write one CSV per update of what crossed the wire, object by object.
    pub objects: bool,
    /// Do this part of the trials alone, and not while another shard runs on this machine.
    pub shard: Option<Shard>,
    /// Measure sizes alone, so many trials at a time: what each costs stays empty in their rows.
    pub jobs: Option<NonZeroUsize>,
    /// Take up stores that earlier publishes left, and keep those of this run in the cache, where all of them may hold so
    /// many bytes. For sizes alone.
    pub reuse: Option<u64>,
}

impl Order {
    /// Everything of these scenarios, timed.
    pub fn of(scenarios: Vec<(Scenario, Vec<Box<dyn Doer>>)>, into: PathBuf) -> Order {
        Order {
            scenarios,
            into,
            retry: false,
            objects: false,
            shard: None,
            jobs: None,
            reuse: None,
        }
    }
}

/// What a run tells while it works.
pub enum News<'a> {
    /// An image is being made, hashed or verified.
    Image {
        scenario: &'a str,
        image: &'a str,
        text: &'a str,
    },
    /// The programs of a method are being fetched.
    Method {
        scenario: &'a str,
        method: &'a str,
        text: &'a str,
    },
    Warning(&'a str),
    /// The plan stands: this many acts, of which so many have their row already.
    Planned {
        acts: usize,
        done: usize,
    },
    Starting(&'a Planned),
    Row(&'a Row),
    /// Every act of a trial has its row; these were written by this run.
    Trial(&'a Trial, &'a [Row]),
}

/// How a run ended, over all rows of its plan, new and old.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub verified: usize,
    pub failed: usize,
    pub skipped: usize,
    /// Rows that were there before.
    pub old: usize,
    /// Publishes whose store an earlier one had left.
    pub reused: usize,
    /// Stores that the cache's disk had no room to keep.
    pub lost: usize,
}

/// Runs every act of the order that has no row yet.
///
/// An error is bad input or the lab's own trouble; a step that fails is a row and is counted in the summary.
pub fn run(order: &Order, cache: &Cache, tell: &mut (dyn FnMut(News) + Send)) -> Result<Summary> {
    let _turn = match order.shard {
        Some(_) => Some(Turn::wait(&mut |text| tell(News::Warning(text)))?),
        None => None,
    };
    ensure!(
        order.reuse.is_none() || order.jobs.is_some(),
        "a publish that is not done has no time: stores are reused where sizes alone are measured"
    );
    let mut ready = Vec::new();
    for (scenario, doers) in &order.scenarios {
        ensure!(
            order.jobs.is_none() || !scenario.reads_cold(),
            "{}: what is read from a cold disk can't be told while other trials run; leave --jobs out, or the value `cold`",
            scenario.path.display()
        );
        ready.push(Ready::prepare(scenario, doers, cache, tell)?);
    }
    let folder = Folder::open(&order.into)?;
    let (rows, there) = folder.take_up(&ready, order)?;
    let done: BTreeMap<Act, Check> = there.iter().map(|row| (row.act(), row.check)).collect();
    let findings = folder.findings(&done)?;

    let trials: Vec<(&Ready, Trial)> = ready
        .iter()
        .flat_map(|ready| {
            ready
                .scenario
                .plan()
                .into_iter()
                .map(move |trial| (ready, trial))
        })
        .enumerate()
        .filter(|(place, _)| order.shard.is_none_or(|shard| shard.takes(*place)))
        .map(|(_, trial)| trial)
        .collect();
    let acts = || {
        let acts = trials.iter().flat_map(|(_, trial)| &trial.acts);
        acts.map(|planned| &planned.act)
    };
    let mut checks: Vec<Check> = acts().filter_map(|act| done.get(act).copied()).collect();
    let old = checks.len();
    tell(News::Planned {
        acts: acts().count(),
        done: old,
    });

    let trees = unpack_trees(&trials, &done, &folder, tell)?;
    let jobs = order.jobs.map_or(1, NonZeroUsize::get);
    let kept = order.reuse.map(|most| KeptStores::new(cache, most));
    let desk = Desk::new(rows, findings, tell);
    desk.work(&trials, jobs, |(ready, trial)| {
        let setting = Setting {
            proven: is_repeated(trial, &trials).then_some(&ready.proven),
            kept: kept.as_ref().map(|kept| (kept, trial)),
            ..setting(ready, trial, &folder, &trees, order)?
        };
        let mut written = Vec::new();
        let mut write = |row: Row, found: &[Finding]| {
            desk.write(&row, found)?;
            written.push(row);
            Ok(())
        };
        trial::run(trial, &setting, &done, &|next| desk.start(next), &mut write)
            .map_err(|error| on_full_disk(error, Some(&setting.folder), &folder.dir))?;
        desk.tell(News::Trial(trial, &written));
        Ok(())
    })?;
    let written = desk.close();
    drop(trees);
    clear(&folder.work())?;
    if jobs > 1 && !written.is_empty() {
        folder.put_in_order(acts())?;
    }
    checks.extend(written);
    let count = |wanted: fn(&Check) -> bool| checks.iter().filter(|check| wanted(check)).count();
    Ok(Summary {
        verified: count(|check| check.verified()),
        failed: count(|check| *check == Check::Failed),
        skipped: count(|check| *check == Check::Skipped),
        old,
        reused: kept
            .as_ref()
            .map_or(0, |it| it.taken.load(Ordering::SeqCst)),
        lost: kept.as_ref().map_or(0, |it| it.lost.load(Ordering::SeqCst)),
    })
}

/// Unpacks every image that a method which moves trees is yet to be given, and writes down what is known of each.
fn unpack_trees(
    trials: &[(&Ready, Trial)],
    done: &BTreeMap<Act, Check>,
    folder: &Folder,
    tell: &mut dyn FnMut(News),
) -> Result<Trees> {
    let mut trees = Trees::within(&folder.work());
    let mut seen = BTreeSet::new();
    for (ready, trial) in trials {
        let (doer, version, _) = ready.doer(trial.verb(), &trial.doer)?;
        let waits = trial.acts.iter().any(|it| !done.contains_key(&it.act));
        let shelf = ready.shelf(&trial.case)?;
        let mut images = shelf.images.iter();
        let can_run = version.is_ok()
            && shelf.lacks.is_none()
            && images.all(|saved| doer.accepts(&saved.image).is_ok());
        if doer.about().moves != Moves::Tree
            || !waits
            || !can_run
            || !seen.insert((&ready.scenario.name, &shelf.form))
        {
            continue;
        }
        for saved in &shelf.images {
            let image = &saved.image;
            tell(News::Image {
                scenario: &ready.scenario.name,
                image: &image.name,
                text: "unpacking it for the methods that move trees",
            });
            trees
                .unpack(image)
                .map_err(|error| on_full_disk(error, None, &folder.dir))?;
            let place = (image.name.as_str(), shelf.form.as_deref());
            folder.learn(&ready.scenario.name, place, trees.about(image))?;
        }
    }
    Ok(trees)
}

fn setting<'a>(
    ready: &'a Ready,
    trial: &'a Trial,
    folder: &Folder,
    trees: &'a Trees,
    order: &Order,
) -> Result<Setting<'a>> {
    let (doer, version, release) = ready.doer(trial.verb(), &trial.doer)?;
    let shelf = ready.shelf(&trial.case)?;
    Ok(Setting {
        images: shelf
            .images
            .iter()
            .map(|saved| saved.image.clone())
            .collect(),
        lacks: shelf.lacks.clone(),
        doer,
        trees: (doer.about().moves == Moves::Tree).then_some(trees),
        holders: match doer.about().holds {
            true => holders(trial),
            false => Vec::new(),
        },
        version: version.clone(),
        release,
        limits: ready.scenario.limits,
        cores: cores_of(&trial.case)?,
        cold: is_cold(&trial.case)?,
        ranges: ranges_of(&trial.case)?,
        timed: order.jobs.is_none(),
        proven: None,
        kept: None,
        folder: folder.work().join(place(trial)),
        guard: folder.guard(),
        servers: OnceCell::new(),
        objects: order.objects.then(|| folder.dir.join("objects")),
    })
}

/// Whether the same method publishes the same images in another trial too: in another sample, or under another case.
fn is_repeated(trial: &Trial, trials: &[(&Ready, Trial)]) -> bool {
    let is_same = |other: &Trial| {
        (&other.scenario, &other.doer, other.verb()) == (&trial.scenario, &trial.doer, trial.verb())
    };
    let same = trials.iter().filter(|(_, other)| is_same(other));
    same.take(2).count() == 2
}

/// The bases of each update that has some, once each.
fn holders(trial: &Trial) -> Vec<Vec<usize>> {
    let updates = trial.acts.iter().filter(|it| it.act.verb == Verb::Update);
    let bases: BTreeSet<Vec<usize>> = updates.map(|it| it.bases.clone()).collect();
    bases
        .into_iter()
        .filter(|bases| !bases.is_empty())
        .collect()
}

/// How many processors a case leaves a step; nothing for all.
fn cores_of(case: &Case) -> Result<Option<usize>> {
    let value = case.get(axis::CORES);
    Ok(value.map(axis::cores).transpose()?.flatten())
}

/// How many ranges of an object a server answers at once under a case; nothing where there is no limit.
fn ranges_of(case: &Case) -> Result<Option<RangeLimit>> {
    let value = case.get(RangeLimit::AXIS);
    Ok(value.map(RangeLimit::named).transpose()?.flatten())
}

/// Whether a case puts the bases of an update out of memory.
fn is_cold(case: &Case) -> Result<bool> {
    let value = case.get(axis::CACHE);
    Ok(value.map(axis::cold).transpose()?.unwrap_or_default())
}

/// Name of a trial's folder: its own, and of letters that no tool takes for anything but a name.
fn place(trial: &Trial) -> String {
    let probe = match trial.verb() {
        Verb::Probe => ".probe",
        _ => "",
    };
    let words = format!("{}.{}{probe}.{}", trial.scenario, trial.doer, trial.case);
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    let name: String = words
        .chars()
        .map(|letter| if plain(letter) { letter } else { '-' })
        .collect();
    // What `a/b` and `a-b` would share is told apart by the hash.
    format!(
        "{name}.{}.{}",
        trial.sample,
        &sha256_hex(words.as_bytes())[..8]
    )
}
