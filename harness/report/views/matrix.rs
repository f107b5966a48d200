//! Matrices: the best delta between any two images against the best way to send the target whole, and when a delta is
//! not worth it.

use std::collections::BTreeMap;

use crate::record::{Finding, Verb};
use crate::report::block::{Block, Column, Grid, Keep, NO_FIGURE, Picture};
use crate::report::clean;
use crate::report::plot::{Axis, Dot, Plot, Points, Spacing};
use crate::stats::{Samples, Scenario, Section, transfer_bytes};

use super::picture::file;

/// Fewer images than this are no matrix.
const FEWEST_IMAGES: usize = 3;

/// A delta that saves less than a tenth of a full update is not worth computing and keeping.
const WORTH: f64 = 0.9;

/// The bytes of the shortest update to each target from each base.
struct Matrix<'a> {
    images: Vec<&'a str>,
    /// By target: the shortest from nothing.
    full: BTreeMap<&'a str, u64>,
    /// By base and target.
    deltas: BTreeMap<(&'a str, &'a str), u64>,
}

pub fn blocks(scenario: &Scenario) -> Vec<Block> {
    let sections = scenario.sections.iter();
    sections
        .flat_map(|section| of_section(section, &scenario.findings))
        .collect()
}

fn of_section(section: &Section, findings: &[&Finding]) -> Vec<Block> {
    let matrix = Matrix::of(section);
    let wanted = matrix.images.len() * matrix.images.len().saturating_sub(1);
    if matrix.images.len() < FEWEST_IMAGES || matrix.deltas.len() < wanted {
        return Vec::new();
    }
    let mut blocks = vec![
        Block::Head {
            level: 1,
            text: "Every image from every other".to_string(),
        },
        Block::Text(
            "The shortest update from one base, by any method, in percent of the shortest update from nothing."
                .to_string(),
        ),
        Block::Grid(matrix.grid()),
        Block::Text(matrix.rule()),
    ];
    let shared = shared(section, findings);
    if !shared.is_empty() {
        blocks.extend(threshold(&matrix, &shared).map(Block::Text));
        blocks.push(Block::Plot(Box::new(Picture {
            name: "worth",
            file: file(section, "worth"),
            plot: Plot::Points(matrix.points(section, &shared)),
        })));
    }
    blocks
}

impl<'a> Matrix<'a> {
    fn of(section: &Section<'a>) -> Matrix<'a> {
        let images = section.publishes.iter().map(|it| it.image.as_str());
        let mut matrix = Matrix {
            images: images.collect(),
            full: BTreeMap::new(),
            deltas: BTreeMap::new(),
        };
        for method in section.ranked() {
            let full = section.full.iter().copied().zip(&method.full);
            let deltas = section.deltas.iter().copied().zip(&method.deltas);
            let others = section.others.iter().copied().zip(&method.others);
            for (update, step) in full.chain(deltas).chain(others) {
                let Some(moved) = moved(step) else { continue };
                let mut bases = update.bases.names();
                let (base, more) = (bases.next(), bases.next());
                let shortest = match (base, more) {
                    (None, _) => matrix.full.entry(&update.image).or_insert(moved),
                    (Some(_), Some(_)) => continue,
                    (Some(base), None) => {
                        let base = matrix.images.iter().find(|image| **image == base);
                        let Some(base) = base.copied() else { continue };
                        matrix.deltas.entry((base, &update.image)).or_insert(moved)
                    }
                };
                *shortest = moved.min(*shortest);
            }
        }
        matrix
    }

    /// The delta as a part of the full update.
    fn ratio(&self, base: &str, target: &str) -> Option<f64> {
        let delta = self.deltas.get(&(base, target))?;
        let full = self.full.get(target).filter(|full| **full > 0)?;
        Some(*delta as f64 / *full as f64)
    }

    fn pairs(&self) -> impl Iterator<Item = (&'a str, &'a str, f64)> + '_ {
        self.deltas
            .keys()
            .filter_map(|(base, target)| Some((*base, *target, self.ratio(base, target)?)))
    }

