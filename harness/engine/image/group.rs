//! Groups: contents coded together, independent of other groups, so that several threads can work.

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use anyhow::{Context, Result, anyhow, ensure};
use zstd::zstd_safe::{self, CCtx, CParameter, DCtx};

use super::archive::Archive;
use super::format::Codec;
use super::gzip;
use super::recipe::{Coded, PART_BYTES, PROGRAM_BYTES, Part};
use super::sums::{self, Sums};
use super::{digest, recipe::Form, sections};
use crate::engine::ideas::Ideas;
use crate::engine::pair::{Base, Decoder, Effort, Encoder, Limits, Prepared};

/// Bases and contents of a group in one zstd frame: a decoder holds both.
pub const MOST_IN_FRAME: u64 = 128 << 20;
/// What a decoder may use for one file; of a program longer than a piece its length beside that.
const MEMORY_BYTES: u64 = 200 << 20;

/// A base and what can be asked of it: what pieces of contents are coded against.
pub struct Bases<'a> {
    pub archive: &'a Archive,
    pub digests: &'a digest::Digests,
    sums: Sums<'a>,
}

impl<'a> Bases<'a> {
    pub fn of(archive: &'a Archive, digests: &'a digest::Digests) -> Bases<'a> {
        Bases {
            archive,
            digests,
            sums: Sums::of(archive),
        }
    }

    /// The sum of the base's file at `path`.
    pub fn sum_at(&self, path: &[u8], tar: usize) -> Result<Option<sums::Sum>> {
        self.sums.at(path, tar)
    }

    pub fn sum_of(&self, index: usize) -> Result<sums::Sum> {
        self.sums.of_entry(index)
    }

    /// What a piece of contents is coded against. Of `new`, earlier contents of the group are there.
    pub fn load(&self, new: &Archive, coded: &Coded, part: &Part) -> Result<Base> {
        let mut base = Base::from(self.load_base(coded, part)?);
        if let Some(beside) = coded.beside {
            let beside = new.content(beside)?.load(PART_BYTES)?;
            base.push(beside);
        }
        Ok(base)
    }

    fn load_base(&self, coded: &Coded, part: &Part) -> Result<Vec<u8>> {
        let Some(index) = coded.base else {
            return Ok(Vec::new());
        };
        let content = self.archive.content(index)?;
        if coded.program {
            return content.load(PROGRAM_BYTES);
        }
        if let (Form::Plain, Some((at, length))) = (&coded.form, part.base) {
            return content.part(at, length)?.load(PART_BYTES);
        }
        let whole = content.load(PART_BYTES)?;
        let whole = match &coded.form {
            Form::Plain => whole,
            Form::Gzip { .. } => gzip::unpacked(whole),
            Form::Sums { .. } => {
                let tar = self.archive.entries[index].tar;
                let reduced = sums::reduce(&whole, &mut |path| self.sum_at(path, tar))?;
                reduced.unwrap_or(whole)
            }
            Form::Digests { .. } => self.digests.reduce(&whole, None).unwrap_or(whole),
            Form::Sections { .. } => sections::unpacked(whole),
        };
        match part.base {
            Some((at, length)) => {
                let end = at.checked_add(length).context("a range of the base")?;
                let part = whole.get(at as usize..end as usize);
                Ok(part.context("a range beyond the base")?.to_vec())
            }
            None => Ok(whole),
        }
    }
}

/// Which codecs a group is coded by; the shorter one is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Try {
    Pair,
    /// One zstd frame at the level of full forms.
    Frame,
    Both,
}

/// Codes pairs of base and contents by the codecs to try. What is too much for one frame is always coded as pairs.
pub fn encode(
    effort: Effort,
    ideas: &Ideas,
    mut tries: Try,
    count: usize,
    mut load: impl FnMut(usize) -> Result<(Base, Vec<u8>)>,
) -> Result<(Codec, Vec<u8>)> {
    let mut pairs = encoders(effort, ideas);
    let (mut bases, mut contents) = (Vec::new(), Vec::new());
    for nth in 0..count {
        let (base, new) = match tries {
            Try::Frame => load(nth)?,
            Try::Pair | Try::Both => {
                let file = Prepared::new(|| load(nth), ideas)?;
                for pair in &mut pairs {
                    pair.file(&file)?;
                }
                file.into_contents()
            }
        };
        if tries != Try::Pair {
            bases.extend(base.bytes);
            contents.extend(new);
        }
        if tries == Try::Both && (bases.len() + contents.len()) as u64 > MOST_IN_FRAME {
            tries = Try::Pair;
            (bases, contents) = (Vec::new(), Vec::new());
        }
    }
    let level = match (effort, tries) {
        (Effort::Fast, Try::Pair | Try::Both) => 9,
        _ => 19,
    };
    if tries == Try::Frame {
        return Ok((Codec::Zstd, frame(level, &bases, &contents)?));
    }
    let mut coded = Vec::new();
    for pair in pairs {
        let other = pair.finish()?;
        if coded.is_empty() || other.len() < coded.len() {
            coded = other;
        }
    }
    if tries == Try::Both {
        let frame = frame(level, &bases, &contents)?;
        if frame.len() < coded.len() {
            return Ok((Codec::Zstd, frame));
        }
    }
    Ok((Codec::Pair, coded))
}

