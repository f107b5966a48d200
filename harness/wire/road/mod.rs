//! Roads with servers of their own: an object store, and a caching proxy before it. Real programs, on loopback, started
//! here and stopped when they are dropped or the lab ends.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{Links, Wire};
use crate::record::{Access, RangeLimit, Road};
use crate::store::Store;
use bucket::Buckets;
use cache::Cache;

mod bucket;
mod cache;
pub mod presign;
mod service;

pub use presign::Keys;

/// What a server needs from the lab.
#[derive(Clone, Debug)]
pub struct Ground {
    /// Folder for the servers' own folders.
    pub folder: PathBuf,
    /// The delta-lab program, under whose shim they run.
    pub lab: PathBuf,
    /// See `clock::Work::guard`.
    pub guard: Option<PathBuf>,
}

/// The servers of a road that any number of stores can use one after another.
pub struct Servers {
    road: &'static Road,
    ground: Ground,
    buckets: Option<Buckets>,
}

/// A road as it was laid for one store, on which clients come one after another.
pub struct Laid {
    road: &'static Road,
    /// Of the store's bucket, `/store-1`; empty without one.
    folder: String,
    keys: Option<Keys>,
    /// Where clients are let through to; without one, to the store's folder.
    door: Option<std::net::SocketAddr>,
    /// The cache, and the metered wire from it to the object store.
    cache: Option<(Cache, Wire)>,
    store: Store,
}

/// What crossed the hop to whoever holds what was published, until now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Crossed {
    pub bytes: u64,
    pub requests: u64,
}

impl Crossed {
    pub fn plus(self, other: Crossed) -> Crossed {
        Crossed {
            bytes: self.bytes + other.bytes,
            requests: self.requests + other.requests,
        }
    }
}

/// Why a road can't be laid on this machine, and what would help; nothing where it can.
pub fn lacks(road: &Road) -> Option<String> {
    let bucket = road.bucket.and_then(|_| bucket::PROGRAM.lacks());
    bucket.or_else(|| road.cache.then(|| cache::PROGRAM.lacks()).flatten())
}

impl Servers {
    /// Starts what the road needs before there is a store.
    pub fn start(road: &'static Road, ground: &Ground) -> Result<Servers> {
        let start = |access| Buckets::start(access, ground);
        Ok(Servers {
            road,
            ground: ground.clone(),
            buckets: road.bucket.map(start).transpose()?,
        })
    }

    /// Lays the road for what `store` holds now. A cache is a fresh one.
    pub fn lay(&self, store: &Store) -> Result<Laid> {
        let mut laid = Laid {
            road: self.road,
            folder: String::new(),
            keys: None,
            door: None,
            cache: None,
            store: store.clone(),
        };
        let Some(buckets) = &self.buckets else {
            return Ok(laid);
        };
        let bucket = buckets.fill(store).context("fill the object store")?;
        laid.folder = format!("/{bucket}");
        laid.door = Some(buckets.address());
        if self.road.bucket == Some(Access::Signed) {
            laid.keys = Some(buckets.keys().clone());
        }
        if self.road.cache {
            let origin = Wire::toward(store, None, buckets.address(), "")?;
            let cache = Cache::start(origin.address(), &self.ground)?;
            laid.door = Some(cache.address());
            laid.cache = Some((cache, origin));
        }
        Ok(laid)
    }
}

impl Laid {
    /// A wire for the next client, which answers so many ranges at once.
    pub fn open(&self, ranges: Option<RangeLimit>) -> Result<Wire> {
        let Some(door) = self.door else {
            return Wire::open_limited(&self.store, ranges);
        };
        let wire = Wire::toward(&self.store, ranges, door, &self.folder)?;
        Ok(wire.signing(self.keys.clone()))
    }

    /// What the cache has fetched until now; nothing on a road without one, where clients fetch themselves.
    pub fn fetched(&self) -> Option<Crossed> {
        let (_, origin) = self.cache.as_ref()?;
        let traffic = origin.traffic();
        Some(Crossed {
            bytes: traffic.all_bytes(),
            requests: traffic.requests,
        })
    }

    /// What the cache says of itself: a line for each request, which begins with `HIT`, `MISS` or another state.
    pub fn log(&self) -> Result<Option<String>> {
        self.cache
            .as_ref()
            .map(|(cache, _)| cache.log())
            .transpose()
    }

    pub fn road(&self) -> &'static Road {
        self.road
    }
}

/// The addresses that a wire's client is given for objects.
impl Links {
    pub fn of(&self, object: &str) -> String {
        let plain = self.url.object(object);
        match &self.keys {
            Some(keys) => presign::link(keys, "GET", &plain, jiff::Timestamp::now()),
            None => plain,
        }
    }
}

/// The folder for one server within `ground`.
fn room_for(ground: &Ground, name: &str) -> Result<tempfile::TempDir> {
    std::fs::create_dir_all(&ground.folder)
        .with_context(|| format!("make {}", ground.folder.display()))?;
    tempfile::Builder::new()
        .prefix(name)
        .tempdir_in(&ground.folder)
        .with_context(|| format!("make a folder for {name} in {}", ground.folder.display()))
}

/// A path as a word of a program's configuration.
fn word(path: &Path) -> Result<&str> {
    crate::words::utf8(path)
}
