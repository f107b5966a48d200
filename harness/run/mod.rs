//! A run: scenarios become rows in a results folder. Started again after any end, it goes on where it stopped.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::image::Image;
use crate::method::{Contender, Moves};
use crate::plan::{Planned, Trial, plan};
use crate::record::{Check, Fact, Key, Row, SCHEMA, Step};
use crate::scenario::Scenario;
use crate::source::cache::Cache;
use folder::Folder;
use trees::Trees;
use trial::Setting;

pub mod contract;
mod folder;
pub mod host;
mod ledger;
mod sample_trees;
mod step;
mod tree;
mod trees;
mod trial;

/// What is to be run, and where its rows go.
pub struct Order {
    /// Each with the methods that may take part in it.
    pub scenarios: Vec<(Scenario, Vec<Contender>)>,
    pub into: PathBuf,
    /// Do failed steps again: their rows are dropped first.
    pub retry: bool,
    /// Write one CSV per update of what crossed the wire, object by object.
    pub objects: bool,
}

/// What a run has to tell while it goes on.
pub enum News<'a> {
    /// An image is being made, hashed or verified.
    Image {
        scenario: &'a str,
        image: &'a str,
        text: &'a str,
    },
    Warning(&'a str),
    /// The plan stands: this many steps, of which so many have their row already.
    Planned {
        steps: usize,
        done: usize,
    },
    Starting(&'a Planned),
    Row(&'a Row),
}

/// How a run ended, over all rows of its plan, new and old.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub verified: usize,
    pub failed: usize,
    pub skipped: usize,
    /// Rows that were there before.
    pub old: usize,
}

/// Runs every step of the order that has no row yet.
///
/// An error is bad input or the lab's own trouble; a step that fails is a row and is counted in the summary.
pub fn run(order: &Order, cache: &Cache, tell: &mut dyn FnMut(News)) -> Result<Summary> {
    let mut ready = Vec::new();
    for (scenario, contenders) in &order.scenarios {
        ready.push(prepare(scenario, contenders, cache, tell)?);
    }
    let folder = Folder::open(&order.into)?;
    folder.check_rows(&ready)?;
    folder.write_about(&ready)?;
    let (mut rows, there) = folder.rows(&ready, order.retry)?;

    let trials: Vec<(&Ready, Trial)> = ready
        .iter()
        .flat_map(|ready| {
            plan(ready.scenario)
                .into_iter()
                .map(move |trial| (ready, trial))
        })
        .collect();
    let planned: Vec<&Planned> = trials.iter().flat_map(|(_, trial)| &trial.steps).collect();
    let done: BTreeMap<Key, Check> = there.iter().map(|row| (row.key(), row.check)).collect();
    let old = planned
        .iter()
        .filter(|planned| done.contains_key(&planned.key))
        .count();
    tell(News::Planned {
        steps: planned.len(),
        done: old,
    });

    let mut checks: Vec<Check> = planned
        .iter()
        .filter_map(|planned| done.get(&planned.key).copied())
        .collect();
    let trees = unpack_trees(&trials, &done, &folder, tell)?;
    let tell = std::cell::RefCell::new(tell);
    for (ready, trial) in &trials {
        let setting = ready.setting(trial, &folder, &trees, order.objects)?;
        trial::run(
            trial,
            &setting,
            &done,
            &mut rows,
            &mut |planned| (tell.borrow_mut())(News::Starting(planned)),
            &mut |row| {
                checks.push(row.check);
                (tell.borrow_mut())(News::Row(row));
            },
        )
        .map_err(|error| on_full_disk(error, Some(&setting.folder), &folder.dir))?;
    }
    drop(trees);
    trial::clear(&folder.work())?;
    let count = |wanted: fn(&Check) -> bool| checks.iter().filter(|check| wanted(check)).count();
    Ok(Summary {
        verified: count(|check| matches!(check, Check::Exact | Check::Tree)),
        failed: count(|check| *check == Check::Failed),
        skipped: count(|check| *check == Check::Skipped),
        old,
    })
}

/// Unpacks every image that a method which moves trees is yet to be given, and writes down what is known of each.
fn unpack_trees(
    trials: &[(&Ready, Trial)],
    done: &BTreeMap<Key, Check>,
    folder: &Folder,
    tell: &mut dyn FnMut(News),
) -> Result<Trees> {
    let mut trees = Trees::within(&folder.work());
    let mut facts = Vec::new();
    let mut seen = BTreeSet::new();
    for (ready, trial) in trials {
        let contender = find(ready.contenders, &trial.method)?;
        let waits = trial
            .steps
            .iter()
            .any(|planned| !done.contains_key(&planned.key));
        if contender.moves() != Moves::Tree
            || !waits
            || ready.versions[&trial.method].is_err()
            || !seen.insert(&ready.scenario.name)
            || !ready
                .images
                .iter()
                .all(|image| contender.accepts(image).is_ok())
        {
            continue;
        }
        for image in &ready.images {
            tell(News::Image {
                scenario: &ready.scenario.name,
                image: &image.name,
                text: "unpacking it for the methods that move trees",
            });
            trees
                .unpack(image)
                .map_err(|error| on_full_disk(error, None, &folder.dir))?;
            facts.extend(trees.facts(&ready.scenario.name, image));
        }
    }
    if !facts.is_empty() {
        folder.add_facts(&facts)?;
    }
    Ok(trees)
}

/// Says what to do when it is a full disk that ended the run, and gives back the room that the trial took: what it
/// had published is published again when the run goes on.
fn on_full_disk(error: anyhow::Error, trial: Option<&Path>, dir: &Path) -> anyhow::Error {
    if !is_full_disk(&error) {
        return error;
    }
    if let Some(trial) = trial {
        trial::clear(trial).ok();
    }
    error.context(format!(
        "the disk of {} is full; the rows so far are kept: make room and run the same command again",
        dir.display()
    ))
}

fn is_full_disk(error: &anyhow::Error) -> bool {
    let full = |cause: &(dyn std::error::Error + 'static)| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::StorageFull)
    };
    error.chain().any(full)
}

/// A scenario with its images saved and its methods asked for their versions.
struct Ready<'a> {
    scenario: &'a Scenario,
    images: Vec<Image>,
    facts: Vec<Fact>,
    contenders: &'a [Contender],
    /// By method name: its version here, or why it can't run here.
    versions: BTreeMap<String, std::result::Result<String, String>>,
    /// Step, image and bases of all that is planned, whichever the method and the sample.
    steps: BTreeSet<(Step, String, String)>,
}

