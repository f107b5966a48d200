//! Findings: what each probe found, a row for each act and part, a column for each measure.

use std::collections::BTreeMap;

use crate::record::Finding;
use crate::report::block::{Block, Cell, Column, Grid, Keep, NO_FIGURE};
use crate::report::units;
use crate::stats::{Scenario, median};

use super::troubles;

/// More parts than this are folded.
const MOST_PARTS: usize = 8;

/// The most parts that are shown at all, the largest first; findings.csv has every one.
const MOST_SHOWN: usize = 100;

/// What was found of one part of what an act looked at, over its samples.
type Row<'a> = ((String, &'a str), BTreeMap<&'a str, Vec<i128>>);

pub fn blocks(scenario: &Scenario) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut by_doer: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for finding in &scenario.findings {
        by_doer.entry(&finding.method).or_default().push(finding);
    }
    for (doer, findings) in by_doer {
        blocks.push(Block::Head {
            level: 1,
            text: format!("Findings of {doer} in {}", scenario.plan.name),
        });
        blocks.extend(of_doer(&findings));
    }
    let skipped = scenario.skipped.iter().map(|it| ("Skipped", it));
    let failed = scenario.failed.iter().map(|it| ("Failed", it));
    for (how, trouble) in skipped.chain(failed) {
        blocks.push(Block::Text(format!("{how}: {}", troubles::words(trouble))));
    }
    blocks
}

fn of_doer(findings: &[&Finding]) -> Vec<Block> {
    let (whole, parts): (Vec<Row>, Vec<Row>) = rows(findings)
        .into_iter()
        .partition(|((_, part), _)| part.is_empty());
    let mut blocks = Vec::new();
    if !whole.is_empty() {
        blocks.push(Block::Grid(grid(&whole, false)));
    }
    if parts.len() > MOST_PARTS {
        blocks.push(folded(parts));
    } else if !parts.is_empty() {
        blocks.push(Block::Grid(grid(&parts, true)));
    }
    blocks
}

fn folded(mut parts: Vec<Row>) -> Block {
    let all = parts.len();
    let mut summary = format!("{all} parts");
    if all > MOST_SHOWN {
        let largest = |(_, values): &Row| {
            let values = values.values().filter_map(|it| median(it.iter().copied()));
            std::cmp::Reverse(values.max())
        };
        parts.sort_by_cached_key(largest);
        parts.truncate(MOST_SHOWN);
        summary = format!("The {MOST_SHOWN} largest of {all} parts; findings.csv has all");
    }
    Block::Fold {
        summary,
        blocks: vec![Block::Grid(grid(&parts, true))],
    }
}

/// Findings by act and part, in order of appearance.
fn rows<'a>(findings: &[&'a Finding]) -> Vec<Row<'a>> {
    let mut rows: Vec<Row> = Vec::new();
    let mut places: BTreeMap<(String, &str), usize> = BTreeMap::new();
    for finding in findings {
        let mut looked = finding.act().deed();
        if !finding.case.is_empty() {
            looked.push_str(&format!(" [{}]", finding.case));
        }
        let key = (looked, finding.part.as_str());
        let place = *places.entry(key.clone()).or_insert_with(|| {
            rows.push((key, BTreeMap::new()));
            rows.len() - 1
        });
        let values = rows[place].1.entry(finding.measure.as_str()).or_default();
        values.push(finding.value.into());
    }
    rows
}

fn grid(rows: &[Row], with_part: bool) -> Grid {
    let acts: Vec<String> = rows.iter().map(|((act, _), _)| act.clone()).collect();
    let mut columns = vec![Column::names(Keep::Always, "of", acts)];
    if with_part {
        let parts = rows.iter().map(|((_, part), _)| (*part).to_string());
        columns.push(Column::names(Keep::Always, "part", parts.collect()));
    }
    let mut measures: Vec<&str> = rows
        .iter()
        .flat_map(|(_, values)| values.keys().copied())
        .collect();
    measures.sort_unstable();
    measures.dedup();
    for measure in measures {
        let cell = |(_, values): &Row| {
            let values = values.get(measure).into_iter().flatten().copied();
            median(values).map_or(NO_FIGURE.into(), |value| Cell {
                value: Some(value),
                ..shown(measure, value).into()
            })
        };
        let head = measure.replace('_', " ");
        let cells: Vec<Cell> = rows.iter().map(cell).collect();
        columns.push(Column::figures(Keep::Key, &head, head.clone(), cells));
    }
    Grid { columns }
}

/// A value by the unit that its measure's name ends in.
fn shown(measure: &str, value: i128) -> String {
    match u64::try_from(value) {
        Ok(ns) if measure.ends_with("_ns") => units::time(ns),
        _ if measure.ends_with("_bytes") => units::bytes(value),
        _ => units::count(value),
    }
}
