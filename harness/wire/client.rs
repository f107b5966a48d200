//! The client of the wire: how built-in methods fetch objects.

use std::io::{self, Read};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use ureq::http::header::{CONTENT_LENGTH, CONTENT_RANGE};
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body, BodyReader};

use super::WireUrl;

/// Most connections that are kept for later requests: more than a method uses at once.
const IDLE_CONNECTIONS: usize = 16;

/// Fetches objects of one store over connections that are kept and used again.
///
/// Used from one thread, and with each download read to its end, it opens a single connection; from several threads, one
/// for each.
pub struct Client {
    agent: Agent,
    url: WireUrl,
}

impl Client {
    pub fn new(url: &WireUrl) -> Client {
        let config = Agent::config_builder()
            // The same on every machine and in every version, so that header bytes are.
            .user_agent("delta-lab")
            .accept("")
            .accept_encoding("")
            // The environment may name a proxy; the wire is the only road.
            .proxy(None)
            .max_redirects(0)
            .http_status_as_error(false)
            .max_idle_connections_per_host(IDLE_CONNECTIONS)
            // A method may think for long between two requests.
            .max_idle_age(Duration::from_secs(24 * 60 * 60))
            .build();
        Client {
            agent: Agent::new_with_config(config),
            url: url.clone(),
        }
    }

    /// The whole of `object`, as a stream.
    pub fn get(&self, object: &str) -> Result<Download> {
        let response = self.ask(object, None)?;
        expect_status(&response, StatusCode::OK, object)?;
        Ok(Download::of(response, object))
    }

    /// The whole of `object`, in memory.
    pub fn get_bytes(&self, object: &str) -> Result<Vec<u8>> {
        read_all(self.get(object)?)
    }

    /// The same, or nothing where the store has no such object.
    pub fn get_if_there(&self, object: &str) -> Result<Option<Vec<u8>>> {
        let response = self.ask(object, None)?;
        let is_there = response.status() != StatusCode::NOT_FOUND;
        if is_there {
            expect_status(&response, StatusCode::OK, object)?;
        }
        // What a server says of an absent object is read too, so that the connection is free for the next one.
        let bytes = read_all(Download::of(response, object))?;
        Ok(is_there.then_some(bytes))
    }

    /// `bytes` bytes of `object` from its byte `first` on, in memory; an error when it does not hold them all.
    pub fn get_range(&self, object: &str, first: u64, bytes: u64) -> Result<Vec<u8>> {
        if bytes == 0 {
            return Ok(Vec::new());
        }
        read_all(self.open_range(object, first, bytes)?)
    }

    /// The same as a stream; `bytes` is at least 1.
    pub fn open_range(&self, object: &str, first: u64, bytes: u64) -> Result<Download> {
        let last = first
            .checked_add(bytes)
            .and_then(|end| end.checked_sub(1))
            .with_context(|| format!("{object}: {bytes} bytes from {first} on is no range"))?;
        let range = format!("bytes={first}-{last}");
        let response = self.ask(object, Some(&range))?;
        ensure!(
            response.status() != StatusCode::OK,
            "get {object}: asked for {range}, and the server sends the whole object: it answers no ranges"
        );
        expect_status(&response, StatusCode::PARTIAL_CONTENT, object)?;
        let place = header(&response, CONTENT_RANGE.as_str()).unwrap_or_default();
        ensure!(
            place.starts_with(&format!("bytes {first}-{last}/")),
            "get {object}: asked for {range}, got {place:?}"
        );
        let slice = Download::of(response, object);
        ensure!(
            slice.announced == Some(bytes),
            "get {object}: asked for {range}, got {:?} bytes",
            slice.announced
        );
        Ok(slice)
    }

    fn ask(&self, object: &str, range: Option<&str>) -> Result<Response<Body>> {
        let mut request = self.agent.get(self.url.object(object));
        if let Some(range) = range {
            request = request.header("Range", range);
        }
        request.call().with_context(|| format!("get {object}"))
    }
}

fn expect_status(response: &Response<Body>, wanted: StatusCode, object: &str) -> Result<()> {
    if response.status() != wanted {
        bail!("get {object}: {}", response.status());
    }
    Ok(())
}

fn header<'a>(response: &'a Response<Body>, name: &str) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}

fn read_all(mut download: Download) -> Result<Vec<u8>> {
    let object = download.object.clone();
    let mut bytes = Vec::new();
    download
        .read_to_end(&mut bytes)
        .with_context(|| format!("get {object}"))?;
    Ok(bytes)
}

/// An object on its way. Its connection is free for the next one as soon as its last byte was read.
pub struct Download {
    object: String,
    body: BodyReader<'static>,
    /// Length as the server announced it, in bytes.
    announced: Option<u64>,
    read: u64,
}

impl Download {
    fn of(response: Response<Body>, object: &str) -> Download {
        Download {
            object: object.to_string(),
            announced: header(&response, CONTENT_LENGTH.as_str()).and_then(|n| n.parse().ok()),
            body: response.into_body().into_reader(),
            read: 0,
        }
    }

    /// Length of the whole object in bytes, where the server announced it.
    pub fn announced_bytes(&self) -> Option<u64> {
        self.announced
    }

    fn failed(&self, error: &dyn std::fmt::Display) -> io::Error {
        io::Error::other(format!(
            "{} broke off after {} bytes: {error}",
            self.object, self.read
        ))
    }
}

impl Read for Download {
    /// Fails when the body ends before its announced length: a truncated object is never taken for a whole one.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || self.announced == Some(self.read) && self.read > 0 {
            return Ok(0);
        }
        let read = match self.body.read(buffer) {
            Ok(read) => read,
            Err(error) => return Err(self.failed(&error)),
        };
        self.read += read as u64;
        if read == 0 && self.announced.is_some_and(|bytes| bytes != self.read) {
            return Err(self.failed(&"the connection ended"));
        }
        if self.announced == Some(self.read) {
            // The body's end must be seen for the connection to go back to the pool.
            self.body
                .read(&mut [0])
                .map_err(|error| self.failed(&error))?;
        }
        Ok(read)
    }
}
