//! FastCDC, by the crate of that name.

use fastcdc::v2020::{
    AVERAGE_MAX, AVERAGE_MIN, MAXIMUM_MAX, MAXIMUM_MIN, MINIMUM_MAX, MINIMUM_MIN, Normalization,
    cut, select_masks,
};

use super::Cut;

/// Content-defined chunks by FastCDC (Xia et al., "The Design of Fast Content-Defined Chunking for Data
/// Deduplication Based Storage Systems", IEEE TPDS 2020), normalization level 1. A cut depends on the bytes around it, so an
/// insertion changes only the chunks it touches.
#[derive(Clone, Copy, Debug)]
pub struct FastCdc {
    average_bytes: usize,
}

impl FastCdc {
    /// The averages for which the quarter and the fourfold are within the library's limits as well.
    pub const LEAST_AVERAGE_BYTES: u32 = AVERAGE_MIN as u32;
    pub const MOST_AVERAGE_BYTES: u32 = AVERAGE_MAX as u32;

    /// Chunks of about `bytes` bytes (in practice 1.25 times that), from a quarter to four times `bytes`. The library checks
    /// its limits only in debug builds, so they are checked here: all sizes are even, the average is 256 B to 4 MiB, and the
    /// least and the largest size are within the library's limits.
    pub const fn average(bytes: usize) -> FastCdc {
        let chunker = FastCdc {
            average_bytes: bytes,
        };
        let (least, most) = (chunker.least_bytes(), 4 * bytes);
        assert!(bytes.is_multiple_of(8));
        assert!(bytes >= AVERAGE_MIN && bytes <= AVERAGE_MAX);
        assert!(least >= MINIMUM_MIN && least <= MINIMUM_MAX);
        assert!(most >= MAXIMUM_MIN && most <= MAXIMUM_MAX);
        chunker
    }

    pub const fn average_bytes(&self) -> usize {
        self.average_bytes
    }

    pub const fn least_bytes(&self) -> usize {
        self.average_bytes / 4
    }
}

impl Cut for FastCdc {
    fn most_bytes(&self) -> usize {
        self.average_bytes * 4
    }

    fn next(&self, window: &[u8]) -> usize {
        let (short, long) = select_masks(self.average_bytes, Normalization::Level1);
        let (least, most) = (self.least_bytes(), self.most_bytes());
        let average = self.average_bytes;
        cut(
            window,
            least,
            average,
            most,
            short,
            long,
            short << 1,
            long << 1,
        )
        .1
    }
}
