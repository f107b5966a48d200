//! The transfer chart: what crosses the wire to update to the newest release, from nothing and from the release before.

use crate::report::block::Block;
use crate::report::plot::{Bar, Bars, Fill, Group, palette};
use crate::report::units;
use crate::stats::{MethodRows, Samples, Section, transfer_bytes};

use super::columns;
use super::picture::{absent, picture};

pub fn chart(section: &Section) -> Vec<Block> {
    if section.main().is_none() {
        return Vec::new();
    }
    let mut legend = Vec::new();
    if let Some(base) = section.nearest() {
        legend.push((palette::DELTA, format!("delta update, from {base}")));
    }
    if section.full.is_some() {
        legend.push((palette::FULL, "full update, from nothing".to_string()));
    }
    let subtitle = match (section.nearest(), section.full) {
        (Some(base), Some(_)) => {
            format!("A client that holds {base}, and one with nothing. Smallest delta first.")
        }
        (Some(base), None) => format!("A client that holds {base}. Smallest first."),
        _ => "A client with no older image. Smallest first.".to_string(),
    };
    let bars = Bars {
        title: format!(
            "{}: bytes over the wire to update to {}",
            section.title(),
            columns::newest(section)
        ),
        subtitle,
        axis: "bytes over the wire, heads left out",
        tick: |bytes| units::round(units::bytes(bytes as i64)),
        legend,
        heads: Vec::new(),
        groups: section.ranked().iter().map(group).collect(),
        notes: Vec::new(),
    };
    picture("transfer", section, bars).into_iter().collect()
}

fn group(method: &MethodRows) -> Group {
    let delta = method.deltas.last().map(|step| bar(step, palette::DELTA));
    let full = method.full.as_ref().map(|step| bar(step, palette::FULL));
    Group {
        method: method.method.to_string(),
        bars: delta.into_iter().chain(full).collect(),
        cells: Vec::new(),
    }
}

fn bar(step: &Samples, fill: Fill) -> Bar {
    let Some(moved) = step.spread(transfer_bytes) else {
        return absent(step.outcome());
    };
    let requests = match step.spread(|row| row.requests) {
        Some(requests) if requests.median == 1 => " in 1 request".to_string(),
        Some(requests) => format!(" in {} requests", units::count(requests.median)),
        None => String::new(),
    };
    Bar::Shown {
        ends: vec![(moved.median, fill)],
        // Bytes repeat; where they did not, it shows.
        whisker: (moved.min < moved.max).then_some((moved.min, moved.max)),
        label: format!("{}{requests}", units::bytes(moved.median)),
    }
}
