//! Compressed files: what they hold, and which deflate writes them again to the byte.

use std::io::{self, Write};

use anyhow::{Context, Result, ensure};
use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::deflate::{Deflate, Program, Style};
use super::recipe::WHOLE_BYTES;

/// A gzip file of one member and nothing behind it.
pub struct Member<'a> {
    pub header: &'a [u8],
    body: &'a [u8],
    pub contents: Vec<u8>,
}

const TRAILER_BYTES: usize = 8;

/// Whether bytes begin as a gzip file does.
pub fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1F, 0x8B, 8])
}

/// What a gzip file holds; nothing when it is not one whole member, or unpacks to more than the limit. Frozen: a base
/// is unpacked by this in the decoder.
pub fn unpack(packed: &[u8]) -> Option<Member<'_>> {
    if !is_gzip(packed) {
        return None;
    }
    let header = header_length(packed)?;
    let body_end = packed.len().checked_sub(TRAILER_BYTES)?;
    let body = packed.get(header..body_end)?;
    let trailer = &packed[body_end..];
    let stated = u32::from_le_bytes(trailer[4..].try_into().ok()?);
    let contents = inflate(body, u64::from(stated))?;
    (self::trailer(&contents) == trailer).then_some(Member {
        header: &packed[..header],
        body,
        contents,
    })
}

/// What the bytes hold when they are a gzip file, else the bytes themselves.
pub fn unpacked(bytes: Vec<u8>) -> Vec<u8> {
    match unpack(&bytes) {
        Some(member) => member.contents,
        None => bytes,
    }
}

fn header_length(packed: &[u8]) -> Option<usize> {
    let flags = *packed.get(3)?;
    let mut at = 10;
    if flags & 4 != 0 {
        let extra = packed.get(at..at + 2)?;
        at += 2 + usize::from(u16::from_le_bytes([extra[0], extra[1]]));
    }
    for flag in [8, 16] {
        if flags & flag != 0 {
            at += packed.get(at..)?.iter().position(|byte| *byte == 0)? + 1;
        }
    }
    if flags & 2 != 0 {
        at += 2;
    }
    // The rest of the header is sent as it is, and a longer one than this is not worth it.
    (at <= 4096).then_some(at)
}

fn inflate(body: &[u8], stated: u64) -> Option<Vec<u8>> {
    if stated > WHOLE_BYTES || stated > 1100 * body.len() as u64 + 1100 {
        return None;
    }
    let mut contents = Vec::with_capacity(stated as usize + 1);
    let mut inflate = Decompress::new(false);
    let status = inflate
        .decompress_vec(body, &mut contents, FlushDecompress::Finish)
        .ok()?;
    let whole = status == Status::StreamEnd
        && inflate.total_in() == body.len() as u64
        && contents.len() as u64 == stated;
    whole.then_some(contents)
}

fn trailer(contents: &[u8]) -> [u8; TRAILER_BYTES] {
    let mut crc = Crc::new();
    crc.update(contents);
    let mut trailer = [0; TRAILER_BYTES];
    trailer[..4].copy_from_slice(&crc.sum().to_le_bytes());
    trailer[4..].copy_from_slice(&(contents.len() as u32).to_le_bytes());
    trailer
}

/// The gzip file with these contents, of exactly `size` bytes.
pub fn pack(contents: &[u8], style: usize, header: &[u8], size: u64) -> Result<Vec<u8>> {
    let style = Style::ALL
        .get(style)
        .context("a deflate of no known style")?;
    let mut packed = header.to_vec();
    let mut deflate = Deflate::new(&mut packed, *style);
    deflate.feed(contents)?;
    deflate.finish()?;
    packed.extend(trailer(contents));
    ensure!(
        packed.len() as u64 == size,
        "a member of {} bytes where {size} were expected",
        packed.len()
    );
    Ok(packed)
}

/// Compares what is written with what is expected, and stops at the first difference.
struct Expect<'a>(&'a [u8]);

impl Write for Expect<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.strip_prefix(bytes) {
            Some(rest) => self.0 = rest,
            None => return Err(io::Error::other("differs")),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Member<'_> {
    /// Which style of deflate writes this member again, if one does.
    pub fn style(&self) -> Option<usize> {
        // The header says how hard the program tried; the likely styles come first.
        let best = self.header.get(8) == Some(&2);
        let mut styles: Vec<usize> = (0..Style::ALL.len()).collect();
        styles.sort_by_key(|style| {
            let style = Style::ALL[*style];
            let likely = (style.level == 9) == best;
            (!likely, style.program == Program::ZlibLarge)
        });
        styles
            .into_iter()
            .find(|style| self.replays(Style::ALL[*style]))
    }

    fn replays(&self, style: Style) -> bool {
        let mut deflate = Deflate::new(Expect(self.body), style);
        let fed = deflate.feed(&self.contents);
        fed.and_then(|()| deflate.finish())
            .is_ok_and(|left| left.0.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Words that come again, near and far, and numbers that do not.
    fn text() -> Vec<u8> {
        let mut text = Vec::new();
        for n in 0..40_000_u32 {
            let word = n.wrapping_mul(0x9E37_79B1) >> (10 + n % 13);
            text.extend_from_slice(format!("{word:x} {} ", n % 97).as_bytes());
        }
        text
    }

    fn is_written_again(packed: &[u8], what: &str) {
        let member = unpack(packed).unwrap();
        let style = member.style();
        let style = style.unwrap_or_else(|| panic!("{what}: no style writes it again"));
        let again = pack(&member.contents, style, member.header, packed.len() as u64);
        assert_eq!(again.unwrap(), packed, "{what}");
    }

    #[test]
    fn every_level_of_zlib_is_written_again() {
        let text = text();
        for length in [0, 1, 2, 3, 10, 300, 5_000, 70_000, text.len()] {
            for level in 4..=9 {
                let mut packed =
                    flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(level));
                packed.write_all(&text[..length]).unwrap();
                let packed = packed.finish().unwrap();
                is_written_again(&packed, &format!("level {level}, {length} bytes"));
            }
        }
    }
    /// gzip itself, whose last bytes depend on where in its buffer of two windows the contents end: also beyond them it
    /// compares, with what the buffer held before.
    #[test]
    fn what_gzip_packed_is_written_again_wherever_its_buffer_ends() {
        let text = text();
        let window = 32 << 10;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("text");
        let ends = [
            0,
            1,
            2,
            3,
            200,
            257,
            258,
            259,
            261,
            262,
            263,
            16_000,
            window - 300,
            window - 262,
            window - 1,
        ];
        for windows in 0..6 {
            for end in ends {
                for from in [0, 7_001] {
                    let length = windows * window + end;
                    std::fs::write(&path, &text[from..from + length]).unwrap();
                    for level in ["-6", "-9"] {
                        let ran = Command::new("gzip")
                            .args(["-nc", level])
                            .arg(&path)
                            .output()
                            .unwrap();
                        assert!(ran.status.success());
                        is_written_again(
                            &ran.stdout,
                            &format!("gzip {level} of {length} bytes from {from}"),
                        );
                    }
                }
            }
        }
    }
}
