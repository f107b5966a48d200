//! The ranking: what each method moves and stores, best first.

use crate::record::Check;
use crate::report::block::{Block, Column, Grid, Keep};
use crate::stats::{MethodRows, Section, deed};

use super::columns;

/// The ranking and the times in one grid, under a line that says what is compared.
pub fn glance(section: &Section) -> Vec<Block> {
    let mut blocks = vec![Block::Head {
        level: 1,
        text: caption(section),
    }];
    if !section.ranked().is_empty() {
        let mut all = vec![columns::methods(section)];
        all.extend(columns::bytes(section));
        all.extend(columns::costs(section, false));
        blocks.push(Block::Grid(Grid::filled(all)));
    }
    blocks
}

fn caption(section: &Section) -> String {
    let title = section.title();
    if section.ranked().is_empty() {
        let said = match section.methods.iter().any(|it| it.rows().next().is_some()) {
            true => "nothing was verified, so there are no figures",
            false => "no step has run yet",
        };
        return format!("{title}: {said}");
    }
    let newest = columns::newest(section);
    match (section.nearest(), section.full) {
        (Some(base), Some(_)) => {
            format!("{title}: update to {newest}; delta is from {base}, full from nothing")
        }
        (Some(base), None) => format!("{title}: update to {newest}; delta is from {base}"),
        (None, Some(_)) => format!("{title}: update to {newest}, from nothing"),
        (None, None) => format!("{title}: publish up to {newest}; no update was planned"),
    }
}

/// The ranking by bytes, what a tree leaves out, and whether the bytes repeat.
pub fn blocks(section: &Section) -> Vec<Block> {
    if section.ranked().is_empty() {
        let said = "Nothing was verified here, so there are no figures and no charts.";
        return vec![Block::Text(said.to_string())];
    }
    let by = match section.main() {
        Some(main) => format!("bytes moved: {}", deed(main)),
        None => "the server's storage: no update was planned".to_string(),
    };
    let places = (1..=section.ranked().len()).map(|place| place.to_string());
    let mut all = vec![
        Column::figures(Keep::Detail, "", "", places.collect()),
        columns::methods(section),
    ];
    all.extend(columns::bytes(section));
    let mut blocks = vec![
        Block::Head {
            level: 1,
            text: format!("Ranked by {by}"),
        },
        Block::Grid(Grid::filled(all)),
    ];
    blocks.extend(left_out(section, Check::Image, BESIDE_IMAGE));
    blocks.extend(left_out(section, Check::Tree, LEFT_OUT));
    blocks.extend(repetition(section));
    blocks
}

/// What `tree` does not vouch for; results/README.md says the same.
const LEFT_OUT: &str = "the unpacked tree is moved, and the archive, whose size is the image's, cannot be given back. Not \
    compared: mtimes, which names are hard links of one file, devices and fifos, extended attributes other than \
    capabilities and user.*.";

/// What `image` does not vouch for.
const BESIDE_IMAGE: &str = "the image as an engine knows it is moved, config and layers, each with its digest. Not compared: \
    how the archive is arranged, its tags, and fields of the config that tools drop when they push it.";

/// Which methods were verified by `check`, and what that leaves out.
fn left_out(section: &Section, check: Check, what: &str) -> Option<Block> {
    let checked = |method: &&MethodRows| method.rows().any(|row| row.check == check);
    let named: Vec<&str> = section
        .ranked()
        .iter()
        .filter(checked)
        .map(|method| method.method)
        .collect();
    let said = || Block::Text(format!("{}: {what}", named.join(", ")));
    (!named.is_empty()).then(said)
}

/// Whether bytes and requests were the same in every sample.
fn repetition(section: &Section) -> Vec<Block> {
    let samples = section.methods.iter().flat_map(MethodRows::rows);
    let samples = samples.map(|row| row.sample).max().unwrap_or(0);
    if samples < 2 {
        let said = "One sample of each step: whether bytes repeat is not known.";
        return vec![Block::Text(said.to_string())];
    }
    let mut differing = Vec::new();
    for method in section.ranked() {
        for step in method.steps() {
            let columns = step.unrepeated();
            if let Some(row) = step.rows.first().filter(|_| !columns.is_empty()) {
                let (who, step) = (method.method, row.act().deed());
                differing.push(format!("{who}: {step} ({})", columns.join(", ")));
            }
        }
    }
    match differing.is_empty() {
        true => vec![Block::Text(format!(
            "Bytes and requests repeated exactly over {samples} samples."
        ))],
        false => vec![
            Block::Text(format!(
                "Bytes or requests did not repeat over {samples} samples:"
            )),
            Block::List(differing),
        ],
    }
}
