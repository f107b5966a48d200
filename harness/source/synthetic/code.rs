//! Code-like binaries: functions of x86-like instructions that contain each other's addresses.
//!
//! The layout is that of an executable: a header, the functions, read-only text, a table of absolute addresses, an unwind
//! table of relative ones, symbols. Inserting a function changes every address that spans the gap; the other bytes of
//! the instructions stay the same.

use std::sync::LazyLock;

use super::text::{self, Style};
use super::unit::Unit;
use crate::dice::{Dice, mix};

/// Mean bytes of a function, its entries in the tables and its share of the text, for planning a size.
pub const FUNCTION_BYTES: u64 = 520;

/// Address of the first byte when loaded.
const LOAD_ADDRESS: u64 = 0x40_0000;

/// What follows an opcode.
#[derive(Clone, Copy)]
enum Operand {
    Nothing,
    /// Two registers in one byte.
    Registers,
    /// A small number in one byte.
    Small,
    /// A register and an offset in the stack frame.
    Frame,
    /// A 32-bit number, mostly small.
    Number,
    /// Distance to the start of another function.
    Call,
    /// Distance to something in the read-only text.
    Data,
}

/// Common opcodes, the most common first.
const INSTRUCTIONS: [(&[u8], Operand); 40] = [
    (&[0x48, 0x89], Operand::Registers),
    (&[0x48, 0x8b], Operand::Frame),
    (&[0xe8], Operand::Call),
    (&[0x48, 0x8d, 0x35], Operand::Data),
    (&[0x85], Operand::Registers),
    (&[0x74], Operand::Small),
    (&[0x31, 0xc0], Operand::Nothing),
    (&[0x48, 0x89], Operand::Frame),
    (&[0x75], Operand::Small),
    (&[0x89], Operand::Registers),
    (&[0x48, 0x8b, 0x05], Operand::Data),
    (&[0xeb], Operand::Small),
    (&[0x0f, 0xb6], Operand::Registers),
    (&[0x48, 0x83, 0xc4], Operand::Small),
    (&[0x48, 0x85], Operand::Registers),
    (&[0x4c, 0x89], Operand::Registers),
    (&[0xc7, 0x44, 0x24], Operand::Number),
    (&[0x48, 0x8d, 0x44, 0x24], Operand::Small),
    (&[0x83, 0xf8], Operand::Small),
    (&[0x48, 0x8d, 0x3d], Operand::Data),
    (&[0x8b], Operand::Frame),
    (&[0x41, 0x89], Operand::Registers),
    (&[0xba], Operand::Number),
    (&[0x48, 0x39], Operand::Registers),
    (&[0x4c, 0x8b], Operand::Frame),
    (&[0xbe], Operand::Number),
    (&[0x48, 0xc1, 0xe0], Operand::Small),
    (&[0x0f, 0x84], Operand::Number),
    (&[0x48, 0x01], Operand::Registers),
    (&[0x66, 0x0f, 0x6f], Operand::Registers),
    (&[0x0f, 0x1f, 0x44, 0x00, 0x00], Operand::Nothing),
    (&[0x29], Operand::Registers),
    (&[0x48, 0x63], Operand::Registers),
    (&[0x80, 0x3d], Operand::Data),
    (&[0x41, 0xb8], Operand::Number),
    (&[0x0f, 0x94, 0xc0], Operand::Nothing),
    (&[0x48, 0x98], Operand::Nothing),
    (&[0xf3, 0x0f, 0x1e, 0xfa], Operand::Nothing),
    (&[0x48, 0xb8, 0xff, 0xff, 0xff, 0x7f], Operand::Number),
    (&[0xff, 0xd0], Operand::Nothing),
];
const PROLOGUE: &[u8] = &[
    0xf3, 0x0f, 0x1e, 0xfa, 0x55, 0x48, 0x89, 0xe5, 0x41, 0x54, 0x53,
];
const EPILOGUE: &[u8] = &[0x5b, 0x41, 0x5c, 0x5d, 0xc3];

