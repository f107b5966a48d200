//! The plan: which steps a scenario asks for, in the order they are done. Nothing is run here.
//!
//! For each method and sample: publish each image in order of release into one store, then update to the newest
//! from nothing and from each earlier image.

use crate::record::{Key, Step};
use crate::scenario::Scenario;

/// The steps of one method in one sample, which share a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    pub scenario: String,
    pub method: String,
    /// From 1.
    pub sample: u32,
    pub steps: Vec<Planned>,
}

/// One step to be done; images and bases are places in the scenario's list of images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    pub step: Step,
    pub image: usize,
    pub bases: Vec<usize>,
    pub key: Key,
}

/// Every trial of a scenario. Samples are the outer loop, so that methods are interleaved and a machine that
/// drifts drifts for all of them.
pub fn plan(scenario: &Scenario) -> Vec<Trial> {
    let samples = 1..=scenario.samples;
    samples
        .flat_map(|sample| {
            scenario
                .methods
                .iter()
                .map(move |method| trial(scenario, method, sample))
        })
        .collect()
}

fn trial(scenario: &Scenario, method: &str, sample: u32) -> Trial {
    let newest = scenario.images.len() - 1;
    let publishes = (0..=newest).map(|image| (Step::Publish, image, (0..image).collect()));
    let full = std::iter::once((Step::Update, newest, Vec::new()));
    let deltas = (0..newest).map(|base| (Step::Update, newest, vec![base]));
    let steps =
        publishes
            .chain(full)
            .chain(deltas)
            .map(|(step, image, bases): (_, _, Vec<usize>)| Planned {
                step,
                image,
                key: Key {
                    scenario: scenario.name.clone(),
                    method: method.to_string(),
                    step,
                    image: scenario.images[image].name.clone(),
                    base: bases
                        .iter()
                        .map(|&base| scenario.images[base].name.as_str())
                        .collect::<Vec<_>>()
                        .join("+"),
                    sample,
                },
                bases,
            });
    Trial {
        scenario: scenario.name.clone(),
        method: method.to_string(),
        sample,
        steps: steps.collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use super::*;
    use crate::clock::Limits;
    use crate::scenario::ImageSpec;
    use crate::source::Source;

    fn scenario(images: &[&str], samples: u32) -> Scenario {
        let image = |name: &&str| ImageSpec {
            name: name.to_string(),
            source: Source::File {
                path: PathBuf::from(name),
            },
        };
        Scenario {
            name: "s".to_string(),
            path: PathBuf::from("s.toml"),
            about: String::new(),
            methods: vec!["a".to_string(), "b".to_string()],
            samples,
            limits: Limits {
                time: Duration::from_secs(1),
                memory_bytes: 1,
            },
            images: images.iter().map(image).collect(),
        }
    }

    #[test]
    fn a_history_is_published_in_order_and_updated_to_its_newest() {
        let trials = plan(&scenario(&["v1", "v2", "v3"], 2));
        let words: Vec<String> = trials[0]
            .steps
            .iter()
            .map(|planned| {
                format!(
                    "{} {} {}",
                    planned.step.word(),
                    planned.key.image,
                    planned.key.base
                )
            })
            .collect();
        assert_eq!(
            words,
            [
                "publish v1 ",
                "publish v2 v1",
                "publish v3 v1+v2",
                "update v3 ",
                "update v3 v1",
                "update v3 v2"
            ]
        );
        let order: Vec<(u32, &str)> = trials
            .iter()
            .map(|trial| (trial.sample, trial.method.as_str()))
            .collect();
        assert_eq!(
            order,
            [(1, "a"), (1, "b"), (2, "a"), (2, "b")],
            "methods are interleaved"
        );
    }

    #[test]
    fn one_image_alone_is_published_and_fetched() {
        assert_eq!(plan(&scenario(&["v1"], 1))[0].steps.len(), 2);
    }
}
