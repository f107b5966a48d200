//! Buzhash: a hash that rolls by rotation.

use super::Cut;
use crate::dice::mix;

/// As many as casync's, so that the two can be compared.
const WINDOW_BYTES: usize = 48;

/// Content-defined chunks by buzhash (Uzgalis, "Hashing Concepts and the Java Programming Language", 1996; cyclic
/// polynomials in Cohen, "Recursive Hashing Functions for n-Grams", ACM TOIS 15, 1997), the hash of casync, desync and
/// borg: a cut is where the hash of the last 48 bytes ends in as many one bits as the average has. The table is ours.
#[derive(Clone, Copy, Debug)]
pub struct Buzhash {
    average_bytes: usize,
}

/// What each byte counts, from a seed.
static TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        table[at] = (mix(0, at as u64) >> 32) as u32;
        at += 1;
    }
    table
}

impl Buzhash {
    pub const LEAST_AVERAGE_BYTES: u32 = 1 << 10;
    pub const MOST_AVERAGE_BYTES: u32 = 4 << 20;

    /// Chunks of about `bytes` bytes (in practice 1.3 times that), a power of two, from a quarter to four times `bytes`.
    pub const fn average(bytes: usize) -> Buzhash {
        assert!(bytes.is_power_of_two());
        assert!(bytes >= Buzhash::LEAST_AVERAGE_BYTES as usize);
        assert!(bytes <= Buzhash::MOST_AVERAGE_BYTES as usize);
        Buzhash {
            average_bytes: bytes,
        }
    }

    pub const fn average_bytes(&self) -> usize {
        self.average_bytes
    }

    const fn least_bytes(&self) -> usize {
        self.average_bytes / 4
    }
}

impl Cut for Buzhash {
    fn most_bytes(&self) -> usize {
        self.average_bytes * 4
    }

    fn next(&self, window: &[u8]) -> usize {
        let least = self.least_bytes();
        if window.len() <= least {
            return window.len();
        }
        let mask = (self.average_bytes - 1) as u32;
        let first = least - WINDOW_BYTES;
        let begun = window[first..least].iter();
        let mut hash = begun.fold(0, |hash: u32, &byte| {
            hash.rotate_left(1) ^ TABLE[usize::from(byte)]
        });
        for (at, (&leaves, &enters)) in window[first..].iter().zip(&window[least..]).enumerate() {
            if hash & mask == mask {
                return least + at;
            }
            // What leaves was rotated once for each byte since; 48 times is 16 times.
            let gone = TABLE[usize::from(leaves)].rotate_left(WINDOW_BYTES as u32 % 32);
            hash = hash.rotate_left(1) ^ gone ^ TABLE[usize::from(enters)];
        }
        window.len()
    }
}
