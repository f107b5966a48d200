//! The plan of a results folder: what was to be done, saved so that the reading half guesses nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Bases, Case, Expect, Verb};

/// The axis that turns the images of a scenario into something else, and its value that leaves them as they are.
pub const FORM: &str = "form";
pub const FORM_AS_IS: &str = "as-is";

/// plan.toml: every scenario that was run into the folder, as it was planned.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub schema: u32,
    /// In the order in which they were first run.
    #[serde(default, rename = "scenario")]
    pub scenarios: Vec<ScenarioPlan>,
}

/// One scenario as it was planned.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ScenarioPlan {
    pub name: String,
    #[serde(default)]
    pub about: String,
    /// How often each act is done, but for those of methods that are measured once.
    pub samples: u32,
    /// In order of release.
    #[serde(default, rename = "image")]
    pub images: Vec<PlannedImage>,
    /// In the scenario's order; those of earlier runs into the folder first.
    #[serde(default, rename = "method")]
    pub methods: Vec<PlannedMethod>,
    /// Names of the probes.
    #[serde(default)]
    pub probes: Vec<String>,
    /// One for each combination of the axes' values; one, with an empty case, in a scenario without axes.
    #[serde(default, rename = "case")]
    pub cases: Vec<PlannedCase>,
    #[serde(default, rename = "expect")]
    pub expects: Vec<Expect>,
}

/// An image, and what is known of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PlannedImage {
    pub name: String,
    /// The value of the axis `form` that it has; none where the scenario does not turn it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<String>,
    /// Length of the archive; 0 where no step has looked at it (schema 1 alone).
    pub bytes: u64,
    pub sha256: String,
    /// Layout, layers, compression, the engine that saved it: key to value, the unit in the key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub about: BTreeMap<String, String>,
}

/// A method, and its version here or why it could not run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PlannedMethod {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// Whether it is done only in the first sample.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub once: bool,
}

/// What every method does under one case, once for each sample.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PlannedCase {
    #[serde(default, skip_serializing_if = "Case::is_empty")]
    pub case: Case,
    /// In order.
    pub moves: Vec<Move>,
}

/// An act without its doer: one verb, one image, the bases that help.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Move {
    pub verb: Verb,
    pub image: String,
    #[serde(default, skip_serializing_if = "Bases::is_empty")]
    pub bases: Bases,
}

impl PlannedImage {
    /// Its name, and its form where it is not as it was.
    pub fn title(&self) -> String {
        match self.form.as_deref() {
            None | Some(FORM_AS_IS) => self.name.clone(),
            Some(form) => format!("{} as {form}", self.name),
        }
    }
}

impl Plan {
    /// The scenario of that name.
    pub fn scenario(&self, name: &str) -> Option<&ScenarioPlan> {
        self.scenarios.iter().find(|scenario| scenario.name == name)
    }

    /// The same, to be changed.
    pub fn scenario_mut(&mut self, name: &str) -> Option<&mut ScenarioPlan> {
        let mut scenarios = self.scenarios.iter_mut();
        scenarios.find(|scenario| scenario.name == name)
    }
}

impl ScenarioPlan {
    /// The image of that name under a case.
    pub fn image(&self, name: &str, case: &Case) -> Option<&PlannedImage> {
        self.image_as(name, case.get(FORM))
    }

    /// The image of that name in a form.
    pub fn image_as(&self, name: &str, form: Option<&str>) -> Option<&PlannedImage> {
        let is_meant = |image: &&PlannedImage| image.name == name && image.form.as_deref() == form;
        self.images.iter().find(is_meant)
    }

    /// Takes over what an earlier plan of the same scenario says of methods, probes and cases that this one does not
    /// name, and of the same images: their rows are in the folder too.
    pub fn keep(&mut self, earlier: &ScenarioPlan) {
        keep(&mut self.methods, &earlier.methods, |method| &method.name);
        keep(&mut self.probes, &earlier.probes, |probe| probe);
        keep(&mut self.cases, &earlier.cases, |case| &case.case);
        self.samples = self.samples.max(earlier.samples);
        for image in &mut self.images {
            let before = earlier.image_as(&image.name, image.form.as_deref());
            let before = before.filter(|before| before.sha256 == image.sha256);
            for (key, value) in before.into_iter().flat_map(|before| &before.about) {
                image.about.entry(key.clone()).or_insert(value.clone());
            }
        }
    }
}

/// Puts the earlier entries that are not named anew in front.
fn keep<T: Clone, K: PartialEq>(new: &mut Vec<T>, earlier: &[T], name: impl Fn(&T) -> &K) {
    let unnamed = |old: &&T| new.iter().all(|new| name(new) != name(old));
    let mut all: Vec<T> = earlier.iter().filter(unnamed).cloned().collect();
    all.append(new);
    *new = all;
}
