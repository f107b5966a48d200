//! `list`: the plan, nothing run.

use std::fmt::Write;
use std::process::ExitCode;

use anyhow::{Result, bail};

use super::out;
use super::selection::Selection;
use crate::method::Doer;
use crate::scenario::Scenario;

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Show every act, in order
    #[arg(long)]
    steps: bool,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    for (scenario, doers) in &args.selection.read_or_all()? {
        out::print(&shown(scenario, doers, args.steps)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn shown(scenario: &Scenario, doers: &[Box<dyn Doer>], steps: bool) -> Result<String> {
    let mut text = format!("{}: {}\n", scenario.name, scenario.about);
    for image in &scenario.images {
        if let Some(missing) = image.source.kind().missing() {
            bail!(
                "{}: image `{}`: there is no {}",
                scenario.path.display(),
                image.name,
                missing.display()
            );
        }
        writeln!(text, "  image   {:<20} {}", image.name, image.source)?;
    }
    for doer in doers {
        let name = doer.name();
        let kind = if scenario.methods.iter().any(|method| method == name) {
            "method"
        } else {
            "probe "
        };
        match doer.version() {
            Ok(version) => writeln!(text, "  {kind}  {name:<20} {version}")?,
            Err(why) => writeln!(text, "  {kind}  {name:<20} skipped: {why:#}")?,
        }
    }
    for (axis, values) in &scenario.axes {
        writeln!(text, "  axis    {axis:<20} {}", values.join(", "))?;
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
