//! What rows say when they are read together: figures over samples, sections, verdicts, comparisons.
//!
//! The plan says what was to be done; rows are only looked up. Only verified rows give figures, and every figure is an
//! integer in base units, as in the rows.

use crate::record::{Check, MEASURES, Measure, Row};

pub mod assume;
pub mod cadence;
pub mod causes;
mod compare;
mod drift;
mod estimate;
#[cfg(test)]
pub mod fixture;
pub mod front;
pub mod gate;
pub mod hops;
mod index;
mod links;
pub mod offer;
mod paired;
pub mod predict;
pub mod recommend;
mod section;
mod thresholds;
mod trouble;
mod verdict;

pub use compare::{Comparison, Difference, Reason, Ruling, Weight, compare};
pub use drift::{Change, Drift, JOB_LEVEL, fewest_pairs, pairs_for};
pub use estimate::{Estimated, estimates};
pub use index::Step;
pub use links::Pays;
pub use paired::Paired;
pub use section::{MethodRows, Reading, Scenario, Section, deed, read, sections};
pub use thresholds::{TOLERANCE, Thresholds};
pub use trouble::Trouble;
pub use verdict::{Bounded, Decision, Verdict, verdicts};

/// What an update moves: bodies in both directions, in bytes; the measure `transfer_bytes`.
pub fn transfer_bytes(row: &Row) -> Option<u64> {
    row.payload_bytes
        .map(|payload| payload + row.upload_bytes.unwrap_or(0))
}

/// A figure over samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    pub median: u64,
    pub min: u64,
    pub max: u64,
    pub samples: usize,
}

impl Spread {
    /// The spread of at least one value. The median of an even number lies midway, rounded down.
    pub fn over(values: impl IntoIterator<Item = u64>) -> Option<Spread> {
        let mut values: Vec<u64> = values.into_iter().collect();
        values.sort_unstable();
        let (min, max) = (*values.first()?, *values.last()?);
        Some(Spread {
            median: middle(&values, u64::midpoint),
            min,
            max,
            samples: values.len(),
        })
    }
}

/// The median of at least one value; `between` says what lies midway between two.
fn middle<T: Copy>(sorted: &[T], between: impl Fn(T, T) -> T) -> T {
    between(sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2])
}

/// The median of values that may be negative; `None` of no value.
pub fn median(values: impl IntoIterator<Item = i128>) -> Option<i128> {
    let mut values: Vec<i128> = values.into_iter().collect();
    values.sort_unstable();
    (!values.is_empty()).then(|| middle(&values, i128::midpoint))
}

/// How one step of one method came out, over all its samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// At least one sample was verified, so there are figures.
    Verified,
    Failed,
    Skipped,
    /// No row: the run was stopped before, or the step was not planned.
    NotRun,
}

/// The rows of one step, one for each sample.
#[derive(Clone, Debug, Default)]
pub struct Samples<'a> {
    pub rows: Vec<&'a Row>,
}

impl<'a> Samples<'a> {
    pub fn verified(&self) -> impl Iterator<Item = &'a Row> + '_ {
        self.rows.iter().copied().filter(|row| row.verified())
    }

    /// A column's spread over the verified samples.
    pub fn spread(&self, column: impl Fn(&Row) -> Option<u64>) -> Option<Spread> {
        Spread::over(self.verified().filter_map(column))
    }

    /// A measure's median over the verified samples.
    pub fn median(&self, measure: &Measure) -> Option<i128> {
        median(self.verified().filter_map(measure.of))
    }

    pub fn outcome(&self) -> Outcome {
        let any = |check| self.rows.iter().any(|row| row.check == check);
        if self.verified().next().is_some() {
            Outcome::Verified
        } else if any(Check::Failed) {
            Outcome::Failed
        } else if any(Check::Skipped) {
            Outcome::Skipped
        } else {
            Outcome::NotRun
        }
    }

    /// The columns that must repeat exactly over the verified samples and do not.
    pub fn unrepeated(&self) -> Vec<&'static str> {
        let differs = |measure: &&Measure| {
            let mut figures = self.verified().map(measure.of);
            let first = figures.next();
            figures.any(|figure| Some(figure) != first)
        };
        repeating()
            .filter(differs)
            .map(|measure| measure.name)
            .collect()
    }
}

/// The measures on which two runs must agree to the byte, each once: a sum of columns is left out beside its columns.
fn repeating() -> impl Iterator<Item = &'static Measure> {
    MEASURES
        .iter()
        .filter(|measure| measure.exact && measure.column)
}

#[cfg(test)]
mod tests {
    use super::fixture::results;
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_midway() {
        let spread = Spread::over([9, 1, 4, 6]).unwrap();
        assert_eq!(
            (spread.median, spread.min, spread.max, spread.samples),
            (5, 1, 9, 4)
        );
        assert_eq!(Spread::over([7, 1, 3]).unwrap().median, 3);
        assert_eq!(Spread::over([]), None);
        assert_eq!(Spread::over([u64::MAX, u64::MAX]).unwrap().median, u64::MAX);
        assert_eq!(median([-4, 2]), Some(-1));
    }

    #[test]
    fn an_update_moves_bodies_both_ways() {
        let mut row = results("pair", 3, 2, 1).rows.remove(0);
        (row.payload_bytes, row.upload_bytes) = (Some(10), Some(3));
        assert_eq!(transfer_bytes(&row), Some(13));
        row.upload_bytes = None;
        assert_eq!(transfer_bytes(&row), Some(10));
        row.payload_bytes = None;
        assert_eq!(transfer_bytes(&row), None);
    }

    #[test]
    fn what_an_update_moves_is_the_measure_of_that_name() {
        let measure = crate::record::measure("transfer_bytes").unwrap();
        for row in &results("pair", 3, 2, 1).rows {
            assert_eq!((measure.of)(row), transfer_bytes(row).map(Into::into));
        }
    }

    #[test]
    fn bytes_that_do_not_repeat_are_named_by_column() {
        let mut results = results("pair", 1, 2, 3);
        let unrepeated = |results: &crate::record::Results| -> Vec<&str> {
            let sections = sections(results);
            let steps = sections[0].methods[0].steps();
            steps.flat_map(Samples::unrepeated).collect()
        };
        assert!(unrepeated(&results).is_empty());
        let row = results.rows.last_mut().unwrap();
        row.requests = Some(77);
        row.payload_bytes = Some(78);
        assert_eq!(unrepeated(&results), ["payload_bytes", "requests"]);
    }
}
