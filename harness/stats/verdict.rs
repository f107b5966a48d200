//! Verdicts: what a scenario expects of its figures, and whether it holds.

use crate::record::{Bound, Check, Expect, Of, Results, ScenarioPlan, Unit, measure};

use super::Samples;
use super::index::{Index, Step};

/// What became of one `[[expect]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    pub scenario: String,
    /// The claim in a sentence, as the scenario words it.
    pub says: String,
    pub of: Of,
    pub measure: String,
    /// How the figure is shown; `None` for a measure that does not exist.
    pub unit: Option<Unit>,
    /// The median over the verified samples; `None` where there is none.
    pub figure: Option<i128>,
    /// Every bound that could be worked out.
    pub bounds: Vec<Bounded>,
    pub decision: Decision,
}

/// Whether an expectation holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    Holds,
    /// The figure breaks a bound, or there is no figure: then why.
    Fails(Option<String>),
    /// A tool could not run here, so nothing can be said; why.
    Undecided(String),
}

/// A bound and the figure that it comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Bounded {
    /// `below`, `above` or `equal to`.
    pub word: &'static str,
    pub limit: f64,
    /// Of a share: the share, the name of the whole's measure, whose it is unless it is of the same act, and the whole.
    pub share: Option<(f64, String, Option<Of>, i128)>,
    pub holds: bool,
}

impl Verdict {
    /// Whether the expectation does not hold.
    pub fn fails(&self) -> bool {
        matches!(self.decision, Decision::Fails(_))
    }
}

/// A verdict on each expectation of the plan, in its order.
pub fn verdicts(results: &Results) -> Vec<Verdict> {
    let index = Index::of(&results.rows);
    let scenarios = results.plan.scenarios.iter();
    scenarios.flat_map(|plan| of_plan(plan, &index)).collect()
}

/// A verdict on each expectation of one scenario.
pub fn of_plan(plan: &ScenarioPlan, index: &Index) -> Vec<Verdict> {
    let expects = plan.expects.iter();
    expects.map(|expect| judge(plan, expect, index)).collect()
}

fn judge(plan: &ScenarioPlan, expect: &Expect, index: &Index) -> Verdict {
    let known = measure(&expect.measure);
    let mut verdict = Verdict {
        scenario: plan.name.clone(),
        says: expect.says.clone(),
        of: expect.of.clone(),
        measure: expect.measure.clone(),
        unit: known.map(|measure| measure.unit),
        figure: None,
        bounds: Vec::new(),
        decision: Decision::Fails(None),
    };
    verdict.decision = match weigh(plan, expect, index, &mut verdict) {
        Ok(true) => Decision::Holds,
        Ok(false) => Decision::Fails(None),
        Err(decision) => decision,
    };
    verdict
}

/// Whether every bound holds. Figures go into the verdict as they are found, so that it names all that are known.
fn weigh(
    plan: &ScenarioPlan,
    expect: &Expect,
    index: &Index,
    verdict: &mut Verdict,
) -> Result<bool, Decision> {
    let found = figure(plan, &expect.of, &expect.measure, index)?;
    verdict.figure = Some(found);
    for (word, bound) in expect.bounds() {
        let bounded = match bound {
            Bound::Number(limit) => Bounded {
                word,
                limit: *limit as f64,
                share: None,
                holds: keeps(word, found.cmp(&i128::from(*limit))),
            },
            Bound::Share(share) => {
                let of = share.act.as_ref().unwrap_or(&expect.of);
                let whole = figure(plan, of, &share.of, index)?;
                let limit = share.share * whole as f64;
                Bounded {
                    word,
                    limit,
                    share: Some((share.share, share.of.clone(), share.act.clone(), whole)),
                    holds: match word {
                        // A share is rarely a whole number.
                        "equal to" => found == limit.round() as i128,
                        _ => keeps(word, (found as f64).total_cmp(&limit)),
                    },
                }
            }
        };
        verdict.bounds.push(bounded);
    }
    if verdict.bounds.is_empty() {
        return Err(fails("it names no bound".to_string()));
    }
    Ok(verdict.bounds.iter().all(|bounded| bounded.holds))
}

fn keeps(word: &str, order: std::cmp::Ordering) -> bool {
    match word {
        "below" => order.is_lt(),
        "above" => order.is_gt(),
        _ => order.is_eq(),
    }
}

/// The median of a measure over an act's samples, or why there is none.
fn figure(plan: &ScenarioPlan, of: &Of, name: &str, index: &Index) -> Result<i128, Decision> {
    let Some(measure) = measure(name) else {
        return Err(fails(format!("there is no measure `{name}`")));
    };
    let step = Step::new(
        (plan.name.as_str(), of.method.as_str(), &of.case),
        of.verb,
        &of.image,
        &of.bases,
    );
    let samples = Samples {
        rows: index.rows(step),
    };
    why_none(plan, of, &samples).map_or(Ok(()), Err)?;
    let none = || fails(format!("{of} has no {name}"));
    samples.median(measure).ok_or_else(none)
}

fn why_none(plan: &ScenarioPlan, of: &Of, samples: &Samples) -> Option<Decision> {
    let with = |check| samples.rows.iter().find(move |row| row.check == check);
    if let Some(row) = with(Check::Failed) {
        return Some(fails(format!("{of} failed: {}", row.error)));
    }
    if samples.verified().next().is_some() {
        return None;
    }
    if let Some(row) = with(Check::Skipped) {
        let why = format!("{} was skipped: {}", of.method, row.error);
        return Some(Decision::Undecided(why));
    }
    let planned = plan.methods.iter().find(|method| method.name == of.method);
    Some(match planned {
        None => Decision::Undecided(format!(
            "{} is not among the methods of this run",
            of.method
        )),
        Some(method) => match &method.skipped {
            Some(why) => Decision::Undecided(format!("{} was skipped: {why}", of.method)),
            None => fails(format!("there is no row of {of}")),
        },
    })
}

