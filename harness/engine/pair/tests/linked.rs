//! Small programs for tests, linked by hand: every kind of reference is in them, and in the next release all of them move.

use std::collections::HashMap;

use super::super::elf::{self, Form, Kind, arm64};
use super::super::{Base, Effort, Encoder, Prepared};
use super::{Pair, assert_round_trip};
use crate::engine::ideas::Ideas;

/// Where the file is loaded.
const ADDRESS: u32 = 0x40_0000;
const FUNCTIONS: usize = 90;
/// Entries of the jump table, at the beginning of `.rodata`.
const TABLE: usize = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    X86,
    Arm,
}

/// A number for each number, without a pattern.
fn mix(number: u64, salt: u64) -> u64 {
    let number = (number + salt * 1000 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    number.rotate_left(29).wrapping_mul(0xc2b2_ae3d_27d4_eb4f)
}

/// What a field refers to.
#[derive(Clone, Copy)]
enum Place {
    Function(usize),
    Data(u32),
}

/// A part of a function.
enum Part {
    Bytes(Vec<u8>),
    /// An instruction that ends in a distance, counted from its end.
    Relative(Vec<u8>, Place),
    /// An instruction that ends in an address.
    Absolute(Vec<u8>, Place),
    /// An instruction of AArch64.
    Word(Kind, u32, Place),
}

impl Part {
    fn len(&self) -> usize {
        match self {
            Part::Bytes(bytes) => bytes.len(),
            Part::Relative(start, _) | Part::Absolute(start, _) => start.len() + 4,
            Part::Word(..) => 4,
        }
    }
}

/// A function: what it does depends on its number, and in a later release there is more of some.
fn function(machine: Machine, number: usize, release: u32) -> Vec<Part> {
    let other = |by: usize| Place::Function((number * 7 + by) % FUNCTIONS);
    let data = Place::Data(TABLE as u32 * 4 + number as u32 * 8);
    let table = Place::Data(0);
    let once = (mix(number as u64, 1) as u32).to_le_bytes();
    let longer = number % 30 == 4 && release > 1;
    match machine {
        Machine::X86 => {
            let mut parts = vec![
                Part::Bytes([&[0x55, 0xb8][..], &once].concat()),
                Part::Relative(vec![0xe8], other(1)),
                Part::Relative(
                    vec![0x48, 0x8d, 0x05],
                    if number == 0 { table } else { data },
                ),
                Part::Bytes(vec![0xeb, 2, 0x66, 0x90]),
                Part::Relative(vec![0x0f, 0x84], other(2)),
                Part::Relative(vec![0x8b, 0x05], data),
                Part::Absolute(vec![0xbf], data),
                Part::Relative(vec![0xe9], other(3)),
                Part::Bytes(vec![0xc3]),
            ];
            if longer {
                let more = [vec![0xb9], release.to_le_bytes().to_vec(), vec![0x01, 0xc8]];
                parts.insert(1, Part::Bytes(more.concat()));
            }
            parts
        }
        Machine::Arm => {
            let word = |word: u32| Part::Bytes(word.to_le_bytes().to_vec());
            let mut parts = vec![
                word(0xd280_0000 | u32::from(once[0]) << 5 | u32::from(once[1]) << 10),
                word(0xf2a0_0000 | u32::from(once[2]) << 5 | u32::from(once[3]) << 10),
                Part::Word(Kind::ArmCall, 0x9400_0000, other(1)),
                Part::Word(Kind::Page, 0x9000_0001, data),
                Part::Word(Kind::Low, 0x9100_0021, data),
                Part::Word(Kind::ArmBranch, 0x5400_0000, other(2)),
                Part::Word(Kind::ArmAddress, 0x1000_0002, data),
                Part::Word(Kind::ArmJump, 0x1400_0000, other(3)),
                word(0xd65f_03c0),
            ];
            // Its distance must be a short one.
            parts.insert(
                3,
                Part::Word(Kind::ArmTest, 0x3618_0000, Place::Function(number)),
            );
            if longer {
                parts.insert(2, word(0x1100_0400 | release << 10));
            }
            parts
        }
    }
}

struct Section {
    name: &'static str,
    kind: u32,
    flags: u32,
    bytes: Vec<u8>,
}

/// Bytes that are appended to, number by number.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn put(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn u32(&mut self, number: u32) -> &mut Self {
        self.put(&number.to_le_bytes())
    }

    fn u64(&mut self, number: u32) -> &mut Self {
        self.put(&u64::from(number).to_le_bytes())
    }
}

