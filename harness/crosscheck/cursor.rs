//! Reads a buffer piece by piece, never beyond its end.

use anyhow::{Context, Result, ensure};

pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { bytes, at: 0 }
    }

    /// Bytes read so far.
    pub fn at(&self) -> u64 {
        self.at as u64
    }

    /// Bytes not read yet.
    pub fn left(&self) -> u64 {
        (self.bytes.len() - self.at) as u64
    }

    /// The next bytes. A hostile file may state any length.
    pub fn take(&mut self, bytes: u64) -> Result<&'a [u8]> {
        ensure!(
            bytes <= self.left(),
            "cut short: {bytes} bytes should follow at {}, but only {} are there",
            self.at,
            self.left()
        );
        // At most the rest of a buffer in memory, so it fits.
        let end = self.at + bytes as usize;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    pub fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    pub fn u64_le(&mut self) -> Result<u64> {
        let bytes: [u8; 8] = self.take(8)?.try_into().context("8 bytes were taken")?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// Fails unless these bytes come next.
    pub fn tag(&mut self, tag: &[u8], what: &str) -> Result<()> {
        let at = self.at;
        ensure!(
            self.take(tag.len() as u64)? == tag,
            "no {what} at byte {at}"
        );
        Ok(())
    }

    /// A number in groups of seven bits, the lowest first. The high bit is `last` in the last byte and the opposite in the
    /// others: it is clear at the end in protocol buffers, and set in zchunk.
    pub fn sevens(&mut self, last: bool) -> Result<u64> {
        let mut number = 0;
        for group in 0..10 {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7F);
            let shifted = bits << (7 * group);
            ensure!(
                shifted >> (7 * group) == bits,
                "a number at byte {} has more than 64 bits",
                self.at - 1
            );
            number |= shifted;
            if (byte & 0x80 != 0) == last {
                return Ok(number);
            }
        }
        anyhow::bail!("a number at byte {} does not end", self.at - 1)
    }
}
