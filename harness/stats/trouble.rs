//! Why a step has no figure: skips and failures, gathered by reason.

use crate::record::{Check, Row, Step};

use super::ScenarioRows;

/// Methods and steps with the same reason for having no figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// `casync/16k`, or `xdelta3 (update v2 from v1)` where it came out otherwise elsewhere; in order of appearance.
    pub who: Vec<String>,
    pub reason: String,
}

impl<'a> ScenarioRows<'a> {
    /// Methods that could not run here, by reason.
    pub fn skipped(&self) -> Vec<Trouble> {
        self.troubles(Check::Skipped)
    }

    /// Steps that failed, by reason.
    pub fn failed(&self) -> Vec<Trouble> {
        self.troubles(Check::Failed)
    }

    fn troubles(&self, check: Check) -> Vec<Trouble> {
        let mut troubles: Vec<Trouble> = Vec::new();
        for method in &self.methods {
            for (reason, steps) in reasons(self.rows_of(method.method), check) {
                // A method with no row but these needs no list of its steps.
                let all = self
                    .rows_of(method.method)
                    .all(|row| row.check == check && row.error == reason);
                let who = if all {
                    method.method.to_string()
                } else {
                    format!("{} ({})", method.method, steps.join(", "))
                };
                match troubles.iter_mut().find(|trouble| trouble.reason == reason) {
                    Some(trouble) => trouble.who.push(who),
                    None => troubles.push(Trouble {
                        who: vec![who],
                        reason: reason.to_string(),
                    }),
                }
            }
        }
        troubles
    }

    fn rows_of(&self, method: &'a str) -> impl Iterator<Item = &'a Row> + '_ {
        self.rows
            .iter()
            .copied()
            .filter(move |row| row.method == method)
    }
}

/// The reasons of a method's rows without figures, each with its steps, in order of appearance.
fn reasons<'a>(rows: impl Iterator<Item = &'a Row>, check: Check) -> Vec<(&'a str, Vec<String>)> {
    let mut reasons: Vec<(&str, Vec<String>)> = Vec::new();
    for row in rows.filter(|row| row.check == check) {
        let step = step_words(row);
        match reasons.iter_mut().find(|(reason, _)| *reason == row.error) {
            Some((_, steps)) if steps.contains(&step) => {}
            Some((_, steps)) => steps.push(step),
            None => reasons.push((&row.error, vec![step])),
        }
    }
    reasons
}

/// A step in words: `publish v2`, `update v2 from v1`.
pub fn step_words(row: &Row) -> String {
    let from = if row.is_full() { "" } else { " from " };
    match row.step {
        Step::Publish => format!("publish {}", row.image),
        Step::Update => format!("update {}{from}{}", row.image, row.base),
    }
}
