//! Merging: results folders of the parts of one plan become one folder, as if one run had filled it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::append::read_csv;
use super::folder::{read_host, read_plan, write_host, write_plan};
use super::merged::{Merged, Part, Whole};
use super::{
    Act, Finding, Host, Plan, PlannedImage, PlannedMethod, Row, SCHEMA, ScenarioPlan, Verb,
    read_rows, rewrite_findings, rewrite_rows,
};

/// What became of a merge.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Merging {
    pub rows: usize,
    /// Trials of the plan that lack rows, each with how many.
    pub missing: Vec<(Whole, usize)>,
    pub machines: usize,
}

/// One folder to be merged.
struct Folder {
    dir: PathBuf,
    plan: Plan,
    rows: Vec<Row>,
    findings: Vec<Finding>,
    host: Host,
}

/// Merges results folders into `into`, which holds no rows yet.
///
/// # Errors
/// When a folder's run has not ended, two folders have rows of one trial, or they differ in a scenario's plan, in an image,
/// in a method's version or in the lab's.
pub fn merge(dirs: &[PathBuf], into: &Path) -> Result<Merging> {
    ensure!(
        !into.join("rows.csv").exists(),
        "{}: holds rows already; choose another folder with --into",
        into.display()
    );
    let folders: Vec<Folder> = dirs.iter().map(|dir| read(dir)).collect::<Result<_>>()?;
    let plan = one_plan(&folders)?;
    let merged = parts(&folders)?;
    let order = Order::of(&plan);
    let mut rows: Vec<Row> = folders.iter().flat_map(|it| &it.rows).cloned().collect();
    // Within a trial they are in order already.
    rows.sort_by_cached_key(|row| order.place(&Whole::of(row)));
    let findings = folders.iter().flat_map(|it| &it.findings);
    let mut findings: Vec<Finding> = findings.cloned().collect();
    findings.sort_by_cached_key(|it| order.place(&trial_of(&it.act())));

    fs::create_dir_all(into).with_context(|| format!("make the folder {}", into.display()))?;
    for folder in &folders {
        copy_objects(&folder.dir, into)?;
    }
    write_plan(into, &plan)?;
    write_host(into, &host(&folders))?;
    merged.write(into)?;
    rewrite_findings(into, &findings)?;
    // The rows are what makes it a results folder, so they come last.
    rewrite_rows(into, &rows)?;
    Ok(Merging {
        rows: rows.len(),
        missing: missing(&plan, &rows),
        machines: merged.machines().len(),
    })
}

fn read(dir: &Path) -> Result<Folder> {
    let rows = dir.join("rows.csv");
    ensure!(
        rows.is_file(),
        "{}: no rows.csv here; is it a results folder?",
        dir.display()
    );
    ensure!(
        !dir.join("work").exists(),
        "{}: its run has not ended; start the same command again, it continues where it stopped",
        dir.display()
    );
    ensure!(
        Merged::read(dir)?.is_none(),
        "{}: was merged already; name the folders that it was merged from",
        dir.display()
    );
    let rows = read_rows(&rows)?;
    let plan = read_plan(dir)?.with_context(|| {
        format!(
            "{}: no plan.toml here; folders that `run` filled are merged",
            dir.display()
        )
    })?;
    let old = rows.iter().any(|row| row.schema != SCHEMA) || plan.schema != SCHEMA;
    ensure!(
        !old,
        "{}: of schema {}; folders of schema {SCHEMA} are merged",
        dir.display(),
        plan.schema
    );
    let findings = dir.join("findings.csv");
    Ok(Folder {
        plan,
        rows,
        findings: match findings.is_file() {
            true => read_csv(&findings)?,
            false => Vec::new(),
        },
        host: read_host(dir)?.unwrap_or_default(),
        dir: dir.to_path_buf(),
    })
}

/// The scenarios of all folders. Those of one name must be one plan.
fn one_plan(folders: &[Folder]) -> Result<Plan> {
    let mut plan = Plan {
        schema: SCHEMA,
        scenarios: Vec::new(),
    };
    let mut first: BTreeMap<String, &Folder> = BTreeMap::new();
    let Some(lab) = folders.first().map(|it| &it.host.lab) else {
        bail!("name the results folders to merge");
    };
    for folder in folders {
        let dir = folder.dir.display();
        ensure!(
            folder.host.lab == *lab,
            "{dir}: made by delta-lab {}, {} by {lab}",
            folder.host.lab,
            folders[0].dir.display()
        );
        for scenario in &folder.plan.scenarios {
            match plan.scenario_mut(&scenario.name) {
                None => {
                    plan.scenarios.push(scenario.clone());
                    first.insert(scenario.name.clone(), folder);
                }
                Some(known) => {
                    let other = &first[&scenario.name].dir;
                    unite(known, scenario).with_context(|| {
                        format!(
                            "{dir} and {}: not parts of one run of {}",
                            other.display(),
                            scenario.name
                        )
                    })?;
                }
            }
        }
    }
    Ok(plan)
}

