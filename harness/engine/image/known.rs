//! What a base holds: contents told by their hash, whatever their paths.

use anyhow::{Result, anyhow};

use super::archive::Archive;
use super::digest::Digests;
use super::index::Hashed;
use super::sketch::{Hash, quick_hash};
use super::space::Space;
use super::tar::What;
use crate::engine::flow::{cores, each};

/// Contents of the base by their hash.
#[derive(Default)]
pub struct Known {
    of: Hashed,
    hashes: Vec<Option<Hash>>,
}

impl Known {
    fn of(hashes: Vec<Option<Hash>>) -> Known {
        let all = hashes.iter().enumerate();
        let held = all.filter_map(|(index, hash)| hash.map(|hash| (hash, index)));
        Known {
            of: Hashed::of(held),
            hashes,
        }
    }

    /// The entries of the base with these contents, in order.
    pub fn all(&self, hash: Hash) -> impl Iterator<Item = usize> + '_ {
        self.of.at(&hash).filter(move |index| self.is(*index, hash))
    }

    pub fn first(&self, hash: Hash) -> Option<usize> {
        self.all(hash).next()
    }

    /// Whether an entry of the base has this hash.
    pub fn is(&self, index: usize, hash: Hash) -> bool {
        self.hashes[index] == Some(hash)
    }

    /// The entry of the base with these contents.
    pub fn entry(&self, content: &Space) -> Result<Option<usize>> {
        if self.hashes.is_empty() {
            return Ok(None);
        }
        Ok(self.first(quick_hash(content)?))
    }
}

/// Walks a base: its entries, the digests that its names show, and what it holds.
pub fn look(base: &Space) -> Result<(Archive, Digests, Known)> {
    let mut archive = Archive::walk(base)?;
    let whole = archive.whole();
    let unpacked = |index: usize| Ok(archive.unpacked(index).cloned());
    let (digests, hashes) = hash(&archive, &unpacked, |index| whole != Some(index))?;
    digests.show(&mut archive)?;
    Ok((archive, digests, Known::of(hashes)))
}

/// The digests of an archive, and the hashes of those entries that are `wanted`, by all cores.
pub fn hash(
    archive: &Archive,
    unpacked: &(dyn Fn(usize) -> Result<Option<Space>> + Sync),
    wanted: impl Fn(usize) -> bool + Sync,
) -> Result<(Digests, Vec<Option<Hash>>)> {
    std::thread::scope(|scope| {
        let digests = scope.spawn(|| Digests::with(archive, &|index| unpacked(index)));
        let hashes = each(archive.entries.len(), cores(), |index| {
            match wanted(index) {
                true => hash_entry(archive, index),
                false => Ok(None),
            }
        });
        let digests = digests.join().map_err(|_| anyhow!("a thread failed"))?;
        Ok((digests?, hashes?))
    })
}

fn hash_entry(archive: &Archive, index: usize) -> Result<Option<Hash>> {
    let entry = &archive.entries[index];
    if entry.size == 0 || entry.what == What::Zeros {
        return Ok(None);
    }
    quick_hash(&archive.content(index)?).map(Some)
}

/// For each archive of the new image, the base's archive that shares the most bytes with it.
pub fn against(
    base: &Archive,
    known: &Known,
    new: &Archive,
    hashes: &[Option<Hash>],
) -> Vec<Option<usize>> {
    let whole = (!base.tars.is_empty()).then_some(base.outer);
    let mut against = vec![whole];
    for (number, tar) in new.tars.iter().enumerate().skip(1) {
        if number == new.outer {
            against.push(whole);
            continue;
        }
        let mut shared = vec![0_u64; base.tars.len()];
        for index in &tar.entries {
            // Contents may be in several layers of the base: each counts.
            let held = hashes[*index].into_iter().flat_map(|hash| known.all(hash));
            let tars = held.map(|index| base.entries[index].tar);
            for number in tars.filter(|number| *number > base.outer) {
                shared[number] += new.entries[*index].size;
            }
        }
        let most = shared.iter().enumerate().max_by_key(|(_, bytes)| **bytes);
        against.push(most.filter(|(_, bytes)| **bytes > 0).map(|(n, _)| n));
    }
    against
}
