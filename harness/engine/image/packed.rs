//! Archives that a gzip file holds: a layer as registries and newer engines keep it, or a whole image that was compressed.
//!
//! Such an archive is unpacked into a temporary file and walked like any other. Whether a base's is unpacked is part of
//! the format, so [`unpack`] is frozen.

use std::cell::Cell;
use std::io::{self, Write};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::deflate::{Deflate, Style};
use super::gzip;
use super::space::{PIECE_BYTES, Space};
use super::tar::{self, BLOCK};

/// How an archive is packed again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packed {
    /// The gzip header.
    pub header: Vec<u8>,
    /// Which deflate; nothing in a base, whose archives nobody packs again.
    pub style: Option<usize>,
}

/// What is unpacked may be this many times as long as what is packed, and so much longer: layers are two to ten times. So may
/// all of an image together.
const MOST_TIMES: u64 = 100;
const MOST_MORE: u64 = 1 << 20;
/// As long as an image may be.
const MOST: u64 = 1 << 40;

/// The longest archive that `packed` bytes may unpack to, so that a few bytes don't make work for hours.
pub fn limit(packed: u64) -> u64 {
    let most = packed.saturating_mul(MOST_TIMES);
    most.saturating_add(MOST_MORE).min(MOST)
}

/// The gzip header of contents, if they begin as a packed archive does.
fn header(packed: &Space) -> Result<Option<Vec<u8>>> {
    let few = packed.len().min(gzip::MOST_HEADER);
    let mut start = packed.part(0, few)?.load(few)?;
    let length = gzip::header_length(&start);
    let length = length.filter(|length| begins_as_tar(&start[*length..]));
    Ok(length.map(|length| {
        start.truncate(length);
        start
    }))
}

/// Whether contents begin as a packed archive does.
pub fn may_hold(packed: &Space) -> Result<bool> {
    Ok(header(packed)?.is_some())
}

/// The archive that a gzip file holds, in a temporary file, and its gzip header. Nothing when it is not one whole member
/// with nothing behind it, does not begin as an archive does, or is longer than its limit or the room there is.
pub fn unpack(packed: &Space, room: u64) -> Result<Option<(Space, Packed)>> {
    let Some(header) = header(packed)? else {
        return Ok(None);
    };
    let Some((body, trailer)) = body(packed, &header)? else {
        return Ok(None);
    };
    let trailer = trailer.load(gzip::TRAILER_BYTES as u64)?;
    let limit = limit(packed.len()).min(room);
    let tar = inflate(&body, &trailer, limit)?;
    let style = None;
    Ok(tar.map(|tar| (tar, Packed { header, style })))
}

/// What lies between the header and the trailer of a gzip file, and the trailer.
fn body(packed: &Space, header: &[u8]) -> Result<Option<(Space, Space)>> {
    let (from, after) = (header.len() as u64, gzip::TRAILER_BYTES as u64);
    let Some(bytes) = packed.len().checked_sub(from + after) else {
        return Ok(None);
    };
    let trailer = packed.part(from + bytes, after)?;
    Ok(Some((packed.part(from, bytes)?, trailer)))
}

/// Whether the first block that these bytes inflate to is a header: most compressed files hold no archive.
fn begins_as_tar(body: &[u8]) -> bool {
    let mut header = [0; BLOCK as usize];
    let mut inflate = Decompress::new(false);
    let inflated = inflate.decompress(body, &mut header, FlushDecompress::None);
    inflated.is_ok() && inflate.total_out() == BLOCK && tar::begins(&header)
}

