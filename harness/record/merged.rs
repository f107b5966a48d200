//! What a folder was merged from: which machine did which trials. Times of two machines never stand side by side.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::folder::{read_toml, write_toml};
use super::{Case, Host, Row, Verb};

/// merged.toml.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Merged {
    pub schema: u32,
    #[serde(rename = "part")]
    pub parts: Vec<Part>,
}

/// One of the folders.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Part {
    pub folder: String,
    pub host: Host,
    #[serde(default, rename = "trial")]
    pub trials: Vec<Whole>,
}

/// A trial by its name: the acts of one doer under one case in one sample. It is done as a whole in one folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Whole {
    pub scenario: String,
    /// Whether the doer is a probe: a method may have its name.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub probe: bool,
    pub doer: String,
    #[serde(default, skip_serializing_if = "Case::is_empty")]
    pub case: Case,
    pub sample: u32,
}

/// Whose times and memory are read of a scenario that several machines ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timed {
    pub scenario: String,
    /// Name of the machine that has the most of them.
    pub machine: String,
    /// Rows whose times are not read, since another machine made them.
    pub withheld: usize,
}

impl Whole {
    /// The trial that a row is of.
    pub fn of(row: &Row) -> Whole {
        Whole {
            scenario: row.scenario.to_string(),
            probe: row.verb == Verb::Probe,
            doer: row.method.to_string(),
            case: row.case.clone(),
            sample: row.sample,
        }
    }
}

/// As an act is told: `smoke [policy=all] raw, sample 2`.
impl std::fmt::Display for Whole {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(&self.scenario)?;
        if !self.case.is_empty() {
            write!(f, " [{}]", self.case)?;
        }
        let probe = if self.probe { " (probe)" } else { "" };
        write!(f, " {}{probe}", self.doer)?;
        if self.sample > 1 {
            write!(f, ", sample {}", self.sample)?;
        }
        Ok(())
    }
}

impl Merged {
    /// merged.toml of a results folder; `None` where one run made it.
    pub fn read(dir: &Path) -> Result<Option<Merged>> {
        read_toml(&dir.join("merged.toml"))
    }

    pub(super) fn write(&self, dir: &Path) -> Result<()> {
        write_toml(&dir.join("merged.toml"), self)
    }

    /// The machines, each once, in the order of their parts.
    pub fn machines(&self) -> Vec<&Host> {
        let mut machines: Vec<&Host> = Vec::new();
        for part in &self.parts {
            if !machines.iter().any(|it| it.is_same_machine(&part.host)) {
                machines.push(&part.host);
            }
        }
        machines
    }

    /// Takes the times and the memory out of rows until, scenario by scenario, those of one machine are left: the one that
    /// has the most of them. Tells of which scenarios they were taken.
    pub(super) fn withhold(&self, rows: &mut [Row]) -> Vec<Timed> {
        let machines = self.machines();
        let place = |host: &Host| machines.iter().position(|it| it.is_same_machine(host));
        let mut made: BTreeMap<&Whole, Option<usize>> = BTreeMap::new();
        for part in &self.parts {
            let machine = place(&part.host);
            made.extend(part.trials.iter().map(|trial| (trial, machine)));
        }
        let machine_of = |row: &Row| made.get(&Whole::of(row)).copied().flatten();
        let scenarios: BTreeSet<String> = rows.iter().map(|row| row.scenario.to_string()).collect();
        let mut told = Vec::new();
        for scenario in scenarios {
            let timed = |row: &&mut Row| *row.scenario == *scenario && row.wall_ns.is_some();
            let mut counts: BTreeMap<Option<usize>, usize> = BTreeMap::new();
            for row in rows.iter_mut().filter(timed) {
                *counts.entry(machine_of(row)).or_default() += 1;
            }
            // Rows of no known machine stand beside no others. The first of several with as many is taken.
            let most = counts.iter().filter(|(machine, _)| machine.is_some());
            let most = most.max_by_key(|(machine, rows)| (**rows, std::cmp::Reverse(**machine)));
            let Some(kept) = most
                .and_then(|(machine, _)| *machine)
                .filter(|_| counts.len() > 1)
            else {
                continue;
            };
            let mut withheld = 0;
            for row in rows.iter_mut().filter(timed) {
                if machine_of(row) != Some(kept) {
                    (row.wall_ns, row.cpu_ns, row.peak_rss_bytes) = (None, None, None);
                    withheld += 1;
                }
            }
            told.push(Timed {
                scenario,
                machine: machines[kept].machine.clone(),
                withheld,
            });
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Check;

    fn host(machine: &str, boot: &str) -> Host {
        Host {
            machine: machine.into(),
            boot: boot.into(),
            ..Host::default()
        }
    }

    fn row(scenario: &str, method: &str) -> Row {
        Row {
            scenario: scenario.into(),
            method: method.into(),
            sample: 1,
            payload_bytes: Some(7),
            wall_ns: Some(1),
            cpu_ns: Some(1),
            peak_rss_bytes: Some(1),
            check: Check::Exact,
            ..Row::default()
        }
    }

    fn part(host: Host, rows: &[Row]) -> Part {
        Part {
            host,
            trials: rows.iter().map(Whole::of).collect(),
            ..Part::default()
        }
    }

    #[test]
    fn a_scenario_keeps_the_times_of_the_machine_that_has_most_of_them() {
        let a = [row("s", "raw"), row("s", "gzip/6")];
        let b = [row("s", "layers"), row("t", "zstd/3")];
        let merged = Merged {
            schema: 3,
            parts: vec![part(host("b", "2"), &b), part(host("a", "1"), &a)],
        };
        let mut rows = [&a[..], &[b[1].clone(), b[0].clone()]].concat();
        let told = merged.withhold(&mut rows);
        let times: Vec<bool> = rows.iter().map(|row| row.wall_ns.is_some()).collect();
        assert_eq!(times, [true, true, true, false]);
        assert_eq!(
            (
                rows[3].cpu_ns,
                rows[3].peak_rss_bytes,
                rows[3].payload_bytes
            ),
            (None, None, Some(7))
        );
        let said = Timed {
            scenario: "s".into(),
            machine: "a".into(),
            withheld: 1,
        };
        assert_eq!(told, [said]);
    }

    #[test]
    fn machines_of_one_name_and_unknown_ones_are_told_apart() {
        let rows = [row("s", "raw"), row("s", "layers"), row("s", "gzip/6")];
        for (other, withheld) in [(host("a", "1"), 0), (host("a", "2"), 1), (host("", ""), 1)] {
            let merged = Merged {
                schema: 3,
                parts: vec![part(host("a", "1"), &rows[..2]), part(other, &rows[2..])],
            };
            let mut copies = rows.to_vec();
            merged.withhold(&mut copies);
            let without = copies.iter().filter(|row| row.wall_ns.is_none()).count();
            assert_eq!(without, withheld);
        }
    }

    #[test]
    fn a_trial_of_a_probe_is_told_from_one_of_a_method_with_its_name() {
        let row = |verb| Row {
            scenario: "s".into(),
            method: "layers".into(),
            verb,
            sample: 2,
            ..Row::default()
        };
        for (verb, told) in [
            (Verb::Probe, "s layers (probe), sample 2"),
            (Verb::Publish, "s layers, sample 2"),
            (Verb::Update, "s layers, sample 2"),
        ] {
            assert_eq!(Whole::of(&row(verb)).to_string(), told);
        }
    }
}
