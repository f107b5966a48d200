//! `save`: the images alone.

use std::process::ExitCode;

use anyhow::Result;
use bytesize::ByteSize;

use super::progress::Progress;
use super::selection::Selection;
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
        let mut progress = Progress::new();
        let (images, _) = save_images(scenario, &cache, args.refresh, &mut |news| {
            progress.tell(news)
        })?;
        drop(progress);
        for image in images {
            let size = ByteSize(image.bytes).display().si();
            println!(
                "{} {}  {size}  sha256 {}  {}",
                scenario.name,
                image.name,
                image.sha256,
                image.path.display()
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}
