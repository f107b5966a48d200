//! `list`: the plan, nothing run.

use std::process::ExitCode;

use anyhow::Result;

use super::selection::Selection;
use crate::method::Contender;
use crate::plan::plan;
use crate::scenario::Scenario;

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Show every step, in order
    #[arg(long)]
    steps: bool,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    for (scenario, contenders) in &args.selection.read_or_all()? {
        show(scenario, contenders, args.steps);
    }
    Ok(ExitCode::SUCCESS)
}

fn show(scenario: &Scenario, contenders: &[Contender], steps: bool) {
    println!("{}: {}", scenario.name, scenario.about);
    for image in &scenario.images {
        println!("  image   {:<14} {}", image.name, image.source);
    }
    for name in &scenario.methods {
        let version = contenders
            .iter()
            .find(|contender| contender.name() == name)
            .map(Contender::version);
        match version {
            Some(Ok(version)) => println!("  method  {name:<20} {version}"),
            Some(Err(why)) => println!("  method  {name:<20} skipped: {why:#}"),
            None => {}
        }
    }
    let trials = plan(scenario);
    let all: usize = trials.iter().map(|trial| trial.steps.len()).sum();
    println!(
        "  {all} steps: {} methods x {} samples x {} steps",
        scenario.methods.len(),
        scenario.samples,
        all / trials.len().max(1)
    );
    if steps {
        for trial in &trials {
            for planned in &trial.steps {
                let from = if planned.key.base.is_empty() {
                    "nothing"
                } else {
                    &planned.key.base
                };
                println!(
                    "    {} sample {}: {} {} from {from}",
                    trial.method,
                    trial.sample,
                    planned.step.word(),
                    planned.key.image
                );
            }
        }
    }
    println!();
}
