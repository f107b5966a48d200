//! Lines: how a history grows release by release, what falling behind costs, and what a parameter does.

use std::collections::BTreeMap;

use crate::report::block::Block;
use crate::report::plot::ticks;
use crate::report::plot::{Axis, Lines, Plot, Series, Spacing};
use crate::stats::{MethodRows, Samples, Section, transfer_bytes};

use super::picture::plotted;

/// Fewer points make no line.
const FEWEST: usize = 3;

/// Lines in colour; the palette has no more.
const IN_FRONT: usize = 8;

pub fn charts(section: &Section) -> Vec<Block> {
    let charts: Vec<Block> = [storage, updates, behind, sweep]
        .into_iter()
        .filter_map(|chart| chart(section))
        .collect();
    if charts.is_empty() {
        return Vec::new();
    }
    let head = Block::Head {
        level: 1,
        text: "Over releases and sizes".to_string(),
    };
    [head].into_iter().chain(charts).collect()
}

/// The store after each release.
fn storage(section: &Section) -> Option<Block> {
    let releases: Vec<String> = section
        .publishes
        .iter()
        .map(|it| it.image.clone())
        .collect();
    let points = |method: &MethodRows| {
        let stored = method.stored_after().into_iter().enumerate();
        stored
            .filter_map(|(at, bytes)| Some((at as f64, bytes? as f64)))
            .collect()
    };
    let title = "server storage, release by release";
    let subtitle = "All releases of a method are in one store.";
    over_names(
        section,
        "history-storage",
        (title, subtitle),
        ("release", releases),
        ("bytes in the store", ticks::bytes),
        &points,
    )
}

/// What the update to each release moves, from the one before.
fn updates(section: &Section) -> Option<Block> {
    let mut releases: Vec<String> = Vec::new();
    // An update without bases is a first download: another question.
    let others = section
        .others
        .iter()
        .map(|update| (!update.bases.is_empty()).then(|| update.image.clone()));
    let steps: Vec<Option<String>> = others.collect();
    releases.extend(steps.iter().flatten().cloned());
    releases.dedup();
    let last = section.main().filter(|main| !main.bases.is_empty())?;
    let mut names = releases.clone();
    names.push(last.image.clone());
    if releases.is_empty() || names.len() != steps.iter().flatten().count() + 1 {
        // A matrix of updates: there is no one line through it.
        return None;
    }
    let points = |method: &MethodRows| {
        let of_others = method
            .others
            .iter()
            .zip(&steps)
            .filter(|(_, name)| name.is_some());
        let steps = of_others.map(|(step, _)| step).chain(method.main());
        moved(steps)
    };
    let title = "bytes of each update, release by release";
    let subtitle = "A client that updates to every release.";
    over_names(
        section,
        "history-updates",
        (title, subtitle),
        ("update to release", names),
        ("bytes over the wire", ticks::bytes),
        &points,
    )
}

/// What an update to the newest release moves, by the release that the client holds.
fn behind(section: &Section) -> Option<Block> {
    let newest = section.newest()?;
    let names: Vec<String> = section
        .deltas
        .iter()
        .rev()
        .map(|it| it.bases.to_string())
        .collect();
    let points = |method: &MethodRows| moved(method.deltas.iter().rev());
    let title = format!(
        "bytes of an update to {}, by what the client holds",
        newest.name
    );
    let subtitle = "From the nearest release to the oldest: what falling behind costs.";
    over_names(
        section,
        "behind",
        (&title, subtitle),
        ("the client holds", names),
        ("bytes over the wire", ticks::bytes),
        &points,
    )
}

fn moved<'s, 'r: 's>(steps: impl Iterator<Item = &'s Samples<'r>>) -> Vec<(f64, f64)> {
    let figures = steps.enumerate().filter_map(|(at, step)| {
        let moved = step.spread(transfer_bytes)?.median;
        Some((at as f64, moved as f64))
    });
    figures.collect()
}

