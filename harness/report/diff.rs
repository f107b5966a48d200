//! A comparison of two runs as text.

use std::fmt::Write;

use anyhow::Result;

use crate::record::{Key, Step};
use crate::stats::Comparison;

use super::units;

/// What is different first, then what cannot be compared, then the verdict in one line.
pub fn text(comparison: &Comparison) -> Result<String> {
    let mut text = String::new();
    for difference in &comparison.different {
        let (before, after) = (difference.baseline, difference.new);
        let figure = |value: Option<i128>| value.map_or("empty".to_string(), units::count);
        write!(
            text,
            "different: {}: {} {} -> {}",
            words(&difference.key),
            difference.column,
            figure(before),
            figure(after)
        )?;
        if let (Some(before), Some(after)) = (before, after) {
            let sign = if after > before { "+" } else { "" };
            write!(text, " ({sign}{})", units::count(after - before))?;
        }
        text.push('\n');
    }
    for (key, instead) in &comparison.missing {
        writeln!(text, "missing: {}: {instead}", words(key))?;
    }
    for (key, reason) in &comparison.incomparable {
        writeln!(text, "incomparable: {}: {reason}", words(key))?;
    }
    for key in &comparison.new {
        writeln!(text, "new: {}", words(key))?;
    }
    let verdict = if comparison.passes() {
        "every step that could be compared has the same bytes and requests"
    } else if comparison.compared == 0 {
        "nothing could be compared"
    } else {
        "not the same"
    };
    writeln!(
        text,
        "{verdict}: {} steps the same, {} missing, {} incomparable, {} new; figures that differ: {}",
        comparison.same,
        comparison.missing.len(),
        comparison.incomparable.len(),
        comparison.new.len(),
        comparison.different.len()
    )?;
    Ok(text)
}

fn words(key: &Key) -> String {
    let step = match (key.step, key.base.as_str()) {
        (Step::Publish, _) => format!("publish {}", key.image),
        (Step::Update, "") => format!("update {}", key.image),
        (Step::Update, base) => format!("update {} from {base}", key.image),
    };
    let Key {
        scenario,
        method,
        sample,
        ..
    } = key;
    format!("{scenario}, {method}, {step}, sample {sample}")
}
