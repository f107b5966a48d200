//! How a client comes by its bases before any update, where it holds more than their files: an engine's storage, filled by
//! a pull.
//!
//! It is done while the base is the newest image of the store, so nothing of what is published later can be in it. What
//! crosses then is metered on a wire of its own and found beside the update (`hold_bytes`), never charged to it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::ledger;
use super::road::Way;
use super::scratch::clear;
use super::setting::Setting;
use super::step::{HELD, Outcome};
use crate::image::{Image, sha256_hex};
use crate::method::Call;
use crate::plan::Trial;
use crate::probe::Found;
use crate::record::{Fault, Verb, replace};
use crate::store::Store;
use crate::wire::Wire;

/// What it took one client to come by its bases.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Came {
    /// Bodies, both directions.
    bytes: u64,
    requests: u64,
    /// Why it did not.
    failure: Option<String>,
}

const CAME: &str = "came.json";

impl Setting<'_> {
    /// Has every client of the trial that is to hold the image which was just published come by it.
    pub fn hold(&self, image: usize, store: &Store) -> Result<()> {
        for bases in self.holders.iter().filter(|bases| bases.contains(&image)) {
            let images: Vec<&Image> = bases.iter().map(|&base| &self.images[base]).collect();
            let place = self.holding(&images)?;
            let mut came = Came::default();
            if bases.first() == Some(&image) {
                clear(&place)?;
                fs::create_dir_all(place.join(HELD))
                    .with_context(|| format!("make {}", place.display()))?;
            } else {
                came = self.came(&place)?;
            }
            if came.failure.is_none() {
                came = self.come_by(&self.images[image], &place, came, store)?;
            }
            let text = serde_json::to_vec(&came).context("write what a client holds")?;
            replace(&place.join(CAME), &text)?;
        }
        Ok(())
    }

    /// Whether what clients hold is there for every one of these updates, given by their bases. A kill may have taken it.
    pub fn holds_for(&self, updates: impl Iterator<Item = Vec<usize>>) -> bool {
        let mut updates = updates.filter(|bases| self.holders.contains(bases));
        updates.all(|bases| {
            let images: Vec<&Image> = bases.iter().map(|&base| &self.images[base]).collect();
            let Ok(place) = self.holding(&images) else {
                return false;
            };
            place.join(CAME).is_file() && place.join(HELD).is_dir()
        })
    }

    /// Gives the client in `scratch` what it holds, and says what that took; in words why it holds nothing.
    pub fn take_held(&self, bases: &[Image], scratch: &Path) -> Result<Outcome<Vec<Found>>> {
        if !self.doer.about().holds || bases.is_empty() {
            return Ok(Ok(Vec::new()));
        }
        let place = self.holding(&bases.iter().collect::<Vec<_>>())?;
        let came = self.came(&place)?;
        if let Some(why) = came.failure {
            return Ok(Err(why));
        }
        move_folder(&place.join(HELD), &scratch.join(HELD))?;
        let found = |measure: &str, value| Found {
            part: String::new(),
            measure: measure.to_string(),
            value,
        };
        Ok(Ok(vec![
            found("hold_bytes", came.bytes),
            found("hold_requests", came.requests),
        ]))
    }

    /// Runs the step that comes by a base, on top of what the client in `place` holds already.
    fn come_by(&self, base: &Image, place: &Path, before: Came, store: &Store) -> Result<Came> {
        let failed = |why: String| Came {
            failure: Some(format!("its client can't come by {}: {why}", base.name)),
            ..Came::default()
        };
        let scratch = self.scratch("client-")?;
        let held = scratch.path().join(HELD);
        // Until it is back, a kill leaves none of it.
        move_folder(&place.join(HELD), &held)?;
        let published = ledger::look(store)?;
        let wire = Wire::open_limited(store, self.ranges)?;
        let call = Call::Hold {
            base: self.given(base)?,
            url: wire.url().0,
            registry: wire.registry(),
            held: held.clone(),
        };
        let ran = self.process(&call, scratch.path(), &wire.ports())?;
        let traffic = wire.close()?;
        if let Err(why) = ran {
            return Ok(failed(why));
        }
        if ledger::look(store)? != published {
            return Ok(failed("changed the store while it did".to_string()));
        }
        if !traffic.note.is_empty() {
            return Ok(failed(format!(
                "the wire can't vouch for its figures: {}",
                traffic.note
            )));
        }
        move_folder(&held, &place.join(HELD))?;
        Ok(Came {
            bytes: before.bytes + traffic.payload_bytes + traffic.upload_bytes,
            requests: before.requests + traffic.requests,
            failure: None,
        })
    }

    fn came(&self, place: &Path) -> Result<Came> {
        let path = place.join(CAME);
        let text = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("parse {}", path.display()))
    }

    /// Removes the trial's folder, and what is kept beside it.
    pub fn clear(&self) -> Result<()> {
        clear(&self.aside()?)?;
        clear(&self.folder)
    }

    /// Folder of what a client with these bases holds.
    fn holding(&self, bases: &[&Image]) -> Result<PathBuf> {
        let names: Vec<&str> = bases.iter().map(|base| base.name.as_str()).collect();
        let names = sha256_hex(names.join("+").as_bytes());
        Ok(self.aside()?.join(&names[..16]))
    }
}

/// Refuses what no client's state before the clock can be had for: an update that is made more than once, or in another way
/// than straight from the lab; and one whose base is published after its image, which a client could then take with it.
pub fn can_hold(trial: &Trial) -> Result<()> {
    let case = &trial.case;
    let fault = Fault::named(case.get(Fault::AXIS).unwrap_or(Fault::NONE))?;
    ensure!(
        fault.is_none() && Way::of(case)?.is_none(),
        "what its client holds can be had once, and not under {case}"
    );
    let mut updates = trial.acts.iter().filter(|it| it.act.verb == Verb::Update);
    ensure!(
        updates.all(|it| it.bases.iter().all(|base| *base < it.image)),
        "its client comes by a base when that is published, and here the image is published before"
    );
    Ok(())
}

fn move_folder(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).with_context(|| format!("move {} to {}", from.display(), to.display()))
}
