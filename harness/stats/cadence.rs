//! Cadence: what a client pays over a whole history that updates to every release, to every second one, and so on; and what
//! the server pays for it.

use crate::record::Bases;

use super::assume::Assumptions;
use super::{MethodRows, Samples, Section, transfer_bytes};

const GB: f64 = 1e9;
const MONTHS: f64 = 12.0;

/// Fewer steps between releases than this are no history.
const FEWEST_STEPS: usize = 4;

/// The updates of a client that skips releases, summed up over the history.
#[derive(Clone, Debug, PartialEq)]
pub struct Cadence {
    /// It updates to every `every`-th release.
    pub every: usize,
    pub updates: usize,
    /// Bodies in both directions.
    pub transfer_bytes: u64,
    /// Everything that crossed.
    pub wire_bytes: u64,
    pub requests: u64,
}

/// What a cadence comes to in a year.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Year {
    /// Of one client: bodies in both directions.
    pub client_bytes: f64,
    /// Of the fleet, in US dollars.
    pub egress: f64,
    pub requests: f64,
    pub storage: f64,
}

impl Year {
    /// What the server pays.
    pub fn server(&self) -> f64 {
        self.egress + self.requests + self.storage
    }
}

/// The cadences of which every update was made and verified, from the oldest release on; empty where there is but one.
pub fn cadences(section: &Section, method: &MethodRows) -> Vec<Cadence> {
    let releases = section.releases();
    let steps = releases.len().saturating_sub(1);
    if steps < FEWEST_STEPS {
        return Vec::new();
    }
    let updates: Vec<_> = section.updates(method).collect();
    let find = |image: &str, base: &str| {
        let bases: Bases = [base].into_iter().collect();
        let found = updates
            .iter()
            .find(|(it, _)| it.image == image && it.bases == bases);
        found.map(|(_, samples)| *samples)
    };
    let all = (1..=steps).filter_map(|every| {
        let chain: Option<Vec<&Samples>> = (1..=steps / every)
            .map(|step| find(releases[step * every], releases[(step - 1) * every]))
            .collect();
        summed(every, &chain?)
    });
    // One update over the whole history is no cadence.
    let all: Vec<Cadence> = all.filter(|it| it.updates > 1).collect();
    if all.len() < 2 { Vec::new() } else { all }
}

fn summed(every: usize, chain: &[&Samples]) -> Option<Cadence> {
    let mut sum = Cadence {
        every,
        updates: chain.len(),
        transfer_bytes: 0,
        wire_bytes: 0,
        requests: 0,
    };
    for step in chain {
        let median =
            |of: fn(&crate::record::Row) -> Option<u64>| step.spread(of).map(|it| it.median);
        let moved = median(transfer_bytes)?;
        sum.transfer_bytes += moved;
        sum.wire_bytes += moved + median(|row| row.header_bytes).unwrap_or(0);
        sum.requests += median(|row| row.requests).unwrap_or(0);
    }
    Some(sum)
}

impl Cadence {
    /// A year of it: as many releases as the fleet assumes, each like those of the history on average, and `stored_bytes`
    /// kept all the year.
    pub fn year(&self, stored_bytes: i64, assumed: &Assumptions) -> Year {
        let (fleet, price) = (&assumed.fleet, &assumed.price);
        let years = (self.updates * self.every) as f64 / fleet.releases_per_year;
        let of_fleet = |sum: u64| fleet.devices * sum as f64 / years;
        Year {
            client_bytes: self.transfer_bytes as f64 / years,
            egress: of_fleet(self.wire_bytes) / GB * price.egress_gb,
            requests: of_fleet(self.requests) / 1e6 * price.requests_million,
            storage: stored_bytes.max(0) as f64 / GB * MONTHS * price.storage_gb_month,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Results, Verb};
    use crate::stats::fixture::every_step;
    use crate::stats::sections;

    /// A history of five releases, each update of a method of a size of its own.
    fn history() -> Results {
        let mut results = every_step(1, 5);
        let plan = &mut results.plan.scenarios[0].cases[0].moves;
        let more: Vec<_> = plan
            .iter()
            .filter(|it| it.verb == Verb::Update && it.image != "v1")
            .cloned()
            .collect();
        let template = results
            .rows
            .iter()
            .find(|it| it.verb == Verb::Update && !it.bases.is_empty())
            .unwrap()
            .clone();
        for (image, base, bytes) in [("v3", "v1", 300), ("v5", "v3", 500)] {
            let bases: Bases = [base].into_iter().collect();
            let mut update = more[0].clone();
            (update.image, update.bases) = (image.into(), bases.clone());
            // The update to the newest release stays the last one.
            plan.insert(plan.len() - 1, update);
            let mut row = template.clone();
            (row.image, row.bases) = (image.into(), bases);
            (row.payload_bytes, row.upload_bytes) = (Some(bytes), Some(0));
            (row.header_bytes, row.requests) = (Some(10), Some(2));
            results.rows.push(row);
        }
        results
    }

    #[test]
    fn a_client_that_skips_releases_makes_the_updates_of_its_cadence_alone() {
        let results = history();
        let sections = sections(&results);
        let method = &sections[0].methods[0];
        let found = cadences(&sections[0], method);
        let kinds: Vec<_> = found.iter().map(|it| (it.every, it.updates)).collect();
        assert_eq!(kinds, [(1, 4), (2, 2)]);
        let second = &found[1];
        assert_eq!(
            (second.transfer_bytes, second.wire_bytes, second.requests),
            (800, 820, 4)
        );
    }

    #[test]
    fn a_cadence_with_a_failed_update_has_no_sum() {
        let mut results = history();
        let skipped = |it: &crate::record::Row| it.image == "v3" && it.bases.to_string() == "v1";
        results.rows.retain(|it| !skipped(it));
        let sections = sections(&results);
        // Every release alone is left, and one is nothing to compare.
        assert!(cadences(&sections[0], &sections[0].methods[0]).is_empty());
    }

    #[test]
    fn images_that_are_updated_back_and_forth_are_no_history_and_have_no_cadence() {
        let mut results = history();
        let plan = &mut results.plan.scenarios[0].cases[0].moves;
        let mut back = plan.last().unwrap().clone();
        (back.image, back.bases) = ("v1".into(), ["v2"].into_iter().collect());
        plan.insert(plan.len() - 1, back);
        let sections = sections(&results);
        assert!(sections[0].releases().is_empty());
        assert!(cadences(&sections[0], &sections[0].methods[0]).is_empty());
    }

    #[test]
    fn a_year_is_as_many_releases_as_the_fleet_assumes() {
        let cadence = Cadence {
            every: 2,
            updates: 3,
            transfer_bytes: 6_000_000,
            wire_bytes: 9_000_000,
            requests: 30,
        };
        let assumed = Assumptions::default();
        // 1,000 devices, 12 releases a year: the six releases are half a year.
        let year = cadence.year(2_000_000_000, &assumed);
        assert!((year.client_bytes - 12_000_000.0).abs() < 1e-6);
        assert!((year.egress - 18.0 * 0.09).abs() < 1e-9);
        assert!((year.requests - 0.06 * 0.40).abs() < 1e-9);
        assert!((year.storage - 2.0 * 12.0 * 0.023).abs() < 1e-9);
        let sum = year.egress + year.requests + year.storage;
        assert!((year.server() - sum).abs() < 1e-12);
    }
}
