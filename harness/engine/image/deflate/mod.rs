//! Deflate exactly as zlib, GNU gzip, pigz and Go write it, so that a compressed file can be rebuilt from its contents.
//!
//! This code is frozen: what it writes is part of the patch format.

use std::io::{self, Write};

mod bits;
mod block;
mod chains;
mod codes;
mod go;
mod go_codes;
mod go_fast;
mod lazy;
mod pigz;
#[cfg(test)]
mod tests;
mod trees;

use go::Go;
use go_fast::GoFast;
use lazy::Lazy;
use pigz::Pigz;

/// Input held beyond the window before the part that is done is dropped.
const HELD_BYTES: usize = 1 << 20;
/// Contents are taken in pieces of this size, so that what is written can be looked at early.
const PIECE_BYTES: usize = 1 << 16;

/// Which program's deflate, at which level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    pub program: Program,
    /// 4 to 9, Go's from 1.
    pub level: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// zlib with its default memory level 8.
    Zlib,
    /// zlib with memory level 9, as some programs ask for.
    ZlibLarge,
    /// GNU gzip's own.
    Gzip,
    /// `compress/flate` of Go's standard library.
    Go,
    /// zlib's, in parts that pigz joins.
    Pigz,
}

impl Style {
    /// The styles there are; a style's place here is its number in a patch.
    pub const ALL: [Style; 27] = {
        const fn of(program: Program, level: u8) -> Style {
            Style { program, level }
        }
        use Program::{Go, Gzip, Pigz, Zlib, ZlibLarge};
        [
            of(Gzip, 9),
            of(Zlib, 9),
            of(Zlib, 6),
            of(Gzip, 6),
            of(ZlibLarge, 9),
            of(ZlibLarge, 6),
            of(Zlib, 5),
            of(Zlib, 4),
            of(Zlib, 7),
            of(Zlib, 8),
            of(Gzip, 8),
            of(Gzip, 7),
            of(Go, 6),
            of(Go, 9),
            of(Go, 5),
            of(Go, 4),
            of(Go, 7),
            of(Go, 8),
            of(Go, 3),
            of(Go, 2),
            of(Pigz, 6),
            of(Pigz, 9),
            of(Pigz, 5),
            of(Pigz, 4),
            of(Pigz, 7),
            of(Pigz, 8),
            of(Go, 1),
        ]
    };
}

/// A deflate stream being written to `to`.
pub struct Deflate<W> {
    to: W,
    writer: Writer,
}

enum Writer {
    Lazy(Lazy),
    Pigz(Pigz),
    Go(Go),
    GoFast(GoFast),
}

impl<W: Write> Deflate<W> {
    pub fn new(to: W, style: Style) -> Deflate<W> {
        let writer = match style.program {
            Program::Go if style.level == 1 => Writer::GoFast(GoFast::new()),
            Program::Go => Writer::Go(Go::new(style.level)),
            Program::Pigz => Writer::Pigz(Pigz::of(Lazy::new(style))),
            Program::Zlib | Program::ZlibLarge | Program::Gzip => Writer::Lazy(Lazy::new(style)),
        };
        Deflate { to, writer }
    }

    /// Takes more of the contents.
    pub fn feed(&mut self, more: &[u8]) -> io::Result<()> {
        for piece in more.chunks(PIECE_BYTES) {
            match &mut self.writer {
                Writer::Lazy(lazy) => lazy.feed(piece),
                Writer::Pigz(pigz) => pigz.feed(piece),
                Writer::Go(go) => go.feed(piece),
                Writer::GoFast(go) => go.feed(piece),
            }
            self.write()?;
        }
        Ok(())
    }

    /// Ends the stream; returns what was written to.
    pub fn finish(mut self) -> io::Result<W> {
        match &mut self.writer {
            Writer::Lazy(lazy) => lazy.finish(),
            Writer::Pigz(pigz) => pigz.finish(),
            Writer::Go(go) => go.finish(),
            Writer::GoFast(go) => go.finish(),
        }
        self.write()?;
        Ok(self.to)
    }

    fn write(&mut self) -> io::Result<()> {
        let done = match &mut self.writer {
            Writer::Lazy(lazy) => lazy.block.bits.take_bytes(),
            Writer::Pigz(pigz) => pigz.take_bytes(),
            Writer::Go(go) => go.take_bytes(),
            Writer::GoFast(go) => go.take_bytes(),
        };
        self.to.write_all(&done)
    }
}
