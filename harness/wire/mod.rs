//! The wire: the only road from a store to a client, and the meter on it.

/// Address of a store on the wire, without a trailing slash: `http://127.0.0.1:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WireUrl(pub String);
