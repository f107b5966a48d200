//! References in x86-64 code: a linear sweep with the decoder of iced-x86, pinned to one version.

use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, OpKind};

use super::file::X86_64;
use super::{Finder, Kind, Section, word};

pub fn find(finder: &mut Finder) {
    if finder.elf.machine != X86_64 {
        return;
    }
    let elf = finder.elf;
    let mut tables = Vec::new();
    for section in elf.sections.iter().filter(|section| section.is_code()) {
        code(finder, section, &mut tables);
    }
    jump_tables(finder, tables);
}

fn code(finder: &mut Finder, section: &Section, tables: &mut Vec<u32>) {
    let Some(all) = finder.open(section) else {
        return;
    };
    let base = section.range().start;
    let mut decoder = Decoder::with_ip(
        64,
        all,
        section.address.into(),
        DecoderOptions::NO_INVALID_CHECK,
    );
    let mut instruction = Instruction::default();
    while decoder.can_decode() {
        let start = decoder.position();
        decoder.decode_out(&mut instruction);
        if instruction.is_invalid() || instruction.len() < 2 {
            continue;
        }
        let end = decoder.position();
        let fields = decoder.get_constant_offsets(&instruction);
        let after = section.address.wrapping_add(end as u32);
        if fields.has_immediate() && fields.immediate_size() == 1 && branch(&instruction).is_some()
        {
            let at = start + fields.immediate_offset();
            let target = instruction.near_branch_target() as u32;
            finder.push(base + at, Kind::Short, target, 0, (end - at) as u8);
        }
        if fields.has_immediate() && fields.immediate_size() == 4 {
            let at = start + fields.immediate_offset();
            if let Some(kind) = branch(&instruction) {
                field(finder, base, at, end, kind, after);
            } else if finder.elf.is_fixed {
                finder.absolute(base + at, Kind::Immediate);
            }
        }
        if fields.has_displacement() && fields.displacement_size() == 4 {
            let at = start + fields.displacement_offset();
            if instruction.is_ip_rel_memory_operand() {
                let target = field(finder, base, at, end, Kind::Data, after);
                if instruction.mnemonic() == Mnemonic::Lea {
                    tables.extend(target);
                }
            } else if finder.elf.is_fixed {
                finder.absolute(base + at, Kind::Immediate);
            }
        }
    }
}

fn branch(instruction: &Instruction) -> Option<Kind> {
    if instruction.op_kind(0) != OpKind::NearBranch64 {
        return None;
    }
    match instruction.mnemonic() {
        Mnemonic::Call => Some(Kind::Call),
        Mnemonic::Jmp => Some(Kind::Jump),
        _ => Some(Kind::Branch),
    }
}

/// A field that counts from the end of its instruction; its target.
fn field(
    finder: &mut Finder,
    base: usize,
    at: usize,
    end: usize,
    kind: Kind,
    after: u32,
) -> Option<u32> {
    let target = after.wrapping_add(word(finder.elf.bytes, base + at)?);
    if !finder.elf.is_mapped(target) {
        return None;
    }
    finder.push(base + at, kind, target, 0, (end - at) as u8);
    Some(target)
}

/// Tables of distances to code, at places that code takes the address of.
fn jump_tables(finder: &mut Finder, mut tables: Vec<u32>) {
    tables.sort_unstable();
    tables.dedup();
    let elf = finder.elf;
    let is_code = |address: u32| {
        let mut sections = elf.sections.iter().filter(|section| section.is_code());
        sections.any(|s| address >= s.address && address - s.address < s.size)
    };
    for (number, table) in tables.iter().enumerate() {
        let next = tables.get(number + 1).copied().unwrap_or(u32::MAX);
        let Some(start) = elf
            .offset(*table)
            .filter(|_| table % 4 == 0 && !is_code(*table))
        else {
            continue;
        };
        let room = (next - table) as usize / 4;
        let entries = (0..room.min(LONGEST_TABLE)).take_while(|entry| {
            word(elf.bytes, start + entry * 4)
                .is_some_and(|distance| is_code(table.wrapping_add(distance)))
        });
        let count = entries.count();
        if count < SHORTEST_TABLE || finder.budget < count * 4 {
            continue;
        }
        finder.budget -= count * 4;
        for entry in 0..count {
            finder.anchored(start + entry * 4, Kind::JumpTable, *table);
        }
    }
}

const SHORTEST_TABLE: usize = 3;
const LONGEST_TABLE: usize = 4096;
