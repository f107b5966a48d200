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
    // All by one measure: by the second where an image is too long for the first.
    let by = |needs: &'static str| {
        let held = all
            .iter()
            .map(|found| Held::by(needs, |measure| found.get(measure).copied()));
        Some((needs, held.collect::<Option<Vec<Held>>>()?))
    };
    let (needs, held) = [NEAREST, LACKING]
        .into_iter()
        .find_map(by)
        .with_context(|| format!("{SIMILARITY} finds no {LACKING}"))?;
    let choice = choose(&held).context("there is a base to choose")?;
    out::print(&match args.json {
        true => as_json(&args.bases, (needs, &held), &choice),
        false => as_text(&args.bases, &held, &choice),
    })?;
    Ok(ExitCode::SUCCESS)
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
