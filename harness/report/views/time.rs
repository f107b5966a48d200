//! Time and memory: how long each step takes, with its spread over samples, and its peak memory.

use crate::report::block::{Block, Column, Grid, Keep};
use crate::report::plot::{Bar, Bars, Fill, Group, palette};
use crate::report::units;
use crate::stats::{MethodRows, Outcome, Samples, Section, deed};

use super::columns;
use super::picture::{absent, picture};

/// The figures, in the order of the ranking.
pub fn grid(section: &Section) -> Vec<Block> {
    if section.ranked().is_empty() {
        return Vec::new();
    }
    let places = (1..=section.ranked().len()).map(|place| place.to_string());
    let mut all = vec![
        Column::figures(Keep::Detail, "", "", places.collect()),
        columns::methods(section),
    ];
    all.extend(columns::costs(section, true));
    vec![
        Block::Head {
            level: 1,
            text: "Time and memory, in the same order".to_string(),
        },
        Block::Grid(Grid::filled(all)),
    ]
}

pub fn chart(section: &Section) -> Vec<Block> {
    let Some(newest) = section.newest() else {
        return Vec::new();
    };
    let mut legend: Vec<(Fill, String)> = Vec::new();
    legend.extend(section.deltas.last().map(|act| (palette::DELTA, deed(act))));
    legend.extend(section.full.map(|act| (palette::FULL, deed(act))));
    let publish = section.publishes.last();
    legend.extend(publish.map(|act| (palette::PUBLISH, format!("publish {}", act.image))));
    let samples = match section.scenario.samples {
        0 | 1 => "One sample: the spread is unknown.".to_string(),
        samples => {
            format!("Median of {samples} samples, whiskers from the fastest to the slowest.")
        }
    };
    let bars = Bars {
        title: format!("{}: time of each step for {}", section.title(), newest.name),
        subtitle: format!("{samples} Fastest first."),
        axis: "wall time",
        tick: |ns| units::round(units::time(ns as u64)),
        legend,
        heads: Vec::new(),
        groups: groups(section),
        notes: Vec::new(),
    };
    picture("time", section, bars).into_iter().collect()
}

fn groups(section: &Section) -> Vec<Group> {
    let median = |step: Option<&Samples>| {
        let wall = step.and_then(|step| step.spread(|row| row.wall_ns));
        wall.map_or(u64::MAX, |wall| wall.median)
    };
    let mut methods: Vec<&MethodRows> = section.ranked().iter().collect();
    methods.sort_by_cached_key(|method| {
        (
            median(method.main()),
            median(method.full.as_ref()),
            median(method.publishes.last()),
        )
    });
    methods.into_iter().map(group).collect()
}

fn group(method: &MethodRows) -> Group {
    let steps = [
        (method.deltas.last(), palette::DELTA),
        (method.full.as_ref(), palette::FULL),
        (method.publishes.last(), palette::PUBLISH),
    ];
    let bars = steps
        .into_iter()
        .filter_map(|(step, fill)| Some(bar(step?, fill)));
    Group {
        method: method.method.to_string(),
        bars: bars.collect(),
        cells: Vec::new(),
    }
}

fn bar(step: &Samples, fill: Fill) -> Bar {
    let Some(wall) = step.spread(|row| row.wall_ns) else {
        return match step.outcome() {
            Outcome::Verified => Bar::Absent("on another machine"),
            other => absent(other),
        };
    };
    Bar::Shown {
        ends: vec![(wall.median, fill)],
        whisker: (wall.samples > 1).then_some((wall.min, wall.max)),
        label: units::time(wall.median),
    }
}
