//! Puts an image together from chunks that come in any order: each is written to every place where it belongs, straight from
//! the memory in which it was hashed.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;

use anyhow::{Context, Result, ensure};

use crate::image::Digest;

/// An image of which some chunks are written and others are lacking.
pub struct Assembly<'a> {
    out: &'a File,
    /// Where each chunk begins; after the last one, the end of the image.
    offsets: Vec<u64>,
    /// For each chunk the next one of the same name; for the last of them itself.
    next: Vec<u32>,
    /// The first chunk of each name that is not taken yet.
    lacking: HashMap<Digest, u32>,
}

impl<'a> Assembly<'a> {
    /// Of chunks with these names and lengths, in the order of the image. `out` is an empty file; where the image is zero, it
    /// stays a hole.
    pub fn new(
        out: &'a File,
        chunks: impl DoubleEndedIterator<Item = (Digest, u64)> + ExactSizeIterator + Clone,
    ) -> Result<Assembly<'a>> {
        let mut offsets = Vec::with_capacity(chunks.len() + 1);
        let mut end = 0u64;
        offsets.push(end);
        for (_, bytes) in chunks.clone() {
            end = end.checked_add(bytes).context("an image beyond 2^64")?;
            offsets.push(end);
        }
        let count = u32::try_from(chunks.len()).context("too many chunks")?;
        let mut lacking = HashMap::with_capacity(chunks.len());
        let numbered = (0..count).zip(chunks).rev();
        let mut next: Vec<u32> = numbered
            .map(|(at, (name, _))| lacking.insert(name, at).unwrap_or(at))
            .collect();
        next.reverse();
        out.set_len(end).context("make room for the image")?;
        Ok(Assembly {
            out,
            offsets,
            next,
            lacking,
        })
    }

    /// Whether every chunk was taken.
    pub fn is_whole(&self) -> bool {
        self.lacking.is_empty()
    }

    /// Takes a chunk that is known to have this name, if it is lacking.
    pub fn put(&mut self, name: &Digest, bytes: &[u8]) -> Result<()> {
        match self.lacking.remove(name) {
            Some(first) => self.write(first as usize, bytes),
            None => Ok(()),
        }
    }

    /// Takes all that is lacking, to be written: the numbers of the first chunk of each name, in the order of the image.
    pub fn take_lacking(&mut self) -> Vec<usize> {
        let lacking = self.lacking.drain();
        let mut lacking: Vec<usize> = lacking.map(|(_, first)| first as usize).collect();
        lacking.sort_unstable();
        lacking
    }

    /// Writes the chunk `first`, and those after it of the same name. Several threads may do so at once.
    pub fn write(&self, first: usize, bytes: &[u8]) -> Result<()> {
        let is_hole = is_zero(bytes);
        let mut at = first;
        loop {
            let place = &self.offsets[at..at + 2];
            ensure!(
                place[1] - place[0] == bytes.len() as u64,
                "damaged: chunk {at} should have {} bytes, and has {}",
                place[1] - place[0],
                bytes.len()
            );
            if !is_hole {
                let written = self.out.write_all_at(bytes, place[0]);
                written.with_context(|| format!("write chunk {at}"))?;
            }
            let next = self.next[at] as usize;
            if next == at {
                return Ok(());
            }
            at = next;
        }
    }
}

/// Whether every byte is zero.
pub fn is_zero(bytes: &[u8]) -> bool {
    bytes
        .chunks(4096)
        .all(|page| page.iter().fold(0, |all, byte| all | byte) == 0)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::MetadataExt;

    use super::*;
    use crate::engine::chunk::name_of;

    /// The chunks of an image, by name and length.
    fn listed(chunks: &[Vec<u8>]) -> Vec<(Digest, u64)> {
        let listed = chunks.iter();
        listed
            .map(|chunk| (name_of(chunk), chunk.len() as u64))
            .collect()
    }

    #[test]
    fn chunks_in_any_order_are_the_image_each_taken_once_and_written_wherever_it_belongs() {
        let [a, b, c] = [vec![1; 5], vec![2; 70_000], vec![3]];
        let chunks = [&a, &b, &a, &c, &b, &a].map(Vec::clone);
        let mut out = tempfile::tempfile().unwrap();
        let mut assembly = Assembly::new(&out, listed(&chunks).into_iter()).unwrap();
        assembly.put(&name_of(&b), &b).unwrap();
        assembly
            .put(&name_of(b"of another image"), b"of another image")
            .unwrap();
        // A second time, and what it is does not matter any more.
        assembly.put(&name_of(&b), b"not b").unwrap();
        assert!(!assembly.is_whole());
        let lacking = assembly.take_lacking();
        assert_eq!(lacking, [0, 3]);
        assert!(assembly.is_whole());
        for (first, bytes) in lacking.into_iter().zip([&a, &c]) {
            assembly.write(first, bytes).unwrap();
        }
        let mut found = Vec::new();
        out.read_to_end(&mut found).unwrap();
        assert!(found == chunks.concat());
    }

    #[test]
    fn zeros_are_holes() {
        let (zeros, one) = (vec![0; 1 << 20], vec![1; 5]);
        let chunks = [&zeros, &one, &zeros].map(Vec::clone);
        let mut out = tempfile::tempfile().unwrap();
        let mut assembly = Assembly::new(&out, listed(&chunks).into_iter()).unwrap();
        for chunk in [&one, &zeros] {
            assembly.put(&name_of(chunk), chunk).unwrap();
        }
        assert!(assembly.is_whole());
        let mut found = Vec::new();
        out.read_to_end(&mut found).unwrap();
        assert!(found == chunks.concat());
        assert!(out.metadata().unwrap().blocks() * 512 < 1 << 16);
    }

    #[test]
    fn a_chunk_of_another_length_than_its_place_has_is_refused() {
        let out = tempfile::tempfile().unwrap();
        let name = name_of(b"four");
        let listed = [(name, 4), (name_of(b"x"), 1), (name, 5)];
        let mut assembly = Assembly::new(&out, listed.into_iter()).unwrap();
        let why = assembly.put(&name, b"four").unwrap_err();
        assert!(why.to_string().contains("chunk 2 should have 5 bytes"));
        let listed = [(name, u64::MAX), (name, 1)];
        assert!(Assembly::new(&out, listed.into_iter()).is_err());
    }

    #[test]
    fn an_image_of_nothing_is_whole_at_once() {
        let out = tempfile::tempfile().unwrap();
        let assembly = Assembly::new(&out, std::iter::empty().collect::<Vec<_>>().into_iter());
        assert!(assembly.unwrap().is_whole());
    }
}
