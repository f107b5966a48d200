//! One HTTP/1.1 connection as the meter sees it: every byte counted where the kernel takes or gives it.
//!
//! What is sent is sorted into payload and framing by its place in the stream: a head ends at its empty line, and
//! the answering side has announced, before it wrote the head, how the body that follows is made up. So a client
//! that breaks off in the middle of a body is charged for exactly the bytes that left, not for those planned.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::meter::Meter;

/// A stretch of a response's body, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    Payload(u64),
    Framing(u64),
}

/// A response's body as it will cross, and the object it is of.
#[derive(Clone, Debug)]
pub struct Announcement {
    pub object: String,
    pub spans: Vec<Span>,
    /// Whether it is a part of the object, so that the head tells how long the whole is.
    pub is_partial: bool,
}

/// Bytes that a length takes.
const LENGTH_BYTES: u64 = 8;

impl Announcement {
    /// Whether the head tells more than the body: there is none, or it is shorter than the length in the head.
    fn is_told_by_head(&self) -> bool {
        let least = if self.is_partial { LENGTH_BYTES } else { 1 };
        self.spans.iter().map(|span| span.payload()).sum::<u64>() < least
    }
}

/// The bodies announced on one connection that have not begun to cross, in order.
#[derive(Clone, Debug, Default)]
pub struct Announced(Arc<Mutex<VecDeque<Announcement>>>);

impl Announced {
    /// Every final response must be announced, one without a body too, before its head can be written.
    pub fn push(&self, announcement: Announcement) {
        self.queue(|queue| queue.push_back(announcement));
    }

    fn pop(&self) -> Option<Announcement> {
        self.queue(VecDeque::pop_front)
    }

    /// The object of the next response, when its head tells more of it than its body.
    fn next_told_by_head(&self) -> Option<String> {
        self.queue(|queue| {
            let next = queue.front()?;
            next.is_told_by_head().then(|| next.object.clone())
        })
    }

