//! Hops: what crossed between clients and the edge, and between the edge and the origin, as one client after another made
//! the same update; and what that costs.

use std::collections::BTreeMap;

use crate::record::{Bases, Case, Clients, Finding, Road};

use super::assume::Assumptions;
use super::median;

/// Bytes and requests of one hop. Every byte counts, heads too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hop {
    pub bytes: u64,
    pub requests: u64,
}

/// What one client pulled from the edge, and what the edge fetched from the origin because of it. Without a cache both are
/// the same hop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pull {
    pub edge: Hop,
    pub origin: Hop,
}

/// One update, made by clients one after another over one road.
#[derive(Clone, Debug)]
pub struct Served<'a> {
    pub method: &'a str,
    pub image: &'a str,
    pub bases: &'a Bases,
    pub road: &'static Road,
    pub case: &'a Case,
    pub total: Pull,
    /// The clients in their order; medians over samples.
    pub clients: Vec<Pull>,
}

/// What serving costs, in US dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Paid {
    /// To whoever runs the cache; nothing without one.
    pub edge: f64,
    /// To whoever holds what was published.
    pub origin: f64,
}

impl Paid {
    pub fn total(self) -> f64 {
        self.edge + self.origin
    }
}

type Key<'a> = (&'a str, &'a str, &'a Bases, &'a Case);

/// Every update of which hops were found, in order of appearance.
pub fn served<'a>(findings: &[&'a Finding]) -> Vec<Served<'a>> {
    let mut keys: Vec<Key> = Vec::new();
    let mut found: BTreeMap<Key, BTreeMap<(&str, &str), Vec<i128>>> = BTreeMap::new();
    for finding in findings {
        let finding: &'a Finding = finding;
        let key: Key = (
            &finding.method,
            &finding.image,
            &finding.bases,
            &finding.case,
        );
        if !found.contains_key(&key) {
            keys.push(key);
        }
        let values = found.entry(key).or_default();
        let values = values.entry((finding.part.as_str(), finding.measure.as_str()));
        values.or_default().push(finding.value.into());
    }
    keys.into_iter()
        .filter_map(|key| of_act(key, &found[&key]))
        .collect()
}

fn of_act<'a>(
    (method, image, bases, case): Key<'a>,
    found: &BTreeMap<(&str, &str), Vec<i128>>,
) -> Option<Served<'a>> {
    let one = |part: &str, measure: &str| {
        let values = found.get(&(part, measure))?.iter().copied();
        u64::try_from(median(values)?).ok()
    };
    let pull = |part: &str| {
        let hop = |bytes, requests| {
            Some(Hop {
                bytes: one(part, bytes)?,
                requests: one(part, requests)?,
            })
        };
        Some(Pull {
            edge: hop("edge_bytes", "edge_requests")?,
            origin: hop("origin_bytes", "origin_requests")?,
        })
    };
    let total = pull("")?;
    let count = Clients::named(case.get(Clients::AXIS).unwrap_or(Clients::ONE)).ok()?;
    let clients: Vec<Pull> = match count {
        1 => vec![total],
        count => (1..=count)
            .map(|client| pull(&format!("client {client}")))
            .collect::<Option<_>>()?,
    };
    Some(Served {
        method,
        image,
        bases,
        road: Road::named(case.get(Road::AXIS).unwrap_or(Road::DIRECT)).ok()?,
        case,
        total,
        clients,
    })
}

impl Served<'_> {
    /// Of a hundred requests at the edge, how many the origin was spared; nothing without a cache.
    pub fn hit_percent(&self) -> Option<f64> {
        let (edge, origin) = (self.total.edge.requests, self.total.origin.requests);
        let spared = edge.saturating_sub(origin) as f64;
        (self.road.cache && edge > 0).then(|| spared / edge as f64 * 100.0)
    }

    /// What these clients cost.
    pub fn paid(&self, assumed: &Assumptions) -> Paid {
        price(self.total, 1.0, self.road, assumed)
    }

    /// What the assumed fleet costs in a year: of each release the first client costs what the first one did here, every
    /// other what the others did on average. Nothing where one client alone was served by a cache.
    pub fn year(&self, assumed: &Assumptions) -> Option<Paid> {
        let fleet = &assumed.fleet;
        let updates = fleet.devices * fleet.releases_per_year / fleet.releases_behind;
        let (first, others) = self.clients.split_first()?;
        if others.is_empty() {
            let alike = !self.road.cache;
            return alike.then(|| price(*first, updates, self.road, assumed));
        }
        let firsts = fleet.releases_per_year.min(updates);
        let each = (updates - firsts) / others.len() as f64;
        let later = others.iter().fold(Pull::default(), |sum, pull| Pull {
            edge: sum.edge.plus(pull.edge),
            origin: sum.origin.plus(pull.origin),
        });
        let cold = price(*first, firsts, self.road, assumed);
        let warm = price(later, each, self.road, assumed);
        Some(Paid {
            edge: cold.edge + warm.edge,
            origin: cold.origin + warm.origin,
        })
    }
}

