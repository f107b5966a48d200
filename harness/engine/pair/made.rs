//! A file as it is made: an encoder has all of it from the start, a decoder has what came so far.

/// The bytes so far.
pub struct Made<'a> {
    /// All of the file; empty when decoding.
    truth: &'a [u8],
    /// What was decoded.
    bytes: Vec<u8>,
    len: usize,
}

impl<'a> Made<'a> {
    /// Of the file, or of nothing when decoding; `room` is its length.
    pub fn new(truth: &'a [u8], room: usize) -> Made<'a> {
        Made {
            truth,
            bytes: Vec::with_capacity(if truth.is_empty() { room } else { 0 }),
            len: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn so_far(&self) -> &[u8] {
        match self.truth {
            [] => &self.bytes,
            truth => &truth[..self.len],
        }
    }

    /// The byte so many places back, 1 for the last; 0 before the first.
    pub fn before(&self, back: usize) -> u32 {
        let at = self.len.checked_sub(back);
        at.map_or(0, |at| self.so_far()[at].into())
    }

    /// The next bytes; nothing when decoding.
    pub fn wanted(&self, count: usize) -> Option<&'a [u8]> {
        self.truth.get(self.len..self.len + count)
    }

    pub fn push(&mut self, byte: u8) {
        self.extend(&[byte]);
    }

    pub fn extend(&mut self, bytes: &[u8]) {
        self.len += bytes.len();
        if self.truth.is_empty() {
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// The file that was decoded.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}
