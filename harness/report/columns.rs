//! The columns of the ranked table: every figure a method has, in words.

use crate::record::Check;
use crate::stats::{MethodRows, Outcome, Samples, ScenarioRows, transfer_bytes};

use super::units;

/// With more bases than this, only the deltas from the nearest and from the oldest have a column.
const MOST_BASES: usize = 4;

/// What a cell says where a step has no figure.
const NO_FIGURE: &str = "-";

/// One column of the ranked table.
pub struct Column<'a> {
    /// Its name at a terminal, where a line above says which pair is meant.
    pub short: String,
    /// Its name where there is room.
    pub long: String,
    /// Which columns go first where there is no room: 0 stays longest.
    pub order: u8,
    cell: Box<dyn Fn(&MethodRows) -> String + 'a>,
}

fn column<'a>(
    order: u8,
    short: &str,
    long: String,
    cell: impl Fn(&MethodRows) -> String + 'a,
) -> Column<'a> {
    Column {
        short: short.to_string(),
        long,
        order,
        cell: Box::new(cell),
    }
}

/// A column, and what each method of a ranking has to say in it.
pub struct Cells<'c, 'a> {
    pub column: &'c Column<'a>,
    pub cells: Vec<String>,
}

/// The columns in which any method has something to say.
pub fn filled<'c, 'a>(columns: &'c [Column<'a>], ranked: &[&MethodRows]) -> Vec<Cells<'c, 'a>> {
    columns
        .iter()
        .map(|column| Cells {
            column,
            cells: ranked.iter().map(|method| (column.cell)(method)).collect(),
        })
        .filter(|filled| filled.cells.iter().any(|cell| cell != NO_FIGURE))
        .collect()
}

/// What a method moves and stores: the figures that repeat.
pub fn byte_columns<'a>(scenario: &ScenarioRows<'a>) -> Vec<Column<'a>> {
    let image_bytes = scenario.newest().map_or(0, |image| image.bytes);
    // The step that the ranking is about.
    fn main<'m, 'r>(method: &'m MethodRows<'r>) -> &'m Samples<'r> {
        method.delta().unwrap_or(&method.full)
    }
    let share = move |method: &MethodRows| match main(method).spread(transfer_bytes) {
        Some(moved) => units::share(moved.median, image_bytes),
        None => NO_FIGURE.to_string(),
    };
    let requests = |method: &MethodRows| match main(method).spread(|row| row.requests) {
        Some(requests) => units::count(requests.median),
        None => NO_FIGURE.to_string(),
    };
    let stored = |method: &MethodRows| method.stored().map_or(NO_FIGURE.into(), units::bytes);
    let full = |method: &MethodRows| moved(&method.full);
    let mut columns = delta_columns(scenario);
    columns.extend([
        column(2, "share", "share of image".into(), share),
        column(4, "requests", "requests".into(), requests),
        column(1, "full", "full update".into(), full),
        column(3, "stored", "storage after all releases".into(), stored),
        column(7, "check", "check".into(), check),
    ]);
    columns
}

/// What a method takes: the figures that never repeat. `spread` adds the fastest and the slowest sample to times.
pub fn time_columns<'a>(scenario: &ScenarioRows<'a>, spread: bool) -> Vec<Column<'a>> {
    let time_of =
        move |step: Option<&Samples>| step.map_or(NO_FIGURE.into(), |step| time(step, spread));
    let newest = scenario.newest().map_or("", |image| image.name);
    let mut columns = Vec::new();
    if let Some(base) = scenario.nearest() {
        let long = format!("update to {newest} from {base}");
        columns.push(column(5, "update", long, move |method| {
            time_of(method.delta())
        }));
    }
    let (order, short) = match columns.len() {
        0 => (5, "update"),
        _ => (9, "full update"),
    };
    let long = format!("update to {newest} from nothing");
    columns.push(column(order, short, long, move |method| {
        time_of(Some(&method.full))
    }));
    let long = format!("publish {newest}");
    columns.push(column(6, "publish", long, move |method| {
        time_of(method.publish())
    }));
    let update_memory =
        |method: &MethodRows| peak_memory(method.deltas.iter().chain([&method.full]));
    let publish_memory = |method: &MethodRows| peak_memory(method.publishes.iter());
    columns.extend([
        column(
            10,
            "update memory",
            "peak memory, updates".into(),
            update_memory,
        ),
        column(
            11,
            "publish memory",
            "peak memory, publishes".into(),
            publish_memory,
        ),
    ]);
    columns
}

/// The deltas, from the nearest base to the oldest.
fn delta_columns<'a>(scenario: &ScenarioRows<'a>) -> Vec<Column<'a>> {
    let bases = scenario.bases.len();
    (0..bases)
        .rev()
        .filter(|at| bases <= MOST_BASES || *at + 1 == bases || *at == 0)
        .map(|at| {
            let base = scenario.bases[at];
            let (order, short) = match at + 1 == bases {
                true => (0, "delta".to_string()),
                false => (8, format!("from {base}")),
            };
            column(order, &short, format!("delta from {base}"), move |method| {
                moved(&method.deltas[at])
            })
        })
        .collect()
}

fn moved(step: &Samples) -> String {
    match step.spread(transfer_bytes) {
        Some(moved) => units::bytes(moved.median),
        None => no_figure(step.outcome()).to_string(),
    }
}

fn time(step: &Samples, spread: bool) -> String {
    match step.spread(|row| row.wall_ns) {
        Some(wall) if spread && wall.samples > 1 => format!(
            "{} ({} to {})",
            units::time(wall.median),
            units::time(wall.min),
            units::time(wall.max)
        ),
        Some(wall) => units::time(wall.median),
        None => no_figure(step.outcome()).to_string(),
    }
}

fn no_figure(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Failed => "failed",
        Outcome::Skipped => "skipped",
        Outcome::Verified | Outcome::NotRun => NO_FIGURE,
    }
}

fn peak_memory<'m, 'r: 'm>(steps: impl Iterator<Item = &'m Samples<'r>>) -> String {
    steps
        .filter_map(|step| step.spread(|row| row.peak_rss_bytes))
        .map(|spread| spread.max)
        .max()
        .map_or(NO_FIGURE.to_string(), units::bytes)
}

/// How a method's outputs were verified, and how many of its rows were not.
fn check(method: &MethodRows) -> String {
    let rows = || method.steps().flat_map(|step| &step.rows);
    let verified = |check| rows().any(|row| row.check == check);
    let words = match (verified(Check::Exact), verified(Check::Tree)) {
        (true, true) => "exact, tree",
        (true, false) => "exact",
        (false, true) => "tree",
        (false, false) => NO_FIGURE,
    };
    match rows().filter(|row| row.check == Check::Failed).count() {
        0 => words.to_string(),
        failed => format!("{words}, {failed} of {} failed", rows().count()),
    }
}
