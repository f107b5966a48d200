//! Where the bytes of an update come from, as blocks: the causes first, then kinds, layers, folders and the worst files.

use anyhow::{Context, Result};
use serde_json::json;

use super::block::{Block, Column, Grid, Keep};
use super::inks::{markdown, terminal};
use super::units;
use crate::record::{Cost, Explained, ExplainedFile, Kind};
use crate::stats::causes::{Charged, cause, causes, charged, total};

/// Folders, and causes, that are listed.
const MOST: usize = 10;

/// The explanation for a terminal; `names` are those of base and image, `worst` is how many files are listed.
pub fn text(of: &Explained, names: (&str, &str), worst: usize, width: usize) -> String {
    terminal::print(&blocks(of, names, worst), width)
}

/// The same as Markdown.
pub fn page(of: &Explained, names: (&str, &str), worst: usize) -> String {
    markdown::print(&blocks(of, names, worst))
}

/// Every file as JSON, in bytes.
pub fn json(of: &Explained, names: (&str, &str)) -> Result<String> {
    let files: Vec<serde_json::Value> = by_cost(of)
        .into_iter()
        .map(|file| {
            json!({
                "path": file.path, "layer": file.layer, "kind": file.kind.words(), "gzip": file.gzip,
                "bytes": file.bytes, "layer_bytes": file.layer_bytes, "chunk_bytes": file.chunk_bytes,
                "patch_bytes": file.patch_bytes, "cause": cause(file).name, "remedy": cause(file).remedy,
            })
        })
        .collect();
    let layers: Vec<serde_json::Value> = of
        .layers
        .iter()
        .map(|layer| json!({"digest": layer.digest, "bytes": layer.bytes, "shared": layer.shared}))
        .collect();
    let document = json!({
        "schema": 1, "base": names.0, "image": names.1, "base_bytes": of.base_bytes, "image_bytes": of.image_bytes,
        "heads_changed": of.heads_changed, "heads_patch_bytes": of.heads_patch_bytes, "layers": layers, "files": files,
    });
    let text = serde_json::to_string_pretty(&document).context("write the explanation as JSON")?;
    Ok(text + "\n")
}

fn by_cost(of: &Explained) -> Vec<&ExplainedFile> {
    let mut files: Vec<&ExplainedFile> = of.files.iter().collect();
    files.sort_by_key(|file| {
        std::cmp::Reverse((file.patch_bytes, file.chunk_bytes, file.layer_bytes))
    });
    files
}

fn blocks(of: &Explained, (base, image): (&str, &str), worst: usize) -> Vec<Block> {
    let all = total(of);
    let mut blocks = vec![Block::Head {
        level: 1,
        text: format!("From {base} to {image}: where the bytes come from"),
    }];
    blocks.extend(headline(of, &all));
    blocks.push(Block::Text(summary(of, &all)));
    let kinds = charged(of, Cost::Patch, |file| place(file.kind));
    let kinds = kinds
        .into_iter()
        .map(|(at, of)| (Kind::ALL[at].words().to_string(), of));
    blocks.push(grid("how files differ", kinds.collect()));
    if of.layers.len() > 1 {
        let layers = charged(of, Cost::Patch, |file| file.layer);
        let layers = layers
            .into_iter()
            .map(|(at, charged)| (layer(of, at), charged));
        blocks.push(grid("layer", layers.collect()));
    }
    let folders = charged(of, Cost::Patch, folder).into_iter().take(MOST);
    blocks.push(grid("folder", folders.collect()));
    blocks.extend(worst_files(of, worst));
    blocks
}

fn place(kind: Kind) -> usize {
    let place = Kind::ALL.iter().position(|other| *other == kind);
    place.expect("every kind is listed")
}

