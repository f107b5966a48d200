//! Copied bytes: one flag a run or reference, "as predicted", and what stands there when it is not.
//!
//! A copy is walked in units: a reference, or up to [`CHUNK`] plain bytes. A plain unit that is not as predicted
//! is told byte by byte. Version 2, frozen.

use super::align::Op;
use super::coder::Coder;
use super::cost::Part;
use super::elf::{CLASSES, CODE, Form, Kind};
use super::made::Made;
use super::mix::{INPUTS, Mixer, hash};
use super::model::{Bit, SLOW};
use super::predict::Prediction;

/// The most plain bytes that one flag stands for.
const CHUNK: usize = 32;

/// Flags and byte models of copies, shared by the files of a group.
pub struct Copying {
    chunks: Vec<Bit>,
    bytes: Vec<Bit>,
    references: Vec<Bit>,
    values: Mixer,
    targets: Mixer,
    /// Outcomes of the last units, the newest lowest; 1 is a miss.
    units: u32,
    /// Outcomes of the last references alone.
    hits: u32,
    /// The last missed byte less its prediction.
    difference: u8,
}

/// Sets of mixer weights for a byte: one for each bit before it.
const BYTE_SETS: usize = 8;

impl Copying {
    pub fn new() -> Self {
        Self {
            chunks: vec![Bit::EVEN; CLASSES * 4 * 64],
            bytes: vec![Bit::EVEN; CLASSES * 2 * 256],
            references: vec![Bit::EVEN; Kind::COUNT * 4 * 8 * 16],
            values: Mixer::new(20, BYTE_SETS * 2, [250; INPUTS]),
            targets: Mixer::new(20, BYTE_SETS * 4, [250; INPUTS]),
            units: 0,
            hits: 0,
            difference: 0,
        }
    }

    /// Forgets what the last file's end says about the next file's start.
    pub fn start(&mut self) {
        self.units = 0;
        self.hits = 0;
        self.difference = 0;
    }

    /// Copies `op.length` bytes to `out`. The range is inside the base.
    pub fn copy<C: Coder>(
        &mut self,
        coder: &mut C,
        base: &[u8],
        out: &mut Made,
        prediction: &mut Prediction,
        op: Op,
    ) {
        let (mut at, end) = (op.source as usize, (op.source + op.length) as usize);
        let mut next = prediction.first_at(at);
        while at < end {
            let (reference, width) = prediction.place(next);
            if at == reference && at + width <= end {
                let value = self.reference(coder, out, prediction, next);
                out.extend(&value.to_le_bytes()[..width]);
                at += width;
                next += 1;
                continue;
            }
            if at >= reference {
                // The copy starts or ends inside a reference: its bytes are plain.
                next += 1;
                continue;
            }
            let stop = end.min(reference).min(at + CHUNK);
            let class = prediction.class(at);
            self.plain(coder, &base[at..stop], out, class, at);
            at = stop;
        }
    }

    fn plain<C: Coder>(
        &mut self,
        coder: &mut C,
        predicted: &[u8],
        out: &mut Made,
        class: usize,
        at: usize,
    ) {
        let size = match predicted.len() {
            0..4 => 0,
            4..16 => 1,
            16..CHUNK => 2,
            _ => 3,
        };
        coder.book(Part::Flags);
        let wanted = out.wanted(predicted.len());
        let context = (class * 4 + size) * 64 + (self.units & 63) as usize;
        let missed = self.chunks[context].code(coder, wanted.is_some_and(|w| w != predicted), SLOW);
        self.units = self.units << 1 | u32::from(missed);
        if !missed {
            out.extend(predicted);
            return;
        }
        let mut flags = 0u32;
        for (done, byte) in predicted.iter().enumerate() {
            let wanted = out.wanted(1).map_or(0, |wanted| wanted[0]);
            let must = flags & FLAGGED == 0 && done + 1 == predicted.len();
            let context = (class * 2 + usize::from(flags & FLAGGED != 0)) * 256
                + (flags & 15) as usize * 16
                + (predicted.len() - done).min(15);
            let wrong = must || self.bytes[context].code(coder, wanted != *byte, SLOW);
            flags = (flags & FLAGGED) | (flags << 1 & 15) | u32::from(wrong);
            if wrong {
                flags |= FLAGGED;
                coder.book(Part::Misses);
                let value = self.byte(coder, out, *byte, class, at + done, wanted);
                coder.book(Part::Flags);
                out.push(value);
            } else {
                out.push(*byte);
            }
        }
    }

