use super::*;
use crate::record::Row;
use crate::stats::fixture::{results, spoil};

/// Expects something of an update of v2 from v1 by xdelta3, whose payload is 3,877 B of 129,234,567 B.
fn judged(bounds: &str, change: impl Fn(&mut Results)) -> Verdict {
    let mut results = results("pair", 3, 2, 3);
    let expect = format!(
        "says = \"small\"\nmeasure = \"payload_bytes\"\n{bounds}\n[of]\nmethod = \"xdelta3\"\nimage = \"v2\"\nbase = \"v1\"\n"
    );
    results.plan.scenarios[0].expects = vec![toml::from_str(&expect).unwrap()];
    change(&mut results);
    let [verdict] = verdicts(&results).try_into().unwrap();
    verdict
}

fn reason(verdict: &Verdict) -> &str {
    match &verdict.decision {
        Decision::Fails(Some(why)) | Decision::Undecided(why) => why,
        _ => panic!("{verdict:?}"),
    }
}

#[test]
fn a_figure_inside_its_bounds_holds_and_one_at_the_limit_does_not() {
    for (bounds, holds) in [
        ("below = 3878", true),
        ("below = 3877", false),
        ("above = 3876", true),
        ("above = 3877", false),
        ("equals = 3877", true),
        ("equals = 3876", false),
        ("below = 4000\nabove = 3000", true),
        ("below = 4000\nabove = 3900", false),
        ("below = { share = 0.001, of = \"image_bytes\" }", true),
        ("below = { share = 0.00001, of = \"image_bytes\" }", false),
        ("equals = { share = 1.0, of = \"transfer_bytes\" }", true),
        // 3,877.037 B and 3,876.778 B: a share is rounded.
        ("equals = { share = 0.00003, of = \"image_bytes\" }", true),
        (
            "equals = { share = 0.000029998, of = \"image_bytes\" }",
            true,
        ),
        (
            "equals = { share = 0.0000299, of = \"image_bytes\" }",
            false,
        ),
    ] {
        let verdict = judged(bounds, |_| {});
        let expected = match holds {
            true => Decision::Holds,
            false => Decision::Fails(None),
        };
        assert_eq!(verdict.decision, expected, "{bounds}: {verdict:?}");
        assert_eq!(verdict.figure, Some(3877));
    }
}

#[test]
fn a_step_that_is_to_fail_holds_when_every_sample_failed_with_those_words() {
    let judge = |words: &str, why: &str, spoilt: fn(&Row) -> bool| {
        let mut results = results("pair", 3, 2, 3);
        let expect = format!(
            "says = \"no road\"\nfails = \"{words}\"\nof = {{ method = \"xdelta3\", image = \"v2\", base = \"v1\" }}"
        );
        results.plan.scenarios[0].expects = vec![toml::from_str(&expect).unwrap()];
        spoil(&mut results, "xdelta3", Check::Failed, why, spoilt);
        let [verdict] = verdicts(&results).try_into().unwrap();
        verdict
    };
    let verdict = judge("not attached", "Protocol driver not attached", |_| true);
    assert_eq!(verdict.decision, Decision::Holds);
    let said = verdict.failed_with.as_deref();
    assert_eq!(said, Some("Protocol driver not attached"));
    let verdict = judge("not attached", "out of memory", |_| true);
    assert_eq!(reason(&verdict), "without the words `not attached`");
    let verdict = judge("not attached", "not attached", |row| row.sample == 2);
    assert_eq!(reason(&verdict), "it did not fail");
    let verdict = judge("not attached", "", |_| false);
    assert_eq!(reason(&verdict), "it did not fail");
}

#[test]
fn a_share_may_be_of_another_act() {
    let of_raw = "below = { share = 0.5, of = \"payload_bytes\", act = { method = \"raw\", image = \"v2\" } }";
    let verdict = judged(of_raw, |_| {});
    assert_eq!(verdict.decision, Decision::Holds);
    assert_eq!(verdict.bounds[0].limit, 129_234_567.0 / 2.0);
    let verdict = judged(of_raw, |results| {
        spoil(results, "raw", Check::Failed, "out of luck", |_| true);
    });
    assert!(matches!(verdict.decision, Decision::Fails(_)));
    assert_eq!(
        reason(&verdict),
        "raw: update v2 from nothing failed: out of luck"
    );
    assert_eq!(verdict.figure, Some(3877));
}

#[test]
fn the_figure_is_the_median_over_samples() {
    let verdict = judged("equals = 3000", |results| {
        let updates = results.rows.iter_mut().filter(|row| !row.bases.is_empty());
        let updates = updates.filter(|row| row.method == "xdelta3" && row.requests.is_some());
        for (row, payload) in updates.zip([1, 3000, 9000]) {
            row.payload_bytes = Some(payload);
        }
    });
    assert_eq!(verdict.decision, Decision::Holds);
}

