//! report.md: what ran, the ranked table, the charts, what did not run, and how it was measured.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::Result;

use crate::record::{Check, Fact, Host, Results};
use crate::stats::{MethodRows, ScenarioRows, Trouble, scenarios, step_words};

use super::columns::{Cells, Column, byte_columns, filled, time_columns};
use super::{VIEWS, View, chart_file, units};

/// The whole report.
pub fn report(results: &Results) -> Result<String> {
    let mut text = String::from("# What it costs to ship these images\n");
    let scenarios = scenarios(&results.rows);
    if scenarios.is_empty() {
        text.push_str("\nNo step has run yet: rows.csv holds no rows.\n");
    }
    for scenario in &scenarios {
        write!(text, "\n## {}\n\n", scenario.scenario)?;
        text.push_str(&images(scenario, &results.facts)?);
        text.push_str(&ranking(scenario)?);
        text.push_str(&charts(scenario)?);
        text.push_str(&troubles("Skipped", &scenario.skipped())?);
        text.push_str(&troubles("Failed", &scenario.failed())?);
    }
    text.push_str(&machine(&results.host, &scenarios)?);
    text.push_str(MEASURED);
    Ok(text)
}

const MEASURED: &str = "
## How it was measured

- A figure is given only for a step whose output was verified. `exact`: the rebuilt file has the image's sha256;
  `tree`: the rebuilt folder has the same names, modes, owners, links and contents as the image's tree.
- Transfer is what crossed the wire as bodies, in both directions. Heads are counted apart (`header_bytes`).
- Storage is what the store's folder grew by, all releases of a method in one store.
- Every step is a process. Time is wall time; peak memory is that of the step's largest single process.
- Sizes are decimal (1 kB = 1,000 B). Of several samples the median is shown.

