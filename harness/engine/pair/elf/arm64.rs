//! References in AArch64 code: fields of bits inside instruction words of four bytes.
//!
//! Encodings are from the Arm Architecture Reference Manual for A-profile, chapter C4.

use super::file::AARCH64;
use super::{Finder, Kind, Section, word};

/// Instructions after which a page in a register is no longer believed.
const PAGE_LASTS: usize = 32;

pub(super) fn find(finder: &mut Finder) {
    if finder.elf.machine != AARCH64 {
        return;
    }
    let elf = finder.elf;
    for section in elf.sections.iter().filter(|section| section.is_code()) {
        code(finder, section);
    }
}

/// A page that a register was given.
#[derive(Clone, Copy)]
struct Page {
    at: usize,
    address: u32,
    is_paired: bool,
}

fn code(finder: &mut Finder, section: &Section) {
    let Some(all) = finder.open(section) else {
        return;
    };
    let base = section.range().start;
    if !base.is_multiple_of(4) || !section.address.is_multiple_of(4) {
        return;
    }
    let mut pages: [Option<Page>; 32] = [None; 32];
    for at in (0..all.len() / 4).map(|number| number * 4) {
        let Some(instruction) = word(all, at) else {
            break;
        };
        let place = section.address.wrapping_add(at as u32);
        if let Some(kind) = branch(instruction) {
            let target = target(kind, instruction, place);
            if finder.elf.is_mapped(target) {
                finder.push(base + at, kind, target, instruction, 0);
            }
            continue;
        }
        let (to, from) = (
            (instruction & 31) as usize,
            (instruction >> 5 & 31) as usize,
        );
        if instruction & 0x9f00_0000 == 0x9000_0000 {
            let address = target(Kind::Page, instruction, place);
            unpaired(finder, &mut pages[to], all, base);
            pages[to] = Some(Page {
                at,
                address,
                is_paired: false,
            });
        } else if scale(instruction).is_some() {
            let page = pages[from].filter(|page| at - page.at <= PAGE_LASTS * 4);
            if let Some(page) = page {
                let target = page.address.wrapping_add(low(instruction));
                if finder.elf.is_mapped(target) {
                    finder.push(base + at, Kind::Low, target, instruction, 0);
                    if !page.is_paired {
                        let first = word(all, page.at).unwrap_or(0);
                        finder.push(base + page.at, Kind::Page, target, first, 0);
                    }
                    pages[from] = (to != from).then_some(Page {
                        is_paired: true,
                        ..page
                    });
                }
            }
        }
    }
    for page in &mut pages {
        unpaired(finder, page, all, base);
    }
}

/// A page that nothing was added to is a reference to its start.
fn unpaired(finder: &mut Finder, page: &mut Option<Page>, all: &[u8], base: usize) {
    if let Some(page) = page.take()
        && !page.is_paired
        && finder.elf.is_mapped(page.address)
    {
        let first = word(all, page.at).unwrap_or(0);
        finder.push(base + page.at, Kind::Page, page.address, first, 0);
    }
}

fn branch(word: u32) -> Option<Kind> {
    Some(match word {
        _ if word & 0xfc00_0000 == 0x9400_0000 => Kind::ArmCall,
        _ if word & 0xfc00_0000 == 0x1400_0000 => Kind::ArmJump,
        _ if word & 0xff00_0010 == 0x5400_0000 || word & 0x7e00_0000 == 0x3400_0000 => {
            Kind::ArmBranch
        }
        _ if word & 0x7e00_0000 == 0x3600_0000 => Kind::ArmTest,
        _ if word & 0x3b00_0000 == 0x1800_0000 => Kind::ArmBranch,
        _ if word & 0x9f00_0000 == 0x1000_0000 => Kind::ArmAddress,
        _ => return None,
    })
}

/// By how much the offset of an addition, load or store is shifted; of other instructions there is none.
fn scale(word: u32) -> Option<u32> {
    if word & 0xffc0_0000 == 0x9100_0000 {
        return Some(0);
    }
    if word & 0x3b00_0000 != 0x3900_0000 {
        return None;
    }
    let is_vector = word >> 26 & 1 == 1;
    match word >> 30 {
        0 if is_vector && word >> 23 & 1 == 1 => Some(4),
        size => Some(size),
    }
}

fn low(word: u32) -> u32 {
    (word >> 10 & 0xfff) << scale(word).unwrap_or(0)
}

/// The bits of the word that the field takes.
pub fn mask(kind: Kind) -> u32 {
    match kind {
        Kind::ArmCall | Kind::ArmJump => 0x03ff_ffff,
        Kind::ArmBranch => 0x00ff_ffe0,
        Kind::ArmTest => 0x0007_ffe0,
        Kind::ArmAddress | Kind::Page => 0x60ff_ffe0,
        Kind::Low => 0x003f_fc00,
        _ => 0,
    }
}

/// The `count` bits of the word from `start`, as a signed number.
fn signed(word: u32, start: u32, count: u32) -> u32 {
    ((word << (32 - start - count)) as i32 >> (32 - count)) as u32
}

/// The distance of the two-part field of ADR and ADRP.
fn split(word: u32) -> u32 {
    signed(word, 5, 19) << 2 | (word >> 29 & 3)
}

/// What the instruction at an address refers to. Of a low part, only those bits.
pub fn target(kind: Kind, word: u32, place: u32) -> u32 {
    match kind {
        Kind::ArmCall | Kind::ArmJump => place.wrapping_add(signed(word, 0, 26) << 2),
        Kind::ArmBranch => place.wrapping_add(signed(word, 5, 19) << 2),
        Kind::ArmTest => place.wrapping_add(signed(word, 5, 14) << 2),
        Kind::ArmAddress => place.wrapping_add(split(word)),
        Kind::Page => (place & !0xfff).wrapping_add(split(word) << 12),
        _ => low(word),
    }
}

/// The instruction `word`, at `place`, made to refer to `target`.
pub fn field(kind: Kind, word: u32, place: u32, target: u32) -> u32 {
    let distance = target.wrapping_sub(place);
    let parts = |distance: u32| (distance & 3) << 29 | distance >> 2 << 5;
    let bits = match kind {
        Kind::ArmCall | Kind::ArmJump => distance >> 2,
        Kind::ArmBranch | Kind::ArmTest => distance >> 2 << 5,
        Kind::ArmAddress => parts(distance),
        Kind::Page => parts((target >> 12).wrapping_sub(place >> 12)),
        _ => (target & 0xfff) >> scale(word).unwrap_or(0) << 10,
    };
    (word & !mask(kind)) | (bits & mask(kind))
}
