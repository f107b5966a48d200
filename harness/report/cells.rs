//! Cells: the figures of a method's steps in words.

use crate::record::Check;
use crate::stats::{MethodRows, Outcome, Samples, Spread, transfer_bytes};

use super::block::{Cell, NO_FIGURE};
use super::units;

const MILLION: u128 = 1_000_000;

/// What an update moves.
pub fn moved(step: Option<&Samples>) -> Cell {
    let moved = |step: &Samples| {
        let median = step.spread(transfer_bytes)?.median;
        Some((units::bytes(median), median))
    };
    or_outcome(step, moved)
}

/// How long a step takes; with `spread` also its fastest and its slowest sample.
pub fn time(step: Option<&Samples>, spread: bool) -> Cell {
    or_outcome(step, |step| {
        let wall = step.spread(|row| row.wall_ns)?;
        let median = units::time(wall.median);
        let text = match spread && wall.samples > 1 {
            true => format!(
                "{median} ({} to {})",
                units::time(wall.min),
                units::time(wall.max)
            ),
            false => median,
        };
        Some((text, wall.median))
    })
}

/// How many times as long a step took as another, sample by sample: the median, and with `spread` the
/// least and the most. Its value is in millionths.
pub fn times(step: Option<&Samples>, other: Option<&Samples>, spread: bool) -> Cell {
    or_outcome(step, |step| {
        let ratios = step.verified().filter_map(|row| {
            let mut others = other?.verified();
            let same = others.find(|it| it.sample == row.sample)?.wall_ns?;
            let ratio = u128::from(row.wall_ns?) * MILLION / u128::from(same.max(1));
            u64::try_from(ratio).ok()
        });
        let ratio = Spread::over(ratios)?;
        let text = |ppm: u64| {
            let decimals = if u128::from(ppm) < 10 * MILLION { 2 } else { 1 };
            format!("{:.decimals$}", ppm as f64 / MILLION as f64)
        };
        let median = text(ratio.median);
        let text = match spread && ratio.min < ratio.max {
            false => median,
            true => format!("{median} ({} to {})", text(ratio.min), text(ratio.max)),
        };
        Some((text, ratio.median))
    })
}

/// How many requests an update takes.
pub fn requests(step: Option<&Samples>) -> Cell {
    or_none(step, |step| {
        let median = step.spread(|row| row.requests)?.median;
        Some((units::count(median), median))
    })
}

/// What an update moves as a share of the image. Its value are the bytes, which sort alike.
pub fn share(step: Option<&Samples>, image_bytes: u64) -> Cell {
    or_none(step, |step| {
        let median = step.spread(transfer_bytes)?.median;
        Some((units::share(median, image_bytes), median))
    })
}

/// The store's size once everything is published.
pub fn stored(method: &MethodRows) -> Cell {
    let Some(bytes) = method.stored() else {
        return NO_FIGURE.into();
    };
    let first = method.publishes.iter().flat_map(|step| &step.rows).next();
    Cell {
        text: units::bytes(bytes),
        value: Some(bytes.into()),
        of: first.map(|row| {
            let publishes = method.publishes.len();
            format!(
                "{} {}: store_bytes of {publishes} publishes added up",
                row.scenario, row.method
            )
        }),
    }
}

/// The most memory that one process of these steps took, in any sample.
pub fn peak_memory<'m, 'r: 'm>(steps: impl Iterator<Item = &'m Samples<'r>>) -> Cell {
    let peaks = steps.filter_map(|step| {
        let peak = step.spread(|row| row.peak_rss_bytes)?;
        Some((peak.max, step))
    });
    match peaks.max_by_key(|(peak, _)| *peak) {
        Some((peak, step)) => Cell {
            text: units::bytes(peak),
            value: Some(peak.into()),
            of: key(step, "peak_rss_bytes, the largest"),
        },
        None => NO_FIGURE.into(),
    }
}

/// What an update reads of its bases.
pub fn base_read(step: Option<&Samples>) -> Cell {
    or_none(step, |step| {
        let median = step.spread(|row| row.base_read_bytes)?.median;
        Some((units::bytes(median), median))
    })
}

/// How a method's outputs were verified, and how many of its rows were not.
pub fn check(method: &MethodRows) -> String {
    let any = |check: &Check| method.rows().any(|row| row.check == *check);
    let checks = [Check::Exact, Check::Image, Check::Tree];
    let words: Vec<&str> = checks.into_iter().filter(any).map(Check::word).collect();
    let words = match words.is_empty() {
        true => NO_FIGURE.to_string(),
        false => words.join(", "),
    };
    let rows = method.rows();
    match rows.filter(|row| row.check == Check::Failed).count() {
        0 => words,
        failed => format!("{words}, {failed} of {} failed", method.rows().count()),
    }
}

/// A figure, its value and where it comes from; nothing where there is none.
fn or_none(step: Option<&Samples>, figure: impl Fn(&Samples) -> Option<(String, u64)>) -> Cell {
    let found = step.and_then(|step| Some((figure(step)?, step)));
    found.map_or(NO_FIGURE.into(), |((text, value), step)| Cell {
        text,
        value: Some(value.into()),
        of: key(step, "median"),
    })
}

/// The same, with a word for how the step came out where there is none.
fn or_outcome(step: Option<&Samples>, figure: impl Fn(&Samples) -> Option<(String, u64)>) -> Cell {
    let found = or_none(step, figure);
    let word = match step.map(Samples::outcome) {
        _ if found.value.is_some() => return found,
        Some(Outcome::Failed) => "failed",
        Some(Outcome::Skipped) => "skipped",
        Some(Outcome::Verified | Outcome::NotRun) | None => NO_FIGURE,
    };
    Cell {
        of: step.and_then(|step| key(step, "error")),
        ..word.into()
    }
}

/// The key of a step's rows, and how many samples a figure is `over`.
fn key(step: &Samples, over: &str) -> Option<String> {
    let act = step.rows.first()?.act();
    Some(match step.rows.len() {
        1 => act.to_string(),
        samples => format!("{act} ({over} of {samples} samples)"),
    })
}
