//! The pair coder: a changed file from its base, many files in a row over one adaptive model.
//!
//! A *group* holds the files of one encoder. Each file is cut into units (see [`window`]), and each unit is either
//! operations with their content (`content`) or one zstd frame with its base as dictionary, whichever is smaller.
//! The decoder trusts neither the group nor the base: it fails, or makes bytes that the caller's hash refuses.

mod align;
mod coder;
mod content;
mod copying;
mod cost;
mod elf;
mod frame;
mod literals;
mod made;
mod map;
mod mask;
mod mix;
mod model;
mod names;
mod predict;
mod streams;
#[cfg(test)]
pub(super) mod tests;
mod unit;
mod window;
#[cfg(test)]
mod worth;

use std::ops::Range;

use anyhow::{Context, Result, ensure};

use super::ideas::Ideas;
use coder::{BitReader, BitWriter};
pub use cost::Part;
use unit::Models;
pub(super) use window::align;

/// How much time an encoder may spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Literals are packed by LZMA.
    Fast = 0,
    /// Literals of programs are mixed from several contexts; those of other files are packed by LZMA.
    Best = 1,
}

/// What a decoder may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes that a decoder may allocate, its output included; the base, its references and the group not.
    pub memory_bytes: u64,
}

/// What a file is made from: one file, or two that are programs, one behind the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Base {
    pub bytes: Vec<u8>,
    /// Where the second begins, if there is one.
    pub split: Option<usize>,
}

impl From<Vec<u8>> for Base {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, split: None }
    }
}

impl Base {
    /// Puts a second file behind the bytes so far; an empty first is none.
    pub fn push(&mut self, second: Vec<u8>) {
        match self.bytes.is_empty() {
            true => self.bytes = second,
            false => {
                self.split = Some(self.bytes.len());
                self.bytes.extend(second);
            }
        }
    }
}

/// Makes a group.
pub struct Encoder {
    effort: Effort,
    coder: BitWriter,
    models: Models,
}

/// A file that a decoder will make from its base, with what every encoder needs of it: its units, aligned.
pub struct Prepared {
    base: Base,
    new: Vec<u8>,
    units: Vec<Aligned>,
}

/// A unit of a file: its part of the base and where a second file begins in that, its part of the new file.
struct Aligned {
    window: Range<usize>,
    split: Option<usize>,
    range: Range<usize>,
    prepared: unit::Prepared,
}

impl Prepared {
    /// Prepares the base and the file that `load` gives; they may be empty, with any contents. Programs are masked where they
    /// lie, which saves a copy of each, and are asked for once more after that.
    pub fn new(mut load: impl FnMut() -> Result<(Base, Vec<u8>)>, ideas: &Ideas) -> Result<Self> {
        let (mut base, mut new) = load()?;
        let mut units = Vec::new();
        for range in window::windows(&base.bytes, new.len()) {
            let window = window::choose(&base.bytes, &new, &range);
            let split = window::split(&window, &base.bytes, base.split);
            let seen = &mut base.bytes[window.clone()];
            let (mut prepared, is_masked) =
                unit::Prepared::new(seen, split, &mut new[range.clone()], ideas);
            if is_masked {
                let lengths = (base.bytes.len(), new.len());
                drop((base, new));
                (base, new) = load()?;
                ensure!(
                    (base.bytes.len(), new.len()) == lengths,
                    "a file changed while it was read"
                );
            }
            prepared.find(&base.bytes[window.clone()], split, ideas);
            units.push(Aligned {
                window,
                split,
                range,
                prepared,
            });
        }
        Ok(Self { base, new, units })
    }

    /// The base and the file.
    pub fn into_contents(self) -> (Base, Vec<u8>) {
        (self.base, self.new)
    }
}

impl Encoder {
    pub fn new(effort: Effort, ideas: &Ideas) -> Self {
        Self {
            effort,
            coder: BitWriter::new(),
            models: Models::new(effort, ideas.mixing),
        }
    }

