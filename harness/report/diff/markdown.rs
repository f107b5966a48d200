//! The comparison for a pull request: the verdict, a table of what is worse, the rest folded.

use crate::record::Row;
use crate::report::block::{Block, Column, Grid, Keep};
use crate::report::inks::markdown;
use crate::stats::{Comparison, Difference, Weight};

use super::{Sides, change, drift, figure, instead, percent, reason, verdict, word};

/// A comment is read, not scrolled: beyond this a table ends and says how many rows are left out.
const MOST: usize = 50;

/// The comparison as Markdown.
pub fn markdown(of: &Comparison, sides: &Sides) -> String {
    let mut blocks = vec![
        Block::Text(verdict(of)),
        Block::Text(format!("{} against {}", sides.head, sides.base)),
    ];
    let weight = |weight| -> Vec<&Difference> {
        let differences = of.different.iter();
        differences.filter(|it| it.weight == weight).collect()
    };
    let worse = weight(Weight::Worse);
    if !worse.is_empty() {
        blocks.extend(differences(&worse));
    }
    let failed = of.failed.iter().map(|row| (*row, row.error.to_string()));
    blocks.extend(list("Verification failed", failed.collect()));
    let missing = of.missing.iter();
    let missing = missing.map(|(row, now)| (*row, instead(*now)));
    blocks.extend(list("Missing", missing.collect()));
    if let Some(drift) = of.drift.as_ref().filter(|drift| !drift.changes.is_empty()) {
        let changes = &drift.changes;
        let cells = |cell: &dyn Fn(&crate::stats::Change) -> String| {
            changes.iter().take(MOST).map(cell).collect()
        };
        blocks.push(Block::Grid(Grid {
            columns: vec![
                Column::names(Keep::Always, "act", cells(&|it| act(it.of))),
                Column::names(Keep::Always, "measure", cells(&|it| it.measure.name.into())),
                Column::figures(
                    Keep::Always,
                    "before",
                    "before",
                    cells(&|it| figure(it.measure, Some(it.before.into()))),
                ),
                Column::figures(
                    Keep::Always,
                    "after",
                    "after",
                    cells(&|it| figure(it.measure, Some(it.after.into()))),
                ),
                Column::figures(
                    Keep::Always,
                    "change",
                    "change",
                    cells(&|it| percent(it.paired.ratio)),
                ),
                Column::figures(
                    Keep::Always,
                    "pairs",
                    "pairs",
                    cells(&|it| it.paired.pairs.to_string()),
                ),
            ],
        }));
    }
    blocks.push(Block::Text(drift(of)));
    for weight in [Weight::Allowed, Weight::Better] {
        let these: Vec<&Difference> = of
            .different
            .iter()
            .filter(|it| it.weight == weight)
            .collect();
        if !these.is_empty() {
            blocks.push(Block::Fold {
                summary: format!("{}: {} figures", word(weight), these.len()),
                blocks: differences(&these),
            });
        }
    }
    let incomparable = of.incomparable.iter();
    let incomparable = incomparable.map(|(row, why)| (*row, reason(why)));
    blocks.extend(folded("incomparable", incomparable.collect()));
    let new = of.new.iter().map(|row| (*row, String::new()));
    blocks.extend(folded("new", new.collect()));
    markdown::print(&blocks)
}

fn act(row: &Row) -> String {
    row.act().to_string()
}

fn differences(these: &[&Difference]) -> Vec<Block> {
    let shown = &these[..these.len().min(MOST)];
    let cells = |cell: &dyn Fn(&Difference) -> String| shown.iter().map(|it| cell(it)).collect();
    let by = |it: &Difference| change(it).unwrap_or_default();
    let grid = Block::Grid(Grid {
        columns: vec![
            Column::names(Keep::Always, "act", cells(&|it| act(it.of))),
            Column::names(Keep::Always, "measure", cells(&|it| it.measure.name.into())),
            Column::figures(
                Keep::Always,
                "before",
                "before",
                cells(&|it| figure(it.measure, it.before)),
            ),
            Column::figures(
                Keep::Always,
                "after",
                "after",
                cells(&|it| figure(it.measure, it.after)),
            ),
            Column::figures(Keep::Always, "change", "change", cells(&|it| by(it).0)),
            Column::figures(Keep::Always, "share", "share", cells(&|it| by(it).1)),
        ],
    });
    let mut blocks = vec![grid];
    blocks.extend(more(these.len()));
    blocks
}

fn list(head: &str, these: Vec<(&Row, String)>) -> Vec<Block> {
    if these.is_empty() {
        return Vec::new();
    }
    let said = |(row, why): &(&Row, String)| match why.is_empty() {
        true => act(row),
        false => format!("{}: {}", act(row), super::super::clean::short(why)),
    };
    let mut blocks = vec![
        Block::Text(format!("{head}: {}", these.len())),
        Block::List(these.iter().take(MOST).map(said).collect()),
    ];
    blocks.extend(more(these.len()));
    blocks
}

fn folded(what: &str, these: Vec<(&Row, String)>) -> Option<Block> {
    (!these.is_empty()).then(|| Block::Fold {
        summary: format!("{what}: {} acts", these.len()),
        blocks: list(what, these),
    })
}

fn more(all: usize) -> Option<Block> {
    (all > MOST).then(|| Block::Text(format!("… and {} more; --json has them all", all - MOST)))
}
