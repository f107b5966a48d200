//! Any text as a scenario: an error with its place, or a scenario whose plan can be made.

#![no_main]

use std::sync::LazyLock;

use delta_lab::method::Methods;
use delta_lab::scenario::Scenario;
use delta_lab_fuzz::{names, put};
use libfuzzer_sys::fuzz_target;

static METHODS: LazyLock<Methods> =
    LazyLock::new(|| Methods::in_folders(&[]).expect("shipped methods can be read"));

fuzz_target!(|text: &str| {
    let path = put("fuzzed.toml", text.as_bytes());
    match Scenario::read(&path, &METHODS) {
        Err(error) => names(&error, &path),
        Ok(scenario) => {
            let plans = scenario.images.len().pow(2) as u64 * u64::from(scenario.samples);
            let cases: usize = scenario.axes.iter().map(|(_, values)| values.len()).product();
            // Ten thousand samples of a matrix are allowed and take memory; they are not what is looked for here.
            if plans.saturating_mul(cases as u64) < 10_000 {
                let trials = scenario.plan();
                assert!(!trials.is_empty(), "something is to be done");
            }
        }
    }
});
