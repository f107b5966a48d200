//! `diff`: the bytes of a run against a baseline, exactly.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use super::out;
use crate::record::Results;
use crate::{report, stats};

#[derive(clap::Args)]
pub struct Args {
    /// rows.csv or results folder to compare with, such as results/baseline
    baseline: PathBuf,
    /// rows.csv or results folder that is judged
    run: PathBuf,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let (baseline, run) = (Results::load(&args.baseline)?, Results::load(&args.run)?);
    let comparison = stats::compare(&baseline.rows, &run.rows);
    out::print(&report::diff::text(&comparison)?)?;
    Ok(ExitCode::from(if comparison.passes() {
        0
    } else {
        super::FAILED
    }))
}
