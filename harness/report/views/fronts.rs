//! The fronts: bytes of an update against each of its other costs, with the methods that no other beats in both.

use crate::report::block::Block;
use crate::report::plot::ticks;
use crate::report::plot::{Axis, Dot, Plot, Points, Spacing};
use crate::stats::Section;
use crate::stats::front::front;
use crate::stats::offer::{Offer, of_section};

use super::picture::plotted;

/// With fewer methods a table says it all.
const FEWEST: usize = 4;

/// One figure that bytes are held against.
struct Against {
    name: &'static str,
    title: &'static str,
    axis: &'static str,
    tick: fn(f64) -> String,
    of: fn(&Offer) -> Option<f64>,
}

const AGAINST: &[Against] = &[
    Against {
        name: "front-apply",
        title: "bytes of an update against the time to apply it",
        axis: "time to apply on the device",
        tick: ticks::time,
        of: |offer| offer.main().map(|cost| cost.apply_ns as f64),
    },
    Against {
        name: "front-publish",
        title: "bytes of an update against the time to publish it",
        axis: "time to publish on the server",
        tick: ticks::time,
        of: |offer| offer.publish_ns.map(|ns| ns as f64),
    },
    Against {
        name: "front-storage",
        title: "bytes of an update against the server's storage",
        axis: "storage after all releases",
        tick: ticks::bytes,
        of: |offer| offer.stored_bytes.map(|bytes| bytes as f64),
    },
    Against {
        name: "front-memory",
        title: "bytes of an update against the device's memory",
        axis: "peak memory of the update",
        tick: ticks::bytes,
        of: |offer| offer.main().map(|cost| cost.memory_bytes as f64),
    },
    Against {
        name: "front-reads",
        title: "bytes of an update against what the device reads of the image it holds",
        axis: "read of the base, from the device's disk",
        tick: ticks::bytes,
        of: |offer| {
            let read = offer.main().and_then(|cost| cost.base_read_bytes);
            read.map(|bytes| bytes as f64)
        },
    },
];

pub fn charts(section: &Section) -> Vec<Block> {
    let offers = of_section(section);
    let charts: Vec<Block> = AGAINST
        .iter()
        .filter_map(|against| chart(section, &offers, against))
        .collect();
    if charts.is_empty() {
        return Vec::new();
    }
    let head = Block::Head {
        level: 1,
        text: "What no other method beats".to_string(),
    };
    let said = "Each dot is a method. One on the line is beaten by no other in both figures at once: choose among these.";
    [head, Block::Text(said.to_string())]
        .into_iter()
        .chain(charts)
        .collect()
}

fn chart(section: &Section, offers: &[Offer], against: &Against) -> Option<Block> {
    let found = offers.iter().filter_map(|offer| {
        let bytes = offer.main()?.transfer_bytes as f64;
        // A log axis has no place for nothing; a store that shrank is a mistake of its row.
        let other = (against.of)(offer).filter(|other| *other > 0.0)?;
        Some((offer.method.clone(), (bytes.max(1.0), other)))
    });
    let found: Vec<(String, (f64, f64))> = found.collect();
    if found.len() < FEWEST {
        return None;
    }
    let points: Vec<(f64, f64)> = found.iter().map(|(_, at)| *at).collect();
    let on_front = front(&points);
    let dots = found
        .into_iter()
        .enumerate()
        .map(|(at, (name, place))| Dot {
            name,
            at: place,
            kind: 0,
            front: on_front.binary_search(&at).is_ok(),
        });
    let axis = |words: &str, tick| Axis {
        words: words.to_string(),
        tick,
        spacing: Spacing::Fitting,
    };
    let points = Points {
        title: format!("{}: {}", section.title(), against.title),
        subtitle: format!(
            "{} of {} methods are beaten by no other in both.",
            on_front.len(),
            points.len()
        ),
        x: axis("bytes over the wire, lower is better", ticks::bytes),
        y: axis(&format!("{}, lower is better", against.axis), against.tick),
        kinds: Vec::new(),
        dots: dots.collect(),
        front: Some("beaten by no other in both".to_string()),
        diagonal: None,
        notes: Vec::new(),
    };
    plotted(against.name, section, Plot::Points(points))
}
