//! What rows say when they are read together: figures over samples, and which of them must repeat.
//!
//! Only verified rows give figures. Everything is an integer in base units, as in the rows.

use std::collections::BTreeSet;

use crate::record::{Check, Row};

mod compare;
#[cfg(test)]
pub mod fixture;
mod scenario;
mod trouble;

pub use compare::{Comparison, Difference, compare};
pub use scenario::{MethodRows, Release, ScenarioRows, scenarios};
pub use trouble::{Trouble, step_words};

/// A column as a number; `None` where the cell is empty.
type Figure = fn(&Row) -> Option<i128>;

/// The columns that are decided by the inputs and the method's version alone, so that two runs must agree on
/// them to the byte. Time and memory are never among them.
pub const EXACT: &[(&str, Figure)] = &[
    ("image_bytes", |row| Some(row.image_bytes.into())),
    ("payload_bytes", |row| row.payload_bytes.map(Into::into)),
    ("header_bytes", |row| row.header_bytes.map(Into::into)),
    ("upload_bytes", |row| row.upload_bytes.map(Into::into)),
    ("requests", |row| row.requests.map(Into::into)),
    ("store_bytes", |row| row.store_bytes.map(Into::into)),
    ("store_files", |row| row.store_files.map(Into::into)),
];

/// What an update moves: bodies in both directions, in bytes. Heads are left out: they differ by client and
/// server, not by method, and have a column of their own.
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
    /// Of at least one value; the median of an even number lies midway, rounded down.
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

/// How one step of one method came out, over all its samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// At least one sample was verified: there are figures.
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

    /// The columns that should repeat exactly over the verified samples and do not.
    pub fn unrepeated(&self) -> Vec<&'static str> {
        let differs = |figure: Figure| {
            let seen: BTreeSet<_> = self.verified().map(figure).collect();
            seen.len() > 1
        };
        EXACT
            .iter()
            .filter(|(_, figure)| differs(*figure))
            .map(|(column, _)| *column)
            .collect()
    }
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
    }

    #[test]
    fn what_crosses_the_wire_counts_in_both_directions() {
        let mut results = results("pair", 1, 2, 1);
        let row = results.rows.last_mut().unwrap();
        row.payload_bytes = Some(1000);
        row.upload_bytes = Some(24);
        assert_eq!(transfer_bytes(row), Some(1024));
        row.payload_bytes = None;
        assert_eq!(transfer_bytes(row), None);
    }

    #[test]
    fn bytes_that_do_not_repeat_are_named_by_column() {
        let mut results = results("pair", 1, 2, 3);
        let [scenario] = scenarios(&results.rows).try_into().unwrap();
        assert!(
            scenario.methods[0]
                .steps()
                .all(|step| step.unrepeated().is_empty())
        );
        results.rows.last_mut().unwrap().requests = Some(77);
        let [scenario] = scenarios(&results.rows).try_into().unwrap();
        assert_eq!(
            scenario.methods[0].delta().unwrap().unrepeated(),
            ["requests"]
        );
    }
}