/// The sections, where they lie at the addresses that `at` gives. How long they are does not depend on it.
fn sections(machine: Machine, release: u32, at: &dyn Fn(&str) -> u32) -> Vec<Section> {
    let functions: Vec<_> = (0..FUNCTIONS)
        .map(|number| function(machine, number, release))
        .collect();
    let mut starts = vec![at(".text")];
    for function in &functions {
        let length: usize = function.iter().map(Part::len).sum();
        starts.push(starts[starts.len() - 1] + length as u32);
    }
    let address = |place: Place| match place {
        Place::Function(number) => starts[number],
        Place::Data(offset) => at(".rodata") + offset,
    };

    let mut text = Bytes::default();
    for part in functions.iter().flatten() {
        let here = starts[0] + text.0.len() as u32;
        let end = here + part.len() as u32;
        match part {
            Part::Bytes(bytes) => text.put(bytes),
            Part::Relative(start, to) => text.put(start).u32(address(*to).wrapping_sub(end)),
            Part::Absolute(start, to) => text.put(start).u32(address(*to)),
            Part::Word(kind, word, to) => text.u32(arm64::field(*kind, *word, here, address(*to))),
        };
    }

    let mut rodata = Bytes::default();
    for number in 0..TABLE {
        rodata.u32(starts[number * 9].wrapping_sub(at(".rodata")));
    }
    for number in 0..FUNCTIONS as u64 {
        rodata.put(&mix(number, 2).to_le_bytes());
    }

    let names: Vec<String> = (0..FUNCTIONS).map(|number| format!("f{number}")).collect();
    let mut strings = Bytes(vec![0]);
    let mut symbols = Bytes(vec![0; 24]);
    for (number, name) in names.iter().enumerate() {
        symbols.u32(strings.0.len() as u32).put(&[0x12, 0, 1, 0]);
        symbols.u64(starts[number]);
        symbols.u64(starts[number + 1] - starts[number]);
        strings.put(name.as_bytes()).put(&[0]);
    }

    let mut hash = Bytes::default();
    hash.u32(8).u32(1).u32(1).u32(6).put(&[0x5a; 8]);
    for bucket in 0..8 {
        hash.u32(1 + bucket * 11);
    }

    let mut versions = Bytes::default();
    versions.put(&[1, 0, 1, 0]).u32(1).u32(16).u32(0);
    versions.u32(0x0691_1974).u32(0x2_0000).u32(4).u32(0);

    let (mut relocations, mut got) = (Bytes::default(), Bytes::default());
    for number in 0..20 {
        relocations.u64(at(".got") + number * 8).u32(8);
        match number % 4 {
            3 => relocations.u32(number + 1).u64(0),
            _ => relocations.u32(0).u64(starts[number as usize * 2]),
        };
        got.u64(starts[number as usize * 2]);
    }

    let (mut frames, mut index) = (Bytes::default(), Bytes(vec![1, 0x1b, 3, 0x3b]));
    let place = |frames: &Bytes| at(".eh_frame") + frames.0.len() as u32;
    frames.u32(28).u32(0).put(b"\x01zPLR\0\x01\x78\x10\x07\x1b");
    let from = place(&frames);
    frames.u32(starts[5].wrapping_sub(from)).put(&[0x1b, 0x1b]);
    frames.0.resize(32, 0);
    let header = at(".eh_frame_hdr");
    index
        .u32(at(".eh_frame").wrapping_sub(header + 4))
        .u32(FUNCTIONS as u32);
    for number in 0..FUNCTIONS {
        index.u32(starts[number].wrapping_sub(header));
        index.u32(place(&frames).wrapping_sub(header));
        frames.u32(20);
        let back = frames.0.len() as u32;
        let from = place(&frames) + 4;
        frames.u32(back).u32(starts[number].wrapping_sub(from));
        frames.u32(starts[number + 1] - starts[number]).put(&[4]);
        let from = place(&frames);
        frames.u32(address(Place::Data(number as u32 * 4)).wrapping_sub(from));
        frames.put(&[0; 3]);
    }

    let mut dynamic = Bytes::default();
    for (tag, value) in [
        (1, 1),
        (5, at(".dynstr")),
        (6, at(".dynsym")),
        (7, at(".rela.dyn")),
        (8, relocations.0.len() as u32),
        (10, strings.0.len() as u32),
        (0, 0),
    ] {
        dynamic.u64(tag).u64(value);
    }

    let loaded = |name, kind, flags, bytes: Bytes| Section {
        name,
        kind,
        flags,
        bytes: bytes.0,
    };
    vec![
        loaded(".gnu.hash", 0x6fff_fff6, 2, hash),
        loaded(".dynsym", 11, 2, symbols),
        loaded(".dynstr", 3, 2, strings),
        loaded(".gnu.version_r", 0x6fff_fffe, 2, versions),
        loaded(".rela.dyn", 4, 2, relocations),
        loaded(".text", 1, 6, text),
        loaded(".rodata", 1, 2, rodata),
        loaded(".eh_frame_hdr", 1, 2, index),
        loaded(".eh_frame", 1, 2, frames),
        loaded(".dynamic", 6, 3, dynamic),
        loaded(".got", 1, 3, got),
        loaded(".shstrtab", 3, 0, Bytes::default()),
    ]
}

