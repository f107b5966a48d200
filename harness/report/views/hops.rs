//! Hops: what the origin pays and what the edge, for one client after another that make the same update.

use crate::report::advice::dollars;
use crate::report::block::{Block, Cell, Column, Grid, Keep, NO_FIGURE, Picture};
use crate::report::plot::{Axis, Lines, Plot, Series, Spacing};
use crate::report::units;
use crate::stats::Scenario;
use crate::stats::assume::Assumptions;
use crate::stats::hops::{Hop, Pull, Served, served};

use super::picture::plain;

pub fn blocks(scenario: &Scenario, assumed: &Assumptions) -> Vec<Block> {
    let served = served(&scenario.findings);
    if served.is_empty() {
        return Vec::new();
    }
    let fleet = &assumed.fleet;
    let said = format!(
        "The edge is where clients pull from; the origin holds what was published. Without a cache the clients pull from the \
         origin itself. Every byte counts, heads too. The year is that of {} devices and {} releases, with the prices of {}; \
         of each release the first client fills an empty cache, the others find it filled.",
        units::count(fleet.devices as i64),
        fleet.releases_per_year,
        assumed.origin
    );
    let head = Block::Head {
        level: 1,
        text: "What the origin pays, and what the edge".to_string(),
    };
    let mut blocks = vec![head, Block::Text(said), Block::Grid(grid(&served, assumed))];
    blocks.extend(chart(scenario, &served));
    blocks
}

fn grid(served: &[Served], assumed: &Assumptions) -> Grid {
    let names = |head, cell: &dyn Fn(&Served) -> String| {
        Column::names(Keep::Always, head, served.iter().map(cell).collect())
    };
    let figures = |keep, head: &str, cell: &dyn Fn(&Served) -> Cell| {
        Column::figures(keep, head, head, served.iter().map(cell).collect())
    };
    let bytes = |of: fn(Pull) -> Hop| {
        move |it: &Served| Cell {
            value: Some(of(it.total).bytes.into()),
            ..units::bytes(of(it.total).bytes).into()
        }
    };
    let requests = |of: fn(Pull) -> Hop| {
        move |it: &Served| Cell {
            value: Some(of(it.total).requests.into()),
            ..units::count(of(it.total).requests).into()
        }
    };
    let paid = |it: &Served| dollars(it.paid(assumed).total()).into();
    let year = |it: &Served| match it.year(assumed) {
        Some(paid) if it.road.cache => format!(
            "{} ({} edge, {} origin)",
            dollars(paid.total()),
            dollars(paid.edge),
            dollars(paid.origin)
        )
        .into(),
        Some(paid) => dollars(paid.total()).into(),
        None => NO_FIGURE.into(),
    };
    Grid {
        columns: vec![
            names("method", &|it| it.method.to_string()),
            names("holds", &|it| match it.bases.is_empty() {
                true => "nothing".to_string(),
                false => it.bases.to_string(),
            }),
            names("road", &|it| it.road.name.to_string()),
            figures(Keep::Key, "clients", &|it| {
                units::count(it.clients.len() as u64).into()
            }),
            figures(Keep::Always, "edge", &bytes(|pull| pull.edge)),
            figures(Keep::Always, "origin", &bytes(|pull| pull.origin)),
            figures(Keep::Key, "edge requests", &requests(|pull| pull.edge)),
            figures(Keep::Key, "origin requests", &requests(|pull| pull.origin)),
            figures(Keep::Key, "hits", &|it| match it.hit_percent() {
                Some(percent) => format!("{percent:.1} %").into(),
                None => NO_FIGURE.into(),
            }),
            figures(Keep::Key, "these clients", &paid),
            figures(Keep::Always, "a year", &year),
        ],
    }
}

/// The update from the most bases over a road with a cache: both hops of each method, client by client.
fn chart(scenario: &Scenario, served: &[Served]) -> Option<Block> {
    let cached = || {
        served
            .iter()
            .filter(|it| it.road.cache && it.clients.len() > 1)
    };
    let most = cached().map(|it| it.bases.len()).max()?;
    let shown: Vec<&Served> = cached().filter(|it| it.bases.len() == most).collect();
    let first = *shown.first()?;
    // Of several images or cases the first alone: their lines would have the same names.
    let shown = shown
        .into_iter()
        .filter(|it| it.image == first.image && it.bases == first.bases && it.case == first.case);
    let series = shown.flat_map(|it| {
        let hop = |name: &str, of: fn(&Pull) -> Hop| Series {
            name: format!("{}: {name}", it.method),
            points: summed(&it.clients, of),
            front: true,
        };
        [
            hop("edge", |pull| pull.edge),
            hop("origin", |pull| pull.origin),
        ]
    });
    let from = match first.bases.is_empty() {
        true => "from nothing".to_string(),
        false => format!("from {}", first.bases),
    };
    let lines = Lines {
        title: format!(
            "{}: what edge and origin have served after so many clients",
            scenario.plan.name
        ),
        subtitle: format!(
            "Clients update to {} {from}, one after another, over the road {}, whose cache is empty at first.",
            first.image, first.road.name
        ),
        x: Axis {
            words: "clients that have updated".to_string(),
            tick: |clients| format!("{clients:.0}"),
            spacing: Spacing::Linear,
        },
        y: Axis {
            words: "bytes served, lower is better".to_string(),
            tick: |bytes| units::round(units::bytes(bytes as i64)),
            spacing: Spacing::Fitting,
        },
        series: series.collect(),
        marks: Vec::new(),
        notes: Vec::new(),
    };
    Some(Block::Plot(Box::new(Picture {
        name: "hops",
        file: plain(&format!("{}-hops", scenario.plan.name)),
        plot: Plot::Lines(lines),
    })))
}

/// How many clients have updated, and what crossed a hop until then.
fn summed(clients: &[Pull], of: fn(&Pull) -> Hop) -> Vec<(f64, f64)> {
    let sums = clients.iter().scan(0, |sum, pull| {
        *sum += of(pull).bytes;
        Some(*sum as f64)
    });
    sums.enumerate()
        .map(|(at, sum)| ((at + 1) as f64, sum))
        .collect()
}
