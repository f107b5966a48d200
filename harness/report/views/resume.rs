//! Resume: what an update costs that was interrupted and tried again, against the same update left alone.

use std::collections::BTreeMap;

use crate::record::{Bases, Fault, Finding};
use crate::report::block::{Block, Column, Grid, Keep, NO_FIGURE, Picture};
use crate::report::plot::{Axis, Lines, Plot, Series, Spacing};
use crate::report::units;
use crate::stats::{Scenario, median};

use super::picture::plain;

/// One method, interrupted in one way.
struct Entry<'a> {
    method: &'a str,
    fault: Fault,
    /// What the client held.
    bases: &'a Bases,
    /// By measure, the median over samples.
    found: BTreeMap<&'a str, i128>,
}

pub fn blocks(scenario: &Scenario) -> Vec<Block> {
    let entries = entries(scenario);
    if entries.is_empty() {
        return Vec::new();
    }
    let head = Block::Head {
        level: 1,
        text: "Interrupted and tried again".to_string(),
    };
    let said = "All attempts together, in percent of an update that was left alone: 100 is a perfect resume. \
                Left are the bytes of the client's files after the first attempt.";
    let mut blocks = vec![
        head,
        Block::Text(said.to_string()),
        Block::Grid(grid(&entries)),
    ];
    for (kind, name) in [("cut", "resume-cut"), ("kill", "resume-kill")] {
        let lines = lines(scenario, &entries, kind);
        if lines.series.iter().any(|series| series.points.len() > 1) {
            blocks.push(Block::Plot(Box::new(Picture {
                name,
                file: plain(&format!("{}-{name}", scenario.plan.name)),
                plot: Plot::Lines(lines),
            })));
        }
    }
    blocks
}

fn entries<'a>(scenario: &Scenario<'a>) -> Vec<Entry<'a>> {
    type Key<'a> = (&'a str, &'a Bases, String);
    let mut by_act: BTreeMap<Key, (Fault, BTreeMap<&str, Vec<i128>>)> = BTreeMap::new();
    for finding in &scenario.findings {
        let finding: &'a Finding = finding;
        let fault = finding.case.get(Fault::AXIS).map(Fault::named);
        let Some(Ok(Some(fault))) = fault else {
            continue;
        };
        // Two digits, so that 5 % sorts before 50 %.
        let kind = fault.to_string();
        let kind = kind.split(':').next().unwrap_or_default();
        let order = format!("{kind}{:02} {}", fault.percent(), finding.case);
        let key = (finding.method.as_str(), &finding.bases, order);
        let (_, found) = by_act.entry(key).or_insert((fault, BTreeMap::new()));
        let values = found.entry(finding.measure.as_str()).or_default();
        values.push(finding.value.into());
    }
    let entry =
        |((method, bases, _), (fault, found)): (Key<'a>, (Fault, BTreeMap<&'a str, Vec<i128>>))| {
            Entry {
                method,
                fault,
                bases,
                found: found
                    .into_iter()
                    .filter_map(|(measure, values)| Some((measure, median(values)?)))
                    .collect(),
            }
        };
    by_act.into_iter().map(entry).collect()
}

fn grid(entries: &[Entry]) -> Grid {
    let names = |head, cell: &dyn Fn(&Entry) -> String| {
        Column::names(Keep::Always, head, entries.iter().map(cell).collect())
    };
    let found = |keep, head: &str, measure: &str, words: fn(i128) -> String| {
        let cell = |entry: &Entry| {
            let value = entry.found.get(measure);
            value.map_or(NO_FIGURE.to_string(), |value| words(*value))
        };
        Column::figures(keep, head, head, entries.iter().map(cell).collect())
    };
    Grid {
        columns: vec![
            names("method", &|entry| entry.method.to_string()),
            names("holds", &|entry| match entry.bases.is_empty() {
                true => "nothing".to_string(),
                false => entry.bases.to_string(),
            }),
            names("fault", &|entry| entry.fault.to_string()),
            found(Keep::Always, "all attempts", "resume_percent", |it| {
                format!("{it} %")
            }),
            found(Keep::Key, "left alone", "undisturbed_bytes", units::bytes),
            found(
                Keep::Key,
                "first attempt",
                "first_attempt_bytes",
                units::bytes,
            ),
            found(Keep::Key, "attempts", "attempts", units::count),
            found(Keep::Helpful, "left", "left_bytes", units::bytes),
        ],
    }
}

/// The methods' updates from the most bases, over the share after which they were interrupted.
fn lines(scenario: &Scenario, entries: &[Entry], kind: &str) -> Lines {
    let mut series: Vec<Series> = Vec::new();
    let most = entries.iter().map(|entry| entry.bases.len()).max();
    let meant = |entry: &&Entry| {
        entry.fault.to_string().starts_with(kind) && Some(entry.bases.len()) == most
    };
    for entry in entries.iter().filter(meant) {
        let Some(percent) = entry.found.get("resume_percent") else {
            continue;
        };
        let point = (f64::from(entry.fault.percent()), *percent as f64);
        match series.iter_mut().find(|it| it.name == entry.method) {
            Some(series) => series.points.push(point),
            None => series.push(Series {
                name: entry.method.to_string(),
                points: vec![point],
                front: true,
            }),
        }
    }
    let title = match kind {
        "cut" => "what a cut connection costs",
        _ => "what a killed client costs",
    };
    Lines {
        title: format!("{}: {title}", scenario.plan.name),
        subtitle: "All attempts together against an update that was left alone; 100 % is a perfect resume.".into(),
        x: Axis {
            words: "share of the update that had crossed".to_string(),
            tick: |percent| format!("{percent:.0} %"),
            spacing: Spacing::Linear,
        },
        y: Axis {
            words: "bytes of all attempts, lower is better".to_string(),
            tick: |percent| format!("{percent:.0} %"),
            spacing: Spacing::Linear,
        },
        series,
        marks: Vec::new(),
        notes: Vec::new(),
    }
}
