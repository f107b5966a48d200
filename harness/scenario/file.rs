//! A scenario's file: read from TOML and checked whole, every error with its place.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde::Deserialize;
use toml::Spanned;

use super::form::{self, FormTable};
use super::image::ImageTable;
use super::{ImageSpec, MOST_MIB, MOST_SAMPLES, MOST_SECONDS, Scenario, expect};
use crate::method::{Methods, braces};
use crate::plan::axis::axis;
use crate::probe;
use crate::record::{Clients, Expect, FORM, Fault, Road};
use crate::source::Form;
use crate::words;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    about: String,
    methods: Vec<Spanned<String>>,
    #[serde(default)]
    probes: Vec<Spanned<String>>,
    #[serde(default = "one")]
    samples: Spanned<u32>,
    /// Methods that are measured only in the first sample.
    #[serde(default)]
    once: Vec<Spanned<String>>,
    /// Seconds a step may take.
    time_limit_s: Option<Spanned<u64>>,
    /// MiB of resident memory a step's processes may hold together.
    memory_limit_mib: Option<Spanned<u64>>,
    /// `locked`: only where the kernel locks steps in.
    room: Option<Spanned<String>>,
    /// Axis name to the values that it takes.
    #[serde(default)]
    axes: BTreeMap<Spanned<String>, Vec<Spanned<String>>>,
    /// What the axis `form` can name.
    #[serde(default)]
    form: BTreeMap<String, FormTable>,
    #[serde(default)]
    image: Vec<Spanned<ImageTable>>,
    #[serde(default)]
    expect: Vec<Spanned<Expect>>,
}

fn one() -> Spanned<u32> {
    Spanned::new(0..0, 1)
}

/// The file, and where in it something is.
struct File<'a> {
    path: &'a Path,
    text: &'a str,
}

impl File<'_> {
    /// `scenarios/mine.toml:12`.
    fn place<T>(&self, of: &Spanned<T>) -> String {
        let line = words::line(self.text, of.span().start);
        format!("{}:{line}", self.path.display())
    }

    fn bounded(&self, key: &str, value: &Spanned<u64>, most: u64) -> Result<u64> {
        let number = *value.get_ref();
        ensure!(
            (1..=most).contains(&number),
            "{}: {key} = {number}: it may be 1 to {most}",
            self.place(value)
        );
        Ok(number)
    }
}

impl Scenario {
    /// Reads and checks the scenario at `path`; `methods` are those it may name.
    pub fn read(path: &Path, methods: &Methods) -> Result<Scenario> {
        let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        let table: Table = toml::from_str(&text).with_context(|| format!("{}", path.display()))?;
        let file = File { path, text: &text };
        let name = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        ensure!(
            words::is_name(name),
            "{}: a scenario's file name is letters, digits, `.`, `_` and `-`",
            path.display()
        );
        ensure!(
            !table.methods.is_empty() || !table.probes.is_empty(),
            "{}: methods is empty; `raw` is always worth having",
            path.display()
        );
        ensure!(
            !table.image.is_empty(),
            "{}: no [[image]]; two make a pair",
            path.display()
        );
        let forms = read_forms(&file, &table)?;
        let mut scenario = Scenario {
            path: path.to_path_buf(),
            about: table.about,
            methods: read_methods(&file, &table.methods, methods)?,
            probes: read_probes(&file, &table.probes)?,
            axes: read_axes(&file, &table.axes)?,
            forms,
            ..Scenario::of(name, read_images(&file, &table.image)?)
        };
        let samples = Spanned::new(table.samples.span(), u64::from(*table.samples.get_ref()));
        let samples = file.bounded("samples", &samples, MOST_SAMPLES.unsigned_abs())?;
        scenario.samples = u32::try_from(samples)?;
        for word in &table.once {
            let names = methods.expand(word.get_ref());
            for name in names.with_context(|| file.place(word))? {
                ensure!(
                    scenario.methods.contains(&name),
                    "{}: `{name}` is to be measured once, and is not among the methods",
                    file.place(word)
                );
                scenario.once.push(name);
            }
        }
        if let Some(seconds) = &table.time_limit_s {
            let seconds = file.bounded("time_limit_s", seconds, MOST_SECONDS)?;
            scenario.limits.time = Duration::from_secs(seconds);
        }
        if let Some(mib) = &table.memory_limit_mib {
            scenario.limits.memory_bytes = file.bounded("memory_limit_mib", mib, MOST_MIB)? << 20;
        }
        if let Some(room) = &table.room {
            let word = room.get_ref();
            ensure!(
                word == "locked",
                "{}: room = {word:?}: it may be \"locked\", or left out",
                file.place(room)
            );
            scenario.locked = true;
        }
        for claim in table.expect {
            expect::check(claim.get_ref(), &scenario).with_context(|| file.place(&claim))?;
            scenario.expects.push(claim.into_inner());
        }
        Ok(scenario)
    }
}

