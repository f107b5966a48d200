//! One scenario's rows in reading order: releases oldest first, each method's steps, the methods ranked.

use std::collections::{BTreeMap, BTreeSet};

use crate::record::{Row, Step};

use super::{Samples, middle, transfer_bytes};

/// One image of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release<'a> {
    pub name: &'a str,
    pub bytes: u64,
    pub sha256: &'a str,
}

/// One method's steps in a scenario.
#[derive(Clone, Debug)]
pub struct MethodRows<'a> {
    pub method: &'a str,
    pub version: &'a str,
    /// One for each release, in order.
    pub publishes: Vec<Samples<'a>>,
    /// The newest release from nothing.
    pub full: Samples<'a>,
    /// The newest release from each of the scenario's bases, in their order.
    pub deltas: Vec<Samples<'a>>,
}

impl<'a> MethodRows<'a> {
    /// Publishing the newest release.
    pub fn publish(&self) -> Option<&Samples<'a>> {
        self.publishes.last()
    }

    /// The newest release from the nearest older one.
    pub fn delta(&self) -> Option<&Samples<'a>> {
        self.deltas.last()
    }

    /// Every step, publishes first.
    pub fn steps(&self) -> impl Iterator<Item = &Samples<'a>> {
        self.publishes
            .iter()
            .chain([&self.full])
            .chain(&self.deltas)
    }

    pub fn any_verified(&self) -> bool {
        self.steps().any(|step| step.verified().next().is_some())
    }

    /// The store's size after each release, in bytes: the publishes' additions summed up, the median over samples.
    /// `None` from the first publish on that no sample has verified.
    pub fn stored_after(&self) -> Vec<Option<i64>> {
        let mut sizes: BTreeMap<u32, i64> = self
            .publishes
            .iter()
            .flat_map(|step| &step.rows)
            .map(|row| (row.sample, 0))
            .collect();
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

    /// The server's storage once all releases are published, in bytes.
    pub fn stored(&self) -> Option<i64> {
        self.stored_after().last().copied().flatten()
    }
}

/// One scenario's rows in reading order.
#[derive(Clone, Debug)]
pub struct ScenarioRows<'a> {
    pub scenario: &'a str,
    pub rows: Vec<&'a Row>,
    /// In order of release.
    pub images: Vec<Release<'a>>,
    /// What the newest release was updated from, the nearest older one last. Several bases at once are one entry.
    pub bases: Vec<&'a str>,
    /// In order of appearance.
    pub methods: Vec<MethodRows<'a>>,
}

/// The scenarios of a results folder, in order of appearance.
pub fn scenarios(rows: &[Row]) -> Vec<ScenarioRows<'_>> {
    distinct(rows.iter().map(|row| row.scenario.as_str()))
        .into_iter()
        .map(|scenario| {
            ScenarioRows::of(
                scenario,
                rows.iter().filter(|row| row.scenario == scenario).collect(),
            )
        })
        .collect()
}

impl<'a> ScenarioRows<'a> {
    fn of(scenario: &'a str, rows: Vec<&'a Row>) -> ScenarioRows<'a> {
        let mut order = release_order(&rows);
        // The updated image is the newest by definition, even where more were published after it.
        let updated: Vec<&str> = named(&rows, |row| row.step == Step::Update).collect();
        if let Some(at) = order.iter().rposition(|name| updated.contains(name)) {
            order.truncate(at + 1);
        }
        let newest = order.last().copied().unwrap_or_default();
        let place = |base: &&str| {
            base.split('+')
                .map(|part| order.iter().position(|name| *name == part))
                .max()
        };
        let mut bases = distinct(
            rows.iter()
                .filter(|row| row.step == Step::Update && row.image == newest && !row.is_full())
                .map(|row| row.base.as_str()),
        );
        // Among bases with the same nearest release, the lone one counts as nearest.
        bases.sort_by_key(|base| (place(base), std::cmp::Reverse(base.matches('+').count())));
        let methods = distinct(rows.iter().map(|row| row.method.as_str()))
            .into_iter()
            .map(|method| method_rows(method, &rows, &order, &bases))
            .collect();
        let images = order.iter().map(|name| release(name, &rows)).collect();
        ScenarioRows {
            scenario,
            rows,
            images,
            bases,
            methods,
        }
    }

    /// The newest release: the image that was updated to.
    pub fn newest(&self) -> Option<&Release<'a>> {
        self.images.last()
    }

    /// The nearest older release among the bases.
    pub fn nearest(&self) -> Option<&'a str> {
        self.bases.last().copied()
    }

    /// Whether any update ran, or tried to.
    pub fn updates(&self) -> bool {
        self.rows.iter().any(|row| row.step == Step::Update)
    }

    /// How often each step was planned, as far as the rows tell.
    pub fn samples(&self) -> u32 {
        self.rows.iter().map(|row| row.sample).max().unwrap_or(0)
    }

    /// The methods with any figure: smallest delta from the nearest older release first, then smallest full
    /// update, then smallest store. A method without the figure comes after those that have it.
    pub fn ranked(&self) -> Vec<&MethodRows<'a>> {
        let moved = |step: &Samples| {
            step.spread(transfer_bytes)
                .map_or(u64::MAX, |spread| spread.median)
        };
        let mut ranked: Vec<_> = self
            .methods
            .iter()
            .filter(|method| method.any_verified())
            .collect();
        ranked.sort_by_key(|method| {
            (
                method.delta().map(moved),
                moved(&method.full),
                method.stored().unwrap_or(i64::MAX),
                method.method,
            )
        });
        ranked
    }
}

