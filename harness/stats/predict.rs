//! Prediction: how well a base is chosen by what the probe `similarity` found, judged by the deltas that were made.

use std::collections::{BTreeMap, BTreeSet};

use crate::record::{Finding, Move, Of, SIMILARITY, ScenarioPlan, Verb};

use super::index::{Index, Step};
use super::{Samples, transfer_bytes};

/// The measure by which `delta-lab nearest` chooses: a quick patch from the base. Expectations of experiment n hold it against
/// the others, over all their methods.
pub const NEAREST: &str = "quick_patch_bytes";

/// The measure by which it chooses among images that are too long for that: of the chunks that a base lacks, compressed.
pub const LACKING: &str = "lacking_bytes";

/// The measure by which it says that a base does not help.
pub const SHARE: &str = "chunk_share_ppm";

/// An update from the next best base needs at least so many times as much as from the chosen one.
const SURE: f64 = 2.0;
const LIKELY: f64 = 1.2;

/// A base that holds less of the image than this is no base.
const HELPS_PPM: u64 = 10_000;

const MILLION: f64 = 1e6;

/// How sure a choice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sure {
    /// No base holds enough of the image.
    NoneHelps,
    /// The next best base is about as good.
    TossUp,
    Likely,
    Sure,
}

/// What a base has of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// In millionths of the image's bytes.
    pub share_ppm: u64,
    /// About what an update from it needs.
    pub needs_bytes: u64,
}

impl Held {
    /// Among the findings of one pair, by one measure; `None` where one was not found.
    pub fn by(needs: &str, mut found: impl FnMut(&str) -> Option<u64>) -> Option<Held> {
        Some(Held {
            share_ppm: found(SHARE)?,
            needs_bytes: found(needs)?,
        })
    }
}

/// A base chosen among several by what an update from each needs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// Its place among them.
    pub at: usize,
    /// How many times as much the next best one needs; `None` where there is no other.
    pub margin: Option<f64>,
    pub sure: Sure,
}

/// Chooses the base from which an update needs least. The first of several that need as much.
pub fn choose(bases: &[Held]) -> Option<Choice> {
    let mut order: Vec<usize> = (0..bases.len()).collect();
    order.sort_by_key(|at| bases[*at].needs_bytes);
    let at = *order.first()?;
    let needs = |at: usize| bases[at].needs_bytes.max(1) as f64;
    let margin = order.get(1).map(|next| needs(*next) / needs(at));
    let sure = match margin {
        _ if bases[at].share_ppm < HELPS_PPM => Sure::NoneHelps,
        Some(margin) if margin < LIKELY => Sure::TossUp,
        Some(margin) if margin < SURE => Sure::Likely,
        _ => Sure::Sure,
    };
    Some(Choice { at, margin, sure })
}

/// How well one method's bases are chosen by one measure.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    pub by: String,
    /// Ordered pairs with both a delta and the measure.
    pub pairs: usize,
    /// Spearman's rank correlation of the measure, turned so that nearer is less, and the delta's bytes.
    pub rho: Option<f64>,
    /// The mean over all targets of the delta with the chosen base over the delta with the best one. Among bases that the
    /// measure does not tell apart, the mean of their deltas.
    pub regret: f64,
    /// 1 with the least regret; measures of the same regret, to a thousandth, share a place.
    pub place: usize,
}

/// One update from one base.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    pub image: String,
    pub base: String,
    pub bytes: u64,
    /// What was found of it, by measure.
    pub found: BTreeMap<String, i64>,
}

/// Those of a method's updates that have a single base and a figure, with what the probe found of the same pair.
pub fn pairs<'a>(
    updates: impl Iterator<Item = (&'a Move, Option<u64>)>,
    findings: &[&Finding],
) -> Vec<Pair> {
    let mut found: BTreeMap<(&str, String), BTreeMap<String, i64>> = BTreeMap::new();
    let of_probe = |it: &&&Finding| it.method == SIMILARITY && it.verb == Verb::Probe;
    for finding in findings.iter().filter(of_probe) {
        let pair = (finding.image.as_str(), finding.bases.to_string());
        let measures = found.entry(pair).or_default();
        measures.insert(finding.measure.clone(), finding.value);
    }
    updates
        .filter(|(update, _)| update.bases.len() == 1)
        .filter_map(|(update, bytes)| {
            let pair = (update.image.as_str(), update.bases.to_string());
            Some(Pair {
                bytes: bytes?,
                found: found.get(&pair).cloned().unwrap_or_default(),
                image: update.image.clone(),
                base: pair.1,
            })
        })
        .collect()
}

