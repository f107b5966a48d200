//! Why a step has no figure: skips and failures, gathered by reason.

use std::collections::HashMap;

use crate::record::{Check, Row};

/// Methods and steps with the same reason for having no figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// `casync/16k`, or `xdelta3 (update v2 from v1)` where its other steps came out otherwise; in the order of the plan.
    pub who: Vec<String>,
    pub reason: String,
}

impl Trouble {
    /// Adds a method with its reason to those with the same reason.
    pub fn add(troubles: &mut Vec<Trouble>, who: &str, reason: &str) {
        let who = who.to_string();
        match troubles.iter_mut().find(|known| known.reason == reason) {
            Some(known) => known.who.push(who),
            None => troubles.push(Trouble {
                who: vec![who],
                reason: reason.to_string(),
            }),
        }
    }
}

/// The reasons of the rows with this check, each with the doers and steps it is the reason of.
pub fn troubles(by_doer: &[(&str, Vec<&Row>)], check: Check) -> Vec<Trouble> {
    let mut troubles: Vec<Trouble> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (doer, rows) in by_doer {
        for (reason, steps) in reasons(rows, check) {
            // A doer whose every row says the same needs no list of its steps.
            let all = |row: &&Row| row.check == check && row.error == reason;
            let who = match rows.iter().all(all) {
                true => (*doer).to_string(),
                false => format!("{doer} ({})", steps.join(", ")),
            };
            let place = *places.entry(reason).or_insert_with(|| {
                troubles.push(Trouble {
                    who: Vec::new(),
                    reason: reason.to_string(),
                });
                troubles.len() - 1
            });
            troubles[place].who.push(who);
        }
    }
    troubles
}

/// The reasons of one doer's rows, each with its steps, in order of appearance.
fn reasons<'a>(rows: &[&'a Row], check: Check) -> Vec<(&'a str, Vec<String>)> {
    let mut reasons: Vec<(&str, Vec<String>)> = Vec::new();
    for row in rows.iter().filter(|row| row.check == check) {
        let step = row.act().deed();
        match reasons.iter_mut().find(|(reason, _)| *reason == row.error) {
            // The samples of a step follow each other.
            Some((_, steps)) if steps.last() == Some(&step) => {}
            Some((_, steps)) => steps.push(step),
            None => reasons.push((&row.error, vec![step])),
        }
    }
    reasons
}
