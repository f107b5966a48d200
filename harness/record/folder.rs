//! A results folder on disk: loaded whole, added to row by row, never seen half-written.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::{Fact, Host, Row, SCHEMA};

/// Everything a results folder holds, for the reading half.
#[derive(Clone, Debug, Default)]
pub struct Results {
    pub dir: PathBuf,
    pub rows: Vec<Row>,
    pub facts: Vec<Fact>,
    pub host: Host,
}

impl Results {
    /// Loads a results folder, or a bare rows.csv.
    pub fn load(path: &Path) -> Result<Results> {
        if path.is_file() {
            let dir = path.parent().unwrap_or(Path::new(".")).to_path_buf();
            return Ok(Results {
                dir,
                rows: read_rows(path)?,
                ..Results::default()
            });
        }
        let rows = path.join("rows.csv");
        ensure!(
            rows.is_file(),
            "{}: no rows.csv here; is it a results folder?",
            path.display()
        );
        let facts = path.join("facts.csv");
        let host = path.join("host.toml");
        Ok(Results {
            dir: path.to_path_buf(),
            rows: read_rows(&rows)?,
            facts: if facts.is_file() {
                read_csv(&facts)?
            } else {
                Vec::new()
            },
            host: if host.is_file() {
                toml::from_str(&read(&host)?)
                    .with_context(|| format!("parse {}", host.display()))?
            } else {
                Host::default()
            },
        })
    }
}

/// The rows of a rows.csv, its columns checked against this version's schema.
pub fn read_rows(path: &Path) -> Result<Vec<Row>> {
    let rows: Vec<Row> = read_csv(path)?;
    if let Some(row) = rows.iter().find(|row| row.schema != SCHEMA) {
        bail!(
            "{}: rows of schema {}, this delta-lab reads schema {SCHEMA}",
            path.display(),
            row.schema
        );
    }
    Ok(rows)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
}

fn read_csv<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let mut reader =
        csv::Reader::from_path(path).with_context(|| format!("read {}", path.display()))?;
    reader
        .deserialize()
        .enumerate()
        .map(|(at, line)| line.with_context(|| format!("{}: record {}", path.display(), at + 1)))
        .collect()
}

/// The rows.csv being written: each row is appended in one write and flushed to disk before the next step starts.
pub struct RowFile {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl RowFile {
    /// Opens `dir`/rows.csv for appending, made with its header line when absent. A last line cut short by a
    /// crash is removed: its step has no row and will be done again. Returns the rows that are there.
    pub fn open(dir: &Path) -> Result<(RowFile, Vec<Row>)> {
        let path = dir.join("rows.csv");
        let text = if path.exists() {
            fs::read(&path).with_context(|| format!("read {}", path.display()))?
        } else {
            Vec::new()
        };
        let whole = text
            .iter()
            .rposition(|&byte| byte == b'\n')
            .map_or(0, |at| at + 1);
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .with_context(|| format!("open {}", path.display()))?;
        if whole < text.len() {
            file.set_len(whole as u64)
                .with_context(|| format!("mend the torn last line of {}", path.display()))?;
        }
        let mut rows = RowFile {
            path,
            file,
            bytes: whole as u64,
        };
        if whole == 0 {
            rows.append_bytes(header().as_bytes())?;
        }
        let there = read_rows(&rows.path)?;
        Ok((rows, there))
    }

    /// Appends one row and waits until it is on disk. On failure (a full disk) the file is as it was.
    pub fn append(&mut self, row: &Row) -> Result<()> {
        let mut line = csv::WriterBuilder::new()
            .has_headers(false)
            .from_writer(Vec::new());
        line.serialize(row).context("write a row as CSV")?;
        let line = line.into_inner().context("write a row as CSV")?;
        self.append_bytes(&line)
    }

