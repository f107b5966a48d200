//! Programs with compressed sections, as linkers keep debug information: what the sections hold, and the way back.
//!
//! The coded form is the file with zeros in place of the compressed streams, so that all else stays where its headers say,
//! and behind it what each stream holds. Layout of ELF: the System V ABI, gABI 4.1, "Section Compression".

use anyhow::{Context, Result, ensure};
use flate2::{Decompress, FlushDecompress, Status};

use super::deflate::{Deflate, Style};
use super::gzip;
use super::recipe::{Section, WHOLE_BYTES, ZLIB_HEAD};

/// Compressed sections of one file: more are left as they are.
pub const MOST_SECTIONS: usize = 256;

const ADLER_BYTES: usize = 4;
const SECTION_HEADER: usize = 64;
const COMPRESSION_HEADER: usize = 24;
const COMPRESSED: u64 = 0x800;
const NO_BITS: u32 = 8;
const ZLIB: u32 = 1;

fn u16_at(file: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*file.get(at..)?.first_chunk()?))
}

fn u32_at(file: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*file.get(at..)?.first_chunk()?))
}

fn u64_at(file: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*file.get(at..)?.first_chunk()?))
}

/// A stream of a file and what it holds.
struct Found {
    section: Section,
    contents: Vec<u8>,
}

/// Where the streams of a 64-bit little-endian ELF file lie, in order.
fn places(file: &[u8]) -> Vec<(usize, usize)> {
    let is_elf = file.starts_with(b"\x7fELF\x02\x01");
    if !is_elf || u16_at(file, 58) != Some(SECTION_HEADER as u16) {
        return Vec::new();
    }
    let (Some(table), Some(count)) = (u64_at(file, 40), u16_at(file, 60)) else {
        return Vec::new();
    };
    let table = usize::try_from(table).ok();
    let headers = table
        .and_then(|table| file.get(table..))
        .unwrap_or_default();
    let headers = headers.chunks_exact(SECTION_HEADER).take(count.into());
    let mut places: Vec<_> = headers.filter_map(|header| place(file, header)).collect();
    places.sort_unstable();
    places
}

/// Whether a file may have streams.
pub fn has_any(file: &[u8]) -> bool {
    !places(file).is_empty()
}

/// The streams that are whole. Frozen: a base is unpacked by this in the decoder.
fn find(file: &[u8]) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    // What is tried counts, whether it is whole or not: headers may name a long stream many times.
    let (mut total, mut end, mut tried) = (file.len() as u64, 0, 0);
    for (at, packed) in places(file) {
        if tried == MOST_SECTIONS || at < end {
            continue;
        }
        let Some(bytes) = u64_at(file, at - COMPRESSION_HEADER + 8) else {
            continue;
        };
        if bytes > WHOLE_BYTES.saturating_sub(total) {
            continue;
        }
        (tried, end, total) = (tried + 1, at + packed, total + bytes);
        found.extend(unpack(&file[at..at + packed], at, bytes));
    }
    found
}

/// Where the stream of a compressed section lies, told by the section's header.
fn place(file: &[u8], header: &[u8]) -> Option<(usize, usize)> {
    if u64_at(header, 8)? & COMPRESSED == 0 || u32_at(header, 4)? == NO_BITS {
        return None;
    }
    let (at, size) = (u64_at(header, 24)?, u64_at(header, 32)?);
    let (at, size) = (usize::try_from(at).ok()?, usize::try_from(size).ok()?);
    let section = file.get(at..at.checked_add(size)?)?;
    let is_zlib = size > COMPRESSION_HEADER && u32_at(section, 0)? == ZLIB;
    is_zlib.then_some((at + COMPRESSION_HEADER, size - COMPRESSION_HEADER))
}

fn unpack(stream: &[u8], at: usize, bytes: u64) -> Option<Found> {
    let head = *stream.first_chunk()?;
    // No length that deflate can't reach makes room for itself.
    if bytes > 1100 * stream.len() as u64 {
        return None;
    }
    let mut contents = Vec::with_capacity(bytes as usize + 1);
    let mut inflate = Decompress::new(true);
    let status = inflate.decompress_vec(stream, &mut contents, FlushDecompress::Finish);
    let whole = status.is_ok_and(|status| status == Status::StreamEnd)
        && inflate.total_in() == stream.len() as u64
        && contents.len() as u64 == bytes;
    whole.then_some(Found {
        section: Section {
            at: at as u64,
            packed: stream.len() as u64,
            bytes,
            style: 0,
            head,
        },
        contents,
    })
}

/// The coded form of a file that has these streams.
fn form(mut file: Vec<u8>, found: &[Found]) -> Vec<u8> {
    for Found { section, .. } in found {
        let at = section.at as usize;
        file[at..at + section.packed as usize].fill(0);
    }
    for one in found {
        file.extend_from_slice(&one.contents);
    }
    file
}

/// A base in the coded form: all streams that are whole, whatever wrote them.
pub fn unpacked(file: Vec<u8>) -> Vec<u8> {
    let found = find(&file);
    form(file, &found)
}

