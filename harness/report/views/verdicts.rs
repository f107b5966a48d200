//! Verdicts: what the scenario expects, and whether it holds, with both numbers.

use crate::record::{Unit, measure};
use crate::report::block::{Block, Told};
use crate::report::{clean, units};
use crate::stats::{Bounded, Decision, Scenario, Verdict};

pub fn blocks(scenario: &Scenario) -> Vec<Block> {
    if scenario.verdicts.is_empty() {
        return Vec::new();
    }
    let head = Block::Head {
        level: 1,
        text: summary(scenario),
    };
    let verdicts = scenario.verdicts.iter().map(|verdict| Block::Verdict {
        decision: decision(verdict),
        says: verdict.says.clone(),
        why: figures(verdict),
    });
    [head].into_iter().chain(verdicts).collect()
}

/// `Expectations of smoke: 3 hold, 1 fails`
fn summary(scenario: &Scenario) -> String {
    let count = |told| {
        let verdicts = scenario.verdicts.iter();
        verdicts.filter(|verdict| decision(verdict) == told).count()
    };
    let kinds = [
        (count(Told::Holds), "holds", "hold"),
        (count(Told::Fails), "fails", "fail"),
        (count(Told::Undecided), "undecided", "undecided"),
    ];
    let said: Vec<String> = kinds
        .into_iter()
        .filter(|(count, _, _)| *count > 0)
        .map(|(count, one, many)| format!("{count} {}", if count == 1 { one } else { many }))
        .collect();
    format!(
        "Expectations of {}: {}",
        scenario.plan.name,
        said.join(", ")
    )
}

fn decision(verdict: &Verdict) -> Told {
    match verdict.decision {
        Decision::Holds => Told::Holds,
        Decision::Fails(_) => Told::Fails,
        Decision::Undecided(_) => Told::Undecided,
    }
}

/// One verdict in a line: `holds: a rebuild is small (xdelta3: update second from first: payload_bytes 7,600 B, below …)`.
pub fn words(verdict: &Verdict) -> String {
    let (decision, says) = (decision(verdict).word(), clean::line(&verdict.says));
    format!("{decision}: {says} ({})", clean::line(&figures(verdict)))
}

/// The figure and its bounds, or why there is none.
fn figures(verdict: &Verdict) -> String {
    let mut said: Vec<String> = Vec::new();
    if let Some(figure) = verdict.figure {
        let figure = exact(verdict.unit, figure);
        said.push(format!("{}: {} {figure}", verdict.of, verdict.measure));
    }
    if let Some(why) = &verdict.failed_with {
        said.push(format!("{} failed: {}", verdict.of, clean::short(why)));
    }
    let bounds = verdict.bounds.iter();
    said.extend(bounds.map(|bounded| bound(verdict.unit, bounded)));
    if let Decision::Fails(Some(why)) | Decision::Undecided(why) = &verdict.decision {
        said.push(clean::short(why));
    }
    said.join(", ")
}

/// `below 0.1 % of image_bytes 257,838,080 B`; `not below …` where it does not hold.
fn bound(unit: Option<Unit>, bounded: &Bounded) -> String {
    let not = if bounded.holds { "" } else { "not " };
    let word = bounded.word;
    let Some((share, name, act, whole)) = &bounded.share else {
        return format!("{not}{word} {}", exact(unit, bounded.limit as i128));
    };
    let whole = exact(measure(name).map(|measure| measure.unit), *whole);
    let whose = act
        .as_ref()
        .map_or(String::new(), |act| format!(" ({act})"));
    // Rounded, so that 0.07 is 7 % and not 7.000000000000001 %.
    let percent = (share * 1e8).round() / 1e6;
    format!("{not}{word} {percent} % of {name} {whole}{whose}")
}

/// A figure to its last digit.
fn exact(unit: Option<Unit>, figure: i128) -> String {
    let count = units::count(figure);
    match unit {
        Some(Unit::Bytes) => format!("{count} B"),
        Some(Unit::Nanoseconds) => format!("{count} ns"),
        Some(Unit::Count) | None => count,
    }
}
