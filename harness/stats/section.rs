//! Sections: the rows of one scenario under one case in the order of its plan, each method's steps, the methods ranked.

use std::collections::BTreeMap;

use crate::record::{
    Act, Bases, Case, Check, Finding, Move, PlannedCase, PlannedImage, PlannedMethod, Results, Row,
    ScenarioPlan, Verb,
};

use super::index::{Index, Step};
use super::trouble::troubles;
use super::verdict::{Verdict, of_plan};
use super::{Samples, Trouble, middle, transfer_bytes};

/// A results folder in reading order.
#[derive(Clone, Debug, Default)]
pub struct Reading<'a> {
    pub scenarios: Vec<Scenario<'a>>,
    /// Rows of acts that the plan does not name. No view shows them.
    pub unplanned: usize,
}

/// One scenario of the plan.
#[derive(Clone, Debug)]
pub struct Scenario<'a> {
    pub plan: &'a ScenarioPlan,
    /// One for each case.
    pub sections: Vec<Section<'a>>,
    pub findings: Vec<&'a Finding>,
    /// On each expectation, in the order of the plan.
    pub verdicts: Vec<Verdict>,
    /// Probes, and what they looked at, that could not run.
    pub skipped: Vec<Trouble>,
    /// Probes, and what they looked at, that failed.
    pub failed: Vec<Trouble>,
}

/// One scenario under one case.
#[derive(Clone, Debug)]
pub struct Section<'a> {
    pub scenario: &'a ScenarioPlan,
    /// The command line of the run, as host.toml has it; empty where nothing says.
    pub command: &'a [String],
    pub case: &'a Case,
    pub publishes: Vec<&'a Move>,
    /// The update of the newest image from nothing, where it is planned.
    pub full: Option<&'a Move>,
    /// The updates of the newest image that have bases, in the order of the plan: the nearest release last.
    pub deltas: Vec<&'a Move>,
    /// The updates of other images, in the order of the plan.
    pub others: Vec<&'a Move>,
    /// Those with any figure first, ranked: smallest main update, then smallest full update, then smallest store. Among
    /// them a method without the figure comes last.
    pub methods: Vec<MethodRows<'a>>,
    /// Methods, or steps of them, that could not run here, by reason.
    pub skipped: Vec<Trouble>,
    /// Steps that failed, by reason.
    pub failed: Vec<Trouble>,
}

/// One method's steps in a section, in the order of the section's moves.
#[derive(Clone, Debug)]
pub struct MethodRows<'a> {
    pub method: &'a str,
    /// As the rows have it, else the plan; empty where the method could not run.
    pub version: &'a str,
    pub publishes: Vec<Samples<'a>>,
    pub full: Option<Samples<'a>>,
    pub deltas: Vec<Samples<'a>>,
    pub others: Vec<Samples<'a>>,
}

/// Every section of a results folder, in the order of its plan.
pub fn sections(results: &Results) -> Vec<Section<'_>> {
    let scenarios = read(results).scenarios.into_iter();
    scenarios.flat_map(|scenario| scenario.sections).collect()
}

/// Reads a results folder by its plan.
pub fn read(results: &Results) -> Reading<'_> {
    let index = Index::of(&results.rows);
    let mut findings: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for finding in &results.findings {
        let of_scenario = findings.entry(&finding.scenario).or_default();
        of_scenario.push(finding);
    }
    let mut probes: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in results.rows.iter().filter(|row| row.verb == Verb::Probe) {
        probes.entry(&row.scenario).or_default().push(row);
    }
    let mut planned = 0;
    let mut scenarios = Vec::new();
    for plan in &results.plan.scenarios {
        let sections: Vec<Section> = plan
            .cases
            .iter()
            .map(|case| Section {
                command: &results.host.command,
                ..Section::of(plan, case, &index)
            })
            .collect();
        let methods = sections.iter().flat_map(|section| &section.methods);
        planned += methods.flat_map(MethodRows::rows).count();
        let probes = probes.remove(plan.name.as_str()).unwrap_or_default();
        planned += probes.len();
        let by_probe = by_doer(&probes);
        let findings = findings.remove(plan.name.as_str()).unwrap_or_default();
        scenarios.push(Scenario {
            verdicts: of_plan(plan, &index, &findings),
            plan,
            sections,
            findings,
            skipped: troubles(&by_probe, Check::Skipped),
            failed: troubles(&by_probe, Check::Failed),
        });
    }
    Reading {
        scenarios,
        unplanned: results.rows.len().saturating_sub(planned),
    }
}