/// The streams of a new file that a known deflate writes again.
pub fn of(file: &[u8]) -> Vec<Section> {
    replayed(file).into_iter().map(|one| one.section).collect()
}

/// The coded form of a new file.
pub fn reduce(file: Vec<u8>) -> Vec<u8> {
    let found = replayed(&file);
    form(file, &found)
}

fn replayed(file: &[u8]) -> Vec<Found> {
    let mut found = find(file);
    found.retain_mut(|one| {
        let at = one.section.at as usize;
        let stream = &file[at..at + one.section.packed as usize];
        match style(stream, &one.contents) {
            Some(style) => one.section.style = style,
            None => return false,
        }
        true
    });
    found
}

fn style(stream: &[u8], contents: &[u8]) -> Option<usize> {
    let body = &stream[ZLIB_HEAD..stream.len() - ADLER_BYTES];
    let mut styles = (0..Style::ALL.len()).collect::<Vec<_>>();
    styles.sort_by_key(|style| Style::ALL[*style].level);
    styles
        .into_iter()
        .find(|style| gzip::replays(*style, body, contents))
}

/// The file whose coded form this is; `size` is its length.
pub fn expand(mut coded: Vec<u8>, size: u64, sections: &[Section]) -> Result<Vec<u8>> {
    let size = usize::try_from(size).context("a length")?;
    ensure!(coded.len() >= size, "sections without contents");
    let held = coded.split_off(size);
    let mut rest = held.as_slice();
    for section in sections {
        let contents = rest.split_at_checked(section.bytes as usize);
        let (contents, after) = contents.context("a section without contents")?;
        rest = after;
        let end = section.at.checked_add(section.packed);
        let place = end.and_then(|end| coded.get_mut(section.at as usize..end as usize));
        let place = place.context("a section beyond the file")?;
        place.copy_from_slice(&packed(contents, section)?);
    }
    ensure!(rest.is_empty(), "contents of no section");
    Ok(coded)
}

fn packed(contents: &[u8], section: &Section) -> Result<Vec<u8>> {
    let style = Style::ALL.get(section.style);
    let style = *style.context("a deflate of no known style")?;
    let mut packed = section.head.to_vec();
    let mut deflate = Deflate::new(&mut packed, style);
    deflate.feed(contents)?;
    deflate.finish()?;
    packed.extend(adler(contents).to_be_bytes());
    ensure!(
        packed.len() as u64 == section.packed,
        "a section of another length"
    );
    Ok(packed)
}

/// The checksum of a zlib stream (RFC 1950).
fn adler(contents: &[u8]) -> u32 {
    const MODULUS: u32 = 65_521;
    // So many bytes cannot overflow 32 bits.
    const SAFE: usize = 5552;
    let (mut low, mut high) = (1_u32, 0_u32);
    for piece in contents.chunks(SAFE) {
        for byte in piece {
            low += u32::from(*byte);
            high += low;
        }
        low %= MODULUS;
        high %= MODULUS;
    }
    high << 16 | low
}

#[cfg(test)]
pub mod tests {
    use std::io::Write;

    use super::*;

