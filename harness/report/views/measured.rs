//! How it was measured, and where every figure comes from.

use crate::record::Results;
use crate::report::block::Block;
use crate::report::units;
use crate::stats::Reading;

use super::machine;

const MEASURED: [&str; 6] = [
    "A figure is given only for a step whose output was verified. exact: the rebuilt file has the image's sha256; tree: \
     the rebuilt folder has the same names, modes, owners, links and contents as the image's tree.",
    "Transfer is what crossed the wire as bodies, in both directions. Heads are counted apart (header_bytes).",
    "Storage is what the store's folder grew by, all releases of a method in one store.",
    "Every step is a process. Time is wall time; peak memory is that of the step's largest single process.",
    "Read of the base is what the kernel read of it from the disk during the update, in whole pages, read-ahead included. It \
     is known where the case says cache=cold.",
    "Sizes are decimal (1 kB = 1,000 B). Of several samples the median is shown.",
];

pub fn blocks(_: &Results, _: &Reading) -> Vec<Block> {
    vec![
        Block::Head {
            level: 1,
            text: "How it was measured".to_string(),
        },
        Block::List(MEASURED.map(str::to_string).to_vec()),
        Block::Text(
            "Every sample is in rows.csv, in this folder. results/README.md says what its columns mean and what they \
             do not say."
                .to_string(),
        ),
    ]
}

/// Rows that no view shows, and times that none shows.
pub fn left_out(results: &Results, reading: &Reading) -> Vec<Block> {
    let rows = (reading.unplanned > 0).then(|| {
        format!(
            "Left out: rows of acts that plan.toml does not name, {} in all.",
            units::count(reading.unplanned as u64)
        )
    });
    let times = results.timed.iter().map(machine::timed);
    rows.into_iter().chain(times).map(Block::Text).collect()
}
