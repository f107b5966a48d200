//! What the commands on scenarios share: which scenarios, which methods, how often.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::method::{self, Contender};
use crate::scenario::{self, Scenario};
use crate::words;

#[derive(clap::Args)]
pub struct Selection {
    /// Names of scenarios in scenarios/, or paths to scenario files
    #[arg(value_name = "SCENARIO")]
    pub scenarios: Vec<String>,
    /// Run this method instead of the scenario's list; may be repeated
    #[arg(short, long = "method", value_name = "M", value_delimiter = ',')]
    methods: Vec<String>,
    /// Timed repetitions of every step, instead of the scenario's number
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=scenario::MOST_SAMPLES))]
    samples: Option<u32>,
    /// Kill a step that takes longer than this many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=scenario::MOST_SECONDS))]
    time_limit: Option<u64>,
    /// Kill a step whose processes hold more than this many MiB of memory together
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..=scenario::MOST_MIB))]
    memory_limit: Option<u64>,
}

impl Selection {
    /// The scenarios chosen, each checked whole, with the methods that may take part in it.
    pub fn read(&self) -> Result<Vec<(Scenario, Vec<Contender>)>> {
        let mut chosen: Vec<(Scenario, Vec<Contender>)> = Vec::new();
        for word in &self.scenarios {
            let path = scenario::find(word)?;
            let contenders = method::all(&method_folders(&path))?;
            let known: Vec<String> = contenders
                .iter()
                .map(|contender| contender.name().to_string())
                .collect();
            let mut scenario = Scenario::read(&path, &known)?;
            if !self.methods.is_empty() {
                for method in &self.methods {
                    ensure!(
                        known.contains(method),
                        "unknown method `{method}`{}",
                        words::meant(method, known.iter().map(String::as_str))
                    );
                }
                scenario.methods.clear();
                for method in &self.methods {
                    if !scenario.methods.contains(method) {
                        scenario.methods.push(method.clone());
                    }
                }
            }
            scenario.samples = self.samples.unwrap_or(scenario.samples);
            scenario.limits.time = self
                .time_limit
                .map_or(scenario.limits.time, Duration::from_secs);
            scenario.limits.memory_bytes = self
                .memory_limit
                .map_or(scenario.limits.memory_bytes, |mib| mib << 20);
            let twice = chosen.iter().any(|(other, _)| other.name == scenario.name);
            ensure!(
                !twice,
                "{}: a scenario named `{}` stands twice on the command line",
                path.display(),
                scenario.name
            );
            chosen.push((scenario, contenders));
        }
        Ok(chosen)
    }

    /// The same with every shipped scenario when none was named.
    pub fn read_or_all(&self) -> Result<Vec<(Scenario, Vec<Contender>)>> {
        if !self.scenarios.is_empty() {
            return self.read();
        }
        let scenarios = scenario::shipped_names();
        ensure!(
            !scenarios.is_empty(),
            "there is no folder scenarios/ here; go to the checkout, or give a path to a scenario file"
        );
        Selection {
            scenarios,
            methods: self.methods.clone(),
            ..*self
        }
        .read()
    }
}

/// Where declared methods are looked for: beside the scenario, and in the folder's own scenarios/methods.
pub fn method_folders(scenario: &Path) -> Vec<PathBuf> {
    let beside = scenario
        .parent()
        .map_or_else(|| PathBuf::from("methods"), |folder| folder.join("methods"));
    vec![beside, PathBuf::from("scenarios/methods")]
}
