//! Context mixing: several contexts predict a bit, and a mixer learns which of them to believe.
//!
//! Version 2, frozen; integers only. The scheme is that of the lpaq family by Matt Mahoney: predictions
//! are stretched, summed with learned weights, and squashed.

use super::coder::Coder;
use super::model::Bit;

/// 65536 / (1 + e^-x) for x = -12, -11.5 .. 12.
const SIGMOID: [i32; 49] = [
    1, 1, 1, 2, 3, 5, 8, 13, 22, 36, 60, 98, 162, 267, 439, 720, 1179, 1921, 3108, 4971, 7812,
    11955, 17625, 24743, 32768, 40793, 47911, 53581, 57724, 60565, 62428, 63615, 64357, 64816,
    65097, 65269, 65374, 65438, 65476, 65500, 65514, 65523, 65528, 65531, 65533, 65534, 65535,
    65535, 65535,
];

/// The largest stretched value: 12, in 256ths.
const FAR: i32 = 12 * 256 - 1;

/// The probability, in 65536ths, of a stretched value in 256ths.
fn squash(x: i32) -> i32 {
    let x = x.clamp(-FAR, FAR) + FAR + 1;
    let (at, part) = ((x >> 7) as usize, x & 127);
    let p = (SIGMOID[at] * (128 - part) + SIGMOID[at + 1] * part) >> 7;
    p.clamp(1, 65_535)
}

/// The inverse of [`squash`], at 12 bits, with both ends at 16 bits.
struct Stretch {
    middle: Vec<i16>,
    low: Vec<i16>,
}

impl Stretch {
    const FINE: usize = 2048;

    fn new() -> Self {
        let mut all = vec![0i16; 65_536];
        let mut next = 0;
        for x in -FAR..=FAR {
            let p = squash(x) as usize;
            while next <= p {
                all[next] = x as i16;
                next += 1;
            }
        }
        while next < 65_536 {
            all[next] = FAR as i16;
            next += 1;
        }
        Self {
            middle: all.iter().skip(8).step_by(16).copied().collect(),
            low: all[..Self::FINE].to_vec(),
        }
    }

    #[inline]
    fn of(&self, p1: u32) -> i32 {
        let p1 = p1 as usize;
        if p1 < Self::FINE {
            return self.low[p1].into();
        }
        if p1 > 65_536 - Self::FINE {
            return -i32::from(self.low[65_536 - p1]);
        }
        self.middle[p1 >> 4].into()
    }
}

/// A bank of hashed contexts and the mixers over them.
pub struct Mixer {
    stretch: Stretch,
    bits: Vec<Bit>,
    mask: u32,
    weights: Vec<[i32; INPUTS]>,
    refine: Vec<Bit>,
    limits: [u32; INPUTS],
}

/// The most contexts one bit may have, the bias included.
pub const INPUTS: usize = 16;

impl Mixer {
    /// `log2` of the number of hashed bits, the number of weight sets to choose from, and for each context after
    /// how many bits it learns at its slowest.
    pub fn new(log2: u32, sets: usize, limits: [u32; INPUTS]) -> Self {
        Self {
            stretch: Stretch::new(),
            bits: vec![Bit::EVEN; 1 << log2],
            mask: (1 << log2) - 1,
            weights: vec![[65_536 * 3 / 10; INPUTS]; sets],
            refine: vec![Bit::EVEN; sets * 64],
            limits,
        }
    }

    /// The 16 places of a context. They are emptied if another context had them.
    #[inline]
    pub fn group(&mut self, context: u32) -> u32 {
        let spread = spread(context);
        let group = (spread << 4) & self.mask;
        let places = &mut self.bits[group as usize..group as usize + 16];
        // The first place is no bit: it tells whose the others are.
        let owner = Bit::owned_by(spread);
        if places[0] != owner {
            places.fill(Bit::EVEN);
            places[0] = owner;
        }
        group
    }

    /// Codes one bit with weight set `set`. Each context, at most `INPUTS - 1`, is a group, of which the place
    /// `node`, 1 to 15, is taken.
    #[inline]
    pub fn code<C: Coder>(
        &mut self,
        coder: &mut C,
        groups: &[u32],
        node: u32,
        set: usize,
        bit: bool,
    ) -> bool {
        let mut inputs = [0i32; INPUTS];
        let mut slots = [0usize; INPUTS];
        let weights = &mut self.weights[set];
        let mut sum = 0i64;
        for (at, group) in groups.iter().enumerate() {
            let slot = (group | node) as usize;
            let known = self.bits[slot];
            slots[at] = slot;
            let stretched = self.stretch.of(known.p1());
            inputs[at] = (stretched * CONFIDENCE[known.count().min(15) as usize]) >> 4;
            sum += i64::from(inputs[at]) * i64::from(weights[at]);
        }
        let bias = groups.len();
        inputs[bias] = 256;
        sum += 256 * i64::from(weights[bias] - 65_536 * 3 / 10);
        let stretched = (sum >> 16).clamp(-i64::from(FAR), i64::from(FAR)) as i32;
        let p1 = squash(stretched);

        // What the mixer said before is refined by how often it was right.
        let near = set * 64 + ((stretched + FAR + 1) / 97) as usize;
        let refined = self.refine[near];
        let trust = refined.count().min(255) as i32;
        let said = (p1 * (512 - trust) + refined.p1() as i32 * trust) >> 9;
        let bit = coder.bit(bit, said.clamp(1, 65_535) as u32);

        let error = (i32::from(bit) << 16) - p1;
        for at in 0..=bias {
            weights[at] = weights[at]
                .saturating_add(((i64::from(inputs[at]) * i64::from(error) * RATE) >> 18) as i32);
        }
        for (slot, limit) in slots[..bias].iter().zip(self.limits) {
            self.bits[*slot].learn(bit, limit);
        }
        self.refine[near].learn(bit, 1000);
        bit
    }
}

/// How fast a mixer's weights move.
const RATE: i64 = 6;

/// How much of a prediction counts that was learned from few bits, in 16ths.
const CONFIDENCE: [i32; 16] = [0, 6, 9, 11, 12, 13, 13, 14, 14, 14, 15, 15, 15, 15, 16, 16];

/// Spreads a hash over all bits.
#[inline]
pub fn spread(hash: u32) -> u32 {
    let hash = (hash ^ hash >> 15).wrapping_mul(0x2c1b_3c6d);
    let hash = (hash ^ hash >> 12).wrapping_mul(0x297a_2d39);
    hash ^ hash >> 15
}

/// One hash of several numbers.
pub fn hash(parts: &[u32]) -> u32 {
    parts.iter().fold(0x9e37_79b9, |hash, part| {
        spread(hash.rotate_left(5) ^ part).wrapping_mul(0x9e37_79b1)
    })
}
