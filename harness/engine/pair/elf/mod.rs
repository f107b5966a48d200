//! References in ELF files: fields that hold a place of the file, and so change when that place moves.
//!
//! They are found in one file alone, so that the decoder finds the same ones in the base without help.
//! Everything here is total: a file that lies gives fewer references, or useless ones, never a failure.
//! Version 2, frozen: what is found decides bytes.

pub mod arm64;
mod file;
mod headers;
mod tables;
mod unwind;
mod x86;

use std::ops::Range;

pub use file::{Elf, Section, Segment, offset_of};

/// What a reference's field means. The number is a context of the coder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Call,
    Jump,
    Branch,
    /// A jump or branch whose field is one byte.
    Short,
    /// The address of data, in an instruction.
    Data,
    /// An absolute address, in an instruction.
    Immediate,
    /// An absolute address, in data.
    Pointer,
    Slot,
    Addend,
    /// The index of a dynamic symbol.
    Symbol,
    SymbolValue,
    /// A length: from the anchor to the target, which is an end.
    SymbolSize,
    /// An offset into the dynamic strings, which the anchor is.
    Name,
    FrameStart,
    FrameLength,
    FrameData,
    /// How far back the field's CIE is.
    FrameParent,
    FrameIndex,
    JumpTable,
    Header,
    HeaderLength,
    /// An offset in the file.
    HeaderOffset,
    /// A length of something that has a place in the file and no address.
    HeaderExtent,
    ArmCall,
    ArmJump,
    ArmBranch,
    ArmTest,
    ArmAddress,
    /// The page of an address, and its bits below the page.
    Page,
    Low,
}

impl Kind {
    pub const COUNT: usize = 30;

    /// Bytes of the field.
    pub fn width(self) -> usize {
        match self {
            Self::Short => 1,
            _ => 4,
        }
    }

    /// How field and target belong together.
    pub fn form(self) -> Form {
        use Kind::*;
        match self {
            Call | Jump | Branch | Short | Data | FrameStart | FrameData => Form::Relative,
            Immediate | Pointer | Slot | Addend | SymbolValue | Header => Form::Absolute,
            Name | FrameIndex | JumpTable => Form::Anchored,
            SymbolSize | FrameLength | HeaderLength => Form::Length,
            FrameParent => Form::Back,
            Symbol => Form::Symbol,
            HeaderOffset => Form::Offset,
            HeaderExtent => Form::Extent,
            ArmCall | ArmJump | ArmBranch | ArmTest | ArmAddress | Page | Low => Form::Word,
        }
    }
}

/// How a field's value is made from its target. All arithmetic wraps at 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// target - (field's address + tail)
    Relative,
    /// target
    Absolute,
    /// target - anchor, both addresses
    Anchored,
    /// target - anchor, the target an end
    Length,
    /// field's address - target
    Back,
    /// the index of a symbol
    Symbol,
    /// target, an offset in the file
    Offset,
    /// target - anchor, both offsets, the target an end
    Extent,
    /// bits of an instruction word, which the anchor is
    Word,
}

/// One field.
#[derive(Clone, Copy, Debug)]
pub struct Ref {
    /// Its offset in the file.
    pub at: u32,
    /// What it refers to: an address, an offset or an index, by its form.
    pub target: u32,
    pub anchor: u32,
    pub kind: Kind,
    /// Bytes from the field to where its value counts from.
    pub tail: u8,
}

/// What bytes are, for contexts.
pub const CODE: usize = 1;
pub const FRAMES: usize = 2;
pub const TABLES: usize = 3;
pub const DATA: usize = 4;
pub const CLASSES: usize = 5;

/// All references of a file, sorted by place, none overlapping.
#[derive(Clone, Default)]
pub struct References {
    pub refs: Vec<Ref>,
    pub segments: Vec<Segment>,
    /// Classes of bytes, sorted by place.
    pub classes: Vec<(Range<u32>, usize)>,
    pub symbols: Symbols,
    /// Of two files: those of the second, and what tells its places from the first's.
    pub second: Symbols,
    pub first_segments: usize,
    pub second_shift: u32,
}

/// What is added to addresses and symbol numbers of a second file: those of one file are below it.
pub const SECOND: u32 = 1 << 31;