    fn zlib(level: u32, contents: &[u8]) -> Vec<u8> {
        let level = flate2::Compression::new(level);
        let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), level);
        packed.write_all(contents).unwrap();
        packed.finish().unwrap()
    }

    fn debug(seed: u32, bytes: u32) -> Vec<u8> {
        let words = (0..bytes / 4).map(|n| (n * n / 9).wrapping_mul(seed) >> 7);
        words.flat_map(u32::to_le_bytes).collect()
    }

    /// A file of some code and compressed sections, each of these contents at this level of zlib.
    pub fn program(code: &[u8], sections: &[(u32, Vec<u8>)]) -> Vec<u8> {
        let streams = sections.iter();
        let streams = streams.map(|(level, contents)| (zlib(*level, contents), contents.len()));
        program_of(code, &streams.collect::<Vec<_>>())
    }

    /// A stream in a style of our own.
    pub fn stream(style: usize, contents: &[u8]) -> (Vec<u8>, usize) {
        let mut stream = vec![0x78, 0x9C];
        let mut deflate = Deflate::new(&mut stream, Style::ALL[style]);
        deflate.feed(contents).unwrap();
        deflate.finish().unwrap();
        stream.extend(adler(contents).to_be_bytes());
        (stream, contents.len())
    }

    /// A file of some code and these compressed sections, each with the length of what it holds.
    pub fn program_of(code: &[u8], sections: &[(Vec<u8>, usize)]) -> Vec<u8> {
        let mut file = vec![0; 64];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        file[18..20].copy_from_slice(&62_u16.to_le_bytes());
        file[58..60].copy_from_slice(&64_u16.to_le_bytes());
        file[60..62].copy_from_slice(&(sections.len() as u16).to_le_bytes());
        file.extend_from_slice(code);
        let mut headers = Vec::new();
        for (stream, bytes) in sections {
            let at = file.len() as u64;
            file.extend(1_u64.to_le_bytes());
            file.extend((*bytes as u64).to_le_bytes());
            file.extend(1_u64.to_le_bytes());
            file.extend(stream);
            let mut header = [0; 64];
            header[4..8].copy_from_slice(&1_u32.to_le_bytes());
            header[8..16].copy_from_slice(&COMPRESSED.to_le_bytes());
            header[24..32].copy_from_slice(&at.to_le_bytes());
            header[32..40].copy_from_slice(&(file.len() as u64 - at).to_le_bytes());
            headers.extend(header);
        }
        let table = file.len() as u64;
        file[40..48].copy_from_slice(&table.to_le_bytes());
        file.extend(headers);
        file
    }

    #[test]
    fn a_program_comes_back_from_what_its_sections_hold() {
        let contents = [debug(3, 90_000), debug(5, 7), debug(7, 300_000)];
        for levels in [[6, 6, 6], [9, 5, 4]] {
            let sections: Vec<_> = levels.into_iter().zip(contents.clone()).collect();
            let file = program(b"code", &sections);
            let list = of(&file);
            assert_eq!(list.len(), 3);
            let coded = reduce(file.clone());
            let held: Vec<u8> = contents.concat();
            assert!(coded.ends_with(&held));
            let here = list[0].at as usize..(list[0].at + list[0].packed) as usize;
            assert!(coded[here].iter().all(|byte| *byte == 0));
            assert!(unpacked(file.clone()) == coded);
            assert!(expand(coded, file.len() as u64, &list).unwrap() == file);
        }
    }

    /// Damaged streams, streams that overlap, lengths that are not theirs, and styles that nobody knows stay as they are.
    #[test]
    fn odd_sections_are_left_alone() {
        let good = (6, debug(3, 50_000));
        let file = program(b"code", &[good.clone(), (1, debug(5, 50_000))]);
        let list = of(&file);
        assert_eq!(list.len(), 1, "level 1 is nobody's here");
        let coded = reduce(file.clone());
        assert!(expand(coded.clone(), file.len() as u64, &list).unwrap() == file);
        assert!(coded.len() < unpacked(file.clone()).len());
        let table = u64_at(&file, 40).unwrap() as usize;
        let (stream, second) = (list[0].at as usize, table + 64);
        type Change<'a> = &'a dyn Fn(&mut Vec<u8>);
        let odd: [Change; 8] = [
            &|file| file[stream + 500] ^= 1,
            &|file| file[stream - 16] ^= 1,
            &|file| file[stream - 9] = 0x7F,
            &|file| file[stream - 24] = 2,
            &|file| file[table + 9] = 0,
            &|file| file[table + 31] = 0xFF,
            &|file| file.truncate(table),
            &|file| file[4] = 1,
        ];
        for (nth, change) in odd.iter().enumerate() {
            let mut file = file.clone();
            change(&mut file);
            assert!(of(&file).is_empty(), "{nth}");
            assert!(reduce(file.clone()) == file, "{nth}");
        }
        let mut twice = file.clone();
        let first = twice[table..table + 64].to_vec();
        twice[second..].copy_from_slice(&first);
        assert_eq!(of(&twice).len(), 1, "the same place twice");
    }

    /// Headers may name a long stream many times, each damaged at its end: what is tried is counted, not what is whole.
    #[test]
    fn so_many_sections_are_tried_and_no_more() {
        let bad = |n: u32| {
            let mut stream = zlib(6, &debug(n, 40));
            *stream.last_mut().unwrap() ^= 1;
            (stream, 40)
        };
        let good = (zlib(6, &debug(3, 40)), 40);
        for (before, found) in [(MOST_SECTIONS - 1, 1), (MOST_SECTIONS, 0)] {
            let mut sections: Vec<_> = (0..before as u32).map(bad).collect();
            sections.push(good.clone());
            let file = program_of(b"code", &sections);
            assert_eq!(of(&file).len(), found, "after {before}");
        }
    }

    #[test]
    fn a_script_that_lies_about_sections_is_an_error() {
        let file = program(b"code", &[(6, debug(3, 50_000))]);
        let (list, coded) = (of(&file), reduce(file.clone()));
        let size = file.len() as u64;
        let lies: [fn(&mut Section); 7] = [
            |section| section.at = u64::MAX,
            |section| section.at += 1 << 20,
            |section| section.packed += 1,
            |section| section.packed = u64::MAX,
            |section| section.bytes -= 1,
            |section| section.bytes = u64::MAX,
            |section| section.style = 31,
        ];
        for (nth, lie) in lies.iter().enumerate() {
            let mut list = list.clone();
            lie(&mut list[0]);
            assert!(expand(coded.clone(), size, &list).is_err(), "{nth}");
        }
        assert!(expand(coded.clone(), size, &[]).is_err());
        assert!(expand(coded.clone(), coded.len() as u64 + 1, &list).is_err());
    }

    #[test]
    fn the_checksum_is_that_of_zlib() {
        for bytes in [0, 1, 5551, 5552, 5553, 90_000] {
            let contents = vec![0xFF; bytes];
            let packed = zlib(6, &contents);
            let stated = packed.last_chunk::<4>().unwrap();
            assert_eq!(adler(&contents).to_be_bytes(), *stated, "{bytes}");
        }
    }
}
