//! Findings: single numbers that are not the cost of a step.

use std::path::Path;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::append::{Appended, read_csv, rewrite};
use super::{Act, Bases, Case, Verb, cell};

/// One number that an act found: one line of findings.csv.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    pub schema: u32,
    pub scenario: String,
    /// The probe or the method whose act found it.
    pub method: String,
    pub case: Case,
    pub verb: Verb,
    pub image: String,
    pub bases: Bases,
    pub sample: u32,
    /// What it was found of, such as a layer or a file; empty for the whole image.
    #[serde(serialize_with = "cell::write", deserialize_with = "cell::read")]
    pub part: String,
    /// What was counted, with its unit where it has one: `layers_shared`, `shared_bytes`.
    pub measure: String,
    pub value: i64,
}

impl Finding {
    /// What an act found.
    pub fn of(act: &Act, part: &str, measure: &str, value: i64) -> Finding {
        Finding {
            schema: super::SCHEMA,
            scenario: act.scenario.clone(),
            method: act.doer.clone(),
            case: act.case.clone(),
            verb: act.verb,
            image: act.image.clone(),
            bases: act.bases.clone(),
            sample: act.sample,
            part: part.to_string(),
            measure: measure.to_string(),
            value,
        }
    }

    /// The act that found it.
    pub fn act(&self) -> Act {
        Act {
            scenario: self.scenario.clone(),
            doer: self.method.clone(),
            case: self.case.clone(),
            verb: self.verb,
            image: self.image.clone(),
            bases: self.bases.clone(),
            sample: self.sample,
        }
    }
}

/// The findings.csv being written: what an act found is on disk before its row.
pub struct FindingFile(Appended);

impl FindingFile {
    /// Opens `dir`/findings.csv for appending, made when absent. Findings of acts that are not `done` are dropped, and a
    /// last line cut short by a crash is among them.
    pub fn open(dir: &Path, done: &dyn Fn(&Act) -> bool) -> Result<FindingFile> {
        let path = dir.join("findings.csv");
        let file = Appended::open::<Finding>(&path)?;
        let there: Vec<Finding> = read_csv(&path)?;
        let keep: Vec<Finding> = there
            .iter()
            .filter(|finding| done(&finding.act()))
            .cloned()
            .collect();
        if keep.len() == there.len() {
            return Ok(FindingFile(file));
        }
        drop(file);
        rewrite_findings(dir, &keep)?;
        Ok(FindingFile(Appended::open::<Finding>(&path)?))
    }

    /// Appends what an act found and waits until it is on disk. On failure the file is as it was.
    pub fn append(&mut self, found: &[Finding]) -> Result<()> {
        self.0.append(found)
    }
}

/// Replaces findings.csv, in one rename.
pub fn rewrite_findings(dir: &Path, findings: &[Finding]) -> Result<()> {
    rewrite(&dir.join("findings.csv"), findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_of_acts_without_a_row_are_dropped_and_a_torn_one_too() {
        let dir = tempfile::tempdir().unwrap();
        let of = |image: &str| {
            let act = Act {
                doer: "layers".into(),
                image: image.into(),
                verb: Verb::Probe,
                sample: 1,
                ..Act::default()
            };
            [1, 2].map(|value| Finding::of(&act, "layer 1", "layer_bytes", value))
        };
        let mut file = FindingFile::open(dir.path(), &|_| true).unwrap();
        file.append(&of("v1")).unwrap();
        file.append(&of("v2")).unwrap();
        let path = dir.path().join("findings.csv");
        let mut torn = std::fs::read(&path).unwrap();
        torn.truncate(torn.len() - 3);
        std::fs::write(&path, torn).unwrap();
        let mut file = FindingFile::open(dir.path(), &|act| act.image == "v1").unwrap();
        file.append(&of("v3")).unwrap();
        let there: Vec<Finding> = read_csv(&path).unwrap();
        assert_eq!(there, [of("v1"), of("v3")].concat());
    }
}
