//! A results folder on disk, loaded whole, and its small files replaced whole.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::append::read_csv;
use super::{Finding, Host, Job, Merged, Plan, Row, SCHEMA, Timed, legacy, read_rows};

/// Everything a results folder holds, for the reading half.
#[derive(Clone, Debug, Default)]
pub struct Results {
    pub dir: PathBuf,
    pub plan: Plan,
    pub rows: Vec<Row>,
    pub findings: Vec<Finding>,
    pub host: Host,
    /// The job in which the samples were taken in turn with those of another folder.
    pub job: Option<Job>,
    /// Where it was merged from other folders.
    pub merged: Option<Merged>,
    /// Of which scenarios the times of some rows are left out, since other machines made them.
    pub timed: Vec<Timed>,
}

impl Results {
    /// Loads a results folder, or a rows.csv with what lies beside it. A folder without plan.toml (schema 1) gets the
    /// plan that its rows speak of. Of a merged folder the times of one machine are read, scenario by scenario.
    pub fn load(path: &Path) -> Result<Results> {
        let (dir, rows) = if path.is_file() {
            let dir = path.parent().unwrap_or(Path::new("."));
            (dir.to_path_buf(), path.to_path_buf())
        } else {
            (path.to_path_buf(), path.join("rows.csv"))
        };
        ensure!(
            rows.is_file(),
            "{}: no rows.csv here; is it a results folder?",
            path.display()
        );
        let mut rows = read_rows(&rows)?;
        let merged = Merged::read(&dir)?;
        let timed = merged.as_ref().map(|it| it.withhold(&mut rows));
        let host = read_host(&dir)?.unwrap_or_default();
        let plan = match read_plan(&dir)? {
            Some(plan) => plan,
            None => legacy::plan(&dir, &rows, &host)?,
        };
        let findings = dir.join("findings.csv");
        Ok(Results {
            plan,
            rows,
            findings: if findings.is_file() {
                read_csv(&findings)?
            } else {
                Vec::new()
            },
            host,
            job: read_toml(&dir.join("job.toml"))?,
            merged,
            timed: timed.unwrap_or_default(),
            dir,
        })
    }

    /// Whether the samples of both folders were taken in turn.
    pub fn pairs_with(&self, other: &Results) -> bool {
        match (&self.job, &other.job) {
            (Some(one), Some(other)) => one.id == other.id,
            _ => false,
        }
    }
}

/// plan.toml of a results folder; `None` where there is none.
pub fn read_plan(dir: &Path) -> Result<Option<Plan>> {
    let path = dir.join("plan.toml");
    let plan: Option<Plan> = read_toml(&path)?;
    if let Some(plan) = &plan {
        ensure!(
            (2..=SCHEMA).contains(&plan.schema),
            "{}: of schema {}; this delta-lab reads schemas 2 to {SCHEMA}",
            path.display(),
            plan.schema
        );
    }
    Ok(plan)
}

/// host.toml of a results folder; `None` where there is none.
pub fn read_host(dir: &Path) -> Result<Option<Host>> {
    read_toml(&dir.join("host.toml"))
}

pub(super) fn read_toml<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    if !path.is_file() {
        return Ok(None);
    }
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("parse {}", path.display()))
}

/// Replaces host.toml, in one rename.
pub fn write_host(dir: &Path, host: &Host) -> Result<()> {
    write_toml(&dir.join("host.toml"), host)
}

/// Replaces plan.toml, in one rename.
pub fn write_plan(dir: &Path, plan: &Plan) -> Result<()> {
    write_toml(&dir.join("plan.toml"), plan)
}

pub(super) fn write_toml(path: &Path, value: &impl Serialize) -> Result<()> {
    let text =
        toml::to_string(value).with_context(|| format!("write {} as TOML", path.display()))?;
    replace(path, text.as_bytes())
}

/// How the name of a file begins while it is being written; a kill may leave one.
pub const HALF_WRITTEN: &str = ".half-written-";

/// Writes a whole file beside `path` and renames it there, so that nobody sees half of it.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let dir = path
        .parent()
        .filter(|dir| !dir.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut beside = tempfile::Builder::new()
        .prefix(HALF_WRITTEN)
        .tempfile_in(dir)
        .with_context(|| format!("make a file in {}", dir.display()))?;
    beside
        .write_all(bytes)
        .and_then(|()| beside.as_file().sync_data())
        .with_context(|| format!("write {}", path.display()))?;
    let file = beside
        .persist(path)
        .with_context(|| format!("rename to {}", path.display()))?;
    // A temporary file is private to its owner; what people read is not.
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
        .with_context(|| format!("make {} readable", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Move, PlannedCase, PlannedImage, ScenarioPlan, Verb, rewrite_findings};

    #[test]
    fn what_is_written_into_a_folder_is_what_is_loaded() {
        let dir = tempfile::tempdir().unwrap();
        let plan = Plan {
            schema: SCHEMA,
            scenarios: vec![ScenarioPlan {
                name: "s".into(),
                samples: 2,
                images: vec![PlannedImage {
                    name: "v1".into(),
                    about: [("layout".to_string(), "oci".to_string())].into(),
                    ..PlannedImage::default()
                }],
                cases: vec![PlannedCase {
                    case: "policy=all".parse().unwrap(),
                    moves: vec![Move {
                        verb: Verb::Update,
                        image: "v1".into(),
                        bases: "v0".parse().unwrap(),
                    }],
                }],
                expects: vec![
                    toml::from_str(
                        "says = \"small\"\nmeasure = \"payload_bytes\"\nbelow = { share = 0.5, of = \"image_bytes\" }\nof = { method = \"raw\", image = \"v1\", base = \"v0\" }\n",
                    )
                    .unwrap(),
                ],
                ..ScenarioPlan::default()
            }],
        };
        write_plan(dir.path(), &plan).unwrap();
        let finding = Finding {
            schema: SCHEMA,
            case: "policy=all".parse().unwrap(),
            measure: "layers".into(),
            value: -3,
            ..Finding::default()
        };
        rewrite_findings(dir.path(), std::slice::from_ref(&finding)).unwrap();
        super::super::rewrite_rows(dir.path(), &[]).unwrap();
        let results = Results::load(dir.path()).unwrap();
        assert_eq!((results.plan, results.findings), (plan, vec![finding]));
    }

    #[test]
    fn the_machine_and_the_parts_of_a_folder_are_loaded_with_it() {
        let dir = tempfile::tempdir().unwrap();
        super::super::rewrite_rows(dir.path(), &[]).unwrap();
        let host = Host {
            machine: "bench".into(),
            cores: 2,
            ..Host::default()
        };
        write_host(dir.path(), &host).unwrap();
        let merged = Merged {
            schema: SCHEMA,
            parts: vec![super::super::merged::Part {
                folder: "shard-1".into(),
                host: host.clone(),
                ..Default::default()
            }],
        };
        merged.write(dir.path()).unwrap();
        let results = Results::load(dir.path()).unwrap();
        assert_eq!((results.host, results.merged), (host, Some(merged)));
        // Neither is written when there is no folder, and it says where it would have been.
        let why = replace(&dir.path().join("gone/host.toml"), b"").unwrap_err();
        let place = format!("make a file in {}", dir.path().join("gone").display());
        assert!(why.to_string().contains(&place), "{why}");
    }
}
