//! `list`: the plan, nothing run.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::process::ExitCode;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::out;
use super::selection::Selection;
use crate::method::Doer;
use crate::run::roots;
use crate::scenario::Scenario;

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Show every act, in order
    #[arg(long)]
    steps: bool,
    /// Print JSON: each scenario with its images, methods, axes and trials; with --steps also the acts of each trial
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let scenarios = args.selection.read_or_all()?;
    for (scenario, _) in &scenarios {
        check_images(scenario)?;
    }
    if args.json {
        let scenarios: Vec<Value> = scenarios
            .iter()
            .map(|(scenario, doers)| described(scenario, doers, args.steps))
            .collect();
        out::print(&format!("{:#}\n", Value::from(scenarios)))?;
        return Ok(ExitCode::SUCCESS);
    }
    for (scenario, doers) in &scenarios {
        out::print(&shown(scenario, doers, args.steps)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn check_images(scenario: &Scenario) -> Result<()> {
    for image in &scenario.images {
        if let Some(missing) = image.source.kind().missing() {
            bail!(
                "{}: image `{}`: there is no {}",
                scenario.path.display(),
                image.name,
                missing.display()
            );
        }
    }
    Ok(())
}

/// The plan for a program to read.
fn described(scenario: &Scenario, doers: &[Box<dyn Doer>], steps: bool) -> Value {
    let images = scenario
        .images
        .iter()
        .map(|image| json!({ "name": image.name, "source": image.source.to_string() }));
    let methods = doers.iter().map(|doer| {
        let mut method = json!({ "name": doer.name(), "probe": doer.is_probe() });
        match roots::look(doer.as_ref()) {
            Ok(looked) => method["version"] = looked.text.into(),
            Err(why) => method["skipped"] = format!("{why:#}").into(),
        }
        method
    });
    let trials = scenario.plan().into_iter().map(|trial| {
        let mut told = json!({
            "doer": trial.doer,
            "case": trial.case.to_string(),
            "sample": trial.sample,
            "acts": trial.acts.len(),
        });
        if steps {
            let deeds = trial.acts.iter().map(|planned| planned.act.deed());
            told["steps"] = deeds.collect::<Vec<String>>().into();
        }
        told
    });
    json!({
        "name": scenario.name,
        "about": scenario.about,
        "images": images.collect::<Vec<Value>>(),
        "doers": methods.collect::<Vec<Value>>(),
        "forms": scenario.forms.iter().map(|(value, form)| (value.clone(), form.to_string())).collect::<BTreeMap<_, _>>(),
        "axes": scenario.axes.iter().cloned().collect::<BTreeMap<_, _>>(),
        "samples": scenario.samples,
        "once": scenario.once,
        "trials": trials.collect::<Vec<Value>>(),
    })
}

fn shown(scenario: &Scenario, doers: &[Box<dyn Doer>], steps: bool) -> Result<String> {
    let mut text = format!("{}: {}\n", scenario.name, scenario.about);
    for image in &scenario.images {
        writeln!(text, "  image   {:<20} {}", image.name, image.source)?;
    }
    for doer in doers {
        let name = doer.name();
        let kind = if scenario.methods.iter().any(|method| method == name) {
            "method"
        } else {
            "probe "
        };
        match roots::look(doer.as_ref()) {
            Ok(looked) => writeln!(text, "  {kind}  {name:<20} {}", looked.text)?,
            Err(why) => writeln!(text, "  {kind}  {name:<20} skipped: {why:#}")?,
        }
    }
    if !scenario.once.is_empty() && scenario.samples > 1 {
        writeln!(
            text,
            "  once    {:<20} only in the first sample",
            scenario.once.join(", ")
        )?;
    }
    for (axis, values) in &scenario.axes {
        writeln!(text, "  axis    {axis:<20} {}", values.join(", "))?;
    }
    for (value, form) in &scenario.forms {
        writeln!(text, "  form    {value:<20} {form}")?;
    }
    for expect in &scenario.expects {
        writeln!(text, "  expect  {}", expect.says)?;
    }
    let trials = scenario.plan();
    let acts: usize = trials.iter().map(|trial| trial.acts.len()).sum();
    writeln!(
        text,
        "  {acts} acts in {} trials: each method, under each case, in each sample",
        trials.len()
    )?;
    if steps {
        for planned in trials.iter().flat_map(|trial| &trial.acts) {
            writeln!(text, "    {}", planned.act)?;
        }
    }
    text.push('\n');
    Ok(text)
}