fn prepare<'a>(
    scenario: &'a Scenario,
    contenders: &'a [Contender],
    cache: &Cache,
    tell: &mut dyn FnMut(News),
) -> Result<Ready<'a>> {
    let (images, facts) = save_images(scenario, cache, false, tell)?;
    let mut versions = BTreeMap::new();
    for name in &scenario.methods {
        let contender = find(contenders, name)?;
        versions.insert(
            name.clone(),
            contender.version().map_err(|why| format!("{why:#}")),
        );
    }
    let planned = plan(scenario).into_iter().flat_map(|trial| trial.steps);
    let steps = planned
        .map(|planned| (planned.step, planned.key.image, planned.key.base))
        .collect();
    Ok(Ready {
        steps,
        scenario,
        images,
        facts,
        contenders,
        versions,
    })
}

/// Saves every image of a scenario, or finds it saved, and brings what is known of them.
pub fn save_images(
    scenario: &Scenario,
    cache: &Cache,
    refresh: bool,
    tell: &mut dyn FnMut(News),
) -> Result<(Vec<Image>, Vec<Fact>)> {
    let (mut images, mut facts) = (Vec::new(), Vec::new());
    for spec in &scenario.images {
        let tell_cell = std::cell::RefCell::new(&mut *tell);
        let say = |text: &str| {
            (tell_cell.borrow_mut())(News::Image {
                scenario: &scenario.name,
                image: &spec.name,
                text,
            })
        };
        let saved = cache
            .save(&scenario.name, &spec.name, &spec.source, refresh, &say)
            .with_context(|| scenario.path.display().to_string())?;
        for warning in &saved.warnings {
            tell(News::Warning(&format!(
                "{}: image `{}`: {warning}",
                scenario.name, spec.name
            )));
        }
        facts.extend(saved.facts.iter().map(|(fact, value)| Fact {
            schema: SCHEMA,
            scenario: scenario.name.clone(),
            image: spec.name.clone(),
            base: String::new(),
            fact: fact.clone(),
            value: value.clone(),
        }));
        images.push(saved.image);
    }
    Ok((images, facts))
}

fn find<'a>(contenders: &'a [Contender], name: &str) -> Result<&'a Contender> {
    contenders
        .iter()
        .find(|contender| contender.name() == name)
        .with_context(|| format!("no method {name}"))
}

impl Ready<'_> {
    fn setting<'s>(
        &'s self,
        trial: &Trial,
        folder: &Folder,
        trees: &'s Trees,
        objects: bool,
    ) -> Result<Setting<'s>> {
        let place = format!(
            "{}.{}.{}",
            trial.scenario,
            trial.method.replace('/', "-"),
            trial.sample
        );
        let contender = find(self.contenders, &trial.method)?;
        Ok(Setting {
            images: &self.images,
            contender,
            trees: (contender.moves() == Moves::Tree).then_some(trees),
            version: self.versions[&trial.method].clone(),
            limits: self.scenario.limits,
            folder: folder.work().join(place),
            guard: folder.guard(),
            objects: objects.then(|| folder.dir.join("objects")),
        })
    }
}
