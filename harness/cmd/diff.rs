//! `diff`: a run against another: bytes exactly, time and memory by paired samples.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};

use super::out;
use crate::record::Results;
use crate::report::diff::{self, Sides};
use crate::report::export::{EXPORTERS, Exported, Exporter, exporter};
use crate::stats::{self, Thresholds};

#[derive(clap::Args)]
pub struct Args {
    /// rows.csv or results folder to compare with, such as results/baseline
    base: PathBuf,
    /// rows.csv or results folder that is judged
    head: PathBuf,
    /// How much figures may grow, per measure and per case: a TOML file
    #[arg(long, value_name = "FILE")]
    thresholds: Option<PathBuf>,
    /// Fail on every difference of exact figures, also when HEAD is better
    #[arg(long)]
    exact: bool,
    /// Judge time and memory: samples of the same number were taken side by side. `run --against` says so by itself
    #[arg(long)]
    paired: bool,
    /// Print Markdown for a pull request
    #[arg(long)]
    markdown: bool,
    /// Print JSON: everything that was found, in base units
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// List everything, not only the first lines of each kind
    #[arg(long)]
    all: bool,
    /// Also write a file for a dashboard: bmf=FILE (Bencher), smaller-is-better=FILE (github-action-benchmark) or
    /// junit=FILE; may be repeated
    #[arg(long, value_name = "FORMAT=FILE", value_parser = format_and_file)]
    export: Vec<(&'static Exporter, PathBuf)>,
}

/// The most lines of one kind on a terminal unless `--all` is given.
const MOST_LINES: usize = 20;

fn format_and_file(text: &str) -> Result<(&'static Exporter, PathBuf), String> {
    let names: Vec<&str> = EXPORTERS.iter().map(|format| format.name).collect();
    let (format, file) = text
        .split_once('=')
        .filter(|(_, file)| !file.is_empty())
        .ok_or_else(|| format!("write FORMAT=FILE; the formats are {}", names.join(", ")))?;
    let exporter = exporter(format).map_err(|why| why.to_string())?;
    Ok((exporter, PathBuf::from(file)))
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let thresholds = match &args.thresholds {
        Some(file) => Thresholds::read(file)?,
        None => Thresholds::default(),
    };
    let (base, head) = std::thread::scope(|scope| {
        let base = scope.spawn(|| Results::load(&args.base));
        let head = Results::load(&args.head);
        (base.join(), head)
    });
    let base = base.map_err(|_| {
        anyhow!(
            "delta-lab crashed while it read {}: please report the message above",
            args.base.display()
        )
    })??;
    let head = head?;
    let paired = args.paired || base.pairs_with(&head);
    let mut comparison = stats::compare(&base, &head, &thresholds, paired);
    comparison.strict = args.exact;
    for (exporter, file) in &args.export {
        let text = (exporter.print)(&Exported {
            comparison: &comparison,
            base: &base,
            head: &head,
        })?;
        fs::write(file, text).with_context(|| format!("write {}", file.display()))?;
    }
    let sides = Sides {
        base: &args.base.to_string_lossy(),
        head: &args.head.to_string_lossy(),
    };
    let most = if args.all { usize::MAX } else { MOST_LINES };
    out::print(&match (args.markdown, args.json) {
        (true, _) => diff::markdown(&comparison, &sides),
        (_, true) => diff::json(&comparison, &sides)?,
        _ => diff::text(&comparison, most),
    })?;
    Ok(ExitCode::from(comparison.ruling().code()))
}
