//! The plan of a folder of schema 1, or of a bare rows.csv: worked out from the rows, since nothing else says it.
//!
//! That schema had one shape of run: publish every image in order, update to the newest from nothing and from each
//! earlier one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;
use serde::Deserialize;

use super::append::read_csv;
use super::{
    Case, Host, Move, Plan, PlannedCase, PlannedImage, PlannedMethod, Row, SCHEMA, ScenarioPlan,
    Verb,
};

/// One line of facts.csv, which plan.toml replaced.
#[derive(Deserialize)]
struct Fact {
    scenario: String,
    image: String,
    fact: String,
    value: String,
}

/// The plan that the rows, the facts beside them (in `dir`) and the host speak of.
pub fn plan(dir: &Path, rows: &[Row], host: &Host) -> Result<Plan> {
    let facts = dir.join("facts.csv");
    let facts: Vec<Fact> = if facts.is_file() {
        read_csv(&facts)?
    } else {
        Vec::new()
    };
    let mut by_scenario: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        by_scenario.entry(&row.scenario).or_default().push(row);
    }
    let names = distinct(rows.iter().map(|row| row.scenario.as_str()));
    let mut scenarios: Vec<ScenarioPlan> = names
        .into_iter()
        .map(|name| scenario(name, &by_scenario[name], host))
        .collect();
    for fact in facts {
        let scenario = scenarios
            .iter_mut()
            .find(|scenario| scenario.name == fact.scenario);
        let image = scenario.and_then(|scenario| {
            let mut images = scenario.images.iter_mut();
            images.find(|image| image.name == fact.image)
        });
        if let Some(image) = image {
            image.about.insert(fact.fact, fact.value);
        }
    }
    Ok(Plan {
        schema: SCHEMA,
        scenarios,
    })
}

fn scenario(name: &str, rows: &[&Row], host: &Host) -> ScenarioPlan {
    let order = release_order(rows);
    let methods = distinct(rows.iter().map(|row| row.method.as_str()));
    let cases: BTreeSet<&Case> = rows.iter().map(|row| &row.case).collect();
    ScenarioPlan {
        name: name.to_string(),
        samples: rows.iter().map(|row| row.sample).max().unwrap_or(1),
        images: order
            .iter()
            .map(|image| planned_image(image, rows))
            .collect(),
        methods: methods
            .into_iter()
            .map(|method| planned_method(method, rows, host))
            .collect(),
        cases: cases
            .into_iter()
            .map(|case| PlannedCase {
                case: case.clone(),
                moves: moves(case, rows, &order),
            })
            .collect(),
        ..ScenarioPlan::default()
    }
}

fn planned_image(name: &str, rows: &[&Row]) -> PlannedImage {
    // A skipped step may not have looked at its image.
    let row = rows
        .iter()
        .find(|row| row.image == name && row.image_bytes > 0);
    PlannedImage {
        name: name.to_string(),
        form: None,
        bytes: row.map_or(0, |row| row.image_bytes),
        sha256: row.map_or(String::new(), |row| row.image_sha256.to_string()),
        about: BTreeMap::new(),
    }
}

fn planned_method(name: &str, rows: &[&Row], host: &Host) -> PlannedMethod {
    let version = rows
        .iter()
        .filter(|row| row.method == name)
        .map(|row| row.version.clone())
        .find(|version| !version.is_empty());
    PlannedMethod {
        name: name.to_string(),
        skipped: host
            .skipped
            .get(name)
            .filter(|_| version.is_none())
            .cloned(),
        version: version.map(String::from),
        once: false,
    }
}

/// What was done, publishes first, and of the updates of one image the one from the nearest release last.
fn moves(case: &Case, rows: &[&Row], order: &[&str]) -> Vec<Move> {
    let place = |name: &str| order.iter().position(|other| *other == name);
    let of_case = rows.iter().filter(|row| row.case == *case);
    let moves: BTreeSet<Move> = of_case
        .map(|row| Move {
            verb: row.verb,
            image: row.image.to_string(),
            bases: row.bases.clone(),
        })
        .collect();
    let mut moves: Vec<Move> = moves.into_iter().collect();
    moves.sort_by_key(|act| {
        let nearest = act.bases.names().map(place).max();
        // Among updates with the same nearest base, the one from it alone counts as nearest.
        (
            act.verb,
            place(&act.image),
            nearest,
            std::cmp::Reverse(act.bases.len()),
        )
    });
    moves
}

/// The images in order of release: as the method that published the most of them did, then any other in order of
/// appearance, bases before what was made from them.
fn release_order<'a>(rows: &[&'a Row]) -> Vec<&'a str> {
    let mut published: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.verb == Verb::Publish) {
        let images = published.entry(&row.method).or_default();
        if !images.contains(&row.image.as_str()) {
            images.push(&row.image);
        }
    }
    let longest = published
        .into_values()
        .reduce(|best, next| if next.len() > best.len() { next } else { best })
        .unwrap_or_default();
    let bases = rows.iter().flat_map(|row| row.bases.names());
    let rest = bases.chain(rows.iter().map(|row| row.image.as_str()));
    distinct(longest.into_iter().chain(rest))
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

    fn row(verb: Verb, image: &str, bases: &str) -> Row {
        Row {
            scenario: "s".into(),
            method: "raw".into(),
            verb,
            image: image.into(),
            bases: bases.parse().unwrap(),
            // `v1` is longer than `v2`.
            image_bytes: 10 - image[1..].parse::<u64>().unwrap(),
            sample: 1,
            ..Row::default()
        }
    }

    #[test]
    fn releases_are_in_the_order_in_which_they_were_published_and_the_nearest_base_comes_last() {
        let absent = Row {
            method: "absent".into(),
            image_bytes: 0,
            ..row(Verb::Update, "v3", "v2")
        };
        let version = |version: &str, row: Row| Row {
            version: version.into(),
            sample: 2,
            ..row
        };
        let rows = [
            absent,
            row(Verb::Publish, "v1", ""),
            version("1.2", row(Verb::Publish, "v1", "")),
            row(Verb::Publish, "v2", "v1"),
            row(Verb::Publish, "v3", "v1+v2"),
            row(Verb::Update, "v3", "v2"),
            row(Verb::Update, "v3", "v1+v2"),
            row(Verb::Update, "v3", "v1"),
            row(Verb::Update, "v3", ""),
        ];
        let mut host = Host::default();
        for method in ["absent", "raw"] {
            host.skipped.insert(method.into(), "not here".into());
        }
        let plan = plan(Path::new("nowhere"), &rows, &host).unwrap();
        let [scenario] = plan.scenarios.as_slice() else {
            panic!("{plan:?}");
        };
        let images: Vec<&str> = scenario.images.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(images, ["v1", "v2", "v3"]);
        let bytes: Vec<u64> = scenario.images.iter().map(|image| image.bytes).collect();
        assert_eq!(bytes, [9, 8, 7]);
        assert_eq!((scenario.name.as_str(), scenario.samples), ("s", 2));
        let methods: Vec<_> = scenario
            .methods
            .iter()
            .map(|it| {
                (
                    it.name.as_str(),
                    it.version.as_deref(),
                    it.skipped.as_deref(),
                )
            })
            .collect();
        let here = ("raw", Some("1.2"), None);
        assert_eq!(methods, [("absent", None, Some("not here")), here]);
        let bases: Vec<String> = scenario.cases[0].moves[3..]
            .iter()
            .map(|act| act.bases.to_string())
            .collect();
        assert_eq!(bases, ["", "v1", "v1+v2", "v2"]);
    }
}
