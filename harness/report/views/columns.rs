//! The columns that compare methods: every figure that a method has.

use crate::record::Unit;
use crate::report::again;
use crate::report::block::{Cell, Column, Keep, METHOD};
use crate::report::{cells, units};
use crate::stats::{MethodRows, Section, deed};

/// With more bases than this, only the deltas from the nearest and from the oldest have a column.
const MOST_BASES: usize = 4;

const BYTES: Option<Unit> = Some(Unit::Bytes);
const TIME: Option<Unit> = Some(Unit::Nanoseconds);

/// The names of the ranked methods.
pub fn methods(section: &Section) -> Column {
    let names = section.ranked().iter().map(|it| Cell {
        of: Some(again::command(section, it.method)),
        ..it.method.into()
    });
    Column::names(Keep::Always, "method", names.collect()).measuring(METHOD, None)
}

/// What a method moves and stores: the figures that repeat.
pub fn bytes(section: &Section) -> Vec<Column> {
    let image_bytes = section.newest().map_or(0, |image| image.bytes);
    let of = |keep, short, head: &str, cell: &dyn Fn(&MethodRows) -> Cell| {
        Column::figures(
            keep,
            short,
            head,
            section.ranked().iter().map(cell).collect(),
        )
    };
    let share = |method: &MethodRows| cells::share(method.main(), image_bytes);
    let full = |method: &MethodRows| cells::moved(method.full.as_ref());
    let mut columns = deltas(section);
    columns.extend([
        of(Keep::Key, "share", "share of image", &share).measuring("transfer", BYTES),
        of(Keep::Helpful, "requests", "requests", &|method| {
            cells::requests(method.main())
        })
        .measuring("requests", Some(Unit::Count)),
        of(Keep::Always, "full", "full update", &full).measuring("transfer", BYTES),
        of(
            Keep::Key,
            "stored",
            "storage after all releases",
            &cells::stored,
        )
        .measuring("storage", BYTES),
        of(Keep::Detail, "check", "check", &|method| {
            cells::check(method).into()
        })
        .measuring("check", None),
    ]);
    columns
}

/// What a method takes: the figures that never repeat. `spread` adds the fastest and the slowest sample to times.
pub fn costs(section: &Section, spread: bool) -> Vec<Column> {
    let of = |keep, short, head: String, cell: &dyn Fn(&MethodRows) -> Cell| {
        Column::figures(
            keep,
            short,
            head,
            section.ranked().iter().map(cell).collect(),
        )
    };
    let mut columns = Vec::new();
    if let Some(main) = section.main() {
        columns.push(
            of(Keep::Helpful, "update", deed(main), &|method| {
                cells::time(method.main(), spread)
            })
            .measuring("time", TIME),
        );
    }
    if let Some(full) = section.full.filter(|_| !section.deltas.is_empty()) {
        columns.push(
            of(Keep::Detail, "full update", deed(full), &|method| {
                cells::time(method.full.as_ref(), spread)
            })
            .measuring("time", TIME),
        );
    }
    if let Some(publish) = section.publishes.last() {
        // Which clients it serves is the same for all methods, and long in a history.
        let head = format!("publish {}", publish.image);
        columns.push(
            of(Keep::Helpful, "publish", head, &|method| {
                cells::time(method.publishes.last(), spread)
            })
            .measuring("time", TIME),
        );
    }
    columns.extend([
        of(
            Keep::Detail,
            "update memory",
            "peak memory, updates".into(),
            &|method| cells::peak_memory(method.updates()),
        )
        .measuring("memory", BYTES),
        of(
            Keep::Detail,
            "publish memory",
            "peak memory, publishes".into(),
            &|method| cells::peak_memory(method.publishes.iter()),
        )
        .measuring("memory", BYTES),
        of(
            Keep::Helpful,
            "base read",
            "read of the base, update".into(),
            &|method| cells::base_read(method.main()),
        )
        .measuring("reads", BYTES),
    ]);
    columns
}

/// The deltas, from the nearest base to the oldest.
fn deltas(section: &Section) -> Vec<Column> {
    let bases = section.deltas.len();
    (0..bases)
        .rev()
        .filter(|at| bases <= MOST_BASES || *at + 1 == bases || *at == 0)
        .map(|at| {
            let base = &section.deltas[at].bases;
            let (keep, short) = match at + 1 == bases {
                true => (Keep::Always, "delta".to_string()),
                false => (Keep::Detail, format!("from {base}")),
            };
            let methods = section.ranked().iter();
            let moved = methods.map(|method| cells::moved(method.deltas.get(at)));
            Column::figures(keep, &short, format!("delta from {base}"), moved.collect())
                .measuring("transfer", BYTES)
        })
        .collect()
}

/// The newest image and its size: `v3 (130 MB)`.
pub fn newest(section: &Section) -> String {
    section.newest().map_or(String::new(), |image| {
        format!("{} ({})", image.name, units::bytes(image.bytes))
    })
}
