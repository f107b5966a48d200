//! The gear hash, computed several positions at a time by the crate `gearhash`.

use gearhash::Hasher;

use super::Cut;

/// The hash of a position depends on so many bytes before it: each byte shifts the others one bit further out.
const WINDOW_BYTES: usize = 64;

/// Content-defined chunks by the gear hash (Xia et al., "Ddelta", Performance Evaluation 79, 2014): a cut is where the
/// hash of the last 64 bytes begins with as many zero bits as the average has. Unlike FastCDC it has one mask for all
/// lengths, and the whole window counts from the first position on.
#[derive(Clone, Copy, Debug)]
pub struct Gear {
    average_bytes: usize,
}

impl Gear {
    pub const LEAST_AVERAGE_BYTES: u32 = 1 << 10;
    pub const MOST_AVERAGE_BYTES: u32 = 4 << 20;

    /// Chunks of about `bytes` bytes (in practice 1.3 times that), a power of two, from a quarter to four times `bytes`.
    pub const fn average(bytes: usize) -> Gear {
        assert!(bytes.is_power_of_two());
        assert!(bytes >= Gear::LEAST_AVERAGE_BYTES as usize);
        assert!(bytes <= Gear::MOST_AVERAGE_BYTES as usize);
        Gear {
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

impl Cut for Gear {
    fn most_bytes(&self) -> usize {
        self.average_bytes * 4
    }

    fn next(&self, window: &[u8]) -> usize {
        let least = self.least_bytes();
        let Some((short, rest)) = window.split_at_checked(least) else {
            return window.len();
        };
        let mut hasher = Hasher::default();
        hasher.update(&short[least - WINDOW_BYTES..]);
        let zeros = self.average_bytes.trailing_zeros();
        let found = hasher.next_match(rest, !(u64::MAX >> zeros));
        found.map_or(window.len(), |further| least + further)
    }
}
