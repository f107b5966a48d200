//! Peaks: a chunker without a hash, found by comparing neighbours, 64 positions at a time.

use super::Cut;
use super::lanes::{Lanes, PAIRS, Plain, best};

/// Content-defined chunks without a hash: a cut is where bytes rise several times in a row and then fall twice.
///
/// Of the family of SeqCDC ("Vectorized Sequence-Based Chunking for Data Deduplication", arXiv:2505.21194, 2025), which
/// cuts where bytes rise several times. Two things differ. SeqCDC skips bytes that fall, so that it has less to compare;
/// here every pair is compared, which vectors do fast enough, and more is found again. And the two falls make the steps
/// between the sizes small enough: a further rise makes chunks about five times as long, the falls two and a half times.
#[derive(Clone, Copy, Debug)]
pub struct Peaks {
    average_bytes: usize,
    rises: u32,
}

/// How often bytes fall after the rises.
const FALLS: u32 = 2;

impl Peaks {
    pub const LEAST_AVERAGE_BYTES: u32 = 4 << 10;
    pub const MOST_AVERAGE_BYTES: u32 = 4 << 20;

    /// Chunks of about `bytes` bytes, a power of four, from a quarter to four times `bytes`. In image archives they have 0.6
    /// (4 KiB) to 1.3 times (1 MiB) that, and 1.1 times at 64 KiB.
    pub const fn average(bytes: usize) -> Peaks {
        assert!(bytes.is_power_of_two() && bytes.trailing_zeros().is_multiple_of(2));
        assert!(bytes >= Peaks::LEAST_AVERAGE_BYTES as usize);
        assert!(bytes <= Peaks::MOST_AVERAGE_BYTES as usize);
        // One more rise is about four times as rare in programs and texts; among uniform bytes, nine times.
        Peaks::rising(bytes.trailing_zeros() / 2 - 2, bytes)
    }

    const fn rising(rises: u32, average_bytes: usize) -> Peaks {
        Peaks {
            average_bytes,
            rises,
        }
    }

    pub const fn average_bytes(&self) -> usize {
        self.average_bytes
    }

    const fn least_bytes(&self) -> usize {
        self.average_bytes / 4
    }

    fn next_by(&self, lanes: impl Lanes, window: &[u8]) -> usize {
        let Some((_, rest)) = window.split_at_checked(self.least_bytes()) else {
            return window.len();
        };
        let rises = self.rises;
        // The closure is compiled for the processor that the lanes are of.
        let peak = lanes.run(
            #[inline(always)]
            || peak(lanes, rest, rises),
        );
        peak.map_or(window.len(), |further| self.least_bytes() + further)
    }
}

impl Cut for Peaks {
    fn most_bytes(&self) -> usize {
        self.average_bytes * 4
    }

    fn next(&self, window: &[u8]) -> usize {
        best!(lanes => self.next_by(lanes, window))
    }
}

/// Bytes up to the end of the first peak.
#[inline(always)]
fn peak(lanes: impl Lanes, bytes: &[u8], rises: u32) -> Option<usize> {
    let mut before = Neighbours::default();
    let mut at = 0;
    while let Some(block) = bytes[at..].first_chunk() {
        let (up, down) = lanes.compare(block);
        let now = Neighbours { up, down };
        if let Some(last) = now.first_peak(before, rises) {
            return Some(at + last + 2);
        }
        before = now;
        at += PAIRS;
    }
    // The rest, made a whole block: equal bytes are no peak.
    let rest = &bytes[at..];
    let mut block = [*rest.last()?; PAIRS + 1];
    block[..rest.len()].copy_from_slice(rest);
    let (up, down) = Plain.compare(&block);
    let last = Neighbours { up, down }.first_peak(before, rises)?;
    Some(at + last + 2)
}

/// For each of 64 bytes, whether the next is higher, and whether it is lower.
#[derive(Clone, Copy, Default)]
struct Neighbours {
    up: u64,
    down: u64,
}

impl Neighbours {
    /// The pair that ends the first peak; it may begin in the block `before`.
    #[inline(always)]
    fn first_peak(self, before: Neighbours, rises: u32) -> Option<usize> {
        let moved = |now: u64, before: u64, by: u32| now << by | before >> (64 - by);
        let mut peaks = self.down;
        for by in 1..FALLS {
            peaks &= moved(self.down, before.down, by);
        }
        for by in FALLS..FALLS + rises {
            peaks &= moved(self.up, before.up, by);
        }
        (peaks != 0).then(|| peaks.trailing_zeros() as usize)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::chunk::lanes::each;

    /// The definition, as plainly as can be.
    fn defined(peaks: &Peaks, window: &[u8]) -> usize {
        let (rises, all) = (peaks.rises as usize, (peaks.rises + FALLS) as usize);
        let is_peak = |bytes: &[u8]| {
            let mut pairs = bytes.windows(2).enumerate();
            pairs.all(|(at, pair)| match at < rises {
                true => pair[0] < pair[1],
                false => pair[0] > pair[1],
            })
        };
        let least = peaks.least_bytes();
        let ends = least + all + 1..=window.len();
        let mut cuts = ends.filter(|end| is_peak(&window[end - all - 1..*end]));
        cuts.next().unwrap_or(window.len())
    }

    /// A number of bytes, few different ones so that there are equal neighbours and many peaks.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(
            prop::sample::select(vec![0u8, 1, 127, 128, 200, 255]),
            0..400,
        )
    }

    proptest! {
        #[test]
        fn every_processor_cuts_as_the_definition_says(bytes in bytes(), rises in 1u32..5, least in 0usize..80) {
            let peaks = Peaks::rising(rises, 4 * least);
            let wanted = defined(&peaks, &bytes);
            each!(lanes => prop_assert_eq!(peaks.next_by(lanes, &bytes), wanted));
            prop_assert_eq!(peaks.next(&bytes), wanted);
        }
    }
}
