//! Scenarios: which images, which methods and probes, under which cases, how often, and what is expected of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail, ensure};

use crate::clock::Limits;
use crate::plan::{Outline, Trial, axis, plan};
use crate::record::{Expect, FORM};
use crate::source::{Form, Formed, Source};
use crate::words;

mod expect;
mod file;
mod form;
mod image;

/// A checked scenario: every key known, every name sound, every source resolved to absolute paths.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The file's name without its ending.
    pub name: String,
    pub path: PathBuf,
    pub about: String,
    /// Names of methods in the order given, parameters spelled out.
    pub methods: Vec<String>,
    /// Names of probes in the order given.
    pub probes: Vec<String>,
    /// Timed repetitions of every act.
    pub samples: u32,
    /// The methods among them that are measured only in the first sample, because they are slow.
    pub once: Vec<String>,
    pub limits: Limits,
    /// Whether it is to be run only where steps are locked in for good.
    pub locked: bool,
    /// The axes that are turned, in alphabetical order, each with its values in the order given.
    pub axes: Vec<(String, Vec<String>)>,
    /// In order of release.
    pub images: Vec<ImageSpec>,
    /// The values of the axis `form` that turn the images into something else; empty where it is not turned.
    pub forms: BTreeMap<String, Form>,
    pub expects: Vec<Expect>,
}

/// One image of a scenario: its name there, and where it comes from.
#[derive(Clone, Debug)]
pub struct ImageSpec {
    pub name: String,
    pub source: Source,
}

/// An hour: longer than any step on images of a few GB, short enough to find a hung tool the same day.
const TIME_LIMIT: Duration = Duration::from_secs(3600);

/// Bounds that no honest scenario meets, so that a typing error is an error and not a machine without memory.
pub const MOST_SAMPLES: i64 = 10_000;
/// A year.
pub const MOST_SECONDS: u64 = 366 * 24 * 3600;
/// A PiB.
pub const MOST_MIB: u64 = 1 << 30;

impl Scenario {
    /// A scenario without methods over images, in order of release.
    pub fn of(name: &str, images: Vec<ImageSpec>) -> Scenario {
        Scenario {
            name: name.to_string(),
            path: PathBuf::from(name),
            about: String::new(),
            methods: Vec::new(),
            probes: Vec::new(),
            samples: 1,
            once: Vec::new(),
            limits: Limits {
                time: TIME_LIMIT,
                memory_bytes: three_quarters_of_memory(),
            },
            locked: false,
            axes: Vec::new(),
            images,
            forms: BTreeMap::new(),
            expects: Vec::new(),
        }
    }

    /// The same over files, each with its name.
    pub fn of_files(name: &str, files: impl IntoIterator<Item = (String, PathBuf)>) -> Scenario {
        let image = |(name, path)| ImageSpec {
            name,
            source: Source::file(path),
        };
        Scenario::of(name, files.into_iter().map(image).collect())
    }

    /// The values of the axis `form` in their order; one, which is none, where it is not turned.
    pub fn form_values(&self) -> Vec<Option<&str>> {
        match self.axes.iter().find(|(axis, _)| axis == FORM) {
            Some((_, values)) => values.iter().map(|value| Some(value.as_str())).collect(),
            None => vec![None],
        }
    }

    /// Whether an update is asked for whose client has its bases on the disk alone.
    pub fn reads_cold(&self) -> bool {
        let mut axes = self.axes.iter();
        axes.any(|(name, values)| name == axis::CACHE && values.iter().any(|it| it == axis::COLD))
    }

    /// Where an image comes from that has this value of the axis `form`.
    pub fn source_as(&self, image: &ImageSpec, value: Option<&str>) -> Source {
        let source = image.source.clone();
        match value.and_then(|value| self.forms.get(value)) {
            Some(form) => Source::Formed(Formed::new(source, form.clone())),
            None => source,
        }
    }

    /// All that the plan depends on.
    pub fn outline(&self) -> Outline {
        Outline {
            scenario: self.name.clone(),
            about: self.about.clone(),
            images: self.images.iter().map(|image| image.name.clone()).collect(),
            methods: self.methods.clone(),
            probes: self.probes.clone(),
            samples: self.samples,
            once: self.once.clone(),
            axes: self.axes.clone(),
        }
    }

    /// Every trial, in the order in which they are done.
    pub fn plan(&self) -> Vec<Trial> {
        plan(&self.outline())
    }
}

/// The scenario that a word on a command line names: `smoke` is scenarios/smoke.toml, anything with an ending or a slash is a path.
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
            let name = entry.file_name();
            Some(name.to_str()?.strip_suffix(".toml")?.to_string())
        })
        .collect();
    names.sort();
    names
}

/// Leaves the machine the last quarter, so that the step is killed and not something else.
fn three_quarters_of_memory() -> u64 {
    use procfs::Current;
    procfs::Meminfo::current().map_or(u64::MAX, |memory| memory.mem_total / 4 * 3)
}
