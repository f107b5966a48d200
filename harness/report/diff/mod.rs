//! A comparison of two runs as text: for a terminal, for a pull request, and as JSON.

mod json;
mod lines;
mod markdown;

pub use json::{json, unit};
pub use lines::{difference, drifted, text};
pub use markdown::markdown;

use crate::record::{Measure, Row, Unit};
use crate::stats::{Comparison, Difference, Reason, Ruling, Weight};

use super::units;

/// The two runs in words, as the command line named them.
pub struct Sides<'a> {
    pub base: &'a str,
    pub head: &'a str,
}

/// A figure in its unit: bytes and counts to the last digit, time with three.
fn figure(measure: &Measure, value: Option<i128>) -> String {
    let Some(value) = value else {
        return "empty".to_string();
    };
    match (measure.unit, u64::try_from(value)) {
        (Unit::Nanoseconds, Ok(ns)) => units::time(ns),
        _ => units::count(value),
    }
}

/// `+4,096` and, where both figures are known, how much that is of the one before: `+1.23 %`.
fn change(it: &Difference) -> Option<(String, String)> {
    let (before, after) = (it.before?, it.after?);
    let sign = if after > before { "+" } else { "" };
    Some((
        format!("{sign}{}", units::count(after - before)),
        percent(after as f64 / before as f64),
    ))
}

/// A ratio as a change: `+20.0 %`; empty where it is none.
fn percent(ratio: f64) -> String {
    if !ratio.is_finite() {
        return String::new();
    }
    let percent = (ratio - 1.0) * 100.0;
    match percent.abs() {
        ..0.01 => format!("{}<0.01 %", if percent < 0.0 { '-' } else { '+' }),
        ..100.0 => format!("{percent:+.2} %"),
        _ => format!("{percent:+.0} %"),
    }
}

/// Why an act of BASE has no figure in HEAD.
pub fn instead(after: Option<&Row>) -> String {
    after.map_or("no row".to_string(), |row| {
        format!("{}: {}", row.check.word(), row.error)
    })
}

pub fn reason(of: &Reason) -> String {
    let short = |text: &str| match of.what {
        "version" => text.to_string(),
        _ => text.chars().take(12).collect(),
    };
    format!(
        "another {}: {} -> {}",
        of.what,
        short(of.before),
        short(of.after)
    )
}

/// The word that a line of a difference begins with.
fn word(weight: Weight) -> &'static str {
    match weight {
        Weight::Worse => "worse",
        Weight::Allowed => "allowed",
        Weight::Better => "better",
    }
}

/// The verdict in one line, with what was compared.
fn verdict(of: &Comparison) -> String {
    let ruling = of.ruling();
    let says = match ruling {
        Ruling::Fine if of.different.is_empty() => {
            "fine: every figure that could be compared is as it was"
        }
        Ruling::Fine => "fine: nothing is worse than the thresholds allow",
        Ruling::Regression => "regression",
        Ruling::Unverified => "verification failed",
        Ruling::Incomparable if of.compared == 0 => "incomparable: nothing could be compared",
        Ruling::Incomparable => "incomparable in part: another version or another image",
    };
    let count = |weight| of.different.iter().filter(|it| it.weight == weight).count();
    format!(
        "{says}: {} acts compared, {} the same; figures worse: {}, allowed: {}, better: {}; acts failed: {}, missing: {}, incomparable: {}, new: {}",
        of.compared,
        of.same,
        count(Weight::Worse),
        count(Weight::Allowed),
        count(Weight::Better),
        of.failed.len(),
        of.missing.len(),
        of.incomparable.len(),
        of.new.len()
    )
}

/// What was judged of time and memory, in one line.
fn drift(of: &Comparison) -> String {
    let Some(drift) = &of.drift else {
        return "time and memory are not judged: the samples were not taken side by side (`delta-lab run --against` does that)"
            .to_string();
    };
    if drift.made == 0 {
        return format!(
            "time and memory are not judged: {} pairs of samples a step at most, {} are needed",
            drift.most_pairs,
            crate::stats::fewest_pairs()
        );
    }
    let more = match drift.false_alarms > 1.01 * crate::stats::JOB_LEVEL {
        true => format!(" ({} pairs: 1.0 %)", crate::stats::pairs_for(drift.made)),
        false => String::new(),
    };
    let worse = drift.changes.iter().filter(|change| change.worse).count();
    format!(
        "time and memory: {} comparisons of up to {} pairs, {worse} worse, {} better; noise alone would fail at most {} of jobs like this one{more}",
        drift.made,
        drift.most_pairs,
        drift.changes.len() - worse,
        rate(drift.false_alarms)
    )
}

fn rate(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

#[cfg(test)]
mod tests;
