//! Seeds: what an update costs over the number of earlier releases that the client holds at once.

use std::collections::BTreeSet;

use crate::record::Row;
use crate::report::block::{Block, Column, Grid, Keep, NO_FIGURE, Picture};
use crate::report::plot::{Axis, Lines, Plot, Series, Spacing};
use crate::report::units;
use crate::stats::{MethodRows, Section, transfer_bytes};

use super::picture::file;

/// Fewer numbers of bases than this, none among them, are no line.
const FEWEST: usize = 3;

pub fn blocks(section: &Section) -> Vec<Block> {
    let held: BTreeSet<usize> = section.deltas.iter().map(|it| it.bases.len()).collect();
    let is_growing = held.len() == section.deltas.len() && held.len() + 1 >= FEWEST;
    if !is_growing || section.ranked().is_empty() {
        return Vec::new();
    }
    let head = Block::Head {
        level: 1,
        text: "Over the number of bases".to_string(),
    };
    let moved = lines(section, "bytes over the wire", bytes_words, transfer_bytes);
    let time = lines(section, "wall time", time_words, |row| row.wall_ns);
    let picture = |name, plot| {
        Block::Plot(Box::new(Picture {
            name,
            file: file(section, name),
            plot: Plot::Lines(plot),
        }))
    };
    vec![
        head,
        Block::Grid(grid(section)),
        picture("seeds", moved),
        picture("seeding", time),
    ]
}

fn bytes_words(bytes: f64) -> String {
    units::round(units::bytes(bytes as i64))
}

fn time_words(ns: f64) -> String {
    units::round(units::time(ns as u64))
}

/// The number of bases and the figure, from none on.
fn points(
    section: &Section,
    method: &MethodRows,
    figure: impl Fn(&Row) -> Option<u64>,
) -> Vec<(usize, u64)> {
    let none = section.full.iter().map(|_| 0).zip(&method.full);
    let some = section.deltas.iter().map(|it| it.bases.len());
    let mut points: Vec<(usize, u64)> = none
        .chain(some.zip(&method.deltas))
        .filter_map(|(bases, step)| Some((bases, step.spread(&figure)?.median)))
        .collect();
    points.sort_unstable();
    points
}

fn grid(section: &Section) -> Grid {
    let methods = section.ranked();
    let names = methods.iter().map(|method| method.method.to_string());
    let mut columns = vec![Column::names(Keep::Always, "method", names.collect())];
    let most = section.deltas.iter().map(|it| it.bases.len()).max();
    for bases in 0..=most.unwrap_or_default() {
        let at = |points: Vec<(usize, u64)>| {
            let point = points.into_iter().find(|(held, _)| *held == bases);
            point.map(|(_, figure)| figure)
        };
        let cell = |method: &MethodRows| {
            let moved = at(points(section, method, transfer_bytes));
            let time = at(points(section, method, |row| row.wall_ns));
            match (moved, time) {
                (Some(moved), Some(time)) => {
                    format!("{} in {}", units::bytes(moved), units::time(time))
                }
                _ => NO_FIGURE.to_string(),
            }
        };
        let head = match bases {
            0 => "none".to_string(),
            1 => "1 base".to_string(),
            _ => format!("{bases} bases"),
        };
        let cells = methods.iter().map(cell).collect();
        columns.push(Column::figures(Keep::Key, &head, head.clone(), cells));
    }
    Grid { columns }
}

fn lines(
    section: &Section,
    of: &str,
    tick: fn(f64) -> String,
    figure: fn(&Row) -> Option<u64>,
) -> Lines {
    let series = section.ranked().iter().map(|method| Series {
        name: method.method.to_string(),
        points: points(section, method, figure)
            .into_iter()
            .map(|(bases, figure)| (bases as f64, figure as f64))
            .collect(),
        front: true,
    });
    Lines {
        title: format!("{}: {of} over the number of bases", section.title()),
        subtitle: "The client holds the last release, then the last two, then more at once.".into(),
        x: Axis {
            words: "earlier releases that the client holds".to_string(),
            tick: |bases| format!("{bases:.0}"),
            spacing: Spacing::Linear,
        },
        y: Axis {
            words: format!("{of}, lower is better"),
            tick,
            spacing: Spacing::Fitting,
        },
        series: series.collect(),
        marks: Vec::new(),
        notes: Vec::new(),
    }
}
