//! dpkg's lists of md5sums: a sum that is that of the file it names becomes a mark.

use std::collections::HashMap;
use std::sync::Mutex;

use anyhow::{Context, Result, anyhow};
use md5::{Digest, Md5};

use super::archive::Archive;
use super::space::Space;

const MARK: u8 = b'=';
const HEX: usize = 32;

pub type Sum = [u8; 16];

/// Whether contents at this path are a list of md5sums.
pub fn is_list(path: &[u8]) -> bool {
    path.ends_with(b".md5sums")
}

pub fn md5(space: &Space) -> Result<Sum> {
    let mut hash = Md5::new();
    space.pieces(|piece| {
        hash.update(piece);
        Ok(())
    })?;
    Ok(hash.finalize().into())
}

fn hex(sum: &Sum) -> String {
    sum.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The path a line names, after its sum or mark.
fn named(rest: &[u8]) -> Option<&[u8]> {
    rest.strip_prefix(b"  ")
}

/// The list with marks where `sum_of` knows the sum; nothing when it holds what looks like a mark.
pub fn reduce(
    list: &[u8],
    sum_of: &mut dyn FnMut(&[u8]) -> Result<Option<Sum>>,
) -> Result<Option<Vec<u8>>> {
    let mut reduced = Vec::with_capacity(list.len());
    for line in list.split_inclusive(|byte| *byte == b'\n') {
        if line[0] == MARK {
            return Ok(None);
        }
        let path = line.get(HEX..).and_then(named).map(trimmed);
        let sum = path.map(&mut *sum_of).transpose()?.flatten();
        if sum.is_some_and(|sum| hex(&sum).as_bytes() == &line[..HEX]) {
            reduced.push(MARK);
            reduced.extend_from_slice(&line[HEX..]);
        } else {
            reduced.extend_from_slice(line);
        }
    }
    Ok(Some(reduced))
}

/// The list with sums in place of the marks.
pub fn expand(
    list: &[u8],
    sum_of: &mut dyn FnMut(&[u8]) -> Result<Option<Sum>>,
) -> Result<Vec<u8>> {
    let mut full = Vec::with_capacity(list.len());
    for line in list.split_inclusive(|byte| *byte == b'\n') {
        match line.split_first() {
            Some((&MARK, rest)) => {
                let path = named(rest).map(trimmed).context("a mark without a path")?;
                let sum = sum_of(path)?.context("the sum of a file that is not there")?;
                full.extend_from_slice(hex(&sum).as_bytes());
                full.extend_from_slice(rest);
            }
            _ => full.extend_from_slice(line),
        }
    }
    Ok(full)
}

fn trimmed(path: &[u8]) -> &[u8] {
    path.strip_suffix(b"\n").unwrap_or(path)
}

/// Sums of the files in an image, each made once; several threads may ask.
pub struct Sums<'a> {
    archive: &'a Archive,
    known: Mutex<HashMap<usize, Sum>>,
}

impl<'a> Sums<'a> {
    pub fn of(archive: &'a Archive) -> Sums<'a> {
        Sums {
            archive,
            known: Mutex::default(),
        }
    }

    /// The sum of the file at `path`; of several, the one in `tar`, else the last.
    pub fn at(&self, path: &[u8], tar: usize) -> Result<Option<Sum>> {
        match self.archive.find(path, Some(tar)) {
            Some(index) => self.of_entry(index).map(Some),
            None => Ok(None),
        }
    }

    pub fn of_entry(&self, index: usize) -> Result<Sum> {
        let known = || self.known.lock().map_err(|_| anyhow!("a thread failed"));
        if let Some(sum) = known()?.get(&index) {
            return Ok(*sum);
        }
        // Others may ask meanwhile.
        let sum = md5(&self.archive.content(index)?)?;
        known()?.insert(index, sum);
        Ok(sum)
    }
}