Every sample is in [rows.csv](rows.csv); its columns, and what they do not say, in [the results' README](../README.md).
";

/// What `tree` does not vouch for; results/README.md says the same.
const LEFT_OUT: &str = "the unpacked tree is moved, and the archive, whose size is the image's, can't be given back. Not compared: \
    mtimes, which names are hard links of one file, devices and fifos, extended attributes other than capabilities and \
    `user.*`.";

/// The images, and what is known of them.
fn images(scenario: &ScenarioRows, facts: &[Fact]) -> Result<String> {
    let mut text = String::from("| release | image | sha256 |\n|---|---:|---|\n");
    for image in &scenario.images {
        let sha256: String = image.sha256.chars().take(12).collect();
        let (name, size) = (plain(image.name), units::bytes(image.bytes));
        writeln!(text, "| {name} | {size} | `{sha256}` |")?;
    }
    let mut by_fact: Vec<(&str, Vec<(String, String)>)> = Vec::new();
    for fact in facts
        .iter()
        .filter(|fact| fact.scenario == scenario.scenario)
    {
        let of = match fact.base.as_str() {
            "" => fact.image.clone(),
            base => format!("{} from {base}", fact.image),
        };
        let said = (value(fact), of);
        match by_fact.iter_mut().find(|(name, _)| *name == fact.fact) {
            Some((_, values)) => values.push(said),
            None => by_fact.push((&fact.fact, vec![said])),
        }
    }
    if !by_fact.is_empty() {
        text.push('\n');
    }
    for (name, values) in by_fact {
        writeln!(
            text,
            "- {}: {}",
            plain(&name.replace('_', " ")),
            said_once(&values)
        )?;
    }
    Ok(text)
}

/// A value that all images share, or each value with the images it holds for.
fn said_once(values: &[(String, String)]) -> String {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for (value, of) in values {
        match groups.iter_mut().find(|(said, _)| *said == value) {
            Some((_, images)) => images.push(of),
            None => groups.push((value, vec![of])),
        }
    }
    let one = |(value, of): &(&str, Vec<&str>)| format!("{} ({})", plain(value), of.join(", "));
    let said: Vec<String> = groups.iter().map(one).collect();
    match groups.as_slice() {
        [(value, of)] if of.len() > 1 => plain(value),
        _ => said.join("; "),
    }
}

fn value(fact: &Fact) -> String {
    match fact.value.parse::<i128>() {
        Ok(bytes) if fact.fact.ends_with("_bytes") => units::bytes(bytes),
        _ => fact.value.clone(),
    }
}

fn ranking(scenario: &ScenarioRows) -> Result<String> {
    let ranked = scenario.ranked();
    let Some(newest) = scenario.newest().filter(|_| !ranked.is_empty()) else {
        return Ok("\nNothing was verified here, so there are no figures and no charts.\n".into());
    };
    let by = match scenario.nearest() {
        Some(base) => format!("what an update to {} from {base} moves", newest.name),
        None if scenario.updates() => {
            format!("what an update to {} from nothing moves", newest.name)
        }
        None => "what the server stores; no update ran".to_string(),
    };
    let mut text = format!("\n### Ranked by {by}\n\n");
    text.push_str(&table(&ranked, &byte_columns(scenario))?);
    text.push('\n');
    text.push_str(&trees(&ranked)?);
    text.push_str(&repetition(scenario, &ranked)?);
    text.push_str("\n### Time and memory, in the same order\n\n");
    text.push_str(&table(&ranked, &time_columns(scenario, true))?);
    Ok(text)
}

fn table(ranked: &[&MethodRows], columns: &[Column]) -> Result<String> {
    let mut text = String::from("| | method |");
    let columns = filled(columns, ranked);
    for Cells { column, .. } in &columns {
        write!(text, " {} |", plain(&column.long))?;
    }
    text.push_str("\n|---:|---|");
    text.push_str(&"---:|".repeat(columns.len()));
    text.push('\n');
    for (at, method) in ranked.iter().enumerate() {
        write!(text, "| {} | {} |", at + 1, plain(method.method))?;
        for Cells { cells, .. } in &columns {
            write!(text, " {} |", cells[at])?;
        }
        text.push('\n');
    }
    Ok(text)
}

/// Which methods moved trees, and what that leaves out.
fn trees(ranked: &[&MethodRows]) -> Result<String> {
    let moves_trees = |method: &&&MethodRows| {
        let mut rows = method.steps().flat_map(|step| &step.rows);
        rows.any(|row| row.check == Check::Tree)
    };
    let named: Vec<String> = ranked
        .iter()
        .filter(moves_trees)
        .map(|method| plain(method.method))
        .collect();
    let mut text = String::new();
    if !named.is_empty() {
        writeln!(text, "- {}: {LEFT_OUT}\n", named.join(", "))?;
    }
    Ok(text)
}

/// Whether bytes and requests were the same in every sample.
fn repetition(scenario: &ScenarioRows, ranked: &[&MethodRows]) -> Result<String> {
    if scenario.samples() < 2 {
        return Ok("One sample of each step: whether bytes repeat is not known.\n".into());
    }
    let mut text = String::new();
    for method in ranked {
        for step in method.steps() {
            let columns = step.unrepeated();
            if let Some(row) = step.rows.first().filter(|_| !columns.is_empty()) {
                let (who, step) = (plain(method.method), step_words(row));
                writeln!(text, "- {who}: {step} ({})", columns.join(", "))?;
            }
        }
    }
    Ok(match text.as_str() {
        "" => format!(
            "Bytes and requests repeated exactly over {} samples.\n",
            scenario.samples()
        ),
        _ => format!(
            "Bytes or requests did not repeat over {} samples:\n\n{text}",
            scenario.samples()
        ),
    })
}

fn charts(scenario: &ScenarioRows) -> Result<String> {
    let mut text = String::new();
    for (name, view) in VIEWS {
        let View::Chart(draw) = view else { continue };
        if draw(scenario)?.is_some() {
            let (svg, png) = (
                chart_file(scenario, name, "svg"),
                chart_file(scenario, name, "png"),
            );
            let what = format!("{name} of {}", plain(scenario.scenario));
            write!(text, "\n![{what}]({svg})\n\n[{name} as PNG]({png})\n")?;
        }
    }
    Ok(text)
}

fn troubles(how: &str, troubles: &[Trouble]) -> Result<String> {
    if troubles.is_empty() {
        return Ok(String::new());
    }
    let mut text = format!("\n### {how}\n\n");
    for trouble in troubles {
        // A reason may be a tool's last words: several lines, any letters.
        let reason = trouble
            .reason
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        writeln!(
            text,
            "- {}: {}",
            plain(&trouble.who.join(", ")),
            plain(&reason)
        )?;
    }
    Ok(text)
}

fn machine(host: &Host, scenarios: &[ScenarioRows]) -> Result<String> {
    let mut text = String::from("\n## Machine and versions\n\n");
    if host.lab.is_empty() {
        text.push_str("There is no host.toml beside these rows, so the machine is not known.\n");
    } else {
        writeln!(text, "- delta-lab {}, started {}", host.lab, host.started)?;
        writeln!(text, "- `{}`", host.command.join(" "))?;
        let memory = units::bytes(host.memory_bytes);
        let (os, kernel, cpu, cores) = (&host.os, &host.kernel, &host.cpu, host.cores);
        writeln!(text, "- {os}, kernel {kernel}")?;
        writeln!(text, "- {cpu}, {cores} cores, {memory} of memory")?;
    }
    let ran = scenarios.iter().flat_map(|scenario| &scenario.methods);
    let mut versions: BTreeMap<&str, &str> = host
        .methods
        .iter()
        .map(|(method, version)| (method.as_str(), version.as_str()))
        .collect();
    versions.extend(
        ran.filter(|method| !method.version.is_empty())
            .map(|method| (method.method, method.version)),
    );
    if !versions.is_empty() {
        text.push_str("\n| method | version |\n|---|---|\n");
    }
    for (method, version) in versions {
        writeln!(text, "| {} | {} |", plain(method), plain(version))?;
    }
    let in_rows = |method: &str| {
        let mut methods = scenarios.iter().flat_map(|scenario| &scenario.methods);
        methods.any(|known| known.method == method)
    };
    let absent: Vec<_> = host
        .skipped
        .iter()
        .filter(|(method, _)| !in_rows(method))
        .collect();
    if !absent.is_empty() {
        text.push_str("\nNot able to run on this machine:\n\n");
    }
    for (method, reason) in absent {
        writeln!(text, "- {}: {}", plain(method), plain(reason))?;
    }
    Ok(text)
}

/// Text that Markdown takes as it is, in a table too.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for letter in text.chars() {
        match letter {
            '|' | '*' | '_' | '`' | '<' | '[' | ']' | '\\' => plain.extend(['\\', letter]),
            '\n' => plain.push(' '),
            _ => plain.push(letter),
        }
    }
    plain
}
