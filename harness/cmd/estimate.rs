//! `estimate`: what an update will download, before anybody pulls.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail, ensure};

use super::compare::why_not;
use super::images::{saved_of, scenario_of};
use super::out::{self, note};
use super::progress::Progress;
use super::selection;
use crate::method::Methods;
use crate::record::Results;
use crate::report;
use crate::run::{self, Order, Saved};
use crate::scenario::Scenario;
use crate::source::cache::Cache;
use crate::stats::{Estimated, estimates};

use super::compare::pace;

#[derive(clap::Args)]
pub struct Args {
    /// The image that the client has: a file, or a Docker reference such as nginx:1.27
    old: String,
    /// The image that it will pull
    new: String,
    /// Results folders to look into [default: those in results/]
    #[arg(long, value_name = "DIR")]
    results: Vec<PathBuf>,
    /// Measure, whatever the results say
    #[arg(long)]
    measure: bool,
    /// Measure these methods; may be repeated
    #[arg(short, long = "method", value_name = "M")]
    methods: Vec<String>,
    /// Print JSON, in bytes
    #[arg(long)]
    json: bool,
}

/// What clients use most, and methods that say what could be had; each publishes tens of MB a second.
const QUICK: &[&str] = &[
    "raw",
    "gzip/6",
    "zstd/3",
    "layers",
    "fastcdc/64k",
    "casync/64k",
    "zsync",
    "zchunk",
    "zstd-patch/3",
    "xdelta3",
];

pub fn run(args: &Args) -> Result<ExitCode> {
    let scenario = scenario_of("estimate", &[args.old.clone(), args.new.clone()])?;
    let images = saved_of(&scenario)?;
    let methods = Methods::in_folders(&[PathBuf::from("scenarios/methods")])?;
    let kept = match args.measure || !args.methods.is_empty() {
        true => Vec::new(),
        false => look(&kept(&args.results)?, &images),
    };
    let found = match kept.is_empty() {
        true => measure(scenario, &args.methods, &methods, &images)?,
        false => kept,
    };
    ensure!(!found.is_empty(), "no method could move these images here");
    let names = (args.old.as_str(), args.new.as_str());
    let about = |method: &str| {
        let doer = methods.get(method).ok();
        doer.map_or(String::new(), |doer| doer.about().text.clone())
    };
    out::print(&match args.json {
        true => report::estimate::json(&found, names)?,
        false => report::estimate::text(&found, names, &about, out::width()),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The results that are named, which must be there; else every folder in results/ that can be read.
fn kept(named: &[PathBuf]) -> Result<Vec<Results>> {
    if !named.is_empty() {
        return named.iter().map(|folder| Results::load(folder)).collect();
    }
    let folders = fs::read_dir(Path::new("results")).into_iter().flatten();
    let mut folders: Vec<PathBuf> = folders.flatten().map(|entry| entry.path()).collect();
    folders.sort();
    // The newest name first.
    let folders = folders.iter().rev();
    Ok(folders
        .filter_map(|folder| Results::load(folder).ok())
        .collect())
}

fn look(results: &[Results], images: &[Saved]) -> Vec<Estimated> {
    let sha = |at: usize| images[at].image.sha256.as_str();
    estimates(results, sha(0), sha(1))
}

/// Moves the images by each method in a folder that is removed afterwards.
fn measure(
    mut scenario: Scenario,
    named: &[String],
    methods: &Methods,
    images: &[Saved],
) -> Result<Vec<Estimated>> {
    let bytes: u64 = images.iter().map(|saved| saved.image.bytes).sum();
    scenario.methods = match named.is_empty() {
        false => selection::expand(named, methods)?,
        true => QUICK
            .iter()
            .filter(|name| {
                let quick = pace::seconds(name, bytes).is_none_or(|it| it <= pace::REASONABLE_S);
                let doer = methods.get(name).ok();
                quick && doer.is_some_and(|doer| why_not(doer.as_ref(), images).is_none())
            })
            .map(|name| name.to_string())
            .collect(),
    };
    note(&format!(
        "no kept rows of these images are used: measuring {}",
        scenario.methods.join(", ")
    ));
    let folder = tempfile::Builder::new()
        .prefix("delta-lab-estimate-")
        .tempdir()?;
    let doers = selection::doers(&scenario, methods)?;
    let order = Order::of(vec![(scenario, doers)], folder.path().join("measured"));
    let mut progress = Progress::new(false);
    let summary = run::run(&order, &Cache::open()?, &mut |news| progress.tell(news))?;
    drop(progress);
    let mut results = Results::load(&order.into)?;
    results.dir = PathBuf::from("measured now");
    results.host.started.clear();
    if summary.verified == 0 {
        let error = results
            .rows
            .first()
            .map_or(String::new(), |row| row.error.to_string());
        bail!("nothing could be measured: {error}");
    }
    Ok(look(&[results], images))
}
