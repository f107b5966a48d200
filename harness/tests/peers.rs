//! The page's table of speed beside other tools is what its kept rows say.

use std::collections::BTreeSet;
use std::fs;

use delta_lab::record::{Check, Results, Row, Verb};

use crate::bench::checkout;

const ACTS: [(Verb, &str, bool); 4] = [
    (Verb::Publish, "first", false),
    (Verb::Publish, "second", true),
    (Verb::Update, "second", false),
    (Verb::Update, "second", true),
];

/// The median of an act's wall times, in seconds.
fn seconds(rows: &[Row], method: &str, (verb, image, base): (Verb, &str, bool)) -> f64 {
    let is_it = |row: &&Row| {
        row.check == Check::Exact
            && (row.method.as_str(), row.verb, row.image.as_str()) == (method, verb, image)
            && row.bases.is_empty() != base
    };
    let mut times: Vec<u64> = rows
        .iter()
        .filter(is_it)
        .map(|row| row.wall_ns.unwrap())
        .collect();
    assert!(
        times.len() >= 3,
        "{method}, {verb:?} {image}: {} samples",
        times.len()
    );
    times.sort_unstable();
    times[times.len() / 2] as f64 / 1e9
}

#[test]
fn the_table_of_speed_is_what_its_rows_say() {
    let rows = Results::load(&checkout().join("results/peers"))
        .unwrap()
        .rows;
    let page = fs::read_to_string(checkout().join("results/README.md")).unwrap();
    let methods: BTreeSet<&str> = rows.iter().map(|row| row.method.as_str()).collect();
    assert!(methods.len() > 4);
    for method in methods {
        let mut line = format!("| `{method}` |");
        for act in ACTS {
            let own = seconds(&rows, method, act);
            let ratio = seconds(&rows, "casync/64k", act) / own;
            line.push_str(&format!(" {own:.2} ({ratio:.1}) |"));
        }
        assert!(
            page.contains(&line),
            "results/README.md lacks the line\n{line}"
        );
    }
}
