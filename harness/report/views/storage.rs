//! The storage chart: how much the server holds after each release.

use crate::report::block::{Block, NO_FIGURE};
use crate::report::plot::{Bar, Bars, Group, palette};
use crate::report::units;
use crate::stats::{MethodRows, Outcome, Section};

use super::picture::{absent, picture};

/// The most releases with a column of figures; the bars show all of them.
const MOST_COLUMNS: usize = 4;

pub fn chart(section: &Section) -> Vec<Block> {
    let names: Vec<&str> = section
        .publishes
        .iter()
        .map(|it| it.image.as_str())
        .collect();
    let releases = names.len();
    let bytes = names
        .iter()
        .filter_map(|name| section.scenario.image(name, section.case));
    let images = units::bytes(bytes.map(|image| image.bytes).sum::<u64>());
    let (when, subtitle) = match names.as_slice() {
        [] => return Vec::new(),
        [only] => (
            format!("after {only}"),
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
    let columns = columns(releases);
    let legend = names
        .iter()
        .enumerate()
        .map(|(at, name)| (palette::release(at, releases), format!("after {name}")));
    let bars = Bars {
        title: format!("{}: server storage {when}", section.title()),
        subtitle,
        axis: "bytes in the store",
        tick: |bytes| units::round(units::bytes(bytes as i64)),
        legend: legend.collect(),
        heads: columns
            .iter()
            .map(|at| format!("after {}", names[*at]))
            .collect(),
        groups: groups(section, &columns),
        notes: Vec::new(),
    };
    picture("storage", section, bars).into_iter().collect()
}

/// Which releases have a column of figures: all, or the first and the last few. A lone one is written on its bar.
fn columns(releases: usize) -> Vec<usize> {
    if releases < 2 {
        return Vec::new();
    }
    let last = (releases.saturating_sub(MOST_COLUMNS - 1)).max(1)..releases;
    [0].into_iter().chain(last).collect()
}

fn groups(section: &Section, columns: &[usize]) -> Vec<Group> {
    let mut methods: Vec<(Vec<Option<i64>>, &MethodRows)> = section
        .ranked()
        .iter()
        .map(|method| (method.stored_after(), method))
        .collect();
    methods.sort_by_key(|(stored, _)| stored.last().copied().flatten().unwrap_or(i64::MAX));
    methods
        .into_iter()
        .map(|(stored, method)| {
            let cell = |at: &usize| stored[*at].map_or(NO_FIGURE.into(), units::bytes);
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
        let first = method.publishes.first();
        return absent(first.map_or(Outcome::NotRun, |publish| publish.outcome()));
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
