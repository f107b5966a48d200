//! `save`: the images alone.

use std::process::ExitCode;

use anyhow::Result;

use super::out;
use super::progress::Progress;
use super::selection::Selection;
use crate::report::units;
use crate::run::save_images;
use crate::source::cache::Cache;

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Make images again that are in the cache
    #[arg(long)]
    refresh: bool,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let scenarios = args.selection.read_or_all()?;
    let cache = Cache::open()?;
    for (scenario, _) in &scenarios {
        let mut progress = Progress::new(true);
        let images = save_images(scenario, &cache, args.refresh, &mut |news| {
            progress.tell(news)
        })?;
        drop(progress);
        for saved in images {
            let image = saved.image;
            out::print(&format!(
                "{} {}  {}  sha256 {}  {}\n",
                scenario.name,
                image.name,
                units::bytes(image.bytes),
                image.sha256,
                image.path.display()
            ))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
