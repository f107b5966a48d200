//! github-action-benchmark's `customSmallerIsBetter`: a list of objects with `name`, `unit`, `value`, and optionally
//! `range` and `extra` (<https://github.com/benchmark-action/github-action-benchmark>).

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::Exported;
use super::steps::{Figure, steps};
use crate::report::diff::unit;

pub fn print(of: &Exported) -> Result<String> {
    let mut entries: Vec<Value> = Vec::new();
    for (name, figures) in steps(of.head) {
        entries.extend(figures.iter().map(|figure| entry(&name, figure)));
    }
    let text = serde_json::to_string_pretty(&entries).context("write the figures as JSON")?;
    Ok(text + "\n")
}

fn entry(name: &str, of: &Figure) -> Value {
    let mut entry = json!({
        "name": format!("{name}: {}", of.measure.name),
        "unit": unit(of.measure.unit),
        "value": of.median as f64,
    });
    if of.samples > 1 {
        entry["range"] = json!(format!("{} to {}", of.min, of.max));
        entry["extra"] = json!(format!("median of {} samples", of.samples));
    }
    entry
}
