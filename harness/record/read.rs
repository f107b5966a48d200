//! rows.csv read fast: columns found once by their names, texts kept once.
//!
//! A million rows take about two seconds and 300 MB.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, Error, Result, anyhow, bail};
use csv::StringRecord;

use super::name::Names;
use super::{Bases, Case, Check, Name, Row, Verb, cell};

/// A column's name, and the one that schema 1 had for it.
const COLUMNS: [(&str, &str); WIDTH] = [
    ("schema", ""),
    ("scenario", ""),
    ("method", ""),
    ("version", ""),
    ("case", ""),
    ("verb", "step"),
    ("image", ""),
    ("image_sha256", ""),
    ("bases", "base"),
    ("bases_sha256", "base_sha256"),
    ("sample", ""),
    ("image_bytes", ""),
    ("payload_bytes", ""),
    ("header_bytes", ""),
    ("upload_bytes", ""),
    ("requests", ""),
    ("store_bytes", ""),
    ("store_files", ""),
    ("wall_ns", ""),
    ("cpu_ns", ""),
    ("peak_rss_bytes", ""),
    ("base_read_bytes", ""),
    ("room", ""),
    ("check", ""),
    ("error", ""),
];
const WIDTH: usize = 25;

/// Columns that earlier schemas lack.
const LATER: [&str; 3] = ["case", "base_read_bytes", "room"];

/// About the length of a line, to make room once.
const LINE_BYTES: u64 = 260;

/// Every row of the file, in its order.
pub(super) fn rows(path: &Path) -> Result<Vec<Row>> {
    let file = File::open(path).with_context(|| format!("read {}", path.display()))?;
    let bytes = file.metadata().map_or(0, |about| about.len());
    let mut reader = csv::ReaderBuilder::new()
        .buffer_capacity(1 << 20)
        .from_reader(file);
    let heads = reader
        .headers()
        .with_context(|| format!("read {}", path.display()))?;
    let columns = columns(heads).with_context(|| format!("{}", path.display()))?;
    let mut rows: Vec<Row> = Vec::with_capacity((bytes / LINE_BYTES) as usize);
    let mut reading = Reading::default();
    let mut record = StringRecord::new();
    loop {
        let at = || format!("{}: record {}", path.display(), rows.len() + 1);
        if !reader.read_record(&mut record).with_context(at)? {
            rows.shrink_to_fit();
            return Ok(rows);
        }
        let row = reading.row(&Line(&record, &columns), rows.last());
        rows.push(row.with_context(at)?);
    }
}

/// Where each column is; `None` only for those that earlier schemas lacked.
fn columns(heads: &StringRecord) -> Result<[Option<usize>; WIDTH]> {
    let mut columns = [None; WIDTH];
    for (column, (name, old)) in columns.iter_mut().zip(COLUMNS) {
        let named = |head: &str| head == name || (!old.is_empty() && head == old);
        *column = heads.iter().position(named);
        if column.is_none() && !LATER.contains(&name) {
            bail!("missing field `{name}`: no such column");
        }
    }
    Ok(columns)
}

/// The cells of one line, by column.
struct Line<'a>(&'a StringRecord, &'a [Option<usize>; WIDTH]);

impl<'a> Line<'a> {
    fn cell(&self, column: usize) -> &'a str {
        self.1[column].map_or("", |at| &self.0[at])
    }

    fn number<T: FromStr>(&self, column: usize) -> Result<T> {
        let cell = self.cell(column);
        cell.parse().map_err(|_| strange(column, cell))
    }

    /// `None` of an empty cell.
    fn figure<T: FromStr>(&self, column: usize) -> Result<Option<T>> {
        match self.cell(column) {
            "" => Ok(None),
            _ => self.number(column).map(Some),
        }
    }
}

fn strange(column: usize, cell: &str) -> Error {
    anyhow!(
        "field `{}`: `{cell}` does not belong there",
        COLUMNS[column].0
    )
}

/// What earlier rows had, to be shared by later ones.
#[derive(Default)]
struct Reading {
    names: Names,
    cases: HashMap<String, Case>,
    bases: HashMap<String, Bases>,
}

