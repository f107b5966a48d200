//! A publish that is not done again: its store is taken from the cache, and put there once it is proven.

use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result};
use nix::unistd::geteuid;
use serde_json::json;

use super::kept;
use super::scratch::is_full_disk;
use super::setting::Setting;
use crate::image::hash_file;
use crate::plan::{Planned, Trial, axis};
use crate::record::{Row, Verb};
use crate::source::key::{CacheKey, Identity};
use crate::store::Store;

/// Raised when what is kept of a publish changes.
const FORMAT: u32 = 1;

impl Setting<'_> {
    /// Fills the store with what the same publish left before, if that is kept; the row of the publish.
    pub fn take_kept(&self, planned: &Planned, store: &Store) -> Result<Option<Row>> {
        let Some((stores, trial)) = self.kept else {
            return Ok(None);
        };
        let key = self.key(planned, trial)?;
        let Some(kept) = stores.cache.kept(&key)? else {
            return Ok(None);
        };
        let Some(record) = kept::take(&kept, &key, store)? else {
            // It is published again, and kept again.
            stores.cache.forget(&kept)?;
            return Ok(None);
        };
        stores.taken.fetch_add(1, Ordering::SeqCst);
        Ok(Some(Row {
            store_bytes: record.store_bytes,
            store_files: record.store_files,
            room: record.room.as_str().into(),
            ..self.row(planned, self.verified(), "")
        }))
    }

    /// Keeps the store that a proven publish left. Where the cache has no room for it, it is not kept.
    pub fn keep(&self, planned: &Planned, row: &Row, store: &Store) -> Result<()> {
        let Some((stores, trial)) = self.kept else {
            return Ok(());
        };
        let key = self.key(planned, trial)?;
        let fill = |folder: &Path| kept::put(folder, &key, row, store);
        match stores.cache.keep(&key, stores.most, &fill) {
            Err(why) if is_full_disk(&why) => {
                stores.lost.fetch_add(1, Ordering::SeqCst);
                Ok(())
            }
            other => other,
        }
    }

    /// What makes the store after this publish the same as another.
    fn key(&self, planned: &Planned, trial: &Trial) -> Result<CacheKey> {
        let publishes = trial.acts.iter().filter(|it| it.act.verb == Verb::Publish);
        let upto = publishes.clone().position(|it| it.act == planned.act);
        let published = publishes.take(upto.map_or(0, |at| at + 1)).map(|it| {
            let bases = it.bases.iter().map(|&base| &self.images[base].sha256);
            let image = &self.images[it.image];
            json!([image.name, image.sha256, bases.collect::<Vec<_>>()])
        });
        let axes = trial.case.axes();
        let axes = axes.filter(|(name, _)| axis::axis(name).is_ok_and(|axis| axis.publishes));
        Ok(CacheKey::of(&Identity {
            kind: "store",
            readable: trial.doer.clone(),
            json: json!([
                FORMAT,
                this_program()?,
                // Owners are part of a store.
                geteuid().as_raw(),
                trial.doer,
                self.version.as_ref().ok(),
                axes.collect::<Vec<_>>(),
                published.collect::<Vec<_>>(),
            ]),
        }))
    }
}

/// The sha256 of this program: another build of the lab may publish other bytes.
fn this_program() -> Result<&'static str> {
    static PROGRAM: OnceLock<String> = OnceLock::new();
    if let Some(known) = PROGRAM.get() {
        return Ok(known);
    }
    let lab = std::env::current_exe().context("find this program")?;
    let (_, sha256) = hash_file(&lab)?;
    Ok(PROGRAM.get_or_init(|| sha256))
}
