//! A gate for the owner of an image: what a change does to the updates of clients, against the team's rules.

use crate::record::{Bases, Case, Check, Results, Row, Verb};

use super::index::{Index, Step};
use super::{Samples, transfer_bytes};

mod growth;
mod rules;

pub use growth::{Grown, growth, growth_by_cause};
pub use rules::{LIMITS, Limits, Rules, Waiver};

/// Names of the two scenarios of a gate's run: the releases with the image before the change, and with the one after.
pub const BEFORE: &str = "before";
pub const AFTER: &str = "after";

/// The images of a gate's run, by their names.
pub struct Images<'a> {
    /// What clients have, oldest first.
    pub releases: &'a [String],
    pub base: &'a str,
    pub head: &'a str,
    /// Whether the state before was measured: not so where clients have the base itself.
    pub with_before: bool,
}

/// What the change does.
#[derive(Debug, Default)]
pub struct Gate {
    /// In the order of the rules, the team's own first.
    pub methods: Vec<Effect>,
    pub breaches: Vec<Breach>,
    /// Methods whose steps failed, and those that could not run here, with the reason.
    pub failed: Vec<(String, String)>,
    pub skipped: Vec<(String, String)>,
    /// Waivers that ended before today and would have been needed.
    pub ended: Vec<Waiver>,
}

/// What the change does to one method.
#[derive(Debug)]
pub struct Effect {
    pub method: String,
    /// Clients of each release, oldest first.
    pub deltas: Vec<Line>,
    pub full: Line,
    pub storage: Line,
}

/// One figure before and after the change.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    /// The release that the client has; empty for none.
    pub release: String,
    pub before: Option<i128>,
    pub after: Option<i128>,
    pub requests: Option<u64>,
}

impl Line {
    /// By how much it grew.
    pub fn change(&self) -> Option<i128> {
        Some(self.after? - self.before?)
    }
}

/// A limit that is passed.
#[derive(Clone, Debug)]
pub struct Breach {
    pub method: String,
    /// Name of the limit.
    pub limit: &'static str,
    /// The release of whose clients it speaks; empty for none.
    pub release: String,
    pub figure: f64,
    pub most: f64,
    pub waiver: Option<Waiver>,
}

/// How a gate ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// No figure changed.
    Unchanged,
    Passes,
    /// Every limit that is passed has a waiver.
    Waived,
    Fails,
    Unverified,
    /// A method cannot run here, so nothing is known of it.
    Unknown,
}

impl Passage {
    /// The exit code of the program, as of `diff`.
    pub fn code(self) -> u8 {
        match self {
            Passage::Unchanged | Passage::Passes | Passage::Waived => 0,
            Passage::Fails => 1,
            Passage::Unverified => 3,
            Passage::Unknown => 4,
        }
    }
}

impl Gate {
    pub fn passage(&self) -> Passage {
        let changed = |line: &Line| line.before.is_none() || line.before != line.after;
        let mut lines = self.methods.iter().flat_map(Effect::lines);
        if !self.failed.is_empty() {
            Passage::Unverified
        } else if self.breaches.iter().any(|breach| breach.waiver.is_none()) {
            Passage::Fails
        } else if !self.skipped.is_empty() {
            Passage::Unknown
        } else if !self.breaches.is_empty() {
            Passage::Waived
        } else if lines.any(changed) {
            Passage::Passes
        } else {
            Passage::Unchanged
        }
    }

    /// The update that the verdict speaks of: of the team's own method, the one that grew most, of two alike the one
    /// from the newest release.
    pub fn worst(&self) -> Option<&Line> {
        let deltas = self.methods.first()?.deltas.iter();
        deltas.max_by_key(|line| (line.change().unwrap_or(0), line.after))
    }
}

impl Effect {
    pub fn lines(&self) -> impl Iterator<Item = &Line> {
        self.deltas.iter().chain([&self.full, &self.storage])
    }
}

