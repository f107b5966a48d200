//! What an update will download, as a table for people or as JSON.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::block::{Block, Column, Grid, Keep};
use super::inks::terminal;
use super::units;
use crate::stats::Estimated;

/// The table for a terminal; `about` says in words what a method is.
pub fn text(
    of: &[Estimated],
    names: (&str, &str),
    about: &dyn Fn(&str) -> String,
    width: usize,
) -> String {
    let cells = |cell: &dyn Fn(&Estimated) -> String| of.iter().map(cell).collect();
    let size = of.first().map_or(0, |it| it.image_bytes);
    let head = format!(
        "A client of {} fetches for {} ({}):",
        names.0,
        names.1,
        units::bytes(size)
    );
    let grid = Grid {
        columns: vec![
            Column::names(Keep::Always, "method", cells(&|it| it.method.clone())),
            Column::figures(
                Keep::Always,
                "fetches",
                "fetches",
                cells(&|it| units::bytes(it.bytes)),
            ),
            Column::figures(
                Keep::Key,
                "of image",
                "of image",
                cells(&|it| units::share(it.bytes, it.image_bytes)),
            ),
            Column::figures(
                Keep::Key,
                "requests",
                "requests",
                cells(&|it| units::count(it.requests)),
            ),
            Column::names(Keep::Detail, "what it is", cells(&|it| about(&it.method))),
            Column::names(Keep::Helpful, "says", cells(&|it| it.from.clone())),
        ],
    };
    terminal::print(&[Block::Text(head), Block::Grid(grid)], width)
}

/// The same as JSON, in bytes.
pub fn json(of: &[Estimated], names: (&str, &str)) -> Result<String> {
    let methods = of.iter().map(|it| {
        json!({"method": it.method, "bytes": it.bytes, "requests": it.requests, "from": it.from})
    });
    let document = json!({
        "schema": 1, "base": names.0, "image": names.1,
        "image_bytes": of.first().map(|it| it.image_bytes),
        "methods": methods.collect::<Vec<Value>>(),
    });
    let text = serde_json::to_string_pretty(&document).context("write the estimate as JSON")?;
    Ok(text + "\n")
}