fn read_methods(file: &File, words: &[Spanned<String>], methods: &Methods) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for word in words {
        let expanded = methods.expand(word.get_ref());
        for name in expanded.with_context(|| file.place(word))? {
            ensure!(
                !names.contains(&name),
                "{}: method `{name}` is listed twice",
                file.place(word)
            );
            names.push(name);
        }
    }
    Ok(names)
}

fn read_probes(file: &File, words: &[Spanned<String>]) -> Result<Vec<String>> {
    let mut names: Vec<String> = Vec::new();
    for word in words {
        let name = word.get_ref();
        probe::find(name).with_context(|| file.place(word))?;
        ensure!(
            !names.contains(name),
            "{}: probe `{name}` is listed twice",
            file.place(word)
        );
        names.push(name.clone());
    }
    Ok(names)
}

type Axes = BTreeMap<Spanned<String>, Vec<Spanned<String>>>;

fn read_axes(file: &File, axes: &Axes) -> Result<Vec<(String, Vec<String>)>> {
    let mut turned = Vec::new();
    for (name, values) in axes {
        let known = axis(name.get_ref()).with_context(|| file.place(name))?;
        ensure!(
            !values.is_empty(),
            "{}: axis `{}` has no value",
            file.place(name),
            known.name
        );
        let mut words: Vec<String> = Vec::new();
        for value in values {
            for word in braces(value.get_ref()).with_context(|| file.place(value))? {
                (known.check)(&word).with_context(|| file.place(value))?;
                ensure!(
                    !words.contains(&word),
                    "{}: axis `{}` has `{word}` twice",
                    file.place(value),
                    known.name
                );
                words.push(word);
            }
        }
        turned.push((known.name.to_string(), words));
    }
    let turns = |axis: &str| turned.iter().any(|(turned, _)| turned == axis);
    ensure!(
        !turns(Fault::AXIS) || !turns(Road::AXIS) && !turns(Clients::AXIS),
        "{}: a scenario turns the axis `fault`, or `road` and `clients`, and not both",
        file.path.display()
    );
    Ok(turned)
}

/// The forms that the axis names, by the value that names them.
fn read_forms(file: &File, table: &Table) -> Result<BTreeMap<String, Form>> {
    let mut forms = BTreeMap::new();
    let Some((_, values)) = table.axes.iter().find(|(axis, _)| axis.get_ref() == FORM) else {
        ensure!(
            table.form.is_empty(),
            "{}: [form] is what the axis `form` names, and the scenario does not turn it",
            file.path.display()
        );
        return Ok(forms);
    };
    ensure!(
        table.probes.is_empty(),
        "{}: a probe looks at images and not at their forms; leave out `probes`, or the axis `form`",
        file.path.display()
    );
    for value in values {
        for word in braces(value.get_ref())? {
            let form = form::named(&word, &table.form).with_context(|| file.place(value))?;
            forms.extend(form.map(|form| (word, form)));
        }
    }
    let named = |name: &&String| {
        let mut words = forms.keys();
        words.any(|word| word.split('/').next() == Some(name))
    };
    if let Some(name) = table.form.keys().find(|name| !named(name)) {
        bail!(
            "{}: the axis `form` does not name [form.{name}]",
            file.path.display()
        );
    }
    Ok(forms)
}

fn read_images(file: &File, tables: &[Spanned<ImageTable>]) -> Result<Vec<ImageSpec>> {
    let folder = folder_of(file.path)?;
    let mut images: Vec<ImageSpec> = Vec::new();
    let mut history = None;
    for table in tables {
        let spec = table.get_ref().spec(&folder, &mut history);
        let spec = spec.with_context(|| file.place(table))?;
        ensure!(
            images.iter().all(|other| other.name != spec.name),
            "{}: image name `{}` is listed twice",
            file.place(table),
            spec.name
        );
        images.push(spec);
    }
    Ok(images)
}

fn folder_of(path: &Path) -> Result<PathBuf> {
    let real = fs::canonicalize(path).with_context(|| format!("find {}", path.display()))?;
    let folder = real.parent().map(Path::to_path_buf);
    folder.ok_or_else(|| anyhow!("{}: a file has a folder", path.display()))
}
