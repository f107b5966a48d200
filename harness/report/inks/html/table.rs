//! Tables: every cell with its exact figure and where it comes from, for sorting, comparing and tracing.

use crate::record::Unit;
use crate::report::block::{Cell, Column, Grid, Keep, METHOD};
use crate::report::clean;

use super::{Caption, attribute, text};

pub fn print(grid: &Grid, caption: &Caption) -> String {
    let heads: String = grid.columns.iter().map(head).collect();
    let rows = grid.columns.first().map_or(0, |column| column.cells.len());
    // The cell that names its row, for those who hear the table.
    let named_by = grid.columns.iter().position(|column| !column.figures);
    let method = grid
        .columns
        .iter()
        .position(|column| column.measure == METHOD);
    let mut body = String::new();
    for row in 0..rows {
        body.push_str("<tr");
        if let Some(method) = method {
            let cell = &grid.columns[method].cells[row];
            attribute(&mut body, "data-method", &cell.text);
            if let Some(command) = &cell.of {
                attribute(&mut body, "data-again", command);
            }
        }
        body.push('>');
        for (at, column) in grid.columns.iter().enumerate() {
            let is_name = named_by == Some(at);
            body.push_str(&self::cell(column, &column.cells[row], is_name));
        }
        body.push_str("</tr>\n");
    }
    framed(caption, "", &format!("<tr>{heads}</tr>"), &body)
}

/// A table with its caption in a frame that scrolls where the table is wider than the page.
pub fn framed(caption: &Caption, attributes: &str, heads: &str, body: &str) -> String {
    let (id, words) = (&caption.id, text(&caption.words));
    format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"table: {words}\">\n\
         <table id=\"{id}\"{attributes}>\n<caption><span>{words}</span></caption>\n<thead>\n{heads}\n</thead>\n<tbody>\n{body}</tbody>\n</table>\n</div>\n"
    )
}

fn head(column: &Column) -> String {
    let mut html = String::from("<th scope=\"col\"");
    attribute(&mut html, "class", &class(column));
    if !column.measure.is_empty() {
        attribute(&mut html, "data-measure", column.measure);
    }
    if let Some(unit) = column.unit {
        attribute(&mut html, "data-unit", word(unit));
    }
    html.push('>');
    // A column of places needs a name for those who hear it.
    let said = if column.head.is_empty() {
        "place"
    } else {
        &column.head
    };
    html.push_str(&text(said));
    html.push_str("</th>");
    html
}

fn cell(column: &Column, cell: &Cell, is_name: bool) -> String {
    let tag = if is_name { "th scope=\"row\"" } else { "td" };
    let mut html = format!("<{tag}");
    attribute(&mut html, "class", &class(column));
    if let Some(value) = cell.value {
        attribute(&mut html, "data-v", &value.to_string());
    }
    if let Some(of) = cell.of.as_ref().filter(|_| column.measure != METHOD) {
        attribute(&mut html, "title", of);
    }
    html.push('>');
    html.push_str(&text(&clean::line(&cell.text)));
    html.push_str(if is_name { "</th>" } else { "</td>" });
    html
}

fn class(column: &Column) -> String {
    let kind = if column.figures { "figure" } else { "name" };
    let place = if column.head.is_empty() { " place" } else { "" };
    let keep = if column.keep == Keep::Detail {
        " detail"
    } else {
        ""
    };
    format!("{kind}{place}{keep}")
}

fn word(unit: Unit) -> &'static str {
    match unit {
        Unit::Bytes => "B",
        Unit::Nanoseconds => "ns",
        Unit::Count => "count",
    }
}
