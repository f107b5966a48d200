//! References in the tables of the dynamic linker: symbols, relocations, versions, hashes, and `.dynamic`.

use super::file::{AARCH64, small};
use super::{Finder, Kind, Section, Symbols, word};

/// Section kinds.
const RELA: u32 = 4;
const DYNAMIC: u32 = 6;
const DYNSYM: u32 = 11;
const GNU_HASH: u32 = 0x6fff_fff6;
const VERDEF: u32 = 0x6fff_fffd;
const VERNEED: u32 = 0x6fff_fffe;

pub fn find(finder: &mut Finder) -> Symbols {
    let elf = finder.elf;
    let strings = elf.section(".dynstr").map_or(0, |section| section.address);
    for section in &elf.sections {
        if section.size == 0 || !section.is_loaded() || finder.open(section).is_none() {
            continue;
        }
        match section.kind {
            RELA => relocations(finder, section),
            DYNAMIC => dynamic(finder, section, strings),
            DYNSYM => symbols(finder, section, strings),
            GNU_HASH => hashes(finder, section),
            VERDEF => versions(finder, section, strings, &DEFINED),
            VERNEED => versions(finder, section, strings, &NEEDED),
            _ if [&b".got"[..], b".got.plt"].contains(&section.name) => pointers(finder, section),
            _ if elf.is_fixed && !section.is_code() && section.kind != 3 => {
                pointers(finder, section);
            }
            _ => {}
        }
    }
    let range = |name| {
        let section = elf.section(name);
        section.map_or(0..0, |s| s.offset..s.offset + s.size)
    };
    let stubs = elf.section(".plt");
    let head = if elf.machine == AARCH64 { 32 } else { 16 };
    Symbols {
        table: range(".dynsym"),
        strings: range(".dynstr"),
        jumps: range(".rela.plt"),
        relocations: range(".rela.dyn"),
        stubs: stubs.map_or(0, |stubs| stubs.address.wrapping_add(head)),
        stub_size: 16,
        stub_end: stubs.map_or(0, |stubs| stubs.address.wrapping_add(stubs.size)),
    }
}

/// Relocations of 24 bytes: place, kind and symbol, addend.
fn relocations(finder: &mut Finder, section: &Section) {
    let bytes = finder.elf.bytes;
    for at in section.range().step_by(24) {
        if at + 24 > section.range().end {
            break;
        }
        finder.absolute(at, Kind::Slot);
        let symbol = word(bytes, at + 12).unwrap_or(0);
        if symbol != 0 {
            finder.push(at + 12, Kind::Symbol, symbol, 0, 0);
        } else if small(bytes, at + 16).is_some() {
            finder.absolute(at + 16, Kind::Addend);
            // Linkers also write the addend where it is added.
            if let Some(slot) = word(bytes, at).and_then(|slot| finder.elf.offset(slot))
                && small(bytes, slot) == small(bytes, at + 16)
            {
                finder.absolute(slot, Kind::Pointer);
            }
        }
    }
}

/// Symbols of 24 bytes: name, kind, section, value, size.
fn symbols(finder: &mut Finder, section: &Section, strings: u32) {
    let bytes = finder.elf.bytes;
    for at in section.range().step_by(24).skip(1) {
        if at + 24 > section.range().end {
            break;
        }
        finder.anchored(at, Kind::Name, strings);
        let Some(value) = small(bytes, at + 8).filter(|value| *value != 0) else {
            continue;
        };
        finder.absolute(at + 8, Kind::SymbolValue);
        if small(bytes, at + 16).is_some_and(|size| size != 0) {
            finder.anchored(at + 16, Kind::SymbolSize, value);
        }
    }
}