/// Those who code a group; the shorter result is taken. Where much is new, what `best` mixes is longer than what `fast`
/// packs, so it does both.
fn encoders(effort: Effort, ideas: &Ideas) -> Vec<Encoder> {
    let efforts: &[Effort] = match effort {
        Effort::Fast => &[Effort::Fast],
        Effort::Best => &[Effort::Best, Effort::Fast],
    };
    let encoders = efforts.iter().map(|effort| Encoder::new(*effort, ideas));
    encoders.collect()
}

fn said(code: usize) -> anyhow::Error {
    anyhow!("zstd: {}", zstd_safe::get_error_name(code))
}

/// One zstd frame with the bases as its dictionary.
fn frame(level: i32, bases: &[u8], contents: &[u8]) -> Result<Vec<u8>> {
    let covered = (bases.len() + contents.len()).max(1 << 10);
    let log = (usize::BITS - covered.leading_zeros()).clamp(10, 28);
    let mut context = CCtx::create();
    for parameter in [
        CParameter::CompressionLevel(level),
        CParameter::WindowLog(log),
        CParameter::EnableLongDistanceMatching(true),
        CParameter::ContentSizeFlag(false),
    ] {
        context.set_parameter(parameter).map_err(said)?;
    }
    context.ref_prefix(bases).map_err(said)?;
    let mut frame = Vec::with_capacity(zstd_safe::compress_bound(contents.len()));
    context.compress2(&mut frame, contents).map_err(said)?;
    Ok(frame)
}

/// Decodes the pieces of a group in order: `load` gives a piece's base and its length, `put` takes its contents and
/// the coded bytes that it took. `programs` tells whether any is a program longer than a piece.
pub fn decode(
    codec: Codec,
    coded: &[u8],
    count: usize,
    programs: bool,
    mut load: impl FnMut(usize) -> Result<(Base, u64)>,
    mut put: impl FnMut(usize, Vec<u8>, u64) -> Result<()>,
) -> Result<()> {
    match codec {
        Codec::Pair => {
            let limits = Limits {
                memory_bytes: MEMORY_BYTES + if programs { PROGRAM_BYTES } else { 0 },
            };
            let mut pair = Decoder::new(coded, limits)?;
            for nth in 0..count {
                let (base, length) = load(nth)?;
                let before = pair.spent();
                let contents = pair.file(&base, length)?;
                ensure!(
                    contents.len() as u64 == length,
                    "contents of another length"
                );
                put(nth, contents, pair.spent() - before)?;
            }
            pair.finish()
        }
        Codec::Zstd => {
            let (mut bases, mut lengths) = (Vec::new(), Vec::new());
            let mut total = 0;
            for nth in 0..count {
                let (base, length) = load(nth)?;
                total += length;
                bases.extend(base.bytes);
                lengths.push(length as usize);
                ensure!(
                    bases.len() as u64 + total <= MOST_IN_FRAME,
                    "a frame of more than {MOST_IN_FRAME} bytes"
                );
            }
            let mut context = DCtx::create();
            context.ref_prefix(&bases).map_err(said)?;
            let mut contents = Vec::with_capacity(total as usize);
            context.decompress(&mut contents, coded).map_err(said)?;
            ensure!(contents.len() as u64 == total, "a frame of another length");
            let mut rest = contents.as_slice();
            for (nth, length) in lengths.into_iter().enumerate() {
                let (now, later) = rest.split_at(length);
                rest = later;
                // One frame does not say what each took: a share by length.
                let share = u128::from(coded.len() as u64) * now.len() as u128;
                let share = share.checked_div(u128::from(total)).unwrap_or(0);
                put(nth, now.to_vec(), share as u64)?;
            }
            Ok(())
        }
    }
}

/// How much of the memory there is a group takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Another one fits beside it.
    Usual,
    /// No other large one fits beside it.
    Large,
    /// A program longer than a piece: nothing fits beside it.
    Program,
}

/// Who of several threads may work on a group.
#[derive(Default)]
pub struct Turns {
    room: RwLock<()>,
    large: Mutex<()>,
}

/// A thread's turn, for as long as it lives.
pub struct Turn<'a> {
    _alone: Option<RwLockWriteGuard<'a, ()>>,
    _beside: Option<RwLockReadGuard<'a, ()>>,
    _large: Option<MutexGuard<'a, ()>>,
}

impl Turns {
    /// Waits for the turn of a group of this size. A thread that failed with its turn leaves it to the others.
    pub fn take(&self, size: Size) -> Turn<'_> {
        let is_alone = size == Size::Program;
        let room = &self.room;
        Turn {
            _alone: is_alone.then(|| room.write().unwrap_or_else(PoisonError::into_inner)),
            _beside: (!is_alone).then(|| room.read().unwrap_or_else(PoisonError::into_inner)),
            _large: (size == Size::Large)
                .then(|| self.large.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }
}

/// Threads that work on groups: more would need more memory than the bound.
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().min(2))
}

#[cfg(test)]
mod tests {
    use super::{Size, Turns};

    #[test]
    fn groups_take_turns_by_their_size() {
        let turns = Turns::default();
        // Whether a usual, a large and a program's group may be worked on now.
        let free = || {
            let room = turns.room.try_read().is_ok();
            let large = turns.large.try_lock().is_ok();
            [room, room && large, turns.room.try_write().is_ok()]
        };
        for (size, others) in [
            (Size::Usual, [true, true, false]),
            (Size::Large, [true, false, false]),
            (Size::Program, [false, false, false]),
        ] {
            let turn = turns.take(size);
            assert_eq!(free(), others, "beside {size:?}");
            drop(turn);
            assert_eq!(free(), [true; 3], "after {size:?}");
        }
    }
}