/// What `body` inflates to; nothing when it is damaged, followed by something, or longer than the limit.
fn inflate(body: &Space, trailer: &[u8], limit: u64) -> Result<Option<Space>> {
    let tar = temporary(limit)?;
    let mut inflate = Decompress::new(false);
    let mut crc = Crc::new();
    let (mut input, mut out) = (vec![0; PIECE_BYTES], vec![0; PIECE_BYTES]);
    let (mut held, mut used) = (0, 0);
    loop {
        if used == held {
            held = (body.len() - inflate.total_in()).min(PIECE_BYTES as u64) as usize;
            used = 0;
            body.read(inflate.total_in(), &mut input[..held])?;
        }
        let (taken, at) = (inflate.total_in(), inflate.total_out());
        let Ok(status) = inflate.decompress(&input[used..held], &mut out, FlushDecompress::None)
        else {
            return Ok(None);
        };
        used += (inflate.total_in() - taken) as usize;
        let made = &out[..(inflate.total_out() - at) as usize];
        if at + made.len() as u64 > limit {
            return Ok(None);
        }
        tar.write(at, made)?;
        crc.update(made);
        if status == Status::StreamEnd {
            break;
        }
        if made.is_empty() && inflate.total_in() == body.len() {
            return Ok(None);
        }
    }
    let whole = inflate.total_in() == body.len()
        && trailer == gzip::trailer_of(crc.sum(), inflate.total_out());
    match whole {
        true => tar.part(0, inflate.total_out()).map(Some),
        false => Ok(None),
    }
}

/// A temporary file that has room for so many bytes, and takes as many on the disk as are written.
pub fn temporary(bytes: u64) -> Result<Space> {
    let making = || {
        let folder = std::env::temp_dir();
        format!("make a temporary file in {}", folder.display())
    };
    let file = tempfile::tempfile().with_context(making)?;
    file.set_len(bytes).with_context(making)?;
    Ok(Space::whole(Arc::new(file), bytes))
}

/// Which style of deflate writes `packed` again, which holds `tar` behind this gzip header.
pub fn style(packed: &Space, tar: &Space, header: &[u8]) -> Result<Option<usize>> {
    let Some((body, _)) = body(packed, header)? else {
        return Ok(None);
    };
    for style in gzip::likely(header) {
        let differs = Cell::new(false);
        let expect = Expect {
            body: &body,
            at: 0,
            held: Vec::new(),
            differs: &differs,
        };
        match deflate(tar, style, expect) {
            Ok(left) if left.at == body.len() => return Ok(Some(style)),
            Err(error) if !differs.get() => return Err(error),
            _ => {}
        }
    }
    Ok(None)
}

/// Deflates all of `tar` into `to`.
fn deflate<W: Write>(tar: &Space, style: usize, to: W) -> Result<W> {
    let style = Style::ALL.get(style);
    let mut deflate = Deflate::new(to, *style.context("a deflate of no known style")?);
    tar.pieces(|piece| deflate.feed(piece).context("deflate"))?;
    deflate.finish().context("deflate")
}

/// Compares what is written with what is expected, and refuses the first difference.
struct Expect<'a> {
    body: &'a Space,
    at: u64,
    held: Vec<u8>,
    /// Told apart from a file that can't be read.
    differs: &'a Cell<bool>,
}

impl Write for Expect<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.held.resize(bytes.len(), 0);
        let beyond = self.at + bytes.len() as u64 > self.body.len();
        if !beyond {
            let read = self.body.read(self.at, &mut self.held);
            read.map_err(io::Error::other)?;
        }
        if beyond || self.held != bytes {
            self.differs.set(true);
            return Err(io::Error::other("differs"));
        }
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Takes what is written into a space from `at` on.
struct Put<'a> {
    to: &'a Space,
    at: u64,
}

impl Write for Put<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to.write(self.at, bytes).map_err(io::Error::other)?;
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Fills `to` with the gzip file that holds `tar`.
pub fn pack(tar: &Space, packed: &Packed, to: &Space) -> Result<()> {
    let style = packed
        .style
        .context("an archive that is not packed again")?;
    to.write(0, &packed.header)?;
    let mut crc = Crc::new();
    tar.pieces(|piece| {
        crc.update(piece);
        Ok(())
    })?;
    let put = Put {
        to,
        at: packed.header.len() as u64,
    };
    let put = deflate(tar, style, put)?;
    ensure!(
        put.at + gzip::TRAILER_BYTES as u64 == to.len(),
        "a packed archive of another length"
    );
    to.write(put.at, &gzip::trailer_of(crc.sum(), tar.len()))
}
