//! Similarity: which figure tells beforehand from which base a delta will be small, and how well.

use crate::report::block::{Block, Column, Grid, Keep, NO_FIGURE};
use crate::report::clean;
use crate::report::plot::{Axis, Dot, Plot, Points, Spacing, ticks};
use crate::stats::predict::{
    Held, NEAREST, Pair, Prediction, Sure, choose, over_all, pairs, predictions,
};
use crate::stats::{Scenario, Section, transfer_bytes};

use super::picture::plotted;

/// Fewer pairs than this are listed in a table well enough.
const FEWEST_PAIRS: usize = 6;

pub fn blocks(scenario: &Scenario) -> Vec<Block> {
    let sections = scenario.sections.iter();
    sections
        .flat_map(|section| of_section(section, scenario))
        .collect()
}

/// One method's pairs, and how well its bases are chosen.
struct Judged<'a> {
    method: &'a str,
    pairs: Vec<Pair>,
    predictions: Vec<Prediction>,
}

fn of_section(section: &Section, scenario: &Scenario) -> Vec<Block> {
    let judged: Vec<Judged> = section
        .ranked()
        .iter()
        .map(|method| {
            let updates = section.updates(method).map(|(update, samples)| {
                let moved = samples.spread(transfer_bytes).map(|it| it.median);
                (update, moved)
            });
            let pairs = pairs(updates, &scenario.findings);
            Judged {
                method: method.method,
                predictions: predictions(&pairs),
                pairs,
            }
        })
        .filter(|it| !it.predictions.is_empty())
        .collect();
    if judged.is_empty() {
        return Vec::new();
    }
    let said = "Rho is Spearman's rank correlation with the delta's bytes, 1 at best. Regret is the delta with the base that \
                the figure chooses over the delta with the best base, the mean over all targets: 1 at best. Over all methods it is the geometric mean of theirs.";
    let mut blocks = vec![
        Block::Head {
            level: 1,
            text: "What tells beforehand which base is best".to_string(),
        },
        Block::Text(said.to_string()),
        Block::Grid(grid(&judged)),
    ];
    blocks.extend(judged.iter().map(|it| Block::Text(sureness(it))));
    blocks.extend(chart(section, &judged));
    blocks
}

fn grid(judged: &[Judged]) -> Grid {
    let methods: Vec<Vec<Prediction>> = judged.iter().map(|it| it.predictions.clone()).collect();
    let all = over_all(&methods);
    let by: Vec<&str> = all.iter().map(|it| it.by.as_str()).collect();
    let mut columns = vec![Column::names(Keep::Always, "figure", by.clone())];
    if judged.len() > 1 {
        let regrets = all.iter().map(|it| format!("{:.3}", it.regret)).collect();
        columns.push(Column::figures(
            Keep::Key,
            "regret",
            "regret, all methods",
            regrets,
        ));
    }
    for method in judged {
        let of = |cell: &dyn Fn(&Prediction) -> String| -> Vec<String> {
            let found = |by: &&str| method.predictions.iter().find(|it| it.by == **by);
            by.iter()
                .map(|by| found(by).map_or(NO_FIGURE.to_string(), cell))
                .collect()
        };
        let rho = |it: &Prediction| match it.rho {
            Some(rho) => format!("{rho:.2}"),
            None => NO_FIGURE.to_string(),
        };
        let name = method.method;
        columns.extend([
            Column::figures(Keep::Key, "rho", format!("rho, {name}"), of(&rho)),
            Column::figures(
                Keep::Key,
                "regret",
                format!("regret, {name}"),
                of(&|it| format!("{:.3}", it.regret)),
            ),
            Column::figures(
                Keep::Helpful,
                "pairs",
                format!("pairs, {name}"),
                of(&|it| it.pairs.to_string()),
            ),
        ]);
    }
    Grid { columns }
}

/// How often the base that `nearest` chooses was the best one, by how sure it is.
fn sureness(judged: &Judged) -> String {
    let mut targets: Vec<&str> = judged.pairs.iter().map(|it| it.image.as_str()).collect();
    targets.dedup();
    let mut counts = [
        (Sure::Sure, 0, 0),
        (Sure::Likely, 0, 0),
        (Sure::TossUp, 0, 0),
        (Sure::NoneHelps, 0, 0),
    ];
    for target in targets {
        let bases = judged.pairs.iter().filter(|it| it.image == target);
        let bases: Vec<(&Pair, Held)> = bases.filter_map(|it| Some((it, held(it)?))).collect();
        let held: Vec<Held> = bases.iter().map(|(_, held)| *held).collect();
        let best = bases.iter().map(|(pair, _)| pair.bytes).min();
        let Some(choice) = choose(&held) else {
            continue;
        };
        let right = best == Some(bases[choice.at].0.bytes);
        for (sure, chosen, hits) in &mut counts {
            if *sure == choice.sure {
                *chosen += 1;
                *hits += usize::from(right);
            }
        }
    }
    let told: Vec<String> = counts
        .iter()
        .filter(|(_, chosen, _)| *chosen > 0)
        .map(|(sure, chosen, hits)| format!("{hits} of {chosen} where it is {}", word(*sure)))
        .collect();
    format!(
        "With {}, delta-lab nearest chooses the best base by {NEAREST} in {}.",
        judged.method,
        told.join(", in ")
    )
}

fn held(pair: &Pair) -> Option<Held> {
    Held::by(NEAREST, |measure| {
        u64::try_from(*pair.found.get(measure)?).ok()
    })
}

/// How sure, in a word or two.
pub fn word(sure: Sure) -> &'static str {
    match sure {
        Sure::Sure => "sure",
        Sure::Likely => "fairly sure",
        Sure::TossUp => "not sure",
        Sure::NoneHelps => "of no help",
    }
}

fn chart(section: &Section, judged: &[Judged]) -> Option<Block> {
    let dots: Vec<Dot> = judged
        .iter()
        .enumerate()
        .flat_map(|(kind, method)| {
            method.pairs.iter().filter_map(move |pair| {
                let needs = held(pair)?.needs_bytes as f64;
                Some(Dot {
                    name: clean::line(&format!("{} to {}", pair.base, pair.image)),
                    at: (needs, pair.bytes as f64),
                    kind,
                    front: false,
                })
            })
        })
        .collect();
    if dots.len() < FEWEST_PAIRS {
        return None;
    }
    let points = Points {
        title: format!(
            "{}: a quick patch, and the delta from the same base",
            section.title()
        ),
        subtitle: "Every ordered pair of images, by each method.".into(),
        x: Axis {
            words: "bytes of the patch that zstd makes at its quickest".to_string(),
            tick: ticks::bytes,
            spacing: Spacing::Fitting,
        },
        y: Axis {
            words: "bytes over the wire, lower is better".to_string(),
            tick: ticks::bytes,
            spacing: Spacing::Fitting,
        },
        kinds: judged.iter().map(|it| it.method.to_string()).collect(),
        dots,
        front: None,
        diagonal: Some("delta as long as the quick patch".into()),
        notes: Vec::new(),
    };
    plotted("similarity", section, Plot::Points(points))
}
