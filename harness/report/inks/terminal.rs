//! The terminal: plain text of a given width.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use textwrap::core::display_width;

use crate::report::block::{Block, Column, Grid, Keep};
use crate::report::clean;

/// Blanks between two columns.
const GAP: usize = 2;

/// Blocks as lines of at most `width` columns where names allow it. What has no room in a grid is left out, least
/// important first, and never cut. Pictures are left out; of a fold only its summary is shown.
pub fn print(blocks: &[Block], width: usize) -> String {
    let mut text = String::new();
    for block in blocks {
        match block {
            Block::Head { text: head, .. } => {
                if !text.is_empty() {
                    text.push('\n');
                }
                text.push_str(&paragraph(head, "", width));
            }
            Block::Text(said) => text.push_str(&paragraph(said, "", width)),
            Block::List(items) => {
                for item in items {
                    text.push_str(&paragraph(item, "- ", width));
                }
            }
            Block::Grid(grid) => text.push_str(&table(grid, width)),
            Block::Verdict {
                decision,
                says,
                why,
            } => {
                let verdict = format!("{}: {says} ({why})", decision.word());
                text.push_str(&paragraph(&verdict, "", width));
            }
            Block::Fold { summary, .. } => {
                let summary = format!("{summary}: see report.md");
                text.push_str(&paragraph(&summary, "", width));
            }
            Block::Answer(answer) => {
                let said = format!("{}: pick {}", answer.question, answer.pick);
                text.push_str(&paragraph(&said, "", width));
                for why in &answer.why {
                    text.push_str(&paragraph(why, "- ", width));
                }
            }
            Block::Tiles(tiles) => {
                for tile in tiles {
                    let said = format!("{}: {}, {}", tile.label, tile.figure, tile.who);
                    text.push_str(&paragraph(&said, "- ", width));
                }
            }
            Block::Sheet(sheet) => text.push_str(&table(&sheet.grid(), width)),
            Block::Part { blocks, .. } => text.push_str(&print(blocks, width)),
            Block::Plot(_) => {}
        }
    }
    text
}

/// A paragraph broken at blanks, all lines but the first set in.
fn paragraph(text: &str, bullet: &str, width: usize) -> String {
    let options = textwrap::Options::new(width)
        .initial_indent(bullet)
        .subsequent_indent("  ")
        .break_words(false)
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    textwrap::fill(&clean::line(text), options) + "\n"
}

fn table(grid: &Grid, width: usize) -> String {
    let columns = with_room(grid, width);
    let mut table = Table::new();
    let heads = columns.iter().map(|column| clean::line(&column.short));
    table.load_style(NOTHING).set_header(heads);
    let rows = columns.first().map_or(0, |column| column.cells.len());
    for row in 0..rows {
        table.add_row(
            columns
                .iter()
                .map(|column| clean::line(&column.cells[row].text)),
        );
    }
    for (at, shown) in table.column_iter_mut().enumerate() {
        let gap = if at == 0 { 0 } else { GAP as u16 };
        shown.set_padding((gap, 0));
        if columns[at].figures {
            shown.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines: Vec<String> = table
        .lines()
        .map(|line| line.trim_end().to_string())
        .collect();
    lines.join("\n") + "\n"
}

/// The columns that fit, in their order.
fn with_room(grid: &Grid, width: usize) -> Vec<&Column> {
    let widest = |column: &Column| {
        let texts = column.cells.iter().map(|cell| &cell.text);
        let texts = texts.chain([&column.short]);
        let widths = texts.map(|text| display_width(&clean::line(text)));
        widths.max().unwrap_or(0) + GAP
    };
    let mut by_importance: Vec<usize> = (0..grid.columns.len()).collect();
    by_importance.sort_by_key(|at| grid.columns[*at].keep);
    let mut room = width + GAP;
    let mut kept = Vec::new();
    for at in by_importance {
        let column = &grid.columns[at];
        let needs = widest(column);
        if column.keep == Keep::Always || needs <= room {
            room = room.saturating_sub(needs);
            kept.push(at);
        }
    }
    kept.sort_unstable();
    kept.into_iter().map(|at| &grid.columns[at]).collect()
}
