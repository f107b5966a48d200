//! The bytes of a group: a head, and the three streams behind it.
//!
//! ```text
//! group  = version:1 effort:1 lengths streams
//! lengths = four varints: coded bits, packed literals, plain literals, frames (bytes each)
//! ```
//! Packed literals are one raw LZMA stream with lc 3, lp 0, pb 0; when both lengths are equal they are stored.
//! Version 2, frozen.

use anyhow::{Context, Result, bail, ensure};
use liblzma::stream::{Action, Filters, LzmaOptions, Status, Stream};

use super::Effort;

const VERSION: u8 = 2;

/// The streams of one group.
pub struct Streams<'a> {
    pub effort: Effort,
    pub bits: &'a [u8],
    pub literals: Vec<u8>,
    pub frames: &'a [u8],
}

/// Writes a group. `literals` are not packed yet.
pub fn write(effort: Effort, bits: &[u8], literals: &[u8], frames: &[u8]) -> Result<Vec<u8>> {
    let packed = pack(literals)?;
    let packed = if packed.len() < literals.len() {
        &packed
    } else {
        literals
    };
    let mut group = vec![VERSION, effort as u8];
    for length in [bits.len(), packed.len(), literals.len(), frames.len()] {
        write_varint(&mut group, length as u64);
    }
    for stream in [bits, packed, frames] {
        group.extend_from_slice(stream);
    }
    Ok(group)
}

/// Reads a group whose literals take at most `memory` bytes.
pub fn read(group: &[u8], memory: u64) -> Result<Streams<'_>> {
    let (head, mut rest) = group.split_at_checked(2).context("the group has no head")?;
    ensure!(
        head[0] == VERSION,
        "the group is of version {}, not {VERSION}",
        head[0]
    );
    let effort = match head[1] {
        0 => Effort::Fast,
        1 => Effort::Best,
        other => bail!("the group names an effort of {other}"),
    };
    let mut lengths = [0u64; 4];
    for length in &mut lengths {
        *length = read_varint(&mut rest)?;
    }
    let [bits, packed, plain, frames] = lengths;
    ensure!(
        plain <= memory,
        "{plain} bytes of literals are more than the memory allowed"
    );
    let bits = take(&mut rest, bits)?;
    let packed = take(&mut rest, packed)?;
    let frames = take(&mut rest, frames)?;
    ensure!(rest.is_empty(), "bytes follow the group's last stream");
    let literals = match packed.len() as u64 == plain {
        true => packed.to_vec(),
        false => unpack(packed, plain as usize)?,
    };
    Ok(Streams {
        effort,
        bits,
        literals,
        frames,
    })
}

fn take<'a>(rest: &mut &'a [u8], length: u64) -> Result<&'a [u8]> {
    let length = usize::try_from(length).context("a stream's length is not a size")?;
    let (taken, left) = rest
        .split_at_checked(length)
        .context("a stream ends after the group does")?;
    *rest = left;
    Ok(taken)
}

pub fn write_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// Reads a varint in its shortest form.
pub fn read_varint(bytes: &mut &[u8]) -> Result<u64> {
    let mut value = 0u64;
    for at in 0..9 {
        let (first, rest) = bytes.split_first().context("a number is cut short")?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << (7 * at);
        if first & 0x80 == 0 {
            ensure!(at == 0 || *first != 0, "a number is padded");
            return Ok(value);
        }
    }
    bail!("a number is longer than 63 bits")
}

/// The filter chain. A decoder's dictionary covers the whole input, so its size follows from the length; an encoder needs
/// eleven times its dictionary, and takes a smaller one.
fn filters(length: usize, encode: bool) -> Result<Filters> {
    let most = if encode { 1 << 23 } else { 1 << 26 };
    let mut options = LzmaOptions::new_preset(6)?;
    options
        .dict_size(length.clamp(4096, most) as u32)
        .literal_context_bits(3)
        .literal_position_bits(0)
        .position_bits(0);
    if encode {
        options.nice_len(128);
    }
    let mut filters = Filters::new();
    filters.lzma1(&options);
    Ok(filters)
}

fn pack(literals: &[u8]) -> Result<Vec<u8>> {
    let mut stream = Stream::new_raw_encoder(&filters(literals.len(), true)?)?;
    let mut packed = Vec::with_capacity(literals.len() / 2 + 4096);
    loop {
        let taken = stream.total_in() as usize;
        let status = stream.process_vec(&literals[taken..], &mut packed, Action::Finish)?;
        if matches!(status, Status::StreamEnd) {
            return Ok(packed);
        }
        packed.reserve(packed.capacity());
    }
}

fn unpack(packed: &[u8], length: usize) -> Result<Vec<u8>> {
    let mut stream = Stream::new_raw_decoder(&filters(length, false)?)?;
    let mut literals = Vec::new();
    loop {
        // Grown as bytes arrive: a length that lies costs nothing. One more byte shows a stream that is too long.
        let step = (length + 1 - literals.len()).min(literals.len().max(1 << 16));
        literals.reserve_exact(step);
        let before = (stream.total_in(), literals.len());
        let rest = &packed[stream.total_in() as usize..];
        let status = stream
            .process_vec(rest, &mut literals, Action::Run)
            .context("unpack the literals")?;
        ensure!(
            literals.len() <= length,
            "there are more literals than told"
        );
        if matches!(status, Status::StreamEnd) {
            break;
        }
        let moved = before != (stream.total_in(), literals.len());
        ensure!(moved, "the packed literals are cut short");
    }
    ensure!(
        literals.len() == length && stream.total_in() == packed.len() as u64,
        "the packed literals do not end where their stream ends"
    );
    Ok(literals)
}
