//! Stores that earlier publishes left, kept in the cache: a run that measures sizes alone takes them up where the same method
//! is to publish the same images again, for other updates, in another scenario or on another day.
//!
//! What is kept was proven. It is known by the program of the lab, the method's version, and every image that was published,
//! with its bases; and it is given out as the bytes that were kept, or not at all.

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicUsize;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::scratch::clear;
use crate::image::hex;
use crate::record::Row;
use crate::source::cache::{Cache, Kept};
use crate::source::key::CacheKey;
use crate::store::Store;

const TREE: &str = "store";
const RECORD: &str = "publish.json";

/// The stores that a run may take up, and how many it took.
pub struct KeptStores<'a> {
    pub cache: &'a Cache,
    /// Most bytes that all of them may hold together.
    pub most: u64,
    pub taken: AtomicUsize,
    /// How many it could not keep for want of room on the cache's disk.
    pub lost: AtomicUsize,
}

/// What is known of a publish beside the store that it left.
#[derive(Serialize, Deserialize)]
pub struct Record {
    /// The whole key; the folder's name has its start.
    key: String,
    pub store_bytes: Option<i64>,
    pub store_files: Option<i64>,
    pub room: String,
    /// Of the store, in hex.
    digest: String,
}

impl<'a> KeptStores<'a> {
    pub fn new(cache: &'a Cache, most: u64) -> KeptStores<'a> {
        KeptStores {
            cache,
            most,
            taken: AtomicUsize::new(0),
            lost: AtomicUsize::new(0),
        }
    }
}

/// Copies what is kept into the store in the place of what that holds. Nothing where it is not as it was kept, or was kept
/// under a key that begins alike; the store is as it was then.
pub fn take(kept: &Kept, key: &CacheKey, store: &Store) -> Result<Option<Record>> {
    let Some(record) = read(&kept.path.join(RECORD)) else {
        return Ok(None);
    };
    let tree = Store::at(&kept.path.join(TREE))?;
    let is_whole = || {
        tree.digest()
            .is_ok_and(|digest| hex(&digest) == record.digest)
    };
    if record.key != key.sha256 || !is_whole() {
        return Ok(None);
    }
    clear(store.path())?;
    let store = Store::at(store.path())?;
    tree.copy_into(store.path())?;
    Ok(Some(record))
}

fn read(path: &Path) -> Option<Record> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Fills `folder` with the store that a publish left, whose row is `row`; its bytes. Nothing where it can't be told whole.
pub fn put(folder: &Path, key: &CacheKey, row: &Row, store: &Store) -> Result<Option<u64>> {
    let Ok(digest) = store.digest() else {
        return Ok(None);
    };
    let copy = Store::at(&folder.join(TREE))?;
    store.copy_into(copy.path())?;
    if copy.digest().ok() != Some(digest) {
        return Ok(None);
    }
    let record = Record {
        key: key.sha256.clone(),
        store_bytes: row.store_bytes,
        store_files: row.store_files,
        room: row.room.to_string(),
        digest: hex(&digest),
    };
    let path = folder.join(RECORD);
    let text = serde_json::to_vec(&record).context("write what is kept of a publish")?;
    fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    Ok(Some(copy.holdings()?.bytes))
}
