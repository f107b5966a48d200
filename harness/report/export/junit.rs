//! JUnit XML, as CI servers read it: a suite for each scenario, a test case for each act.
//!
//! The elements and attributes are those of the schema that Jenkins' xUnit plug-in publishes (junit-10.xsd).

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::Result;

use super::Exported;
use crate::record::{Key, Row};
use crate::report::{clean, diff};
use crate::stats::Weight;

/// What is wrong with an act, or why it was not compared.
enum Said {
    Failure(String),
    Skipped(String),
}

pub fn print(of: &Exported) -> Result<String> {
    let said = said(of);
    let mut suites: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    let missing = of.comparison.missing.iter();
    let gone = missing.filter_map(|(row, now)| now.is_none().then_some(*row));
    for row in of.head.rows.iter().chain(gone) {
        suites.entry(&row.scenario).or_default().push(row);
    }
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for (scenario, rows) in suites {
        suite(scenario, &rows, &said, &mut text)?;
    }
    text.push_str("</testsuites>\n");
    Ok(text)
}

fn said<'a>(of: &'a Exported) -> BTreeMap<Key<'a>, Vec<Said>> {
    let mut said: BTreeMap<Key, Vec<Said>> = BTreeMap::new();
    let comparison = of.comparison;
    let worse = |weight| weight == Weight::Worse || comparison.strict;
    for it in comparison.different.iter().filter(|it| worse(it.weight)) {
        let words = Said::Failure(diff::difference(it));
        said.entry(it.of.key()).or_default().push(words);
    }
    for row in &comparison.failed {
        let words = Said::Failure(format!("failed: {}", row.error));
        said.entry(row.key()).or_default().push(words);
    }
    for (row, now) in &comparison.missing {
        let words = Said::Failure(format!("missing: {}", diff::instead(*now)));
        said.entry(row.key()).or_default().push(words);
    }
    for (row, why) in &comparison.incomparable {
        let words = Said::Skipped(format!("incomparable: {}", diff::reason(why)));
        said.entry(row.key()).or_default().push(words);
    }
    for change in comparison.drift.iter().flat_map(|drift| &drift.changes) {
        if change.worse {
            let words = Said::Failure(diff::drifted(change));
            said.entry(change.of.key()).or_default().push(words);
        }
    }
    said
}

fn suite(
    scenario: &str,
    rows: &[&Row],
    said: &BTreeMap<Key, Vec<Said>>,
    text: &mut String,
) -> Result<()> {
    let mut cases = String::new();
    let (mut failures, mut skipped) = (0, 0);
    for row in rows {
        let said = said.get(&row.key()).map_or(&[][..], Vec::as_slice);
        let failed = said.iter().any(|it| matches!(it, Said::Failure(_)));
        let seconds = row.wall_ns.unwrap_or(0) as f64 / 1e9;
        write!(
            cases,
            "    <testcase classname=\"{}\" name=\"{}\" time=\"{seconds:.6}\"",
            escaped(&format!("{}.{}", row.scenario, row.method)),
            escaped(&row.act().to_string()),
        )?;
        let words = said.iter().filter_map(|it| match it {
            Said::Failure(words) if failed => Some(words),
            Said::Skipped(words) if !failed => Some(words),
            _ => None,
        });
        let words: Vec<&str> = words.map(String::as_str).collect();
        if words.is_empty() {
            cases.push_str("/>\n");
            continue;
        }
        let element = if failed { "failure" } else { "skipped" };
        failures += usize::from(failed);
        skipped += usize::from(!failed);
        let message = escaped(&clean::short(words[0]));
        let kind = if failed { " type=\"regression\"" } else { "" };
        let lines: Vec<String> = words.iter().map(|words| escaped(words)).collect();
        writeln!(
            cases,
            ">\n      <{element}{kind} message=\"{message}\">{}</{element}>\n    </testcase>",
            lines.join("\n")
        )?;
    }
    writeln!(
        text,
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\">\n{cases}  </testsuite>",
        escaped(scenario),
        rows.len()
    )?;
    Ok(())
}

/// A text within an attribute or an element; characters that XML 1.0 does not know are left out.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for letter in clean::line(text).chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\u{fffe}' | '\u{ffff}' => {}
            letter => escaped.push(letter),
        }
    }
    escaped
}
