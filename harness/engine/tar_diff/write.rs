//! Writes operations. Operations that continue each other become one.

use std::io::Write;

use anyhow::{Context, Result, ensure};

use super::{ADD, COPY, DATA, MAGIC, OPEN, PATH_BYTES, PIECE_BYTES, SEEK};

/// A delta that is being written.
pub(super) struct Writer<W: Write> {
    packed: zstd::Encoder<'static, W>,
    /// Bytes of the delta alone, not written yet.
    data: Vec<u8>,
    /// Bytes of a copy that is not written yet.
    copy: u64,
    /// The open file, and where an applier stands in it once all is written.
    open: Option<String>,
    at: u64,
}

impl<W: Write> Writer<W> {
    pub fn new(mut to: W, level: i32) -> Result<Writer<W>> {
        to.write_all(MAGIC).context("write a delta")?;
        let mut packed = zstd::Encoder::new(to, level).context("write a delta")?;
        packed.include_checksum(true).context("write a delta")?;
        Ok(Writer {
            packed,
            data: Vec::new(),
            copy: 0,
            open: None,
            at: 0,
        })
    }

    /// Bytes that are in no file of the tree.
    pub fn data(&mut self, bytes: &[u8]) -> Result<()> {
        self.flush_copy()?;
        self.data.extend_from_slice(bytes);
        if self.data.len() as u64 >= PIECE_BYTES {
            self.flush_data()?;
        }
        Ok(())
    }

    /// Bytes of a file as they are.
    pub fn copy(&mut self, path: &str, from: u64, bytes: u64) -> Result<()> {
        if bytes == 0 {
            return Ok(());
        }
        self.place(path, from)?;
        self.copy += bytes;
        self.at += bytes;
        Ok(())
    }

    /// Bytes of a file with a difference added to each.
    pub fn add(&mut self, path: &str, from: u64, difference: &[u8]) -> Result<()> {
        for (n, piece) in difference.chunks(PIECE_BYTES as usize).enumerate() {
            self.place(path, from + n as u64 * PIECE_BYTES)?;
            self.flush_copy()?;
            self.operation(ADD, piece.len() as u64, piece)?;
            self.at += piece.len() as u64;
        }
        Ok(())
    }

    pub fn finish(mut self) -> Result<()> {
        self.flush_data()?;
        self.flush_copy()?;
        self.packed.finish().context("write a delta")?;
        Ok(())
    }

    /// Makes `from` in the file the applier's place, so that only a copy to there may still be unwritten.
    fn place(&mut self, path: &str, from: u64) -> Result<()> {
        self.flush_data()?;
        if self.open.as_deref() != Some(path) {
            ensure!(path.len() <= PATH_BYTES, "{path}: too long a path");
            self.flush_copy()?;
            self.operation(OPEN, path.len() as u64, path.as_bytes())?;
            self.open = Some(path.to_string());
            self.at = 0;
        }
        if self.at != from {
            self.flush_copy()?;
            self.operation(SEEK, from, &[])?;
            self.at = from;
        }
        Ok(())
    }

    fn flush_data(&mut self) -> Result<()> {
        let data = std::mem::take(&mut self.data);
        match data.is_empty() {
            true => Ok(()),
            false => self.operation(DATA, data.len() as u64, &data),
        }
    }

    fn flush_copy(&mut self) -> Result<()> {
        match std::mem::take(&mut self.copy) {
            0 => Ok(()),
            bytes => self.operation(COPY, bytes, &[]),
        }
    }

    fn operation(&mut self, kind: u8, size: u64, bytes: &[u8]) -> Result<()> {
        let mut head = vec![kind];
        let mut rest = size;
        while rest >= 0x80 {
            head.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        head.push(rest as u8);
        let packed = &mut self.packed;
        let written = packed
            .write_all(&head)
            .and_then(|()| packed.write_all(bytes));
        written.context("write a delta")
    }
}
