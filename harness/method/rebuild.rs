//! Rebuilds an image from pieces that are known by their sha256: chunks, or layers.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::image::{Digest, Hashing, hex};

/// A piece that the client has.
pub(super) struct HeldPiece<'a> {
    pub file: &'a File,
    pub offset: u64,
}

/// What the client has, by sha256.
pub(super) type HeldPieces<'a> = HashMap<Digest, HeldPiece<'a>>;

/// An image while it is rebuilt, from its first byte to its last.
pub(super) struct Rebuild<'a> {
    out: &'a File,
    path: &'a Path,
    /// Grows by the pieces that were fetched, so that none is fetched twice.
    places: HeldPieces<'a>,
    writing: Hashing<&'a File>,
    buffer: Vec<u8>,
}

impl<'a> Rebuild<'a> {
    /// Writes to `out`, which is the empty file at `path`.
    pub fn new(out: &'a File, path: &'a Path, places: HeldPieces<'a>) -> Rebuild<'a> {
        Rebuild {
            out,
            path,
            places,
            writing: Hashing::new(out),
            buffer: vec![0; 1 << 17],
        }
    }

    /// Bytes written so far.
    pub fn bytes(&self) -> u64 {
        self.writing.passed_bytes()
    }

    /// Writes a piece: a copy if the client has it, else what `fetch` writes. Fails unless it has this sha256 and length.
    pub fn piece(
        &mut self,
        sha256: &Digest,
        bytes: u64,
        fetch: impl FnOnce(&mut dyn Write) -> Result<()>,
    ) -> Result<()> {
        let offset = self.bytes();
        let mut writing = Hashing::new(&mut self.writing);
        match self.places.get(sha256) {
            Some(place) => copy_from(place, bytes, &mut self.buffer, &mut writing)
                .with_context(|| format!("copy {} from a base", hex(sha256)))?,
            None => {
                fetch(&mut writing)?;
                let file = self.out;
                self.places.insert(*sha256, HeldPiece { file, offset });
            }
        }
        let written = writing.passed_bytes();
        let found = writing.digest();
        ensure!(
            found == *sha256 && written == bytes,
            "damaged: {} should have {bytes} bytes, but {} with {written} bytes was found",
            hex(sha256),
            hex(&found)
        );
        Ok(())
    }

    /// Where to write what lies between pieces.
    pub fn between(&mut self) -> &mut dyn Write {
        &mut self.writing
    }

    /// Fails unless the whole image has this sha256.
    pub fn finish(self, sha256: &Digest) -> Result<()> {
        let found = self.writing.digest();
        ensure!(
            found == *sha256,
            "damaged: every part of {} is right, but the whole has the sha256 {}",
            self.path.display(),
            hex(&found)
        );
        Ok(())
    }
}

fn copy_from(place: &HeldPiece, bytes: u64, buffer: &mut [u8], to: &mut dyn Write) -> Result<()> {
    let mut at = 0;
    while at < bytes {
        let length = buffer.len().min((bytes - at) as usize);
        let piece = &mut buffer[..length];
        place.file.read_exact_at(piece, place.offset + at)?;
        to.write_all(piece)?;
        at += length as u64;
    }
    Ok(())
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
        let held = HeldPiece {
            file: &base,
            offset: 5,
        };
        let places = HashMap::from([(digest_of(b"5678"), held)]);
        let mut rebuild = Rebuild::new(out.as_file(), out.path(), places);
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
        let held = HeldPiece {
            file: &base,
            offset: 6,
        };
        let places = HashMap::from([(digest_of(b"5678"), held)]);
        let mut rebuild = Rebuild::new(out.as_file(), out.path(), places);
        let never = |_: &mut dyn Write| panic!("the base has it");
        // Another offset than the base's piece, a piece beyond its end, and a fetched piece that differs.
        assert!(rebuild.piece(&digest_of(b"5678"), 4, never).is_err());
        assert!(rebuild.piece(&digest_of(b"5678"), 9, never).is_err());
        let fetch = |to: &mut dyn Write| Ok(to.write_all(b"other")?);
        assert!(rebuild.piece(&digest_of(b"wanted"), 5, fetch).is_err());
        let said = rebuild.finish(&digest_of(b"5678")).unwrap_err().to_string();
        assert!(said.contains("the whole"), "{said}");
    }
}
