//! The transfer chart: what crosses the wire to update to the newest release, from nothing and from the release before.

use anyhow::Result;

use crate::stats::{Samples, ScenarioRows, transfer_bytes};

use super::bars::{Bar, Chart, Group, notes};
use super::canvas::Fill;
use super::{palette, units};

/// The chart as SVG; `None` where no update was verified.
pub fn draw(scenario: &ScenarioRows) -> Result<Option<String>> {
    let Some(newest) = scenario.newest() else {
        return Ok(None);
    };
    let mut legend = vec![(palette::FULL, "full update, from nothing".to_string())];
    let mut subtitle = "A client with no older image. Smallest first.".to_string();
    if let Some(base) = scenario.nearest() {
        legend.insert(0, (palette::DELTA, format!("delta update, from {base}")));
        subtitle =
            format!("A client that holds {base}, and one with nothing. Smallest delta first.");
    }
    Chart {
        title: format!(
            "{}: bytes over the wire to update to {}, an image of {}",
            scenario.scenario,
            newest.name,
            units::bytes(newest.bytes)
        ),
        subtitle,
        axis: "bytes over the wire, heads left out",
        tick: |bytes| units::round(units::bytes(bytes as i64)),
        legend,
        heads: Vec::new(),
        groups: groups(scenario),
        notes: notes(scenario),
    }
    .draw()
}

fn groups(scenario: &ScenarioRows) -> Vec<Group> {
    let bars = |full: &Samples, delta: Option<&Samples>| {
        let delta = delta.map(|delta| bar(delta, palette::DELTA));
        delta
            .into_iter()
            .chain([bar(full, palette::FULL)])
            .collect()
    };
    scenario
        .ranked()
        .into_iter()
        .map(|method| Group {
            method: method.method.to_string(),
            bars: bars(&method.full, method.delta()),
            cells: Vec::new(),
        })
        .collect()
}

fn bar(step: &Samples, fill: Fill) -> Bar {
    let Some(moved) = step.spread(transfer_bytes) else {
        return Bar::absent(step.outcome());
    };
    let requests = match step.spread(|row| row.requests) {
        Some(requests) if requests.median == 1 => " in 1 request".to_string(),
        Some(requests) => format!(" in {} requests", units::count(requests.median)),
        None => String::new(),
    };
    Bar::Shown {
        ends: vec![(moved.median, fill)],
        // Bytes repeat; where they did not, it shows.
        whisker: (moved.min < moved.max).then_some((moved.min, moved.max)),
        label: format!("{}{requests}", units::bytes(moved.median)),
    }
}
