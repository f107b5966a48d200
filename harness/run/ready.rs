//! A scenario made ready: its images saved and hashed once, its doers asked for their versions.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use super::News;
use super::proven::Proven;
use super::roots::{self, InVain};
use crate::clock::{self, Release};
use crate::image::Image;
use crate::method::{Broken, Doer};
use crate::plan;
use crate::record::{Act, Case, Check, FORM, PlannedImage, PlannedMethod, Row, ScenarioPlan, Verb};
use crate::scenario::Scenario;
use crate::source::Lacks;
use crate::source::cache::Cache;

/// A doer's version here, or how its rows say that it can't run here, and why.
pub type Version = std::result::Result<String, (Check, String)>;

/// Everything that a scenario's trials need and share.
pub struct Ready<'a> {
    pub scenario: &'a Scenario,
    /// One for each value of the axis `form`; one where that is not turned.
    shelves: Vec<Shelf>,
    /// The methods and probes by whether it is a probe, and its name; each with its version here, or why it can't run
    /// here.
    doers: BTreeMap<(bool, &'a str), Able<'a>>,
    /// Every act of the plan.
    pub acts: BTreeSet<Act>,
    /// The stores that this run has proven.
    pub proven: Proven,
}

/// The images of a scenario, in order of release, in one form.
pub struct Shelf {
    /// The value of the axis `form`; none where it is not turned.
    pub form: Option<String>,
    /// Those that are lacking have a name, and nothing else.
    pub images: Vec<Saved>,
    /// Why they can't be made here.
    pub lacks: Option<String>,
}

/// A doer, and what it is able to here.
struct Able<'a> {
    doer: &'a dyn Doer,
    version: Version,
    release: Option<Release>,
}

/// An image, and what is known of it.
pub struct Saved {
    pub image: Image,
    /// Key to value: layout, layers, the engine that saved it.
    pub about: BTreeMap<String, String>,
}

impl<'a> Ready<'a> {
    /// Saves the images, or finds them saved, and asks every doer for its version.
    pub fn prepare(
        scenario: &'a Scenario,
        doers: &'a [Box<dyn Doer>],
        cache: &Cache,
        tell: &mut dyn FnMut(News),
    ) -> Result<Ready<'a>> {
        let held = clock::held();
        ensure!(
            !scenario.locked || held.locked(),
            "{}: room = \"locked\" is asked for, and this machine can't lock a step in: {held}",
            scenario.path.display()
        );
        let shelves = save_images(scenario, cache, false, tell)?;
        let trials = scenario.plan();
        let mut in_vain = InVain::default();
        let mut able = BTreeMap::new();
        for doer in doers {
            let doer = doer.as_ref();
            let tell = RefCell::new(&mut *tell);
            let say = |text: &str| {
                (tell.borrow_mut())(News::Method {
                    scenario: &scenario.name,
                    method: doer.name(),
                    text,
                })
            };
            let found = roots::provide(doer, cache, &mut in_vain, &say).map_err(skip_or_failure);
            let (version, release) = match found {
                Ok((version, release)) => (Ok(version), release),
                Err(why) => (Err(why), None),
            };
            able.insert(
                (doer.is_probe(), doer.name()),
                Able {
                    doer,
                    version,
                    release,
                },
            );
        }
        Ok(Ready {
            scenario,
            shelves,
            doers: able,
            acts: trials
                .into_iter()
                .flat_map(|trial| trial.acts)
                .map(|planned| planned.act)
                .collect(),
            proven: Proven::default(),
        })
    }

    /// The images of a case.
    pub fn shelf(&self, case: &Case) -> Result<&Shelf> {
        let form = case.get(FORM);
        let mut shelves = self.shelves.iter();
        shelves
            .find(|shelf| shelf.form.as_deref() == form)
            .with_context(|| format!("{}: no images are of the case `{case}`", self.scenario.name))
    }

    /// The doer of that name for acts of that verb, its version, and the release whose programs it runs.
    pub fn doer<'b>(
        &'b self,
        verb: Verb,
        name: &'b str,
    ) -> Result<(&'a dyn Doer, &'b Version, Option<&'b Release>)> {
        let able = self.doers.get(&(verb == Verb::Probe, name));
        let able = able.with_context(|| format!("nobody is here who could be {name}"))?;
        Ok((able.doer, &able.version, able.release.as_ref()))
    }

    /// The version of whom a row is of, when it is among the doers.
    pub fn version<'b>(&'b self, row: &'b Row) -> Option<&'b Version> {
        let doer = self.doer(row.verb, &row.method);
        doer.ok().map(|(_, version, _)| version)
    }

    /// Whether the plan has this act; of a sample beyond the planned ones too, since an earlier run may have made more.
    pub fn asks_for(&self, act: &Act) -> bool {
        self.acts.contains(&Act {
            sample: 1,
            ..act.clone()
        })
    }

    /// The plan as it is saved beside the rows.
    pub fn plan(&self) -> ScenarioPlan {
        let images = self.shelves.iter().flat_map(|shelf| {
            shelf.images.iter().map(|saved| PlannedImage {
                name: saved.image.name.clone(),
                form: shelf.form.clone(),
                bytes: saved.image.bytes,
                sha256: saved.image.sha256.clone(),
                about: saved.about.clone(),
            })
        });
        let methods = self.scenario.methods.iter().filter_map(|name| {
            let version = &self.doers.get(&(false, name.as_str()))?.version;
            Some(PlannedMethod {
                name: name.clone(),
                version: version.as_ref().ok().cloned(),
                skipped: version.as_ref().err().map(|(_, why)| why.clone()),
                once: self.scenario.once.contains(name),
            })
        });
        ScenarioPlan {
            expects: self.scenario.expects.clone(),
            ..plan::saved(
                &self.scenario.outline(),
                images.collect(),
                methods.collect(),
            )
        }
    }
}

