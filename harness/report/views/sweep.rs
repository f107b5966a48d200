//! Sweeps: what a method costs over the size that is its parameter (a chunk, a window), as a table and as lines.

use std::collections::BTreeMap;

use crate::record::{Unit, measure};
use crate::report::block::{Block, Cell, Column, Grid, Keep, NO_FIGURE, Picture};
use crate::report::plot::{Axis, Lines, Mark, Plot, Series, Spacing};
use crate::report::{cells, units};
use crate::stats::{MethodRows, Samples, Section, transfer_bytes};

use super::picture::file;

/// Fewer sizes than this are no sweep.
const FEWEST_SIZES: usize = 4;

/// A size is as good as the best one when its update is longer by no more than this part.
const AS_GOOD: f64 = 0.1;

/// The methods of one family, by the size that is their parameter.
type Family<'s, 'a> = (&'s str, BTreeMap<u64, &'s MethodRows<'a>>);

pub fn blocks(section: &Section) -> Vec<Block> {
    let families = families(section);
    if families.is_empty() {
        return Vec::new();
    }
    let head = Block::Head {
        level: 1,
        text: "Over the size".to_string(),
    };
    let mut blocks = vec![head, Block::Grid(grid(&families))];
    blocks.extend(knees(&families).into_iter().map(Block::Text));
    blocks.push(Block::Plot(Box::new(Picture {
        name: "sizes",
        file: file(section, "sizes"),
        plot: Plot::Lines(lines(section, &families)),
    })));
    blocks
}

fn families<'s, 'a>(section: &'s Section<'a>) -> Vec<Family<'s, 'a>> {
    let mut families: Vec<Family> = Vec::new();
    for method in section.ranked() {
        let Some((family, size)) = method.method.split_once('/') else {
            continue;
        };
        let Some(size) = bytes_of(size) else { continue };
        if moved(method.main()).is_none() {
            continue;
        }
        match families.iter_mut().find(|(name, _)| *name == family) {
            Some((_, sizes)) => drop(sizes.insert(size, method)),
            None => families.push((family, [(size, method)].into())),
        }
    }
    families.retain(|(_, sizes)| sizes.len() >= FEWEST_SIZES);
    families.sort_by_key(|(name, _)| *name);
    families
}

/// `16k` or `1m`; a number alone is more often a level than a size.
pub(super) fn bytes_of(word: &str) -> Option<u64> {
    let (digits, shift) = match word.strip_suffix('k') {
        Some(digits) => (digits, 10),
        None => (word.strip_suffix('m')?, 20),
    };
    let number: u64 = digits.parse().ok()?;
    number.checked_mul(1 << shift)
}

fn moved(samples: Option<&Samples>) -> Option<u64> {
    Some(samples?.spread(transfer_bytes)?.median)
}

/// The size to take: of those whose update is at most a tenth longer than the shortest, the largest chunk, since it
/// makes the fewest requests. Where the shortest is at the largest size, more is better, and it is the smallest of them.
fn knee(sizes: &BTreeMap<u64, &MethodRows>) -> Option<u64> {
    let moved: Vec<(u64, u64)> = sizes
        .iter()
        .filter_map(|(size, method)| Some((*size, moved(method.main())?)))
        .collect();
    let (best, least) = moved.iter().copied().min_by_key(|(_, moved)| *moved)?;
    let good = moved
        .iter()
        .filter(|(_, moved)| *moved as f64 <= least as f64 * (1.0 + AS_GOOD))
        .map(|(size, _)| *size);
    match moved.last() {
        Some((last, _)) if *last == best => good.min(),
        _ => good.max(),
    }
}

fn knees(families: &[Family]) -> Vec<String> {
    let said = |(family, sizes): &Family| {
        let size = knee(sizes)?;
        let moved = cells::moved(sizes[&size].main()).text;
        let ends = [sizes.keys().next()?, sizes.keys().next_back()?];
        let [first, last] = ends.map(|size| size_words(*size as f64));
        Some(format!(
            "{family}: of {first} to {last} take {}, whose update of {moved} is within a tenth of the shortest.",
            size_words(size as f64)
        ))
    };
    families.iter().filter_map(said).collect()
}

fn grid(families: &[Family]) -> Grid {
    let entries: Vec<(&str, u64, &MethodRows)> = families
        .iter()
        .flat_map(|(family, sizes)| sizes.iter().map(|(size, method)| (*family, *size, *method)))
        .collect();
    let figures = |keep, head: &str, cell: &dyn Fn(&MethodRows) -> Cell| {
        let cells: Vec<Cell> = entries.iter().map(|(_, _, method)| cell(method)).collect();
        Column::figures(keep, head, head, cells)
    };
    let names = entries.iter().map(|(family, _, _)| (*family).to_string());
    let sizes = entries.iter().map(|(_, size, _)| size_words(*size as f64));
    Grid::filled(vec![
        Column::names(Keep::Always, "method", names.collect()),
        Column::figures(Keep::Always, "size", "size", sizes.collect()),
        figures(Keep::Always, "update", &|it| cells::moved(it.main())),
        figures(Keep::Key, "full", &|it| cells::moved(it.full.as_ref())),
        figures(Keep::Key, "requests", &|it| cells::requests(it.main())),
        figures(Keep::Key, "stored", &cells::stored),
        figures(Keep::Helpful, "files", &|it| files(it).into()),
        figures(Keep::Helpful, "time", &|it| cells::time(it.main(), false)),
    ])
}

/// Files in the store once everything is published.
fn files(method: &MethodRows) -> String {
    let added = measure("store_files").filter(|it| it.unit == Unit::Count);
    let added = added.and_then(|measure| {
        let steps = method.publishes.iter();
        steps.map(|step| step.median(measure)).sum::<Option<i128>>()
    });
    added.map_or(NO_FIGURE.to_string(), units::count)
}

fn lines(section: &Section, families: &[Family]) -> Lines {
    let mut series = Vec::new();
    let mut marks = Vec::new();
    for (family, sizes) in families {
        let points = |step: &dyn Fn(&MethodRows) -> Option<u64>| -> Vec<(f64, f64)> {
            let points = sizes.iter();
            points
                .filter_map(|(size, method)| Some((*size as f64, step(method)? as f64)))
                .collect()
        };
        let updates = points(&|method| moved(method.main()));
        let full = points(&|method| moved(method.full.as_ref()));
        series.push(Series {
            name: format!("{family}, update"),
            points: updates,
            front: true,
        });
        // A full update of the same bytes would hide the other line.
        if section.nearest().is_some() {
            series.push(Series {
                name: format!("{family}, from nothing"),
                points: full,
                front: true,
            });
        }
        marks.extend(knee(sizes).map(|at| Mark {
            at: at as f64,
            words: format!("{family}: {}", size_words(at as f64)),
        }));
    }
    Lines {
        title: format!("{}: bytes of an update over the size", section.title()),
        subtitle: "Marked: the size to take, within a tenth of the shortest update.".to_string(),
        x: Axis {
            words: "size that is the method's parameter".to_string(),
            tick: size_words,
            spacing: Spacing::Log2,
        },
        y: Axis {
            words: "bytes over the wire, lower is better".to_string(),
            tick: |bytes| units::round(units::bytes(bytes as i64)),
            spacing: Spacing::Fitting,
        },
        series,
        marks,
        notes: Vec::new(),
    }
}

/// `4k`, `1m`, as in a method's name.
pub(super) fn size_words(bytes: f64) -> String {
    let bytes = bytes.round() as u64;
    match bytes {
        0 => "0".to_string(),
        _ if bytes.is_multiple_of(1 << 20) => format!("{}m", bytes >> 20),
        _ if bytes.is_multiple_of(1 << 10) => format!("{}k", bytes >> 10),
        _ => bytes.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_a_size_or_it_is_not() {
        assert_eq!(bytes_of("16k"), Some(16384));
        assert_eq!(bytes_of("8m"), Some(8 << 20));
        for word in ["19", "4096", "whole", "", "k", "6"] {
            assert_eq!(bytes_of(word), None, "{word}");
        }
        assert_eq!(size_words(16384.0), "16k");
        assert_eq!(size_words(1000.0), "1000");
    }
}