/// A program for this machine, at fixed addresses. Of another release some functions are longer, so all behind them moves.
pub fn program(machine: Machine, release: u32) -> Vec<u8> {
    let mut laid = sections(machine, release, &|_| 0);
    let names: Vec<&str> = laid.iter().map(|section| section.name).collect();
    let mut places = Vec::new();
    let mut at = 64_usize + 56;
    for section in &mut laid {
        if section.name == ".shstrtab" {
            section.bytes = names
                .iter()
                .flat_map(|name| [name.as_bytes(), b"\0"].concat())
                .collect();
        }
        at = at.next_multiple_of(16);
        places.push(at as u32);
        at += section.bytes.len();
    }
    let table = at.next_multiple_of(8) as u32;
    let of = |name: &str| {
        let section = names.iter().position(|known| *known == name);
        ADDRESS + places[section.expect("a section")]
    };
    let linked = sections(machine, release, &of);
    let strings = laid.len() - 1;
    let end = places[strings];

    let number = match machine {
        Machine::X86 => 62,
        Machine::Arm => 183,
    };
    let mut file = Bytes(b"\x7fELF\x02\x01\x01".to_vec());
    file.0.resize(16, 0);
    file.put(&[2, 0, number, 0]).u32(1);
    file.u64(of(".text")).u64(64).u64(table).u32(0);
    for field in [64_u16, 56, 1, 64, laid.len() as u16, strings as u16] {
        file.put(&field.to_le_bytes());
    }
    file.u32(1).u32(7).u64(0).u64(ADDRESS).u64(ADDRESS);
    file.u64(end).u64(end + 0x100).u64(0x1000);
    for (nth, section) in linked.iter().enumerate() {
        file.0.resize(places[nth] as usize, 0);
        match nth == strings {
            true => file.put(&laid[nth].bytes),
            false => file.put(&section.bytes),
        };
    }
    file.0.resize(table as usize, 0);
    let mut name = 0;
    for (nth, section) in linked.iter().enumerate() {
        let address = match section.flags {
            0 => 0,
            _ => ADDRESS + places[nth],
        };
        file.u32(name).u32(section.kind).u64(section.flags);
        file.u64(address).u64(places[nth]);
        file.u64(laid[nth].bytes.len() as u32).u64(0).u64(16).u64(0);
        name += section.name.len() as u32 + 1;
    }
    file.0
}

/// How many references of each kind the finders see. Another count is another format.
const OF_TABLES: &[(Kind, usize)] = &[
    (Kind::Pointer, 20),
    (Kind::Slot, 20),
    (Kind::Addend, 15),
    (Kind::Symbol, 13),
    (Kind::SymbolValue, 90),
    (Kind::SymbolSize, 90),
    (Kind::Name, 93),
    (Kind::FrameStart, 90),
    (Kind::FrameLength, 90),
    (Kind::FrameData, 92),
    (Kind::FrameParent, 90),
    (Kind::FrameIndex, 180),
    (Kind::Header, 17),
    (Kind::HeaderLength, 15),
    (Kind::HeaderOffset, 13),
    (Kind::HeaderExtent, 1),
];
const OF_X86: &[(Kind, usize)] = &[
    (Kind::Call, 90),
    (Kind::Jump, 90),
    (Kind::Branch, 90),
    (Kind::Short, 90),
    (Kind::Data, 180),
    (Kind::Immediate, 90),
    (Kind::JumpTable, 5),
];
const OF_ARM: &[(Kind, usize)] = &[
    (Kind::ArmCall, 90),
    (Kind::ArmJump, 90),
    (Kind::ArmBranch, 90),
    (Kind::ArmTest, 90),
    (Kind::ArmAddress, 90),
    (Kind::Page, 90),
    (Kind::Low, 90),
];

