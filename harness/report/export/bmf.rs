//! Bencher's metric format: <https://bencher.dev/docs/reference/bencher-metric-format>, schema at bencher.dev/bmf.json.
//!
//! A benchmark is a step; its measures have the names of the lab's, with hyphens, as Bencher's slugs are written.

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::Exported;
use super::steps::{Figure, steps};

/// The longest name of a benchmark that Bencher takes, in letters.
const LONGEST: usize = 1024;

pub fn print(of: &Exported) -> Result<String> {
    let mut benchmarks = Map::new();
    for (name, figures) in steps(of.head) {
        let name: String = name.chars().take(LONGEST).collect();
        let measures: Map<String, Value> = figures.iter().map(metric).collect();
        benchmarks.insert(name, Value::Object(measures));
    }
    let text = serde_json::to_string_pretty(&benchmarks).context("write BMF")?;
    Ok(text + "\n")
}

fn metric(of: &Figure) -> (String, Value) {
    let mut metric = json!({ "value": of.median as f64 });
    if of.samples > 1 {
        metric["lower_value"] = json!(of.min as f64);
        metric["upper_value"] = json!(of.max as f64);
    }
    (of.measure.name.replace('_', "-"), metric)
}