    fn grid(&self) -> Grid {
        let names = self.images.iter().map(ToString::to_string).collect();
        let mut columns = vec![Column::names(Keep::Always, "from \\ to", names)];
        for target in &self.images {
            let cells = self.images.iter().map(|base| {
                let ratio = self.ratio(base, target);
                ratio.map_or(NO_FIGURE.to_string(), |ratio| percent(ratio * 100.0))
            });
            columns.push(Column::figures(Keep::Key, target, *target, cells.collect()));
        }
        Grid { columns }
    }

    /// Which deltas are not worth it.
    fn rule(&self) -> String {
        let poor: Vec<String> = self
            .pairs()
            .filter(|(_, _, ratio)| *ratio > WORTH)
            .map(|(base, target, _)| format!("{base} to {target}"))
            .collect();
        let pairs = self.pairs().count();
        match poor.as_slice() {
            [] => format!("Each of the {pairs} deltas saves at least a tenth of a full update."),
            poor => format!(
                "{} of {pairs} deltas save less than a tenth of a full update: {}.",
                poor.len(),
                clean::names(poor)
            ),
        }
    }

    fn points(&self, section: &Section, shared: &Shared) -> Points {
        let dots = self.pairs().filter_map(|(base, target, ratio)| {
            let shared = shared.get(&(base.to_string(), target.to_string()))?;
            Some(Dot {
                name: clean::line(&format!("{base} to {target}")),
                at: (*shared, ratio * 100.0),
                kind: 0,
                front: ratio > WORTH,
            })
        });
        Points {
            title: format!("{}: when a delta is worth it", section.title()),
            subtitle: "Every pair of images. Named: those whose delta saves less than a tenth."
                .into(),
            x: Axis {
                words: "bytes of the target in chunks that the base has too".to_string(),
                tick: percent,
                spacing: Spacing::Linear,
            },
            y: Axis {
                words: "delta in percent of a full update, lower is better".to_string(),
                tick: percent,
                spacing: Spacing::Linear,
            },
            kinds: Vec::new(),
            dots: dots.collect(),
            front: None,
            diagonal: None,
            notes: Vec::new(),
        }
    }
}

fn moved(step: &Samples) -> Option<u64> {
    Some(step.spread(transfer_bytes)?.median)
}

fn percent(value: f64) -> String {
    match value {
        ..10.0 => format!("{value:.1} %"),
        _ => format!("{value:.0} %"),
    }
}

/// By base and target: the percentage of the target's bytes that lie in chunks which the base has too.
type Shared = BTreeMap<(String, String), f64>;

/// What the probe `chunks` found.
fn shared(section: &Section, findings: &[&Finding]) -> Shared {
    let of_chunks = |it: &&&Finding| it.method == "chunks" && it.verb == Verb::Probe;
    findings
        .iter()
        .filter(of_chunks)
        .filter(|it| it.measure == "shared_chunk_bytes")
        .filter_map(|it| {
            let bytes = section.scenario.image(&it.image, section.case)?.bytes;
            let pair = (it.bases.to_string(), it.image.clone());
            (bytes > 0).then(|| (pair, it.value as f64 * 100.0 / bytes as f64))
        })
        .collect()
}

/// The rule that the chunks give: below which share no delta was worth it, and from which one every delta was.
fn threshold(matrix: &Matrix, shared: &Shared) -> Option<String> {
    let share = |(base, target, _): &(&str, &str, f64)| {
        shared
            .get(&((*base).to_string(), (*target).to_string()))
            .copied()
    };
    let (poor, good): (Vec<_>, Vec<_>) = matrix.pairs().partition(|(_, _, ratio)| *ratio > WORTH);
    let most = poor.iter().filter_map(share).reduce(f64::max)?;
    let least = good.iter().filter_map(share).reduce(f64::min)?;
    Some(match most < least {
        true => format!(
            "The rule here: a delta is worth it when the base has at least {} of the target's bytes in common chunks; \
             at {} or less none was.",
            percent(least),
            percent(most)
        ),
        false => format!(
            "Common chunks alone do not tell: deltas were worth it from {} on, and one was not at {}.",
            percent(least),
            percent(most)
        ),
    })
}
