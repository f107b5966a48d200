//! Histories: the store after each release of each method under each case, and the updates from each older release.

use std::collections::BTreeMap;

use crate::record::Bases;
use crate::report::block::{Block, Picture};
use crate::report::plot::{Axis, Lines, Plot, Series, Spacing};
use crate::report::units;
use crate::stats::{MethodRows, Scenario, Section, transfer_bytes};

use super::picture::{file, plain};

/// Fewer releases than this are shown well enough by bars.
const FEWEST_RELEASES: usize = 5;

/// One method's store under one case.
struct Line<'a> {
    method: &'a str,
    case: String,
    stored: Vec<Option<i64>>,
}

/// A scenario's first case and the names of its releases, where they are enough for a history.
fn history<'s, 'a>(scenario: &'s Scenario<'a>) -> Option<(&'s Section<'a>, Vec<&'a str>)> {
    let section = scenario.sections.first()?;
    let releases = section.releases();
    (releases.len() >= FEWEST_RELEASES).then_some((section, releases))
}

/// The stores of all cases in one chart.
pub fn stores(scenario: &Scenario) -> Vec<Block> {
    let Some((_, releases)) = history(scenario) else {
        return Vec::new();
    };
    let lines = lines(&scenario.sections);
    if lines.is_empty() {
        return Vec::new();
    }
    // Small stores first: those are drawn in colour.
    let series = lines.iter().map(|line| Series {
        name: match line.case.as_str() {
            "" => line.method.to_string(),
            case => format!("{} [{case}]", line.method),
        },
        points: points(line.stored.iter().map(|size| size.map(|size| size as f64))),
        front: true,
    });
    let plot = Lines {
        title: format!("{}: server storage after each release", scenario.plan.name),
        subtitle: "One line where the cases of a method do not differ. Smallest store first."
            .into(),
        x: named("release", &releases),
        y: bytes("bytes in the store, lower is better"),
        series: series.collect(),
        marks: Vec::new(),
        notes: Vec::new(),
    };
    vec![
        Block::Head {
            level: 1,
            text: "The store over the releases".to_string(),
        },
        Block::Plot(Box::new(Picture {
            name: "stores",
            file: plain(&format!("{}-stores", scenario.plan.name)),
            plot: Plot::Lines(plot),
        })),
    ]
}

fn lines<'a>(sections: &[Section<'a>]) -> Vec<Line<'a>> {
    let mut lines: Vec<Line> = Vec::new();
    for section in sections {
        for method in section.ranked() {
            let stored = method.stored_after();
            let mut same = lines.iter_mut().filter(|line| line.method == method.method);
            match same.find(|line| line.stored == stored) {
                Some(line) => {
                    let case = section.case.to_string();
                    line.case = format!("{}, {case}", line.case);
                }
                None => lines.push(Line {
                    method: method.method,
                    case: section.case.to_string(),
                    stored,
                }),
            }
        }
    }
    // A method whose cases are all alike needs no case.
    let alone = |method: &str| lines.iter().filter(|line| line.method == method).count() == 1;
    let alone: Vec<bool> = lines.iter().map(|line| alone(line.method)).collect();
    for (line, alone) in lines.iter_mut().zip(alone) {
        if alone {
            line.case.clear();
        }
    }
    lines.sort_by_key(|line| line.stored.last().copied().flatten().unwrap_or(i64::MAX));
    lines
}

/// Updates of the newest release from each older one.
pub fn updates(section: &Section) -> Vec<Block> {
    let alone = section.deltas.iter().all(|update| update.bases.len() == 1);
    let few = section.deltas.len() + 1 < FEWEST_RELEASES || section.releases().is_empty();
    if few || !alone || section.ranked().is_empty() {
        return Vec::new();
    }
    let held: Vec<String> = section
        .deltas
        .iter()
        .map(|update| Bases::to_string(&update.bases))
        .collect();
    let held: Vec<&str> = held.iter().map(String::as_str).collect();
    let moved = |method: &MethodRows| {
        let steps = method.deltas.iter();
        let moved = steps.map(|step| step.spread(transfer_bytes));
        points(moved.map(|moved| moved.map(|moved| moved.median as f64)))
    };
    let series = section.ranked().iter().map(|method| Series {
        name: method.method.to_string(),
        points: moved(method),
        front: true,
    });
    let plot = Lines {
        title: format!("{}: an update over how old the client is", section.title()),
        subtitle: "To the newest release, directly from each earlier one.".into(),
        x: named("release that the client holds", &held),
        y: bytes("bytes over the wire, lower is better"),
        series: series.collect(),
        marks: Vec::new(),
        notes: Vec::new(),
    };
    vec![Block::Plot(Box::new(Picture {
        name: "ages",
        file: file(section, "ages"),
        plot: Plot::Lines(plot),
    }))]
}

