//! Claims about paired times, on simulated jobs: no clock is read.

use super::*;
use crate::dice::Dice;
use crate::record::{Results, Verb};
use crate::stats::fixture::results;

/// A run of 8 methods with 3 images, its times drawn anew: each within `noise` thousandths of what the step takes.
fn drawn(of: &Results, dice: &mut Dice, noise: u64) -> Results {
    let mut run = of.clone();
    for (at, row) in run.rows.iter_mut().enumerate() {
        let step = (at as u64 % 37 + 1) * 10_000_000;
        let mut near = |figure: u64| figure / 1000 * (1000 - noise + dice.below(2 * noise + 1));
        row.wall_ns = Some(near(step));
        row.cpu_ns = Some(near(step / 2));
        row.peak_rss_bytes = Some(near(step / 4));
    }
    run
}

fn judged<'a>(base: &'a Results, head: &'a Results, thresholds: &Thresholds) -> Drift<'a> {
    let pairs: Vec<(&Row, &Row)> = base.rows.iter().zip(&head.rows).collect();
    drift(&pairs, thresholds)
}

/// Every sample of a step must have the same time: the noise is drawn around it.
fn plan(samples: u32) -> Results {
    let mut run = results("job", 8, 3, samples);
    run.rows.sort_by_key(|row| {
        let act = row.act();
        (act.sample, act)
    });
    run
}

#[test]
fn noise_of_ten_per_cent_fails_at_most_one_job_in_a_hundred() {
    let (plan, mut dice) = (plan(10), Dice::new(1));
    let mut alarms = 0;
    let mut made = 0;
    for _ in 0..1000 {
        let (base, head) = (drawn(&plan, &mut dice, 100), drawn(&plan, &mut dice, 100));
        let drift = judged(&base, &head, &Thresholds::default());
        alarms += usize::from(drift.any_worse());
        made = drift.made;
    }
    assert_eq!(made, 8 * 6 * 3, "steps times measures");
    assert!(alarms <= 10, "{alarms} false alarms in 1,000 jobs");
    eprintln!("{alarms} false alarms in 1,000 jobs of {made} comparisons");
}

#[test]
fn noise_of_half_the_time_fails_no_more_jobs_than_is_stated() {
    let (plan, mut dice) = (plan(10), Dice::new(2));
    let mut alarms = 0;
    let mut stated = 0.0;
    for _ in 0..300 {
        let (base, head) = (drawn(&plan, &mut dice, 500), drawn(&plan, &mut dice, 500));
        let drift = judged(&base, &head, &Thresholds::default());
        alarms += usize::from(drift.any_worse());
        stated = drift.false_alarms;
    }
    assert!(
        alarms as f64 / 300.0 <= stated,
        "{alarms} of 300, stated {stated}"
    );
    eprintln!("{alarms} false alarms in 300 jobs, stated {stated}");
}

#[test]
fn a_slow_down_of_a_fifth_is_found_in_at_least_95_of_100_jobs_with_ten_samples() {
    let (plan, mut dice) = (plan(10), Dice::new(3));
    let mut found = 0;
    for job in 0..100 {
        let base = drawn(&plan, &mut dice, 100);
        let mut head = drawn(&plan, &mut dice, 100);
        // One step of one method, its wall time alone.
        let slow = plan.rows[job % 48].act();
        for row in &mut head.rows {
            if (
                row.method.as_str(),
                row.verb,
                row.image.as_str(),
                &row.bases,
            ) == (
                slow.doer.as_str(),
                slow.verb,
                slow.image.as_str(),
                &slow.bases,
            ) {
                row.wall_ns = row.wall_ns.map(|wall| wall * 6 / 5);
            }
        }
        let drift = judged(&base, &head, &Thresholds::default());
        let of_it =
            |it: &Change| it.measure.name == "wall_ns" && it.of.method == slow.doer && it.worse;
        found += usize::from(drift.changes.iter().any(of_it));
    }
    assert!(found >= 95, "found in {found} of 100 jobs");
    eprintln!("found in {found} of 100 jobs");
}

#[test]
fn a_speed_up_is_told_and_fails_nothing() {
    let (plan, mut dice) = (plan(10), Dice::new(4));
    let base = drawn(&plan, &mut dice, 20);
    let mut head = drawn(&plan, &mut dice, 20);
    for row in &mut head.rows {
        row.wall_ns = row.wall_ns.map(|wall| wall / 2);
    }
    let drift = judged(&base, &head, &Thresholds::default());
    assert!(!drift.any_worse());
    assert_eq!(drift.changes.len(), 48);
    // All ten pairs agree, and it is less than the tolerance.
    for (row, before) in head.rows.iter_mut().zip(&base.rows) {
        row.clone_from(before);
        row.wall_ns = row.wall_ns.map(|wall| wall / 100 * 98);
    }
    let drift = judged(&base, &head, &Thresholds::default());
    assert_eq!(drift.changes.len(), 0);
}

#[test]
fn few_samples_say_nothing_and_a_threshold_widens_or_ends_the_watch() {
    let (few, mut dice) = (plan(5), Dice::new(5));
    let slow = |run: &Results| {
        let mut run = run.clone();
        for row in &mut run.rows {
            row.wall_ns = row.wall_ns.map(|wall| wall * 3 / 2);
        }
        run
    };
    let base = drawn(&few, &mut dice, 10);
    let drift = judged(&base, &base, &Thresholds::default());
    assert_eq!((drift.made, drift.changes.len()), (0, 0));
    assert_eq!(
        (drift.too_few, drift.most_pairs),
        (8 * 6 * 3, 5),
        "steps times measures"
    );
    assert_eq!(fewest_pairs(), 8);
    let base = drawn(&plan(8), &mut dice, 10);
    let head = slow(&base);
    assert!(judged(&base, &head, &Thresholds::default()).any_worse());
    let file = tempfile::NamedTempFile::new().unwrap();
    for (line, worse) in [
        ("share = 0.6", false),
        ("ignore = true", false),
        ("share = 0.4", true),
    ] {
        let text = format!("[[threshold]]\nmeasure = \"wall_ns\"\n{line}\n");
        std::fs::write(file.path(), text).unwrap();
        let thresholds = Thresholds::read(file.path()).unwrap();
        assert_eq!(
            judged(&base, &head, &thresholds).any_worse(),
            worse,
            "{line}"
        );
    }
    assert!(base.rows.iter().any(|row| row.verb == Verb::Update));
}

#[test]
fn another_image_is_not_timed_and_another_version_is() {
    let base = drawn(&plan(10), &mut Dice::new(6), 10);
    let mut head = base.clone();
    for row in &mut head.rows {
        row.wall_ns = row.wall_ns.map(|wall| wall * 2);
        row.version = "2.0".into();
    }
    assert!(judged(&base, &head, &Thresholds::default()).any_worse());
    for row in &mut head.rows {
        row.image_sha256 = "ff".into();
    }
    assert_eq!(judged(&base, &head, &Thresholds::default()).made, 0);
}
