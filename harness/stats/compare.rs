//! Two runs side by side: which figures are worse than they were, which are gone, and what cannot be compared.

use crate::record::{Check, Measure, Results, Row, keyed};

use super::drift::{Drift, drift};
use super::repeating;
use super::thresholds::Thresholds;

/// What a run (HEAD) says against another (BASE).
#[derive(Debug, Default)]
pub struct Comparison<'a> {
    /// Acts whose every exact figure is as it was, or that have a figure in neither run.
    pub same: usize,
    /// Acts with a figure in both runs that could be compared.
    pub compared: usize,
    pub different: Vec<Difference<'a>>,
    /// Acts that were verified in BASE and fail in HEAD: their rows of HEAD, which say why.
    pub failed: Vec<&'a Row>,
    /// Acts with a figure in BASE and none in HEAD, which has no row of them or skipped them: the row of BASE, and that
    /// of HEAD.
    pub missing: Vec<(&'a Row, Option<&'a Row>)>,
    /// Acts with a figure in HEAD only.
    pub new: Vec<&'a Row>,
    /// Acts done with another version or on another image: their bytes may differ and prove nothing.
    pub incomparable: Vec<(&'a Row, Reason<'a>)>,
    /// Time and memory; `None` unless the samples were taken in pairs.
    pub drift: Option<Drift<'a>>,
    /// Whether any difference counts, not only one for the worse.
    pub strict: bool,
    /// Whether acts that cannot be compared are let pass beside others that can.
    pub pass_incomparable: bool,
}

/// One exact figure that is not what it was.
#[derive(Clone, Copy, Debug)]
pub struct Difference<'a> {
    /// The row of BASE.
    pub of: &'a Row,
    pub measure: &'static Measure,
    /// `None` is an empty cell.
    pub before: Option<i128>,
    pub after: Option<i128>,
    pub weight: Weight,
}

/// What a difference means for the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// More than before and more than the thresholds allow, or a figure on one side only.
    Worse,
    /// More than before, and no more than the thresholds allow.
    Allowed,
    /// Less than before.
    Better,
}

/// Why two rows say nothing about each other: what differs, and both texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reason<'a> {
    /// `version`, `image` or `base`.
    pub what: &'static str,
    pub before: &'a str,
    pub after: &'a str,
}

/// How a comparison ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    Fine,
    Regression,
    /// What was rebuilt is no longer the image.
    Unverified,
    Incomparable,
}

impl Ruling {
    pub fn word(self) -> &'static str {
        match self {
            Ruling::Fine => "fine",
            Ruling::Regression => "regression",
            Ruling::Unverified => "verification failed",
            Ruling::Incomparable => "incomparable",
        }
    }

    /// The exit code of the program.
    pub fn code(self) -> u8 {
        match self {
            Ruling::Fine => 0,
            Ruling::Regression => 1,
            Ruling::Unverified => 3,
            Ruling::Incomparable => 4,
        }
    }
}

impl Comparison<'_> {
    /// The worst of what was found: a failed verification, then a regression, then what could not be compared. A gate
    /// that could compare nothing does not pass.
    pub fn ruling(&self) -> Ruling {
        let counts = |it: &Difference| it.weight == Weight::Worse || self.strict;
        let slower = self.drift.as_ref().is_some_and(Drift::any_worse);
        let nothing = self.compared == 0 && self.missing.is_empty();
        if !self.failed.is_empty() {
            Ruling::Unverified
        } else if self.different.iter().any(counts) || !self.missing.is_empty() || slower {
            Ruling::Regression
        } else if nothing || (!self.incomparable.is_empty() && !self.pass_incomparable) {
            Ruling::Incomparable
        } else {
            Ruling::Fine
        }
    }
}

/// Compares the exact measures of each act, and with `paired` samples time and memory too. An act that is verified in
/// neither run counts as the same. Rows of schema 1 compare with rows of schema 2.
pub fn compare<'a>(
    base: &'a Results,
    head: &'a Results,
    thresholds: &Thresholds,
    paired: bool,
) -> Comparison<'a> {
    let (before, after) = (keyed(&base.rows), keyed(&head.rows));
    let mut comparison = Comparison {
        pass_incomparable: thresholds.pass_incomparable,
        ..Comparison::default()
    };
    let mut pairs = Vec::new();
    for row in &base.rows {
        let now = after.find(row);
        if let Some(now) = now.filter(|now| now.verified() && row.verified()) {
            pairs.push((row, now));
        }
        comparison.act(row, now, thresholds);
    }
    let had = |row: &Row| before.find(row).is_some_and(Row::verified);
    let new = head.rows.iter().filter(|row| row.verified() && !had(row));
    comparison.new = new.collect();
    comparison.drift = paired.then(|| drift(&pairs, thresholds));
    comparison
}

impl<'a> Comparison<'a> {
    fn act(&mut self, before: &'a Row, after: Option<&'a Row>, thresholds: &Thresholds) {
        let after = match after {
            Some(after) if after.verified() => after,
            Some(after) if before.verified() && after.check == Check::Failed => {
                self.failed.push(after);
                return;
            }
            other if before.verified() => {
                self.missing.push((before, other));
                return;
            }
            _ => {
                self.same += 1;
                return;
            }
        };
        if !before.verified() {
            return;
        }
        if let Some(reason) = incomparable(before, after) {
            self.incomparable.push((before, reason));
            return;
        }
        self.compared += 1;
        let known = self.different.len();
        for measure in repeating() {
            let (was, is) = ((measure.of)(before), (measure.of)(after));
            if was != is {
                self.different.push(Difference {
                    of: before,
                    measure,
                    before: was,
                    after: is,
                    weight: weigh(before, measure, was, is, thresholds),
                });
            }
        }
        self.same += usize::from(self.different.len() == known);
    }
}

fn weigh(
    row: &Row,
    measure: &Measure,
    was: Option<i128>,
    is: Option<i128>,
    thresholds: &Thresholds,
) -> Weight {
    let (Some(was), Some(is)) = (was, is) else {
        return Weight::Worse;
    };
    if is < was {
        Weight::Better
    } else if is - was <= thresholds.growth(row, measure, was) {
        Weight::Allowed
    } else {
        Weight::Worse
    }
}

/// Why the bytes of two rows say nothing about each other, if so.
fn incomparable<'a>(before: &'a Row, after: &'a Row) -> Option<Reason<'a>> {
    let pairs = [
        ("version", &before.version, &after.version),
        ("image", &before.image_sha256, &after.image_sha256),
        ("base", &before.bases_sha256, &after.bases_sha256),
    ];
    let mut differ = pairs.into_iter().filter(|(_, was, is)| was != is);
    differ.next().map(|(what, before, after)| Reason {
        what,
        before,
        after,
    })
}

#[cfg(test)]
mod tests;
