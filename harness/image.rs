//! An image: one saved archive, identified by its name, its size and its sha256.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// One saved image archive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Image {
    /// Name in its scenario, valid in file names and URLs (`[A-Za-z0-9._-]+`).
    pub name: String,
    pub path: PathBuf,
    pub bytes: u64,
    /// Lower-case hex.
    pub sha256: String,
}

impl Image {
    /// Reads and hashes the file at `path`.
    pub fn read(name: &str, path: &Path) -> Result<Image> {
        let (bytes, sha256) = hash_file(path)?;
        Ok(Image {
            name: name.to_string(),
            path: path.to_path_buf(),
            bytes,
            sha256,
        })
    }

    /// Opens the archive for reading.
    pub fn open(&self) -> Result<File> {
        File::open(&self.path).with_context(|| format!("open {}", self.path.display()))
    }
}

/// Length in bytes and lower-case hex sha256 of a file, read once in small pieces.
pub fn hash_file(path: &Path) -> Result<(u64, String)> {
    let file = File::open(path).with_context(|| format!("open {}", path.display()))?;
    let mut hashing = Hashing::new(file);
    io::copy(&mut hashing, &mut io::sink()).with_context(|| format!("read {}", path.display()))?;
    Ok(hashing.finish())
}

/// A sha256.
pub type Digest = [u8; 32];

pub fn digest_of(bytes: &[u8]) -> Digest {
    Sha256::digest(bytes).into()
}

/// Lower-case hex sha256 of bytes in memory.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&digest_of(bytes))
}

/// Lower-case hex of bytes.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| DIGITS[usize::from(digit)] as char)
        .collect()
}

/// The sha256 that 64 hex digits spell.
pub fn digest_from_hex(text: &str) -> Result<Digest> {
    let mut digest = [0; 32];
    ensure!(
        text.len() == 64 && text.bytes().all(|digit| digit.is_ascii_hexdigit()),
        "`{text}` is not a sha256"
    );
    for (at, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16)?;
    }
    Ok(digest)
}

/// The first twelve digits (48 bits) of a hex sha256, to show to people.
pub fn short(sha256: &str) -> &str {
    sha256.get(..12).unwrap_or(sha256)
}

/// A reader or a writer that hashes and counts the bytes that pass through it.
pub struct Hashing<T> {
    inner: T,
    bytes: u64,
    sha256: Sha256,
}

impl<T> Hashing<T> {
    pub fn new(inner: T) -> Hashing<T> {
        Hashing {
            inner,
            bytes: 0,
            sha256: Sha256::new(),
        }
    }

    /// Bytes passed so far.
    pub fn passed_bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes passed and their sha256 as lower-case hex.
    pub fn finish(self) -> (u64, String) {
        (self.bytes, hex(&self.digest()))
    }

    /// The sha256 of the bytes passed.
    pub fn digest(self) -> Digest {
        self.sha256.finalize().into()
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.sha256.update(&buffer[..read]);
        self.bytes += read as u64;
        Ok(read)
    }
}

impl<W: io::Write> io::Write for Hashing<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(buffer)?;
        self.sha256.update(&buffer[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_reads_as_it_is_written_and_other_text_is_refused() {
        let text = sha256_hex(b"image");
        assert_eq!(digest_from_hex(&text).unwrap(), digest_of(b"image"));
        assert_eq!(short(&text), &text[..12]);
        for wrong in [
            &text[1..],
            "",
            &text.replace(&text[..1], "g"),
            &"é".repeat(32),
        ] {
            assert!(digest_from_hex(wrong).is_err(), "{wrong}");
        }
    }
}
