//! Cadence: what clients that skip releases pay over the history, and what the server pays for serving them, a year.

use crate::report::advice::dollars;
use crate::report::block::{Block, Column, Grid, Keep};
use crate::report::plot::{Bar, Bars, Fill, Group, palette};
use crate::report::units;
use crate::stats::assume::Assumptions;
use crate::stats::cadence::{Cadence, Year, cadences};
use crate::stats::{MethodRows, Section};

use super::picture::picture;

/// Bars of one method: more are not told apart.
const MOST_CADENCES: usize = 4;

const MILLION: f64 = 1e6;

/// One method's cadences, each with its year.
struct Paid<'a> {
    method: &'a str,
    years: Vec<(Cadence, Year)>,
}

pub fn blocks(section: &Section, assumed: &Assumptions) -> Vec<Block> {
    let paid: Vec<Paid> = section
        .ranked()
        .iter()
        .map(|method| paid(section, method, assumed))
        .filter(|it| !it.years.is_empty())
        .collect();
    if paid.is_empty() {
        return Vec::new();
    }
    let fleet = &assumed.fleet;
    let said = format!(
        "The updates of one client over the whole history, as a year of {} releases; for the server, {} such clients at the \
         assumed prices, with the whole history in its store.",
        fleet.releases_per_year,
        units::count(fleet.devices as u64)
    );
    let mut blocks = vec![
        Block::Head {
            level: 1,
            text: "Clients that skip releases".to_string(),
        },
        Block::Text(said),
        Block::Grid(grid(&paid)),
    ];
    let client = chart(
        section,
        &paid,
        ("what a client downloads in a year", "bytes a year", bytes),
        &|year| year.client_bytes as u64,
        &|year| units::bytes(year.client_bytes as u64),
    );
    let server = chart(
        section,
        &paid,
        ("what the server pays in a year", "dollars a year", money),
        &|year| (year.server() * MILLION) as u64,
        &|year| dollars(year.server()),
    );
    blocks.extend(picture("cadence-client", section, client));
    blocks.extend(picture("cadence-server", section, server));
    blocks
}

fn paid<'a>(section: &Section, method: &MethodRows<'a>, assumed: &Assumptions) -> Paid<'a> {
    let stored = method.stored();
    let all = cadences(section, method).into_iter().take(MOST_CADENCES);
    let years = all.filter_map(|it| {
        let year = it.year(stored?, assumed);
        Some((it, year))
    });
    Paid {
        method: method.method,
        years: years.collect(),
    }
}

fn bytes(bytes: f64) -> String {
    units::round(units::bytes(bytes as i64))
}

fn money(millionths: f64) -> String {
    dollars(millionths / MILLION)
}

fn nth(every: usize) -> String {
    match every {
        1 => "every release".to_string(),
        2 => "every second".to_string(),
        3 => "every third".to_string(),
        4 => "every fourth".to_string(),
        every => format!("every {every}th"),
    }
}

fn grid(paid: &[Paid]) -> Grid {
    let rows: Vec<(&str, &Cadence, &Year)> = paid
        .iter()
        .flat_map(|it| {
            it.years
                .iter()
                .map(|(cadence, year)| (it.method, cadence, year))
        })
        .collect();
    let of = |keep, head: &str, cell: &dyn Fn(&Cadence, &Year) -> String| {
        let cells: Vec<String> = rows
            .iter()
            .map(|(_, cadence, year)| cell(cadence, year))
            .collect();
        Column::figures(keep, head, head, cells)
    };
    let names: Vec<&str> = rows.iter().map(|(method, ..)| *method).collect();
    Grid {
        columns: vec![
            Column::names(Keep::Always, "method", names),
            of(Keep::Always, "updates to", &|it, _| nth(it.every)),
            of(Keep::Key, "client a year", &|_, it| {
                units::bytes(it.client_bytes as u64)
            }),
            of(Keep::Key, "server a year", &|_, it| dollars(it.server())),
            of(Keep::Helpful, "egress", &|_, it| dollars(it.egress)),
            of(Keep::Helpful, "requests", &|_, it| dollars(it.requests)),
            of(Keep::Helpful, "storage", &|_, it| dollars(it.storage)),
            of(Keep::Detail, "updates", &|it, _| it.updates.to_string()),
        ],
    }
}

fn chart(
    section: &Section,
    paid: &[Paid],
    (what, axis, tick): (&str, &'static str, fn(f64) -> String),
    length: &dyn Fn(&Year) -> u64,
    label: &dyn Fn(&Year) -> String,
) -> Bars {
    let mut all: Vec<usize> = paid
        .iter()
        .flat_map(|it| it.years.iter().map(|(it, _)| it.every))
        .collect();
    all.sort_unstable();
    all.dedup();
    let fill = |every: usize| -> Fill {
        let at = all.iter().position(|it| *it == every);
        palette::release(at.unwrap_or(0), all.len())
    };
    let mut paid: Vec<&Paid> = paid.iter().collect();
    paid.sort_by_key(|it| it.years.first().map_or(u64::MAX, |(_, year)| length(year)));
    let groups = paid.iter().map(|it| Group {
        method: it.method.to_string(),
        bars: it
            .years
            .iter()
            .map(|(cadence, year)| Bar::Shown {
                ends: vec![(length(year), fill(cadence.every))],
                whisker: None,
                label: label(year),
            })
            .collect(),
        cells: Vec::new(),
    });
    Bars {
        title: format!("{}: {what}", section.title()),
        subtitle: "Of clients that update to every release, and of clients that skip some.".into(),
        axis,
        tick,
        legend: all
            .iter()
            .map(|every| (fill(*every), nth(*every)))
            .collect(),
        heads: Vec::new(),
        groups: groups.collect(),
        notes: Vec::new(),
    }
}
