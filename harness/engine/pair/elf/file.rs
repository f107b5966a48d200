//! An ELF file's sections and segments, as far as they make sense.

use std::ops::Range;

use super::{CODE, DATA, FRAMES, TABLES, half, word};

/// A part of the file that is loaded at an address.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    pub offset: u32,
    pub address: u32,
    /// Bytes in the file, and in memory.
    pub file_size: u32,
    pub memory_size: u32,
}

/// A section. What has no bytes in the file has a size of 0 here.
#[derive(Clone, Copy, Debug)]
pub struct Section<'a> {
    pub name: &'a [u8],
    pub kind: u32,
    pub flags: u32,
    pub address: u32,
    pub offset: u32,
    pub size: u32,
}

impl Section<'_> {
    pub fn range(&self) -> Range<usize> {
        self.offset as usize..self.offset as usize + self.size as usize
    }

    pub fn is_code(&self) -> bool {
        self.flags & 4 != 0 && self.kind == 1
    }

    pub fn is_loaded(&self) -> bool {
        self.flags & 2 != 0
    }
}

/// Machines whose instructions are known.
pub const X86_64: u16 = 62;
pub const AARCH64: u16 = 183;

pub struct Elf<'a> {
    pub bytes: &'a [u8],
    pub machine: u16,
    /// Linked to run at fixed addresses.
    pub is_fixed: bool,
    pub segments: Vec<Segment>,
    pub sections: Vec<Section<'a>>,
    /// Offset, size of an entry and number of the program headers.
    pub programs: (usize, usize, usize),
}

/// The most headers of either kind that are read.
const MOST_HEADERS: usize = 4096;

impl<'a> Elf<'a> {
    /// A 64-bit little-endian file for a known machine whose addresses fit 31 bits.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        if bytes.len() < 64 || !bytes.starts_with(b"\x7fELF\x02\x01\x01") || bytes.len() > 1 << 30 {
            return None;
        }
        let machine = half(bytes, 18)?;
        if ![X86_64, AARCH64].contains(&machine) {
            return None;
        }
        let programs = (
            small(bytes, 32)? as usize,
            half(bytes, 54)? as usize,
            (half(bytes, 56)? as usize).min(MOST_HEADERS),
        );
        let mut elf = Self {
            bytes,
            machine,
            is_fixed: half(bytes, 16)? == 2,
            segments: Vec::new(),
            sections: Vec::new(),
            programs,
        };
        for at in 0..programs.2 {
            elf.segments
                .extend(load(bytes, programs.0 + at * programs.1));
        }
        elf.segments.sort_by_key(|segment| segment.address);
        if elf.segments.is_empty() {
            return None;
        }
        elf.read_sections();
        Some(elf)
    }

    fn read_sections(&mut self) -> Option<()> {
        let bytes = self.bytes;
        let start = small(bytes, 40)? as usize;
        let count = (half(bytes, 60)? as usize).min(MOST_HEADERS);
        let names = half(bytes, 62)? as usize;
        let names = small(bytes, start + names * 64 + 24)? as usize;
        for at in 0..count {
            let header = start + at * 64;
            let section = section(bytes, header, names);
            self.sections.extend(section);
        }
        Some(())
    }

    pub fn section(&self, name: &str) -> Option<&Section<'a>> {
        let mut sections = self.sections.iter();
        sections.find(|section| section.name == name.as_bytes() && section.size > 0)
    }

    /// The address that an offset is loaded at.
    pub fn address(&self, at: usize) -> Option<u32> {
        let at = at as u32;
        let mut segments = self.segments.iter();
        let segment = segments.find(|s| at >= s.offset && at - s.offset < s.file_size)?;
        Some(segment.address.wrapping_add(at - segment.offset))
    }

    /// The offset that is loaded at an address.
    pub fn offset(&self, address: u32) -> Option<usize> {
        offset_of(&self.segments, address).map(|at| at as usize)
    }

    /// Whether an address is inside a segment or directly behind it.
    pub fn is_mapped(&self, address: u32) -> bool {
        let mut segments = self.segments.iter();
        address > 0
            && segments.any(|s| address >= s.address && address - s.address <= s.memory_size)
    }

    pub fn classes(&self) -> Vec<(Range<u32>, usize)> {
        let sections = self.sections.iter().filter(|section| section.size > 0);
        let mut classes: Vec<_> = sections
            .map(|section| {
                let class = match section.name {
                    _ if section.is_code() => CODE,
                    b".eh_frame" => FRAMES,
                    b".eh_frame_hdr" => TABLES,
                    _ if [4, 5, 6, 11, 0x6fff_fff6, 0x6fff_ffff].contains(&section.kind) => TABLES,
                    _ => DATA,
                };
                (section.offset..section.offset + section.size, class)
            })
            .collect();
        classes.sort_by_key(|(range, _)| (range.start, range.end));
        classes
    }
}

/// The offset that is loaded at an address, by these segments.
pub fn offset_of(segments: &[Segment], address: u32) -> Option<u32> {
    let mut segments = segments.iter();
    let segment = segments.find(|s| address >= s.address && address - s.address < s.file_size)?;
    Some(segment.offset + (address - segment.address))
}

/// A 64-bit field whose value fits 31 bits.
pub fn small(bytes: &[u8], at: usize) -> Option<u32> {
    let low = word(bytes, at)?;
    let high = word(bytes, at.checked_add(4)?)?;
    (high == 0 && low < 1 << 31).then_some(low)
}

fn load(bytes: &[u8], header: usize) -> Option<Segment> {
    if word(bytes, header)? != 1 {
        return None;
    }
    let segment = Segment {
        offset: small(bytes, header + 8)?,
        address: small(bytes, header + 16)?,
        file_size: small(bytes, header + 32)?,
        memory_size: small(bytes, header + 40)?,
    };
    let end = segment.offset as usize + segment.file_size as usize;
    (end <= bytes.len() && segment.memory_size >= segment.file_size).then_some(segment)
}

fn section(bytes: &[u8], header: usize, names: usize) -> Option<Section<'_>> {
    let kind = word(bytes, header + 4)?;
    let name = bytes.get(names + word(bytes, header)? as usize..)?;
    let offset = small(bytes, header + 24)?;
    let size = small(bytes, header + 32)?;
    let has_bytes = kind != 8 && kind != 0;
    let fits = offset as usize + size as usize <= bytes.len();
    Some(Section {
        name: name.split(|byte| *byte == 0).next()?,
        kind,
        flags: word(bytes, header + 8)?,
        address: small(bytes, header + 16)?,
        offset,
        size: if has_bytes && fits { size } else { 0 },
    })
}
