//! A tar archive as it lies: headers, contents, and whatever else, so that every byte belongs to something.
//!
//! Frozen: which entries a base has is part of the patch format. Nothing here fails on odd bytes. Where a header ends
//! to make sense, the rest of the archive is one raw run.

use std::borrow::Cow;

use anyhow::{Result, ensure};

use super::space::Space;

pub const BLOCK: u64 = 512;
/// Longest path or extended header that is understood; longer ones are contents like any other.
pub const MOST_TEXT: u64 = 1 << 16;
/// Longest path that is kept.
const MOST_PATH: usize = 4096;
/// Entries of one image: what lies behind them is a raw run.
pub const MOST_ENTRIES: usize = 1 << 20;

pub type Header = [u8; 512];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A header, its contents, and zeros up to the next block.
    File,
    /// Zeros, whole blocks or up to the end.
    Zeros,
    /// Bytes that are no header.
    Raw,
}

/// One run of an archive.
#[derive(Clone, Debug)]
pub struct Entry {
    pub what: What,
    /// Which archive it is in: an index into [`super::archive::Archive::tars`].
    pub tar: usize,
    /// Where it starts in its archive.
    pub at: u64,
    /// Length of its contents.
    pub size: u64,
    /// Full path, as extended headers say it.
    pub path: Box<[u8]>,
    pub kind: u8,
}

impl Entry {
    /// Where its contents start in its archive.
    pub fn content_at(&self) -> u64 {
        match self.what {
            What::File => self.at + BLOCK,
            What::Zeros | What::Raw => self.at,
        }
    }

    /// Where the next entry starts.
    pub fn end(&self) -> u64 {
        let end = self.content_at() + self.size;
        match self.what {
            What::File => end.next_multiple_of(BLOCK),
            What::Zeros | What::Raw => end,
        }
    }

    /// Whether it is an extended header: contents that describe the next entry.
    pub fn is_extension(&self) -> bool {
        self.what == What::File && is_extension(self.kind) && self.size <= MOST_TEXT
    }

    /// Whether the contents are those of a regular file.
    pub fn is_regular(&self) -> bool {
        self.what == What::File && matches!(self.kind, b'0' | 0 | b'7')
    }
}

pub fn is_extension(kind: u8) -> bool {
    matches!(kind, b'L' | b'K' | b'x' | b'g')
}

/// Where fields lie in a header.
pub mod field {
    use std::ops::Range;
    pub const NAME: Range<usize> = 0..100;
    pub const SIZE: Range<usize> = 124..136;
    pub const MTIME: Range<usize> = 136..148;
    pub const SUM: Range<usize> = 148..156;
    pub const KIND: usize = 156;
    pub const MAGIC: Range<usize> = 257..263;
    pub const PREFIX: Range<usize> = 345..500;
    /// In a GNU sparse header and in its extension blocks: whether another such block follows.
    pub const SPARSE_MORE: usize = 482;
    pub const SPARSE_MORE_AGAIN: usize = 504;
    /// The rest, each coded on its own when it is not as foretold. The kind comes first.
    pub const OTHERS: [Range<usize>; 10] = [
        156..157,
        100..108,
        108..116,
        116..124,
        157..257,
        257..265,
        265..297,
        297..329,
        329..345,
        500..512,
    ];
}

/// The sum of a header's bytes, its own field taken as spaces.
pub fn sum(header: &Header) -> u64 {
    let all: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
    let own: u64 = header[field::SUM].iter().map(|byte| u64::from(*byte)).sum();
    all - own + 8 * u64::from(b' ')
}

/// A number in octal, padded and ended as tar programs do it.
pub fn octal(field: &[u8]) -> Option<u64> {
    if field.first()? & 0x80 != 0 {
        // GNU's base 256, for what is too large for octal digits.
        let mut bytes = field.iter().skip(1).map(|byte| u64::from(*byte));
        return bytes.try_fold(0_u64, |number, byte| {
            number.checked_mul(256)?.checked_add(byte)
        });
    }
    let digits: Vec<u8> = field
        .iter()
        .copied()
        .skip_while(|byte| *byte == b' ')
        .take_while(|byte| !matches!(byte, 0 | b' '))
        .collect();
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = matches!(digit, b'0'..=b'7').then(|| u64::from(digit - b'0'))?;
        number.checked_mul(8)?.checked_add(digit)
    })
}

/// Bytes up to the first zero.
pub fn text(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|byte| *byte == 0);
    &field[..end.unwrap_or(field.len())]
}

/// How many bytes of contents follow a header, not counting extension blocks; nothing when this is no header.
pub fn size_of(header: &Header) -> Option<u64> {
    if octal(&header[field::SUM])? != sum(header) {
        return None;
    }
    match header[field::KIND] {
        b'1'..=b'6' => Some(0),
        _ => octal(&header[field::SIZE]),
    }
}

/// Whether this is the first header of an archive.
pub fn begins(header: &Header) -> bool {
    size_of(header).is_some() && header[field::MAGIC].starts_with(b"ustar")
}

/// The path a header gives on its own.
pub fn path_of(header: &Header) -> Vec<u8> {
    let name = text(&header[field::NAME]);
    let prefix = text(&header[field::PREFIX]);
    if header[field::MAGIC].starts_with(b"ustar\0") && !prefix.is_empty() {
        [prefix, b"/", name].concat()
    } else {
        name.to_vec()
    }
}