    fn queue<T>(&self, act: impl FnOnce(&mut VecDeque<Announcement>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A socket with the meter on it.
pub struct Metered<S> {
    socket: S,
    meter: Arc<Meter>,
    sorter: Sorter,
}

impl<S> Metered<S> {
    pub fn new(socket: S, meter: Arc<Meter>, announced: Announced) -> Metered<S> {
        meter.connected();
        Metered {
            socket,
            meter,
            sorter: Sorter {
                announced,
                head: Head::default(),
                object: String::new(),
                body: VecDeque::new(),
            },
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(context, buffer))?;
        self.meter.received((buffer.filled().len() - before) as u64);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.meter.gate().is_some() {
            return self.poll_write_gated(context, slices);
        }
        let written = ready!(Pin::new(&mut self.socket).poll_write_vectored(context, slices))?;
        let Metered { meter, sorter, .. } = &mut *self;
        let mut left = written;
        for slice in slices {
            let taken = left.min(slice.len());
            sorter.sort(&slice[..taken], meter);
            left -= taken;
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

impl<S: AsyncWrite + Unpin> Metered<S> {
    /// Writes as far as the gate lets it: in one go a stretch of payload or one of framing, so that the last byte of
    /// payload is exactly the one it was to be.
    fn poll_write_gated(
        &mut self,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let meter = Arc::clone(&self.meter);
        let gate = meter.gate();
        let Some((gate, slice)) = gate.zip(slices.iter().find(|slice| !slice.is_empty())) else {
            return Poll::Ready(Ok(0));
        };
        if gate.has_ended() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let fits = self.sorter.fits(slice, gate.free_bytes());
        if fits == 0 {
            gate.take(0);
            // Nobody is woken: whoever serves the connection drops it when the gate says so.
            return match gate.has_ended() {
                true => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
                false => Poll::Pending,
            };
        }
        let written = ready!(Pin::new(&mut self.socket).poll_write(context, &slice[..fits]))?;
        if self.sorter.is_payload() {
            gate.take(written as u64);
        }
        self.sorter.sort(&slice[..written], &meter);
        Poll::Ready(Ok(written))
    }
}

/// Follows the outgoing stream of one connection, however it is cut into writes.
struct Sorter {
    announced: Announced,
    head: Head,
    /// The object whose body is crossing.
    object: String,
    /// What is left of that body; empty while a head crosses.
    body: VecDeque<Span>,
}

impl Sorter {
    fn sort(&mut self, mut bytes: &[u8], meter: &Meter) {
        while !bytes.is_empty() {
            let taken = if self.body.is_empty() {
                self.sort_head(bytes, meter)
            } else {
                self.sort_body(bytes, meter)
            };
            bytes = &bytes[taken..];
        }
    }

    /// How many of `bytes` belong to the stretch of payload or of framing that they begin with, when `left` more bytes
    /// of payload may cross.
    fn fits(&self, bytes: &[u8], left: u64) -> usize {
        let limit = |most: u64| most.min(bytes.len() as u64) as usize;
        match self.body.front() {
            Some(Span::Payload(span)) => limit((*span).min(left)),
            Some(Span::Framing(span)) => limit(*span),
            None => {
                let (head, _) = self.head.clone().scan(bytes);
                match self.announced.next_told_by_head() {
                    Some(_) => limit(left.min(head as u64)),
                    None => head,
                }
            }
        }
    }

    /// Whether the next byte is payload.
    fn is_payload(&self) -> bool {
        match self.body.front() {
            Some(span) => matches!(span, Span::Payload(_)),
            None => self.announced.next_told_by_head().is_some(),
        }
    }

    /// A head is framing, but for one that is the answer: what it tells is what the client asked for, and a store of empty
    /// files, or of files with holes, could be read that way for next to nothing.
    fn sort_head(&mut self, bytes: &[u8], meter: &Meter) -> usize {
        let (taken, ended) = self.head.scan(bytes);
        match self.announced.next_told_by_head() {
            Some(object) => meter.sent_payload(&object, taken as u64),
            None => meter.sent_framing(taken as u64),
        }
        if ended {
            let status = std::mem::take(&mut self.head).status();
            // An interim response has no body, and the final one is still to come.
            if !(100..200).contains(&status) {
                self.begin_body(status, meter);
            }
        }
        taken
    }

    fn begin_body(&mut self, status: u16, meter: &Meter) {
        match self.announced.pop() {
            Some(next) => {
                self.object = next.object;
                self.body = next.spans.into();
                self.body.retain(|span| span.bytes() > 0);
            }
            // Nobody announced it: the HTTP library itself refused a malformed request, without a body.
            None => meter.answered("", status),
        }
    }

    fn sort_body(&mut self, bytes: &[u8], meter: &Meter) -> usize {
        let Some(span) = self.body.front_mut() else {
            return 0;
        };
        let taken = span.bytes().min(bytes.len() as u64);
        match span {
            Span::Payload(left) => {
                meter.sent_payload(&self.object, taken);
                *left -= taken;
            }
            Span::Framing(left) => {
                meter.sent_framing(taken);
                *left -= taken;
            }
        }
        if span.bytes() == 0 {
            self.body.pop_front();
        }
        taken as usize
    }
}

impl Span {
    fn payload(self) -> u64 {
        match self {
            Span::Payload(bytes) => bytes,
            Span::Framing(_) => 0,
        }
    }

    pub fn bytes(self) -> u64 {
        match self {
            Span::Payload(bytes) | Span::Framing(bytes) => bytes,
        }
    }
}

/// A response's head on its way out, until its empty line.
#[derive(Clone, Default)]
struct Head {
    /// `HTTP/1.1 200`, as far as it has crossed.
    start: Vec<u8>,
    /// How many bytes of the end mark the stream ends in.
    matched: usize,
}

impl Head {
    const END: &[u8] = b"\r\n\r\n";
    const STATUS: std::ops::Range<usize> = 9..12;

    /// How many of `bytes` belong to the head, and whether it ends with them.
    fn scan(&mut self, bytes: &[u8]) -> (usize, bool) {
        let wanted = Head::STATUS.end.saturating_sub(self.start.len());
        self.start.extend(bytes.iter().take(wanted));
        for (at, byte) in bytes.iter().enumerate() {
            if *byte == Head::END[self.matched] {
                self.matched += 1;
            } else {
                self.matched = usize::from(*byte == b'\r');
            }
            if self.matched == Head::END.len() {
                return (at + 1, true);
            }
        }
        (bytes.len(), false)
    }

    /// The status, or 0 when the head has none.
    fn status(&self) -> u16 {
        let digits = self.start.get(Head::STATUS).unwrap_or_default();
        std::str::from_utf8(digits)
            .ok()
            .and_then(|digits| digits.parse().ok())
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STREAM: &str = "HTTP/1.1 200 OK\r\nA: b\r\n\r\nhello\
        HTTP/1.1 304 Not Modified\r\n\r\n\
        HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 206 Partial Content\r\n\r\n\r\n--b\r\n\r\nXYZ\r\n--b--\r\n\
        HTTP/1.1 400 Bad Request\r\n\r\n";

    /// Two bodies, and the head of the answer that has none.
    const PAYLOAD: u64 = 5 + 3 + "HTTP/1.1 304 Not Modified\r\n\r\n".len() as u64;

    fn sorter() -> Sorter {
        let announced = Announced::default();
        for (object, spans) in [
            ("a", vec![Span::Payload(5)]),
            ("b", vec![]),
            (
                "c",
                vec![Span::Framing(9), Span::Payload(3), Span::Framing(9)],
            ),
        ] {
            announced.push(Announcement {
                object: object.to_string(),
                spans,
                is_partial: false,
            });
        }
        Sorter {
            announced,
            head: Head::default(),
            object: String::new(),
            body: VecDeque::new(),
        }
    }

    proptest! {
        #[test]
        fn where_the_stream_is_cut_into_writes_changes_nothing(cuts in prop::collection::vec(1usize..40, 0..60)) {
            let (mut sorter, meter) = (sorter(), Meter::default());
            let mut rest = STREAM.as_bytes();
            for cut in cuts {
                let (now, later) = rest.split_at(cut.min(rest.len()));
                sorter.sort(now, &meter);
                rest = later;
            }
            sorter.sort(rest, &meter);
            let traffic = meter.read();
            prop_assert_eq!(traffic.payload_bytes, PAYLOAD);
            prop_assert_eq!(traffic.header_bytes, STREAM.len() as u64 - PAYLOAD);
            prop_assert_eq!((traffic.requests, traffic.failed_requests), (1, 1));
        }

        #[test]
        fn a_stream_broken_off_anywhere_is_charged_for_what_left(sent in 0..STREAM.len()) {
            let (mut sorter, meter) = (sorter(), Meter::default());
            sorter.sort(&STREAM.as_bytes()[..sent], &meter);
            let traffic = meter.read();
            prop_assert_eq!(traffic.payload_bytes + traffic.header_bytes, sent as u64);
            prop_assert!(traffic.payload_bytes <= PAYLOAD);
        }
    }

    /// What the head tells is longer than what the body holds, until the body is as long as a length.
    #[test]
    fn the_head_of_a_short_part_is_payload_and_that_of_a_short_object_is_not() {
        const HEAD: &str = "HTTP/1.1 206 Partial Content\r\n\r\n";
        for (bytes, is_partial, pays) in [
            (1, true, true),
            (7, true, true),
            (8, true, false),
            (1, false, false),
            (0, false, true),
        ] {
            let announced = Announced::default();
            announced.push(Announcement {
                object: "a".to_string(),
                spans: vec![Span::Payload(bytes)],
                is_partial,
            });
            let mut sorter = Sorter {
                announced,
                head: Head::default(),
                object: String::new(),
                body: VecDeque::new(),
            };
            let meter = Meter::default();
            sorter.sort(HEAD.as_bytes(), &meter);
            sorter.sort(&vec![0; bytes as usize], &meter);
            let head = if pays { HEAD.len() as u64 } else { 0 };
            assert_eq!(meter.read().payload_bytes, bytes + head, "{bytes} bytes");
        }
    }

    #[test]
    fn what_was_in_the_readers_buffer_before_is_not_received_again() {
        let meter = Arc::new(Meter::default());
        let mut socket = Metered::new(&b"hello"[..], meter.clone(), Announced::default());
        let mut room = [0; 64];
        let mut buffer = ReadBuf::new(&mut room);
        buffer.put_slice(b"from before");
        let mut context = Context::from_waker(std::task::Waker::noop());
        let read = Pin::new(&mut socket).poll_read(&mut context, &mut buffer);
        assert!(matches!(read, Poll::Ready(Ok(()))));
        assert_eq!(buffer.filled(), b"from beforehello");
        assert_eq!(meter.read().header_bytes, 5);
    }
}
