//! Which file of the base a changed file is coded against. Encoder only: the patch says what was chosen.

use std::cell::OnceCell;
use std::collections::HashMap;

use anyhow::Result;

use super::archive::Archive;
use super::gzip;
use super::recipe::WHOLE_BYTES;
use super::sketch::{Similar, sketch};
use super::tar;

/// Smaller files are not looked for by their contents.
const LEAST_BYTES: u64 = 512;

/// The base's files, by what leads to them.
pub struct Pairing<'a> {
    base: &'a Archive,
    folded: HashMap<Vec<u8>, Vec<usize>>,
    names: HashMap<Vec<u8>, Vec<usize>>,
    similar: OnceCell<Similar>,
    /// Whether other paths than the same are looked at.
    looks_further: bool,
}

fn name_of(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

/// A path with each version in it, digits and the dots between them, as one `0`: versions come and go.
fn fold(path: &[u8]) -> Vec<u8> {
    let mut folded = Vec::with_capacity(path.len());
    for (n, byte) in path.iter().enumerate() {
        let in_version = folded.last() == Some(&b'0');
        let more = path.get(n + 1).is_some_and(u8::is_ascii_digit);
        match byte {
            b'0'..=b'9' if in_version => {}
            b'.' if in_version && more => {}
            b'0'..=b'9' => folded.push(b'0'),
            _ => folded.push(*byte),
        }
    }
    folded
}

/// Whether bytes begin as an ELF file does.
pub fn is_elf(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x7fELF")
}

impl<'a> Pairing<'a> {
    pub fn of(base: &'a Archive, looks_further: bool) -> Pairing<'a> {
        let mut pairing = Pairing {
            base,
            folded: HashMap::new(),
            names: HashMap::new(),
            similar: OnceCell::new(),
            looks_further,
        };
        for (index, entry) in base.entries.iter().enumerate() {
            if entry.is_regular() && entry.size > 0 && !base.inner.contains_key(&index) {
                let path = tar::normal(&entry.path);
                let name = name_of(&path).to_vec();
                pairing.folded.entry(fold(&path)).or_default().push(index);
                pairing.names.entry(name).or_default().push(index);
            }
        }
        pairing
    }

    /// The base's file for contents at `path`; `tar` is the archive of the base that is looked at first.
    pub fn choose(
        &self,
        path: &[u8],
        tar: Option<usize>,
        contents: &[u8],
    ) -> Result<Option<usize>> {
        let size = contents.len() as u64;
        let by_path = self.base.find(path, tar);
        if let Some(index) = self.fit(by_path.as_slice(), contents, size)? {
            return Ok(Some(index));
        }
        if !self.looks_further {
            return Ok(None);
        }
        let path = tar::normal(path);
        let none = Vec::new();
        let folded = self.folded.get(&fold(&path)).unwrap_or(&none);
        if let Some(index) = self.fit(folded, contents, size)? {
            return Ok(Some(index));
        }
        let named = self.names.get(name_of(&path)).unwrap_or(&none);
        if let Some(index) = self.fit(named, contents, size)? {
            return Ok(Some(index));
        }
        if size < LEAST_BYTES {
            return Ok(None);
        }
        let nearest = self.similar()?.nearest(&sketch(contents));
        let nearest = nearest.map(|(index, _)| index);
        self.fit(nearest.as_slice(), contents, size)
    }

    /// Of the candidates that are ELF just when the contents are, the one nearest in size.
    fn fit(&self, candidates: &[usize], contents: &[u8], size: u64) -> Result<Option<usize>> {
        let mut fitting = Vec::new();
        for index in candidates.iter().take(64) {
            let entry = &self.base.entries[*index];
            let sized = (1..=WHOLE_BYTES).contains(&entry.size);
            if !entry.is_regular() || !sized || self.base.inner.contains_key(index) {
                continue;
            }
            let content = self.base.content(*index)?;
            let start = content.part(0, content.len().min(4))?.load(4)?;
            let fits = is_elf(&start) == is_elf(contents)
                && gzip::is_gzip(&start) == gzip::is_gzip(contents);
            if fits {
                fitting.push(*index);
            }
        }
        let nearest = fitting
            .into_iter()
            .min_by_key(|index| (self.base.entries[*index].size.abs_diff(size), *index));
        Ok(nearest)
    }

    fn similar(&self) -> Result<&Similar> {
        if let Some(similar) = self.similar.get() {
            return Ok(similar);
        }
        let mut similar = Similar::default();
        for (index, entry) in self.base.entries.iter().enumerate() {
            let worth = entry.is_regular() && (LEAST_BYTES..=WHOLE_BYTES).contains(&entry.size);
            if worth && !self.base.inner.contains_key(&index) {
                let contents = self.base.content(index)?.load(WHOLE_BYTES)?;
                similar.add(index, &sketch(&contents));
            }
        }
        Ok(self.similar.get_or_init(|| similar))
    }
}

#[cfg(test)]
mod tests {
    use super::fold;

    #[test]
    fn versions_of_any_length_fold_to_the_same_path() {
        assert_eq!(fold(b"lib/libssl.so.3"), fold(b"lib/libssl.so.1.1"));
        assert_eq!(fold(b"doc/libssl3/a.gz"), fold(b"doc/libssl1.1/a.gz"));
        assert_ne!(fold(b"lib/a1.so"), fold(b"lib/a.so"));
    }
}
