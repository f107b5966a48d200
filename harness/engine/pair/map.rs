//! Where places of the base went: offsets by the copies, addresses by segments on top.

use std::collections::BTreeMap;

use super::align::Op;
use super::elf::Segment;

/// A stretch of the base that was copied.
#[derive(Clone, Copy, Debug)]
struct Piece {
    start: u32,
    end: u32,
    new: u32,
}

/// Offsets of the base to offsets of the new file. Where copies overlap, the longer one counts.
pub struct OffsetMap {
    pieces: Vec<Piece>,
}

/// A place in the new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub at: u32,
    /// Whether the place itself was copied.
    pub is_sure: bool,
    /// Another place, if the nearest copies on both sides disagree.
    pub other: u32,
}

impl OffsetMap {
    pub fn new(ops: &[Op]) -> Self {
        let mut copies = Vec::with_capacity(ops.len());
        let mut at = 0;
        for op in ops {
            at += op.literal;
            if op.length > 0 {
                copies.push((op.length, op.source, at));
            }
            at += op.length;
        }
        copies.sort_by_key(|(length, source, at)| (u32::MAX - length, *source, *at));
        let mut taken: BTreeMap<u32, (u32, u32)> = BTreeMap::new();
        for (length, source, new) in copies {
            let end = source + length;
            let mut free = source;
            let before = taken.range(..=source).next_back();
            if let Some((_, (stop, _))) = before {
                free = free.max(*stop);
            }
            let mut parts = Vec::new();
            if free < end {
                for (start, (stop, _)) in taken.range(free..end) {
                    if *start > free {
                        parts.push((free, *start));
                    }
                    free = *stop;
                }
                if free < end {
                    parts.push((free, end));
                }
            }
            for (from, to) in parts {
                taken.insert(from, (to, new + (from - source)));
            }
        }
        let pieces = taken.into_iter();
        Self {
            pieces: pieces
                .map(|(start, (end, new))| Piece { start, end, new })
                .collect(),
        }
    }

    /// Where the byte at `old` went.
    pub fn place(&self, old: u32) -> Place {
        let next = self.pieces.partition_point(|piece| piece.start <= old);
        let before = next.checked_sub(1).map(|at| self.pieces[at]);
        let after = self.pieces.get(next).copied();
        let moved = |piece: Piece| piece.new.wrapping_add(old.wrapping_sub(piece.start));
        match (before, after) {
            (Some(before), _) if old < before.end => Place {
                at: moved(before),
                is_sure: true,
                other: moved(before),
            },
            (Some(before), Some(after)) => {
                let nearer = old - before.end < after.start - old;
                let (at, other) = match nearer {
                    true => (moved(before), moved(after)),
                    false => (moved(after), moved(before)),
                };
                Place {
                    at,
                    is_sure: false,
                    other,
                }
            }
            (Some(piece), None) | (None, Some(piece)) => Place {
                at: moved(piece),
                is_sure: false,
                other: moved(piece),
            },
            (None, None) => Place {
                at: old,
                is_sure: false,
                other: old,
            },
        }
    }
}

/// Addresses of the base to addresses of the new file.
pub struct AddressMap {
    offsets: OffsetMap,
    segments: Vec<Segment>,
    /// For each segment, the new file's addresses less its offsets.
    shifts: Vec<u32>,
}

impl AddressMap {
    /// `shifts` has one entry a segment.
    pub fn new(ops: &[Op], segments: Vec<Segment>, shifts: Vec<u32>) -> Self {
        Self {
            offsets: OffsetMap::new(ops),
            segments,
            shifts,
        }
    }

    /// The new place of an offset.
    pub fn offset(&self, old: u32) -> Place {
        self.offsets.place(old)
    }

    /// The new place of an address.
    pub fn address(&self, old: u32) -> Place {
        let Some(number) = self.segment(old) else {
            return Place {
                at: old,
                is_sure: false,
                other: old,
            };
        };
        let (segment, shift) = (self.segments[number], self.shifts[number]);
        let inside = old.wrapping_sub(segment.address);
        if inside < segment.file_size {
            let place = self.offsets.place(segment.offset + inside);
            return Place {
                at: place.at.wrapping_add(shift),
                other: place.other.wrapping_add(shift),
                ..place
            };
        }
        // Behind the bytes of the file: it moves as the segment's last byte does.
        let last = segment.file_size.saturating_sub(1);
        let place = self.offsets.place(segment.offset + last);
        let beyond = shift.wrapping_add(inside.wrapping_sub(last));
        Place {
            at: place.at.wrapping_add(beyond),
            other: place.other.wrapping_add(beyond),
            is_sure: false,
        }
    }

    /// The address that `new`, an offset, has if its byte came from the offset `old`.
    pub fn new_address(&self, old: u32, new: u32) -> u32 {
        let mut segments = self.segments.iter().zip(&self.shifts);
        let own = segments.find(|(s, _)| old >= s.offset && old - s.offset < s.file_size);
        new.wrapping_add(own.map_or(0, |(_, shift)| *shift))
    }

    fn segment(&self, address: u32) -> Option<usize> {
        let inside = |s: &Segment| address >= s.address && address - s.address < s.file_size;
        let near = |s: &Segment| address >= s.address && address - s.address <= s.memory_size;
        let mut segments = self.segments.iter();
        segments
            .position(inside)
            .or_else(|| self.segments.iter().position(near))
    }
}
