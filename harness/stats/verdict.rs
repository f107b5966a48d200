//! Verdicts: what a scenario expects of its figures, and whether it holds.

use crate::record::{
    Bound, Check, Expect, Finding, Of, Results, ScenarioPlan, Unit, Verb, measure,
};

use super::index::{Index, Step};
use super::{Samples, median, predict};

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
    /// What the step failed with, where that was to be.
    pub failed_with: Option<String>,
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
    let findings: Vec<&Finding> = results.findings.iter().collect();
    scenarios
        .flat_map(|plan| of_plan(plan, &index, &findings))
        .collect()
}

/// A verdict on each expectation of one scenario, with what its acts found.
pub fn of_plan(plan: &ScenarioPlan, index: &Index, findings: &[&Finding]) -> Vec<Verdict> {
    let known = Known {
        plan,
        index,
        findings,
    };
    let expects = plan.expects.iter();
    expects.map(|expect| judge(expect, &known)).collect()
}

/// What a verdict is worked out from.
struct Known<'k, 'a> {
    plan: &'k ScenarioPlan,
    index: &'k Index<'a>,
    findings: &'k [&'k Finding],
}

fn judge(expect: &Expect, known: &Known) -> Verdict {
    let mut verdict = Verdict {
        scenario: known.plan.name.clone(),
        says: expect.says.clone(),
        of: expect.of.clone(),
        measure: expect.measure.clone(),
        unit: unit(&expect.measure),
        figure: None,
        failed_with: None,
        bounds: Vec::new(),
        decision: Decision::Fails(None),
    };
    if let Some(words) = &expect.fails {
        verdict.decision = failure(expect, words, known, &mut verdict);
        return verdict;
    }
    verdict.decision = match weigh(expect, known, &mut verdict) {
        Ok(true) => Decision::Holds,
        Ok(false) => Decision::Fails(None),
        Err(decision) => decision,
    };
    verdict
}

/// Whether every bound holds. Figures go into the verdict as they are found, so that it names all that are known.
fn weigh(expect: &Expect, known: &Known, verdict: &mut Verdict) -> Result<bool, Decision> {
    let found = figure(&expect.of, &expect.measure, known)?;
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
                let whole = figure(of, &share.of, known)?;
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

/// Whether every sample of the step failed, with these words.
fn failure(expect: &Expect, words: &str, known: &Known, verdict: &mut Verdict) -> Decision {
    let samples = samples(&expect.of, known);
    if samples.verified().next().is_some() {
        return Decision::Fails(Some("it did not fail".to_string()));
    }
    let Some(row) = samples.rows.iter().find(|row| row.check == Check::Failed) else {
        let none = || Decision::Fails(Some(format!("there is no row of {}", expect.of)));
        return why_none(known.plan, &expect.of, &samples).unwrap_or_else(none);
    };
    verdict.failed_with = Some(row.error.to_string());
    let mut failed = samples.rows.iter().filter(|row| row.check == Check::Failed);
    match failed.all(|row| row.error.contains(words)) {
        true => Decision::Holds,
        false => Decision::Fails(Some(format!("without the words `{words}`"))),
    }
}

fn keeps(word: &str, order: std::cmp::Ordering) -> bool {
    match word {
        "below" => order.is_lt(),
        "above" => order.is_gt(),
        _ => order.is_eq(),
    }
}

/// The unit of a measure: of a row, or of a finding by its name's end.
fn unit(name: &str) -> Option<Unit> {
    match measure(name) {
        Some(measure) => Some(measure.unit),
        None if name.ends_with("_bytes") => Some(Unit::Bytes),
        None => None,
    }
}

/// The median of a measure over an act's samples, or of what they found, or how well bases are chosen; or why there is
/// none.
fn figure(of: &Of, name: &str, known: &Known) -> Result<i128, Decision> {
    if !of.by.is_empty() {
        let of_plan = |it: &&&Finding| it.scenario == known.plan.name;
        let findings: Vec<&Finding> = known.findings.iter().filter(of_plan).copied().collect();
        return predict::figure(known.plan, known.index, &findings, of, name).map_err(fails);
    }
    let samples = samples(of, known);
    why_none(known.plan, of, &samples).map_or(Ok(()), Err)?;
    let Some(measure) = measure(name) else {
        return found(of, name, known);
    };
    let none = || match measure.exact {
        true => fails(format!("{of} has no {name}")),
        // Of several machines the times of one alone are read, and trials that ran beside each other have none.
        false => Decision::Undecided(format!(
            "{of} has no {name}: another machine made it, or it ran beside others (--jobs)"
        )),
    };
    samples.median(measure).ok_or_else(none)
}

fn found(of: &Of, name: &str, known: &Known) -> Result<i128, Decision> {
    let of_act = known.findings.iter().filter(|it| {
        it.scenario == known.plan.name
            && (&it.method, it.verb, &it.image) == (&of.method, of.verb, &of.image)
            && (&it.bases, &it.part) == (&of.bases, &of.part)
            && (it.case == of.case || of.verb == Verb::Probe)
    });
    let values = of_act.clone().filter(|it| it.measure == name);
    let median = median(values.map(|it| it.value.into()));
    median.ok_or_else(|| {
        let mut names: Vec<&str> = of_act.map(|it| it.measure.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        match names.as_slice() {
            [] => fails(format!(
                "{of} found nothing, and there is no measure `{name}`"
            )),
            names => fails(format!("{of} found no `{name}`, but {}", names.join(", "))),
        }
    })
}

fn samples<'a>(of: &Of, known: &Known<'_, 'a>) -> Samples<'a> {
    let step = Step::new(
        (known.plan.name.as_str(), of.method.as_str(), &of.case),
        of.verb,
        &of.image,
        &of.bases,
    );
    Samples {
        rows: known.index.rows(step),
    }
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
        None if of.verb == Verb::Probe => fails(format!("there is no row of {of}")),
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
mod tests;
