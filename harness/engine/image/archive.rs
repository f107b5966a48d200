//! An image as the engine sees it: the outer archive, the layers in it, and all their entries in one list.

use std::collections::HashMap;

use anyhow::Result;

use super::index::Hashed;
use super::packed::{self, Packed};
use super::space::Space;
use super::tar::{self, Entry, What};

/// Layers of one image: more are contents like any other.
pub const MOST_TARS: usize = 1000;

/// One tar archive: the file itself is the first.
#[derive(Clone, Debug)]
pub struct Tar {
    pub space: Space,
    /// Its entries: indices into [`Archive::entries`], in order.
    pub entries: Vec<usize>,
    /// How it is packed, where a gzip file holds it; `space` is what was unpacked.
    pub packed: Option<Packed>,
}

impl Tar {
    pub fn new(space: Space, packed: Option<Packed>) -> Tar {
        Tar {
            space,
            entries: Vec::new(),
            packed,
        }
    }
}

/// All entries of an image. A layer's entries come directly after the entry that holds it.
#[derive(Debug, Default)]
pub struct Archive {
    pub tars: Vec<Tar>,
    /// The number of the archive that is the image's own: 0, or 1 where the file is one gzip member that holds it.
    pub outer: usize,
    pub entries: Vec<Entry>,
    /// The archive that an entry's contents are.
    pub inner: HashMap<usize, usize>,
    /// Headers whose names hold digests, with marks in their place.
    pub shown: HashMap<usize, tar::Header>,
    /// Files by their normalised paths.
    paths: Hashed,
}

impl Archive {
    /// Walks an image. Frozen: entries of a base are known by their numbers.
    pub fn walk(space: &Space) -> Result<Archive> {
        let mut archive = Archive::walk_into(space, inner)?;
        // The last entry is the file as a whole, for images that are not archives.
        archive.entries.push(tar::run(What::Raw, 0, 0, space.len()));
        Ok(archive)
    }

    /// Bytes without a structure.
    pub fn of_bytes(space: &Space) -> Archive {
        let mut archive = Archive::default();
        let entries = if space.len() > 0 { vec![0] } else { vec![] };
        archive.entries = entries
            .iter()
            .map(|_| tar::run(What::Raw, 0, 0, space.len()))
            .collect();
        let mut tar = Tar::new(space.clone(), None);
        tar.entries = entries;
        archive.tars.push(tar);
        archive
    }

    /// The entry that is all of a base.
    pub fn whole(&self) -> Option<usize> {
        let last = self.entries.len().checked_sub(1)?;
        (self.entries[last].size > 0).then_some(last)
    }

    /// Walks an image; what `enter` finds no archive in is contents like any other. It is told how long a packed one may be
    /// when it is unpacked.
    pub fn walk_into(
        space: &Space,
        mut enter: impl FnMut(&Space, u64) -> Result<Option<Tar>>,
    ) -> Result<Archive> {
        let mut archive = Archive::default();
        archive.add_tar(Tar::new(space.clone(), None), &mut enter)?;
        archive.index();
        Ok(archive)
    }

    fn add_tar(
        &mut self,
        tar: Tar,
        enter: &mut impl FnMut(&Space, u64) -> Result<Option<Tar>>,
    ) -> Result<()> {
        let number = self.tars.len();
        let left = tar::MOST_ENTRIES.saturating_sub(self.entries.len());
        let space = tar.space.clone();
        let found = tar::walk(&space, number, left)?;
        self.tars.push(tar);
        for entry in found {
            let index = self.entries.len();
            // A file that is no archive may hold the image's own archive.
            let holds_all = number == 0 && entry.what == What::Raw && entry.size == space.len();
            let may_hold = holds_all || number == self.outer && entry.is_regular();
            let content = space.part(entry.content_at(), entry.size)?;
            self.entries.push(entry);
            self.tars[number].entries.push(index);
            if may_hold
                && self.tars.len() < MOST_TARS
                && let Some(inner) = enter(&content, self.room())?
                && (!holds_all || inner.packed.is_some())
            {
                self.inner.insert(index, self.tars.len());
                if holds_all {
                    self.outer = self.tars.len();
                }
                self.add_tar(inner, enter)?;
            }
        }
        Ok(())
    }

    /// How long the next packed archive may be when it is unpacked: all of an image together are bounded by its length.
    pub fn room(&self) -> u64 {
        let packed = self.tars.iter().filter(|tar| tar.packed.is_some());
        let unpacked: u64 = packed.map(|tar| tar.space.len()).sum();
        let whole = self.tars.first().map_or(0, |tar| tar.space.len());
        packed::limit(whole).saturating_sub(unpacked)
    }

    /// Whether an entry is a layer as it lies: what is in it is coded, not the layer itself.
    pub fn is_plain_layer(&self, index: usize) -> bool {
        self.inner.contains_key(&index) && self.unpacked(index).is_none()
    }

    /// What the gzip file unpacks to that is this entry's contents, where that is an archive.
    pub fn unpacked(&self, index: usize) -> Option<&Space> {
        let tar = &self.tars[*self.inner.get(&index)?];
        tar.packed.is_some().then_some(&tar.space)
    }

    /// Makes paths findable, after all entries are there.
    pub fn index(&mut self) {
        let files = self.entries.iter().enumerate();
        let files = files.filter(|(_, entry)| entry.what == What::File);
        self.paths = Hashed::of(files.map(|(index, entry)| (tar::normal(&entry.path), index)));
    }

    /// The entry with this path: the one in `tar` if there is one, else the last one anywhere.
    pub fn find(&self, path: &[u8], tar: Option<usize>) -> Option<usize> {
        let path = tar::normal(path);
        let mut all = self.paths.at(&path).rev();
        let has_path = |index: &usize| tar::normal(&self.entries[*index].path) == path;
        let in_tar = |index: &usize| Some(self.entries[*index].tar) == tar;
        let last = all.find(has_path)?;
        let mut here = std::iter::once(last).chain(all.filter(has_path));
        here.find(in_tar).or(Some(last))
    }

    /// The contents of an entry.
    pub fn content(&self, index: usize) -> Result<Space> {
        let entry = &self.entries[index];
        self.tars[entry.tar]
            .space
            .part(entry.content_at(), entry.size)
    }

    /// The header of an entry, with marks for digests in its name.
    pub fn header(&self, index: usize) -> Result<tar::Header> {
        if let Some(shown) = self.shown.get(&index) {
            return Ok(*shown);
        }
        let entry = &self.entries[index];
        let mut header = [0; 512];
        self.tars[entry.tar].space.read(entry.at, &mut header)?;
        Ok(header)
    }
}

/// Whether contents begin as an archive does, or as a gzip file that begins so.
pub fn may_hold(content: &Space) -> Result<bool> {
    Ok(is_plain(content)? || packed::may_hold(content)?)
}

fn is_plain(content: &Space) -> Result<bool> {
    if content.len() < 2 * tar::BLOCK {
        return Ok(false);
    }
    let mut header = [0; 512];
    content.read(0, &mut header)?;
    Ok(tar::begins(&header))
}

/// The archive that contents are, or that they hold as a gzip file and that is no longer than `room`.
pub fn inner(content: &Space, room: u64) -> Result<Option<Tar>> {
    if is_plain(content)? {
        return Ok(Some(Tar::new(content.clone(), None)));
    }
    let unpacked = packed::unpack(content, room)?;
    Ok(unpacked.map(|(space, packed)| Tar::new(space, Some(packed))))
}
