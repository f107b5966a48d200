//! `compare`: what an update between two images costs, by the methods that can run here and are fast enough; no scenario
//! file.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, ensure};

use super::images::{saved_while, scenario_of};
use super::out::note;
use super::progress::Progress;
use super::run::carry_out;
use super::selection::{self, Bounds};
use crate::image::sha256_hex;
use crate::method::{Doer, Methods};
use crate::report::units;
use crate::run::{Order, Saved, roots};

pub(super) mod pace;

#[derive(clap::Args)]
pub struct Args {
    /// Images in order of release: paths of files, or Docker references such as nginx:1.27
    #[arg(value_name = "IMAGE", num_args = 2.., required = true)]
    images: Vec<String>,
    /// Run only these methods, such as `-m xdelta3 -m 'fastcdc/{16k,64k}'`; may be repeated
    #[arg(short, long = "method", value_name = "M")]
    methods: Vec<String>,
    /// Add the methods that would need more than 30 s for images of this size
    #[arg(long, conflicts_with = "methods")]
    all: bool,
    /// Results folder [default: results/OLD-to-NEW-<hash of the images>]
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
    #[command(flatten)]
    bounds: Bounds,
    /// Show a line for each act on a terminal too, not only for each method
    #[arg(short, long)]
    verbose: bool,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let mut scenario = scenario_of("compare", &args.images)?;
    args.bounds.put_into(&mut scenario);
    let methods = Methods::in_folders(&[PathBuf::from("scenarios/methods")])?;
    let mut progress = Progress::new(args.verbose);
    let images = saved_while(&scenario, &mut progress)?;
    drop(progress);
    for saved in &images {
        let image = &saved.image;
        note(&format!(
            "{}: {}, sha256 {}…",
            image.name,
            units::bytes(image.bytes),
            &image.sha256[..12]
        ));
    }
    scenario.methods = if args.methods.is_empty() {
        choose(&methods, &images, args.all)
    } else {
        selection::expand(&args.methods, &methods)?
    };
    ensure!(
        !scenario.methods.is_empty(),
        "no method can run here: see `delta-lab doctor`"
    );
    let into = args.into.clone();
    let into = into.unwrap_or_else(|| default_folder(&images));
    let doers = selection::doers(&scenario, &methods)?;
    let order = Order::of(vec![(scenario, doers)], into);
    carry_out(&order, args.verbose, true)
}

/// The methods that can run here and end in reasonable time; says which are left out, and how to have them.
pub(super) fn choose(methods: &Methods, images: &[Saved], all: bool) -> Vec<String> {
    let bytes: u64 = images.iter().map(|saved| saved.image.bytes).sum();
    let (mut chosen, mut slow, mut absent) = (Vec::new(), Vec::new(), Vec::new());
    for doer in methods.shown() {
        let name = doer.name().to_string();
        let seconds = pace::seconds(&name, bytes);
        let too_long = seconds.filter(|seconds| !all && *seconds > pace::REASONABLE_S);
        match (why_not(doer.as_ref(), images), too_long) {
            (Some(why), _) => absent.push(format!("  {name}: {why}")),
            (None, Some(seconds)) => {
                let time = units::time(seconds * 1_000_000_000);
                slow.push(format!("{name} (up to {time})"));
            }
            (None, None) => chosen.push(name),
        }
    }
    note(&format!("{} methods take part", chosen.len()));
    if !slow.is_empty() {
        note(&format!(
            "left out as slow on {}: {}; --all runs them too, -m NAME one of them",
            units::bytes(bytes),
            slow.join(", ")
        ));
    }
    if !absent.is_empty() {
        note(&format!("can't run here:\n{}", absent.join("\n")));
    }
    chosen
}

pub(super) fn why_not(doer: &dyn Doer, images: &[Saved]) -> Option<String> {
    if let Some(why) = &doer.about().only_by_name {
        return Some(why.clone());
    }
    match roots::look(doer) {
        Err(why) => return Some(format!("{why:#}")),
        // Nobody who compares two images asked for a release of Debian.
        Ok(looked) if !looked.is_here => return Some(format!("{}: name it with -m", looked.text)),
        Ok(_) => {}
    }
    let mut refusals = images.iter().map(|saved| doer.accepts(&saved.image));
    refusals.find_map(Result::err).map(|why| format!("{why:#}"))
}

/// The same images continue in the same folder, others get one of their own.
fn default_folder(images: &[Saved]) -> PathBuf {
    let (Some(first), Some(last)) = (images.first(), images.last()) else {
        return PathBuf::from("results");
    };
    let hashes: Vec<&str> = images
        .iter()
        .map(|saved| saved.image.sha256.as_str())
        .collect();
    let hash = sha256_hex(hashes.join(" ").as_bytes());
    Path::new("results").join(format!(
        "{}-to-{}-{}",
        first.image.name,
        last.image.name,
        &hash[..8]
    ))
}
