//! The alphabets of deflate, and prefix codes over them: what every writer of it shares (RFC 1951, 3.2).

use super::bits::Bits;

/// Length codes 257.. : extra bits of each (RFC 1951, 3.2.5).
const LENGTH_EXTRA: [u8; 29] = [
    0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
];
pub const DISTANCE_EXTRA: [u8; 30] = [
    0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13,
    13,
];
/// The order in which lengths of codes for code lengths are written.
pub const ORDER: [usize; 19] = [
    16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
];
pub const LENGTH_CODES: usize = 286;
pub const DISTANCE_CODES: usize = 30;
pub const END_OF_BLOCK: usize = 256;

/// A prefix code: for each symbol its length in bits (0 when absent) and its bits, first bit lowest.
pub struct Code {
    pub lengths: Vec<u8>,
    bits: Vec<u16>,
}

impl Code {
    pub fn of_lengths(lengths: Vec<u8>) -> Code {
        let mut count = [0_u16; 16];
        lengths
            .iter()
            .filter(|length| **length > 0)
            .for_each(|length| count[usize::from(*length)] += 1);
        let mut next = [0_u16; 16];
        for bits in 1..16 {
            next[bits] = (next[bits - 1] + count[bits - 1]) << 1;
        }
        let bits = lengths
            .iter()
            .map(|length| {
                if *length == 0 {
                    return 0;
                }
                let code = next[usize::from(*length)];
                next[usize::from(*length)] += 1;
                code.reverse_bits() >> (16 - length)
            })
            .collect();
        Code { lengths, bits }
    }

    pub fn fixed_literals() -> Code {
        let length = |symbol| match symbol {
            0..144 => 8,
            144..256 => 9,
            256..280 => 7,
            _ => 8,
        };
        Code::of_lengths((0..288).map(length).collect())
    }

    pub fn fixed_distances() -> Code {
        Code::of_lengths(vec![5; DISTANCE_CODES])
    }

    /// The last symbol with a code.
    pub fn last(&self) -> usize {
        self.lengths
            .iter()
            .rposition(|length| *length > 0)
            .unwrap_or(0)
    }

    /// The bits that symbols take which come this often, each with its extra bits.
    pub fn size(&self, counts: &[u32], extra: &dyn Fn(usize) -> u32) -> u64 {
        let sizes = counts.iter().enumerate().map(|(symbol, count)| {
            u64::from(*count) * u64::from(u32::from(self.lengths[symbol]) + extra(symbol))
        });
        sizes.sum()
    }

    pub fn put(&self, symbol: usize, to: &mut Bits) {
        self.put_with(symbol, 0, 0, to);
    }

    /// Puts a symbol and, behind it, an offset of up to 13 bits.
    pub fn put_with(&self, symbol: usize, offset: u32, extra: u32, to: &mut Bits) {
        let length = u32::from(self.lengths[symbol]);
        to.put(
            u32::from(self.bits[symbol]) | offset << length,
            length + extra,
        );
    }
}

pub fn extra_of_length(symbol: usize) -> u32 {
    let code = symbol.checked_sub(END_OF_BLOCK + 1);
    code.map_or(0, |code| u32::from(LENGTH_EXTRA[code]))
}

pub fn extra_of_distance(code: usize) -> u32 {
    u32::from(DISTANCE_EXTRA[code])
}

/// Code of a length of 3 to 258 behind the end of block, offset in it and bits of the offset.
pub fn length_code(length: usize) -> (usize, u32, u32) {
    let value = length - 3;
    if value == 255 {
        return (28, 0, 0);
    }
    bucket(value, 4)
}

pub fn distance_code(distance: usize) -> (usize, u32, u32) {
    bucket(distance - 1, 2)
}

/// Code, offset in it and bits of the offset, where `ways` codes share each number of bits.
fn bucket(value: usize, ways: usize) -> (usize, u32, u32) {
    if value < 2 * ways {
        return (value, 0, 0);
    }
    let shift = ways.trailing_zeros();
    let extra = usize::BITS - 1 - value.leading_zeros() - shift;
    let code = (extra as usize + 1) * ways + ((value >> extra) - ways);
    (code, (value & ((1 << extra) - 1)) as u32, extra)
}