/// Reads the gate's run and holds it against the rules; `today` is a day such as `2026-11-24`.
pub fn gate(results: &Results, rules: &Rules, images: &Images, today: &str) -> Gate {
    let index = Index::of(&results.rows);
    let mut gate = Gate::default();
    for method in &rules.methods {
        let rows = || results.rows.iter().filter(|row| row.method == *method);
        let first = |check: Check| rows().find(|row| row.check == check);
        if let Some(row) = first(Check::Failed) {
            gate.failed.push((
                method.clone(),
                format!("{}: {}", row.act().deed(), row.error),
            ));
        }
        let why = first(Check::Skipped).map(|row| row.error.to_string());
        let why = why.or_else(|| rows().next().is_none().then(|| left_out(results, method)));
        if let Some(why) = why {
            gate.skipped.push((method.clone(), why));
        }
        gate.methods.push(effect(&index, method, images));
    }
    for effect in &gate.methods {
        let limits = rules.limits(&effect.method);
        gate.breaches.extend(breaches(effect, &limits));
    }
    for breach in &mut gate.breaches {
        let fits = |it: &&Waiver| it.limit == breach.limit && breach.figure <= it.up_to.0;
        let mut fitting: Vec<&Waiver> = rules.waivers.iter().filter(fits).collect();
        fitting.sort_by_key(|waiver| !waiver.counts(today));
        match fitting.first() {
            Some(waiver) if waiver.counts(today) => breach.waiver = Some((*waiver).clone()),
            Some(waiver) if !gate.ended.contains(waiver) => gate.ended.push((*waiver).clone()),
            _ => {}
        }
    }
    gate
}

/// Why the plan leaves a method out.
fn left_out(results: &Results, method: &str) -> String {
    let planned = results.plan.scenarios.iter().flat_map(|plan| &plan.methods);
    let mut reasons = planned
        .filter(|it| it.name == method)
        .filter_map(|it| it.skipped.clone());
    reasons.next().unwrap_or("it has no rows".to_string())
}

fn effect(index: &Index, method: &str, images: &Images) -> Effect {
    let figure = |scenario, verb, image, bases: &Bases, of: &dyn Fn(&Row) -> Option<i128>| {
        let case = Case::default();
        let step = Step::new((scenario, method, &case), verb, image, bases);
        let samples = Samples {
            rows: index.rows(step),
        };
        super::median(samples.verified().filter_map(of))
    };
    let line = |release: &str, verb, of: &dyn Fn(&Row) -> Option<i128>| {
        let bases: Bases = match release {
            "" => Bases::default(),
            release => [release].into_iter().collect(),
        };
        let requests = |row: &Row| row.requests.map(i128::from);
        Line {
            release: release.to_string(),
            before: figure(BEFORE, verb, images.base, &bases, of).filter(|_| images.with_before),
            after: figure(AFTER, verb, images.head, &bases, of),
            requests: figure(AFTER, verb, images.head, &bases, &requests)
                .and_then(|requests| u64::try_from(requests).ok()),
        }
    };
    let moved = |row: &Row| transfer_bytes(row).map(i128::from);
    let stored = |row: &Row| row.store_bytes.map(i128::from);
    Effect {
        method: method.to_string(),
        deltas: images
            .releases
            .iter()
            .map(|release| line(release, Verb::Update, &moved))
            .collect(),
        full: line("", Verb::Update, &moved),
        storage: line("", Verb::Publish, &stored),
    }
}

fn breaches(of: &Effect, limits: &Limits) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let mut hold = |limit, line: &Line, figure: Option<f64>, most: Option<f64>| {
        if let (Some(figure), Some(most)) = (figure, most)
            && figure > most
        {
            breaches.push(Breach {
                method: of.method.clone(),
                limit,
                release: line.release.clone(),
                figure,
                most,
                waiver: None,
            });
        }
    };
    let grown = |line: &Line| line.change().map(|change| change as f64);
    for line in &of.deltas {
        hold(
            "delta_grows",
            line,
            grown(line),
            limits.delta_grows.map(|it| it.0),
        );
        let share = line.after.zip(of.full.after);
        let share = share.map(|(delta, full)| delta as f64 / full.max(1) as f64);
        hold("delta_share", line, share, limits.delta_share);
        let requests = line.requests.map(|requests| requests as f64);
        hold(
            "requests",
            line,
            requests,
            limits.requests.map(|it| it as f64),
        );
    }
    hold(
        "full_grows",
        &of.full,
        grown(&of.full),
        limits.full_grows.map(|it| it.0),
    );
    hold(
        "storage_grows",
        &of.storage,
        grown(&of.storage),
        limits.storage_grows.map(|it| it.0),
    );
    breaches
}

#[cfg(test)]
mod tests;
