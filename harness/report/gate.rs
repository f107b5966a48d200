//! The comment of a gate: read in ten seconds, the verdict first, the line that repeats it by hand last.

use super::block::Block;
use super::inks::markdown;
use super::{clean, units};
use crate::record::{Cost, Explained};
use crate::stats::gate::{Breach, Gate, Grown, Passage, growth, growth_by_cause};

mod parts;

use parts::{files, table};

/// What the comment is about.
pub struct Told<'a> {
    /// Name of the check; a later comment with the same name takes the place of this one.
    pub name: &'a str,
    /// References of the images, as they were given.
    pub base: &'a str,
    pub head: &'a str,
    /// The update from the release that the verdict speaks of: before the change, if it was measured, and after.
    pub explained: Option<(Option<Explained>, Explained)>,
    /// The command line that repeats it.
    pub by_hand: &'a str,
}

/// Causes listed.
const CAUSES: usize = 3;

/// The line by which a comment is found again, invisible to its readers.
pub fn marker(name: &str) -> String {
    let name: String = clean::line(name).replace(['<', '>'], "").replace("--", "-");
    format!("<!-- delta-lab ci: {name} -->")
}

/// The comment as Markdown, its marker first.
pub fn comment(gate: &Gate, told: &Told) -> String {
    let mut blocks = vec![Block::Head {
        level: 3,
        text: verdict(gate),
    }];
    let others = others(gate);
    if !others.is_empty() {
        blocks.push(Block::List(others));
    }
    let own = gate.methods.first();
    let cost = own.map_or(Cost::Layers, |own| Cost::of_method(&own.method));
    let grown = match &told.explained {
        Some((before, after)) => growth(before.as_ref(), after, cost),
        None => Vec::new(),
    };
    blocks.extend(why(&grown, told, cost));
    blocks.extend(own.map(table));
    blocks.extend(files(&grown, cost));
    for effect in gate.methods.iter().skip(1) {
        blocks.push(Block::Fold {
            summary: format!("by {}", effect.method),
            blocks: vec![table(effect)],
        });
    }
    blocks.push(Block::Text(compared(gate, told)));
    blocks.push(Block::Text("By hand:".to_string()));
    let page = markdown::print(&blocks);
    // Four blanks make code of a line, in which nothing is markup.
    format!(
        "{}\n{page}\n    {}\n",
        marker(told.name),
        clean::line(told.by_hand)
    )
}

/// One line for the log of a check, whatever the gate says.
pub fn check(gate: &Gate, told: &Told) -> String {
    format!(
        "{}\n{}\n",
        clean::line(&verdict(gate)),
        clean::line(&compared(gate, told))
    )
}

/// The verdict in the unit of the client.
fn verdict(gate: &Gate) -> String {
    let word = match gate.passage() {
        Passage::Unchanged => "Unchanged",
        Passage::Passes => "Passes",
        Passage::Waived => "Waived",
        Passage::Fails => "Fails",
        Passage::Unverified => "Verification failed",
        Passage::Unknown => "Not known",
    };
    let none = || match (gate.failed.first(), gate.skipped.first()) {
        (Some((method, why)), _) | (None, Some((method, why))) => {
            format!("{word}: {method}: {}", clean::short(why))
        }
        (None, None) => format!("{word}: nothing was measured"),
    };
    if matches!(gate.passage(), Passage::Unverified | Passage::Unknown) {
        return none();
    }
    let Some(line) = gate.worst() else {
        return none();
    };
    let Some(after) = line.after else {
        return none();
    };
    let now = format!("clients on {} fetch {}", line.release, units::bytes(after));
    let (Some(before), Some(change)) = (line.before, line.change()) else {
        return format!("{word}: {now}");
    };
    let was = units::bytes(before);
    let how = match change {
        0 => format!("updates are as big as before: {now}"),
        1.. => format!(
            "updates got {} bigger: {now}, were {was}",
            units::bytes(change)
        ),
        _ => format!(
            "updates got {} smaller: {now}, were {was}",
            units::bytes(-change)
        ),
    };
    match gate.breaches.iter().find(|breach| is_told(gate, breach)) {
        Some(breach) => format!(
            "{word}: {how}; limit +{}",
            units::bytes(breach.most as i128)
        ),
        None => format!("{word}: {how}"),
    }
}

