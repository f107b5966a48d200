//! The plan: which acts a scenario asks for, in the order they are done. Nothing is run here.
//!
//! A policy turns the list of images into deeds; each method does them under each case and in each sample.

use std::collections::BTreeSet;

use crate::record::{
    Act, Bases, Case, Move, PlannedCase, PlannedImage, PlannedMethod, ScenarioPlan, Verb,
};
use policy::{DEFAULT, Deed, POLICIES};

pub mod axis;
pub mod policy;
mod shard;

pub use shard::Shard;

/// The acts of one doer under one case in one sample, which share a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    pub scenario: String,
    /// The method, or the probe.
    pub doer: String,
    pub case: Case,
    /// From 1.
    pub sample: u32,
    pub acts: Vec<Planned>,
}

impl Trial {
    /// The verb of its first act, which tells a probe from a method of its name.
    pub fn verb(&self) -> Verb {
        self.acts
            .first()
            .map_or(Verb::Publish, |planned| planned.act.verb)
    }
}

/// One act to be done; images and bases are places in the scenario's list of images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    pub act: Act,
    pub image: usize,
    pub bases: Vec<usize>,
}

/// The names and numbers of a scenario: all that its plan depends on.
#[derive(Clone, Debug, Default)]
pub struct Outline {
    pub scenario: String,
    pub about: String,
    /// In order of release.
    pub images: Vec<String>,
    pub methods: Vec<String>,
    pub probes: Vec<String>,
    pub samples: u32,
    /// The methods that are done only in the first sample.
    pub once: Vec<String>,
    /// The axes that are turned, each with its values.
    pub axes: Vec<(String, Vec<String>)>,
}

/// Every trial of a scenario: the probes, then the methods. Samples are the outer loop, so that methods are
/// interleaved and a machine that drifts drifts for all of them.
pub fn plan(outline: &Outline) -> Vec<Trial> {
    let cases: Vec<(Case, Vec<Deed>)> = axis::cases(&outline.axes)
        .into_iter()
        .map(|case| {
            let deeds = deeds(&case, outline.images.len());
            (case, deeds)
        })
        .collect();
    let looks = looks(&cases);
    let probes = outline
        .probes
        .iter()
        .map(|probe| trial(outline, probe, &Case::default(), 1, &looks));
    let methods = (1..=outline.samples).flat_map(|sample| {
        cases.iter().flat_map(move |(case, deeds)| {
            let again = move |method: &&String| sample == 1 || !outline.once.contains(method);
            let methods = outline.methods.iter().filter(again);
            methods.map(move |method| trial(outline, method, case, sample, deeds))
        })
    });
    probes.chain(methods).collect()
}

/// The plan as it is saved: `images` and `methods` with what is known of them by now; it expects nothing yet.
pub fn saved(
    outline: &Outline,
    images: Vec<PlannedImage>,
    methods: Vec<PlannedMethod>,
) -> ScenarioPlan {
    let moves = |case: &Case| {
        let deeds = deeds(case, outline.images.len());
        let named = |deed: Deed| Move {
            verb: deed.verb,
            image: outline.images[deed.image].clone(),
            bases: names(outline, &deed.bases),
        };
        deeds.into_iter().map(named).collect()
    };
    ScenarioPlan {
        name: outline.scenario.clone(),
        about: outline.about.clone(),
        samples: outline.samples,
        images,
        methods,
        probes: outline.probes.clone(),
        cases: axis::cases(&outline.axes)
            .into_iter()
            .map(|case| PlannedCase {
                moves: moves(&case),
                case,
            })
            .collect(),
        ..ScenarioPlan::default()
    }
}

/// What every method does under a case.
fn deeds(case: &Case, images: usize) -> Vec<Deed> {
    let name = case.get(axis::POLICY).unwrap_or(DEFAULT);
    let policy = POLICIES.iter().find(|policy| policy.name == name);
    (policy
        .expect("a scenario's axes are checked when it is read")
        .deeds)(images)
}

