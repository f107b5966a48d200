//! What the commands on scenarios share: which scenarios, which methods, how often.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail, ensure};

use crate::method::{Doer, Methods, split_list};
use crate::probe::Looking;
use crate::record::{Bound, Expect};
use crate::scenario::{self, Scenario};

/// A scenario, and its methods and probes in its order.
pub type Chosen = (Scenario, Vec<Box<dyn Doer>>);

#[derive(clap::Args)]
pub struct Selection {
    /// Names of scenarios in scenarios/, or paths to scenario files
    #[arg(value_name = "SCENARIO")]
    pub scenarios: Vec<String>,
    /// Run these methods instead of the scenario's list, such as `-m xdelta3 -m 'fastcdc/{16k,64k}'`; may be repeated
    #[arg(short, long = "method", value_name = "M")]
    methods: Vec<String>,
    /// Leave these methods out of the scenario's list, such as `--without 'bsdiff-cli,zstd-cli/{3,19}'`; may be repeated
    #[arg(long, value_name = "M")]
    without: Vec<String>,
    #[command(flatten)]
    pub bounds: Bounds,
}

/// How often, and how long at most.
#[derive(clap::Args)]
pub struct Bounds {
    /// Timed repetitions of every act, instead of the scenario's number
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=scenario::MOST_SAMPLES))]
    samples: Option<u32>,
    /// Kill a step that takes longer than this many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=scenario::MOST_SECONDS))]
    time_limit: Option<u64>,
    /// Kill a step whose processes hold more than this many MiB of memory together
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..=scenario::MOST_MIB))]
    memory_limit: Option<u64>,
}

impl Bounds {
    pub fn put_into(&self, scenario: &mut Scenario) {
        if let Some(samples) = self.samples {
            scenario.samples = samples;
        }
        if let Some(seconds) = self.time_limit {
            scenario.limits.time = Duration::from_secs(seconds);
        }
        if let Some(mib) = self.memory_limit {
            scenario.limits.memory_bytes = mib << 20;
        }
    }
}

impl Selection {
    /// The scenarios chosen, each checked whole, with its methods and probes.
    pub fn read(&self) -> Result<Vec<Chosen>> {
        self.read_named(&self.scenarios)
    }

    /// The same with every shipped scenario when none was named.
    pub fn read_or_all(&self) -> Result<Vec<Chosen>> {
        if !self.scenarios.is_empty() {
            return self.read();
        }
        let shipped = scenario::shipped_names();
        ensure!(
            !shipped.is_empty(),
            "there is no folder scenarios/ here; go to the checkout, or give a path to a scenario file"
        );
        self.read_named(&shipped)
    }

    /// The file of a scenario. A shell makes several words of `-m fastcdc/{8k,16k}`, and all but the first end up here.
    fn find(&self, word: &str) -> Result<PathBuf> {
        let family = |word: &str| word.split('/').next().unwrap_or_default().to_string();
        let found = scenario::find(word);
        let mut same = self.methods.iter().filter(|it| family(it) == family(word));
        if let (Err(_), Some(first)) = (&found, same.next()) {
            bail!(
                "`{word}` is no scenario; if it belongs to -m, write quotes around the braces: -m '{}/{{…}}'",
                family(first)
            );
        }
        found
    }

    /// Takes the methods out that are not wanted, and what is expected of them.
    fn leave_out(&self, scenario: &mut Scenario, methods: &Methods) -> Result<()> {
        let unwanted = expand(&self.without, methods)?;
        for name in &unwanted {
            ensure!(
                scenario.methods.contains(name),
                "--without {name}: {} has no such method; it has {}",
                scenario.name,
                scenario.methods.join(", ")
            );
        }
        scenario.methods.retain(|name| !unwanted.contains(name));
        ensure!(
            unwanted.is_empty() || !scenario.methods.is_empty(),
            "--without leaves no method of {}",
            scenario.name
        );
        let named = |method: &String| !unwanted.contains(method);
        scenario.expects.retain(|expect| is_of(expect, &named));
        Ok(())
    }

    fn read_named(&self, words: &[String]) -> Result<Vec<Chosen>> {
        let mut chosen: Vec<Chosen> = Vec::new();
        for word in words {
            let path = self.find(word)?;
            let methods = Methods::in_folders(&method_folders(&path))?;
            let mut scenario = Scenario::read(&path, &methods)?;
            if !self.methods.is_empty() {
                scenario.methods = expand(&self.methods, &methods)?;
                scenario.once.clear();
                scenario.probes.clear();
                let named = |method: &String| scenario.methods.contains(method);
                scenario.expects.retain(|expect| is_of(expect, &named));
            }
            self.leave_out(&mut scenario, &methods)?;
            self.bounds.put_into(&mut scenario);
            ensure!(
                chosen.iter().all(|(other, _)| other.name != scenario.name),
                "{}: a scenario named `{}` is already on the command line",
                path.display(),
                scenario.name
            );
            let doers = doers(&scenario, &methods)?;
            chosen.push((scenario, doers));
        }
        Ok(chosen)
    }
}

/// The names that words on a command line mean, each once.
pub fn expand(words: &[String], methods: &Methods) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for word in words.iter().flat_map(|words| split_list(words)) {
        for name in methods.expand(word)? {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    Ok(names)
}

/// The scenario's methods, then its probes.
pub fn doers(scenario: &Scenario, methods: &Methods) -> Result<Vec<Box<dyn Doer>>> {
    let mut doers = Vec::new();
    for name in &scenario.methods {
        doers.push(methods.get(name)?);
    }
    for name in &scenario.probes {
        doers.push(Box::new(Looking::by(name)?));
    }
    Ok(doers)
}

/// Whether an expectation speaks of the named methods alone.
fn is_of(expect: &Expect, named: &dyn Fn(&String) -> bool) -> bool {
    let others = expect.bounds().filter_map(|(_, bound)| match bound {
        Bound::Share(share) => share.act.as_ref(),
        Bound::Number(_) => None,
    });
    others.chain([&expect.of]).all(|of| named(&of.method))
}

/// Where declared methods are looked for: beside the scenario, and in the folder's own scenarios/methods.
pub fn method_folders(scenario: &Path) -> Vec<PathBuf> {
    let beside = scenario
        .parent()
        .map_or_else(|| PathBuf::from("methods"), |folder| folder.join("methods"));
    vec![beside, PathBuf::from("scenarios/methods")]
}
