//! Cells: the figures of a method's steps in words.

use crate::record::Check;
use crate::stats::{MethodRows, Outcome, Samples, transfer_bytes};

use super::block::NO_FIGURE;
use super::units;

/// What an update moves.
pub fn moved(step: Option<&Samples>) -> String {
    let moved = |step: &Samples| {
        step.spread(transfer_bytes)
            .map(|it| units::bytes(it.median))
    };
    or_outcome(step, moved)
}

/// How long a step takes; with `spread` also its fastest and its slowest sample.
pub fn time(step: Option<&Samples>, spread: bool) -> String {
    or_outcome(step, |step| {
        let wall = step.spread(|row| row.wall_ns)?;
        let median = units::time(wall.median);
        Some(match spread && wall.samples > 1 {
            true => format!(
                "{median} ({} to {})",
                units::time(wall.min),
                units::time(wall.max)
            ),
            false => median,
        })
    })
}

/// How many requests an update takes.
pub fn requests(step: Option<&Samples>) -> String {
    let requests = step.and_then(|step| step.spread(|row| row.requests));
    requests.map_or(NO_FIGURE.into(), |requests| units::count(requests.median))
}

/// What an update moves as a share of the image.
pub fn share(step: Option<&Samples>, image_bytes: u64) -> String {
    let moved = step.and_then(|step| step.spread(transfer_bytes));
    moved.map_or(NO_FIGURE.into(), |moved| {
        units::share(moved.median, image_bytes)
    })
}

/// The store's size once everything is published.
pub fn stored(method: &MethodRows) -> String {
    method.stored().map_or(NO_FIGURE.into(), units::bytes)
}

/// The most memory that one process of these steps took, in any sample.
pub fn peak_memory<'m, 'r: 'm>(steps: impl Iterator<Item = &'m Samples<'r>>) -> String {
    steps
        .filter_map(|step| step.spread(|row| row.peak_rss_bytes))
        .map(|spread| spread.max)
        .max()
        .map_or(NO_FIGURE.into(), units::bytes)
}

/// How a method's outputs were verified, and how many of its rows were not.
pub fn check(method: &MethodRows) -> String {
    let any = |check| method.rows().any(|row| row.check == check);
    let words = match (any(Check::Exact), any(Check::Tree)) {
        (true, true) => "exact, tree",
        (true, false) => "exact",
        (false, true) => "tree",
        (false, false) => NO_FIGURE,
    };
    let rows = method.rows();
    match rows.filter(|row| row.check == Check::Failed).count() {
        0 => words.to_string(),
        failed => format!("{words}, {failed} of {} failed", method.rows().count()),
    }
}

fn or_outcome(step: Option<&Samples>, figure: impl Fn(&Samples) -> Option<String>) -> String {
    let Some(step) = step else {
        return NO_FIGURE.to_string();
    };
    figure(step).unwrap_or_else(|| {
        let word = match step.outcome() {
            Outcome::Failed => "failed",
            Outcome::Skipped => "skipped",
            Outcome::Verified | Outcome::NotRun => NO_FIGURE,
        };
        word.to_string()
    })
}
