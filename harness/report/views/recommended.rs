//! A recommendation in full: the pick and why, what every method costs, what was left out, and what would change it.

use crate::report::advice::{dollars, flip, question, sentences};
use crate::report::block::{Block, Column, Grid, Keep};
use crate::report::{sheet, units};
use crate::stats::assume::Assumptions;
use crate::stats::recommend::{Advice, Priced};

/// `title` says of which scenario and conditions it is; at most `most` methods are shown.
pub fn blocks(title: &str, advice: &Advice, assumed: &Assumptions, most: usize) -> Vec<Block> {
    let mut blocks = vec![
        Block::Head {
            level: 1,
            text: format!("{title}: {}", question(assumed)),
        },
        Block::Text(format!("Pick: {}", advice.pick().offer.name())),
        Block::List(sentences(advice, assumed)),
        Block::Head {
            level: 1,
            text: "What it costs a year, cheapest first".to_string(),
        },
        Block::Grid(grid(&advice.ranked[..advice.ranked.len().min(most)])),
    ];
    if advice.ranked.len() > most {
        let all = advice.ranked.len();
        blocks.push(Block::Text(format!(
            "The {most} cheapest of {all} methods; --top shows more."
        )));
    }
    if !advice.flips.is_empty() {
        let head = "What would change the pick, nearest first".to_string();
        blocks.push(Block::Head {
            level: 1,
            text: head,
        });
        blocks.push(Block::List(advice.flips.iter().map(flip).collect()));
    }
    if !advice.left_out.is_empty() {
        let line = |(who, why): &(String, &str)| format!("{who}: {why}");
        blocks.push(Block::Head {
            level: 1,
            text: "Left out".to_string(),
        });
        blocks.push(Block::List(advice.left_out.iter().map(line).collect()));
    }
    blocks
}

fn grid(ranked: &[Priced]) -> Grid {
    let of = |keep, short: &str, head: &str, cell: &dyn Fn(&Priced) -> String| {
        Column::figures(keep, short, head, ranked.iter().map(cell).collect())
    };
    let names = ranked.iter().map(|it| it.offer.name()).collect();
    let mut columns = vec![
        Column::names::<String>(Keep::Always, "method", names),
        of(Keep::Always, "a year", "total a year", &|it| {
            dollars(it.bill.total())
        }),
        of(Keep::Key, "update", "update", &|it| {
            units::bytes(it.update.transfer_bytes)
        }),
        of(Keep::Key, "time", "time of an update", &|it| {
            sheet::seconds(it.seconds)
        }),
        of(Keep::Key, "memory", "memory on the device", &|it| {
            units::bytes(it.update.memory_bytes)
        }),
    ];
    let parts = ranked.first().map_or(0, |first| first.bill.parts().len());
    for at in 0..parts {
        let name = ranked[0].bill.parts()[at].0;
        columns.push(of(Keep::Helpful, name, name, &|it| {
            dollars(it.bill.parts()[at].1)
        }));
    }
    Grid { columns }
}
