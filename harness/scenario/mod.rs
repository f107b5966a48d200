//! Scenarios: which images, which methods, how often; read from TOML and checked whole before anything runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use toml::Spanned;

use crate::clock::Limits;
use crate::source::Source;
use crate::source::synthetic::Release;
use crate::words;
use image::ImageTable;

mod image;

/// A checked scenario: every key known, every name sound, every source resolved to absolute paths.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The file's name without its ending.
    pub name: String,
    pub path: PathBuf,
    pub about: String,
    /// Names of methods in the order given, each known to the caller's list.
    pub methods: Vec<String>,
    /// Timed repetitions of every step.
    pub samples: u32,
    pub limits: Limits,
    /// In order of release.
    pub images: Vec<ImageSpec>,
}

/// One image of a scenario: its name there, and where it comes from.
#[derive(Clone, Debug)]
pub struct ImageSpec {
    pub name: String,
    pub source: Source,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    about: String,
    methods: Vec<Spanned<String>>,
    #[serde(default = "one")]
    samples: u32,
    /// Seconds a step may take.
    time_limit_s: Option<u64>,
    /// MiB of resident memory a step's processes may hold together.
    memory_limit_mib: Option<u64>,
    #[serde(default)]
    image: Vec<Spanned<ImageTable>>,
}

/// An hour: longer than any step on images of a few GB, short enough to find a hung tool the same day.
const TIME_LIMIT: Duration = Duration::from_secs(3600);

/// Bounds that no honest scenario meets, so that a slip of the finger is an error and not a machine without memory.
pub const MOST_SAMPLES: i64 = 10_000;
/// A year.
pub const MOST_SECONDS: u64 = 366 * 24 * 3600;
/// A PiB.
pub const MOST_MIB: u64 = 1 << 30;

fn one() -> u32 {
    1
}

/// The scenarios named on a command line: `smoke` is scenarios/smoke.toml, anything with an ending or a slash is a path.
///
/// `known` are the names of all methods, to check against; it may depend on the scenario's folder.
pub fn find(word: &str) -> Result<PathBuf> {
    let path = Path::new(word);
    if path.extension().is_some_and(|ending| ending == "toml") || word.contains('/') {
        ensure!(path.is_file(), "no scenario file at {word}");
        return Ok(path.to_path_buf());
    }
    let shipped = Path::new("scenarios").join(format!("{word}.toml"));
    if shipped.is_file() {
        return Ok(shipped);
    }
    let known = shipped_names();
    ensure!(
        !known.is_empty(),
        "no scenario `{word}`: there is no folder scenarios/ here; go to the checkout, or give a path"
    );
    bail!(
        "no scenario `{word}` in scenarios/{}",
        words::meant(word, known.iter().map(String::as_str))
    )
}

/// Names of the scenarios in scenarios/, in order.
pub fn shipped_names() -> Vec<String> {
    let entries = fs::read_dir("scenarios").into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| {
            Some(
                entry
                    .file_name()
                    .to_str()?
                    .strip_suffix(".toml")?
                    .to_string(),
            )
        })
        .collect();
    names.sort();
    names
}

impl Scenario {
    /// Reads and checks the scenario at `path`; `known` are the methods it may name.
    pub fn read(path: &Path, known: &[String]) -> Result<Scenario> {
        let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        let table: Table = toml::from_str(&text).with_context(|| format!("{}", path.display()))?;
        let at = |offset: usize| format!("{}:{}", path.display(), words::line(&text, offset));
        let name = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default()
            .to_string();
        ensure!(
            words::is_name(&name),
            "{}: a scenario's file name is letters, digits, `.`, `_` and `-`",
            path.display()
        );
        let folder = fs::canonicalize(path).with_context(|| format!("find {}", path.display()))?;
        let folder = folder.parent().context("a file has a folder")?;

        let bound = |key: &str, value: u64, most: u64| {
            ensure!(
                (1..=most).contains(&value),
                "{}: {key} = {value}: it may be 1 to {most}",
                path.display()
            );
            Ok(value)
        };
        bound("samples", table.samples.into(), MOST_SAMPLES.unsigned_abs())?;
        let time_s = table
            .time_limit_s
            .map(|seconds| bound("time_limit_s", seconds, MOST_SECONDS))
            .transpose()?;
        let memory_mib = table
            .memory_limit_mib
            .map(|mib| bound("memory_limit_mib", mib, MOST_MIB))
            .transpose()?;
        ensure!(
            !table.methods.is_empty(),
            "{}: methods is empty; `raw` is always worth having",
            path.display()
        );
        ensure!(
            !table.image.is_empty(),
            "{}: no [[image]]; two make a pair",
            path.display()
        );
        let mut methods = Vec::new();
        for method in &table.methods {
            let word = method.get_ref();
            let place = at(method.span().start);
            ensure!(
                known.contains(word),
                "{place}: unknown method `{word}`{}",
                words::meant(word, known.iter().map(String::as_str))
            );
            ensure!(
                !methods.contains(word),
                "{place}: method `{word}` stands twice"
            );
            methods.push(word.clone());
        }
        let mut images: Vec<ImageSpec> = Vec::new();
        let mut history: Option<Release> = None;
        for image in &table.image {
            let place = at(image.span().start);
            let spec = image.get_ref().spec(folder, &mut history);
            let spec = spec.context(place.clone())?;
            ensure!(
                images.iter().all(|other| other.name != spec.name),
                "{place}: image name `{}` stands twice",
                spec.name
            );
            images.push(spec);
        }
        let limits = Limits {
            time: time_s.map_or(TIME_LIMIT, Duration::from_secs),
            memory_bytes: memory_mib.map_or_else(three_quarters_of_memory, |mib| mib << 20),
        };
        Ok(Scenario {
            name,
            path: path.to_path_buf(),
            about: table.about,
            methods,
            samples: table.samples,
            limits,
            images,
        })
    }
}

/// Leaves the machine the last quarter, so that it kills the step and not something else.
fn three_quarters_of_memory() -> u64 {
    use procfs::Current;
    procfs::Meminfo::current().map_or(u64::MAX, |memory| memory.mem_total / 4 * 3)
}
