//! `run`: scenarios become rows.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, ensure};

use super::progress::Progress;
use super::selection::Selection;
use crate::record::Results;
use crate::run::{self, Order, host};
use crate::source::cache::Cache;

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Results folder [default: results/<date>-<host>, or the folder where this same command was cut short]
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
    /// Do failed steps again, dropping their rows
    #[arg(long)]
    retry: bool,
    /// Draw every view at the end, and print the table, as `delta-lab report DIR` does
    #[arg(long)]
    report: bool,
    /// Also write what crossed the wire object by object: DIR/objects/*.csv
    #[arg(long)]
    objects: bool,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    ensure!(
        !args.selection.scenarios.is_empty(),
        "name a scenario to run, such as quickstart; `delta-lab list` shows them all"
    );
    let scenarios = args.selection.read()?;
    let cache = Cache::open()?;
    let into = args.into.clone().unwrap_or_else(default_folder);
    let order = Order {
        scenarios,
        into: into.clone(),
        retry: args.retry,
        objects: args.objects,
    };
    let mut progress = Progress::new();
    let summary = run::run(&order, &cache, &mut |news| progress.tell(news))?;
    drop(progress);
    if summary.old > 0 && summary.old == summary.verified + summary.failed + summary.skipped {
        eprintln!(
            "nothing was left to do; to measure again choose another folder with --into, to repeat what failed add --retry"
        );
    }
    println!(
        "{} steps verified, {} failed, {} skipped: {}",
        summary.verified,
        summary.failed,
        summary.skipped,
        into.join("rows.csv").display()
    );
    if args.report {
        super::report::show(&into)?;
    } else {
        println!("table and charts: delta-lab report {}", into.display());
    }
    Ok(ExitCode::from(if summary.failed > 0 {
        super::FAILED
    } else {
        0
    }))
}

/// Where this same command was cut short, or a folder named after today and this machine.
fn default_folder() -> PathBuf {
    let results = Path::new("results");
    let mut folders: Vec<PathBuf> = fs::read_dir(results)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    folders.sort();
    let command = host::command();
    let cut_short = |folder: &PathBuf| {
        folder.join("work").is_dir()
            && Results::load(folder).is_ok_and(|results| results.host.command == command)
    };
    folders
        .into_iter()
        .rev()
        .find(cut_short)
        .unwrap_or_else(|| {
            results.join(format!(
                "{}-{}",
                jiff::Zoned::now().strftime("%Y-%m-%d"),
                host::name()
            ))
        })
}
