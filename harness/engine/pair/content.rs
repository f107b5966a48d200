//! The content of one file: operations first, then literals and the misses among the copied bytes.
//!
//! Written once for both directions, over [`Coder`]: the encoder gives the true bytes, the decoder
//! ignores them. Version 2, frozen.

use anyhow::{Result, ensure};

use super::align::Op;
use super::coder::Coder;
use super::copying::Copying;
use super::cost::Part;
use super::literals::Literals;
use super::made::Made;
use super::model::{Bit, Number, QUICK, fold, unfold};
use super::predict::Prediction;

/// Shifts of late that a copy may return to.
const RECENT: usize = 16;

/// Operations whose source continues the last one, and how far the others jump.
pub struct OpModel {
    literal: [Number; 3],
    length: [Number; 2],
    refused: [Bit; 3 * (RECENT + 1)],
    recent: [i64; RECENT],
    jump: [Number; 2],
}

impl OpModel {
    pub fn new() -> Self {
        Self {
            literal: [Number::new(), Number::new(), Number::new()],
            length: [Number::new(), Number::new()],
            refused: [Bit::EVEN; 3 * (RECENT + 1)],
            recent: [0; RECENT],
            jump: [Number::new(), Number::new()],
        }
    }

    /// Codes where a copy to `at` reads: on a shift of late, at the end of the last copy, or elsewhere.
    fn source<C: Coder>(
        &mut self,
        coder: &mut C,
        at: usize,
        end: usize,
        op: &Op,
        kind: usize,
    ) -> i64 {
        let (at, end) = (at as i64, end as i64);
        let wanted = i64::from(op.source);
        let mut choice = 0;
        let known = |choice: usize, recent: &[i64; RECENT]| match choice {
            0 => end,
            _ => at + recent[choice - 1],
        };
        let source = loop {
            let candidate = known(choice, &self.recent);
            // A place that was refused already is not asked for again.
            let is_new = (0..choice).all(|earlier| known(earlier, &self.recent) != candidate);
            if is_new {
                let context = kind * (RECENT + 1) + choice;
                if !self.refused[context].code(coder, wanted != candidate, QUICK) {
                    break candidate;
                }
            }
            choice += 1;
            if choice > RECENT {
                let jump = fold((wanted - end) as i32);
                break end + i64::from(unfold(self.jump[usize::from(kind > 0)].code(coder, jump)));
            }
        };
        let shift = source - at;
        let place = self.recent.iter().position(|known| *known == shift);
        self.recent[..=place.unwrap_or(RECENT - 1)].rotate_right(1);
        self.recent[0] = shift;
        source
    }

    /// Codes the operations that make `new_len` bytes from `base_len`; at most `most` of them.
    pub fn code<C: Coder>(
        &mut self,
        coder: &mut C,
        ops: &[Op],
        sizes: (usize, usize),
        most: usize,
    ) -> Result<Vec<Op>> {
        coder.book(Part::Operations);
        let (base_len, new_len) = sizes;
        self.recent = [0; RECENT];
        let mut made = Vec::new();
        let (mut at, mut end) = (0usize, 0usize);
        let mut last = 0;
        while at < new_len {
            let op = ops.get(made.len()).copied().unwrap_or(Op {
                literal: (new_len - at) as u32,
                ..Op::default()
            });
            coder.book(Part::Targets(40));
            let literal = self.literal[last].code(coder, op.literal);
            at += literal as usize;
            ensure!(at <= new_len, "literals go past the end of the file");
            if at == new_len {
                made.push(Op {
                    literal,
                    ..Op::default()
                });
                break;
            }
            let kind = match literal {
                0 => 0,
                1..16 => 1,
                _ => 2,
            };
            coder.book(Part::Targets(41));
            let length = self.length[usize::from(kind > 0)]
                .code(coder, op.length - u32::from(C::ENCODES)) as usize
                + 1;
            coder.book(Part::Targets(42));
            let source = self.source(coder, at, end, &op, kind);
            at += length;
            ensure!(at <= new_len, "a copy goes past the end of the file");
            let inside = source >= 0 && source + length as i64 <= base_len as i64;
            ensure!(inside, "a copy reads outside the base");
            ensure!(
                made.len() < most && !coder.is_overrun(),
                "too many operations"
            );
            last = if kind == 0 { 1 } else { 2 };
            end = source as usize + length;
            made.push(Op {
                literal,
                length: length as u32,
                source: source as u32,
            });
        }
        Ok(made)
    }
}

/// Literals that are packed in bulk, after the last file of the group.
#[derive(Default)]
pub struct Bulk {
    pub bytes: Vec<u8>,
    pub taken: usize,
}

impl Bulk {
    /// Appends the next `count` literals to `out`.
    fn copy(&mut self, out: &mut Made, count: usize) -> Result<()> {
        if let Some(literals) = out.wanted(count) {
            self.bytes.extend_from_slice(literals);
            out.extend(literals);
            return Ok(());
        }
        let literals = self.bytes.get(self.taken..self.taken + count);
        ensure!(literals.is_some(), "the literals end before the file does");
        out.extend(literals.unwrap_or_default());
        self.taken += count;
        Ok(())
    }
}

/// Makes one file from `base` by `ops`, which cover all of it. `truth` is the file, or empty when decoding. What is decoded is
/// returned.
pub fn code<C: Coder>(
    coder: &mut C,
    copying: &mut Copying,
    bulk: &mut Bulk,
    literals: Option<&mut Literals>,
    prediction: &mut Prediction,
    file: (&[u8], &[u8]),
    ops: &[Op],
) -> Result<Vec<u8>> {
    let (base, truth) = file;
    let lengths = ops.iter().map(|op| (op.literal + op.length) as usize);
    let mut out = Made::new(truth, lengths.sum());
    copying.start();
    let mut literals = literals;
    if let Some(literals) = &mut literals {
        literals.start(base);
    }
    let mut old = 0;
    for op in ops {
        let count = op.literal as usize;
        match &mut literals {
            Some(literals) => {
                coder.book(Part::Literals);
                literals.code(coder, prediction, (base, old), &mut out, count);
            }
            None => bulk.copy(&mut out, count)?,
        }
        old = (op.source + op.length) as usize;
        if op.length > 0 {
            copying.copy(coder, base, &mut out, prediction, *op);
        }
        ensure!(
            !coder.is_overrun(),
            "the coded bits end before the file does"
        );
    }
    Ok(out.finish())
}
