//! What each idea in an image patch is worth: patches with one idea off at a time. It measures; nothing asserts.
//!
//! `make bench-worth`. Words are scenarios, whose last two images make the pair; EFFORT=fast for the other effort, and
//! IDEA=word for those lines alone whose name has the word. Each patch is decoded and compared before its bytes count.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use delta_lab::engine::ideas::{Ideas, OFF, Off};
use delta_lab::engine::image::{Effort, make_with};
use delta_lab::method::Methods;
use delta_lab::run::{Saved, save_images};
use delta_lab::scenario::{self, Scenario};
use delta_lab::source::cache::Cache;

fn main() -> Result<()> {
    // cargo adds a flag of its own.
    let words = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'));
    let effort = match std::env::var("EFFORT").as_deref() {
        Ok("fast") => Effort::Fast,
        _ => Effort::Best,
    };
    let word = std::env::var("IDEA").unwrap_or_default();
    let nothing: Off = ("nothing", |_| ());
    let lines =
        || std::iter::once(&nothing).chain(OFF.iter().filter(|(name, _)| name.contains(&word)));
    for word in words {
        let path = scenario::find(&word)?;
        let methods = Methods::in_folders(&[Path::new("scenarios/methods").to_path_buf()])?;
        let scenario = Scenario::read(&path, &methods)?;
        let shelves = save_images(&scenario, &Cache::open()?, false, &mut |_| ())?;
        let saved: Vec<Saved> = shelves.into_iter().flat_map(|it| it.images).collect();
        let [.., old, new] = &saved[..] else {
            anyhow::bail!("{word}: a pair has two images");
        };
        let folder = tempfile::tempdir().context("make a folder")?;
        let patch = folder.path().join("patch");
        println!("\n| {word} without | bytes | of all | made in |\n|---|--:|--:|--:|");
        let mut all = 0;
        for (name, switch) in lines() {
            let mut ideas = Ideas::default();
            switch(&mut ideas);
            let begun = Instant::now();
            let (base, image) = (&old.image.path, &new.image.path);
            let made = make_with(Some(base), image, &patch, effort, &ideas, &|_| ())?;
            if all == 0 {
                all = made.patch_bytes;
            }
            println!(
                "| {name} | {} | {:.3} | {:.1} s |",
                made.patch_bytes,
                made.patch_bytes as f64 / all as f64,
                begun.elapsed().as_secs_f64()
            );
        }
    }
    Ok(())
}