/// Adds what another folder knows of the same plan: versions of methods that ran there, and facts of images.
fn unite(known: &mut ScenarioPlan, other: &ScenarioPlan) -> Result<()> {
    for (one, two) in known.images.iter().zip(&other.images) {
        ensure!(
            one.title() != two.title() || one.sha256 == two.sha256,
            "image `{}` is another one: sha256 {}… and {}…; make the images once and give all machines the same cache (DELTA_LAB_CACHE)",
            one.name,
            one.sha256.get(..12).unwrap_or_default(),
            two.sha256.get(..12).unwrap_or_default()
        );
    }
    let images = |plan: &ScenarioPlan| -> Vec<String> {
        plan.images.iter().map(PlannedImage::title).collect()
    };
    // In any order: a run of some methods puts them first.
    let methods = |plan: &ScenarioPlan| -> BTreeSet<String> {
        plan.methods.iter().map(|it| it.name.clone()).collect()
    };
    let differs = [
        ("images", images(known) != images(other)),
        ("methods", methods(known) != methods(other)),
        ("probes", known.probes != other.probes),
        ("samples", known.samples != other.samples),
        ("cases", known.cases != other.cases),
        ("expectations", known.expects != other.expects),
    ];
    if let Some((what, _)) = differs.iter().find(|(_, differs)| *differs) {
        bail!("their plans differ in the {what}");
    }
    for one in &mut known.methods {
        if let Some(two) = other.methods.iter().find(|two| two.name == one.name) {
            unite_method(one, two)?;
        }
    }
    for (one, two) in known.images.iter_mut().zip(&other.images) {
        for (key, value) in &two.about {
            one.about.entry(key.clone()).or_insert(value.clone());
        }
    }
    Ok(())
}

fn unite_method(known: &mut PlannedMethod, other: &PlannedMethod) -> Result<()> {
    if let (Some(one), Some(two)) = (&known.version, &other.version) {
        ensure!(
            one == two,
            "{} is `{one}` and `{two}`; rows of two versions are not comparable",
            known.name
        );
    }
    if known.version.is_none() && other.version.is_some() {
        *known = other.clone();
    }
    Ok(())
}

/// Which folder has which trials; refuses two that have one.
fn parts(folders: &[Folder]) -> Result<Merged> {
    let mut owners: BTreeMap<Whole, &Path> = BTreeMap::new();
    let mut parts = Vec::new();
    for folder in folders {
        let mut trials: Vec<Whole> = folder.rows.iter().map(Whole::of).collect();
        trials.dedup();
        trials.sort();
        trials.dedup();
        for trial in &trials {
            if let Some(other) = owners.insert(trial.clone(), &folder.dir) {
                bail!(
                    "{} and {}: both have rows of {trial}",
                    other.display(),
                    folder.dir.display()
                );
            }
        }
        parts.push(Part {
            folder: folder.dir.display().to_string(),
            host: folder.host.clone(),
            trials,
        });
    }
    Ok(Merged {
        schema: SCHEMA,
        parts,
    })
}

fn trial_of(act: &Act) -> Whole {
    Whole {
        scenario: act.scenario.clone(),
        probe: act.verb == Verb::Probe,
        doer: act.doer.clone(),
        case: act.case.clone(),
        sample: act.sample,
    }
}

/// The trials of a plan by their place, as one run does them, each with the number of its acts.
struct Order(BTreeMap<Whole, (usize, usize)>);

impl Order {
    fn of(plan: &Plan) -> Order {
        let mut trials = Vec::new();
        for scenario in &plan.scenarios {
            let whole = |doer: &str| Whole {
                scenario: scenario.name.clone(),
                doer: doer.to_string(),
                sample: 1,
                ..Whole::default()
            };
            let looks = looks(scenario);
            for probe in &scenario.probes {
                let trial = Whole {
                    probe: true,
                    ..whole(probe)
                };
                trials.push((trial, looks));
            }
            for sample in 1..=scenario.samples {
                for case in &scenario.cases {
                    let again = |method: &&PlannedMethod| sample == 1 || !method.once;
                    for method in scenario.methods.iter().filter(again) {
                        let trial = Whole {
                            case: case.case.clone(),
                            sample,
                            ..whole(&method.name)
                        };
                        trials.push((trial, case.moves.len()));
                    }
                }
            }
        }
        let placed = trials.into_iter().enumerate();
        Order(
            placed
                .map(|(at, (trial, acts))| (trial, (at, acts)))
                .collect(),
        )
    }

