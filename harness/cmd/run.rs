//! `run`: scenarios become rows.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, ensure};

use super::out::{self, note};
use super::progress::Progress;
use super::selection::Selection;
use crate::plan::Shard;
use crate::record::Results;
use crate::report;
use crate::run::{self, Order, Summary, host};
use crate::source::cache::Cache;
use crate::stats::{self, Verdict};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Results folder [default: results/<date>-<host>, or the folder where this same command was cut short]
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
    /// Run the same by another lab's program too, sample by sample in turn, into the folder DIR-against; then `diff` can
    /// judge time and memory
    #[arg(long, value_name = "PROGRAM", conflicts_with_all = ["retry", "objects"])]
    against: Option<PathBuf>,
    /// Do failed steps again, dropping their rows
    #[arg(long)]
    retry: bool,
    /// Do one part of the trials, such as 3/16, and leave the others to other machines; `delta-lab merge` puts the parts
    /// together. On one machine one shard runs at a time, the others wait
    #[arg(long, value_name = "I/N", conflicts_with_all = ["against", "report"])]
    shard: Option<Shard>,
    /// Measure only sizes, N trials at a time and each once: time and memory stay empty. The same command without it
    /// takes them later
    #[arg(short, long, value_name = "N", conflicts_with_all = ["against", "samples"])]
    jobs: Option<NonZeroUsize>,
    #[command(flatten)]
    reuse: Reuse,
    /// Draw every view at the end, and print the table, as `delta-lab report DIR` does
    #[arg(long)]
    report: bool,
    /// Also write what crossed the wire object by object: DIR/objects/*.csv
    #[arg(long)]
    objects: bool,
    /// Show a line for each act on a terminal too, not only for each method
    #[arg(short, long)]
    verbose: bool,
}

/// Whether stores of earlier runs are taken up, of `run` and `ci`.
#[derive(clap::Args)]
pub struct Reuse {
    /// Reuse the verified store of an identical earlier publish (only with --jobs). GB limits the cached stores
    /// [default: 10]; the least recently used are removed first
    #[arg(
        long = "reuse",
        value_name = "GB",
        requires = "jobs",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "10",
        value_parser = clap::value_parser!(u64).range(1..=1_000_000)
    )]
    gigabytes: Option<u64>,
}

impl Reuse {
    /// Most bytes of stores to keep; nothing where none are reused.
    pub fn most(&self) -> Option<u64> {
        self.gigabytes.map(|gigabytes| gigabytes * 1_000_000_000)
    }
}

pub fn run(args: &Args) -> Result<ExitCode> {
    ensure!(
        !args.selection.scenarios.is_empty(),
        "name a scenario to run, such as quickstart; `delta-lab list` shows them all"
    );
    let mut scenarios = args.selection.read()?;
    if args.jobs.is_some() {
        // A second sample has the same bytes.
        scenarios.iter_mut().for_each(|(it, _)| it.samples = 1);
    }
    let into = args.into.clone();
    let into = into.unwrap_or_else(|| default_folder(args.shard));
    if let Some(other) = &args.against {
        let samples = scenarios.iter().map(|(scenario, _)| scenario.samples);
        return super::against::run(other, &into, samples.max().unwrap_or(1));
    }
    let order = Order {
        retry: args.retry,
        objects: args.objects,
        shard: args.shard,
        jobs: args.jobs,
        reuse: args.reuse.most(),
        ..Order::of(scenarios, into)
    };
    carry_out(&order, args.verbose, args.report)
}

/// Runs the order, shows how it goes, and says how it ended; with `draw` draws every view too.
pub fn carry_out(order: &Order, verbose: bool, draw: bool) -> Result<ExitCode> {
    let cache = Cache::open()?;
    let mut progress = Progress::new(verbose);
    let summary = run::run(order, &cache, &mut |news| progress.tell(news))?;
    drop(progress);
    tell_reused(&summary);
    if summary.old > 0 && summary.old == summary.verified + summary.failed + summary.skipped {
        note(
            "nothing was left to do; to measure again choose another folder with --into, to repeat what failed add --retry",
        );
    }
    let dir = &order.into;
    out::print(&format!(
        "{} acts verified, {} failed, {} skipped: {}\n",
        summary.verified,
        summary.failed,
        summary.skipped,
        dir.join("rows.csv").display()
    ))?;
    if let Some(shard) = order.shard {
        out::print(&format!(
            "this is shard {shard}; with the others: delta-lab merge {} DIR... --into WHOLE\n",
            dir.display()
        ))?;
        return Ok(ExitCode::from(if summary.failed > 0 {
            super::FAILED
        } else {
            0
        }));
    }
    let results = Results::load(dir)?;
    let verdicts = stats::verdicts(&results);
    if draw {
        super::report::show(&results)?;
    } else {
        for verdict in &verdicts {
            out::print(&format!("{}\n", report::verdict(verdict)))?;
        }
        out::print(&format!(
            "table and charts: delta-lab report {}\n",
            dir.display()
        ))?;
    }
    let failed = summary.failed > 0 || verdicts.iter().any(Verdict::fails);
    Ok(ExitCode::from(if failed { super::FAILED } else { 0 }))
}

/// Says how many publishes were not done, and how many the cache could not keep.
pub fn tell_reused(summary: &Summary) {
    let (reused, lost) = (summary.reused, summary.lost);
    if reused > 0 {
        note(&format!(
            "{reused} {} not done again: the cache had the stores that earlier ones left",
            if reused == 1 {
                "publish was"
            } else {
                "publishes were"
            }
        ));
    }
    if lost > 0 {
        note(&format!(
            "the cache's disk is full: {lost} {} not kept",
            if lost == 1 {
                "store was"
            } else {
                "stores were"
            }
        ));
    }
}

/// Where this same command was cut short, or a folder named after today and this machine.
fn default_folder(shard: Option<Shard>) -> PathBuf {
    let part = shard.map_or(String::new(), |it| {
        format!("-shard-{}", it.to_string().replace('/', "-of-"))
    });
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
                "{}-{}{part}",
                jiff::Zoned::now().strftime("%Y-%m-%d"),
                host::name()
            ))
        })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::Reuse;

    #[derive(Parser)]
    struct Line {
        #[arg(long)]
        jobs: Option<usize>,
        #[command(flatten)]
        reuse: Reuse,
    }

    #[test]
    fn stores_are_reused_up_to_so_many_gigabytes() {
        for (said, most) in [
            (None, None),
            (Some("--reuse"), Some(10_000_000_000)),
            (Some("--reuse=3"), Some(3_000_000_000)),
        ] {
            let words = ["run", "--jobs", "2"].into_iter().chain(said);
            let line = Line::try_parse_from(words).unwrap();
            assert_eq!((line.jobs, line.reuse.most()), (Some(2), most), "{said:?}");
        }
    }
}
