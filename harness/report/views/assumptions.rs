//! The assumptions behind the summary and the link sheet: fleet, prices, links, and where they come from.

use crate::report::advice::{dollars, question};
use crate::report::block::{Block, Column, Grid, Keep};
use crate::report::{sheet, units};
use crate::stats::assume::{Assumptions, Link};

pub fn blocks(assumed: &Assumptions) -> Vec<Block> {
    let (fleet, price) = (&assumed.fleet, &assumed.price);
    let memory = match fleet.device_memory_bytes {
        Some(bytes) => units::bytes(bytes as i64),
        None => "not limited".to_string(),
    };
    let said = vec![
        question(assumed),
        format!(
            "releases kept on the server: {}; memory of a device: {memory}",
            fleet.releases_kept
        ),
        format!(
            "egress {} a GB; a million requests {}; storage {} a GB and month; an hour of a build machine {}; an hour of a device {}; device data {} a GB; from the edge of a cache {} a GB and {} for a million requests, to it {} a GB",
            dollars(price.egress_gb),
            dollars(price.requests_million),
            dollars(price.storage_gb_month),
            dollars(price.build_hour),
            dollars(price.device_hour),
            dollars(price.data_gb),
            dollars(price.cdn_gb),
            dollars(price.cdn_requests_million),
            dollars(price.cdn_fill_gb)
        ),
    ];
    let links = |cell: fn(&Link) -> String| assumed.links.iter().map(cell).collect::<Vec<String>>();
    let grid = Grid {
        columns: vec![
            Column::names(Keep::Always, "link", links(|link| link.name.clone())),
            Column::figures(
                Keep::Always,
                "bandwidth",
                "bandwidth",
                links(|link| sheet::bandwidth(link.bits_per_s)),
            ),
            Column::figures(
                Keep::Always,
                "round trip",
                "round trip",
                links(|link| format!("{} ms", link.round_trip_ms)),
            ),
            Column::figures(
                Keep::Always,
                "in flight",
                "requests in flight",
                links(|link| link.parallel.to_string()),
            ),
        ],
    };
    vec![
        Block::Head {
            level: 1,
            text: "What is assumed".to_string(),
        },
        Block::Text(format!(
            "From {}. Prices are examples, in US dollars. To change them: delta-lab recommend --print-assumptions > mine.toml, \
             then report --assume mine.toml.",
            assumed.origin
        )),
        Block::List(said),
        Block::Grid(grid),
    ]
}