impl Hop {
    pub fn plus(self, other: Hop) -> Hop {
        Hop {
            bytes: self.bytes + other.bytes,
            requests: self.requests + other.requests,
        }
    }
}

/// So many pulls of one kind.
fn price(pull: Pull, times: f64, road: &Road, assumed: &Assumptions) -> Paid {
    let price = &assumed.price;
    let hop = |hop: Hop, gigabyte: f64, million: f64| {
        times * (hop.bytes as f64 / 1e9 * gigabyte + hop.requests as f64 / 1e6 * million)
    };
    match road.cache {
        true => Paid {
            edge: hop(pull.edge, price.cdn_gb, price.cdn_requests_million),
            origin: hop(pull.origin, price.cdn_fill_gb, price.requests_million),
        },
        false => Paid {
            edge: 0.0,
            origin: hop(pull.origin, price.egress_gb, price.requests_million),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Act, Verb};

    /// Two clients over the road; the second one's pull reaches the origin only without a cache.
    fn found(road: &str) -> Vec<Finding> {
        let act = Act {
            scenario: "s".into(),
            doer: "casync/64k".into(),
            case: format!("clients=2 road={road}").parse().unwrap(),
            verb: Verb::Update,
            image: "new".into(),
            sample: 1,
            ..Act::default()
        };
        let second = if road == "cdn" { 0 } else { 1 };
        let pulls = [
            ("client 1", 1, 1),
            ("client 2", 1, second),
            ("", 2, 1 + second),
        ];
        pulls
            .iter()
            .flat_map(|(part, edge, origin)| {
                [
                    ("edge_bytes", edge * 2_000_000_000),
                    ("edge_requests", edge * 1_000_000),
                    ("origin_bytes", origin * 2_000_000_000),
                    ("origin_requests", origin * 1_000_000),
                    ("some_other", 7),
                ]
                .map(|(measure, value)| Finding::of(&act, part, measure, value))
            })
            .collect()
    }

    fn only<'a>(findings: &[&'a Finding]) -> Served<'a> {
        let [served] = served(findings).try_into().unwrap();
        served
    }

    #[test]
    fn a_cache_spares_the_origin_and_the_bill_says_who_pays() {
        let assumed = Assumptions::default();
        let price = &assumed.price;
        let (cdn, s3) = (found("cdn"), found("s3"));
        let (cdn, s3): (Vec<_>, Vec<_>) = (cdn.iter().collect(), s3.iter().collect());
        let (cdn, s3) = (only(&cdn), only(&s3));
        assert_eq!(cdn.hit_percent(), Some(50.0));
        assert_eq!(s3.hit_percent(), None);
        let near = |one: f64, other: f64| assert!((one - other).abs() < 1e-9, "{one} {other}");
        let paid = cdn.paid(&assumed);
        near(
            paid.edge,
            4.0 * price.cdn_gb + 2.0 * price.cdn_requests_million,
        );
        near(
            paid.origin,
            2.0 * price.cdn_fill_gb + price.requests_million,
        );
        let paid = s3.paid(&assumed);
        near(
            paid.total(),
            4.0 * price.egress_gb + 2.0 * price.requests_million,
        );
        near(paid.edge, 0.0);
        // 12 releases for 1,000 devices: the origin is asked once for each release.
        let year = cdn.year(&assumed).unwrap();
        near(
            year.origin,
            12.0 * (2.0 * price.cdn_fill_gb + price.requests_million),
        );
        near(
            year.edge,
            12_000.0 * (2.0 * price.cdn_gb + price.cdn_requests_million),
        );
        let year = s3.year(&assumed).unwrap();
        near(year.total(), 6_000.0 * s3.paid(&assumed).total());
        // Devices that take every third release take four in a year.
        let mut assumed = assumed;
        assumed.fleet.releases_behind = 3.0;
        let year = s3.year(&assumed).unwrap();
        near(year.total(), 2_000.0 * s3.paid(&assumed).total());
    }

    /// Of three clients the later two differ: what they cost on average is what every later one costs.
    #[test]
    fn what_later_clients_cost_is_their_average() {
        let mut found = found("cdn");
        let mut third = found.clone();
        third.retain(|it| it.part == "client 2");
        for finding in &mut third {
            finding.part = "client 3".into();
            finding.value *= 3;
        }
        found.extend(third);
        for finding in &mut found {
            finding.case = "clients=3 road=cdn".parse().unwrap();
        }
        let served = only(&found.iter().collect::<Vec<_>>());
        let assumed = Assumptions::default();
        let price = &assumed.price;
        let one = 2.0 * price.cdn_gb + price.cdn_requests_million;
        let year = served.year(&assumed).unwrap();
        let expected = 12.0 * one + (12_000.0 - 12.0) * 2.0 * one;
        assert!((year.edge - expected).abs() < 1e-6, "{}", year.edge);
    }

    #[test]
    fn what_nobody_asked_for_has_no_hits() {
        let found: Vec<Finding> = found("cdn")
            .into_iter()
            .map(|it| Finding { value: 0, ..it })
            .collect();
        let served = only(&found.iter().collect::<Vec<_>>());
        assert_eq!(served.hit_percent(), None);
    }
}
