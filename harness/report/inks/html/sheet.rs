//! The link sheet: the table as every ink has it, with what the page's program needs to work it out for other links.

use crate::report::block::Sheet;
use crate::stats::offer::Cost;

use super::table::framed;
use super::{Caption, attribute, text};

pub fn print(sheet: &Sheet, caption: &Caption) -> String {
    let grid = sheet.grid();
    let [names, times @ .., pays] = grid.columns.as_slice() else {
        return String::new();
    };
    let mut heads = format!(
        "<tr><th scope=\"col\" class=\"name\" data-measure=\"method\">{}</th>",
        text(&names.head)
    );
    for link in &sheet.links {
        heads.push_str("<th scope=\"col\" class=\"figure\" data-unit=\"ns\"");
        attribute(&mut heads, "data-link", &link.name);
        attribute(&mut heads, "data-bits", &link.bits_per_s.to_string());
        attribute(&mut heads, "data-trip", &link.round_trip_ms.to_string());
        attribute(&mut heads, "data-parallel", &link.parallel.to_string());
        heads.push_str(&format!(">{}</th>", text(&link.name)));
    }
    heads.push_str(&format!(
        "<th scope=\"col\" class=\"figure\" data-pays data-unit=\"bit/s\">{}</th></tr>",
        text(&pays.head)
    ));
    let mut body = String::new();
    for (at, row) in sheet.rows.iter().enumerate() {
        body.push_str("<tr");
        attribute(&mut body, "data-method", &row.name);
        attribute(&mut body, "data-cost", &cost(&row.cost));
        if row.delta {
            body.push_str(" data-delta");
        }
        body.push_str(&format!(
            "><th scope=\"row\" class=\"name\">{}</th>",
            text(&row.name)
        ));
        for column in times.iter().chain([pays]) {
            let cell = &column.cells[at];
            body.push_str("<td class=\"figure\"");
            if let Some(value) = cell.value {
                attribute(&mut body, "data-v", &value.to_string());
            }
            if let Some(of) = &cell.of {
                attribute(&mut body, "title", of);
            }
            body.push_str(&format!(">{}</td>", text(&cell.text)));
        }
        body.push_str("</tr>\n");
    }
    let mut attributes = String::from(" class=\"sheet\"");
    attribute(&mut attributes, "data-chosen", &sheet.chosen.to_string());
    let fulls: Vec<String> = sheet.fulls.iter().map(cost).collect();
    attribute(&mut attributes, "data-fulls", &fulls.join(";"));
    framed(caption, &attributes, &heads, &body)
}

/// Bytes on the wire, requests, nanoseconds to apply.
fn cost(cost: &Cost) -> String {
    format!("{},{},{}", cost.wire_bytes, cost.requests, cost.apply_ns)
}