/// The images in order of release: as the method that published the most of them did, then any other in order of
/// appearance, bases before what was made from them.
fn release_order<'a>(rows: &[&'a Row]) -> Vec<&'a str> {
    let published = |method: &str| {
        distinct(named(rows, |row| {
            row.step == Step::Publish && row.method == method
        }))
    };
    let longest = distinct(rows.iter().map(|row| row.method.as_str()))
        .into_iter()
        .map(published)
        .reduce(|best, next| if next.len() > best.len() { next } else { best })
        .unwrap_or_default();
    let bases = rows
        .iter()
        .filter(|row| row.step == Step::Update)
        .flat_map(|row| row.base.split('+'));
    let rest = bases.chain(named(rows, |_| true));
    distinct(
        longest
            .into_iter()
            .chain(rest)
            .filter(|name| !name.is_empty()),
    )
}

fn named<'a, 'r>(
    rows: &'r [&'a Row],
    wanted: impl Fn(&Row) -> bool + 'r,
) -> impl Iterator<Item = &'a str> + 'r {
    rows.iter()
        .filter(move |row| wanted(row))
        .map(|row| row.image.as_str())
}

fn release<'a>(name: &'a str, rows: &[&'a Row]) -> Release<'a> {
    let of_it = |row: &&&'a Row| row.image == name;
    // A skipped step may not have looked at its image.
    let sized = |row: &&&'a Row| row.image_bytes > 0;
    let row = rows.iter().filter(of_it).find(sized);
    Release {
        name,
        bytes: row.map_or(0, |row| row.image_bytes),
        sha256: row.map_or("", |row| row.image_sha256.as_str()),
    }
}

fn method_rows<'a>(
    method: &'a str,
    rows: &[&'a Row],
    images: &[&str],
    bases: &[&str],
) -> MethodRows<'a> {
    let mine: Vec<&'a Row> = rows
        .iter()
        .copied()
        .filter(|row| row.method == method)
        .collect();
    let of = |step: Step, image: &str, base: Option<&str>| Samples {
        rows: mine
            .iter()
            .copied()
            .filter(|row| row.step == step && row.image == image)
            .filter(|row| base.is_none_or(|base| row.base == base))
            .collect(),
    };
    let newest = images.last().copied().unwrap_or_default();
    MethodRows {
        method,
        version: mine
            .iter()
            .map(|row| row.version.as_str())
            .find(|version| !version.is_empty())
            .unwrap_or_default(),
        publishes: images
            .iter()
            .map(|image| of(Step::Publish, image, None))
            .collect(),
        full: of(Step::Update, newest, Some("")),
        deltas: bases
            .iter()
            .map(|base| of(Step::Update, newest, Some(base)))
            .collect(),
    }
}

fn distinct<'a>(words: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = BTreeSet::new();
    words
        .into_iter()
        .filter(|word| seen.insert(*word))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Check;
    use crate::stats::Trouble;
    use crate::stats::fixture::{results, spoil};

    #[test]
    fn the_newest_release_is_what_was_updated_to_and_the_nearest_base_comes_last() {
        let mut results = results("history", 3, 4, 1);
        // A method that could not run comes first and has looked at the newest image only.
        let mut skipped = results.rows.last().unwrap().clone();
        skipped.method = "absent".into();
        skipped.check = Check::Skipped;
        skipped.image_bytes = 0;
        let mut several = results.rows.last().unwrap().clone();
        several.base = "v1+v3".into();
        results.rows.insert(0, several);
        results.rows.insert(0, skipped);
        let [scenario] = scenarios(&results.rows).try_into().unwrap();
        let images: Vec<&str> = scenario.images.iter().map(|image| image.name).collect();
        assert_eq!(images, ["v1", "v2", "v3", "v4"]);
        assert_eq!(scenario.bases, ["v1", "v2", "v1+v3", "v3"]);
        assert_eq!(scenario.nearest(), Some("v3"));
        assert!(scenario.newest().unwrap().bytes > 0);
    }

    #[test]
    fn methods_are_ranked_by_the_delta_from_the_nearest_release_and_those_without_come_last() {
        let mut results = results("pair", 6, 2, 3);
        spoil(&mut results, "xdelta3", Check::Failed, "wrong", |row| {
            !row.base.is_empty()
        });
        spoil(&mut results, "gzip/6", Check::Skipped, "absent", |_| true);
        let [scenario] = scenarios(&results.rows).try_into().unwrap();
        let ranked: Vec<&str> = scenario
            .ranked()
            .iter()
            .map(|method| method.method)
            .collect();
        assert_eq!(
            ranked,
            ["fastcdc/64k", "zstd/19", "zstd/3", "raw", "xdelta3"]
        );
        let who = |troubles: Vec<Trouble>| troubles[0].who.clone();
        assert_eq!(who(scenario.failed()), ["xdelta3 (update v2 from v1)"]);
        assert_eq!(who(scenario.skipped()), ["gzip/6"]);
    }

    #[test]
    fn storage_adds_up_over_releases_and_is_unknown_after_a_failed_publish() {
        let mut results = results("history", 1, 4, 2);
        for row in &mut results.rows {
            row.store_bytes = row.store_bytes.map(|_| match row.image.as_str() {
                "v3" => -40,
                _ => 100 + i64::from(row.sample),
            });
        }
        let [scenario] = scenarios(&results.rows).try_into().unwrap();
        let stored = scenario.methods[0].stored_after();
        assert_eq!(stored, [Some(101), Some(203), Some(163), Some(264)]);
        let of_v3 = |row: &Row| row.image == "v3";
        spoil(&mut results, "raw", Check::Failed, "disk full", of_v3);
        let [scenario] = scenarios(&results.rows).try_into().unwrap();
        let stored = scenario.methods[0].stored_after();
        assert_eq!(stored, [Some(101), Some(203), None, None]);
    }
}