/// Updates from each older release, made directly and step by step through all releases between, in one chart. The steps are
/// those of any case of the scenario.
pub fn steps(scenario: &Scenario) -> Vec<Block> {
    let Some((section, releases)) = history(scenario) else {
        return Vec::new();
    };
    let mut series = Vec::new();
    for method in section.ranked() {
        let moved = moved_by(scenario, method.method);
        let (direct, stepwise) = both_ways(&releases, &moved);
        if direct.iter().flatten().count() + 1 < FEWEST_RELEASES || stepwise.contains(&None) {
            continue;
        }
        for (way, moved) in [("directly", direct), ("step by step", stepwise)] {
            series.push(Series {
                name: format!("{} {way}", method.method),
                points: points(moved.iter().map(|moved| moved.map(|moved| moved as f64))),
                front: true,
            });
        }
    }
    if series.is_empty() {
        return Vec::new();
    }
    let plot = Lines {
        title: format!(
            "{}: catching up, directly or step by step",
            scenario.plan.name
        ),
        subtitle: "To the newest release: in one update, or in one for each release between."
            .into(),
        x: named(
            "release that the client holds",
            &releases[..releases.len() - 1],
        ),
        y: bytes("bytes over the wire, lower is better"),
        series,
        marks: Vec::new(),
        notes: Vec::new(),
    };
    vec![
        Block::Head {
            level: 1,
            text: "Directly or step by step".to_string(),
        },
        Block::Plot(Box::new(Picture {
            name: "steps",
            file: plain(&format!("{}-steps", scenario.plan.name)),
            plot: Plot::Lines(plot),
        })),
    ]
}

/// By image and base, what a method's updates from one base move.
type Moved = BTreeMap<(String, String), u64>;

/// The least over the cases: they differ in what is published beside.
fn moved_by(scenario: &Scenario, method: &str) -> Moved {
    let mut moved = Moved::new();
    for section in &scenario.sections {
        let same = section.ranked().iter().find(|it| it.method == method);
        for (update, samples) in same.into_iter().flat_map(|it| section.updates(it)) {
            let bytes = samples.spread(transfer_bytes).map(|it| it.median);
            let (1, Some(bytes)) = (update.bases.len(), bytes) else {
                continue;
            };
            let pair = (update.image.clone(), update.bases.to_string());
            let least = moved.entry(pair).or_insert(bytes);
            *least = bytes.min(*least);
        }
    }
    moved
}

/// From each release but the newest: what the update to the newest moves, and the updates through all between together.
fn both_ways(releases: &[&str], moved: &Moved) -> (Vec<Option<u64>>, Vec<Option<u64>>) {
    let from = |base: &str, image: &str| moved.get(&(image.to_string(), base.to_string())).copied();
    let newest = releases.len() - 1;
    let direct = releases[..newest]
        .iter()
        .map(|base| from(base, releases[newest]));
    let stepwise = (0..newest).map(|oldest| {
        let steps = releases[oldest..]
            .windows(2)
            .map(|pair| from(pair[0], pair[1]));
        steps.sum()
    });
    (direct.collect(), stepwise.collect())
}

fn points(values: impl Iterator<Item = Option<f64>>) -> Vec<(f64, f64)> {
    let at = values.enumerate();
    at.filter_map(|(at, value)| Some((at as f64, value?)))
        .collect()
}

fn named(words: &str, names: &[&str]) -> Axis {
    Axis {
        words: words.to_string(),
        tick: |_| String::new(),
        spacing: Spacing::Names(names.iter().map(ToString::to_string).collect()),
    }
}

fn bytes(words: &str) -> Axis {
    Axis {
        words: words.to_string(),
        tick: |bytes| units::round(units::bytes(bytes as i64)),
        spacing: Spacing::Fitting,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_add_up_from_each_release_and_a_missing_one_leaves_no_sum() {
        let mut moved = Moved::new();
        for (base, image, bytes) in [("a", "b", 1), ("b", "c", 10), ("a", "c", 5)] {
            moved.insert((image.to_string(), base.to_string()), bytes);
        }
        let releases = ["a", "b", "c"];
        let (direct, stepwise) = both_ways(&releases, &moved);
        assert_eq!(direct, [Some(5), Some(10)]);
        assert_eq!(stepwise, [Some(11), Some(10)]);
        moved.remove(&("b".to_string(), "a".to_string()));
        assert_eq!(both_ways(&releases, &moved).1, [None, Some(10)]);
    }
}