    /// Codes a byte that is not `predicted`.
    fn byte<C: Coder>(
        &mut self,
        coder: &mut C,
        out: &Made,
        predicted: u8,
        class: usize,
        at: usize,
        wanted: u8,
    ) -> u8 {
        let (one, two, three) = (out.before(1), out.before(2), out.before(3));
        let (predicted32, class32) = (u32::from(predicted), class as u32);
        let contexts = [
            hash(&[1, predicted32]),
            hash(&[2, predicted32, one]),
            hash(&[3, predicted32, one, two]),
            hash(&[4, one, two, three]),
            hash(&[5, class32, at as u32 & 7]),
            hash(&[6, predicted32, u32::from(self.difference)]),
            hash(&[7, one, class32]),
        ];
        let value = mixed_byte(
            coder,
            &mut self.values,
            &contexts,
            usize::from(class == CODE),
            wanted,
        );
        self.difference = value.wrapping_sub(predicted);
        value
    }

    /// Codes the value of a reference's field.
    fn reference<C: Coder>(
        &mut self,
        coder: &mut C,
        out: &Made,
        prediction: &mut Prediction,
        which: usize,
    ) -> u32 {
        let at = out.len();
        let (place, width) = prediction.place(which);
        let field = out.wanted(width).unwrap_or_default();
        let wanted = field
            .iter()
            .rfold(0, |value, byte| value << 8 | u32::from(*byte));
        let guesses = prediction.guess(which, at);
        coder.book(Part::References);
        let mut value = None;
        for (rank, guess) in guesses.values[..guesses.count].iter().enumerate() {
            let context = ((guesses.kind as usize * 4 + rank) * 8 + guesses.trust) * 16
                + (self.hits & 7) as usize * 2
                + usize::from(self.units & 1 == 1);
            let wrong = self.references[context].code(coder, wanted != *guess, SLOW);
            if !wrong {
                value = Some((rank, *guess));
                break;
            }
        }
        let first = matches!(value, Some((0, _)));
        self.units = self.units << 1 | u32::from(!first);
        self.hits = self.hits << 1 | u32::from(!first);
        coder.book(Part::Targets(guesses.kind as usize));
        let value = match value {
            Some((_, value)) => value,
            None if width == 1 => {
                let (guess, wanted) = (guesses.values[0] as u8, wanted as u8);
                self.byte(coder, out, guess, CODE, place, wanted).into()
            }
            None if guesses.kind.form() == Form::Word => {
                let mut made = 0;
                for byte in 0..4 {
                    let shift = 8 * byte;
                    let (guess, wanted) = (guesses.values[0] >> shift, wanted >> shift);
                    let at = place + byte as usize;
                    let value = self.byte(coder, out, guess as u8, CODE, at, wanted as u8);
                    made |= u32::from(value) << shift;
                }
                made
            }
            None => self.target(coder, wanted, prediction, which, at, guesses.values[0]),
        };
        prediction.learn(which, at, value);
        value
    }

    /// Codes the target of a reference that no guess has right, its highest byte first.
    fn target<C: Coder>(
        &mut self,
        coder: &mut C,
        wanted: u32,
        prediction: &Prediction,
        which: usize,
        at: usize,
        guess: u32,
    ) -> u32 {
        let kind = prediction.kind(which);
        coder.book(Part::Targets(kind as usize));
        let wanted = prediction.target(which, at, wanted);
        let guess = prediction.target(which, at, guess);
        let mut made = 0u32;
        for byte in 0..4u32 {
            let shift = 24 - 8 * byte;
            let above = if byte == 0 { 0 } else { guess >> (shift + 8) };
            let agrees = above == made;
            let wanted = (wanted >> shift) as u8;
            let contexts = [
                hash(&[1, byte, made]),
                hash(&[2, byte, made, kind as u32]),
                hash(&[3, byte, guess >> shift & 0xff, u32::from(agrees)]),
                hash(&[4, byte, guess, made]),
                hash(&[5, byte, kind as u32]),
            ];
            let set = byte as usize * 2 + usize::from(agrees);
            let value = mixed_byte(coder, &mut self.targets, &contexts, set.min(3), wanted);
            made = made << 8 | u32::from(value);
        }
        prediction.field(which, at, made)
    }
}

/// Set when a byte of the unit was wrong already.
const FLAGGED: u32 = 1 << 31;

/// Codes a byte, its highest bit first.
pub fn mixed_byte<C: Coder>(
    coder: &mut C,
    mixer: &mut Mixer,
    contexts: &[u32],
    set: usize,
    wanted: u8,
) -> u8 {
    let mut groups = [0u32; INPUTS];
    let groups = &mut groups[..contexts.len()];
    let mut value = 0u32;
    for half in 0..2 {
        // The 15 bits of half a byte are neighbours: one line of the cache for each context.
        for (group, context) in groups.iter_mut().zip(contexts) {
            *group = mixer.group(context.wrapping_add(value.wrapping_mul(0x9e37_79b1)));
        }
        let mut node = 1u32;
        for bit in (0..4).rev() {
            let wanted = wanted >> (4 - 4 * half + bit) & 1 == 1;
            let set = set * 8 + (half * 4 + 3 - bit) as usize;
            let bit = mixer.code(coder, groups, node, set, wanted);
            node = node * 2 + u32::from(bit);
        }
        value = (value << 4) | (node & 15) | (256 * u32::from(half == 0));
    }
    value as u8
}