    /// Appends a file.
    ///
    /// Fails when the memory for it is missing.
    pub fn file(&mut self, file: &Prepared) -> Result<()> {
        let (base, new) = (&file.base.bytes[..], &file.new[..]);
        for aligned in &file.units {
            let (starts, start) = (&mut self.models.starts, aligned.window.start);
            window::code(&mut self.coder, starts, base, new.len(), start)?;
            let unit = unit::Unit {
                base: &base[aligned.window.clone()],
                split: aligned.split,
                new: &new[aligned.range.clone()],
            };
            let (coder, models) = (&mut self.coder, &mut self.models);
            aligned.prepared.encode(&unit, coder, models, self.effort)?;
        }
        Ok(())
    }

    /// What the coded bits went to so far, in bytes; literals and frames that are packed in bulk are not in it.
    pub fn costs(&self) -> Vec<(Part, u64)> {
        self.coder.costs.bytes()
    }

    /// Bytes of literals, not packed yet, and of frames so far.
    pub fn streams(&self) -> (usize, usize) {
        (self.models.bulk.bytes.len(), self.models.frames.len())
    }

    /// The coded group.
    pub fn finish(self) -> Result<Vec<u8>> {
        let bits = self.coder.finish();
        streams::write(
            self.effort,
            &bits,
            &self.models.bulk.bytes,
            &self.models.frames,
        )
    }
}

/// Reads a group.
pub struct Decoder<'a> {
    limits: Limits,
    frames: &'a [u8],
    coder: BitReader<'a>,
    models: Models,
    /// Bytes of frames, and of literals as they are packed.
    whole: (usize, usize),
}

impl<'a> Decoder<'a> {
    /// Fails when `coded` is not a group, or needs more memory than `limits` allow.
    pub fn new(coded: &'a [u8], limits: Limits) -> Result<Self> {
        let memory = limits
            .memory_bytes
            .checked_sub(Models::BYTES)
            .context("the memory allowed is less than the models take")?;
        let streams = streams::read(coded, memory)?;
        let memory_bytes = memory - streams.literals.len() as u64;
        let packed = coded.len() - streams.bits.len() - streams.frames.len();
        let mut models = Models::new(streams.effort, true);
        models.bulk.bytes = streams.literals;
        Ok(Self {
            limits: Limits { memory_bytes },
            frames: streams.frames,
            coder: BitReader::new(streams.bits),
            models,
            whole: (streams.frames.len(), packed),
        })
    }

    /// Coded bytes that the files so far took. Literals are packed together, so their share is by length.
    pub fn spent(&self) -> u64 {
        let (frames, packed) = self.whole;
        let bulk = &self.models.bulk;
        let literals = (packed * bulk.taken)
            .checked_div(bulk.bytes.len())
            .unwrap_or(0);
        (self.coder.taken() + literals + frames - self.frames.len()) as u64
    }

    /// The next file, of `new_len` bytes. The files come in the order in which they were encoded, with the same bases.
    ///
    /// Fails when the group does not fit; what it returns is the encoder's file only if both base and group are
    /// the encoder's.
    pub fn file(&mut self, base: &Base, new_len: u64) -> Result<Vec<u8>> {
        let (base, split) = (&base.bytes[..], base.split);
        ensure!(
            new_len <= self.limits.memory_bytes,
            "a file of {new_len} bytes is more than the memory allowed"
        );
        let memory = self.limits.memory_bytes - new_len;
        let memory = memory.checked_sub(self.models.past_bytes());
        let memory = memory.context("more literals are mixed than the memory allowed")?;
        let mut file = Vec::new();
        for range in window::windows(base, new_len as usize) {
            let starts = &mut self.models.starts;
            let start = window::code(&mut self.coder, starts, base, new_len as usize, 0)?;
            let window = window::base_range(base, start, new_len as usize);
            let part = unit::Unit {
                split: window::split(&window, base, split),
                base: &base[window],
                new: &[],
            };
            let made = part.decode(
                &mut self.coder,
                &mut self.models,
                &mut self.frames,
                range.len(),
                memory,
            )?;
            match file.is_empty() {
                true => file = made,
                false => file.extend_from_slice(&made),
            }
        }
        Ok(file)
    }

    /// Fails unless every stream was read to its end.
    pub fn finish(self) -> Result<()> {
        ensure!(
            self.models.bulk.taken == self.models.bulk.bytes.len(),
            "literals are left over"
        );
        ensure!(self.frames.is_empty(), "frames are left over");
        self.coder.finish()
    }
}