/// Whether the verdict speaks of this limit.
fn is_told(gate: &Gate, breach: &Breach) -> bool {
    let own = gate.methods.first().map(|own| own.method.as_str());
    let line = gate.worst().map(|line| line.release.as_str());
    breach.limit == "delta_grows"
        && Some(breach.method.as_str()) == own
        && Some(breach.release.as_str()) == line
}

/// The limits that are passed, waivers, and what could not be measured: all that the first line leaves out.
fn others(gate: &Gate) -> Vec<String> {
    let untold = |it: &&Breach| it.waiver.is_some() || !is_told(gate, it);
    let mut lines: Vec<String> = gate.breaches.iter().filter(untold).map(breach).collect();
    let told = |what: &str, (method, why): &(String, String)| {
        format!("{what}: {method}: {}", clean::short(why))
    };
    lines.extend(gate.failed.iter().map(|it| told("failed", it)));
    lines.extend(gate.skipped.iter().map(|it| told("not measured", it)));
    for waiver in &gate.ended {
        lines.push(format!(
            "a waiver of {} ended on {}: {}",
            waiver.limit, waiver.until, waiver.why
        ));
    }
    lines
}

fn breach(of: &Breach) -> String {
    let (figure, most) = match of.limit {
        "delta_share" => (percent(of.figure), percent(of.most)),
        "requests" => (
            units::count(of.figure as i128),
            units::count(of.most as i128),
        ),
        _ => (
            format!("+{}", units::bytes(of.figure as i128)),
            format!("+{}", units::bytes(of.most as i128)),
        ),
    };
    let whose = match of.release.is_empty() {
        true => String::new(),
        false => format!(", clients on {}", of.release),
    };
    let line = format!(
        "{} of {}{whose}: {figure}, limit {most}",
        of.limit, of.method
    );
    match &of.waiver {
        Some(waiver) => format!(
            "waived until {}: {line}. Reason: {}",
            waiver.until, waiver.why
        ),
        None => line,
    }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// The causes that cost most, each with what would make it go away.
fn why(grown: &[Grown], told: &Told, cost: Cost) -> Vec<Block> {
    let causes = growth_by_cause(grown);
    let lines = causes.iter().take(CAUSES).map(|(cause, files, more)| {
        let remedy = cause
            .remedy
            .map_or(String::new(), |it| format!(". Remedy: {it}"));
        format!(
            "+{}: {}, {}{remedy}",
            units::bytes(*more),
            cause.name,
            units::several(*files, "file")
        )
    });
    let mut lines: Vec<String> = lines.collect();
    if let (Cost::Patch, Some((before, after))) = (cost, &told.explained) {
        let was = before.as_ref().map_or(0, |before| before.heads_patch_bytes);
        if after.heads_patch_bytes > was {
            lines.push(format!(
                "+{}: names, modes and times of {} entries. Remedy: fix the times with SOURCE_DATE_EPOCH",
                units::bytes(after.heads_patch_bytes - was),
                units::count(after.heads_changed as i128)
            ));
        }
    }
    // The figures above are of compressed layers.
    let packed = match cost {
        Cost::Layers => ", before compression",
        Cost::Chunks | Cost::Patch => "",
    };
    match lines.is_empty() {
        true => Vec::new(),
        false => vec![
            Block::Text(format!("Why, counted as {}{packed}:", cost.words())),
            Block::List(lines),
        ],
    }
}

fn compared(gate: &Gate, told: &Told) -> String {
    let methods: Vec<&str> = gate.methods.iter().map(|it| it.method.as_str()).collect();
    let releases = gate.methods.first().map_or(&[][..], |own| &own.deltas);
    let releases: Vec<&str> = releases.iter().map(|line| line.release.as_str()).collect();
    format!(
        "Compared: {} with {}, for clients on {}, by {}{}.",
        told.head,
        told.base,
        releases.join(", "),
        methods.join(", "),
        match gate.failed.is_empty() {
            true => "; every rebuilt image was verified",
            false => "",
        }
    )
}

#[cfg(test)]
mod tests;
