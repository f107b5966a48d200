//! Masked ELF files, for alignment: equal code at moved addresses looks equal.
//!
//! Each reference is replaced by a hash of what it refers to. Only the encoder masks, so nothing here is frozen.

use super::elf::{Form, Kind, Ref, References, arm64, word};
use super::mix::{hash, spread};
use super::names::Names;
use crate::engine::ideas::Ideas;

/// Bytes of a target that its hash covers.
const LABEL: usize = 16;

/// Masks the references of `bytes`.
pub fn mask(bytes: &mut [u8], found: &References, ideas: &Ideas) {
    let names = match ideas.names {
        true => Names::read(bytes, &found.symbols),
        false => Names::default(),
    };
    let masked = || found.refs.iter().filter(|reference| is_masked(reference));
    // First without any operands, so that a label does not depend on addresses.
    for reference in masked() {
        let at = reference.at as usize;
        write(
            &mut bytes[at..],
            reference,
            names.of(reference).unwrap_or(0),
        );
    }
    if !ideas.labels {
        return;
    }
    let label = |reference: &Ref| match names.of(reference) {
        Some(label) => label,
        None => label(bytes, found, reference),
    };
    let labels: Vec<u32> = masked().map(label).collect();
    for (reference, label) in masked().zip(labels) {
        write(&mut bytes[reference.at as usize..], reference, label);
    }
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
