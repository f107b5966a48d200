//! Bytes in files, read by place and never held whole: an image, a layer in it, or a layer unpacked beside it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};

/// Bytes read at once where a long run of them is read.
pub const PIECE_BYTES: usize = 1 << 20;

/// A run of bytes in a file.
#[derive(Clone, Debug)]
pub struct Space {
    file: Arc<File>,
    at: u64,
    len: u64,
}

impl Space {
    /// All of the file at `path`.
    pub fn open(path: &Path) -> Result<Space> {
        let file = File::open(path).with_context(|| format!("open {}", path.display()))?;
        let about = file
            .metadata()
            .with_context(|| format!("look at {}", path.display()))?;
        ensure!(about.is_file(), "{}: not a file", path.display());
        Ok(Space::whole(Arc::new(file), about.len()))
    }

    pub fn whole(file: Arc<File>, len: u64) -> Space {
        Space { file, at: 0, len }
    }

    pub fn len(&self) -> u64 {
        self.len
    }

    /// `len` bytes from `at` on, as a space of their own; an error when they are not all in this one.
    pub fn part(&self, at: u64, len: u64) -> Result<Space> {
        let end = at.checked_add(len);
        ensure!(
            end.is_some_and(|end| end <= self.len),
            "{len} bytes at {at} are not within {}",
            self.len
        );
        Ok(Space {
            file: Arc::clone(&self.file),
            at: self.at + at,
            len,
        })
    }

    /// Fills `buffer` from `at` on.
    pub fn read(&self, at: u64, buffer: &mut [u8]) -> Result<()> {
        let part = self.part(at, buffer.len() as u64)?;
        part.file
            .read_exact_at(buffer, part.at)
            .with_context(|| format!("read {} bytes at {}", buffer.len(), part.at))
    }

    /// Writes `bytes` from `at` on.
    pub fn write(&self, at: u64, bytes: &[u8]) -> Result<()> {
        let part = self.part(at, bytes.len() as u64)?;
        part.file
            .write_all_at(bytes, part.at)
            .with_context(|| format!("write {} bytes at {}", bytes.len(), part.at))
    }

    /// All bytes in memory; an error when there are more than `most`.
    pub fn load(&self, most: u64) -> Result<Vec<u8>> {
        ensure!(
            self.len <= most,
            "{} bytes are more than the limit of {most}",
            self.len
        );
        let mut bytes = vec![0; self.len as usize];
        self.read(0, &mut bytes)?;
        Ok(bytes)
    }

    /// Hands all bytes to `each`, piece by piece.
    pub fn pieces(&self, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut buffer = vec![0; PIECE_BYTES.min(self.len as usize)];
        let mut at = 0;
        while at < self.len {
            let now = (self.len - at).min(PIECE_BYTES as u64) as usize;
            self.read(at, &mut buffer[..now])?;
            each(&buffer[..now])?;
            at += now as u64;
        }
        Ok(())
    }
}
