//! One step: its process between two readings of the meters, and its output verified.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};

use super::proven::Proof;
use super::scratch::Scratch;
use super::seen::Seen;
use super::setting::Setting;
use super::trees::Tree;
use super::{ledger, verify};
use crate::clock::{self, Cold, Held};
use crate::crosscheck;
use crate::image::Image;
use crate::method::{self, Call, Moves};
use crate::probe::{self, Found};
use crate::store::{Holdings, Store};
use crate::wire::{Traffic, Wire};

/// What a step brought, or in words why it failed.
pub type Outcome<T> = std::result::Result<T, String>;

/// What one step brought: figures to be filled into its row.
#[derive(Default)]
pub struct Figures {
    pub account: clock::Account,
    /// What kept it in its room.
    pub held: Held,
    pub traffic: Option<Traffic>,
    /// What was read of bases that were on the disk alone.
    pub base_read_bytes: Option<u64>,
    pub added: Option<(Holdings, Holdings)>,
    /// What a probe found, or what is known of an update beside its figures.
    pub found: Vec<Found>,
}

/// A client's try at an update, however it ended.
pub struct Attempt {
    /// Why it did not end well, in words.
    pub failure: Option<String>,
    pub account: clock::Account,
    pub held: Held,
    pub traffic: Traffic,
    pub base_read_bytes: Option<u64>,
}

/// What a client's scratch holds beside its own files: where the rebuilt image must be, what it holds beside its bases, the
/// program that stands in for ssh, and what the commands printed.
pub const OUT: &str = "out";
pub const HELD: &str = "held";
pub const SSH: &str = "ssh";
pub const LOG: &str = "log";

