//! The page of the experiments: each question with its verdict, what was seen, and the chart that shows it. Made of
//! results, never typed.

use std::path::Path;

use anyhow::{Context, Result};

use super::block::{Block, Column, Grid, Keep, Told};
use super::{clean, draw, inks, pictures, units, views};
use crate::record::{Check, Results, Row, replace};
use crate::stats::assume::Assumptions;
use crate::stats::{self, Decision, Outcome, Scenario, Verdict};

/// One experiment, and what is known of it.
pub struct Experiment {
    /// `g`
    pub letter: String,
    /// `g-resume`
    pub name: String,
    /// What it asks.
    pub question: String,
    pub state: State,
}

/// What has become of an experiment.
pub enum State {
    NotRun,
    /// It could not be run here; why.
    Skipped(String),
    /// Its run ended in trouble; why.
    Broken(String),
    Ran(Box<Results>),
}

/// How an experiment came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub told: Told,
    /// In a few words: `5 of 5 expectations hold`.
    pub words: String,
    /// What does not hold, or failed: one line each.
    pub broken: Vec<String>,
    /// What could not be decided or run, and why: one line each.
    pub open: Vec<String>,
}

impl Experiment {
    /// What its results say. A step that failed is no answer, whatever the expectations say.
    pub fn answer(&self) -> Answer {
        let undecided = |words: &str| Answer {
            told: Told::Undecided,
            words: words.to_string(),
            broken: Vec::new(),
            open: Vec::new(),
        };
        match &self.state {
            State::NotRun => undecided("not run"),
            State::Skipped(why) => undecided(&format!("skipped: {}", clean::short(why))),
            State::Broken(why) => Answer {
                told: Told::Fails,
                words: "could not be run".to_string(),
                broken: vec![clean::short(why)],
                open: Vec::new(),
            },
            State::Ran(results) => answer(results),
        }
    }
}

fn answer(results: &Results) -> Answer {
    let reading = stats::read(results);
    let verdicts: Vec<&Verdict> = reading
        .scenarios
        .iter()
        .flat_map(|scenario| &scenario.verdicts)
        .collect();
    let with = |wanted: fn(&Decision) -> bool| {
        let verdicts = verdicts.iter().filter(move |it| wanted(&it.decision));
        verdicts.map(|verdict| views::verdict(verdict))
    };
    let mut broken: Vec<String> = with(|it| matches!(it, Decision::Fails(_))).collect();
    let surprising = surprising(results, &verdicts);
    broken.extend(stats::read(&surprising).scenarios.iter().flat_map(failed));
    let mut open: Vec<String> = with(|it| matches!(it, Decision::Undecided(_))).collect();
    open.extend(reading.scenarios.iter().flat_map(skipped));
    let holding = with(|it| *it == Decision::Holds).count();
    let told = match (broken.is_empty(), holding) {
        (false, _) => Told::Fails,
        (true, 0) => Told::Undecided,
        (true, _) => Told::Holds,
    };
    Answer {
        told,
        words: format!(
            "{holding} of {} expectations hold",
            units::count(verdicts.len() as u64)
        ),
        broken,
        open,
    }
}

/// The results without the rows of steps that were to fail, and did so as was expected.
fn surprising(results: &Results, verdicts: &[&Verdict]) -> Results {
    let expected = |row: &Row| {
        verdicts.iter().any(|it| {
            let of = &it.of;
            it.decision == Decision::Holds
                && it.failed_with.is_some()
                && row.check == Check::Failed
                && (
                    row.scenario.as_str(),
                    row.method.as_str(),
                    row.image.as_str(),
                ) == (&it.scenario, &of.method, &of.image)
                && (row.verb, &row.bases, &row.case) == (of.verb, &of.bases, &of.case)
        })
    };
    let mut results = results.clone();
    results.rows.retain(|row| !expected(row));
    results
}

fn failed(scenario: &Scenario) -> Vec<String> {
    let sections = scenario.sections.iter().flat_map(|it| &it.failed);
    let troubles = sections.chain(&scenario.failed);
    troubles
        .map(|it| {
            format!(
                "failed: {}: {}",
                clean::names(&it.who),
                clean::short(&it.reason)
            )
        })
        .collect()
}

