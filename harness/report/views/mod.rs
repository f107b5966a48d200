//! Views: pure functions from results to blocks. Each is a file here and a line in `VIEWS`.

use crate::record::Results;
use crate::stats::assume::Assumptions;
use crate::stats::{Reading, Scenario, Section};

use super::block::Block;

mod assumptions;
mod cadence;
mod cases;
mod columns;
mod findings;
mod forms;
mod fronts;
mod history;
mod hops;
mod images;
mod lines;
mod links;
mod machine;
mod matrix;
mod measured;
mod picture;
mod ranking;
mod reads;
pub mod recommended;
mod resume;
mod seeds;
pub mod similarity;
mod speed;
mod storage;
mod summary;
mod sweep;
mod time;
mod transfer;
mod troubles;
mod updates;
mod verdicts;

pub use machine::timed;
pub use verdicts::words as verdict;

/// Where a view is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// A terminal: what a choice hangs on.
    Screen,
    /// A file of the results folder: everything.
    Report,
    /// The answer to one question: verdicts and the charts that show it.
    Experiment,
}

/// What a view is of.
#[derive(Clone, Copy)]
enum Of {
    Scenario(fn(&Scenario) -> Vec<Block>),
    /// A scenario under one case.
    Section(fn(&Section) -> Vec<Block>),
    Results(fn(&Results, &Reading) -> Vec<Block>),
    /// A scenario under assumptions; it comes before everything else of a page.
    Choice(fn(&Results, &Scenario, &Assumptions) -> Vec<Block>),
    /// The same in its place among the other views of a scenario.
    Priced(fn(&Scenario, &Assumptions) -> Vec<Block>),
    /// The assumptions themselves.
    Terms(fn(&Assumptions) -> Vec<Block>),
    /// A scenario under one case, under assumptions.
    Assumed(fn(&Section, &Assumptions) -> Vec<Block>),
}

/// A view: its name, the pages that show it, and what it is of.
pub struct View {
    pub name: &'static str,
    pages: &'static [Page],
    of: Of,
}

/// With more cases than this, a screen compares them and leaves their rankings to the report.
const MOST_CASES: usize = 4;

const BOTH: &[Page] = &[Page::Screen, Page::Report];
const SCREEN: &[Page] = &[Page::Screen];
const REPORT: &[Page] = &[Page::Report];
const EXPERIMENT: &[Page] = &[Page::Experiment];
const ANSWER: &[Page] = &[Page::Report, Page::Experiment];

/// Every view in the order of a page. On a screen the verdicts come last, where the eye is; in a report first.
pub const VIEWS: &[View] = &[
    view("summary", REPORT, Of::Choice(summary::blocks)),
    view("about", REPORT, Of::Scenario(images::about)),
    view("verdicts", ANSWER, Of::Scenario(verdicts::blocks)),
    view("images", REPORT, Of::Scenario(images::blocks)),
    view("resume", ANSWER, Of::Scenario(resume::blocks)),
    view("hops", ANSWER, Of::Priced(hops::blocks)),
    view("stores", EXPERIMENT, Of::Scenario(history::stores)),
    view("forms", ANSWER, Of::Scenario(forms::blocks)),
    view("matrix", ANSWER, Of::Scenario(matrix::blocks)),
    view("similarity", ANSWER, Of::Scenario(similarity::blocks)),
    view("steps", EXPERIMENT, Of::Scenario(history::steps)),
    view("cases", BOTH, Of::Scenario(cases::blocks)),
    view("ranking at a glance", SCREEN, Of::Section(ranking::glance)),
    view("speed at a glance", SCREEN, Of::Section(speed::glance)),
    view("sweep", EXPERIMENT, Of::Section(sweep::blocks)),
    view("seeds", ANSWER, Of::Section(seeds::blocks)),
    view("ages", EXPERIMENT, Of::Section(history::updates)),
    view("cadence", ANSWER, Of::Assumed(cadence::blocks)),
    view("ranking", REPORT, Of::Section(ranking::blocks)),
    view("transfer", REPORT, Of::Section(transfer::chart)),
    view("storage", REPORT, Of::Section(storage::chart)),
    view("time and memory", REPORT, Of::Section(time::grid)),
    view("time", REPORT, Of::Section(time::chart)),
    view("reads", ANSWER, Of::Section(reads::chart)),
    view("speed", REPORT, Of::Section(speed::grid)),
    view("links", REPORT, Of::Assumed(links::blocks)),
    view("fronts", REPORT, Of::Section(fronts::charts)),
    view(
        "over releases and sizes",
        REPORT,
        Of::Section(lines::charts),
    ),
    view("updates", BOTH, Of::Section(updates::blocks)),
    view("skipped and failed", ANSWER, Of::Section(troubles::blocks)),
    view("skipped and failed", SCREEN, Of::Section(troubles::lines)),
    view("findings", BOTH, Of::Scenario(findings::blocks)),
    view("verdicts", SCREEN, Of::Scenario(verdicts::blocks)),
    view("assumptions", REPORT, Of::Terms(assumptions::blocks)),
    view("machine and versions", REPORT, Of::Results(machine::blocks)),
    view("how it was measured", REPORT, Of::Results(measured::blocks)),
    view("rows left out", BOTH, Of::Results(measured::left_out)),
];

