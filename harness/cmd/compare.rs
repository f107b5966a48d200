//! `compare`: what an update between two images costs, by every method that can run here; no scenario file.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};

use super::out::note;
use super::progress::Progress;
use super::run::carry_out;
use super::selection::{self, Bounds};
use crate::image::sha256_hex;
use crate::method::{Doer, Methods};
use crate::report::units;
use crate::run::{Order, Saved, save_images};
use crate::scenario::{ImageSpec, Scenario};
use crate::source::cache::Cache;
use crate::source::{EngineImage, Source};
use crate::words;

mod pace;

/// OLD and NEW are files (a saved image, any tar, any file) or references of Docker's images; more of them, oldest first,
/// are a history. Every method that can run here takes part, but for those that are slow on images of this size; both
/// kinds that are left out are named. The results are one folder: rows, report.md, charts.
#[derive(clap::Args)]
pub struct Args {
    /// Images in order of release: paths of files, or Docker references such as nginx:1.27
    #[arg(value_name = "IMAGE", num_args = 2.., required = true)]
    images: Vec<String>,
    /// Run these methods alone, such as `-m xdelta3 -m 'fastcdc/{16k,64k}'`; may be repeated
    #[arg(short, long = "method", value_name = "M")]
    methods: Vec<String>,
    /// Run the slow methods too
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
    let mut scenario = scenario_of(&args.images)?;
    args.bounds.put_into(&mut scenario);
    let methods = Methods::in_folders(&[PathBuf::from("scenarios/methods")])?;
    let mut progress = Progress::new(args.verbose);
    let images = save_images(&scenario, &Cache::open()?, false, &mut |news| {
        progress.tell(news)
    })?;
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
    ensure!(!scenario.methods.is_empty(), "no method can run here");
    let order = Order {
        into: args.into.clone().unwrap_or_else(|| default_folder(&images)),
        scenarios: vec![{
            let doers = selection::doers(&scenario, &methods)?;
            (scenario, doers)
        }],
        retry: false,
        objects: false,
    };
    carry_out(&order, args.verbose, true)
}

/// The methods that can run here and end in reasonable time; says which are left out, and how to have them.
fn choose(methods: &Methods, images: &[Saved], all: bool) -> Vec<String> {
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

fn why_not(doer: &dyn Doer, images: &[Saved]) -> Option<String> {
    if let Err(why) = doer.version() {
        return Some(format!("{why:#}"));
    }
    let mut refusals = images.iter().map(|saved| doer.accepts(&saved.image));
    refusals.find_map(Result::err).map(|why| format!("{why:#}"))
}

fn scenario_of(images: &[String]) -> Result<Scenario> {
    let mut specs: Vec<ImageSpec> = Vec::new();
    for word in images {
        let (source, name) = source_of(word)?;
        let taken = |name: &str| specs.iter().any(|spec| spec.name == name);
        let name = (1..)
            .map(|at| match at {
                1 => name.clone(),
                at => format!("{name}-{at}"),
            })
            .find(|name| !taken(name))
            .context("there is always a free number")?;
        specs.push(ImageSpec { name, source });
    }
    Ok(Scenario {
        about: format!("an update from {}", images.join(" to ")),
        ..Scenario::of("compare", specs)
    })
}

/// A file where there is one of that path, a Docker reference otherwise; and what to call the image.
fn source_of(word: &str) -> Result<(Source, String)> {
    let path = Path::new(word);
    if path.is_file() {
        let path = std::fs::canonicalize(path).with_context(|| format!("find {word}"))?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        return Ok((Source::file(path.clone()), fit(&stem)));
    }
    if path.exists() {
        bail!("{word}: is a folder; name a saved image, any file, or a Docker reference");
    }
    let is_path = word.starts_with(['.', '/']) || path.extension().is_some_and(|it| it == "tar");
    ensure!(!is_path, "{word}: no such file");
    let last = word.rsplit('/').next().unwrap_or(word);
    let image = EngineImage {
        reference: word.to_string(),
    };
    Ok((Source::Docker(image), fit(last)))
}

/// The word made fit for an image's name.
fn fit(word: &str) -> String {
    let fit: String = word
        .chars()
        .map(|letter| match letter {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '_' | '-' => letter,
            _ => '-',
        })
        .take(60)
        .collect();
    let fit = fit.trim_start_matches(['.', '-']);
    // Stores have folders of these names.
    if words::is_name(fit) && !["blobs", "chunks"].contains(&fit) {
        fit.to_string()
    } else {
        format!("image-{fit}").trim_end_matches('-').to_string()
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_images_are_called_is_fit_for_a_name_and_each_has_its_own() {
        let images = ["shop/backend:1.2", "other/backend:1.2", "-x", "blobs"];
        let scenario = scenario_of(&images.map(str::to_string)).unwrap();
        let names: Vec<&str> = scenario.images.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["backend-1.2", "backend-1.2-2", "x", "image-blobs"]);
        assert!(names.iter().all(|name| words::is_name(name)));
    }

    #[test]
    fn a_path_that_is_not_there_is_no_docker_reference() {
        for (word, says) in [
            ("./gone", "no such file"),
            ("gone.tar", "no such file"),
            ("/", "is a folder"),
        ] {
            let why = source_of(word).err().unwrap().to_string();
            assert!(why.contains(says), "{why}");
        }
    }
}
