//! `experiments`: runs the questions in scenarios/experiments, and writes the page that answers them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};

use super::out::{self, note};
use super::progress::Progress;
use super::selection::{doers, method_folders};
use crate::method::Methods;
use crate::record::Results;
use crate::report;
use crate::report::block::Told;
use crate::report::experiments::{self, Experiment, State};
use crate::run::{self, Order};
use crate::scenario::Scenario;
use crate::source::cache::Cache;
use crate::stats::assume::Assumptions;

#[derive(clap::Args)]
pub struct Args {
    /// Letters such as `g`, or names such as `g-resume`; all when none is given
    #[arg(value_name = "LETTER")]
    only: Vec<String>,
    /// Folder of the scenarios; what stands before the first `-` of a file's name is its letter
    #[arg(long, value_name = "DIR", default_value = "scenarios/experiments")]
    from: PathBuf,
    /// Folder for one results folder each. What it holds already is not run again
    #[arg(long, value_name = "DIR", default_value = "results/experiments")]
    into: PathBuf,
    /// The page [default: beside the results folders, named as their folder is]
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
    /// Drop the results that are there, and run the experiments again
    #[arg(long)]
    again: bool,
    /// Run nothing: draw the charts and write the page from the results that are there
    #[arg(long, conflicts_with = "again")]
    draw: bool,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let files = files(&args.from)?;
    let chosen = choose(&args.only, &files)?;
    let cache = Cache::open()?;
    let mut all = Vec::new();
    for (name, path) in &files {
        let into = args.into.join(name);
        let asked = chosen.contains(name);
        let experiment = match asked && !args.draw {
            true => carry_out(name, path, &into, args.again, &cache)?,
            false => known(name, path, &into)?,
        };
        if let (State::Ran(results), true) = (&experiment.state, asked && args.draw) {
            report::write_all(results, &Assumptions::default(), &results.dir)?;
        }
        if chosen.contains(name) {
            out::print(&told(&experiment))?;
        }
        all.push(experiment);
    }
    let page = args.page.clone().unwrap_or_else(|| beside(&args.into));
    experiments::write(&all, &page)?;
    let answers = all
        .iter()
        .filter(|it| chosen.contains(&it.name))
        .map(|it| it.answer().told);
    let answers: Vec<Told> = answers.collect();
    let count = |told| answers.iter().filter(|it| **it == told).count();
    let fails = count(Told::Fails);
    out::print(&format!(
        "{} hold, {fails} fail, {} undecided: {}\n",
        count(Told::Holds),
        count(Told::Undecided),
        page.display()
    ))?;
    Ok(ExitCode::from(if fails > 0 { super::FAILED } else { 0 }))
}

