//! `save`: the images alone.

use std::process::ExitCode;

use anyhow::Result;

use super::out;
use super::progress::Progress;
use super::selection::Selection;
use crate::image::Image;
use crate::record::FORM_AS_IS;
use crate::report::units;
use crate::run::{Shelf, save_images};
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
        let shelves = save_images(scenario, &cache, args.refresh, &mut |news| {
            progress.tell(news)
        })?;
        drop(progress);
        for shelf in shelves {
            for saved in &shelf.images {
                out::print(&told(&scenario.name, &shelf, &saved.image))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// One image in a line, or why it can't be made here.
fn told(scenario: &str, shelf: &Shelf, image: &Image) -> String {
    let form = shelf.form.iter().filter(|form| *form != FORM_AS_IS);
    let form: String = form.map(|form| format!(" as {form}")).collect();
    let name = format!("{scenario} {}{form}", image.name);
    match &shelf.lacks {
        Some(why) => format!("{name}  skipped: {why}\n"),
        None => format!(
            "{name}  {}  sha256 {}  {}\n",
            units::bytes(image.bytes),
            image.sha256,
            image.path.display()
        ),
    }
}
