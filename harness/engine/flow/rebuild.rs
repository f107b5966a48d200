//! Rebuilds an image from its first byte to its last, of pieces that are known by their sha256, and of what is between them.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::sink::{Place, Sink};
use crate::image::{Digest, Hashing, hex};

/// What the client has, by digest.
pub type HeldPieces<'a> = HashMap<Digest, Place<'a>>;

/// An image while it is rebuilt, from its first byte to its last.
pub struct Rebuild<'a> {
    out: &'a File,
    path: &'a Path,
    /// Grows by the pieces that were fetched, so that none is fetched twice.
    places: HeldPieces<'a>,
    sink: Sink<'a>,
}

impl<'a> Rebuild<'a> {
    /// Writes to `out`, which is the empty file at `path`.
    pub fn new(out: &'a File, path: &'a Path, places: HeldPieces<'a>) -> Result<Rebuild<'a>> {
        Ok(Rebuild {
            out,
            path,
            places,
            sink: Sink::new(out)?,
        })
    }

    /// Bytes written so far.
    pub fn bytes(&self) -> u64 {
        self.sink.bytes()
    }

    /// Copies a piece that the client has; false if it has none. The piece was hashed when it was found, and `finish` tells
    /// if it has changed since.
    fn copy(&mut self, digest: &Digest, bytes: u64) -> Result<bool> {
        let Some(place) = self.places.get(digest) else {
            return Ok(false);
        };
        let copied = self.sink.copy(place, bytes);
        copied.with_context(|| format!("copy {} from a base", hex(digest)))?;
        Ok(true)
    }

    /// Writes a piece: a copy if the client has it, else what `fetch` writes, which must have this sha256 and length.
    pub fn piece(
        &mut self,
        sha256: &Digest,
        bytes: u64,
        fetch: impl FnOnce(&mut dyn Write) -> Result<()>,
    ) -> Result<()> {
        if self.copy(sha256, bytes)? {
            return Ok(());
        }
        let offset = self.bytes();
        let mut writing = Hashing::new(&mut self.sink);
        fetch(&mut writing)?;
        let written = writing.passed_bytes();
        let found = writing.digest();
        ensure!(
            found == *sha256 && written == bytes,
            "damaged: {} should have {bytes} bytes, but {} with {written} bytes was found",
            hex(sha256),
            hex(&found)
        );
        let file = self.out;
        self.places.insert(*sha256, Place { file, offset });
        Ok(())
    }

    /// Where to write what is no piece.
    pub fn between(&mut self) -> &mut dyn Write {
        &mut self.sink
    }

    /// Fails unless the whole image has this sha256.
    pub fn finish(self, sha256: &Digest) -> Result<()> {
        let (_, found) = self.sink.finish()?;
        ensure!(
            found == *sha256,
            "damaged: the whole of {} has the sha256 {}, not {}",
            self.path.display(),
            hex(&found),
            hex(sha256)
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::digest_of;

    /// A file of ten digits, and the file it is rebuilt in.
    fn files() -> (File, tempfile::NamedTempFile) {
        let mut base = tempfile::tempfile().unwrap();
        base.write_all(b"0123456789").unwrap();
        (base, tempfile::NamedTempFile::new().unwrap())
    }

    #[test]
    fn a_piece_is_fetched_once_and_only_if_no_base_has_it() {
        let (base, out) = files();
        let held = Place {
            file: &base,
            offset: 5,
        };
        let places = HashMap::from([(digest_of(b"5678"), held)]);
        let mut rebuild = Rebuild::new(out.as_file(), out.path(), places).unwrap();
        let mut fetched = 0;
        for piece in [&b"5678"[..], b"new", b"5678", b"new"] {
            rebuild
                .piece(&digest_of(piece), piece.len() as u64, |to| {
                    fetched += 1;
                    Ok(to.write_all(piece)?)
                })
                .unwrap();
        }
        rebuild.between().write_all(b"!").unwrap();
        assert_eq!((fetched, rebuild.bytes()), (1, 15));
        rebuild.finish(&digest_of(b"5678new5678new!")).unwrap();
        assert_eq!(std::fs::read(out.path()).unwrap(), b"5678new5678new!");
    }

    #[test]
    fn a_wrong_piece_and_a_wrong_whole_are_errors() {
        let (base, out) = files();
        let held = |offset| {
            let file = &base;
            HashMap::from([(digest_of(b"5678"), Place { file, offset })])
        };
        let never = |_: &mut dyn Write| panic!("the base has it");
        let rebuild = |offset| Rebuild::new(out.as_file(), out.path(), held(offset)).unwrap();
        // A piece beyond the base's end, and a fetched piece that differs.
        let mut rebuilt = rebuild(6);
        rebuilt.piece(&digest_of(b"5678"), 9, never).unwrap_err();
        let fetch = |to: &mut dyn Write| Ok(to.write_all(b"other")?);
        rebuilt.piece(&digest_of(b"wanted"), 5, fetch).unwrap_err();
        // A base that is not what it was when it was looked through: only the whole tells.
        for offset in [5, 6] {
            let mut rebuilt = rebuild(offset);
            rebuilt.piece(&digest_of(b"5678"), 4, never).unwrap();
            let said = rebuilt.finish(&digest_of(b"5678"));
            let said = said.map_err(|why| why.to_string());
            match offset {
                5 => said.unwrap(),
                _ => assert!(said.unwrap_err().contains("the whole")),
            }
        }
    }
}
