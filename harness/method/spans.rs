//! Copies of an exact length, and the parts of a file that lie between its spans.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;

use anyhow::{Result, ensure};

/// Copies exactly `bytes` bytes.
pub(super) fn copy(from: &mut dyn Read, bytes: u64, to: &mut dyn Write) -> Result<()> {
    let copied = io::copy(&mut from.take(bytes), to)?;
    ensure!(copied == bytes, "only {copied} of {bytes} bytes are there");
    Ok(())
}

/// Reads a file up to `end` without some spans of it.
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
    fn gaps_are_everything_outside_the_spans() {
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
    }

    #[test]
    fn a_copy_is_of_the_length_asked_for_or_an_error() {
        let mut copied = Vec::new();
        copy(&mut &b"56789"[..], 4, &mut copied).unwrap();
        assert_eq!(copied, b"5678");
        assert!(copy(&mut &b"56789"[..], 6, &mut copied).is_err());
    }
}
