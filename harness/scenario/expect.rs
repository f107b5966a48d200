//! Expectations, checked when a scenario is read: each names figures that the scenario's plan will have.

use anyhow::{Result, bail, ensure};

use super::Scenario;
use crate::plan::{Planned, axis};
use crate::record::{
    Bound, CHOSEN, Clients, Expect, Fault, MEASURES, Of, Road, SIMILARITY, Verb, measure,
};
use crate::words;

/// Refuses an expectation that could never be decided.
pub fn check(expect: &Expect, scenario: &Scenario) -> Result<()> {
    if let Some(words) = &expect.fails {
        ensure!(
            !words.trim().is_empty(),
            "fails = {words:?}: write words of the error that is expected"
        );
        ensure!(
            expect.measure.is_empty() && expect.bounds().next().is_none(),
            "a step that is to fail has no figure: leave out `measure`, `below`, `above` and `equals`"
        );
        return check_act(&expect.of, scenario);
    }
    ensure!(
        !expect.measure.is_empty(),
        "an expectation without a `measure`; only one with `fails` has none"
    );
    check_figure(&expect.measure, &expect.of, scenario)?;
    ensure!(
        expect.bounds().next().is_some(),
        "an expectation without a bound: give it `below`, `above` or `equals`"
    );
    for (word, bound) in expect.bounds() {
        let Bound::Share(share) = bound else { continue };
        ensure!(
            share.share.is_finite() && share.share >= 0.0,
            "{word}: share = {}: it is a part of a whole, such as 0.5",
            share.share
        );
        check_figure(
            &share.of,
            share.act.as_ref().unwrap_or(&expect.of),
            scenario,
        )?;
    }
    Ok(())
}

/// A figure of a row, or a finding: of a probe, or of an update that is interrupted or takes a road of its own; or how
/// well bases are chosen by a finding.
fn check_figure(measure: &str, of: &Of, scenario: &Scenario) -> Result<()> {
    if !of.by.is_empty() {
        return check_chosen(measure, of, scenario);
    }
    check_act(of, scenario)?;
    let finding = [Fault::AXIS, Road::AXIS, Clients::AXIS];
    let finds = of.verb == Verb::Probe || finding.iter().any(|axis| of.case.get(axis).is_some());
    // What is found is known when the act is done.
    match finds {
        true => Ok(()),
        false => check_measure(measure),
    }
}

fn check_chosen(measure: &str, of: &Of, scenario: &Scenario) -> Result<()> {
    ensure!(
        CHOSEN.contains(&measure),
        "no measure `{measure}` of how bases are chosen{}",
        words::meant(measure, CHOSEN.iter().copied())
    );
    ensure!(
        of.image.is_empty() && of.bases.is_empty() && of.part.is_empty(),
        "with `by` the figure is over all images: leave out `image`, `base` and `part`"
    );
    ensure!(
        of.method.is_empty() || scenario.methods.contains(&of.method),
        "no method `{}` in this scenario{}",
        of.method,
        words::meant(&of.method, scenario.methods.iter().map(String::as_str))
    );
    ensure!(
        scenario.probes.iter().any(|probe| probe == SIMILARITY),
        "`by` needs the probe `{SIMILARITY}` among the probes"
    );
    ensure!(
        axis::cases(&scenario.axes).contains(&of.case),
        "the plan has no case `{}`",
        of.case
    );
    Ok(())
}

fn check_measure(name: &str) -> Result<()> {
    if measure(name).is_none() {
        bail!(
            "no measure `{name}`{}",
            words::meant(name, MEASURES.iter().map(|measure| measure.name))
        );
    }
    Ok(())
}

fn check_act(of: &Of, scenario: &Scenario) -> Result<()> {
    ensure!(
        !of.method.is_empty(),
        "`of` without a `method`; only a figure with `by` is over all methods"
    );
    let known = |what: &str, name: &str, names: &mut dyn Iterator<Item = &str>| {
        let names: Vec<&str> = names.collect();
        ensure!(
            names.contains(&name),
            "no {what} `{name}` in this scenario{}",
            words::meant(name, names.into_iter())
        );
        Ok(())
    };
    let methods = || scenario.methods.iter().chain(&scenario.probes);
    known("method", &of.method, &mut methods().map(String::as_str))?;
    let images = || scenario.images.iter().map(|image| image.name.as_str());
    known("image", &of.image, &mut images())?;
    for base in of.bases.names() {
        known("image", base, &mut images())?;
    }
    let acts: Vec<Planned> = scenario.plan().into_iter().flat_map(|it| it.acts).collect();
    let is_meant = |planned: &&Planned| {
        let act = &planned.act;
        act.doer == of.method
            && act.verb == of.verb
            && act.image == of.image
            && (act.bases == of.bases || of.verb == Verb::Publish)
    };
    let mut meant = acts.iter().filter(is_meant).peekable();
    ensure!(meant.peek().is_some(), "the plan has no act `{of}`");
    if !meant.any(|planned| planned.act.case == of.case) {
        let cases: Vec<String> = axis::cases(&scenario.axes)
            .iter()
            .map(|case| format!("\"{case}\""))
            .collect();
        bail!(
            "the plan has `{of}` under no such case: write case = {}",
            cases.join(" or ")
        );
    }
    Ok(())
}
