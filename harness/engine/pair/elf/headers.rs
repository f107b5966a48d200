//! References in the file's own headers.

use super::file::small;
use super::{Finder, Kind, half, word};

pub fn find(finder: &mut Finder) {
    finder.absolute(24, Kind::Header);
    offset(finder, 40);
    programs(finder);
    sections(finder);
}

fn offset(finder: &mut Finder, at: usize) {
    if let Some(value) = small(finder.elf.bytes, at)
        && value > 0
    {
        finder.push(at, Kind::HeaderOffset, value, 0, 0);
    }
}

/// A length from `anchor`, an address where there is one and an offset otherwise.
fn length(finder: &mut Finder, at: usize, address: u32, place: u32) {
    if small(finder.elf.bytes, at).is_none_or(|length| length == 0) {
        return;
    }
    match address {
        0 => finder.anchored(at, Kind::HeaderExtent, place),
        _ => finder.anchored(at, Kind::HeaderLength, address),
    }
}

fn programs(finder: &mut Finder) {
    let bytes = finder.elf.bytes;
    let (start, size, count) = finder.elf.programs;
    for header in (0..count).map(|at| start + at * size) {
        let (Some(place), Some(address)) = (small(bytes, header + 8), small(bytes, header + 16))
        else {
            continue;
        };
        offset(finder, header + 8);
        finder.absolute(header + 16, Kind::Header);
        finder.absolute(header + 24, Kind::Header);
        length(finder, header + 32, address, place);
        length(finder, header + 40, address, place);
    }
}

fn sections(finder: &mut Finder) {
    let bytes = finder.elf.bytes;
    let (Some(start), Some(count)) = (small(bytes, 40), half(bytes, 60)) else {
        return;
    };
    for header in (0..usize::from(count)).map(|at| start as usize + at * 64) {
        let (Some(address), Some(place)) = (small(bytes, header + 16), small(bytes, header + 24))
        else {
            continue;
        };
        if word(bytes, header + 4).is_none_or(|kind| kind == 0) {
            continue;
        }
        finder.absolute(header + 16, Kind::Header);
        offset(finder, header + 24);
        length(finder, header + 32, address, place);
    }
}
