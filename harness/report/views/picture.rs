//! What the charts of a section have in common: how many rows they show, what is noted beneath, and their files' names.

use crate::report::block::{Block, Picture};
use crate::report::clean;
use crate::report::plot::{Bar, Bars, Group, Plot, Spacing};
use crate::stats::{Outcome, Section, Trouble};

/// The most methods that one chart shows: more make a picture that no viewer opens.
const MOST_GROUPS: usize = 60;

/// The most paragraphs beneath a chart.
const MOST_NOTES: usize = 12;

/// The words in place of the bar of a step without figures.
pub fn absent(outcome: Outcome) -> Bar {
    Bar::Absent(match outcome {
        Outcome::Failed => "failed, see below",
        Outcome::Skipped => "skipped, see below",
        Outcome::Verified | Outcome::NotRun => "not run",
    })
}

/// A chart of a section as a block, with notes on methods that lack a bar; `None` where no bar can be shown.
pub fn picture(name: &'static str, section: &Section, mut bars: Bars) -> Option<Block> {
    let mut shown = bars.groups.iter().flat_map(|group| &group.bars);
    shown.find(|bar| matches!(bar, Bar::Shown { .. }))?;
    let methods = bars.groups.len();
    if methods > MOST_GROUPS {
        bars.groups.truncate(MOST_GROUPS);
        bars.subtitle = format!(
            "{} The first {MOST_GROUPS} of {methods} methods.",
            bars.subtitle
        );
    }
    bars.notes = notes(section);
    plotted(name, section, Plot::Bars(bars))
}

/// A plot of a section as a block, free of letters that XML forbids. It has something to draw.
pub fn plotted(name: &'static str, section: &Section, plot: Plot) -> Option<Block> {
    let plot = match plot {
        Plot::Bars(bars) => Plot::Bars(printable(bars)),
        Plot::Points(mut points) => {
            tidy(&mut points.title);
            points.dots.iter_mut().for_each(|dot| tidy(&mut dot.name));
            Plot::Points(points)
        }
        Plot::Lines(mut lines) => {
            tidy(&mut lines.title);
            lines.series.iter_mut().for_each(|it| tidy(&mut it.name));
            for axis in [&mut lines.x, &mut lines.y] {
                if let Spacing::Names(names) = &mut axis.spacing {
                    names.iter_mut().for_each(tidy);
                }
            }
            Plot::Lines(lines)
        }
    };
    Some(Block::Plot(Box::new(Picture {
        name,
        file: file(section, name),
        plot,
    })))
}

fn tidy(text: &mut String) {
    *text = clean::line(text);
}

/// Which methods have no bar, or lack one, and why.
fn notes(section: &Section) -> Vec<String> {
    let note = |how: &str, trouble: &Trouble| {
        let (who, reason) = (clean::names(&trouble.who), clean::short(&trouble.reason));
        format!("{how}: {who}: {reason}")
    };
    let skipped = section.skipped.iter().map(|it| note("Skipped", it));
    let failed = section.failed.iter().map(|it| note("Failed", it));
    let mut notes: Vec<String> = failed.chain(skipped).collect();
    if notes.len() > MOST_NOTES {
        let more = notes.len() - MOST_NOTES;
        notes.truncate(MOST_NOTES);
        notes.push(format!("And {more} more reasons: see the report."));
    }
    notes
}

/// `smoke-transfer`, `smoke-policy-all-transfer`.
pub fn file(section: &Section, chart: &str) -> String {
    let case = match section.case.is_empty() {
        true => String::new(),
        false => format!("-{}", section.case),
    };
    plain(&format!("{}{case}-{chart}", section.scenario.name))
}

/// A file's name of letters that neither a path nor a link takes otherwise.
pub fn plain(name: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    name.replace(|letter| !plain(letter), "-")
}

/// XML holds no control characters at all.
fn printable(mut bars: Bars) -> Bars {
    let tidy = |texts: Vec<String>| texts.iter().map(|text| clean::line(text)).collect();
    bars.title = clean::line(&bars.title);
    bars.subtitle = clean::line(&bars.subtitle);
    bars.heads = tidy(bars.heads);
    for (_, words) in &mut bars.legend {
        *words = clean::line(words);
    }
    let groups = bars.groups.into_iter();
    bars.groups = groups
        .map(|group| Group {
            method: clean::line(&group.method),
            ..group
        })
        .collect();
    bars
}
