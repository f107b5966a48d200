//! `explain`: where the bytes of an update come from.

use std::process::ExitCode;

use anyhow::{Result, ensure};

use super::images::saved;
use super::out;
use crate::probe::explain::{Effort, explain};
use crate::report;

#[derive(clap::Args)]
pub struct Args {
    /// The image that clients have: a file, or a Docker reference such as nginx:1.27
    base: String,
    /// The image that they are to have
    image: String,
    /// Files to list
    #[arg(long, value_name = "N", default_value_t = 10)]
    worst: usize,
    /// Code each file by zstd and by bsdiff, and take the shorter; ten times as slow
    #[arg(long)]
    best: bool,
    /// Print Markdown
    #[arg(long)]
    markdown: bool,
    /// Print JSON: every file, in bytes
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let words = [args.base.clone(), args.image.clone()];
    let images = saved(&words)?;
    let [base, image] = images.as_slice() else {
        unreachable!("two words are two images");
    };
    ensure!(
        args.worst > 0,
        "--worst 0 lists no file: give a number from 1, such as --worst 10"
    );
    let effort = if args.best {
        Effort::Best
    } else {
        Effort::Fast
    };
    let found = explain(&base.image.path, &image.image.path, effort)?;
    let names = (args.base.as_str(), args.image.as_str());
    out::print(&match (args.markdown, args.json) {
        (true, _) => report::explain::page(&found, names, args.worst),
        (_, true) => report::explain::json(&found, names)?,
        _ => report::explain::text(&found, names, args.worst, out::width()),
    })?;
    Ok(ExitCode::SUCCESS)
}
