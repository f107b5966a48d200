//! The wire: the only road from a store to a client, and the meter on it.
//!
//! One wire is opened for each step and closed after it, so a reading belongs to that step alone. The meter
//! knows no HTTP: `socket` sorts a connection's bytes for it, `server` and what it calls answer requests. For programs
//! that want ssh there is a second way in, `ssh`, on the same meter. A wire may also lead to another server (`relay`), one
//! of a `road`.

pub mod answer;
mod body;
pub mod client;
mod condition;
mod fault;
pub mod meter;
pub mod object;
pub mod range;
mod registry;
mod relay;
pub mod road;
mod server;
mod socket;
pub mod ssh;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, anyhow};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::sync::oneshot;

use crate::record::RangeLimit;
use crate::store::Store;
pub use client::{Client, Download};
pub use fault::{Interruption, Then};
use meter::Meter;
pub use meter::{ObjectTraffic, Traffic};
use road::Keys;

/// Address of a store on the wire, without a trailing slash: `http://127.0.0.1:PORT`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WireUrl(pub String);

impl WireUrl {
    /// Address of one object: the store's, and the object's name percent-encoded (RFC 3986: all but unreserved
    /// characters and `/`).
    pub fn object(&self, object: &str) -> String {
        format!("{}/{}", self.0, utf8_percent_encode(object, RESERVED))
    }
}

const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

/// How a client is told of an object: by an address that is signed where the road asks for it.
#[derive(Clone, Debug, Default)]
pub struct Links {
    url: WireUrl,
    keys: Option<Keys>,
}

/// A store being served on loopback, every byte counted: its files over HTTP/1.1, read-only, its OCI layouts as a registry's
/// repositories, and commands run in its folder for stand-ins of ssh.
///
/// Dropped without `close`, it stops all the same; its reading is lost.
pub struct Wire {
    links: Links,
    address: SocketAddr,
    /// Where commands are taken; nowhere when another server is behind the wire.
    ssh: Option<SocketAddr>,
    /// Where it is a registry; nowhere when another server is behind the wire.
    registry: Option<SocketAddr>,
    /// Of all ways in.
    ports: [u16; 5],
    /// The program whose shim runs commands, once it is known.
    shim: Arc<OnceLock<PathBuf>>,
    /// How many ranges of an object it answers at once.
    ranges: Option<RangeLimit>,
    meter: Arc<Meter>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Result<()>>,
}

impl Wire {
    /// Serves `store` from a thread of its own, on a fresh port and with a fresh meter, until closed.
    ///
    /// Clients may connect as soon as this returns. Files are opened per request, so what is published while
    /// the wire is open is seen.
    pub fn open(store: &Store) -> Result<Wire> {
        Wire::open_limited(store, None)
    }

    /// The same, by a server with such a limit.
    pub fn open_limited(store: &Store, ranges: Option<RangeLimit>) -> Result<Wire> {
        Wire::open_metered(store, None, ranges, Meter::default())
    }

    /// The same, interrupted at an exact byte of its payload.
    pub fn open_interrupted(
        store: &Store,
        ranges: Option<RangeLimit>,
        interruption: Interruption,
    ) -> Result<Wire> {
        Wire::open_metered(store, None, ranges, Meter::interrupted(interruption))
    }

    /// The same with another server behind it, whose objects, those of `store`, are below `path`.
    pub fn toward(
        store: &Store,
        ranges: Option<RangeLimit>,
        address: SocketAddr,
        path: &str,
    ) -> Result<Wire> {
        Wire::open_metered(store, Some((address, path)), ranges, Meter::default())
    }

    fn open_metered(
        store: &Store,
        toward: Option<(SocketAddr, &str)>,
        ranges: Option<RangeLimit>,
        meter: Meter,
    ) -> Result<Wire> {
        let root = store
            .path()
            .canonicalize()
            .with_context(|| format!("find the store {}", store.path().display()))?;
        let (http, address) = server::listen()?;
        let (ssh, ssh_address) = server::listen()?;
        let (streams, streams_address) = server::listen()?;
        let (errors, errors_address) = server::listen()?;
        let (registry, registry_address) = server::listen()?;
        let ports = [
            address,
            registry_address,
            ssh_address,
            streams_address,
            errors_address,
        ];
        let doors = server::Doors {
            http,
            registry: toward.is_none().then_some(registry),
            ssh,
            streams,
            errors,
        };
        let shim = Arc::default();
        let server = ssh::Server::of(&root, Arc::clone(&shim))?;
        let (behind, path) = match toward {
            None => (server::Behind::folder(root), ""),
            Some((address, path)) => {
                let there = server::Behind::Server {
                    address,
                    path: path.into(),
                };
                (there, path)
            }
        };
        let meter = Arc::new(meter);
        let (stop, stopped) = oneshot::channel();
        let theirs = Arc::clone(&meter);
        let site = server::Site {
            behind,
            ranges,
            meter: theirs,
        };
        let serving = thread::Builder::new()
            .name("wire".to_string())
            .spawn(move || server::serve(doors, site, server, stopped))
            .context("start the thread that serves the wire")?;
        Ok(Wire {
            links: Links {
                url: WireUrl(format!("http://{address}{path}")),
                keys: None,
            },
            address,
            registry: toward.is_none().then_some(registry_address),
            ssh: toward.is_none().then_some(ssh_address),
            ports: ports.map(|address| address.port()),
            shim,
            ranges,
            meter,
            stop,
            serving,
        })
    }

    /// The TCP ports that a client needs.
    pub fn ports(&self) -> [u16; 5] {
        self.ports
    }

    pub fn url(&self) -> WireUrl {
        self.links.url.clone()
    }

    /// The store as a registry, `127.0.0.1:PORT`: its OCI layouts are the repositories. None with another server behind
    /// the wire.
    pub fn registry(&self) -> Option<String> {
        self.registry.map(|address| address.to_string())
    }

    /// Where it takes requests.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same wire, whose links are signed with these keys.
    pub fn signing(mut self, keys: Option<Keys>) -> Wire {
        self.links.keys = keys;
        self
    }

    /// What a client is told of objects.
    pub fn links(&self) -> &Links {
        &self.links
    }

    /// How many ranges of an object it answers at once, where there is a limit.
    pub fn ranges(&self) -> Option<RangeLimit> {
        self.ranges
    }

    /// What crossed until now.
    pub fn traffic(&self) -> Traffic {
        self.meter.read()
    }

    /// Makes the file `at` a program that stands in for `ssh`: whatever host it is given, the command runs in the
    /// store's folder, in a room of its own, and its streams cross this wire. `lab` is the delta-lab program. With another
    /// server behind the wire it says that there is no ssh.
    pub fn write_ssh(&self, lab: &Path, at: &Path) -> Result<()> {
        self.shim.get_or_init(|| lab.to_path_buf());
        match self.ssh {
            Some(address) => ssh::write_program(lab, address, at),
            None => ssh::write_refusal(at),
        }
    }

    /// Stops accepting, waits for the connections to end, and reads the meter.
    ///
    /// Idle connections end at once, those of a client that is gone at their next write, and its commands are killed.
    /// What is still busy after `server::PATIENCE` is cut, and `Traffic::note` says so.
    pub fn close(self) -> Result<Traffic> {
        if let Some(gate) = self.meter.gate() {
            gate.end();
        }
        drop(self.stop);
        self.serving
            .join()
            .map_err(|_| anyhow!("the thread that serves the wire panicked"))??;
        Ok(self.meter.read())
    }
}
