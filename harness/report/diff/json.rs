//! The comparison for programs: everything that was found, in base units.

use anyhow::{Context, Result};
use serde::Serialize;

use crate::record::{Row, Unit, Verb};
use crate::stats::Comparison;

use super::{Sides, instead, word};

/// Version of what is written here.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    ruling: &'static str,
    exit_code: u8,
    base: &'a str,
    head: &'a str,
    compared: usize,
    same: usize,
    differences: Vec<Figure<'a>>,
    failed: Vec<Act<'a>>,
    missing: Vec<Act<'a>>,
    incomparable: Vec<Act<'a>>,
    new: Vec<Act<'a>>,
    time_and_memory: Option<Drift<'a>>,
}

#[derive(Serialize)]
struct Act<'a> {
    scenario: &'a str,
    method: &'a str,
    case: String,
    verb: Verb,
    image: &'a str,
    bases: String,
    sample: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<&'a str>,
}

#[derive(Serialize)]
struct Figure<'a> {
    #[serde(flatten)]
    act: Act<'a>,
    measure: &'static str,
    unit: &'static str,
    weight: &'static str,
    from: Option<i64>,
    to: Option<i64>,
}

#[derive(Serialize)]
struct Drift<'a> {
    comparisons: usize,
    too_few_pairs: usize,
    false_alarm_rate: f64,
    changes: Vec<Drifted<'a>>,
}

#[derive(Serialize)]
struct Drifted<'a> {
    #[serde(flatten)]
    act: Act<'a>,
    measure: &'static str,
    unit: &'static str,
    worse: bool,
    from: u64,
    to: u64,
    ratio: f64,
    pairs: usize,
    p: f64,
}

fn act<'a>(row: &'a Row, why: Option<String>) -> Act<'a> {
    Act {
        scenario: &row.scenario,
        method: &row.method,
        case: row.case.to_string(),
        verb: row.verb,
        image: &row.image,
        bases: row.bases.to_string(),
        sample: row.sample,
        why,
        before: None,
        after: None,
    }
}

/// The unit's name in JSON.
pub fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Bytes => "bytes",
        Unit::Nanoseconds => "ns",
        Unit::Count => "count",
    }
}

/// The comparison as JSON.
pub fn json(of: &Comparison, sides: &Sides) -> Result<String> {
    let whole = |figure: Option<i128>| figure.map(|it| i64::try_from(it).unwrap_or(i64::MAX));
    let differences = of.different.iter().map(|it| Figure {
        act: act(it.of, None),
        measure: it.measure.name,
        unit: unit(it.measure.unit),
        weight: word(it.weight),
        from: whole(it.before),
        to: whole(it.after),
    });
    let drift = of.drift.as_ref().map(|drift| Drift {
        comparisons: drift.made,
        too_few_pairs: drift.too_few,
        false_alarm_rate: drift.false_alarms,
        changes: drift
            .changes
            .iter()
            .map(|it| Drifted {
                act: act(it.of, None),
                measure: it.measure.name,
                unit: unit(it.measure.unit),
                worse: it.worse,
                from: it.before,
                to: it.after,
                ratio: it.paired.ratio,
                pairs: it.paired.pairs,
                p: it.paired.p_larger.min(it.paired.p_smaller),
            })
            .collect(),
    });
    let incomparable = of.incomparable.iter().map(|(row, why)| Act {
        before: Some(why.before),
        after: Some(why.after),
        ..act(row, Some(format!("another {}", why.what)))
    });
    let document = Document {
        schema: SCHEMA,
        ruling: of.ruling().word(),
        exit_code: of.ruling().code(),
        base: sides.base,
        head: sides.head,
        compared: of.compared,
        same: of.same,
        differences: differences.collect(),
        failed: of
            .failed
            .iter()
            .map(|row| act(row, Some(row.error.to_string())))
            .collect(),
        missing: of
            .missing
            .iter()
            .map(|(row, now)| act(row, Some(instead(*now))))
            .collect(),
        incomparable: incomparable.collect(),
        new: of.new.iter().map(|row| act(row, None)).collect(),
        time_and_memory: drift,
    };
    let text = serde_json::to_string_pretty(&document).context("write the comparison as JSON")?;
    Ok(text + "\n")
}