/// A missing tool is skipped; one that is here and does not work has failed.
fn skip_or_failure(why: anyhow::Error) -> (Check, String) {
    let check = match why.is::<Broken>() {
        true => Check::Failed,
        false => Check::Skipped,
    };
    (check, format!("{why:#}"))
}

/// Saves every image of a scenario in each of its forms, or finds it saved, and brings what is known of each.
pub fn save_images(
    scenario: &Scenario,
    cache: &Cache,
    refresh: bool,
    tell: &mut dyn FnMut(News),
) -> Result<Vec<Shelf>> {
    let mut shelves: Vec<Shelf> = Vec::new();
    for form in scenario.form_values() {
        // What all forms are made of is made again once.
        let refresh = refresh && shelves.is_empty();
        let (images, lacks) = match save_form(scenario, form, cache, refresh, tell) {
            Ok(images) => (images, None),
            Err(why) => match why.downcast_ref::<Lacks>() {
                Some(Lacks(lack)) => (unmade(scenario), Some(lack.clone())),
                None => return Err(why),
            },
        };
        shelves.push(Shelf {
            form: form.map(str::to_string),
            images,
            lacks,
        });
    }
    Ok(shelves)
}

fn save_form(
    scenario: &Scenario,
    form: Option<&str>,
    cache: &Cache,
    refresh: bool,
    tell: &mut dyn FnMut(News),
) -> Result<Vec<Saved>> {
    let mut images = Vec::new();
    for spec in &scenario.images {
        let tell_cell = RefCell::new(&mut *tell);
        let say = |text: &str| {
            (tell_cell.borrow_mut())(News::Image {
                scenario: &scenario.name,
                image: &spec.name,
                text,
            })
        };
        let source = scenario.source_as(spec, form);
        let saved = cache
            .save(&scenario.name, &spec.name, &source, refresh, &say)
            .with_context(|| scenario.path.display().to_string())?;
        for warning in &saved.warnings {
            tell(News::Warning(&format!(
                "{}: image `{}`: {warning}",
                scenario.name, spec.name
            )));
        }
        images.push(Saved {
            image: saved.image,
            about: saved.facts.into_iter().collect(),
        });
    }
    Ok(images)
}

/// The names of images that can't be made here.
fn unmade(scenario: &Scenario) -> Vec<Saved> {
    let images = scenario.images.iter().map(|spec| Saved {
        image: Image {
            name: spec.name.clone(),
            path: PathBuf::new(),
            bytes: 0,
            sha256: String::new(),
        },
        about: BTreeMap::new(),
    });
    images.collect()
}
