//! The storage chart: how much the server holds after each release.

use anyhow::Result;

use crate::stats::{MethodRows, Outcome, ScenarioRows};

use super::bars::{Bar, Chart, Group, notes};
use super::{palette, units};

/// The most releases with a column of figures; the bars show all of them.
const MOST_COLUMNS: usize = 4;

/// The chart as SVG; `None` where no publish was verified.
pub fn draw(scenario: &ScenarioRows) -> Result<Option<String>> {
    let releases = scenario.images.len();
    let legend = scenario.images.iter().enumerate().map(|(at, image)| {
        (
            palette::release(at, releases),
            format!("after {}", image.name),
        )
    });
    let columns = columns(releases);
    let images = units::bytes(scenario.images.iter().map(|image| image.bytes).sum::<u64>());
    let (when, subtitle) = match scenario.images.as_slice() {
        [image] => (
            format!("after {}", image.name),
            format!("One release, an image of {images}. Smallest store first."),
        ),
        _ => (
            "after each release".to_string(),
            format!(
                "{releases} releases in one store, {images} of images. \
                 A bar's parts end at the store's size after each. Smallest store first."
            ),
        ),
    };
    Chart {
        title: format!("{}: server storage {when}", scenario.scenario),
        subtitle,
        axis: "bytes in the store",
        tick: |bytes| units::round(units::bytes(bytes as i64)),
        legend: legend.collect(),
        heads: columns
            .iter()
            .map(|at| format!("after {}", scenario.images[*at].name))
            .collect(),
        groups: groups(scenario, &columns),
        notes: notes(scenario),
    }
    .draw()
}

/// Which releases have a column of figures: all, or the first and the last few. A lone one is written on its bar.
fn columns(releases: usize) -> Vec<usize> {
    if releases < 2 {
        return Vec::new();
    }
    let last = (releases.saturating_sub(MOST_COLUMNS - 1)).max(1)..releases;
    [0].into_iter().chain(last).collect()
}

fn groups(scenario: &ScenarioRows, columns: &[usize]) -> Vec<Group> {
    let mut methods = scenario.ranked();
    methods.sort_by_key(|method| method.stored().unwrap_or(i64::MAX));
    methods
        .into_iter()
        .map(|method| {
            let stored = method.stored_after();
            let cell = |at: &usize| stored[*at].map_or("-".to_string(), units::bytes);
            Group {
                method: method.method.to_string(),
                bars: vec![bar(method, &stored)],
                cells: columns.iter().map(cell).collect(),
            }
        })
        .collect()
}

/// One bar whose parts end at the store's size after each release.
fn bar(method: &MethodRows, stored: &[Option<i64>]) -> Bar {
    let mut ends: Vec<_> = stored
        .iter()
        .enumerate()
        .filter_map(|(at, size)| {
            // A store that shrank below empty is a mistake of the row, not a length.
            let size = u64::try_from((*size)?).unwrap_or(0);
            Some((size, palette::release(at, stored.len())))
        })
        .collect();
    if ends.is_empty() {
        let outcome = method
            .publishes
            .first()
            .map_or(Outcome::NotRun, |publish| publish.outcome());
        return Bar::absent(outcome);
    }
    // Of equal sizes the earlier release lies on top: what a later one did not add is not shown as added.
    ends.reverse();
    ends.sort_by_key(|(size, _)| std::cmp::Reverse(*size));
    let label = match stored {
        [Some(only)] => units::bytes(*only),
        _ if stored.contains(&None) => "a publish failed".to_string(),
        _ => String::new(),
    };
    Bar::Shown {
        ends,
        whisker: None,
        label,
    }
}
