//! Reads a delta and does what it says: our own reading of the format, which tests hold against upstream's. The method
//! applies with upstream's.

use std::io::{self, BufRead, BufReader, Read, Write};

use anyhow::{Context, Result, bail, ensure};

use super::{ADD, Bytes, COPY, DATA, MAGIC, OPEN, PATH_BYTES, SEEK, pieces};

/// Writes to `out` the tar that a delta makes of the files that `open` knows.
pub fn apply<'a>(
    delta: impl Read,
    open: &dyn Fn(&str) -> Option<&'a dyn Bytes>,
    out: &mut dyn Write,
) -> Result<()> {
    let mut delta = BufReader::new(delta);
    let mut magic = [0; MAGIC.len()];
    delta
        .read_exact(&mut magic)
        .context("read its first bytes")?;
    ensure!(magic == *MAGIC, "no tar-diff of version 1");
    let mut plain = BufReader::new(zstd::Decoder::with_buffer(delta)?);
    let mut from: Option<&dyn Bytes> = None;
    let mut at: u64 = 0;
    while let Some(kind) = next(&mut plain)? {
        let size = varint(&mut plain)?;
        match kind {
            DATA => {
                let moved = io::copy(&mut (&mut plain).take(size), out)?;
                ensure!(moved == size, "it ends within {size} bytes of data");
            }
            OPEN => {
                ensure!(size <= PATH_BYTES as u64, "a path of {size} bytes");
                let mut path = vec![0; usize::try_from(size)?];
                plain
                    .read_exact(&mut path)
                    .context("it ends within a path")?;
                let path = String::from_utf8(path).context("a path that is not UTF-8")?;
                from = Some(open(&path).with_context(|| format!("there is no file {path}"))?);
                at = 0;
            }
            COPY | ADD => {
                let from = from.context("bytes of a file before one was opened")?;
                let end = at.checked_add(size).filter(|end| *end <= from.length());
                let end = end.with_context(|| {
                    format!(
                        "{size} bytes from {at} on, of a file that has {}",
                        from.length()
                    )
                })?;
                pieces(from, at, size, &mut |piece| {
                    if kind == COPY {
                        return Ok(out.write_all(piece)?);
                    }
                    let mut sum = vec![0; piece.len()];
                    plain
                        .read_exact(&mut sum)
                        .context("it ends within a difference")?;
                    let pairs = sum.iter_mut().zip(piece);
                    pairs.for_each(|(sum, old)| *sum = sum.wrapping_add(*old));
                    Ok(out.write_all(&sum)?)
                })?;
                at = end;
            }
            SEEK => at = size,
            other => bail!("an operation of the kind {other}"),
        }
    }
    Ok(())
}

/// The kind of the next operation; none at the end.
fn next(plain: &mut impl BufRead) -> Result<Option<u8>> {
    let first = plain.fill_buf()?.first().copied();
    plain.consume(usize::from(first.is_some()));
    Ok(first)
}

fn varint(plain: &mut impl Read) -> Result<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let mut byte = [0];
        plain
            .read_exact(&mut byte)
            .context("it ends within a size")?;
        let bits = u64::from(byte[0] & 0x7f);
        ensure!(bits << shift >> shift == bits, "a size beyond 64 bits");
        value |= bits << shift;
        if byte[0] < 0x80 {
            return Ok(value);
        }
    }
    bail!("a size beyond 64 bits")
}
