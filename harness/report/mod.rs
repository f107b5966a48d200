//! Reports: views make blocks of results, inks print them. Nothing here changes a figure.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::record::{Results, replace};
use crate::stats;
use crate::stats::assume::Assumptions;
use crate::stats::offer::by_conditions;
use crate::stats::recommend::recommend;
use crate::words::meant;

pub mod advice;
mod again;
pub mod block;
mod cells;
mod clean;
pub mod diff;
mod draw;
pub mod estimate;
pub mod experiments;
pub mod explain;
pub mod export;
pub mod gate;
mod inks;
pub mod plot;
mod sheet;
pub mod splice;
pub mod units;
mod views;

pub use inks::INKS;
pub use views::similarity::word as sureness;
pub use views::{VIEWS, timed, verdict};

use block::{Block, Picture};
use views::Page;

/// Writes the report in every ink, and its pictures as SVG and PNG, into the folder `into` (made when absent). Returns
/// the files, the reports first.
pub fn write_all(results: &Results, assumed: &Assumptions, into: &Path) -> Result<Vec<PathBuf>> {
    fs::create_dir_all(into).with_context(|| format!("make the folder {}", into.display()))?;
    let reading = stats::read(results);
    let blocks = views::page(results, &reading, assumed, Page::Report);
    let mut written = Vec::new();
    let mut write = |file: &str, bytes: &[u8]| -> Result<()> {
        let path = into.join(file);
        replace(&path, bytes)?;
        written.push(path);
        Ok(())
    };
    for (file, print) in INKS {
        let text = print(&blocks).with_context(|| format!("make {file}"))?;
        write(file, text.as_bytes())?;
    }
    let pictures = pictures(&blocks);
    let mut files = BTreeSet::new();
    for picture in &pictures {
        let file = &picture.file;
        ensure!(
            files.insert(file),
            "two charts would be written to {file}.svg: the names of two scenarios differ in letters alone that a file name leaves out"
        );
    }
    for (picture, (svg, png)) in pictures.iter().zip(draw::drawn(&pictures)?) {
        let file = &picture.file;
        write(&format!("{file}.svg"), svg.as_bytes())?;
        write(&format!("{file}.png"), &png)?;
    }
    Ok(written)
}

/// What a terminal of `width` columns shows of the results: for each scenario and case the ranked table, what did not
/// run, and the verdicts.
pub fn terminal(results: &Results, width: usize) -> Result<String> {
    let reading = stats::read(results);
    let blocks = views::page(results, &reading, &Assumptions::default(), Page::Screen);
    Ok(inks::terminal::print(&blocks, width))
}

/// The recommendation for each scenario, or for the one of that name, as a terminal of `width` columns shows it; at most
/// `most` methods.
///
/// # Errors
/// When the scenario is unknown, or nothing can be recommended.
pub fn recommendation(
    results: &Results,
    assumed: &Assumptions,
    scenario: Option<&str>,
    most: usize,
    width: usize,
) -> Result<String> {
    let reading = stats::read(results);
    let names = || reading.scenarios.iter().map(|it| it.plan.name.as_str());
    if let Some(name) = scenario {
        ensure!(
            names().any(|known| known == name),
            "no scenario `{name}` in {}{}",
            results.dir.display(),
            meant(name, names())
        );
    }
    let wanted = |name: &str| scenario.is_none_or(|it| it == name);
    let mut blocks = Vec::new();
    for scenario in reading.scenarios.iter().filter(|it| wanted(&it.plan.name)) {
        for (case, offers) in by_conditions(scenario) {
            let title = match case.is_empty() {
                true => scenario.plan.name.clone(),
                false => format!("{} [{case}]", scenario.plan.name),
            };
            let advice = recommend(&offers, assumed).with_context(|| title.clone())?;
            blocks.extend(views::recommended::blocks(&title, &advice, assumed, most));
        }
    }
    ensure!(
        !blocks.is_empty(),
        "{}: no verified update, so there is nothing to recommend",
        results.dir.display()
    );
    Ok(inks::terminal::print(&blocks, width))
}

/// Every picture, in folds too.
fn pictures(blocks: &[Block]) -> Vec<&Picture> {
    let mut pictures = Vec::new();
    for block in blocks {
        match block {
            Block::Plot(picture) => pictures.push(picture.as_ref()),
            Block::Fold { blocks, .. } | Block::Part { blocks, .. } => {
                pictures.extend(self::pictures(blocks));
            }
            _ => {}
        }
    }
    pictures
}

#[cfg(test)]
mod tests;
