//! Scenarios: which images, which methods, how often; read from TOML and checked whole before anything runs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use toml::Spanned;

use crate::clock::Limits;
use crate::source::synthetic::{Change, Release};
use crate::source::{From, Source, command};
use crate::words;

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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ImageTable {
    name: String,
    docker: Option<String>,
    file: Option<PathBuf>,
    command: Option<Vec<String>>,
    build: Option<PathBuf>,
    dockerfile: Option<String>,
    args: Option<BTreeMap<String, String>>,
    no_cache: Option<bool>,
    from: Option<From>,
    synthetic: Option<SyntheticTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SyntheticTable {
    seed: Option<u64>,
    mib: Option<u64>,
    changes: Option<Vec<Change>>,
}

/// An hour: longer than any step on images of a few GB, short enough to find a hung tool the same day.
const TIME_LIMIT: Duration = Duration::from_secs(3600);

/// What methods call the folders that their releases share.
const IN_STORES: &[&str] = &["blobs", "chunks"];

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
            let spec = image_spec(image.get_ref(), folder, &mut history).context(place.clone())?;
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

/// One [[image]] table made a source. `history` carries the synthetic release before this one.
fn image_spec(
    table: &ImageTable,
    folder: &Path,
    history: &mut Option<Release>,
) -> Result<ImageSpec> {
    let name = &table.name;
    ensure!(
        words::is_name(name),
        "image name `{name}`: letters, digits, `.`, `_` and `-` only, as it becomes part of file names and URLs"
    );
    ensure!(
        !IN_STORES.contains(&name.as_str()),
        "image name `{name}`: stores have a folder of that name; take another"
    );
    let mut sources = Vec::new();
    if let Some(reference) = &table.docker {
        sources.push(Source::Docker {
            reference: reference.clone(),
        });
    }
    if let Some(path) = &table.file {
        sources.push(Source::File {
            path: folder.join(path),
        });
    }
    if let Some(argv) = &table.command {
        command::check(argv).with_context(|| format!("image `{name}`: command"))?;
        sources.push(Source::Command { argv: argv.clone() });
    }
    if let Some(dir) = &table.build {
        if let Some(from) = &table.from {
            command::check(&from.command).with_context(|| format!("image `{name}`: from"))?;
        }
        sources.push(Source::Build {
            dir: folder.join(dir),
            dockerfile: table.dockerfile.clone(),
            args: table.args.clone().unwrap_or_default(),
            no_cache: table.no_cache.unwrap_or(false),
            from: table.from.clone(),
        });
    } else {
        let with_build = [
            ("dockerfile", table.dockerfile.is_some()),
            ("args", table.args.is_some()),
            ("no_cache", table.no_cache.is_some()),
            ("from", table.from.is_some()),
        ];
        if let Some((key, _)) = with_build.iter().find(|(_, there)| *there) {
            bail!("image `{name}`: `{key}` belongs to `build`");
        }
    }
    if let Some(synthetic) = &table.synthetic {
        let release = next_release(synthetic, history.take())
            .with_context(|| format!("image `{name}`: synthetic"))?;
        *history = Some(release.clone());
        sources.push(Source::Synthetic(release));
    }
    ensure!(
        sources.len() < 2,
        "image `{name}` has {} sources, one is meant",
        sources.len()
    );
    let source = sources.pop().with_context(|| {
        format!(
            "image `{name}` has no source: give it one of docker, file, command, build, synthetic"
        )
    })?;
    Ok(ImageSpec {
        name: name.clone(),
        source,
    })
}

/// The first synthetic image states seed and size; each later one states what changed.
fn next_release(table: &SyntheticTable, before: Option<Release>) -> Result<Release> {
    match (before, table) {
        (
            None,
            SyntheticTable {
                seed: Some(seed),
                mib: Some(mib),
                changes: None,
            },
        ) => Ok(Release {
            seed: *seed,
            mib: *mib,
            changes: Vec::new(),
        }),
        (
            Some(before),
            SyntheticTable {
                seed: None,
                mib: None,
                changes: Some(changes),
            },
        ) => {
            let mut release = before;
            release.changes.push(changes.clone());
            Ok(release)
        }
        (None, _) => bail!("the first release takes {{ seed = …, mib = … }} and no changes"),
        (Some(_), _) => bail!(
            "a later release takes {{ changes = […] }} alone; seed and size are the first one's"
        ),
    }
}

/// Leaves the machine the last quarter, so that it kills the step and not something else.
fn three_quarters_of_memory() -> u64 {
    use procfs::Current;
    procfs::Meminfo::current().map_or(u64::MAX, |memory| memory.mem_total / 4 * 3)
}
