//! Speed as ratios: how many times as long as the quickest method each takes, sample by sample.
//!
//! Samples are taken in turn, so a sample of one method and the same sample of another met the same machine. Their ratio
//! stays when the machine is slower on another day; their times do not.

use crate::report::block::{Block, Column, Grid, Keep};
use crate::report::cells;
use crate::stats::{MethodRows, Samples, Section, deed};

use super::columns;

/// With fewer there is no median to speak of.
const LEAST_SAMPLES: u32 = 3;

/// The medians alone, for a screen.
pub fn glance(section: &Section) -> Vec<Block> {
    blocks(section, false)
}

/// Medians and spreads.
pub fn grid(section: &Section) -> Vec<Block> {
    blocks(section, true)
}

/// The grid, where there are samples enough and somebody to compare with.
fn blocks(section: &Section, spread: bool) -> Vec<Block> {
    if section.scenario.samples < LEAST_SAMPLES || section.ranked().len() < 2 {
        return Vec::new();
    }
    let mut all = vec![columns::methods(section)];
    if let Some(main) = section.main() {
        let head = deed(main);
        all.push(ratios(
            section,
            spread,
            Keep::Key,
            "update",
            head,
            |method| method.main(),
        ));
    }
    if let Some(full) = section.full.filter(|_| !section.deltas.is_empty()) {
        let head = deed(full);
        all.push(ratios(
            section,
            spread,
            Keep::Helpful,
            "full update",
            head,
            |method| method.full.as_ref(),
        ));
    }
    // The first publish is all new; of the last most is stored already.
    let publishes = [
        section.publishes.first(),
        section
            .publishes
            .last()
            .filter(|_| section.publishes.len() > 1),
    ];
    for publish in publishes.into_iter().flatten() {
        let head = format!("publish {}", publish.image);
        let at = section.publishes.iter().position(|it| it == publish);
        all.push(ratios(
            section,
            spread,
            Keep::Helpful,
            &head.clone(),
            head,
            |method| method.publishes.get(at?),
        ));
    }
    vec![
        Block::Head {
            level: 1,
            text: "How many times as long as the quickest".to_string(),
        },
        Block::Text(format!(
            "Each sample over the same sample of the method that is quickest at this step. Samples are taken in turn, so \
             these ratios stay where times drift. Shown is the median{}.",
            if spread {
                ", and the least to the most"
            } else {
                ""
            }
        )),
        Block::Grid(Grid::filled(all)),
    ]
}

/// The ratios of one step, which `find` finds among a method's.
fn ratios<'s, 'a>(
    section: &'s Section<'a>,
    spread: bool,
    keep: Keep,
    short: &str,
    head: String,
    find: impl Fn(&'s MethodRows<'a>) -> Option<&'s Samples<'a>>,
) -> Column {
    let steps: Vec<Option<&Samples>> = section.ranked().iter().map(find).collect();
    let timed = steps.iter().flatten().filter_map(|step| {
        let wall = step.spread(|row| row.wall_ns)?;
        Some((wall.median, *step))
    });
    let quickest = timed
        .min_by_key(|(median, _)| *median)
        .map(|(_, step)| step);
    let cells = steps
        .iter()
        .map(|step| cells::times(*step, quickest, spread));
    Column::figures(keep, short, head, cells.collect()).measuring("time", None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Results;
    use crate::stats::fixture;
    use crate::stats::sections;

    fn ratios_of(results: &Results) -> Vec<(String, Vec<String>)> {
        let sections = sections(results);
        let blocks = grid(&sections[0]);
        let grids = blocks.into_iter().find_map(|block| match block {
            Block::Grid(grid) => Some(grid.columns),
            _ => None,
        });
        let columns = grids.unwrap_or_default().into_iter();
        columns
            .map(|column| {
                let texts = column.cells.into_iter().map(|cell| cell.text);
                (column.head, texts.collect())
            })
            .collect()
    }

    #[test]
    fn a_machine_that_is_slower_for_one_sample_changes_no_ratio() {
        let mut results = fixture::results("race", 3, 2, 3);
        for row in &mut results.rows {
            let factor = match row.method.as_str() {
                "raw" => 1,
                "fastcdc/64k" => 2,
                _ => 5,
            };
            let slow = if row.sample == 2 { 10 } else { 1 };
            row.wall_ns = Some(1_000_000 * factor * slow);
        }
        let found = ratios_of(&results);
        let heads: Vec<&str> = found.iter().map(|(head, _)| head.as_str()).collect();
        assert_eq!(heads.len(), 5, "{heads:?}");
        let (_, methods) = &found[0];
        for (head, cells) in &found[1..] {
            for (method, cell) in methods.iter().zip(cells) {
                let wanted = match method.as_str() {
                    "raw" => "1.00",
                    "fastcdc/64k" => "2.00",
                    _ => "5.00",
                };
                assert_eq!(cell, wanted, "{head} of {method}");
            }
        }
        // The spread of ratios is told; without three samples nothing is.
        let first = results.rows.iter_mut().find(|row| row.method == "xdelta3");
        first.unwrap().wall_ns = Some(9_000_000);
        let told = ratios_of(&results);
        let all: Vec<&String> = told.iter().flat_map(|(_, cells)| cells).collect();
        assert!(
            all.iter().any(|cell| *cell == "5.00 (5.00 to 9.00)"),
            "{all:?}"
        );
        assert!(ratios_of(&fixture::results("race", 3, 2, 2)).is_empty());
    }
}