impl Setting<'_> {
    /// Publishes; with `prove`, a client with nothing then rebuilds the image from this store, outside the account.
    pub fn publish(
        &self,
        image: &Image,
        bases: &[Image],
        store: &Store,
        prove: bool,
    ) -> Result<Outcome<Figures>> {
        let (image_given, bases_given) = (self.given(image)?, self.all_given(bases)?);
        let inputs = || {
            bases_given
                .iter()
                .chain([&image_given])
                .map(Seen::of)
                .collect::<Result<Vec<_>>>()
        };
        let (untouched, before) = (inputs()?, store.holdings()?);
        let call = Call::Publish {
            image: image_given.clone(),
            bases: bases_given.clone(),
            store: store.path().to_path_buf(),
            archive: image.path.clone(),
        };
        // Beside the store, so that a tool can move a file into it.
        let scratch = Scratch::new(&self.folder, "server-")?;
        let ended = self.process(&call, scratch.path(), &[])?;
        self.refuse_touched(&untouched, inputs())?;
        if !store.is_there() {
            // What follows needs a folder to look at; that nothing is in it is the method's own doing.
            Store::at(store.path())?;
            return Ok(Err("removed its store".to_string()));
        }
        let ran = match ended {
            Ok(ran) => ran,
            Err(why) => return Ok(Err(why)),
        };
        if let Some(link) = store.link_out()? {
            return Ok(Err(format!(
                "published a link that leads out of the store: {}",
                link.display()
            )));
        }
        let after = store.holdings()?;
        if prove && let Err(why) = self.prove(image, store)? {
            return Ok(Err(unproven(&why)));
        }
        Ok(Ok(Figures {
            account: ran.account,
            held: ran.held,
            added: Some((before, after)),
            ..Figures::default()
        }))
    }

    /// Has a client with nothing rebuild the image from this store, where none did from one that holds the same.
    fn prove(&self, image: &Image, store: &Store) -> Result<Outcome<()>> {
        // A store that can't be read whole is like no other.
        let proof = self.proven.zip(store.digest().ok());
        let proof = proof.map(|(proven, store)| {
            let proof = Proof {
                method: self.doer.name().to_string(),
                image: image.sha256.clone(),
                store,
            };
            (proven, proof)
        });
        if proof
            .as_ref()
            .is_some_and(|(proven, proof)| proven.has(proof))
        {
            return Ok(Ok(()));
        }
        let wire = Wire::open(store)?;
        if let Err(why) = self.update_on(wire, image, &[], store)? {
            return Ok(Err(why));
        }
        if let Some((proven, proof)) = proof {
            proven.add(proof);
        }
        Ok(Ok(()))
    }

    /// Updates over a wire of its own and verifies what was rebuilt.
    pub fn update(
        &self,
        image: &Image,
        bases: &[Image],
        store: &Store,
    ) -> Result<Outcome<Figures>> {
        let wire = Wire::open_limited(store, self.ranges)?;
        self.update_on(wire, image, bases, store)
    }

    /// The same over a wire that is open.
    pub fn update_on(
        &self,
        wire: Wire,
        image: &Image,
        bases: &[Image],
        store: &Store,
    ) -> Result<Outcome<Figures>> {
        // What a format asks for is known of a server that answers all of it.
        let is_known = wire.ranges().is_none();
        let scratch = self.scratch("client-")?;
        let found = match self.take_held(bases, scratch.path())? {
            Ok(found) => found,
            Err(why) => return Ok(Err(why)),
        };
        let attempt = match self.attempt(image, bases, store, wire, scratch.path(), None)? {
            Ok(attempt) => attempt,
            Err(why) => return Ok(Err(why)),
        };
        if let Some(why) = attempt.failure {
            return Ok(Err(why));
        }
        if let Err(why) = self.verify(image, bases, scratch.path(), &attempt.traffic)? {
            return Ok(Err(why));
        }
        if is_known && let Err(why) = self.cross_check(image, bases, store, &attempt.traffic) {
            return Ok(Err(format!("cross-check: {why:#}")));
        }
        Ok(Ok(Figures {
            account: attempt.account,
            held: attempt.held,
            traffic: Some(attempt.traffic),
            base_read_bytes: attempt.base_read_bytes,
            found,
            ..Figures::default()
        }))
    }

    /// Has a client in `scratch` update over `wire`, which is closed. It is killed once something is written into `stop`.
    ///
    /// In words what no attempt may do, however it ends; a client that fails is an attempt.
    pub fn attempt(
        &self,
        image: &Image,
        bases: &[Image],
        store: &Store,
        wire: Wire,
        scratch: &Path,
        stop: Option<&Path>,
    ) -> Result<Outcome<Attempt>> {
        let given = self.all_given(bases)?;
        let inputs = || given.iter().map(Seen::of).collect::<Result<Vec<_>>>();
        let untouched = inputs()?;
        let published = ledger::look(store)?;
        let (out, ssh) = (scratch.join(OUT), scratch.join(SSH));
        let lab = std::env::current_exe().context("find this program")?;
        wire.write_ssh(&lab, &ssh)?;
        let call = Call::Update {
            name: image.name.clone(),
            bases: given.clone(),
            url: wire.url().0,
            ssh,
            registry: wire.registry(),
            links: wire.links().clone(),
            out,
            held: (self.doer.about().holds && !bases.is_empty()).then(|| scratch.join(HELD)),
        };
        let cold = match self.put_out(&given, scratch) {
            Ok(cold) => cold,
            Err(why) => return Ok(Err(format!("{why:#}"))),
        };
        let tried = self.try_process(&call, scratch, &wire.ports(), stop)?;
        let base_read_bytes = cold.map(|cold| cold.read_bytes()).transpose()?;
        let traffic = wire.close()?;
        self.refuse_touched(&untouched, inputs())?;
        let (ran, failure) = match tried {
            Ok(tried) => tried,
            Err(why) => return Ok(Err(why)),
        };
        if failure.is_none() && ledger::look(store)? != published {
            return Ok(Err("changed the store during an update".to_string()));
        }
        if failure.is_none() && !traffic.note.is_empty() {
            return Ok(Err(format!(
                "the wire can't vouch for its figures: {}",
                traffic.note
            )));
        }
        Ok(Ok(Attempt {
            failure,
            account: ran.account,
            held: ran.held,
            traffic,
            base_read_bytes,
        }))
    }

    /// Puts the bases that a client is given, and what it holds, out of memory, where the case says so.
    fn put_out(&self, given: &[Image], scratch: &Path) -> Result<Option<Cold>> {
        if !self.cold || given.is_empty() {
            return Ok(None);
        }
        let mut paths: Vec<PathBuf> = given.iter().map(|base| base.path.clone()).collect();
        if self.doer.about().holds {
            paths.push(scratch.join(HELD));
        }
        Cold::of(&paths).map(Some)
    }

    /// Whether what is at the output path in `scratch` is the image, and came over the wire; in words if not.
    pub fn verify(
        &self,
        image: &Image,
        bases: &[Image],
        scratch: &Path,
        traffic: &Traffic,
    ) -> Result<Outcome<()>> {
        let out = scratch.join(OUT);
        let verified = match (self.tree(image)?, self.doer.about().moves) {
            (Some(tree), _) => verify::folder(tree, &out),
            (None, Moves::Image) => verify::image(image, &out)?,
            (None, _) => verify::file(image, &out),
        };
        if verified.is_err() {
            return Ok(verified);
        }
        // Nothing asked, and yet an image that no base is: it came by another road than the wire.
        let held = self.is_held(image, bases)?;
        if traffic.requests == 0 && !held {
            return Ok(Err(
                "asked the wire for nothing, so what it left came from elsewhere".to_string(),
            ));
        }
        Ok(Ok(()))
    }

    /// Looks at the image and its bases; what was found is read back from the probe's process.
    pub fn probe(&self, image: &Image, bases: &[Image]) -> Result<Outcome<Figures>> {
        let inputs = || {
            let given = bases.iter().chain([image]);
            given.map(Seen::of).collect::<Result<Vec<_>>>()
        };
        let untouched = inputs()?;
        let scratch = self.scratch("client-")?;
        let out = scratch.path().join("out");
        let call = Call::Probe {
            image: image.clone(),
            bases: bases.to_vec(),
            out: out.clone(),
        };
        let ended = self.process(&call, scratch.path(), &[])?;
        self.refuse_touched(&untouched, inputs())?;
        let ran = match ended {
            Ok(ran) => ran,
            Err(why) => return Ok(Err(why)),
        };
        match probe::read_found(&out) {
            Ok(found) => Ok(Ok(Figures {
                account: ran.account,
                held: ran.held,
                found,
                ..Figures::default()
            })),
            Err(why) => Ok(Err(format!("its findings can't be read: {why:#}"))),
        }
    }

    /// For a method whose format the lab can read: whether what crossed is what a client with these bases had to pull.
    fn cross_check(
        &self,
        image: &Image,
        bases: &[Image],
        store: &Store,
        traffic: &Traffic,
    ) -> Result<()> {
        let Some(wanted) = self.doer.cross_check(image)? else {
            return Ok(());
        };
        let mut held = Vec::new();
        // Of a method without `[update-from-base]` a client with a base fetches what one with nothing does.
        for base in bases.iter().filter(|_| self.doer.about().uses_bases) {
            held.extend(self.doer.cross_check(base)?);
        }
        crosscheck::check(store, &wanted, &held, traffic)
    }

    /// The image's tree, when it is trees that the method moves.
    fn tree(&self, image: &Image) -> Result<Option<&Tree>> {
        self.trees.map(|trees| trees.of(image)).transpose()
    }

    /// The image as the method is given it: its archive, or its tree.
    pub fn given(&self, image: &Image) -> Result<Image> {
        let path = match self.tree(image)? {
            Some(tree) => tree.root.clone(),
            None => image.path.clone(),
        };
        Ok(Image {
            path,
            ..image.clone()
        })
    }

    fn all_given(&self, images: &[Image]) -> Result<Vec<Image>> {
        images.iter().map(|image| self.given(image)).collect()
    }

    /// Whether a client with these bases has the image, and so may rebuild it without asking for anything.
    fn is_held(&self, image: &Image, bases: &[Image]) -> Result<bool> {
        if image.bytes == 0 || bases.iter().any(|base| base.sha256 == image.sha256) {
            return Ok(true);
        }
        let Some(wanted) = self.tree(image)? else {
            return Ok(false);
        };
        for base in bases {
            if self
                .tree(base)?
                .is_some_and(|tree| tree.listing == wanted.listing)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// An image that is not what it was would make every later step of it fail; no figure would mean anything.
    fn refuse_touched(&self, before: &[Seen], after: Result<Vec<Seen>>) -> Result<()> {
        let name = self.doer.name();
        // What a room refuses, the method has not done.
        let may_write = |needs: &method::Room| !needs.write.is_empty();
        let refused =
            clock::held().walls && !self.doer.about().room.as_ref().is_some_and(may_write);
        let touched = || match refused {
            true => format!(
                "somebody changed an image while {name} ran, which can't have: make that image again"
            ),
            false => format!(
                "{name} changed an image it was given to read, or somebody did while it ran: make that image again"
            ),
        };
        let after = after.with_context(touched)?;
        match before
            .iter()
            .zip(&after)
            .find_map(|(before, after)| before.touched(after))
        {
            Some(path) => Err(anyhow!("{} is not as it was", path.display())).with_context(touched),
            None => Ok(()),
        }
    }
}

/// Why a publish counts for nothing, when a client can't use it.
pub fn unproven(why: &str) -> String {
    format!("published, but a client with nothing can't rebuild it: {why}")
}
