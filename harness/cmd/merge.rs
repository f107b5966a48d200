//! `merge`: the folders of shards become one.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use super::out;
use crate::record::{self, Check, Results};
use crate::report::{self, units};
use crate::stats::{self, Verdict};

/// Of more trials that lack rows than this the rest is counted.
const MOST_NAMED: usize = 10;

#[derive(clap::Args)]
pub struct Args {
    /// Results folders of the shards
    #[arg(value_name = "DIR", required = true)]
    dirs: Vec<PathBuf>,
    /// Folder for the whole; it must not hold rows yet
    #[arg(long, value_name = "DIR")]
    into: PathBuf,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let merging = record::merge(&args.dirs, &args.into)?;
    let results = Results::load(&args.into)?;
    let mut text = format!(
        "{} rows from {} and {}: {}\n",
        merging.rows,
        units::several(args.dirs.len(), "folder"),
        units::several(merging.machines, "machine"),
        args.into.join("rows.csv").display()
    );
    for (trial, acts) in merging.missing.iter().take(MOST_NAMED) {
        text.push_str(&format!(
            "missing: {trial}: {}\n",
            units::several(*acts, "act")
        ));
    }
    let more = merging.missing.len().saturating_sub(MOST_NAMED);
    if more > 0 {
        text.push_str(&format!(
            "missing: {} more\n",
            units::several(more, "trial")
        ));
    }
    for timed in &results.timed {
        text.push_str(&format!("{}\n", report::timed(timed)));
    }
    let verdicts = match merging.missing.is_empty() {
        true => stats::verdicts(&results),
        // What is missing decides nothing.
        false => Vec::new(),
    };
    for verdict in &verdicts {
        text.push_str(&format!("{}\n", report::verdict(verdict)));
    }
    text.push_str(&format!(
        "table and charts: delta-lab report {}\n",
        args.into.display()
    ));
    out::print(&text)?;
    let failed = results.rows.iter().any(|row| row.check == Check::Failed);
    let failed = failed || !merging.missing.is_empty() || verdicts.iter().any(Verdict::fails);
    Ok(ExitCode::from(if failed { super::FAILED } else { 0 }))
}