#[test]
fn what_an_act_found_is_a_figure_too_and_a_part_of_it_is_named() {
    let judge = |measure: &str, part: &str| {
        judged_of(measure, part, |results| {
            let row = results.rows.iter().find(|row| {
                row.method == "xdelta3" && row.requests.is_some() && !row.bases.is_empty()
            });
            let act = row.unwrap().act();
            let (mut elsewhere, mut other) = (act.clone(), act.clone());
            elsewhere.scenario = "another".into();
            other.image = "v1".into();
            results.findings = vec![
                Finding::of(&elsewhere, "", "edge_bytes", 7000),
                Finding::of(&other, "", "edge_bytes", 700),
                Finding::of(&act, "", "edge_bytes", 70),
                Finding::of(&act, "", "edge_requests", 71),
                Finding::of(&act, "client 2", "edge_bytes", 7),
            ];
        })
    };
    assert_eq!(judge("edge_bytes", "client 2").decision, Decision::Holds);
    let whole = judge("edge_bytes", "");
    assert_eq!((whole.figure, whole.unit), (Some(70), Some(Unit::Bytes)));
    assert_eq!(whole.decision, Decision::Fails(None));
    let count = judge("edge_requests", "");
    assert_eq!((count.figure, count.unit), (Some(71), None));
    let unknown = judge("edge_byte", "");
    let said = reason(&unknown);
    assert!(
        said.ends_with("found no `edge_byte`, but edge_bytes, edge_requests"),
        "{said}"
    );
    assert!(reason(&judge("edge_bytes", "client 3")).contains("found nothing"));
}

/// Expects that a finding of an update of v2 from v1 by xdelta3 is 7.
fn judged_of(measure: &str, part: &str, change: impl Fn(&mut Results)) -> Verdict {
    let mut results = results("pair", 3, 2, 1);
    let expect = format!(
        "says = \"found\"\nmeasure = \"{measure}\"\nequals = 7\nof = {{ method = \"xdelta3\", image = \"v2\", base = \"v1\", part = \"{part}\" }}"
    );
    results.plan.scenarios[0].expects = vec![toml::from_str(&expect).unwrap()];
    change(&mut results);
    let [verdict] = verdicts(&results).try_into().unwrap();
    verdict
}

#[test]
fn a_publish_is_found_by_its_image_alone() {
    let mut results = results("pair", 1, 2, 1);
    let expect = "says = \"stored\"\nmeasure = \"store_files\"\nequals = 1\nof = { method = \"raw\", verb = \"publish\", image = \"v2\" }";
    results.plan.scenarios[0].expects = vec![toml::from_str(expect).unwrap()];
    assert_eq!(verdicts(&results)[0].decision, Decision::Holds);
}

#[test]
fn a_failed_sample_or_a_missing_row_fails() {
    let verdict = judged("below = 4000", |results| {
        spoil(results, "xdelta3", Check::Failed, "wrong", |row| {
            row.sample == 2
        });
    });
    assert!(matches!(verdict.decision, Decision::Fails(_)));
    assert_eq!(reason(&verdict), "xdelta3: update v2 from v1 failed: wrong");
    let verdict = judged("below = 4000", |results| {
        results.rows.retain(|row| row.method != "xdelta3");
    });
    assert!(matches!(verdict.decision, Decision::Fails(_)));
    assert_eq!(
        reason(&verdict),
        "there is no row of xdelta3: update v2 from v1"
    );
}

#[test]
fn a_method_that_could_not_run_leaves_it_undecided() {
    let absent = "xdelta3 was skipped: not installed";
    let verdict = judged("below = 4000", |results| {
        spoil(results, "xdelta3", Check::Skipped, "not installed", |_| {
            true
        });
    });
    assert_eq!(verdict.decision, Decision::Undecided(absent.into()));
    let verdict = judged("below = 4000", |results| {
        results.rows.retain(|row| row.method != "xdelta3");
        let methods = &mut results.plan.scenarios[0].methods;
        methods[2].skipped = Some("not installed".into());
    });
    assert_eq!(verdict.decision, Decision::Undecided(absent.into()));
    let verdict = judged("below = 4000", |results| {
        results.rows.retain(|row| row.method != "xdelta3");
        results.plan.scenarios[0].methods.truncate(2);
    });
    assert!(
        reason(&verdict).contains("not among the methods"),
        "{verdict:?}"
    );
}

/// Which probes ran is no part of the plan's methods.
#[test]
fn a_probe_without_rows_fails() {
    let mut results = results("pair", 1, 2, 1);
    let expect = "says = \"alike\"\nmeasure = \"shared_bytes\"\nabove = 1\nof = { method = \"similarity\", verb = \"probe\", image = \"v2\", base = \"v1\" }";
    results.plan.scenarios[0].expects = vec![toml::from_str(expect).unwrap()];
    let [verdict] = verdicts(&results).try_into().unwrap();
    assert!(
        reason(&verdict).starts_with("there is no row of"),
        "{verdict:?}"
    );
}
