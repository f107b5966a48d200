//! Stands in for reqwest 0.13 in the `bitar` crate (0.15.0), the only user of it here.
//!
//! That crate can read an archive over HTTP by itself, with reqwest, and no feature leaves that out. The lab gives it a
//! reader of its own, which goes over the metered wire, so none of this is ever called: a request cannot even be made,
//! since these types have no values. Without reqwest, its TLS and its URL library about fifty crates less are compiled.

use std::convert::Infallible;
use std::fmt;

use bytes::Bytes;
use futures_core::Stream;

pub enum Client {}

pub enum Url {}

#[derive(Debug)]
pub enum Error {}

pub struct RequestBuilder(Infallible);

pub struct Response(Infallible);

pub mod header {
    pub const RANGE: &str = "range";
}

impl Client {
    /// Panics: there is no client.
    #[expect(clippy::new_without_default, reason = "as reqwest has it")]
    pub fn new() -> Client {
        panic!("this bitar is built without an HTTP client")
    }

    pub fn get(&self, _: Url) -> RequestBuilder {
        match *self {}
    }
}

impl RequestBuilder {
    pub fn try_clone(&self) -> Option<RequestBuilder> {
        match self.0 {}
    }

    pub fn header(self, _: &str, _: String) -> RequestBuilder {
        match self.0 {}
    }

    #[expect(unreachable_code, reason = "there is no request that could be sent")]
    pub fn send(self) -> impl Future<Output = Result<Response, Error>> + Send + Unpin + 'static {
        std::future::ready(match self.0 {})
    }
}

impl Response {
    pub async fn bytes(self) -> Result<Bytes, Error> {
        match self.0 {}
    }

    pub fn bytes_stream(self) -> impl Stream<Item = Result<Bytes, Error>> + Send + Unpin + 'static {
        Nothing(self.0)
    }
}

struct Nothing(Infallible);

impl Stream for Nothing {
    type Item = Result<Bytes, Error>;

    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context,
    ) -> std::task::Poll<Option<Self::Item>> {
        match self.0 {}
    }
}

impl fmt::Display for Error {
    fn fmt(&self, _: &mut fmt::Formatter) -> fmt::Result {
        match *self {}
    }
}

impl std::error::Error for Error {}
