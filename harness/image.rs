//! An image: one saved archive, known by its name, its size and its sha256.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// One saved image archive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Image {
    /// Name in its scenario, fit for file names and URLs (`[A-Za-z0-9._-]+`).
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

/// Lower-case hex sha256 of bytes in memory.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Lower-case hex of bytes.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A reader or a writer that hashes and counts what passes through it.
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
        (self.bytes, hex(&self.sha256.finalize()))
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
