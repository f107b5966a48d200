//! Chunks of one size.

use super::{Cut, LIMIT_BYTES};

/// Chunks of one size, except the last. An inserted byte moves every later cut.
#[derive(Clone, Copy, Debug)]
pub struct Fixed {
    bytes: usize,
}

impl Fixed {
    /// Most bytes of a chunk.
    pub const MOST_BYTES: u32 = LIMIT_BYTES as u32;

    pub const fn size(bytes: usize) -> Fixed {
        assert!(bytes > 0 && bytes <= LIMIT_BYTES);
        Fixed { bytes }
    }

    pub const fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Cut for Fixed {
    fn most_bytes(&self) -> usize {
        self.bytes
    }

    fn next(&self, window: &[u8]) -> usize {
        window.len().min(self.bytes)
    }
}
