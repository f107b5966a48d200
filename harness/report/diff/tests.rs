//! How comparisons read.

use super::*;
use crate::record::{Check, Results};
use crate::stats::fixture::results;
use crate::stats::{Thresholds, compare};

/// Two runs with one of everything between them.
fn runs() -> (Results, Results) {
    let base = results("smoke", 4, 2, 1);
    let mut head = base.clone();
    let rows = &mut head.rows;
    rows[1].store_bytes = rows[1].store_bytes.map(|bytes| bytes + 4096);
    rows[2].payload_bytes = rows[2].payload_bytes.map(|bytes| bytes - 5);
    rows[4].version = "fastcdc/64k 2.0.0".into();
    rows[8].check = Check::Failed;
    rows[8].error = "out of luck".into();
    let gone = rows.remove(15);
    rows.push(Row { sample: 2, ..gone });
    (base, head)
}

const SIDES: Sides = Sides {
    base: "results/a",
    head: "results/b",
};

#[test]
fn a_comparison_reads_like_this() {
    let (base, head) = runs();
    let comparison = compare(&base, &head, &Thresholds::default(), false);
    insta::assert_snapshot!("terminal", text(&comparison, 20));
    insta::assert_snapshot!("pull-request", markdown(&comparison, &SIDES));
    insta::assert_snapshot!("json", json(&comparison, &SIDES).unwrap());
}

#[test]
fn what_is_slower_beyond_noise_reads_like_this() {
    let base = results("smoke", 2, 2, 10);
    let mut head = base.clone();
    for row in head.rows.iter_mut().filter(|row| row.method == "raw") {
        row.wall_ns = row.wall_ns.map(|wall| wall * 5 / 4);
    }
    let comparison = compare(&base, &head, &Thresholds::default(), true);
    insta::assert_snapshot!("slower", text(&comparison, 3));
}

#[test]
fn long_lists_end_early_and_say_so() {
    let (base, mut head) = runs();
    head.rows.clear();
    let comparison = compare(&base, &head, &Thresholds::default(), false);
    let said = text(&comparison, 2);
    assert_eq!(
        said.lines().filter(|it| it.starts_with("missing")).count(),
        2
    );
    assert!(
        said.contains("… and 14 more missing; --all lists them"),
        "{said}"
    );
}

#[test]
fn hostile_names_reach_neither_the_terminal_nor_the_markup() {
    let hostile = "<img src=x>\u{1b}[2J|`x`\n# head";
    let (mut base, mut head) = runs();
    for row in base.rows.iter_mut().chain(&mut head.rows) {
        row.scenario = hostile.into();
        if row.check == Check::Failed {
            row.error = format!("{hostile}{}", row.error).into();
        }
    }
    let comparison = compare(&base, &head, &Thresholds::default(), false);
    let page = markdown(&comparison, &SIDES);
    let (all, escaped) = (page.matches("<img"), page.matches("\\<img"));
    assert_eq!(all.count(), escaped.count(), "{page}");
    assert!(!page.contains("\n# head"), "{page}");
    let said = page + &text(&comparison, 20);
    assert!(!said.contains(|letter: char| letter.is_control() && letter != '\n'));
    let document: serde_json::Value =
        serde_json::from_str(&json(&comparison, &SIDES).unwrap()).unwrap();
    assert_eq!(document["missing"][0]["scenario"], hostile);
}
