//! Rows looked up by their step: an act without its sample.

use std::collections::HashMap;

use crate::record::{Bases, Case, Row, Verb};

/// A step of one doer. A publish is found by its image alone: one store holds an image once.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Step<'a> {
    scenario: &'a str,
    doer: &'a str,
    case: &'a Case,
    verb: Verb,
    image: &'a str,
    bases: Option<&'a Bases>,
}

impl<'a> Step<'a> {
    pub fn new(
        (scenario, doer, case): (&'a str, &'a str, &'a Case),
        verb: Verb,
        image: &'a str,
        bases: &'a Bases,
    ) -> Step<'a> {
        Step {
            scenario,
            doer,
            case,
            verb,
            image,
            bases: (verb != Verb::Publish).then_some(bases),
        }
    }

    /// The step of a row.
    pub fn of(row: &'a Row) -> Step<'a> {
        let whose = (row.scenario.as_str(), row.method.as_str(), &row.case);
        Step::new(whose, row.verb, &row.image, &row.bases)
    }
}

/// The rows of every step. Reading n rows takes n look-ups, however many methods there are.
pub struct Index<'a>(HashMap<Step<'a>, Vec<&'a Row>>);

impl<'a> Index<'a> {
    pub fn of(rows: &'a [Row]) -> Index<'a> {
        let mut steps: HashMap<Step, Vec<&Row>> = HashMap::new();
        for row in rows {
            steps.entry(Step::of(row)).or_default().push(row);
        }
        Index(steps)
    }

    /// The rows of a step in order of their samples.
    pub fn rows(&self, step: Step) -> Vec<&'a Row> {
        let mut rows = self.0.get(&step).cloned().unwrap_or_default();
        rows.sort_by_key(|row| row.sample);
        rows
    }
}