/// What probes look at: whatever is updated under any case, with the same bases, once.
fn looks(cases: &[(Case, Vec<Deed>)]) -> Vec<Deed> {
    let updates: BTreeSet<(usize, &Vec<usize>)> = cases
        .iter()
        .flat_map(|(_, deeds)| deeds)
        .filter(|deed| deed.verb == Verb::Update)
        .map(|deed| (deed.image, &deed.bases))
        .collect();
    let look = |(image, bases): (usize, &Vec<usize>)| Deed {
        verb: Verb::Probe,
        image,
        bases: bases.clone(),
    };
    updates.into_iter().map(look).collect()
}

fn trial(outline: &Outline, doer: &str, case: &Case, sample: u32, deeds: &[Deed]) -> Trial {
    let planned = |deed: &Deed| Planned {
        act: Act {
            scenario: outline.scenario.clone(),
            doer: doer.to_string(),
            case: case.clone(),
            verb: deed.verb,
            image: outline.images[deed.image].clone(),
            bases: names(outline, &deed.bases),
            sample,
        },
        image: deed.image,
        bases: deed.bases.clone(),
    };
    Trial {
        scenario: outline.scenario.clone(),
        doer: doer.to_string(),
        case: case.clone(),
        sample,
        acts: deeds.iter().map(planned).collect(),
    }
}

fn names(outline: &Outline, images: &[usize]) -> Bases {
    images
        .iter()
        .map(|&image| outline.images[image].as_str())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(images: &[&str], samples: u32, axes: &[(&str, &[&str])]) -> Outline {
        let words = |words: &[&str]| words.iter().map(ToString::to_string).collect();
        Outline {
            scenario: "s".to_string(),
            about: String::new(),
            images: words(images),
            methods: words(&["a", "b"]),
            probes: words(&["layers"]),
            samples,
            once: Vec::new(),
            axes: axes
                .iter()
                .map(|(axis, values)| (axis.to_string(), words(values)))
                .collect(),
        }
    }
    #[test]
    fn methods_are_interleaved_over_samples_and_cases_and_probes_look_once() {
        let trials = plan(&outline(
            &["v1", "v2"],
            2,
            &[("policy", &["all", "previous"])],
        ));
        let order: Vec<String> = trials
            .iter()
            .map(|trial| format!("{} {} {}", trial.sample, trial.doer, trial.case))
            .collect();
        assert_eq!(
            order,
            [
                "1 layers ",
                "1 a policy=all",
                "1 b policy=all",
                "1 a policy=previous",
                "1 b policy=previous",
                "2 a policy=all",
                "2 b policy=all",
                "2 a policy=previous",
                "2 b policy=previous",
            ]
        );
        let looks: Vec<String> = trials[0].acts.iter().map(|it| it.act.deed()).collect();
        assert_eq!(looks, ["probe v2", "probe v2 against v1"]);
    }

    #[test]
    fn a_method_that_is_measured_once_has_no_second_sample() {
        let outline = Outline {
            once: vec!["b".to_string()],
            ..outline(&["v1"], 3, &[])
        };
        let methods = plan(&outline)
            .into_iter()
            .filter(|trial| trial.verb() != Verb::Probe);
        let order: Vec<String> = methods
            .map(|trial| format!("{} {}", trial.sample, trial.doer))
            .collect();
        assert_eq!(order, ["1 a", "1 b", "2 a", "3 a"]);
    }

    #[test]
    fn what_is_saved_names_what_is_done() {
        let outline = outline(&["v1", "v2"], 1, &[]);
        let saved = saved(&outline, Vec::new(), Vec::new());
        let [case] = saved.cases.as_slice() else {
            panic!("{saved:?}");
        };
        let trials = plan(&outline);
        let done = trials.last().unwrap().acts.iter().map(|planned| Move {
            verb: planned.act.verb,
            image: planned.act.image.clone(),
            bases: planned.act.bases.clone(),
        });
        assert!(case.case.is_empty());
        assert_eq!(case.moves, done.collect::<Vec<_>>());
    }
}