/// How well the bases of these pairs are chosen by each measure, least regret first. Empty where it is all the same which
/// base is chosen: no target has two, or the method makes nothing of them.
pub fn predictions(pairs: &[Pair]) -> Vec<Prediction> {
    let differ = |pair: &Pair| {
        let mut others = pairs.iter().filter(|it| it.image == pair.image);
        others.any(|it| it.bytes != pair.bytes)
    };
    if !pairs.iter().any(differ) {
        return Vec::new();
    }
    let measures: BTreeSet<&String> = pairs.iter().flat_map(|pair| pair.found.keys()).collect();
    let all = measures.into_iter().filter_map(|by| predicted(pairs, by));
    placed(all.collect())
}

/// How well the bases of several methods are chosen by each measure, least regret first: the geometric mean of the methods'
/// regrets, and the mean of their rhos. Only of measures that are known for each method.
pub fn over_all(methods: &[Vec<Prediction>]) -> Vec<Prediction> {
    let Some(first) = methods.first() else {
        return Vec::new();
    };
    let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
    let of = |by: &str| {
        let found = methods.iter().map(|it| it.iter().find(|it| it.by == by));
        let found: Option<Vec<&Prediction>> = found.collect();
        let found = found?;
        let rhos: Option<Vec<f64>> = found.iter().map(|it| it.rho).collect();
        let logs = found.iter().map(|it| it.regret.ln());
        Some(Prediction {
            by: by.to_string(),
            pairs: found.iter().map(|it| it.pairs).sum(),
            rho: rhos.map(mean),
            regret: mean(logs.collect()).exp(),
            place: 0,
        })
    };
    placed(first.iter().filter_map(|it| of(&it.by)).collect())
}

/// Puts them in order, least regret first, and gives each its place. A thousandth of a delta is what bases differ by that are
/// as good as each other.
fn placed(mut all: Vec<Prediction>) -> Vec<Prediction> {
    all.sort_by(|one, other| {
        let regret = one.regret.total_cmp(&other.regret);
        regret.then_with(|| one.by.cmp(&other.by))
    });
    let regrets: Vec<f64> = all.iter().map(|it| (it.regret * 1e3).round()).collect();
    for (at, prediction) in all.iter_mut().enumerate() {
        let better = regrets.iter().filter(|it| **it < regrets[at]).count();
        prediction.place = better + 1;
    }
    all
}

fn predicted(pairs: &[Pair], by: &str) -> Option<Prediction> {
    let mut targets: BTreeMap<&str, Vec<&Pair>> = BTreeMap::new();
    for pair in pairs {
        targets.entry(&pair.image).or_default().push(pair);
    }
    let regrets: Vec<f64> = targets
        .values()
        .filter(|bases| bases.len() > 1)
        .filter_map(|bases| regret(bases, by))
        .collect();
    let known = pairs
        .iter()
        .filter_map(|pair| Some((far(pair, by)?, pair.bytes as f64)));
    let known: Vec<(f64, f64)> = known.collect();
    (!regrets.is_empty()).then(|| Prediction {
        by: by.to_string(),
        pairs: known.len(),
        rho: spearman(&known),
        regret: regrets.iter().sum::<f64>() / regrets.len() as f64,
        place: 0,
    })
}

/// How far a base is by a measure: of a distance the value, of a share what is missing.
fn far(pair: &Pair, by: &str) -> Option<f64> {
    let value = *pair.found.get(by)? as f64;
    Some(if by.ends_with("_ppm") { -value } else { value })
}

/// The delta with the nearest base over the delta with the best one. A base of which the measure says nothing is far.
fn regret(bases: &[&Pair], by: &str) -> Option<f64> {
    let best = bases.iter().map(|pair| pair.bytes).min()?;
    let far = |pair: &Pair| far(pair, by).unwrap_or(f64::INFINITY);
    let nearest = bases
        .iter()
        .map(|pair| far(pair))
        .fold(f64::INFINITY, f64::min);
    let chosen: Vec<f64> = bases
        .iter()
        .filter(|pair| far(pair) == nearest)
        .map(|pair| pair.bytes as f64)
        .collect();
    Some(chosen.iter().sum::<f64>() / chosen.len() as f64 / best.max(1) as f64)
}

/// Spearman's rho: the correlation of ranks, with the mean rank for equals. `None` where a side does not vary.
fn spearman(points: &[(f64, f64)]) -> Option<f64> {
    let xs = ranks(points.iter().map(|(x, _)| *x));
    let ys = ranks(points.iter().map(|(_, y)| *y));
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (mx, my) = (mean(&xs), mean(&ys));
    let sum = |of: &dyn Fn(f64, f64) -> f64| -> f64 {
        xs.iter().zip(&ys).map(|(x, y)| of(x - mx, y - my)).sum()
    };
    let spread = (sum(&|x, _| x * x) * sum(&|_, y| y * y)).sqrt();
    (spread > 0.0).then(|| sum(&|x, y| x * y) / spread)
}

