//! The link sheet: how long an update takes over each link, and where a delta stops paying.

use crate::report::block::{Block, Sheet, SheetRow};
use crate::stats::Section;
use crate::stats::assume::Assumptions;
use crate::stats::offer::{Cost, Offer, of_section};

pub fn blocks(section: &Section, assumed: &Assumptions) -> Vec<Block> {
    let offers = of_section(section);
    let fulls: Vec<Cost> = offers
        .iter()
        .filter(|it| !it.tree)
        .filter_map(|it| it.full.clone())
        .collect();
    let mut rows: Vec<SheetRow> = offers
        .iter()
        .filter_map(|offer| row(section, offer))
        .collect();
    if rows.is_empty() || assumed.links.is_empty() {
        return Vec::new();
    }
    let chosen = assumed
        .links
        .iter()
        .position(|link| Some(link) == assumed.link().ok())
        .unwrap_or(0);
    let link = &assumed.links[chosen];
    rows.sort_by(|a, b| link.seconds(&a.cost).total_cmp(&link.seconds(&b.cost)));
    let said = format!(
        "From the first request until the image is there: requests × round trip / requests in flight + bytes × 8 / \
         bandwidth + the time to apply, as measured here. Quickest on {0} first. A delta pays up to the bandwidth at which \
         the quickest full download of any method takes as long, at the round trip of {0}.",
        link.name
    );
    vec![
        Block::Head {
            level: 1,
            text: "Time to update over a link".to_string(),
        },
        Block::Text(said),
        Block::Sheet(Box::new(Sheet {
            links: assumed.links.clone(),
            chosen,
            rows,
            fulls,
        })),
    ]
}

fn row(section: &Section, offer: &Offer) -> Option<SheetRow> {
    let cost = offer.main()?.clone();
    let main = section.main()?;
    Some(SheetRow {
        name: offer.method.clone(),
        delta: !cost.from.is_empty(),
        of: format!(
            "{} {}: {}",
            section.title(),
            offer.method,
            crate::stats::deed(main)
        ),
        cost,
    })
}