    /// A trial that the plan does not name comes last.
    fn place(&self, trial: &Whole) -> usize {
        self.0.get(trial).map_or(usize::MAX, |(at, _)| *at)
    }
}

/// How many looks a probe takes: one at whatever is updated, with each set of bases.
fn looks(scenario: &ScenarioPlan) -> usize {
    let moves = scenario.cases.iter().flat_map(|case| &case.moves);
    let looked = moves
        .filter(|it| it.verb == Verb::Update)
        .map(|it| (&it.image, &it.bases));
    looked.collect::<BTreeSet<_>>().len()
}

fn missing(plan: &Plan, rows: &[Row]) -> Vec<(Whole, usize)> {
    let mut there: BTreeMap<Whole, usize> = BTreeMap::new();
    for row in rows {
        *there.entry(Whole::of(row)).or_default() += 1;
    }
    let mut planned: Vec<_> = Order::of(plan).0.into_iter().collect();
    planned.sort_by_key(|(_, (at, _))| *at);
    let lacks = |(trial, (_, acts)): (Whole, (usize, usize))| {
        let there = there.get(&trial).copied().unwrap_or_default();
        (there < acts).then(|| (trial, acts - there))
    };
    planned.into_iter().filter_map(lacks).collect()
}

/// The first folder's machine and command line, without what made it a part.
fn host(folders: &[Folder]) -> Host {
    let Some(first) = folders.first() else {
        return Host::default();
    };
    let mut command = Vec::new();
    let mut words = first.host.command.iter();
    while let Some(word) = words.next() {
        let of_part = |flag: &&str| word == flag || word.starts_with(&format!("{flag}="));
        match ["--shard", "--into"].iter().find(|flag| of_part(flag)) {
            Some(flag) if word == flag => {
                words.next();
            }
            Some(_) => {}
            None => command.push(word.clone()),
        }
    }
    Host {
        command,
        ..first.host.clone()
    }
}

fn copy_objects(from: &Path, into: &Path) -> Result<()> {
    let objects = from.join("objects");
    if !objects.is_dir() {
        return Ok(());
    }
    let into = into.join("objects");
    fs::create_dir_all(&into).with_context(|| format!("make the folder {}", into.display()))?;
    for entry in fs::read_dir(&objects).with_context(|| format!("list {}", objects.display()))? {
        let entry = entry.with_context(|| format!("list {}", objects.display()))?;
        let path = entry.path();
        fs::copy(&path, into.join(entry.file_name()))
            .with_context(|| format!("copy {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Move, PlannedCase};

    fn update(image: &str, base: &str) -> Move {
        Move {
            verb: Verb::Update,
            image: image.into(),
            bases: base.parse().unwrap(),
        }
    }

    #[test]
    fn a_probe_looks_once_at_each_update_whatever_the_case() {
        let publish = Move {
            verb: Verb::Publish,
            ..update("v3", "v1")
        };
        let case = |moves: &[&Move]| PlannedCase {
            moves: moves.iter().map(|it| (*it).clone()).collect(),
            ..PlannedCase::default()
        };
        let (one, other) = (update("v2", "v1"), update("v2", ""));
        let plan = ScenarioPlan {
            cases: vec![case(&[&publish, &one, &other]), case(&[&one])],
            ..ScenarioPlan::default()
        };
        assert_eq!(looks(&plan), 2);
    }

    #[test]
    fn the_command_of_the_whole_is_that_of_the_first_part_without_what_made_it_one() {
        let words = "delta-lab run s --shard 1/4 --samples 3 --into=x --into y --shard=2/4 -v";
        let first = Folder {
            dir: PathBuf::new(),
            plan: Plan::default(),
            rows: Vec::new(),
            findings: Vec::new(),
            host: Host {
                command: words.split(' ').map(str::to_string).collect(),
                machine: "one".into(),
                ..Host::default()
            },
        };
        let host = host(&[first]);
        assert_eq!(host.command.join(" "), "delta-lab run s --samples 3 -v");
        assert_eq!(host.machine, "one");
    }
}
