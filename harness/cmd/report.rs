//! `report`: every view of a results folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};

use super::assume::Assume;
use super::out;
use crate::record::Results;
use crate::report::{self, splice};
use crate::stats::assume::Assumptions;
use crate::stats::{self, Verdict};

#[derive(clap::Args)]
pub struct Args {
    /// Results folder [default: the newest in results/]
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
    #[command(flatten)]
    assume: Assume,
    /// Replace what lies between the markers of this page too; may be repeated
    #[arg(long, value_name = "PAGE")]
    splice: Vec<PathBuf>,
    /// Write nothing; exit code 1 when a page of --splice, or a chart on it, is not what it would be
    #[arg(long, requires = "splice", conflicts_with = "assume")]
    check: bool,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let dir = folder(args.dir.as_deref())?;
    let results = Results::load(&dir)?;
    if args.check {
        return check(&results, args);
    }
    let assumed = args.assume.keep(&results.dir)?;
    // Before anything is written: a page with a torn marker stops the report.
    let pages = splice::pages(&results, &assumed, &args.splice)?;
    draw(&results, &assumed)?;
    for page in pages {
        page.write()?;
    }
    let failed = stats::verdicts(&results).iter().any(Verdict::fails);
    Ok(ExitCode::from(if failed { super::FAILED } else { 0 }))
}

/// Says which pages and charts are not current.
fn check(results: &Results, args: &Args) -> Result<ExitCode> {
    let assumed = args.assume.read(&results.dir)?;
    let mut current = true;
    for page in splice::pages(results, &assumed, &args.splice)? {
        for stale in page.stale()? {
            current = false;
            out::print(&format!("not current: {stale}\n"))?;
        }
    }
    Ok(ExitCode::from(if current { 0 } else { super::FAILED }))
}

/// The folder that was named, else the newest in results/.
pub fn folder(named: Option<&Path>) -> Result<PathBuf> {
    let dir = match named {
        Some(dir) => dir.to_path_buf(),
        None => newest(Path::new("results"))
            .context("there are no results in results/ yet: delta-lab run quickstart")?,
    };
    ensure!(
        !dir.is_file(),
        "{} is a file: name its folder, where the views are written",
        dir.display()
    );
    Ok(dir)
}

/// Draws every view of a results folder into it, under the assumptions that it keeps; prints the table and where the
/// files are.
pub fn show(results: &Results) -> Result<()> {
    let assumed = Assume { assume: None }.read(&results.dir)?;
    draw(results, &assumed)
}

fn draw(results: &Results, assumed: &Assumptions) -> Result<()> {
    let written = report::write_all(results, assumed, &results.dir)?;
    let mut text = report::terminal(results, width())?;
    text.push('\n');
    text.push_str(&places(&written));
    out::print(&text)
}

/// Where the reports are, a line each, and how many charts lie beside them: their names would push the table off a screen.
fn places(written: &[PathBuf]) -> String {
    let is_chart = |path: &&PathBuf| path.extension().is_some_and(|kind| kind == "svg");
    let is_picture = |path: &&PathBuf| path.extension().is_some_and(|kind| kind == "png");
    let reports = written
        .iter()
        .filter(|path| !is_chart(path) && !is_picture(path));
    let mut text: String = reports
        .map(|path| format!("{}\n", path.display()))
        .collect();
    match written.iter().filter(is_chart).count() {
        0 => {}
        1 => text.push_str("and 1 chart beside them, as SVG and PNG\n"),
        charts => text.push_str(&format!(
            "and {charts} charts beside them, as SVG and PNG\n"
        )),
    }
    text
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
pub fn width() -> usize {
    terminal_size::terminal_size().map_or(80, |(columns, _)| usize::from(columns.0))
}
