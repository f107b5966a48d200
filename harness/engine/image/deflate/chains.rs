//! Where bytes with the same hash started before: what every search here looks its matches up in.

pub const WINDOW: usize = 1 << 15;
/// No place: what a chain ends with.
pub const NOWHERE: u32 = 0;

/// A chain of places for each hash, the newest first. A place is a number above 0, and two places in one window are
/// less than a window apart.
pub struct Chains {
    head: Vec<u32>,
    previous: Box<[u32; WINDOW]>,
}

impl Chains {
    pub fn new(hash_bits: u32) -> Chains {
        Chains {
            head: vec![NOWHERE; 1 << hash_bits],
            previous: Box::new([NOWHERE; WINDOW]),
        }
    }

    /// Notes a place; the one with the same hash before it.
    pub fn insert(&mut self, hash: usize, place: u32) -> u32 {
        let last = std::mem::replace(&mut self.head[hash], place);
        self.previous[place as usize % WINDOW] = last;
        last
    }

    pub fn before(&self, place: u32) -> u32 {
        self.previous[place as usize % WINDOW]
    }

    /// Counts places from `bytes` further on, a multiple of the window. Those before are forgotten.
    pub fn forget(&mut self, bytes: usize) {
        debug_assert!(bytes.is_multiple_of(WINDOW));
        let places = self.head.iter_mut().chain(self.previous.iter_mut());
        places.for_each(|place| *place = place.saturating_sub(bytes as u32));
    }
}

/// How many bytes two texts begin with in common.
pub fn common(one: &[u8], other: &[u8]) -> usize {
    let words = one.chunks_exact(8).zip(other.chunks_exact(8));
    let same = 8 * words.take_while(|(one, other)| one == other).count();
    let rest = one[same..].iter().zip(&other[same..]);
    same + rest.take_while(|(one, other)| one == other).count()
}
