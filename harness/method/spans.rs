//! Spans of files: a layer inside an archive, and what is between the layers.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;

use anyhow::{Context, Result, ensure};

use crate::image::Hashing;

/// Where a client already has some bytes: in this file (`what` names it in errors), at this offset.
pub(super) struct Place<'a> {
    pub file: &'a File,
    pub what: String,
    pub offset: u64,
}

impl Place<'_> {
    /// Writes `bytes` bytes from here on; their sha256 as they were read now.
    pub fn copy(&self, bytes: u64, to: &mut dyn Write) -> Result<String> {
        let mut hashing = Hashing::new(to);
        let mut piece = vec![0; 1 << 17];
        let mut at = 0;
        while at < bytes {
            let length = piece.len().min((bytes - at) as usize);
            let piece = &mut piece[..length];
            self.file
                .read_exact_at(piece, self.offset + at)
                .with_context(|| format!("read {}", self.what))?;
            hashing
                .write_all(piece)
                .with_context(|| format!("write what {} holds", self.what))?;
            at += length as u64;
        }
        Ok(hashing.finish().1)
    }
}

/// Copies exactly `bytes` bytes.
pub(super) fn copy(from: &mut dyn Read, bytes: u64, to: &mut dyn Write) -> Result<()> {
    let copied = io::copy(&mut from.take(bytes), to)?;
    ensure!(copied == bytes, "{copied} of {bytes} bytes are there");
    Ok(())
}

/// Reads a file up to `end`, but for some spans of it.
pub(super) struct Gaps<'a> {
    file: &'a File,
    at: u64,
    end: u64,
    /// Offset and length of each span left out, sorted.
    spans: std::iter::Peekable<std::vec::IntoIter<(u64, u64)>>,
}

impl Gaps<'_> {
    pub fn new(file: &File, spans: Vec<(u64, u64)>, end: u64) -> Gaps<'_> {
        Gaps {
            file,
            at: 0,
            end,
            spans: spans.into_iter().peekable(),
        }
    }
}

impl Read for Gaps<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some((offset, bytes)) = self.spans.next_if(|(offset, _)| *offset <= self.at) {
            self.at = offset + bytes;
        }
        let until = self.spans.peek().map_or(self.end, |(offset, _)| *offset);
        let length = buffer.len().min((until - self.at) as usize);
        let read = self.file.read_at(&mut buffer[..length], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_what_the_spans_leave_and_spans_are_the_rest() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        for (spans, left) in [
            (vec![], "0123456789"),
            (vec![(0, 2), (2, 1), (5, 4)], "349"),
            (vec![(3, 0), (4, 6)], "0123"),
            (vec![(0, 10)], ""),
        ] {
            let mut gaps = String::new();
            Gaps::new(&file, spans, 10)
                .read_to_string(&mut gaps)
                .unwrap();
            assert_eq!(gaps, left);
        }
        let place = Place {
            file: &file,
            what: "digits".to_string(),
            offset: 5,
        };
        let mut copied = Vec::new();
        let sha256 = place.copy(4, &mut copied).unwrap();
        assert_eq!(copied, b"5678");
        assert_eq!(sha256, crate::image::sha256_hex(b"5678"));
        assert!(place.copy(6, &mut copied).is_err());
    }
}
