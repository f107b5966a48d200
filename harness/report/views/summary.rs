//! The summary: which method for what, in words, before any table.

use crate::record::Results;
use crate::report::advice;
use crate::report::again;
use crate::report::block::{Answer, Block, Tile};
use crate::report::units;
use crate::stats::Scenario;
use crate::stats::assume::Assumptions;
use crate::stats::offer::{Cost, Offer, by_conditions};
use crate::stats::recommend::recommend;

/// The answer for the assumed fleet, and the best method for each single measure.
pub fn blocks(results: &Results, scenario: &Scenario, assumed: &Assumptions) -> Vec<Block> {
    let mut blocks = Vec::new();
    for (case, offers) in by_conditions(scenario) {
        let of = match case.is_empty() {
            true => String::new(),
            false => format!(" [{case}]"),
        };
        blocks.push(answer(results, scenario, assumed, &offers, &of));
        let tiles = tiles(&offers);
        if !tiles.is_empty() {
            blocks.push(Block::Tiles(tiles));
        }
    }
    blocks
}

fn answer(
    results: &Results,
    scenario: &Scenario,
    assumed: &Assumptions,
    offers: &[Offer],
    of: &str,
) -> Block {
    let question = format!("For {}{of}", advice::question(assumed));
    let advised = match recommend(offers, assumed) {
        Ok(advised) => advised,
        Err(why) => return Block::Text(format!("{question}: no pick: {why:#}.")),
    };
    let dir = results.dir.display().to_string();
    let words = [
        "delta-lab",
        "recommend",
        &dir,
        "--scenario",
        &scenario.plan.name,
    ];
    Block::Answer(Answer {
        question,
        pick: advised.pick().offer.name(),
        why: advice::sentences(&advised, assumed),
        command: again::line(&words.map(str::to_string)),
    })
}

/// The best of each measure. Methods that cannot give the archive back do not compete.
fn tiles(offers: &[Offer]) -> Vec<Tile> {
    let offers: Vec<&Offer> = offers.iter().filter(|offer| !offer.tree).collect();
    let of_update =
        |of: fn(&Cost) -> u64| move |offer: &Offer| offer.main().map(|cost| i128::from(of(cost)));
    let bytes = |value: i128| units::bytes(value);
    let time = |value: i128| units::time(u64::try_from(value).unwrap_or(0));
    let tile = |label: &str, show: &dyn Fn(i128) -> String, of: &dyn Fn(&Offer) -> Option<i128>| {
        let figures = offers.iter().filter_map(|offer| Some((of(offer)?, offer)));
        let (best, offer) = figures.min_by_key(|(figure, _)| *figure)?;
        Some(Tile {
            label: label.to_string(),
            figure: show(best),
            who: offer.name(),
        })
    };
    [
        tile(
            "smallest update",
            &bytes,
            &of_update(|cost| cost.transfer_bytes),
        ),
        tile("smallest storage", &bytes, &|offer| {
            offer.stored_bytes.map(Into::into)
        }),
        tile("fastest apply", &time, &of_update(|cost| cost.apply_ns)),
        tile(
            "least memory to update",
            &bytes,
            &of_update(|cost| cost.memory_bytes),
        ),
        tile("fastest publish", &time, &|offer| {
            offer.publish_ns.map(Into::into)
        }),
    ]
    .into_iter()
    .flatten()
    .collect()
}
