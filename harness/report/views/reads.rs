//! What a device reads of the image that it holds, to update from it: where bases lie on the disk alone.

use crate::report::block::Block;
use crate::report::plot::{Bar, Bars, Group, palette};
use crate::report::units;
use crate::stats::{MethodRows, Samples, Section, Spread};

use super::picture::{absent, picture};

pub fn chart(section: &Section) -> Vec<Block> {
    let Some(delta) = section.deltas.last() else {
        return Vec::new();
    };
    let mut methods: Vec<&MethodRows> = section.ranked().iter().collect();
    let median = |method: &&MethodRows| {
        let read = method.deltas.last().and_then(read);
        read.map_or(u64::MAX, |read| read.median)
    };
    methods.sort_by_key(median);
    let bases = delta.bases.names();
    let images = bases.filter_map(|base| section.scenario.image(base, section.case));
    let bytes: u64 = images.map(|image| image.bytes).sum();
    let bars = Bars {
        title: format!(
            "{}: what the update to {} reads of {}",
            section.title(),
            delta.image,
            delta.bases
        ),
        subtitle: format!(
            "{} is {} on the device's disk, and nothing of it in memory. Least read first.",
            delta.bases,
            units::bytes(bytes)
        ),
        axis: "bytes read of the base, in whole pages, read-ahead included",
        tick: |bytes| units::round(units::bytes(bytes as i64)),
        legend: Vec::new(),
        heads: Vec::new(),
        groups: methods.into_iter().map(group).collect(),
        notes: Vec::new(),
    };
    picture("reads", section, bars).into_iter().collect()
}

fn group(method: &MethodRows) -> Group {
    let bar = method.deltas.last().map(|step| match read(step) {
        Some(read) => Bar::Shown {
            ends: vec![(read.median, palette::DELTA)],
            whisker: (read.min < read.max).then_some((read.min, read.max)),
            label: units::bytes(read.median),
        },
        None => absent(step.outcome()),
    });
    Group {
        method: method.method.to_string(),
        bars: bar.into_iter().collect(),
        cells: Vec::new(),
    }
}

fn read(step: &Samples) -> Option<Spread> {
    step.spread(|row| row.base_read_bytes)
}
