//! The bits of a deflate stream, the first lowest in its byte.

#[derive(Default)]
pub struct Bits {
    bytes: Vec<u8>,
    waiting: u64,
    count: u32,
}

impl Bits {
    /// Puts up to 32 bits.
    pub fn put(&mut self, value: u32, bits: u32) {
        self.waiting |= u64::from(value) << self.count;
        self.count += bits;
        if self.count >= 32 {
            let whole = self.waiting as u32;
            self.bytes.extend_from_slice(&whole.to_le_bytes());
            self.waiting >>= 32;
            self.count -= 32;
        }
    }

    /// Bits of a byte that is not full yet.
    pub fn beyond_bytes(&self) -> u32 {
        self.count % 8
    }

    pub fn fill_byte(&mut self) {
        let bytes = self.count.div_ceil(8) as usize;
        self.bytes
            .extend_from_slice(&self.waiting.to_le_bytes()[..bytes]);
        (self.waiting, self.count) = (0, 0);
    }

    /// A block of bytes as they are: at most 65,535.
    pub fn put_stored(&mut self, contents: &[u8], last: bool) {
        self.put(u32::from(last), 3);
        self.fill_byte();
        let length = contents.len() as u16;
        self.bytes.extend(length.to_le_bytes());
        self.bytes.extend((!length).to_le_bytes());
        self.bytes.extend_from_slice(contents);
    }

    /// Whole bytes written so far.
    pub fn take_bytes(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }
}