fn by_doer<'a>(rows: &[&'a Row]) -> Vec<(&'a str, Vec<&'a Row>)> {
    let mut doers: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        doers.entry(&row.method).or_default().push(row);
    }
    doers.into_iter().collect()
}

impl<'a> Section<'a> {
    fn of(scenario: &'a ScenarioPlan, case: &'a PlannedCase, index: &Index<'a>) -> Section<'a> {
        let of_verb = |verb| case.moves.iter().filter(move |act| act.verb == verb);
        let mut publishes: Vec<&Move> = Vec::new();
        for publish in of_verb(Verb::Publish) {
            if publishes.iter().all(|known| known.image != publish.image) {
                publishes.push(publish);
            }
        }
        let updated = of_verb(Verb::Update).next_back();
        let (to_newest, others): (Vec<&Move>, Vec<&Move>) = of_verb(Verb::Update)
            .partition(|update| updated.is_some_and(|last| last.image == update.image));
        let mut section = Section {
            scenario,
            command: &[],
            case: &case.case,
            publishes,
            full: to_newest.iter().copied().find(|it| it.bases.is_empty()),
            deltas: to_newest
                .into_iter()
                .filter(|update| !update.bases.is_empty())
                .collect(),
            others,
            methods: Vec::new(),
            skipped: Vec::new(),
            failed: Vec::new(),
        };
        let methods = scenario.methods.iter();
        section.methods = methods
            .map(|method| section.method(method, index))
            .collect();
        section.gather_troubles();
        section.rank();
        section
    }

    /// The names of the images in the order they were published, where that is a history. None where an image is updated
    /// from one that came after it.
    pub fn releases(&self) -> Vec<&'a str> {
        let images = self.publishes.iter().map(|it| it.image.as_str());
        let images: Vec<&str> = images.collect();
        let place = |name: &str| images.iter().position(|image| *image == name);
        let mut updates = self.deltas.iter().chain(&self.others);
        let back = updates.any(|update| {
            let mut bases = update.bases.names();
            bases.any(|base| place(base) > place(&update.image))
        });
        if back { Vec::new() } else { images }
    }

    fn method(&self, method: &'a PlannedMethod, index: &Index<'a>) -> MethodRows<'a> {
        let whose = (self.scenario.name.as_str(), method.name.as_str(), self.case);
        let samples = |step: &&'a Move| Samples {
            rows: index.rows(Step::new(whose, step.verb, &step.image, &step.bases)),
        };
        let all = |steps: &[&'a Move]| steps.iter().map(samples).collect();
        let mut rows = MethodRows {
            method: &method.name,
            version: "",
            publishes: all(&self.publishes),
            full: self.full.as_ref().map(samples),
            deltas: all(&self.deltas),
            others: all(&self.others),
        };
        let version = rows.rows().map(|row| row.version.as_str());
        let version = version.filter(|version| !version.is_empty()).last();
        rows.version = version.or(method.version.as_deref()).unwrap_or_default();
        rows
    }

    fn gather_troubles(&mut self) {
        let by_method: Vec<(&str, Vec<&Row>)> = self
            .methods
            .iter()
            .map(|method| (method.method, method.rows().collect()))
            .collect();
        self.skipped = troubles(&by_method, Check::Skipped);
        self.failed = troubles(&by_method, Check::Failed);
        // A method that the plan leaves out has no rows at all.
        for (planned, (method, rows)) in self.scenario.methods.iter().zip(&by_method) {
            if let Some(reason) = planned.skipped.as_ref().filter(|_| rows.is_empty()) {
                Trouble::add(&mut self.skipped, method, reason);
            }
        }
    }

    fn rank(&mut self) {
        let moved = |step: Option<&Samples>| {
            let moved = step.and_then(|step| step.spread(transfer_bytes));
            moved.map_or(u64::MAX, |spread| spread.median)
        };
        self.methods.sort_by_cached_key(|method| {
            (
                !method.any_verified(),
                moved(method.main()),
                moved(method.full.as_ref()),
                method.stored().unwrap_or(i64::MAX),
                method.method,
            )
        });
    }

    /// The methods with any figure, best first.
    pub fn ranked(&self) -> &[MethodRows<'a>] {
        let with_figures = self.methods.partition_point(MethodRows::any_verified);
        &self.methods[..with_figures]
    }

    /// The update that methods are ranked by: of the newest image from the nearest release, else from nothing.
    pub fn main(&self) -> Option<&'a Move> {
        self.deltas.last().copied().or(self.full)
    }

    /// The image that was updated to; without updates the last one published, else the scenario's last.
    pub fn newest(&self) -> Option<&'a PlannedImage> {
        match self.main().or(self.publishes.last().copied()) {
            Some(act) => self.scenario.image(&act.image, self.case),
            None => self.scenario.images.last(),
        }
    }

    /// A method's updates that have bases, each with its samples, in the order of the plan.
    pub fn updates<'s>(
        &self,
        method: &'s MethodRows<'a>,
    ) -> impl Iterator<Item = (&'a Move, &'s Samples<'a>)> {
        let others = self.others.iter().copied().zip(&method.others);
        let deltas = self.deltas.iter().copied().zip(&method.deltas);
        let all: Vec<_> = others.chain(deltas).collect();
        all.into_iter()
            .filter(|(update, _)| !update.bases.is_empty())
    }

    /// What the client holds before the main update, if anything.
    pub fn nearest(&self) -> Option<&'a Bases> {
        self.deltas.last().map(|update| &update.bases)
    }

    /// `smoke`, or `smoke [policy=all]` where axes are turned.
    pub fn title(&self) -> String {
        match self.case.is_empty() {
            true => self.scenario.name.clone(),
            false => format!("{} [{}]", self.scenario.name, self.case),
        }
    }
}

