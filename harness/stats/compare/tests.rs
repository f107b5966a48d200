//! Claims about comparisons.

use super::*;
use crate::record::measure;
use crate::stats::fixture::{results, spoil};

/// What it brings about, and how.
type Change = (&'static str, fn(&mut Row));

fn run() -> Results {
    results("smoke", 3, 2, 2)
}

fn exact<'a>(base: &'a Results, head: &'a Results) -> Comparison<'a> {
    compare(base, head, &Thresholds::default(), false)
}

#[test]
fn a_run_is_the_same_as_itself_however_long_it_took() {
    let base = run();
    let mut head = base.clone();
    for row in &mut head.rows {
        row.wall_ns = row.wall_ns.map(|wall| wall * 3);
        row.cpu_ns = None;
        row.peak_rss_bytes = Some(1);
    }
    head.rows.reverse();
    let comparison = exact(&base, &head);
    assert_eq!(comparison.ruling(), Ruling::Fine);
    let all = base.rows.len();
    assert_eq!((comparison.same, comparison.compared), (all, all));
    assert!(comparison.different.is_empty() && comparison.new.is_empty());
    assert!(comparison.drift.is_none());
}

#[test]
fn one_byte_more_in_any_exact_column_is_caught_and_named_and_one_less_only_when_strict() {
    let base = run();
    for at in 0..base.rows.len() {
        let changes: &[Change] = &[
            ("image_bytes", |row| row.image_bytes += 1),
            ("payload_bytes", |row| {
                row.payload_bytes = row.payload_bytes.map(|it| it + 1)
            }),
            ("header_bytes", |row| {
                row.header_bytes = row.header_bytes.map(|it| it + 1)
            }),
            ("upload_bytes", |row| {
                row.upload_bytes = row.upload_bytes.map(|it| it + 1)
            }),
            ("requests", |row| {
                row.requests = row.requests.map(|it| it + 1)
            }),
            ("store_bytes", |row| {
                row.store_bytes = row.store_bytes.map(|it| it + 1)
            }),
            ("store_files", |row| row.store_files = None),
        ];
        for (column, change) in changes.iter().copied() {
            let mut head = base.clone();
            change(&mut head.rows[at]);
            if head.rows == base.rows {
                continue;
            }
            let comparison = exact(&base, &head);
            assert_eq!(comparison.ruling(), Ruling::Regression, "{column}");
            let [difference] = comparison.different.as_slice() else {
                panic!("{comparison:?}");
            };
            assert_eq!(difference.measure.name, column);
            assert_eq!(difference.of.act(), base.rows[at].act());
            // The other way around it is better, unless a figure stands on one side only.
            let mut back = exact(&head, &base);
            if column != "store_files" {
                assert_eq!(back.different[0].weight, Weight::Better, "{column}");
                assert_eq!(back.ruling(), Ruling::Fine, "{column}");
            }
            back.strict = true;
            assert_eq!(back.ruling(), Ruling::Regression, "{column}");
        }
    }
}

#[test]
fn another_version_or_another_image_is_incomparable_and_not_different() {
    let base = run();
    let changes: &[Change] = &[
        ("version", |row| row.version = "1.2.4".into()),
        ("image", |row| row.image_sha256 = "ff".into()),
        ("base", |row| row.bases_sha256 = "ff".into()),
    ];
    for (what, change) in changes.iter().copied() {
        let mut head = base.clone();
        let row = head.rows.last_mut().unwrap();
        row.payload_bytes = Some(1);
        change(row);
        let mut comparison = exact(&base, &head);
        assert_eq!(comparison.ruling(), Ruling::Incomparable);
        assert_eq!(comparison.incomparable[0].1.what, what);
        assert_eq!(comparison.same, base.rows.len() - 1);
        comparison.pass_incomparable = true;
        assert_eq!(comparison.ruling(), Ruling::Fine);
    }
}

#[test]
fn a_figure_that_is_gone_is_a_regression_and_a_failed_verification_outweighs_it() {
    let base = results("smoke", 3, 2, 1);
    let mut head = base.clone();
    spoil(&mut head, "xdelta3", Check::Skipped, "not built in", |_| {
        true
    });
    head.rows.retain(|row| row.method != "fastcdc/64k");
    let comparison = exact(&base, &head);
    assert_eq!(comparison.ruling(), Ruling::Regression);
    let gone = comparison.missing.iter().filter(|(_, now)| now.is_none());
    let of_method =
        |rows: &[Row], method: &str| rows.iter().filter(|row| row.method == method).count();
    assert_eq!(gone.count(), of_method(&base.rows, "fastcdc/64k"));
    spoil(&mut head, "raw", Check::Failed, "out of luck", |_| true);
    let comparison = exact(&base, &head);
    assert_eq!(comparison.ruling(), Ruling::Unverified);
    assert_eq!(comparison.failed.len(), of_method(&base.rows, "raw"));
    assert!(
        comparison
            .failed
            .iter()
            .all(|row| row.error == "out of luck")
    );
    // The other way around they are new figures: no harm, but nothing that a gate could vouch for.
    let comparison = exact(&head, &base);
    assert_eq!(comparison.new.len(), base.rows.len());
    assert_eq!(comparison.ruling(), Ruling::Incomparable);
}

#[test]
fn a_gate_that_could_compare_nothing_does_not_pass_even_when_it_may() {
    let base = run();
    let mut head = base.clone();
    for row in &mut head.rows {
        row.version = "1.2.4".into();
    }
    let mut comparison = exact(&base, &head);
    comparison.pass_incomparable = true;
    assert_eq!(comparison.incomparable.len(), base.rows.len());
    assert_eq!(comparison.ruling(), Ruling::Incomparable);
    let none = Results::default();
    assert_eq!(exact(&none, &none).ruling(), Ruling::Incomparable);
}

#[test]
fn a_baseline_of_schema_1_compares_with_a_run_of_schema_2_and_a_sum_is_not_told_beside_its_parts() {
    let dir = tempfile::tempdir().unwrap();
    let columns = "schema,scenario,method,version,step,image,image_sha256,base,base_sha256,sample,image_bytes,payload_bytes,header_bytes,upload_bytes,requests,store_bytes,store_files,wall_ns,cpu_ns,peak_rss_bytes,check,error";
    let line = "1,s,raw,v,update,v3,cc,v1+v2,aa+bb,1,10,10,1,0,1,,,5,5,5,exact,";
    std::fs::write(dir.path().join("rows.csv"), format!("{columns}\n{line}\n")).unwrap();
    let base = Results::load(dir.path()).unwrap();
    let mut head = base.clone();
    head.rows[0].schema = crate::record::SCHEMA;
    assert_eq!(exact(&base, &head).ruling(), Ruling::Fine);
    head.rows[0].payload_bytes = Some(11);
    let comparison = exact(&base, &head);
    let measures: Vec<&str> = comparison
        .different
        .iter()
        .map(|it| it.measure.name)
        .collect();
    assert_eq!(measures, ["payload_bytes"]);
    assert!(measure("transfer_bytes").is_some());
}

#[test]
fn a_growth_within_its_threshold_is_allowed_and_a_threshold_file_says_what_passes() {
    let base = run();
    let mut head = base.clone();
    let at = base
        .rows
        .iter()
        .position(|row| row.payload_bytes > Some(1000));
    let row = &mut head.rows[at.unwrap()];
    let was = row.payload_bytes.unwrap();
    row.payload_bytes = Some(was + was / 20);
    let incomparable = head.rows.last_mut().unwrap();
    incomparable.version = "1.2.4".into();
    let file = tempfile::NamedTempFile::new().unwrap();
    let judged = |text: &str| {
        std::fs::write(file.path(), text).unwrap();
        let thresholds = Thresholds::read(file.path()).unwrap();
        let comparison = compare(&base, &head, &thresholds, false);
        (comparison.different[0].weight, comparison.ruling())
    };
    let share =
        |share: &str| format!("[[threshold]]\nmeasure = \"payload_bytes\"\nshare = {share}\n");
    let (allowed, worse) = (share("0.06"), share("0.04"));
    let pass = "pass_incomparable = true\n";
    let (weight, ruling) = judged(&format!("{pass}{allowed}"));
    assert_eq!((weight, ruling), (Weight::Allowed, Ruling::Fine));
    assert_eq!(judged(&allowed).1, Ruling::Incomparable);
    let (weight, ruling) = judged(&format!("{pass}{worse}"));
    assert_eq!((weight, ruling), (Weight::Worse, Ruling::Regression));
}

/// What failed before is neither gone nor different now, and its time is not compared.
#[test]
fn a_step_that_failed_before_is_the_same_while_it_fails_and_new_once_it_does_not() {
    let base = run();
    let mut failed = base.clone();
    spoil(&mut failed, "raw", Check::Failed, "out of luck", |_| true);
    let thresholds = Thresholds::default();
    let of_raw = base.rows.iter().filter(|row| row.method == "raw").count();
    let still = compare(&failed, &failed, &thresholds, true);
    assert_eq!((still.missing.len(), still.failed.len()), (0, 0));
    assert_eq!((still.same, still.new.len()), (base.rows.len(), 0));
    let mended = compare(&failed, &base, &thresholds, true);
    assert_eq!(mended.new.len(), of_raw);
    let all = compare(&base, &base, &thresholds, true).drift.unwrap();
    let some = mended.drift.unwrap();
    assert!(some.too_few < all.too_few, "{some:?} {all:?}");
}