/// What costs most, each cause with its remedy.
fn headline(of: &Explained, all: &Charged) -> Vec<Block> {
    let found = causes(of, Cost::Patch);
    let line = |(cause, charged): &(&crate::stats::causes::Cause, Charged)| {
        let remedy = cause
            .remedy
            .map_or(String::new(), |it| format!(". Remedy: {it}"));
        format!(
            "{} of the patch ({}): {}, {}{remedy}",
            units::share(charged.patch_bytes, all.patch_bytes),
            units::bytes(charged.patch_bytes),
            cause.name,
            units::several(charged.files, "file")
        )
    };
    let mut lines: Vec<String> = found.iter().take(MOST).map(line).collect();
    if of.heads_patch_bytes > 0 {
        lines.push(format!(
            "{} of the patch ({}): names, modes and times of {} entries",
            units::share(of.heads_patch_bytes, all.patch_bytes),
            units::bytes(of.heads_patch_bytes),
            units::count(of.heads_changed as i128)
        ));
    }
    // A patch spends next to nothing on times; whole layers and chunks do.
    for (cost, spent) in [
        (Cost::Chunks, all.chunk_bytes),
        (Cost::Layers, all.layer_bytes),
    ] {
        let first = causes(of, cost).into_iter().next();
        lines.extend(first.map(|(cause, charged)| {
            let remedy = cause
                .remedy
                .map_or(String::new(), |it| format!(". Remedy: {it}"));
            format!(
                "{} of what {} cost ({}): {}{remedy}",
                units::share(charged.of(cost), spent),
                cost.words(),
                units::bytes(charged.of(cost)),
                cause.name
            )
        }));
    }
    match lines.is_empty() {
        true => vec![Block::Text("nothing differs".to_string())],
        false => vec![Block::List(lines)],
    }
}

fn summary(of: &Explained, all: &Charged) -> String {
    let shared = of.layers.iter().filter(|layer| layer.shared).count();
    format!(
        "The image has {} in {} layers; the client has {shared} of them. The rest is {} as whole layers before compression, {} as chunks of 64 KiB, {} as a patch of each file.",
        units::bytes(of.image_bytes),
        of.layers.len(),
        units::bytes(all.layer_bytes),
        units::bytes(all.chunk_bytes),
        units::bytes(all.patch_bytes)
    )
}

fn layer(of: &Explained, at: usize) -> String {
    let digest: String = of.layers[at].digest.chars().take(12).collect();
    format!("{} {digest}", at + 1)
}

/// The first three folders of a path: `usr/share/doc`.
fn folder(file: &ExplainedFile) -> String {
    let mut parts: Vec<&str> = file.path.split('/').collect();
    parts.pop();
    parts.truncate(3);
    match parts.is_empty() {
        true => "/".to_string(),
        false => parts.join("/"),
    }
}

fn grid(what: &str, rows: Vec<(String, Charged)>) -> Block {
    let cells = |cell: &dyn Fn(&Charged) -> String| rows.iter().map(|(_, it)| cell(it)).collect();
    let bytes = |cost: Cost| move |it: &Charged| units::bytes(it.of(cost));
    let names = rows.iter().map(|(name, _)| name.clone()).collect();
    Block::Grid(Grid {
        columns: vec![
            Column::names(Keep::Always, what, names),
            Column::figures(Keep::Key, "patch", "patch", cells(&bytes(Cost::Patch))),
            Column::figures(
                Keep::Helpful,
                "chunks",
                "chunks",
                cells(&bytes(Cost::Chunks)),
            ),
            Column::figures(
                Keep::Helpful,
                "layers",
                "whole layers",
                cells(&bytes(Cost::Layers)),
            ),
            Column::figures(
                Keep::Detail,
                "files",
                "files",
                cells(&|it| units::count(it.files as i128)),
            ),
        ],
    })
}

fn worst_files(of: &Explained, most: usize) -> Vec<Block> {
    let files: Vec<&ExplainedFile> = by_cost(of).into_iter().take(most).collect();
    if files.is_empty() {
        return Vec::new();
    }
    let cells = |cell: &dyn Fn(&ExplainedFile) -> String| files.iter().map(|it| cell(it)).collect();
    let grid = Grid {
        columns: vec![
            Column::names(Keep::Always, "file", cells(&|it| it.path.clone())),
            Column::figures(
                Keep::Key,
                "patch",
                "patch",
                cells(&|it| units::bytes(it.patch_bytes)),
            ),
            Column::names(
                Keep::Helpful,
                "how",
                cells(&|it| it.kind.words().to_string()),
            ),
            Column::figures(
                Keep::Helpful,
                "chunks",
                "chunks",
                cells(&|it| units::bytes(it.chunk_bytes)),
            ),
            Column::figures(
                Keep::Helpful,
                "size",
                "size",
                cells(&|it| units::bytes(it.bytes)),
            ),
        ],
    };
    let mut remedies: Vec<String> = Vec::new();
    for file in &files {
        let cause = cause(file);
        if let Some(remedy) = cause.remedy {
            let line = format!("{}: {remedy}", cause.name);
            if !remedies.contains(&line) {
                remedies.push(line);
            }
        }
    }
    let mut blocks = vec![
        Block::Head {
            level: 2,
            text: format!("The {} files that cost most", files.len()),
        },
        Block::Grid(grid),
    ];
    if !remedies.is_empty() {
        blocks.push(Block::List(remedies));
    }
    blocks
}
