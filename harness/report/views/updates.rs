//! Every update, where a client updates to other images than the newest: a row for each, columns for the best methods.

use crate::record::Move;
use crate::record::Unit;
use crate::report::block::{Block, Cell, Column, Grid, Keep, NO_FIGURE};
use crate::report::{cells, units};
use crate::stats::{MethodRows, Section, deed};

/// The most methods with a column.
const MOST_METHODS: usize = 6;

/// More updates than this are folded, and their sums shown.
const MOST_ROWS: usize = 24;

pub fn blocks(section: &Section) -> Vec<Block> {
    if section.others.is_empty() || section.ranked().is_empty() {
        return Vec::new();
    }
    let mut best: Vec<&MethodRows> = section.ranked().iter().collect();
    best.sort_by_cached_key(|method| method.moved_by_all().unwrap_or(u64::MAX));
    let methods = best.len();
    best.truncate(MOST_METHODS);
    let others = section.others.iter().copied();
    let updates: Vec<&Move> = others
        .chain(section.full)
        .chain(section.deltas.iter().copied())
        .collect();
    let mut said = format!(
        "What each of {} updates moves, smallest sum first",
        updates.len()
    );
    if methods > MOST_METHODS {
        said.push_str(&format!("; the {MOST_METHODS} best of {methods} methods"));
    }
    let head = Block::Head {
        level: 1,
        text: format!("Every update of {}", section.title()),
    };
    let (each, sums) = (each(&updates, &best), sums(&best));
    let said = Block::Text(said + ".");
    if updates.len() > MOST_ROWS {
        let fold = Block::Fold {
            summary: format!("Each of the {} updates", updates.len()),
            blocks: vec![Block::Grid(grid(each))],
        };
        return vec![head, said, Block::Grid(grid(sums)), fold];
    }
    let both = each
        .into_iter()
        .zip(sums)
        .map(|((name, mut cells), (_, sum))| {
            cells.extend(sum);
            (name, cells)
        });
    vec![head, said, Block::Grid(grid(both.collect()))]
}

/// Heads with their cells: the updates, then each method.
type Table = Vec<(String, Vec<Cell>)>;

fn each(updates: &[&Move], best: &[&MethodRows]) -> Table {
    let names = updates.iter().map(|update| deed(update).into()).collect();
    let moved = |method: &&MethodRows| {
        let cells = method.updates().map(|step| cells::moved(Some(step)));
        (method.method.to_string(), cells.collect())
    };
    [("update".to_string(), names)]
        .into_iter()
        .chain(best.iter().map(moved))
        .collect()
}

fn sums(best: &[&MethodRows]) -> Table {
    let sum = |method: &&MethodRows| {
        let moved = method.moved_by_all();
        let sum = moved.map_or(NO_FIGURE.into(), |bytes| Cell {
            value: Some(bytes.into()),
            ..units::bytes(bytes).into()
        });
        (method.method.to_string(), vec![sum])
    };
    [("update".to_string(), vec!["all together".into()])]
        .into_iter()
        .chain(best.iter().map(sum))
        .collect()
}

fn grid(table: Table) -> Grid {
    let columns = table.into_iter().enumerate();
    Grid {
        columns: columns
            .map(|(at, (head, cells))| match at {
                0 => Column::names(Keep::Always, &head, cells),
                1 => Column::figures(Keep::Always, &head, head.clone(), cells)
                    .measuring("transfer", Some(Unit::Bytes)),
                _ => Column::figures(Keep::Key, &head, head.clone(), cells)
                    .measuring("transfer", Some(Unit::Bytes)),
            })
            .collect(),
    }
}