impl View {
    /// What the view says of everything it is of.
    pub fn blocks(
        &self,
        results: &Results,
        reading: &Reading,
        assumed: &Assumptions,
    ) -> Vec<Block> {
        let scenarios = || reading.scenarios.iter();
        let sections = || scenarios().flat_map(|scenario| &scenario.sections);
        match self.of {
            Of::Choice(make) => scenarios()
                .flat_map(|scenario| make(results, scenario, assumed))
                .collect(),
            Of::Assumed(make) => sections()
                .flat_map(|section| make(section, assumed))
                .collect(),
            Of::Scenario(make) => scenarios().flat_map(make).collect(),
            Of::Priced(make) => scenarios()
                .flat_map(|scenario| make(scenario, assumed))
                .collect(),
            Of::Section(make) => sections().flat_map(make).collect(),
            Of::Results(make) => make(results, reading),
            Of::Terms(make) => make(assumed),
        }
    }
}

const fn view(name: &'static str, pages: &'static [Page], of: Of) -> View {
    View { name, pages, of }
}

/// Everything that a page shows, in order.
pub fn page(results: &Results, reading: &Reading, assumed: &Assumptions, page: Page) -> Vec<Block> {
    let mut blocks = Vec::new();
    let report = page == Page::Report;
    if report {
        blocks.push(head(1, "What it costs to ship these images"));
    }
    if results.rows.is_empty() && results.findings.is_empty() {
        let said = "No step has run yet: rows.csv holds no rows.";
        blocks.push(Block::Text(said.to_string()));
    }
    let shown = || VIEWS.iter().filter(|view| view.pages.contains(&page));
    for scenario in &reading.scenarios {
        let choices = shown().filter_map(|view| match view.of {
            Of::Choice(make) => Some(make(results, scenario, assumed)),
            _ => None,
        });
        let choices: Vec<Block> = choices.flatten().collect();
        if !choices.is_empty() {
            let title = head(2, &format!("{}: what to choose", scenario.plan.name));
            blocks.push(part(scenario, [title].into_iter().chain(choices)));
        }
    }
    for scenario in &reading.scenarios {
        let title = report.then(|| head(2, &scenario.plan.name));
        let shown = of_scenario(scenario, assumed, page);
        blocks.push(part(scenario, title.into_iter().chain(shown)));
    }
    for view in shown() {
        match view.of {
            Of::Results(make) => blocks.extend(deeper(make(results, reading), 1)),
            Of::Terms(make) => blocks.extend(deeper(make(assumed), 1)),
            _ => {}
        }
    }
    blocks
}

fn part(scenario: &Scenario, blocks: impl Iterator<Item = Block>) -> Block {
    Block::Part {
        name: scenario.plan.name.clone(),
        blocks: blocks.collect(),
    }
}

/// The answer to the question of one scenario: its verdicts and charts, below a head of `level`. Without a chart of its
/// own, the one of what is transferred.
pub fn answer(scenario: &Scenario, assumed: &Assumptions, level: u8) -> Vec<Block> {
    let mut blocks = of_scenario(scenario, assumed, Page::Experiment);
    if !blocks.iter().any(|block| matches!(block, Block::Plot(_))) {
        blocks.extend(scenario.sections.iter().flat_map(transfer::chart));
    }
    deeper(blocks, level.saturating_sub(2)).collect()
}

/// A scenario's views. Neighbours in the table that are of a section are shown together, section by section.
fn of_scenario(scenario: &Scenario, assumed: &Assumptions, page: Page) -> Vec<Block> {
    let views: Vec<&View> = VIEWS
        .iter()
        .filter(|view| view.pages.contains(&page))
        .collect();
    let of_section = |view: &View| matches!(view.of, Of::Section(_) | Of::Assumed(_));
    let mut blocks = Vec::new();
    for run in views.chunk_by(|one, next| of_section(one) == of_section(next)) {
        if !of_section(run[0]) {
            for view in run {
                match view.of {
                    Of::Scenario(make) => blocks.extend(deeper(make(scenario), 2)),
                    Of::Priced(make) => blocks.extend(deeper(make(scenario, assumed), 2)),
                    _ => {}
                }
            }
            continue;
        }
        if page == Page::Screen && scenario.sections.len() > MOST_CASES {
            let said = "The ranking of each case is in report.md.";
            blocks.push(Block::Text(said.to_string()));
            continue;
        }
        for section in &scenario.sections {
            blocks.extend(under_case(section, run, assumed, page));
        }
    }
    blocks
}

/// The views of one section, under a head where the scenario turned an axis.
fn under_case(section: &Section, views: &[&View], assumed: &Assumptions, page: Page) -> Vec<Block> {
    let depth = 2 + u8::from(!section.case.is_empty());
    let mut blocks = Vec::new();
    for view in views {
        match view.of {
            Of::Section(make) => blocks.extend(deeper(make(section), depth)),
            Of::Assumed(make) => blocks.extend(deeper(make(section, assumed), depth)),
            _ => {}
        }
    }
    // Where nothing is to be shown of a case, its name says nothing either.
    if page != Page::Screen && !section.case.is_empty() && !blocks.is_empty() {
        blocks.insert(0, head(depth, &section.case.to_string()));
    }
    blocks
}

fn head(level: u8, text: &str) -> Block {
    Block::Head {
        level,
        text: text.to_string(),
    }
}

/// A view's own heads begin at level 1; on a page they are below the head of what the view is of.
fn deeper(blocks: Vec<Block>, by: u8) -> impl Iterator<Item = Block> {
    blocks.into_iter().map(move |block| match block {
        Block::Head { level, text } => Block::Head {
            level: level + by,
            text,
        },
        other => other,
    })
}
