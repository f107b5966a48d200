//! The ranked table for people at a terminal.

use anyhow::Result;
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};

use crate::record::Results;
use crate::stats::{ScenarioRows, Trouble, scenarios};

use super::columns::{Cells, byte_columns, filled, time_columns};
use super::units;

/// Blanks between two columns at a terminal.
const GAP: usize = 2;

/// The ranked table of every scenario as plain text, at most `width` columns wide where the method's names allow:
/// what has no room is left out, least important first, and never cut.
pub fn terminal_table(results: &Results, width: usize) -> Result<String> {
    let mut text = String::new();
    for scenario in scenarios(&results.rows) {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&wrapped(&caption(&scenario), width));
        if !scenario.ranked().is_empty() {
            text.push_str(&one_table(&scenario, width));
        }
        let trouble = |how: &str, trouble: &Trouble| {
            let who = trouble.who.join(", ");
            wrapped(&format!("{how}: {who}: {}", trouble.reason), width)
        };
        for skipped in scenario.skipped() {
            text.push_str(&trouble("skipped", &skipped));
        }
        for failed in scenario.failed() {
            text.push_str(&trouble("failed", &failed));
        }
    }
    if text.is_empty() {
        text.push_str("no rows yet\n");
    }
    Ok(text)
}

fn caption(scenario: &ScenarioRows) -> String {
    let name = scenario.scenario;
    let Some(newest) = scenario.newest() else {
        return format!("{name}: no image was looked at");
    };
    if scenario.ranked().is_empty() {
        return format!("{name}: nothing was verified, so there are no figures");
    }
    let (image, size) = (newest.name, units::bytes(newest.bytes));
    match scenario.nearest() {
        Some(base) => {
            format!("{name}: update to {image} ({size}); delta is from {base}, full from nothing")
        }
        None if scenario.updates() => format!("{name}: update to {image} ({size}), from nothing"),
        None => format!("{name}: publish up to {image} ({size}); no update ran"),
    }
}

fn one_table(scenario: &ScenarioRows, width: usize) -> String {
    let ranked = scenario.ranked();
    let names = ranked.iter().map(|method| method.method.to_string());
    let mut parts: Vec<(u8, String, Vec<String>)> = vec![(0, "method".into(), names.collect())];
    let mut columns = byte_columns(scenario);
    columns.extend(time_columns(scenario, false));
    for Cells { column, cells } in filled(&columns, &ranked) {
        parts.push((column.order, column.short.clone(), cells));
    }
    let widest = |head: &String, cells: &[String]| {
        let lengths = cells.iter().chain([head]).map(|text| text.chars().count());
        lengths.max().unwrap_or(0) + GAP
    };
    let mut by_order: Vec<usize> = (0..parts.len()).collect();
    by_order.sort_by_key(|at| parts[*at].0);
    let mut room = width + GAP;
    let mut kept = Vec::new();
    for at in by_order {
        let needs = widest(&parts[at].1, &parts[at].2);
        // A table of names alone would say nothing: delta and full stay in any case.
        if parts[at].0 <= 1 || needs <= room {
            room = room.saturating_sub(needs);
            kept.push(at);
        }
    }
    kept.sort_unstable();
    let parts: Vec<_> = kept.iter().map(|at| &parts[*at]).collect();
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_header(parts.iter().map(|(_, head, _)| head));
    for row in 0..ranked.len() {
        table.add_row(parts.iter().map(|(_, _, cells)| &cells[row]));
    }
    for (at, column) in table.column_iter_mut().enumerate() {
        let gap = if at == 0 { 0 } else { GAP as u16 };
        column.set_padding((gap, 0));
        if at > 0 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines: Vec<String> = table
        .lines()
        .map(|line| line.trim_end().to_string())
        .collect();
    lines.join("\n") + "\n"
}

/// A paragraph broken at blanks into lines of at most `width` letters, all but the first set in.
fn wrapped(text: &str, width: usize) -> String {
    let mut out = String::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let length = line.chars().count() + 1 + word.chars().count();
        if !line.trim().is_empty() && length > width {
            out.push_str(&line);
            out.push('\n');
            line = "  ".to_string();
        } else if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    out + &line + "\n"
}