/// A chart with a line for each method, those that end lowest in colour.
fn over_names(
    section: &Section,
    name: &'static str,
    (title, subtitle): (&str, &str),
    (along, names): (&str, Vec<String>),
    (up, tick): (&str, fn(f64) -> String),
    points: &dyn Fn(&MethodRows) -> Vec<(f64, f64)>,
) -> Option<Block> {
    if names.len() < FEWEST {
        return None;
    }
    let mut lines: Vec<(String, Vec<(f64, f64)>)> = section
        .ranked()
        .iter()
        .map(|method| (method.method.to_string(), points(method)))
        .filter(|(_, points)| points.len() >= FEWEST)
        .collect();
    let end = |points: &[(f64, f64)]| points.last().map_or(f64::INFINITY, |(_, y)| *y);
    lines.sort_by(|a, b| end(&a.1).total_cmp(&end(&b.1)));
    let (along, spacing) = (along.to_string(), Spacing::Names(names));
    draw(
        section,
        name,
        (title, subtitle),
        Axis {
            words: along,
            tick: ticks::count,
            spacing,
        },
        (up, tick),
        lines,
    )
}

/// What the main update moves over the parameter, for families that were run with three sizes or more.
fn sweep(section: &Section) -> Option<Block> {
    let mut families: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
    for method in section.ranked() {
        let sized = method
            .method
            .rsplit_once('/')
            .and_then(|(family, param)| Some((family, size(param)?)));
        let moved = method.main().and_then(|step| step.spread(transfer_bytes));
        if let (Some((family, size)), Some(moved)) = (sized, moved) {
            families
                .entry(family)
                .or_default()
                .push((size, moved.median as f64));
        }
    }
    let lines = families
        .into_iter()
        .filter(|(_, points)| points.len() >= FEWEST);
    let lines = lines
        .map(|(family, points)| (family.to_string(), points))
        .collect();
    let x = Axis {
        words: "chunk or block size".to_string(),
        tick: ticks::binary,
        spacing: Spacing::Log2,
    };
    let words = (
        "bytes of an update over the size of a chunk",
        "Families of methods that were run with three sizes or more.",
    );
    draw(
        section,
        "sweep",
        words,
        x,
        ("bytes over the wire", ticks::bytes),
        lines,
    )
}

/// `64k` as 65536; only what carries a binary unit is a size, so that levels such as `zstd/19` are none.
fn size(param: &str) -> Option<f64> {
    let (number, unit) = param.split_at_checked(param.len().checked_sub(1)?)?;
    let unit = match unit {
        "k" => 1024.0,
        "m" => 1024.0 * 1024.0,
        _ => return None,
    };
    number
        .parse::<u32>()
        .ok()
        .map(|number| f64::from(number) * unit)
}

fn draw(
    section: &Section,
    name: &'static str,
    (title, subtitle): (&str, &str),
    x: Axis,
    (up, tick): (&str, fn(f64) -> String),
    lines: Vec<(String, Vec<(f64, f64)>)>,
) -> Option<Block> {
    if lines.is_empty() {
        return None;
    }
    let series = lines
        .into_iter()
        .enumerate()
        .map(|(at, (name, points))| Series {
            name,
            points,
            front: at < IN_FRONT,
        });
    let lines = Lines {
        title: format!("{}: {title}", section.title()),
        subtitle: subtitle.to_string(),
        x,
        y: Axis {
            words: format!("{up}, lower is better"),
            tick,
            spacing: Spacing::Fitting,
        },
        series: series.collect(),
        marks: Vec::new(),
        notes: Vec::new(),
    };
    plotted(name, section, Plot::Lines(lines))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_a_binary_unit_and_a_level_is_none() {
        assert_eq!(["64k", "1m"].map(size), [Some(65_536.0), Some(1_048_576.0)]);
        assert_eq!(
            ["19", "whole", "k", "", "rsyncable", "é"].map(size),
            [None; 6]
        );
    }
}
