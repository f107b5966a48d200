//! Makes the delta of one tar.

use std::io::Write;

use anyhow::{Result, ensure};

use super::sources::{MOST_BYTES, Sources, digest};
use super::write::Writer;
use super::{Bytes, delta, load, pieces};

/// Shorter contents are sent: to open a file takes as many bytes.
const LEAST_BYTES: u64 = 64;

/// The contents of a file within a tar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Of the file, as sources have it.
    pub path: String,
    pub offset: u64,
    pub length: u64,
}

/// Writes to `to` the delta that makes `tar` of the sources. The files in it are given in their order; all else of the
/// tar is in the delta.
pub fn make(
    sources: &Sources,
    tar: &dyn Bytes,
    files: &[Span],
    level: i32,
    to: &mut dyn Write,
) -> Result<()> {
    let mut out = Writer::new(to, level)?;
    let mut at = 0;
    for file in files {
        ensure!(file.offset >= at, "{}: out of order", file.path);
        send(&mut out, tar, at, file.offset - at)?;
        contents(&mut out, sources, tar, file)?;
        at = file.offset + file.length;
    }
    send(&mut out, tar, at, tar.length().saturating_sub(at))?;
    out.finish()
}

fn contents(
    out: &mut Writer<impl Write>,
    sources: &Sources,
    tar: &dyn Bytes,
    file: &Span,
) -> Result<()> {
    if file.length < LEAST_BYTES {
        return send(out, tar, file.offset, file.length);
    }
    let digest = digest(tar, file.offset, file.length)?;
    if let Some(equal) = sources.equal(&digest) {
        return out.copy(&equal.path, 0, file.length);
    }
    if file.length > MOST_BYTES {
        return send(out, tar, file.offset, file.length);
    }
    let new = load(tar, file.offset, file.length)?;
    match sources.like(&file.path, &new)? {
        Some(old) => {
            let bytes = load(&*old.bytes, 0, old.bytes.length())?;
            delta::write(out, &old.path, &bytes, &new)
        }
        None => out.data(&new),
    }
}

/// Writes a range of the tar as it is.
fn send(out: &mut Writer<impl Write>, tar: &dyn Bytes, from: u64, length: u64) -> Result<()> {
    pieces(tar, from, length, &mut |piece| out.data(piece))
}
