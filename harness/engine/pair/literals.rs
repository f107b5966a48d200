//! Literals mixed from several contexts: the bytes before, what followed the same bytes in the base, and what
//! stood in the base where the literals stand now.
//!
//! Version 1, frozen.

use super::coder::Coder;
use super::copying::mixed_byte;
use super::mix::{INPUTS, Mixer, hash, spread};

/// The literal model of a group.
pub struct Literals {
    mixer: Mixer,
    /// All literals of the group so far.
    past: Vec<u8>,
    past_match: Match,
    /// For each hash of bytes, one more than where they ended last: in the base, and in the past.
    in_base: Vec<u32>,
    in_past: Vec<u32>,
}

/// What a match says is learned slowly, everything else quickly.
const LIMITS: [u32; INPUTS] = {
    let mut limits = [30; INPUTS];
    (limits[5], limits[6], limits[9], limits[10]) = (1000, 1000, 250, 250);
    limits
};

const TABLE_LOG2: u32 = 18;

/// Bytes that a place in each table is known by.
const BASE_GRAM: usize = 5;
const PAST_GRAM: usize = 6;

/// The longest match that is counted.
const LONGEST: u32 = 31;

/// A place that goes on as the bytes now coded did, for so many bytes.
#[derive(Clone, Copy, Default)]
struct Match {
    place: usize,
    length: u32,
}

impl Literals {
    pub fn new() -> Self {
        Self {
            mixer: Mixer::new(22, 8 * 4 * 4, LIMITS),
            past: Vec::new(),
            past_match: Match::default(),
            in_base: Vec::new(),
            in_past: vec![0; 1 << TABLE_LOG2],
        }
    }

    /// Starts a unit with this base.
    pub fn start(&mut self, base: &[u8]) {
        self.in_base.clear();
        self.in_base.resize(1 << TABLE_LOG2, 0);
        for (at, gram) in base.windows(BASE_GRAM).enumerate() {
            self.in_base[key(gram)] = (at + BASE_GRAM + 1) as u32;
        }
    }

    /// Appends `count` literals to `out`. `old` is where the base goes on from the copy before.
    pub fn code<C: Coder>(
        &mut self,
        coder: &mut C,
        base: &[u8],
        truth: &[u8],
        out: &mut Vec<u8>,
        count: usize,
        old: usize,
    ) {
        // Literals of one file follow each other as those of another did, whatever is copied between them.
        let (mut base_match, mut past_match) = (Match::default(), self.past_match);
        for done in 0..count {
            if base_match.length == 0 && out.len() >= BASE_GRAM {
                let place = self.in_base[key(&out[out.len() - BASE_GRAM..])];
                base_match = Match::ending(base, place, out);
            }
            if let Some(start) = self.past.len().checked_sub(PAST_GRAM) {
                let slot = &mut self.in_past[key(&self.past[start..])];
                if past_match.length == 0 {
                    past_match = Match::ending(&self.past, *slot, &self.past);
                }
                *slot = self.past.len() as u32 + 1;
            }
            let expected = [base_match.expects(base), past_match.expects(&self.past)];
            let [long, short] = [base_match, past_match].map(|found| found.length.min(LONGEST));
            let beside = base.get(old + done).copied().map_or(256, u32::from);
            let before = |back: usize| -> u32 {
                let at = out.len().checked_sub(back);
                at.map_or(0, |at| out[at].into())
            };
            let (one, two, three, four) = (before(1), before(2), before(3), before(4));
            let contexts = [
                hash(&[1, one]),
                hash(&[2, one, two]),
                hash(&[3, one, two, three]),
                hash(&[4, one, two, three, four]),
                hash(&[5, one, two, three, four, before(5), before(6)]),
                hash(&[6, expected[0], long]),
                hash(&[7, expected[1], short]),
                hash(&[8, beside, one]),
                hash(&[9, two, three]),
                hash(&[10, expected[0], one]),
                hash(&[11, beside, expected[0]]),
                12,
            ];
            let level = |length: u32| match length {
                0 => 0,
                1..8 => 1,
                8..20 => 2,
                _ => 3,
            };
            let set = level(long) * 4 + level(short);
            let wanted = truth.get(out.len()).copied().unwrap_or(0);
            let byte = mixed_byte(coder, &mut self.mixer, &contexts, set, wanted);
            base_match.follow(expected[0] == u32::from(byte));
            past_match.follow(expected[1] == u32::from(byte));
            out.push(byte);
            self.past.push(byte);
        }
        self.past_match = past_match;
    }
}

impl Match {
    /// The match that ends at one less than `place`, with the end of `bytes`.
    fn ending(text: &[u8], place: u32, bytes: &[u8]) -> Self {
        let place = place.saturating_sub(1) as usize;
        let text = text.get(..place).unwrap_or_default().iter().rev();
        let same = text.zip(bytes.iter().rev()).take(LONGEST as usize);
        Self {
            place,
            length: same.take_while(|(a, b)| a == b).count() as u32,
        }
    }

    /// The byte that comes next in the match; 256 when there is none.
    fn expects(&self, text: &[u8]) -> u32 {
        match self.length {
            0 => 256,
            _ => text.get(self.place).map_or(256, |byte| u32::from(*byte)),
        }
    }

    fn follow(&mut self, was_right: bool) {
        *self = match was_right {
            true => Self {
                place: self.place + 1,
                length: self.length + 1,
            },
            false => Self::default(),
        };
    }
}

fn key(gram: &[u8]) -> usize {
    let gram = gram.iter().fold(0u32, |hash, byte| {
        hash.wrapping_mul(0x0100_0193) ^ u32::from(*byte)
    });
    (spread(gram) >> (32 - TABLE_LOG2)) as usize
}
