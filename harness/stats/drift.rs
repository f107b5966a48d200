//! Time and memory of two runs whose samples were taken in pairs: what is slower or larger, beyond noise.

use std::collections::HashMap;

use crate::record::{MEASURES, Measure, Row};

use super::index::Step;
use super::paired::{Paired, judge, least_level};
use super::thresholds::Thresholds;

/// How often at most noise alone may fail a job, where there are samples enough.
pub const JOB_LEVEL: f64 = 0.01;
/// A comparison whose pairs can show nothing at this error rate is not made.
const MOST_LEVEL: f64 = 0.01;

/// What the pairs of a job say.
#[derive(Debug, Default)]
pub struct Drift<'a> {
    /// The comparisons that were made: steps times measures.
    pub made: usize,
    /// Those with too few pairs to say anything.
    pub too_few: usize,
    /// The most pairs that any step has.
    pub most_pairs: usize,
    /// How often at most noise alone makes any comparison of this job a regression, whatever the noise is like.
    pub false_alarms: f64,
    /// What is worse or better, beyond noise and beyond the tolerance.
    pub changes: Vec<Change<'a>>,
}

/// One step's time or memory that is not what it was.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// A row of BASE of this step.
    pub of: &'a Row,
    pub measure: &'static Measure,
    /// Medians of both runs.
    pub before: u64,
    pub after: u64,
    pub paired: Paired,
    pub worse: bool,
}

impl Drift<'_> {
    pub fn any_worse(&self) -> bool {
        self.changes.iter().any(|change| change.worse)
    }
}

/// The fewest pairs with which noise alone fails no more than `JOB_LEVEL` of jobs of so many comparisons.
pub fn pairs_for(made: usize) -> usize {
    let level = JOB_LEVEL / made.max(1) as f64;
    (1..)
        .find(|pairs| least_level(*pairs) <= level)
        .unwrap_or(usize::MAX)
}

/// The fewest pairs that can show a change.
pub fn fewest_pairs() -> usize {
    (1..)
        .find(|pairs| least_level(*pairs) <= MOST_LEVEL)
        .unwrap_or(usize::MAX)
}

/// Judges the rows of both runs, paired by act: what was measured side by side. A version may differ, for that is what
/// two labs are compared for; an image may not.
///
/// A step is worse when both hold: noise alone would rank its pairs so with a probability of no more than `level`, and
/// the estimated growth exceeds the tolerance. `level` is one per cent shared among all comparisons of the job
/// (Bonferroni), but no less than what the pairs can show at all.
pub fn drift<'a>(pairs: &[(&'a Row, &'a Row)], thresholds: &Thresholds) -> Drift<'a> {
    let mut steps: HashMap<Step, Vec<(&Row, &Row)>> = HashMap::new();
    let mut order = Vec::new();
    for (before, after) in pairs.iter().copied() {
        if before.image_sha256 != after.image_sha256 || before.bases_sha256 != after.bases_sha256 {
            continue;
        }
        let step = steps.entry(Step::of(before)).or_insert_with(|| {
            order.push(before);
            Vec::new()
        });
        step.push((before, after));
    }
    let measures: Vec<&Measure> = MEASURES.iter().filter(|measure| !measure.exact).collect();
    let mut drift = Drift::default();
    let mut found = Vec::new();
    for first in order {
        let rows = &steps[&Step::of(first)];
        for measure in &measures {
            let Some(tolerance) = thresholds.tolerance(first, measure) else {
                continue;
            };
            let figure =
                |row: &Row| (measure.of)(row).and_then(|figure| u64::try_from(figure).ok());
            let figures: Vec<(u64, u64)> = rows
                .iter()
                .filter_map(|(before, after)| Some((figure(before)?, figure(after)?)))
                .collect();
            let Some(paired) = judge(&figures) else {
                continue;
            };
            drift.most_pairs = drift.most_pairs.max(paired.pairs);
            if least_level(paired.pairs) > MOST_LEVEL {
                drift.too_few += 1;
                continue;
            }
            drift.made += 1;
            let [before, after] = [|it: &(u64, u64)| it.0, |it: &(u64, u64)| it.1]
                .map(|side| super::Spread::over(figures.iter().map(side)))
                .map(|spread| spread.map_or(0, |spread| spread.median));
            let change = Change {
                of: first,
                measure,
                before,
                after,
                paired,
                worse: paired.ratio > 1.0,
            };
            found.push((change, tolerance));
        }
    }
    let made = drift.made;
    let level = |pairs| (JOB_LEVEL / made as f64).max(least_level(pairs));
    let levels = found.iter().map(|(change, _)| level(change.paired.pairs));
    drift.false_alarms = levels.sum::<f64>().min(1.0);
    drift.changes = found
        .into_iter()
        .filter(|(change, tolerance)| {
            let Paired { pairs, ratio, .. } = change.paired;
            let level = level(pairs);
            let more = change.paired.p_larger <= level && ratio > 1.0 + tolerance;
            let less = change.paired.p_smaller <= level && ratio < 1.0 / (1.0 + tolerance);
            more || less
        })
        .map(|(change, _)| change)
        .collect();
    drift
}

#[cfg(test)]
mod tests;
