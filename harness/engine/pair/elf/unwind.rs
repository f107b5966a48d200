//! References in `.eh_frame` and `.eh_frame_hdr`.
//!
//! The layout is that of the Linux Standard Base 5.0, "Exception Frames".

use super::{Finder, Kind, Section, word};

/// Pointer encodings: four signed bytes, counted from the field.
const RELATIVE_4: u8 = 0x1b;
const NONE: u8 = 0xff;

pub fn find(finder: &mut Finder) {
    let elf = finder.elf;
    if let Some(section) = elf.section(".eh_frame") {
        frames(finder, section);
    }
    if let Some(section) = elf.section(".eh_frame_hdr") {
        index(finder, section);
    }
}

/// How a CIE's frames write their addresses.
#[derive(Clone, Copy)]
struct Parent {
    start: u8,
    data: u8,
}

fn frames(finder: &mut Finder, section: &Section) {
    let Some(all) = finder.open(section) else {
        return;
    };
    let base = section.range().start;
    let mut at = 0;
    let mut parent = (usize::MAX, None);
    while let (Some(length), Some(back)) = (word(all, at), word(all, at + 4)) {
        let end = at + 4 + length as usize;
        if length < 4 || end > all.len() {
            break;
        }
        if back == 0 {
            personality(finder, &all[..end], at, base);
        } else if let Some(cie) = (at + 4).checked_sub(back as usize) {
            if parent.0 != cie {
                parent = (cie, read_parent(all, cie).map(|(parent, _)| parent));
            }
            let address = section.address.wrapping_add(at as u32 + 4);
            let target = address.wrapping_sub(back);
            finder.push(base + at + 4, Kind::FrameParent, target, 0, 0);
            if let Some(parent) = parent.1 {
                frame(finder, all, at, base, parent);
            }
        }
        at = end;
    }
}

fn frame(finder: &mut Finder, all: &[u8], at: usize, base: usize, parent: Parent) {
    if parent.start != RELATIVE_4 {
        return;
    }
    let place = base + at + 8;
    finder.relative(place, Kind::FrameStart);
    if let (Some(start), Some(address)) = (word(all, at + 8), finder.elf.address(place)) {
        finder.anchored(place + 4, Kind::FrameLength, address.wrapping_add(start));
    }
    let has_data = parent.data == RELATIVE_4 && all.get(at + 16) == Some(&4);
    if has_data && word(all, at + 17).is_some_and(|value| value != 0) {
        finder.relative(base + at + 17, Kind::FrameData);
    }
}

/// The CIE at an offset, and where its personality's address is.
fn read_parent(all: &[u8], at: usize) -> Option<(Parent, Option<usize>)> {
    if word(all, at + 4)? != 0 {
        return None;
    }
    let letters = at + 9;
    let count = all
        .get(letters..)?
        .iter()
        .take(8)
        .position(|byte| *byte == 0)?;
    let mut next = letters + count + 1;
    // Code and data alignment, return register, length of what the letters stand for.
    for _ in 0..4 {
        while all.get(next)? & 0x80 != 0 {
            next += 1;
        }
        next += 1;
    }
    let mut parent = Parent {
        start: 0,
        data: NONE,
    };
    let mut personality = None;
    for letter in &all[letters..letters + count] {
        match letter {
            b'R' => parent.start = *all.get(next)?,
            b'L' => parent.data = *all.get(next)?,
            b'P' => {
                let encoding = all.get(next)?;
                personality = Some(next + 1).filter(|_| encoding & 0x1f == RELATIVE_4);
                next += 4;
            }
            _ => continue,
        }
        next += 1;
    }
    Some((parent, personality))
}

fn personality(finder: &mut Finder, all: &[u8], at: usize, base: usize) {
    if let Some((_, Some(place))) = read_parent(all, at) {
        finder.relative(base + place, Kind::FrameData);
    }
}

/// The sorted table of frames: pairs of start and frame, counted from the section.
fn index(finder: &mut Finder, section: &Section) {
    let Some(all) = finder.open(section) else {
        return;
    };
    if !all.starts_with(&[1, RELATIVE_4, 3, 0x3b]) {
        return;
    }
    let base = section.range().start;
    finder.relative(base + 4, Kind::FrameData);
    for at in (12..all.len() - all.len() % 4).step_by(4) {
        finder.anchored(base + at, Kind::FrameIndex, section.address);
    }
}
