//! Offers: what one method costs on a server and on a device, gathered from its rows for a choice.

use crate::record::{Case, Check};

use super::{MethodRows, Samples, Scenario, Section, transfer_bytes};

/// What one update costs: medians over verified samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Cost {
    /// What the device holds before; empty: nothing.
    pub from: String,
    /// Bodies in both directions.
    pub transfer_bytes: u64,
    /// Everything that crossed: bodies, heads and framing, in both directions.
    pub wire_bytes: u64,
    pub requests: u64,
    /// Wall time of the step on loopback.
    pub apply_ns: u64,
    /// The most memory of its largest process.
    pub memory_bytes: u64,
    /// What was read of the bases, where they lay on the disk alone.
    pub base_read_bytes: Option<u64>,
}

/// One method under one case.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    pub method: String,
    pub case: Case,
    /// It moves the unpacked tree and cannot give the archive back.
    pub tree: bool,
    /// Updates to the newest image, from the nearest release first; `None` where that step has no figure.
    pub deltas: Vec<Option<Cost>>,
    pub full: Option<Cost>,
    pub publish_ns: Option<u64>,
    /// The store after the first release.
    pub first_bytes: Option<i64>,
    /// What the newest release added to it.
    pub added_bytes: Option<i64>,
    /// The store after all releases.
    pub stored_bytes: Option<i64>,
}

impl Cost {
    fn of(step: &Samples, from: String) -> Option<Cost> {
        let median =
            |of: fn(&crate::record::Row) -> Option<u64>| step.spread(of).map(|it| it.median);
        let transfer = median(transfer_bytes)?;
        Some(Cost {
            from,
            transfer_bytes: transfer,
            wire_bytes: transfer + median(|row| row.header_bytes).unwrap_or(0),
            requests: median(|row| row.requests).unwrap_or(0),
            apply_ns: median(|row| row.wall_ns)?,
            memory_bytes: step.spread(|row| row.peak_rss_bytes).map_or(0, |it| it.max),
            base_read_bytes: median(|row| row.base_read_bytes),
        })
    }
}

impl Offer {
    /// What a section's method offers.
    pub fn of(section: &Section, method: &MethodRows) -> Offer {
        let stored = method.stored_after();
        let after = |at: usize| stored.get(at).copied().flatten();
        let last = stored.len().checked_sub(1);
        let bases = section.deltas.iter().map(|delta| delta.bases.to_string());
        let mut deltas: Vec<Option<Cost>> = method
            .deltas
            .iter()
            .zip(bases)
            .map(|(step, from)| Cost::of(step, from))
            .collect();
        deltas.reverse();
        Offer {
            method: method.method.to_string(),
            case: section.case.clone(),
            tree: method.rows().any(|row| row.check == Check::Tree),
            deltas,
            full: method
                .full
                .as_ref()
                .and_then(|step| Cost::of(step, String::new())),
            publish_ns: method
                .publishes
                .last()
                .and_then(|step| step.spread(|row| row.wall_ns))
                .map(|wall| wall.median),
            first_bytes: after(0),
            added_bytes: match last {
                Some(0) => after(0),
                Some(last) => after(last)
                    .zip(after(last - 1))
                    .map(|(end, before)| end - before),
                None => None,
            },
            stored_bytes: last.and_then(after),
        }
    }

    /// The method, with its case where the scenario turned an axis.
    pub fn name(&self) -> String {
        match self.case.is_empty() {
            true => self.method.clone(),
            false => format!("{} [{}]", self.method, self.case),
        }
    }

    /// The update that methods are ranked by.
    pub fn main(&self) -> Option<&Cost> {
        match self.deltas.first() {
            Some(nearest) => nearest.as_ref(),
            None => self.full.as_ref(),
        }
    }
}

/// Every method of a section that has a figure, in the order of its ranking.
pub fn of_section(section: &Section) -> Vec<Offer> {
    let ranked = section.ranked().iter();
    ranked.map(|method| Offer::of(section, method)).collect()
}

/// The offers among which somebody can choose, by the conditions that nobody chooses: of a case's axes only the policy
/// is the server's choice.
pub fn by_conditions(scenario: &Scenario) -> Vec<(Case, Vec<Offer>)> {
    let mut groups: Vec<(Case, Vec<Offer>)> = Vec::new();
    for section in &scenario.sections {
        let axes = section.case.axes().filter(|(axis, _)| *axis != "policy");
        let conditions = axes.fold(Case::default(), |case, (axis, value)| {
            case.with(axis, value)
        });
        let offers = of_section(section);
        match groups.iter_mut().find(|(case, _)| *case == conditions) {
            Some((_, group)) => group.extend(offers),
            None => groups.push((conditions, offers)),
        }
    }
    groups.retain(|(_, offers)| !offers.is_empty());
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::fixture::{policies, results};
    use crate::stats::{read, sections};

    #[test]
    fn an_offer_has_the_figures_of_its_rows_the_nearest_release_first() {
        let results = results("pair", 2, 3, 1);
        let sections = sections(&results);
        let offers = of_section(&sections[0]);
        let chunked = offers.iter().find(|it| it.method == "fastcdc/64k").unwrap();
        let row = results.rows.iter().find(|row| {
            row.method == "fastcdc/64k"
                && row.image == "v3"
                && row.bases.to_string() == "v2"
                && row.payload_bytes.is_some()
        });
        let (row, near) = (row.unwrap(), chunked.deltas[0].as_ref().unwrap());
        assert_eq!(near.from, "v2");
        assert_eq!(Some(near.transfer_bytes), row.payload_bytes);
        assert_eq!(
            near.wire_bytes,
            near.transfer_bytes + row.header_bytes.unwrap()
        );
        assert!(near.transfer_bytes < chunked.deltas[1].as_ref().unwrap().transfer_bytes);
        let (first, added) = (chunked.first_bytes.unwrap(), chunked.added_bytes.unwrap());
        assert!(first > added && added > 0 && chunked.stored_bytes.unwrap() > first + added);
    }

    #[test]
    fn policies_are_chosen_among_and_other_axes_are_not() {
        let mut results = policies(3, 4);
        let groups = |results| by_conditions(&read(results).scenarios[0]);
        assert_eq!(groups(&results).len(), 1);
        assert_eq!(groups(&results)[0].1.len(), 6);
        let plan = &mut results.plan.scenarios[0];
        let turned = |case: &Case| case.clone().with("fault", case.get("policy").unwrap());
        for case in &mut plan.cases {
            case.case = turned(&case.case);
        }
        for row in &mut results.rows {
            row.case = turned(&row.case);
        }
        let apart = by_conditions(&read(&results).scenarios[0]);
        assert_eq!(apart.len(), 2);
        assert_eq!(apart[0].0.to_string(), "fault=all");
    }
}
