//! What the coded bits went to: an account by part, for reports and for finding what to improve.
//!
//! Nothing here decides bytes.

/// What a coded bit tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Operations,
    /// Whether bytes that are no reference are as predicted.
    Flags,
    /// Bytes that are not.
    Misses,
    /// Whether references are as predicted.
    References,
    /// References that are not, by kind.
    Targets(usize),
    Literals,
}

const TARGETS: usize = 5;
const PARTS: usize = TARGETS + 64;

/// Sums of coded bits, in 65536ths.
pub struct Costs {
    sums: [u64; PARTS],
    table: Vec<u32>,
    part: usize,
}

impl Costs {
    pub fn new() -> Self {
        let bits = |p: u32| -(f64::from(p.max(1)) / 65_536.0).log2() * 65_536.0;
        Self {
            sums: [0; PARTS],
            table: (0..65_537).map(|p| bits(p) as u32).collect(),
            part: 0,
        }
    }

    pub fn book(&mut self, part: Part) {
        self.part = match part {
            Part::Operations => 0,
            Part::Flags => 1,
            Part::Misses => 2,
            Part::References => 3,
            Part::Literals => 4,
            Part::Targets(kind) => TARGETS + kind.min(63),
        };
    }

    #[inline]
    pub fn add(&mut self, bit: bool, p1: u32) {
        let p = if bit { p1 } else { 65_536 - p1 };
        self.sums[self.part] += u64::from(self.table[p as usize]);
    }

    /// Parts and their bytes, rounded down.
    pub fn bytes(&self) -> Vec<(Part, u64)> {
        let part = |number| match number {
            0 => Part::Operations,
            1 => Part::Flags,
            2 => Part::Misses,
            3 => Part::References,
            4 => Part::Literals,
            _ => Part::Targets(number - TARGETS),
        };
        let sums = self.sums.iter().enumerate();
        sums.filter(|(_, sum)| **sum > 0)
            .map(|(number, sum)| (part(number), sum >> 19))
            .collect()
    }
}
