//! Packs as a publish writes them.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tempfile::NamedTempFile;

use super::index::{MOST_PACK_BYTES, Packed};
use crate::image::{Digest, hex};
use crate::method::chunked::New;
use crate::store::Store;

/// Chunks by name, and where each lies.
pub type Placed = Vec<(Digest, Packed)>;

/// Writes packs, the chunks in their order whichever is compressed first.
pub struct Writer {
    folder: PathBuf,
    early: BTreeMap<u64, (Digest, Vec<u8>)>,
    next: u64,
    open: Option<OpenPack>,
    /// Number of the first pack that it writes.
    first: u32,
    packs: Vec<Digest>,
    stored: Placed,
}

struct OpenPack {
    file: NamedTempFile,
    hash: blake3::Hasher,
    bytes: u64,
    chunks: Vec<(Digest, u32, u32)>,
}

impl Writer {
    /// Its packs are numbered from `first` on.
    pub fn into(store: &Store, first: u32) -> Writer {
        Writer {
            folder: store.object("packs"),
            early: BTreeMap::new(),
            next: 0,
            open: None,
            first,
            packs: Vec::new(),
            stored: Vec::new(),
        }
    }

    pub fn put(&mut self, new: New, packed: &[u8]) -> Result<()> {
        self.early.insert(new.at, (new.name, packed.to_vec()));
        while let Some((name, packed)) = self.early.remove(&self.next) {
            self.append(name, &packed)?;
            self.next += 1;
        }
        Ok(())
    }

    fn append(&mut self, name: Digest, packed: &[u8]) -> Result<()> {
        let bytes = packed.len() as u64;
        let full = |open: &OpenPack| open.bytes + bytes > MOST_PACK_BYTES;
        if self.open.as_ref().is_some_and(full) {
            self.close()?;
        }
        let open = match &mut self.open {
            Some(open) => open,
            none => none.insert(OpenPack::within(&self.folder)?),
        };
        open.file.write_all(packed).context("write a pack")?;
        open.hash.update(packed);
        let (offset, length) = (u32::try_from(open.bytes)?, u32::try_from(bytes)?);
        open.chunks.push((name, offset, length));
        open.bytes += bytes;
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        let Some(open) = self.open.take() else {
            return Ok(());
        };
        let pack: Digest = open.hash.finalize().into();
        let path = self.folder.join(format!("{}.pack", hex(&pack)));
        let kept = open.file.persist(&path);
        kept.with_context(|| format!("rename to {}", path.display()))?;
        let number = u32::try_from(self.packs.len())?.checked_add(self.first);
        let number = number.context("too many packs")?;
        self.packs.push(pack);
        let chunks = open.chunks.into_iter();
        self.stored.extend(chunks.map(|(name, offset, bytes)| {
            let place = Packed {
                pack: number,
                offset,
                bytes,
            };
            (name, place)
        }));
        Ok(())
    }

    /// The packs that were written, by number, and the chunks in them.
    pub fn finish(mut self) -> Result<(Vec<Digest>, Placed)> {
        self.close()?;
        ensure!(self.early.is_empty(), "a chunk is missing between others");
        Ok((self.packs, self.stored))
    }
}

impl OpenPack {
    fn within(folder: &Path) -> Result<OpenPack> {
        fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
        let file = tempfile::Builder::new()
            .prefix(".half-")
            .permissions(Permissions::from_mode(0o644))
            .tempfile_in(folder)
            .with_context(|| format!("make a file in {}", folder.display()))?;
        Ok(OpenPack {
            file,
            hash: blake3::Hasher::new(),
            bytes: 0,
            chunks: Vec::new(),
        })
    }
}
