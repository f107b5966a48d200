//! Views: pure functions from rows and facts to text. Each is a file here and a line in `VIEWS`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::record::{Results, replace};
use crate::stats::{ScenarioRows, scenarios};

mod bars;
mod canvas;
mod columns;
pub mod diff;
mod markdown;
mod palette;
mod scale;
mod sheet;
mod storage;
mod table;
mod time;
mod transfer;
pub mod units;

pub use table::terminal_table;

/// A pure function from results to text.
#[derive(Clone, Copy)]
pub enum View {
    /// One file for the results folder.
    Text(fn(&Results) -> Result<String>),
    /// One SVG, and its picture as PNG, for each scenario that has something to show.
    Chart(fn(&ScenarioRows) -> Result<Option<String>>),
}

/// Every view: its file's name, or for a chart what follows the scenario's in it.
pub const VIEWS: &[(&str, View)] = &[
    ("report.md", View::Text(markdown::report)),
    ("transfer", View::Chart(transfer::draw)),
    ("storage", View::Chart(storage::draw)),
    ("time", View::Chart(time::draw)),
];

/// Writes every view into the folder `into` (made when absent) and returns the files, in the order of `VIEWS`.
pub fn write_all(results: &Results, into: &Path) -> Result<Vec<PathBuf>> {
    fs::create_dir_all(into).with_context(|| format!("make the folder {}", into.display()))?;
    let mut written = Vec::new();
    let mut write = |file: &str, bytes: &[u8]| -> Result<()> {
        let path = into.join(file);
        replace(&path, bytes)?;
        written.push(path);
        Ok(())
    };
    for (name, view) in VIEWS {
        match view {
            View::Text(text) => {
                let text = text(results).with_context(|| format!("write {name}"))?;
                write(name, text.as_bytes())?;
            }
            View::Chart(draw) => {
                for scenario in &scenarios(&results.rows) {
                    let chart = || format!("draw the {name} chart of {}", scenario.scenario);
                    if let Some(svg) = draw(scenario).with_context(chart)? {
                        let png = canvas::png(&svg).with_context(chart)?;
                        write(&chart_file(scenario, name, "svg"), svg.as_bytes())?;
                        write(&chart_file(scenario, name, "png"), &png)?;
                    }
                }
            }
        }
    }
    Ok(written)
}

/// File name of a scenario's chart, free of letters that a path or a link would take otherwise.
fn chart_file(scenario: &ScenarioRows, chart: &str, ending: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    let scenario = scenario.scenario.replace(|letter| !plain(letter), "-");
    format!("{scenario}-{chart}.{ending}")
}

#[cfg(test)]
mod tests;
