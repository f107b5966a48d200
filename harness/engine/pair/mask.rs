//! Masked copies of ELF files, for alignment: equal code at moved addresses looks equal.
//!
//! Each reference is replaced by a hash of what it refers to. Only the encoder masks, so nothing here is frozen.

use super::elf::{Form, Kind, Ref, References, arm64, word};
use super::mix::{hash, spread};
use super::names::Names;
use crate::engine::ideas::Ideas;

/// Bytes of a target that its hash covers.
const LABEL: usize = 16;

/// `bytes` with its references masked.
pub fn mask(bytes: &[u8], found: &References, ideas: &Ideas) -> Vec<u8> {
    let names = match ideas.names {
        true => Names::read(bytes, &found.symbols),
        false => Names::default(),
    };
    // First without any operands, so that a label does not depend on addresses.
    let mut bare = bytes.to_vec();
    for reference in found.refs.iter().filter(|reference| is_masked(reference)) {
        let at = reference.at as usize;
        write(&mut bare[at..], reference, names.of(reference).unwrap_or(0));
    }
    if !ideas.labels {
        return bare;
    }
    let mut masked = bare.clone();
    for reference in found.refs.iter().filter(|reference| is_masked(reference)) {
        let at = reference.at as usize;
        let label = match names.of(reference) {
            Some(label) => label,
            None => label(&bare, found, reference),
        };
        write(&mut masked[at..], reference, label);
    }
    masked
}

/// Puts a label where a reference is.
fn write(field: &mut [u8], reference: &Ref, label: u32) {
    let width = reference.kind.width();
    let label = match reference.kind.form() {
        Form::Word => {
            let mask = arm64::mask(reference.kind);
            (reference.anchor & !mask) | (label & mask)
        }
        _ => label,
    };
    field[..width].copy_from_slice(&label.to_le_bytes()[..width]);
}

/// Lengths and header fields stay: most of them do not change.
fn is_masked(reference: &Ref) -> bool {
    !matches!(
        reference.kind.form(),
        Form::Length | Form::Extent | Form::Offset
    ) && reference.kind != Kind::Header
}

fn label(bare: &[u8], found: &References, reference: &Ref) -> u32 {
    let kind = reference.kind.form() as u32;
    if reference.kind.form() == Form::Symbol {
        return spread(kind);
    }
    let Some(at) = super::elf::offset_of(&found.segments, reference.target) else {
        return spread(kind + 100);
    };
    let at = at as usize;
    let target = &bare[at.min(bare.len())..(at + LABEL).min(bare.len())];
    let mut words = [0; LABEL / 4];
    for (number, place) in words.iter_mut().enumerate() {
        *place = word(target, number * 4).unwrap_or(0);
    }
    hash(&words)
}
