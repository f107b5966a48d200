//! A comparison of two runs as text.

use std::fmt::Write;

use anyhow::Result;

use crate::stats::Comparison;

use super::{clean, units};

/// What is different first, then what cannot be compared, then the verdict in one line.
pub fn text(comparison: &Comparison) -> Result<String> {
    let mut text = String::new();
    for difference in &comparison.different {
        let (before, after) = (difference.baseline, difference.new);
        let figure = |value: Option<i128>| value.map_or("empty".to_string(), units::count);
        write!(
            text,
            "different: {}: {} {} -> {}",
            clean::line(&difference.act.to_string()),
            difference.measure,
            figure(before),
            figure(after)
        )?;
        if let (Some(before), Some(after)) = (before, after) {
            let sign = if after > before { "+" } else { "" };
            write!(text, " ({sign}{})", units::count(after - before))?;
        }
        text.push('\n');
    }
    let mut say = |what: &str, act: String, why: &str| {
        let why = if why.is_empty() {
            ""
        } else {
            &format!(": {}", clean::short(why))
        };
        writeln!(text, "{what}: {}{why}", clean::line(&act))
    };
    for (act, instead) in &comparison.missing {
        say("missing", act.to_string(), instead)?;
    }
    for (act, reason) in &comparison.incomparable {
        say("incomparable", act.to_string(), reason)?;
    }
    for act in &comparison.new {
        say("new", act.to_string(), "")?;
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
