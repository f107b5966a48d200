//! The stores of a scenario's run from which a client with nothing rebuilt an image. A publish that leaves the same store once
//! more, in another sample or under another case, is proven by that.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::store::Digest;

#[derive(Default)]
pub struct Proven(Mutex<BTreeSet<Proof>>);

/// Whose publish a store is of, and what it holds.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Proof {
    pub method: String,
    /// The image's sha256.
    pub image: String,
    pub store: Digest,
}

impl Proven {
    pub fn has(&self, proof: &Proof) -> bool {
        self.open().contains(proof)
    }

    pub fn add(&self, proof: Proof) {
        self.open().insert(proof);
    }

    fn open(&self) -> MutexGuard<'_, BTreeSet<Proof>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
