//! A unit: bytes made from a part of the base, by operations or by one zstd frame.

use std::sync::Arc;

use anyhow::{Result, ensure};

use super::align::Op;
use super::coder::{BitWriter, Coder};
use super::content::{self, Bulk, OpModel};
use super::copying::Copying;
use super::elf::{self, Elf, References};
use super::literals::Literals;
use super::map::AddressMap;
use super::model::{Bit, Number, QUICK, fold, unfold};
use super::predict::Prediction;
use super::{Effort, frame, mask, window};
use crate::engine::ideas::Ideas;

/// What a group has learned.
pub struct Models {
    pub starts: Number,
    pub bulk: Bulk,
    pub frames: Vec<u8>,
    is_frame: Bit,
    frame_lengths: Number,
    shifts: Number,
    ops: OpModel,
    copying: Copying,
    literals: Literals,
    is_mixed: Bit,
    has_references: Bit,
    /// Literals of a unit that an encoder mixes; more are packed in bulk.
    most_mixed: u64,
}

impl Models {
    /// An upper bound of what the models take.
    pub const BYTES: u64 = 32 << 20;

    pub fn new(effort: Effort, mixing: bool) -> Self {
        Self {
            starts: Number::new(),
            bulk: Bulk::default(),
            frames: Vec::new(),
            is_frame: Bit::EVEN,
            frame_lengths: Number::new(),
            shifts: Number::new(),
            ops: OpModel::new(),
            copying: Copying::new(),
            literals: Literals::new(),
            is_mixed: Bit::EVEN,
            has_references: Bit::EVEN,
            most_mixed: match effort {
                Effort::Best if mixing => MIXED,
                _ => 0,
            },
        }
    }
}

impl Models {
    /// Bytes of literals that were mixed so far, which later ones are held against.
    pub fn past_bytes(&self) -> u64 {
        self.literals.past_bytes() as u64
    }

    /// Codes, for each segment of the base, the new file's addresses less its offsets.
    fn shifts<C: Coder>(&mut self, coder: &mut C, found: &References, new: &[u8]) -> Vec<u32> {
        let new = Elf::parse(new).map(|elf| elf.segments).unwrap_or_default();
        let own = |segment: &elf::Segment| segment.address.wrapping_sub(segment.offset);
        let shifts = found.segments.iter().enumerate().map(|(number, segment)| {
            let (number, old) = match number.checked_sub(found.first_segments) {
                Some(number) => (number, own(segment).wrapping_sub(found.second_shift)),
                None => (number, own(segment)),
            };
            let new = new.get(number).map_or(old, own);
            let change = self.shifts.code(coder, fold(new.wrapping_sub(old) as i32));
            old.wrapping_add(unfold(change) as u32)
        });
        shifts.collect()
    }
}

/// Bytes to be made, and what they are made from.
pub struct Unit<'a> {
    pub base: &'a [u8],
    /// Where a second program begins in the base.
    pub split: Option<usize>,
    pub new: &'a [u8],
}

/// A unit with its operations: what does not depend on an encoder's effort or models.
pub struct Prepared {
    found: Option<Arc<References>>,
    ops: Vec<Op>,
    /// What the operations will take beside their literals, in bytes, where frames may be tried.
    others: Option<usize>,
}

impl Prepared {
    /// Aligns. Where base and new file are programs it masks the references of both, and says so.
    pub fn new(
        base: &mut [u8],
        split: Option<usize>,
        new: &mut [u8],
        ideas: &Ideas,
    ) -> (Self, bool) {
        let is_masked = ideas.references && mask(base, split, new, ideas);
        let ops = match ideas.copies {
            true => window::align(base, new, GAIN),
            false => Vec::new(),
        };
        let prepared = Self {
            found: None,
            others: ideas.frames.then(|| frame::others(base, new, &ops)),
            ops,
        };
        (prepared, is_masked)
    }

    /// Finds the references of the base, as it was before.
    pub fn find(&mut self, base: &[u8], split: Option<usize>, ideas: &Ideas) {
        if ideas.references {
            let found = references(base, split);
            self.found = elf::merge(found, split.unwrap_or(base.len())).map(Arc::new);
        }
    }

