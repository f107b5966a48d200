//! A CSV file that is added to while a run works: never seen half-written, and mended after a crash.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{SCHEMA, replace};

/// A CSV file of one kind of record, open for appending.
pub(super) struct Appended {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl Appended {
    /// Opens a file of `T` records, made with its header line when absent. A last line without its end is removed. A
    /// file that does not begin with the header of `T` is refused and left as it is; so is a symbolic link.
    pub fn open<T: Serialize + Default>(path: &Path) -> Result<Appended> {
        ensure!(
            !path.is_symlink(),
            "{}: is a symbolic link; a run writes to a file of its own: choose another folder with --into",
            path.display()
        );
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
        };
        let header = header::<T>();
        let begun = &text[..text.len().min(header.len())];
        ensure!(
            header.as_bytes().starts_with(begun),
            "{}: does not begin with the columns of schema {SCHEMA}, so nothing is added to it: choose another folder with --into",
            path.display()
        );
        let whole = text
            .iter()
            .rposition(|&byte| byte == b'\n')
            .map_or(0, |at| at + 1);
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .with_context(|| format!("open {}", path.display()))?;
        if whole < text.len() {
            file.set_len(whole as u64)
                .with_context(|| format!("mend the torn last line of {}", path.display()))?;
        }
        let mut appended = Appended {
            path: path.to_path_buf(),
            file,
            bytes: whole as u64,
        };
        if whole == 0 {
            appended.append_bytes(header.as_bytes())?;
        }
        Ok(appended)
    }

    /// Appends records in one write and waits until they are on disk. On failure (a full disk) the file is as it was.
    pub fn append<T: Serialize>(&mut self, records: &[T]) -> Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let mut lines = csv::WriterBuilder::new()
            .has_headers(false)
            .from_writer(Vec::new());
        for record in records {
            lines.serialize(record).context("write a record as CSV")?;
        }
        let lines = lines.into_inner().context("write records as CSV")?;
        self.append_bytes(&lines)
    }

    fn append_bytes(&mut self, lines: &[u8]) -> Result<()> {
        let written = self
            .file
            .write_all(lines)
            .and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            self.file.set_len(self.bytes).ok();
            return Err(error).with_context(|| format!("append to {}", self.path.display()));
        }
        self.bytes += lines.len() as u64;
        Ok(())
    }
}

/// Replaces a CSV file by `records`, in one rename.
pub(super) fn rewrite<T: Serialize + Default>(path: &Path, records: &[T]) -> Result<()> {
    let mut text = csv::Writer::from_writer(Vec::new());
    for record in records {
        text.serialize(record).context("write a record as CSV")?;
    }
    let mut text = text.into_inner().context("write records as CSV")?;
    if records.is_empty() {
        text = header::<T>().into_bytes();
    }
    replace(path, &text)
}

/// Every record of a CSV file, found by the names of its columns.
pub(super) fn read_csv<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let mut reader =
        csv::Reader::from_path(path).with_context(|| format!("read {}", path.display()))?;
    reader
        .deserialize()
        .enumerate()
        .map(|(at, line)| line.with_context(|| format!("{}: record {}", path.display(), at + 1)))
        .collect()
}

/// The column names, in order, as serde writes them.
pub(super) fn header<T: Serialize + Default>() -> String {
    let mut text = csv::Writer::from_writer(Vec::new());
    text.serialize(T::default())
        .expect("a record without nested values is always CSV");
    let text = String::from_utf8(text.into_inner().expect("memory takes every byte"))
        .expect("a record is text");
    text.lines()
        .take(1)
        .map(|line| format!("{line}\n"))
        .collect()
}
