//! Deflate as pigz writes it: zlib's, cut every 128 KiB so that each part can be made on a core of its own.
//!
//! A part starts with the 32 KiB before it as zlib's dictionary, which finds what one search going on would find. It
//! ends at a byte: where its last block does not, pigz adds empty blocks.

use super::lazy::Lazy;

const PART_BYTES: usize = 128 << 10;

pub struct Pigz {
    lazy: Lazy,
    /// How much more this part takes.
    room: usize,
}

impl Pigz {
    pub fn of(lazy: Lazy) -> Pigz {
        Pigz {
            lazy,
            room: PART_BYTES,
        }
    }

    pub fn feed(&mut self, mut more: &[u8]) {
        while !more.is_empty() {
            if self.room == 0 {
                self.end_part();
            }
            let (now, later) = more.split_at(more.len().min(self.room));
            self.lazy.feed(now);
            self.room -= now.len();
            more = later;
        }
    }

    /// pigz fills the byte with empty fixed blocks, which take ten bits. An odd number of bits it cannot fill so, and
    /// writes an empty stored block.
    fn end_part(&mut self) {
        self.lazy.end_part();
        let bits = &mut self.lazy.block.bits;
        if bits.beyond_bytes() % 2 == 1 {
            bits.put_stored(&[], false);
        }
        while bits.beyond_bytes() != 0 {
            bits.put(1 << 1, 10);
        }
        self.room = PART_BYTES;
    }

    pub fn finish(&mut self) {
        self.lazy.finish();
    }

    pub fn take_bytes(&mut self) -> Vec<u8> {
        self.lazy.block.bits.take_bytes()
    }
}
