//! `report`: every view of a results folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};

use super::out;
use crate::record::Results;
use crate::report;
use crate::stats::{self, Verdict};

#[derive(clap::Args)]
pub struct Args {
    /// Results folder [default: the newest in results/]
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let dir = match &args.dir {
        Some(dir) => dir.clone(),
        None => newest(Path::new("results"))
            .context("there are no results in results/ yet: delta-lab run quickstart")?,
    };
    ensure!(
        !dir.is_file(),
        "{} is a file: name its folder, where the views are written",
        dir.display()
    );
    let results = Results::load(&dir)?;
    show(&results)?;
    let failed = stats::verdicts(&results).iter().any(Verdict::fails);
    Ok(ExitCode::from(if failed { super::FAILED } else { 0 }))
}

/// Draws every view of a results folder into it; prints the table and where the files are.
pub fn show(results: &Results) -> Result<()> {
    let written = report::write_all(results, &results.dir)?;
    let mut text = report::terminal(results, width())?;
    text.push('\n');
    for path in written {
        text.push_str(&format!("{}\n", path.display()));
    }
    out::print(&text)
}

/// The folder whose rows were written last; the baseline is no run.
fn newest(results: &Path) -> Option<PathBuf> {
    let folders = fs::read_dir(results)
        .ok()?
        .flatten()
        .map(|entry| entry.path());
    let written = |folder: &Path| fs::metadata(folder.join("rows.csv")).ok()?.modified().ok();
    folders
        .filter(|folder| folder.file_name().is_some_and(|name| name != "baseline"))
        .filter_map(|folder| Some((written(&folder)?, folder)))
        .max()
        .map(|(_, folder)| folder)
}

/// Columns of the terminal, 80 when there is none.
fn width() -> usize {
    terminal_size::terminal_size().map_or(80, |(columns, _)| usize::from(columns.0))
}
