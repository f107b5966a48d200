//! Answers that another server gives: a request goes on to it as it came, and its answer comes back metered as one of
//! the lab's own is.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use http_body_util::{BodyExt, Either, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, TRANSFER_ENCODING,
};
use hyper::http::request;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::body::{Part, Parts};
use super::socket::Span;

/// A body of the lab's own, or one that passes through.
pub type Passing = Either<Parts, Incoming>;

/// The way on of one client's connection: a connection to the server of its own, made when it is first needed and again
/// when the server has closed it.
pub struct Onward {
    to: SocketAddr,
    sender: Option<SendRequest<Empty<Bytes>>>,
}

/// Heads that are of one connection and not of the answer or the request (RFC 9110, section 7.6.1).
const OF_A_CONNECTION: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "upgrade",
];

impl Onward {
    pub fn to(to: SocketAddr) -> Onward {
        Onward { to, sender: None }
    }

    /// The server's answer to a request without a body, and how its body will cross.
    pub async fn ask(&mut self, asked: &request::Parts) -> Result<(Response<Passing>, Vec<Span>)> {
        let response = match self.send(asked).await {
            Ok(response) => response,
            // It may have been closed between two requests, and what is only read can be asked for again.
            Err(_) => {
                self.sender = None;
                self.send(asked).await?
            }
        };
        passed(response, &asked.method).await
    }

    async fn send(&mut self, asked: &request::Parts) -> Result<Response<Incoming>> {
        let mut request = Request::new(Empty::new());
        *request.method_mut() = asked.method.clone();
        *request.uri_mut() = asked.uri.clone();
        *request.headers_mut() = between_ends(&asked.headers);
        let sender = self.sender().await?;
        let sent = sender.send_request(request).await;
        sent.with_context(|| format!("ask {}", self.to))
    }

    async fn sender(&mut self) -> Result<&mut SendRequest<Empty<Bytes>>> {
        let usable = match &mut self.sender {
            Some(sender) => sender.ready().await.is_ok(),
            None => false,
        };
        if !usable {
            let connecting = TcpStream::connect(self.to).await;
            let socket = connecting.with_context(|| format!("connect to {}", self.to))?;
            socket.set_nodelay(true).ok();
            let (sender, connection) = http1::Builder::new()
                .title_case_headers(true)
                .handshake(TokioIo::new(socket))
                .await
                .with_context(|| format!("talk to {}", self.to))?;
            // It ends when the sender is dropped, and so with the client's connection.
            tokio::spawn(connection);
            self.sender = Some(sender);
        }
        self.sender.as_mut().context("it was put there")
    }
}

fn between_ends(heads: &HeaderMap) -> HeaderMap {
    let mut heads = heads.clone();
    for name in OF_A_CONNECTION {
        heads.remove(*name);
    }
    heads.remove(TRANSFER_ENCODING);
    heads
}

/// The answer as it is passed to the client. One with a length is streamed; one that has several parts, or no length, is
/// taken whole first, to know what of it is payload.
async fn passed(
    response: Response<Incoming>,
    method: &Method,
) -> Result<(Response<Passing>, Vec<Span>)> {
    let (mut head, body) = response.into_parts();
    head.headers = between_ends(&head.headers);
    let bodiless = method == Method::HEAD
        || head.status == StatusCode::NOT_MODIFIED
        || head.status == StatusCode::NO_CONTENT;
    if bodiless {
        let none = Either::Left(Parts::default());
        return Ok((Response::from_parts(head, none), Vec::new()));
    }
    let kind = text(&head.headers, CONTENT_TYPE.as_str()).to_string();
    let length = text(&head.headers, CONTENT_LENGTH.as_str()).parse().ok();
    if let (Some(bytes), false) = (length, kind.starts_with("multipart/byteranges")) {
        let spans = vec![Span::Payload(bytes)];
        return Ok((Response::from_parts(head, Either::Right(body)), spans));
    }
    let whole = body.collect().await.context("read an answer")?.to_bytes();
    let parts = match kind.split_once("boundary=") {
        Some((_, boundary)) => multipart(&whole, boundary.trim_matches('"'))?,
        None => vec![Part::Text(whole)],
    };
    head.headers.remove(CONTENT_LENGTH);
    head.headers.remove(CONNECTION);
    let body = Parts::texts(parts);
    let spans = body.spans();
    Ok((Response::from_parts(head, Either::Left(body)), spans))
}

fn text<'a>(heads: &'a HeaderMap, name: &str) -> &'a str {
    let value = heads.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default()
}

/// The parts of a `multipart/byteranges` body (RFC 9110, section 14.6): the contents are payload, what stands around
/// them is framing.
fn multipart(body: &Bytes, boundary: &str) -> Result<Vec<Part>> {
    const END: &[u8] = b"\r\n\r\n";
    let mut parts = Vec::new();
    let mut at = 0;
    loop {
        let rest = &body[at..];
        let last = format!("--{boundary}--");
        if rest.trim_ascii_start().starts_with(last.as_bytes()) {
            parts.push(Part::Framing(body.slice(at..)));
            return Ok(parts);
        }
        let head = rest.windows(END.len()).position(|four| four == END);
        let head = head.context("an answer of several parts ends before its last boundary")?;
        let content = at + head + END.len();
        let bytes = part_bytes(&body[at..content])?;
        if content + bytes > body.len() {
            bail!("an answer of several parts ends within one of them");
        }
        parts.push(Part::Framing(body.slice(at..content)));
        parts.push(Part::Text(body.slice(content..content + bytes)));
        at = content + bytes;
    }
}

/// How many bytes the `Content-Range` of a part's head says.
fn part_bytes(head: &[u8]) -> Result<usize> {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let name = format!("{CONTENT_RANGE}: bytes ");
    let range = head
        .lines()
        .find_map(|line| line.strip_prefix(name.as_str()));
    let slice = range.and_then(|range| range.split_once('/')?.0.split_once('-'));
    let (first, last) = slice.context("a part of an answer without its range")?;
    let (first, last): (usize, usize) = (first.parse()?, last.parse()?);
    let bytes = last
        .checked_sub(first)
        .context("a part that ends before it begins")?;
    Ok(bytes + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_answer_in_parts_the_contents_are_payload_and_all_else_is_framing() {
        // As nginx 1.22 writes it; the contents hold what looks like a head.
        let body = "\r\n--00000000000000000042\r\nContent-Type: application/octet-stream\r\n\
                    Content-Range: bytes 0-8/30\r\n\r\nab\r\n\r\ncde\
                    \r\n--00000000000000000042\r\nContent-Type: application/octet-stream\r\n\
                    Content-Range: bytes 20-21/30\r\n\r\nxy\r\n--00000000000000000042--\r\n";
        let body = Bytes::from(body);
        let parts = multipart(&body, "00000000000000000042").unwrap();
        let payload: Vec<&[u8]> = parts
            .iter()
            .filter_map(|part| match part {
                Part::Text(text) => Some(&text[..]),
                _ => None,
            })
            .collect();
        assert_eq!(payload, [&b"ab\r\n\r\ncde"[..], b"xy"]);
        let all: u64 = parts.iter().map(|part| part.span().bytes()).sum();
        assert_eq!(all, body.len() as u64);
        let cut = body.slice(..body.len() - 40);
        assert!(multipart(&cut, "00000000000000000042").is_err());
        // The first byte of the last part is there, and the second is not.
        let within = body.windows(4).position(|four| four == b"xy\r\n").unwrap() + 1;
        let why = multipart(&body.slice(..within), "00000000000000000042").unwrap_err();
        assert!(why.to_string().contains("within one of them"), "{why}");
    }
}
