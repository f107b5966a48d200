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

pub const TRAILER_BYTES: usize = 8;
/// A longer header is not worth it: it is sent as it is.
pub const MOST_HEADER: u64 = 4096;

/// Whether bytes begin as a gzip file does.
pub fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1F, 0x8B, 8])
}

/// What a gzip file holds; nothing when it is not one whole member, or unpacks to more than the limit. Frozen: a base
/// is unpacked by this in the decoder.
pub fn unpack(packed: &[u8]) -> Option<Member<'_>> {
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

/// How long the header of a gzip file is; nothing when these first bytes of it are none.
pub fn header_length(packed: &[u8]) -> Option<usize> {
    if !is_gzip(packed) {
        return None;
    }
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
    (at <= packed.len() && at as u64 <= MOST_HEADER).then_some(at)
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
    trailer_of(crc.sum(), contents.len() as u64)
}

/// The trailer for contents with this CRC, of this many bytes.
pub fn trailer_of(crc: u32, bytes: u64) -> [u8; TRAILER_BYTES] {
    let mut trailer = [0; TRAILER_BYTES];
    trailer[..4].copy_from_slice(&crc.to_le_bytes());
    trailer[4..].copy_from_slice(&(bytes as u32).to_le_bytes());
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

/// All styles, the likely ones first: the header says how hard the program tried, and Go's that it knows no system.
pub fn likely(header: &[u8]) -> Vec<usize> {
    let effort = header.get(8);
    let no_system = header.get(9) == Some(&255);
    let mut styles: Vec<usize> = (0..Style::ALL.len()).collect();
    styles.sort_by_key(|style| {
        let style = Style::ALL[*style];
        let likely = match style.level {
            9 => effort == Some(&2),
            1 => effort == Some(&4),
            _ => effort == Some(&0),
        };
        let likely_program = (style.program == Program::Go) == no_system;
        (
            !likely,
            !likely_program,
            style.program == Program::ZlibLarge,
        )
    });
    styles
}

impl Member<'_> {
    /// Which style of deflate writes this member again, if one does.
    pub fn style(&self) -> Option<usize> {
        likely(self.header)
            .into_iter()
            .find(|style| replays(*style, self.body, &self.contents))
    }
}

/// Whether this style of deflate writes exactly `body` for these contents.
pub fn replays(style: usize, body: &[u8], contents: &[u8]) -> bool {
    let mut deflate = Deflate::new(Expect(body), Style::ALL[style]);
    let fed = deflate.feed(contents);
    fed.and_then(|()| deflate.finish())
        .is_ok_and(|left| left.0.is_empty())
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

    /// Contents longer than a search holds at once.
    #[test]
    fn long_contents_are_written_again() {
        let mut long = text();
        while long.len() < 3 << 20 {
            let from = long.len() / 7;
            long.extend_from_within(from..);
        }
        for level in [4, 6] {
            let mut packed =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(level));
            packed.write_all(&long).unwrap();
            let packed = packed.finish().unwrap();
            is_written_again(&packed, &format!("level {level}, {} bytes", long.len()));
        }
    }

    /// pigz, whose parts of 128 KiB end at a byte in one of three ways.
    #[test]
    fn what_pigz_packed_is_written_again_with_any_number_of_cores() {
        if Command::new("pigz").arg("--version").output().is_err() {
            eprintln!("skipped: no pigz here");
            return;
        }
        let mut text = text();
        text.extend_from_within(..);
        text.extend_from_within(..);
        let part = 128 << 10;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("text");
        for length in [0, 1, part - 1, part, part + 1, part + 2, 2 * part, 900_001] {
            for from in [0, 7_001, 7_002] {
                std::fs::write(&path, &text[from..from + length]).unwrap();
                for arguments in [["-6", "-p1"], ["-6", "-p3"], ["-9", "-p1"], ["-9", "-p3"]] {
                    let ran = Command::new("pigz")
                        .args(["-nc"])
                        .args(arguments)
                        .arg(&path)
                        .output()
                        .unwrap();
                    assert!(ran.status.success());
                    let what = format!("pigz {arguments:?} of {length} bytes from {from}");
                    is_written_again(&ran.stdout, &what);
                }
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
