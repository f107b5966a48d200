//! The first release of a history: its layers and packages, and their sizes.

use std::collections::BTreeSet;

use super::layer::{LayerRecipe, Role};
use super::package::{Mtime, Package};
use super::shelf::PackageKind;
use super::text;
use crate::dice::{Dice, mix};

/// When the first release was built: 2024-01-01T00:00:00Z, in seconds since 1970.
const FIRST_BUILT: u64 = 1_704_067_200;

/// Time between releases: a week.
const RELEASE_SECONDS: u64 = 7 * 86_400;

/// An image's layers after some releases.
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    pub seed: u64,
    /// Number of this release, from 1.
    pub release: u64,
    /// Lowest first.
    pub layers: Vec<LayerRecipe>,
    names: BTreeSet<String>,
}

impl History {
    /// The first release of `seed`, of about `mib` MiB.
    ///
    /// Three fifths of it is the base system, as in real images; a rebuild does not change that part.
    pub fn first(seed: u64, mib: u64) -> History {
        let mut history = History {
            seed,
            release: 1,
            layers: Vec::new(),
            names: BTreeSet::new(),
        };
        let percent = |share: u64| (mib << 20) * share / 100;
        history.add_layer(Role::Base, PackageKind::System, percent(62), 12 + mib / 8);
        history.add_layer(
            Role::Packages,
            PackageKind::System,
            percent(22),
            6 + mib / 32,
        );
        history.add_layer(
            Role::Application,
            PackageKind::Application,
            percent(15),
            4 + mib / 32,
        );
        history.add_layer(Role::Settings, PackageKind::Settings, percent(1), 2);
        history
    }

    /// When this release was built, in seconds since 1970.
    pub fn now(&self) -> u64 {
        FIRST_BUILT + (self.release - 1) * RELEASE_SECONDS
    }

    /// The layer of this role; every image has one of each.
    pub fn layer(&mut self, role: Role) -> &mut LayerRecipe {
        self.layers
            .iter_mut()
            .find(|layer| layer.role == role)
            .expect("every image has one layer of each role")
    }

    fn add_layer(&mut self, role: Role, kind: PackageKind, bytes: u64, packages: u64) {
        let seed = mix(mix(self.seed, 1), role as u64);
        let mut dice = Dice::new(seed);
        let weights: Vec<u64> = (0..packages).map(|_| dice.size(1000, 1)).collect();
        let total: u64 = weights.iter().sum();
        let packages = weights
            .iter()
            .map(|weight| {
                let name = self.new_name(&mut dice);
                Package::new(kind, name, seed, self.now(), bytes * weight / total)
            })
            .collect();
        let mut layer = LayerRecipe {
            role,
            packages,
            built: self.now(),
        };
        if role == Role::Application {
            build_some_files(&mut layer, &mut dice);
        }
        self.layers.push(layer);
    }

    fn new_name(&mut self, dice: &mut Dice) -> String {
        loop {
            let name = match dice.below(3) {
                0 => text::name(dice).to_string(),
                _ => format!("{}-{}", text::name(dice), text::name(dice)),
            };
            if self.names.insert(name.clone()) {
                return name;
            }
        }
    }
}

/// Most files of an application are copied and keep their times; a few are written by the build.
fn build_some_files(layer: &mut LayerRecipe, dice: &mut Dice) {
    for package in &mut layer.packages {
        for file in &mut package.files {
            if dice.chance(1) {
                file.mtime = Mtime::Built;
            }
        }
    }
}