impl Reading {
    fn row(&mut self, line: &Line, last: Option<&Row>) -> Result<Row> {
        let none = Row::default();
        let last = last.unwrap_or(&none);
        let names = &mut self.names;
        let mut name = |cell: &str, last: &Name| names.of(cell, last);
        Ok(Row {
            schema: line.number(0)?,
            scenario: name(line.cell(1), &last.scenario),
            method: name(line.cell(2), &last.method),
            version: name(cell::unguarded(line.cell(3)), &last.version),
            image: name(line.cell(6), &last.image),
            image_sha256: name(line.cell(7), &last.image_sha256),
            bases_sha256: name(line.cell(9), &last.bases_sha256),
            room: name(line.cell(22), &last.room),
            error: name(cell::unguarded(line.cell(24)), &last.error),
            case: shared(&mut self.cases, line.cell(4))?,
            verb: verb(line.cell(5))?,
            bases: shared(&mut self.bases, line.cell(8))?,
            sample: line.number(10)?,
            image_bytes: line.number(11)?,
            payload_bytes: line.figure(12)?,
            header_bytes: line.figure(13)?,
            upload_bytes: line.figure(14)?,
            requests: line.figure(15)?,
            store_bytes: line.figure(16)?,
            store_files: line.figure(17)?,
            wall_ns: line.figure(18)?,
            cpu_ns: line.figure(19)?,
            peak_rss_bytes: line.figure(20)?,
            base_read_bytes: line.figure(21)?,
            check: check(line.cell(23))?,
        })
    }
}

/// What the cell says, shared with earlier rows whose cell said the same.
fn shared<T: FromStr<Err = Error> + Clone>(
    known: &mut HashMap<String, T>,
    cell: &str,
) -> Result<T> {
    if let Some(known) = known.get(cell) {
        return Ok(known.clone());
    }
    let value: T = cell.parse()?;
    known.insert(cell.to_string(), value.clone());
    Ok(value)
}

fn verb(cell: &str) -> Result<Verb> {
    let verbs = [Verb::Publish, Verb::Update, Verb::Probe];
    let found = verbs.into_iter().find(|verb| verb.word() == cell);
    found.ok_or_else(|| strange(5, cell))
}

fn check(cell: &str) -> Result<Check> {
    let checks = [
        Check::Exact,
        Check::Image,
        Check::Tree,
        Check::Skipped,
        Check::Failed,
    ];
    let found = checks.into_iter().find(|check| check.word() == cell);
    found.ok_or_else(|| strange(23, cell))
}

#[cfg(test)]
mod tests {
    use super::super::append::header;
    use super::*;

    #[test]
    fn every_column_that_is_written_is_read() {
        let written = header::<Row>();
        let read: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
        assert_eq!(written.trim_end().split(',').collect::<Vec<_>>(), read);
    }

    #[test]
    fn every_field_of_a_row_comes_back() {
        let row = Row {
            schema: 2,
            scenario: "s".into(),
            method: "m/1".into(),
            version: "v".into(),
            case: "policy=all".parse().unwrap(),
            verb: Verb::Update,
            image: "i".into(),
            image_sha256: "aa".into(),
            bases: "a+b".parse().unwrap(),
            bases_sha256: "bb+cc".into(),
            sample: 3,
            image_bytes: 4,
            payload_bytes: Some(5),
            header_bytes: Some(6),
            upload_bytes: Some(7),
            requests: Some(8),
            store_bytes: Some(-9),
            store_files: Some(-10),
            wall_ns: Some(11),
            cpu_ns: Some(12),
            peak_rss_bytes: Some(13),
            base_read_bytes: Some(14),
            room: "locked; reads /a: why".into(),
            check: Check::Tree,
            error: "a, \"b\"".into(),
        };
        let dir = tempfile::tempdir().unwrap();
        super::super::rewrite_rows(dir.path(), std::slice::from_ref(&row)).unwrap();
        assert_eq!(rows(&dir.path().join("rows.csv")).unwrap(), [row]);
    }

    #[test]
    fn a_cell_that_is_no_figure_is_named_with_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows.csv");
        let text = format!(
            "{}3,s,m,v,,update,i,aa,,,1,10,many,,,,,,,,,,,exact,\n",
            header::<Row>()
        );
        std::fs::write(&path, text).unwrap();
        let why = format!("{:#}", rows(&path).unwrap_err());
        assert!(
            why.contains("record 1: field `payload_bytes`: `many`"),
            "{why}"
        );
    }
}
