//! Claims about what is exported.

use serde_json::Value;

use super::*;
use crate::record::{Check, Results};
use crate::stats::fixture::results;
use crate::stats::{Thresholds, compare};

const HOSTILE: &str = "=cmd|'/c calc'!A1 <b>&\"]]>\u{1b}[2J\u{0}\u{ffff}\n";

fn printed(name: &str, base: &Results, head: &Results) -> String {
    let comparison = compare(base, head, &Thresholds::default(), true);
    (exporter(name).unwrap().print)(&Exported {
        comparison: &comparison,
        base,
        head,
    })
    .unwrap()
}

fn runs() -> (Results, Results) {
    let base = results("smoke", 4, 2, 2);
    let mut head = base.clone();
    for row in &mut head.rows {
        match row.method.as_str() {
            "raw" => row.payload_bytes = row.payload_bytes.map(|bytes| bytes + 1),
            "gzip/6" => row.version = "2".into(),
            "xdelta3" => {
                row.check = Check::Failed;
                row.error = HOSTILE.into();
            }
            _ => {}
        }
    }
    (base, head)
}

#[test]
fn bencher_s_format_has_a_value_within_its_bounds_for_every_measure() {
    let (base, head) = runs();
    let document: Value = serde_json::from_str(&printed("bmf", &base, &head)).unwrap();
    let benchmarks = document.as_object().unwrap();
    // Three methods with figures, two publishes and two updates each.
    assert_eq!(benchmarks.len(), 3 * 4);
    for measures in benchmarks.values() {
        for (slug, metric) in measures.as_object().unwrap() {
            assert!(slug.len() <= 64 && !slug.contains('_'), "{slug}");
            let number = |key: &str| metric[key].as_f64().unwrap();
            assert!(number("lower_value") <= number("value"));
            assert!(number("value") <= number("upper_value"));
        }
    }
    assert!(benchmarks.contains_key("smoke raw: update v2 from v1"));
}

#[test]
fn the_action_s_format_is_a_list_of_names_units_and_numbers() {
    let (base, head) = runs();
    let document: Value =
        serde_json::from_str(&printed("smaller-is-better", &base, &head)).unwrap();
    let entries = document.as_array().unwrap();
    assert!(entries.len() > 50);
    for entry in entries {
        assert!(entry["name"].is_string() && entry["unit"].is_string() && entry["value"].is_f64());
    }
}

#[test]
fn junit_counts_what_it_lists_and_takes_no_markup_from_names() {
    let (mut base, mut head) = runs();
    for row in base.rows.iter_mut().chain(&mut head.rows) {
        row.scenario = HOSTILE.into();
    }
    let xml = printed("junit", &base, &head);
    let count = |what: &str| xml.matches(what).count();
    assert_eq!(count("<testcase "), head.rows.len());
    // Updates with a byte more, and every act of the method that fails.
    assert_eq!(count("<failure "), 4 + 8);
    assert_eq!(count("<skipped "), 8);
    assert!(
        xml.contains("failures=\"12\" errors=\"0\" skipped=\"8\""),
        "{xml}"
    );
    assert!(!xml.contains("<b>") && !xml.contains('\u{1b}') && !xml.contains('\u{ffff}'));
    assert!(xml.contains("&lt;b&gt;&amp;&quot;]]&gt;"), "{xml}");
}

#[test]
fn an_unknown_format_is_told_with_the_nearest_one() {
    let why = exporter("junitt").unwrap_err().to_string();
    assert!(why.contains("did you mean `junit`"), "{why}");
}