/// Name and path of every scenario in the folder, in order.
fn files(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let entries = fs::read_dir(folder)
        .with_context(|| format!("read the folder of experiments {}", folder.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry
            .with_context(|| format!("read {}", folder.display()))?
            .path();
        let name = path.file_stem().and_then(|stem| stem.to_str());
        if let (true, Some(name)) = (path.extension().is_some_and(|it| it == "toml"), name) {
            files.push((name.to_string(), path.clone()));
        }
    }
    ensure!(!files.is_empty(), "no experiments in {}", folder.display());
    files.sort();
    Ok(files)
}

fn letter(name: &str) -> &str {
    name.split('-').next().unwrap_or(name)
}

/// The names that the words on the command line mean.
fn choose(only: &[String], files: &[(String, PathBuf)]) -> Result<Vec<String>> {
    let names = || files.iter().map(|(name, _)| name);
    let mut chosen = Vec::new();
    for word in only.iter().flat_map(|words| words.split([',', ' '])) {
        let meant = names().filter(|name| *name == word || letter(name) == word);
        let before = chosen.len();
        chosen.extend(meant.cloned());
        if chosen.len() == before {
            let known: Vec<&str> = names().map(String::as_str).collect();
            bail!("no experiment `{word}`; there are {}", known.join(", "));
        }
    }
    Ok(match only.is_empty() {
        true => names().cloned().collect(),
        false => chosen,
    })
}

/// `results/experiments.md` for `results/experiments`.
fn beside(into: &Path) -> PathBuf {
    let mut name = into.as_os_str().to_owned();
    name.push(".md");
    PathBuf::from(name)
}

fn read(path: &Path) -> Result<(Scenario, Methods)> {
    let methods = Methods::in_folders(&method_folders(path))?;
    Ok((Scenario::read(path, &methods)?, methods))
}

fn experiment(name: &str, scenario: &Scenario, state: State) -> Experiment {
    Experiment {
        letter: letter(name).to_string(),
        name: name.to_string(),
        question: scenario.about.clone(),
        state,
    }
}

/// An experiment that is not asked for, with the results of an earlier run.
fn known(name: &str, path: &Path, into: &Path) -> Result<Experiment> {
    let (scenario, _) = read(path)?;
    let state = match into.join("rows.csv").is_file() {
        true => State::Ran(Box::new(Results::load(into)?)),
        false => State::NotRun,
    };
    Ok(experiment(name, &scenario, state))
}

/// Runs one experiment. One whose images need a program or a service that is not here is skipped.
fn carry_out(
    name: &str,
    path: &Path,
    into: &Path,
    again: bool,
    cache: &Cache,
) -> Result<Experiment> {
    let (scenario, methods) = read(path)?;
    note(&format!("== {name}: {}", scenario.about));
    if again && into.exists() {
        ensure!(
            into.join("rows.csv").is_file(),
            "{}: no results folder, so it is not removed",
            into.display()
        );
        fs::remove_dir_all(into).with_context(|| format!("remove {}", into.display()))?;
    }
    let doers = doers(&scenario, &methods)?;
    let order = Order::of(vec![(scenario.clone(), doers)], into.to_path_buf());
    let mut progress = Progress::new(false);
    let ran = run::run(&order, cache, &mut |news| progress.tell(news));
    drop(progress);
    // The others are run all the same.
    if let Err(why) = ran {
        let state = match missing(&scenario) {
            Some(lack) => State::Skipped(lack),
            None => State::Broken(format!("{why:#}")),
        };
        return Ok(experiment(name, &scenario, state));
    }
    let results = Results::load(into)?;
    report::write_all(&results, &Assumptions::default(), &results.dir)?;
    Ok(experiment(name, &scenario, State::Ran(Box::new(results))))
}

/// What the images of a scenario need and this machine lacks.
fn missing(scenario: &Scenario) -> Option<String> {
    let images = scenario.images.iter();
    let lacks = images.filter_map(|image| image.source.lacks().map(|why| (&image.name, why)));
    let mut lacks = lacks.map(|(name, why)| format!("image `{name}`: {why:#}"));
    lacks.next()
}

/// The verdict in a line, and below it what does not hold and what is open.
fn told(experiment: &Experiment) -> String {
    let answer = experiment.answer();
    let mut text = format!(
        "{}: {}: {}\n",
        experiment.name,
        answer.told.word(),
        answer.words
    );
    for line in answer.broken.iter().chain(&answer.open) {
        text.push_str(&format!("    {line}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_means_every_file_that_begins_with_it_and_a_wrong_one_names_them_all() {
        let files =
            ["d-sweep", "l-layers", "l-window"].map(|name| (name.to_string(), PathBuf::new()));
        let chosen = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(ToString::to_string).collect();
            choose(&words, &files)
        };
        assert_eq!(chosen(&["l"]).unwrap(), ["l-layers", "l-window"]);
        assert_eq!(chosen(&["l-window,d"]).unwrap(), ["l-window", "d-sweep"]);
        assert_eq!(chosen(&[]).unwrap().len(), 3);
        let why = chosen(&["x"]).unwrap_err().to_string();
        assert!(why.contains("d-sweep, l-layers, l-window"), "{why}");
        assert_eq!(
            beside(Path::new("results/experiments")),
            Path::new("results/experiments.md")
        );
    }
}
