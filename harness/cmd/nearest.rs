//! `nearest`: which base to use for an image, and how sure that is.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::{Context, Result};
use serde_json::json;

use super::images::saved;
use super::out;
use crate::probe;
use crate::record::SIMILARITY;
use crate::report::{self, units};
use crate::stats::predict::{Choice, Held, LACKING, NEAREST, SHARE, Sure, choose};

#[derive(clap::Args)]
pub struct Args {
    /// The image that clients are to have: a file, or a Docker reference such as nginx:1.27
    image: String,
    /// The images that may be the base
    #[arg(value_name = "BASE", required = true)]
    bases: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let words: Vec<String> = [&args.image]
        .into_iter()
        .chain(&args.bases)
        .cloned()
        .collect();
    let images = saved(&words)?;
    let (image, bases) = images
        .split_first()
        .context("the first word is the image")?;
    let probe = probe::find(SIMILARITY)?;
    let mut all = Vec::new();
    for (saved, base) in bases.iter().zip(&args.bases) {
        let mut found = BTreeMap::new();
        (probe.look)(
            &image.image,
            std::slice::from_ref(&saved.image),
            &mut |_, measure, value| {
                found.insert(measure.to_string(), value);
            },
        )
        .with_context(|| base.clone())?;
        all.push(found);
    }
    let (needs, held) =
        by_one_measure(&all).with_context(|| format!("{SIMILARITY} finds no {LACKING}"))?;
    let choice = choose(&held).context("there is a base to choose")?;
    out::print(&match args.json {
        true => as_json(&args.bases, (needs, &held), &choice),
        false => as_text(&args.bases, &held, &choice),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The bases by what was found of each, all by one measure: by the second where a pair is too long for the first.
fn by_one_measure(found: &[BTreeMap<String, u64>]) -> Option<(&'static str, Vec<Held>)> {
    let by = |needs: &'static str| {
        let held = found
            .iter()
            .map(|found| Held::by(needs, |measure| found.get(measure).copied()));
        Some((needs, held.collect::<Option<Vec<Held>>>()?))
    };
    [NEAREST, LACKING].into_iter().find_map(by)
}

fn as_json(names: &[String], (needs, held): (&str, &[Held]), choice: &Choice) -> String {
    let bases: Vec<_> = names
        .iter()
        .zip(held)
        .map(|(base, it)| json!({ "base": base, SHARE: it.share_ppm, needs: it.needs_bytes }))
        .collect();
    let told = json!({
        "base": names[choice.at],
        "sure": report::sureness(choice.sure),
        "next_needs_times": choice.margin,
        "bases": bases,
    });
    format!("{told:#}\n")
}

fn as_text(names: &[String], held: &[Held], choice: &Choice) -> String {
    let mut order: Vec<usize> = (0..held.len()).collect();
    order.sort_by_key(|at| (*at != choice.at, held[*at].needs_bytes));
    let width = names.iter().map(|it| it.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for at in order {
        let (base, held) = (&names[at], &held[at]);
        text.push_str(&format!(
            "{base:<width$}  holds {:5.1} % of the image, an update needs about {}\n",
            held.share_ppm as f64 / 10_000.0,
            units::bytes(held.needs_bytes)
        ));
    }
    text.push_str(&said(&names[choice.at], choice));
    text
}

fn said(base: &str, choice: &Choice) -> String {
    let why = match (choice.sure, choice.margin) {
        (Sure::NoneHelps, _) => {
            return format!(
                "use none: the best, {base}, holds next to nothing; send the image in full\n"
            );
        }
        (_, None) => "there is no other to choose from".to_string(),
        (Sure::TossUp, _) => "the next best needs about as much, so either will do".to_string(),
        (_, Some(margin)) if margin < 100.0 => {
            format!("the next best needs {margin:.1} times as much")
        }
        (_, Some(_)) => "the next best needs over 100 times as much".to_string(),
    };
    format!("use {base}: {}, {why}\n", report::sureness(choice.sure))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_one_pair_is_too_long_for_a_quick_patch_all_are_told_by_what_they_lack() {
        let found = |quick: Option<u64>, lacking| {
            let mut found = BTreeMap::from([(SHARE, 500_000), (LACKING, lacking)]);
            found.extend(quick.map(|quick| (NEAREST, quick)));
            let named = found
                .into_iter()
                .map(|(name, value)| (name.to_string(), value));
            named.collect::<BTreeMap<String, u64>>()
        };
        let needs = |all: &[BTreeMap<String, u64>]| {
            let (by, held) = by_one_measure(all)?;
            Some((by, held.iter().map(|it| it.needs_bytes).collect::<Vec<_>>()))
        };
        let short = [found(Some(7), 20), found(Some(8), 10)];
        assert_eq!(needs(&short), Some((NEAREST, vec![7, 8])));
        let long = [found(Some(7), 20), found(None, 10)];
        assert_eq!(needs(&long), Some((LACKING, vec![20, 10])));
        assert_eq!(needs(&[BTreeMap::new()]), None);
    }
}