impl<'a> MethodRows<'a> {
    /// The step that methods are ranked by.
    pub fn main(&self) -> Option<&Samples<'a>> {
        self.deltas.last().or(self.full.as_ref())
    }

    /// Every step, publishes first, the main one last.
    pub fn steps(&self) -> impl Iterator<Item = &Samples<'a>> {
        self.publishes.iter().chain(self.updates())
    }

    /// Every update: of other images first.
    pub fn updates(&self) -> impl Iterator<Item = &Samples<'a>> {
        self.others.iter().chain(&self.full).chain(&self.deltas)
    }

    pub fn rows(&self) -> impl Iterator<Item = &'a Row> + '_ {
        self.steps().flat_map(|step| step.rows.iter().copied())
    }

    pub fn any_verified(&self) -> bool {
        self.rows().any(Row::verified)
    }

    /// The store's size after each publish, in bytes: the publishes' additions summed up, the median over samples.
    /// `None` from the first publish on that no sample has verified.
    pub fn stored_after(&self) -> Vec<Option<i64>> {
        let rows = self.publishes.iter().flat_map(|step| &step.rows);
        let mut sizes: BTreeMap<u32, i64> = rows.map(|row| (row.sample, 0)).collect();
        let grow = |step: &Samples| {
            let added: BTreeMap<u32, i64> = step
                .verified()
                .filter_map(|row| row.store_bytes.map(|bytes| (row.sample, bytes)))
                .collect();
            // A sample whose publish was not verified drops out here for good: its later sizes are unknown.
            sizes.retain(|sample, size| added.get(sample).map(|bytes| *size += bytes).is_some());
            let mut after: Vec<i64> = sizes.values().copied().collect();
            after.sort_unstable();
            (!after.is_empty()).then(|| middle(&after, i64::midpoint))
        };
        self.publishes.iter().map(grow).collect()
    }

    /// The server's storage once everything is published, in bytes.
    pub fn stored(&self) -> Option<i64> {
        self.stored_after().last().copied().flatten()
    }

    /// What all updates together move, in bytes; `None` unless each has a figure.
    pub fn moved_by_all(&self) -> Option<u64> {
        self.updates()
            .map(|step| step.spread(transfer_bytes).map(|spread| spread.median))
            .sum()
    }
}

/// A move in words, as [`Act::deed`] has them.
pub fn deed(of: &Move) -> String {
    Act {
        verb: of.verb,
        image: of.image.clone(),
        bases: of.bases.clone(),
        ..Act::default()
    }
    .deed()
}

#[cfg(test)]
mod tests;
