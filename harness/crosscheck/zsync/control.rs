//! The control file: lines of text, an empty line, and two truncated checksums for each block of the image.

use std::collections::BTreeSet;
use std::str;

use anyhow::{Context, Result, ensure};

/// The contents of a control file.
#[derive(Debug)]
pub struct Control {
    /// Bytes of the image.
    pub length: u64,
    /// A power of two. The last block is padded with zeros.
    pub block_bytes: usize,
    /// Number of consecutive blocks that must match: 1 or 2.
    pub sequence: usize,
    /// Object of the image, relative to the control file.
    pub url: String,
    pub blocks: Vec<Sums>,
    /// Which bits of a rolling checksum's first half are in the file.
    pub first_mask: u16,
    /// How many bytes of an MD4 are in the file.
    pub strong_bytes: usize,
}

/// The checksums of a block, truncated as in the file.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sums {
    pub weak: Weak,
    pub strong: [u8; 16],
}

/// rsync's rolling checksum: the sum of the bytes, and the sum weighted by the distance from the end, both modulo 2^16.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weak {
    pub first: u16,
    pub second: u16,
}

/// Largest block accepted; zsyncmake chooses 2048 or 4096.
const BLOCK_LIMIT_BYTES: u64 = 1 << 24;

/// Keys that zsyncmake 0.6.2 writes for an uncompressed file, and `Min-Version` for older clients.
const KEYS: &[&str] = &[
    "zsync",
    "Min-Version",
    "Filename",
    "MTime",
    "Blocksize",
    "Length",
    "Hash-Lengths",
    "URL",
    "SHA-1",
];

/// Parses a control file, to its last byte.
pub fn parse(bytes: &[u8]) -> Result<Control> {
    let end = bytes
        .windows(2)
        .position(|pair| pair == b"\n\n")
        .context("no empty line: it is cut short or not a control file")?;
    let head = str::from_utf8(&bytes[..end]).context("its head is not text")?;
    ensure!(head.starts_with("zsync: "), "not a control file of zsync");
    let line = |key: &str| {
        head.lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value)
    };
    for key in ["Z-URL", "Z-Map2"] {
        ensure!(
            line(key).is_none(),
            "{key}: the ranges of a gzip file cannot be computed here"
        );
    }
    let mut seen = BTreeSet::new();
    for line in head.lines() {
        let key = line.split_once(": ").map_or(line, |(key, _)| key);
        ensure!(
            KEYS.contains(&key) && seen.insert(key),
            "an unknown or repeated line {key:?}"
        );
    }
    let value = |key: &str| line(key).with_context(|| format!("no line {key}"));
    let number = |key: &str| -> Result<u64> {
        let value = value(key)?;
        value.parse().with_context(|| format!("{key}: {value}"))
    };
    let length = number("Length")?;
    let block_bytes = number("Blocksize")?;
    ensure!(
        block_bytes.is_power_of_two() && block_bytes <= BLOCK_LIMIT_BYTES,
        "Blocksize: {block_bytes} is not a power of two up to {BLOCK_LIMIT_BYTES}"
    );
    let (sequence, weak_bytes, strong_bytes) = hash_lengths(value("Hash-Lengths")?)?;
    let url = value("URL")?.to_string();

    let sums = &bytes[end + 2..];
    let blocks = length.div_ceil(block_bytes);
    let block_sums = weak_bytes + strong_bytes;
    let wanted = blocks
        .checked_mul(block_sums as u64)
        .with_context(|| format!("Length: {length} bytes are too many"))?;
    ensure!(
        sums.len() as u64 >= wanted,
        "cut short: there should be {wanted} bytes of checksums, but only {} are there",
        sums.len()
    );
    ensure!(
        sums.len() as u64 == wanted,
        "{} bytes follow its end at {}",
        sums.len() as u64 - wanted,
        end as u64 + 2 + wanted
    );
    Ok(Control {
        length,
        block_bytes: block_bytes as usize,
        sequence,
        url,
        blocks: sums
            .chunks_exact(block_sums)
            .map(|sums| read(sums, weak_bytes))
            .collect(),
        first_mask: match weak_bytes {
            ..=2 => 0,
            3 => 0xFF,
            _ => 0xFFFF,
        },
        strong_bytes,
    })
}

/// `2,3,5`: consecutive blocks, bytes of the rolling checksum, bytes of the MD4, within zsync's limits.
fn hash_lengths(value: &str) -> Result<(usize, usize, usize)> {
    let numbers: Vec<usize> = value
        .split(',')
        .map(|number| number.trim().parse().ok())
        .collect::<Option<_>>()
        .with_context(|| format!("Hash-Lengths: {value}"))?;
    match numbers[..] {
        [sequence @ 1..=2, weak @ 1..=4, strong @ 3..=16] => Ok((sequence, weak, strong)),
        _ => anyhow::bail!("Hash-Lengths: {value} is outside zsync's limits"),
    }
}

/// A block's checksums. The file has the last bytes of the rolling checksum, whose halves are big-endian.
fn read(sums: &[u8], weak_bytes: usize) -> Sums {
    let (weak, strong) = sums.split_at(weak_bytes);
    let mut whole = [0; 4];
    whole[4 - weak_bytes..].copy_from_slice(weak);
    let mut sums = Sums {
        weak: Weak {
            first: u16::from_be_bytes([whole[0], whole[1]]),
            second: u16::from_be_bytes([whole[2], whole[3]]),
        },
        ..Sums::default()
    };
    sums.strong[..strong.len()].copy_from_slice(strong);
    sums
}