/// The references of two files one behind the other, the first of `split` bytes. None unless the first has some.
pub fn merge(found: [Option<References>; 2], split: usize) -> Option<References> {
    let [first, second] = found;
    let mut all = first?;
    all.first_segments = all.segments.len();
    let Some(second) = second else {
        return Some(all);
    };
    let split = split as u32;
    all.second_shift = SECOND.wrapping_sub(split);
    all.refs
        .extend(second.refs.into_iter().map(|mut reference| {
            reference.at += split;
            let (target, anchor) = match reference.kind.form() {
                Form::Offset | Form::Extent => (split, split),
                Form::Word => (SECOND, 0),
                _ => (SECOND, SECOND),
            };
            reference.target = reference.target.wrapping_add(target);
            reference.anchor = reference.anchor.wrapping_add(anchor);
            reference
        }));
    all.segments
        .extend(second.segments.iter().map(|segment| Segment {
            offset: segment.offset + split,
            address: segment.address.wrapping_add(SECOND),
            ..*segment
        }));
    let moved = |range: &Range<u32>| range.start + split..range.end + split;
    let classes = second.classes.iter();
    all.classes
        .extend(classes.map(|(range, class)| (moved(range), *class)));
    all.second.table = moved(&second.symbols.table);
    Some(all)
}

/// Where the dynamic symbols and what they name are.
#[derive(Clone, Default)]
pub struct Symbols {
    /// The file offsets of the symbol table, the strings, and the relocations of the PLT.
    pub table: Range<u32>,
    pub strings: Range<u32>,
    pub jumps: Range<u32>,
    pub relocations: Range<u32>,
    /// The address of the PLT's first stub, and what one stub takes.
    pub stubs: u32,
    pub stub_size: u32,
    pub stub_end: u32,
}

impl Symbols {
    /// The address of the stub for the PLT's relocation `number`.
    pub fn stub(&self, number: u32) -> u32 {
        self.stubs.wrapping_add(number.wrapping_mul(self.stub_size))
    }
}

/// The references of `bytes`: none unless it is an ELF file for a known machine. At most `most`.
pub fn find(bytes: &[u8], most: usize) -> Option<References> {
    let elf = Elf::parse(bytes)?;
    let mut finder = Finder {
        elf: &elf,
        refs: Vec::new(),
        most,
        budget: bytes.len() * 2 + 65_536,
    };
    headers::find(&mut finder);
    let symbols = tables::find(&mut finder);
    unwind::find(&mut finder);
    x86::find(&mut finder);
    arm64::find(&mut finder);
    let mut refs = finder.refs;
    refs.shrink_to_fit();
    refs.sort_by_key(|reference| reference.at);
    let mut end = 0;
    refs.retain(|reference| {
        let fits = reference.at >= end;
        if fits {
            end = reference.at + reference.kind.width() as u32;
        }
        fits
    });
    Some(References {
        refs,
        classes: elf.classes(),
        segments: elf.segments,
        symbols,
        ..References::default()
    })
}

/// Collects references.
struct Finder<'a> {
    elf: &'a Elf<'a>,
    refs: Vec<Ref>,
    most: usize,
    /// Bytes that may still be looked at: sections that overlap are not read again and again.
    budget: usize,
}

impl<'a> Finder<'a> {
    /// The bytes of a section, if it may still be read.
    fn open(&mut self, section: &Section) -> Option<&'a [u8]> {
        let bytes = self.elf.bytes.get(section.range())?;
        self.budget = self.budget.checked_sub(bytes.len())?;
        Some(bytes)
    }

    fn push(&mut self, at: usize, kind: Kind, target: u32, anchor: u32, tail: u8) {
        let inside = at + kind.width() <= self.elf.bytes.len();
        if inside && self.refs.len() < self.most {
            self.refs.push(Ref {
                at: at as u32,
                target,
                anchor,
                kind,
                tail,
            });
        }
    }

    /// A field whose target is its value.
    fn absolute(&mut self, at: usize, kind: Kind) {
        if let Some(value) = word(self.elf.bytes, at)
            && self.elf.is_mapped(value)
        {
            self.push(at, kind, value, 0, 0);
        }
    }

    /// A field that counts from its own address.
    fn relative(&mut self, at: usize, kind: Kind) {
        if let (Some(value), Some(address)) = (word(self.elf.bytes, at), self.elf.address(at)) {
            let target = address.wrapping_add(value);
            if self.elf.is_mapped(target) {
                self.push(at, kind, target, 0, 0);
            }
        }
    }

    /// A field that counts from `anchor`.
    fn anchored(&mut self, at: usize, kind: Kind, anchor: u32) {
        if let Some(value) = word(self.elf.bytes, at) {
            self.push(at, kind, anchor.wrapping_add(value), anchor, 0);
        }
    }
}

/// The little-endian word at an offset.
pub fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let field = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(field.try_into().ok()?))
}

/// The little-endian half word at an offset.
fn half(bytes: &[u8], at: usize) -> Option<u16> {
    let field = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_le_bytes(field.try_into().ok()?))
}
