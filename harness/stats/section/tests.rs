use super::*;
use crate::stats::fixture::{every_step, policies, results, spoil};

fn only(results: &Results) -> Section<'_> {
    let [section] = sections(results).try_into().unwrap();
    section
}

#[test]
fn updates_are_in_the_order_of_the_plan_whatever_the_order_of_the_rows() {
    let mut results = results("history", 3, 4, 1);
    results.rows.reverse();
    let section = only(&results);
    let bases: Vec<String> = section
        .deltas
        .iter()
        .map(|it| it.bases.to_string())
        .collect();
    assert_eq!(bases, ["v1", "v2", "v3"]);
    assert_eq!(section.nearest().unwrap().to_string(), "v3");
    assert_eq!(section.newest().unwrap().name, "v4");
    assert_eq!(deed(section.main().unwrap()), "update v4 from v3");
    for method in &section.methods {
        assert_eq!(method.main().unwrap().rows[0].bases.to_string(), "v3");
        assert_eq!(method.rows().count(), 8);
    }
    assert_eq!(read(&results).unplanned, 0);
}

#[test]
fn methods_are_ranked_by_the_main_update_and_those_without_its_figure_come_last() {
    let mut results = results("pair", 6, 2, 3);
    spoil(&mut results, "xdelta3", Check::Failed, "wrong", |row| {
        row.verb == Verb::Update && !row.bases.is_empty()
    });
    spoil(&mut results, "gzip/6", Check::Skipped, "absent", |_| true);
    let section = only(&results);
    let ranked: Vec<&str> = section.ranked().iter().map(|it| it.method).collect();
    assert_eq!(
        ranked,
        ["fastcdc/64k", "zstd/19", "zstd/3", "raw", "xdelta3"]
    );
    assert_eq!(section.failed[0].who, ["xdelta3 (update v2 from v1)"]);
    assert_eq!(section.skipped[0].who, ["gzip/6"]);
}

#[test]
fn a_method_that_the_plan_leaves_out_is_named_with_its_reason() {
    let mut results = results("pair", 3, 2, 1);
    results.rows.retain(|row| row.method != "raw");
    results.plan.scenarios[0].methods[0].skipped = Some("not built in".into());
    let section = only(&results);
    assert_eq!(section.skipped[0].who, ["raw"]);
    assert_eq!(section.skipped[0].reason, "not built in");
}

#[test]
fn a_scenario_with_axes_has_a_section_for_each_case() {
    let results = policies(3, 4);
    let sections = sections(&results);
    let titles: Vec<String> = sections.iter().map(Section::title).collect();
    assert_eq!(titles, ["smoke [policy=all]", "smoke [policy=previous]"]);
    assert_eq!(sections[0].deltas.len(), 3);
    assert_eq!(sections[1].deltas.len(), 1);
    assert_eq!(read(&results).unplanned, 0);
}

#[test]
fn updates_of_other_images_are_apart_from_those_of_the_newest() {
    let results = every_step(3, 4);
    let section = only(&results);
    let others: Vec<String> = section.others.iter().map(|it| deed(it)).collect();
    assert_eq!(
        others,
        [
            "update v1 from nothing",
            "update v2 from v1",
            "update v3 from v2"
        ]
    );
    assert_eq!(section.full, None);
    assert_eq!(deed(section.main().unwrap()), "update v4 from v3");
    let method = &section.methods[0];
    let moved = method
        .updates()
        .map(|step| transfer_bytes(step.rows[0]).unwrap());
    assert_eq!(method.moved_by_all(), Some(moved.sum()));
}

#[test]
fn rows_outside_the_plan_are_counted() {
    let mut results = results("pair", 2, 2, 1);
    results.rows[0].method = "somebody".into();
    assert_eq!(read(&results).unplanned, 1);
    results.plan.scenarios.clear();
    assert_eq!(read(&results).unplanned, results.rows.len());
}

#[test]
fn storage_adds_up_over_releases_and_is_unknown_after_a_failed_publish() {
    let mut results = results("history", 1, 4, 2);
    for row in &mut results.rows {
        row.store_bytes = row.store_bytes.map(|_| match row.image.as_str() {
            "v3" => -40,
            _ => 100 + i64::from(row.sample),
        });
    }
    let stored = only(&results).methods[0].stored_after();
    assert_eq!(stored, [Some(101), Some(203), Some(163), Some(264)]);
    spoil(&mut results, "raw", Check::Failed, "disk full", |row| {
        row.image == "v3"
    });
    let stored = only(&results).methods[0].stored_after();
    assert_eq!(stored, [Some(101), Some(203), None, None]);
}

#[test]
fn a_method_that_failed_in_two_ways_has_the_steps_of_each() {
    let mut results = results("pair", 1, 2, 1);
    spoil(&mut results, "raw", Check::Failed, "one", |row| {
        row.verb == Verb::Publish
    });
    spoil(&mut results, "raw", Check::Failed, "other", |row| {
        row.verb == Verb::Update
    });
    let section = only(&results);
    let [one, other] = &section.failed[..] else {
        panic!("two reasons: {:?}", section.failed);
    };
    assert_eq!(one.who, ["raw (publish v1, publish v2 for clients of v1)"]);
    assert_eq!(
        other.who,
        ["raw (update v2 from nothing, update v2 from v1)"]
    );
}

#[test]
fn a_methods_version_is_that_of_a_row_that_has_one() {
    let mut results = results("pair", 1, 2, 1);
    for (at, row) in results.rows.iter_mut().enumerate() {
        row.version = if at == 1 { "1.2".into() } else { "".into() };
    }
    assert_eq!(only(&results).methods[0].version, "1.2");
}

#[test]
fn a_probe_that_failed_is_named_with_its_reason() {
    let mut results = results("pair", 3, 2, 1);
    let mut row = results.rows[0].clone();
    row.verb = Verb::Probe;
    row.method = "layers".into();
    row.check = Check::Failed;
    row.error = "no layers".into();
    results.rows.push(row);
    let [scenario] = read(&results).scenarios.try_into().unwrap();
    assert_eq!(scenario.failed[0].who, ["layers"]);
    assert_eq!(scenario.failed[0].reason, "no layers");
    assert!(scenario.skipped.is_empty());
}
