//! `nearest`: which base to use for an image, and how sure that is.

use std::process::ExitCode;

use anyhow::{Context, Result};
use serde_json::json;

use super::images::saved;
use super::out;
use crate::probe;
use crate::record::SIMILARITY;
use crate::report::{self, units};
use crate::stats::predict::{Choice, NEAREST, Sure, choose};

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

/// A base, and how much of the image it holds, in millionths.
struct Held<'a> {
    base: &'a str,
    ppm: u64,
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
    let mut held = Vec::new();
    for (saved, base) in bases.iter().zip(&args.bases) {
        let mut ppm = None;
        (probe.look)(
            &image.image,
            std::slice::from_ref(&saved.image),
            &mut |_, measure, value| {
                if measure == NEAREST {
                    ppm = Some(value);
                }
            },
        )
        .with_context(|| base.clone())?;
        let ppm = ppm.with_context(|| format!("{SIMILARITY} finds no {NEAREST}"))?;
        held.push(Held { base, ppm });
    }
    let shares: Vec<u64> = held.iter().map(|it| it.ppm).collect();
    let choice = choose(&shares).context("there is a base to choose")?;
    out::print(&match args.json {
        true => as_json(&held, &choice),
        false => as_text(&held, &choice, image.image.bytes),
    })?;
    Ok(ExitCode::SUCCESS)
}

fn as_json(held: &[Held], choice: &Choice) -> String {
    let bases: Vec<_> = held
        .iter()
        .map(|it| json!({ "base": it.base, NEAREST: it.ppm }))
        .collect();
    let told = json!({
        "base": held[choice.at].base,
        "sure": report::sureness(choice.sure),
        "next_lacks_times": choice.margin,
        "bases": bases,
    });
    format!("{told:#}\n")
}

fn as_text(held: &[Held], choice: &Choice, image_bytes: u64) -> String {
    let mut order: Vec<usize> = (0..held.len()).collect();
    order.sort_by_key(|at| (*at != choice.at, std::cmp::Reverse(held[*at].ppm)));
    let width = held
        .iter()
        .map(|it| it.base.chars().count())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for at in order {
        let Held { base, ppm } = &held[at];
        let lacks =
            u128::from(image_bytes) * u128::from(1_000_000 - ppm.min(&1_000_000)) / 1_000_000;
        text.push_str(&format!(
            "{base:<width$}  holds {:5.1} % of the image, lacks {}\n",
            *ppm as f64 / 10_000.0,
            units::bytes(u64::try_from(lacks).unwrap_or(u64::MAX))
        ));
    }
    text.push_str(&said(held[choice.at].base, choice));
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
        (Sure::TossUp, _) => "the next best lacks about as much, so either will do".to_string(),
        (_, Some(margin)) if margin < 100.0 => {
            format!("the next best lacks {margin:.1} times as much")
        }
        (_, Some(_)) => "the next best lacks over 100 times as much".to_string(),
    };
    format!("use {base}: {}, {why}\n", report::sureness(choice.sure))
}