fn fails(why: String) -> Decision {
    Decision::Fails(Some(why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::fixture::{results, spoil};

    /// Expects something of an update of v2 from v1 by xdelta3, whose payload is 3,877 B of 129,234,567 B.
    fn judged(bounds: &str, change: impl Fn(&mut Results)) -> Verdict {
        let mut results = results("pair", 3, 2, 3);
        let expect = format!(
            "says = \"small\"\nmeasure = \"payload_bytes\"\n{bounds}\n[of]\nmethod = \"xdelta3\"\nimage = \"v2\"\nbase = \"v1\"\n"
        );
        results.plan.scenarios[0].expects = vec![toml::from_str(&expect).unwrap()];
        change(&mut results);
        let [verdict] = verdicts(&results).try_into().unwrap();
        verdict
    }

    fn reason(verdict: &Verdict) -> &str {
        match &verdict.decision {
            Decision::Fails(Some(why)) | Decision::Undecided(why) => why,
            _ => panic!("{verdict:?}"),
        }
    }

    #[test]
    fn a_figure_inside_its_bounds_holds_and_one_at_the_limit_does_not() {
        for (bounds, holds) in [
            ("below = 3878", true),
            ("below = 3877", false),
            ("above = 3876", true),
            ("above = 3877", false),
            ("equals = 3877", true),
            ("equals = 3876", false),
            ("below = 4000\nabove = 3000", true),
            ("below = 4000\nabove = 3900", false),
            ("below = { share = 0.001, of = \"image_bytes\" }", true),
            ("below = { share = 0.00001, of = \"image_bytes\" }", false),
            ("equals = { share = 1.0, of = \"transfer_bytes\" }", true),
        ] {
            let verdict = judged(bounds, |_| {});
            let expected = match holds {
                true => Decision::Holds,
                false => Decision::Fails(None),
            };
            assert_eq!(verdict.decision, expected, "{bounds}: {verdict:?}");
            assert_eq!(verdict.figure, Some(3877));
        }
    }

    #[test]
    fn a_share_may_be_of_another_act() {
        let of_raw = "below = { share = 0.5, of = \"payload_bytes\", act = { method = \"raw\", image = \"v2\" } }";
        let verdict = judged(of_raw, |_| {});
        assert_eq!(verdict.decision, Decision::Holds);
        assert_eq!(verdict.bounds[0].limit, 129_234_567.0 / 2.0);
        let verdict = judged(of_raw, |results| {
            spoil(results, "raw", Check::Failed, "out of luck", |_| true);
        });
        assert!(matches!(verdict.decision, Decision::Fails(_)));
        assert_eq!(
            reason(&verdict),
            "raw: update v2 from nothing failed: out of luck"
        );
        assert_eq!(verdict.figure, Some(3877));
    }

    #[test]
    fn the_figure_is_the_median_over_samples() {
        let verdict = judged("equals = 3000", |results| {
            let updates = results.rows.iter_mut().filter(|row| !row.bases.is_empty());
            let updates = updates.filter(|row| row.method == "xdelta3" && row.requests.is_some());
            for (row, payload) in updates.zip([1, 3000, 9000]) {
                row.payload_bytes = Some(payload);
            }
        });
        assert_eq!(verdict.decision, Decision::Holds);
    }

    #[test]
    fn a_publish_is_found_by_its_image_alone() {
        let mut results = results("pair", 1, 2, 1);
        let expect = "says = \"stored\"\nmeasure = \"store_files\"\nequals = 1\nof = { method = \"raw\", verb = \"publish\", image = \"v2\" }";
        results.plan.scenarios[0].expects = vec![toml::from_str(expect).unwrap()];
        assert_eq!(verdicts(&results)[0].decision, Decision::Holds);
    }

    #[test]
    fn a_failed_sample_or_a_missing_row_fails() {
        let verdict = judged("below = 4000", |results| {
            spoil(results, "xdelta3", Check::Failed, "wrong", |row| {
                row.sample == 2
            });
        });
        assert!(matches!(verdict.decision, Decision::Fails(_)));
        assert_eq!(reason(&verdict), "xdelta3: update v2 from v1 failed: wrong");
        let verdict = judged("below = 4000", |results| {
            results.rows.retain(|row| row.method != "xdelta3");
        });
        assert!(matches!(verdict.decision, Decision::Fails(_)));
        assert_eq!(
            reason(&verdict),
            "there is no row of xdelta3: update v2 from v1"
        );
    }

    #[test]
    fn a_method_that_could_not_run_leaves_it_undecided() {
        let absent = "xdelta3 was skipped: not installed";
        let verdict = judged("below = 4000", |results| {
            spoil(results, "xdelta3", Check::Skipped, "not installed", |_| {
                true
            });
        });
        assert_eq!(verdict.decision, Decision::Undecided(absent.into()));
        let verdict = judged("below = 4000", |results| {
            results.rows.retain(|row| row.method != "xdelta3");
            let methods = &mut results.plan.scenarios[0].methods;
            methods[2].skipped = Some("not installed".into());
        });
        assert_eq!(verdict.decision, Decision::Undecided(absent.into()));
        let verdict = judged("below = 4000", |results| {
            results.rows.retain(|row| row.method != "xdelta3");
            results.plan.scenarios[0].methods.truncate(2);
        });
        assert!(
            reason(&verdict).contains("not among the methods"),
            "{verdict:?}"
        );
    }
}
