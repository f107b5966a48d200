//! The comparison for a terminal: a line for each thing found, the verdict last.

use std::fmt::Write;

use crate::record::Unit;
use crate::report::clean;
use crate::stats::{Change, Comparison, Difference};

use super::{change, drift, figure, instead, percent, reason, verdict, word};

/// What was found, worst first, of each kind at most `most` lines; then the verdict.
pub fn text(of: &Comparison, most: usize) -> String {
    let mut text = String::new();
    let mut list = |what: &str, lines: &mut dyn Iterator<Item = String>, all: usize| {
        for line in lines.take(most) {
            text.push_str(&line);
            text.push('\n');
        }
        if all > most {
            writeln!(text, "… and {} more {what}; --all lists them", all - most)
                .expect("memory takes every text");
        }
    };
    let act = |row: &crate::record::Row| clean::line(&row.act().to_string());
    let failed =
        |row: &&crate::record::Row| format!("failed: {}: {}", act(row), clean::short(&row.error));
    list("failed", &mut of.failed.iter().map(failed), of.failed.len());
    let mut different: Vec<&Difference> = of.different.iter().collect();
    different.sort_by_key(|it| it.weight as u8);
    list(
        "figures",
        &mut different.iter().map(|it| difference(it)),
        different.len(),
    );
    if let Some(drift) = &of.drift {
        list(
            "of time and memory",
            &mut drift.changes.iter().map(drifted),
            drift.changes.len(),
        );
    }
    let missing = of.missing.iter();
    list(
        "missing",
        &mut missing
            .map(|(row, now)| format!("missing: {}: {}", act(row), clean::short(&instead(*now)))),
        of.missing.len(),
    );
    let incomparable = of.incomparable.iter();
    list(
        "incomparable",
        &mut incomparable.map(|(row, why)| {
            format!("incomparable: {}: {}", act(row), clean::short(&reason(why)))
        }),
        of.incomparable.len(),
    );
    let new = of.new.iter().map(|row| format!("new: {}", act(row)));
    list("new", &mut { new }, of.new.len());
    format!("{text}{}\n{}\n", drift(of), verdict(of))
}

/// One difference in a line.
pub fn difference(of: &Difference) -> String {
    let changed = change(of).map_or(String::new(), |(by, share)| match share.is_empty() {
        true => format!(" ({by})"),
        false => format!(" ({by}, {share})"),
    });
    format!(
        "{}: {}: {} {} -> {}{changed}",
        word(of.weight),
        clean::line(&of.of.act().to_string()),
        of.measure.name,
        figure(of.measure, of.before),
        figure(of.measure, of.after)
    )
}

/// One change of time or memory in a line.
pub fn drifted(of: &Change) -> String {
    let word = match (of.measure.unit, of.worse) {
        (Unit::Nanoseconds, true) => "slower",
        (Unit::Nanoseconds, false) => "faster",
        (_, true) => "larger",
        (_, false) => "smaller",
    };
    let p = if of.worse {
        of.paired.p_larger
    } else {
        of.paired.p_smaller
    };
    let step = crate::record::Act {
        sample: 1,
        ..of.of.act()
    };
    format!(
        "{word}: {}: {} {} -> {} ({}, {} pairs, p = {p:.4})",
        clean::line(&step.to_string()),
        of.measure.name,
        figure(of.measure, Some(of.before.into())),
        figure(of.measure, Some(of.after.into())),
        percent(of.paired.ratio),
        of.paired.pairs
    )
}
