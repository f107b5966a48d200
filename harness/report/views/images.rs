//! The images of a scenario, and what is known of them.

use std::collections::BTreeMap;

use crate::record::PlannedImage;
use crate::report::block::{Block, Column, Grid, Keep};
use crate::report::{clean, units};
use crate::stats::Scenario;

/// More images than this are folded.
const MOST_ROWS: usize = 16;

/// What the scenario is about.
pub fn about(scenario: &Scenario) -> Vec<Block> {
    match scenario.plan.about.as_str() {
        "" => Vec::new(),
        about => vec![Block::Text(about.to_string())],
    }
}

pub fn blocks(scenario: &Scenario) -> Vec<Block> {
    let images = &scenario.plan.images;
    let cells = |cell: fn(&PlannedImage) -> String| images.iter().map(cell).collect::<Vec<_>>();
    let grid = Grid {
        columns: vec![
            Column::names(Keep::Always, "release", cells(PlannedImage::title)),
            Column::figures(
                Keep::Always,
                "image",
                "image",
                cells(|image| units::bytes(image.bytes)),
            ),
            Column::names(
                Keep::Detail,
                "sha256",
                cells(|image| image.sha256.chars().take(12).collect()),
            ),
        ],
    };
    let mut blocks = match images.len() {
        0 => Vec::new(),
        1..=MOST_ROWS => vec![Block::Grid(grid)],
        many => vec![Block::Fold {
            summary: format!("{many} images"),
            blocks: vec![Block::Grid(grid)],
        }],
    };
    let known = known(images);
    if !known.is_empty() {
        blocks.push(Block::Fold {
            summary: "What is known of the images".to_string(),
            blocks: vec![Block::List(known)],
        });
    }
    blocks
}

/// Each thing that is known, with its value where all images share it, else with the images of each value.
fn known(images: &[PlannedImage]) -> Vec<String> {
    let mut keys: BTreeMap<&str, Vec<(String, String)>> = BTreeMap::new();
    for image in images {
        for (key, value) in &image.about {
            // The grid above has these two.
            if !["image_bytes", "image_sha256"].contains(&key.as_str()) {
                let values = keys.entry(key).or_default();
                values.push((shown(key, value), image.title()));
            }
        }
    }
    keys.into_iter()
        .map(|(key, values)| format!("{}: {}", key.replace('_', " "), said_once(&values)))
        .collect()
}

fn said_once(values: &[(String, String)]) -> String {
    let mut groups: Vec<(&str, Vec<String>)> = Vec::new();
    for (value, image) in values {
        match groups.iter_mut().find(|(said, _)| said == value) {
            Some((_, images)) => images.push(image.clone()),
            None => groups.push((value, vec![image.clone()])),
        }
    }
    if let [(value, images)] = groups.as_slice()
        && images.len() > 1
    {
        return (*value).to_string();
    }
    let one = |(value, images): &(&str, Vec<String>)| format!("{value} ({})", clean::names(images));
    let said: Vec<String> = groups.iter().map(one).collect();
    said.join("; ")
}

fn shown(key: &str, value: &str) -> String {
    match value.parse::<i128>() {
        Ok(bytes) if key.ends_with("_bytes") => units::bytes(bytes),
        _ => clean::short(value),
    }
}