/// Runs of instructions without addresses, which compilers emit often.
static IDIOMS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let mut dice = Dice::new(0x6964_696f);
    (0..IDIOMS_KNOWN)
        .map(|_| {
            let mut idiom = Vec::new();
            for _ in 0..2 + dice.below(6) {
                let (opcode, operand) = INSTRUCTIONS[dice.skewed(64) % INSTRUCTIONS.len()];
                if !matches!(operand, Operand::Call | Operand::Data) {
                    idiom.extend_from_slice(opcode);
                    local_operand(operand, &mut dice, &mut idiom);
                }
            }
            idiom
        })
        .collect()
});
const IDIOMS_KNOWN: u32 = 4096;

/// Share of functions that are one of `SHARED_FUNCTIONS`, as many binaries contain the same small library functions.
const SHARED_PERCENT: u64 = 12;
const SHARED_FUNCTIONS: u64 = 1024;

/// Four bytes in a function that hold a distance; they are filled in when every position is known.
struct Distance {
    /// Offset of the four bytes in the file.
    at: usize,
    to: Target,
}

enum Target {
    /// The function with this identity.
    Function(u32),
    /// This many bytes into the read-only text.
    Data(u64),
}

/// Appends a binary of these functions to `out` (empty). Functions call only the first `calls` identities, so that a
/// function added later moves the others but does not change which ones they call.
pub fn binary(seed: u64, functions: &[Unit], calls: u32, label: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0\x01\0\0\0");
    out.resize(1024, 0);
    let text_bytes = 90 * functions.len() as u64;
    let mut distances = Vec::new();
    let mut starts = Vec::with_capacity(functions.len());
    for function in functions {
        starts.push(out.len());
        instructions(function.seed, calls, text_bytes, out, &mut distances);
    }
    let data = out.len();
    read_only_text(seed, text_bytes, label, out);
    fill_in(&distances, functions, &starts, data, out);
    tables(seed, functions, &starts, out);
    let header = [data as u64, out.len() as u64, functions.len() as u64];
    for (at, word) in header.into_iter().enumerate() {
        out[24 + 8 * at..32 + 8 * at].copy_from_slice(&word.to_le_bytes());
    }
}

fn instructions(
    seed: u64,
    calls: u32,
    text_bytes: u64,
    out: &mut Vec<u8>,
    distances: &mut Vec<Distance>,
) {
    let mut dice = Dice::new(seed);
    if dice.chance(SHARED_PERCENT) {
        dice = Dice::new(seed % SHARED_FUNCTIONS);
    }
    out.extend_from_slice(PROLOGUE);
    for _ in 0..dice.size(20, 1) {
        out.extend_from_slice(&IDIOMS[dice.skewed(IDIOMS_KNOWN)]);
        let (opcode, operand) = INSTRUCTIONS[dice.skewed(64) % INSTRUCTIONS.len()];
        out.extend_from_slice(opcode);
        let to = match operand {
            // A few functions are called by many others.
            Operand::Call => Target::Function(dice.skewed(calls) as u32),
            Operand::Data => Target::Data(dice.skewed((text_bytes / 8) as u32) as u64 * 8),
            _ => {
                local_operand(operand, &mut dice, out);
                continue;
            }
        };
        distances.push(Distance { at: out.len(), to });
        out.extend_from_slice(&[0; 4]);
    }
    out.extend_from_slice(EPILOGUE);
    out.resize(out.len().next_multiple_of(16), 0xcc);
}

/// Appends an operand that holds no address.
fn local_operand(operand: Operand, dice: &mut Dice, out: &mut Vec<u8>) {
    let draw = dice.u32();
    match operand {
        Operand::Nothing | Operand::Call | Operand::Data => {}
        Operand::Registers => out.push(0xc0 | register(draw) << 3 | register(draw >> 8)),
        Operand::Small => out.push((draw & draw >> 8) as u8 & 0x7c),
        Operand::Frame => {
            let place = (draw >> 16 & draw >> 24) as u8 & 0x78;
            out.extend_from_slice(&[0x44 | register(draw) << 3, 0x24, place]);
        }
        Operand::Number => out.extend_from_slice(&(draw >> (16 + draw % 16)).to_le_bytes()),
    }
}

/// One of eight registers, some more often than others.
fn register(draw: u32) -> u8 {
    (draw & draw >> 4 & 7) as u8
}

