//! Literals mixed from several contexts: the bytes before, what followed the same bytes in the base, and what
//! stood in the base where the literals stand now.
//!
//! Version 2, frozen.

use super::coder::Coder;
use super::copying::mixed_byte;
use super::made::Made;
use super::mix::{INPUTS, Mixer, hash, spread};
use super::predict::Prediction;

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

/// Of 16 bytes, those that a match may have wrong before another is looked for.
const MOST_MISSES: u32 = 8;

/// Bytes before literals that are looked at for a word.
const WORD: usize = 24;

/// The longest match that is counted.
const LONGEST: u32 = 31;

/// A place that goes on as the bytes now coded did, for so many bytes.
#[derive(Clone, Copy, Default)]
struct Match {
    place: usize,
    length: u32,
    /// Which of the last bytes it had wrong, the newest lowest.
    misses: u32,
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

    /// Bytes that were coded so far.
    pub fn past_bytes(&self) -> usize {
        self.past.len()
    }

    /// Starts a unit with this base.
    pub fn start(&mut self, base: &[u8]) {
        self.in_base.clear();
        self.in_base.resize(1 << TABLE_LOG2, 0);
        for (at, gram) in base.windows(BASE_GRAM).enumerate() {
            self.in_base[key(gram)] = (at + BASE_GRAM + 1) as u32;
        }
    }

    /// Appends `count` literals to `out`. The base goes on at `old` from the copy before.
    pub fn code<C: Coder>(
        &mut self,
        coder: &mut C,
        prediction: &Prediction,
        (base, old): (&[u8], usize),
        out: &mut Made,
        count: usize,
    ) {
        // Literals of one file follow each other as those of another did, whatever is copied between them.
        let mut past_match = self.past_match;
        // At first, the base may go on beside the literals.
        let mut beside = Match {
            place: old,
            length: 0,
            misses: 0,
        };
        let mut base_match = Match::default();
        let mut words = Words::default();
        for byte in &out.so_far()[out.len().saturating_sub(WORD)..] {
            words.saw(*byte);
        }
        for _ in 0..count {
            if !base_match.is_good() && out.len() >= BASE_GRAM {
                let made = out.so_far();
                let place = self.in_base[key(&made[made.len() - BASE_GRAM..])];
                let found = Match::ending(base, place, made);
                if found.length > 0 {
                    base_match = found;
                }
            }
            if let Some(start) = self.past.len().checked_sub(PAST_GRAM) {
                let slot = &mut self.in_past[key(&self.past[start..])];
                if past_match.length == 0 {
                    past_match = Match::ending(&self.past, *slot, &self.past);
                }
                *slot = self.past.len() as u32 + 1;
            }
            let expected = [
                base_match.foretells(base, prediction, out.len()),
                match past_match.length {
                    0 => 256,
                    _ => past_match.expects(&self.past),
                },
            ];
            let [long, short] = [base_match, past_match].map(|found| found.length.min(LONGEST));
            let here = beside.foretells(base, prediction, out.len());
            let doubt = base_match.misses.count_ones().min(3) * 4 + (base_match.misses & 3);
            let here_doubt = beside.misses & 15;
            let before = |back: usize| out.before(back);
            let (one, two, three, four) = (before(1), before(2), before(3), before(4));
            let contexts = [
                hash(&[1, one]),
                hash(&[2, one, two]),
                hash(&[3, one, two, three]),
                hash(&[4, one, two, three, four]),
                hash(&[5, one, two, three, four, before(5), before(6)]),
                hash(&[6, expected[0], long, doubt]),
                hash(&[7, expected[1], short]),
                hash(&[8, here, one]),
                hash(&[9, two, three]),
                hash(&[10, expected[0], one]),
                hash(&[11, here, expected[0], here_doubt]),
                hash(&[12, words.now]),
                hash(&[13, words.now, words.last]),
                14,
            ];
            let level = |length: u32| match length {
                0 => 0,
                1..8 => 1,
                8..20 => 2,
                _ => 3,
            };
            let set = level(long) * 4 + level(short);
            let wanted = out.wanted(1).map_or(0, |wanted| wanted[0]);
            let byte = mixed_byte(coder, &mut self.mixer, &contexts, set, wanted);
            words.saw(byte);
            base_match.go_on(expected[0] == u32::from(byte));
            beside.go_on(here == u32::from(byte));
            past_match.follow(expected[1] == u32::from(byte));
            out.push(byte);
            self.past.push(byte);
        }
        self.past_match = past_match;
    }
}

/// Hashes of the word that is being spelled, and of the one before it; 0 for none.
#[derive(Default)]
struct Words {
    now: u32,
    last: u32,
}

impl Words {
    fn saw(&mut self, byte: u8) {
        if byte.is_ascii_alphanumeric() {
            self.now = hash(&[self.now, byte.to_ascii_lowercase().into()]);
        } else if self.now != 0 {
            (self.now, self.last) = (0, self.now);
        }
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
            misses: 0,
        }
    }

    /// Whether it is worth following: it had few of the last bytes wrong.
    fn is_good(&self) -> bool {
        self.place > 0 && (self.misses & 0xffff).count_ones() < MOST_MISSES
    }

    /// The byte that comes next, references of the base made to point where their targets went.
    fn foretells(&self, base: &[u8], prediction: &Prediction, at: usize) -> u32 {
        if !self.is_good() {
            return 256;
        }
        let Some(byte) = base.get(self.place) else {
            return 256;
        };
        let which = prediction.first_at(self.place.saturating_sub(3));
        let (start, width) = prediction.place(which);
        match self.place.checked_sub(start) {
            Some(inside) if inside < width && width == 4 && inside <= at => {
                let value = prediction.guess(which, at - inside).values[0];
                value >> (8 * inside) & 0xff
            }
            _ => u32::from(*byte),
        }
    }

    /// Goes on beside what comes, whether or not it was right.
    fn go_on(&mut self, was_right: bool) {
        self.place += 1;
        self.misses = self.misses << 1 | u32::from(!was_right);
        self.length = match was_right {
            true => self.length + 1,
            false => 0,
        };
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
                misses: 0,
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
