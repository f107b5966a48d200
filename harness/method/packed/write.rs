//! Packs as a publish writes them.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tempfile::NamedTempFile;

use super::index::MOST_PACK_BYTES;
use crate::image::{Digest, hex};
use crate::method::chunked::New;
use crate::store::Store;

/// A chunk in the store.
#[derive(Clone, Copy)]
pub struct Stored {
    pub pack: Digest,
    pub offset: u32,
    pub bytes: u32,
}

/// Writes packs, the chunks in their order whichever is compressed first.
pub struct Writer {
    folder: PathBuf,
    early: BTreeMap<u64, (Digest, Vec<u8>)>,
    next: u64,
    open: Option<OpenPack>,
    stored: Vec<(Digest, Stored)>,
}

struct OpenPack {
    file: NamedTempFile,
    hash: blake3::Hasher,
    bytes: u64,
    chunks: Vec<(Digest, u32, u32)>,
}

impl Writer {
    pub fn into(store: &Store) -> Result<Writer> {
        Ok(Writer {
            folder: store.object("packs"),
            early: BTreeMap::new(),
            next: 0,
            open: None,
            stored: Vec::new(),
        })
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
        let chunks = open.chunks.into_iter();
        self.stored.extend(chunks.map(|(name, offset, bytes)| {
            let stored = Stored {
                pack,
                offset,
                bytes,
            };
            (name, stored)
        }));
        Ok(())
    }

    /// The chunks that were written.
    pub fn finish(mut self) -> Result<Vec<(Digest, Stored)>> {
        self.close()?;
        ensure!(self.early.is_empty(), "a chunk is missing between others");
        Ok(self.stored)
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