fn fill_in(
    distances: &[Distance],
    functions: &[Unit],
    starts: &[usize],
    data: usize,
    out: &mut [u8],
) {
    let mut place =
        vec![data; functions.iter().map(|unit| unit.id + 1).max().unwrap_or(0) as usize];
    for (function, start) in functions.iter().zip(starts) {
        place[function.id as usize] = *start;
    }
    for distance in distances {
        let to = match distance.to {
            Target::Function(id) => place[id as usize],
            Target::Data(offset) => data + offset as usize,
        };
        let here = distance.at + 4;
        let value = (to as i64 - here as i64) as i32;
        out[distance.at..here].copy_from_slice(&value.to_le_bytes());
    }
}

fn read_only_text(seed: u64, bytes: u64, label: &str, out: &mut Vec<u8>) {
    let end = out.len() + bytes as usize;
    out.extend_from_slice(label.as_bytes());
    out.push(0);
    for paragraph in 0.. {
        if out.len() >= end {
            break;
        }
        text::paragraph(Style::Prose, seed, mix(seed, paragraph), label, out);
        out.push(0);
    }
    out.resize(out.len().next_multiple_of(16), 0);
}

/// Absolute addresses of all functions, the unwind table, and a symbol for one function in four.
fn tables(seed: u64, functions: &[Unit], starts: &[usize], out: &mut Vec<u8>) {
    for start in starts {
        out.extend_from_slice(&(LOAD_ADDRESS + *start as u64).to_le_bytes());
    }
    let unwind = out.len();
    for (function, start) in functions.iter().zip(starts) {
        let distance = (*start as i64 - unwind as i64) as i32;
        out.extend_from_slice(&distance.to_le_bytes());
        out.extend_from_slice(&(mix(function.seed, 2) as u32 & 0xff8).to_le_bytes());
    }
    let exported = || {
        functions
            .iter()
            .zip(starts)
            .filter(|(function, _)| function.id % 4 == 0)
    };
    let mut names = Vec::new();
    for (function, start) in exported() {
        out.extend_from_slice(&(names.len() as u32).to_le_bytes());
        out.extend_from_slice(&[0x12, 0, 0x0d, 0]);
        out.extend_from_slice(&(LOAD_ADDRESS + *start as u64).to_le_bytes());
        let mut dice = Dice::new(mix(seed, u64::from(function.id)));
        for part in [text::name(&mut dice), "_", text::name(&mut dice), "\0"] {
            names.extend_from_slice(part.as_bytes());
        }
    }
    out.append(&mut names);
}

#[cfg(test)]
mod tests {
    use super::super::recipe::{Edit, FileKind, FileRecipe};

    fn written(content: &FileRecipe) -> Vec<u8> {
        let mut out = Vec::new();
        content.write("name 1.2.3", &mut out);
        out
    }

    #[test]
    fn a_binary_is_about_as_big_as_planned() {
        let planned = 1_000_000;
        let bytes = written(&FileRecipe::new(FileKind::Code, 3, planned)).len() as u64;
        assert!(
            bytes > planned * 9 / 10 && bytes < planned * 11 / 10,
            "{bytes}"
        );
    }

    #[test]
    fn linking_again_changes_bytes_everywhere_but_few_of_them() {
        let mut content = FileRecipe::new(FileKind::Code, 3, 1_000_000);
        let old = written(&content);
        content.edits.push(Edit::Insert { seed: 4, units: 1 });
        let new = written(&content);
        // Every page is found again at some shift, and yet in most of them a byte differs there.
        let (mut same, mut pages, mut changed) = (0, 0, 0);
        for (at, page) in old.chunks_exact(4096).enumerate().skip(1) {
            let kept = |shift: usize| {
                let there = new[at * 4096..].iter().skip(shift);
                page.iter().zip(there).filter(|(a, b)| a == b).count()
            };
            let best = (0..2048).step_by(16).map(kept).max().unwrap();
            (same, pages, changed) = (same + best, pages + 1, changed + usize::from(best < 4096));
        }
        assert!(same > pages * 4096 * 8 / 10, "{same} of {pages} pages");
        assert!(changed > pages / 2, "{changed} of {pages}");
    }
}