/// Tags whose value is an address.
const ADDRESSES: [u32; 14] = [
    3,
    4,
    5,
    6,
    7,
    12,
    13,
    23,
    25,
    26,
    32,
    0x6fff_fef5,
    0x6fff_fff0,
    0x6fff_fffe,
];
/// Tags whose value is an offset into the strings.
const NAMES: [u32; 4] = [1, 14, 15, 29];
/// Tags whose value is a length, each with the tag of what it measures.
const LENGTHS: [(u32, u32); 6] = [(2, 23), (8, 7), (10, 5), (27, 25), (28, 26), (33, 32)];

fn dynamic(finder: &mut Finder, section: &Section, strings: u32) {
    let bytes = finder.elf.bytes;
    let entries = || {
        section
            .range()
            .step_by(16)
            .take_while(|at| at + 16 <= section.range().end)
    };
    let value_of = |wanted: u32| {
        let entry = entries().find(|at| small(bytes, *at) == Some(wanted))?;
        small(bytes, entry + 8)
    };
    for at in entries() {
        let Some(tag) = word(bytes, at) else { continue };
        if ADDRESSES.contains(&tag) || tag == 0x6fff_fffc {
            finder.absolute(at + 8, Kind::Header);
        } else if NAMES.contains(&tag) {
            finder.anchored(at + 8, Kind::Name, strings);
        } else if let Some((_, of)) = LENGTHS.iter().find(|(length, _)| *length == tag)
            && let Some(anchor) = value_of(*of)
        {
            finder.anchored(at + 8, Kind::HeaderLength, anchor);
        }
    }
}

/// The buckets of a GNU hash table, which hold symbol indices.
fn hashes(finder: &mut Finder, section: &Section) {
    let bytes = finder.elf.bytes;
    let start = section.range().start;
    let (Some(buckets), Some(bloom)) = (word(bytes, start), word(bytes, start + 8)) else {
        return;
    };
    let first = start + 16 + (bloom as usize).saturating_mul(8);
    for at in (0..buckets as usize).map(|bucket| first + bucket * 4) {
        if at + 4 > section.range().end {
            break;
        }
        if let Some(symbol) = word(bytes, at)
            && symbol != 0
        {
            finder.push(at, Kind::Symbol, symbol, 0, 0);
        }
    }
}

/// Offsets of the fields of a version record: own name (if any), first part, next record; and of a part: name, next.
struct Versions {
    name: Option<usize>,
    parts: usize,
    next: usize,
    part_name: usize,
    part_next: usize,
}

const DEFINED: Versions = Versions {
    name: None,
    parts: 12,
    next: 16,
    part_name: 0,
    part_next: 4,
};

const NEEDED: Versions = Versions {
    name: Some(4),
    parts: 8,
    next: 12,
    part_name: 8,
    part_next: 12,
};

fn versions(finder: &mut Finder, section: &Section, strings: u32, shape: &Versions) {
    let bytes = finder.elf.bytes;
    let (mut record, end) = (section.range().start, section.range().end);
    // No walk is longer than the section has room for.
    let mut left = section.size / 8;
    while record + 16 <= end && left > 0 {
        left -= 1;
        if let Some(name) = shape.name {
            finder.anchored(record + name, Kind::Name, strings);
        }
        let mut part = record + word(bytes, record + shape.parts).unwrap_or(0) as usize;
        while part + 8 <= end && left > 0 {
            left -= 1;
            finder.anchored(part + shape.part_name, Kind::Name, strings);
            match word(bytes, part + shape.part_next) {
                Some(next) if next > 0 => part += next as usize,
                _ => break,
            }
        }
        match word(bytes, record + shape.next) {
            Some(next) if next > 0 => record += next as usize,
            _ => break,
        }
    }
}

/// Words of eight bytes that hold addresses.
fn pointers(finder: &mut Finder, section: &Section) {
    let bytes = finder.elf.bytes;
    let start = section.range().start.next_multiple_of(8);
    for at in (start..section.range().end).step_by(8) {
        if small(bytes, at).is_some() {
            finder.absolute(at, Kind::Pointer);
        }
    }
}
