//! The figures of a run, step by step, as dashboards want them: a name, a measure, a middle and a spread.

use std::collections::HashMap;

use crate::record::{Act, MEASURES, Measure, Results, Row};
use crate::report::clean;
use crate::stats::{Samples, Step};

/// One measure of one step.
pub struct Figure {
    pub measure: &'static Measure,
    pub median: i128,
    pub min: i128,
    pub max: i128,
    pub samples: usize,
}

/// The verified steps in the order of the rows, each with its name and its figures.
pub fn steps(results: &Results) -> Vec<(String, Vec<Figure>)> {
    let mut order: Vec<&Row> = Vec::new();
    let mut steps: HashMap<Step, Samples> = HashMap::new();
    for row in results.rows.iter().filter(|row| row.verified()) {
        let step = steps.entry(Step::of(row)).or_insert_with(|| {
            order.push(row);
            Samples::default()
        });
        step.rows.push(row);
    }
    let named = order.into_iter().map(|row| {
        let step = Act {
            sample: 1,
            ..row.act()
        };
        let samples = &steps[&Step::of(row)];
        let figures = MEASURES.iter().filter_map(|it| figure(samples, it));
        (clean::line(&step.to_string()), figures.collect())
    });
    named.collect()
}

fn figure(samples: &Samples, measure: &'static Measure) -> Option<Figure> {
    let values: Vec<i128> = samples.verified().filter_map(measure.of).collect();
    Some(Figure {
        measure,
        median: samples.median(measure)?,
        min: *values.iter().min()?,
        max: *values.iter().max()?,
        samples: values.len(),
    })
}