#[test]
fn every_kind_of_reference_is_found_and_none_is_lost() {
    assert_eq!(OF_TABLES.len() + OF_X86.len() + OF_ARM.len(), Kind::COUNT);
    for (machine, code) in [(Machine::X86, OF_X86), (Machine::Arm, OF_ARM)] {
        let found = elf::find(&program(machine, 1), usize::MAX).unwrap();
        let mut counts = HashMap::new();
        for reference in &found.refs {
            *counts.entry(reference.kind).or_default() += 1;
        }
        let expected = OF_TABLES.iter().chain(code).copied().collect();
        assert_eq!(counts, expected, "{machine:?}");
    }
}

/// From the Arm Architecture Reference Manual: an instruction, where it is, and what it refers to.
#[test]
fn instructions_of_arm_refer_to_what_the_manual_says() {
    for (kind, word, place, target) in [
        (Kind::ArmCall, 0x9400_0002, 0x1000, 0x1008),
        (Kind::ArmCall, 0x97ff_ffff, 0x1000, 0x0ffc),
        (Kind::ArmJump, 0x1400_0001, 0x1000, 0x1004),
        (Kind::ArmBranch, 0x5400_0080, 0x1000, 0x1010),
        (Kind::ArmBranch, 0xb400_0040, 0x1000, 0x1008),
        (Kind::ArmBranch, 0x5800_0040, 0x1000, 0x1008),
        (Kind::ArmTest, 0x3618_0040, 0x1000, 0x1008),
        (Kind::ArmAddress, 0x3000_0020, 0x1000, 0x1005),
        (Kind::Page, 0xb000_0000, 0x1234, 0x2000),
        (Kind::Low, 0x9104_8c00, 0x1000, 0x123),
        (Kind::Low, 0xf940_0c01, 0x1000, 0x18),
    ] {
        assert_eq!(arm64::target(kind, word, place), target, "{word:#x}");
        assert_eq!(arm64::field(kind, word, place, target), word, "{word:#x}");
    }
}

#[test]
fn what_a_word_of_arm_refers_to_makes_the_word_again() {
    let program = program(Machine::Arm, 1);
    let elf = elf::Elf::parse(&program).unwrap();
    let found = elf::find(&program, usize::MAX).unwrap();
    let words = found.refs.iter();
    let words = words.filter(|reference| reference.kind.form() == Form::Word);
    let mut count = 0;
    for reference in words {
        let word = elf::word(&program, reference.at as usize).unwrap();
        let place = elf.address(reference.at as usize).unwrap();
        let again = arm64::field(reference.kind, word, place, reference.target);
        assert_eq!(again, word, "{:?} at {:#x}", reference.kind, reference.at);
        count += 1;
    }
    assert!(count >= FUNCTIONS * 7, "{count}");
}

/// Nearly all that changes from one release to the next is where things are.
#[test]
fn a_program_that_was_linked_again_costs_what_is_new_in_it() {
    for machine in [Machine::X86, Machine::Arm] {
        let pair: Pair = (program(machine, 1), program(machine, 2));
        assert_round_trip(std::slice::from_ref(&pair));
        let coded = |references: bool| {
            let ideas = Ideas {
                references,
                ..Ideas::default()
            };
            let mut encoder = Encoder::new(Effort::Best, &ideas);
            let load = || Ok((Base::from(pair.0.clone()), pair.1.clone()));
            encoder.file(&Prepared::new(load, &ideas).unwrap()).unwrap();
            encoder.finish().unwrap().len()
        };
        let (with, without) = (coded(true), coded(false));
        assert!(
            with < BOUND && with * 5 < without,
            "{machine:?}: {with} bytes, {without} without references"
        );
    }
}

/// Bytes that the second release may take.
const BOUND: usize = 300;
