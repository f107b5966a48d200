//! `ci`: did this change make the image's updates bigger, by how much, and why?

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};

use super::images::{saved_of, scenario_of};
use super::out;
use super::progress::Progress;
use super::run::{Reuse, tell_reused};
use super::selection;
use crate::image::sha256_hex;
use crate::method::Methods;
use crate::probe::explain::{Effort, explain};
use crate::record::{Explained, Results};
use crate::report::gate::{self as told, Told};
use crate::run::{self, Order, Saved};
use crate::scenario::{ImageSpec, Scenario};
use crate::source::cache::Cache;
use crate::stats::gate::{AFTER, BEFORE, Gate, Images, Passage, Rules, gate};

#[derive(clap::Args)]
pub struct Args {
    /// The image without the change, such as that of the main branch: a file, or a Docker reference
    #[arg(long, value_name = "REF")]
    base: String,
    /// The image with the change
    #[arg(long, value_name = "REF")]
    image: String,
    /// The team's rules, a TOML file: methods, limits, waivers
    #[arg(long, value_name = "FILE")]
    rules: PathBuf,
    /// A released image that clients have, beside those that the rules name; may be repeated, oldest first
    #[arg(long, value_name = "REF")]
    from: Vec<String>,
    /// Write the comment for the pull request here; an empty file when nothing changed
    #[arg(long, value_name = "FILE")]
    comment: Option<PathBuf>,
    /// Name in the comment's marker; a later run with this name replaces the comment
    #[arg(long, value_name = "NAME", default_value = "updates")]
    name: String,
    /// Results folder [default: results/ci-<hash of the images>]
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
    /// Run N trials at a time. The verdict depends only on bytes, so this does not change it
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    #[command(flatten)]
    reuse: Reuse,
    /// Judge waivers as of this day, such as 2026-12-31 [default: today]
    #[arg(long, value_name = "DAY")]
    today: Option<jiff::civil::Date>,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let rules = Rules::read(&args.rules)?;
    let mut releases = rules.from.clone();
    releases.extend(
        args.from
            .iter()
            .filter(|word| !rules.from.contains(word))
            .cloned(),
    );
    let mut words = releases.clone();
    words.extend([args.base.clone(), args.image.clone()]);
    let scenario = scenario_of("ci", &words)?;
    let saved = saved_of(&scenario)?;
    let by_hand = by_hand(args);
    let (base, head) = (&saved[saved.len() - 2].image, &saved[saved.len() - 1].image);
    if base.sha256 == head.sha256 {
        write_comment(args, "")?;
        out::print(&format!(
            "Unchanged: {} is {} to the byte (sha256 {}…); nothing was measured\n",
            args.image,
            args.base,
            &head.sha256[..12]
        ))?;
        return Ok(ExitCode::SUCCESS);
    }
    let results = measure(args, &rules, &scenario, &saved)?;
    let names: Vec<String> = saved.iter().map(|it| it.image.name.clone()).collect();
    let clients = match releases.len() {
        0 => 1,
        releases => releases,
    };
    let images = Images {
        releases: &names[..clients],
        base: &base.name,
        head: &head.name,
        with_before: !releases.is_empty(),
    };
    let today = args.today.unwrap_or_else(|| jiff::Zoned::now().date());
    let gate = gate(&results, &rules, &images, &today.to_string());
    let passage = gate.passage();
    let explained = match passage {
        Passage::Unchanged | Passage::Unverified | Passage::Unknown => None,
        _ => Some(explained(&gate, &saved, !releases.is_empty())?),
    };
    let told = Told {
        name: &args.name,
        base: &args.base,
        head: &args.image,
        explained,
        by_hand: &by_hand,
    };
    match passage {
        Passage::Unchanged => {
            write_comment(args, "")?;
            out::print(&told::check(&gate, &told))?;
        }
        _ => {
            let comment = told::comment(&gate, &told);
            write_comment(args, &comment)?;
            out::print(&comment)?;
        }
    }
    Ok(ExitCode::from(passage.code()))
}

