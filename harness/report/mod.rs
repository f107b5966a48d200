//! Reports: views make blocks of results, inks print them. Nothing here changes a figure.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::record::{Results, replace};
use crate::stats;

pub mod block;
mod cells;
mod clean;
pub mod diff;
mod draw;
pub mod estimate;
pub mod explain;
pub mod export;
pub mod gate;
mod inks;
pub mod plot;
pub mod units;
mod views;

pub use inks::INKS;
pub use views::{VIEWS, verdict};

use block::{Block, Picture};
use views::Page;

/// Writes the report in every ink, and its pictures as SVG and PNG, into the folder `into` (made when absent). Returns
/// the files, the reports first.
pub fn write_all(results: &Results, into: &Path) -> Result<Vec<PathBuf>> {
    fs::create_dir_all(into).with_context(|| format!("make the folder {}", into.display()))?;
    let reading = stats::read(results);
    let blocks = views::page(results, &reading, Page::Report);
    let mut written = Vec::new();
    let mut write = |file: &str, bytes: &[u8]| -> Result<()> {
        let path = into.join(file);
        replace(&path, bytes)?;
        written.push(path);
        Ok(())
    };
    for (file, print) in INKS {
        write(file, print(&blocks).as_bytes())?;
    }
    let pictures = pictures(&blocks);
    let mut files = BTreeSet::new();
    for picture in &pictures {
        let file = &picture.file;
        ensure!(
            files.insert(file),
            "two charts would be written to {file}.svg: the names of two scenarios differ in letters alone that a file name leaves out"
        );
    }
    for (picture, (svg, png)) in pictures.iter().zip(draw::drawn(&pictures)?) {
        let file = &picture.file;
        write(&format!("{file}.svg"), svg.as_bytes())?;
        write(&format!("{file}.png"), &png)?;
    }
    Ok(written)
}

/// What a terminal of `width` columns shows of the results: for each scenario and case the ranked table, what did not
/// run, and the verdicts.
pub fn terminal(results: &Results, width: usize) -> Result<String> {
    let reading = stats::read(results);
    let blocks = views::page(results, &reading, Page::Screen);
    Ok(inks::terminal::print(&blocks, width))
}

/// Every picture, in folds too.
fn pictures(blocks: &[Block]) -> Vec<&Picture> {
    let mut pictures = Vec::new();
    for block in blocks {
        match block {
            Block::Plot(picture) => pictures.push(picture.as_ref()),
            Block::Fold { blocks, .. } => pictures.extend(self::pictures(blocks)),
            _ => {}
        }
    }
    pictures
}

#[cfg(test)]
mod tests;