    /// Codes the unit that was prepared, of the same bytes.
    pub fn encode(
        &self,
        unit: &Unit,
        coder: &mut BitWriter,
        models: &mut Models,
        effort: Effort,
    ) -> Result<()> {
        let frame = match self.others {
            Some(others) => frame::if_smaller(unit.base, unit.new, &self.ops, others, effort)?,
            None => None,
        };
        models.is_frame.code(coder, frame.is_some(), QUICK);
        if let Some(frame) = frame {
            models.frame_lengths.code(coder, frame.len() as u32);
            models.frames.extend_from_slice(&frame);
            return Ok(());
        }
        let found = self.found.clone();
        models.has_references.code(coder, found.is_some(), QUICK);
        unit.code(coder, models, &self.ops, unit.new.len(), found, usize::MAX)?;
        Ok(())
    }
}

/// Masks the references of a base's files and of a new file, where the first and the new one are programs. References take more
/// memory than their files may, so those of one side are gone before those of the other are found.
fn mask(base: &mut [u8], split: Option<usize>, new: &mut [u8], ideas: &Ideas) -> bool {
    if parts(base, split)[0].and_then(Elf::parse).is_none() {
        return false;
    }
    let Some(of_new) = elf::find(new, MOST_REFERENCES) else {
        return false;
    };
    mask::mask(new, &of_new, ideas);
    drop(of_new);
    let found = references(base, split);
    let (first, second) = base.split_at_mut(split.unwrap_or(base.len()));
    for (part, found) in [first, second].into_iter().zip(&found) {
        if let Some(found) = found {
            mask::mask(part, found, ideas);
        }
    }
    true
}

/// The files of a base, the second of which begins at `split`.
fn parts(base: &[u8], split: Option<usize>) -> [Option<&[u8]>; 2] {
    match split {
        Some(split) => [Some(&base[..split]), Some(&base[split..])],
        None => [Some(base), None],
    }
}

/// The references of the files of a base, the same ones for encoder and decoder.
fn references(base: &[u8], split: Option<usize>) -> [Option<References>; 2] {
    let mut most = MOST_REFERENCES;
    parts(base, split).map(|part| {
        let found = elf::find(part?, most)?;
        most -= found.refs.len().min(most);
        Some(found)
    })
}

impl Unit<'_> {
    /// The next `new_len` bytes, in at most `memory` bytes beside them and the references.
    pub fn decode<C: Coder>(
        &self,
        coder: &mut C,
        models: &mut Models,
        frames: &mut &[u8],
        new_len: usize,
        memory: u64,
    ) -> Result<Vec<u8>> {
        if models.is_frame.code(coder, false, QUICK) {
            let length = models.frame_lengths.code(coder, 0) as usize;
            ensure!(length <= frames.len(), "a frame ends after its stream does");
            let (frame, rest) = frames.split_at(length);
            *frames = rest;
            return frame::unpack(self.base, frame, new_len);
        }
        let most = memory as usize / 4 / size_of::<Op>();
        let found = match models.has_references.code(coder, false, QUICK) {
            true => references(self.base, self.split),
            false => [None, None],
        };
        let found = elf::merge(found, self.split.unwrap_or(self.base.len()));
        self.code(coder, models, &[], new_len, found.map(Arc::new), most)
    }

    fn code<C: Coder>(
        &self,
        coder: &mut C,
        models: &mut Models,
        ops: &[Op],
        new_len: usize,
        found: Option<Arc<References>>,
        most: usize,
    ) -> Result<Vec<u8>> {
        let sizes = (self.base.len(), new_len);
        let ops = models.ops.code(coder, ops, sizes, most)?;
        let literals: u64 = ops.iter().map(|op| u64::from(op.literal)).sum();
        let most = match found.is_some() {
            true => models.most_mixed,
            false => models.most_mixed / OTHERS,
        };
        let is_mixed = (1..=most).contains(&literals);
        let is_mixed = models.is_mixed.code(coder, is_mixed, QUICK);
        let found = found.unwrap_or_default();
        let shifts = models.shifts(coder, &found, self.new);
        let map = AddressMap::new(&ops, found.segments.clone(), shifts);
        let mut prediction = Prediction::new(found, map);
        content::code(
            coder,
            &mut models.copying,
            &mut models.bulk,
            is_mixed.then_some(&mut models.literals),
            &mut prediction,
            (self.base, self.new),
            &ops,
        )
    }
}

/// References that are found in all files of a base, each of 16 bytes. A part of the format: what a decoder leaves out, its
/// encoder must leave out too. Of a new file no more are masked, since the base has no more.
const MOST_REFERENCES: usize = 6 << 20;

/// Literals of a program that are mixed at most: at about a microsecond a byte, in seconds.
const MIXED: u64 = 4 << 20;

/// How many times fewer are mixed in a file that is no program.
const OTHERS: u64 = 4;

/// Bytes that a copy must have right beyond what the current alignment has.
const GAIN: usize = 6;