/// The path for the next entry that an extended header gives, if it gives one of a length that can be.
pub fn extended_path(kind: u8, content: &[u8]) -> Option<Vec<u8>> {
    stated_path(kind, content).filter(|path| path.len() <= MOST_PATH)
}

fn stated_path(kind: u8, content: &[u8]) -> Option<Vec<u8>> {
    match kind {
        b'L' => Some(text(content).to_vec()),
        b'x' => {
            let mut rest = content;
            let mut path = None;
            while !rest.is_empty() {
                let space = rest.iter().position(|byte| *byte == b' ')?;
                let digits = std::str::from_utf8(&rest[..space]).ok()?;
                let length: usize = digits.parse().ok()?;
                let record = rest.get(space + 1..length)?;
                if let Some(value) = record.strip_prefix(b"path=") {
                    path = value.strip_suffix(b"\n").map(<[u8]>::to_vec);
                }
                rest = &rest[length..];
            }
            path
        }
        _ => None,
    }
}

/// Paths are compared without a leading `./` or `/`, and with `bin`, `lib`, `sbin` where a merged `/usr` has them.
pub fn normal(path: &[u8]) -> Cow<'_, [u8]> {
    let mut path = path;
    while let Some(rest) = path.strip_prefix(b"./").or(path.strip_prefix(b"/")) {
        path = rest;
    }
    let top = path.split(|byte| *byte == b'/').next().unwrap_or_default();
    let merged = matches!(
        top,
        b"bin" | b"sbin" | b"lib" | b"lib32" | b"lib64" | b"libx32"
    );
    if merged && path.len() > top.len() + 1 {
        Cow::Owned([b"usr/", path].concat())
    } else {
        Cow::Borrowed(path)
    }
}

/// The entries of the archive that is all of `space`, in order.
///
/// After `most` entries comes one raw run.
pub fn walk(space: &Space, tar: usize, most: usize) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut at = 0;
    let mut next_path = None;
    while at < space.len() {
        let entry = match step(space, tar, at, &mut next_path)? {
            Some(entry) if entries.len() < most => entry,
            _ => run(What::Raw, tar, at, space.len() - at),
        };
        ensure!(entry.end() > at, "an entry without length at {at}");
        at = entry.end();
        entries.push(entry);
    }
    Ok(entries)
}

pub fn run(what: What, tar: usize, at: u64, size: u64) -> Entry {
    Entry {
        what,
        tar,
        at,
        size,
        path: Box::default(),
        kind: 0,
    }
}

/// The header block at `at`, if a whole one is there.
fn block(space: &Space, at: u64) -> Result<Option<Header>> {
    if at.checked_add(BLOCK).is_none_or(|end| end > space.len()) {
        return Ok(None);
    }
    let mut header = [0; 512];
    space.read(at, &mut header)?;
    Ok(Some(header))
}

fn step(
    space: &Space,
    tar: usize,
    at: u64,
    next_path: &mut Option<Vec<u8>>,
) -> Result<Option<Entry>> {
    let Some(header) = block(space, at)? else {
        return zeros(space, tar, at);
    };
    if header.iter().all(|byte| *byte == 0) {
        return zeros(space, tar, at);
    }
    let Some(size) = size_of(&header) else {
        return Ok(None);
    };
    let kind = header[field::KIND];
    let more = sparse_blocks(space, at, &header)?;
    let Some(size) = size.checked_add(more * BLOCK) else {
        return Ok(None);
    };
    let content_at = at + BLOCK;
    let end = content_at
        .checked_add(size)
        .and_then(|end| end.checked_next_multiple_of(BLOCK));
    if end.is_none_or(|end| end > space.len()) {
        return Ok(None);
    }
    let path = next_path.take().unwrap_or_else(|| path_of(&header));
    if is_extension(kind) && size <= MOST_TEXT {
        let content = space.part(content_at, size)?.load(MOST_TEXT)?;
        *next_path = extended_path(kind, &content);
    }
    Ok(Some(Entry {
        what: What::File,
        tar,
        at,
        size,
        path: path.into(),
        kind,
    }))
}

/// How many blocks of a sparse file's map follow its header.
fn sparse_blocks(space: &Space, at: u64, header: &Header) -> Result<u64> {
    let mut more = header[field::KIND] == b'S' && header[field::SPARSE_MORE] != 0;
    let mut blocks = 0;
    while more {
        blocks += 1;
        let next = block(space, at + blocks * BLOCK)?;
        more = next.is_some_and(|next| next[field::SPARSE_MORE_AGAIN] != 0);
    }
    Ok(blocks)
}

/// The run of zero blocks at `at`; nothing when what is there is not zero.
fn zeros(space: &Space, tar: usize, at: u64) -> Result<Option<Entry>> {
    let mut zeros = 0_u64;
    let mut ended = false;
    let mut buffer = vec![0; 1 << 14];
    while !ended && at + zeros < space.len() {
        let now = (space.len() - at - zeros).min(buffer.len() as u64) as usize;
        space.read(at + zeros, &mut buffer[..now])?;
        let here = buffer[..now].iter().position(|byte| *byte != 0);
        ended = here.is_some();
        zeros += here.unwrap_or(now) as u64;
    }
    if ended {
        zeros -= zeros % BLOCK;
    }
    Ok((zeros > 0).then(|| run(What::Zeros, tar, at, zeros)))
}