fn skipped(scenario: &Scenario) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let sections = scenario.sections.iter().flat_map(|it| &it.skipped);
    for trouble in sections.chain(&scenario.skipped) {
        let who = clean::names(&trouble.who);
        let line = format!("skipped: {who}: {}", clean::short(&trouble.reason));
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

/// Writes the page to `file`, and its charts into the results folder of each experiment.
pub fn write(experiments: &[Experiment], file: &Path) -> Result<()> {
    let markdown = inks::INKS.iter().find(|(file, _)| file.ends_with(".md"));
    let (_, print) = markdown.context("no ink prints Markdown")?;
    let page = page(experiments, file);
    let pictures = pictures(&page);
    let beside = file.parent().unwrap_or(Path::new(""));
    for (picture, (svg, png)) in pictures.iter().zip(draw::drawn(&pictures)?) {
        let drawn = |ending: &str| beside.join(format!("{}.{ending}", picture.file));
        replace(&drawn("svg"), svg.as_bytes())?;
        replace(&drawn("png"), &png)?;
    }
    replace(file, print(&page)?.as_bytes())
}

fn page(experiments: &[Experiment], file: &Path) -> Vec<Block> {
    let head = |level, text: &str| Block::Head {
        level,
        text: text.to_string(),
    };
    let said = "Each question is a scenario in scenarios/experiments, run by `delta-lab experiments`. \
                This page is generated from the results.";
    let mut blocks = vec![
        head(1, "Experiments"),
        Block::Text(said.replace('`', "")),
        Block::Grid(summary(experiments)),
    ];
    for experiment in experiments {
        blocks.push(head(2, &experiment.name));
        blocks.push(Block::Text(experiment.question.clone()));
        let answer = experiment.answer();
        blocks.push(Block::Text(format!(
            "{}: {}.",
            answer.told.word(),
            answer.words
        )));
        if let State::Ran(results) = &experiment.state {
            blocks.extend(of_results(results, &folder(&results.dir, file)));
        }
    }
    blocks
}

fn summary(experiments: &[Experiment]) -> Grid {
    let answers: Vec<Answer> = experiments.iter().map(Experiment::answer).collect();
    let names = |head, cells: Vec<String>| Column::names(Keep::Always, head, cells);
    let of = |cell: fn(&Experiment) -> String| experiments.iter().map(cell).collect();
    Grid {
        columns: vec![
            names("experiment", of(|it| it.name.clone())),
            names("question", of(|it| it.question.clone())),
            names(
                "verdict",
                answers.iter().map(|it| it.told.word().into()).collect(),
            ),
            names("", answers.iter().map(|it| it.words.clone()).collect()),
        ],
    }
}

/// Command, machine, verdicts, charts and versions.
fn of_results(results: &Results, folder: &str) -> Vec<Block> {
    let reading = stats::read(results);
    let host = &results.host;
    let mut blocks = vec![Block::List(vec![
        format!("Command: {}", host.command.join(" ")),
        format!(
            "Machine: {}, kernel {}, {}, {} cores, {} of memory; delta-lab {}, {}",
            host.os,
            host.kernel,
            host.cpu,
            host.cores,
            units::bytes(host.memory_bytes),
            host.lab,
            host.started
        ),
    ])];
    for scenario in &reading.scenarios {
        blocks.extend(
            views::answer(scenario, &Assumptions::default(), 3)
                .into_iter()
                .map(|block| within(block, folder)),
        );
        blocks.push(Block::Fold {
            summary: "Versions".to_string(),
            blocks: vec![Block::Grid(versions(scenario))],
        });
    }
    blocks
}

fn versions(scenario: &Scenario) -> Grid {
    let sections = scenario.sections.iter().take(1);
    let methods: Vec<_> = sections
        .flat_map(|section| &section.methods)
        .filter(|method| {
            method
                .steps()
                .any(|step| step.outcome() == Outcome::Verified)
        })
        .collect();
    let names = methods.iter().map(|it| it.method.to_string());
    let versions = methods.iter().map(|it| clean::short(it.version));
    Grid {
        columns: vec![
            Column::names(Keep::Always, "method", names.collect()),
            Column::names(Keep::Always, "version", versions.collect()),
        ],
    }
}

/// A block whose pictures lie in a folder.
fn within(block: Block, folder: &str) -> Block {
    match block {
        Block::Plot(mut picture) => {
            picture.file = format!("{folder}{}", picture.file);
            Block::Plot(picture)
        }
        Block::Fold { summary, blocks } => Block::Fold {
            summary,
            blocks: blocks.into_iter().map(|it| within(it, folder)).collect(),
        },
        other => other,
    }
}

/// Where a results folder lies, seen from the page: `experiments/g-resume/`.
fn folder(dir: &Path, page: &Path) -> String {
    let beside = page.parent().unwrap_or(Path::new(""));
    let path = dir.strip_prefix(beside).unwrap_or(dir);
    format!("{}/", path.display())
}
