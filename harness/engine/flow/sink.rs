//! A file written from its first byte to its last, hashed on a thread of its own, with holes where it is zero.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, anyhow};
use sha2::{Digest as _, Sha256};

use super::assemble::is_zero;
use crate::image::Digest;

/// A write of less is slowed by its system call; more would leave the processor's caches before it is hashed.
const BLOCK_BYTES: usize = 1 << 18;

/// Blocks that wait to be hashed.
const WAITING: usize = 8;

/// Bytes to be written and hashed, zeroed once and used again and again.
type Block = Box<[u8]>;

fn new_block() -> Block {
    vec![0; BLOCK_BYTES].into()
}

/// A file on its way.
pub struct Sink<'a> {
    out: &'a File,
    /// Bytes that the file has at least.
    length: u64,
    /// Bytes before the block.
    passed: u64,
    /// As long as a block may be; `filled` bytes of it count.
    block: Block,
    filled: usize,
    hash: SyncSender<(Block, usize)>,
    spare: Receiver<Block>,
    hashing: JoinHandle<Digest>,
}

/// Bytes that the client has.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub file: &'a File,
    pub offset: u64,
}

impl<'a> Sink<'a> {
    /// Writes to a file that is empty.
    pub fn new(out: &'a File) -> Result<Sink<'a>> {
        let (hash, blocks) = sync_channel::<(Block, usize)>(WAITING);
        let (give_back, spare) = sync_channel(WAITING + 2);
        let hashing = thread::Builder::new()
            .name("hash".to_string())
            .spawn(move || {
                let mut sha256 = Sha256::new();
                for (block, filled) in blocks {
                    sha256.update(&block[..filled]);
                    // A writer that is gone needs none.
                    give_back.try_send(block).ok();
                }
                sha256.finalize().into()
            })
            .context("start the thread that hashes")?;
        let length = out.metadata().context("look at the output's length")?.len();
        Ok(Sink {
            out,
            length,
            passed: 0,
            block: new_block(),
            filled: 0,
            hash,
            spare,
            hashing,
        })
    }

    /// Bytes written so far.
    pub fn bytes(&self) -> u64 {
        self.passed + self.filled as u64
    }

    /// Appends `bytes` bytes from a place, which may be in this very file.
    pub fn copy(&mut self, place: &Place, bytes: u64) -> io::Result<()> {
        if std::ptr::eq(place.file, self.out) && place.offset + bytes > self.passed {
            self.end_block()?;
        }
        let mut at = 0;
        while at < bytes {
            let room = &mut self.block[self.filled..];
            let length =
                usize::try_from(bytes - at).map_or(room.len(), |left| left.min(room.len()));
            place
                .file
                .read_exact_at(&mut room[..length], place.offset + at)?;
            self.filled += length;
            at += length as u64;
            self.end_full_block()?;
        }
        Ok(())
    }

    /// Length and sha256 of what was written.
    pub fn finish(mut self) -> Result<(u64, Digest)> {
        self.end_block().context("write the end")?;
        drop(self.hash);
        let sha256 = self.hashing.join();
        let sha256 = sha256.map_err(|_| anyhow!("the thread that hashes panicked"))?;
        Ok((self.passed, sha256))
    }

    fn end_full_block(&mut self) -> io::Result<()> {
        match self.filled {
            BLOCK_BYTES => self.end_block(),
            _ => Ok(()),
        }
    }

    fn end_block(&mut self) -> io::Result<()> {
        let end = self.bytes();
        let block = &self.block[..self.filled];
        if !is_zero(block) {
            self.out.write_all_at(block, self.passed)?;
        } else if end > self.length {
            self.out.set_len(end)?;
        }
        self.length = self.length.max(end);
        self.pass_block()
    }

    fn pass_block(&mut self) -> io::Result<()> {
        self.passed = self.bytes();
        let next = self.spare.try_recv();
        let next = next.unwrap_or_else(|_| new_block());
        let block = std::mem::replace(&mut self.block, next);
        let sent = self.hash.send((block, std::mem::take(&mut self.filled)));
        sent.map_err(|_| io::Error::other("the thread that hashes is gone"))
    }
}

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = &mut self.block[self.filled..];
        let taken = bytes.len().min(room.len());
        room[..taken].copy_from_slice(&bytes[..taken]);
        self.filled += taken;
        self.end_full_block()?;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::MetadataExt;

    use super::*;
    use crate::dice::noise;
    use crate::image::digest_of;

    #[test]
    fn a_file_is_what_was_appended_wherever_it_came_from() {
        let base = tempfile::tempfile().unwrap();
        let held = noise(1, 3 * BLOCK_BYTES);
        base.write_all_at(&held, 0).unwrap();
        let mut out = tempfile::tempfile().unwrap();
        let mut sink = Sink::new(&out).unwrap();
        sink.write_all(b"begin").unwrap();
        let place = |file, offset| Place { file, offset };
        sink.copy(&place(&base, 7), (2 * BLOCK_BYTES) as u64)
            .unwrap();
        // From this file: what is on disk, and what is in the block still.
        sink.copy(&place(&out, 3), 1000).unwrap();
        sink.copy(&place(&out, sink.bytes() - 10), 10).unwrap();
        assert!(sink.copy(&place(&base, held.len() as u64 - 5), 6).is_err());
        sink.write_all(b"end").unwrap();
        let mut wanted = [b"begin", &held[7..7 + 2 * BLOCK_BYTES]].concat();
        wanted.extend_from_within(3..1003);
        wanted.extend_from_within(wanted.len() - 10..);
        wanted.extend(b"end");
        let (bytes, sha256) = sink.finish().unwrap();
        let mut found = Vec::new();
        out.read_to_end(&mut found).unwrap();
        assert!(found == wanted);
        assert_eq!((bytes, sha256), (wanted.len() as u64, digest_of(&wanted)));
    }

    #[test]
    fn zeros_are_holes_and_read_as_zeros() {
        let out = tempfile::tempfile().unwrap();
        let mut sink = Sink::new(&out).unwrap();
        let zeros = vec![0; 16 * BLOCK_BYTES];
        for part in [&zeros[..], b"x", &zeros] {
            sink.write_all(part).unwrap();
        }
        // Out of a hole.
        let place = Place {
            file: &out,
            offset: 5,
        };
        sink.copy(&place, 20).unwrap();
        let wanted = [&zeros[..], b"x", &zeros, &zeros[..20]].concat();
        assert_eq!(
            sink.finish().unwrap(),
            (wanted.len() as u64, digest_of(&wanted))
        );
        let mut found = vec![1; wanted.len()];
        out.read_exact_at(&mut found, 0).unwrap();
        assert!(found == wanted);
        let about = out.metadata().unwrap();
        assert_eq!(about.len(), wanted.len() as u64);
        assert!(about.blocks() * 512 < 4 * BLOCK_BYTES as u64);
    }
}
