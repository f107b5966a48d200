//! `recommend`: which method is cheapest for a fleet, and what would change that.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};

use super::assume::{Assume, Single};
use super::{out, report};
use crate::record::Results;
use crate::report::recommendation;
use crate::stats::assume::DEFAULTS;

#[derive(clap::Args)]
pub struct Args {
    /// Results folder [default: the newest in results/]
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Only this scenario of the folder
    #[arg(long, value_name = "NAME")]
    scenario: Option<String>,
    /// How many methods are shown
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,
    #[command(flatten)]
    assume: Assume,
    /// Print the built-in assumptions as a file to edit, and do nothing else
    #[arg(long)]
    print_assumptions: bool,
    #[command(flatten)]
    single: Single,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    if args.print_assumptions {
        out::print(DEFAULTS)?;
        return Ok(ExitCode::SUCCESS);
    }
    ensure!(args.top > 0, "--top 0 would show no method");
    let dir = report::folder(args.dir.as_deref())?;
    let results = Results::load(&dir)?;
    let mut assumed = args.assume.read(&results.dir)?;
    args.single.put_into(&mut assumed);
    assumed.check()?;
    let scenario = args.scenario.as_deref();
    let text = recommendation(&results, &assumed, scenario, args.top, report::width())?;
    out::print(&text)?;
    Ok(ExitCode::SUCCESS)
}
