//! The page's table of large images is what their kept rows say.

use std::collections::BTreeSet;
use std::fs;

use delta_lab::record::{Check, Results, Row, Verb};

use crate::bench::checkout;

/// Seconds for each GB of the image, of an act of a method that has one row.
fn pace(rows: &[Row], scenario: &str, method: &str, verb: Verb, base: Option<bool>) -> String {
    let is_it = |row: &&Row| {
        let image = if verb == Verb::Publish && base == Some(false) {
            "v1"
        } else {
            "v2"
        };
        (row.scenario.as_str(), row.method.as_str(), row.verb) == (scenario, method, verb)
            && row.image == image
            && base.is_none_or(|base| row.bases.is_empty() != base)
    };
    let row = rows.iter().find(is_it).unwrap();
    row.wall_ns.map_or("–".to_string(), |wall| {
        format!("{:.2}", wall as f64 / row.image_bytes as f64)
    })
}

#[test]
fn the_table_of_large_images_is_what_their_rows_say() {
    let rows = Results::load(&checkout().join("results/large"))
        .unwrap()
        .rows;
    let page = fs::read_to_string(checkout().join("results/README.md")).unwrap();
    let of = |row: &Row| row.scenario == "ten-gb" && row.check == Check::Exact;
    let methods: BTreeSet<&str> = rows
        .iter()
        .filter(|row| of(row))
        .map(|row| row.method.as_str())
        .collect();
    assert!(methods.len() > 3);
    for method in methods {
        let acts = [
            (Verb::Publish, Some(false)),
            (Verb::Publish, Some(true)),
            (Verb::Update, Some(false)),
            (Verb::Update, Some(true)),
        ];
        let mut line = format!("| `{method}` |");
        for (verb, base) in acts {
            let [ten, one] = ["ten-gb", "one-gb"].map(|it| pace(&rows, it, method, verb, base));
            line.push_str(&format!(" {ten} ({one}) |"));
        }
        let peaks = rows
            .iter()
            .filter(|row| row.scenario == "ten-gb" && row.method == method);
        let peak = peaks
            .filter_map(|row| row.peak_rss_bytes)
            .max()
            .unwrap_or(0);
        line.push_str(&format!(" {} MB |", peak / 1_000_000));
        assert!(
            page.contains(&line),
            "results/README.md lacks the line\n{line}"
        );
    }
}
