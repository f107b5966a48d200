//! What each change does to the layers of the previous release.

use super::Change;
use super::history::History;
use super::layer::Role;
use super::package::{Mtime, Package, Version, What};
use super::recipe::{Edit, FileKind, FileRecipe};
use crate::dice::{Dice, mix};

/// Files that one `patch` changes.
const PATCHED_FILES: u64 = 5;

impl History {
    /// Makes the next release by applying these changes in order.
    pub fn release(&mut self, changes: &[Change]) {
        self.release += 1;
        for (at, change) in changes.iter().enumerate() {
            let seed = mix(mix(mix(self.seed, 2), self.release), at as u64);
            self.apply(*change, &mut Dice::new(seed));
        }
    }

    fn apply(&mut self, change: Change, dice: &mut Dice) {
        match change {
            // The base system is always the lowest layer, and a build does not make it again.
            Change::Rebuild => self.rebuild_from(1),
            Change::Patch => {
                self.patch(dice);
                self.rebuild(Role::Application);
            }
            Change::PackageBump => {
                let now = self.now();
                bump(self.choose_package(dice), now, dice);
                self.rebuild(Role::Packages);
            }
            Change::BaseUpgrade => {
                let now = self.now();
                for package in &mut self.layer(Role::Base).packages {
                    upgrade(package, now, dice);
                }
                self.rebuild(Role::Base);
            }
            Change::Relink => {
                self.relink(dice);
                self.rebuild(Role::Application);
            }
            Change::Insert => {
                self.insert(dice);
                self.rebuild(Role::Application);
            }
            // The settings move below the packages and the others move up; the layers themselves do not change.
            Change::ReorderLayers => self.layers[1..].rotate_right(1),
        }
    }

    /// Rebuilds the layer of this role and all layers above it.
    fn rebuild(&mut self, role: Role) {
        let at = self.layers.iter().position(|layer| layer.role == role);
        self.rebuild_from(at.unwrap_or(0));
    }

    fn rebuild_from(&mut self, at: usize) {
        let now = self.now();
        for layer in &mut self.layers[at..] {
            layer.built = now;
        }
    }

    /// Changes a few bytes in each of a few files of the application.
    fn patch(&mut self, dice: &mut Dice) {
        let now = self.now();
        let mut files: Vec<_> = self.contents_of_application().collect();
        for _ in 0..PATCHED_FILES.min(files.len() as u64) {
            let at = dice.below(files.len() as u64) as usize;
            let (content, mtime) = files.swap_remove(at);
            content.edits.push(Edit::Flip { seed: dice.u64() });
            *mtime = Mtime::At(now);
        }
    }

    /// Adds functions to each binary of the application, about one for each 200, so that the code after them moves.
    fn relink(&mut self, dice: &mut Dice) {
        let now = self.now();
        for (content, mtime) in self.contents_of_application() {
            if content.kind == FileKind::Code {
                let units = 1 + content.bytes / 100_000;
                let seed = dice.u64();
                content.edits.push(Edit::Insert { seed, units });
                *mtime = Mtime::At(now);
            }
        }
    }

    /// Adds files to the packages of the application: a fiftieth of their bytes.
    fn insert(&mut self, dice: &mut Dice) {
        let now = self.now();
        for package in &mut self.layer(Role::Application).packages {
            let bytes = package.bytes() / 50;
            package.fill(dice, bytes.max(1), Mtime::At(now));
        }
    }

    fn contents_of_application(&mut self) -> impl Iterator<Item = (&mut FileRecipe, &mut Mtime)> {
        self.layer(Role::Application)
            .packages
            .iter_mut()
            .flat_map(|package| &mut package.files)
            .filter_map(|file| match &mut file.what {
                What::File(content) => Some((content, &mut file.mtime)),
                What::Symlink(_) | What::Hardlink(_) => None,
            })
    }

    /// A package of the packages layer, drawn with a probability proportional to its size.
    fn choose_package(&mut self, dice: &mut Dice) -> &mut Package {
        let packages = &mut self.layer(Role::Packages).packages;
        let mut left = dice.below(packages.iter().map(Package::bytes).sum());
        let mut chosen = 0;
        while left >= packages[chosen].bytes() {
            left -= packages[chosen].bytes();
            chosen += 1;
        }
        &mut packages[chosen]
    }
}

/// Gives a package its next version: every file gets a new time, and a tenth of the contents is new.
fn bump(package: &mut Package, now: u64, dice: &mut Dice) {
    let Version([major, minor, patch]) = package.version;
    package.version = Version([major, minor, patch + 1]);
    package.released = now;
    for file in &mut package.files {
        if let What::File(content) = &mut file.what {
            let seed = dice.u64();
            content.edits.push(Edit::Revise { seed, percent: 10 });
        }
    }
}

/// Gives a package the version of another release of the base system: most files are new, some share parts with their
/// old contents, few are unchanged.
fn upgrade(package: &mut Package, now: u64, dice: &mut Dice) {
    let Version([major, ..]) = package.version;
    package.version = Version([major + 1, dice.below(10), dice.below(10)]);
    package.released = now;
    for file in &mut package.files {
        let What::File(content) = &mut file.what else {
            continue;
        };
        let seed = dice.u64();
        match dice.below(100) {
            0..10 => {}
            10..50 => content.edits.push(Edit::Revise { seed, percent: 50 }),
            _ => {
                let bytes = content.bytes / 2 + dice.below(content.bytes + 1);
                *content = FileRecipe::new(content.kind, seed, bytes);
            }
        }
    }
}