    fn append_bytes(&mut self, line: &[u8]) -> Result<()> {
        let written = self
            .file
            .write_all(line)
            .and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            self.file.set_len(self.bytes).ok();
            return Err(error).with_context(|| format!("append to {}", self.path.display()));
        }
        self.bytes += line.len() as u64;
        Ok(())
    }
}

/// Replaces rows.csv by `rows`, in one rename.
pub fn rewrite_rows(dir: &Path, rows: &[Row]) -> Result<()> {
    let mut text = csv::Writer::from_writer(Vec::new());
    for row in rows {
        text.serialize(row).context("write a row as CSV")?;
    }
    let mut text = text.into_inner().context("write rows as CSV")?;
    if rows.is_empty() {
        text = header().into_bytes();
    }
    replace(&dir.join("rows.csv"), &text)
}

/// Replaces facts.csv by `facts`, in one rename.
pub fn write_facts(dir: &Path, facts: &[Fact]) -> Result<()> {
    let mut text = csv::Writer::from_writer(Vec::new());
    for fact in facts {
        text.serialize(fact).context("write a fact as CSV")?;
    }
    replace(
        &dir.join("facts.csv"),
        &text.into_inner().context("write facts as CSV")?,
    )
}

/// Replaces host.toml, in one rename.
pub fn write_host(dir: &Path, host: &Host) -> Result<()> {
    replace(
        &dir.join("host.toml"),
        toml::to_string_pretty(host)
            .context("write the host as TOML")?
            .as_bytes(),
    )
}

/// Writes a whole file beside `path` and renames it there, so that nobody sees half of it.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let dir = path
        .parent()
        .filter(|dir| !dir.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut beside = tempfile::Builder::new()
        .prefix(".half-written-")
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
        .with_context(|| format!("open up {}", path.display()))
}

/// The column names, in order, as serde writes them.
fn header() -> String {
    let mut text = csv::Writer::from_writer(Vec::new());
    text.serialize(Row::default())
        .expect("a row without nested values is always CSV");
    let text = String::from_utf8(text.into_inner().expect("memory takes every byte"))
        .expect("a row is text");
    text.lines()
        .take(1)
        .map(|line| format!("{line}\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(image: &str) -> Row {
        let text = format!(
            "{}1,s,raw,v,publish,v1,aa,,,1,10,,,,,10,1,5,5,5,exact,\n",
            header()
        );
        let mut rows = csv::Reader::from_reader(text.as_bytes()).into_deserialize::<Row>();
        Row {
            image: image.to_string(),
            ..rows.next().unwrap().unwrap()
        }
    }

    #[test]
    fn rows_are_there_after_a_crash_and_a_torn_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let (mut file, there) = RowFile::open(dir.path()).unwrap();
        assert!(there.is_empty());
        file.append(&row("v1")).unwrap();
        file.append(&row("v, \"2\"")).unwrap();
        let whole = fs::read(dir.path().join("rows.csv")).unwrap();
        let second = whole.len()
            - fs::read_to_string(dir.path().join("rows.csv"))
                .unwrap()
                .find("1,s,raw,v,publish,\"v, ")
                .unwrap();
        for torn in 1..second {
            fs::write(dir.path().join("rows.csv"), &whole[..whole.len() - torn]).unwrap();
            let (mut file, there) = RowFile::open(dir.path()).unwrap();
            assert_eq!(there, [row("v1")], "{torn} bytes short");
            file.append(&row("v3")).unwrap();
            assert_eq!(
                Results::load(dir.path()).unwrap().rows,
                [row("v1"), row("v3")]
            );
        }
    }

    #[test]
    fn rewritten_rows_keep_their_header_even_when_none_are_left() {
        let dir = tempfile::tempdir().unwrap();
        rewrite_rows(dir.path(), &[row("v1")]).unwrap();
        assert_eq!(RowFile::open(dir.path()).unwrap().1, [row("v1")]);
        rewrite_rows(dir.path(), &[]).unwrap();
        assert_eq!(
            fs::read_to_string(dir.path().join("rows.csv")).unwrap(),
            header()
        );
    }
}