fn ranks(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let values: Vec<f64> = values.collect();
    let rank = |value: &f64| {
        let less = values.iter().filter(|it| *it < value).count();
        let same = values.iter().filter(|it| *it == value).count();
        less as f64 + (same + 1) as f64 / 2.0
    };
    values.iter().map(rank).collect()
}

fn millionths(value: f64) -> i128 {
    (value * MILLION).round() as i128
}

/// The figure of an expectation with `by`, or why there is none. Without a method it is over all of them.
pub(super) fn figure(
    plan: &ScenarioPlan,
    index: &Index,
    findings: &[&Finding],
    of: &Of,
    name: &str,
) -> Result<i128, String> {
    let judged = |method: &str| {
        let cases = plan.cases.iter().filter(|it| it.case == of.case);
        let moves = cases.flat_map(|it| &it.moves);
        let updates = moves.filter(|it| it.verb == Verb::Update).map(|it| {
            let whose = (plan.name.as_str(), method, &of.case);
            let samples = Samples {
                rows: index.rows(Step::new(whose, it.verb, &it.image, &it.bases)),
            };
            let moved = samples.spread(transfer_bytes).map(|it| it.median);
            (it, moved)
        });
        predictions(&pairs(updates, findings))
    };
    let all = match of.method.as_str() {
        "" => {
            let methods = plan.methods.iter().map(|it| judged(&it.name));
            let methods: Vec<Vec<Prediction>> = methods.filter(|it| !it.is_empty()).collect();
            over_all(&methods)
        }
        method => judged(method),
    };
    let Some(prediction) = all.iter().find(|it| it.by == of.by) else {
        let known: Vec<&str> = all.iter().map(|it| it.by.as_str()).collect();
        return Err(match known.as_slice() {
            [] => format!("{of}: no target has two bases with a delta and a finding"),
            known => format!("{of}: there are {}", known.join(", ")),
        });
    };
    match name {
        "regret_ppm" => Ok(millionths(prediction.regret)),
        "regret_place" => Ok(prediction.place as i128),
        "rho_ppm" => {
            let rho = prediction.rho.ok_or(format!("{of}: it does not vary"))?;
            Ok(millionths(rho))
        }
        other => Err(format!("there is no measure `{other}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(image: &str, base: &str, bytes: u64, found: &[(&str, i64)]) -> Pair {
        Pair {
            image: image.into(),
            base: base.into(),
            bytes,
            found: found
                .iter()
                .map(|(by, value)| (by.to_string(), *value))
                .collect(),
        }
    }

    #[test]
    fn a_measure_that_picks_the_best_base_has_no_regret_and_one_that_errs_pays_for_it() {
        let pairs = [
            pair(
                "v3",
                "v1",
                300,
                &[("good_ppm", 500_000), ("bad_distance", 1)],
            ),
            pair(
                "v3",
                "v2",
                100,
                &[("good_ppm", 900_000), ("bad_distance", 9)],
            ),
            pair(
                "v2",
                "v1",
                200,
                &[("good_ppm", 700_000), ("bad_distance", 4)],
            ),
            pair(
                "v2",
                "v3",
                400,
                &[("good_ppm", 100_000), ("bad_distance", 4)],
            ),
        ];
        let all = predictions(&pairs);
        let told: Vec<_> = all
            .iter()
            .map(|it| (it.by.as_str(), it.regret, it.place))
            .collect();
        // v3: 300 / 100. v2: it cannot tell, so (200 + 400) / 2 / 200.
        assert_eq!(told, [("good_ppm", 1.0, 1), ("bad_distance", 2.25, 2)]);
        // Deltas of 100, 200, 300, 400 at shares of 90, 70, 50, 10 %.
        assert_eq!(all[0].rho, Some(1.0));
        assert_eq!(all[0].pairs, 4);
    }

    #[test]
    fn a_method_that_makes_nothing_of_its_bases_is_not_judged() {
        let found = [("a_ppm", 2)];
        let pairs = [pair("v3", "v1", 300, &found), pair("v3", "v2", 300, &found)];
        assert_eq!(predictions(&pairs), []);
    }

    #[test]
    fn spearman_is_the_correlation_of_ranks() {
        let points = [(1.0, 10.0), (2.0, 20.0), (3.0, 15.0), (4.0, 99.0)];
        assert!((spearman(&points).unwrap() - 0.8).abs() < 1e-9);
        let falling = [(1.0, 3.0), (2.0, 2.0), (3.0, 1.0)];
        assert_eq!(spearman(&falling), Some(-1.0));
        assert_eq!(spearman(&[(1.0, 1.0), (1.0, 2.0)]), None);
        // Equal values have the mean of their ranks.
        assert_eq!(ranks([5.0, 1.0, 5.0].into_iter()), [2.5, 1.0, 2.5]);
    }

    #[test]
    fn a_base_of_which_the_measure_says_nothing_is_not_chosen() {
        let pairs = [
            pair("v3", "v1", 300, &[("tlsh_distance", 200)]),
            pair("v3", "v2", 100, &[]),
        ];
        let all = predictions(&pairs);
        assert_eq!((all[0].regret, all[0].pairs), (3.0, 1));
    }

    #[test]
    fn a_target_with_a_single_base_is_no_choice() {
        let found = |far| [("a_distance", far)];
        let pairs = [
            pair("v3", "v1", 300, &found(1)),
            pair("v3", "v2", 100, &found(2)),
            pair("v2", "v1", 50, &found(1)),
        ];
        assert_eq!(predictions(&pairs)[0].regret, 3.0);
    }

    #[test]
    fn what_the_probe_of_similarity_found_counts_and_what_another_found_does_not() {
        let update = Move {
            verb: Verb::Update,
            image: "v2".into(),
            bases: "v1".parse().unwrap(),
        };
        let finding = |method: &str, verb, value| Finding {
            method: method.into(),
            verb,
            image: "v2".into(),
            bases: "v1".parse().unwrap(),
            measure: "a_ppm".into(),
            value,
            ..Finding::default()
        };
        let found = [
            finding(SIMILARITY, Verb::Probe, 1),
            finding("layers", Verb::Probe, 2),
            finding(SIMILARITY, Verb::Update, 3),
        ];
        let found: Vec<&Finding> = found.iter().collect();
        let all = pairs([(&update, Some(7))].into_iter(), &found);
        assert_eq!(all, [pair("v2", "v1", 7, &[("a_ppm", 1)])]);
    }

    #[test]
    fn measures_of_the_same_regret_share_a_place() {
        let found = [("a_ppm", 2), ("b_ppm", 2), ("c_distance", 2)];
        let far = [("a_ppm", 1), ("b_ppm", 1), ("c_distance", 1)];
        let pairs = [pair("v3", "v1", 300, &far), pair("v3", "v2", 100, &found)];
        let places: Vec<usize> = predictions(&pairs).iter().map(|it| it.place).collect();
        assert_eq!(places, [1, 1, 3]);
        let near = [1.0104, 1.0096, 1.0106].map(|regret| Prediction {
            by: regret.to_string(),
            pairs: 2,
            rho: None,
            regret,
            place: 0,
        });
        let places: Vec<usize> = placed(near.to_vec()).iter().map(|it| it.place).collect();
        assert_eq!(places, [1, 1, 3], "to a thousandth");
    }

    #[test]
    fn over_all_methods_the_regret_is_the_geometric_mean_of_theirs() {
        let method = |good: f64, fair: f64, other: &str| {
            let told = [("good_ppm", good), ("fair_ppm", fair), (other, 1.0)];
            let told = told.map(|(by, regret)| Prediction {
                by: by.to_string(),
                pairs: 6,
                rho: (by != "fair_ppm").then_some(regret / 10.0),
                regret,
                place: 0,
            });
            told.to_vec()
        };
        let all = over_all(&[method(1.0, 2.0, "a_ppm"), method(4.0, 0.5, "b_ppm")]);
        let told: Vec<_> = all
            .iter()
            .map(|it| (it.by.as_str(), it.regret, it.rho, it.pairs, it.place))
            .collect();
        assert_eq!(
            told,
            [
                ("fair_ppm", 1.0, None, 12, 1),
                ("good_ppm", 2.0, Some(0.25), 12, 2)
            ]
        );
        assert_eq!(over_all(&[]), []);
    }

    #[test]
    fn a_choice_is_as_sure_as_the_next_best_base_is_worse() {
        let sure = |needs: &[u64], share_ppm| {
            let held = |needs_bytes: &u64| Held {
                share_ppm,
                needs_bytes: *needs_bytes,
            };
            let bases: Vec<Held> = needs.iter().map(held).collect();
            choose(&bases).map(|it| (it.at, it.sure))
        };
        assert_eq!(sure(&[500, 100], 900_000), Some((1, Sure::Sure)));
        assert_eq!(sure(&[200, 100], 900_000), Some((1, Sure::Sure)));
        assert_eq!(sure(&[199, 100], 900_000), Some((1, Sure::Likely)));
        assert_eq!(sure(&[120, 100], 900_000), Some((1, Sure::Likely)));
        assert_eq!(sure(&[119, 100], 900_000), Some((1, Sure::TossUp)));
        assert_eq!(sure(&[500, 990], 9_999), Some((0, Sure::NoneHelps)));
        assert_eq!(sure(&[500, 990], 10_000), Some((0, Sure::Likely)));
        assert_eq!(sure(&[100], 900_000), Some((0, Sure::Sure)));
        assert_eq!(sure(&[0, 0], 1_000_000), Some((0, Sure::TossUp)));
        assert_eq!(sure(&[], 0), None);
    }
}
