//! The body of a response: texts and slices of one file, read in bounded pieces as the client takes them.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};

use super::range::Slice;
use super::socket::Span;

/// Most that is read at once. Larger pieces were no faster over loopback; each connection holds a few of them.
const PIECE_BYTES: u64 = 64 * 1024;

/// A part of a body: what it holds and how the meter counts it.
#[derive(Clone, Debug)]
pub enum Part {
    /// A slice of the file: payload.
    Slice(Slice),
    /// A text held in memory, such as a refusal: payload.
    Text(Bytes),
    /// A boundary and part head between slices: framing.
    Framing(Bytes),
}

impl Part {
    /// How the part crosses.
    pub fn span(&self) -> Span {
        match self {
            Part::Slice(slice) => Span::Payload(slice.bytes),
            Part::Text(text) => Span::Payload(text.len() as u64),
            Part::Framing(text) => Span::Framing(text.len() as u64),
        }
    }
}

/// A body of known length.
#[derive(Debug, Default)]
pub struct Parts {
    parts: VecDeque<Part>,
    file: Option<File>,
}

impl Parts {
    pub fn text(text: String) -> Parts {
        Parts {
            parts: [Part::Text(text.into())].into(),
            file: None,
        }
    }

    /// Slices of `file`, with what stands between them.
    pub fn of(file: File, parts: impl IntoIterator<Item = Part>) -> Parts {
        let parts = parts.into_iter().filter(|part| part.span().bytes() > 0);
        Parts {
            parts: parts.collect(),
            file: Some(file),
        }
    }

    /// Texts, and what stands between them.
    pub fn texts(parts: Vec<Part>) -> Parts {
        Parts {
            parts: parts.into(),
            file: None,
        }
    }

    /// Length of what is left, in bytes.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.span().bytes()).sum()
    }

    pub fn spans(&self) -> Vec<Span> {
        self.parts.iter().map(Part::span).collect()
    }

    fn read(&self, slice: Slice) -> io::Result<Bytes> {
        let mut piece = vec![0; slice.bytes.min(PIECE_BYTES) as usize];
        let file = self.file.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let read = file.read_at(&mut piece, slice.first)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        piece.truncate(read);
        Ok(piece.into())
    }
}

impl Body for Parts {
    type Data = Bytes;
    type Error = io::Error;

    /// Reads where it is polled: a piece is in the page cache nearly always, and handing each to another thread
    /// costs more than reading it.
    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Some(part) = self.parts.pop_front() else {
            return Poll::Ready(None);
        };
        let slice = match part {
            Part::Text(text) | Part::Framing(text) => {
                return Poll::Ready(Some(Ok(Frame::data(text))));
            }
            Part::Slice(slice) => slice,
        };
        let piece = match self.read(slice) {
            Ok(piece) => piece,
            Err(error) => return Poll::Ready(Some(Err(error))),
        };
        let read = piece.len() as u64;
        if read < slice.bytes {
            self.parts.push_front(Part::Slice(Slice {
                first: slice.first + read,
                bytes: slice.bytes - read,
            }));
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.parts.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes())
    }
}
