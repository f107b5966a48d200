//! The cases of a scenario side by side: the main figures of every method, one row for each case.

use std::collections::{BTreeMap, BTreeSet};

use crate::record::Unit;
use crate::report::block::{Block, Cell, Column, Grid, Keep, METHOD, NO_FIGURE};
use crate::report::{cells, units};
use crate::stats::{MethodRows, Scenario, Section};

const BYTES: Option<Unit> = Some(Unit::Bytes);
const TIME: Option<Unit> = Some(Unit::Nanoseconds);

/// One method under one case.
type Entry<'s, 'a> = (&'s Section<'a>, &'s MethodRows<'a>);

pub fn blocks(scenario: &Scenario) -> Vec<Block> {
    if scenario.sections.len() < 2 {
        return Vec::new();
    }
    let entries = entries(&scenario.sections);
    if entries.is_empty() {
        return Vec::new();
    }
    let of = |keep, short, head, cell: &dyn Fn(&Entry) -> Cell| {
        Column::figures(
            keep,
            short,
            head,
            entries.iter().map(cell).collect::<Vec<_>>(),
        )
    };
    let names = entries.iter().map(|(_, method)| method.method.to_string());
    let mut columns =
        vec![Column::names(Keep::Always, "method", names.collect()).measuring(METHOD, None)];
    columns.extend(axes(&entries));
    columns.extend([
        of(Keep::Always, "update", "main update", &|(_, method)| {
            cells::moved(method.main())
        })
        .measuring("transfer", BYTES),
        of(
            Keep::Always,
            "stored",
            "storage after all releases",
            &|(_, method)| cells::stored(method),
        )
        .measuring("storage", BYTES),
        of(Keep::Key, "full", "full update", &|(_, method)| {
            cells::moved(method.full.as_ref())
        })
        .measuring("transfer", BYTES),
        of(
            Keep::Helpful,
            "all updates",
            "all updates together",
            &all_updates,
        )
        .measuring("transfer", BYTES),
        of(Keep::Key, "time", "time of the main update", &|(
            _,
            method,
        )| {
            cells::time(method.main(), false)
        })
        .measuring("time", TIME),
        of(
            Keep::Helpful,
            "publish",
            "time of the last publish",
            &|(_, method)| cells::time(method.publishes.last(), false),
        )
        .measuring("time", TIME),
        of(
            Keep::Helpful,
            "base read",
            "read of the base, main update",
            &|(_, method)| cells::base_read(method.main()),
        )
        .measuring("reads", BYTES),
    ]);
    let head = Block::Head {
        level: 1,
        text: format!(
            "{}: {} cases compared",
            scenario.plan.name,
            scenario.sections.len()
        ),
    };
    let said = "The main update is the last one that a case plans.".to_string();
    vec![head, Block::Text(said), Block::Grid(Grid::filled(columns))]
}

/// What all updates move together, and how many they are: cases may differ in that.
fn all_updates((_, method): &Entry) -> Cell {
    match (method.updates().count(), method.moved_by_all()) {
        (updates @ 2.., Some(moved)) => Cell {
            value: Some(moved.into()),
            ..format!("{} in {updates}", units::bytes(moved)).into()
        },
        _ => NO_FIGURE.into(),
    }
}

/// Every method that has a figure under any case, in the order of the first case's ranking; its cases together.
fn entries<'s, 'a>(sections: &'s [Section<'a>]) -> Vec<Entry<'s, 'a>> {
    let mut order: Vec<&str> = Vec::new();
    let mut seen = BTreeSet::new();
    let mut by_method: BTreeMap<&str, Vec<Entry>> = BTreeMap::new();
    for section in sections {
        for method in section.ranked() {
            if seen.insert(method.method) {
                order.push(method.method);
            }
            let cases = by_method.entry(method.method).or_default();
            cases.push((section, method));
        }
    }
    order
        .into_iter()
        .flat_map(|method| by_method.remove(method).unwrap_or_default())
        .collect()
}

/// A column for each axis with more than one value.
fn axes(entries: &[Entry]) -> Vec<Column> {
    let mut values: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (section, _) in entries {
        for (axis, value) in section.case.axes() {
            values.entry(axis).or_default().insert(value);
        }
    }
    let turned = values.into_iter().filter(|(_, values)| values.len() > 1);
    turned
        .map(|(axis, _)| {
            let value =
                |(section, _): &Entry| section.case.get(axis).unwrap_or(NO_FIGURE).to_string();
            Column::names(
                Keep::Always,
                axis,
                entries.iter().map(value).collect::<Vec<String>>(),
            )
        })
        .collect()
}