fn write_comment(args: &Args, text: &str) -> Result<()> {
    let Some(file) = &args.comment else {
        return Ok(());
    };
    fs::write(file, text).with_context(|| format!("write {}", file.display()))
}

/// Two histories: the releases and BASE, the releases and IMAGE. Every method publishes each image for clients of the
/// earlier ones and updates to the last.
fn measure(args: &Args, rules: &Rules, all: &Scenario, saved: &[Saved]) -> Result<Results> {
    let methods = Methods::in_folders(&[PathBuf::from("scenarios/methods")])?;
    let named = selection::expand(&rules.methods, &methods)?;
    ensure!(
        named == rules.methods,
        "{}: `methods` lists each method by its whole name: {}",
        args.rules.display(),
        named.join(", ")
    );
    let (last, releases) = all.images.split_last().context("images are named")?;
    let (base, releases) = releases.split_last().context("two images are named")?;
    // Clients have BASE itself where no release is named.
    let had: Vec<ImageSpec> = match releases.is_empty() {
        true => vec![base.clone()],
        false => releases.to_vec(),
    };
    let history = |name: &str, newest: &ImageSpec| -> Result<_> {
        let images = had.iter().chain([newest]).cloned().collect();
        let scenario = Scenario {
            about: format!("the releases, and the image {name} the change"),
            methods: named.clone(),
            ..Scenario::of(name, images)
        };
        let doers = selection::doers(&scenario, &methods)?;
        Ok((scenario, doers))
    };
    let mut scenarios = vec![history(AFTER, last)?];
    if !releases.is_empty() {
        scenarios.insert(0, history(BEFORE, base)?);
    }
    let hashes: Vec<&str> = saved.iter().map(|it| it.image.sha256.as_str()).collect();
    let hash = sha256_hex(hashes.join(" ").as_bytes());
    let folder = || Path::new("results").join(format!("ci-{}", &hash[..8]));
    let order = Order {
        // What failed in an earlier push may have been the machine's fault.
        retry: true,
        jobs: args.jobs,
        reuse: args.reuse.most(),
        ..Order::of(scenarios, args.into.clone().unwrap_or_else(folder))
    };
    let mut progress = Progress::new(false);
    let summary = run::run(&order, &Cache::open()?, &mut |news| progress.tell(news))?;
    drop(progress);
    tell_reused(&summary);
    Results::load(&order.into)
}

/// The update that the verdict speaks of, taken apart: before the change where clients have a release, and after it.
fn explained(
    gate: &Gate,
    saved: &[Saved],
    with_before: bool,
) -> Result<(Option<Explained>, Explained)> {
    let path = |name: &str| {
        let found = saved.iter().find(|it| it.image.name == name);
        found.map(|it| it.image.path.as_path())
    };
    let release = gate.worst().map_or("", |line| line.release.as_str());
    let release = path(release).unwrap_or(&saved[0].image.path);
    let [.., base, head] = saved else {
        unreachable!("two images are named");
    };
    let before = with_before.then(|| explain(release, &base.image.path, Effort::Fast));
    Ok((
        before.transpose()?,
        explain(release, &head.image.path, Effort::Fast)?,
    ))
}

/// The line that does the same again.
fn by_hand(args: &Args) -> String {
    let rules = args.rules.to_string_lossy();
    let mut words = vec![
        "delta-lab",
        "ci",
        "--base",
        &args.base,
        "--image",
        &args.image,
    ];
    words.extend(["--rules", &rules]);
    for release in &args.from {
        words.extend(["--from", release]);
    }
    let quoted: Vec<String> = words.into_iter().map(quoted).collect();
    quoted.join(" ")
}

/// A word as a shell reads it back.
fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:@+=,".contains(letter);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_string(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}
