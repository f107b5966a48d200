//! The time chart: how long each step takes, with its spread over samples.

use anyhow::Result;

use crate::stats::{MethodRows, Samples, ScenarioRows};

use super::bars::{Bar, Chart, Group, notes};
use super::canvas::Fill;
use super::{palette, units};

/// The chart as SVG; `None` where no step was verified.
pub fn draw(scenario: &ScenarioRows) -> Result<Option<String>> {
    let Some(newest) = scenario.newest() else {
        return Ok(None);
    };
    let name = newest.name;
    let steps = steps(scenario);
    let legend = steps.iter().map(|step| match step {
        Shown::Delta(base) => (palette::DELTA, format!("update to {name} from {base}")),
        Shown::Full => (palette::FULL, format!("update to {name} from nothing")),
        Shown::Publish => (palette::PUBLISH, format!("publish {name}")),
    });
    let samples = match scenario.samples() {
        0 | 1 => "One sample: the spread is unknown.".to_string(),
        samples => {
            format!("Median of {samples} samples, whiskers from the fastest to the slowest.")
        }
    };
    Chart {
        title: format!("{}: time of each step for {name}", scenario.scenario),
        subtitle: format!("{samples} Fastest first."),
        axis: "wall time",
        tick: |ns| units::round(units::time(ns as u64)),
        legend: legend.collect(),
        heads: Vec::new(),
        groups: groups(scenario, &steps),
        notes: notes(scenario),
    }
    .draw()
}

/// A step that the scenario has, and so a bar of each method.
enum Shown<'a> {
    Delta(&'a str),
    Full,
    Publish,
}

fn steps<'a>(scenario: &ScenarioRows<'a>) -> Vec<Shown<'a>> {
    let has = |rows: fn(&MethodRows) -> bool| scenario.methods.iter().any(rows);
    let full = scenario.updates().then_some(Shown::Full);
    let publish = has(|method| method.publish().is_some_and(|step| !step.rows.is_empty()));
    let delta = scenario.nearest().map(Shown::Delta);
    delta
        .into_iter()
        .chain(full)
        .chain(publish.then_some(Shown::Publish))
        .collect()
}

fn groups(scenario: &ScenarioRows, steps: &[Shown]) -> Vec<Group> {
    let median = |step: &Samples| {
        step.spread(|row| row.wall_ns)
            .map_or(u64::MAX, |time| time.median)
    };
    let mut methods = scenario.ranked();
    methods.sort_by_key(|method| {
        (
            method.delta().map(median),
            median(&method.full),
            method.publish().map(median),
        )
    });
    let bars = |method: &MethodRows| {
        let bars = steps.iter().map(|step| match step {
            Shown::Delta(_) => method.delta().map(|step| bar(step, palette::DELTA)),
            Shown::Full => Some(bar(&method.full, palette::FULL)),
            Shown::Publish => method.publish().map(|step| bar(step, palette::PUBLISH)),
        });
        bars.flatten().collect()
    };
    methods
        .into_iter()
        .map(|method| Group {
            method: method.method.to_string(),
            bars: bars(method),
            cells: Vec::new(),
        })
        .collect()
}

fn bar(step: &Samples, fill: Fill) -> Bar {
    let Some(wall) = step.spread(|row| row.wall_ns) else {
        return Bar::absent(step.outcome());
    };
    Bar::Shown {
        ends: vec![(wall.median, fill)],
        whisker: (wall.samples > 1).then_some((wall.min, wall.max)),
        label: units::time(wall.median),
    }
}
