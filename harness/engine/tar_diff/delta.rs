//! A changed file as operations over its older form.

use std::io::Write;

use anyhow::Result;

use super::write::Writer;
use crate::engine::pair::align;

/// Bytes by which a match must be better than the one at hand, as in bsdiff.
const GAIN: usize = 8;

/// Equal bytes in a row that are copied. Between fewer a difference of zeros is shorter than two more operations.
const RUN_BYTES: usize = 128;

/// Writes `new`, which is like `old`, the file at `path`.
pub(super) fn write(
    out: &mut Writer<impl Write>,
    path: &str,
    old: &[u8],
    new: &[u8],
) -> Result<()> {
    let mut at = 0;
    for op in align(old, new, GAIN) {
        let (literal, length) = (op.literal as usize, op.length as usize);
        out.data(&new[at..at + literal])?;
        at += literal;
        let source = op.source as usize;
        like(
            out,
            path,
            source as u64,
            &old[source..source + length],
            &new[at..at + length],
        )?;
        at += length;
    }
    out.data(&new[at..])
}

/// Writes bytes of which most are those of the file from `from` on.
fn like(out: &mut Writer<impl Write>, path: &str, from: u64, old: &[u8], new: &[u8]) -> Result<()> {
    let (mut begun, mut at) = (0, 0);
    while at < new.len() {
        let run = equal(&old[at..], &new[at..]);
        if run >= RUN_BYTES || run == new.len() {
            add(out, path, from, &old[begun..at], &new[begun..at], begun)?;
            out.copy(path, from + at as u64, run as u64)?;
            at += run;
            begun = at;
        } else {
            at = (at + run + 1).min(new.len());
        }
    }
    add(out, path, from, &old[begun..], &new[begun..], begun)
}

fn add(
    out: &mut Writer<impl Write>,
    path: &str,
    from: u64,
    old: &[u8],
    new: &[u8],
    begun: usize,
) -> Result<()> {
    let pairs = new.iter().zip(old);
    let difference: Vec<u8> = pairs.map(|(new, old)| new.wrapping_sub(*old)).collect();
    out.add(path, from + begun as u64, &difference)
}

/// How many bytes at the start are equal.
fn equal(old: &[u8], new: &[u8]) -> usize {
    let pairs = old.iter().zip(new);
    pairs.take_while(|(old, new)| old == new).count()
}
