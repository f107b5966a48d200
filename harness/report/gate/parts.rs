//! The tables of a gate's comment.

use crate::record::Cost;
use crate::report::block::{Block, Column, Grid, Keep, NO_FIGURE};
use crate::report::units;
use crate::stats::gate::{Effect, Grown, Line};

/// Files listed, and further ones in a fold.
const FILES: usize = 5;
const MORE_FILES: usize = 30;

/// What the change does to one method.
pub fn table(of: &Effect) -> Block {
    let name = |line: &Line| format!("clients on {}", line.release);
    let mut rows: Vec<(String, &Line)> = of.deltas.iter().map(|line| (name(line), line)).collect();
    rows.push(("new clients, everything".to_string(), &of.full));
    rows.push(("the server stores for it".to_string(), &of.storage));
    let cells = |cell: &dyn Fn(&Line) -> Option<String>| {
        let rows = rows.iter();
        rows.map(|(_, line)| cell(line).unwrap_or(NO_FIGURE.to_string()))
            .collect()
    };
    let change = |line: &Line| {
        let change = line.change()?;
        Some(match change {
            0 => "none".to_string(),
            1.. => format!("+{}", units::bytes(change)),
            _ => units::bytes(change),
        })
    };
    let names = rows.iter().map(|(name, _)| name.clone()).collect();
    Block::Grid(Grid {
        columns: vec![
            Column::names(Keep::Always, &of.method, names),
            Column::figures(
                Keep::Always,
                "before",
                "before",
                cells(&|line| line.before.map(units::bytes)),
            ),
            Column::figures(
                Keep::Always,
                "after",
                "after",
                cells(&|line| line.after.map(units::bytes)),
            ),
            Column::figures(Keep::Always, "change", "change", cells(&change)),
            Column::figures(
                Keep::Detail,
                "requests",
                "requests",
                cells(&|line| line.requests.map(units::count)),
            ),
        ],
    })
}

/// The files that cost more than before, the most costly first, all but a few in a fold.
pub fn files(grown: &[Grown], cost: Cost) -> Vec<Block> {
    if grown.is_empty() {
        return Vec::new();
    }
    let grid = |files: &[Grown]| {
        let cells = |cell: &dyn Fn(&Grown) -> String| files.iter().map(cell).collect();
        Block::Grid(Grid {
            columns: vec![
                Column::names(Keep::Always, "file", cells(&|it| it.file.path.clone())),
                Column::figures(
                    Keep::Always,
                    "more",
                    "more",
                    cells(&|it| format!("+{}", units::bytes(it.more))),
                ),
                Column::names(
                    Keep::Always,
                    "how",
                    cells(&|it| it.file.kind.words().to_string()),
                ),
                Column::figures(
                    Keep::Always,
                    "size",
                    "size",
                    cells(&|it| units::bytes(it.file.bytes)),
                ),
            ],
        })
    };
    let (first, rest) = grown.split_at(grown.len().min(FILES));
    let mut blocks = vec![grid(first)];
    if !rest.is_empty() {
        blocks.push(Block::Fold {
            summary: format!(
                "{} more files that cost more as {}",
                rest.len(),
                cost.words()
            ),
            blocks: vec![grid(&rest[..rest.len().min(MORE_FILES)])],
        });
    }
    blocks
}
