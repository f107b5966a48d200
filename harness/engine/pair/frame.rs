//! Frames: a unit as zstd packs it, with its base as the dictionary.

use anyhow::{Context, Result, ensure};
use zstd::zstd_safe::{CCtx, CParameter, DCtx, FrameFormat, compress_bound, get_error_name};

use super::Effort;
use super::align::Op;

/// What operations take beside their literals, in bytes: an operation about four, a miss about one and a half. Misses are
/// counted between the masked files.
pub fn others(base: &[u8], masked: &[u8], ops: &[Op]) -> usize {
    let (mut at, mut misses) = (0, 0);
    for op in ops {
        at += op.literal as usize;
        let copied = &masked[at..at + op.length as usize];
        let pairs = copied.iter().zip(&base[op.source as usize..]);
        misses += pairs.filter(|(new, old)| new != old).count();
        at += op.length as usize;
    }
    ops.len() * 4 + misses * 3 / 2
}

/// The bytes of `new` that operations do not copy.
fn literals(new: &[u8], ops: &[Op]) -> Vec<u8> {
    let (mut literals, mut rest) = (Vec::new(), new);
    for op in ops {
        let (literal, after) = rest.split_at(op.literal as usize);
        literals.extend_from_slice(literal);
        rest = &after[op.length as usize..];
    }
    literals.extend_from_slice(rest);
    literals
}

/// The frame of `new`, where it is likely to be smaller than the operations, which take `others` bytes beside their
/// literals.
pub fn if_smaller(
    base: &[u8],
    new: &[u8],
    ops: &[Op],
    others: usize,
    effort: Effort,
) -> Result<Option<Vec<u8>>> {
    let copied: usize = ops.iter().map(|op| op.length as usize).sum();
    if (new.len() - copied + others) * 8 < new.len() || base.is_empty() {
        return Ok(None);
    }
    let level = match effort {
        Effort::Fast => 12,
        Effort::Best => 19,
    };
    let alone = pack(&[], &literals(new, ops), level)?;
    let frame = pack(base, new, level)?;
    // Literals take a little less than this when they are packed together, and much less when they are mixed.
    let sixteenths = match effort {
        Effort::Fast => 15,
        Effort::Best => 9,
    };
    let smaller = frame.len() < alone.len() * sixteenths / 16 + others;
    Ok(smaller.then_some(frame))
}

/// The smallest and the largest window, as powers of two.
const WINDOW_LOG: std::ops::RangeInclusive<u32> = 10..=27;

fn pack(base: &[u8], new: &[u8], level: i32) -> Result<Vec<u8>> {
    let bits = usize::BITS - new.len().max(1).leading_zeros();
    let mut context = CCtx::create();
    for parameter in [
        CParameter::CompressionLevel(level),
        CParameter::WindowLog(bits.clamp(*WINDOW_LOG.start(), *WINDOW_LOG.end())),
        CParameter::Format(FrameFormat::Magicless),
        CParameter::ContentSizeFlag(false),
        CParameter::EnableLongDistanceMatching(false),
    ] {
        context.set_parameter(parameter).map_err(told)?;
    }
    context.ref_prefix(base).map_err(told)?;
    let mut frame = Vec::with_capacity(compress_bound(new.len()));
    context.compress2(&mut frame, new).map_err(told)?;
    Ok(frame)
}

/// The `new_len` bytes of a frame.
pub fn unpack(base: &[u8], frame: &[u8], new_len: usize) -> Result<Vec<u8>> {
    let mut context = DCtx::create();
    context
        .set_parameter(zstd::zstd_safe::DParameter::Format(FrameFormat::Magicless))
        .map_err(told)?;
    context.ref_prefix(base).map_err(told)?;
    let mut new = Vec::with_capacity(new_len);
    context
        .decompress(&mut new, frame)
        .map_err(told)
        .context("unpack a frame")?;
    ensure!(
        new.len() == new_len,
        "a frame has {} bytes, not {new_len}",
        new.len()
    );
    Ok(new)
}

fn told(code: usize) -> anyhow::Error {
    anyhow::anyhow!("zstd: {}", get_error_name(code))
}
